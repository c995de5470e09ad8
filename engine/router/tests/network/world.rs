//! Routers that hear each other at once, for tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine_message::Condition;
use engine_router::RouterId;
use engine_router::address::Key;
use engine_router::network::{Action, Config, LinkId, Network, Notice, Timers};
use engine_router::table::{Addresses, Change, Consumer, ConsumerId, Place, Table};

pub const SECOND: u64 = 1_000_000_000;

pub fn id(text: &str) -> RouterId {
    RouterId::new(text).expect(text)
}

pub fn key(text: &str) -> Key {
    Key::read(text).expect(text)
}

pub fn network(name: &str, instance: u64) -> Network {
    Network::new(Config { id: id(name), instance, timers: Timers::default() })
}

/// Routers and the links between them, each a pair of ends; what one says the other hears at once.
#[derive(Default)]
pub struct World {
    pub now: u64,
    pub routers: BTreeMap<String, Network>,
    pub tables: BTreeMap<String, Addresses>,
    /// The other end of a link's end.
    pub ends: BTreeMap<(String, LinkId), (String, LinkId)>,
    links: u64,
    consumers: u64,
    pub notices: Vec<(String, Notice)>,
    pub closed: Vec<(String, Condition, String)>,
}

impl World {
    pub fn of(names: &[&str]) -> Self {
        let mut world = Self::default();
        names.iter().for_each(|name| world.restart(name, 1));
        world
    }

    /// A router begins a life.
    pub fn restart(&mut self, name: &str, instance: u64) {
        self.routers.insert(name.to_owned(), network(name, instance));
        self.tables.insert(name.to_owned(), Addresses::new(Arc::default(), 7));
    }

    pub fn link(&mut self, one: &str, other: &str, cost: u32) {
        let (near, far) = (LinkId(self.links), LinkId(self.links + 1));
        self.links += 2;
        self.ends.insert((one.to_owned(), near), (other.to_owned(), far));
        self.ends.insert((other.to_owned(), far), (one.to_owned(), near));
        let now = self.now;
        self.router(one).handle_link(near, id(other), cost, now);
        self.router(other).handle_link(far, id(one), cost, now);
        self.drain();
    }

    pub fn cut(&mut self, one: &str, other: &str) {
        let is_between = |(near, far): (&(String, LinkId), &(String, LinkId))| near.0 == one && far.0 == other;
        let near = self.ends.iter().find(|(near, far)| is_between((near, far))).map(|(near, _)| near.clone());
        let near = near.expect("there is a link");
        let far = self.ends.remove(&near).expect("it has two ends");
        self.ends.remove(&far);
        for (name, link) in [near, far] {
            let now = self.now;
            self.router(&name).handle_link_lost(link, now);
        }
        self.drain();
    }

    pub fn router(&mut self, name: &str) -> &mut Network {
        self.routers.get_mut(name).expect(name)
    }

    fn drain(&mut self) {
        let names: Vec<String> = self.routers.keys().cloned().collect();
        loop {
            let mut any = false;
            for name in &names {
                while let Some(action) = self.router(name).poll_action() {
                    any = true;
                    self.carry_out(name, action);
                }
            }
            if !any {
                break;
            }
        }
        self.routers.values().for_each(Network::check);
        self.tables.values().for_each(Addresses::check);
    }

    fn carry_out(&mut self, name: &str, action: Action) {
        match action {
            Action::Send { link, message } => {
                if let Some((to, link)) = self.ends.get(&(name.to_owned(), link)).cloned() {
                    let now = self.now;
                    self.router(&to).handle_message(link, &message, now);
                }
            }
            Action::Close { condition, reason, .. } => self.closed.push((name.to_owned(), condition, reason)),
            Action::Learned { router, changes } => drop(self.table(name).learn(router, changes)),
            Action::Forgotten { router } => drop(self.table(name).forget(router)),
            Action::Notice(notice) => self.notices.push((name.to_owned(), notice)),
            Action::Routes => {
                let routes = Arc::clone(self.router(name).routes());
                self.table(name).set_routes(routes);
            }
        }
    }

    pub fn pass(&mut self, seconds: u64) {
        let end = self.now + seconds * SECOND;
        loop {
            let next = self.routers.values().map(Network::deadline).min().unwrap_or(end);
            if next > end {
                break;
            }
            self.now = next.max(self.now);
            let now = self.now;
            for router in self.routers.values_mut().filter(|router| router.deadline() <= now) {
                router.handle_time(now);
                assert!(router.deadline() > now, "what was due was done");
            }
            self.drain();
        }
        self.now = end;
    }

    /// The cost of the way from one router to another.
    pub fn cost(&self, from: &str, to: &str) -> Option<u64> {
        let routes = self.routers[from].routes();
        routes.path(routes.index(to)?).map(|path| path.cost)
    }

    /// Addresses that one router knows to be at another, in their order.
    pub fn known(&mut self, at: &str, of: &str) -> Vec<String> {
        let index = self.routers[at].routes().index(of).expect("it is known");
        let table = self.view(at);
        let known = table.iter().filter(|(_, address)| address.routers.contains(index));
        let mut known: Vec<String> = known.map(|(key, _)| key.as_str().to_owned()).collect();
        known.sort_unstable();
        known
    }

    /// A consumer comes to a router; what is the first of its address is announced.
    pub fn announce(&mut self, at: &str, address: &str) -> ConsumerId {
        let (id, now) = (ConsumerId(self.consumers), self.now);
        self.consumers += 1;
        let consumer = Consumer { id, place: Place::Client, capacity: 2 };
        if let Change::First(treatment) = self.table(at).add(&key(address), consumer) {
            assert!(self.router(at).announce(key(address), treatment, now));
        }
        id
    }

    /// The last consumer of an address leaves a router.
    pub fn withdraw(&mut self, at: &str, address: &str) {
        let now = self.now;
        let table = self.view(at);
        let consumer = table.find(&key(address)).and_then(|address| address.local.first()).expect("there is one").id;
        if self.table(at).remove(&key(address), consumer) == Change::Last {
            self.router(at).withdraw(&key(address), now);
        }
    }

    pub fn table(&mut self, name: &str) -> &mut Addresses {
        self.tables.get_mut(name).expect(name)
    }

    pub fn view(&mut self, name: &str) -> Table {
        self.table(name).view()
    }
}
