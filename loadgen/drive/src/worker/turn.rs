//! The turns of a worker, and what it tells.
//!
//! Guarantees: the clock is read before and after each wait, and once for everything that one read gave; a turn does what is there and ends; orders are heard
//! within `ORDERS_NS`; intervals end at whole seconds of the run, however long a turn took.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use amqp_proto::Config;
use engine_rt::{Readiness, Ready, WAKER_TOKEN, Waker, monotonic_ns, thread_cpu_ns};
use engine_tls::TlsClient;
use load_model::interval::{INTERVAL_NS, Interval};
use load_model::ledger::{Ledger, PlaceKind};
use load_model::scenario::{Pattern, Scenario};
use load_model::worker::{Order, Share, Told};

use super::absence::Absence;
use super::conn::{Conn, Stage, Surroundings};
use super::consumer::{Consumer, Duty};
use super::drain::Drain;
use super::plan::{Planned, Side, plan};
use super::producer::Producer;
use super::reach::{Next, Reach};
use super::settling::Settling;
use super::shared::Shared;
use super::wakes::Who;
use crate::client::{SCRATCH_BYTES, Server, load_tls};

/// How long a worker sleeps at most, nanoseconds: it hears orders then.
const ORDERS_NS: u64 = 10_000_000;
/// How near something has to be due, or to have come, for the worker to ask again rather than to sleep, nanoseconds: sleeping and waking
/// costs about as much.
const NEAR_NS: u64 = 100_000;
/// How often time is told to connections: heart beats and time limits, nanoseconds.
const TIME_NS: u64 = 10_000_000;
/// Connections that are being made at a time: half of what a listener of Linux keeps is left to other workers.
const CONNECTING_MAX: usize = 64;
/// Highest handle: a connection has at most 1000 producers or consumers, each with two links.
const HANDLE_MAX: u32 = 2047;
/// Frames that a server may have on its way to us: what bounds it is credit.
const INCOMING_WINDOW: u32 = 1 << 20;

/// What a worker does when it has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Asks again when something is near: it has its core for itself.
    Spins,
    /// Sleeps: others need the core.
    Sleeps,
}

/// A worker's share of a scenario.
pub(crate) struct Worker {
    share: Share,
    waiting: Waiting,
    orders: flume::Receiver<Order>,
    tell: flume::Sender<Told>,
    servers: Vec<Server>,
    tls: Option<TlsClient>,
    config: Arc<Config>,
    readiness: Readiness,
    scratch: Vec<u8>,
    pub(super) conns: Vec<Conn>,
    /// Connections with something to write.
    dirty: Vec<usize>,
    pub(super) shared: Shared,
    /// When the run began, by the system's clock; far ahead until it is known.
    origin_ns: u64,
    is_ready: bool,
    /// Whether it ended before the run began.
    is_given_up: bool,
    time_ns: u64,
    interval: Open,
    drain: Drain,
    churn: Churn,
    absence: Absence,
    reach: Reach,
    settling: Settling,
}

/// The interval that goes on.
struct Open {
    start_ns: u64,
    cpu_ns: u64,
    idle_ns: u64,
}

/// Connections that are closed and made anew.
struct Churn {
    /// From one to the next, nanoseconds; 0: none are.
    every_ns: u64,
    next_ns: u64,
    /// Whose turn it is.
    conn: usize,
}

/// Why a worker ends.
pub(crate) enum Ended {
    /// It told everything.
    Done,
    /// It was told to, or nobody listens any more.
    Aborted,
}

