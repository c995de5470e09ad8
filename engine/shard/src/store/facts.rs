//! What the owner has for the journal is taken: facts as records, and what follows from them for pages, segments and
//! files.
//!
//! Guarantees:
//! 1. Facts are written in the order of their numbers, and applied to the ledger as they are.
//! 2. Facts that hold together are in one batch.
//! 3. What fits into no batch or segment any more goes into the next one; every batch that is closed is known to
//!    whoever has messages in it.

use bytes::Bytes;
use engine_core::fact::{Fact, LOCAL, Target};
use engine_core::message::{Header, Message};
use engine_core::{Core, JournalRequest};
use engine_ledger::{
    Attributes, Meaning, Numbers, Properties, encode_carried, encode_decided, encode_declaration, encode_identity,
};
use storage_journal::{Full, Order, Part, RecordHeader};

use super::Store;

impl Store {
    /// Takes what the core has for the journal. Afterwards the journal's numbers are the core's, and what is released
    /// is known.
    pub(super) fn take_requests(&mut self, core: &mut Core) {
        self.take_requests_with(core, Attributes::default());
    }

    /// The same; `attributes` is what else is said of the messages among it.
    pub(super) fn take_requests_with(&mut self, core: &mut Core, attributes: Attributes<'_>) {
        while let Some(request) = core.poll_journal() {
            match request {
                JournalRequest::Fact(Fact::Together(facts)) => self.handle_together(&facts, attributes),
                JournalRequest::Fact(fact) => self.handle_fact(&fact, attributes),
                // What says so lies before the next number.
                JournalRequest::Released(name) => self.needed.release(name, self.writing.next().shared - 1),
                JournalRequest::Unwanted(id) => self.orders.push_back(Order::Discard { id }),
                JournalRequest::Fetch(fetch) => self.queues.fetch(fetch.queue, fetch.bytes),
                JournalRequest::Recall(recall) => self.queues.recall(recall),
                JournalRequest::Browse(browse) => self.browse(core, browse),
            }
        }
        self.needed.settle();
    }

    #[cold]
    fn handle_together(&mut self, facts: &[Fact], attributes: Attributes<'_>) {
        self.keep_together(facts, attributes);
        facts.iter().for_each(|fact| self.handle_fact(fact, attributes));
    }

    #[inline]
    fn handle_fact(&mut self, fact: &Fact, attributes: Attributes<'_>) {
        let mut numbers = std::mem::take(&mut self.numbers);
        let bytes = with_meaning(fact, attributes, &mut numbers, |number, meaning| self.remember(number, meaning));
        self.numbers = numbers;
        match fact {
            Fact::Stored { number, targets, message } => self.put(*number, targets.as_slice(), message, bytes),
            Fact::Deleted { number, queue } => {
                if *number != 0 {
                    // Its declaration does not go before it is known that its messages are nobody's.
                    self.needed.keep_until(*number);
                }
                self.drop_queue(*queue);
            }
            Fact::Acknowledged { .. }
            | Fact::Failed { .. }
            | Fact::Declared { .. }
            | Fact::Decided { .. }
            | Fact::Carried { .. }
            | Fact::Identified { .. }
            | Fact::Together(_) => {}
        }
    }

    /// Makes room in one batch for facts that hold together.
    fn keep_together(&mut self, facts: &[Fact], attributes: Attributes<'_>) {
        let mut numbers = Vec::new();
        let bytes = facts.iter().map(|fact| with_meaning(fact, attributes, &mut numbers, bytes_of)).sum();
        loop {
            match self.writing.keep_together(bytes) {
                Ok(()) => return,
                Err(Full::Batch) => self.seal(),
                Err(Full::Segment) => {
                    self.seal();
                    self.roll();
                }
                Err(Full::TooLarge) => unreachable!("the core refuses what fits into no segment"),
            }
        }
    }

    /// A message was written, as a record of so many octets.
    #[inline]
    fn put(&mut self, number: u64, targets: &[Target], message: &Message, bytes: usize) {
        if number & LOCAL != 0 {
            self.needed.put_aside(number, targets.iter().map(|target| target.queue), message.large(), bytes);
        }
        self.totals.body_bytes += message.body.len() as u64;
        self.queues.put(number, targets, self.writing.place());
    }

    /// Appends the record that says so, and applies it; closes batch and segment as that needs. Gives its length,
    /// octets.
    #[inline]
    pub(super) fn remember(&mut self, number: u64, meaning: &Meaning<'_>) -> usize {
        let bytes = meaning.encode(part_of(number), |header, payload| self.append(number, header, payload));
        self.needed.apply(number, meaning, bytes);
        bytes
    }

