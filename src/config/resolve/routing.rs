//! The router: whether there is one, how it spreads messages, and which of them queues keep.
//!
//! Not here: what becomes of that (`routing`), and files of other routers (`config/router.rs`).

use std::sync::Arc;

use engine_catalogue::Area as _;
use engine_core::through::Rewrite;
use engine_router::address::{Class, Here, Key, Mode, Phase, resolve};
use engine_router::auto_links::{self, Via};
use engine_router::limits::{ID_OCTETS_MAX, PATTERN_OCTETS_MAX, PATTERN_WORDS_MAX};
use engine_router::matching::Pattern;
use engine_router::network::Timers;
use engine_router::table::{Keeping, Rule, Rules};
use engine_router::{RouterId, Treatment};

use super::super::addresses::{AddressEntry, DivertEntry, QueueEntry};
use super::super::policies::{self, Policies};
use super::super::settings::{
    AutoLink, Connector, Direction, Distribution, LinkRoute, Listener, Node, Role, Route, Router, RouterMode,
};
use super::Resolving;
use crate::routing::Routing;

/// The address of transactions, for routes of links.
const COORDINATOR: &str = "$coordinator";
/// The part of the memory for messages that routed ones have where others are stored: they stay for moments.
const ROUTED_SHARE: u64 = 4;

