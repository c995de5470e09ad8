//! What the owner shows of itself.

use crate::command::RoutingType;
use crate::core::Core;
use crate::queue::Totals;

/// A queue, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// Its address.
    pub address: String,
    /// Its name.
    pub name: String,
    /// How it gets its messages.
    pub routing: RoutingType,
    /// Messages, held ones too.
    pub messages: u64,
    /// Their size with overhead, octets.
    pub bytes: u64,
    /// Messages that are on disk only.
    pub paged: u64,
    /// Messages that consumers hold.
    pub acquired: u64,
    /// Links that send to its address.
    pub producers: u64,
    /// Links that receive from it.
    pub consumers: u64,
    /// Since it was made.
    pub totals: Totals,
}

impl Core {
    /// All queues.
    pub fn queue_views(&self) -> impl Iterator<Item = QueueView> {
        self.queues.iter().map(|(_, queue)| {
            let address = self.addresses.get(queue.address);
            QueueView {
                address: address.map(|address| address.name.to_string()).unwrap_or_default(),
                name: queue.name.to_string(),
                routing: queue.routing,
                messages: queue.messages(),
                bytes: queue.all_bytes(),
                paged: queue.paged + queue.away,
                acquired: queue.acquired.len() as u64,
                producers: address.map_or(0, |address| address.producers.len() as u64),
                consumers: (queue.consumers.len() + queue.browsers.len()) as u64,
                totals: queue.totals,
            }
        })
    }

    /// Size of all messages with overhead, octets.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Whether a consumer holds the delivery of a key.
    #[cfg(test)]
    pub(crate) fn holds(&self, end: crate::key::EndKey, key: u64) -> bool {
        let [generation, slot] = [key >> 32, key & u64::from(u32::MAX)].map(|half| half as u32);
        self.queues.iter().any(|(_, queue)| {
            let held = queue.acquired.get(crate::slab::Key { slot, generation });
            held.is_some_and(|held| held.end == crate::slab::Key { slot: end.slot, generation: end.generation })
        })
    }

    /// Link ends, queues.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.ends.len(), self.queues.len())
    }
}
