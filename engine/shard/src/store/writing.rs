//! What is written of a journal: the open batch, those that wait for the disk, the one that it has, and how far it
//! came.
//!
//! Guarantees:
//! 1. Batches are written in the order in which they were closed, one at a time; the next one fills meanwhile.
//! 2. What is *written* is on this node's disk, synced: it may be read back, and a follower may be sent it. What is
//!    *durable* may be told: the owner acknowledges it, and what it makes superfluous goes. It is never ahead of what
//!    is written.
//! 3. A journal that rests ends with an empty batch: if the one before it does not check after a start, that was no
//!    crash.
//!
//! Not here: what records say (`facts`), which segments are ready to be written (`room`).

use std::collections::VecDeque;

use storage_journal::{Buffer, Full, Order, Place, Position, Reach, RecordHeader, Sealed, Writer};

use super::config::StoreConfig;
use super::pages::{block, blocks};
use crate::limits::MARK_NS;

/// The end of what is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// More is on the way.
    Moving,
    /// A batch with records, since then.
    Resting { since_ns: u64 },
    /// An empty batch, or nothing at all.
    Marked,
}

/// A batch of which it is known where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    /// Its first numbers.
    pub first: Reach,
    /// Where it begins, blocks.
    pub block: u32,
    /// Its length, blocks.
    pub blocks: u32,
}

/// What the disk was given and has not answered for.
#[derive(Clone, Copy, Debug)]
struct Handed {
    batch: u64,
    end: Reach,
}

/// What the disk was given so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    pub batches: u64,
    pub bytes: u64,
}

/// The writing end of one shard's journal.
#[derive(Debug)]
pub(super) struct Writing {
    writer: Writer,
    sealed: VecDeque<Sealed>,
    handed: Option<Handed>,
    /// The last batch that is written, and how far it reaches.
    written: Handed,
    durable: Reach,
    tail: Tail,
    /// Since when the open batch could have been written.
    open_ns: Option<u64>,
    /// Of the batches that are closed and not written, octets.
    pending_bytes: usize,
    given: Given,
}

impl Writing {
    /// The writing end of a journal that goes on at `position`: all before it is durable.
    pub fn new(config: &StoreConfig, position: Position) -> Self {
        let bytes = usize::try_from(config.segment_bytes).expect("segments fit into memory");
        Self {
            writer: Writer::new(config.directory, bytes, position),
            sealed: VecDeque::new(),
            handed: None,
            written: Handed { batch: position.batch - 1, end: position.reach },
            durable: position.reach,
            tail: if position.batch == 1 { Tail::Marked } else { Tail::Resting { since_ns: 0 } },
            open_ns: None,
            pending_bytes: 0,
            given: Given::default(),
        }
    }

    /// Appends a record to the open batch; gives its first number.
    #[inline]
    pub fn append(&mut self, header: RecordHeader, payload: &[&[u8]]) -> Result<u64, Full> {
        self.writer.append(header, payload)
    }

    /// Makes room for records of so many octets in one batch.
    pub fn keep_together(&mut self, bytes: usize) -> Result<(), Full> {
        self.writer.keep_together(bytes)
    }

    /// The numbers of the next records.
    #[inline]
    pub fn next(&self) -> Reach {
        self.writer.next()
    }

    /// Where the open batch will lie.
    #[inline]
    pub fn place(&self) -> Place {
        self.writer.place()
    }

    /// Octets that are left of the segment.
    pub fn room(&self) -> usize {
        self.writer.room()
    }

    /// Closes the open batch, if anything is in it.
    pub fn seal(&mut self) -> Option<Closed> {
        let sealed = self.writer.seal()?;
        let (first, from) = (sealed.first, block(sealed.place));
        let closed = Closed { first, block: from, blocks: blocks(sealed.buffer.len()) };
        self.tail = Tail::Moving;
        self.open_ns = None;
        self.wait_for_disk(sealed);
        Some(closed)
    }

    /// Puts an empty batch behind the last one, when everything is written.
    ///
    /// # Errors
    /// When the segment has no room for it: `roll`, then mark.
    pub fn mark(&mut self) -> Result<(), Full> {
        assert!(!self.is_busy(), "a mark follows a journal that rests");
        let sealed = self.writer.mark()?;
        self.tail = Tail::Marked;
        self.wait_for_disk(sealed);
        Ok(())
    }

    fn wait_for_disk(&mut self, sealed: Sealed) {
        self.pending_bytes += sealed.buffer.len();
        self.sealed.push_back(sealed);
    }

    /// Goes on in the next segment; gives what a replay goes on from there. What is open was sealed.
    pub fn roll(&mut self) -> Position {
        self.writer.roll();
        self.writer.position()
    }

    /// The next batch for the disk, if it has none and the segment is ready; `prepared` is the last one that is.
    pub fn poll_order(&mut self, prepared: u64) -> Option<Order> {
        if self.handed.is_some() || self.waits_behind(prepared) {
            return None;
        }
        let Sealed { place, batch, end, buffer, .. } = self.sealed.pop_front()?;
        self.handed = Some(Handed { batch, end });
        self.given.batches += 1;
        self.given.bytes += buffer.len() as u64;
        Some(Order::Write { place, buffer })
    }

    /// Whether a batch waits for a segment behind the last one that is ready.
    pub fn waits_behind(&self, prepared: u64) -> bool {
        self.sealed.front().is_some_and(|sealed| sealed.place.segment > prepared)
    }

