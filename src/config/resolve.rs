//! What a node starts with, made of what was typed in. `run` and `config check` both come through here: everything that a start does with a
//! value before it serves is tried here, so that what is found right here can be started with, as far as it does not depend on who else
//! listens on the machine.
//!
//! It reads files and looks up names; it changes nothing.

pub(in crate::config) mod coming;
mod connecting;
mod defining;
mod listening;
pub(in crate::config) mod routing;
mod web;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use engine_catalogue::{Area as _, Definition};
use engine_router_conf::Configuration;
use load_model::number;
use node_shell::transport::TlsServer;

use super::fault::Faults;
use super::given::Given;
use super::managed;
use super::policies::Policies;
use super::settings::{Config, Limits, Listener, Mechanism, Node, Sasl, Transport, Users, machine_mib};
use super::{cores, files};
use crate::routing::Routing;
use crate::users;

pub use connecting::ConnectTo;
pub use listening::Resolving;
pub use web::{ClientCertificate, HttpListener};

/// What a node starts with.
#[derive(Clone)]
pub struct Resolved {
    /// The values, all of which go together.
    pub config: Config,
    /// The core of each shard.
    pub cores: Vec<usize>,
    /// Listeners, in the order of the configuration.
    pub listeners: Vec<ListenAt>,
    /// What connectors show, and whom they trust, in the order of the configuration.
    pub connectors: Vec<ConnectTo>,
    /// Who may authenticate.
    pub users: Option<Arc<users::Users>>,
    /// The HTTP listener.
    pub http: Option<HttpListener>,
    /// Addresses, queues and their settings.
    pub definitions: Vec<Definition>,
    /// The router, if there is one.
    pub routing: Option<Routing>,
    /// What its policy says, if it has one.
    pub policies: Option<Policies>,
    /// What its management tells of its configuration.
    pub managed: Option<Arc<Configuration>>,
    /// What is allowed, and worth a thought.
    pub warnings: Vec<String>,
}

/// A listener, resolved.
#[derive(Clone)]
pub struct ListenAt {
    /// Its addresses; with port 0 the first one's port is the others' as well.
    pub addresses: Vec<SocketAddr>,
    /// Its certificate and key.
    pub tls: Option<TlsServer>,
}

impl Given {
    /// Resolves everything.
    ///
    /// # Errors
    /// Everything that a node could not start with.
    pub fn resolve(&self) -> Result<Resolved, Faults> {
        self.resolve_beside(Faults::default())
    }

    /// The same, with what else is wrong.
    pub fn resolve_beside(&self, faults: Faults) -> Result<Resolved, Faults> {
        let mut resolving = Resolving {
            config: &self.config,
            origins: &self.origins,
            faults,
            warnings: self.warnings.clone(),
            taken: Vec::new(),
        };
        let cores = resolving.cores();
        resolving.limits();
        resolving.prefixes();
        let definitions = resolving.definitions(cores.len());
        resolving.data_directory();
        let users = resolving.users();
        let listeners = (0..self.config.listeners.len()).map(|index| resolving.listener(index)).collect();
        let connectors = resolving.connectors();
        let http = resolving.web();
        let routing = resolving.routing();
        let policies = resolving.policies();
        let Resolving { faults, warnings, .. } = resolving;
        let config = self.config.clone();
        let managed =
            config.router.enabled.then(|| managed::configuration(&config, self.router.as_ref())).map(Arc::new);
        faults.or(Resolved {
            config,
            cores,
            listeners,
            connectors,
            users,
            http,
            definitions,
            routing,
            policies,
            managed,
            warnings,
        })
    }
}

