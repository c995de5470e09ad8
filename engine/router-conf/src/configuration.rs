//! A router's configuration as a whole.

use crate::sections::{
    Address, AuthServicePlugin, AutoLink, Connector, LinkRoute, Listener, Log, Policy, Resolved, Router, SslProfile,
    Vhost,
};
use crate::words::Module;

/// What a file says, checked. Sections of each type are in the order of the file; those that former ones stand for come last.
///
/// Two are equal when they say the same, wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The router.
    pub router: Router,
    /// Ports that connections come in at.
    pub listeners: Vec<Listener>,
    /// Connections that the router makes.
    pub connectors: Vec<Connector>,
    /// How messages of addresses are spread.
    pub addresses: Vec<Address>,
    /// Links of clients that go on to containers.
    pub link_routes: Vec<LinkRoute>,
    /// Links that the router makes.
    pub auto_links: Vec<AutoLink>,
    /// What modules log; see `Configuration::log_of`.
    pub logs: Vec<Log>,
    /// Certificates and rules of TLS.
    pub ssl_profiles: Vec<SslProfile>,
    /// Services that SASL is left to.
    pub auth_service_plugins: Vec<AuthServicePlugin>,
    /// Bounds of the router as a whole.
    pub policy: Policy,
    /// Who may do what.
    pub vhosts: Vec<Vhost>,
}

impl Configuration {
    /// What a module logs, with what it inherits put in.
    #[must_use]
    pub fn log_of(&self, module: Module) -> Resolved {
        Resolved::of(module, &self.logs)
    }
}
