//! Which segments are still needed, which messages in them are, and which segment to empty next.
//!
//! Segments leave in the order in which they came: what a segment says of older ones (acknowledgements, failures) is then
//! never missed, because those are gone before it. A segment with few living messages at the front is emptied by writing them
//! again at the end, as soon as the journal is longer than twice what lives in it plus an allowance; so that each octet that
//! lives is written again at most about once for each octet that came. One in which next to nothing lives is emptied sooner: that
//! costs nothing, and segments leave one by one, to serve again. One bit for each number is all that is kept.

use std::collections::VecDeque;

use crate::format::BLOCK;
use crate::number::{LOCAL, Reach};

/// Next to nothing: one part of so many of a segment's length.
const SPARSE_SHARE: u64 = 64;
/// What a message that is written again is longer at most, octets for each of its queues.
const MOVED_BYTES: u64 = 16;
/// Segments that a journal has before such a one is emptied: what is about to leave its queue by itself has time to.
const SPARSE_BEHIND: usize = 3;

/// A bit for each number of one kind in a segment: set while that message is needed.
#[derive(Debug)]
struct Bits {
    /// The first number of the segment.
    first: u64,
    words: Vec<u64>,
}

impl Bits {
    fn new(first: u64) -> Self {
        Self { first, words: Vec::new() }
    }

    /// Sets the bits of `count` numbers from `number` on.
    #[inline]
    fn set(&mut self, number: u64, count: u32) {
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

    fn is_set(&self, number: u64) -> bool {
        let at = number - self.first;
        let word = self.words.get(usize::try_from(at / 64).unwrap_or(usize::MAX));
        word.is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// Clears a bit; gives whether it was set.
    #[inline]
    fn clear(&mut self, number: u64) -> bool {
        let at = number - self.first;
        let Some(word) = self.words.get_mut(usize::try_from(at / 64).unwrap_or(usize::MAX)) else { return false };
        let was = *word & (1 << (at % 64)) != 0;
        *word &= !(1 << (at % 64));
        was
    }

    /// The first number from `from` on whose bit is set.
    fn next(&self, from: u64) -> Option<u64> {
        let at = from.saturating_sub(self.first);
        let mut word = usize::try_from(at / 64).ok()?;
        let mut bits = self.words.get(word)? & (u64::MAX << (at % 64));
        while bits == 0 {
            word += 1;
            bits = *self.words.get(word)?;
        }
        Some(self.first + word as u64 * 64 + u64::from(bits.trailing_zeros()))
    }

    fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

/// A batch of a segment: its first numbers, counted from those of the segment, and the block that it begins at. A segment is at most a
/// gibibyte long, and has fewer numbers than octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchStart {
    /// Shared numbers before it.
    pub shared: u32,
    /// Local numbers before it.
    pub local: u32,
    /// The block.
    pub block: u32,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    shared: Bits,
    local: Bits,
    live: u64,
    messages: u64,
    /// Octets of all its message records.
    bytes: u64,
    /// Reads that are under way.
    readers: u32,
    batches: Vec<BatchStart>,
    /// The block after the last batch.
    end: u32,
}

/// A segment as a checkpoint has it; what is needed of it is said by those who need it (`handle_needed`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentState {
    /// Its number.
    pub number: u64,
    /// Its first numbers.
    pub first: Reach,
    /// Messages written to it, once for each queue.
    pub messages: u64,
    /// Octets of their records.
    pub bytes: u64,
    /// The block after the last batch.
    pub end: u32,
    /// Its batches.
    pub batches: Vec<BatchStart>,
}

impl Segment {
    fn live_bytes(&self) -> u64 {
        let share = u128::from(self.bytes) * u128::from(self.live) / u128::from(self.messages.max(1));
        u64::try_from(share).unwrap_or(self.bytes)
    }

    fn first(&self) -> Reach {
        Reach { shared: self.shared.first, local: self.local.first }
    }

    fn bits(&self, number: u64) -> &Bits {
        if number & LOCAL == 0 { &self.shared } else { &self.local }
    }

