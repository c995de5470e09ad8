//! What the catalogue declares: addresses and queues that are there from the start, and stay.
//!
//! Guarantees: an owner makes those that it owns, and no others. An address that is declared by itself and is anycast has queues that share
//! its messages: those that are declared, or else the one of its own name.
//!
//! Not here: what the journal has of a declared queue (`durability`), which is what it has of one made on demand.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine_catalogue::{Catalogue, Kind as Declarable, QUALIFIER, Resolved};

use crate::command::RoutingType;
use crate::core::Core;
use crate::queue::{Identity, Kind};
use crate::slab::Key;

impl Core {
    /// Makes all that is declared, whatever the bounds of nodes say: the catalogue has its own.
    pub(crate) fn make_declared(&mut self) {
        let catalogue = Arc::clone(&self.config.catalogue);
        let of_queues = catalogue.queues_after(None).filter_map(|key| Some(key.split_once(QUALIFIER)?.0));
        let names: BTreeSet<&str> = catalogue.addresses_after(None).chain(of_queues).collect();
        for name in names {
            let Resolved::Stored { owner } = catalogue.resolve(name);
            if owner.shard == self.config.shard {
                self.make_declared_address(&catalogue, name);
            }
        }
    }

    fn make_declared_address(&mut self, catalogue: &Catalogue, name: &str) {
        let settings = catalogue.settings(name);
        let own = settings.routing;
        let address = self.nodes.put_address(name, own, settings);
        if let Some(of) = self.nodes.addresses.get_mut(address) {
            of.is_declared = true;
        }
        for (queue, routing) in catalogue.queues_of(name) {
            self.put_declared_queue(address, queue, routing.unwrap_or(own));
        }
        let itself = catalogue.origin(Declarable::Address, name).is_some();
        if itself && own == RoutingType::Anycast && !self.has_declared_shares(address) {
            self.put_declared_queue(address, name, own);
        }
    }

    fn put_declared_queue(&mut self, address: Key, name: &str, routing: RoutingType) {
        self.nodes.put_queue(Identity { name: name.into(), address, routing, kind: Kind::Declared });
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
