//! The router: whether there is one, and how it spreads messages.
//!
//! Not here: what becomes of that (`routing`), and files of other routers (`config/router.rs`).

use std::sync::Arc;

use engine_catalogue::Area as _;
use engine_router::limits::{ID_OCTETS_MAX, PATTERN_OCTETS_MAX, PATTERN_WORDS_MAX};
use engine_router::matching::Pattern;
use engine_router::table::{Rule, Rules};
use engine_router::{RouterId, Treatment};

use super::super::policies::{self, Policies};
use super::super::settings::{Distribution, Listener, Node, Route, Router};
use super::Resolving;
use crate::routing::Routing;

impl Resolving<'_> {
    /// The router, if all addresses are routed.
    pub(super) fn routing(&mut self) -> Option<Routing> {
        let router = &self.config.router;
        if !router.enabled {
            if !self.config.routes.is_empty() {
                self.fault(
                    Route::NAME,
                    0,
                    "distribution",
                    "without a router nothing has routes: set router.enabled".to_owned(),
                );
            }
            return None;
        }
        self.nothing_is_stored();
        let id = self.router_id();
        let mut rules: Vec<(Pattern, Rule)> = Vec::new();
        for (index, route) in self.config.routes.iter().enumerate() {
            match rule(route) {
                Ok((pattern, _)) if rules.iter().any(|(known, _)| *known == pattern) => {
                    let text = "another route is for the same addresses: keep one of them".to_owned();
                    self.fault(Route::NAME, index, set(route), text);
                }
                Ok(found) => rules.push(found),
                Err(wrong) => self.fault(Route::NAME, index, set(route), wrong),
            }
        }
        let rules = Arc::new(Rules::new(rules, treatment(router.distribution)));
        Some(Routing { id: id?, rules, capacity: router.link_capacity })
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

    /// What a router has no place for: it would be ignored without a word.
    fn nothing_is_stored(&mut self) {
        let config = self.config;
        if config.storage.enabled {
            let text = "a router keeps nothing, and stored addresses beside routed ones are not there yet: set \
                        storage.enabled = false, or router.enabled = false";
            self.fault(Router::NAME, 0, "enabled", text.to_owned());
        }
        let declared = [
            ("address", config.addresses.len()),
            ("queue", config.queues.len()),
            ("divert", config.diverts.len()),
            ("connectors", config.connectors.len()),
        ];
        for (table, count) in declared.into_iter().filter(|(_, count)| *count > 0) {
            let text = format!("a router has no use for [[{table}]] yet, of which there are {count}: leave them out");
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

fn rule(route: &Route) -> Result<(Pattern, Rule), String> {
    let pattern = match (&route.prefix, &route.pattern) {
        (Some(prefix), None) => Pattern::of_prefix(prefix),
        (None, Some(pattern)) => Pattern::new(pattern),
        _ => return Err("a route has either a prefix or a pattern: write one of them".to_owned()),
    };
    let pattern = pattern.ok_or_else(|| {
        format!("this is no pattern of addresses: one has at most {PATTERN_WORDS_MAX} words, {PATTERN_OCTETS_MAX} octets and a word at least")
    })?;
    Ok((pattern, Rule::of(treatment(route.distribution))))
}

fn treatment(distribution: Distribution) -> Treatment {
    match distribution {
        Distribution::Balanced => Treatment::Balanced,
        Distribution::Closest => Treatment::Closest,
        Distribution::Multicast => Treatment::Multicast,
        Distribution::Unavailable => Treatment::Unavailable,
    }
}
