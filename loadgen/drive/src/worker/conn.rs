//! One connection of a worker, from the first octet to the last, as often as it is made.
//!
//! A connection goes `Down` -> `Connecting` -> `Opening` -> `Attaching` -> `Up`, and from there, when it is made to, `Leaving` ->
//! `Closing` -> `Down`. Whatever the server or the network do in between breaks it: it is `Down`, `broken` says why, and what was on
//! its way is in doubt.
//!
//! Guarantees: octets of the server break the connection at worst; each stage but `Down` and `Up` has a time by which it is over.

use std::io;
use std::sync::Arc;

use amqp_codec::performative::Open;
use amqp_proto::{Config, Connection, Input, LinkId, SessionId};
use engine_message::value::Value;
use engine_rt::{Interest, Readiness, Ready, monotonic_ns};
use engine_tls::TlsClient;
use load_model::chance::{Chance, Purpose};

use super::consumer::{Came, Consumer};
use super::plan::Planned;
use super::producer::{Producer, Stop};
use super::shared::Shared;
use super::wakes::Who;
use crate::client::{Progress, Received, Server, Wire};

/// How long a connection may take to be made, and to be closed, nanoseconds.
const CONNECT_NS: u64 = 10_000_000_000;
/// How long opening it and attaching all its links may take.
const ATTACH_NS: u64 = 20_000_000_000;
/// How long what is under way on a connection that is closed on purpose may take to end: then it is in doubt.
pub(super) const LEAVE_NS: u64 = 2_000_000_000;
/// How long the server may take to answer a close.
const CLOSE_NS: u64 = 500_000_000;
/// The first wait before a broken connection is made again, nanoseconds; each is twice the one before, up to that of the scenario.
const BACK_OFF_NS: u64 = 20_000_000;
/// How often output is filled and written in one turn, at most: other connections have theirs.
const ROUNDS_MAX: u32 = 8;

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is none; it is made when its time has come.
    Down,
    /// The socket connects.
    Connecting,
    /// TLS, SASL and open.
    Opening,
    /// Links are attached.
    Attaching,
    /// Messages flow.
    Up,
    /// Nothing new is begun; what is under way ends.
    Leaving,
    /// It is closed, the server has not answered.
    Closing,
}

/// Whose a link is, by its handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A producer's.
    Producer(usize),
    /// A consumer's.
    Consumer(usize),
    /// That of a producer to the coordinator of its transactions.
    Coordinator(usize),
    /// That of a consumer for its replies.
    Relay(usize),
}

/// What there is while there is a socket.
pub(super) struct Live {
    pub(super) wire: Wire,
    pub(super) machine: Connection,
    pub(super) session: Option<SessionId>,
    pub(super) ends: Vec<End>,
    pub(super) links: Vec<LinkId>,
    /// Links that the server has not answered.
    pub(super) asked: usize,
    /// Where replies come to, by producer.
    pub(super) reply_to: Vec<Option<String>>,
    /// Consumers whose credit is not used up, while the connection is left.
    pub(super) draining: usize,
    interest: Interest,
}

/// What a worker lends to its connections.
pub(crate) struct Surroundings<'a> {
    /// The system's monotonic time, at the turn's start.
    pub now_ns: u64,
    /// When the run began, by the same clock; far ahead until it is known.
    pub origin_ns: u64,
    /// In the order of `Scenario::every_server`.
    pub servers: &'a [Server],
    /// Whom we trust.
    pub tls: Option<&'a TlsClient>,
    /// What all machines are configured with.
    pub config: &'a Arc<Config>,
    /// Where sockets are heard of.
    pub readiness: &'a Readiness,
}

impl Surroundings<'_> {
    /// Reads the clock for what was read just now: a turn may be long, and its latency belongs to none of its messages.
    pub fn read_clock(&self, shared: &mut Shared) {
        if shared.has_begun {
            shared.now_ns = shared.now_ns.max(monotonic_ns().saturating_sub(self.origin_ns));
        }
    }
}

/// One connection.
pub(crate) struct Conn {
    pub(super) index: usize,
    pub(super) planned: Planned,
    pub(super) stage: Stage,
    /// When its stage is over; for `Down`, when it is made.
    pub(super) by_ns: u64,
    pub(super) live: Option<Live>,
    /// In the order of their groups.
    pub producers: Vec<Producer>,
    /// Its consumers; those of replies stand at their producers' places.
    pub consumers: Vec<Consumer>,
    /// Why it broke; the worker takes it.
    pub broken: Option<String>,
    /// The same until it is made again; empty: it is not broken.
    pub why_down: String,
    /// Whether it broke and was not made again yet; `Absence` takes it.
    pub was_lost: bool,
    /// Whether there is something to write, or to go on with.
    pub is_dirty: bool,
    /// What the server says of itself.
    pub product: String,
    /// Its container id.
    pub container: String,
    attempts: u32,
    chance: Chance,
}

