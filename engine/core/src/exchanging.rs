//! The owner's side of what it and its journal tell each other: the values are in `exchange`, with their order.
//!
//! Guarantees: what the journal has of a queue, link or cursor that is gone is let go.
//!
//! Not here: what becomes a fact, and who waits for it (`durability`).

use crate::core::Core;
use crate::exchange::{Fetch, JournalReport, JournalRequest, Recall, Room};
use crate::fact::Fact;
use crate::journaling::Disk;
use crate::limits::DEPARTING_MAX;
use crate::message::Message;
use crate::queue::{Kind, Left, Queue};

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
        let Some(found) = self.nodes.queues.get(key) else { return };
        if found.identity.kind == Kind::Ending && !found.departs(sequence) {
            // It was deleted while this was read.
            return;
        }
        self.resize(key, |queue| queue.put_back(sequence, message));
        self.note_expiries(key);
        self.note_departures(key);
        self.trim(key);
        self.touch(key);
    }

    /// Messages that the journal alone had, by their names.
    pub(crate) fn handle_fetched(&mut self, queue: u64, messages: impl IntoIterator<Item = (u64, Message)>) {
        let Some(key) = self.journal.queue(queue) else { return };
        if self.nodes.queues.get(key).is_some_and(|queue| queue.identity.kind == Kind::Ending) {
            // It was deleted while they were read.
            return self.journal.outbox.release_all(messages.into_iter().map(|(name, _)| name));
        }
        let now = self.now;
        let append = |queue: &mut Queue| {
            let all = messages.into_iter().map(|(name, message)| queue.handle_fetched(name, message, now));
            all.fold(Left::default(), Left::and)
        };
        let Some(left) = self.resize(key, append) else { return };
        self.hear(key, left.news);
        self.note_expiries(key);
        self.note_redelivery(key);
        self.touch(key);
    }

    /// All of a fetch came.
    pub(crate) fn handle_fetch_done(&mut self, queue: u64) {
        let Some(key) = self.journal.queue(queue) else { return };
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        queue.handle_fetch_done();
        self.trim(key);
        self.give_late(key);
        self.touch(key);
    }

    /// Octets of a queue that are to be read beyond those that were fetched, while a fetch of it is under way.
    #[must_use]
    pub fn wants(&self, queue: u64) -> u64 {
        let queue = self.journal.queue(queue).and_then(|key| self.nodes.queues.get(key));
        let queue = queue.filter(|queue| queue.identity.kind != Kind::Ending && queue.departing() < DEPARTING_MAX);
        queue.map_or(0, |queue| self.memory.fetch_below().saturating_sub(queue.waiting_bytes()))
    }

    /// The disk has that much room, and so many octets wait for it.
    pub(crate) fn handle_room(&mut self, room: Room, waiting_bytes: u64) {
        self.journal.disk = Disk { room, waiting_bytes };
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
