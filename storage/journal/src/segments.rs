//! Which segments are still needed, which messages in them are, and which segment to empty next.
//!
//! Segments leave in the order in which they came: what a segment says of older ones (acknowledgements, failures) is then
//! never missed, because those are gone before it. A segment with few living messages at the front is emptied by writing them
//! again at the end, as soon as the journal is longer than twice what lives in it plus an allowance; so that each octet that
//! lives is written again at most about once for each octet that came. One in which next to nothing lives is emptied sooner: that
//! costs nothing, and segments leave one by one, to serve again. One bit for each sequence number is all that is kept.

use std::collections::VecDeque;

use crate::format::BLOCK;

/// Next to nothing: one part of so many of a segment's length.
const SPARSE_SHARE: u64 = 64;
/// What a message that is written again is longer at most, octets for each of its queues.
const MOVED_BYTES: u64 = 16;
/// Segments that a journal has before such a one is emptied: what is about to leave its queue by itself has time to.
const SPARSE_BEHIND: usize = 3;

#[derive(Debug)]
struct Segment {
    number: u64,
    first_sequence: u64,
    /// A bit for each sequence number from the first: set while that message is needed.
    bits: Vec<u64>,
    live: u64,
    messages: u64,
    /// Octets of all its message records.
    bytes: u64,
    /// Reads that are under way.
    readers: u32,
    /// The first sequence number of each batch, and the block that it begins at.
    batches: Vec<(u64, u32)>,
    /// The block after the last batch.
    end: u32,
}

/// A segment as a checkpoint has it; what is needed of it is said by those who need it (`handle_needed`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentState {
    /// Its number.
    pub number: u64,
    /// Its first sequence number.
    pub first_sequence: u64,
    /// Messages written to it, once for each queue.
    pub messages: u64,
    /// Octets of their records.
    pub bytes: u64,
    /// The block after the last batch.
    pub end: u32,
    /// The first sequence number of each batch, and the block that it begins at.
    pub batches: Vec<(u64, u32)>,
}

impl Segment {
    fn live_bytes(&self) -> u64 {
        let share = u128::from(self.bytes) * u128::from(self.live) / u128::from(self.messages.max(1));
        u64::try_from(share).unwrap_or(self.bytes)
    }

    /// The first number from `from` on whose bit is set.
    fn next_live(&self, from: u64) -> Option<u64> {
        let at = from.saturating_sub(self.first_sequence);
        let mut word = usize::try_from(at / 64).ok()?;
        let mut bits = self.bits.get(word)? & (u64::MAX << (at % 64));
        while bits == 0 {
            word += 1;
            bits = *self.bits.get(word)?;
        }
        Some(self.first_sequence + word as u64 * 64 + u64::from(bits.trailing_zeros()))
    }
}

/// Batches of a segment that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Living {
    /// The segment.
    pub segment: u64,
    /// Where the first one begins, blocks.
    pub block: u32,
    /// Their length, blocks.
    pub blocks: u32,
    /// The first sequence number behind them.
    pub next: u64,
}

/// The segments of one journal, oldest first.
#[derive(Debug)]
pub struct Segments {
    segments: VecDeque<Segment>,
    segment_bytes: u64,
    allowance: u64,
}

impl Segments {
    /// A journal without segments. `allowance`: octets that it may be longer than twice what lives in it.
    pub fn new(segment_bytes: u64, allowance: u64) -> Self {
        Self { segments: VecDeque::new(), segment_bytes, allowance }
    }

    /// A segment was begun with this sequence number; the one before it is full.
    pub fn handle_begun(&mut self, number: u64, first_sequence: u64) {
        assert!(self.segments.back().is_none_or(|last| last.number + 1 == number), "segments follow each other");
        self.push(SegmentState { number, first_sequence, messages: 0, bytes: 0, end: 0, batches: Vec::new() });
    }

    fn push(&mut self, state: SegmentState) {
        let SegmentState { number, first_sequence, messages, bytes, end, batches } = state;
        let (bits, live, readers) = (Vec::new(), 0, 0);
        self.segments.push_back(Segment { number, first_sequence, bits, live, messages, bytes, readers, batches, end });
    }

