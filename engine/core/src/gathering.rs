//! Queues that give nothing until they have enough consumers, or for a while.
//!
//! Guarantees: a queue is served when it has as many consumers as its settings want, or within one turn of the time that it waits for
//! them; nothing is looked at that is not due.
//!
//! Not here: who is served then (`serving`).

use crate::agenda::Due;
use crate::core::Core;
use crate::limits::RELEASE_MAX;
use crate::queue::Came;
use crate::slab::Key;

impl Core {
    /// A consumer came to a queue.
    pub(crate) fn gather(&mut self, key: Key) {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        let Some(address) = self.nodes.addresses.get(queue.identity.address) else { return };
        let until_ns = match queue.handle_came(&address.settings, self.now.ns) {
            // What waited for another one's credit may be anybody's now.
            Came::Served if address.settings.group_rebalance => return self.touch(key),
            Came::Served => return,
            Came::Last => return self.touch(key),
            Came::Waits(None) => return,
            Came::Waits(Some(until_ns)) => until_ns,
        };
        self.deadlines.insert(Due::Dispatch, until_ns, key);
        let queues = &self.nodes.queues;
        self.deadlines.tidy(Due::Dispatch, queues.len(), || {
            queues.iter().filter_map(|(key, queue)| Some((queue.consumers.gathers_until()?, key)))
        });
    }

    /// Serves what need not wait for consumers any more.
    pub(crate) fn serve_due(&mut self) {
        for _ in 0..RELEASE_MAX {
            let Some((at_ns, key)) = self.deadlines.take_due(Due::Dispatch, self.now) else { return };
            self.nodes.note_look();
            if let Some(queue) = self.nodes.queues.get_mut(key)
                && queue.consumers.gathers_until() == Some(at_ns)
            {
                queue.consumers.end_gathering();
                self.touch(key);
            }
        }
    }
}
