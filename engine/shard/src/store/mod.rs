//! The owner's facts in the journal, and the messages of its queues that are there only: one machine between the core and the disk.
//!
//! Guarantees:
//! 1. Facts are written in the order of their numbers, and applied to the ledger as they are; the core hears of what is durable only when
//!    the disk said so.
//! 2. One batch is written at a time, the next one fills meanwhile; nothing waits for a timer.
//! 3. A segment is used again when nothing in it is needed and what was copied out of it is durable.
//! 4. What is read back is what was written, or the node stops: a batch that does not check is never served.
//! 5. A journal that rests ends with an empty batch: if the one before it does not check after a start, that was no crash.
//!
//! It does no I/O: `poll_order` says what the disk is to do, `handle_done` takes what came of it.

mod buffers;
mod cursors;
mod offline;
mod pages;
mod reading;
mod recalling;
mod recovery;
mod rewriting;
mod room;
mod salvage;
mod vouching;

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU64;

use engine_core::Core;
use engine_core::fact::{Fact, LOCAL, Resident, Target};
use engine_core::message::{Content, Large, Message};
use engine_ledger::{Attributes, Ledger, Meaning, Numbers, Properties, Whose, encode_declaration};
use storage_journal::format::BLOCK;
use storage_journal::{
    Done, Fault, Full, Order, Part as LogPart, Position, Reach, RecordHeader, Sealed, Segments, Writer,
};

use crate::limits::{ALLOWANCE_SEGMENTS, FULL_BATCH_NS, MARK_NS, SEGMENTS_SPARE, UNAWAITED_BYTES, UNAWAITED_NS};
use buffers::Buffers;
use cursors::Browsing;
pub use offline::{Copy, Extract, Extracted, Part};
use pages::{Pages, Sealing, block};
use reading::Reading;
use recalling::{Recalling, Wanted};
pub use recovery::{Recovered, Recovery};
use rewriting::Rewriting;
pub use salvage::{Losses, QueueLoss, Salvage, Tail as LostTail};
use vouching::Vouched;

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

/// What a shard's journal is made of.
#[derive(Clone, Copy, Debug)]
pub struct StoreConfig {
    /// The shard.
    pub shard: u16,
    /// The data directory's identity.
    pub directory: [u8; 16],
    /// Length of a segment, octets.
    pub segment_bytes: u64,
    /// Segments between two checkpoints: what a replay reads at most, give or take one.
    pub checkpoint_segments: u64,
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
    /// Segments in use, the one that is written too.
    pub segments: u64,
    /// Whether the disk is full, and how often it became so.
    pub full: bool,
    /// As it says.
    pub full_times: u64,
}

/// What a queue has on disk, and what of it is on the way.
#[derive(Debug, Default)]
struct Stored {
    pages: Pages,
    reading: VecDeque<Reading>,
    /// Octets that the queue wants and that are not durable yet, or that find no free read.
    wanted: u64,
}

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

/// What was read of a journal.
#[derive(Debug)]
struct Read {
    segments: Segments,
    ledger: Ledger,
}

/// The journal of one shard.
#[derive(Debug)]
pub struct Store {
    config: StoreConfig,
    writer: Writer,
    segments: Segments,
    /// The last segment that is ready to be written.
    prepared: u64,
    preparing: Option<u64>,
    no_room: bool,
    retry_ns: u64,
    sealed: VecDeque<Sealed>,
    /// The batch that is written, and how far it reaches.
    writing: Option<(u64, Reach)>,
    tail: Tail,
    /// Since when the open batch could have been written.
    open_ns: Option<u64>,
    /// What is on stable storage.
    durable: Reach,
    /// The last batch on stable storage.
    durable_batch: u64,
    vouched: Vouched,
    pending_bytes: usize,
    orders: VecDeque<Order>,
    /// Segments whose files serve again, oldest first.
    spare: VecDeque<u64>,
    queues: HashMap<u64, Stored>,
    /// The queue of the last message: it is among `queues`, and most often the next one's too. 0: none.
    known_queue: u64,
    /// Runs whose last batch is open, by queue and a name in them.
    unsealed: Vec<(u64, u64)>,
    /// What all records say that outlives the node.
    ledger: Ledger,
    /// Messages put aside, now in memory, or away from it with consumers, that were written again: from their name to where that lies.
    moved: HashMap<u64, u64>,
    /// Whose each read is, and of which segment.
    reads: HashMap<u64, (u64, u64)>,
    next_read: u64,
    /// What queues want again that came back to them, and the reads of it.
    wanted: VecDeque<Wanted>,
    recalls: HashMap<u64, Recalling>,
    /// What is read for cursors.
    browsing: HashMap<u64, Browsing>,
    rewriting: Option<Rewriting>,
    /// The segment of the last checkpoint.
    checkpointed: u64,
    /// A checkpoint that waits until all before it is durable, or that is written (without its bytes).
    checkpoint: Option<(Position, Vec<u8>)>,
    /// The first number of this run of the node: who had earlier messages is not known, so nobody is told that nobody had.
    since: u64,
    /// Queues that want more than could be read yet.
    hungry: Vec<u64>,
    /// Whether what one of them wants next is in a batch that is not durable.
    unsealed_wanted: bool,
    /// Octets that are read for queues now.
    reading_bytes: usize,
    /// No segment is used again before this is durable.
    free_after: Reach,
    numbers: Vec<u8>,
    buffers: Buffers,
    totals: StoreTotals,
}

