//! What the messages of a queue in memory add up to, and what left it.
//!
//! Guarantees: sizes, totals, and the names of what the journal need not keep change here and nowhere else. What left is told once.
//!
//! Not here: what is in the journal only (`paging`): it is in no memory, and counted there.

use std::num::NonZeroU64;

use super::cause::Moved;
use super::moments::Moments;
use crate::event::Refusal;

/// Why a message leaves its queue, for good or to go elsewhere. A queue that is deleted takes what it has with it (`Queue::names`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A consumer accepted it, or it was sent settled.
    Acknowledged,
    /// A consumer cannot process it; perhaps it says why.
    Rejected(Option<Box<Refusal>>),
    /// Its time to live ran out.
    Expired,
    /// Its delivery failed as often as it may. Only where it has an address to go to: else it is delivered again.
    Exhausted,
    /// The queue is to have less: newer ones take its place, nobody consumes, or somebody who manages it removes it. Or it moved too often.
    Dropped,
    /// A divert leads it to its target.
    Diverted,
    /// No queue of its address was for it: it goes to the dead-letter address.
    Unrouted,
    /// Somebody who manages the queue moves it.
    Moved(Moved),
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
    /// Messages whose delivery failed as often as it may.
    pub exhausted: u64,
    /// Messages of these three kinds that went to another address, and those that were moved or diverted.
    pub forwarded: u64,
    /// How often such a message was refused where it was to go.
    pub turned_back: u64,
    /// Messages that made room for newer ones, or left as nobody consumed, or were not put in for one of these reasons; and those that
    /// were removed.
    pub dropped: u64,
    /// How often a consumer was found to be slow.
    pub slow: u64,
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

/// What the messages in memory add up to, and what left.
#[derive(Debug, Default)]
pub(crate) struct Stock {
    /// Size of all messages in memory, held ones too, octets.
    bytes: u64,
    totals: Totals,
    pub moments: Moments,
    /// Messages that somebody moved or copied, and that were refused where they were to go.
    withdrawn: u64,
    /// Durable messages that left and that the journal was not told of yet.
    gone: Vec<Gone>,
    released: Vec<NonZeroU64>,
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

    /// A message leaves the queue.
    #[inline]
    pub fn count_left(&mut self, why: &Why) {
        match why {
            Why::Acknowledged => self.totals.acknowledged += 1,
            Why::Rejected(_) => self.totals.rejected += 1,
            Why::Expired => self.totals.expired += 1,
            Why::Exhausted => self.totals.exhausted += 1,
            Why::Dropped => self.totals.dropped += 1,
            // They are counted when they are there.
            Why::Moved(_) | Why::Diverted | Why::Unrouted => {}
        }
    }

    /// A message was accepted and is not put into the queue.
    pub fn count_dropped(&mut self) {
        self.totals.dropped += 1;
    }

    /// A consumer was found to be slow.
    pub fn count_slow(&mut self) {
        self.totals.slow += 1;
    }

    /// A message that left is safe at another address.
    pub fn count_forwarded(&mut self) {
        self.totals.forwarded += 1;
    }

    /// Another address refused a message that somebody moved or copied.
    pub fn count_withdrawn(&mut self) {
        self.totals.turned_back += 1;
        self.withdrawn += 1;
    }

    /// How many were.
    pub fn withdrawn(&self) -> u64 {
        self.withdrawn
    }

    /// Another address refused a message.
    pub fn count_turned_back(&mut self) {
        self.totals.turned_back += 1;
    }

    /// It, or what was kept of it, leaves memory.
    #[inline]
    pub fn give_back(&mut self, bytes: u64) {
        self.bytes -= bytes;
    }

    /// A message left that the journal has; `told` is its sequence number, if the journal is to hear that it did.
    pub fn release(&mut self, name: NonZeroU64, told: Option<u64>) -> News {
        let news = if self.released.is_empty() { News::First } else { News::None };
        if let Some(sequence) = told {
            let (next_sequence, name) = (sequence + 1, name.get());
            match self.gone.last_mut() {
                Some(gone) if gone.next_sequence == sequence => {
                    (gone.next_sequence, gone.last) = (next_sequence, name);
                }
                _ => self.gone.push(Gone { next_sequence, first: name, last: name }),
            }
        }
        self.released.push(name);
        news
    }

    /// Tells of what left since it was asked last: each range of names, and then each name.
    pub fn tell(&mut self, mut range: impl FnMut(u64, u64), name: impl FnMut(u64)) {
        self.gone.drain(..).for_each(|gone| range(gone.first, gone.last));
        self.released.drain(..).map(NonZeroU64::get).for_each(name);
    }

    /// How many ranges will be told.
    pub fn untold_ranges(&self) -> usize {
        self.gone.len()
    }

    /// Names of what left.
    pub fn released(&self) -> impl Iterator<Item = NonZeroU64> {
        self.released.iter().copied()
    }

    /// Whether something left that the journal has.
    pub fn has_news(&self) -> bool {
        !self.released.is_empty()
    }
}