impl Worker {
    /// A worker of a scenario, without a connection yet.
    ///
    /// # Errors
    /// When a server or certificate is not to be found, or the system has no descriptors left; for people.
    pub fn new(
        scenario: &Arc<Scenario>,
        share: Share,
        waiting: Waiting,
        orders: flume::Receiver<Order>,
        tell: flume::Sender<Told>,
    ) -> Result<Self, String> {
        let spec = &scenario.connection;
        let servers = scenario.every_server().into_iter().map(|url| Server::resolve(url, spec));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        let needs_tls = servers.iter().any(|server| server.is_tls);
        let tls = if needs_tls { Some(load_tls(spec)?) } else { None };
        let readiness = Waker::new().and_then(|waker| Readiness::new(&waker)).map_err(|error| error.to_string())?;
        let mut shared = Shared::new(scenario);
        let planned = plan(scenario, share);
        let conns =
            planned.into_iter().enumerate().map(|(index, planned)| build(index, planned, &mut shared)).collect();
        let workers = f64::from(share.workers.max(1));
        let every_ns = if spec.churn > 0.0 { (1e9 * workers / spec.churn) as u64 } else { 0 };
        let now_ns = monotonic_ns();
        Ok(Self {
            config: Arc::new(config(scenario)),
            share,
            waiting,
            orders,
            tell,
            servers,
            tls,
            readiness,
            scratch: vec![0; SCRATCH_BYTES],
            conns,
            dirty: Vec::new(),
            drain: Drain::new(scenario, share),
            shared,
            origin_ns: u64::MAX,
            is_ready: false,
            is_given_up: false,
            time_ns: now_ns,
            interval: Open { start_ns: 0, cpu_ns: 0, idle_ns: 0 },
            churn: Churn { every_ns, next_ns: every_ns, conn: 0 },
            absence: Absence::default(),
            reach: Reach::new(now_ns),
            settling: Settling::default(),
        })
    }

