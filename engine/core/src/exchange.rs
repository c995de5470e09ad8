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
//! Not here: what becomes a fact, and who waits for it (`durability`).

use std::num::NonZeroU64;

use crate::core::Core;
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
        /// Its wish.
        browse: Browse,
        /// The messages.
        messages: Vec<Message>,
        /// Octets that they keep in memory.
        bytes: u64,
    },
    /// What a cursor wants is not on stable storage yet: it is asked for again when the journal reads for cursors next.
    Postponed(Browse),
    /// The journal reads for so many cursors now: as long as the owner has more to tell.
    Cursors(usize),
}

impl Core {
    /// The next that the owner has for its journal. `None` means that it was told of everything.
    #[inline]
    pub fn poll_journal(&mut self) -> Option<JournalRequest> {
        if let Some(fact) = self.poll_fact() {
            return Some(JournalRequest::Fact(fact));
        }
        if let Some(name) = self.poll_released() {
            return Some(JournalRequest::Released(name));
        }
        self.poll_wish()
    }

    /// The next of what is wanted of the journal, or need not be there.
    fn poll_wish(&mut self) -> Option<JournalRequest> {
        if let Some(id) = self.journal.outbox.poll_unwanted() {
            return Some(JournalRequest::Unwanted(id));
        }
        if let Some(fetch) = self.poll_fetch() {
            return Some(JournalRequest::Fetch(fetch));
        }
        if let Some(recall) = self.poll_recall() {
            return Some(JournalRequest::Recall(recall));
        }
        if self.cursors.readable > 0
            && let Some(browse) = self.poll_browse()
        {
            self.cursors.readable -= 1;
            return Some(JournalRequest::Browse(browse));
        }
        self.cursors.readable = 0;
        None
    }

    /// Takes what the journal tells.
    pub fn handle_journal(&mut self, report: JournalReport) {
        match report {
            JournalReport::Durable(number) => self.handle_durable(number),
            JournalReport::Room { room, waiting_bytes } => self.handle_room(room, waiting_bytes),
            JournalReport::Fetched { queue, messages } => self.handle_fetched(queue, messages),
            JournalReport::FetchDone { queue } => self.handle_fetch_done(queue),
            JournalReport::Recalled { queue, messages } => {
                for (sequence, message) in messages {
                    self.handle_recalled(queue, sequence, message);
                }
            }
            JournalReport::Browsed { browse, messages, bytes } => self.handle_browsed(&browse, messages, bytes),
            JournalReport::Postponed(browse) => {
                self.postpone_browse(&browse);
                self.cursors.readable = 0;
            }
            JournalReport::Cursors(count) => self.cursors.readable = count,
        }
    }

    /// The next message that the journal no longer needs to keep, by its name. To be asked after all facts were told.
    #[inline]
    pub(crate) fn poll_released(&mut self) -> Option<u64> {
        self.journal.outbox.poll_released()
    }

    /// The next wish for messages that the journal alone has. A queue that was deleted meanwhile has none.
    pub(crate) fn poll_fetch(&mut self) -> Option<Fetch> {
        while let Some(queue) = self.journal.outbox.poll_fetch() {
            if self.journal.queue(queue).is_some() {
                return Some(Fetch { queue, bytes: self.memory.fetch_below() });
            }
        }
        None
    }

    /// The next wish for messages that came back.
    pub(crate) fn poll_recall(&mut self) -> Option<Recall> {
        while let Some(recall) = self.journal.outbox.poll_recall() {
            if self.journal.queue(recall.queue).is_some() {
                return Some(recall);
            }
        }
        None
    }

    /// A message that came back is in memory again, at its place in the order.
    pub(crate) fn handle_recalled(&mut self, queue: u64, sequence: u64, message: Message) {
        let Some(key) = self.journal.queue(queue) else { return };
        self.resize(key, |queue| queue.put_back(sequence, message));
        self.note_expiries(key);
        self.touch(key);
    }

    /// Messages that the journal alone had, by their names.
    pub(crate) fn handle_fetched(&mut self, queue: u64, messages: impl IntoIterator<Item = (u64, Message)>) {
        let Some(key) = self.journal.queue(queue) else { return };
        self.resize(key, |queue| {
            for (name, message) in messages {
                queue.handle_fetched(message.size());
                queue.append(message, NonZeroU64::new(name));
            }
        });
        self.note_expiries(key);
        self.touch(key);
    }

    /// All of a fetch came.
    pub(crate) fn handle_fetch_done(&mut self, queue: u64) {
        let Some(key) = self.journal.queue(queue) else { return };
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        queue.handle_fetch_done();
        self.touch(key);
    }

    /// Octets of a queue that are to be read beyond those that were fetched, while a fetch of it is under way.
    #[must_use]
    pub fn wants(&self, queue: u64) -> u64 {
        let queue = self.journal.queue(queue).and_then(|key| self.nodes.queues.get(key));
        queue.map_or(0, |queue| self.memory.fetch_below().saturating_sub(queue.waiting_bytes()))
    }

    /// The disk has that much room, and so many octets wait for it.
    pub(crate) fn handle_room(&mut self, room: Room, waiting_bytes: u64) {
        self.journal.disk = crate::journaling::Disk { room, waiting_bytes };
    }

    /// What the disk has room for.
    #[must_use]
    pub fn room(&self) -> Room {
        self.journal.disk.room
    }

    /// Facts that were made and that the journal was not told of.
    pub fn untold_facts(&self) -> impl Iterator<Item = &Fact> {
        self.journal.outbox.untold()
    }

    /// How many acknowledgements the journal will be told of beside them.
    #[must_use]
    pub fn untold_acknowledgements(&self) -> usize {
        let queues = self.journal.outbox.untold_queues();
        queues.into_iter().filter_map(|key| self.nodes.queues.get(key)).map(|queue| queue.untold_ranges()).sum()
    }
}