    /// The disk has written and synced the batch that it was given.
    pub fn handle_written(&mut self, buffer: Buffer, now_ns: u64) {
        self.written = self.handed.take().expect("one batch is written at a time");
        self.pending_bytes -= buffer.len();
        self.writer.recycle(buffer);
        if self.tail == Tail::Moving && !self.is_busy() {
            self.tail = Tail::Resting { since_ns: now_ns };
        }
    }

    /// Everything before `reach` is where it has to be for others to rely on it.
    pub fn handle_durable(&mut self, reach: Reach) {
        assert!(self.written.end.reaches(reach), "{reach:?} is not written yet: {:?}", self.written);
        assert!(reach.reaches(self.durable), "what is durable stays so");
        self.durable = reach;
    }

    /// What may be read back.
    #[inline]
    pub fn written(&self) -> Reach {
        self.written.end
    }

    /// The last batch that is written.
    pub fn written_batch(&self) -> u64 {
        self.written.batch
    }

    /// What may be told.
    #[inline]
    pub fn durable(&self) -> Reach {
        self.durable
    }

    /// What the disk was given so far.
    pub fn given(&self) -> Given {
        self.given
    }

    /// Since when the open batch could be written; `None` when nothing is in it.
    pub fn open_since(&mut self, now_ns: u64) -> Option<u64> {
        (self.open_bytes() > 0).then(|| *self.open_ns.get_or_insert(now_ns))
    }

    /// The last batch that has records, whether it is closed or not.
    pub fn last_batch(&self) -> u64 {
        self.writer.last_batch()
    }

    /// Octets in the open batch.
    pub fn open_bytes(&self) -> usize {
        self.writer.open_bytes()
    }

    /// Octets that wait to be written.
    pub fn waiting_bytes(&self) -> usize {
        self.pending_bytes + self.open_bytes()
    }

    /// Whether the disk would write the open batch at once.
    pub fn is_free(&self) -> bool {
        self.handed.is_none() && self.sealed.is_empty()
    }

    /// Whether something is not written yet.
    pub fn is_busy(&self) -> bool {
        !self.is_free() || self.open_bytes() > 0
    }

    /// Whether everything is written, and the mark behind it.
    pub fn has_ended(&self) -> bool {
        !self.is_busy() && self.tail == Tail::Marked
    }

    /// When the mark is due behind the last batch.
    pub fn mark_ns(&self) -> Option<u64> {
        match self.tail {
            Tail::Resting { since_ns } => Some(since_ns + MARK_NS),
            Tail::Moving | Tail::Marked => None,
        }
    }

    /// When something is due here even if nothing happens, for a batch that fills for so long. What waits for the disk
    /// has no deadline: a turn that could do nothing would be followed by the next one at once.
    pub fn deadline(&self, filling_ns: u64) -> Option<u64> {
        let mark = self.mark_ns().filter(|_| !self.is_busy());
        let open = self.open_ns.filter(|_| self.is_free()).map(|since_ns| since_ns + filling_ns);
        [mark, open].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use storage_journal::{Part, Unknown};

    use super::*;

    const CONFIG: StoreConfig =
        StoreConfig { shard: 0, directory: [3; 16], segment_bytes: 64 * 1024, checkpoint_segments: 8 };

    fn append(writing: &mut Writing) -> u64 {
        let header = RecordHeader { part: Part::Shared, kind: 1, unknown: Unknown::Skip, numbers: 1 };
        writing.append(header, &[b"octets"]).expect("there is room")
    }

    fn written(writing: &mut Writing) {
        let Some(Order::Write { buffer, .. }) = writing.poll_order(1) else { panic!("a batch is to be written") };
        assert!(writing.poll_order(1).is_none(), "one at a time");
        writing.handle_written(buffer, 5);
    }

    #[test]
    fn what_is_written_may_be_read_before_it_may_be_told() {
        let mut writing = Writing::new(&CONFIG, Position::START);
        let first = append(&mut writing);
        writing.seal().expect("a record is in it");
        assert!(!writing.written().covers(first), "the disk does not even have it");
        let second = append(&mut writing);
        writing.seal().expect("a record is in it");
        written(&mut writing);
        assert!(writing.written().covers(first) && !writing.written().covers(second));
        assert!(!writing.durable().covers(first), "nobody said so");
        let reach = writing.written();
        written(&mut writing);
        writing.handle_durable(reach);
        assert!(writing.durable().covers(first) && !writing.durable().covers(second));
        assert!(writing.written().covers(second));
    }

    #[test]
    #[should_panic(expected = "is not written yet")]
    fn nothing_is_durable_that_is_not_written() {
        let mut writing = Writing::new(&CONFIG, Position::START);
        append(&mut writing);
        writing.seal().expect("a record is in it");
        writing.handle_durable(writing.next());
    }

    #[test]
    fn a_batch_waits_for_its_segment_and_a_rest_for_its_mark() {
        let mut writing = Writing::new(&CONFIG, Position::START);
        assert!(writing.has_ended(), "there is nothing");
        append(&mut writing);
        writing.seal().expect("a record is in it");
        assert!(writing.waits_behind(0) && writing.poll_order(0).is_none());
        written(&mut writing);
        assert_eq!((writing.waiting_bytes(), writing.mark_ns()), (0, Some(5 + MARK_NS)));
        assert!(!writing.has_ended(), "the mark is missing");
        writing.mark().expect("there is room");
        written(&mut writing);
        assert!(writing.has_ended() && writing.mark_ns().is_none());
    }
}
