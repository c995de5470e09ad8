//! What the configuration says, beside what the catalogue has: the changes that bring one to the other.
//!
//! Guarantees: when they are applied, the definitions of the configuration are exactly those that it has now, and what management
//! defined is as it was, but for what the configuration defines as well. Applied twice they change nothing. An address that is placed
//! anew has the next version as its epoch, which no other placement has.

use std::collections::HashMap;

use crate::catalogue::Catalogue;
use crate::change::{Change, Origin};
use crate::definition::{Attributes, Definition, Placed};

impl Catalogue {
    /// The changes after which the configuration's definitions are `wanted`, of which no two have the same kind and key: first what
    /// goes, then what comes or changes.
    #[must_use]
    pub fn reconcile(&self, wanted: &[Definition]) -> Vec<Change> {
        let origin = Origin::Configuration;
        let there: Vec<Definition> = self.definitions().filter_map(configured).collect();
        let mut missing: HashMap<_, _> =
            wanted.iter().map(|definition| ((definition.kind(), definition.key.as_str()), definition)).collect();
        let mut changes = Vec::new();
        for definition in &there {
            let (kind, key) = (definition.kind(), definition.key.as_str());
            match missing.get(&(kind, key)) {
                None => changes.push(Change::Remove { origin, kind, key: key.to_owned() }),
                Some(wanted) if is_said(wanted, definition) => drop(missing.remove(&(kind, key))),
                Some(_) => {}
            }
        }
        let is_missing = |wanted: &&Definition| missing.contains_key(&(wanted.kind(), wanted.key.as_str()));
        let comes = wanted.iter().filter(is_missing);
        let epoch = self.version() + 1;
        changes.extend(comes.map(|wanted| {
            let mut definition = wanted.clone();
            if let Attributes::Placed(placed) = &mut definition.attributes {
                placed.epoch = epoch;
            }
            Change::Define { origin, definition }
        }));
        changes
    }
}

/// Whether what is wanted is what there is. The configuration says where an address is, and not since when.
fn is_said(wanted: &Definition, there: &Definition) -> bool {
    match (&wanted.attributes, &there.attributes) {
        (Attributes::Placed(Placed { shard: wanted, .. }), Attributes::Placed(Placed { shard, .. })) => wanted == shard,
        (wanted, there) => wanted == there,
    }
}

/// What the configuration defined.
fn configured(change: Change) -> Option<Definition> {
    match change {
        Change::Define { origin: Origin::Configuration, definition } => Some(definition),
        Change::Define { .. } | Change::Remove { .. } => None,
    }
}