impl Resolving<'_> {
    /// The router, if there is one.
    pub(super) fn routing(&mut self) -> Option<Routing> {
        let router = &self.config.router;
        if !router.enabled {
            self.nothing_is_routed();
            return None;
        }
        let id = self.router_id();
        let mut rules: Vec<(Pattern, Rule)> = Vec::new();
        for (index, route) in self.config.routes.iter().enumerate() {
            match rule(route, rules.iter()) {
                Ok(found) => rules.push(found),
                Err(wrong) => self.fault(Route::NAME, index, set(route), wrong),
            }
        }
        let id = id?;
        let otherwise = spreading(router.distribution);
        let kept = Rules::new(rules.iter().cloned(), otherwise);
        self.what_is_stored(&id, &kept);
        let memory_bytes = (self.config.limits.memory_mib << 20) / if kept.keep_some() { ROUTED_SHARE } else { 1 };
        let connectors = self.config.connectors.iter().map(|connector| (connector.name.clone(), connector.role));
        let listeners = self.config.listeners.iter().map(|listener| (listener.name.clone(), listener.role));
        let ends: Arc<[(String, Role)]> = connectors.chain(listeners).collect();
        let auto_links = self.auto_links((&id, &kept), &ends).into();
        let network = self.network();
        self.roles();
        let mode = match router.mode {
            RouterMode::Interior => Mode::Interior,
            RouterMode::Edge => Mode::Edge,
        };
        let link_routes = self.link_routes(&ends, (&id, &kept)).into();
        let capacity = router.link_capacity;
        Some(Routing { id, rules, otherwise, capacity, memory_bytes, network, mode, auto_links, link_routes, ends })
    }

    /// What only a router has: it would be ignored without a word.
    fn nothing_is_routed(&mut self) {
        let config = self.config;
        let mut fault = |area: &'static str, index: usize, setting: &'static str, what: &str| {
            self.fault(area, index, setting, format!("{what}: set router.enabled"));
        };
        if !config.routes.is_empty() {
            fault(Route::NAME, 0, "distribution", "without a router nothing has routes");
        }
        if !config.auto_links.is_empty() {
            fault(AutoLink::NAME, 0, "address", "without a router nobody attaches links");
        }
        if !config.link_routes.is_empty() {
            fault(LinkRoute::NAME, 0, "prefix", "without a router links go nowhere");
        }
        let text = "without a router all connections have the role normal";
        let is_other = |role: Role| role != Role::Normal;
        if let Some(index) = config.listeners.iter().position(|listener| is_other(listener.role)) {
            fault(Listener::NAME, index, "role", text);
        }
        if let Some(index) = config.connectors.iter().position(|connector| is_other(connector.role)) {
            fault(Connector::NAME, index, "role", text);
        }
    }

    /// Which roles connections have goes by what the router is to others.
    fn roles(&mut self) {
        let (config, mode) = (self.config, self.config.router.mode);
        for (index, listener) in config.listeners.iter().enumerate() {
            let advice = match (mode, listener.role) {
                (RouterMode::Edge, Role::InterRouter) => {
                    "leave it out: a router at the edge is connected with routers of the network by connectors of role edge"
                }
                (RouterMode::Edge, Role::Edge) => {
                    "leave it out: routers at the edge connect to those of the network, which have router.mode = \"interior\""
                }
                _ => continue,
            };
            let text = format!(
                "a listener of role {} is of no use with router.mode = \"edge\": {advice}",
                word(listener.role)
            );
            self.fault(Listener::NAME, index, "role", text);
        }
        for (index, connector) in config.connectors.iter().enumerate() {
            let text = match (mode, connector.role) {
                (RouterMode::Edge, Role::InterRouter) => {
                    "a router at the edge connects to routers of the network with role = \"edge\", and with none as inter-router"
                }
                (RouterMode::Interior, Role::Edge) => {
                    "a connector of role edge is of a router at the edge of a network: set router.mode = \"edge\", or give it role = \"inter-router\""
                }
                _ => continue,
            };
            self.fault(Connector::NAME, index, "role", text.to_owned());
        }
    }

    /// How often the router speaks to others; nothing if no connection is to lead to one.
    fn network(&mut self) -> Option<Timers> {
        let config = self.config;
        let router = &config.router;
        for (least, most, other) in [
            ("hello_age_ms", router.hello_age_ms, ("hello_ms", router.hello_ms)),
            ("link_state_age_ms", router.link_state_age_ms, ("advertise_ms", router.advertise_ms)),
        ] {
            let (name, interval) = other;
            if most < interval {
                let text = format!(
                    "router.{least} is {most}, and router.{name} {interval}: it is not to be less: what nobody could have said yet would count as gone"
                );
                self.fault(Router::NAME, 0, least, text);
            }
        }
        let ns = |ms: u32| u64::from(ms) * 1_000_000;
        config.has_neighbours().then(|| Timers {
            hello_ns: ns(router.hello_ms),
            hello_age_ns: ns(router.hello_age_ms),
            advertise_ns: ns(router.advertise_ms),
            advertise_flux_ns: ns(router.advertise_flux_ms),
            link_state_age_ns: ns(router.link_state_age_ms),
            ..Timers::default()
        })
    }

    /// Links that the router attaches itself.
    fn auto_links(&mut self, (id, rules): (&RouterId, &Rules), ends: &[(String, Role)]) -> Vec<auto_links::AutoLink> {
        let config = self.config;
        let mut links = Vec::new();
        for (index, link) in config.auto_links.iter().enumerate() {
            let found = auto_link(link, (id, ends), links.iter()).and_then(|found| {
                let is_kept = found.via != Via::Stored
                    || rules.keeping(&found.node, Here { id, mode: Mode::Interior }) == Keeping::Stored;
                let text =
                    || format!("{:?} is routed here: add [[routes]] with distribution = \"stored\" for it", found.node);
                if is_kept { Ok(found) } else { Err(("stored", text())) }
            });
            let (setting, wrong) = match found {
                Ok(found) => {
                    links.push(found);
                    continue;
                }
                Err(wrong) => wrong,
            };
            let of = format!("{} {:?}", self.origins.words.say(AutoLink::NAME), link.address);
            self.fault_of((AutoLink::NAME, index), setting, &of, &wrong);
        }
        links
    }

    /// Links that go to containers whole.
    fn link_routes(
        &mut self,
        ends: &[(String, Role)],
        (id, rules): (&RouterId, &Rules),
    ) -> Vec<engine_routing::LinkRoute> {
        let config = self.config;
        let mut routes = Vec::new();
        for (index, route) in config.link_routes.iter().enumerate() {
            let found =
                link_routes(route, ends, routes.iter()).and_then(|found| match stored_route(route, (id, rules)) {
                    Some(wrong) => Err(("stored", wrong)),
                    None => Ok(found),
                });
            let (setting, wrong) = match found {
                Ok(found) => {
                    routes.extend(found);
                    continue;
                }
                Err(wrong) => wrong,
            };
            self.fault(LinkRoute::NAME, index, setting, wrong);
        }
        routes
    }

    /// What the router's policy says, if it has one.
    pub(super) fn policies(&mut self) -> Option<Policies> {
        let config = self.config;
        let policies = config.router.policy.as_ref().and_then(|path| {
            if !config.router.enabled {
                let text = "router.policy: only a router has a policy: set router.enabled, or leave it out";
                self.fault(Router::NAME, 0, "policy", text.to_owned());
            }
            let asked = self.origins.place(Router::NAME, 0, "policy");
            policies::read(path, &asked, (&mut self.faults, &mut self.warnings))
        });
        let has_vhosts = policies.as_ref().is_some_and(|policies| policies.rules.is_some());
        for index in 0..config.listeners.len() {
            let named = config.listeners.get(index).and_then(|listener| listener.policy_vhost.as_ref());
            if let Some(vhost) = named.filter(|_| !has_vhosts) {
                let text = format!(
                    "policy_vhost is {vhost:?}: without vhosts that hold (router.policy) it says nothing: leave it out"
                );
                self.fault(Listener::NAME, index, "policy_vhost", text);
            }
        }
        policies
    }

    /// What is for stored addresses, and of no use for routed ones: it would be ignored without a word.
    fn what_is_stored(&mut self, id: &RouterId, rules: &Rules) {
        let config = self.config;
        if !rules.keep_some() {
            return self.nothing_is_stored();
        }
        let is_routed = |address: &str| rules.keeping(address, Here { id, mode: Mode::Interior }) == Keeping::Routed;
        let advice = "add [[routes]] with distribution = \"stored\" for it, or leave it out";
        let mut faults = Vec::new();
        for (index, entry) in config.addresses.iter().enumerate() {
            if let Some(name) = entry.name.as_deref().filter(|name| is_routed(name)) {
                faults.push((AddressEntry::NAME, index, "name", format!("{name:?} is routed: {advice}")));
            }
        }
        for (index, entry) in config.queues.iter().enumerate() {
            let address = entry.address.as_deref().unwrap_or(&entry.name);
            if is_routed(address) {
                let text = format!("its address {address:?} is routed, and has no queues: {advice}");
                faults.push((QueueEntry::NAME, index, "name", text));
            }
        }
        for (index, entry) in config.diverts.iter().enumerate() {
            let to = entry.settings.to.split(',').map(str::trim);
            let named = std::iter::once(("address", entry.settings.address.as_str())).chain(to.map(|to| ("to", to)));
            for (setting, address) in named.filter(|(_, address)| !address.is_empty() && is_routed(address)) {
                let text = format!("{address:?} is routed, and diverts are of queues: {advice}");
                faults.push((DivertEntry::NAME, index, setting, text));
            }
        }
        for (area, index, setting, text) in faults {
            self.fault(area, index, setting, text);
        }
    }

    /// The same where all addresses are routed.
    fn nothing_is_stored(&mut self) {
        let config = self.config;
        if config.storage.enabled {
            let text = "all addresses are routed, and nothing is kept: set storage.enabled = false, or give those that are to be kept \
                        distribution = \"stored\" (in [[routes]], or router.distribution for all others)";
            self.fault(Router::NAME, 0, "enabled", text.to_owned());
        }
        let declared =
            [("address", config.addresses.len()), ("queue", config.queues.len()), ("divert", config.diverts.len())];
        for (table, count) in declared.into_iter().filter(|(_, count)| *count > 0) {
            let text = format!(
                "all addresses are routed, and have no use for [[{table}]], of which there are {count}: leave them out, or give \
                 their addresses distribution = \"stored\" in [[routes]]"
            );
            self.fault(Router::NAME, 0, "enabled", text);
        }
    }

    fn router_id(&mut self) -> Option<RouterId> {
        let name = &self.config.node.container_id;
        let id = RouterId::new(name);
        if id.is_none() {
            let text = format!(
                "{name:?} is no name of a router: it has 1 to {ID_OCTETS_MAX} octets without blanks and dividers; set node.container_id"
            );
            self.fault(Node::NAME, 0, "container_id", text);
        }
        id
    }
}

