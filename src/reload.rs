//! A change of the configuration while the node runs: what it says of addresses and queues is taken over, all of it or nothing.
//!
//! Guarantees:
//! 1. A version holds on every shard or on none: when a file is wrong, says what takes a start, or gives an address that is in use to
//!    another shard, what held before holds still, and the log says why.
//! 2. A version is on stable storage before a shard serves by it.
//! 3. Versions come one after the other: the next is made when all shards have taken the one before.
//!
//! Not here: how a shard takes a version (`engine_core`), and signals.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use engine_catalogue::{Area, Catalogue, Resolved as Place};
use engine_core::Version;

use crate::boot::ms;
use crate::catalogue::{CatalogueError, Kept, Next};
use crate::config::{Config, Faults, Resolved};
use crate::holding::{hold, lock};
use crate::node::{Disagreement, Node};

/// Reads the configuration again.
pub type Reread<'a> = &'a dyn Fn() -> Result<Resolved, Faults>;

/// Why a configuration was not taken over.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error("{}", one_line(.0))]
    Wrong(#[from] Faults),
    #[error("{}: this takes a start. Start the node again, or put back what stood there", .0.join(", "))]
    TakesStart(Vec<String>),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Shards(#[from] Disagreement),
}

/// What a node began with, and what it can take over.
pub struct Reload {
    config: Config,
    /// What held for settings that nobody sets: some of it is the machine's, and may change.
    defaults: Config,
    kept: Arc<Mutex<Kept>>,
}

impl Reload {
    /// A node began with this.
    pub fn new(config: Config, kept: Arc<Mutex<Kept>>) -> Self {
        Self { config, defaults: Config::default(), kept }
    }

    /// Takes over what the configuration says now, and tells the log of it.
    pub fn reload(&mut self, node: &Node, reread: Reread<'_>) {
        let started = Instant::now();
        match self.try_reload(node, reread) {
            Ok(None) => tracing::info!(target: "heddle::program",
                version = lock(&self.kept).catalogue().version(),
                "the configuration was read again: it says of addresses and queues what it said before"),
            Ok(Some(version)) => {
                tracing::info!(target: "heddle::program", version, ms = ms(started),
                    "the configuration was read again: all shards hold to what it says of addresses and queues");
            }
            Err(error) => {
                tracing::error!(target: "heddle::program", version = lock(&self.kept).catalogue().version(), %error,
                "the configuration was read again, and nothing of it was taken over")
            }
        }
    }

    fn try_reload(&mut self, node: &Node, reread: Reread<'_>) -> Result<Option<u64>, ReloadError> {
        let Resolved { config, definitions, .. } = reread()?;
        let takes_start = self.takes_start(&config);
        if !takes_start.is_empty() {
            return Err(ReloadError::TakesStart(takes_start));
        }
        let mut kept = lock(&self.kept);
        let Some(next) = kept.next(&definitions)? else { return Ok(None) };
        let moving = moving(kept.catalogue(), &next);
        let version = next.catalogue.version();
        if !moving.is_empty() {
            let (next, addresses) = (Arc::clone(&next.catalogue), moving.into());
            if let Err(error) = node.announce(&Version::Announced { next, addresses }) {
                node.tell_at_last(&Version::Forgone);
                return Err(error.into());
            }
        }
        hold(node, &mut kept, next)?;
        Ok(Some(version))
    }

    /// Settings that are not what the node began with, and hold from a start on.
    fn takes_start(&self, now: &Config) -> Vec<String> {
        // All tables are named here, so that a new one is thought of.
        let Config {
            node: _,
            listeners: _,
            connectors: _,
            addresses: _,
            queues: _,
            diverts: _,
            router: _,
            routes: _,
            auto_links: _,
            link_routes: _,
            passwords: _,
            is_networked: _,
            users: _,
            http: _,
            limits: _,
            storage: _,
            log: _,
        } = now;
        let (was, before, after) = (&self.config, &self.defaults, &Config::default());
        let mut changed = Vec::new();
        let mut compare = Compare { changed: &mut changed };
        compare.area((&was.node, &before.node), (&now.node, &after.node));
        compare.area((&was.router, &before.router), (&now.router, &after.router));
        compare.area((&was.users, &before.users), (&now.users, &after.users));
        compare.area((&was.http, &before.http), (&now.http, &after.http));
        compare.area((&was.limits, &before.limits), (&now.limits, &after.limits));
        compare.area((&was.storage, &before.storage), (&now.storage, &after.storage));
        compare.area((&was.log, &before.log), (&now.log, &after.log));
        // It is said of addresses.
        changed.retain(|name| name != "storage.when_full");
        let lists = [
            ("listeners", was.listeners != now.listeners),
            ("connectors", was.connectors != now.connectors),
            ("routes", was.routes != now.routes),
            ("passwords", was.passwords != now.passwords),
            ("auto_links", was.auto_links != now.auto_links),
            ("link_routes", was.link_routes != now.link_routes),
        ];
        changed.extend(lists.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()));
        changed
    }
}

/// All faults behind one another, for the log.
fn one_line(faults: &Faults) -> String {
    faults.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" | ")
}

/// Addresses that a version gives to other shards.
fn moving(before: &Catalogue, next: &Next) -> Vec<String> {
    let owner = |catalogue: &Catalogue, address| {
        let Place::Stored { owner } = catalogue.resolve(address);
        owner.shard
    };
    let placed = next.placed().filter(|address| owner(before, address) != owner(&next.catalogue, address));
    placed.map(str::to_owned).collect()
}

struct Compare<'a> {
    changed: &'a mut Vec<String>,
}

impl Compare<'_> {
    /// Notes what of a table is another value, each with the defaults of its time.
    fn area<A: Area>(&mut self, (was, before): (&A, &A), (now, after): (&A, &A)) {
        let values = was.values().into_iter().zip(before.values()).zip(now.values().into_iter().zip(after.values()));
        for (setting, ((was, before), (now, after))) in A::SETTINGS.iter().zip(values) {
            let is_default = was == before && now == after;
            if was != now && !is_default {
                self.changed.push(format!("{}.{}", A::NAME, setting.name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engine_catalogue::Placement;

    use super::*;

    #[test]
    fn what_takes_a_start_is_named() {
        let kept = Kept::open(Placement::new(1), &[], None).unwrap();
        let mut reload = Reload::new(Config::default(), Arc::new(Mutex::new(kept)));
        // The machine's name and memory are others now.
        reload.defaults.node.container_id = "was".to_owned();
        reload.config.node.container_id = "was".to_owned();
        let mut now = Config::default();
        now.storage.when_full = Some(engine_catalogue::WhenFull::Refuse);
        assert!(reload.takes_start(&now).is_empty());
        now.node.shards = Some(7);
        now.limits.links = 9;
        now.listeners.clear();
        now.connectors.push(crate::config::Connector::default());
        now.node.container_id = "chosen".to_owned();
        assert_eq!(
            reload.takes_start(&now),
            ["node.container_id", "node.shards", "limits.links", "listeners", "connectors"]
        );
    }
}
