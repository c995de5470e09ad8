//! A node that is a router: the product's own bindings, homes and shards' parts of the router, with the registry between them.
//!
//! Guarantees: what a shard tells the registry it hears in that order; what it tells shards they find in their inboxes. Not here: how a shard
//! has its turn (`shard`), and when (`world`).

use std::collections::VecDeque;
use std::sync::Arc;

use engine_catalogue::{Catalogue, Placement};
use engine_core::Core;
use engine_core::limits::CoreConfig;
use engine_core::through::Rewrite;
use engine_home::{AddressRules, HomeConfig, Moves};
use engine_router::address::{Class, Key, Mode};
use engine_router::matching::Pattern;
use engine_router::network::{Config, Network, Timers};
use engine_router::table::{Addresses, Rule, Rules, Table};
use engine_router::{RouterId, Treatment};
use engine_routing::{Answer, LinkRoute, Note, Registry, Router, RouterConfig, RouterTotals, Via};
use engine_rt::Waker;
use engine_shard::{Engine, mesh_of};
use test_support::Chance;

use super::shape::{LINKED, NodeShape};
use crate::linking::{CONTAINERS, Host};
use crate::shard::{Accepts, Moment, Post, Rest, Shard};
use crate::wire::{Wire, wire};

/// Octets of memory for messages under way of one node: more than a run ever has.
const MEMORY_BYTES: u64 = 256 << 20;
/// Milliseconds in nanoseconds.
const MS: u64 = 1_000_000;
/// How often routers speak: a twentieth of what is usual, so that a run has time for what follows.
pub const TIMERS: Timers = Timers {
    hello_ns: 50 * MS,
    hello_age_ns: 150 * MS,
    advertise_ns: 1_500 * MS,
    advertise_flux_ns: 200 * MS,
    link_state_age_ns: 3_000 * MS,
    gather_ns: 50 * MS,
    compute_ns: 5 * MS,
    answer_ns: 50 * MS,
};

/// One node.
pub struct Node {
    /// Its number.
    pub number: usize,
    /// How it is set up.
    pub shape: NodeShape,
    has_containers: bool,
    /// None while it does not run.
    pub shards: Vec<Shard>,
    registry: Option<Registry>,
    /// The newest table.
    table: Option<Table>,
    notes: VecDeque<Note>,
    starts: u64,
}

impl Node {
    /// One that does not run yet.
    pub fn new(number: usize, shape: NodeShape, has_containers: bool) -> Self {
        Self {
            number,
            shape,
            has_containers,
            shards: Vec::new(),
            registry: None,
            table: None,
            notes: VecDeque::new(),
            starts: 0,
        }
    }

