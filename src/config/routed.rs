//! A router's configuration as qdrouterd has it, made into the program's own.
//!
//! Guarantee: each thing that a file says is done, warned about, or refused, all at once and with its place. What would make a difference to
//! clients is never only warned about: what is not in a table here is refused, also an attribute that is new.
//!
//! Not here: reading the file (`router`), and what is wrong with the values that it makes (`resolve`).

pub mod peers;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use engine_router_conf::sections::{self, SslProfile};
use engine_router_conf::words::{self, AddressFamily, Mode};
use engine_router_conf::{Configuration, Place as Line, Said};

use super::endpoint::Endpoint;
use super::fault::{Faults, Origin, Place};
use super::origins::Origins;
use super::said;
use super::settings::{Config, Distribution, Listener, Mechanism, Route, RouterMode, Sasl, Transport};
use super::words::Words;

/// What is done.
const DONE: &[(&str, &[&str])] = &[
    (
        "router",
        &[
            "id",
            "mode",
            "workerThreads",
            "defaultDistribution",
            "helloIntervalSeconds",
            "helloMaxAgeSeconds",
            "raIntervalSeconds",
            "raIntervalFluxSeconds",
            "remoteLsMaxAgeSeconds",
        ],
    ),
    (
        "listener",
        &[
            "host",
            "port",
            "role",
            "socketAddressFamily",
            "saslMechanisms",
            "authenticatePeer",
            "sslProfile",
            "requireSsl",
            "requireEncryption",
            "idleTimeoutSeconds",
            "maxFrameSize",
            "maxSessions",
            "initialHandshakeTimeoutSeconds",
            "linkCapacity",
            "cost",
        ],
    ),
    (
        "connector",
        &[
            "host",
            "port",
            "role",
            "sslProfile",
            "verifyHostname",
            "saslMechanisms",
            "saslUsername",
            "saslPassword",
            "idleTimeoutSeconds",
            "maxFrameSize",
            "maxSessions",
            "linkCapacity",
            "cost",
        ],
    ),
    ("address", &["prefix", "pattern", "distribution", "waypoint", "ingressPhase", "egressPhase", "enableFallback"]),
    ("autoLink", &["address", "direction", "connection", "containerId", "externalAddress", "phase", "fallback"]),
    (
        "linkRoute",
        &[
            "prefix",
            "pattern",
            "direction",
            "connection",
            "containerId",
            "distribution",
            "addExternalPrefix",
            "delExternalPrefix",
        ],
    ),
    ("sslProfile", &["caCertFile", "certFile", "privateKeyFile"]),
    ("policy", &["maxConnections", "maxMessageSize", "enableVhostPolicy"]),
];

/// What is done where vhosts hold, and has no effect elsewhere.
const DONE_WITH_VHOSTS: &[(&str, &[&str])] =
    &[("policy", &["enableVhostNamePatterns", "policyDir", "defaultVhost"]), ("listener", &["policyVhost"])];

/// What makes no difference to clients of a router that is alone: it is warned about.
const WARNED: &[(&str, &[&str], &str)] = &[
    (
        "router",
        &["timestampsInUTC", "timestampFormat", "debugDumpFile", "metadata", "allowResumableLinkRoute"],
        "it does nothing here",
    ),
    ("router", &["saslConfigDir", "saslConfigName"], "SASL is not left to a library here"),
    ("connector", &["stripAnnotations"], "clients see nothing of what routers write"),
    ("connector", &["messageLoggingComponents"], "messages are not logged here"),
    ("connector", &["maxSessionFrames"], "sessions have a window of their own here"),
    ("address", &["priority"], "messages have the priority that they say"),
    ("listener", &["stripAnnotations"], "clients see nothing of what routers write"),
    ("listener", &["messageLoggingComponents"], "messages are not logged here"),
    ("listener", &["maxSessionFrames"], "sessions have a window of their own here"),
];