impl Conn {
    /// A connection that is to be made at once.
    pub fn new(index: usize, planned: Planned, seed: u64, producers: Vec<Producer>, consumers: Vec<Consumer>) -> Self {
        let number = planned.numbers.first().copied().unwrap_or_default();
        Self {
            chance: Chance::new(seed, Purpose::BackOff, planned.group, number),
            index,
            planned,
            stage: Stage::Down,
            by_ns: 0,
            live: None,
            producers,
            consumers,
            broken: None,
            why_down: String::new(),
            was_lost: false,
            is_dirty: false,
            product: String::new(),
            container: String::new(),
            attempts: 0,
        }
    }

    /// Its group's place in the scenario.
    pub fn group(&self) -> u32 {
        self.planned.group
    }

    /// Whether there is none and its time has come.
    pub fn is_to_be_made(&self, now_ns: u64) -> bool {
        self.stage == Stage::Down && self.by_ns <= now_ns
    }

    /// Where it is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// How often it was tried since it was there last.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What it says of itself to `host`.
    fn open(&self, config: &Config, host: &str) -> Open {
        let mut open = config.client_open();
        open.container_id = format!("heddle-load-{}-{}", std::process::id(), self.index);
        open.hostname = Some(host.to_owned());
        open.properties.insert("product", Value::String("heddle-load".to_owned()));
        open.properties.insert("version", Value::String(env!("CARGO_PKG_VERSION").to_owned()));
        open
    }

    /// Begins to connect.
    pub fn connect(&mut self, around: &Surroundings<'_>, shared: &mut Shared) {
        let Some(server) = around.servers.get(self.planned.server) else { return };
        let begun = Wire::connect(server, around.tls).and_then(|wire| {
            around.readiness.add(wire.fd(), self.index as u64, Interest::Write)?;
            Ok(wire)
        });
        let mut wire = match begun {
            Ok(wire) => wire,
            Err(error) => return self.fail(&format!("cannot connect to {}: {error}", server.address), around, shared),
        };
        let config = Arc::clone(around.config);
        let open = self.open(&config, &server.host);
        let credentials = Some(server.credentials.clone());
        let machine = Connection::client(config, open, credentials, around.now_ns, &mut wire.out);
        self.live = Some(Live {
            wire,
            machine,
            session: None,
            ends: Vec::new(),
            links: Vec::new(),
            asked: 0,
            reply_to: vec![None; self.producers.len()],
            draining: 0,
            interest: Interest::Write,
        });
        self.enter(Stage::Connecting, around.now_ns + CONNECT_NS);
    }

    pub(super) fn enter(&mut self, stage: Stage, by_ns: u64) {
        (self.stage, self.by_ns) = (stage, by_ns);
    }

    /// Its socket is ready.
    pub fn handle_ready(&mut self, ready: Ready, scratch: &mut [u8], around: &Surroundings<'_>, shared: &mut Shared) {
        if self.stage == Stage::Connecting && (ready.writable() || ready.dead()) {
            self.handle_connected(around, shared);
        }
        if ready.readable() && self.live.is_some() && self.stage != Stage::Connecting {
            self.read(scratch, around, shared);
        }
        // What was read may have been TLS's own, which answers by itself.
        self.is_dirty = true;
    }

    fn handle_connected(&mut self, around: &Surroundings<'_>, shared: &mut Shared) {
        let Some(live) = &self.live else { return };
        if let Err(error) = live.wire.connected() {
            let address = around.servers.get(self.planned.server).map(|server| server.address.to_string());
            let address = address.unwrap_or_default();
            return self.fail(&format!("cannot connect to {address}: {error}"), around, shared);
        }
        self.enter(Stage::Opening, around.now_ns + ATTACH_NS);
        self.is_dirty = true;
    }

