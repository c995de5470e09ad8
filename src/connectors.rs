//! Connectors of the configuration, as the shells are told of them.

use std::net::SocketAddr;
use std::sync::Arc;

use engine_router::auto_links::QUEUES;
use node_shell::{ConnectorConfig, Endpoint, Host, Role, Timing};

use crate::amqp;
use crate::config::{self, Config, ConnectTo, Connector, ListenAt, Listener, Resolved, Sasl};
use crate::listeners::{self, Judging};

/// All of them.
pub fn of(resolved: &Resolved) -> Vec<Arc<ConnectorConfig>> {
    let connectors = resolved.config.connectors.iter().zip(&resolved.connectors);
    let has_own = resolved.config.auto_links.iter().any(|link| link.stored);
    let own = has_own.then(|| Arc::new(to_queues(&resolved.config)));
    connectors.map(|(connector, to)| Arc::new(one(&resolved.config, connector, to))).chain(own).collect()
}

/// How many of their endpoints have a name that is to be looked up.
pub fn names(config: &Config) -> usize {
    let endpoints = config.connectors.iter().flat_map(|connector| &connector.endpoints);
    endpoints.filter(|endpoint| endpoint.name().is_some()).count()
}

/// One, which goes by what holds for the whole node.
pub fn one(config: &Config, connector: &Connector, to: &ConnectTo) -> ConnectorConfig {
    let ns = |ms: u32| u64::from(ms) * 1_000_000;
    let amqp = amqp_proto::Config {
        container_id: config.node.container_id.clone(),
        max_frame_size: connector.max_frame_size,
        channel_max: connector.channel_max,
        handle_max: connector.handle_max,
        idle_timeout_ms: connector.idle_timeout_ms,
        // The connector's own time begins before AMQP does, and ends first.
        handshake_timeout_ms: connector.connect_timeout_ms,
        max_message_size: amqp::max_message_size(config, connector.max_message_size),
        stream_above: amqp::stream_above(config),
        incoming_window: amqp::incoming_window(config, connector.max_frame_size),
        small_frames_window: amqp::small_frames_window(connector.role),
        ..amqp_proto::Config::default()
    };
    ConnectorConfig {
        name: connector.name.clone(),
        role: match role(connector.role, connector.cost) {
            // Who connects so is at the edge itself.
            Role::Edge => Role::Interior,
            role => role,
        },
        link_capacity: connector.link_capacity,
        congestion_control: connector.congestion_control.0.clone(),
        endpoints: connector.endpoints.iter().map(endpoint).collect(),
        layers: amqp::layers(connector.transport),
        tls: to.tls.clone(),
        credentials: to.credentials.clone(),
        amqp: Arc::new(amqp),
        timing: Timing {
            connect_ns: ns(connector.connect_timeout_ms),
            retry_min_ns: ns(connector.retry_min_ms),
            retry_max_ns: ns(connector.retry_max_ms),
        },
        own: None,
    }
}

/// The one whose connection leads to queues of the node: its other end is like a client's.
fn to_queues(config: &Config) -> ConnectorConfig {
    let to = ConnectTo { tls: None, credentials: None };
    let (name, role) = (QUEUES.to_owned(), config::Role::RouteContainer);
    let connector = Connector { name, role, idle_timeout_ms: 0, ..Connector::default() };
    let listener = Listener { name: QUEUES.to_owned(), sasl: Sasl::None, idle_timeout_ms: 0, ..Listener::default() };
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let at = ListenAt { addresses: vec![nowhere], tls: None };
    let own = listeners::one(config, (u32::MAX, &listener), (&at, nowhere), Judging::None);
    let endpoints = [Endpoint { host: Host::Address(nowhere.ip()), port: 0 }].into();
    ConnectorConfig { endpoints, own: Some(Arc::new(own)), ..one(config, &connector, &to) }
}

/// Who is at the other end of connections of a listener, or of a connector.
pub fn role(role: config::Role, cost: u32) -> Role {
    match role {
        config::Role::Normal => Role::Normal,
        config::Role::RouteContainer => Role::RouteContainer,
        config::Role::InterRouter => Role::InterRouter { cost },
        config::Role::Edge => Role::Edge,
    }
}

fn endpoint(endpoint: &config::Endpoint) -> Endpoint {
    let host = match (endpoint.address(), endpoint.name()) {
        (Some(ip), _) => Host::Address(ip),
        (None, name) => Host::Name(name.unwrap_or_default().to_owned()),
    };
    Endpoint { host, port: endpoint.port() }
}
