//! What all records of a log together say: queues, their messages by name, where these lie, and how often their deliveries failed.
//!
//! Guarantees:
//! 1. It is the same whoever applies the records: the owner that writes them, a start that reads them, whoever follows the log. Local
//!    records change where messages lie and nothing else.
//! 2. `Segments` knows at any time which numbers it needs: each message's, and each declaration's.
//! 3. Memory is nothing for messages that follow each other in their queue, and four octets for others.
//!
//! Records are applied in the order in which they were written; for messages that follow each other the tables are told at once
//! (`settle`).

use std::collections::HashMap;

use engine_core::fact::PASSING;
use engine_core::message::Large;
use storage_journal::{LOCAL, Record, Segments};

use crate::attributes::Attributes;
use crate::declaration::declaration;
use crate::entry::{Entry, entries};
use crate::files::Files;
use crate::in_queue::in_queues;
use crate::kept::Kept;
use crate::meaning::{Meaning, Properties};
use crate::streak::Streak;

/// The ledger of one log.
#[derive(Debug, Default)]
pub struct Ledger {
    pub(crate) queues: HashMap<u64, Kept>,
    /// Delivery-counts of messages that failed, by name.
    pub(crate) failures: HashMap<u64, u32>,
    pub(crate) files: Files,
    pub(crate) last_queue: u64,
    /// The last messages, if the next one may go on where they end; they are nowhere else yet.
    streak: Option<Streak>,
}

impl Ledger {
    /// That of a log without records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a record that was read.
    ///
    /// # Errors
    /// What is wrong with it; it is as if it were not there.
    pub fn apply_record(&mut self, segments: &mut Segments, record: &Record<'_>) -> Result<(), &'static str> {
        match Meaning::decode(record)? {
            Some(meaning) => self.apply(segments, record.number, &meaning, record.bytes()),
            None => Ok(()),
        }
    }

    /// Takes what a record of so many octets says, whose first number is `number`, and which lies in the newest segment.
    ///
    /// # Errors
    /// What is wrong with it; it is as if it were not there.
    #[inline]
    pub fn apply(
        &mut self,
        segments: &mut Segments,
        number: u64,
        meaning: &Meaning<'_>,
        bytes: usize,
    ) -> Result<(), &'static str> {
        if number & LOCAL == 0
            && let Some(message) = Streak::of(number, meaning, bytes)
            && let Meaning::Message { attributes, .. } = meaning
        {
            in_queues(*attributes, |_| {})?;
            if !self.streak.as_mut().is_some_and(|streak| streak.append(&message)) {
                self.settle(segments);
                self.streak = Some(message);
            }
            return Ok(());
        }
        self.settle(segments);
        match *meaning {
            Meaning::Message { properties, attributes, body, .. }
            | Meaning::Moved { properties, attributes, body, .. } => {
                in_queues(attributes, |_| {})?;
                self.handle_message(segments, number, meaning, Sizes { record: bytes, body: body.len() });
                self.keep_files(number, meaning, &properties, body);
            }
            Meaning::Acknowledged { queue, first, last } => {
                self.files.release_range(queue, first, last, number);
                self.handle_acknowledged(segments, queue, first, last);
            }
            Meaning::Failed { queue, message, count } => {
                if self.queues.get(&queue).is_some_and(|kept| kept.contains(message)) {
                    self.failures.insert(message, count);
                }
            }
            Meaning::Declared { queue, attributes } | Meaning::DeclaredAgain { queue, attributes } => {
                self.handle_declared(segments, (number, bytes), queue, attributes)?;
            }
            Meaning::Deleted { queue } => {
                self.files.release_queue(queue, number);
                self.handle_acknowledged(segments, queue, 0, u64::MAX);
                if let Some(kept) = self.queues.remove(&queue) {
                    segments.handle_released(kept.number());
                }
            }
            Meaning::TransactionPart { .. }
            | Meaning::TransactionCommitted { .. }
            | Meaning::TransactionAborted { .. } => {
                return Err("this version of Heddle does not know transactions: a newer one wrote this journal");
            }
        }
        Ok(())
    }

    /// Enters what was applied into all tables. To be called before a segment begins, and before anything is asked.
    pub fn settle(&mut self, segments: &mut Segments) {
        let Some(streak) = self.streak.take() else { return };
        self.note_queue(streak.queue);
        segments.handle_stored(streak.first, streak.count, streak.record_bytes);
        self.queues.entry(streak.queue).or_default().append(&streak);
    }

    /// A queue had this number: none gets it again.
    fn note_queue(&mut self, queue: u64) {
        self.last_queue = self.last_queue.max(queue & !PASSING);
    }

    fn handle_message(&mut self, segments: &mut Segments, number: u64, meaning: &Meaning<'_>, sizes: Sizes) {
        let share = sizes.record / meaning.numbers().max(1) as usize;
        entries(meaning, number, |Entry { queue, name, number, failures }| {
            self.note_queue(queue);
            // What a node put aside ends with it, wherever it lies.
            if name & LOCAL != 0 {
                return;
            }
            segments.handle_stored(number, 1, share);
            let kept = self.queues.entry(queue).or_default();
            if name != number {
                // The older copy, if it is still there, is not needed.
                kept.remove(name, name, |_, older| segments.handle_released(older));
                if let Some(failures) = failures.filter(|&failures| failures > 0) {
                    self.failures.insert(name, failures);
                }
            }
            kept.insert((name, number), sizes.body);
        });
    }

