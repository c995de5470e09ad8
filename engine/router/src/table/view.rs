//! The table as whoever forwards messages has it: one value for all shards, which does not change.
//!
//! Guarantees: finding an address costs one hash and a way through a tree, and allocates nothing; a copy shares all of it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use super::address::{Address, Consumer};
use super::rules::Rules;
use super::trie::Trie;
use crate::address::{Class, Key, Phase};
use crate::matching::{Pattern, Tree};
use crate::network::{LinkId, Routes};
use crate::treatment::Treatment;

/// Hashes with a seed of the node, so that nobody outside can choose addresses that meet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seeded(pub u64);

impl BuildHasher for Seeded {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}

/// Keys of link routes by their patterns, for links of one direction.
pub(super) type LinkRoutes = Tree<Key>;

/// Who wants messages of which address, and where other routers are.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) trie: Trie,
    pub(super) seeded: Seeded,
    /// Of senders and of receivers.
    pub(super) link_routes: [Arc<LinkRoutes>; 2],
    pub(super) rules: Arc<Rules>,
    pub(super) routes: Arc<Routes>,
}

impl Table {
    /// An address that somebody wants messages of.
    #[must_use]
    pub fn find(&self, key: &Key) -> Option<&Arc<Address>> {
        self.find_text(key.as_str()).map(|(_, address)| address)
    }

    /// The same by what a key is written as, with the key: for those who would have to make one.
    #[must_use]
    pub fn find_text(&self, key: &str) -> Option<(&Key, &Arc<Address>)> {
        self.trie.find(self.seeded.hash_one(key), key)
    }

    /// All addresses, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Address)> {
        self.trie.iter().map(|(key, address)| (key, &**address))
    }

    /// What holds for addresses.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Where other routers are.
    #[must_use]
    pub fn routes(&self) -> &Arc<Routes> {
        &self.routes
    }

    /// The address in its fallback phase, if it has one.
    #[must_use]
    pub fn fallback(&self, key: &Key) -> Option<Key> {
        let is_first = key.phase().is_some_and(|phase| phase != Phase::FALLBACK);
        let has_fallback = is_first && self.rules.rule(key.name()).is_some_and(|rule| rule.has_fallback);
        has_fallback.then(|| Key::mobile(Phase::FALLBACK, key.name())).flatten()
    }

    /// How messages of an address are spread.
    #[must_use]
    pub fn treatment(&self, key: &Key) -> Treatment {
        self.find(key).map_or_else(|| treatment_by_rule(&self.rules, key, None), |address| address.treatment)
    }

    /// Whether somebody can be reached who wants messages of an address: whether its senders get credit.
    #[must_use]
    pub fn is_reached(&self, key: &Key) -> bool {
        self.is_reached_from(key, None)
    }

    /// The same for what comes over the connection of or to an edge router, which does not go back there.
    #[must_use]
    pub fn is_reached_from(&self, key: &Key, edge: Option<LinkId>) -> bool {
        let is_other = |consumer: &Consumer| edge.is_none_or(|edge| !consumer.place.is_beyond(edge));
        let is_reached = |key: &Key| match key.class() {
            Class::Router => self.routes.index(key.name()).is_some_and(|router| self.routes.path(router).is_some()),
            _ => self.find(key).is_some_and(|address| {
                address.local.iter().any(is_other) || !address.routers.both(self.routes.paths().reached()).is_empty()
            }),
        };
        is_reached(key) || self.fallback(key).is_some_and(|key| is_reached(&key))
    }

    /// The link route that a client's link to an address takes, for a sender (`PatternIn`) or a receiver (`PatternOut`).
    #[must_use]
    pub fn link_route(&self, address: &str, direction: Class) -> Option<&Key> {
        let [senders, receivers] = &self.link_routes;
        let tree = if matches!(direction, Class::PrefixIn | Class::PatternIn) { senders } else { receivers };
        tree.best(address).map(|(_, key)| key)
    }
}

/// How messages of an address are spread that nobody wants: classes of the protocol have their own ways, for others rules have, or another
/// router (`hint`).
pub(super) fn treatment_by_rule(rules: &Rules, key: &Key, hint: Option<Treatment>) -> Treatment {
    match key.class() {
        Class::Mobile => rules.treatment(key.name(), hint),
        Class::Topological => Treatment::Flood,
        Class::Local | Class::Router | Class::Area | Class::Edge => Treatment::Closest,
        Class::PrefixIn | Class::PrefixOut | Class::PatternIn | Class::PatternOut => Treatment::LinkBalanced,
    }
}

/// The pattern of a link route's key.
pub(super) fn pattern_of(key: &Key) -> Option<Pattern> {
    match key.class() {
        Class::PrefixIn | Class::PrefixOut => Pattern::of_prefix(key.name()),
        Class::PatternIn | Class::PatternOut => Pattern::new(key.name()),
        _ => None,
    }
}
