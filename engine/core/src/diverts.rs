//! Diverts: what is sent to one address goes to others as well, or to them instead.
//!
//! Guarantees:
//! 1. A divert has a queue of its own at the address that it is of, one for each target, which gets what the divert's filter is true for.
//!    What is in it is forwarded (`forwarding`): it leaves when it is safe at the target, on any shard, and what was accepted outlives the
//!    node if it has to.
//! 2. Where an exclusive divert gets a message, no others and no queues of the address do. A message for one queue by its name
//!    (`address::queue`) is diverted by none.
//! 3. A message that has moved `HOPS_MAX` times is dropped, and counted: diverts in a circle do not keep it for ever.
//! 4. A divert that is removed gets no more, and its queue goes when it is empty.
//!
//! Not here: what a message says of its way (`hop`), and which other queues get it (`wider`).

use engine_catalogue::{Catalogue, Divert};

use crate::address::{Address, Diverting};
use crate::choice::Choice;
use crate::command::RoutingType;
use crate::core::Core;
use crate::divert_name::{divert_of, queue_name};
use crate::event::Refusal;
use crate::limits::DIVERTING_MAX;
use crate::message::Message;
use crate::queue::{Destinations, Identity, Kind};
use crate::slab::Key;

/// The queues of diverts that get a message.
#[derive(Debug, Default)]
pub(crate) struct Diverted {
    pub queues: Vec<Key>,
    /// Whether others get it, too.
    pub is_exclusive: bool,
}

impl Core {
    /// Makes the queues of a declared divert, if its address is this owner's, or brings them to what is declared.
    pub(crate) fn declare_divert(&mut self, catalogue: &Catalogue, name: &str, divert: &Divert) {
        // Whoever defines it has seen that it is a selector; of another one nothing would be true.
        let Ok(choice) = divert.filter.as_deref().map(Choice::new).transpose() else { return };
        let Some(address) = self.put_declared_address(catalogue, &divert.address) else { return };
        for target in divert.targets() {
            let queue = queue_name(name, target);
            let key = match self.nodes.find(address, &queue) {
                Some(known) => known,
                None => self.nodes.put_queue(Identity {
                    name: queue.into(),
                    address,
                    routing: RoutingType::Multicast,
                    kind: Kind::Divert,
                    choice: None,
                }),
            };
            let Some(of) = self.nodes.addresses.get_mut(address) else { return };
            let how = if divert.exclusive { Diverting::Instead } else { Diverting::Beside };
            of.queues.set_diverting(key, how);
            let to = Destinations::of_divert(&of.name, &of.settings, target, divert.routing);
            let Some(queue) = self.nodes.queues.get_mut(key) else { return };
            queue.identity.choice = choice.as_ref().and_then(|choice| Choice::new(choice.text()?).ok()).map(Box::new);
            queue.redirect(Some(to));
        }
    }

    /// The queue of a divert gets nothing any more if the divert, or this target of it, is no longer declared.
    pub(crate) fn refresh_divert(&mut self, key: Key) {
        let Some(queue) = self.nodes.queues.get(key) else { return };
        let Some(address) = self.nodes.addresses.get(queue.identity.address) else { return };
        let declared = divert_of(&queue.identity.name).is_some_and(|(name, target)| {
            let divert = self.config.catalogue.divert(name).filter(|divert| *divert.address == *address.name);
            divert.is_some_and(|divert| divert.targets().any(|other| other == target))
        });
        let key_of = queue.identity.address;
        if !declared && let Some(address) = self.nodes.addresses.get_mut(key_of) {
            address.queues.set_diverting(key, Diverting::NoMore);
        }
    }

    /// The queues of diverts that get a message.
    pub(crate) fn diverted(&self, address: Key, message: &Message) -> Result<Diverted, Box<Refusal>> {
        let mut diverted = Diverted::default();
        let Some(address) = self.nodes.addresses.get(address) else { return Ok(diverted) };
        for how in [Diverting::Instead, Diverting::Beside] {
            for &(key, _) in address.queues.diverts().iter().filter(|(_, other)| *other == how) {
                if self.chooses(key, None, message)? {
                    diverted.queues.push(key);
                }
            }
            if !diverted.queues.is_empty() {
                diverted.is_exclusive = how == Diverting::Instead;
                break;
            }
        }
        Ok(diverted)
    }

    /// Sends off what a divert's queue has, as far as some of it may be under way, and asks the journal for more. A queue that is empty and
    /// of no divert any more goes.
    #[cold]
    pub(crate) fn divert(&mut self, key: Key) {
        let durable = self.journal.awaiting.durable();
        let left = self.resize(key, |queue| queue.divert(DIVERTING_MAX, durable));
        if let Some(left) = left {
            self.hear(key, left.news);
        }
        self.note_waiting(key);
        self.note_departures(key);
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        if queue.departing() < DIVERTING_MAX && queue.wants_fetch(|| self.memory.fetch_below()) {
            self.journal.fetch(queue);
        }
        let (is_empty, address) = (queue.messages() == 0, queue.identity.address);
        let is_over = |of: &Address| of.queues.diverting(key) == Some(Diverting::NoMore);
        if is_empty && self.nodes.addresses.get(address).is_some_and(is_over) {
            self.delete(key);
        }
    }
}
