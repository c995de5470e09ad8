//! The router of a node: what each shard's part of it is told, and the thread that makes the table of all.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine_router::RouterId;
use engine_router::address::Mode;
use engine_router::auto_links::AutoLink;
use engine_router::matching::Pattern;
use engine_router::network::{Network, Timers};
use engine_router::table::{Addresses, Rule, Rules, Table};
use engine_routing::{LinkRoute, Note, Registry, Router, RouterConfig, Update};
use engine_rt::InboxSender;
use node_shell::{Post, registry};

use crate::config::Role;
use crate::node::Silent;

/// The table that the registry made last, for threads that only look.
#[derive(Clone, Debug)]
pub struct Newest(Arc<Mutex<Table>>);

impl Newest {
    /// A copy, which shares all of it.
    pub fn table(&self) -> Table {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, table: &Table) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = table.clone();
    }
}

/// What a router is told.
#[derive(Clone, Debug)]
pub struct Routing {
    /// Its name in its network.
    pub id: RouterId,
    /// What holds for addresses, by their number.
    pub rules: Vec<(Pattern, Rule)>,
    /// What holds for all others.
    pub otherwise: Rule,
    /// Deliveries of a link that may be unsettled, from 1.
    pub capacity: u32,
    /// How often it speaks to other routers, if it is one of a network.
    pub network: Option<Timers>,
    /// What kind of router it is.
    pub mode: Mode,
    /// Links that go to containers whole.
    pub link_routes: Arc<[LinkRoute]>,
    /// Links that it attaches itself, by their number.
    pub auto_links: Arc<[AutoLink]>,
    /// Whose connections those may be for: connectors and listeners by name.
    pub ends: Arc<[(String, Role)]>,
    /// Octets of memory for messages that are under way, of all shards together. What queues have is the rest of the node's.
    pub memory_bytes: u64,
}

/// Where what holds for addresses, and for links that go to containers, is changed while the router runs.
#[derive(Debug)]
pub struct Ruling {
    notes: flume::Sender<Note>,
    ruled: flume::Receiver<u64>,
    /// Of the rules that were told last.
    number: u64,
}

/// How long all shards may take to go by other rules: they do in the turn that follows.
const RULED_WITHIN: Duration = Duration::from_secs(5);

/// Rules that shards went by while nobody waited for it: more than are told before somebody asks again. Further ones are not told.
const RULED_MAX: usize = 16;

impl Ruling {
    /// Has other rules hold, and waits until all shards go by them.
    ///
    /// # Errors
    /// When that is not so in time: they hold on shards that go on.
    pub fn rule(&mut self, rules: Rules) -> Result<(), Silent> {
        let rules = Arc::new(rules);
        self.tell(|number| Note::Ruled { rules, number })
    }

    /// Has other routes of links hold, instead of those before, and waits until all shards go by them and reach who is there for them.
    ///
    /// # Errors
    /// As `rule`.
    pub fn route_links(&mut self, routes: Arc<[LinkRoute]>) -> Result<(), Silent> {
        self.tell(|number| Note::LinkRouted { routes, number })
    }

    fn tell(&mut self, note: impl FnOnce(u64) -> Note) -> Result<(), Silent> {
        self.number += 1;
        // Those that nobody waited for long enough.
        self.ruled.drain();
        self.notes.send(note(self.number)).map_err(|_| Silent)?;
        let until = Instant::now() + RULED_WITHIN;
        while self.ruled.recv_deadline(until).map_err(|_| Silent)? < self.number {}
        Ok(())
    }
}

/// A router before its shards run.
pub struct Prepared {
    routing: Routing,
    table: Table,
    newest: Newest,
    registry: Registry,
    shards: u16,
    notes: (flume::Sender<Note>, flume::Receiver<Note>),
    ruled: (flume::Sender<u64>, flume::Receiver<u64>),
}

impl Prepared {
    /// Octets of memory that all of its shards may have together beside queues; none if there are none.
    pub fn memory_beside_queues(&self) -> u64 {
        if self.table.rules().keep_some() { self.routing.memory_bytes } else { 0 }
    }

    /// The router of a node of so many shards.
    pub fn new(routing: Routing, shards: u16) -> Self {
        let seed = RandomState::new().hash_one(std::process::id());
        let rules = Rules::new(routing.rules.iter().cloned(), routing.otherwise);
        let mut addresses = Addresses::new(Arc::new(rules), seed);
        addresses.declare_link_routes(routing.link_routes.iter().map(|route| route.key.clone()));
        let table = addresses.view();
        let network = routing.network.map(|timers| {
            let instance = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            Network::new(engine_router::network::Config { id: routing.id.clone(), instance, timers })
        });
        let registry = Registry::new(addresses, shards, network);
        let registry = match routing.mode {
            Mode::Interior => registry,
            Mode::Edge => registry.at_the_edge(),
        };
        let newest = Newest(Arc::new(Mutex::new(table.clone())));
        Self { routing, table, newest, registry, shards, notes: flume::unbounded(), ruled: flume::bounded(RULED_MAX) }
    }

    /// Where the newest table is.
    pub fn newest(&self) -> Newest {
        self.newest.clone()
    }

    /// Where shards tell of their consumers.
    pub fn notes(&self) -> flume::Sender<Note> {
        self.notes.0.clone()
    }

    /// Where what holds for addresses is changed. The thread that makes the table runs as long as this is there.
    pub fn ruling(&self) -> Ruling {
        Ruling { notes: self.notes.0.clone(), ruled: self.ruled.1.clone(), number: 0 }
    }

    /// What makes a shard's part.
    pub fn router(&self, shard: u16) -> impl FnOnce() -> Router + Send + 'static {
        let (config, link_routes) = (self.config(shard), Arc::clone(&self.routing.link_routes));
        move || Router::new(config).with_link_routes(link_routes)
    }

    fn config(&self, shard: u16) -> RouterConfig {
        let Routing { id, capacity, memory_bytes, mode, .. } = &self.routing;
        let (id, table, shards) = (id.clone(), self.table.clone(), self.shards);
        let memory_bytes = memory_bytes / u64::from(shards.max(1));
        RouterConfig { shard, shards, id, table, capacity: *capacity, memory_bytes, mode: *mode }
    }

    /// Starts the thread that makes the table; it ends when no shard is left.
    ///
    /// # Errors
    /// When the system has no thread.
    pub fn start(self, shards: Vec<InboxSender<Post>>) -> io::Result<()> {
        let Self { registry, newest, notes: (_, notes), ruled: (ruled, _), .. } = self;
        let look = move |update: &Update| newest.set(&update.table);
        // Whoever waits for a number waits for the last one: where there is no room nobody waits.
        let ruled = move |number| {
            let _ = ruled.try_send(number);
        };
        let serve = move || registry::serve(registry, &notes, &shards, (look, ruled));
        std::thread::Builder::new().name("router".to_owned()).spawn(serve)?;
        Ok(())
    }
}
