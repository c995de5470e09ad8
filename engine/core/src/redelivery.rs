//! Messages that are given again a while after their delivery failed.
//!
//! Guarantees: a message is at its place again within one turn of its time, in steps of `EXPIRY_SCAN_MAX`; nothing is looked at that is not due.
//!
//! A restart ends all waiting: how often a durable message failed is kept, since when it waits is not.
//!
//! Not here: how long messages wait (`queue::order`), and how often they are given (`queue::departing`).

use crate::agenda::Due;
use crate::core::Core;
use crate::limits::EXPIRY_SCAN_MAX;
use crate::slab::Key;

impl Core {
    /// Messages of a queue may wait: it is looked at when the first of them is due.
    pub(crate) fn note_redelivery(&mut self, key: Key) {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        if let Some(at_ns) = queue.first_redelivery()
            && queue.note_redelivery(at_ns)
        {
            self.deadlines.insert(Due::Redelivery, at_ns, key);
        }
    }

    /// Puts back what is due, as far as one turn goes.
    pub(crate) fn redeliver_due(&mut self) {
        let mut left = EXPIRY_SCAN_MAX;
        while left > 0
            && let Some((at_ns, key)) = self.deadlines.take_due(Due::Redelivery, self.now)
        {
            left -= 1;
            self.nodes.note_look();
            let Some(queue) = self.nodes.queues.get_mut(key) else { continue };
            if !queue.take_noted_redelivery(at_ns) {
                continue;
            }
            left -= queue.return_due(self.now.ns, left);
            self.note_redelivery(key);
            self.note_expiries(key);
            // Those that a ring does not keep leave: waiting like this they did not count.
            self.trim(key);
            self.touch(key);
        }
    }
}
