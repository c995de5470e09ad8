//! A set of sequence numbers that were seen, mostly all of them and in order.
//!
//! Guarantees: what has come without a gap costs nothing; what has not costs a bit a number, in chunks, and two words for each chunk
//! that is full or empty; memory is taken from a budget, and a number that finds none left is refused, never forgotten silently.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 64 words are 4,096 numbers, 512 octets: what is allocated at a time.
const CHUNK_WORDS: usize = 64;
/// Numbers of a chunk.
const CHUNK: u64 = 64 * CHUNK_WORDS as u64;
/// What a chunk's place costs, octets.
const PLACE_BYTES: u64 = size_of::<Chunk>() as u64;
/// What its bits cost, octets.
const BITS_BYTES: u64 = CHUNK / 8 + 8;

/// Memory that sets may still take, octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Octets; what a set took and gave back counts again.
    pub left_bytes: u64,
}

impl Budget {
    /// Takes `bytes` if they are there.
    pub fn take(&mut self, bytes: u64) -> bool {
        let left = self.left_bytes.checked_sub(bytes);
        self.left_bytes = left.unwrap_or(self.left_bytes);
        left.is_some()
    }

    fn give(&mut self, bytes: u64) {
        self.left_bytes += bytes;
    }
}

/// What became of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert {
    /// It was not in the set.
    New,
    /// It was.
    Known,
    /// There is no memory left for it.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Chunk {
    Empty,
    Full,
    Bits(Box<Bits>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bits {
    ones: u16,
    words: [u64; CHUNK_WORDS],
}

/// The set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequences {
    /// Everything below is in it, this is not.
    below: u64,
    /// Chunks from that of `below` on; bits below `below` are set.
    chunks: VecDeque<Chunk>,
}

impl Sequences {
    /// Adds a number.
    #[inline]
    pub fn insert(&mut self, number: u64, budget: &mut Budget) -> Insert {
        if number == self.below && self.chunks.is_empty() {
            self.below += 1;
            return Insert::New;
        }
        self.insert_apart(number, budget)
    }

    fn insert_apart(&mut self, number: u64, budget: &mut Budget) -> Insert {
        if number < self.below {
            return Insert::Known;
        }
        let place = number / CHUNK - self.below / CHUNK;
        if !self.reach(place, budget) {
            return Insert::Refused;
        }
        let filled = if place == 0 { self.below % CHUNK } else { 0 };
        let Some(chunk) = usize::try_from(place).ok().and_then(|place| self.chunks.get_mut(place)) else {
            return Insert::Refused;
        };
        if *chunk == Chunk::Empty {
            if !budget.take(BITS_BYTES) {
                return Insert::Refused;
            }
            *chunk = Chunk::Bits(Box::new(Bits::filled(filled)));
        }
        let Chunk::Bits(bits) = chunk else { return Insert::Known };
        if !bits.set(number % CHUNK) {
            return Insert::Known;
        }
        if u64::from(bits.ones) == CHUNK {
            *chunk = Chunk::Full;
            budget.give(BITS_BYTES);
        }
        if number == self.below {
            self.pass(budget);
        }
        Insert::New
    }

    /// Makes places for chunks up to `place`.
    fn reach(&mut self, place: u64, budget: &mut Budget) -> bool {
        let missing = (place + 1).saturating_sub(self.chunks.len() as u64);
        if missing > 0 {
            if !budget.take(missing.saturating_mul(PLACE_BYTES)) {
                return false;
            }
            // The budget bounds it to what memory has.
            self.chunks.extend((0..missing).map(|_| Chunk::Empty));
        }
        true
    }

    /// Moves `below` to the first number that is missing, and forgets the chunks before it.
    fn pass(&mut self, budget: &mut Budget) {
        loop {
            match self.chunks.front() {
                Some(Chunk::Full) => {
                    self.chunks.pop_front();
                    budget.give(PLACE_BYTES);
                    self.below = (self.below / CHUNK + 1) * CHUNK;
                }
                Some(Chunk::Bits(bits)) => {
                    self.below = self.below / CHUNK * CHUNK + bits.first_missing();
                    break;
                }
                Some(Chunk::Empty) | None => break,
            }
        }
        if self.chunks.iter().all(|chunk| *chunk == Chunk::Empty) {
            budget.give(self.chunks.len() as u64 * PLACE_BYTES);
            self.chunks.clear();
        } else if let Some(Chunk::Bits(bits)) = self.chunks.front()
            && self.chunks.len() == 1
            && u64::from(bits.ones) == self.below % CHUNK
        {
            // Nothing lies behind the gap that was closed: back to the short way.
            budget.give(PLACE_BYTES + BITS_BYTES);
            self.chunks.clear();
        }
    }