    /// A segment of a damaged journal: those between it and the one before it may be lost, and are not counted.
    pub fn salvage_begun(&mut self, number: u64, first_sequence: u64) {
        self.push(SegmentState { number, first_sequence, messages: 0, bytes: 0, end: 0, batches: Vec::new() });
    }

    /// A batch was closed in the newest segment: it begins with a sequence number, and reaches from block to block.
    pub fn handle_sealed(&mut self, first_sequence: u64, block: u32, blocks: u32) {
        let segment = self.segments.back_mut().expect("a batch is written to a segment");
        segment.batches.push((first_sequence, block));
        segment.end = block + blocks;
    }

    /// The batch that a sequence number lies in: its segment, where it begins there and its length, blocks.
    pub fn place_of(&self, sequence: u64) -> Option<(u64, u32, u32)> {
        let after = self.segments.partition_point(|segment| segment.first_sequence <= sequence);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        let next = segment.batches.partition_point(|(first, _)| *first <= sequence);
        let (_, block) = *segment.batches.get(next.checked_sub(1)?)?;
        let end = segment.batches.get(next).map_or(segment.end, |(_, block)| *block);
        Some((segment.number, block, end - block))
    }

    /// All segments but the one that is written, for a checkpoint.
    pub fn states(&self) -> impl Iterator<Item = SegmentState> {
        let full = self.segments.iter().take(self.segments.len().saturating_sub(1));
        full.map(|segment| SegmentState {
            number: segment.number,
            first_sequence: segment.first_sequence,
            messages: segment.messages,
            bytes: segment.bytes,
            end: segment.end,
            batches: segment.batches.clone(),
        })
    }

    /// Takes the segments of a checkpoint, oldest first; `None` when they do not follow each other.
    pub fn restore(&mut self, states: impl Iterator<Item = SegmentState>) -> Option<()> {
        for state in states {
            let follows = |last: &Segment| {
                last.number.checked_add(1) == Some(state.number) && last.first_sequence <= state.first_sequence
            };
            if !self.segments.back().is_none_or(follows) {
                return None;
            }
            self.push(state);
        }
        Some(())
    }

    /// A message of a checkpoint is needed under this number.
    pub fn handle_needed(&mut self, sequence: u64) {
        let after = self.segments.partition_point(|segment| segment.first_sequence <= sequence);
        let Some(segment) = after.checked_sub(1).and_then(|place| self.segments.get_mut(place)) else { return };
        let at = sequence - segment.first_sequence;
        // No segment has more numbers than octets: a checkpoint that says so is not followed into memory.
        let Some(word) = usize::try_from(at / 64).ok().filter(|_| at < self.segment_bytes) else { return };
        if segment.bits.len() <= word {
            segment.bits.resize(word + 1, 0);
        }
        if segment.bits[word] & (1 << (at % 64)) == 0 {
            segment.bits[word] |= 1 << (at % 64);
            segment.live += 1;
        }
    }

    /// The files of segments before this number are gone: nothing in them is needed.
    pub fn forget_before(&mut self, number: u64) {
        while self.segments.front().is_some_and(|front| front.number < number) {
            self.segments.pop_front();
        }
    }

    /// A message of the newest segment is needed from now on, under `count` sequence numbers from `sequence`.
    #[inline]
    pub fn handle_stored(&mut self, sequence: u64, count: u32, bytes: usize) {
        let segment = self.segments.back_mut().expect("a record is written to a segment");
        let mut at = sequence - segment.first_sequence;
        let end = at + u64::from(count);
        while at < end {
            // As many as are in one word.
            let next = (at / 64 * 64 + 64).min(end);
            let word = usize::try_from(at / 64).expect("a segment has fewer records than octets");
            if segment.bits.len() <= word {
                segment.bits.resize(word + 1, 0);
            }
            segment.bits[word] |= u64::MAX >> (64 - (next - at)) << (at % 64);
            at = next;
        }
        segment.live += u64::from(count);
        segment.messages += u64::from(count);
        segment.bytes += bytes as u64;
    }

