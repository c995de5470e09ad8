//! What an owner and its journal tell each other, as values: a [`JournalRequest`] one way, a [`JournalReport`] the
//! other.
//!
//! Guarantees:
//! 1. Facts are given first, in the order of their numbers; then what they make superfluous; then wishes for what the
//!    journal alone has.
//! 2. A wish of a cursor is given only when the journal said just before that it reads for one, and holds as long as
//!    the owner is given nothing else.
//! 3. A report of a queue, link or cursor that is gone is ignored.
//!
//! Not here: how the owner makes and takes them (`exchanging`), what becomes a fact and who waits for it
//! (`durability`).

use crate::fact::Fact;
use crate::key::EndKey;
use crate::message::Message;
use crate::queue::Recalled;

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
    /// The place of the first message in the queue's order.
    pub sequence: u64,
    /// How many messages that the journal alone has come before it: those that are being fetched, and those that are
    /// not.
    pub skip: u64,
    /// The least name that it wants: what the journal has before that it passes over.
    pub least: u64,
}

/// A wish for messages that left memory while consumers held them, and came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// Whose.
    pub queue: u64,
    /// Which, in the order of their names.
    pub messages: Vec<Recalled>,
}

/// What an owner has for its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalRequest {
    /// Something is to be remembered.
    Fact(Fact),
    /// A message need no longer be kept, by its name.
    Released(u64),
    /// No queue took a large message: its file is nobody's.
    Unwanted(u64),
    /// More of a queue is to be read.
    Fetch(Fetch),
    /// Messages are to be read again.
    Recall(Recall),
    /// Messages are to be read for a cursor. It is to be answered before anything else is told.
    Browse(Browse),
}

/// What a journal tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalReport {
    /// Everything up to this number is on stable storage.
    Durable(u64),
    /// What the disk has room for.
    Room {
        /// That.
        room: Room,
        /// Octets that wait for it.
        waiting_bytes: u64,
    },
    /// Messages that the journal alone had, by their names; they come in the order in which the queue got them.
    Fetched {
        /// Whose.
        queue: u64,
        /// Names and messages.
        messages: Vec<(u64, Message)>,
    },
    /// All of a fetch came.
    FetchDone {
        /// Whose it was.
        queue: u64,
    },
    /// Messages that came back are in memory again.
    Recalled {
        /// Whose.
        queue: u64,
        /// Their places in the queue's order, and messages.
        messages: Vec<(u64, Message)>,
    },
    /// Messages were read for a cursor: the one that it wants, and those behind it.
    Browsed {
        /// Its wish, by the place of the first message that was read.
        browse: Browse,
        /// The messages, and their names.
        messages: Vec<(u64, Message)>,
        /// Octets that they keep in memory.
        bytes: u64,
    },
    /// What a cursor wants is not on stable storage yet: it is asked for again when the journal reads for cursors next.
    Postponed(Browse),
    /// The journal reads for so many cursors now: as long as the owner has more to tell.
    Cursors(usize),
}
