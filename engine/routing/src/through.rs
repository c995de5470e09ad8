//! Links that pass through whole: to a container's connection, on this node or behind other routers.
//!
//! Which connection a link goes on over is chosen where it comes in, by the table that all shards have; what its two halves say goes from
//! shard to shard in its order. The router keeps nothing of a link: its halves have each other's keys, and whoever is told something that is
//! for nobody answers that it is lost.
//!
//! Not here: the halves themselves (their connections' bindings), and what a link is told that has no route.

use std::sync::Arc;

use engine_core::event::Event;
use engine_core::key::{LinkKey, Port};
use engine_core::slab::Key as Place;
use engine_core::through::{Going, Half, NoRoute, Said, Word};
use engine_router::address::{Class, Here, Key, Phase, path, resolve};
use engine_router::auto_links::Via;
use engine_router::forward::{Passage, Target, choose_link};
use engine_router::network::Routes;

use crate::containers::LinkRoute;
use crate::crossing::{Crossing, LinkTarget};
use crate::entry::MANAGEMENT;
use crate::router::Router;

impl Router {
    /// The same router, from which links go to containers by these routes.
    #[must_use]
    pub fn with_link_routes(mut self, routes: Arc<[LinkRoute]>) -> Self {
        self.containers.declare(routes);
        let notes = self.containers.keep(self.own.shard);
        self.out.notes.extend(notes);
        self
    }

    /// Whether a connection of this shard is there that a route of links is for.
    #[must_use]
    pub fn is_served(&self, via: &Via) -> bool {
        self.containers.is_served(via)
    }

    /// A connection of a container is open, by the number that its links between routers would have: that of a connector or listener of this
    /// name.
    pub fn handle_container(&mut self, connection: u64, name: &str, container: &str) {
        let notes = self.containers.come(self.own.shard, connection, name, container);
        self.out.notes.extend(notes);
    }

    /// The route of a link to an address, for the half whose peer asks for it; nothing if it takes none, as nothing does that names something
    /// of routers themselves, or their management, nor what has its queues here. A receiver's without an address is one that its container
    /// finds by its name.
    #[must_use]
    pub fn link_route(&self, address: &str, half: Half) -> Option<&Key> {
        self.any_link_route(address, half).filter(|key| !self.containers.is_stored(key))
    }

    /// Whether a link of another router's clients leads to queues of this node.
    #[must_use]
    pub fn ends_here(&self, address: &str, half: Half) -> bool {
        self.any_link_route(address, half).is_some_and(|key| self.containers.is_stored(key))
    }

    fn any_link_route(&self, address: &str, half: Half) -> Option<&Key> {
        let direction = match half {
            Half::Sender => Class::PatternIn,
            Half::Receiver => Class::PatternOut,
        };
        if address.is_empty() && half == Half::Receiver {
            return self.containers.nameless();
        }
        let here = Here { id: &self.own.id, mode: self.own.mode };
        resolve(address, Phase::FIRST, here).filter(|key| key.class() == Class::Mobile && key.name() != MANAGEMENT)?;
        self.table.link_route(path(address), direction)
    }

    /// Has a link go on: its half hears what becomes of it.
    ///
    /// # Errors
    /// When nobody is there whom its route leads to.
    pub fn handle_link(&mut self, going: Going) -> Result<(), NoRoute> {
        let Going { from, half, address, came_over, attaching } = going;
        let key = self.link_route(&address, half).ok_or(NoRoute)?.clone();
        let passage = self.passage_of(came_over);
        let spread = &mut self.chosen.spread;
        let target = match choose_link(&self.table, &key, &passage, spread).ok_or(NoRoute)? {
            Target::Consumer(consumer) => LinkTarget::Container(consumer),
            Target::Router { link, .. } => LinkTarget::Router(link),
        };
        let said = Box::new(Said { from, word: Word::Attach(Box::new(attaching)) });
        match target.shard() {
            shard if shard == self.own.shard => self.attach_through(target, said),
            shard => self.out.lanes.push(shard, Crossing::Attach { target, said }),
        }
        Ok(())
    }

    /// Tells a half of a link what the other one has to say.
    pub fn handle_said(&mut self, to: LinkKey, said: Said) {
        let said = Box::new(said);
        match to.shard {
            shard if shard == self.own.shard => self.out.told.push((to, Event::Through(said))),
            shard => self.out.lanes.push(shard, Crossing::Through { to, said }),
        }
    }

    /// Has a link be attached on a connection of this shard.
    pub(crate) fn attach_through(&mut self, target: LinkTarget, mut said: Box<Said>) {
        let connection = match target {
            LinkTarget::Container(consumer) => self.containers.get(consumer).map(|destination| {
                if let Word::Attach(attaching) = &mut said.word {
                    attaching.rewrite = destination.route.rewrite.clone();
                }
                destination.connection
            }),
            LinkTarget::Router(link) => self.neighbours.by_link.get(&link).copied(),
        };
        match connection {
            Some(connection) => {
                self.out.told.push((connection_key(self.own.shard, connection), Event::Through(said)));
            }
            // The table was behind.
            None => {
                let (to, from) = (said.from, connection_key(self.own.shard, 0));
                self.handle_said(to, Said { from, word: Word::Lost });
            }
        }
    }

    /// How a link came here.
    fn passage_of(&mut self, came_over: Option<u64>) -> Passage {
        let mut passage = Passage::HERE;
        let neighbour = came_over.and_then(|connection| self.neighbours.of_connection(connection));
        let routes: &Routes = self.table.routes();
        if let Some(router) = neighbour.and_then(|neighbour| routes.index(neighbour.id.as_str())) {
            passage.passed.insert(router);
        }
        passage
    }
}

/// What events for a connection are addressed to.
pub(crate) fn connection_key(shard: u16, connection: u64) -> LinkKey {
    let place = Place::from_bits(connection);
    let generation = u16::try_from(place.generation()).unwrap_or_default();
    LinkKey::at(Port::Connection, shard, generation, place.slot())
}
