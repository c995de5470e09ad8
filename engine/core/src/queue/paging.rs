//! What a queue has in the journal only, and what of it is read again.
//!
//! Guarantees:
//! 1. A line of messages is in memory in front, in the journal behind: once one is in the journal only (`Behind`), all that are put in
//!    later are, until it was read. They come back in their order, so that the line needs no names of them.
//! 2. A message that leaves memory while a consumer holds it (`Away`) keeps its name, and is read by it when it comes back.
//! 3. Of each of these the journal has at most one wish at a time.
//!
//! Not here: when something is read (`fetching`), what is held and its place in the order (`held`, `order`), and how the journal reads.

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

/// Whether a message that comes into memory is to leave the queue at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doomed {
    No,
    Yes,
}

/// The part of a line that is in the journal only, behind what is in memory.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    pile: Pile,
    fetching: Fetching,
    /// So many of the first ones leave as soon as they are in memory.
    doomed: u64,
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

    /// A message is put behind all others that is in the journal only.
    pub fn push(&mut self, size: u64) {
        self.pile.add(size);
    }

    /// The journal has so many messages.
    pub fn restore(&mut self, messages: u64, bytes: u64) {
        self.pile = Pile { messages, bytes };
        self.doomed = 0;
    }

    /// The first of them, of `size` octets, is in memory now; gives whether it is to leave.
    pub fn pop(&mut self, size: u64) -> Doomed {
        self.pile.remove(size);
        let doomed = if self.doomed > 0 { Doomed::Yes } else { Doomed::No };
        self.doomed = self.doomed.saturating_sub(1);
        doomed
    }

    /// All of them are to leave: each when it was read, as only its content says what there is to forget.
    pub fn doom(&mut self) {
        self.doomed = self.messages();
    }

    /// How many of them are to leave.
    pub fn doomed(&self) -> u64 {
        self.doomed
    }

    /// Whether some are there, and none are being read.
    #[inline]
    pub fn may_fetch(&self) -> bool {
        self.messages() > 0 && self.fetching == Fetching::No
    }

    /// Whether some are being read.
    pub fn is_fetching(&self) -> bool {
        self.fetching != Fetching::No
    }

    /// The journal is asked for some.
    pub fn begin_fetch(&mut self) {
        self.fetching = Fetching::UnderWay;
    }

    /// All that was asked for came.
    pub fn end_fetch(&mut self) {
        self.fetching = Fetching::No;
    }
}

/// Whether messages that came back are to be read from the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wish {
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
    recalling: Wish,
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

    pub fn recalling(&self) -> Wish {
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
        if self.recalling == Wish::No {
            self.recalling = Wish::Wanted(sequence);
        }
    }

    /// One that was wanted is in memory again.
    pub fn handle_recalled(&mut self) {
        self.recalling = match self.recalling {
            Wish::Coming(left) if left > 1 => Wish::Coming(left - 1),
            _ => Wish::No,
        };
    }

    /// So many that were wanted are on their way.
    pub fn begin_recall(&mut self, messages: usize) {
        self.recalling = if messages == 0 { Wish::No } else { Wish::Coming(messages) };
    }

    /// The size of one of them on average, at least 1 octet.
    pub fn average(&self) -> u64 {
        self.pile.average().max(1)
    }
}