/// The setting that says which addresses a route is for.
fn set(route: &Route) -> &'static str {
    if route.pattern.is_some() { "pattern" } else { "prefix" }
}

/// What a route says, beside those that there are.
pub fn rule<'a>(
    route: &Route,
    mut others: impl Iterator<Item = &'a (Pattern, Rule)>,
) -> Result<(Pattern, Rule), String> {
    let pattern = match (&route.prefix, &route.pattern) {
        (Some(prefix), None) => Pattern::of_prefix(prefix),
        (None, Some(pattern)) => Pattern::new(pattern),
        _ => return Err("a route has either a prefix or a pattern: write one of them".to_owned()),
    };
    let pattern = pattern.ok_or_else(no_pattern)?;
    if others.any(|(known, _)| *known == pattern) {
        return Err("another route is for the same addresses: keep one of them".to_owned());
    }
    let has_phases = route.waypoint || route.ingress_phase.is_some() || route.egress_phase.is_some();
    if route.fallback && has_phases {
        return Err("an address with a fallback has no waypoint and no phases: leave one of both out".to_owned());
    }
    let phase = |number: u8| Phase::number(number).ok_or("phases are 0 to 9".to_owned());
    let ingress = phase(route.ingress_phase.unwrap_or(0))?;
    let egress = phase(route.egress_phase.unwrap_or(u8::from(route.waypoint)))?;
    Ok((pattern, Rule { ingress, egress, has_fallback: route.fallback, ..spreading(route.distribution) }))
}

