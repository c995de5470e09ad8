//! Addresses, link routes and links that the router makes: what excludes each other, what they name, and what is there twice.

use std::collections::BTreeMap;

use crate::attributes::Attributes;
use crate::fault::{Doubt, Findings, shown};
use crate::schema::{CONNECTOR, LISTENER};
use crate::sections::{Address, Matched, Via};
use crate::similar::most_similar;
use crate::whole::{Built, Whole};
use crate::words::Role;

pub(super) fn check(whole: &Whole, findings: &mut Findings) {
    let mut seen: BTreeMap<Vec<&str>, u32> = BTreeMap::new();
    for address in &whole.addresses {
        let is_one = check_matched(&address.section.matched, &address.attributes, findings);
        check_phases(address, findings);
        let tokens = address.section.matched.tokens();
        match seen.insert(tokens, address.attributes.line) {
            Some(before) if is_one => findings.fault(address.attributes.line, || {
                let wrong = format!("the address of line {before} is for the same addresses");
                (wrong, "leave one out".to_owned())
            }),
            _ => {}
        }
    }
    let roles = roles(whole);
    for route in &whole.link_routes {
        check_matched(&route.section.matched, &route.attributes, findings);
        check_via(&route.section.via, &roles, whole, &route.attributes, findings);
    }
    for link in &whole.auto_links {
        check_via(&link.section.via, &roles, whole, &link.attributes, findings);
        let via = &link.section.via;
        if via.connection.is_none() && via.container_id.is_none() {
            findings.warn(link.attributes.line, Doubt::Questionable, || {
                "this autoLink has neither 'connection' nor 'containerId': it is never made".to_owned()
            });
        }
        if link.section.is_fallback && link.section.phase.is_some() {
            findings.warn(link.attributes.line_of("phase"), Doubt::Ignored, || {
                "'phase' of autoLink is ignored: it is for the fallback, which has none".to_owned()
            });
        }
    }
}

/// Whether exactly one of prefix and pattern is there; else it is a fault.
fn check_matched(matched: &Matched, attributes: &Attributes, findings: &mut Findings) -> bool {
    let of = attributes.of.section;
    let (name, text) = match (&matched.prefix, &matched.pattern) {
        (Some(_), Some(_)) => {
            findings.fault(attributes.line_of("pattern"), || {
                (
                    format!("{of} has 'prefix' and 'pattern'"),
                    "write one of both: a prefix is the pattern with `/#` behind it".to_owned(),
                )
            });
            return false;
        }
        (None, None) => {
            findings.fault(attributes.line, || {
                let advice = "add `prefix: …` for addresses that begin so, or `pattern: …` with * and #";
                (format!("{of} has neither 'prefix' nor 'pattern'"), advice.to_owned())
            });
            return false;
        }
        (Some(prefix), None) => ("prefix", prefix),
        (None, Some(pattern)) => ("pattern", pattern),
    };
    if text.trim_matches(['.', '/']).is_empty() {
        findings.fault(attributes.line_of(name), || {
            let advice = "write the addresses' first tokens; for all addresses write `pattern: #`";
            (format!("'{name}' of {of} is {}, which no address has", shown(text)), advice.to_owned())
        });
        return false;
    }
    true
}

fn check_phases(address: &Built<Address>, findings: &mut Findings) {
    let (section, attributes) = (&address.section, &address.attributes);
    let has_phases = section.is_waypoint || section.ingress() > 0 || section.egress() > 0;
    if section.enables_fallback && has_phases {
        findings.fault(attributes.line_of("enableFallback"), || {
            let wrong = "'enableFallback' of address cannot be with 'waypoint' or phases".to_owned();
            (wrong, "write one of them; a fallback has a phase of its own".to_owned())
        });
    }
}

/// Names of listeners and connectors with their roles; of several with one name any that autoLinks may use.
fn roles(whole: &Whole) -> BTreeMap<&str, Role> {
    let listeners = whole.listeners.iter().map(|built| (&built.section.origin, built.section.endpoint.role));
    let connectors = whole.connectors.iter().map(|built| (&built.section.origin, built.section.endpoint.role));
    let mut roles = BTreeMap::new();
    for (origin, role) in listeners.chain(connectors) {
        let known = roles.entry(origin.name.as_str()).or_insert(role);
        if role == Role::RouteContainer {
            *known = role;
        }
    }
    roles
}

fn check_via(via: &Via, roles: &BTreeMap<&str, Role>, whole: &Whole, attributes: &Attributes, findings: &mut Findings) {
    let of = attributes.of.section;
    if via.connection.is_some() && via.container_id.is_some() {
        findings.fault(attributes.line_of("containerId"), || {
            let wrong = format!("{of} has 'connection' and 'containerId'");
            (
                wrong,
                "write one of both: the name of a connector or listener here, or the id of the other end".to_owned(),
            )
        });
    }
    let Some(name) = via.connection.as_deref() else { return };
    let line = attributes.line_of("connection");
    match roles.get(name) {
        Some(Role::RouteContainer) => {}
        Some(_) => findings.warn(line, Doubt::Questionable, || {
            format!("'connection' of {of} is {}, whose role is not route-container: it is never used", shown(name))
        }),
        None if whole.names.has(&CONNECTOR, name) || whole.names.has(&LISTENER, name) => {}
        None => findings.warn(line, Doubt::Questionable, || {
            let known = || whole.names.of(&CONNECTOR).chain(whole.names.of(&LISTENER));
            let meant =
                most_similar(name, known()).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
            format!("'connection' of {of} is {}, and no connector or listener has this name{meant}", shown(name))
        }),
    }
}