/// Connections that a policy allows where it says nothing. There are hardly ever more: descriptors bound them, too.
const DEFAULT_CONNECTIONS: u32 = 65_535;

/// Whether vhosts say who may do what.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vhosts {
    Hold,
    Unused,
}

/// The port names that files use.
const PORTS: [(&str, u16); 2] = [("amqp", 5672), ("amqps", 5671)];

/// A file, as it becomes the program's own configuration.
struct Laying<'a> {
    config: &'a mut Config,
    origins: &'a mut Origins,
    faults: &'a mut Faults,
    warnings: &'a mut Vec<String>,
}

/// Puts what a router's file says in place of the defaults. `made_up` names a router that has no id; there are so many `cores`.
pub fn lay(
    configuration: &Configuration,
    (made_up, cores): (&str, usize),
    (config, origins): (&mut Config, &mut Origins),
    (faults, warnings): (&mut Faults, &mut Vec<String>),
) {
    origins.words = Words::Router;
    let mut laying = Laying { config, origins, faults, warnings };
    let vhosts = if configuration.policy.enables_vhost_policy { Vhosts::Hold } else { Vhosts::Unused };
    configuration.said().iter().for_each(|said| laying.look(said, vhosts));
    laying.router(&configuration.router, made_up, cores);
    laying.policy(&configuration.policy);
    laying.listeners(configuration);
    laying.connectors(configuration);
    laying.routes(&configuration.addresses);
    laying.auto_links(&configuration.auto_links);
    laying.link_routes(&configuration.link_routes);
    configuration.listeners.iter().for_each(|listener| laying.bound(listener));
    said::note(configuration, laying.origins);
}

/// Tells of what a section says that is not done, which comes while the router runs.
pub fn look(configuration: &Configuration, said: &Said<'_>, (faults, warnings): (&mut Faults, &mut Vec<String>)) {
    let (mut config, mut origins) = (Config::default(), Origins::default());
    let mut laying = Laying { config: &mut config, origins: &mut origins, faults, warnings };
    let vhosts = if configuration.policy.enables_vhost_policy { Vhosts::Hold } else { Vhosts::Unused };
    laying.look(said, vhosts);
}

/// Makes a listener of the file's the only one, which comes while the router runs.
pub fn lay_listener(from: &sections::Listener, configuration: &Configuration, config: &mut Config) -> Outcome {
    let mut outcome = Outcome::default();
    let Outcome { origins, faults, warnings } = &mut outcome;
    origins.words = Words::Router;
    let mut laying = Laying { config, origins, faults, warnings };
    let listener = laying.listener(from, configuration);
    laying.bound(from);
    laying.config.listeners = vec![listener];
    outcome
}

/// The same of a connector.
pub fn lay_connector(from: &sections::Connector, configuration: &Configuration, config: &mut Config) -> Outcome {
    let mut outcome = Outcome::default();
    let Outcome { origins, faults, warnings } = &mut outcome;
    origins.words = Words::Router;
    let mut laying = Laying { config, origins, faults, warnings };
    let connector = laying.connector(from, configuration);
    laying.config.connectors = vec![connector];
    outcome
}

/// What came of laying something.
#[derive(Default)]
pub struct Outcome {
    /// Where it stands.
    pub origins: Origins,
    /// What is wrong with it.
    pub faults: Faults,
    /// What is doubtful about it.
    pub warnings: Vec<String>,
}

/// A listener as it is where a file says nothing but what holds for all.
pub fn bare(configuration: &Configuration) -> Listener {
    let most = u64::from(configuration.policy.max_message_size);
    let listener = Listener::default();
    let max_message_size = if most > 0 { most } else { listener.max_message_size };
    Listener { max_message_size, ..listener }
}

/// A line of the file.
pub fn origin(line: &Line) -> Origin {
    let file = Arc::new(PathBuf::from(&*line.file));
    Origin::File(Place { file, line: line.line.max(1) as usize, column: None })
}

