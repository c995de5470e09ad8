//! Shards with their registry, and everything on its way between them, which moves when a test says so.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use engine_core::command::{Command, ConsumerSpec, DetachMode, Outcome, ProducerSpec, Publish, Settle, Settled};
use engine_core::event::{Event, Refusal};
use engine_core::key::{EndKey, LinkKey, Port};
use engine_core::message::Message;
use engine_core::small::{Lent, Octets, Small};
use engine_core::through::{Going, NoRoute, Said};
use engine_router::address::Mode;
use engine_router::network::LinkId;
use engine_router::table::{Addresses, Rules};
use engine_router::{RouterId, Treatment};
use engine_routing::{Answer, Ask, Changed, Crossing, LinkRoute, Note, Order, Registry, Router, RouterConfig, Update};

/// Deliveries of a link that may be unsettled.
pub const CAPACITY: u32 = 8;

/// What became of a link.
#[derive(Debug, Default)]
pub struct Seen {
    pub end: Option<EndKey>,
    pub refused: Option<Box<Refusal>>,
    pub credit: u32,
    /// What came, in its order: key and body.
    pub came: Vec<(u64, Bytes)>,
    /// What became of deliveries, in the order in which that was told.
    pub settled: Vec<(u32, Outcome)>,
    pub confirmed: Vec<u32>,
    pub drained: Vec<u32>,
    pub revoked: Vec<(u32, u32)>,
    /// Tags of messages that went nowhere and ended their link.
    pub undelivered: Vec<Bytes>,
}

/// Something that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Lane(u16, u16),
    Notes(u16),
    ToShard(u16),
}

enum Told {
    Table(Update),
    Answer(Answer),
}

pub struct World {
    pub routers: Vec<Router>,
    pub registry: Registry,
    lanes: BTreeMap<(u16, u16), VecDeque<Crossing>>,
    notes: BTreeMap<u16, VecDeque<Note>>,
    told: BTreeMap<u16, VecDeque<Told>>,
    pub seen: BTreeMap<LinkKey, Seen>,
    /// What halves of links and connections were told.
    pub said: Vec<(LinkKey, Said)>,
    links: u32,
    /// Messages that crossed lanes.
    pub crossed: usize,
    /// What connections to the interior are asked for.
    pub asked: Vec<(LinkId, Ask)>,
}

impl World {
    pub fn new(shards: u16, treatment: Treatment) -> Self {
        Self::with_rules(shards, Rules::new([], treatment))
    }

    pub fn with_rules(shards: u16, rules: Rules) -> Self {
        Self::with_memory(shards, rules, u64::MAX)
    }

    /// With so much memory for messages on each shard, octets.
    pub fn with_memory(shards: u16, rules: Rules, memory_bytes: u64) -> Self {
        Self::of_mode(shards, rules, memory_bytes, Mode::Interior)
    }

    /// A router at the edge.
    pub fn at_the_edge(shards: u16) -> Self {
        let mut world = Self::of_mode(shards, Rules::new([], Treatment::Balanced), u64::MAX, Mode::Edge);
        world.registry = world.registry.at_the_edge();
        world
    }

    fn of_mode(shards: u16, rules: Rules, memory_bytes: u64, mode: Mode) -> Self {
        let mut addresses = Addresses::new(Arc::new(rules), 7);
        let (table, id) = (addresses.view(), RouterId::new("A").expect("an id"));
        let router = |shard| {
            Router::new(RouterConfig {
                shard,
                shards,
                id: id.clone(),
                table: table.clone(),
                capacity: CAPACITY,
                memory_bytes,
                mode,
            })
        };
        Self {
            routers: (0..shards).map(router).collect(),
            registry: Registry::new(addresses, shards, None),
            lanes: BTreeMap::new(),
            notes: BTreeMap::new(),
            told: BTreeMap::new(),
            seen: BTreeMap::new(),
            said: Vec::new(),
            links: 0,
            crossed: 0,
            asked: Vec::new(),
        }
    }

