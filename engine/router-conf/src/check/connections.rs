//! Listeners and connectors: roles against the mode, what they name, and what has no effect.

use crate::attributes::Attributes;
use crate::configuration::Configuration;
use crate::fault::{Doubt, Findings, shown};
use crate::schema::{AUTH_SERVICE_PLUGIN, EntityType, SSL_PROFILE};
use crate::sections::{Connector, Endpoint, Listener, Passage};
use crate::similar::most_similar;
use crate::whole::{Built, Whole};
use crate::words::{Mode, Role, Word as _};

/// Properties of Open that are the router's own.
const RESERVED: [&str; 7] =
    ["product", "version", "failover-server-list", "network-host", "port", "scheme", "hostname"];
const RESERVED_PREFIXES: [&str; 2] = ["qd.", "x-opt-qd."];

/// What listeners and connectors are checked beside.
pub(super) struct Beside<'a> {
    /// Of a router with faults it is not known.
    mode: Option<Mode>,
    /// Names, those of sections with faults too.
    ssl_profiles: Vec<&'a str>,
    auth_service_plugins: Vec<&'a str>,
}

impl<'a> Beside<'a> {
    fn of_whole(whole: &'a Whole) -> Self {
        Self {
            mode: whole.router.as_ref().map(|router| router.section.mode),
            ssl_profiles: whole.names.of(&SSL_PROFILE).collect(),
            auth_service_plugins: whole.names.of(&AUTH_SERVICE_PLUGIN).collect(),
        }
    }

    /// Those of a configuration, where nothing is faulty.
    pub(super) fn of_configuration(configuration: &'a Configuration) -> Self {
        let profiles = configuration.ssl_profiles.iter().map(|section| section.origin.name.as_str());
        let plugins = configuration.auth_service_plugins.iter().map(|section| section.origin.name.as_str());
        Self {
            mode: Some(configuration.router.mode),
            ssl_profiles: profiles.collect(),
            auth_service_plugins: plugins.collect(),
        }
    }
}

pub(super) fn check(whole: &Whole, findings: &mut Findings) {
    let beside = Beside::of_whole(whole);
    for listener in &whole.listeners {
        check_listener(listener, &beside, findings);
    }
    for connector in &whole.connectors {
        check_connector(connector, &beside, findings);
    }
}

/// What is wrong and doubtful about a listener.
pub(super) fn check_listener(listener: &Built<Listener>, beside: &Beside<'_>, findings: &mut Findings) {
    let (section, attributes) = (&listener.section, &listener.attributes);
    let modes: &[Mode] = match section.endpoint.role {
        Role::Normal | Role::RouteContainer => Mode::ALL,
        Role::InterRouter | Role::Edge => &[Mode::Interior],
    };
    check_role(section.endpoint.role, modes, beside, attributes, findings);
    check_endpoint(&section.host, &section.endpoint, attributes, findings);
    check_passage(&section.passage, section.endpoint.role, attributes, findings);
    check_named("sslProfile", (&SSL_PROFILE, &beside.ssl_profiles), attributes, findings);
    check_named("saslPlugin", (&AUTH_SERVICE_PLUGIN, &beside.auth_service_plugins), attributes, findings);
    if section.protection.requires_ssl && section.ssl_profile.is_none() {
        findings.fault(attributes.line_of("requireSsl"), || {
            let wrong = "'requireSsl' of listener is yes, and it has no 'sslProfile'".to_owned();
            (wrong, "name an sslProfile, or no connection could be made".to_owned())
        });
    }
    let of_http = ["healthz", "metrics", "websockets"].into_iter().filter(|name| attributes.given(name).is_some());
    for name in of_http.filter(|_| !section.http.is_served()) {
        findings.warn(attributes.line_of(name), Doubt::Ignored, || {
            format!("'{name}' of listener is ignored: it has no `http: yes`")
        });
    }
}