    fn bits_mut(&mut self, number: u64) -> &mut Bits {
        if number & LOCAL == 0 { &mut self.shared } else { &mut self.local }
    }

    /// The batch that a number of the segment lies in.
    fn batch_of(&self, number: u64) -> Option<usize> {
        let at = number - self.first().of(number);
        let before = |batch: &BatchStart| u64::from(if number & LOCAL == 0 { batch.shared } else { batch.local });
        self.batches.partition_point(|batch| before(batch) <= at).checked_sub(1)
    }

    /// The block after a batch.
    fn end_of(&self, batch: usize) -> u32 {
        self.batches.get(batch + 1).map_or(self.end, |next| next.block)
    }

    /// Whether the batches with something that is needed are no longer than that, octets.
    fn living_fits(&self, room: u64) -> bool {
        let (mut from, mut left) = (0, room);
        while let Some(batch) = self.next_living(from) {
            let Some(start) = self.batches.get(batch) else { return false };
            let bytes = u64::from(self.end_of(batch) - start.block) * BLOCK as u64;
            let Some(less) = left.checked_sub(bytes) else { return false };
            (from, left) = (batch + 1, less);
        }
        true
    }

    /// The first batch from `from` on with something that is needed.
    fn next_living(&self, from: usize) -> Option<usize> {
        let start = self.batches.get(from)?;
        let shared = self.shared.next(self.shared.first + u64::from(start.shared));
        let local = self.local.next(self.local.first + u64::from(start.local));
        [shared, local].into_iter().flatten().filter_map(|number| self.batch_of(number)).min()
    }
}

/// The batch that a number lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPlace {
    /// Its segment.
    pub segment: u64,
    /// Where it begins there, blocks.
    pub block: u32,
    /// Its length, blocks.
    pub blocks: u32,
    /// The first number of the same kind behind it.
    pub end: u64,
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
    /// The batch of the segment that follows them, counted from its first.
    pub next: usize,
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

    /// A segment was begun with these numbers; the one before it is full.
    pub fn handle_begun(&mut self, number: u64, first: Reach) {
        assert!(self.segments.back().is_none_or(|last| last.number + 1 == number), "segments follow each other");
        self.push(SegmentState { number, first, messages: 0, bytes: 0, end: 0, batches: Vec::new() });
    }

    fn push(&mut self, state: SegmentState) {
        let SegmentState { number, first, messages, bytes, end, batches } = state;
        let (shared, local, live, readers) = (Bits::new(first.shared), Bits::new(first.local), 0, 0);
        self.segments.push_back(Segment { number, shared, local, live, messages, bytes, readers, batches, end });
    }

    /// A segment of a damaged journal: those between it and the one before it may be lost, and are not counted.
    pub fn salvage_begun(&mut self, number: u64, first: Reach) {
        self.push(SegmentState { number, first, messages: 0, bytes: 0, end: 0, batches: Vec::new() });
    }

    /// A batch was closed in the newest segment: it begins with these numbers, and reaches from block to block.
    pub fn handle_sealed(&mut self, first: Reach, block: u32, blocks: u32) {
        let segment = self.segments.back_mut().expect("a batch is written to a segment");
        let from = segment.first();
        let before =
            |number: u64, first: u64| u32::try_from(number - first).expect("a segment has fewer numbers than octets");
        let (shared, local) = (before(first.shared, from.shared), before(first.local, from.local));
        segment.batches.push(BatchStart { shared, local, block });
        segment.end = block + blocks;
    }

    /// The batch that a number lies in.
    pub fn place_of(&self, number: u64) -> Option<BatchPlace> {
        let place = self.find(number)?;
        let segment = self.segments.get(place)?;
        let batch = segment.batch_of(number)?;
        let block = segment.batches.get(batch)?.block;
        let next = segment.batches.get(batch + 1);
        let next = next.map(|next| u64::from(if number & LOCAL == 0 { next.shared } else { next.local }));
        let end = match next {
            Some(before) => segment.first().of(number) + before,
            None => self.segments.get(place + 1).map_or(u64::MAX, |next| next.first().of(number)),
        };
        Some(BatchPlace { segment: segment.number, block, blocks: segment.end_of(batch) - block, end })
    }

