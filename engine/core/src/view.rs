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
        self.nodes.queues.iter().map(|(_, queue)| {
            let address = self.nodes.addresses.get(queue.identity.address);
            QueueView {
                address: address.map(|address| address.name.to_string()).unwrap_or_default(),
                name: queue.identity.name.to_string(),
                routing: queue.identity.routing,
                messages: queue.messages(),
                bytes: queue.all_bytes(),
                paged: queue.paged(),
                acquired: queue.acquired(),
                producers: address.map_or(0, |address| address.producers.len() as u64),
                consumers: queue.consumers.len() as u64,
                totals: queue.totals(),
            }
        })
    }

    /// Size of all messages with overhead, octets.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory.used()
    }

    /// Whether a consumer holds the delivery of a key.
    #[cfg(test)]
    pub(crate) fn holds(&self, end: crate::key::EndKey, key: u64) -> bool {
        let end = crate::ends::key(end);
        self.nodes.queues.iter().any(|(_, queue)| queue.holds(end, key))
    }

    /// Link ends, queues.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.nodes.ends.len(), self.nodes.queues.len())
    }
}