    /// Reads once, and takes everything that came.
    fn read(&mut self, scratch: &mut [u8], around: &Surroundings<'_>, shared: &mut Shared) {
        let Some(live) = &mut self.live else { return };
        let bytes = match live.wire.read(scratch) {
            Ok(Received::Bytes(bytes)) => bytes,
            Ok(Received::Nothing) => return,
            Ok(Received::End) => return self.end(around, shared),
            Err(error) => return self.fail(&error.to_string(), around, shared),
        };
        around.read_clock(shared);
        let mut input = Input::new(bytes);
        loop {
            let Some(live) = &mut self.live else { return };
            while let Some(came) = live.machine.next_delivery(around.now_ns, &mut input) {
                if let Some(End::Consumer(place)) = live.ends.get(came.link.handle as usize)
                    && let Some(consumer) = self.consumers.get_mut(*place)
                {
                    let came =
                        Came { delivery: came.delivery, is_settled: came.settled.is_yes(), message: came.payload };
                    consumer.take(&came, &mut live.machine, shared);
                }
            }
            let event = live.machine.handle_input(around.now_ns, &mut input, &mut live.wire.out);
            let Some(event) = event else { break };
            self.handle_event(event, around, shared);
        }
        if let Some(live) = &mut self.live {
            live.wire.keep(bytes.get(input.consumed()..).unwrap_or_default());
            if self.stage == Stage::Closing && live.machine.is_closed() {
                return self.down(around.now_ns);
            }
        }
        self.after_input(shared);
    }

    /// Everything that came was taken: decides on it, and goes on with what waited for it.
    fn after_input(&mut self, shared: &mut Shared) {
        self.is_dirty = true;
        self.finish_consumers(shared);
        self.pump_stopped(shared);
    }

    pub(super) fn finish_consumers(&mut self, shared: &mut Shared) {
        let Some(live) = &mut self.live else { return };
        for (place, consumer) in self.consumers.iter_mut().enumerate() {
            let next_ns = consumer.finish(&mut live.machine, &mut live.wire.out, shared);
            if let Some(at_ns) = next_ns.filter(|_| !consumer.is_waking) {
                consumer.is_waking = true;
                shared.wakes.add(at_ns, Who::Consumer { conn: self.index, place });
            }
        }
    }

    /// A consumer has held a message for long enough.
    pub fn wake_consumer(&mut self, place: usize, shared: &mut Shared) {
        let Some(consumer) = self.consumers.get_mut(place) else { return };
        consumer.is_waking = false;
        self.is_dirty = true;
        self.finish_consumers(shared);
    }

    /// A producer has something due.
    pub fn wake_producer(&mut self, place: usize, shared: &mut Shared) {
        if let Some(producer) = self.producers.get_mut(place) {
            producer.is_waking = false;
        }
        self.pump(place, shared);
    }

    /// Goes on with the producers that the server or the output stopped.
    pub(super) fn pump_stopped(&mut self, shared: &mut Shared) {
        for place in 0..self.producers.len() {
            if self.producers.get(place).is_some_and(|producer| matches!(producer.stopped, Stop::Held | Stop::Full)) {
                self.pump(place, shared);
            }
        }
    }

    fn pump(&mut self, place: usize, shared: &mut Shared) {
        let Some(producer) = self.producers.get_mut(place).filter(|_| shared.has_begun) else { return };
        producer.stopped = match &mut self.live {
            Some(live) if self.stage == Stage::Up => producer.pump(&mut live.machine, &mut live.wire.out, shared),
            _ => producer.hold(shared),
        };
        self.is_dirty = true;
        if let Stop::Until(at_ns) = producer.stopped
            && !std::mem::replace(&mut producer.is_waking, true)
        {
            shared.wakes.add(at_ns, Who::Producer { conn: self.index, place });
        }
    }

    /// Goes on with producers that have come to their end, or should: what is due before the stop is sent, transactions end.
    pub fn pump_all(&mut self, shared: &mut Shared) {
        for place in 0..self.producers.len() {
            if self.producers.get(place).is_some_and(|producer| !producer.is_settled() || !producer.is_over(shared)) {
                self.pump(place, shared);
            }
        }
    }

    /// Writes what there is, and what can be made for the room that this gives.
    pub fn flush(&mut self, around: &Surroundings<'_>, shared: &mut Shared) {
        self.is_dirty = false;
        for _ in 0..ROUNDS_MAX {
            let Some(live) = self.live.as_mut().filter(|_| self.stage != Stage::Connecting) else { return };
            live.machine.poll_output(around.now_ns, &mut live.wire.out);
            let (interest, is_blocked) = match live.wire.flush() {
                Ok(Progress::Written) => (Interest::Read, false),
                Ok(Progress::Blocked) => (Interest::ReadWrite, true),
                Err(error) => return self.fail(&error.to_string(), around, shared),
            };
            if live.interest != interest {
                live.interest = interest;
                if let Err(error) = around.readiness.modify(live.wire.fd(), self.index as u64, interest) {
                    return self.fail(&error.to_string(), around, shared);
                }
            }
            let is_full = self.producers.iter().any(|producer| producer.stopped == Stop::Full);
            if is_blocked {
                // The server does not read: that is what holds the producers up.
                let full = self.producers.iter_mut().filter(|producer| producer.stopped == Stop::Full);
                full.for_each(|producer| producer.stopped = producer.hold(shared));
                return;
            }
            let wants_room = live.machine.wants_room();
            if is_full {
                self.pump_stopped(shared);
                self.is_dirty = false;
            } else if !wants_room {
                return;
            }
        }
        self.is_dirty = true;
    }

