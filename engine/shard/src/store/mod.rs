//! The owner's facts in the journal, and the messages of its queues that are there only: one machine between the core
//! and the disk.
//!
//! Guarantees:
//! 1. Facts are written in the order of their numbers, and applied to the ledger as they are; the core hears of what is
//!    durable only when the disk said so.
//! 2. One batch is written at a time, the next one fills meanwhile; nothing waits for a timer.
//! 3. A segment is used again when nothing in it is needed and what was copied out of it is durable.
//! 4. What is read back is what was written, or the node stops: a batch that does not check is never served.
//! 5. A journal that rests ends with an empty batch: if the one before it does not check after a start, that was no
//!    crash.
//!
//! It does no I/O: `poll_order` says what the disk is to do, `handle_done` takes what came of it. It hears from the
//! core in values (`JournalRequest`), and tells it others (`JournalReport`).
//!
//! Its rooms keep their fields to themselves: `writing` (what is written), `needed` (what is needed of it, and where
//! that lies), `queues` (what queues have on disk, and want), `reads` (what is read), `space` (which segments are
//! ready), `checkpointing`, `vouching`. What is done with several of them at once is beside them: `facts`, `reading`,
//! `recalling`, `cursors`, `rewriting`, `room`.

mod buffers;
mod checkpointing;
mod config;
mod cursors;
mod deciding;
mod facts;
mod needed;
mod offline;
mod pages;
mod queues;
mod reading;
mod reads;
mod recalling;
mod recovery;
mod rewriting;
mod room;
mod salvage;
mod space;
mod vouching;
mod writing;

use std::collections::VecDeque;

use engine_core::message::Large;
use engine_core::{Core, JournalReport};
use engine_ledger::Ledger;
use storage_journal::format::BLOCK;
use storage_journal::{Buffer, Done, Fault, Order, Place, Position, Reach, Segments};

use crate::limits::UNAWAITED_BYTES;
use checkpointing::Checkpoints;
pub use config::StoreConfig;
pub use deciding::{Area, Entries, resume};
use needed::Needed;
pub use offline::{Copy, Extract, Extracted, Part};
use queues::Queues;
use reads::{Reader, Reads};
pub use recovery::{Recovered, Recovery};
use rewriting::Rewriting;
pub use salvage::{Losses, QueueLoss, Salvage, Tail as LostTail};
use space::Space;
use vouching::Vouched;
use writing::Writing;

/// Why a node cannot go on with its journal.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk failed.
    #[error("cannot {what}: {error}")]
    Disk {
        /// What was done.
        what: &'static str,
        /// Why it failed.
        error: std::io::Error,
    },
    /// The disk gave something else than what was written.
    #[error("the journal is damaged: {0}")]
    Damaged(#[from] Fault),
}

/// What a shard's journal did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreTotals {
    /// Batches written and synced.
    pub batches: u64,
    /// Octets written.
    pub written_bytes: u64,
    /// Octets of message bodies stored.
    pub body_bytes: u64,
    /// Octets read back.
    pub read_bytes: u64,
    /// Messages written again.
    pub rewritten: u64,
    /// Messages read again that had left memory while consumers held them, and came back.
    pub recalled: u64,
    /// Checkpoints written.
    pub checkpoints: u64,
    /// Octets of all segments.
    pub journal_bytes: u64,
    /// Octets of messages that are needed.
    pub live_bytes: u64,
    /// Octets that wait to be written.
    pub pending_bytes: u64,
    /// The last number of a fact that is written to this node's disk: what may be read back, and sent to others.
    pub written: u64,
    /// The last number of a fact that is durable: what may be told. Never larger.
    pub durable: u64,
    /// Segments in use, the one that is written too.
    pub segments: u64,
    /// What of the disk there is.
    pub disk: DiskTotals,
}

/// Room on the disk for a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskTotals {
    /// Octets that can be written to segments that are ready.
    pub ready_bytes: u64,
    /// Whether it is full: no segment can be made.
    pub full: bool,
    /// How often it became so.
    pub full_times: u64,
}

/// What was found of a journal.
#[derive(Debug)]
struct Found {
    needed: Needed,
    queues: Queues,
    space: Space,
}

