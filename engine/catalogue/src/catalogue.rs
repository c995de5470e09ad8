//! The catalogue: everything that is defined, in one version that never changes.
//!
//! All shards share a version (`Arc<Catalogue>`); a change makes the next one, which shares with this one what did not change.
//!
//! Guarantees:
//! 1. `apply` applies all of its changes or none, and versions only grow.
//! 2. What is asked here is asked when an address comes into being or a link attaches, never for each message: `settings` are resolved
//!    once for each address and held by it.
//!
//! Not here: where changes are kept (`log`), and what an owner does with an address that changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::change::{Change, ChangeError, Origin};
use crate::declare::Area as _;
use crate::definition::{
    Attributes, Definition, Divert, Kind, Member, Permission, Placed, QUALIFIER, Queue, Suspension,
};
use crate::limits::{DECLARED_MAX, MATCHES_MAX, OTHERS_MAX};
use crate::matches::Matches;
use crate::name::base;
use crate::pattern::Pattern;
use crate::placement::{NodeNumber, Owner, Placement};
use crate::settings::{AddressSettings, Layer, RoutingType};

/// A definition, and who said it.
#[derive(Clone, Debug, PartialEq)]
struct Kept<T> {
    origin: Origin,
    table: T,
}

/// Definitions of one kind by their keys. Versions that do not differ in it share it.
type Table<T> = Arc<BTreeMap<String, Kept<T>>>;

/// A layer of settings, and what holds where no other matches: most addresses have one match, and share this.
#[derive(Clone, Debug)]
struct Layered {
    layer: Layer,
    alone: Arc<AddressSettings>,
}

/// How messages are handed on of an address that is not routed, which a router's rules say (`engine_shard::Engine::owner_of`). Whatever
/// else there may be is added here with what serves it, and everybody who asks is found by the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// They are stored by its owner.
    Stored {
        /// The owner.
        owner: Owner,
    },
}

/// A version of everything that is defined.
#[derive(Clone, Debug)]
pub struct Catalogue {
    version: u64,
    placement: Placement,
    matches: Table<Layer>,
    addresses: Table<Layer>,
    queues: Table<Queue>,
    diverts: Table<Divert>,
    permissions: Table<Permission>,
    members: Table<Member>,
    placed: Table<Placed>,
    suspensions: Table<Suspension>,
    defaults: Arc<AddressSettings>,
    /// `matches`, found by address.
    layers: Arc<Matches<Layered>>,
    /// `permissions`, found by address.
    allowed: Arc<Matches<Permission>>,
    /// `diverts`, found by address: the address, and the name.
    diverted: Arc<BTreeSet<(String, String)>>,
}

/// A catalogue of nothing, of a node with one shard.
impl Default for Catalogue {
    fn default() -> Self {
        Self::new(Placement::new(1))
    }
}

/// What becomes of one table when a definition of its kind is put in or taken out.
fn change_table<T: Clone>(
    table: &mut Table<T>,
    most: usize,
    (kind, key): (Kind, &str),
    change: Option<Kept<T>>,
) -> Result<(), ChangeError> {
    match change {
        Some(_) if table.len() >= most && !table.contains_key(key) => return Err(ChangeError::Full { kind, most }),
        Some(kept) => drop(Arc::make_mut(table).insert(key.to_owned(), kept)),
        None if table.contains_key(key) => drop(Arc::make_mut(table).remove(key)),
        None => return Err(ChangeError::Missing { kind, key: key.to_owned() }),
    }
    Ok(())
}

impl Catalogue {
    /// A catalogue of nothing.
    #[must_use]
    pub fn new(placement: Placement) -> Self {
        Self {
            version: 0,
            placement,
            matches: Table::default(),
            addresses: Table::default(),
            queues: Table::default(),
            diverts: Table::default(),
            permissions: Table::default(),
            members: Table::default(),
            placed: Table::default(),
            suspensions: Table::default(),
            defaults: Arc::default(),
            layers: Arc::default(),
            allowed: Arc::default(),
            diverted: Arc::default(),
        }
    }

    /// A catalogue that says one thing of all addresses, of a node with one shard.
    ///
    /// # Panics
    /// When a setting is out of its bounds.
    #[must_use]
    pub fn of_all(layer: Layer) -> Self {
        Self::default().with_all(layer)
    }

    /// The next version, which says one thing of all addresses.
    ///
    /// # Panics
    /// When a setting is out of its bounds.
    #[must_use]
    pub fn with_all(&self, layer: Layer) -> Self {
        let definition = Definition::new("#", Attributes::Match(layer));
        let change = Change::Define { origin: Origin::Configuration, definition };
        self.apply(&[change]).expect("settings are within their bounds")
    }

