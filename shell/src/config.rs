//! What a shard's shell is told at its start.

use std::net::SocketAddr;
use std::sync::Arc;

use amqp_proto::Config;
use engine_home::{AddressRules, Managed, Moves, Peer};
use engine_router::auto_links::AutoLink;
use engine_routing::Note;
use engine_rt::Permits;

use crate::connectors::ConnectorConfig;
use crate::post::{Asking, Resolve, Verify};
use crate::transport::{Layers, TlsServer};

/// Who is at the other end of a listener's or connector's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Clients.
    #[default]
    Normal,
    /// A broker or a service: the router may attach links to it.
    RouteContainer,
    /// Another router: a message over such a connection costs so much, from 1.
    InterRouter {
        /// The cost.
        cost: u32,
    },
    /// A router at the edge of the network that this one is of.
    Edge,
    /// A router of the network that this one is at the edge of.
    Interior,
}

impl Role {
    /// Who the peer is to the binding of a connection.
    pub(crate) fn peer(self) -> Peer {
        match self {
            Self::Normal | Self::RouteContainer => Peer::Client,
            Self::InterRouter { cost } => Peer::Router { cost },
            Self::Edge => Peer::Edge,
            Self::Interior => Peer::Interior,
        }
    }
}

/// One address to listen on.
#[derive(Clone)]
pub struct ListenerConfig {
    /// What links name it by that are for its connections.
    pub name: String,
    /// Who connects to it.
    pub role: Role,
    /// Deliveries of a link through the router that may be unsettled, from 1; `None`: as many as the router has for all.
    pub link_capacity: Option<u32>,
    /// The address; the same on all shards.
    pub address: SocketAddr,
    /// What lies under AMQP.
    pub layers: Layers,
    /// Certificate and key, where they are needed.
    pub tls: Option<TlsServer>,
    /// AMQP itself.
    pub amqp: Arc<Config>,
    /// Who judges its connections, if a policy does.
    pub judge: Option<Judge>,
}

/// Who judges a listener's connections.
#[derive(Clone)]
pub struct Judge {
    /// The vhost that they are of, whatever hostname they open with.
    pub vhost: Option<Arc<str>>,
    /// Where they are asked about.
    pub asked: flume::Sender<Asking>,
}

/// Everything that a shard's shell is told.
#[derive(Clone)]
pub struct ShellConfig {
    /// Addresses to listen on.
    pub listeners: Vec<ListenerConfig>,
    /// Peers to connect to, of all shards: each shard takes those whose place, divided by the number of shards, leaves
    /// its index.
    pub connectors: Vec<Arc<ConnectorConfig>>,
    /// Links that the router attaches to connections of role route-container, by their place.
    pub auto_links: Arc<[AutoLink]>,
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
    /// Who answers requests to management.
    pub manager: flume::Sender<Managed>,
    /// Who makes the router's table, if addresses are routed. Each link has two notes under way at most: its attach is answered behind
    /// those of links before it.
    pub registry: Option<flume::Sender<Note>>,
    /// Who looks up names.
    pub resolver: flume::Sender<Resolve>,
    /// Chance, unlike that of other nodes and other starts: how long connectors wait.
    pub seed: u64,
}