    /// The server ended the connection.
    fn end(&mut self, around: &Surroundings<'_>, shared: &mut Shared) {
        if self.stage == Stage::Closing {
            return self.down(around.now_ns);
        }
        let error: io::Error = io::ErrorKind::UnexpectedEof.into();
        self.fail(&format!("the server ended the connection ({error})"), around, shared);
    }

    /// The connection is gone as it was meant to be.
    pub(super) fn down(&mut self, now_ns: u64) {
        if let Some(mut live) = self.live.take() {
            live.wire.finish();
        }
        self.enter(Stage::Down, now_ns);
    }

    /// The connection is broken.
    pub(super) fn fail(&mut self, why: &str, around: &Surroundings<'_>, shared: &mut Shared) {
        let was_up = matches!(self.stage, Stage::Up | Stage::Leaving);
        self.live = None;
        let group = self.planned.group as usize;
        let scenario = Arc::clone(&shared.scenario);
        let Some(spec) = scenario.groups.get(group) else { return };
        if was_up {
            self.was_lost = true;
            shared.has_broken = true;
            if let Some(tally) = shared.tallies.get_mut(group) {
                tally.counts.broken += 1;
            }
            self.producers.iter_mut().for_each(|producer| producer.lost(shared));
            self.consumers.iter_mut().for_each(|consumer| consumer.lost(spec, shared));
        }
        let longest_ns = scenario.connection.back_off.0.max(BACK_OFF_NS);
        let longest_ns = BACK_OFF_NS.saturating_mul(1 << self.attempts.min(20)).min(longest_ns);
        // Between half of it and all of it, so that thousands do not come back at once.
        let wait_ns = (longest_ns as f64 * (0.5 + self.chance.next_share() / 2.0)) as u64;
        self.attempts += 1;
        self.enter(Stage::Down, around.now_ns + wait_ns);
        why.clone_into(&mut self.why_down);
        self.broken = Some(format!("group {}: {why}", spec.name));
    }

    /// All its links are attached.
    pub(super) fn up(&mut self, shared: &mut Shared) {
        self.enter(Stage::Up, u64::MAX);
        self.attempts = 0;
        self.why_down.clear();
        let group = self.planned.group as usize;
        if let Some(tally) = shared.tallies.get_mut(group) {
            tally.counts.connected += 1;
        }
    }

    /// Does what time asks for.
    pub fn handle_time(&mut self, around: &Surroundings<'_>, shared: &mut Shared) {
        if let Some(live) = &mut self.live
            && let Some(event) = live.machine.handle_deadline(around.now_ns, &mut live.wire.out)
        {
            self.handle_event(event, around, shared);
        }
        let held = self.producers.iter_mut().filter(|producer| producer.stopped == Stop::Held);
        held.for_each(|producer| producer.count_due(shared));
        self.is_dirty |= self.live.as_ref().is_some_and(|live| !live.wire.out.is_empty());
        if self.by_ns > around.now_ns {
            return;
        }
        match self.stage {
            Stage::Down | Stage::Up => {}
            Stage::Connecting => self.fail("the server does not answer", around, shared),
            Stage::Opening | Stage::Attaching => {
                self.fail("the server does not answer our open or attach", around, shared)
            }
            Stage::Leaving => self.close(around, shared),
            Stage::Closing => self.down(around.now_ns),
        }
    }

    /// Closes it; what the server answers to that is waited for, for a while.
    pub fn close(&mut self, around: &Surroundings<'_>, shared: &mut Shared) {
        let Some(live) = &mut self.live else { return };
        // What was decided on leaves before.
        live.machine.poll_output(around.now_ns, &mut live.wire.out);
        live.machine.close(None, around.now_ns, &mut live.wire.out);
        self.producers.iter_mut().for_each(|producer| producer.left(shared));
        self.consumers.iter_mut().for_each(|consumer| consumer.left());
        self.enter(Stage::Closing, around.now_ns + CLOSE_NS);
        self.is_dirty = true;
    }
}
