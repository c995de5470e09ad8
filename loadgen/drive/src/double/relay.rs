//! The addresses of a double, and what it does to messages between those who bring and those who take them.
//!
//! Nothing here reads or writes sockets or a clock: connections and times come in as arguments.
//!
//! Guarantees: a message is accepted when it is taken in (for `Delay`: when its time is over); producers are given
//! credit as long as their address has room. Not promised: what a consumer was sent and does not accept is not sent
//! again.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use amqp_codec::AmqpError;
use amqp_proto::{DeliveryOutcome, Part, Send, Settled};
use bytes::{Bytes, BytesMut};
use engine_message::Condition;
use engine_message::section;

use super::attach::Address;
use super::behaviour::Behaviour;
use super::connection::{At, Conn, Conns};
use super::distribution::Delays;
use super::fault::{Fault, Losses};
use super::links::{Link, Links, Producer};
use super::node::{Gift, Kind, Node};
use super::table::{Key, Table};

/// Addresses of a double: as many as a scenario has links.
const NODES_MAX: usize = 200_000;
/// Credit of each producer: several reads of the smallest messages, so that it never waits while there is room.
pub(super) const WINDOW: u32 = 8192;
/// Octets that small messages are copied to together; below what the allocator asks the system for one by one.
const CHUNK: usize = 64 * 1024;
/// How long a message waits to be overtaken, nanoseconds: where nothing follows it comes all the same, in order.
const HOLD_NS: u64 = 50_000_000;

/// What a double did to messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Taken from producers.
    pub taken: u64,
    /// Given to consumers, doubles among them.
    pub given: u64,
    /// Taken and forgotten.
    pub lost: u64,
    /// Given a second time.
    pub duplicated: u64,
    /// Given after a later one of the same producer.
    pub reordered: u64,
    /// Given with an octet changed.
    pub corrupted: u64,
}

/// A message whose time is not over.
#[derive(Debug)]
struct Later {
    at_ns: u64,
    /// Of two with the same time the first goes first.
    number: u64,
    from: At,
    delivery: u32,
    settled: bool,
    node: Key<Node>,
    message: Bytes,
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Later {}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Later {
    /// The one whose time is over first is the greatest: it is on top of the heap.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ns, other.number).cmp(&(self.at_ns, self.number))
    }
}

/// How messages are treated.
#[derive(Debug)]
enum Manner {
    Forget,
    Pass,
    Delay(Delays),
    Spoil(Losses),
}

/// A message as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming<'a> {
    pub at: At,
    pub delivery: u32,
    pub settled: bool,
    pub payload: &'a [u8],
}

/// Addresses, the links to them, and what is under way between them.
pub(super) struct Relay {
    manner: Manner,
    pub links: Links,
    nodes: Table<Node>,
    names: HashMap<String, Key<Node>>,
    active: Vec<Key<Node>>,
    later: BinaryHeap<Later>,
    /// Producers of which a message waits to be overtaken, and until when, nanoseconds.
    holding: VecDeque<(At, u64)>,
    chunk: BytesMut,
    dynamic: u64,
    pub tally: Tally,
}

impl Relay {
    /// Without addresses.
    pub fn new(behaviour: Behaviour) -> Self {
        let manner = match behaviour {
            Behaviour::Sink => Manner::Forget,
            Behaviour::Relay | Behaviour::Stall { .. } => Manner::Pass,
            Behaviour::Delay { distribution, seed } => Manner::Delay(Delays::new(distribution, seed)),
            Behaviour::Lossy(losses) => Manner::Spoil(losses),
        };
        Self {
            manner,
            links: Links::default(),
            nodes: Table::new(NODES_MAX),
            names: HashMap::new(),
            active: Vec::new(),
            later: BinaryHeap::new(),
            holding: VecDeque::new(),
            chunk: BytesMut::new(),
            dynamic: 0,
            tally: Tally::default(),
        }
    }

    /// The node of an address, which is made if it is not there.
    ///
    /// # Errors
    /// When there are too many, or it is of the other kind; says so.
    pub fn node(&mut self, address: &Address) -> Result<Key<Node>, String> {
        let name = address.name.clone().unwrap_or_else(|| {
            self.dynamic += 1;
            format!("dynamic-{}", self.dynamic)
        });
        let Some(&key) = self.names.get(&name) else {
            let node = Node::new(name.clone(), address.kind.unwrap_or(Kind::Queue));
            let key = self.nodes.insert(node).ok_or_else(|| format!("there are {NODES_MAX} addresses already"))?;
            self.names.insert(name, key);
            return Ok(key);
        };
        let is = self.nodes.get_mut(key).map(|node| node.kind);
        match (address.kind, is) {
            (Some(wanted), Some(is)) if wanted != is => {
                Err(format!("{name} is a {} and no {}", is.name(), wanted.name()))
            }
            _ => Ok(key),
        }
    }

