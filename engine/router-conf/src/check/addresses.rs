//! Addresses, link routes and links that the router makes: what excludes each other, what they name, and what is there twice.

use std::collections::BTreeMap;

use crate::attributes::Attributes;
use crate::configuration::Configuration;
use crate::fault::{Doubt, Findings, shown};
use crate::origin::Origin;
use crate::schema::{CONNECTOR, LISTENER};
use crate::sections::{Address, AutoLink, LinkRoute, Matched, Via};
use crate::similar::most_similar;
use crate::whole::{Built, Whole};
use crate::words::Role;

pub(super) fn check(whole: &Whole, findings: &mut Findings) {
    let mut seen: BTreeMap<Vec<&str>, &Origin> = BTreeMap::new();
    for address in &whole.addresses {
        let is_one = check_address(address, findings);
        let section = &address.section;
        match seen.insert(section.matched.tokens(), &section.origin) {
            Some(before) if is_one => findings.fault(address.attributes.line, || same(before)),
            _ => {}
        }
    }
    let ends = Ends::of_whole(whole);
    whole.link_routes.iter().for_each(|route| check_link_route(route, &ends, findings));
    whole.auto_links.iter().for_each(|link| check_auto_link(link, &ends, findings));
}

/// What is wrong with an address alone; whether it is for some addresses.
pub(super) fn check_address(address: &Built<Address>, findings: &mut Findings) -> bool {
    let is_one = check_matched(&address.section.matched, &address.attributes, findings);
    check_phases(address, findings);
    is_one
}

/// What is wrong and doubtful about a route of links.
pub(super) fn check_link_route(route: &Built<LinkRoute>, ends: &Ends<'_>, findings: &mut Findings) {
    check_matched(&route.section.matched, &route.attributes, findings);
    check_via(&route.section.via, ends, &route.attributes, findings);
}

/// What is wrong and doubtful about a link that the router makes.
pub(super) fn check_auto_link(link: &Built<AutoLink>, ends: &Ends<'_>, findings: &mut Findings) {
    let via = &link.section.via;
    check_via(via, ends, &link.attributes, findings);
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

/// That an address is for what another one is for.
pub(super) fn same(before: &Origin) -> (String, String) {
    let other = match before.place.line {
        0 => format!("the address {}", shown(&before.name)),
        line => format!("the address of line {line}"),
    };
    (format!("{other} is for the same addresses"), "leave one out".to_owned())
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

/// Names of listeners and connectors with their roles; of several with one name any that autoLinks may use. Those whose sections are faulty
/// have none.
pub(super) struct Ends<'a>(BTreeMap<&'a str, Option<Role>>);

impl<'a> Ends<'a> {
    fn of_whole(whole: &'a Whole) -> Self {
        let named = whole.names.of(&CONNECTOR).chain(whole.names.of(&LISTENER)).map(|name| (name, None));
        let listeners = whole.listeners.iter().map(|built| (&built.section.origin, built.section.endpoint.role));
        let connectors = whole.connectors.iter().map(|built| (&built.section.origin, built.section.endpoint.role));
        Self::of(named, listeners.chain(connectors))
    }

    /// Those of a configuration, where nothing is faulty.
    pub(super) fn of_configuration(configuration: &'a Configuration) -> Self {
        let listeners = configuration.listeners.iter().map(|section| (&section.origin, section.endpoint.role));
        let connectors = configuration.connectors.iter().map(|section| (&section.origin, section.endpoint.role));
        Self::of(std::iter::empty(), listeners.chain(connectors))
    }

    fn of(
        named: impl Iterator<Item = (&'a str, Option<Role>)>,
        sections: impl Iterator<Item = (&'a Origin, Role)>,
    ) -> Self {
        let mut ends: BTreeMap<&str, Option<Role>> = named.collect();
        for (origin, role) in sections {
            let known = ends.entry(origin.name.as_str()).or_insert(Some(role));
            if known.is_none() || role == Role::RouteContainer {
                *known = Some(role);
            }
        }
        Self(ends)
    }
}

fn check_via(via: &Via, Ends(ends): &Ends<'_>, attributes: &Attributes, findings: &mut Findings) {
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
    match ends.get(name) {
        Some(Some(Role::RouteContainer) | None) => {}
        Some(Some(_)) => findings.warn(line, Doubt::Questionable, || {
            format!("'connection' of {of} is {}, whose role is not route-container: it is never used", shown(name))
        }),
        None => findings.warn(line, Doubt::Questionable, || {
            let meant = most_similar(name, ends.keys().copied()).map(|meant| format!("; did you mean `{meant}`?"));
            let meant = meant.unwrap_or_default();
            format!("'connection' of {of} is {}, and no connector or listener has this name{meant}", shown(name))
        }),
    }
}
