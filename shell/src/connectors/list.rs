//! The connectors of one shard, and where each of their connections is.
//!
//! Guarantees: connectors are spread over the shards by their numbers, and stay there; no two have the same number, one after the other
//! neither; `deadline` is when the first of them wants to be looked at, so that a turn compares two numbers for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine_home::Slot;
use engine_rt::{Permit, Socket};

use super::config::ConnectorConfig;
use super::connector::{Attempt, Connector};

/// Tokens of sockets that are not connected yet have this bit; those of connections and listeners do not.
const CONNECTOR_TOKEN: u64 = 1 << 62;
/// The bits of an attempt that a token has room for.
const ATTEMPT_MASK: u32 = (1 << 30) - 1;

/// A connector, and its connection.
pub(crate) struct Connecting {
    pub config: Arc<ConnectorConfig>,
    pub machine: Connector,
    pub line: Line,
}

/// Where a connector's connection is.
pub(crate) enum Line {
    /// There is none, or it ends by itself.
    None,
    /// It is not connected yet.
    Dialled(Socket, Permit),
    /// Among the connections of the shard.
    Up(Slot),
}

/// The connectors of one shard.
#[derive(Default)]
pub(crate) struct Connectors {
    list: BTreeMap<u32, Connecting>,
    seed: u64,
    /// When the first of them is to be looked at, nanoseconds.
    deadline_ns: Option<u64>,
}

/// One shard of so many, and what it is told of time and chance.
pub(crate) struct Share {
    pub shard: u16,
    pub shards: usize,
    pub seed: u64,
    pub now_ns: u64,
}

impl Connectors {
    /// Those of `all` that live on a shard.
    pub fn new(all: &[Arc<ConnectorConfig>], share: &Share) -> Self {
        let is_own = |number: u32| number as usize % share.shards.max(1) == usize::from(share.shard);
        let mut connectors = Self { list: BTreeMap::new(), seed: share.seed, deadline_ns: None };
        for (number, config) in (0..).zip(all).filter(|(number, _)| is_own(*number)) {
            connectors.add(number, Arc::clone(config), share.now_ns);
        }
        connectors
    }

    /// Another one, which begins its first round at once.
    pub fn add(&mut self, number: u32, config: Arc<ConnectorConfig>, now_ns: u64) {
        let seed = self.seed.wrapping_add(u64::from(number));
        let machine = Connector::new(Arc::clone(&config.endpoints), config.timing, seed, now_ns);
        self.list.insert(number, Connecting { config, machine, line: Line::None });
        self.note_deadline();
    }

    /// One is no more; what it has begun its caller ends.
    pub fn remove(&mut self, number: u32) -> Option<Connecting> {
        let gone = self.list.remove(&number);
        self.note_deadline();
        gone
    }

    /// One of them.
    pub fn get(&self, number: u32) -> Option<&Connecting> {
        self.list.get(&number)
    }

    /// One of them.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Connecting> {
        self.list.get_mut(&number)
    }

    /// Those that want to be looked at.
    pub fn due(&self, now_ns: u64) -> Vec<u32> {
        let is_due = |one: &Connecting| one.machine.deadline().is_some_and(|deadline| deadline <= now_ns);
        self.list.iter().filter(|(_, one)| is_due(one)).map(|(number, _)| *number).collect()
    }

    /// When the first of them is to be looked at, nanoseconds.
    #[inline]
    pub fn deadline(&self) -> Option<u64> {
        self.deadline_ns
    }

    /// The largest frame that one of them takes, octets.
    pub fn max_frame_size(&self) -> u32 {
        self.list.values().map(|connecting| connecting.config.amqp.max_frame_size).max().unwrap_or(0)
    }

    /// All of them, each with the place of its connection.
    pub fn iter(&self) -> impl Iterator<Item = (&Connecting, Option<Slot>)> {
        self.list.values().map(|connecting| match connecting.line {
            Line::Up(slot) => (connecting, Some(slot)),
            Line::None | Line::Dialled(..) => (connecting, None),
        })
    }

    /// Notes when the first of them is to be looked at.
    pub fn note_deadline(&mut self) {
        self.deadline_ns = self.list.values().filter_map(|connecting| connecting.machine.deadline()).min();
    }

    /// The node stops: sockets that are not connected go, connections are closed with all others.
    pub fn stop(&mut self) {
        for connecting in self.list.values_mut() {
            connecting.machine.stop();
            if let Line::Dialled(..) = connecting.line {
                connecting.line = Line::None;
            }
        }
        self.deadline_ns = None;
    }
}

/// Whether a token is that of a socket which is not connected yet.
#[inline]
pub(crate) fn is_connectors(token: u64) -> bool {
    token & CONNECTOR_TOKEN != 0
}

/// The token of a connector's socket, which is good for one attempt: what the readiness source told of the socket
/// before says nothing of it.
pub(crate) fn token(number: u32, attempt: Attempt) -> u64 {
    CONNECTOR_TOKEN | u64::from(attempt & ATTEMPT_MASK) << 32 | u64::from(number)
}

/// The number of a token's connector.
pub(crate) fn number(token: u64) -> u32 {
    u32::try_from(token & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use engine_rt::CongestionControl;

    use super::super::config::{Endpoint, Host, Timing};
    use super::*;
    use crate::role::Role;
    use crate::transport::Layers;

    fn config(name: &str) -> Arc<ConnectorConfig> {
        let host = Host::Address([127, 0, 0, 1].into());
        Arc::new(ConnectorConfig {
            name: name.to_owned(),
            role: Role::Normal,
            link_capacity: None,
            congestion_control: CongestionControl::Auto,
            endpoints: [Endpoint { host, port: 5672 }].into(),
            layers: Layers::Plain,
            tls: None,
            credentials: None,
            amqp: Arc::default(),
            timing: Timing { connect_ns: 1000, retry_min_ns: 10, retry_max_ns: 100 },
            own: None,
        })
    }

    fn numbers(connectors: &Connectors) -> Vec<u32> {
        connectors.list.keys().copied().collect()
    }

    #[test]
    fn connectors_are_where_their_numbers_say_and_come_and_go() {
        let all = ["a", "b", "c", "d", "e"].map(config);
        let of = |shard| Connectors::new(&all, &Share { shard, shards: 2, seed: 7, now_ns: 5 });
        assert_eq!([numbers(&of(0)), numbers(&of(1))], [vec![0, 2, 4], vec![1, 3]]);
        let mut connectors = of(1);
        connectors.add(7, config("f"), 20);
        assert_eq!(
            (connectors.deadline(), connectors.due(5)),
            (Some(5), vec![1, 3]),
            "the new one begins when it came"
        );
        assert_eq!(connectors.due(20), [1, 3, 7]);
        assert_eq!(connectors.remove(3).map(|gone| gone.config.name.clone()).as_deref(), Some("d"));
        assert!(connectors.remove(3).is_none() && connectors.get(3).is_none());
        connectors.remove(1);
        assert_eq!(connectors.deadline(), Some(20), "nobody waits for one that is gone");
        connectors.remove(7);
        assert_eq!((connectors.deadline(), connectors.due(u64::MAX)), (None, Vec::new()));
    }

    #[test]
    fn a_token_is_of_one_connector_and_one_attempt() {
        for (connector, attempt) in [(0, 0), (7, 1), (u32::MAX, ATTEMPT_MASK)] {
            let token = token(connector, attempt);
            assert!(is_connectors(token) && number(token) == connector);
            assert_ne!(token, super::token(connector, attempt ^ 1));
        }
    }
}
