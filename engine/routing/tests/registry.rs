//! The registry with neighbours that have much to say.

use std::sync::Arc;

use engine_router::address::Key;
use engine_router::control::{Announced, Body, Changes, Control, Destination, decode};
use engine_router::network::{Config, LinkId, Network, Timers};
use engine_router::table::{Addresses, Consumer, ConsumerId, Place, Rules, Table};
use engine_router::{RouterId, Treatment};
use engine_routing::limits::LEARNED_MAX;
use engine_routing::{Answer, Changed, Note, Order, Registry};

const SECOND: u64 = 1_000_000_000;
/// Addresses of a long list: those of ten tables.
const LONG: usize = 10 * LEARNED_MAX;

fn id(text: &str) -> RouterId {
    RouterId::new(text).expect(text)
}

fn key(name: &str) -> Key {
    Key::read(&format!("M0{name}")).expect(name)
}

fn announced(names: impl IntoIterator<Item = String>) -> Vec<Announced> {
    names.into_iter().map(|name| Announced { key: key(&name), treatment: Some(Treatment::Balanced) }).collect()
}

fn long_list() -> Changes {
    Changes::All(announced((0..LONG).map(|number| format!("orders.{number}"))))
}

fn one(name: &str) -> Changes {
    Changes::Since { added: announced([name.to_owned()]), deleted: Vec::new() }
}

/// The registry of router A, and what it said.
struct World {
    registry: Registry,
    table: Option<Table>,
    now: u64,
    stands: Vec<ConsumerId>,
    heard: Vec<(LinkId, usize)>,
    said: Vec<(LinkId, Control)>,
}

impl World {
    /// With these neighbours, the first of which has link 0.
    fn new(neighbours: &[&str]) -> Self {
        let network = Network::new(Config { id: id("A"), instance: 1, timers: Timers::default() });
        let addresses = Addresses::new(Arc::new(Rules::new([], Treatment::Balanced)), 7);
        let registry = Registry::new(addresses, 1, Some(network));
        let mut world = Self { registry, table: None, now: 0, stands: Vec::new(), heard: Vec::new(), said: Vec::new() };
        for (link, name) in (0..).zip(neighbours) {
            world.registry.handle_note(Note::Joined { link: LinkId(link), neighbour: id(name), cost: 1 }, 0);
            world.say(link, name, Body::Hello { instance: Some(1), seen: vec![id("A")] }, &Destination::Neighbours);
            world.advertise(link, name, 1);
        }
        world.now = SECOND;
        world.turn();
        world
    }

    /// A neighbour says something; gives its octets.
    fn say(&mut self, link: u64, name: &str, body: Body, to: &Destination) -> usize {
        let message = Control { id: id(name), body }.encode(to);
        let octets = message.len();
        self.registry.handle_note(Note::Said { link: LinkId(link), message }, self.now);
        octets
    }

    fn advertise(&mut self, link: u64, name: &str, addresses: u64) {
        let body = Body::Advertisement { instance: Some(1), link_state: 1, addresses };
        self.say(link, name, body, &Destination::All);
    }

    fn tell(&mut self, link: u64, name: &str, sequence: u64, changes: Changes) -> usize {
        self.say(link, name, Body::Addresses { sequence, changes }, &Destination::Router(id("A")))
    }