    /// Which version it is; of two the greater one is the newer one.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Where addresses are that nothing else is said of.
    #[must_use]
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// The next version, with these changes.
    ///
    /// # Errors
    /// The first change that is refused; then there is no next version.
    pub fn apply(&self, changes: &[Change]) -> Result<Self, ChangeError> {
        let mut next = self.clone();
        next.version = self.version + 1;
        for change in changes {
            next.check_beside(change)?;
            next.change(change)?;
        }
        let concerns = |kind| changes.iter().any(|change| change.subject().0 == kind);
        if [Kind::Match, Kind::Permission, Kind::Divert].into_iter().any(concerns) {
            next.index();
        }
        Ok(next)
    }

    /// Becomes a version that a log has, but for `index`, which whoever replays a log calls at its end.
    pub(crate) fn replay(&mut self, version: u64, changes: &[Change]) -> Result<(), ChangeError> {
        self.version = version;
        changes.iter().try_for_each(|change| self.change(change))
    }

    /// Indexes matches anew.
    pub(crate) fn index(&mut self) {
        self.layers = Arc::new(Matches::new(patterns(&self.matches, |layer| {
            let mut settings = AddressSettings::default();
            layer.lay_over(&mut settings);
            Layered { layer: layer.clone(), alone: Arc::new(settings) }
        })));
        self.allowed = Arc::new(Matches::new(patterns(&self.permissions, Permission::clone)));
        let by_address = self.diverts.iter().map(|(key, kept)| (kept.table.address.clone(), key.clone()));
        self.diverted = Arc::new(by_address.collect());
    }

    fn change(&mut self, change: &Change) -> Result<(), ChangeError> {
        let (kind, key) = change.subject();
        let configured = self.origin(kind, key) == Some(Origin::Configuration);
        if configured && change.origin() != Origin::Configuration {
            return Err(ChangeError::Configured { kind, key: key.to_owned() });
        }
        let at = (kind, key);
        match change {
            Change::Define { origin, definition } => {
                let wrong = |wrong| ChangeError::Wrong { kind, key: key.to_owned(), wrong };
                definition.check().map_err(wrong)?;
                self.put(at, *origin, definition.attributes.clone())
            }
            Change::Remove { .. } => match kind {
                Kind::Match => change_table(&mut self.matches, 0, at, None),
                Kind::Address => change_table(&mut self.addresses, 0, at, None),
                Kind::Queue => change_table(&mut self.queues, 0, at, None),
                Kind::Divert => change_table(&mut self.diverts, 0, at, None),
                Kind::Permission => change_table(&mut self.permissions, 0, at, None),
                Kind::Member => change_table(&mut self.members, 0, at, None),
                Kind::Placed => change_table(&mut self.placed, 0, at, None),
                Kind::Suspension => change_table(&mut self.suspensions, 0, at, None),
            },
        }
    }

    fn put(&mut self, at: (Kind, &str), origin: Origin, attributes: Attributes) -> Result<(), ChangeError> {
        match attributes {
            Attributes::Match(table) => change_table(&mut self.matches, MATCHES_MAX, at, Some(Kept { origin, table })),
            Attributes::Address(table) => {
                change_table(&mut self.addresses, DECLARED_MAX, at, Some(Kept { origin, table }))
            }
            Attributes::Queue(table) => change_table(&mut self.queues, DECLARED_MAX, at, Some(Kept { origin, table })),
            Attributes::Divert(table) => change_table(&mut self.diverts, OTHERS_MAX, at, Some(Kept { origin, table })),
            Attributes::Permission(table) => {
                change_table(&mut self.permissions, MATCHES_MAX, at, Some(Kept { origin, table }))
            }
            Attributes::Member(table) => change_table(&mut self.members, OTHERS_MAX, at, Some(Kept { origin, table })),
            Attributes::Placed(table) => change_table(&mut self.placed, OTHERS_MAX, at, Some(Kept { origin, table })),
            Attributes::Suspension(table) => {
                change_table(&mut self.suspensions, OTHERS_MAX, at, Some(Kept { origin, table }))
            }
        }
    }

    /// Whether a new definition means something beside what there is. What a log has meant something when it was written.
    fn check_beside(&self, change: &Change) -> Result<(), ChangeError> {
        let Change::Define { definition: Definition { key, attributes: Attributes::Placed(placed) }, .. } = change
        else {
            return Ok(());
        };
        let (shards, epoch) = (self.placement.shards(), self.owner(key).epoch);
        let wrong = if placed.shard >= shards {
            format!("there is no shard {}: the node has {shards}", placed.shard)
        } else if placed.epoch <= epoch {
            format!("its epoch is {}, and has to be above {epoch}", placed.epoch)
        } else {
            return Ok(());
        };
        Err(ChangeError::Wrong { kind: Kind::Placed, key: key.clone(), wrong })
    }

