//! Numbers of facts, of what is the node's own affair, and of queues.
//!
//! Guarantees: numbers of each kind are given in their order, each once.

use crate::fact::{LOCAL, PASSING};

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

/// The last numbers that were given.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    last: u64,
    /// Without its bit.
    last_local: u64,
    last_queue: u64,
}

impl Numbers {
    /// Goes on after a restart.
    pub fn restore(last: LastNumbers) -> Self {
        Self { last: last.fact, last_local: last.local & !LOCAL, last_queue: last.queue }
    }

    /// Numbers for facts that outlive the node; gives the first.
    #[inline]
    pub fn take(&mut self, count: u64) -> u64 {
        self.last += count;
        self.last + 1 - count
    }

    /// Numbers for what is this node's own affair; gives the first.
    pub fn take_local(&mut self, count: u64) -> u64 {
        self.last_local += count;
        (self.last_local + 1 - count) | LOCAL
    }

    /// A number for a queue that outlives the node.
    pub fn take_lasting_queue(&mut self) -> u64 {
        self.last_queue += 1;
        self.last_queue
    }

    /// A number for a queue that ends with the node.
    pub fn take_passing_queue(&mut self) -> u64 {
        self.take_lasting_queue() | PASSING
    }

    /// The last number of a fact.
    #[inline]
    pub fn last(&self) -> u64 {
        self.last
    }
}
