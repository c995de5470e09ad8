//! What the catalogue declares: addresses and queues that are there without being asked for, and stay.
//!
//! Guarantees: an owner makes those that it owns, and no others. An address that is declared by itself and is anycast has queues that share
//! its messages: those that are declared, or else the one of its own name.
//!
//! Not here: what the journal has of a declared queue (`durability`), which is what it has of one made on demand.

use std::sync::Arc;

use engine_catalogue::{Catalogue, Kind as Declarable, QUALIFIER, Resolved};

use crate::command::RoutingType;
use crate::core::Core;
use crate::queue::{Before, Identity, Kind};
use crate::slab::Key;

impl Core {
    /// Makes all that is declared, whatever the bounds of nodes say: the catalogue has its own.
    pub(crate) fn make_declared(&mut self) {
        let catalogue = Arc::clone(&self.config.catalogue);
        catalogue.addresses_after(None).for_each(|name| self.declare_address(&catalogue, name));
        catalogue.queues_after(None).for_each(|(key, routing)| self.declare_queue(&catalogue, key, routing));
        catalogue.diverts_after(None).for_each(|(name, divert)| self.declare_divert(&catalogue, name, divert));
    }

    /// Makes all that is declared of one address.
    pub(crate) fn declare_again(&mut self, name: &str) {
        let catalogue = Arc::clone(&self.config.catalogue);
        if catalogue.origin(Declarable::Address, name).is_some() {
            self.declare_address(&catalogue, name);
        }
        for (queue, routing) in catalogue.queues_of(name) {
            self.declare_queue(&catalogue, &format!("{name}{QUALIFIER}{queue}"), routing);
        }
        catalogue.diverts_of(name).for_each(|(divert, of)| self.declare_divert(&catalogue, divert, of));
    }

    /// Makes a declared address, if it is this owner's.
    pub(crate) fn declare_address(&mut self, catalogue: &Catalogue, name: &str) {
        let Some(address) = self.put_declared_address(catalogue, name) else { return };
        if self.has_queue_of_its_own(address) {
            self.put_declared_queue(address, name, RoutingType::Anycast);
        }
    }

    /// Makes a declared queue, named by its key, if its address is this owner's.
    pub(crate) fn declare_queue(&mut self, catalogue: &Catalogue, key: &str, routing: Option<RoutingType>) {
        let Some((address, name)) = key.split_once(QUALIFIER) else { return };
        let Some(address) = self.put_declared_address(catalogue, address) else { return };
        let own = self.nodes.addresses.get(address).map_or(RoutingType::Anycast, |address| address.routing);
        self.put_declared_queue(address, name, routing.unwrap_or(own));
    }

    pub(crate) fn put_declared_address(&mut self, catalogue: &Catalogue, name: &str) -> Option<Key> {
        let Resolved::Stored { owner } = catalogue.resolve(name);
        if owner.shard != self.config.shard {
            return None;
        }
        let settings = catalogue.settings(name);
        let routing = settings.routing;
        let key = match self.nodes.address(name) {
            Some(known) => known,
            None => self.nodes.put_address(name, routing, settings),
        };
        let address = self.nodes.addresses.get_mut(key)?;
        (address.is_declared, address.routing) = (true, routing);
        Some(key)
    }

    /// What links made of the same name becomes what is declared. A queue that goes with its links cannot: its links are ended, and find
    /// the new one.
    fn put_declared_queue(&mut self, address: Key, name: &str, routing: RoutingType) {
        let known = self.nodes.find(address, name);
        let kind = known.and_then(|known| Some(self.nodes.queues.get(known)?.identity.kind));
        if let Some(known) = known {
            match kind {
                Some(Kind::Declared(_) | Kind::Auto | Kind::Durable) => {
                    return self.nodes.make_declared(known, routing);
                }
                // Names of dynamic nodes are declared by nobody, and what ends is found under none.
                Some(Kind::Dynamic(_) | Kind::Divert | Kind::Wildcard(_) | Kind::Retained | Kind::Ending) => return,
                Some(Kind::Volatile) | None => self.delete(known),
            }
        }
        let kind = Kind::Declared(Before::OnDemand);
        self.nodes.put_queue(Identity { name: name.into(), address, routing, kind, choice: None });
    }

    /// Whether an address has a queue of its own name because it is declared: it is so by itself, is anycast, and no declared queues share
    /// its messages.
    pub(crate) fn has_queue_of_its_own(&self, key: Key) -> bool {
        let Some(address) = self.nodes.addresses.get(key) else { return false };
        let itself = self.config.catalogue.origin(Declarable::Address, &address.name).is_some();
        itself && address.routing == RoutingType::Anycast && !self.has_declared_shares(key)
    }

    /// Whether queues of an address are declared that share its messages. Links that name none get no further one made there, which would
    /// take a share.
    pub(crate) fn has_declared_shares(&self, address: Key) -> bool {
        let Some(address) = self.nodes.addresses.get(address).filter(|address| address.is_declared) else {
            return false;
        };
        let mut declared = self.config.catalogue.queues_of(&address.name);
        declared.any(|(_, routing)| routing.unwrap_or(address.routing) == RoutingType::Anycast)
    }
}
