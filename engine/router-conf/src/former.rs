//! Sections of 0.x, made into those of today.
//!
//! A `container` is part of the router, where the router's own section wins. Each prefix of `fixedAddress` is one address, whose phases
//! begin with its least and end with its largest. A `waypoint` is two autoLinks, and an address unless there is one. A `linkRoutePattern` is
//! one linkRoute for each direction.

use std::collections::{BTreeMap, BTreeSet};

use crate::attributes::Attributes;
use crate::fault::{Doubt, Findings};
use crate::schema::{ADDRESS, AUTO_LINK, CONTAINER, FIXED_ADDRESS, LINK_ROUTE, LINK_ROUTE_PATTERN, ROUTER, WAYPOINT};
use crate::sections::Matched;
use crate::sheets::Sheets;
use crate::value::Value;

/// Attributes of a container with those of the router.
const OF_CONTAINER: [(&str, &str); 5] = [
    ("containerName", "id"),
    ("workerThreads", "workerThreads"),
    ("debugDump", "debugDumpFile"),
    ("saslConfigPath", "saslConfigDir"),
    ("saslConfigName", "saslConfigName"),
];

/// Puts sections of today in the place of all that are not.
pub(crate) fn replace(sheets: &mut Sheets, findings: &mut Findings) {
    for container in sheets.remove(&CONTAINER) {
        merge_container(&container, sheets, findings);
    }
    let mut addresses = Addresses::default();
    for fixed in sheets.remove(&FIXED_ADDRESS) {
        addresses.add_fixed(&fixed, findings);
    }
    let today: BTreeSet<Vec<String>> = sheets.of(&ADDRESS).iter().map(tokens_of).collect();
    for waypoint in sheets.remove(&WAYPOINT).into_iter().filter(|waypoint| !waypoint.is_faulty) {
        addresses.add_waypoint(&waypoint, &today, sheets);
    }
    for (_, spread) in addresses.by_tokens {
        sheets.add(spread.attributes());
    }
    for pattern in sheets.remove(&LINK_ROUTE_PATTERN).into_iter().filter(|pattern| !pattern.is_faulty) {
        add_link_routes(&pattern, sheets);
    }
}

fn merge_container(container: &Attributes, sheets: &mut Sheets, findings: &mut Findings) {
    if sheets.of(&ROUTER).is_empty() {
        sheets.add(Attributes::new(&ROUTER, container.line));
    }
    let Some(router) = sheets.of_mut(&ROUTER).first_mut() else { return };
    router.is_faulty |= container.is_faulty;
    for (name, today) in OF_CONTAINER {
        let Some(given) = container.given(name) else { continue };
        match router.given(today) {
            Some(own) if own.value == given.value => {}
            Some(own) => {
                let line = own.line;
                findings.warn(given.line, Doubt::Ignored, || {
                    format!("'{name}' of container is ignored: '{today}' of router in line {line} says something else")
                });
            }
            None => router.set(today, given.value.clone(), given.line),
        }
    }
}

/// An address of 0.x.
struct Spread {
    prefix: String,
    line: u32,
    /// As an attribute has it; `None` until a `fixedAddress` says so.
    distribution: Option<&'static str>,
    first_phase: i64,
    last_phase: i64,
    is_faulty: bool,
}

impl Spread {
    fn widen(&mut self, phase: i64) {
        self.first_phase = self.first_phase.min(phase);
        self.last_phase = self.last_phase.max(phase);
    }

    fn attributes(self) -> Attributes {
        let mut address = Attributes::new(&ADDRESS, self.line);
        address.is_faulty = self.is_faulty;
        address.set("prefix", Value::Text(self.prefix), self.line);
        if let Some(distribution) = self.distribution {
            address.set("distribution", Value::Text(distribution.to_owned()), self.line);
        }
        match (self.first_phase, self.last_phase) {
            (0, 0) => {}
            (0, 1) => address.set("waypoint", Value::Switch(true), self.line),
            (first, last) => {
                address.set("ingressPhase", Value::Integer(first), self.line);
                address.set("egressPhase", Value::Integer(last), self.line);
            }
        }
        address
    }
}

