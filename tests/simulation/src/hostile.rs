//! Peers that mean harm or know no better: noise, frames that never end, streams that were damaged on the way, transfers without credit,
//! outcomes for what nobody sent.
//!
//! They have a queue of their own, so that nothing that they do to it is owed to anybody. What is shown is that they end nothing but
//! themselves: the node asserts nothing because of them, and everybody else is served.

use std::sync::Arc;

use amqp_codec::frame::ProtocolHeader;
use amqp_codec::performative::{Attach, Role as LinkRole, Target, Terminus};
use amqp_proto::{Config, Connection, DeliveryOutcome, Event, Input, LinkId, Out, Part, Send, Settled};
use test_support::Chance;

use crate::body::Letter;
use crate::kind::Kind;
use crate::model::Durable;
use crate::node::Node;
use crate::wire::{Received, Wire};

/// The queue of those who mean harm.
pub const HOSTILE: &str = "hostile";

/// What a peer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It sends octets of chance.
    Noise,
    /// It begins a frame and sends no more.
    HalfFrame,
    /// It speaks AMQP over a line that damages it.
    Damaged,
    /// It speaks AMQP and pays no heed to credit and numbers.
    Careless,
}

/// One of them.
pub struct Hostile {
    manner: Manner,
    wire: Option<Wire>,
    machine: Option<Connection>,
    out: Out,
    kept: Vec<u8>,
    producer: Option<LinkId>,
    consumer: Option<LinkId>,
}

impl Hostile {
    /// One that the seed chooses.
    pub fn new(chance: &mut Chance) -> Self {
        let manner = chance.of(&[Manner::Noise, Manner::HalfFrame, Manner::Damaged, Manner::Damaged, Manner::Careless]);
        Self {
            manner,
            wire: None,
            machine: None,
            out: Out::default(),
            kept: Vec::new(),
            producer: None,
            consumer: None,
        }
    }

    /// It goes.
    pub fn vanish(&mut self) {
        self.wire = None;
        self.machine = None;
    }

    /// It does something.
    pub fn act(&mut self, node: &mut Node, chance: &mut Chance, now_ns: u64) {
        if self.wire.is_none() {
            return self.connect(node, chance, now_ns);
        }
        if chance.one_in(60) {
            return self.vanish();
        }
        self.listen(now_ns);
        match self.manner {
            Manner::Noise | Manner::HalfFrame => {
                let noise: Vec<u8> = (0..chance.below(100)).map(|_| chance.bits() as u8).collect();
                if self.manner == Manner::Noise {
                    self.send(&noise);
                }
            }
            Manner::Damaged | Manner::Careless => {
                self.speak(chance);
                self.transmit(chance, now_ns);
            }
        }
    }

    fn connect(&mut self, node: &mut Node, chance: &mut Chance, now_ns: u64) {
        let shard = chance.below(node.shards());
        self.wire = node.connect(shard, now_ns);
        (self.producer, self.consumer) = (None, None);
        self.kept.clear();
        self.out = Out::default();
        match self.manner {
            Manner::Noise => {
                if chance.one_in(2) {
                    self.send(&ProtocolHeader::Amqp.bytes());
                }
            }
            Manner::HalfFrame => {
                self.send(&ProtocolHeader::Amqp.bytes());
                self.send(&[0, 0, 1, 0, 2, 0, 0, 0, 0, 0x53, 0x10]);
            }
            Manner::Damaged | Manner::Careless => {
                let config = Config { container_id: HOSTILE.to_owned(), idle_timeout_ms: 0, ..Config::default() };
                let open = config.client_open();
                self.machine = Some(Connection::client(Arc::new(config), open, None, now_ns, &mut self.out));
                self.transmit(chance, now_ns);
            }
        }
    }