    /// Works until the run is over.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub fn run(&mut self) -> Result<Ended, String> {
        let mut ready = Vec::new();
        let mut before_ns = monotonic_ns();
        loop {
            let Some(()) = self.take_orders() else { return Ok(Ended::Aborted) };
            let timeout = self.timeout(before_ns);
            self.readiness.poll(Some(timeout), &mut ready).map_err(|error: io::Error| error.to_string())?;
            let now_ns = monotonic_ns();
            let worked = self.turn(now_ns, &ready)?;
            if self.is_given_up {
                return Ok(Ended::Aborted);
            }
            if self.drain.is_over() {
                self.tell_done()?;
                return Ok(Ended::Done);
            }
            let after_ns = monotonic_ns();
            let idle_from = if worked { now_ns } else { after_ns };
            self.interval.idle_ns += idle_from - before_ns;
            before_ns = after_ns;
        }
    }

    /// One turn; gives whether there was something to do.
    fn turn(&mut self, now_ns: u64, ready: &[Ready]) -> Result<bool, String> {
        self.begin_if_time(now_ns);
        let mut worked = !ready.is_empty();
        let around = Surroundings {
            now_ns,
            origin_ns: self.origin_ns,
            servers: &self.servers,
            tls: self.tls.as_ref(),
            config: &self.config,
            readiness: &self.readiness,
        };
        for event in ready.iter().filter(|event| event.token != WAKER_TOKEN) {
            let index = usize::try_from(event.token).unwrap_or(usize::MAX);
            if let Some(conn) = self.conns.get_mut(index) {
                conn.handle_ready(*event, &mut self.scratch, &around, &mut self.shared);
                self.dirty.push(index);
            }
        }
        if worked {
            around.read_clock(&mut self.shared);
        }
        while let Some(who) = self.shared.wakes.take_due(self.shared.now_ns).filter(|_| self.shared.has_begun) {
            worked = true;
            let (Who::Producer { conn: index, .. } | Who::Consumer { conn: index, .. }) = who;
            let Some(conn) = self.conns.get_mut(index) else { continue };
            match who {
                Who::Producer { place, .. } => conn.wake_producer(place, &mut self.shared),
                Who::Consumer { place, .. } => conn.wake_consumer(place, &mut self.shared),
            }
            self.dirty.push(index);
        }
        stop_if_time(&mut self.conns, &mut self.dirty, &mut self.shared);
        let is_tick = now_ns >= self.time_ns;
        if is_tick {
            self.time_ns = now_ns + TIME_NS;
            for (index, conn) in self.conns.iter_mut().enumerate() {
                conn.handle_time(&around, &mut self.shared);
                self.dirty.push(index);
            }
            if self.drain.wants_connections() {
                connect_some(&mut self.conns, &around, &mut self.shared);
            }
            self.churn.turn(&mut self.conns, &around, &mut self.shared);
            self.drain.turn(&mut self.conns, &around, &mut self.shared);
        }
        flush(&mut self.dirty, &mut self.conns, &around, &mut self.shared);
        // A connection that broke ends the run, unless it may be made again, or the run ends anyway.
        let is_meant = self.shared.scenario.connection.reconnect || !self.drain.wants_connections();
        if let Some(why) = broken(&mut self.conns).filter(|_| !is_meant) {
            self.drain.give_up(&mut self.conns, &around, &mut self.shared);
            self.end_early(why)?;
        }
        self.absence.turn(&mut self.conns, &mut self.shared);
        if is_tick {
            self.look_after_connections(now_ns)?;
        }
        self.notice_ready(now_ns)?;
        self.end_intervals()?;
        Ok(worked)
    }

    /// The server is gone: says so, and that it ends. In a run that has begun everything that is known is told behind it.
    fn end_early(&mut self, why: String) -> Result<(), String> {
        let at_ns = self.shared.has_begun.then_some(self.shared.now_ns);
        self.is_given_up = at_ns.is_none();
        self.shared.is_stopped = true;
        self.shared.stop_ns = self.shared.stop_ns.min(self.shared.now_ns);
        self.say(Told::Lost { worker: self.share.worker, at_ns, why })
    }

    /// Tells of connections that are down, and gives up where none was ever made.
    fn look_after_connections(&mut self, now_ns: u64) -> Result<(), String> {
        if !self.shared.scenario.connection.reconnect || !self.drain.wants_connections() || self.is_given_up {
            return Ok(());
        }
        match self.reach.turn(&self.conns, now_ns) {
            Next::Nothing => Ok(()),
            Next::Tell(tries) => self.say(Told::Tries { worker: self.share.worker, tries }),
            Next::GiveUp(why) => self.end_early(why),
        }
    }

    /// How long to wait for sockets.
    fn timeout(&self, now_ns: u64) -> Duration {
        if !self.dirty.is_empty() {
            return Duration::ZERO;
        }
        let run_ns = now_ns.saturating_sub(self.origin_ns);
        let mut wait_ns = ORDERS_NS;
        if self.shared.has_begun {
            let due_ns = self.shared.wakes.next_ns().unwrap_or(u64::MAX);
            let boundary_ns = self.interval.start_ns + INTERVAL_NS;
            wait_ns = wait_ns.min(due_ns.saturating_sub(run_ns)).min(boundary_ns.saturating_sub(run_ns));
            if self.waiting == Waiting::Spins {
                let heard_just_now = self.shared.heard_ns > 0 && run_ns < self.shared.heard_ns + NEAR_NS;
                wait_ns = if heard_just_now { 0 } else { wait_ns.saturating_sub(NEAR_NS) };
            }
        } else if self.origin_ns != u64::MAX {
            wait_ns = wait_ns.min(self.origin_ns.saturating_sub(now_ns));
        }
        Duration::from_nanos(wait_ns)
    }

    /// Takes what the coordinator ordered; `None` when it is to end at once.
    fn take_orders(&mut self) -> Option<()> {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Start { origin_ns, run }) => (self.origin_ns, self.shared.run) = (origin_ns, run),
                Ok(Order::Measure { from_ns }) => {
                    self.shared.tallies.iter_mut().for_each(|tally| tally.measure_from_ns = from_ns);
                }
                Ok(Order::Stop { at_ns }) => self.shared.stop_ns = self.shared.stop_ns.min(at_ns),
                Err(flume::TryRecvError::Empty) => return Some(()),
                Ok(Order::Abort) | Err(flume::TryRecvError::Disconnected) => return None,
            }
        }
    }

    /// Sets the time of the run, and begins it.
    fn begin_if_time(&mut self, now_ns: u64) {
        if now_ns < self.origin_ns {
            return;
        }
        self.shared.now_ns = now_ns - self.origin_ns;
        if self.shared.has_begun {
            return;
        }
        self.shared.has_begun = true;
        self.interval = Open { start_ns: 0, cpu_ns: thread_cpu_ns(), idle_ns: 0 };
        for (index, conn) in self.conns.iter_mut().enumerate() {
            for (place, producer) in conn.producers.iter_mut().enumerate() {
                producer.is_waking = true;
                self.shared.wakes.add(producer.first_due_ns(), Who::Producer { conn: index, place });
            }
        }
    }

    /// Says once that all links are attached, and that nothing of others is at their addresses.
    fn notice_ready(&mut self, now_ns: u64) -> Result<(), String> {
        if self.is_ready || self.conns.iter().any(|conn| conn.stage() != Stage::Up) {
            return Ok(());
        }
        if !self.settling.is_over(&self.conns, &self.shared, now_ns) {
            return Ok(());
        }
        self.is_ready = true;
        let (product, container) =
            self.conns.first().map(|conn| (conn.product.clone(), conn.container.clone())).unwrap_or_default();
        self.say(Told::Ready { worker: self.share.worker, product, container })
    }

    /// Ends the intervals whose seconds are over.
    fn end_intervals(&mut self) -> Result<(), String> {
        while self.shared.has_begun && self.shared.now_ns >= self.interval.start_ns + INTERVAL_NS {
            self.end_interval(self.interval.start_ns + INTERVAL_NS)?;
        }
        Ok(())
    }

    fn end_interval(&mut self, end_ns: u64) -> Result<(), String> {
        for conn in &mut self.conns {
            conn.producers.iter_mut().for_each(|producer| producer.end_interval(end_ns, &mut self.shared));
        }
        self.shared.interval_end_ns = end_ns + INTERVAL_NS;
        let mut over_ns = self.over_ns();
        let cpu_ns = thread_cpu_ns();
        let used_ns = cpu_ns - std::mem::replace(&mut self.interval.cpu_ns, cpu_ns);
        let start_ns = std::mem::replace(&mut self.interval.start_ns, end_ns);
        let idle_ns = std::mem::take(&mut self.interval.idle_ns);
        let mut resumed = self.absence.end_interval();
        for group in 0..self.shared.tallies.len() {
            let Some(tally) = self.shared.tallies.get_mut(group) else { break };
            let (mut counts, latencies) = tally.take();
            if group == 0 {
                (counts.cpu_ns, counts.idle_ns) = (used_ns, idle_ns);
            }
            let group = u32::try_from(group).unwrap_or(u32::MAX);
            let worker = self.share.worker;
            let (resumed, over_ns) = (resumed.take(), over_ns.take());
            self.say(Told::Interval(Interval {
                worker,
                group,
                start_ns,
                end_ns,
                counts,
                latencies,
                over_ns,
                resumed,
            }))?;
        }
        Ok(())
    }

    /// Where the producers ended, if a count ends the run and all have sent theirs: of each group where the next message would have been due,
    /// or where the last one was sent, if that is later; of several groups the last.
    fn over_ns(&self) -> Option<u64> {
        if self.shared.scenario.count == 0 {
            return None;
        }
        let mut groups: Vec<(u64, Option<u64>)> = vec![(0, None); self.shared.tallies.len()];
        for conn in &self.conns {
            let Some(group) = groups.get_mut(conn.group() as usize) else { continue };
            for producer in &conn.producers {
                let (sent_ns, next_ns) = producer.over_ns()?;
                group.0 = group.0.max(sent_ns);
                group.1 = match (group.1, next_ns) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            }
        }
        groups.into_iter().map(|(sent_ns, next_ns)| next_ns.unwrap_or(0).max(sent_ns)).max()
    }

    /// Tells what is left to tell.
    fn tell_done(&mut self) -> Result<(), String> {
        self.end_intervals()?;
        if self.shared.now_ns > self.interval.start_ns {
            self.end_interval(self.shared.now_ns)?;
        }
        let shared = &mut self.shared;
        let producers = self.conns.iter_mut().flat_map(|conn| &mut conn.producers);
        let sent = producers.map(|producer| producer.take_ledger(shared)).collect();
        let places = std::mem::take(&mut self.shared.places);
        let (full, leftovers) = (self.shared.is_full, self.shared.leftovers);
        let ledger = Ledger { sent, places, full, ending: self.drain.ending(), leftovers };
        self.say(Told::Done { worker: self.share.worker, ledger })
    }

    fn say(&self, told: Told) -> Result<(), String> {
        self.tell.try_send(told).map_err(|_| "the coordinator does not listen".to_owned())
    }
}