    /// Adds all numbers of `from..to`; gives whether there was memory for them.
    pub fn insert_range(&mut self, from: u64, to: u64, budget: &mut Budget) -> bool {
        let mut number = from.max(self.below);
        if number == self.below && self.chunks.is_empty() {
            self.below = self.below.max(to);
            return true;
        }
        while number < to {
            let place = number / CHUNK - self.below / CHUNK;
            let whole = number.is_multiple_of(CHUNK) && to - number >= CHUNK && place > 0;
            if whole {
                if !self.reach(place, budget) {
                    return false;
                }
                if let Some(chunk) = usize::try_from(place).ok().and_then(|place| self.chunks.get_mut(place))
                    && let Chunk::Bits(_) = std::mem::replace(chunk, Chunk::Full)
                {
                    budget.give(BITS_BYTES);
                }
                number += CHUNK;
            } else {
                if self.insert(number, budget) == Insert::Refused {
                    return false;
                }
                // Closing a gap may pass what was there already.
                number = (number + 1).max(self.below);
            }
        }
        true
    }

    /// How many numbers it has.
    pub fn count(&self) -> u64 {
        let of = |chunk: &Chunk| match chunk {
            Chunk::Empty => 0,
            Chunk::Full => CHUNK,
            Chunk::Bits(bits) => u64::from(bits.ones),
        };
        // The first chunk's bits have those below `below`, if it has any bits.
        let first = self.chunks.front().map_or(0, of).max(self.below % CHUNK);
        self.below / CHUNK * CHUNK + first + self.chunks.iter().skip(1).map(of).sum::<u64>()
    }

    /// Everything below is in it, this is not.
    pub fn below(&self) -> u64 {
        self.below
    }

    /// One more than the largest number.
    pub fn end(&self) -> u64 {
        let last = self.chunks.iter().enumerate().rev().find(|(_, chunk)| **chunk != Chunk::Empty);
        let start = |place: usize| (self.below / CHUNK + place as u64) * CHUNK;
        let end = match last {
            Some((place, Chunk::Full)) => start(place + 1),
            Some((place, Chunk::Bits(bits))) => start(place) + bits.end(),
            _ => self.below,
        };
        end.max(self.below)
    }

    /// Whether it has a number.
    pub fn contains(&self, number: u64) -> bool {
        self.word(number / 64) >> (number % 64) & 1 == 1
    }

    /// The numbers from 64 × `place` on as bits.
    pub fn word(&self, place: u64) -> u64 {
        let start = place * 64;
        if start + 64 <= self.below {
            return u64::MAX;
        }
        let low = if self.below > start { (1 << (self.below - start)) - 1 } else { 0 };
        let Some(chunk) = (start / CHUNK).checked_sub(self.below / CHUNK) else { return low };
        match usize::try_from(chunk).ok().and_then(|chunk| self.chunks.get(chunk)) {
            Some(Chunk::Full) => u64::MAX,
            Some(Chunk::Bits(bits)) => {
                low | usize::try_from(place % CHUNK_WORDS as u64)
                    .map_or(0, |word| bits.words.get(word).copied().unwrap_or(0))
            }
            Some(Chunk::Empty) | None => low,
        }
    }
}

impl Bits {
    /// With the first `count` bits set, fewer than all.
    fn filled(count: u64) -> Self {
        let mut bits = Self { ones: 0, words: [0; CHUNK_WORDS] };
        for (word, place) in bits.words.iter_mut().zip(0_u64..) {
            let within = count.saturating_sub(place * 64).min(64);
            *word = if within == 64 { u64::MAX } else { (1 << within) - 1 };
        }
        bits.ones = u16::try_from(count).unwrap_or_default();
        bits
    }

    /// Sets a bit; gives whether it was not set.
    fn set(&mut self, bit: u64) -> bool {
        let Some(word) = usize::try_from(bit / 64).ok().and_then(|word| self.words.get_mut(word)) else { return false };
        let mask = 1 << (bit % 64);
        let new = *word & mask == 0;
        *word |= mask;
        self.ones += u16::from(new);
        new
    }

    fn first_missing(&self) -> u64 {
        let found = self.words.iter().zip(0_u64..).find(|(word, _)| **word != u64::MAX);
        found.map_or(CHUNK, |(word, place)| place * 64 + u64::from(word.trailing_ones()))
    }

    fn end(&self) -> u64 {
        let found = self.words.iter().enumerate().rev().find(|(_, word)| **word != 0);
        found.map_or(0, |(place, word)| place as u64 * 64 + 64 - u64::from(word.leading_zeros()))
    }
}

