//! A message in a queue, wherever it is.
//!
//! Guarantees: an entry stays where it was put until it leaves the queue; what moves is its key.

use std::num::NonZeroU64;

use crate::message::{Content, Message};
use crate::slab::Key;

/// A message at its place in the order. It stays where it was put until it leaves the queue: what moves is its key.
#[derive(Debug)]
pub(crate) struct Entry {
    pub sequence: u64,
    pub message: Message,
    /// Its name, if the journal has it.
    pub stored: Option<NonZeroU64>,
}

/// A message that a consumer is to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    pub entry: Key,
    pub sequence: u64,
    pub content: Content,
    /// Its size with overhead, octets.
    pub bytes: u64,
}

/// Where a message is that was given to a consumer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held {
    /// In memory.
    Here(Key),
    /// In the journal only.
    Away(Stub),
}

/// What is left in memory of a message that is in the journal only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stub {
    /// Its name in the journal.
    pub stored: NonZeroU64,
    pub delivery_count: u32,
    /// Whether it outlives the node.
    pub durable: bool,
    /// Whether it left memory while it waited for its time, so that nobody had it.
    pub scheduled: bool,
    pub priority: u8,
}

impl Held {
    pub fn stub(self) -> Option<Stub> {
        match self {
            Self::Away(stub) => Some(stub),
            Self::Here(_) => None,
        }
    }
}