    /// The first number of all segments, of the kind that a number is of.
    pub fn begin_of(&self, number: u64) -> u64 {
        self.segments.front().map_or(u64::MAX, |front| front.first().of(number))
    }

    /// The segment that a number lies in, unless it lies before all.
    #[inline]
    fn find(&self, number: u64) -> Option<usize> {
        self.segments.partition_point(|segment| segment.bits(number).first <= number).checked_sub(1)
    }

    /// All segments but the one that is written, for a checkpoint.
    pub fn states(&self) -> impl Iterator<Item = SegmentState> {
        let full = self.segments.iter().take(self.segments.len().saturating_sub(1));
        full.map(|segment| SegmentState {
            number: segment.number,
            first: segment.first(),
            messages: segment.messages,
            bytes: segment.bytes,
            end: segment.end,
            batches: segment.batches.clone(),
        })
    }

    /// Takes the segments of a checkpoint, oldest first; `None` when they do not follow each other.
    pub fn restore(&mut self, states: impl Iterator<Item = SegmentState>) -> Option<()> {
        for state in states {
            let follows =
                |last: &Segment| last.number.checked_add(1) == Some(state.number) && state.first.reaches(last.first());
            if !self.segments.back().is_none_or(follows) {
                return None;
            }
            self.push(state);
        }
        Some(())
    }

    /// A message of a checkpoint is needed under this number.
    pub fn handle_needed(&mut self, number: u64) {
        let Some(segment) = self.find(number).and_then(|place| self.segments.get_mut(place)) else { return };
        let bits = segment.bits_mut(number);
        // No segment has more numbers than octets: a checkpoint that says so is not followed into memory.
        if number - bits.first < self.segment_bytes && !bits.is_set(number) {
            bits.set(number, 1);
            segment.live += 1;
        }
    }

    /// The files of segments before this number are gone: nothing in them is needed.
    pub fn forget_before(&mut self, number: u64) {
        while self.segments.front().is_some_and(|front| front.number < number) {
            self.segments.pop_front();
        }
    }

    /// A message of the newest segment is needed from now on, under `count` numbers from `number`.
    #[inline]
    pub fn handle_stored(&mut self, number: u64, count: u32, bytes: usize) {
        let segment = self.segments.back_mut().expect("a record is written to a segment");
        segment.bits_mut(number).set(number, count);
        segment.live += u64::from(count);
        segment.messages += u64::from(count);
        segment.bytes += bytes as u64;
    }

    /// A message is no longer needed under this number, or was written again elsewhere. What is not there is no matter.
    #[inline]
    pub fn handle_released(&mut self, number: u64) {
        let Some(segment) = self.find(number).and_then(|place| self.segments.get_mut(place)) else { return };
        if segment.bits_mut(number).clear(number) {
            segment.live = segment.live.checked_sub(1).expect("each bit is counted");
        }
    }

    /// Whether a message is needed under this number.
    pub fn is_live(&self, number: u64) -> bool {
        let segment = self.find(number).and_then(|place| self.segments.get(place));
        segment.is_some_and(|segment| segment.bits(number).is_set(number))
    }