    /// The same with routes of links, which all shards know of.
    pub fn with_link_routes(mut self, routes: &Arc<[LinkRoute]>) -> Self {
        self.routers = self.routers.into_iter().map(|router| router.with_link_routes(Arc::clone(routes))).collect();
        let mut addresses = Addresses::new(Arc::new(Rules::new([], Treatment::Balanced)), 7);
        addresses.declare_link_routes(routes.iter().map(|route| route.key.clone()));
        let (version, table) = (1, addresses.view());
        self.registry = Registry::new(addresses, self.routers.len() as u16, None);
        self.routers.iter_mut().for_each(|router| {
            router.handle_update(Update { version, table: table.clone(), changed: Changed::All, link_routes: None });
        });
        self
    }

    /// Other routes of links are to hold; gives whether all shards go by them when everything has moved.
    pub fn route_links(&mut self, routes: &[LinkRoute]) -> bool {
        self.registry.handle_note(Note::LinkRouted { routes: Arc::from(routes), number: 1 }, 0);
        assert_eq!(self.registry.poll_ruled(), None, "nobody goes by them yet");
        self.tell();
        self.run_all();
        self.registry.poll_ruled() == Some(1)
    }

    /// Everything moves, what parts were told by a test's own hand too.
    pub fn run_all(&mut self) {
        self.collect();
        self.run();
    }

    /// A half has its link go on.
    pub fn go_on(&mut self, going: Going) -> Result<(), NoRoute> {
        let shard = going.from.shard;
        let gone = self.router(shard).handle_link(going);
        self.collect();
        gone
    }

    fn link(&mut self, shard: u16) -> LinkKey {
        self.links += 1;
        let link = LinkKey::at(Port::Peer, shard, 0, self.links);
        self.seen.insert(link, Seen::default());
        link
    }

    /// A shard's part. What it has to say moves with the next thing that does.
    pub fn router(&mut self, shard: u16) -> &mut Router {
        &mut self.routers[usize::from(shard)]
    }

    pub fn command(&mut self, shard: u16, command: Command) {
        self.router(shard).handle_command(command);
        self.collect();
    }

    pub fn sender(&mut self, shard: u16, address: &str) -> LinkKey {
        self.sender_of(shard, ProducerSpec::of(address))
    }

    pub fn sender_of(&mut self, shard: u16, spec: ProducerSpec) -> LinkKey {
        let link = self.link(shard);
        self.command(shard, Command::AttachProducer { link, spec: Box::new(spec) });
        link
    }

    pub fn receiver(&mut self, shard: u16, address: &str, settle: Settle) -> LinkKey {
        self.receiver_of(shard, ConsumerSpec { settle, ..ConsumerSpec::of(address) })
    }

    pub fn receiver_of(&mut self, shard: u16, spec: ConsumerSpec) -> LinkKey {
        let link = self.link(shard);
        self.command(shard, Command::AttachConsumer { link, spec: Box::new(spec) });
        link
    }

    /// A receiver that stands, with so much credit.
    pub fn standing(&mut self, shard: u16, address: &str, credit: u32) -> LinkKey {
        let link = self.receiver(shard, address, Settle::ByPeer);
        self.run();
        self.grant(link, credit);
        link
    }

    pub fn end(&self, link: LinkKey) -> EndKey {
        self.seen[&link].end.expect("it is attached")
    }

    pub fn grant(&mut self, link: LinkKey, credit: u32) {
        let end = self.end(link);
        self.command(link.shard, Command::Grant { end, credit });
    }

    pub fn send(&mut self, link: LinkKey, delivery: u32, settled: Settled) {
        let (end, message) = (self.end(link), message(delivery));
        let seen = self.seen.get_mut(&link).expect("a link");
        seen.credit = seen.credit.checked_sub(1).expect("it has credit");
        // By turns the ways that a whole message has: a small one that is lent, a small one that is copied, and any.
        let Message { header, format, expires_wall_ms, ref body, .. } = message;
        let small = Small { header, format, expires_wall_ms, front: None, body };
        let lent: &[u8] = if delivery.is_multiple_of(4) { body } else { &[] };
        let router = self.router(link.shard);
        router.lend(Lent::of(lent));
        let is_passed = delivery.is_multiple_of(2) && router.pass_small(end, (delivery, settled), &small);
        router.lend(Lent::default());
        if is_passed {
            return self.collect_from(lent);
        }
        self.command(link.shard, Command::Deliver { end, delivery, settled, message });
    }