impl Churn {
    /// Ends the connection whose turn it is, if it is time.
    fn turn(&mut self, conns: &mut [Conn], around: &Surroundings<'_>, shared: &mut Shared) {
        if self.every_ns == 0 || !shared.has_begun || conns.is_empty() {
            return;
        }
        while self.next_ns <= shared.now_ns && shared.now_ns < shared.stop_ns {
            self.next_ns += self.every_ns;
            self.conn = (self.conn + 1) % conns.len();
            if let Some(conn) = conns.get_mut(self.conn) {
                conn.leave(around, shared);
            }
        }
    }
}

/// At the end of the time what is due and can be sent leaves; behind it nothing is sent.
fn stop_if_time(conns: &mut [Conn], dirty: &mut Vec<usize>, shared: &mut Shared) {
    if !shared.has_begun || shared.is_stopped || shared.now_ns < shared.stop_ns {
        return;
    }
    for (index, conn) in conns.iter_mut().enumerate() {
        conn.pump_all(shared);
        dirty.push(index);
    }
    shared.is_stopped = true;
}

/// Why connections broke since the last time: the first one that did.
fn broken(conns: &mut [Conn]) -> Option<String> {
    let broken = conns.iter_mut().filter_map(|conn| conn.broken.take());
    // All of them are taken.
    broken.fold(None, |first, why| first.or(Some(why)))
}

