//! A message's whole road over two routers without sockets: a producer at the first, a consumer at the second, settled from end to end.
//!
//! The rooms are those of one router (`road`), twice; what one writes on the link between them the other one reads in the same turn. That
//! copy stands for the two of a socket.

use std::sync::Arc;

use amqp_bind::{Bind, Caller};
use amqp_codec::performative::{Role, SenderSettleMode};
use amqp_proto::Config;
use engine_core::Core;
use engine_core::limits::CoreConfig;
use engine_home::{AddressRules, Home, HomeConfig, Moves, Peer, Request, Slot};
use engine_router::RouterId;
use engine_router::network::{Config as NetworkConfig, Network, Timers};
use engine_router::table::Addresses;
use engine_routing::Registry;
use engine_rt::Waker;
use engine_shard::Engine;
use node_shell::{Protocol, Turn};

use crate::road::{Sent, accept, batch, connect, give_credit, router, transfers};

/// What a message costs between the two.
const COST: u32 = 1;
/// Steps until both know all: routers speak once in a second.
const STEPS_MAX: u64 = 20;
/// A second.
const SECOND_NS: u64 = 1_000_000_000;

/// A router with its half of the link to the other one.
struct Node {
    turn: Turn<()>,
    registry: Registry,
    /// The connection to the other one.
    link: Slot,
    /// What was written there.
    out: Vec<u8>,
    /// What was written to its client, if somebody looks at that.
    seen: Option<Vec<u8>>,
}

/// What clients were told.
#[derive(Debug, Default)]
pub struct Told {
    /// Octets to the producer.
    pub producer: Vec<u8>,
    /// Octets to the consumer.
    pub consumer: Vec<u8>,
}

/// Two routers, a producer at the first and a consumer at the second.
pub struct Hops {
    first: Node,
    second: Node,
    producer: Slot,
    consumer: Slot,
    transfers: Vec<u8>,
    feedback: Vec<u8>,
    received: u32,
    batch: u32,
    now_ns: u64,
}

impl Hops {
    /// Two routers for messages of `size` octets.
    pub fn new(size: usize) -> Self {
        let sent = Sent::Routed;
        let (mut first, mut second) = (Node::new("A", Going::Out), Node::new("B", Going::In));
        let producer = connect(&mut first.turn, Role::Sender, SenderSettleMode::Unsettled);
        let consumer = connect(&mut second.turn, Role::Receiver, SenderSettleMode::Unsettled);
        let (transfers, batch) = (transfers(size, sent), batch(size));
        let mut hops = Self {
            first,
            second,
            producer,
            consumer,
            transfers,
            feedback: Vec::new(),
            received: 0,
            batch,
            now_ns: SECOND_NS,
        };
        hops.learn();
        hops
    }

    /// The routers find each other, and tell each other of the consumer.
    fn learn(&mut self) {
        self.first.turn.touch(self.first.link);
        for _ in 0..STEPS_MAX {
            self.now_ns += SECOND_NS / 2;
            for _ in 0..4 {
                let (to_second, to_first) = (std::mem::take(&mut self.first.out), std::mem::take(&mut self.second.out));
                self.first.step(self.now_ns, &to_first);
                self.second.step(self.now_ns, &to_second);
            }
        }
    }

    /// Messages of one turn.
    pub fn batch(&self) -> u32 {
        self.batch
    }

    /// One turn: `batch` messages from the producer's bytes to the consumer's, and all that follows.
    pub fn turn(&mut self) {
        let Self { first, second, .. } = self;
        self.feedback.clear();
        if self.received > 0 {
            accept(&mut self.feedback, self.received, self.batch);
        }
        give_credit(&mut self.feedback, self.received, self.batch);
        second.turn.begin(self.now_ns, 0);
        second.turn.receive(self.consumer, &self.feedback);
        second.finish();
        first.turn.begin(self.now_ns, 0);
        first.turn.receive(first.link, &second.out);
        second.out.clear();
        first.turn.receive(self.producer, &self.transfers);
        first.finish();
        second.turn.begin(self.now_ns, 0);
        second.turn.receive(second.link, &first.out);
        first.out.clear();
        second.finish();
        self.received = self.received.wrapping_add(self.batch);
        assert_eq!(
            second.turn.get(self.consumer).map(|entry| entry.protocol.client().messages_out as u32),
            Some(self.received),
            "each message went all the way"
        );
    }