/// As it is written: runs of chunks; bits as base64.
#[derive(Serialize, Deserialize)]
struct Written {
    below: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    chunks: Vec<WrittenChunk>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenChunk {
    Empty(u32),
    Full(u32),
    Bits(String),
}

/// Chunks of a set that is read, at most: what a budget of 256 MiB lets a worker have.
const READ_CHUNKS_MAX: usize = 16 << 20;

impl Serialize for Sequences {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut chunks: Vec<WrittenChunk> = Vec::new();
        for chunk in &self.chunks {
            match (chunk, chunks.last_mut()) {
                (Chunk::Empty, Some(WrittenChunk::Empty(count))) | (Chunk::Full, Some(WrittenChunk::Full(count))) => {
                    *count += 1;
                }
                (Chunk::Empty, _) => chunks.push(WrittenChunk::Empty(1)),
                (Chunk::Full, _) => chunks.push(WrittenChunk::Full(1)),
                (Chunk::Bits(bits), _) => {
                    let octets: Vec<u8> = bits.words.iter().flat_map(|word| word.to_le_bytes()).collect();
                    chunks.push(WrittenChunk::Bits(STANDARD.encode(octets)));
                }
            }
        }
        Written { below: self.below, chunks }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sequences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { below, chunks: written } = Written::deserialize(deserializer)?;
        let mut chunks = VecDeque::new();
        for chunk in written {
            let (count, chunk) = match chunk {
                WrittenChunk::Empty(count) => (count, Chunk::Empty),
                WrittenChunk::Full(count) => (count, Chunk::Full),
                WrittenChunk::Bits(text) => {
                    let bits = read_bits(&text).ok_or_else(|| serde::de::Error::custom("no bits of a chunk"))?;
                    (1, Chunk::Bits(Box::new(bits)))
                }
            };
            if chunks.len() + count as usize > READ_CHUNKS_MAX {
                return Err(serde::de::Error::custom("more chunks than a set can have"));
            }
            chunks.extend(std::iter::repeat_n(chunk, count as usize));
        }
        Ok(Self { below, chunks })
    }
}

fn read_bits(text: &str) -> Option<Bits> {
    let octets = STANDARD.decode(text).ok().filter(|octets| octets.len() == CHUNK_WORDS * 8)?;
    let mut bits = Bits { ones: 0, words: [0; CHUNK_WORDS] };
    for (word, octets) in bits.words.iter_mut().zip(octets.chunks_exact(8)) {
        *word = u64::from_le_bytes(*octets.first_chunk()?);
    }
    bits.ones = u16::try_from(bits.words.iter().map(|word| word.count_ones()).sum::<u32>()).ok()?;
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const ROOM: Budget = Budget { left_bytes: 1 << 30 };

    /// Steps forward, and jumps: nearly contiguous, as deliveries are.
    fn numbers() -> impl Strategy<Value = Vec<u64>> {
        let step = prop_oneof![20 => Just(1_i64), 2 => -300..300_i64, 1 => 0..20_000_i64];
        proptest::collection::vec((step, 1..400_u64), 1..60).prop_map(|runs| {
            let mut numbers = Vec::new();
            let mut at = 0_i64;
            for (step, length) in runs {
                at = (at + step - 1).max(0);
                numbers.extend((0..length).map(|n| at.cast_unsigned() + n));
                at += length.cast_signed();
            }
            numbers
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn it_is_a_set(numbers in numbers(), (from, length) in (0..30_000_u64, 0..20_000_u64)) {
            let (mut set, mut model, mut budget) = (Sequences::default(), BTreeSet::new(), ROOM);
            for &number in &numbers {
                let expected = if model.insert(number) { Insert::New } else { Insert::Known };
                prop_assert_eq!(set.insert(number, &mut budget), expected);
            }
            for _ in 0..2 {
                prop_assert_eq!(set.count(), model.len() as u64);
                prop_assert_eq!(set.end(), model.last().map_or(0, |last| last + 1));
                let end = set.end() + 200;
                prop_assert_eq!(set.below(), (0..end).find(|number| !model.contains(number)).expect("an end"));
                for number in 0..end {
                    prop_assert_eq!(set.contains(number), model.contains(&number), "{}", number);
                }
                let text = serde_json::to_string(&set).expect("it prints");
                prop_assert_eq!(&serde_json::from_str::<Sequences>(&text).expect("it is read"), &set);
                prop_assert!(set.insert_range(from, from + length, &mut budget));
                model.extend(from..from + length);
            }
        }
    }

    #[test]
    fn a_hundred_million_cost_what_is_said() {
        let (mut set, mut budget) = (Sequences::default(), ROOM);
        assert!((0..1_000_000).all(|number| set.insert(number, &mut budget) == Insert::New));
        assert_eq!(budget, ROOM, "without a gap nothing");
        assert!((1_000_001..2_000_000).all(|number| set.insert(number, &mut budget) == Insert::New));
        let used = ROOM.left_bytes - budget.left_bytes;
        assert!(used < 6000, "behind a gap two words for each full chunk, {used}");
        assert_eq!(set.insert(1_000_000, &mut budget), Insert::New);
        assert_eq!((budget, set.below()), (ROOM, 2_000_000), "and nothing when it is closed");
        let mut small = Budget { left_bytes: 10_000 };
        assert_eq!(set.insert(u64::MAX, &mut small), Insert::Refused, "a number out of all bounds");
        assert_eq!(small.left_bytes, 10_000);
    }
}
