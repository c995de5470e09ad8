//! Retroactive addresses: whoever subscribes gets the last messages of before, too.
//!
//! Guarantees:
//! 1. An address that is to keep some has a queue for them, which gets what multicast queues get, and has the newest of them only: so many, and no more
//!    than `RETAINED_BYTES`. It refuses nothing, and no producer waits for it. They are in memory, and durable ones in the journal as well.
//! 2. A subscription that a link makes begins with those of them that it would have got, in their order. One that comes while the journal still
//!    reads them, behind a start, gets them when that is done.
//! 3. Nobody attaches to that queue (`attach`). It goes when it is empty and nothing else keeps its address, or when nothing is to be kept any more.
//!
//! Not here: which of them leave (`queue::trimming`).

use crate::address::RETAINED;
use crate::admission::Admission;
use crate::core::Core;
use crate::slab::Key;

impl Core {
    /// A subscription was made: it gets what its address kept.
    pub(crate) fn give_retained(&mut self, address: Key, subscription: Key) {
        let Some(retained) = self.nodes.find(address, RETAINED) else { return };
        let Some(queue) = self.nodes.queues.get(retained) else { return };
        if queue.has_behind() {
            return self.subscriptions.late.push((retained, subscription));
        }
        for message in queue.all_in_memory() {
            let is_over = message.expires_wall_ms.is_some_and(|at| at.get() <= self.now.wall_ms);
            // Whose a message was is not kept with it, and what it cannot look into is nothing that it asks for.
            let is_chosen = !is_over && self.chooses(subscription, None, &message).unwrap_or_default();
            if is_chosen && self.admit(subscription, &message).is_ok_and(|admission| admission == Admission::Taken) {
                if self.is_stored(subscription, &message) {
                    self.store(&[subscription], message);
                } else {
                    self.push(subscription, message, None);
                }
            }
        }
    }

    /// All that the journal had of a queue may be in memory now.
    pub(crate) fn give_late(&mut self, retained: Key) {
        let Some(queue) = self.nodes.queues.get(retained) else { return };
        if self.subscriptions.late.is_empty() || queue.has_behind() {
            return;
        }
        let address = queue.identity.address;
        let late: Vec<Key> = self
            .subscriptions
            .late
            .extract_if(.., |(of, _)| *of == retained)
            .map(|(_, subscription)| subscription)
            .collect();
        late.into_iter().for_each(|subscription| self.give_retained(address, subscription));
    }

    /// The settings of an address say whether it keeps messages.
    pub(crate) fn refresh_retained(&mut self, address: Key) {
        let Some(of) = self.nodes.addresses.get(address) else { return };
        let keeps = of.settings.retroactive_messages > 0;
        match self.nodes.find(address, RETAINED) {
            None if keeps => self.nodes.put_retained(address),
            Some(queue) if !keeps => self.delete(queue),
            _ => {}
        }
    }

    /// Whether an address has what it keeps, and nothing else of its own.
    pub(crate) fn has_only_retained(&self, address: Key) -> bool {
        let address = self.nodes.addresses.get(address);
        address.is_some_and(|of| of.settings.retroactive_messages > 0 && of.is_without_links() && of.queues.len() == 1)
    }

    /// Deletes the queue of what an address kept if that is nothing, and nothing else keeps the address.
    pub(crate) fn collect_retained(&mut self, key: Key) {
        let Some(queue) = self.nodes.queues.get(key).filter(|queue| queue.messages() == 0) else { return };
        let address = queue.identity.address;
        let keeps = self.nodes.addresses.get(address).is_some_and(|of| of.settings.retroactive_messages > 0);
        if (!keeps || self.has_only_retained(address)) && !self.is_promised(address) {
            self.delete(key);
        }
    }
}
