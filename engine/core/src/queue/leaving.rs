//! How much a queue has, what left it, and why.
//!
//! Guarantees: sizes, totals, and the names of what the journal need not keep change here and nowhere else. Each message leaves once,
//! for one reason, by `leave`.
//!
//! Not here: what is behind or away (`paging`): it is in no memory, and counted there.

use std::num::{NonZeroU32, NonZeroU64};

use super::held::{Held, Stub};
use super::{Entry, Queue};
use crate::event::Refusal;
use crate::slab::Key;

/// Why a message leaves its queue. A queue that is deleted takes what it has with it (`Queue::names`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A consumer accepted it, or it was sent settled.
    Acknowledged,
    /// A consumer cannot process it; perhaps it says why.
    Rejected(Option<Box<Refusal>>),
    /// Its time to live ran out.
    Expired,
}

/// Totals since the queue was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages put in.
    pub enqueued: u64,
    /// Messages accepted by consumers, or sent settled.
    pub acknowledged: u64,
    /// Messages whose time to live ran out.
    pub expired: u64,
    /// Messages rejected by consumers.
    pub rejected: u64,
}

/// Whether the owner has to be told that the journal will hear of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing left that the journal has, or the owner knows.
    #[default]
    None,
    /// The first message left since the journal heard of the queue.
    First,
}

/// What follows for the owner from messages that left.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub(crate) struct Left {
    /// Memory that is free by it, octets.
    pub bytes: u64,
    pub news: News,
}

impl Left {
    /// The same together with what follows from others.
    pub fn and(self, other: Self) -> Self {
        let news = if self.news == News::First { News::First } else { other.news };
        Self { bytes: self.bytes + other.bytes, news }
    }
}

/// Messages next to each other that left: sequence numbers in the queue, and names in the journal.
#[derive(Clone, Copy, Debug)]
struct Gone {
    next_sequence: u64,
    first: u64,
    last: u64,
}

/// A name that is no longer needed.
#[derive(Clone, Copy, Debug)]
struct Released {
    name: NonZeroU64,
    /// The place of its range in `gone` plus one; `None`: nobody has to hear of it, as it ends with the node.
    range: Option<NonZeroU32>,
}

/// What the messages in memory add up to, and what left.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    /// Size of all messages in memory, held ones too, octets.
    bytes: u64,
    totals: Totals,
    /// Durable messages that left and that the journal was not told of yet.
    gone: Vec<Gone>,
    released: Vec<Released>,
}

impl Stock {
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// A message was put into the queue.
    #[inline]
    pub fn count_enqueued(&mut self) {
        self.totals.enqueued += 1;
    }

    /// A message comes into memory.
    #[inline]
    pub fn enter(&mut self, size: u64) {
        self.bytes += size;
    }

    /// Something in memory has another size now.
    pub fn resize(&mut self, before: u64, after: u64) {
        self.bytes = self.bytes - before + after;
    }

    /// A message leaves memory, and stays in the queue.
    pub fn leave_memory(&mut self, size: u64) -> Left {
        self.bytes -= size;
        Left { bytes: size, news: News::None }
    }

    #[inline]
    fn count(&mut self, why: &Why) {
        match why {
            Why::Acknowledged => self.totals.acknowledged += 1,
            Why::Rejected(_) => self.totals.rejected += 1,
            Why::Expired => self.totals.expired += 1,
        }
    }

    /// A message left that the journal has; `told` is its sequence number, if the journal is to hear that it did.
    fn release(&mut self, name: NonZeroU64, told: Option<u64>) -> News {
        let news = if self.released.is_empty() { News::First } else { News::None };
        let range = told.and_then(|sequence| {
            let (next_sequence, name) = (sequence + 1, name.get());
            match self.gone.last_mut() {
                Some(gone) if gone.next_sequence == sequence => {
                    (gone.next_sequence, gone.last) = (next_sequence, name);
                }
                _ => self.gone.push(Gone { next_sequence, first: name, last: name }),
            }
            NonZeroU32::new(u32::try_from(self.gone.len()).expect("a turn is bounded"))
        });
        self.released.push(Released { name, range });
        news
    }
}