    /// Its name in the network.
    pub fn id(&self) -> RouterId {
        RouterId::new(&format!("r{}", self.number)).expect("a name")
    }

    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        !self.shards.is_empty()
    }

    /// Starts it.
    pub fn start(&mut self) {
        self.starts += 1;
        let NodeShape { mode, shards, lane, frame, window, stream_above, capacity, .. } = self.shape;
        let rules = [("multicast", Treatment::Multicast), ("balanced", Treatment::Balanced)];
        let rules =
            rules.map(|(prefix, treatment)| (Pattern::of_prefix(prefix).expect("a prefix"), Rule::of(treatment)));
        let seed = 7 + self.number as u64;
        let mut addresses = Addresses::new(Arc::new(Rules::new(rules, Treatment::Closest)), seed);
        let routes = self.link_routes();
        addresses.declare_link_routes(routes.iter().map(|route| route.key.clone()));
        let (table, id) = (addresses.view(), self.id());
        let network = (mode == Mode::Interior)
            .then(|| Network::new(Config { id: id.clone(), instance: self.starts, timers: TIMERS }));
        self.table = Some(table.clone());
        let registry = Registry::new(addresses, shards, network);
        self.registry = Some(if mode == Mode::Edge { registry.at_the_edge() } else { registry });
        let amqp = amqp_proto::Config {
            container_id: id.as_str().to_owned(),
            max_frame_size: frame,
            incoming_window: window,
            idle_timeout_ms: 0,
            stream_above,
            ..amqp_proto::Config::default()
        };
        let moves = if self.number.is_multiple_of(2) { Moves::ToOwner } else { Moves::Never };
        let accepts = Accepts { amqp: Arc::new(amqp), moves };
        let wakers: Vec<Waker> = (0..shards).map(|_| Waker::new().expect("a descriptor")).collect();
        let catalogue = Arc::new(Catalogue::new(Placement::new(shards)));
        for (mesh, waker) in mesh_of(&wakers, lane).into_iter().zip(wakers) {
            let shard = mesh.shard();
            let core = Core::new(CoreConfig { shard, catalogue: Arc::clone(&catalogue), ..CoreConfig::default() });
            let memory_bytes = MEMORY_BYTES / u64::from(shards);
            let (id, table) = (id.clone(), table.clone());
            let router = Router::new(RouterConfig { shard, shards, id, table, capacity, memory_bytes, mode });
            let router = router.with_link_routes(Arc::clone(&routes));
            let engine = Engine::new(core, mesh, None).with_router(router);
            let node_id = format!("{}.{}", self.number, self.starts);
            let home = HomeConfig { addresses: AddressRules::default(), links_max: 4096, node_id, first_file: 0 };
            self.shards.push(Shard::new(engine, home, accepts.clone(), waker));
        }
    }

    fn link_routes(&self) -> Arc<[LinkRoute]> {
        // Whoever has no route of links before it hears of one takes a link for one to an address.
        let via = self.has_containers.then(|| Via::Name(CONTAINERS.to_owned()));
        let route = |class| LinkRoute {
            key: Key::of_class(class, LINKED).expect("a key"),
            via: via.clone(),
            rewrite: Rewrite::default(),
        };
        match self.shape.mode {
            Mode::Interior => [Class::PrefixIn, Class::PrefixOut].map(route).into(),
            Mode::Edge => [].into(),
        }
    }

    /// It ends without being asked.
    pub fn crash(&mut self) {
        self.shards.clear();
        self.registry = None;
        self.notes.clear();
    }

    /// It is asked to stop.
    pub fn stop(&mut self, now_ns: u64) {
        self.shards.iter_mut().for_each(|shard| shard.stop(now_ns));
    }

    /// Whether it was asked to stop, and has.
    pub fn has_stopped(&self) -> bool {
        self.is_up() && self.shards.iter().all(|shard| shard.rest() == Rest::Stopped)
    }

    /// A connection of one of its doors, whose other end is given.
    pub fn connect(&mut self, shard: usize, door: crate::linking::Door, now_ns: u64) -> Option<Wire> {
        let (ours, socket) = wire(self.shape.ahead);
        self.shards.get_mut(shard)?.admit(Host { socket, door }, now_ns);
        Some(ours)
    }

    /// Gives a shard its turn if there is anything for it.
    pub fn turn(&mut self, shard: usize, chance: &mut Chance, now_ns: u64) -> Option<Rest> {
        let at = Moment { now_ns, wall_ms: crate::node::wall_ms(now_ns) };
        let running = self.shards.get_mut(shard)?;
        let turned = running.run(None, chance, at).expect("there is no journal that could fail");
        self.notes.extend(running.take_notes());
        let (rest, leaving) = (running.rest(), running.take_leaving());
        leaving.into_iter().for_each(|moving| moving.arrive(&mut self.shards));
        turned.then_some(rest)
    }

    /// Whether the registry has something to hear.
    pub fn has_notes(&self) -> bool {
        !self.notes.is_empty()
    }

    /// When the registry is to be looked at even if it hears nothing, nanoseconds.
    pub fn registry_deadline(&self) -> Option<u64> {
        self.registry.as_ref().and_then(Registry::deadline)
    }

    /// The registry hears of up to `most` things, and tells what follows from them.
    pub fn advise(&mut self, most: usize, now_ns: u64) {
        let Some(registry) = &mut self.registry else { return };
        for note in self.notes.drain(..most.min(self.notes.len())) {
            registry.handle_note(note, now_ns);
        }
        if registry.deadline().is_some_and(|deadline| deadline <= now_ns) {
            registry.handle_time(now_ns);
        }
        if let Some(update) = registry.poll_update() {
            self.table = Some(update.table.clone());
            self.shards.iter_mut().for_each(|shard| shard.post(Post::Table(Box::new(update.clone()))));
        }
        while let Some(answer) = registry.poll_answer() {
            let (Answer::Stands(consumer) | Answer::Refused(consumer)) = answer;
            self.shards[usize::from(consumer.shard())].post(Post::Registered(answer));
        }
        while let Some(order) = registry.poll_order() {
            self.shards[usize::from(order.shard())].post(Post::Order(Box::new(order)));
        }
        while registry.poll_notice().is_some() || registry.poll_uplink_notice().is_some() {}
    }

    /// Whether a shard has something to do, or was woken.
    pub fn is_awake(&self, shard: usize) -> bool {
        self.shards.get(shard).is_some_and(|shard| shard.rest() != Rest::Stopped && shard.is_awake())
    }

    /// The table that its registry made last.
    pub fn table(&self) -> &Table {
        self.table.as_ref().expect("it was started")
    }

    /// Each shard's part of the router.
    pub fn routers(&self) -> impl Iterator<Item = &Router> {
        self.shards.iter().filter_map(|shard| shard.turn().home().engine().router())
    }

    /// What its parts have and did.
    pub fn totals(&self) -> Vec<RouterTotals> {
        self.routers().map(Router::totals).collect()
    }

    /// Links of its connections.
    pub fn links(&self) -> usize {
        self.shards.iter().map(|shard| shard.turn().home().links().count()).sum()
    }

    /// Asserts what must hold between any two turns.
    pub fn check(&self) {
        for (index, shard) in self.shards.iter().enumerate() {
            let engine = shard.turn().home().engine();
            let router = engine.router().expect("it is a router");
            router.check();
            assert!(router.totals().octets <= router.octets_max(), "messages under way are within their memory");
            for lane in engine.mesh().views().filter(|lane| lane.depth + lane.waiting > 0) {
                let who = if lane.depth > 0 { usize::from(lane.peer) } else { index };
                let at_work = self.shards.get(who).is_some_and(Shard::is_awake);
                assert!(at_work, "shard {who} of node {} sleeps on a lane", self.number);
            }
        }
    }
}
