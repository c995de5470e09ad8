//! One connector as a machine: when to look up a name, when to connect where, when to give up and how long to wait. No
//! sockets, no threads, no clock: time and chance come in, orders and news come out.
//!
//! A *round* tries every endpoint in order, and of a name each of its addresses; when all have failed it waits
//! (`Backoff`), and the next round begins with the first endpoint again.
//!
//! 1. At most one thing is under way: a question for a name, or one connection. Before another address is tried the one
//!    before is hung up or gone.
//! 2. Each has an end: a name that is not answered and a connection that is not open `Timing::connect_ns` after it was
//!    begun count as failed.
//! 3. Answers are for the attempt that they name; those for one that was given up are ignored.
//! 4. Waits grow until a connection has stayed open for `STEADY_NS`: a peer that opens and ends it at once is no better
//!    than one that refuses.
//! 5. News is a change: that it is open, that it no longer is, and why a round failed if the one before did not fail
//!    so.
//!
//! Not here: what is done to connect (`crate::dialing`), and what comes over the connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use super::backoff::Backoff;
use super::config::{Endpoint, Host, Timing};

/// A connection that ends sooner than this after it was opened is a failure like others, nanoseconds: whoever refuses
/// behind the open does so within seconds.
const STEADY_NS: u64 = 10_000_000_000;
/// Addresses of a name that are tried in one round; more are left out. Names of services have a few.
pub(super) const ADDRESSES_MAX: usize = 16;
/// Octets of an error that are kept: a peer may send a long one.
const ERROR_BYTES_MAX: usize = 400;

/// Names one try of a connector.
pub(crate) type Attempt = u32;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Look up the endpoint's name, and say the result for this attempt.
    Resolve(Attempt),
    /// Connect there, and say what came of it.
    Connect(Attempt, SocketAddr),
    /// End what was begun: nothing more is to be said of it.
    HangUp,
}

/// What whoever runs the node is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The connection is open.
    Opened,
    /// It was open, and ended.
    Lost(Fault),
    /// A round failed, and not as the one before did.
    Failing(Fault),
}

/// Why a try failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The address, or the endpoint whose name has none.
    pub at: String,
    pub error: String,
}

/// Where a connector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Between two rounds.
    Waiting { until_ns: u64 },
    /// A name is looked up.
    Resolving { by_ns: u64 },
    /// TCP connects.
    Connecting { by_ns: u64 },
    /// TCP is connected: TLS, SASL and AMQP follow.
    Handshake { by_ns: u64 },
    /// The peer has opened the connection.
    Open { since_ns: u64 },
    /// The node stops.
    Stopped,
}

/// Where a round is.
#[derive(Debug, Default)]
struct Round {
    /// The endpoint that is next.
    next: usize,
    /// Addresses of the endpoint before it that were not tried.
    addresses: VecDeque<SocketAddr>,
    /// The address that is tried.
    address: Option<SocketAddr>,
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Addresses that were tried, and names that could not be looked up.
    pub attempts: u64,
    /// Times that the connection was open.
    pub opens: u64,
}

/// A connector.
#[derive(Debug)]
pub(crate) struct Connector {
    endpoints: Arc<[Endpoint]>,
    timing: Timing,
    backoff: Backoff,
    state: State,
    /// When it last became open or ceased to be, or was made.
    changed_ns: u64,
    round: Round,
    attempt: Attempt,
    orders: VecDeque<Order>,
    news: VecDeque<News>,
    /// The last failure since it was open.
    fault: Option<Fault>,
    /// The error that was told last since it was open.
    told: Option<String>,
    tally: Tally,
}

impl Connector {
    /// One that begins its first round at once.
    pub fn new(endpoints: Arc<[Endpoint]>, timing: Timing, seed: u64, now_ns: u64) -> Self {
        Self {
            endpoints,
            timing,
            backoff: Backoff::new(timing.retry_min_ns, timing.retry_max_ns, seed),
            state: State::Waiting { until_ns: now_ns },
            changed_ns: now_ns,
            round: Round::default(),
            attempt: 0,
            orders: VecDeque::new(),
            news: VecDeque::new(),
            fault: None,
            told: None,
            tally: Tally::default(),
        }
    }

    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// When it last became open or ceased to be, or was made, nanoseconds.
    pub fn changed_ns(&self) -> u64 {
        self.changed_ns
    }

