//! Messages that no queue of their address gets, where its settings have them go to its dead-letter address.
//!
//! Guarantees: they are put into a queue of the kind that diverts have, which is made for them and goes when it is empty: they leave it
//! when they are safe where they go, on any shard, and what was accepted outlives the node if it has to. What finds no route at the
//! dead-letter address either is dropped there.
//!
//! Not here: what has a route, and is dropped all the same (`admission`).

use engine_catalogue::lead_from;

use crate::command::RoutingType;
use crate::core::Core;
use crate::divert_name::unrouted_name;
use crate::event::Refusal;
use crate::message::Message;
use crate::queue::{Identity, Kind};
use crate::slab::Key;

impl Core {
    /// No queue of an address gets a message: it is accepted, and gone, unless the address says otherwise.
    #[cold]
    pub(crate) fn put_unrouted(&mut self, address: Key, message: Message) -> Result<u64, Box<Refusal>> {
        match self.unrouted_queue(address) {
            Some(queue) => self.put_each(&[queue], None, message),
            None => Ok(self.put_nowhere(&message)),
        }
    }

    /// The queue that has what has no route at an address, which is made if it is not there; none if that is dropped.
    fn unrouted_queue(&mut self, address: Key) -> Option<Key> {
        let of = self.nodes.addresses.get(address)?;
        if !of.settings.dead_letter_no_route {
            return None;
        }
        let name = unrouted_name(&lead_from(&of.settings.dead_letter_address, &of.name)?);
        let known = self.nodes.find(address, &name);
        Some(known.unwrap_or_else(|| {
            let (routing, kind) = (RoutingType::Multicast, Kind::Divert);
            self.nodes.put_queue(Identity { name: name.into(), address, routing, kind, choice: None })
        }))
    }

    /// Whether one of some queues is there still: lists have some that have gone.
    pub(crate) fn has_any(&self, queues: &[Key]) -> bool {
        queues.iter().any(|&queue| self.nodes.queues.get(queue).is_some())
    }
}