/// The journal of one shard.
#[derive(Debug)]
pub struct Store {
    config: StoreConfig,
    writing: Writing,
    needed: Needed,
    queues: Queues,
    reads: Reads,
    space: Space,
    checkpoints: Checkpoints,
    vouched: Vouched,
    rewriting: Option<Rewriting>,
    /// The first number of this run of the node: who had earlier messages is not known, so nobody is told that nobody
    /// had.
    since: u64,
    /// For the disk, beside what `writing` has.
    orders: VecDeque<Order>,
    /// Memory for the numbers of a record's queues.
    numbers: Vec<u8>,
    /// What is counted here, rather than in a room.
    totals: StoreTotals,
}

impl Store {
    /// A journal that goes on at `position`, with what there is of it.
    fn new(config: StoreConfig, position: Position, found: Found) -> Self {
        let Found { needed, queues, space } = found;
        Self {
            config,
            writing: Writing::new(&config, position),
            needed,
            queues,
            reads: Reads::new(),
            space,
            checkpoints: Checkpoints::new(config.checkpoint_segments, position.segment),
            vouched: Vouched::new(position.batch - 1),
            rewriting: None,
            since: position.reach.shared,
            orders: VecDeque::new(),
            numbers: Vec::new(),
            totals: StoreTotals::default(),
        }
    }

    /// Largest message body that fits into a segment of `segment_bytes`.
    pub fn body_max(segment_bytes: u64) -> u64 {
        // Headers of segment, batch and record, and the numbers of as many queues as an address may reasonably have.
        segment_bytes.saturating_sub(64 * BLOCK as u64)
    }

    /// Takes what the core has for the journal, and closes the open batch if the disk is free.
    pub fn handle_turn(&mut self, core: &mut Core, now_ns: u64) {
        self.take_requests(core);
        self.read_on(core);
        self.rewrite(core, now_ns);
        self.free();
        self.orders.extend(self.checkpoints.poll_order(self.writing.durable()));
        self.prepare(now_ns);
        self.vouch(now_ns);
        if self.writing.is_free() && self.is_due(core, now_ns) {
            self.seal();
        }
        if self.writing.mark_ns().is_some_and(|mark_ns| mark_ns <= now_ns) {
            self.mark();
        }
        self.watch_room(core);
    }

    /// Whether the open batch is to be written now.
    fn is_due(&mut self, core: &Core, now_ns: u64) -> bool {
        let Some(since_ns) = self.writing.open_since(now_ns) else { return false };
        let awaited = core.awaits_journal() || self.queues.await_writing();
        (awaited && !self.space.is_full())
            || self.writing.open_bytes() >= UNAWAITED_BYTES
            || now_ns >= since_ns + self.space.filling_ns()
    }

    /// Puts an empty batch behind the last one, if nothing else follows it.
    fn mark(&mut self) {
        if self.writing.is_busy() {
            return;
        }
        if self.writing.mark().is_err() {
            self.roll();
            self.writing.mark().expect("a new segment has room");
        }
    }

    /// Orders what is to be read next: for queues first, then for cursors.
    fn read_on(&mut self, core: &mut Core) {
        self.recall();
        self.feed(core);
        core.handle_journal(JournalReport::Cursors(self.reads.cursors_free()));
        self.take_requests(core);
    }

    /// Orders a read.
    fn read(&mut self, reader: Reader, place: Place, bytes: usize) {
        self.needed.handle_read(place.segment);
        let (_, order) = self.reads.begin(reader, place, bytes);
        self.orders.push_back(order);
    }

