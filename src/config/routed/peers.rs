//! Connectors and links that a router's file has, made into the program's own.

use engine_router_conf::Configuration;
use engine_router_conf::sections::{self, AutoLink, LinkRoute, Secret, SslProfile};
use engine_router_conf::words::{self, Role};

use super::super::settings::{self, Connector, ConnectorMechanism, Direction, Password, Transport};
use super::{Laying, origin, port};

impl Laying<'_> {
    pub(super) fn connectors(&mut self, configuration: &Configuration) {
        self.origins.forget("connectors");
        let mut connectors = Vec::new();
        for (index, from) in configuration.connectors.iter().enumerate() {
            self.origins.note_area("connectors", index, origin(&from.origin.place));
            connectors.push(self.connector(from, configuration));
        }
        self.config.connectors = connectors;
    }

    pub(super) fn connector(&mut self, from: &sections::Connector, configuration: &Configuration) -> Connector {
        let mut connector = Connector { name: from.origin.name.clone(), ..Connector::default() };
        connector.role = role(from.endpoint.role);
        match port(&from.endpoint.port).and_then(|port| super::endpoint(&from.host, port)) {
            Ok(endpoint) => connector.endpoints = vec![endpoint],
            Err(wrong) => self.wrong_address(&from.origin, &wrong),
        }
        let bounds = &from.bounds;
        connector.cost = from.endpoint.cost;
        connector.link_capacity = Some(bounds.link_capacity);
        connector.max_frame_size = bounds.max_frame_size;
        connector.channel_max = u16::try_from(bounds.max_sessions.saturating_sub(1)).unwrap_or(u16::MAX);
        connector.idle_timeout_ms = bounds.idle_timeout_seconds.saturating_mul(1000);
        connector.retry_max_ms = RETRY_MAX_MS;
        connector.verify_hostname = from.is_hostname_verified;
        let profiles = &configuration.ssl_profiles;
        let profile = from.ssl_profile.as_ref();
        if let Some(profile) = profile.and_then(|name| profiles.iter().find(|profile| profile.origin.name == *name)) {
            self.secure_connector(profile, &mut connector);
        }
        self.authenticate(from, &mut connector);
        connector
    }

    fn secure_connector(&mut self, profile: &SslProfile, connector: &mut Connector) {
        connector.transport = Transport::Tls;
        connector.ca.clone_from(&profile.ca_cert_file);
        connector.certificate.clone_from(&profile.cert_file);
        connector.key = profile.private_key_file.clone().or_else(|| profile.cert_file.clone());
        if profile.ca_cert_file.is_none() {
            let text = format!(
                "sslProfile {} has no caCertFile: a connector trusts those whose certificates an authority of that file issued",
                profile.origin.name
            );
            self.fault(&profile.origin.place, text);
        }
    }

    /// How a connector says who it is: by name and password if it has some, else by its certificate or as nobody, as far as the mechanisms
    /// let it.
    fn authenticate(&mut self, from: &sections::Connector, connector: &mut Connector) {
        let listed: Option<Vec<&str>> =
            from.sasl_mechanisms.as_ref().map(|names| names.iter().map(String::as_str).collect());
        let takes = |name: &str| listed.as_ref().is_none_or(|listed| listed.contains(&name));
        let mechanism = if from.sasl_username.is_some() && takes("PLAIN") {
            ConnectorMechanism::Plain
        } else if connector.certificate.is_some() && takes("EXTERNAL") {
            ConnectorMechanism::External
        } else if takes("ANONYMOUS") {
            ConnectorMechanism::Anonymous
        } else {
            let text = format!(
                "connector.saslMechanisms is {}: here there are PLAIN (with saslUsername and saslPassword), EXTERNAL (with a certificate) \
                 and ANONYMOUS",
                listed.unwrap_or_default().join(" ")
            );
            return self.fault(&from.origin.line_of("saslMechanisms"), text);
        };
        connector.sasl_mechanism = Some(mechanism);
        if mechanism != ConnectorMechanism::Plain {
            return;
        }
        connector.sasl_username.clone_from(&from.sasl_username);
        match &from.sasl_password {
            Some(Secret::Env(name)) => connector.sasl_password_env = Some(name.clone()),
            Some(Secret::File(path)) => connector.sasl_password_file = Some(path.clone()),
            Some(Secret::Plain(text)) => {
                self.config.passwords.insert(connector.name.clone(), Password(text.clone()));
                self.warn(
                    &from.origin.line_of("saslPassword"),
                    "connector.saslPassword: file:PATH or env:NAME keeps it from whoever reads this file",
                );
            }
            None => self.fault(
                &from.origin.line_of("saslUsername"),
                "connector.saslUsername has no saslPassword beside it: set both",
            ),
        }
    }

    pub(super) fn link_routes(&mut self, routes: &[LinkRoute]) {
        self.origins.forget("link_routes");
        self.config.link_routes = routes.iter().map(link_route).collect();
        for (index, route) in routes.iter().enumerate() {
            self.origins.note_area("link_routes", index, origin(&route.origin.place));
        }
    }

    pub(super) fn auto_links(&mut self, links: &[AutoLink]) {
        self.origins.forget("auto_links");
        self.config.auto_links = links.iter().map(auto_link).collect();
        for (index, link) in links.iter().enumerate() {
            self.origins.note_area("auto_links", index, origin(&link.origin.place));
        }
    }
}

/// Who is at the other end.
pub(super) fn role(role: Role) -> settings::Role {
    match role {
        Role::Normal => settings::Role::Normal,
        Role::RouteContainer => settings::Role::RouteContainer,
        Role::InterRouter => settings::Role::InterRouter,
        Role::Edge => settings::Role::Edge,
    }
}

/// How long a connector waits behind many failures, milliseconds: as long as qdrouterd's behind each.
const RETRY_MAX_MS: u32 = 5_000;

fn direction(direction: words::Direction) -> Direction {
    match direction {
        words::Direction::In => Direction::In,
        words::Direction::Out => Direction::Out,
    }
}

/// A route of links, as a section says it.
pub fn link_route(from: &LinkRoute) -> settings::LinkRoute {
    settings::LinkRoute {
        prefix: from.matched.prefix.clone(),
        pattern: from.matched.pattern.clone(),
        direction: Some(direction(from.direction)),
        connection: from.via.connection.clone(),
        container: from.via.container_id.clone(),
        remove_prefix: from.del_external_prefix.clone(),
        add_prefix: from.add_external_prefix.clone(),
        stored: false,
    }
}

/// A link that the router attaches, as a section says it.
pub fn auto_link(from: &AutoLink) -> settings::AutoLink {
    settings::AutoLink {
        address: from.address.clone(),
        direction: Some(direction(from.direction)),
        connection: from.via.connection.clone(),
        container: from.via.container_id.clone(),
        node: from.external_address.clone(),
        phase: from.phase,
        fallback: from.is_fallback,
        stored: false,
    }
}
