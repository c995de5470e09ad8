//! Listeners and connectors, and what both have.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::origin::Origin;
use crate::sections::Secret;
use crate::typed::part;
use crate::words::{AddressFamily, Role, StripAnnotations};

part! {
    /// A port that connections come in at.
    Listener {
        /// Where it stands, and its name: autoLinks and linkRoutes name it so.
        origin: Origin = origin,
        /// Address or name of this machine; empty: all addresses.
        host: String = "host",
        /// The port and who is at its other end.
        endpoint: Endpoint = part,
        /// Family of addresses; `None`: as the host has.
        family: Option<AddressFamily> = "socketAddressFamily",
        /// What is asked of peers.
        protection: Protection = part,
        /// Name of the sslProfile; `None`: no TLS.
        ssl_profile: Option<String> = "sslProfile",
        /// How much each connection may ask for.
        bounds: Bounds = part,
        /// Time for a connection to reach Open, seconds; 0: no bound.
        initial_handshake_timeout_seconds: u32 = "initialHandshakeTimeoutSeconds",
        /// What is done with messages and names that pass.
        passage: Passage = part,
        /// Whether addresses of clients begin with the host name of their Open.
        is_multi_tenant: bool = "multiTenant",
        /// Where clients may go when this router fails; empty: nothing is said.
        failover_urls: Option<Vec<String>> = "failoverUrls",
        /// What is served if the port is of HTTP.
        http: Http = part,
    }
}

part! {
    /// A connection that the router makes.
    Connector {
        /// Where it stands, and its name: autoLinks and linkRoutes name it so.
        origin: Origin = origin,
        /// Address or name of the other end.
        host: String = "host",
        /// The port and what is at its other end.
        endpoint: Endpoint = part,
        /// Family of addresses; `None`: as the host has.
        family: Option<AddressFamily> = "protocolFamily",
        /// Name of the sslProfile; `None`: no TLS.
        ssl_profile: Option<String> = "sslProfile",
        /// Certificates that the other end's is checked with, deprecated; `None`: as the profile has.
        trusted_certs_file: Option<PathBuf> = "trustedCertsFile",
        /// Whether the certificate of the other end has to have its name.
        is_hostname_verified: bool = "verifyHostname",
        /// Mechanisms of SASL; `None`: all that there are.
        sasl_mechanisms: Option<Vec<String>> = "saslMechanisms",
        /// Name that the router has there.
        sasl_username: Option<String> = "saslUsername",
        /// Password of that.
        sasl_password: Option<Secret> = "saslPassword",
        /// How much the connection may ask for.
        bounds: Bounds = part,
        /// What is done with messages and names that pass.
        passage: Passage = part,
    }
}

part! {
    /// A port, and what is at its other end.
    Endpoint {
        /// Number or service name; of a listener 0 leaves it to the system.
        port: String = "port",
        /// What is there.
        role: Role = "role",
        /// Cost of the way, from 1; of role inter-router.
        cost: u32 = "cost",
    }
}

part! {
    /// What a listener asks of peers.
    Protection {
        /// Mechanisms of SASL; `None`: all that there are.
        sasl_mechanisms: Option<Vec<String>> = "saslMechanisms",
        /// Whether they have to say who they are.
        authenticates_peer: bool = "authenticatePeer",
        /// Name of the authServicePlugin that SASL is left to.
        sasl_plugin: Option<String> = "saslPlugin",
        /// Whether connections have to be encrypted.
        requires_encryption: bool = "requireEncryption",
        /// Whether they have to be of TLS.
        requires_ssl: bool = "requireSsl",
        /// Certificates that peers' are checked with, deprecated; `None`: as the profile has.
        trusted_certs_file: Option<PathBuf> = "trustedCertsFile",
    }
}

part! {
    /// How much a connection may ask for.
    Bounds {
        /// Octets of a frame, 512 at least.
        max_frame_size: u32 = "maxFrameSize",
        /// Sessions, 1 to 32768.
        max_sessions: u32 = "maxSessions",
        /// Incoming window of a session, frames; `None`: no bound.
        max_session_frames: Option<u32> = "maxSessionFrames",
        /// Silence after which it is closed, seconds; 0: never. Half of it is what the peer is told.
        idle_timeout_seconds: u32 = "idleTimeoutSeconds",
        /// Deliveries of a link that may be unsettled, from 1.
        link_capacity: u32 = "linkCapacity",
    }
}

part! {
    /// What is done with messages and names that pass a connection.
    Passage {
        /// Where the router's annotations are removed.
        strip_annotations: StripAnnotations = "stripAnnotations",
        /// Properties of messages that are logged; `all`, `none`.
        message_logging_components: Vec<String> = "messageLoggingComponents",
        /// vhost whose policy holds whatever the connection names.
        policy_vhost: Option<String> = "policyVhost",
        /// What is added to the properties of Open.
        open_properties: Option<Map<String, Value>> = "openProperties",
    }
}

part! {
    /// What is served over HTTP.
    Http {
        /// Whether the port is of HTTP; see `Http::is_served`.
        is_set: bool = "http",
        /// Whether it answers whether the router lives.
        healthz: bool = "healthz",
        /// Whether it answers with figures.
        metrics: bool = "metrics",
        /// Whether it takes AMQP over WebSocket.
        websockets: bool = "websockets",
        /// Directory of files.
        root_dir: Option<PathBuf> = "httpRootDir",
    }
}

impl Http {
    /// Whether the port is of HTTP, and not of AMQP: it is set so, or there are files to serve.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.is_set || self.root_dir.is_some()
    }
}

impl Listener {
    /// What management knows it by.
    #[must_use]
    pub fn identity(&self) -> String {
        identity("listener", &self.origin, &self.host, &self.endpoint)
    }
}

impl Connector {
    /// What management knows it by.
    #[must_use]
    pub fn identity(&self) -> String {
        identity("connector", &self.origin, &self.host, &self.endpoint)
    }
}

/// `listener/HOST:PORT`, and the name behind it if it has another one.
fn identity(section: &str, origin: &Origin, host: &str, endpoint: &Endpoint) -> String {
    let unnamed = format!("{section}/{host}:{}", endpoint.port);
    if origin.name == unnamed { unnamed } else { format!("{unnamed}:{}", origin.name) }
}
