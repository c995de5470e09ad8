//! Messages that go out in parts, by the numbers that whoever takes them has for them.
//!
//! Guarantee: a number is used once, so that what is said of a message that has ended is about nothing.

use std::collections::BTreeMap;

use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey};
use engine_core::message::Message;
use engine_core::stream::Streamed;
use engine_router::settlement::{Beginning, CopyKey};

/// How much of a message is there when it is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// Its first part, with all sections before the body.
    Begins(Beginning),
}

/// Who brings a message in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brought {
    /// A link by its end here.
    By(EndKey),
    /// An anonymous relay, by its link.
    ByRelay(LinkKey),
}

/// Copies that were begun and not ended.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    next: u64,
    by_copy: BTreeMap<CopyKey, u64>,
    by_number: BTreeMap<u64, CopyKey>,
}

impl Streams {
    /// A copy begins; gives its number.
    pub fn add(&mut self, copy: CopyKey) -> u64 {
        let number = self.next;
        self.next += 1;
        self.by_copy.insert(copy, number);
        self.by_number.insert(number, copy);
        number
    }

    /// A copy begins for a receiver of this shard, which is told so.
    #[cold]
    pub fn begin(&mut self, copy: CopyKey, key: u64, message: Message, beginning: Beginning) -> Event {
        let stream = self.add(copy);
        Event::Streamed(Streamed::Begins { key, stream, octets: beginning.octets, message: Box::new(message) })
    }

    /// The copy of a number.
    pub fn copy(&self, number: u64) -> Option<CopyKey> {
        self.by_number.get(&number).copied()
    }

    /// The number of a copy.
    pub fn number(&self, copy: CopyKey) -> Option<u64> {
        self.by_copy.get(&copy).copied()
    }

    /// A copy has ended; gives its number.
    pub fn end(&mut self, copy: CopyKey) -> Option<u64> {
        let number = self.by_copy.remove(&copy)?;
        self.by_number.remove(&number);
        Some(number)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_copy.len()
    }
}
