//! Messages with a time from which they may be dropped.
//!
//! Guarantees:
//! 1. What has expired is given to nobody, wherever in its queue it waits; one that a consumer holds is dropped when it comes back.
//! 2. It leaves memory and its queue within `EXPIRY_PERIOD_NS` of its time, whether anybody takes messages or not, in steps of
//!    `EXPIRY_SCAN_MAX`; nothing is looked at that is not due.
//!
//! Not here: messages that are in the journal only. They are dropped when they are read.

use std::num::NonZeroU64;

use crate::agenda::Agenda;
use crate::core::Core;
use crate::limits::{EXPIRY_LOOK_NS, EXPIRY_PERIOD_NS, EXPIRY_SCAN_MAX};
use crate::queue::Queue;
use crate::slab::Key;

impl Queue {
    /// Notes from when on a message in memory may be dropped.
    #[inline(never)]
    pub fn watch(&mut self, at: NonZeroU64, entry: Key) {
        self.expiries.insert(at.get(), entry);
        if self.expiries.is_crowded(self.entries.len()) {
            let living = self.entries.iter();
            self.expiries =
                Agenda::of(living.filter_map(|(key, entry)| Some((entry.message.expires_wall_ms?.get(), key))));
        }
    }

    /// Drops at most `max` waiting messages that have expired; gives how many entries it looked at, and the octets that are free.
    pub fn expire(&mut self, wall_ms: u64, max: u32) -> (u32, u64) {
        let (mut looked, mut freed) = (0, 0);
        while looked < max
            && let Some((_, entry)) = self.expiries.take_due(wall_ms)
        {
            looked += 1;
            freed += self.drop_waiting(entry);
        }
        (looked, freed)
    }

    /// Drops a message unless a consumer holds it, or it is gone; gives the octets that are free by it.
    fn drop_waiting(&mut self, entry: Key) -> u64 {
        let Some(sequence) = self.entries.get(entry).map(|found| found.sequence) else { return 0 };
        if !self.leave_ready(sequence) && self.returned.remove(&sequence).is_none() {
            return 0;
        }
        self.totals.expired += 1;
        let size = self.remove(entry);
        self.ready_bytes -= size;
        self.skip_dropped();
        size
    }
}

impl Core {
    /// A message that was put into a queue may be dropped from that time on.
    #[inline(never)]
    pub(crate) fn note_expiry(&mut self, key: Key, at: NonZeroU64) {
        let Some(queue) = self.queues.get_mut(key) else { return };
        let at = at.get();
        if at >= queue.expiry_noted {
            return;
        }
        queue.expiry_noted = at;
        self.expiring.insert(at, key);
        if self.expiring.is_crowded(self.queues.len()) {
            let noted = self.queues.iter().map(|(key, queue)| (queue.expiry_noted, key));
            self.expiring = Agenda::of(noted.filter(|(at, _)| *at < u64::MAX));
        }
    }

    /// The same of whatever a queue has now.
    pub(crate) fn note_expiries(&mut self, key: Key) {
        let earliest = self.queues.get(key).and_then(|queue| queue.expiries.earliest());
        if let Some(at) = earliest.and_then(NonZeroU64::new) {
            self.note_expiry(key, at);
        }
    }

    /// When the next sweep is due, nanoseconds.
    pub(crate) fn sweep_deadline(&self) -> Option<u64> {
        let wait_ns = self.expiring.earliest()?.saturating_sub(self.wall_ms).saturating_mul(1_000_000);
        Some((self.now_ns + wait_ns.min(EXPIRY_LOOK_NS)).max(self.next_sweep_ns))
    }

    /// Drops what has expired before a queue gives a message; gives whether that is all.
    #[cold]
    pub(crate) fn expire_before(&mut self, key: Key) -> bool {
        let Some(queue) = self.queues.get_mut(key) else { return true };
        let (_, freed) = queue.expire(self.wall_ms, EXPIRY_SCAN_MAX);
        let done = !queue.expiries.is_due(self.wall_ms);
        self.memory_bytes -= freed;
        self.note_gone(key);
        if !done {
            // The turn does other things as well: the rest goes with the sweep that begins the next one.
            self.next_sweep_ns = self.now_ns;
            self.note_expiries(key);
        }
        done
    }

    /// Drops what has expired, as far as one sweep goes.
    pub(crate) fn sweep(&mut self) {
        let mut left = EXPIRY_SCAN_MAX;
        while left > 0
            && let Some((at, key)) = self.expiring.take_due(self.wall_ms)
        {
            left -= 1;
            let Some(queue) = self.queues.get_mut(key).filter(|queue| queue.expiry_noted == at) else { continue };
            queue.expiry_noted = u64::MAX;
            let (looked, freed) = queue.expire(self.wall_ms, left);
            left -= looked;
            self.memory_bytes -= freed;
            self.note_expiries(key);
            self.note_gone(key);
            // Consumers and producers may wait for what was in their way; without any it may have no reason to stay.
            self.touch(key);
        }
        self.next_sweep_ns = if left == 0 { self.now_ns } else { self.now_ns + EXPIRY_PERIOD_NS };
    }
}