impl Laying<'_> {
    fn fault(&mut self, line: &Line, text: impl Into<String>) {
        self.faults.add(origin(line), text);
    }

    /// Tells what is wrong about an address, where that stands: its host, or its port.
    fn wrong_address(&mut self, origin: &engine_router_conf::Origin, wrong: &str) {
        let attribute = if wrong.starts_with("host") { "host" } else { "port" };
        self.fault(&origin.line_of(attribute), format!("{}: {wrong}", origin.name));
    }

    /// Tells of what a section says that is not done.
    fn look(&mut self, said: &Said<'_>, vhosts: Vhosts) {
        let Said { section, origin, attributes } = said;
        let (place, name) = (&origin.place, &origin.name);
        match *section {
            "authServicePlugin" => {
                return self
                    .fault(place, format!("{name}: sections of {section} are read, and not run yet: leave it out"));
            }
            "log" => return self.warn(place, &format!("{name} has no effect: the log is set by --log")),
            // What is wrong with it `policies` tells.
            "vhost" if vhosts == Vhosts::Hold => return,
            "vhost" => return self.warn(place, &format!("{name} has no effect without enableVhostPolicy")),
            _ => {}
        }
        for (attribute, value) in attributes {
            let place = &origin.line_of(attribute);
            let is_of = |(of, names): (&str, &[&str])| of == *section && names.contains(attribute);
            match no_effect(section, attribute) {
                _ if is_done(section, attribute) => {}
                _ if DONE_WITH_VHOSTS.iter().any(|(of, names)| is_of((of, names))) => {
                    if vhosts == Vhosts::Unused {
                        let text = format!("{section}.{attribute} has no effect without policy.enableVhostPolicy");
                        self.warn(place, &text);
                    }
                }
                Some(why) => self.warn(place, &format!("{section}.{attribute} has no effect: {why}")),
                None => {
                    let instead = instead_of(section, attribute).map(|instead| format!(": {instead}"));
                    let text = format!(
                        "{section}.{attribute} is {value:?}: that is read, and not run yet: leave it out{}",
                        instead.unwrap_or_default()
                    );
                    self.fault(place, text);
                }
            }
        }
    }

    fn warn(&mut self, line: &Line, text: &str) {
        self.warnings.push(format!("{line}: {text}"));
    }

    fn router(&mut self, router: &sections::Router, made_up: &str, cores: usize) {
        let place = &router.origin.place;
        match router.mode {
            Mode::Standalone => {}
            Mode::Interior => self.config.is_networked = true,
            Mode::Edge => self.config.router.mode = RouterMode::Edge,
        }
        let wanted = router.worker_threads as usize;
        if wanted > cores && wanted != 4 {
            let place = &router.origin.line_of("workerThreads");
            self.warn(place, &format!("router.workerThreads is {wanted}: there are {cores} cores, and as many shards"));
        }
        self.config.node.container_id = router.id.clone().unwrap_or_else(|| made_up.to_owned());
        self.config.node.shards = u16::try_from(wanted.min(cores).max(1)).ok();
        self.config.storage.enabled = false;
        self.config.router.enabled = true;
        self.config.router.distribution = distribution(router.default_distribution);
        let timers = &router.intervals;
        let ms = |seconds: u32| seconds.saturating_mul(1000);
        self.config.router.hello_ms = ms(timers.hello);
        self.config.router.hello_age_ms = ms(timers.hello_max_age);
        self.config.router.advertise_ms = ms(timers.ra);
        self.config.router.advertise_flux_ms = ms(timers.ra_flux);
        self.config.router.link_state_age_ms = ms(timers.remote_ls_max_age);
        for (area, name) in [
            ("node", "container_id"),
            ("node", "shards"),
            ("router", "enabled"),
            ("router", "distribution"),
            ("storage", "enabled"),
        ] {
            self.origins.note(area, 0, name, origin(place));
        }
    }

    fn policy(&mut self, policy: &sections::Policy) {
        let place = &policy.origin.place;
        let is_bounded = policy.max_connections != DEFAULT_CONNECTIONS;
        if policy.enables_vhost_policy || is_bounded {
            self.config.router.policy = Some(PathBuf::from(&*place.file));
            self.origins.note("router", 0, "policy", origin(place));
        }
    }

    fn listeners(&mut self, configuration: &Configuration) {
        self.origins.forget("listeners");
        let mut listeners = Vec::new();
        for (index, listener) in configuration.listeners.iter().enumerate() {
            let place = &listener.origin.place;
            self.origins.note_area("listeners", index, origin(place));
            listeners.push(self.listener(listener, configuration));
        }
        self.config.listeners = listeners;
    }

    /// Tells where what a listener asks for is done with another bound.
    fn bound(&mut self, listener: &sections::Listener) {
        let line = listener.origin.place_of("initialHandshakeTimeoutSeconds");
        if let Some(line) = line.filter(|_| listener.initial_handshake_timeout_seconds == 0) {
            let text = "listener.initialHandshakeTimeoutSeconds is 0: a handshake has a bound here, which is 10 s then";
            self.warn(&line, text);
        }
    }

    fn listener(&mut self, from: &sections::Listener, configuration: &Configuration) -> Listener {
        let mut listener = Listener { mechanisms: vec![Mechanism::Anonymous], ..Listener::default() };
        listener.name.clone_from(&from.origin.name);
        listener.role = peers::role(from.endpoint.role);
        match address(from) {
            Ok(address) => listener.address = address,
            Err(wrong) => self.wrong_address(&from.origin, &wrong),
        }
        let bounds = &from.bounds;
        listener.cost = from.endpoint.cost;
        listener.link_capacity = Some(bounds.link_capacity);
        listener.max_frame_size = bounds.max_frame_size;
        listener.channel_max = u16::try_from(bounds.max_sessions.saturating_sub(1)).unwrap_or(u16::MAX);
        listener.idle_timeout_ms = bounds.idle_timeout_seconds.saturating_mul(1000);
        listener.handshake_timeout_ms = match from.initial_handshake_timeout_seconds {
            0 => Listener::default().handshake_timeout_ms,
            seconds => seconds.saturating_mul(1000),
        };
        // Where vhosts hold, groups may have more: their connections are told what holds when they open.
        let policy = &configuration.policy;
        if policy.enables_vhost_policy {
            listener.policy_vhost.clone_from(&from.passage.policy_vhost);
        } else if policy.max_message_size > 0 {
            listener.max_message_size = policy.max_message_size.into();
        }
        self.protection(from, &mut listener);
        let profile = from.ssl_profile.as_ref();
        let profile =
            profile.and_then(|name| configuration.ssl_profiles.iter().find(|profile| profile.origin.name == *name));
        if let Some(profile) = profile {
            self.secure(from, profile, &mut listener);
        }
        listener
    }

    /// Who may come in: whom a users file has, and those without a name.
    fn protection(&mut self, from: &sections::Listener, listener: &mut Listener) {
        let (line_of, protection) = (|attribute| from.origin.line_of(attribute), &from.protection);
        if protection.requires_encryption && !protection.requires_ssl {
            self.fault(
                &line_of("requireEncryption"),
                "listener.requireEncryption is yes: encryption is that of TLS here: write requireSsl: yes",
            );
        }
        let named: Vec<&str> = protection.sasl_mechanisms.iter().flatten().map(String::as_str).collect();
        if self.config.users.file.is_some() {
            return self.mechanisms(from, &named, listener);
        }
        if protection.authenticates_peer {
            let text = "listener.authenticatePeer is yes: files of qdrouterd have no users, which a SASL library knows there. Make a users \
                        file (heddle user add) and name it by --users, or write no";
            self.fault(&line_of("authenticatePeer"), text);
        }
        if !named.is_empty() && !named.contains(&"ANONYMOUS") {
            let text = format!(
                "listener.saslMechanisms is {}: there are ANONYMOUS and, with a users file (--users), PLAIN",
                named.join(" ")
            );
            self.fault(&line_of("saslMechanisms"), text);
        } else if named.len() > 1 {
            let text = format!(
                "listener.saslMechanisms is {}: without users (--users) only ANONYMOUS is offered",
                named.join(" ")
            );
            self.warn(&line_of("saslMechanisms"), &text);
        }
    }

    /// The mechanisms of a listener where there are users.
    fn mechanisms(&mut self, from: &sections::Listener, named: &[&str], listener: &mut Listener) {
        let place = &from.origin.line_of("saslMechanisms");
        let is_named = |mechanism| named.is_empty() || named.contains(&mechanism);
        let has_name = from.protection.authenticates_peer;
        listener.mechanisms = [("PLAIN", Mechanism::Plain), ("ANONYMOUS", Mechanism::Anonymous)]
            .into_iter()
            .filter(|(name, mechanism)| is_named(name) && !(has_name && *mechanism == Mechanism::Anonymous))
            .map(|(_, mechanism)| mechanism)
            .collect();
        if has_name {
            listener.sasl = Sasl::Required;
        }
        let others: Vec<&str> = named.iter().copied().filter(|name| !["PLAIN", "ANONYMOUS"].contains(name)).collect();
        if listener.mechanisms.is_empty() {
            let text = format!(
                "listener.saslMechanisms is {}: there are PLAIN and ANONYMOUS, of which authenticatePeer takes PLAIN: add it",
                named.join(" ")
            );
            self.fault(place, text);
        } else if !others.is_empty() {
            let text = format!("listener.saslMechanisms has {}: there are PLAIN and ANONYMOUS only", others.join(" "));
            self.warn(place, &text);
        }
    }

    fn secure(&mut self, from: &sections::Listener, profile: &SslProfile, listener: &mut Listener) {
        if !from.protection.requires_ssl {
            let text =
                "listener.sslProfile without requireSsl: a port either has TLS or not here: write requireSsl: yes";
            self.fault(&from.origin.line_of("sslProfile"), text);
        }
        listener.transport = Transport::Tls;
        listener.certificate.clone_from(&profile.cert_file);
        listener.key = profile.private_key_file.clone().or_else(|| profile.cert_file.clone());
        if profile.cert_file.is_none() {
            let text = format!("sslProfile {} has no certFile: a listener shows a certificate", profile.origin.name);
            self.fault(&profile.origin.place, text);
        }
    }

    fn routes(&mut self, addresses: &[sections::Address]) {
        self.origins.forget("routes");
        self.config.routes = addresses.iter().map(route).collect();
        for (index, address) in addresses.iter().enumerate() {
            self.origins.note_area("routes", index, origin(&address.origin.place));
        }
    }
}