    /// Whether a number lies in a segment that is there.
    pub fn holds(&self, number: u64) -> bool {
        self.segments.front().is_some_and(|front| front.bits(number).first <= number)
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

    /// The oldest segment, if nothing in it is needed: the host uses its file again. `durable` is what is on
    /// stable storage; the segment that is written stays.
    pub fn poll_free(&mut self, durable: Reach) -> Option<u64> {
        let [front, second] = [self.segments.front()?, self.segments.get(1)?];
        let free = front.live == 0 && front.readers == 0 && durable.reaches(second.first());
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

    /// Whether what lives in the oldest segment can be written again to so many octets, give or take what is lost between batches: a message
    /// that is written again has two numbers more for each of its queues.
    ///
    /// What lives counts as much as what was written there on average, but no more than the batches that it lies in: a few declarations
    /// among large messages that left are small.
    pub fn front_fits(&self, room: u64) -> bool {
        let Some(front) = self.segments.front() else { return true };
        let moved = front.live * MOVED_BYTES;
        front.live_bytes() + moved <= room || room.checked_sub(moved).is_some_and(|room| front.living_fits(room))
    }

    /// Octets that the journal is longer than it should be.
    pub fn excess(&self) -> u64 {
        self.bytes().saturating_sub(2 * self.live_bytes() + self.allowance)
    }

    /// The next batches of the oldest segment, at most about `bytes`, with messages that live, from the batch `from` on.
    pub fn living(&self, from: usize, bytes: usize) -> Option<Living> {
        let front = self.segments.front().filter(|_| self.segments.len() > 1)?;
        let mut living: Option<Living> = None;
        let mut from = from;
        while let Some(batch) = front.next_living(from) {
            let (block, end) = (front.batches.get(batch)?.block, front.end_of(batch));
            from = batch + 1;
            match &mut living {
                None => living = Some(Living { segment: front.number, block, blocks: end - block, next: from }),
                Some(area) if area.block + area.blocks == block && (end - area.block) as usize * BLOCK <= bytes => {
                    (area.blocks, area.next) = (end - area.block, from);
                }
                Some(_) => break,
            }
        }
        living
    }

    /// Length of all segments, octets.
    pub fn bytes(&self) -> u64 {
        self.segments.len() as u64 * self.segment_bytes
    }

    /// How far the oldest segment goes, if it is full.
    pub fn front_reach(&self) -> Option<Reach> {
        self.segments.get(1).map(Segment::first)
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
            let bits = segment.shared.count() + segment.local.count();
            assert_eq!(bits, segment.live, "each bit is counted");
            assert!(segment.live <= segment.messages && segment.bytes <= self.segment_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 1000;
    const EVERYTHING: Reach = Reach { shared: u64::MAX, local: u64::MAX };

    fn shared(shared: u64) -> Reach {
        Reach { shared, ..Reach::START }
    }

    #[test]
    fn a_full_disk_is_emptied_as_long_as_something_left() {
        let mut journal = Segments::new(SEGMENT, 3 * SEGMENT);
        // A declaration that stays, and one large message: on average half of the segment lives when that has left.
        journal.handle_begun(1, shared(1));
        journal.handle_stored(1, 1, 20);
        journal.handle_stored(2, 1, 960);
        journal.handle_begun(2, shared(3));
        journal.handle_stored(3, 9, 900);
        assert_eq!(journal.rewrite_when_full(), None, "everything lives");
        journal.handle_released(2);
        assert_eq!(journal.rewrite(), None, "with room on the disk there is no hurry");
        assert_eq!(journal.rewrite_when_full(), Some(1));
        assert!(journal.front_fits(SEGMENT / 2 + MOVED_BYTES));
        // It is written again in the newest segment.
        journal.handle_stored(12, 1, 36);
        journal.handle_released(1);
        assert_eq!((journal.rewrite_when_full(), journal.poll_free(shared(13))), (None, Some(1)));
        assert_eq!(journal.rewrite_when_full(), None, "a journal of one segment has nothing to give");
    }

    #[test]
    fn what_lives_among_large_messages_that_left_needs_no_more_than_its_batches() {
        let block = BLOCK as u64;
        let front = |sealed: &[(u64, u32, u32)]| {
            let mut journal = Segments::new(100 * block, 0);
            journal.handle_begun(1, shared(1));
            journal.handle_stored(1, 1, 200);
            journal.handle_stored(2, 1, 90 * BLOCK);
            sealed.iter().for_each(|&(first, at, blocks)| journal.handle_sealed(shared(first), at, blocks));
            journal.handle_begun(2, shared(3));
            journal.handle_released(2);
            journal
        };
        let apart = front(&[(1, 1, 1), (2, 2, 90)]);
        assert!(apart.front_fits(block + MOVED_BYTES) && !apart.front_fits(block));
        // In one batch with it: as much as both of them on average.
        let together = front(&[(1, 1, 91)]);
        assert!(together.front_fits(46 * block) && !together.front_fits(45 * block));
    }

    /// A journal of messages of 100 octets, of which some are kept for ever, under steady traffic.
    #[test]
    fn space_follows_what_lives() {
        let mut journal = Segments::new(SEGMENT, 3 * SEGMENT);
        let (mut segment, mut used, mut next) = (1, 0, 1);
        journal.handle_begun(segment, shared(next));
        let mut kept: VecDeque<u64> = VecDeque::new();
        let mut passing: VecDeque<u64> = VecDeque::new();
        let mut rewritten = 0;
        let mut write = |journal: &mut Segments| {
            if used == SEGMENT {
                segment += 1;
                used = 0;
                journal.handle_begun(segment, shared(next));
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
            while journal.poll_free(EVERYTHING).is_some() {}
            while let Some(front) = journal.rewrite() {
                let end = journal.segments[1].shared.first;
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
                assert_eq!(journal.poll_free(EVERYTHING), Some(front));
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
            once.handle_begun(1, shared(100));
            each.handle_begun(1, shared(100));
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
        journal.handle_begun(7, shared(1));
        journal.handle_stored(1, 2, 500);
        journal.handle_begun(8, shared(3));
        journal.handle_read(7);
        journal.handle_released(1);
        journal.handle_released(1);
        assert!(journal.is_live(2) && !journal.is_live(1));
        journal.handle_released(2);
        assert_eq!(journal.poll_free(shared(6)), None);
        journal.handle_read_done(7);
        assert_eq!(journal.poll_free(shared(2)), None, "sequence number 2 is not durable");
        assert_eq!(journal.poll_free(shared(3)), Some(7));
        assert_eq!(journal.poll_free(shared(10)), None, "the one that is written stays");
        assert!(!journal.holds(2) && journal.holds(3));
    }

    #[test]
    fn living_batches_are_found() {
        let mut journal = Segments::new(100 * BLOCK as u64, 0);
        journal.handle_begun(1, shared(1));
        // Ten batches of ten messages, two blocks each, the sixth one with two that are local.
        for batch in 0..10 {
            journal.handle_stored(1 + batch * 10, 10, 1000);
            let local = LOCAL | (1 + 2 * u64::from(batch > 5));
            if batch == 5 {
                journal.handle_stored(local, 2, 100);
            }
            journal.handle_sealed(Reach { shared: 1 + batch * 10, local }, 1 + batch as u32 * 2, 2);
        }
        journal.handle_begun(2, Reach { shared: 101, local: LOCAL | 3 });
        (1..=100)
            .filter(|number| ![15, 16, 25, 77].contains(number))
            .chain([LOCAL | 1])
            .for_each(|number| journal.handle_released(number));
        let area = |block, blocks, next| Some(Living { segment: 1, block, blocks, next });
        assert_eq!(journal.living(0, 1 << 20), area(3, 4, 3), "neighbours are read at once");
        assert_eq!(journal.living(0, BLOCK), area(3, 2, 2), "unless that is too much");
        assert_eq!(journal.living(3, 1 << 20), area(11, 2, 6), "for the sake of a local one");
        assert_eq!(journal.living(6, 1 << 20), area(15, 2, 8));
        assert_eq!(journal.living(8, 1 << 20), None);
        let place = |block, end| Some(BatchPlace { segment: 1, block, blocks: 2, end });
        assert_eq!(journal.place_of(LOCAL | 2), place(11, LOCAL | 3));
        assert_eq!((journal.place_of(60), journal.place_of(61)), (place(11, 61), place(13, 71)));
        assert_eq!(journal.place_of(100), place(19, 101));
        assert!(journal.is_live(LOCAL | 2) && !journal.is_live(LOCAL | 1) && !journal.is_live(2));
        assert_eq!(journal.poll_free(EVERYTHING), None);
        [15, 16, 25, 77, LOCAL | 2].into_iter().for_each(|number| journal.handle_released(number));
        assert_eq!(journal.poll_free(Reach { local: LOCAL | 2, ..EVERYTHING }), None, "a local number is not durable");
        assert_eq!(journal.poll_free(Reach { shared: 101, local: LOCAL | 3 }), Some(1));
    }
}
