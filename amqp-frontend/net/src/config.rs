//! What a shard's front end is told at its start.

use std::net::SocketAddr;
use std::sync::Arc;

use amqp_proto::Config;
use engine_catalogue::Catalogue;
use engine_core::command::RoutingType;

use crate::frontend::Post;
use crate::slots::Slot;
use crate::transport::TlsServer;
use engine_rt::{InboxSender, Permits};

/// What one read takes at most, octets. Half of it makes messages of 1 KiB a third dearer, as everything behind a read (turns, writes,
/// acknowledgements) then comes in smaller pieces; more would not fit into a core's cache together with what becomes of it.
pub(crate) const READ_BYTES: usize = 256 * 1024;
/// Input of a connection is not read while more output than this waits for it, octets: a peer that does not read
/// cannot make us keep what it asks for.
pub(crate) const OUT_STOP_READING: usize = 1024 * 1024;
/// Octets of messages that a consumer passes credit on for: more than one turn reads, less than a machine encodes at once.
pub(crate) const GIVEN_BYTES: u32 = 320 * 1024;
/// A consumer passes no credit on while its connection has more than this to write, octets: what came would wait here.
pub(crate) const OUT_STOP_GIVING: usize = 64 * 1024;
/// Credit that a consumer passes on to the owner at once, messages, however small they are.
pub(crate) const GRANT_MAX: u32 = 4096;
/// The same, however large they are: a command for each would cost more than what waits.
pub(crate) const GRANT_MIN: u32 = 16;
/// Credit of an anonymous relay's producer, messages: nobody's queue, so that nothing but this bounds it.
pub(crate) const RELAY_WINDOW: u32 = 1000;
/// How often a log line of one kind that peers cause is told at most, nanoseconds: they can cause as many as they like.
pub(crate) const TELL_NS: u64 = 1_000_000_000;
/// How often connections are looked at, for deadlines and for memory that they need no more, nanoseconds: fine enough for timeouts of a
/// second.
pub(crate) const SCAN_PERIOD_NS: u64 = 250_000_000;
/// How often memory that is kept for reuse is used between two scans, at least, or it is given back: all links of a shard together keep
/// no more than a fraction of what comes and goes meanwhile.
pub(crate) const TURNOVERS_MIN: usize = 4;
/// How long connections have to read what is written for them when the node stops, nanoseconds.
pub(crate) const STOP_TIMEOUT_NS: u64 = 3_000_000_000;

/// What lies under AMQP on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// TCP alone; TLS by protocol header if there is a certificate.
    Plain,
    /// TLS from the first octet.
    Tls,
    /// WebSocket.
    WebSocket,
    /// WebSocket inside TLS.
    WebSocketOverTls,
}

/// One address to listen on.
#[derive(Clone)]
pub struct ListenerConfig {
    /// The address; the same on all shards.
    pub address: SocketAddr,
    /// What lies under AMQP.
    pub layers: Layers,
    /// Certificate and key, where they are needed.
    pub tls: Option<TlsServer>,
    /// AMQP itself.
    pub amqp: Arc<Config>,
}

/// How addresses that peers name are understood.
#[derive(Clone, Debug, Default)]
pub struct AddressRules {
    /// A prefix that asks for anycast, and is taken off.
    pub anycast_prefix: String,
    /// A prefix that asks for multicast, and is taken off.
    pub multicast_prefix: String,
    /// What is said of addresses.
    pub catalogue: Arc<Catalogue>,
}

impl AddressRules {
    /// The address without its prefix, and what the prefix asks for.
    pub fn strip<'a>(&self, address: &'a str) -> (&'a str, Option<RoutingType>) {
        let prefixes = [(&self.anycast_prefix, RoutingType::Anycast), (&self.multicast_prefix, RoutingType::Multicast)];
        for (prefix, routing) in prefixes {
            if !prefix.is_empty()
                && let Some(rest) = address.strip_prefix(prefix.as_str())
            {
                return (rest, Some(routing));
            }
        }
        (address, None)
    }

    /// Whether a node of this name may be made on demand.
    pub fn may_create(&self, address: &str) -> bool {
        self.catalogue.settings(address).auto_create
    }
}

/// A password to verify on an ordinary thread; the answer goes to the shard's inbox as `Post::Verified`.
pub struct Verify {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
    /// Who asks.
    pub connection: Slot,
    /// Where the answer goes.
    pub reply: InboxSender<Post>,
}

/// Where connections live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// With the owner of their first link.
    ToOwner,
    /// Where the system put them.
    Never,
}

/// Everything that a front end is told.
#[derive(Clone)]
pub struct FrontendConfig {
    /// Addresses to listen on.
    pub listeners: Vec<ListenerConfig>,
    /// How addresses are understood.
    pub addresses: AddressRules,
    /// Connections of one shard; more are closed at once.
    pub connections_max: u32,
    /// Connections of all shards together, as far as there are descriptors for them; more are closed at once.
    pub connections: Permits,
    /// Links of one shard; more are refused.
    pub links_max: u32,
    /// Whether a connection moves to the shard that owns what its first link is attached to.
    pub moves: Moves,
    /// How long to look for work before sleeping, nanoseconds; 0: not at all.
    pub spin_ns: u64,
    /// Who verifies passwords.
    pub verifier: flume::Sender<Verify>,
}
