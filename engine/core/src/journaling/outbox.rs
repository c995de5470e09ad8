//! What the journal is to hear of the owner, until it asks.
//!
//! Guarantees:
//! 1. Facts are told in the order of their numbers. What left queues becomes facts when all others were told, a range
//!    of neighbours each.
//! 2. The name of a message that left is told after the fact that says so.
//! 3. It is as long as what happened in one turn: the journal takes all of it at its end.

use std::collections::VecDeque;

use super::Numbers;
use crate::exchange::Recall;
use crate::fact::Fact;
use crate::message::Large;
use crate::queue::Queue;
use crate::slab::Key;

/// What was not told yet.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    facts: VecDeque<Fact>,
    /// How many of those that hold together were begun, one within the other, and did not end.
    together: u32,
    /// Names of messages that left.
    released: Vec<u64>,
    /// Files of large messages that no queue took.
    unwanted: Vec<u64>,
    /// Queues with messages that left; one may be here twice.
    telling: Vec<Key>,
    /// The last number when all facts had been told.
    told: u64,
    /// Queues of which more is to be read.
    fetches: VecDeque<u64>,
    /// What queues want again that came back to them.
    recalls: VecDeque<Recall>,
}

impl Outbox {
    /// A fact, whose number is the last one that was taken.
    #[inline]
    pub fn push(&mut self, fact: Fact) {
        self.facts.push_back(fact);
    }

    /// What is put in from now on holds together, or not at all: to be given to `end_together`.
    #[must_use]
    pub fn begin_together(&mut self) -> usize {
        self.together += 1;
        self.facts.len()
    }

    /// What was put in since then holds together; what is within something else that does, with that.
    pub fn end_together(&mut self, since: usize) {
        self.together -= 1;
        if self.together == 0 && self.facts.len() > since + 1 {
            let together = self.facts.split_off(since);
            self.facts.push_back(Fact::Together(Vec::from(together).into()));
        }
    }

    /// Messages left a queue that had told of all that had left before.
    #[inline]
    pub fn note_left(&mut self, queue: Key) {
        self.telling.push(queue);
    }

    /// No queue took a message: its file, if it has one, is nobody's.
    pub fn note_untaken(&mut self, file: Option<Large>) {
        self.unwanted.extend(file.map(|large| large.id));
    }

    /// More of a queue is to be read.
    pub fn fetch(&mut self, queue: u64) {
        self.fetches.push_back(queue);
    }

    /// Messages are to be read again.
    pub fn recall(&mut self, recall: Recall) {
        self.recalls.push_back(recall);
    }

    /// A queue was deleted, with all that it had.
    pub fn release_all(&mut self, names: impl Iterator<Item = u64>) {
        self.released.extend(names);
    }

    /// Makes facts of a queue's messages that left; gives the number of the last one, or 0.
    pub fn tell_left(&mut self, queue: &mut Queue, numbers: &mut Numbers) -> u64 {
        let Some(of) = queue.number() else { return 0 };
        let mut last_number = 0;
        let Self { facts, released, .. } = self;
        let range = |first, last| {
            last_number = numbers.take(1);
            facts.push_back(Fact::Acknowledged { number: last_number, queue: of, first, last });
        };
        queue.tell(range, |name| released.push(name));
        last_number
    }

    /// The next fact that was made.
    #[inline]
    pub fn poll_fact(&mut self) -> Option<Fact> {
        self.facts.pop_front()
    }

    /// Whether all facts that were made were told.
    #[inline]
    pub fn has_told(&self) -> bool {
        self.facts.is_empty()
    }

    /// Queues whose messages that left are to be told.
    pub fn take_telling(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.telling)
    }

    /// All facts were told, up to this number.
    #[inline]
    pub fn note_told(&mut self, number: u64) {
        self.told = number;
    }

    /// The last number when all facts had been told.
    #[inline]
    pub fn told(&self) -> u64 {
        self.told
    }

    /// The next message that the journal no longer needs to keep, by its name.
    #[inline]
    pub fn poll_released(&mut self) -> Option<u64> {
        self.released.pop()
    }

    pub fn poll_unwanted(&mut self) -> Option<u64> {
        self.unwanted.pop()
    }

    pub fn poll_fetch(&mut self) -> Option<u64> {
        self.fetches.pop_front()
    }

    pub fn poll_recall(&mut self) -> Option<Recall> {
        self.recalls.pop_front()
    }

    /// Facts that were made and not told.
    pub fn untold(&self) -> impl Iterator<Item = &Fact> {
        self.facts.iter()
    }

    /// Queues with messages that left and of which no facts were made yet, each once.
    pub fn untold_queues(&self) -> Vec<Key> {
        let mut queues = self.telling.clone();
        queues.sort_unstable();
        queues.dedup();
        queues
    }

    /// Whether it will tell what left a queue.
    pub fn tells(&self, queue: Key) -> bool {
        self.telling.contains(&queue)
    }
}