    /// What the disk is to do next.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front().or_else(|| self.writing.poll_order(self.space.prepared()))
    }

    /// Takes what came of an order.
    ///
    /// # Errors
    /// When the node cannot go on: what it does not know to be on disk must not be acknowledged.
    pub fn handle_done(&mut self, core: &mut Core, now_ns: u64, done: Done) -> Result<(), StoreError> {
        match done {
            Done::Written { buffer } => {
                self.writing.handle_written(buffer, now_ns);
                // Nobody else keeps this log: what this node has of it is as durable as it gets.
                self.commit(core, self.writing.written());
                self.read_on(core);
            }
            Done::Read { id, buffer } => {
                self.hand_on(core, id, buffer)?;
                self.read_on(core);
            }
            Done::Prepared { segment } => self.space.handle_prepared(segment),
            Done::NoRoom { segment: _, reuse } => self.space.handle_no_room(reuse, now_ns),
            Done::Checkpointed { segment } => self.checkpoints.handle_written(segment),
            Done::NotCheckpointed => self.checkpoints.handle_left_out(),
            Done::Vouched { batch } => self.vouched.handle_vouched(batch),
            Done::Failed { what, error } => return Err(StoreError::Disk { what, error }),
        }
        Ok(())
    }

    /// Everything before `reach` is where it has to be: the core may tell of it.
    fn commit(&mut self, core: &mut Core, reach: Reach) {
        self.writing.handle_durable(reach);
        core.handle_journal(JournalReport::Durable(reach.shared - 1));
    }

    /// Something was read.
    fn hand_on(&mut self, core: &mut Core, id: u64, buffer: Buffer) -> Result<(), StoreError> {
        let (reader, segment) = self.reads.end(id, buffer.len());
        self.needed.handle_read_done(segment);
        match reader {
            Reader::Queue(queue) => self.handle_read(core, queue, id, buffer),
            Reader::Recall(recalling) => self.handle_recalled(core, &recalling, buffer),
            Reader::Cursor(browsing) => self.handle_browsed(core, &browsing, buffer),
            Reader::Front => {
                self.handle_front(core, &buffer)?;
                self.reads.give_back(buffer);
                Ok(())
            }
        }
    }

    /// Segments that are no longer needed serve again, files go.
    fn free(&mut self) {
        let durable = self.writing.durable();
        while let Some(id) = self.needed.poll_file(durable) {
            self.orders.push_back(Order::Discard { id });
        }
        let mut removed = Vec::new();
        while let Some(segment) = self.needed.poll_free(durable) {
            removed.extend(self.space.handle_free(segment));
        }
        // The manifest is written once for all of them.
        let (first, firm) = (self.needed.first(), self.writing.last_batch());
        self.orders.extend(removed.into_iter().map(|segment| Order::Remove { segment, first, firm }));
    }

    /// When the next turn is due even if nothing happens, nanoseconds.
    pub fn deadline(&self) -> Option<u64> {
        let writing = self.writing.deadline(self.space.filling_ns());
        [self.retry_deadline(), writing, self.rewriting_deadline()].into_iter().flatten().min()
    }

    /// What all records say that outlives the node.
    pub fn ledger(&self) -> &Ledger {
        self.needed.ledger()
    }

    /// Where everything lies. What is not written yet is in it as well: [`Self::written`] says how far it may be read.
    pub fn segments(&self) -> &Segments {
        self.needed.segments()
    }

    /// The files of large messages that are needed, once for each message.
    pub fn files(&self) -> impl Iterator<Item = Large> {
        self.ledger().files().messages().map(|(_, _, large)| large)
    }

    /// Whether something is not written to this node's disk yet.
    pub fn is_busy(&self) -> bool {
        self.writing.is_busy()
    }

    /// How far this node's disk has it: it may be read back, and sent to whoever follows the log.
    pub fn written(&self) -> Reach {
        self.writing.written()
    }

    /// How far it is durable: acknowledgements of it may be given. As long as nobody else keeps the log, that is what
    /// is written.
    pub fn durable(&self) -> Reach {
        self.writing.durable()
    }

    /// What it did so far, and what there is; `pending_bytes` of what it was told (`Store::pending_bytes` has all).
    pub fn totals(&self) -> StoreTotals {
        // The segment that comes next is one of the writer's before it is one of the disk's.
        let unmade = self.writing.place().segment.saturating_sub(self.space.prepared());
        let needed = self.needed.segments();
        let segments = (needed.count() as u64).saturating_sub(unmade);
        let given = self.writing.given();
        StoreTotals {
            batches: given.batches,
            written_bytes: given.bytes,
            read_bytes: self.reads.bytes(),
            checkpoints: self.checkpoints.written(),
            journal_bytes: segments * self.config.segment_bytes,
            live_bytes: needed.live_bytes(),
            pending_bytes: self.writing.waiting_bytes() as u64,
            written: self.written().shared - 1,
            durable: self.durable().shared - 1,
            segments,
            disk: DiskTotals {
                ready_bytes: self.left_bytes(),
                full: self.space.is_full(),
                full_times: self.space.full_times(),
            },
            ..self.totals
        }
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        self.needed.check();
        self.queues.check();
    }
}
