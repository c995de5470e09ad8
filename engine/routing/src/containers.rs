//! Connections of containers that links go to whole, and by which route: what a shard keeps of its own.
//!
//! Guarantees: each route and each connection that it is for make one destination, which the registry knows as long as both are there; its
//! number is none of a receiver's, nor that of any destination before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine_core::through::Rewrite;
use engine_router::address::{Class, Key};
use engine_router::auto_links::Via;
use engine_router::table::{Consumer, ConsumerId, Place};

use crate::registry::Note;

/// The bit of a consumer's number that says that it is a container's, for links.
const IS_CONTAINERS: u64 = 1 << 44;

/// Links of clients that go to containers whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRoute {
    /// The addresses, by prefix or pattern, and which end of the links clients are.
    pub key: Key,
    /// The connections; none: other routers have them.
    pub via: Option<Via>,
    /// What becomes of addresses.
    pub rewrite: Rewrite,
}

/// Where links may go from this shard.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    routes: Arc<[LinkRoute]>,
    /// The connection and its route, by what the table has for both.
    destinations: BTreeMap<ConsumerId, Destination>,
    /// Those of each connection.
    by_connection: BTreeMap<u64, Vec<ConsumerId>>,
    numbered: u64,
}

/// A connection of a container, as one route has it.
#[derive(Debug)]
pub(crate) struct Destination {
    pub connection: u64,
    pub key: Key,
    pub rewrite: Rewrite,
}

impl Containers {
    /// These are the routes that there are, before there is a connection.
    pub fn declare(&mut self, routes: Arc<[LinkRoute]>) {
        self.routes = routes;
    }

    /// Routes that lead to queues of this node, which are there as long as it is. Gives what the registry is to hear: the first shard tells it.
    pub fn begin(&mut self, shard: u16) -> Vec<Note> {
        let stored = self.routes.iter().filter(|route| shard == 0 && route.via == Some(Via::Stored));
        let came = stored.map(|route| {
            let id = ConsumerId::at(shard, IS_CONTAINERS | self.numbered);
            self.numbered += 1;
            Note::Came { key: route.key.clone(), consumer: Consumer { id, place: Place::Client, capacity: u32::MAX } }
        });
        came.collect()
    }

    /// Whether a route leads to queues of this node.
    pub fn is_stored(&self, key: &Key) -> bool {
        self.routes.iter().any(|route| route.key == *key && route.via == Some(Via::Stored))
    }

    /// The route of links that name no address, and are found by their names: any of those of receivers, if all lead to one container.
    pub fn nameless(&self) -> Option<&Key> {
        let is_of_receivers = |route: &&LinkRoute| matches!(route.key.class(), Class::PrefixOut | Class::PatternOut);
        let mut routes = self.routes.iter().filter(is_of_receivers);
        let first = routes.next().filter(|first| first.via.is_some())?;
        routes.all(|route| route.via == first.via).then_some(&first.key)
    }

    /// A connection of a container is open: that of a connector or listener of this name. Gives what the registry is to hear.
    pub fn come(&mut self, shard: u16, connection: u64, name: &str, container: &str) -> Vec<Note> {
        let is_for = |route: &&LinkRoute| route.via.as_ref().is_some_and(|via| via.is_for(name, container));
        let routes = Arc::clone(&self.routes);
        let come = |route: &LinkRoute| {
            let id = ConsumerId::at(shard, IS_CONTAINERS | self.numbered);
            self.numbered += 1;
            let (key, rewrite) = (route.key.clone(), route.rewrite.clone());
            self.destinations.insert(id, Destination { connection, key, rewrite });
            self.by_connection.entry(connection).or_default().push(id);
            Note::Came { key: route.key.clone(), consumer: Consumer { id, place: Place::Client, capacity: u32::MAX } }
        };
        routes.iter().filter(is_for).map(come).collect()
    }

    /// A connection is gone. Gives what the registry is to hear.
    pub fn go(&mut self, connection: u64) -> Vec<Note> {
        let gone = self.by_connection.remove(&connection).unwrap_or_default();
        let went = |consumer: ConsumerId| {
            let Destination { key, .. } = self.destinations.remove(&consumer)?;
            Some(Note::Went { key, consumer })
        };
        gone.into_iter().filter_map(went).collect()
    }

    /// What a number of the table means; `None` once it is gone.
    pub fn get(&self, consumer: ConsumerId) -> Option<&Destination> {
        self.destinations.get(&consumer)
    }
}
