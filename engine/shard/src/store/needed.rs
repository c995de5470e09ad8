//! What of a journal is needed, and where it lies: the ledger, the segments with a bit for each number, and what the
//! ledger does not know: messages that end with the node.
//!
//! Guarantees:
//! 1. The ledger is applied as records are written, in their order.
//! 2. A segment is free when nothing in it is needed and what was copied out of it, or makes something in it
//!    superfluous, is durable.
//! 3. A segment that is read stays until the read ended.
//!
//! Not here: which records are written, and when segments are emptied (`rewriting`).

use std::collections::HashMap;

use engine_core::fact::LOCAL;
use engine_core::message::Large;
use engine_ledger::{Ledger, Meaning};
use storage_journal::{Position, Reach, Segments};

use super::config::StoreConfig;
use super::writing::Closed;

/// What is needed of one shard's journal.
#[derive(Debug)]
pub(super) struct Needed {
    segments: Segments,
    /// What all records say that outlives the node.
    ledger: Ledger,
    /// Messages put aside, now in memory, or away from it with consumers, that were written again: from their name to
    /// where that lies.
    moved: HashMap<u64, u64>,
    /// No segment is used again before this is durable.
    free_after: Reach,
}

impl Needed {
    /// What was read of a journal that goes on at `position`.
    pub fn new(mut segments: Segments, ledger: Ledger, position: &Position) -> Self {
        segments.handle_begun(position.segment, position.reach);
        Self { segments, ledger, moved: HashMap::new(), free_after: Reach::START }
    }

    /// The segments, to be asked.
    #[inline]
    pub fn segments(&self) -> &Segments {
        &self.segments
    }

    /// What all records say that outlives the node.
    #[inline]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The ledger alone, when nothing is written any more.
    pub fn into_ledger(self) -> Ledger {
        self.ledger
    }

    /// Takes what a record of so many octets says that was just written.
    #[inline]
    pub fn apply(&mut self, number: u64, meaning: &Meaning<'_>, bytes: usize) {
        let applied = self.ledger.apply(&mut self.segments, number, meaning, bytes);
        applied.expect("what is written can be read");
    }

    /// All that was applied is asked for next.
    pub fn settle(&mut self) {
        self.ledger.settle(&mut self.segments);
    }

    /// A segment was begun.
    pub fn handle_begun(&mut self, position: &Position) {
        self.settle();
        self.segments.handle_begun(position.segment, position.reach);
    }

    /// A batch was closed.
    pub fn handle_closed(&mut self, closed: &Closed) {
        self.segments.handle_sealed(closed.first, closed.block, closed.blocks);
    }

    /// A message was written that ends with the node, in so many queues from its first name on.
    pub fn put_aside(
        &mut self,
        first: u64,
        queues: impl ExactSizeIterator<Item = u64>,
        large: Option<Large>,
        bytes: usize,
    ) {
        let count = u32::try_from(queues.len()).expect("queues are bounded");
        self.segments.handle_stored(first, count, bytes);
        if let Some(large) = large {
            for (name, queue) in (first..).zip(queues) {
                self.ledger.files_mut().keep(name, queue, large);
            }
        }
    }

    /// A message of a queue that ends with the node was written again under another number, as a record of so many
    /// octets.
    pub fn handle_moved_aside(&mut self, before: u64, number: u64, bytes: usize) {
        self.segments.handle_stored(number, 1, bytes);
        self.segments.handle_released(before);
    }

    /// A message that ends with the node, and that no page has, lies under another number.
    pub fn note_moved(&mut self, name: u64, number: u64) {
        self.moved.insert(name, number);
    }

    /// The same of one that was read: it may have been written again since.
    pub fn note_read(&mut self, name: u64, number: u64) {
        if name & LOCAL != 0 && number != name && self.segments.is_live(number) {
            self.moved.insert(name, number);
        }
    }

    /// A message is no longer needed, which is durable with a number. Of those that outlive the node the ledger knows
    /// by the fact that says so.
    #[inline]
    pub fn release(&mut self, name: u64, durable_with: u64) {
        if name & LOCAL == 0 {
            return;
        }
        let number = if self.moved.is_empty() { name } else { self.moved.remove(&name).unwrap_or(name) };
        self.segments.handle_released(number);
        self.ledger.files_mut().release(name, durable_with);
    }

    /// A message of a queue that is gone is no longer needed, which was put aside and lies under a number.
    pub fn release_paged(&mut self, name: u64, number: u64) {
        // It may have been written again since its read was ordered.
        self.segments.handle_released(self.moved.remove(&name).unwrap_or(number));
    }

    /// A message leaves its queue by what was decided before a crash, which is written again until it is known that it did. Its file goes
    /// with that.
    pub fn leave_out(&mut self, queue: u64, name: u64) {
        self.ledger.leave_out(&mut self.segments, queue, name);
    }

    /// A queue is gone, which is durable with a number: nobody needs its files.
    pub fn release_files(&mut self, queue: u64, durable_with: u64) {
        self.ledger.files_mut().release_queue(queue, durable_with);
    }

    /// No segment is used again before this number is durable.
    pub fn keep_until(&mut self, number: u64) {
        self.free_after.include(number);
    }

    /// The number under which a message of a queue lies that is in memory, or was.
    pub fn number_of(&self, queue: u64, name: u64) -> u64 {
        let moved = if name & LOCAL == 0 { self.ledger.number_of(queue, name) } else { self.moved.get(&name).copied() };
        moved.unwrap_or(name)
    }

    /// A read of a segment begins.
    pub fn handle_read(&mut self, segment: u64) {
        self.segments.handle_read(segment);
    }

    /// A read ended.
    pub fn handle_read_done(&mut self, segment: u64) {
        self.segments.handle_read_done(segment);
    }

    /// The next file of a large message that nobody needs.
    pub fn poll_file(&mut self, durable: Reach) -> Option<u64> {
        self.ledger.files_mut().poll_unneeded(durable.shared - 1)
    }

    /// The next segment that is free.
    pub fn poll_free(&mut self, durable: Reach) -> Option<u64> {
        durable.reaches(self.free_after).then(|| self.segments.poll_free(durable)).flatten()
    }

    /// The oldest segment that is needed.
    pub fn first(&self) -> u64 {
        self.segments.first().expect("there is always one that is written")
    }

    /// What a replay goes on with from the begin of a segment.
    pub fn checkpoint(&self, config: &StoreConfig, position: &Position) -> Vec<u8> {
        self.ledger.checkpoint(&config.whose(), position, &self.segments)
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        self.segments.check();
        self.ledger.check();
    }
}