/// A link that the router of this name attaches, beside those that there are; or the setting that is wrong. `ends` are connectors and
/// listeners by name.
pub fn auto_link<'a>(
    link: &AutoLink,
    (id, ends): (&RouterId, &[(String, Role)]),
    mut others: impl Iterator<Item = &'a auto_links::AutoLink>,
) -> Result<auto_links::AutoLink, (&'static str, String)> {
    let direction = match link.direction {
        Some(Direction::In) => auto_links::Direction::In,
        Some(Direction::Out) => auto_links::Direction::Out,
        None => return Err(("direction", "it has no direction: write direction = \"in\" or \"out\"".to_owned())),
    };
    let phase = match (link.fallback, link.phase) {
        (true, None) => Phase::FALLBACK,
        (true, Some(_)) => return Err(("phase", "a fallback has no phase: leave one of both out".to_owned())),
        (false, phase) => {
            let number = phase.unwrap_or(u8::from(direction == auto_links::Direction::In));
            Phase::number(number).ok_or_else(|| ("phase", "phases are 0 to 9".to_owned()))?
        }
    };
    let here = Here { id, mode: Mode::Interior };
    let key = resolve(&link.address, phase, here).filter(|key| key.phase().is_some()).ok_or_else(|| {
        ("address", "it names nothing that messages can be routed by: write address = \"NAME\"".to_owned())
    })?;
    let via = match (&link.connection, &link.container, link.stored) {
        (Some(name), None, false) => via_name(name, ends)?,
        (None, Some(container), false) => Via::Container(container.clone()),
        (None, None, true) => Via::Stored,
        _ => {
            let text = "it is for a connection or for a container: write connection = \"NAME\" (of a connector or listener) \
                        or container = \"ID\"; or in their place stored = true in a file of Heddle's own, for a queue of the node";
            return Err(("connection", text.to_owned()));
        }
    };
    let node = link.node.clone().unwrap_or_else(|| link.address.clone());
    let found = auto_links::AutoLink { key, node, direction, via };
    match others.any(|known| *known == found) {
        false => Ok(found),
        true => Err(("address", "another link is the same: keep one of them".to_owned())),
    }
}

