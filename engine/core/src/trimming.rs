//! Queues that are to keep less than they have: the owner lets it leave, and asks the journal for what it has of it.
//!
//! Guarantees: a queue that has more than it is to keep is looked at again whenever something is put in, comes back or was read, until it has
//! not; nothing else is looked at.
//!
//! Not here: which messages those are (`queue::trimming`).

use crate::core::Core;
use crate::queue::{Left, Queue};
use crate::slab::Key;

impl Core {
    /// Lets leave what a queue has beyond what it is to keep.
    #[inline]
    pub(crate) fn trim(&mut self, key: Key) {
        if self.nodes.queues.get(key).is_some_and(|queue| queue.has_excess() || queue.is_to_be_empty()) {
            self.trim_excess(key);
        }
    }

    #[cold]
    fn trim_excess(&mut self, key: Key) {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        let left: Left = if queue.is_to_be_empty() { queue.purge() } else { queue.trim() };
        if queue.has_excess() && queue.wants_fetch(|| self.memory.fetch_below()) {
            self.journal.fetch(queue);
        }
        self.apply(key, left);
        // Producers may wait for the room, and the queue may have no reason to stay.
        self.touch(key);
    }

    /// A message is accepted, and one of its queues does not take it.
    pub(crate) fn drop_at(&mut self, key: Key) {
        if let Some(queue) = self.nodes.queues.get_mut(key) {
            Queue::count_dropped(queue);
        }
    }
}
