//! Messages of a queue by the time from which they may be dropped.
//!
//! Guarantees: nothing is looked at that is not due, wherever in the queue it waits; one that a consumer holds is watched again when it
//! comes back.

use std::num::NonZeroU64;

use super::held::Held;
use super::{Left, Queue, Why};
use crate::agenda::Agenda;
use crate::slab::Key;

/// When messages may be dropped.
#[derive(Debug, Default)]
pub(crate) struct Expiries {
    /// Messages in memory.
    agenda: Agenda,
    /// The time for which the owner's agenda names the queue.
    noted_ms: Option<u64>,
}

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
        self.expiries.agenda.insert(at.get(), entry);
        if self.expiries.agenda.is_crowded(self.entries.len()) {
            let living = self.entries.iter();
            let times = living.filter_map(|(key, entry)| Some((entry.message.expires_wall_ms?.get(), key)));
            self.expiries.agenda = Agenda::of(times);
        }
    }

    /// Whether something may be dropped.
    #[inline]
    pub fn has_expired(&self, wall_ms: u64) -> bool {
        self.expiries.agenda.is_due(wall_ms)
    }

    /// From when on something may be dropped.
    #[inline]
    pub fn first_expiry(&self) -> Option<NonZeroU64> {
        self.expiries.agenda.earliest().and_then(NonZeroU64::new)
    }

    /// The queue is to be looked at at that time; gives whether the agenda has to be told.
    pub fn note_expiry(&mut self, at: u64) -> bool {
        let is_new = self.expiries.noted_ms.is_none_or(|noted| at < noted);
        if is_new {
            self.expiries.noted_ms = Some(at);
        }
        is_new
    }

    /// The time that the owner's agenda has to name.
    pub fn noted_expiry(&self) -> Option<u64> {
        self.expiries.noted_ms
    }

    /// The agenda named the queue for that time; gives whether it does not any more. It may have been told of an earlier one.
    pub fn take_noted(&mut self, at: u64) -> bool {
        self.expiries.noted_ms.take_if(|noted| *noted == at).is_some()
    }

    /// Drops at most `max` waiting messages that have expired.
    pub fn expire(&mut self, wall_ms: u64, max: u32) -> Swept {
        let mut swept = Swept { looked: 0, left: Left::default() };
        while swept.looked < max
            && let Some((_, entry)) = self.expiries.agenda.take_due(wall_ms)
        {
            swept.looked += 1;
            swept.left = swept.left.and(self.drop_waiting(entry));
        }
        swept
    }

    /// Drops a message unless a consumer holds it, or it is gone.
    fn drop_waiting(&mut self, entry: Key) -> Left {
        let Some(found) = self.entries.get(entry) else { return Left::default() };
        let (sequence, size) = (found.sequence, found.message.size());
        if !self.order.drop_waiting(sequence, size, &self.entries) {
            return Left::default();
        }
        let left = self.leave(sequence, Held::Here(entry), Why::Expired);
        self.order.skip(&self.entries);
        left
    }
}