    fn listen(&mut self, now_ns: u64) {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let Some(wire) = &self.wire else { return };
            match wire.receive(&mut buffer) {
                Received::Nothing => return,
                Received::End => return self.vanish(),
                Received::Some(count) => self.handle(buffer.get(..count).unwrap_or_default(), now_ns),
            }
        }
    }

    fn handle(&mut self, bytes: &[u8], now_ns: u64) {
        let Some(machine) = &mut self.machine else { return };
        let mut all = std::mem::take(&mut self.kept);
        all.extend_from_slice(bytes);
        let mut input = Input::new(&all);
        while let Some(event) = machine.handle_input(now_ns, &mut input, &mut self.out) {
            match event {
                Event::Opened(_) => {
                    let Some(session) = machine.begin(&mut self.out) else { continue };
                    let attach = |name: &str, role| Attach {
                        source: Some(Terminus::at(HOSTILE).into()),
                        target: Some(Target::Node(Terminus::at(HOSTILE))),
                        ..Attach::new(name, 0, role)
                    };
                    self.producer = machine.attach(session, attach("in", LinkRole::Sender), &mut self.out);
                    self.consumer = machine.attach(session, attach("out", LinkRole::Receiver), &mut self.out);
                }
                Event::Settled(_) => while machine.next_settled().is_some() {},
                Event::Ended(..) | Event::Closed(_) => (self.producer, self.consumer) = (None, None),
                _ => {}
            }
        }
        self.kept = all.get(input.consumed()..).unwrap_or_default().to_vec();
    }

    /// Says something that is well-formed, and mostly senseless.
    fn speak(&mut self, chance: &mut Chance) {
        let Some(machine) = &mut self.machine else { return };
        if let Some(link) = self.producer {
            for key in 0..chance.below(8) as u64 {
                let durable = if chance.one_in(2) { Durable::Yes } else { Durable::No };
                let size = 8 + chance.below(400);
                let body =
                    Letter { message: key, durable, ttl_ms: None, to: None, kind: Kind::default(), size }.encode();
                let settled = if chance.one_in(2) { Settled::Yes } else { Settled::No };
                let send = Send { key, settled, format: 0, prefix: &[], body: &body, part: Part::Whole };
                machine.send(link, send, &mut self.out);
            }
        }
        if let Some(link) = self.consumer {
            match chance.below(5) {
                0 => machine.grant(link, chance.of(&[1, 7, 100, u32::MAX])),
                1 => machine.drain(link),
                2 => {
                    let first = chance.below(40) as u32;
                    let last = first + chance.below(40) as u32;
                    machine.settle(link, first, last, chance_outcome(chance));
                }
                _ => {}
            }
        }
    }

    fn transmit(&mut self, chance: &mut Chance, now_ns: u64) {
        let Some(machine) = &mut self.machine else { return };
        machine.poll_output(now_ns, &mut self.out);
        let mut bytes = Vec::new();
        self.out.drain_into(&mut bytes);
        if !bytes.is_empty() && chance.one_in(4) {
            match self.manner {
                Manner::Damaged => damage(&mut bytes, chance),
                // What was said is said again, with the same numbers.
                _ => bytes.extend_from_within(chance.below(bytes.len())..),
            }
        }
        self.send(&bytes);
    }

    /// Octets that find no room are lost: it does not care.
    fn send(&mut self, bytes: &[u8]) {
        let ended = self.wire.as_ref().is_some_and(|wire| wire.send(bytes).is_none());
        if ended {
            self.vanish();
        }
    }
}

fn chance_outcome(chance: &mut Chance) -> DeliveryOutcome {
    match chance.below(4) {
        0 => DeliveryOutcome::Released,
        1 => DeliveryOutcome::Rejected(None),
        2 => DeliveryOutcome::Modified(Box::default()),
        _ => DeliveryOutcome::Accepted,
    }
}

/// What a bad line does to octets.
fn damage(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.below(bytes.len());
    match chance.below(4) {
        0 => bytes.truncate(at),
        1 => drop(bytes.remove(at)),
        2 => bytes.insert(at, chance.bits() as u8),
        _ => bytes[at] ^= 1 << chance.below(8),
    }
}
