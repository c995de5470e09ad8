//! The owner's half of the journal: what it has for the journal, and what it knows of it.
//!
//! It is made of rooms that know nothing of each other: `numbers` (what facts are called), `outbox` (what the journal is to hear),
//! `awaiting` (who waits until something is durable), `measuring` (how long that takes). Which of them has what the journal asks for next,
//! and what follows from its answers, is in `exchanging`; what becomes a fact is in `durability`.

mod awaiting;
mod measuring;
mod numbers;
mod outbox;

use std::collections::HashMap;

use crate::exchange::{Recall, Room};
use crate::fact::{Declared, Fact};
use crate::memory::Memory;
use crate::queue::Queue;
use crate::slab::Key;

pub(crate) use awaiting::{Awaiting, Waiting};
pub(crate) use measuring::Measured;
use measuring::Measuring;
pub use numbers::LastNumbers;
pub(crate) use numbers::Numbers;
pub(crate) use outbox::Outbox;

/// What the journal said of its disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Disk {
    pub room: Room,
    /// Octets that wait for it.
    pub waiting_bytes: u64,
}

/// The owner's half of the journal.
#[derive(Debug, Default)]
pub(crate) struct Journaling {
    pub numbers: Numbers,
    pub outbox: Outbox,
    pub awaiting: Awaiting,
    pub measuring: Measuring,
    pub disk: Disk,
    /// Queues that have a number there.
    by_number: HashMap<u64, Key>,
}

impl Journaling {
    /// The journal is asked for more of a queue.
    pub fn fetch(&mut self, queue: &Queue) {
        if let Some(number) = queue.number() {
            self.outbox.fetch(number);
        }
    }

    /// Whether a queue that has nothing to give now waits for the journal; what it wants again is asked for.
    #[inline(never)]
    pub fn will_give(&mut self, queue: &mut Queue, memory: &Memory) -> bool {
        if queue.wants_recall()
            && let Some(number) = queue.number()
        {
            let messages = queue.recall(memory.recall_bytes());
            self.outbox.recall(Recall { queue: number, messages });
        }
        queue.will_give()
    }

    /// A queue has a number from now on.
    pub fn insert(&mut self, number: u64, queue: Key) {
        self.by_number.insert(number, queue);
    }

    /// A queue is gone.
    pub fn remove(&mut self, number: u64) {
        self.by_number.remove(&number);
    }

    /// The key of a queue.
    pub fn queue(&self, number: u64) -> Option<Key> {
        self.by_number.get(&number).copied()
    }

    /// A delivery of a message failed.
    pub fn failed(&mut self, queue: u64, message: u64, count: u32) {
        let number = self.numbers.take(1);
        self.outbox.push(Fact::Failed { number, queue, message, count });
    }
}

/// A queue that the journal has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The queue itself.
    pub declared: Declared,
    /// Messages in it.
    pub messages: u64,
    /// Size of their bodies, octets.
    pub bytes: u64,
}
