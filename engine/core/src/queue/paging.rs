//! What a queue has in the journal only, and what of it is read again.
//!
//! Guarantees:
//! 1. A line of messages is in memory in front, in the journal behind: once one is in the journal only (`Behind`), all that are put in
//!    later are, until it was read. They come back in their order, so that the line needs no names of them.
//! 2. A message that leaves memory while a consumer holds it (`Away`) keeps its name, and is read by it when it comes back.
//! 3. Of each of these the journal has at most one wish at a time.
//!
//! Not here: what is held and its place in the order (`held`, `order`), and how the journal reads.

use super::Queue;
use super::held::Held;
use crate::slab::Key;

/// Messages without their contents.
#[derive(Clone, Copy, Debug, Default)]
struct Pile {
    messages: u64,
    /// Their size with overhead, octets. After a restart it is known as an average only.
    bytes: u64,
}

impl Pile {
    fn add(&mut self, size: u64) {
        self.messages += 1;
        self.bytes += size;
    }

    fn remove(&mut self, size: u64) {
        self.messages -= 1;
        self.bytes = if self.messages == 0 { 0 } else { self.bytes.saturating_sub(size) };
    }

    fn average(self) -> u64 {
        self.bytes / self.messages.max(1)
    }
}

/// Whether more of a line is being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fetching {
    #[default]
    No,
    UnderWay,
}

/// The part of a line that is in the journal only, behind what is in memory.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    pile: Pile,
    fetching: Fetching,
}

impl Behind {
    #[inline]
    pub fn messages(&self) -> u64 {
        self.pile.messages
    }

    #[inline]
    pub fn bytes(&self) -> u64 {
        self.pile.bytes
    }
}

/// Whether messages that came back are to be read from the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Recalling {
    #[default]
    No,
    /// From this sequence number on.
    Wanted(u64),
    /// So many are on their way.
    Coming(usize),
}

/// A message that the journal is to give again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// Its name.
    pub name: u64,
    /// Its place in the queue's order, for [`crate::Core::handle_recalled`].
    pub sequence: u64,
}

/// Messages that left memory while consumers held them: held still, or come back. Which one goes does not matter: their sizes are
/// known as an average.
#[derive(Debug, Default)]
pub(crate) struct Away {
    pile: Pile,
    recalling: Recalling,
}

impl Away {
    #[inline]
    pub fn messages(&self) -> u64 {
        self.pile.messages
    }

    #[inline]
    pub fn bytes(&self) -> u64 {
        self.pile.bytes
    }

    pub fn recalling(&self) -> Recalling {
        self.recalling
    }

    pub fn insert(&mut self, size: u64) {
        self.pile.add(size);
    }

    pub fn remove(&mut self) {
        self.pile.remove(self.pile.average());
    }

    /// Messages that came back are to be read, from a sequence number on, unless some are on their way already.
    pub fn want(&mut self, sequence: u64) {
        if self.recalling == Recalling::No {
            self.recalling = Recalling::Wanted(sequence);
        }
    }

    /// One that was wanted is in memory again.
    pub fn handle_recalled(&mut self) {
        self.recalling = match self.recalling {
            Recalling::Coming(left) if left > 1 => Recalling::Coming(left - 1),
            _ => Recalling::No,
        };
    }
}

impl Queue {
    /// A message is put behind all others that is in the journal only; gives whether the queue has something to ask for by it.
    pub fn push_paged(&mut self, size: u64) -> bool {
        self.behind.pile.add(size);
        self.stock.count_enqueued();
        self.behind.messages() == 1
    }

    /// The journal has so many messages of it behind all others.
    pub fn restore_paged(&mut self, messages: u64, bytes: u64) {
        self.behind.pile = Pile { messages, bytes };
    }

    /// The first message of those behind, of `size` octets, is about to be appended.
    pub fn handle_fetched(&mut self, size: u64) {
        self.behind.pile.remove(size);
    }

    /// Gives whether the journal has to be asked for what comes next: less than `below` octets wait in memory. It is asked then.
    #[inline]
    pub fn wants_fetch(&mut self, below: impl FnOnce() -> u64) -> bool {
        let wants = self.behind.messages() > 0 && self.behind.fetching == Fetching::No && self.order.bytes() < below();
        if wants {
            self.behind.fetching = Fetching::UnderWay;
        }
        wants
    }

    /// All that was asked for came.
    pub fn handle_fetch_done(&mut self) {
        self.behind.fetching = Fetching::No;
    }

    /// Whether something is on its way to or from the disk, so that a queue that has nothing to give now will have.
    pub fn will_give(&self) -> bool {
        self.is_blocked() || self.behind.messages() > 0 || self.away.recalling != Recalling::No
    }

    /// What is to be read of what came back, about `bytes` octets of it; nothing if nothing is wanted.
    pub fn recall(&mut self, bytes: u64) -> Vec<Recalled> {
        let Recalling::Wanted(from) = self.away.recalling else { return Vec::new() };
        let average = self.away.pile.average().max(1);
        let away = self.order.returned_from(from).filter_map(|(sequence, held)| match held {
            Held::Away(stub) => Some(Recalled { name: stub.stored.get(), sequence }),
            Held::Here(_) => None,
        });
        let count = usize::try_from(bytes / average).unwrap_or(usize::MAX).max(1);
        let messages: Vec<Recalled> = away.take(count).collect();
        self.away.recalling = if messages.is_empty() { Recalling::No } else { Recalling::Coming(messages.len()) };
        messages
    }

    /// The first waiting message from `sequence` on, for a browser. While the journal has to give it again, there is none.
    pub fn browse(&mut self, sequence: u64) -> Option<Key> {
        let returned = self.order.returned_from(sequence).next();
        match returned {
            Some((_, Held::Here(entry))) => Some(entry),
            Some((sequence, Held::Away(_))) => {
                self.away.want(sequence);
                None
            }
            None => self.order.from(sequence, &self.entries),
        }
    }

    /// Whether a browser has more to come, but for what waits for the journal.
    pub fn has_more(&self) -> bool {
        self.has_behind() || self.away.recalling != Recalling::No
    }

    /// Whether messages that came back are read, or are to be.
    pub fn is_recalling(&self) -> bool {
        self.away.recalling != Recalling::No
    }

    /// Whether something is being read.
    pub fn is_coming(&self) -> bool {
        self.behind.fetching == Fetching::UnderWay || matches!(self.away.recalling, Recalling::Coming(_))
    }

    /// Nobody wants what came back, after all.
    pub fn forget_recall(&mut self) {
        self.away.recalling = Recalling::No;
    }

    /// Whether messages that came back are wanted, and nobody was asked for them.
    #[inline]
    pub fn wants_recall(&self) -> bool {
        matches!(self.away.recalling, Recalling::Wanted(_))
    }
}