    fn keep_files(&mut self, number: u64, meaning: &Meaning<'_>, properties: &Properties, body: &[u8]) {
        if let Some(large) = Large::decode(body).filter(|_| properties.large) {
            entries(meaning, number, |entry| {
                if entry.name & LOCAL == 0 {
                    self.files.keep(entry.name, entry.queue, large);
                }
            });
        }
    }

    fn handle_acknowledged(&mut self, segments: &mut Segments, queue: u64, first: u64, last: u64) {
        let Some(kept) = self.queues.get_mut(&queue) else { return };
        let failures = &mut self.failures;
        kept.remove(first, last, |name, number| {
            segments.handle_released(number);
            if !failures.is_empty() {
                failures.remove(&name);
            }
        });
    }

    /// A message is not in its queue any more, as another log says that it leaves. What says so in this one comes later, and lets its file go.
    pub fn leave_out(&mut self, segments: &mut Segments, queue: u64, name: u64) {
        self.settle(segments);
        self.handle_acknowledged(segments, queue, name, name);
    }

    fn handle_declared(
        &mut self,
        segments: &mut Segments,
        (number, bytes): (u64, usize),
        queue: u64,
        attributes: Attributes<'_>,
    ) -> Result<(), &'static str> {
        let declared = declaration(queue, attributes)?;
        self.note_queue(queue);
        let older = self.queues.entry(queue).or_default().declare(declared, number);
        // It may have been written again.
        segments.handle_released(older);
        segments.handle_stored(number, 1, bytes);
        Ok(())
    }

    /// The queues, in no order.
    pub fn queues(&self) -> impl Iterator<Item = (u64, &Kept)> {
        self.queues.iter().map(|(&queue, kept)| (queue, kept))
    }

    /// A queue.
    pub fn queue(&self, queue: u64) -> Option<&Kept> {
        self.queues.get(&queue)
    }

    /// The queues as a table of their own, for whoever compares them with another's.
    pub fn into_queues(self) -> HashMap<u64, Kept> {
        self.queues
    }

    /// Mutable access for whoever knows better than the records that are left, as they were damaged.
    pub fn queues_mut(&mut self) -> &mut HashMap<u64, Kept> {
        &mut self.queues
    }

    /// The number under which a message of a queue lies.
    pub fn number_of(&self, queue: u64, name: u64) -> Option<u64> {
        self.queues.get(&queue)?.number_of(name)
    }

    /// How often deliveries of a message failed, if they did.
    pub fn failures_of(&self, name: u64) -> Option<u32> {
        if self.failures.is_empty() { None } else { self.failures.get(&name).copied() }
    }

    /// All messages whose deliveries failed, in no order, and how often.
    pub fn failures(&self) -> impl Iterator<Item = (u64, u32)> {
        self.failures.iter().map(|(&name, &count)| (name, count))
    }

    /// A count that is not known yet.
    pub fn note_failures(&mut self, name: u64, count: u32) {
        self.failures.entry(name).or_insert(count);
    }

    /// The files of large messages.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The same, to say what is known of messages that are put aside.
    pub fn files_mut(&mut self) -> &mut Files {
        &mut self.files
    }

    /// The last number that a queue had.
    pub fn last_queue(&self) -> u64 {
        self.last_queue
    }

    /// A queue with this number was known to somebody else.
    pub fn note_last_queue(&mut self, queue: u64) {
        self.note_queue(queue);
    }

    /// Messages in all queues.
    pub fn messages(&self) -> u64 {
        self.queues.values().map(Kept::messages).sum()
    }

    /// Forgets queues that are not declared, which ended with the node, and messages that lie before all segments: they were released,
    /// though the records that say so may not have become durable.
    pub fn forget_gone(&mut self, segments: &mut Segments) {
        self.settle(segments);
        let failures = &mut self.failures;
        self.queues.retain(|_, kept| {
            if kept.declared().is_some() {
                return true;
            }
            kept.remove(0, u64::MAX, |name, number| {
                segments.handle_released(number);
                failures.remove(&name);
            });
            false
        });
        for kept in self.queues.values_mut() {
            let gone: Vec<u64> = kept
                .runs()
                .filter(|run| !segments.holds(run.numbers().first()))
                .flat_map(|run| run.iter().filter(|&(_, number)| !segments.holds(number)).map(|(name, _)| name))
                .collect();
            for name in gone {
                kept.remove(name, name, |_, _| {});
                failures.remove(&name);
            }
        }
        let Self { queues, files, .. } = self;
        files.retain(|name, queue| queues.get(&queue).is_some_and(|kept| kept.contains(name)));
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        self.queues.values().for_each(Kept::check);
    }
}

/// Octets of a record with a message, and of the message's body.
#[derive(Clone, Copy)]
struct Sizes {
    record: usize,
    body: usize,
}