/// A route, as an address says it.
pub fn route(address: &sections::Address) -> Route {
    Route {
        prefix: address.matched.prefix.clone(),
        pattern: address.matched.pattern.clone(),
        distribution: distribution(address.distribution),
        waypoint: address.is_waypoint,
        ingress_phase: address.ingress_phase,
        egress_phase: address.egress_phase,
        fallback: address.enables_fallback,
    }
}

/// Whether an attribute of a section is done.
pub fn is_done(section: &str, attribute: &str) -> bool {
    DONE.iter().any(|(of, names)| *of == section && names.contains(&attribute))
}

/// What there is in place of an attribute that is not done.
fn instead_of(section: &str, attribute: &str) -> Option<&'static str> {
    match (section, attribute) {
        ("listener", "http" | "healthz" | "metrics" | "websockets" | "httpRootDir") => Some(
            "--http ADDR has /livez, /readyz and /metrics; AMQP over WebSockets is for a listener with transport = \"ws\" in a file of Heddle's \
             own (heddle config convert)",
        ),
        _ => None,
    }
}

/// Why an attribute of a section has no effect, if it has none.
pub fn no_effect(section: &str, attribute: &str) -> Option<&'static str> {
    let of = |(of, names, _): &&(&str, &[&str], &'static str)| *of == section && names.contains(&attribute);
    WARNED.iter().find(of).map(|(_, _, why)| *why)
}