/// The routes of links that a setting makes beside those that there are, one for each direction; or what is wrong with it. `ends` are
/// connectors and listeners by name.
pub fn link_routes<'a>(
    route: &LinkRoute,
    ends: &[(String, Role)],
    mut others: impl Iterator<Item = &'a engine_routing::LinkRoute>,
) -> Result<Vec<engine_routing::LinkRoute>, (&'static str, String)> {
    let directions = match route.direction {
        Some(direction) => vec![direction],
        None => vec![Direction::In, Direction::Out],
    };
    let (setting, text, is_pattern) = match (&route.prefix, &route.pattern) {
        (Some(prefix), None) => ("prefix", prefix, Pattern::of_prefix(prefix)),
        (None, Some(pattern)) => ("pattern", pattern, Pattern::new(pattern)),
        _ => return Err(("prefix", "a route has either a prefix or a pattern: write one of them".to_owned())),
    };
    let via = match (&route.connection, &route.container) {
        (Some(name), None) => Some(via_name(name, ends)?),
        (None, Some(container)) => Some(Via::Container(container.clone())),
        (None, None) => route.stored.then_some(Via::Stored),
        (Some(_), Some(_)) => {
            return Err(("connection", "it is for a connection or for a container: leave one of both out".to_owned()));
        }
    };
    let rewrite = Rewrite {
        remove: route.remove_prefix.as_deref().map(Arc::from),
        add: route.add_prefix.as_deref().map(Arc::from),
    };
    let made = directions.into_iter().map(|direction| {
        let class = match (setting, direction) {
            ("prefix", Direction::In) => Class::PrefixIn,
            ("prefix", Direction::Out) => Class::PrefixOut,
            (_, Direction::In) => Class::PatternIn,
            (_, Direction::Out) => Class::PatternOut,
        };
        let key = is_pattern.as_ref().and_then(|_| Key::of_class(class, text))?;
        Some(engine_routing::LinkRoute { key, via: via.clone(), rewrite: rewrite.clone() })
    });
    let made: Vec<_> = made.collect::<Option<_>>().ok_or_else(|| (setting, no_pattern()))?;
    match others.any(|known| made.contains(known)) {
        false => Ok(made),
        true => Err((setting, "another route is the same: keep one of them".to_owned())),
    }
}

/// What is wrong with a route of links to queues of this node, on the router of a name.
fn stored_route(route: &LinkRoute, (id, rules): (&RouterId, &Rules)) -> Option<String> {
    if !route.stored {
        return None;
    }
    if route.connection.is_some() || route.container.is_some() {
        return Some(
            "it leads to queues of this node, or to a connection or container: leave one of both out".to_owned(),
        );
    }
    if route.add_prefix.is_some() || route.remove_prefix.is_some() {
        return Some(
            "queues of this node have the addresses of clients: leave add_prefix and remove_prefix out".to_owned(),
        );
    }
    let text = route.prefix.as_ref().or(route.pattern.as_ref())?;
    let is_stored = match text.as_str() {
        COORDINATOR => rules.keep_some(),
        text => rules.keeping(text, Here { id, mode: Mode::Interior }) == Keeping::Stored,
    };
    (!is_stored).then(|| {
        format!("the addresses of {text:?} are routed: add [[routes]] with distribution = \"stored\" for them")
    })
}

/// Why something is no prefix or pattern.
fn no_pattern() -> String {
    format!(
        "this is no pattern of addresses: one has at most {PATTERN_WORDS_MAX} words, {PATTERN_OCTETS_MAX} octets and a word at least"
    )
}

/// Connections of a connector or listener.
fn via_name(name: &str, ends: &[(String, Role)]) -> Result<Via, (&'static str, String)> {
    let mut roles = ends.iter().filter(|(known, _)| *known == name).map(|(_, role)| *role).peekable();
    if roles.peek().is_none() {
        return Err(("connection", format!("no connector and no listener is called {name:?}: name one")));
    }
    if !roles.any(|role| role == Role::RouteContainer) {
        let text = format!("{name} is not for a broker or a service: give it role = \"route-container\"");
        return Err(("connection", text));
    }
    Ok(Via::Name(name.to_owned()))
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Normal => "normal",
        Role::RouteContainer => "route-container",
        Role::InterRouter => "inter-router",
        Role::Edge => "edge",
    }
}

/// What a distribution says. What is stored is balanced for messages of other routers, as a broker behind a waypoint is.
fn spreading(distribution: Distribution) -> Rule {
    match distribution {
        Distribution::Balanced => Rule::of(Treatment::Balanced),
        Distribution::Closest => Rule::of(Treatment::Closest),
        Distribution::Multicast => Rule::of(Treatment::Multicast),
        Distribution::Unavailable => Rule::of(Treatment::Unavailable),
        Distribution::Stored => Rule { keeping: Keeping::Stored, ..Rule::of(Treatment::Balanced) },
    }
}