impl Resolving<'_> {
    /// The core of each shard.
    fn cores(&mut self) -> Vec<usize> {
        let node = &self.config.node;
        match cores::choose(&node.cores, &engine_rt::allowed_cores()) {
            Ok(cores) => {
                let shards = node.shards.map_or(cores.len(), usize::from);
                cores.into_iter().cycle().take(shards).collect()
            }
            Err(wrong) => {
                self.fault(Node::NAME, 0, "cores", format!("node.cores is {:?}: {wrong}", node.cores));
                Vec::new()
            }
        }
    }

    fn limits(&mut self) {
        let (wanted, there) = (self.config.limits.memory_mib, machine_mib());
        if wanted > there {
            let (wanted, there) = (number::count(wanted), number::count(there));
            let text = format!(
                "limits.memory_mib is {wanted} MiB: this machine has {there} MiB, and other programs need some"
            );
            self.fault(Limits::NAME, 0, "memory_mib", text);
        }
    }

    fn prefixes(&mut self) {
        let node = &self.config.node;
        let (anycast, multicast) = (&node.anycast_prefix, &node.multicast_prefix);
        if !anycast.is_empty() && multicast.starts_with(anycast.as_str()) {
            let text = format!(
                "node.multicast_prefix is {multicast:?}: names that begin with it begin with node.anycast_prefix \
                 ({anycast:?}) as well, and would never ask for multicast; choose two that differ from the start"
            );
            self.fault(Node::NAME, 0, "multicast_prefix", text);
        }
    }

    fn data_directory(&mut self) {
        if !self.config.storage.enabled {
            return;
        }
        if let Err(wrong) = files::writable(&self.config.node.data_dir) {
            self.fault(Node::NAME, 0, "data_dir", format!("node.data_dir: {wrong}"));
        }
    }

    fn users(&mut self) -> Option<Arc<users::Users>> {
        let path = self.config.users.file.as_deref()?;
        match users::Users::load(path) {
            Ok(users) => Some(Arc::new(users)),
            Err(error) => {
                self.fault(Users::NAME, 0, "file", format!("users.file: {error}"));
                None
            }
        }
    }

    /// Certificate and key of a table, which go together.
    fn tls(
        &mut self,
        table: Table<'_>,
        files: (Option<&Path>, Option<&Path>),
        client_ca: Option<&Path>,
    ) -> Option<TlsServer> {
        let Table { area, index, prefix } = table;
        let (certificate, key) = match files {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return None,
            (certificate, _) => {
                let (there, missing) =
                    if certificate.is_some() { ("certificate", "key") } else { ("key", "certificate") };
                let text =
                    format!("{prefix}{there} is set, and {missing} is not: they go together, so set both or none");
                self.fault(area, index, there, text);
                return None;
            }
        };
        let mut whole = true;
        let named = [("certificate", Some(certificate)), ("key", Some(key)), ("client_ca", client_ca)];
        for (setting, path) in named.into_iter().filter_map(|(setting, path)| Some((setting, path?))) {
            if let Err(wrong) = files::check_pem(setting, path) {
                whole = false;
                self.fault(area, index, setting, format!("{prefix}{setting}: {wrong}"));
            }
        }
        if !whole {
            return None;
        }
        match TlsServer::load_for(certificate, key, client_ca) {
            Ok(tls) => Some(tls),
            Err(error) => {
                let text = format!(
                    "{prefix}certificate and {prefix}key: {error}; they are {} and {}",
                    certificate.display(),
                    key.display()
                );
                self.fault(area, index, "key", text);
                None
            }
        }
    }

    fn listener(&mut self, index: usize) -> ListenAt {
        let config = self.config;
        let Some(listener) = config.listeners.get(index) else {
            return ListenAt { addresses: Vec::new(), tls: None };
        };
        let name = format!("listener {}", listener.address);
        let mut fault = |setting: &'static str, text: &str| {
            self.fault_of((Listener::NAME, index), setting, &name, text);
        };
        let secure = matches!(listener.transport, Transport::Tls | Transport::Wss);
        if secure && listener.certificate.is_none() && listener.key.is_none() {
            fault(
                "transport",
                "this transport needs a certificate and a key: set certificate and key, or choose tcp or ws",
            );
        }
        if listener.transport == Transport::Ws && listener.certificate.is_some() {
            fault(
                "certificate",
                "a ws listener has no use for a certificate: choose wss, or leave the certificate out",
            );
        }
        if listener.mechanisms.contains(&Mechanism::Plain) && config.users.file.is_none() {
            fault("mechanisms", "PLAIN needs users.file; make one with `heddle user add NAME --file FILE`");
        }
        if listener.sasl != Sasl::None && listener.mechanisms.is_empty() {
            fault("mechanisms", "there are no mechanisms to authenticate by: name one, or set sasl = \"none\"");
        }
        let idle = listener.idle_timeout_ms;
        if (1..IDLE_MIN_MS).contains(&idle) {
            let text = format!("idle_timeout_ms is {idle}: it takes 0 for never, or at least {IDLE_MIN_MS} ms");
            fault("idle_timeout_ms", &text);
        }
        if let Some(text) = listener.congestion_control.wrong() {
            fault("congestion_control", &text);
        }
        let prefix = format!("{name}: ");
        let table = Table { area: Listener::NAME, index, prefix: &prefix };
        let tls = self.tls(table, (listener.certificate.as_deref(), listener.key.as_deref()), None);
        let addresses = self.addresses(Listener::NAME, index, &listener.address);
        self.take(&name, &self.origins.place(Listener::NAME, index, "address"), &addresses);
        ListenAt { addresses, tls }
    }
}

/// Shortest idle timeout, milliseconds: half of it is announced, and peers take less than 100 for a mistake.
const IDLE_MIN_MS: u32 = 200;

/// A table of the configuration, and what stands before names of its settings for people.
#[derive(Clone, Copy)]
struct Table<'a> {
    area: &'static str,
    index: usize,
    prefix: &'a str,
}
