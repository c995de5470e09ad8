//! Listeners of the configuration, as the shells are told of them, and their sockets.
//!
//! Not here: what is wrong with them (`config`), and how connections are accepted (the shells').

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use amqp_proto::Tls;
use engine_rt::Listener as Socket;
use node_shell::{Judge, Layers, ListenerConfig};

use crate::amqp;
use crate::config::{Config, ListenAt, Listener, Mechanism, Resolved, Role, Sasl, Transport};
use crate::connectors;

/// Sockets of each shard, in the order of their addresses; and those addresses.
pub type Bound = (Vec<Vec<Socket>>, Vec<SocketAddr>);

/// Whether a policy judges connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judging {
    /// One does.
    Policy,
    /// There is none.
    None,
}

impl Judging {
    /// What holds for a node.
    pub fn of(resolved: &Resolved) -> Self {
        let has_rules = resolved.policies.as_ref().is_some_and(|policies| policies.rules.is_some());
        if has_rules { Self::Policy } else { Self::None }
    }
}

/// Binds every address of every listener once for each shard.
///
/// # Errors
/// The address that cannot be bound, and what the system says.
pub fn bind(listeners: &[ListenAt], shards: usize) -> Result<Bound, (SocketAddr, io::Error)> {
    let mut by_shard: Vec<Vec<Socket>> = (0..shards).map(|_| Vec::new()).collect();
    let mut bound = Vec::new();
    for listener in listeners {
        let mut port = 0;
        for &(mut address) in &listener.addresses {
            if address.port() == 0 {
                address.set_port(port);
            }
            let wanted = address;
            let fail = |error| (wanted, error);
            if address.port() != 0 {
                Socket::probe(address).map_err(fail)?;
            }
            for shard in &mut by_shard {
                let socket = Socket::bind(address).map_err(fail)?;
                address = socket.local_addr().map_err(fail)?;
                shard.push(socket);
            }
            port = address.port();
            bound.push(address);
        }
    }
    Ok((by_shard, bound))
}

/// All of a configuration, one for each address that is bound.
pub fn of(resolved: &Resolved, bound: &[SocketAddr]) -> Vec<Arc<ListenerConfig>> {
    let judging = Judging::of(resolved);
    let listeners = (0..).zip(resolved.config.listeners.iter().zip(&resolved.listeners));
    let listeners =
        listeners.flat_map(|(number, (listener, at))| at.addresses.iter().map(move |_| (number, listener, at)));
    let one = |((number, listener, at), address): ((u32, &Listener, &ListenAt), &SocketAddr)| {
        Arc::new(one(&resolved.config, (number, listener), (at, *address), judging))
    };
    listeners.zip(bound).map(one).collect()
}

/// An address of a listener.
pub fn one(
    config: &Config,
    (number, listener): (u32, &Listener),
    (at, address): (&ListenAt, SocketAddr),
    judging: Judging,
) -> ListenerConfig {
    let tls = at.tls.clone();
    let layers = amqp::layers(listener.transport);
    let mechanism = |mechanism: &Mechanism| match mechanism {
        Mechanism::Anonymous => amqp_proto::Mechanism::Anonymous,
        Mechanism::Plain => amqp_proto::Mechanism::Plain,
    };
    let amqp = amqp_proto::Config {
        container_id: config.node.container_id.clone(),
        max_frame_size: listener.max_frame_size,
        channel_max: listener.channel_max,
        handle_max: listener.handle_max,
        idle_timeout_ms: listener.idle_timeout_ms,
        handshake_timeout_ms: listener.handshake_timeout_ms,
        max_message_size: amqp::max_message_size(config, listener.max_message_size),
        stream_above: amqp::stream_above(config),
        incoming_window: amqp::incoming_window(config, listener.max_frame_size),
        small_frames_window: amqp::small_frames_window(listener.role),
        sasl: match listener.sasl {
            Sasl::Required => amqp_proto::Sasl::Required,
            Sasl::Optional => amqp_proto::Sasl::Optional,
            Sasl::None => amqp_proto::Sasl::Off,
        },
        mechanisms: listener.mechanisms.iter().map(mechanism).collect(),
        tls: if tls.is_some() && layers == Layers::Plain { Tls::Optional } else { Tls::Off },
    };
    let (name, role) = (listener.name.clone(), connectors::role(listener.role, listener.cost));
    let vhost = listener.policy_vhost.as_deref().map(Arc::from);
    // Policies are about clients, and not about other routers.
    let is_judged = !matches!(listener.role, Role::InterRouter | Role::Edge);
    let judge = (is_judged && judging == Judging::Policy).then_some(Judge { vhost });
    let (link_capacity, amqp) = (listener.link_capacity, Arc::new(amqp));
    let congestion_control = listener.congestion_control.0.clone();
    ListenerConfig { number, name, role, link_capacity, congestion_control, address, layers, tls, amqp, judge }
}

/// Says that an address of a listener is listened on.
pub fn tell(listener: &Listener, address: SocketAddr) {
    let (transport, by_header) = match listener.transport {
        Transport::Tcp if listener.certificate.is_some() => ("tcp", Some("by protocol header")),
        Transport::Tcp => ("tcp", None),
        Transport::Tls => ("tls", None),
        Transport::Ws => ("ws", None),
        Transport::Wss => ("wss", None),
    };
    let sasl = match listener.sasl {
        Sasl::Required => "required",
        Sasl::Optional => "optional",
        Sasl::None => "none",
    };
    let names = listener.mechanisms.iter().map(|mechanism| match mechanism {
        Mechanism::Anonymous => "ANONYMOUS",
        Mechanism::Plain => "PLAIN",
    });
    let mechanisms = (listener.sasl != Sasl::None).then(|| names.collect::<Vec<_>>().join(","));
    tracing::info!(target: "heddle::program", %address, transport, tls = by_header, sasl, mechanisms, "listening");
}