impl Store {
    /// A journal that goes on at `position`, with what there is of it.
    fn new(config: StoreConfig, position: Position, read: Read, prepared: u64) -> Self {
        let Read { segments, ledger } = read;
        let bytes = usize::try_from(config.segment_bytes).expect("segments fit into memory");
        let mut segments = segments;
        segments.handle_begun(position.segment, position.reach);
        Self {
            config,
            writer: Writer::new(config.directory, bytes, position),
            segments,
            prepared,
            preparing: None,
            no_room: false,
            retry_ns: 0,
            sealed: VecDeque::new(),
            writing: None,
            tail: if position.batch == 1 { Tail::Marked } else { Tail::Resting { since_ns: 0 } },
            open_ns: None,
            durable: position.reach,
            durable_batch: position.batch - 1,
            vouched: Vouched::new(position.batch - 1),
            pending_bytes: 0,
            orders: VecDeque::new(),
            spare: VecDeque::new(),
            queues: HashMap::new(),
            known_queue: 0,
            unsealed: Vec::new(),
            ledger,
            moved: HashMap::new(),
            reads: HashMap::new(),
            next_read: 0,
            wanted: VecDeque::new(),
            recalls: HashMap::new(),
            browsing: HashMap::new(),
            rewriting: None,
            checkpointed: position.segment,
            checkpoint: None,
            since: position.reach.shared,
            hungry: Vec::new(),
            unsealed_wanted: false,
            reading_bytes: 0,
            free_after: Reach::START,
            numbers: Vec::new(),
            buffers: Buffers::new(),
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
        self.take_facts(core);
        while let Some(fetch) = core.poll_fetch() {
            let stored = self.queues.entry(fetch.queue).or_default();
            stored.wanted = fetch.bytes;
            self.hungry.push(fetch.queue);
        }
        self.take_recalls(core);
        self.feed(core);
        self.take_browses(core);
        self.rewrite(core, now_ns);
        self.free();
        self.write_checkpoint();
        self.prepare(now_ns);
        self.vouch(now_ns);
        if self.writing.is_none() && self.sealed.is_empty() && self.is_due(core, now_ns) {
            self.seal();
        }
        if let Tail::Resting { since_ns } = self.tail
            && now_ns >= since_ns + MARK_NS
        {
            self.mark();
        }
        self.watch_room(core);
    }

    /// Whether the open batch is to be written now.
    fn is_due(&mut self, core: &Core, now_ns: u64) -> bool {
        if self.writer.open_bytes() == 0 {
            return false;
        }
        let since_ns = *self.open_ns.get_or_insert(now_ns);
        let awaited = core.awaits_journal() || self.unsealed_wanted || !self.wanted.is_empty();
        (awaited && !self.no_room)
            || self.writer.open_bytes() >= UNAWAITED_BYTES
            || now_ns >= since_ns + self.filling_ns()
    }

    /// How long a batch may fill that is not written at once.
    fn filling_ns(&self) -> u64 {
        if self.no_room { FULL_BATCH_NS } else { UNAWAITED_NS }
    }

    /// Puts an empty batch behind the last one, if nothing else follows it.
    fn mark(&mut self) {
        if self.is_busy() {
            return;
        }
        let sealed = self.writer.mark().or_else(|_| {
            self.roll();
            self.writer.mark()
        });
        let sealed = sealed.expect("a new segment has room");
        self.pending_bytes += sealed.buffer.len();
        self.sealed.push_back(sealed);
        self.tail = Tail::Marked;
    }

    /// Goes on in the next segment.
    fn roll(&mut self) {
        self.ledger.settle(&mut self.segments);
        let segment = self.writer.roll();
        self.segments.handle_begun(segment, self.writer.next());
        if segment >= self.checkpointed + self.config.checkpoint_segments && self.checkpoint.is_none() {
            let position = self.writer.position();
            let checkpoint = self.ledger.checkpoint(&self.config.whose(), &position, &self.segments);
            self.checkpoint = Some((position, checkpoint));
        }
    }

    /// Afterwards the journal's numbers are the core's, and what is released is known.
    fn take_facts(&mut self, core: &mut Core) {
        while let Some(fact) = core.poll_fact() {
            self.handle_fact(fact);
        }
        while let Some(name) = core.poll_released() {
            self.release(name);
        }
        while let Some(id) = core.poll_unwanted() {
            self.orders.push_back(Order::Discard { id });
        }
        self.ledger.settle(&mut self.segments);
    }

    fn handle_fact(&mut self, fact: Fact) {
        match fact {
            Fact::Stored { number, targets, message } => {
                self.store(number, targets.as_slice(), &message, Attributes::default());
            }
            Fact::Acknowledged { number, queue, first, last } => {
                self.remember(number, &Meaning::Acknowledged { queue, first, last });
            }
            Fact::Failed { number, queue, message, count } => {
                self.remember(number, &Meaning::Failed { queue, message, count });
            }
            Fact::Declared { number, declared } => {
                let attributes = encode_declaration(&declared);
                let (queue, attributes) = (declared.queue, Attributes(&attributes));
                self.remember(number, &Meaning::Declared { queue, attributes });
            }
            Fact::Deleted { number, queue } => {
                if number != 0 {
                    self.remember(number, &Meaning::Deleted { queue });
                    // Its declaration does not go before it is known that its messages are nobody's.
                    self.free_after.include(number);
                }
                self.drop_queue(queue);
            }
        }
    }

    fn store(&mut self, number: u64, targets: &[Target], message: &Message, attributes: Attributes<'_>) {
        let Message { header, format, body, content, expires_wall_ms } = message;
        let properties = Properties {
            durable: header.durable,
            large: *content == Content::File,
            priority: header.priority,
            format: *format,
            expires_ms: expires_wall_ms.map_or(0, NonZeroU64::get),
            delivery_count: header.delivery_count,
        };
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.clear();
        targets.iter().for_each(|target| numbers.extend_from_slice(&target.queue.to_le_bytes()));
        let queues = Numbers(&numbers);
        let bytes = self.remember(number, &Meaning::Message { properties, queues, attributes, body });
        if number & LOCAL != 0 {
            self.put_aside(number, targets, message, bytes);
        }
        self.totals.body_bytes += body.len() as u64;
        self.numbers = numbers;
        let place = self.writer.place();
        for (target, name) in targets.iter().zip(number..) {
            if target.resident == Resident::Yes && target.queue == self.known_queue {
                continue;
            }
            self.known_queue = target.queue;
            let stored = self.queues.entry(target.queue).or_default();
            if target.resident == Resident::No && stored.pages.push(name, place) == Sealing::New {
                self.unsealed.push((target.queue, name));
            }
        }
    }

    /// Keeps what the ledger does not: a message that ends with the node.
    fn put_aside(&mut self, number: u64, targets: &[Target], message: &Message, bytes: usize) {
        let count = u32::try_from(targets.len()).expect("queues are bounded");
        self.segments.handle_stored(number, count, bytes);
        if let Some(large) = message.large() {
            let names = targets.iter().zip(number..);
            names.for_each(|(target, name)| self.ledger.files_mut().keep(name, target.queue, large));
        }
    }

    /// Appends the record that says so, and applies it; closes batch and segment as that needs. Gives its length, octets.
    #[inline]
    fn remember(&mut self, number: u64, meaning: &Meaning<'_>) -> usize {
        let part = if number & LOCAL == 0 { LogPart::Shared } else { LogPart::Local };
        let bytes = meaning.encode(part, |header, payload| self.append(number, header, payload));
        let applied = self.ledger.apply(&mut self.segments, number, meaning, bytes);
        applied.expect("what is written can be read");
        bytes
    }

    #[inline]
    fn append(&mut self, number: u64, header: RecordHeader, payload: &[&[u8]]) -> usize {
        loop {
            match self.writer.append(header, payload) {
                Ok(found) => {
                    assert_eq!(found, number, "facts come in the order of their numbers");
                    return RecordHeader::bytes(payload);
                }
                Err(Full::Batch) => self.seal(),
                Err(Full::Segment) => {
                    self.seal();
                    self.roll();
                }
                Err(Full::TooLarge) => unreachable!("the core refuses what fits into no segment"),
            }
        }
    }

    fn seal(&mut self) {
        let Some(sealed) = self.writer.seal() else { return };
        self.tail = Tail::Moving;
        self.open_ns = None;
        let end = block(sealed.place) + u32::try_from(sealed.buffer.len() / BLOCK).expect("a batch is small");
        for (queue, name) in self.unsealed.drain(..) {
            if let Some(stored) = self.queues.get_mut(&queue) {
                stored.pages.handle_sealed(name, end);
            }
        }
        let begin = block(sealed.place);
        self.segments.handle_sealed(sealed.first, begin, end - begin);
        self.pending_bytes += sealed.buffer.len();
        self.sealed.push_back(sealed);
    }

    /// A message is no longer needed. Of those that outlive the node the ledger knows by the fact that says so.
    #[inline]
    fn release(&mut self, name: u64) {
        if name & LOCAL == 0 {
            return;
        }
        let number = if self.moved.is_empty() { name } else { self.moved.remove(&name).unwrap_or(name) };
        self.segments.handle_released(number);
        // What says so lies before the next number.
        self.ledger.files_mut().release(name, self.writer.next().shared - 1);
    }

    fn drop_queue(&mut self, queue: u64) {
        let Some(stored) = self.queues.remove(&queue) else { return };
        self.known_queue = 0;
        self.wanted.retain(|wanted| wanted.queue != queue);
        self.ledger.files_mut().release_queue(queue, self.writer.next().shared - 1);
        let reading = stored.reading.iter().map(|reading| &reading.run);
        for run in stored.pages.runs.iter().chain(reading).filter(|run| run.messages.names().first() & LOCAL != 0) {
            for (name, number) in run.messages.iter() {
                // It may have been written again since its read was ordered.
                self.segments.handle_released(self.moved.remove(&name).unwrap_or(number));
            }
        }
    }

    /// The number under which a message of a queue lies that is in memory, or was.
    fn number_of(&self, queue: u64, name: u64) -> u64 {
        let moved = if name & LOCAL == 0 { self.ledger.number_of(queue, name) } else { self.moved.get(&name).copied() };
        moved.unwrap_or(name)
    }

    /// What the disk is to do next.
    pub fn poll_order(&mut self) -> Option<Order> {
        if let Some(order) = self.orders.pop_front() {
            return Some(order);
        }
        if self.writing.is_some() || self.sealed.front()?.place.segment > self.prepared {
            return None;
        }
        let Sealed { place, batch, end, buffer, .. } = self.sealed.pop_front()?;
        self.writing = Some((batch, end));
        self.totals.batches += 1;
        self.totals.written_bytes += buffer.len() as u64;
        Some(Order::Write { place, buffer })
    }

    /// Takes what came of an order.
    ///
    /// # Errors
    /// When the node cannot go on: what it does not know to be on disk must not be acknowledged.
    pub fn handle_done(&mut self, core: &mut Core, now_ns: u64, done: Done) -> Result<(), StoreError> {
        match done {
            Done::Written { buffer } => {
                let written = self.writing.take().expect("one batch is written at a time");
                (self.durable_batch, self.durable) = written;
                self.pending_bytes -= buffer.len();
                self.writer.recycle(buffer);
                if self.tail == Tail::Moving && !self.is_busy() {
                    self.tail = Tail::Resting { since_ns: now_ns };
                }
                core.handle_durable(self.durable.shared - 1);
                self.recall();
                self.feed(core);
                self.take_browses(core);
            }
            Done::Read { id, buffer } => {
                self.totals.read_bytes += buffer.len() as u64;
                if let Some((queue, segment)) = self.reads.remove(&id) {
                    self.reading_bytes -= buffer.len();
                    self.segments.handle_read_done(segment);
                    self.handle_read(core, queue, id, buffer)?;
                } else if let Some(recalling) = self.recalls.remove(&id) {
                    self.handle_recalled(core, &recalling, buffer)?;
                } else if let Some(browsing) = self.browsing.remove(&id) {
                    self.handle_browsed(core, &browsing, buffer)?;
                } else {
                    self.handle_front(core, &buffer)?;
                    self.buffers.give_back(buffer);
                }
                self.recall();
                self.feed(core);
                self.take_browses(core);
            }
            Done::Prepared { segment } => self.handle_prepared(segment),
            Done::NoRoom { segment: _, reuse } => self.handle_no_room(reuse, now_ns),
            Done::Checkpointed { segment } => {
                self.checkpoint = None;
                self.checkpointed = segment;
                self.totals.checkpoints += 1;
            }
            Done::NotCheckpointed => self.checkpoint = None,
            Done::Vouched { batch } => self.vouched.handle_vouched(batch),
            Done::Failed { what, error } => return Err(StoreError::Disk { what, error }),
        }
        Ok(())
    }

    /// Segments that are no longer needed serve again, files go.
    fn free(&mut self) {
        while let Some(id) = self.ledger.files_mut().poll_unneeded(self.durable.shared - 1) {
            self.orders.push_back(Order::Discard { id });
        }
        let mut removed = Vec::new();
        while self.durable.reaches(self.free_after)
            && let Some(segment) = self.segments.poll_free(self.durable)
        {
            self.spare.push_back(segment);
            if self.spare.len() > SEGMENTS_SPARE {
                removed.extend(self.spare.pop_front());
            }
        }
        // The manifest is written once for all of them.
        let (first, firm) = (self.first_needed(), self.writer.last_batch());
        self.orders.extend(removed.into_iter().map(|segment| Order::Remove { segment, first, firm }));
    }

    /// Has a checkpoint written once everything before it is durable.
    fn write_checkpoint(&mut self) {
        if let Some((position, bytes)) = &mut self.checkpoint
            && self.durable.reaches(position.reach)
            && !bytes.is_empty()
        {
            let (segment, bytes) = (position.segment, std::mem::take(bytes));
            self.orders.push_back(Order::Checkpoint { segment, bytes });
        }
    }

    /// The oldest segment that is needed.
    fn first_needed(&self) -> u64 {
        self.segments.first().expect("there is always one that is written")
    }

    /// When the next turn is due even if nothing happens, nanoseconds. What waits for the disk has no deadline: a turn that could
    /// do nothing would be followed by the next one at once.
    pub fn deadline(&self) -> Option<u64> {
        let mark = match self.tail {
            Tail::Resting { since_ns } if !self.is_busy() => Some(since_ns + MARK_NS),
            _ => None,
        };
        let free = self.writing.is_none() && self.sealed.is_empty();
        let open = self.open_ns.filter(|_| free).map(|since_ns| since_ns + self.filling_ns());
        let retry = (self.no_room && self.wants_segment()).then_some(self.retry_ns);
        [retry, mark, open, self.rewriting_deadline()].into_iter().flatten().min()
    }

    /// What all records say that outlives the node.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Where everything lies. What is not written yet is in it as well: [`Self::durable`] says how far it may be read.
    pub fn segments(&self) -> &Segments {
        &self.segments
    }

    /// The first numbers behind what is on stable storage.
    pub fn durable(&self) -> Reach {
        self.durable
    }

    /// The files of large messages that are needed, once for each message.
    pub fn files(&self) -> impl Iterator<Item = Large> {
        self.ledger.files().messages().map(|(_, _, large)| large)
    }

    /// Whether something is not on stable storage yet.
    pub fn is_busy(&self) -> bool {
        self.writing.is_some() || !self.sealed.is_empty() || self.writer.open_bytes() > 0
    }

    /// Octets that wait to be written.
    fn waiting_bytes(&self) -> usize {
        self.pending_bytes + self.writer.open_bytes()
    }

    /// What it did so far, and what there is.
    pub fn totals(&self) -> StoreTotals {
        // The segment that comes next is one of the writer's before it is one of the disk's.
        let unmade = self.writer.place().segment.saturating_sub(self.prepared);
        let segments = (self.segments.count() as u64).saturating_sub(unmade);
        StoreTotals {
            journal_bytes: segments * self.config.segment_bytes,
            live_bytes: self.segments.live_bytes(),
            pending_bytes: self.waiting_bytes() as u64,
            segments,
            full: self.no_room,
            ..self.totals
        }
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        self.segments.check();
        self.ledger.check();
        self.queues.values().for_each(|stored| stored.pages.check());
    }
}

impl StoreConfig {
    /// Octets that the journal may be longer than twice what lives in it.
    fn allowance(&self) -> u64 {
        ALLOWANCE_SEGMENTS * self.segment_bytes
    }

    /// Whose checkpoints are.
    fn whose(&self) -> Whose {
        let Self { shard, directory, segment_bytes, .. } = *self;
        Whose { shard, directory, segment_bytes, allowance: self.allowance() }
    }
}
