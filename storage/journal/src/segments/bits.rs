//! Which numbers of a segment are needed: a bit for each.

/// A bit for each number of one kind in a segment: set while that message is needed.
#[derive(Debug)]
pub(super) struct Bits {
    /// The first number of the segment.
    pub first: u64,
    words: Vec<u64>,
}

impl Bits {
    pub fn new(first: u64) -> Self {
        Self { first, words: Vec::new() }
    }

    /// Sets the bits of `count` numbers from `number` on.
    #[inline]
    pub fn set(&mut self, number: u64, count: u32) {
        let mut at = number - self.first;
        let end = at + u64::from(count);
        while at < end {
            // As many as are in one word.
            let next = (at / 64 * 64 + 64).min(end);
            let word = usize::try_from(at / 64).expect("a segment has fewer records than octets");
            if self.words.len() <= word {
                self.words.resize(word + 1, 0);
            }
            self.words[word] |= u64::MAX >> (64 - (next - at)) << (at % 64);
            at = next;
        }
    }

    pub fn is_set(&self, number: u64) -> bool {
        let at = number - self.first;
        let word = self.words.get(usize::try_from(at / 64).unwrap_or(usize::MAX));
        word.is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// Clears a bit; gives whether it was set.
    #[inline]
    pub fn clear(&mut self, number: u64) -> bool {
        let at = number - self.first;
        let Some(word) = self.words.get_mut(usize::try_from(at / 64).unwrap_or(usize::MAX)) else { return false };
        let was = *word & (1 << (at % 64)) != 0;
        *word &= !(1 << (at % 64));
        was
    }

    /// The first number from `from` on whose bit is set.
    pub fn next(&self, from: u64) -> Option<u64> {
        let at = from.saturating_sub(self.first);
        let mut word = usize::try_from(at / 64).ok()?;
        let mut bits = self.words.get(word)? & (u64::MAX << (at % 64));
        while bits == 0 {
            word += 1;
            bits = *self.words.get(word)?;
        }
        Some(self.first + word as u64 * 64 + u64::from(bits.trailing_zeros()))
    }

    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}
