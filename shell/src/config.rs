//! What a shard's shell is told at its start.

use std::sync::Arc;

use engine_home::{AddressRules, Managed, Moves};
use engine_router::auto_links::AutoLink;
use engine_routing::Note;
use engine_rt::Permits;

use crate::connectors::ConnectorConfig;
use crate::listener::ListenerConfig;
use crate::post::{Asking, Resolve, Verify};

/// Everything that a shard's shell is told.
#[derive(Clone)]
pub struct ShellConfig {
    /// Addresses to listen on.
    pub listeners: Vec<Arc<ListenerConfig>>,
    /// Peers to connect to, of all shards: each shard takes those whose place, divided by the number of shards, leaves
    /// its index, which is their number.
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
    /// Who judges connections of listeners with a `judge`, if a policy does.
    pub gate: Option<flume::Sender<Asking>>,
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