    /// Says what both clients say, of which every socket gives so many octets at a time, each in a turn, until nothing is on the way any
    /// more. What was read is overwritten when its turn is over.
    pub fn exchange(&mut self, producer: &[u8], consumer: &[u8], octets: usize) -> Told {
        let Self { first, second, now_ns, .. } = self;
        (first.seen, second.seen) = (Some(Vec::new()), Some(Vec::new()));
        second.read(self.consumer, consumer, (octets, *now_ns));
        first.read(self.producer, producer, (octets, *now_ns));
        loop {
            let (to_first, to_second) = (std::mem::take(&mut second.out), std::mem::take(&mut first.out));
            // What a turn did not come to is for the next one, also when nothing more comes.
            if to_first.is_empty() && to_second.is_empty() && !(first.go_on(*now_ns) | second.go_on(*now_ns)) {
                break;
            }
            first.read(first.link, &to_first, (octets, *now_ns));
            second.read(second.link, &to_second, (octets, *now_ns));
        }
        let [producer, consumer] = [first, second].map(|node| node.seen.take().unwrap_or_default());
        Told { producer, consumer }
    }

    /// Several turns.
    pub fn turns(&mut self, turns: u32) {
        for _ in 0..turns {
            self.turn();
        }
    }
}

/// Who connects to the other one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Going {
    Out,
    In,
}

impl Node {
    fn new(id: &str, going: Going) -> Self {
        let mut addresses = Addresses::new(Arc::default(), 1);
        let (id, table) = (RouterId::new(id).expect("an id"), addresses.view());
        let core = Core::new(CoreConfig { catalogue: crate::queue::deep(), ..CoreConfig::default() });
        let mesh = engine_shard::mesh(&[Waker::new().expect("a descriptor")]).pop().expect("of one shard");
        let engine = Engine::new(core, mesh, None).with_router(router((0, 1), id.clone(), table));
        let config =
            HomeConfig { addresses: AddressRules::default(), links_max: 100, node_id: String::new(), first_file: 1 };
        let mut turn = Turn::new(Home::new(config, engine), 10);
        let network = Network::new(NetworkConfig { id: id.clone(), instance: 1, timers: Timers::default() });
        let amqp = Arc::new(Config { container_id: id.as_str().to_owned(), ..Config::default() });
        let peer = Peer::Router { cost: COST };
        let bind = match going {
            Going::Out => {
                Bind::connect(amqp, Caller { hostname: "B", credentials: None, user: "B".to_owned(), peer }, 0)
            }
            Going::In => Bind::server(amqp, Moves::Never, 0).with_peer(peer),
        };
        let Ok(link) = turn.insert(Protocol::Amqp(bind), ()) else { panic!("there is room for it") };
        Self { turn, registry: Registry::new(addresses, 1, Some(network)), link, out: Vec::new(), seen: None }
    }

    /// A turn in which nothing comes; gives whether anything was written.
    fn go_on(&mut self, now_ns: u64) -> bool {
        let written = |node: &Self| node.out.len() + node.seen.as_ref().map_or(0, Vec::len);
        let before = written(self);
        self.turn.begin(now_ns, 0);
        self.finish();
        written(self) != before
    }

    /// Reads what came on a connection as the shell does, behind what its binding kept: so many octets in each turn.
    fn read(&mut self, slot: Slot, input: &[u8], (octets, now_ns): (usize, u64)) {
        for piece in input.chunks(octets) {
            let kept = self.turn.get(slot).map(|entry| entry.protocol.kept()).unwrap_or_default();
            let mut bytes = [kept, piece].concat();
            self.turn.begin(now_ns, 0);
            self.turn.receive(slot, &bytes);
            bytes.fill(0xee);
            self.finish();
        }
    }

    /// Reads what the other one wrote, and does what is due.
    fn step(&mut self, now_ns: u64, input: &[u8]) {
        self.turn.begin(now_ns, 0);
        if !input.is_empty() {
            self.turn.receive(self.link, input);
        }
        while let Some(request) = self.turn.poll_request(self.link) {
            if matches!(request, Request::Opened) {
                self.turn.ask_router(self.link);
            }
        }
        self.finish();
        while let Some(note) = self.turn.poll_note() {
            self.registry.handle_note(note, now_ns);
        }
        if self.registry.deadline().is_some_and(|deadline| deadline <= now_ns) {
            self.registry.handle_time(now_ns);
        }
        while let Some(update) = self.registry.poll_update() {
            self.turn.handle_table(update);
        }
        while let Some(answer) = self.registry.poll_answer() {
            self.turn.handle_registered(answer);
        }
        while let Some(order) = self.registry.poll_order() {
            self.turn.handle_router_order(order);
        }
        self.finish();
    }

    /// The second half of a turn, with sockets that take everything; what is for the other one is kept.
    fn finish(&mut self) {
        self.turn.hand_out();
        self.turn.commit();
        while let Some(slot) = self.turn.poll_dirty() {
            while let Some(out) = self.turn.poll_output(slot) {
                if slot == self.link {
                    out.drain_into(&mut self.out);
                } else if let Some(seen) = &mut self.seen {
                    out.drain_into(seen);
                } else {
                    let bytes = out.len();
                    out.advance(bytes);
                }
                if !self.turn.get(slot).is_some_and(|entry| entry.protocol.wants_room()) {
                    break;
                }
            }
            self.turn.handle_written(slot, 0);
        }
        self.turn.flush();
    }
}
