//! Connections of containers that links go to whole, and by which route: what a shard keeps of its own.
//!
//! Guarantees: each route and each connection that it is for make one destination, which the registry knows as long as both are there,
//! whichever of them came first; its number is none of a receiver's, nor that of any destination before it. Links that went on by a route are
//! not looked at when it goes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use engine_core::through::Rewrite;
use engine_router::address::{Class, Key};
use engine_router::auto_links::Via;
use engine_router::table::{Consumer, ConsumerId, Place};

use crate::registry::Note;

/// The bit of a consumer's number that says that it is a container's, for links.
const IS_CONTAINERS: u64 = 1 << 44;

/// Links of clients that go to containers whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    connections: BTreeMap<u64, Container>,
    /// How many connections there are of each name, and of each container.
    served: HashMap<Via, u32>,
    numbered: u64,
    /// Routes that lead to queues of this node, and what the table has for them.
    stored: BTreeMap<Key, ConsumerId>,
}

/// A connection of a container, as one route has it.
#[derive(Debug)]
pub(crate) struct Destination {
    pub connection: u64,
    pub route: LinkRoute,
}

/// A connection of a container.
#[derive(Debug)]
struct Container {
    /// Of its connector or listener.
    name: String,
    id: String,
    destinations: Vec<ConsumerId>,
}

impl Container {
    /// What routes may name it by.
    fn vias(&self) -> [Via; 2] {
        [Via::Name(self.name.clone()), Via::Container(self.id.clone())]
    }
}

impl Containers {
    /// These are the routes that there are, before there is a connection.
    pub fn declare(&mut self, routes: Arc<[LinkRoute]>) {
        self.routes = routes;
    }

    /// Routes that lead to queues of this node are there as long as it is. Gives what the registry is to hear, which the first shard tells it.
    pub fn keep(&mut self, shard: u16) -> Vec<Note> {
        if shard != 0 {
            return Vec::new();
        }
        let routes = Arc::clone(&self.routes);
        let stored: BTreeSet<&Key> =
            routes.iter().filter(|route| route.via == Some(Via::Stored)).map(|route| &route.key).collect();
        let gone = self.stored.extract_if(.., |key, _| !stored.contains(key));
        let mut notes: Vec<Note> = gone.map(|(key, consumer)| Note::Went { key, consumer }).collect();
        for key in stored {
            if self.stored.contains_key(key) {
                continue;
            }
            let id = ConsumerId::at(shard, IS_CONTAINERS | self.numbered);
            self.numbered += 1;
            self.stored.insert(key.clone(), id);
            let consumer = Consumer { id, place: Place::Client, capacity: u32::MAX };
            notes.push(Note::Came { key: key.clone(), consumer });
        }
        notes
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

    /// These are the routes from here on. Gives what the registry is to hear: what is a route before and behind that is left alone.
    pub fn change(&mut self, shard: u16, routes: Arc<[LinkRoute]>) -> Vec<Note> {
        let before = std::mem::replace(&mut self.routes, routes);
        let known: HashSet<&LinkRoute> = before.iter().collect();
        let routes = Arc::clone(&self.routes);
        let kept: HashSet<&LinkRoute> = routes.iter().collect();
        let is_gone = |destination: &Destination| !kept.contains(&destination.route);
        let gone: Vec<ConsumerId> =
            self.destinations.iter().filter(|(_, destination)| is_gone(destination)).map(|(id, _)| *id).collect();
        let mut notes = self.keep(shard);
        for consumer in gone {
            let Some(Destination { connection, route }) = self.destinations.remove(&consumer) else { continue };
            if let Some(container) = self.connections.get_mut(&connection) {
                container.destinations.retain(|known| *known != consumer);
            }
            notes.push(Note::Went { key: route.key, consumer });
        }
        let new: Vec<&LinkRoute> = routes.iter().filter(|route| !known.contains(route)).collect();
        let connections: Vec<u64> = self.connections.keys().copied().collect();
        for connection in connections {
            notes.extend(self.serve(shard, connection, new.iter().copied()));
        }
        notes
    }

    /// A connection of a container is open: that of a connector or listener of this name. Gives what the registry is to hear.
    pub fn come(&mut self, shard: u16, connection: u64, name: &str, container: &str) -> Vec<Note> {
        let container = Container { name: name.to_owned(), id: container.to_owned(), destinations: Vec::new() };
        for via in container.vias() {
            *self.served.entry(via).or_default() += 1;
        }
        self.connections.insert(connection, container);
        let routes = Arc::clone(&self.routes);
        self.serve(shard, connection, routes.iter())
    }

    /// A connection is gone. Gives what the registry is to hear.
    pub fn go(&mut self, connection: u64) -> Vec<Note> {
        let Some(gone) = self.connections.remove(&connection) else { return Vec::new() };
        for via in gone.vias() {
            let Some(count) = self.served.get_mut(&via) else { continue };
            *count -= 1;
            if *count == 0 {
                self.served.remove(&via);
            }
        }
        let went = |consumer: ConsumerId| {
            let Destination { route, .. } = self.destinations.remove(&consumer)?;
            Some(Note::Went { key: route.key, consumer })
        };
        gone.destinations.into_iter().filter_map(went).collect()
    }

    /// Whether a connection is here that a route is for.
    pub fn is_served(&self, via: &Via) -> bool {
        *via == Via::Stored || self.served.contains_key(via)
    }

    /// A connection is a destination of those of these routes that are for it.
    fn serve<'a>(&mut self, shard: u16, connection: u64, routes: impl Iterator<Item = &'a LinkRoute>) -> Vec<Note> {
        let Some(container) = self.connections.get_mut(&connection) else { return Vec::new() };
        let mut notes = Vec::new();
        for route in routes {
            // What leads to queues of this node ends there (`keep`).
            let via = route.via.as_ref().filter(|via| **via != Via::Stored);
            if !via.is_some_and(|via| via.is_for(&container.name, &container.id)) {
                continue;
            }
            let id = ConsumerId::at(shard, IS_CONTAINERS | self.numbered);
            self.numbered += 1;
            self.destinations.insert(id, Destination { connection, route: route.clone() });
            container.destinations.push(id);
            let consumer = Consumer { id, place: Place::Client, capacity: u32::MAX };
            notes.push(Note::Came { key: route.key.clone(), consumer });
        }
        notes
    }

    /// What a number of the table means; `None` once it is gone.
    pub fn get(&self, consumer: ConsumerId) -> Option<&Destination> {
        self.destinations.get(&consumer)
    }
}