    /// The node of a key that is not stale.
    pub fn node_mut(&mut self, key: Key<Node>) -> Option<&mut Node> {
        self.nodes.get_mut(key)
    }

    /// Takes back what a link had here.
    pub fn release(&mut self, at: At, link: Link) {
        let (node, owns) = match link {
            Link::Producer(Producer { node, owns, held, .. }) => {
                self.holding.retain(|(holding, _)| *holding != at);
                if let Some((node, message)) = held {
                    self.put(node, message);
                }
                let Some(node) = node else { return };
                if let Some(node) = self.nodes.get_mut(node) {
                    node.producers.retain(|producer| *producer != at);
                }
                (node, owns)
            }
            Link::Consumer { node, owns, place } => {
                if let Some(node) = self.nodes.get_mut(node) {
                    node.remove_consumer(place);
                }
                (node, owns)
            }
            Link::Coordinator => return,
        };
        if owns && let Some(node) = self.nodes.remove(node) {
            self.names.remove(&node.name);
        }
    }

    /// Notes what a consumer takes.
    pub fn grant(&mut self, at: At, credit: u32, draining: bool) {
        let Some(&mut Link::Consumer { node: key, place, .. }) = self.links.get_mut(at) else { return };
        let Some(node) = self.nodes.get_mut(key) else { return };
        node.grant(place, credit, draining);
        if !std::mem::replace(&mut node.active, true) {
            self.active.push(key);
        }
    }

    /// Takes a message of a producer.
    #[inline]
    pub fn take(&mut self, conn: &mut Conn, incoming: Incoming<'_>, now_ns: u64) {
        let link = incoming.at.link;
        let Some(producer) = self.links.producer_mut(incoming.at) else { return };
        producer.number += 1;
        let (number, node) = (producer.number, producer.node);
        self.tally.taken += 1;
        if let Manner::Forget = self.manner {
            return self.accept(conn, incoming.at, incoming.delivery, incoming.settled, None);
        }
        let Some(node) = node.or_else(|| self.addressed(incoming.payload)) else {
            let why = "the message names no address".to_owned();
            let refusal = DeliveryOutcome::Rejected(Some(Box::new(AmqpError::new(Condition::NotFound, why))));
            if !incoming.settled {
                conn.machine.settle(link, incoming.delivery, incoming.delivery, refusal);
            }
            return conn.machine.grant(link, 1);
        };
        let message = self.copy(incoming.payload);
        match &mut self.manner {
            Manner::Delay(delays) => {
                let at_ns = now_ns + delays.draw();
                let Incoming { at: from, delivery, settled, .. } = incoming;
                let number = self.tally.taken;
                self.later.push(Later { at_ns, number, from, delivery, settled, node, message });
                return;
            }
            Manner::Spoil(losses) => {
                let fault = losses.fault(number);
                self.spoil(incoming.at, (node, message), fault, now_ns);
            }
            Manner::Pass | Manner::Forget => self.put(node, message),
        }
        self.accept(conn, incoming.at, incoming.delivery, incoming.settled, Some(node));
    }

    /// The address that a message names itself.
    fn addressed(&mut self, payload: &[u8]) -> Option<Key<Node>> {
        let sections = section::scan(payload).ok()?;
        let to = section::property_to(payload.get(sections.properties)?).ok()??;
        self.node(&Address { name: Some(to.to_owned()), kind: None }).ok()
    }

    /// A copy that shares its memory with its neighbours.
    #[inline]
    fn copy(&mut self, payload: &[u8]) -> Bytes {
        if payload.len() >= CHUNK / 8 {
            return Bytes::copy_from_slice(payload);
        }
        if self.chunk.capacity() - self.chunk.len() < payload.len() {
            self.chunk = BytesMut::with_capacity(CHUNK);
        }
        self.chunk.extend_from_slice(payload);
        self.chunk.split().freeze()
    }

    #[inline]
    fn put(&mut self, node: Key<Node>, message: Bytes) {
        if let Some(entry) = self.nodes.get_mut(node) {
            entry.put(message);
            if !std::mem::replace(&mut entry.active, true) {
                self.active.push(node);
            }
        }
    }