/// Where a listener listens.
fn address(from: &sections::Listener) -> Result<Endpoint, String> {
    let ip = from.host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let host = match (from.host.as_str(), from.family) {
        ("", Some(AddressFamily::V6)) => "::",
        ("", _) => "0.0.0.0",
        (host, Some(family)) if ip.is_none() => {
            let family = words::Word::word(family);
            return Err(format!(
                "host {host:?} is a name, which is all its addresses here: write its address of {family}"
            ));
        }
        (host, Some(family)) if ip.is_some_and(|ip| ip.is_ipv6() != (family == AddressFamily::V6)) => {
            let family = words::Word::word(family);
            return Err(format!(
                "host {host:?} is no address of {family}, which socketAddressFamily says: write one of the two"
            ));
        }
        (host, _) => host,
    };
    endpoint(host, port(&from.endpoint.port)?)
}

/// The number of a port.
fn port(port: &str) -> Result<u16, String> {
    let named = PORTS.iter().find(|(name, _)| *name == port).map(|(_, port)| *port);
    named.or_else(|| port.parse().ok()).ok_or_else(|| format!("port {port:?} is neither a number nor amqp or amqps"))
}

/// A host and its port.
fn endpoint(host: &str, port: u16) -> Result<Endpoint, String> {
    let is_bare = host.contains(':') && !host.starts_with('[');
    if is_bare { format!("[{host}]:{port}") } else { format!("{host}:{port}") }.parse()
}

