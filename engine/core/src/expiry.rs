//! Messages with a time from which they may be dropped.
//!
//! Guarantees:
//! 1. What has expired is given to nobody, wherever in its queue it waits; one that a consumer holds is dropped when it comes back.
//! 2. It leaves memory and its queue within `EXPIRY_PERIOD_NS` of its time, whether anybody takes messages or not, in steps of
//!    `EXPIRY_SCAN_MAX`; nothing is looked at that is not due.
//!
//! Dropped is what the settings of its address name no other address for (`queue::leaving`).
//!
//! Not here: messages that are in the journal only. They are dropped when they are read.

use std::num::NonZeroU64;

use crate::agenda::Due;
use crate::core::Core;
use crate::limits::EXPIRY_SCAN_MAX;
use crate::queue::Queue;
use crate::slab::Key;

impl Core {
    /// A message that was put into a queue may be dropped from that time on.
    #[inline(never)]
    pub(crate) fn note_expiry(&mut self, key: Key, at: NonZeroU64) {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        if !queue.note_expiry(at.get()) {
            return;
        }
        self.deadlines.insert(Due::Expiry, at.get(), key);
        let queues = &self.nodes.queues;
        self.deadlines.tidy(Due::Expiry, queues.len(), || {
            queues.iter().filter_map(|(key, queue)| Some((queue.noted_expiry()?, key)))
        });
    }

    /// The same of whatever a queue has now.
    pub(crate) fn note_expiries(&mut self, key: Key) {
        if let Some(at) = self.nodes.queues.get(key).and_then(|queue| queue.first_expiry()) {
            self.note_expiry(key, at);
        }
    }

    /// Drops what has expired before a queue gives a message; gives whether that is all.
    #[cold]
    pub(crate) fn expire_before(&mut self, key: Key) -> bool {
        let wall_ms = self.now.wall_ms;
        // What goes elsewhere for it costs memory, too.
        let expire = |queue: &mut Queue| (queue.expire(wall_ms, EXPIRY_SCAN_MAX), !queue.has_expired(wall_ms));
        let Some((swept, done)) = self.resize(key, expire) else { return true };
        self.hear(key, swept.left.news);
        self.note_departures(key);
        if !done {
            // The turn does other things as well: the rest goes with the sweep that begins the next one.
            self.deadlines.sweep_on(self.now);
            self.note_expiries(key);
        }
        done
    }

    /// Drops what has expired, as far as one sweep goes.
    pub(crate) fn sweep(&mut self) {
        let mut left = EXPIRY_SCAN_MAX;
        while left > 0
            && let Some((at, key)) = self.deadlines.take_due(Due::Expiry, self.now)
        {
            left -= 1;
            self.nodes.note_look();
            let Some(queue) = self.nodes.queues.get_mut(key) else { continue };
            if !queue.take_noted(at) {
                continue;
            }
            let wall_ms = self.now.wall_ms;
            let Some(swept) = self.resize(key, |queue| queue.expire(wall_ms, left)) else { continue };
            left -= swept.looked;
            self.hear(key, swept.left.news);
            self.note_departures(key);
            self.note_expiries(key);
            // Consumers and producers may wait for what was in their way; without any it may have no reason to stay.
            self.touch(key);
        }
        if left == 0 { self.deadlines.sweep_on(self.now) } else { self.deadlines.rest(self.now) }
    }
}
