//! What a listener's connections go by, and those that it has accepted go on going by when it is no more.

use std::net::SocketAddr;
use std::sync::Arc;

use amqp_proto::Config;
use engine_rt::CongestionControl;

use crate::role::Role;
use crate::transport::{Layers, TlsServer};

/// Where the peer is of a connection whose other end is this node's, too.
pub(crate) const OWN_PEER: &str = "this node";

/// One address to listen on.
pub struct ListenerConfig {
    /// Of its listener, which may have several addresses: that of no other one before or behind it.
    pub number: u32,
    /// What links name it by that are for its connections.
    pub name: String,
    /// Who connects to it.
    pub role: Role,
    /// Deliveries of a link through the router that may be unsettled, from 1; `None`: as many as the router has for all.
    pub link_capacity: Option<u32>,
    /// How its connections are held back by the network.
    pub congestion_control: CongestionControl,
    /// The address; the same on all shards.
    pub address: SocketAddr,
    /// What lies under AMQP.
    pub layers: Layers,
    /// Certificate and key, where they are needed.
    pub tls: Option<TlsServer>,
    /// AMQP itself.
    pub amqp: Arc<Config>,
    /// How its connections are judged, if a policy does so (`ShellConfig::gate`).
    pub judge: Option<Judge>,
}

/// How a listener's connections are judged.
#[derive(Clone)]
pub struct Judge {
    /// The vhost that they are of, whatever hostname they open with.
    pub vhost: Option<Arc<str>>,
}