    /// Accepts a message, and gives its producer credit again while there is room.
    #[inline]
    fn accept(&mut self, conn: &mut Conn, at: At, delivery: u32, settled: bool, node: Option<Key<Node>>) {
        if !settled {
            conn.machine.settle(at.link, delivery, delivery, DeliveryOutcome::Accepted);
        }
        let Some(producer) = self.links.producer_mut(at) else { return };
        producer.owed += 1;
        if producer.owed < WINDOW / 2 {
            return;
        }
        let node = node.and_then(|node| self.nodes.get_mut(node));
        match node.filter(|node| !node.has_room()) {
            Some(full) => full.starving = true,
            None => {
                let owed = std::mem::take(&mut producer.owed);
                conn.machine.grant(at.link, owed);
            }
        }
    }

    /// Puts a message as a fault wants it.
    fn spoil(&mut self, at: At, (node, message): (Key<Node>, Bytes), fault: Fault, now_ns: u64) {
        let Some(producer) = self.links.producer_mut(at) else { return };
        match fault {
            Fault::Lose => {
                self.tally.lost += 1;
                return;
            }
            Fault::Corrupt => {
                let mut octets = message.to_vec();
                if let Some(last) = octets.last_mut() {
                    *last ^= 0x55;
                }
                self.tally.corrupted += 1;
                // Nobody may know whose it was: it overtakes nobody.
                return self.put(node, octets.into());
            }
            Fault::Reorder if producer.held.is_none() => {
                producer.held = Some((node, message));
                self.holding.push_back((at, now_ns + HOLD_NS));
                return;
            }
            Fault::Duplicate => {
                self.tally.duplicated += 1;
                self.put(node, message.clone());
            }
            Fault::None | Fault::Reorder => {}
        }
        let held = self.links.producer_mut(at).and_then(|producer| producer.held.take());
        self.put(node, message);
        if let Some((node, overtaken)) = held {
            self.tally.reordered += 1;
            self.holding.retain(|(holding, _)| *holding != at);
            self.put(node, overtaken);
        }
    }

    /// When `handle_time` has something to do, nanoseconds.
    pub fn deadline(&self) -> Option<u64> {
        let later = self.later.peek().map(|later| later.at_ns);
        let held = self.holding.front().map(|(_, until_ns)| *until_ns);
        later.into_iter().chain(held).min()
    }

    /// Accepts and puts messages whose time is over, and those that nothing followed.
    pub fn handle_time(&mut self, now_ns: u64, conns: &mut Conns) {
        while self.later.peek().is_some_and(|later| later.at_ns <= now_ns)
            && let Some(later) = self.later.pop()
        {
            self.put(later.node, later.message);
            // The producer may be gone; what it sent was taken all the same.
            if let Some(conn) = conns.touch(later.from.conn) {
                self.accept(conn, later.from, later.delivery, later.settled, Some(later.node));
            }
        }
        while let Some((at, _)) = self.holding.pop_front_if(|(_, until_ns)| *until_ns <= now_ns) {
            if let Some((node, message)) = self.links.producer_mut(at).and_then(|producer| producer.held.take()) {
                self.put(node, message);
            }
        }
    }

    /// Gives to consumers what can be given, and credit to producers that waited for room.
    pub fn dispatch(&mut self, conns: &mut Conns) {
        while let Some(key) = self.active.pop() {
            let Some(node) = self.nodes.get_mut(key) else { continue };
            node.active = false;
            let given = &mut self.tally.given;
            node.dispatch(|at, gift| {
                let Some(conn) = conns.touch(at.conn) else { return };
                match gift {
                    Gift::Message(body) => {
                        *given += 1;
                        let whole = Part::Whole;
                        let send =
                            Send { key: 0, settled: Settled::No, format: 0, prefix: &[], body: &body, part: whole };
                        conn.machine.send(at.link, send, &mut conn.out);
                    }
                    Gift::Drained => conn.machine.drained(at.link),
                }
            });
            if node.starving && node.has_room() {
                node.starving = false;
                for at in &node.producers {
                    let Some(conn) = conns.touch(at.conn) else { continue };
                    let Some(producer) = self.links.producer_mut(*at) else { continue };
                    let owed = std::mem::take(&mut producer.owed);
                    conn.machine.grant(at.link, owed);
                }
            }
        }
    }
}
