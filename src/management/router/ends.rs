//! Connectors and listeners that come and go while a router runs: from what their sections say to what shards are told, and what other sections
//! may name.
//!
//! Not here: reading sections, and telling the shards (`changes`).

use std::collections::BTreeMap;
use std::sync::Arc;

use engine_router_conf::{Changing, Configuration};
use engine_rt::Listener as Socket;
use node_shell::{ConnectorConfig, ListenerConfig};

use crate::config::{self, Config, Resolved, Role};
use crate::connectors;
use crate::listeners::{self, Judging};
use crate::node::Sockets;
use crate::routing::Routing;

/// The connectors and listeners of a router.
pub struct Ends {
    /// What holds for all of them; it has none of them itself.
    config: Config,
    judging: Judging,
    /// What they are called, and what is at their other ends.
    named: BTreeMap<(Changing, u32), (String, Role)>,
    /// As a list.
    list: Vec<(String, Role)>,
}

impl Ends {
    /// Those that the router began with.
    pub fn new(resolved: &Resolved, routing: &Routing) -> Self {
        let config = &resolved.config;
        let (connectors, listeners) = routing.ends.split_at(config.connectors.len().min(routing.ends.len()));
        let connectors = (0..).zip(connectors).map(|(number, end)| ((Changing::Connector, number), end.clone()));
        let listeners = (0..).zip(listeners).map(|(number, end)| ((Changing::Listener, number), end.clone()));
        let without = Config {
            connectors: Vec::new(),
            listeners: Vec::new(),
            routes: Vec::new(),
            auto_links: Vec::new(),
            link_routes: Vec::new(),
            passwords: Default::default(),
            ..config.clone()
        };
        let judging = Judging::of(resolved);
        let mut ends =
            Self { config: without, judging, named: connectors.chain(listeners).collect(), list: Vec::new() };
        ends.note();
        ends
    }

    /// All of them by name, connectors first.
    pub fn list(&self) -> &[(String, Role)] {
        &self.list
    }

    /// Goes by the connector that was added last; gives what its shard is told, and what is doubtful about it.
    ///
    /// # Errors
    /// When it says nothing that can be.
    pub fn connector(
        &mut self,
        configuration: &Configuration,
        number: u32,
    ) -> Result<(Arc<ConnectorConfig>, Vec<String>), String> {
        let ((connector, to), warnings) = config::connector(configuration, &self.config)?;
        self.named.insert((Changing::Connector, number), (connector.name.clone(), connector.role));
        self.note();
        Ok((Arc::new(connectors::one(&self.config, &connector, &to)), warnings))
    }

    /// Binds the listener that was added last, once for each of so many shards; gives its sockets, and what is doubtful about it.
    ///
    /// # Errors
    /// When it says nothing that can be, or the system does not let it listen there.
    pub fn listener(
        &mut self,
        configuration: &Configuration,
        (number, shards): (u32, usize),
    ) -> Result<(Sockets, Vec<String>), String> {
        let ((listener, at), warnings) = config::listener(configuration, &self.config)?;
        let bound = listeners::bind(std::slice::from_ref(&at), shards);
        let (sockets, addresses) = bound.map_err(|(address, error)| format!("cannot listen on {address}: {error}"))?;
        let one = |address| Arc::new(listeners::one(&self.config, (number, &listener), (&at, address), self.judging));
        let configs: Vec<Arc<ListenerConfig>> = addresses.iter().copied().map(one).collect();
        addresses.iter().for_each(|address| listeners::tell(&listener, *address));
        self.named.insert((Changing::Listener, number), (listener.name.clone(), listener.role));
        self.note();
        let of_shard = |sockets: Vec<Socket>| sockets.into_iter().zip(configs.iter().cloned()).collect();
        Ok((sockets.into_iter().map(of_shard).collect(), warnings))
    }

    /// One is no more.
    pub fn remove(&mut self, changing: Changing, number: u32) {
        self.named.remove(&(changing, number));
        self.note();
    }

    fn note(&mut self) {
        self.list = self.named.values().cloned().collect();
    }
}