    #[inline]
    fn append(&mut self, number: u64, header: RecordHeader, payload: &[&[u8]]) -> usize {
        loop {
            match self.writing.append(header, payload) {
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

    /// Closes the open batch, if anything is in it.
    pub(super) fn seal(&mut self) {
        if let Some(closed) = self.writing.seal() {
            self.queues.handle_closed(&closed);
            self.needed.handle_closed(&closed);
        }
    }

    /// Goes on in the next segment.
    pub(super) fn roll(&mut self) {
        let position = self.writing.roll();
        self.needed.handle_begun(&position);
        if self.checkpoints.is_due(position.segment) {
            self.checkpoints.handle_made(position, self.needed.checkpoint(&self.config, &position));
        }
    }

    fn drop_queue(&mut self, queue: u64) {
        let Some(stored) = self.queues.remove(queue) else { return };
        self.needed.release_files(queue, self.writing.next().shared - 1);
        for run in stored.runs().filter(|run| run.messages.names().first() & LOCAL != 0) {
            run.messages.iter().for_each(|(name, number)| self.needed.release_paged(name, number));
        }
    }

    /// Octets that wait to be written, with those of facts that the store was not told of yet.
    pub fn pending_bytes(&self, core: &Core) -> u64 {
        let mut numbers = Vec::new();
        let none = Attributes::default();
        let mut bytes = |fact: &Fact| match fact {
            Fact::Together(facts) => facts.iter().map(|fact| with_meaning(fact, none, &mut numbers, bytes_of)).sum(),
            fact => with_meaning(fact, none, &mut numbers, bytes_of),
        };
        let facts: usize = core.untold_facts().map(&mut bytes).sum();
        let acknowledged = bytes_of(0, &Meaning::Acknowledged { queue: 0, first: 0, last: 0 });
        (self.writing.waiting_bytes() + facts + core.untold_acknowledgements() * acknowledged) as u64
    }
}

/// The part of a batch that records with a number are in.
#[inline]
fn part_of(number: u64) -> Part {
    if number & LOCAL == 0 { Part::Shared } else { Part::Local }
}

/// Length of the record that says so, octets.
fn bytes_of(number: u64, meaning: &Meaning<'_>) -> usize {
    meaning.encode(part_of(number), |_, payload| RecordHeader::bytes(payload))
}

/// Gives the number and meaning of a fact to `take`, a message's with `attributes`; 0 if there is nothing to write. `numbers` is memory for those
/// of queues. Facts that hold together are given one by one.
#[inline]
fn with_meaning(
    fact: &Fact,
    attributes: Attributes<'_>,
    numbers: &mut Vec<u8>,
    take: impl FnOnce(u64, &Meaning<'_>) -> usize,
) -> usize {
    match fact {
        Fact::Stored { number, targets, message } => {
            numbers.clear();
            let targets = targets.as_slice().iter();
            targets.for_each(|target| numbers.extend_from_slice(&target.queue.to_le_bytes()));
            let (properties, body) = (Properties::of(message), &message.body);
            take(*number, &Meaning::Message { properties, queues: Numbers(numbers), attributes, body })
        }
        &Fact::Acknowledged { number, queue, first, last } => {
            take(number, &Meaning::Acknowledged { queue, first, last })
        }
        &Fact::Failed { number, queue, message, count } => take(number, &Meaning::Failed { queue, message, count }),
        Fact::Declared { number, declared } => {
            let attributes = encode_declaration(declared);
            take(*number, &Meaning::Declared { queue: declared.queue, attributes: Attributes(&attributes) })
        }
        Fact::Decided { number, queue, shares } => take_entry(*number, *queue, &encode_decided(shares), take),
        Fact::Carried { number, queue, decision } => take_entry(*number, *queue, &encode_carried(*decision), take),
        Fact::Identified { number, queue, address, id } => {
            take_entry(*number, *queue, &encode_identity(address, id), take)
        }
        Fact::Together(_) => unreachable!("facts that hold together are in no others"),
        Fact::Deleted { number: 0, .. } => 0,
        &Fact::Deleted { number, queue } => take(number, &Meaning::Deleted { queue }),
    }
}

/// Gives what is said in a queue of the journal's own to `take`.
#[cold]
fn take_entry(number: u64, queue: u64, body: &[u8], take: impl FnOnce(u64, &Meaning<'_>) -> usize) -> usize {
    let queues = queue.to_le_bytes();
    let properties = Properties::of(&Message {
        header: Header { durable: true, ..Header::default() },
        ..Message::new(Bytes::new())
    });
    let (queues, attributes) = (Numbers(&queues), Attributes::default());
    take(number, &Meaning::Message { properties, queues, attributes, body })
}