    pub fn publish(&mut self, link: LinkKey, address: &str, delivery: u32, settled: Settled) {
        let publish = Box::new(Publish::of(address, message(delivery)));
        self.command(link.shard, Command::Publish { link, delivery, settled, publish });
    }

    /// A relay's link, which its router knows nothing of.
    pub fn relay(&mut self, shard: u16) -> LinkKey {
        self.link(shard)
    }

    /// A relay ends.
    pub fn end_relay(&mut self, link: LinkKey) {
        self.router(link.shard).handle_relay_ended(link);
        self.collect();
    }

    pub fn settle(&mut self, link: LinkKey, key: u64, outcome: Outcome, confirm: Option<u32>) {
        let end = self.end(link);
        self.command(link.shard, Command::Settle { end, key, outcome, confirm });
    }

    pub fn detach(&mut self, link: LinkKey) {
        let end = self.end(link);
        self.command(link.shard, Command::Detach { end, mode: DetachMode::Close });
    }

    /// What a receiver got: numbers of the messages.
    pub fn got(&self, link: LinkKey) -> Vec<u32> {
        let number = |(_, body): &(u64, Bytes)| u32::from_be_bytes(body[..].try_into().expect("four octets"));
        self.seen[&link].came.iter().map(number).collect()
    }

    /// What a shard has told the registry, which does not hear of it.
    pub fn noted(&mut self, shard: u16) -> Vec<Note> {
        self.notes.get_mut(&shard).map(std::mem::take).unwrap_or_default().into()
    }

    /// Takes a message as it is.
    pub fn send_message(&mut self, link: LinkKey, delivery: u32, message: Message) {
        let end = self.end(link);
        self.command(link.shard, Command::Deliver { end, delivery, settled: Settled::Yes, message });
    }

    /// A turn of a shard begins at a time.
    pub fn turn(&mut self, shard: u16, now_ns: u64) {
        self.router(shard).begin_turn(now_ns);
        self.collect();
    }

    /// Has a shard do something, and collects what it says.
    pub fn with(&mut self, shard: u16, step: impl FnOnce(&mut Router)) {
        step(self.router(shard));
    }

    /// A shard is to go by a table.
    pub fn update(&mut self, shard: u16, update: Update) {
        self.router(shard).handle_update(update);
        self.collect();
    }

    /// The registry wants something done.
    pub fn order(&mut self, shard: u16, order: Order) {
        self.router(shard).handle_order(order);
        self.collect();
    }

    /// What is on its way.
    pub fn ways(&self) -> Vec<Way> {
        let lanes = self.lanes.iter().filter(|(_, lane)| !lane.is_empty()).map(|((from, to), _)| Way::Lane(*from, *to));
        let notes = self.notes.iter().filter(|(_, notes)| !notes.is_empty()).map(|(shard, _)| Way::Notes(*shard));
        let told = self.told.iter().filter(|(_, told)| !told.is_empty()).map(|(shard, _)| Way::ToShard(*shard));
        lanes.chain(notes).chain(told).collect()
    }

    /// The next thing of a way arrives.
    pub fn arrive(&mut self, way: Way) {
        match way {
            Way::Lane(from, to) => {
                let crossing =
                    self.lanes.get_mut(&(from, to)).and_then(VecDeque::pop_front).expect("there is something");
                self.router(to).handle_crossing(from, crossing);
            }
            Way::Notes(shard) => {
                let note = self.notes.get_mut(&shard).and_then(VecDeque::pop_front).expect("there is something");
                self.registry.handle_note(note, 0);
                self.tell();
            }
            Way::ToShard(shard) => {
                match self.told.get_mut(&shard).and_then(VecDeque::pop_front).expect("there is something") {
                    Told::Table(update) => self.router(shard).handle_update(update),
                    Told::Answer(answer) => self.router(shard).handle_answer(answer),
                }
            }
        }
        self.collect();
    }

