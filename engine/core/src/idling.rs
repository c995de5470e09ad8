//! Queues that were made on demand, and that nobody needs any more: they go, at once or when that has been so for a while.
//!
//! Guarantees:
//! 1. A queue goes when no link is attached to it, none sends to its address, and it has no more messages than its address says
//!    (`auto_delete_messages`; one that has some goes only if a consumer ever took one), without a break for `auto_delete_delay_ms`. A link
//!    that comes or goes and a message that is put in break it.
//! 2. Whatever comes and goes, the owner's agenda names a queue once at most; nothing is looked at that is not due.
//!
//! A delay that changes holds from the next time on that a queue is needed no more; whether it goes at all is what holds then. After a start
//! the time begins anew for queues that have messages; others that were made on demand are not there.
//!
//! Not here: queues that go with a link of theirs (`collecting`).

use crate::agenda::Due;
use crate::core::Core;
use crate::idle::Since;
use crate::limits::RELEASE_MAX;
use crate::queue::Kind;
use crate::slab::Key;

impl Core {
    /// Deletes a queue that was made on demand if nobody needs it, or notes when it may go.
    pub(crate) fn collect_on_demand(&mut self, key: Key) {
        if !self.is_idle(key) {
            return;
        }
        let Some(queue) = self.nodes.queues.get(key) else { return };
        if self.is_promised(queue.identity.address) {
            return;
        }
        let (delay_ns, enqueued) = (self.idle_ns(key), queue.totals().enqueued);
        if delay_ns == 0 {
            self.delete(key);
        } else if self.nodes.idle.begin(key, self.now.ns, enqueued) {
            self.deadlines.insert(Due::Idle, self.now.ns.saturating_add(delay_ns), key);
        }
    }

    /// Deletes what nobody needed for as long as its address says.
    pub(crate) fn idle_due(&mut self) {
        for _ in 0..RELEASE_MAX {
            let Some((_, key)) = self.deadlines.take_due(Due::Idle, self.now) else { return };
            self.nodes.note_look();
            let Some(Since { at_ns: Some(at_ns), enqueued }) = self.nodes.idle.since.remove(&key) else { continue };
            if !self.is_idle(key) {
                continue;
            }
            let now_enqueued = self.nodes.queues.get(key).map_or(0, |queue| queue.totals().enqueued);
            let since = if now_enqueued == enqueued { at_ns } else { self.now.ns };
            let until = since.saturating_add(self.idle_ns(key));
            if until <= self.now.ns {
                self.delete(key);
            } else if self.nodes.idle.begin(key, since, now_enqueued) {
                self.deadlines.insert(Due::Idle, until, key);
            }
        }
    }

    /// How long nobody has to need a queue before it goes, nanoseconds.
    fn idle_ns(&self, key: Key) -> u64 {
        let address = self.nodes.queues.get(key).map(|queue| queue.identity.address);
        let address = address.and_then(|address| self.nodes.addresses.get(address));
        address.map_or(0, |address| address.settings.auto_delete_delay_ms.saturating_mul(1_000_000))
    }

    /// Whether nobody needs a queue that was made on demand.
    fn is_idle(&self, key: Key) -> bool {
        let Some(queue) = self.nodes.queues.get(key) else { return false };
        if queue.identity.kind != Kind::Auto || !queue.consumers.is_empty() {
            return false;
        }
        let Some(address) = self.nodes.addresses.get(queue.identity.address) else { return queue.messages() == 0 };
        let settings = &address.settings;
        let was_used = queue.totals().acknowledged > 0;
        let few = queue.messages() == 0 || (was_used && queue.messages() <= settings.auto_delete_messages);
        settings.auto_delete && address.producers.is_empty() && few
    }
}
