//! Queues whose messages are known by number wherever they are: those that keep the last value of each key, where a later message takes the place of an earlier
//! one of its key that waits, and those whose priorities hold over what is on disk, too.
//!
//! Guarantees:
//! 1. What was replaced is given to nobody, and leaves at once, whether it is in memory or in the journal only; only while the journal reads it does it
//!    leave when it was read.
//! 2. Messages stand in the order of their arrival, each known by its number: those that memory has no room for by their names in the journal, so that
//!    what was replaced is not read to leave.
//! 3. What is in the journal only behind all others, after a start, is read through although nobody consumes, and stays known by name. Nobody is given
//!    anything before that is done.
//!
//! Not here: which message is the last of its key (`order`).

use std::num::NonZeroU64;

use engine_catalogue::AddressSettings;

use super::entry::{Entry, Held, Stub};
use super::order::Naming;
use super::paging::Wish;
use super::stock::{Left, Why};
use super::{Kind, Queue};
use crate::message::Message;
use crate::slab::Key;

impl Queue {
    /// Messages replace each other, and are known by number, from now on as the settings of the address say. What is there by then stays.
    pub fn set_naming(&mut self, settings: &AddressSettings) {
        self.order.set_last_values(&settings.last_value_key);
        self.order.set_naming(if settings.priorities_on_disk { Naming::All } else { Naming::Returned });
    }

    /// Whether a message that comes, and that memory has no room for, is to be known by its name.
    pub fn is_to_be_named(&self) -> bool {
        self.order.names_all() && self.order.may_name() && !self.has_behind()
    }

    /// Whether messages replace others.
    #[inline]
    pub fn keeps_last_values(&self) -> bool {
        self.order.keeps_last_values()
    }

    /// Whether what is behind all others is to be read although nobody consumes. Nobody is given anything before that is done: what is next is not known.
    pub fn reads_through(&self) -> bool {
        let is_read = (self.order.names_all() && self.order.may_name()) || self.identity.kind == Kind::Retained;
        is_read && self.has_behind()
    }

    /// A message stands behind all others of its priority, and the earlier one of its key is to leave.
    #[cold]
    pub(super) fn append_named(&mut self, message: Message, stored: Option<NonZeroU64>) -> Option<NonZeroU64> {
        let (size, priority, expires) = (message.size(), message.header.priority, message.expires_wall_ms);
        self.stock.enter(size);
        let sequence = self.order.next_sequence();
        let entry = self.entries.insert(Entry { sequence, message, stored });
        self.order.put_back(priority, (sequence, Held::Here(entry)), size, &self.entries);
        self.note_value(sequence, entry);
        let at = expires?;
        self.watch(at, entry);
        Some(at)
    }

    /// A message in memory waits at its place: it, or another one of its key, may be to leave.
    pub(super) fn note_value(&mut self, sequence: u64, entry: Key) {
        if let Some(found) = self.entries.get(entry) {
            self.order.note_value(sequence, &found.message);
        }
    }

    /// The message that came last leaves memory, if the journal has all of it.
    pub fn shed_named(&mut self) -> Left {
        let sequence = self.order.upcoming_sequence().saturating_sub(1);
        let Some(Held::Here(entry)) = self.order.returned(sequence) else { return Left::default() };
        let is_new = self.entries.get(entry).is_some_and(|found| found.message.header.first_acquirer);
        let Some((stub, left)) = self.put_away(sequence, entry) else { return Left::default() };
        self.order.take_returned(sequence, left.bytes);
        let held = Held::Away(Stub { scheduled: is_new, ..stub });
        self.order.put_back(stub.priority, (sequence, held), 0, &self.entries);
        left
    }

    /// What was replaced leaves, as far as it is not being read.
    pub(super) fn drop_replaced(&mut self) -> Left {
        let mut left = Left::default();
        let mut from = 0;
        while let Some(sequence) = self.order.replaced_from(from) {
            from = sequence + 1;
            let held = match self.order.returned(sequence) {
                Some(Held::Away(_)) if self.away.recalling() != Wish::No => continue,
                found => found,
            };
            self.order.handle_replaced(sequence);
            let Some(held) = held else { continue };
            let size = match held {
                Held::Here(entry) => self.entries.get(entry).map_or(0, |found| found.message.size()),
                Held::Away(_) => 0,
            };
            self.order.take_returned(sequence, size);
            left = left.and(self.leave(sequence, held, Why::Dropped));
        }
        left
    }
}
