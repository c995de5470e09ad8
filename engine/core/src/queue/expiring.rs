//! Messages that are dropped because their time to live ran out.
//!
//! Guarantees: nothing is looked at that is not due, wherever in the queue it waits; a message that a consumer holds is not dropped, and
//! watched again when it comes back.

use std::num::NonZeroU64;

use super::Queue;
use super::entry::Held;
use super::stock::{Left, Why};
use crate::slab::Key;

/// What one step found.
#[derive(Debug)]
#[must_use]
pub(crate) struct Swept {
    /// Entries that it looked at.
    pub looked: u32,
    pub left: Left,
}

impl Queue {
    /// Notes from when on a message in memory may be dropped.
    #[inline(never)]
    pub(super) fn watch(&mut self, at: NonZeroU64, entry: Key) {
        let entries = &self.entries;
        self.expiries.insert(at.get(), entry, entries.len(), || {
            entries.iter().filter_map(|(key, entry)| Some((entry.message.expires_wall_ms?.get(), key)))
        });
    }

    /// Whether something may be dropped.
    #[inline]
    pub fn has_expired(&self, wall_ms: u64) -> bool {
        self.expiries.is_due(wall_ms)
    }

    /// From when on something may be dropped.
    #[inline]
    pub fn first_expiry(&self) -> Option<NonZeroU64> {
        self.expiries.first().and_then(NonZeroU64::new)
    }

    /// The queue is to be looked at at that time; gives whether the agenda has to be told.
    pub fn note_expiry(&mut self, at: u64) -> bool {
        self.expiries.note(at)
    }

    /// The time that the owner's agenda has to name.
    pub fn noted_expiry(&self) -> Option<u64> {
        self.expiries.noted()
    }

    /// The agenda named the queue for that time; gives whether it does not any more. It may have been told of an earlier one.
    pub fn take_noted(&mut self, at: u64) -> bool {
        self.expiries.take_noted(at)
    }

    /// Drops at most `max` waiting messages that have expired.
    pub fn expire(&mut self, wall_ms: u64, max: u32) -> Swept {
        let mut swept = Swept { looked: 0, left: Left::default() };
        while swept.looked < max
            && let Some(entry) = self.expiries.take_due(wall_ms)
        {
            swept.looked += 1;
            swept.left = swept.left.and(self.drop_waiting(entry, Why::Expired));
        }
        swept
    }

    /// Drops a message unless a consumer holds it, or it is gone.
    pub(super) fn drop_waiting(&mut self, entry: Key, why: Why) -> Left {
        let Some(found) = self.entries.get(entry) else { return Left::default() };
        let (sequence, size, priority) = (found.sequence, found.message.size(), found.message.header.priority);
        if !self.order.drop_waiting(priority, sequence, size, &self.entries) {
            return Left::default();
        }
        let left = self.leave(sequence, Held::Here(entry), why);
        self.order.skip(&self.entries);
        left
    }
}