    /// Who said something, if it is defined.
    #[must_use]
    pub fn origin(&self, kind: Kind, key: &str) -> Option<Origin> {
        match kind {
            Kind::Match => self.matches.get(key).map(|kept| kept.origin),
            Kind::Address => self.addresses.get(key).map(|kept| kept.origin),
            Kind::Queue => self.queues.get(key).map(|kept| kept.origin),
            Kind::Divert => self.diverts.get(key).map(|kept| kept.origin),
            Kind::Permission => self.permissions.get(key).map(|kept| kept.origin),
            Kind::Member => self.members.get(key).map(|kept| kept.origin),
            Kind::Placed => self.placed.get(key).map(|kept| kept.origin),
            Kind::Suspension => self.suspensions.get(key).map(|kept| kept.origin),
        }
    }

    /// Everything that is defined, as changes that would define it: kind by kind, in the order of keys.
    pub fn definitions(&self) -> impl Iterator<Item = Change> {
        fn all<'a, T: Clone>(
            table: &'a Table<T>,
            attributes: impl Fn(T) -> Attributes + 'a,
        ) -> impl Iterator<Item = Change> + 'a {
            table.iter().map(move |(key, kept)| Change::Define {
                origin: kept.origin,
                definition: Definition::new(key.clone(), attributes(kept.table.clone())),
            })
        }
        all(&self.matches, Attributes::Match)
            .chain(all(&self.addresses, Attributes::Address))
            .chain(all(&self.queues, Attributes::Queue))
            .chain(all(&self.diverts, Attributes::Divert))
            .chain(all(&self.permissions, Attributes::Permission))
            .chain(all(&self.members, Attributes::Member))
            .chain(all(&self.placed, Attributes::Placed))
            .chain(all(&self.suspensions, Attributes::Suspension))
    }

    /// What holds for an address and its queues: the layers of all matches, the least specific first, that of the address itself, and what of it
    /// stands still.
    #[must_use]
    pub fn settings(&self, address: &str) -> Arc<AddressSettings> {
        let address = base(address);
        self.suspend(address, self.said(address))
    }

    /// The same as if nothing stood still.
    fn said(&self, address: &str) -> Arc<AddressSettings> {
        let own = self.addresses.get(address).map(|kept| &kept.table);
        let mut layers = self.layers.of(address);
        let settings = match (layers.next(), own) {
            (None, None) => return Arc::clone(&self.defaults),
            (None, Some(_)) => &self.defaults,
            (Some((_, first)), _) => &first.alone,
        };
        let mut layers = layers.map(|(_, layered)| &layered.layer).chain(own).peekable();
        if layers.peek().is_none() {
            return Arc::clone(settings);
        }
        let mut settings = AddressSettings::clone(settings);
        layers.for_each(|layer| layer.lay_over(&mut settings));
        Arc::new(settings)
    }

    /// Where each setting of an address has its value from: the match, or the address itself; `None` for a default. In the order of
    /// `Layer::SETTINGS`.
    #[must_use]
    pub fn sources(&self, address: &str) -> Vec<Option<(Kind, String)>> {
        let address = base(address);
        let mut sources = vec![None; Layer::SETTINGS.len()];
        let still = self.suspends().then(|| self.suspension_layer(address)).flatten();
        let matched = self.layers.of(address).map(|(pattern, layered)| (Kind::Match, pattern.as_str(), &layered.layer));
        let own = self.addresses.get(address).map(|kept| (Kind::Address, address, &kept.table));
        let still = still.iter().map(|layer| (Kind::Suspension, address, layer));
        for (kind, key, layer) in matched.chain(own).chain(still) {
            for (source, value) in sources.iter_mut().zip(layer.values()) {
                if value != crate::setting::Value::Absent {
                    *source = Some((kind, key.to_owned()));
                }
            }
        }
        sources
    }

    /// What stands still, by `address` or `address::queue`, in their order from a key on.
    pub fn suspensions_from<'a>(&'a self, key: &str) -> impl Iterator<Item = (&'a str, Suspension)> {
        self.suspensions.range(key.to_owned()..).map(|(key, kept)| (key.as_str(), kept.table.clone()))
    }

    /// Whether anything does.
    #[must_use]
    pub fn suspends(&self) -> bool {
        !self.suspensions.is_empty()
    }

    /// Whether an address is there without being asked for: it is declared, or a queue or a divert of it is.
    #[must_use]
    pub fn is_declared(&self, address: &str) -> bool {
        self.addresses.contains_key(address)
            || self.queues_of(address).next().is_some()
            || self.diverts_of(address).next().is_some()
    }

    /// Addresses that are declared by themselves, in the order of their names, behind one.
    pub fn addresses_after<'a>(&'a self, after: Option<&str>) -> impl Iterator<Item = &'a str> {
        behind(&self.addresses, after).map(|(key, _)| key.as_str())
    }

    /// Declared queues by address and name, in their order, behind a key; and how they get messages if the address does not say.
    pub fn queues_after<'a>(&'a self, after: Option<&str>) -> impl Iterator<Item = (&'a str, Option<RoutingType>)> {
        behind(&self.queues, after).map(|(key, kept)| (key.as_str(), kept.table.routing))
    }

    /// The declared queues of an address: their names, and how they get messages if the address does not say.
    pub fn queues_of<'a>(&'a self, address: &str) -> impl Iterator<Item = (&'a str, Option<RoutingType>)> {
        let prefix = format!("{address}{QUALIFIER}");
        let start = prefix.len();
        let from = self.queues.range(prefix.clone()..);
        let own = from.take_while(move |(key, _)| key.starts_with(&prefix));
        own.filter_map(move |(key, kept)| Some((key.get(start..)?, kept.table.routing)))
    }

    /// The diverts of an address, with their names.
    pub fn diverts_of<'a>(&'a self, address: &'a str) -> impl Iterator<Item = (&'a str, &'a Divert)> {
        let from = self.diverted.range((address.to_owned(), String::new())..);
        let own = from.take_while(move |(of, _)| of == address);
        own.filter_map(|(_, key)| Some((key.as_str(), self.divert(key)?)))
    }

    /// The divert of a name.
    #[must_use]
    pub fn divert(&self, name: &str) -> Option<&Divert> {
        self.diverts.get(name).map(|kept| &kept.table)
    }

    /// Diverts by their names, in their order, behind one.
    pub fn diverts_after<'a>(&'a self, after: Option<&str>) -> impl Iterator<Item = (&'a str, &'a Divert)> {
        behind(&self.diverts, after).map(|(key, kept)| (key.as_str(), &kept.table))
    }

    /// Where messages for an address go; a queue named with it is where its address is.
    #[must_use]
    pub fn resolve(&self, address: &str) -> Resolved {
        Resolved::Stored { owner: self.owner(base(address)) }
    }

    /// The first of the names `make(0)`, `make(1)`, … that `shard` owns: a name made here can be served here.
    ///
    /// # Errors
    /// `None` when none of the first 64 names per shard falls on `shard`, which for names that differ has a
    /// probability below 1e-27.
    pub fn name_owned_by(&self, shard: u16, make: impl FnMut(u32) -> String) -> Option<String> {
        (0..u32::from(self.placement.shards()) * 64).map(make).find(|name| self.owner(name).shard == shard)
    }

    /// The address is where it was placed last; one that was placed on a shard that there is no more is where its hash says.
    fn owner(&self, address: &str) -> Owner {
        let placed = self.placed.get(address).map(|kept| &kept.table);
        let (shard, epoch) = match placed.filter(|placed| placed.shard < self.placement.shards()) {
            Some(Placed { shard, epoch }) => (*shard, *epoch),
            None => (self.placement.owner(address), 0),
        };
        Owner { node: NodeNumber::HERE, shard, epoch }
    }

    /// The roles that a user was given.
    pub fn roles<'a>(&'a self, user: &str) -> impl Iterator<Item = &'a str> {
        self.members.get(user).into_iter().flat_map(|kept| &kept.table.roles).map(String::as_str)
    }

    /// What is permitted at an address, the most specific first; `None` while no permission is defined at all, and everybody may
    /// everything.
    pub(crate) fn permissions(&self, address: &str) -> Option<impl Iterator<Item = &Permission>> {
        if self.permissions.is_empty() {
            return None;
        }
        Some(self.allowed.of(base(address)).rev().map(|(_, permission)| permission))
    }
}

fn behind<'a, T>(table: &'a Table<T>, after: Option<&str>) -> impl Iterator<Item = (&'a String, &'a Kept<T>)> {
    use std::ops::Bound::{Excluded, Unbounded};
    table.range::<str, _>((after.map_or(Unbounded, Excluded), Unbounded))
}

fn patterns<'a, T, V>(table: &'a Table<T>, value: impl Fn(&T) -> V + 'a) -> impl Iterator<Item = (Pattern, V)> + 'a {
    table.iter().map(move |(key, kept)| {
        let pattern = Pattern::new(key).expect("the definition was checked before it was put in");
        (pattern, value(&kept.table))
    })
}

#[cfg(test)]
mod tests;