impl Queue {
    /// Lets a message leave that is out of the order and that nobody holds any more. **The only way out of a queue**: whatever is to
    /// become of a message that was not acknowledged is decided here, where the message and the reason are both at hand. Today it is
    /// dropped, whatever the reason.
    #[inline(always)]
    pub fn leave(&mut self, sequence: u64, held: Held, why: Why) -> Left {
        self.stock.count(&why);
        let entry = match held {
            Held::Here(entry) => entry,
            Held::Away(stub) => return self.leave_away(sequence, stub),
        };
        let look = |found: &Entry| (found.message.size(), found.stored, found.message.header.durable);
        let Some((size, stored, durable)) = self.entries.clear(entry, look) else { return Left::default() };
        self.stock.bytes -= size;
        let mut left = Left { bytes: size, news: News::None };
        if stored.is_some() || self.held.has_changes() {
            left = left.and(self.forget(sequence, stored, durable));
        }
        left
    }

    /// A message was shown to somebody who does not hold it.
    #[inline]
    pub fn leave_shown(&mut self, entry: Key) -> Left {
        let Some(sequence) = self.entry(entry).map(|entry| entry.sequence) else { return Left::default() };
        self.leave(sequence, Held::Here(entry), Why::Acknowledged)
    }

    #[cold]
    fn leave_away(&mut self, sequence: u64, stub: Stub) -> Left {
        self.away.remove();
        self.forget(sequence, Some(stub.stored), stub.durable)
    }

    /// Forgets what is known of a message that left beside itself.
    #[inline(never)]
    fn forget(&mut self, sequence: u64, stored: Option<NonZeroU64>, durable: bool) -> Left {
        let bytes = self.held.forget(sequence);
        self.stock.bytes -= bytes;
        let told = (durable && self.is_declared()).then_some(sequence);
        Left { bytes, news: stored.map_or(News::None, |name| self.stock.release(name, told)) }
    }

    /// Tells of what left since it was asked last: each range of names, and then each name with the place of its range, if it has one.
    pub fn tell(&mut self, mut range: impl FnMut(u64, u64), mut name: impl FnMut(u64, Option<u32>)) {
        self.stock.gone.drain(..).for_each(|gone| range(gone.first, gone.last));
        let released = self.stock.released.drain(..);
        released.for_each(|released| name(released.name.get(), released.range.map(|range| range.get() - 1)));
    }

    /// Names of what left that the journal is to hear of, and has not.
    pub fn untold(&self) -> impl Iterator<Item = u64> {
        let told = self.stock.released.iter().filter(|released| released.range.is_some());
        told.map(|released| released.name.get())
    }

    /// Whether something left that the journal has.
    pub fn has_news(&self) -> bool {
        !self.stock.released.is_empty()
    }

    /// Names of all messages that the journal has, but for those that it has behind all others; of those that left, too. When the queue
    /// is deleted nobody needs them.
    pub fn names(&self) -> impl Iterator<Item = u64> {
        let here = self.entries.iter().filter_map(|(_, entry)| entry.stored);
        let released = self.stock.released.iter().map(|released| released.name);
        here.chain(self.stubs().map(|stub| stub.stored)).chain(released).map(NonZeroU64::get)
    }

    /// Names of messages in it that outlive the node, but for those that are behind all others.
    pub fn lasting(&self) -> impl Iterator<Item = u64> {
        let lasting = self.entries.iter().filter(|(_, entry)| entry.message.header.durable);
        let here = lasting.filter_map(|(_, entry)| entry.stored);
        here.chain(self.stubs().filter(|stub| stub.durable).map(|stub| stub.stored)).map(NonZeroU64::get)
    }
}