fn distribution(distribution: words::Distribution) -> Distribution {
    match distribution {
        words::Distribution::Multicast => Distribution::Multicast,
        words::Distribution::Closest => Distribution::Closest,
        words::Distribution::Balanced => Distribution::Balanced,
        words::Distribution::Unavailable => Distribution::Unavailable,
    }
}

/// The name of a router that has none, as qdrouterd makes one up.
pub fn made_up(chance: u64) -> String {
    format!("Standalone_{chance:016x}")
}

#[cfg(test)]
mod tests {
    use engine_router_conf::{read, schema};

    use super::*;

    fn laid(text: &str) -> (Config, Vec<String>, String) {
        laid_over(Config::default(), text)
    }

    fn laid_over(mut config: Config, text: &str) -> (Config, Vec<String>, String) {
        let configuration = read("r.conf", text, |_| None).configuration.expect("it is right");
        let mut origins = Origins::default();
        let (mut faults, mut warnings) = (Faults::default(), Vec::new());
        lay(&configuration, ("made-up", 2), (&mut config, &mut origins), (&mut faults, &mut warnings));
        let faults = if faults.is_empty() { String::new() } else { faults.to_string() };
        (config, warnings, faults)
    }

    #[test]
    fn what_is_done_or_warned_about_is_there() {
        let done = DONE.iter().chain(DONE_WITH_VHOSTS).map(|(section, names)| (section, names));
        let warned = WARNED.iter().map(|(section, names, _)| (section, names));
        for (section, names) in done.chain(warned) {
            let of = schema::TYPES.iter().find(|of| of.section == *section).expect(section);
            for name in *names {
                assert!(of.attribute(name).is_some(), "{section}.{name}");
            }
        }
    }