    /// A message is no longer needed under this number, or was written again elsewhere. What is not there is no matter.
    #[inline]
    pub fn handle_released(&mut self, sequence: u64) {
        let after = self.segments.partition_point(|segment| segment.first_sequence <= sequence);
        let Some(segment) = after.checked_sub(1).and_then(|place| self.segments.get_mut(place)) else { return };
        let at = sequence - segment.first_sequence;
        let word = segment.bits.get_mut(usize::try_from(at / 64).unwrap_or(usize::MAX));
        if let Some(word) = word
            && *word & (1 << (at % 64)) != 0
        {
            *word &= !(1 << (at % 64));
            segment.live = segment.live.checked_sub(1).expect("a message of a dropped queue is not released again");
        }
    }

    /// So many messages of a segment are no longer needed, with a queue that is gone: whoever writes the rest again looks at
    /// the queues, too.
    pub fn handle_dropped(&mut self, number: u64, count: u64) {
        self.segment(number).live -= count;
    }

    /// Whether a message is needed under this number, unless its queue was dropped.
    pub fn is_live(&self, sequence: u64) -> bool {
        let after = self.segments.partition_point(|segment| segment.first_sequence <= sequence);
        let Some(segment) = after.checked_sub(1).and_then(|place| self.segments.get(place)) else { return false };
        let at = sequence - segment.first_sequence;
        segment
            .bits
            .get(usize::try_from(at / 64).unwrap_or(usize::MAX))
            .is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// Whether a sequence number lies in a segment that is there.
    pub fn holds(&self, sequence: u64) -> bool {
        self.segments.front().is_some_and(|front| front.first_sequence <= sequence)
    }

    /// A read of a segment begins: its file stays as it is until it ends.
    pub fn handle_read(&mut self, number: u64) {
        self.segment(number).readers += 1;
    }

    /// A read ended.
    pub fn handle_read_done(&mut self, number: u64) {
        self.segment(number).readers -= 1;
    }

    fn segment(&mut self, number: u64) -> &mut Segment {
        let first = self.segments.front().map_or(number, |segment| segment.number);
        let place = usize::try_from(number.wrapping_sub(first)).unwrap_or(usize::MAX);
        self.segments.get_mut(place).expect("a segment that is read is there")
    }

    /// The oldest segment, if nothing in it is needed: the host uses its file again. `durable` is the last sequence number on
    /// stable storage; the segment that is written stays.
    pub fn poll_free(&mut self, durable: u64) -> Option<u64> {
        let [front, second] = [self.segments.front()?, self.segments.get(1)?];
        let free = front.live == 0 && front.readers == 0 && second.first_sequence <= durable.saturating_add(1);
        if free { self.segments.pop_front().map(|segment| segment.number) } else { None }
    }

    /// The segment whose living messages are to be written again: the oldest one, if the journal is too long for what lives in
    /// it, or if next to nothing lives in it that keeps those behind it from being used again.
    pub fn rewrite(&self) -> Option<u64> {
        let front = self.segments.front().filter(|front| self.segments.len() > 1 && front.live > 0)?;
        let sparse = self.segments.len() > SPARSE_BEHIND && front.live_bytes() * SPARSE_SHARE <= self.segment_bytes;
        (sparse || self.excess() > 0).then_some(front.number)
    }

    /// The same while the disk is full, when nothing but what leaves makes room: the oldest one if next to nothing lives in it, or if more
    /// than a quarter of a segment could be had by emptying segments in which four fifths live on average. Whole
    /// segments in which nothing lives count, and messages of others that left: not what was lost between batches, and what was written
    /// again lives, so that this ends when nothing leaves.
    pub fn rewrite_when_full(&self) -> Option<u64> {
        let front = self.segments.front().filter(|front| self.segments.len() > 1 && front.live > 0)?;
        let sparse = front.live_bytes() * SPARSE_SHARE <= self.segment_bytes;
        let full = || self.segments.iter().take(self.segments.len() - 1);
        let dead = |segment: &Segment| match segment.live {
            0 => self.segment_bytes,
            _ => segment.bytes.saturating_sub(segment.live_bytes()),
        };
        let (dead, live) = (full().map(dead).sum::<u64>(), full().map(Segment::live_bytes).sum::<u64>());
        (sparse || dead >= self.segment_bytes / 4 + live / 4).then_some(front.number)
    }

    /// Octets that emptying the oldest segment takes at most, give or take what is lost between batches: a message that is written again
    /// has two numbers more for each of its queues.
    pub fn front_needs(&self) -> u64 {
        self.segments.front().map_or(0, |front| front.live_bytes() + front.live * MOVED_BYTES)
    }

    /// Octets that the journal is longer than it should be.
    pub fn excess(&self) -> u64 {
        self.bytes().saturating_sub(2 * self.live_bytes() + self.allowance)
    }

    /// The next batches of the oldest segment, at most about `bytes`, with messages that live under numbers from `from` on.
    pub fn living(&self, from: u64, bytes: usize) -> Option<Living> {
        let front = self.segments.front()?;
        let last = self.front_last()?;
        let mut living: Option<Living> = None;
        let mut from = from;
        while let Some(sequence) = front.next_live(from).filter(|&sequence| sequence <= last) {
            let next = front.batches.partition_point(|(first, _)| *first <= sequence);
            let (_, block) = *front.batches.get(next.checked_sub(1)?)?;
            let (after, end) = front.batches.get(next).map_or((last + 1, front.end), |&(first, block)| (first, block));
            match &mut living {
                None => living = Some(Living { segment: front.number, block, blocks: end - block, next: after }),
                Some(area) if area.block + area.blocks == block && (end - area.block) as usize * BLOCK <= bytes => {
                    (area.blocks, area.next) = (end - area.block, after);
                }
                Some(_) => break,
            }
            from = after;
        }
        living
    }

    /// Length of all segments, octets.
    pub fn bytes(&self) -> u64 {
        self.segments.len() as u64 * self.segment_bytes
    }

    /// The last sequence number of the oldest segment, which is full.
    pub fn front_last(&self) -> Option<u64> {
        self.segments.get(1).map(|second| second.first_sequence - 1)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.segments.len()
    }

    /// The oldest segment's number.
    pub fn first(&self) -> Option<u64> {
        self.segments.front().map(|front| front.number)
    }

    /// Octets of messages that are needed, as far as a segment's messages are alike.
    pub fn live_bytes(&self) -> u64 {
        self.segments.iter().map(Segment::live_bytes).sum()
    }

    /// Messages that are needed, once for each queue.
    pub fn live_messages(&self) -> u64 {
        self.segments.iter().map(|segment| segment.live).sum()
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        for segment in &self.segments {
            let bits: u64 = segment.bits.iter().map(|word| u64::from(word.count_ones())).sum();
            assert!(bits >= segment.live, "a bit stays set only for messages of queues that were dropped");
            assert!(segment.live <= segment.messages && segment.bytes <= self.segment_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 1000;

    #[test]
    fn a_full_disk_is_emptied_as_long_as_something_left() {
        let mut journal = Segments::new(SEGMENT, 3 * SEGMENT);
        // A declaration that stays, and one large message: on average half of the segment lives when that has left.
        journal.handle_begun(1, 1);
        journal.handle_stored(1, 1, 20);
        journal.handle_stored(2, 1, 960);
        journal.handle_begun(2, 3);
        journal.handle_stored(3, 9, 900);
        assert_eq!(journal.rewrite_when_full(), None, "everything lives");
        journal.handle_released(2);
        assert_eq!(journal.rewrite(), None, "with room on the disk there is no hurry");
        assert_eq!(journal.rewrite_when_full(), Some(1));
        assert!(journal.front_needs() <= SEGMENT / 2 + MOVED_BYTES);
        // It is written again in the newest segment.
        journal.handle_stored(12, 1, 36);
        journal.handle_released(1);
        assert_eq!((journal.rewrite_when_full(), journal.poll_free(12)), (None, Some(1)));
        assert_eq!(journal.rewrite_when_full(), None, "a journal of one segment has nothing to give");
    }

    /// A journal of messages of 100 octets, of which some are kept for ever, under steady traffic.
    #[test]
    fn space_follows_what_lives() {
        let mut journal = Segments::new(SEGMENT, 3 * SEGMENT);
        let (mut segment, mut used, mut next) = (1, 0, 1);
        journal.handle_begun(segment, next);
        let mut kept: VecDeque<u64> = VecDeque::new();
        let mut passing: VecDeque<u64> = VecDeque::new();
        let mut rewritten = 0;
        let mut write = |journal: &mut Segments| {
            if used == SEGMENT {
                segment += 1;
                used = 0;
                journal.handle_begun(segment, next);
            }
            used += 100;
            journal.handle_stored(next, 1, 100);
            next += 1;
            next - 1
        };
        for round in 0..20_000 {
            let message = write(&mut journal);
            if round % 10 == 0 && kept.len() < 200 {
                kept.push_back(message);
            } else {
                passing.push_back(message);
            }
            if passing.len() > 50 {
                journal.handle_released(passing.pop_front().expect("there are 50"));
            }
            while journal.poll_free(u64::MAX).is_some() {}
            while let Some(front) = journal.rewrite() {
                let end = journal.segments[1].first_sequence;
                for queue in [&mut kept, &mut passing] {
                    for _ in 0..queue.iter().filter(|&&message| message < end).count() {
                        let message = queue.pop_front().expect("counted");
                        assert!(journal.is_live(message));
                        let again = write(&mut journal);
                        journal.handle_released(message);
                        queue.push_back(again);
                        rewritten += 1;
                    }
                }
                passing.make_contiguous().sort_unstable();
                kept.make_contiguous().sort_unstable();
                assert_eq!(journal.poll_free(u64::MAX), Some(front));
            }
            journal.check();
            assert!(journal.bytes() <= 2 * journal.live_bytes() + 5 * SEGMENT, "round {round}: {}", journal.bytes());
        }
        assert!(rewritten < 20_000, "{rewritten} written again for 20,000 written");
    }

    #[test]
    fn many_are_stored_at_once_as_they_are_one_by_one() {
        for (first, count) in [(0, 1), (0, 64), (5, 59), (5, 60), (63, 2), (64, 200), (3, 0), (1, 300)] {
            let (mut once, mut each) = (Segments::new(SEGMENT, 0), Segments::new(SEGMENT, 0));
            once.handle_begun(1, 100);
            each.handle_begun(1, 100);
            once.handle_stored(100 + first, count, count as usize);
            (0..u64::from(count)).for_each(|number| each.handle_stored(100 + first + number, 1, 1));
            assert!((90..700).all(|number| once.is_live(number) == each.is_live(number)), "{count} from {first}");
            assert_eq!((once.live_messages(), once.live_bytes()), (each.live_messages(), each.live_bytes()));
            once.check();
        }
    }

    #[test]
    fn a_segment_that_is_read_or_not_yet_on_disk_stays() {
        let mut journal = Segments::new(SEGMENT, SEGMENT);
        journal.handle_begun(7, 1);
        journal.handle_stored(1, 2, 500);
        journal.handle_begun(8, 3);
        journal.handle_read(7);
        journal.handle_released(1);
        journal.handle_released(1);
        assert!(journal.is_live(2) && !journal.is_live(1));
        journal.handle_released(2);
        assert_eq!(journal.poll_free(5), None);
        journal.handle_read_done(7);
        assert_eq!(journal.poll_free(1), None, "sequence number 2 is not durable");
        assert_eq!(journal.poll_free(2), Some(7));
        assert_eq!(journal.poll_free(9), None, "the one that is written stays");
        assert!(!journal.holds(2) && journal.holds(3));
    }

    #[test]
    fn living_batches_are_found() {
        let mut journal = Segments::new(100 * BLOCK as u64, 0);
        journal.handle_begun(1, 1);
        // Ten batches of ten messages, two blocks each.
        for batch in 0..10 {
            journal.handle_stored(1 + batch * 10, 10, 1000);
            journal.handle_sealed(1 + batch * 10, 1 + batch as u32 * 2, 2);
        }
        journal.handle_begun(2, 101);
        (1..=100)
            .filter(|sequence| ![15, 16, 25, 77].contains(sequence))
            .for_each(|number| journal.handle_released(number));
        let area = |block, blocks, next| Some(Living { segment: 1, block, blocks, next });
        assert_eq!(journal.living(0, 1 << 20), area(3, 4, 31), "neighbours are read at once");
        assert_eq!(journal.living(0, BLOCK), area(3, 2, 21), "unless that is too much");
        assert_eq!(journal.living(31, 1 << 20), area(15, 2, 81));
        assert_eq!(journal.living(81, 1 << 20), None);
    }
}