/// Writes what connections have, once for each that has something; keeps those that have more.
fn flush(dirty: &mut Vec<usize>, conns: &mut [Conn], around: &Surroundings<'_>, shared: &mut Shared) {
    dirty.retain(|&index| {
        let Some(conn) = conns.get_mut(index).filter(|conn| conn.is_dirty) else { return false };
        conn.flush(around, shared);
        conn.is_dirty
    });
}

/// Begins connections whose time has come, a few at a time.
fn connect_some(conns: &mut [Conn], around: &Surroundings<'_>, shared: &mut Shared) {
    let under_way = |conn: &&Conn| matches!(conn.stage(), Stage::Connecting | Stage::Opening | Stage::Attaching);
    let mut room = CONNECTING_MAX.saturating_sub(conns.iter().filter(under_way).count());
    for conn in conns.iter_mut() {
        if room == 0 {
            return;
        }
        if conn.is_to_be_made(around.now_ns) {
            conn.connect(around, shared);
            room -= 1;
        }
    }
}

/// What all machines of a worker are configured with.
fn config(scenario: &Scenario) -> Config {
    Config {
        max_frame_size: scenario.connection.max_frame_size,
        handle_max: HANDLE_MAX,
        incoming_window: INCOMING_WINDOW,
        max_message_size: 2 * load_model::scenario::BODY_MAX,
        ..Config::default()
    }
}

/// A planned connection with its producers and consumers, and their places in the ledger.
fn build(index: usize, planned: Planned, shared: &mut Shared) -> Conn {
    let scenario = Arc::clone(&shared.scenario);
    let (mut producers, mut consumers) = (Vec::new(), Vec::new());
    if let Some(spec) = scenario.groups.get(planned.group as usize) {
        for &number in &planned.numbers {
            match planned.side {
                Side::Producers => {
                    producers.push(Producer::new(shared, planned.group, number, spec));
                    if spec.pattern == Pattern::RequestReply {
                        let place = shared.place(planned.group, PlaceKind::Replies(number));
                        consumers.push(Consumer::new((planned.group, number), spec, Duty::Replies, place));
                    }
                }
                Side::Consumers => {
                    let place = shared.place(planned.group, PlaceKind::Messages(spec.place_of_consumer(number)));
                    consumers.push(Consumer::new((planned.group, number), spec, Consumer::duty_of(spec), place));
                }
            }
        }
    }
    Conn::new(index, planned, scenario.seed, producers, consumers)
}
