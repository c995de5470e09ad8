//! What a connector is told at its start.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use amqp_proto::{Config, Credentials};
use engine_rt::CongestionControl;

use crate::listener::ListenerConfig;
use crate::role::Role;
use crate::transport::{Layers, TlsClient};

/// A peer to connect to.
#[derive(Clone)]
pub struct ConnectorConfig {
    /// What it is called in the log, in figures and by its peer's links.
    pub name: String,
    /// Who the peer is.
    pub role: Role,
    /// Deliveries of a link through the router that may be unsettled, from 1; `None`: as many as the router has for all.
    pub link_capacity: Option<u32>,
    /// How its connections are held back by the network.
    pub congestion_control: CongestionControl,
    /// Where the peer is: tried in this order, at least one.
    pub endpoints: Arc<[Endpoint]>,
    /// What lies under AMQP.
    pub layers: Layers,
    /// Whom TLS trusts, and what it shows, where it is needed.
    pub tls: Option<TlsClient>,
    /// What SASL shows; `None`: there is no SASL.
    pub credentials: Option<Credentials>,
    /// AMQP itself.
    pub amqp: Arc<Config>,
    /// How long it waits for what.
    pub timing: Timing,
    /// The other end is this node's, as one of this listener: its endpoint is none.
    pub own: Option<Arc<ListenerConfig>>,
}

/// How long a connector waits for what, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For a name to be answered; and for a connection to be open, from its first packet on.
    pub connect_ns: u64,
    /// Behind the first failure.
    pub retry_min_ns: u64,
    /// Behind many.
    pub retry_max_ns: u64,
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// A host, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By its address.
    Address(IpAddr),
    /// By its name, which is looked up each time.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => ip.fmt(out),
            Self::Name(name) => name.fmt(out),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(ip) => SocketAddr::new(*ip, self.port).fmt(out),
            Host::Name(name) => write!(out, "{name}:{}", self.port),
        }
    }
}