/// Addresses of 0.x by their tokens.
#[derive(Default)]
struct Addresses {
    by_tokens: BTreeMap<Vec<String>, Spread>,
}

fn tokens(prefix: &str) -> Vec<String> {
    let matched = Matched { prefix: Some(prefix.to_owned()), pattern: None };
    matched.tokens().into_iter().map(str::to_owned).collect()
}

fn tokens_of(address: &Attributes) -> Vec<String> {
    let text = |name| address.text(name).map(str::to_owned);
    let matched = Matched { prefix: text("prefix"), pattern: text("pattern") };
    matched.tokens().into_iter().map(str::to_owned).collect()
}

impl Addresses {
    fn add_fixed(&mut self, fixed: &Attributes, findings: &mut Findings) {
        let prefix = fixed.text("prefix").unwrap_or_default().to_owned();
        let phase = fixed.integer("phase").unwrap_or(0);
        let distribution = match (fixed.text("fanout"), fixed.text("bias")) {
            (Some("single"), Some("spread")) => "balanced",
            (Some("single"), _) => "closest",
            _ => "multicast",
        };
        let line = fixed.line;
        let spread = self.by_tokens.entry(tokens(&prefix)).or_insert_with(|| Spread {
            prefix,
            line,
            distribution: Some(distribution),
            first_phase: phase,
            last_phase: phase,
            is_faulty: false,
        });
        spread.widen(phase);
        spread.is_faulty |= fixed.is_faulty;
        if spread.distribution != Some(distribution) && !fixed.is_faulty {
            let (before, wanted) = (spread.line, spread.distribution.unwrap_or_default());
            findings.fault(line, || {
                let wrong = format!(
                    "this fixedAddress is {distribution}, and that of line {before} with the same prefix is {wanted}"
                );
                (wrong, "give all phases of a prefix the same fanout and bias".to_owned())
            });
        }
    }

    /// Adds one, and its links; `today` are the tokens of addresses that are of today anyway.
    fn add_waypoint(&mut self, waypoint: &Attributes, today: &BTreeSet<Vec<String>>, sheets: &mut Sheets) {
        let address = waypoint.text("address").unwrap_or_default().to_owned();
        let phases = [waypoint.integer("inPhase").unwrap_or(0), waypoint.integer("outPhase").unwrap_or(1)];
        for (direction, phase) in ["out", "in"].into_iter().zip(phases) {
            let mut link = Attributes::new(&AUTO_LINK, waypoint.line);
            link.set("address", Value::Text(address.clone()), waypoint.line_of("address"));
            link.set("direction", Value::Text(direction.to_owned()), waypoint.line);
            link.set("phase", Value::Integer(phase), waypoint.line);
            let connector = waypoint.text("connector").unwrap_or_default().to_owned();
            link.set("connection", Value::Text(connector), waypoint.line_of("connector"));
            sheets.add(link);
        }
        let tokens = tokens(&address);
        if today.contains(&tokens) {
            return;
        }
        let [first, last] = phases;
        let spread = self.by_tokens.entry(tokens).or_insert_with(|| Spread {
            prefix: address,
            line: waypoint.line,
            distribution: None,
            first_phase: first,
            last_phase: last,
            is_faulty: false,
        });
        spread.widen(first);
        spread.widen(last);
    }
}

fn add_link_routes(pattern: &Attributes, sheets: &mut Sheets) {
    let directions: &[&str] = match pattern.text("dir") {
        Some("in") => &["in"],
        Some("out") => &["out"],
        _ => &["in", "out"],
    };
    for direction in directions {
        let mut route = Attributes::new(&LINK_ROUTE, pattern.line);
        route.set(
            "prefix",
            Value::Text(pattern.text("prefix").unwrap_or_default().to_owned()),
            pattern.line_of("prefix"),
        );
        route.set("direction", Value::Text((*direction).to_owned()), pattern.line_of("dir"));
        if let Some(connector) = pattern.text("connector") {
            route.set("connection", Value::Text(connector.to_owned()), pattern.line_of("connector"));
        }
        sheets.add(route);
    }
}