    /// What happened since the start.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Why it is not open, if it tried.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The attempt that is under way, or was the last.
    pub fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// The endpoint that is tried, or was the last.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoints.get(self.round.next.saturating_sub(1))
    }

    /// What is to be done.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// What is to be told.
    pub fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// When `handle_deadline` is to be called, nanoseconds.
    pub fn deadline(&self) -> Option<u64> {
        match self.state {
            State::Waiting { until_ns } => Some(until_ns),
            State::Resolving { by_ns } | State::Connecting { by_ns } | State::Handshake { by_ns } => Some(by_ns),
            State::Open { .. } | State::Stopped => None,
        }
    }

    /// Does what time asks for.
    pub fn handle_deadline(&mut self, now_ns: u64) {
        if self.deadline().is_none_or(|deadline| deadline > now_ns) {
            return;
        }
        let what = match self.state {
            State::Waiting { .. } => {
                self.round = Round::default();
                return self.advance(now_ns);
            }
            State::Resolving { .. } => "the name was not looked up",
            State::Connecting { .. } => "no connection came about",
            State::Handshake { .. } => "the peer did not open the connection",
            State::Open { .. } | State::Stopped => return,
        };
        if !matches!(self.state, State::Resolving { .. }) {
            self.orders.push_back(Order::HangUp);
        }
        self.handle_failed(format!("{what} within {} (connect_timeout_ms)", time(self.timing.connect_ns)), now_ns);
    }

    /// A name was looked up, for an attempt.
    pub fn handle_resolved(&mut self, attempt: Attempt, found: Result<Vec<SocketAddr>, String>, now_ns: u64) {
        if attempt != self.attempt || !matches!(self.state, State::Resolving { .. }) {
            return;
        }
        match found {
            Ok(addresses) if addresses.is_empty() => self.handle_failed("the name has no address".to_owned(), now_ns),
            Ok(addresses) => {
                self.round.addresses = addresses.into_iter().take(ADDRESSES_MAX).collect();
                self.advance(now_ns);
            }
            Err(error) => self.handle_failed(error, now_ns),
        }
    }

    /// TCP is connected.
    pub fn handle_connected(&mut self) {
        if let State::Connecting { by_ns } = self.state {
            self.state = State::Handshake { by_ns };
        }
    }

    /// The peer opened the connection.
    pub fn handle_opened(&mut self, now_ns: u64) {
        if let State::Handshake { .. } = self.state {
            self.state = State::Open { since_ns: now_ns };
            self.changed_ns = now_ns;
            self.tally.opens += 1;
            (self.fault, self.told) = (None, None);
            self.news.push_back(News::Opened);
        }
    }

    /// What is under way failed, or the connection ended. It is gone, or will be without being asked for.
    pub fn handle_failed(&mut self, mut error: String, now_ns: u64) {
        if matches!(self.state, State::Waiting { .. } | State::Stopped) {
            return;
        }
        error.truncate(error.floor_char_boundary(ERROR_BYTES_MAX));
        let fault = Fault { at: self.place(), error };
        if let State::Resolving { .. } = self.state {
            self.tally.attempts += 1;
        }
        if let State::Open { since_ns } = self.state {
            if now_ns.saturating_sub(since_ns) >= STEADY_NS {
                self.backoff.reset();
            }
            self.changed_ns = now_ns;
            self.news.push_back(News::Lost(fault.clone()));
            self.fault = Some(fault);
            self.rest(now_ns);
        } else {
            self.fault = Some(fault);
            self.advance(now_ns);
        }
    }

    /// The node stops: nothing is begun any more.
    pub fn stop(&mut self) {
        self.state = State::Stopped;
        self.orders.clear();
    }

    /// What is tried: an address, or an endpoint whose name has none.
    fn place(&self) -> String {
        let endpoint = || self.endpoint().map(Endpoint::to_string).unwrap_or_default();
        self.round.address.map_or_else(endpoint, |address| address.to_string())
    }

    /// Tries what is next in the round.
    fn advance(&mut self, now_ns: u64) {
        if let Some(address) = self.round.addresses.pop_front() {
            return self.connect(address, now_ns);
        }
        let Some(endpoint) = self.endpoints.get(self.round.next) else { return self.end_round(now_ns) };
        self.round.next += 1;
        self.round.address = None;
        match endpoint.host {
            Host::Address(ip) => self.connect(SocketAddr::new(ip, endpoint.port), now_ns),
            Host::Name(_) => {
                self.attempt = self.attempt.wrapping_add(1);
                self.state = State::Resolving { by_ns: now_ns + self.timing.connect_ns };
                self.orders.push_back(Order::Resolve(self.attempt));
            }
        }
    }

    fn connect(&mut self, address: SocketAddr, now_ns: u64) {
        self.attempt = self.attempt.wrapping_add(1);
        self.tally.attempts += 1;
        self.round.address = Some(address);
        self.state = State::Connecting { by_ns: now_ns + self.timing.connect_ns };
        self.orders.push_back(Order::Connect(self.attempt, address));
    }

    /// All endpoints have failed.
    fn end_round(&mut self, now_ns: u64) {
        if let Some(fault) = &self.fault
            && self.told.as_ref() != Some(&fault.error)
        {
            self.told = Some(fault.error.clone());
            self.news.push_back(News::Failing(fault.clone()));
        }
        self.rest(now_ns);
    }

    fn rest(&mut self, now_ns: u64) {
        self.round.addresses.clear();
        self.state = State::Waiting { until_ns: now_ns + self.backoff.next_ns() };
    }
}

/// A time of the configuration, for people.
fn time(ns: u64) -> String {
    let ms = ns / 1_000_000;
    match (ms / 1000, ms % 1000 / 100) {
        (0, _) => format!("{ms} ms"),
        (seconds @ 1..=999, 0) => format!("{seconds} s"),
        (seconds @ 1..=999, tenths) => format!("{seconds}.{tenths} s"),
        (seconds, _) => format!("{},{:03} s", seconds / 1000, seconds % 1000),
    }
}