    /// What a host's turn does; gives the number of addresses that are not as they were.
    fn turn(&mut self) -> usize {
        if self.registry.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.registry.handle_time(self.now);
        }
        let mut changed = 0;
        if let Some(update) = self.registry.poll_update() {
            if let Changed::Some { keys, .. } = &update.changed {
                changed = keys.len();
            }
            self.table = Some(update.table);
            self.registry.handle_note(Note::Applied { shard: 0, version: update.version }, self.now);
        }
        while let Some(answer) = self.registry.poll_answer() {
            let Answer::Stands(consumer) = answer else { panic!("there is room") };
            self.stands.push(consumer);
        }
        while let Some(order) = self.registry.poll_order() {
            match order {
                Order::Heard { link, octets } => self.heard.push((link, octets)),
                Order::Say { link, message } => self.said.push((link, decode(&message).expect("a message"))),
                order => panic!("{order:?}"),
            }
        }
        changed
    }

    fn is_busy(&self) -> bool {
        self.registry.deadline().is_some_and(|deadline| deadline <= self.now)
    }

    /// Takes turns until nothing is left to be done now.
    fn settle(&mut self) {
        self.turn();
        while self.is_busy() {
            self.turn();
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.table.as_ref().is_some_and(|table| table.find(&key(name)).is_some())
    }

    /// Numbers that neighbours over a link were asked behind.
    fn asked(&mut self, link: u64) -> Vec<u64> {
        let asked = self
            .said
            .extract_if(.., |(to, said)| *to == LinkId(link) && matches!(said.body, Body::AddressRequest { .. }));
        let known = asked.filter_map(|(_, said)| match said.body {
            Body::AddressRequest { known } => Some(known),
            _ => None,
        });
        known.collect()
    }
}

#[test]
fn what_others_say_and_who_comes_here_do_not_wait_for_a_long_list() {
    let mut world = World::new(&["B", "C"]);
    world.tell(1, "C", 1, Changes::All(Vec::new()));
    world.turn();
    world.heard.clear();
    let octets = world.tell(0, "B", 1, long_list());
    world.tell(1, "C", 2, one("short"));
    let consumer = Consumer { id: ConsumerId(9), place: Place::Client, capacity: 2 };
    world.registry.handle_note(Note::Came { key: key("here"), consumer }, world.now);
    assert!((0..2).all(|_| world.turn() <= LEARNED_MAX + 1));
    assert!(world.knows("short") && world.knows("here"), "with the next table at the latest");
    assert_eq!(world.stands, [ConsumerId(9)]);
    let long = (LinkId(0), octets);
    let mut turns = 0;
    while world.is_busy() {
        assert!(!world.heard.contains(&long), "what waits still takes its neighbour's room");
        assert!(world.turn() <= LEARNED_MAX);
        turns += 1;
    }
    assert!(turns >= 10, "{turns}");
    assert!(world.heard.contains(&long));
    assert_eq!(world.registry.addresses(), LONG + 2);
}

#[test]
fn the_order_of_one_neighbour_is_kept_and_a_newer_list_is_what_holds() {
    let mut world = World::new(&["B"]);
    world.tell(0, "B", 1, long_list());
    world.tell(0, "B", 2, one("behind"));
    for _ in 0..8 {
        world.turn();
    }
    assert!(!world.knows("behind"), "it is behind the list");
    world.tell(0, "B", 5, Changes::All(announced(["new".to_owned(), "orders.3".to_owned()])));
    world.settle();
    assert!(world.knows("new") && world.knows("orders.3"));
    assert_eq!(world.registry.addresses(), 2);
    assert_eq!(world.heard.len(), 5, "each message was heard: {:?}", world.heard);
}

#[test]
fn a_neighbour_that_is_lost_half_way_is_asked_again_when_it_is_back() {
    let mut world = World::new(&["B"]);
    world.tell(0, "B", 1, long_list());
    // All is compared, and a part of it taken.
    for _ in 0..15 {
        world.turn();
    }
    let some = world.registry.addresses();
    assert!(0 < some && some < LONG, "{some}");
    world.registry.handle_note(Note::Parted { link: LinkId(0) }, world.now);
    world.turn();
    assert!(!world.is_busy(), "the rest is not taken");
    assert_eq!(world.registry.addresses(), some);
    world.asked(0);
    world.now += SECOND;
    world.registry.handle_note(Note::Joined { link: LinkId(1), neighbour: id("B"), cost: 1 }, world.now);
    world.say(1, "B", Body::Hello { instance: Some(1), seen: vec![id("A")] }, &Destination::Neighbours);
    world.advertise(1, "B", 1);
    world.now += SECOND;
    world.turn();
    let asked = world.asked(1);
    assert!(!asked.is_empty() && asked.iter().all(|known| *known == 0), "nothing of it counts as known: {asked:?}");
    world.tell(1, "B", 1, long_list());
    world.settle();
    assert_eq!(world.registry.addresses(), LONG);
}
