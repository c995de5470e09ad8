//! What an owner has for the journal, and what it knows of it.
//!
//! Guarantees: numbers are given in their order, each once.
//!
//! Not here: what is done with that (`durability`).

use std::collections::{HashMap, VecDeque};

use crate::event::Event;
use crate::fact::{Declared, Fact};
use crate::key::{EndKey, LinkKey};
use crate::memory::Memory;
use crate::queue::{Queue, Recalled};
use crate::slab::Key;

/// What the disk has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// Whatever comes.
    #[default]
    Plenty,
    /// Not more at once: producers wait until it has written what it has.
    Busy,
    /// What is on its way: the disk is full (`CoreConfig::when_full`).
    Little,
    /// Acknowledgements: what would be stored is refused.
    None,
}

/// What waits until a number is durable.
#[derive(Debug)]
pub(crate) enum Waiting {
    Accept { number: u64, end: Key, deliveries: (u32, u32) },
    Tell { number: u64, link: LinkKey, event: Event },
}

/// The owner's half of the journal.
#[derive(Debug, Default)]
pub(crate) struct Journaling {
    /// The last number on stable storage.
    pub durable: u64,
    pub room: Room,
    /// Octets that wait for the disk.
    pub waiting_bytes: u64,
    /// Queues of which more is to be read.
    pub fetches: VecDeque<u64>,
    /// What queues want again that came back to them.
    pub recalls: VecDeque<Recall>,
    pub last_number: u64,
    /// The last of the numbers that are this node's own affair, without their bit.
    pub last_local: u64,
    /// The last number when all facts had been taken.
    pub told: u64,
    pub last_queue: u64,
    pub facts: VecDeque<Fact>,
    /// Names of messages that left.
    pub released: Vec<u64>,
    pub waiting: VecDeque<Waiting>,
    /// Queues whose first message waits for the journal.
    pub blocked: Vec<Key>,
    /// Queues with messages that left.
    pub telling: Vec<Key>,
    /// Files of large messages that no queue took.
    pub unwanted: Vec<u64>,
    pub by_number: HashMap<u64, Key>,
}

impl Journaling {
    pub fn take_numbers(&mut self, count: u64) -> u64 {
        self.last_number += count;
        self.last_number + 1 - count
    }

    /// The journal is asked for more of a queue.
    pub fn fetch(&mut self, queue: &Queue) {
        self.fetches.extend(queue.number());
    }

    /// Whether a queue that has nothing to give now waits for the journal; what it wants again is asked for.
    #[inline(never)]
    pub fn will_give(&mut self, queue: &mut Queue, memory: &Memory) -> bool {
        if queue.wants_recall()
            && let Some(number) = queue.number()
        {
            let messages = queue.recall(memory.recall_bytes());
            self.recalls.push_back(Recall { queue: number, messages });
        }
        queue.will_give()
    }

    /// The key of a queue.
    pub fn queue(&self, number: u64) -> Option<Key> {
        self.by_number.get(&number).copied()
    }

    pub fn failed(&mut self, queue: u64, message: u64, count: u32) {
        let number = self.take_numbers(1);
        self.facts.push_back(Fact::Failed { number, queue, message, count });
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

/// The last numbers that were used before a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastNumbers {
    /// Of facts.
    pub fact: u64,
    /// Of what is the node's own affair; has the bit [`crate::fact::LOCAL`].
    pub local: u64,
    /// Of queues.
    pub queue: u64,
}

/// A wish for messages that the journal alone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Whose.
    pub queue: u64,
    /// About how much, octets.
    pub bytes: u64,
}

/// A wish of a cursor for messages that the journal alone has, and goes on to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Browse {
    /// Of which queue.
    pub queue: u64,
    /// For whom.
    pub cursor: EndKey,
    /// The place of the first message in the queue's order, for [`crate::Core::handle_browsed`].
    pub sequence: u64,
    /// How many messages that the journal alone has come before it: those that are being fetched, and those that are not.
    pub skip: u64,
}

/// A wish for messages that left memory while consumers held them, and came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// Whose.
    pub queue: u64,
    /// Which, in the order of their names.
    pub messages: Vec<Recalled>,
}