    #[test]
    fn a_file_is_what_a_node_is_told() {
        let text = "router {\n id: R1\n mode: standalone\n defaultDistribution: closest\n}\nlistener {\n host: 127.0.0.1\n port: amqp\n \
                    authenticatePeer: no\n saslMechanisms: ANONYMOUS\n idleTimeoutSeconds: 7\n linkCapacity: 9\n maxFrameSize: 4096\n}\n\
                    listener {\n host: ::1\n port: 5673\n linkCapacity: 9\n}\naddress {\n prefix: news\n distribution: multicast\n}\n";
        let (config, warnings, faults) = laid(text);
        assert_eq!((faults.as_str(), &warnings[..]), ("", &[] as &[String]));
        assert_eq!((config.node.container_id.as_str(), config.node.shards), ("R1", Some(2)));
        assert!(config.router.enabled && !config.storage.enabled);
        assert_eq!((config.router.distribution, config.listeners[0].link_capacity), (Distribution::Closest, Some(9)));
        let listeners: Vec<String> = config.listeners.iter().map(|listener| listener.address.to_string()).collect();
        assert_eq!(listeners, ["127.0.0.1:5672", "[::1]:5673"]);
        assert_eq!((config.listeners[0].idle_timeout_ms, config.listeners[0].max_frame_size), (7000, 4096));
        let route = Route {
            prefix: Some("news".to_owned()),
            pattern: None,
            distribution: Distribution::Multicast,
            ..Route::default()
        };
        assert_eq!(config.routes, [route]);
        assert_eq!(laid("router {\n mode: standalone\n}\n").0.node.container_id, "made-up");
    }

    #[test]
    fn a_policy_is_named_where_it_says_something() {
        let policy = |text: &str| laid(text).0.router.policy;
        assert_eq!(policy("policy {\n maxMessageSize: 900\n}\n"), None);
        assert_eq!(policy("policy {\n maxConnections: 7\n}\n"), Some("r.conf".into()));
        let text = "policy {\n enableVhostPolicy: yes\n maxMessageSize: 900\n defaultVhost: h\n}\nvhost {\n hostname: h\n}\nlistener {\n \
                    policyVhost: h\n}\n";
        let (config, warnings, faults) = laid(text);
        assert_eq!((faults.as_str(), &warnings[..]), ("", &[] as &[String]));
        assert_eq!(config.router.policy, Some("r.conf".into()));
        assert_eq!(config.listeners[0].policy_vhost.as_deref(), Some("h"));
        assert_eq!(config.listeners[0].max_message_size, Listener::default().max_message_size, "groups may have more");
    }

    #[test]
    fn users_have_a_name_and_a_password() {
        let with_users = |text: &str| {
            let mut config = Config::default();
            config.users.file = Some("users".into());
            let (config, warnings, faults) = laid_over(config, text);
            (config.listeners.first().map(|one| (one.sasl, one.mechanisms.clone())), warnings, faults)
        };
        let (plain, anonymous) = (Mechanism::Plain, Mechanism::Anonymous);
        for (said, sasl, mechanisms) in [
            ("", Sasl::Optional, vec![plain, anonymous]),
            ("authenticatePeer: yes", Sasl::Required, vec![plain]),
            ("saslMechanisms: ANONYMOUS", Sasl::Optional, vec![anonymous]),
            ("saslMechanisms: PLAIN ANONYMOUS\n authenticatePeer: yes", Sasl::Required, vec![plain]),
        ] {
            let (got, warnings, faults) = with_users(&format!("listener {{\n {said}\n}}\n"));
            assert_eq!((got, faults.as_str(), warnings.len()), (Some((sasl, mechanisms)), "", 0), "{said}");
        }
        let (_, warnings, faults) = with_users("listener {\n saslMechanisms: PLAIN GSSAPI\n}\n");
        assert!(faults.is_empty() && warnings[0].contains("has GSSAPI"), "{faults} {warnings:?}");
        for said in ["saslMechanisms: GSSAPI", "saslMechanisms: ANONYMOUS\n authenticatePeer: yes"] {
            assert!(with_users(&format!("listener {{\n {said}\n}}\n")).2.contains("add it"), "{said}");
        }
    }