    /// The registry does what is due at its deadline.
    pub fn pass_deadline(&mut self) {
        let deadline = self.registry.deadline().expect("something is due");
        self.registry.handle_time(deadline);
        self.tell();
        self.collect();
    }

    /// Everything arrives.
    pub fn run(&mut self) {
        while let Some(way) = self.ways().first() {
            self.arrive(*way);
        }
    }

    fn tell(&mut self) {
        if let Some(update) = self.registry.poll_update() {
            for shard in 0..self.routers.len() as u16 {
                self.told.entry(shard).or_default().push_back(Told::Table(update.clone()));
            }
        }
        while let Some(order) = self.registry.poll_order() {
            match order {
                Order::Interior { link, ask } => self.asked.push((link, ask)),
                order => self.routers[usize::from(order.shard())].handle_order(order),
            }
        }
        while let Some(answer) = self.registry.poll_answer() {
            let (Answer::Stands(consumer) | Answer::Refused(consumer)) = answer;
            self.told.entry(consumer.shard()).or_default().push_back(Told::Answer(answer));
        }
    }

    pub fn collect(&mut self) {
        self.collect_from(&[]);
    }

    /// The same, when something was read.
    fn collect_from(&mut self, read: &[u8]) {
        for (shard, router) in (0..).zip(&mut self.routers) {
            while router.is_busy() {
                router.proceed();
            }
            router.check();
            while let Some((to, crossing)) = router.poll_crossing() {
                self.crossed += usize::from(matches!(crossing, Crossing::Deliver { .. }));
                self.lanes.entry((shard, to)).or_default().push_back(crossing);
            }
            self.notes.entry(shard).or_default().extend(std::iter::from_fn(|| router.poll_note()));
            for mut told in told_by(router) {
                let events = std::mem::take(&mut told.events);
                for (link, event) in events {
                    if let Event::Through(said) = event {
                        self.said.push((link, *said));
                        continue;
                    }
                    see(self.seen.get_mut(&link).expect("a link"), event, &told, read);
                }
            }
        }
    }
}

/// All that a router tells links.
fn told_by(router: &mut Router) -> Vec<engine_routing::Told> {
    let next = || {
        let mut told = engine_routing::Told::default();
        router.take_told(&mut told);
        (!told.is_empty()).then_some(told)
    };
    std::iter::from_fn(next).collect()
}

fn see(seen: &mut Seen, event: Event, told: &engine_routing::Told, read: &[u8]) {
    match event {
        Event::Attached { end, .. } => seen.end = Some(end),
        Event::Refused { refusal } | Event::Detached { refusal } => seen.refused = Some(refusal),
        Event::Deliver { key, message } => seen.came.push((key, message.body)),
        Event::Relayed { key, message, preface } => {
            seen.came.push((key, told.prefaces[preface as usize].before(&message).body));
        }
        Event::Passed { key, message, preface } => {
            let body = Small::of(&message, &Octets { read, copied: &told.octets }).body;
            let body = match preface {
                Some(preface) => told.prefaces[preface as usize].join(body),
                None => Bytes::copy_from_slice(body),
            };
            seen.came.push((key, body));
        }
        Event::Settled { first, last, outcome } => {
            seen.settled.extend((first..=last).map(|delivery| (delivery, outcome.clone())));
        }
        Event::Confirmed { delivery } => seen.confirmed.push(delivery),
        Event::Credit { credit } => seen.credit += credit,
        Event::Drained { unused } => seen.drained.push(unused),
        Event::Undelivered { tag, .. } => seen.undelivered.push(tag),
        Event::Revoked { asked, taken } => seen.revoked.push((asked, taken)),
        other => panic!("no router says {other:?}"),
    }
}

pub fn message(number: u32) -> Message {
    Message::new(Bytes::copy_from_slice(&number.to_be_bytes()))
}