/// What is wrong and doubtful about a connector.
pub(super) fn check_connector(connector: &Built<Connector>, beside: &Beside<'_>, findings: &mut Findings) {
    let (section, attributes) = (&connector.section, &connector.attributes);
    let modes: &[Mode] = match section.endpoint.role {
        Role::Normal | Role::RouteContainer => Mode::ALL,
        Role::InterRouter => &[Mode::Interior],
        Role::Edge => &[Mode::Edge],
    };
    check_role(section.endpoint.role, modes, beside, attributes, findings);
    check_endpoint(&section.host, &section.endpoint, attributes, findings);
    check_passage(&section.passage, section.endpoint.role, attributes, findings);
    check_named("sslProfile", (&SSL_PROFILE, &beside.ssl_profiles), attributes, findings);
    if section.endpoint.port == "0" {
        findings.fault(attributes.line_of("port"), || {
            let wrong = "'port' of connector is '0', where nothing listens".to_owned();
            (wrong, "write the port of the other end's listener".to_owned())
        });
    }
}

/// A role is of some modes. Of a router with faults the mode is not known.
fn check_role(role: Role, modes: &[Mode], beside: &Beside<'_>, attributes: &Attributes, findings: &mut Findings) {
    let Some(mode) = beside.mode else { return };
    if modes.contains(&mode) {
        return;
    }
    findings.fault(attributes.line_of("role"), || {
        let of = attributes.of.section;
        let wrong = format!("'role' of {of} is {}, and the router's mode is {}", role.word(), mode.word());
        let wanted: Vec<&str> = modes.iter().map(|mode| mode.word()).collect();
        (wrong, format!("such a {of} needs `mode: {}` in the router section", wanted.join(" or ")))
    });
}

fn check_endpoint(host: &str, endpoint: &Endpoint, attributes: &Attributes, findings: &mut Findings) {
    let of = attributes.of.section;
    if host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        findings.fault(attributes.line_of("host"), || {
            let wrong = format!("'host' of {of} is {}, which has a blank", shown(host));
            (wrong, "write one name or address; for several write several sections".to_owned())
        });
    }
    if !is_port(&endpoint.port) {
        findings.fault(attributes.line_of("port"), || {
            let wrong = format!("'port' of {of} is {}", shown(&endpoint.port));
            (wrong, "it takes a number up to 65535, or a service name such as amqp or amqps".to_owned())
        });
    }
    if attributes.given("cost").is_some() && endpoint.role != Role::InterRouter {
        findings.warn(attributes.line_of("cost"), Doubt::Ignored, || {
            format!("'cost' of {of} is ignored: its role is {}, not inter-router", endpoint.role.word())
        });
    }
}

/// Whether this is a number of a port, or can be the name of a service.
fn is_port(port: &str) -> bool {
    if port.bytes().all(|octet| octet.is_ascii_digit()) {
        return port.parse::<u16>().is_ok();
    }
    let is_of_name = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.+".contains(&octet);
    port.len() <= 64 && port.bytes().all(is_of_name)
}

fn check_passage(passage: &Passage, role: Role, attributes: &Attributes, findings: &mut Findings) {
    let (of, line) = (attributes.of.section, attributes.line_of("openProperties"));
    let Some(properties) = &passage.open_properties else { return };
    if matches!(role, Role::InterRouter | Role::Edge) {
        findings.fault(line, || {
            let wrong = format!("'openProperties' of {of} cannot be with role {}", role.word());
            (wrong, "leave them out: routers have their own".to_owned())
        });
    }
    let is_reserved = |key: &&String| {
        RESERVED.contains(&key.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
    };
    for key in properties.keys().filter(is_reserved) {
        findings.fault(line, || {
            let wrong = format!("'openProperties' of {of} has {}, which is the router's own", shown(key));
            (wrong, "call it something else".to_owned())
        });
    }
}

/// What an attribute names has to be there.
fn check_named(attribute: &str, (of, names): (&EntityType, &[&str]), attributes: &Attributes, findings: &mut Findings) {
    let Some(name) = attributes.text(attribute).filter(|name| !names.contains(name)) else { return };
    findings.fault(attributes.line_of(attribute), || {
        let wrong = format!(
            "'{attribute}' of {} is {}, and there is no such {}",
            attributes.of.section,
            shown(name),
            of.section
        );
        let advice = match most_similar(name, names.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "write the section: `{} {{`, `name: {}`, its attributes, `}}`",
                of.section,
                shown(name).trim_matches('\'')
            ),
        };
        (wrong, advice)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_or_services() {
        for port in ["0", "5672", "65535", "amqp", "my-service"] {
            assert!(is_port(port), "{port}");
        }
        for port in ["", "65536", "99999999999999999999", "amqp!", "56 72", "ü"] {
            assert!(!is_port(port), "{port}");
        }
    }
}