    #[test]
    fn a_router_at_the_edge_and_those_that_it_connects_to_are_told_so() {
        let (config, warnings, faults) =
            laid("router {\n mode: edge\n id: E\n}\nconnector {\n role: edge\n port: 5671\n}\n");
        assert_eq!((faults.as_str(), warnings.len()), ("", 0));
        assert_eq!(
            (config.router.mode, config.connectors[0].role),
            (RouterMode::Edge, super::super::settings::Role::Edge)
        );
        assert!(!config.has_neighbours());
        let (config, _, faults) =
            laid("router {\n mode: interior\n id: A\n}\nlistener {\n role: edge\n port: 5671\n}\n");
        assert_eq!((faults.as_str(), config.listeners[0].role), ("", super::super::settings::Role::Edge));
        assert!(config.has_neighbours());
    }

    #[test]
    fn what_is_not_done_is_refused_or_warned_about() {
        for (text, told) in [
            ("listener {\n port: 1\n multiTenant: yes\n}\n", "r.conf:3: listener.multiTenant"),
            (
                "listener {\n http: yes\n}\n",
                "r.conf:2: listener.http is \"yes\": that is read, and not run yet: leave it out: --http ADDR",
            ),
            ("listener {\n authenticatePeer: yes\n}\n", "heddle user add"),
            (
                "listener {\n port: 1\n saslMechanisms: EXTERNAL\n}\n",
                "r.conf:3: listener.saslMechanisms is EXTERNAL: there are ANONYMOUS and, with a users file",
            ),
            ("listener {\n host: 127.0.0.1\n port: amqpx\n}\n", "r.conf:3: "),
            (
                "sslProfile {\n name: s\n certFile: c\n}\nlistener {\n port: 1\n sslProfile: s\n}\n",
                "r.conf:7: listener.sslProfile without requireSsl",
            ),
            ("connector {\n port: 1\n saslMechanisms: X\n}\n", "r.conf:3: connector.saslMechanisms"),
            (
                "connector {\n port: 1\n saslUsername: u\n saslMechanisms: PLAIN\n}\n",
                "r.conf:3: connector.saslUsername",
            ),
            ("listener {\n host: 127.0.0.1\n socketAddressFamily: IPv6\n}\n", "is no address of IPv6"),
            ("listener {\n host: ::1\n socketAddressFamily: IPv4\n}\n", "is no address of IPv4"),
            ("listener {\n host: localhost\n socketAddressFamily: IPv4\n}\n", "write its address of IPv4"),
            ("sslProfile {\n name: s\n}\nlistener {\n sslProfile: s\n requireSsl: yes\n}\n", "no certFile"),
        ] {
            let (_, _, faults) = laid(text);
            assert!(faults.contains(told) && faults.contains("r.conf:"), "{text}: {faults}");
        }
        for (text, told) in [
            ("router {\n id: A\n workerThreads: 64\n}\n", "r.conf:3: router.workerThreads is 64: there are 2 cores"),
            (
                "listener {\n port: 1\n stripAnnotations: no\n}\n",
                "r.conf:3: listener.stripAnnotations has no effect: clients see nothing of what routers write",
            ),
            ("listener {\n initialHandshakeTimeoutSeconds: 0\n}\n", "10 s then"),
            ("listener {\n policyVhost: h\n}\n", "without policy.enableVhostPolicy"),
            ("policy {\n policyDir: d\n}\nvhost {\n hostname: h\n}\n", "without enableVhostPolicy"),
            ("log {\n module: DEFAULT\n enable: debug+\n}\n", "--log"),
        ] {
            let (_, warnings, faults) = laid(text);
            assert!(faults.is_empty(), "{faults}");
            assert!(warnings.iter().any(|warning| warning.contains(told)), "{text}: {warnings:?}");
        }
    }
}
