//! The connectors of one shard, and where each of their connections is.
//!
//! Guarantees: connectors are spread over the shards by their place in the configuration, and stay; `deadline` is when
//! the first of them wants to be looked at, so that a turn compares two numbers for all of them.

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
    pub list: Vec<Connecting>,
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
        let own = all.iter().enumerate().filter(|(index, _)| index % share.shards.max(1) == usize::from(share.shard));
        let list = own.map(|(index, config)| {
            let seed = share.seed.wrapping_add(index as u64);
            let machine = Connector::new(Arc::clone(&config.endpoints), config.timing, seed, share.now_ns);
            Connecting { config: Arc::clone(config), machine, line: Line::None }
        });
        let mut connectors = Self { list: list.collect(), deadline_ns: None };
        connectors.note_deadline();
        connectors
    }

    /// When the first of them is to be looked at, nanoseconds.
    #[inline]
    pub fn deadline(&self) -> Option<u64> {
        self.deadline_ns
    }

    /// The largest frame that one of them takes, octets.
    pub fn max_frame_size(&self) -> u32 {
        self.list.iter().map(|connecting| connecting.config.amqp.max_frame_size).max().unwrap_or(0)
    }

    /// A connector's configuration.
    pub fn config(&self, index: usize) -> Option<&Arc<ConnectorConfig>> {
        self.list.get(index).map(|connecting| &connecting.config)
    }

    /// All of them, each with the place of its connection.
    pub fn iter(&self) -> impl Iterator<Item = (&Connecting, Option<Slot>)> {
        self.list.iter().map(|connecting| match connecting.line {
            Line::Up(slot) => (connecting, Some(slot)),
            Line::None | Line::Dialled(..) => (connecting, None),
        })
    }

    /// Notes when the first of them is to be looked at.
    pub fn note_deadline(&mut self) {
        self.deadline_ns = self.list.iter().filter_map(|connecting| connecting.machine.deadline()).min();
    }

    /// The node stops: sockets that are not connected go, connections are closed with all others.
    pub fn stop(&mut self) {
        for connecting in &mut self.list {
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
pub(crate) fn token(index: usize, attempt: Attempt) -> u64 {
    CONNECTOR_TOKEN | u64::from(attempt & ATTEMPT_MASK) << 32 | index as u64
}

/// The connector of a token.
pub(crate) fn index(token: u64) -> usize {
    (token & u64::from(u32::MAX)) as usize
}
