//! The table as its one owner has it, who changes it.
//!
//! Guarantees:
//! 1. An address is there as long as it has a consumer here or at another router; there are at most `ADDRESSES_MAX`, and at most
//!    `ROUTER_ADDRESSES_MAX` of one router, of which `LINK_ROUTES_MAX` are link routes. What is beyond is passed over and counted.
//! 2. What is given out as a view does not change; a change behind it copies its address and the way to it, whatever else there is.
//! 3. A consumer comes and goes at a cost that does not depend on how many its address has, but for that copy.
//! 4. What a router says costs by what it says and what it had said before, whatever others have.
//!
//! Not here: what a router says and what of it is taken when (`learning`), who is told of addresses of this node (`network`), which the caller does with what `add` and `remove` say.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use super::address::{Address, Consumer, ConsumerId};
use super::learning::Learning;
use super::rules::Rules;
use super::trie::Trie;
use super::view::{LinkRoutes, Seeded, Table, pattern_of, treatment_by_rule};
use crate::address::{Class, Key};
use crate::control::Announced;
use crate::limits::{ADDRESSES_MAX, LINK_ROUTES_MAX, ROUTER_ADDRESSES_MAX, ROUTERS_MAX};
use crate::network::Routes;
use crate::numbers::Numbered;
use crate::set::{RouterIndex, RouterSet};
use crate::treatment::Treatment;

/// What became of an address for other routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has its first consumer here: it is to be announced, with this distribution.
    First(Treatment),
    /// It has its last one no more: it is to be withdrawn.
    Last,
    /// Nothing that others are told.
    None,
    /// There is no room for it.
    Full,
}

/// Addresses that a router has.
#[derive(Clone, Debug)]
struct Known {
    /// They, each with the round in which it was named last.
    keys: HashMap<Key, u32, Seeded>,
    /// How often it began to say all that it has.
    round: u32,
}

/// What was done to an address.
struct Edited {
    is_new: bool,
    /// The number that it had, if it is gone.
    gone: Option<u32>,
    treatment: Treatment,
}

/// The table, to be changed.
#[derive(Debug)]
pub struct Addresses {
    table: Table,
    count: usize,
    /// Where consumers are among those of their addresses, by the addresses' numbers.
    places: Numbered<(u32, ConsumerId), usize>,
    /// Addresses of each router, by its number.
    by_router: Vec<Known>,
    pub(super) learning: Learning,
    /// Numbers that are free below the highest that was given.
    free: Vec<u32>,
    /// Addresses that are gone since somebody asked, with their numbers (`take_gone`).
    gone: Vec<(Key, u32)>,
    numbers: u32,
    /// Link routes that somebody serves, and those that are declared here, which make the trees of the view.
    link_routes: BTreeSet<Key>,
    declared: BTreeSet<Key>,
    has_new_link_routes: bool,
    passed_over: u64,
}

impl Addresses {
    /// A table with nothing in it. The seed is chance.
    #[must_use]
    pub fn new(rules: Arc<Rules>, seed: u64) -> Self {
        let seeded = Seeded(seed);
        let link_routes = [Arc::new(LinkRoutes::default()), Arc::new(LinkRoutes::default())];
        let table = Table { trie: Trie::default(), seeded, link_routes, rules, routes: Arc::default() };
        Self {
            table,
            count: 0,
            places: Numbered::default(),
            by_router: vec![Known { keys: HashMap::with_hasher(seeded), round: 0 }; ROUTERS_MAX],
            learning: Learning::default(),
            free: Vec::new(),
            gone: Vec::new(),
            numbers: 0,
            link_routes: BTreeSet::new(),
            declared: BTreeSet::new(),
            has_new_link_routes: false,
            passed_over: 0,
        }
    }

    /// The table as it is, to be handed to shards.
    #[must_use]
    pub fn view(&mut self) -> Table {
        if std::mem::take(&mut self.has_new_link_routes) {
            let tree = |classes: [Class; 2]| -> LinkRoutes {
                let keys = self.link_routes.union(&self.declared).filter(|key| classes.contains(&key.class()));
                keys.filter_map(|key| Some((pattern_of(key)?, key.clone()))).collect()
            };
            let senders = tree([Class::PrefixIn, Class::PatternIn]);
            let receivers = tree([Class::PrefixOut, Class::PatternOut]);
            self.table.link_routes = [Arc::new(senders), Arc::new(receivers)];
        }
        self.table.clone()
    }

    /// These are link routes, and no others but those that somebody serves: links that take one go nowhere else.
    pub fn declare_link_routes(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.declared = keys.into_iter().collect();
        self.has_new_link_routes = true;
    }

    /// The network is another one. A number that is another router's now has nothing of the one before.
    pub fn set_routes(&mut self, routes: Arc<Routes>) {
        for router in self.learning_of() {
            if routes.id(router).is_some_and(|id| self.table.routes.id(router) != Some(id)) {
                self.finish_forgotten(router);
            }
        }
        self.table.routes = routes;
    }

    /// Other rules hold. An address that is there keeps its distribution until nobody wants it any more.
    pub fn set_rules(&mut self, rules: Arc<Rules>) {
        self.table.rules = rules;
    }

    /// Addresses that are gone since this was asked last, with their numbers; they may be back, and others may have the numbers by now.
    #[must_use]
    pub fn take_gone(&mut self) -> Vec<(Key, u32)> {
        std::mem::take(&mut self.gone)
    }

    /// How many addresses there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many addresses of others were passed over for want of room.
    #[must_use]
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// A consumer of this node comes.
    pub fn add(&mut self, key: &Key, consumer: Consumer) -> Change {
        let (mut is_first, mut place) = (false, None);
        let treatment = self.edit(key, None, |address| {
            is_first = address.local.is_empty();
            place = Some(((address.number, consumer.id), address.local.len()));
            address.local.push(consumer);
        });
        self.places.extend(place);
        match treatment {
            None => Change::Full,
            Some(treatment) if is_first => Change::First(treatment),
            Some(_) => Change::None,
        }
    }

    /// A consumer of this node goes.
    pub fn remove(&mut self, key: &Key, consumer: ConsumerId) -> Change {
        let Some(number) = self.table.find(key).map(|address| address.number) else { return Change::None };
        let Some(place) = self.places.remove(&(number, consumer)) else { return Change::None };
        let (mut is_last, mut moved) = (false, None);
        self.edit(key, None, |address| {
            address.local.swap_remove(place);
            moved = address.local.get(place).map(|moved| ((number, moved.id), place));
            is_last = address.local.is_empty();
        });
        self.places.extend(moved);
        if is_last { Change::Last } else { Change::None }
    }

    /// Asserts what must hold between two changes.
    pub fn check(&self) {
        let mut by_router = vec![0; ROUTERS_MAX];
        let (mut count, mut numbers) = (0, BTreeSet::new());
        for (key, address) in self.table.iter() {
            assert_eq!(self.table.find(key).map(|found| found.number), Some(address.number), "{key:?} is found");
            assert!(address.is_wanted(), "somebody wants {key:?}");
            assert!(numbers.insert(address.number), "the number of {key:?} is its own");
            for (router, known) in by_router.iter_mut().zip(&self.by_router).enumerate() {
                let has = RouterIndex::new(router).is_some_and(|router| address.routers.contains(router));
                assert_eq!(known.1.keys.contains_key(key), has, "what a router has is known by router, too");
                *known.0 += usize::from(has);
            }
            count += 1;
        }
        let known: Vec<usize> = self.by_router.iter().map(|known| known.keys.len()).collect();
        assert_eq!((count, by_router), (self.count, known), "what is counted is there");
        assert_eq!(self.free.len() + count, self.numbers as usize, "each number is used or free");
    }

    /// Where a key is among all keys that could be, in the order in which the tree has them.
    pub(super) fn order(&self, key: &Key) -> u64 {
        Trie::order(self.table.seeded.hash_one(key))
    }

    /// A router is to say all that it has: what it does not name from here on is not confirmed.
    pub(super) fn begin_all(&mut self, router: RouterIndex) {
        if let Some(known) = self.by_router.get_mut(router.number()) {
            known.round = known.round.wrapping_add(1);
        }
    }

    /// A router has an address still, if it had it; gives whether it says so for the first time.
    pub(super) fn note_known(&mut self, router: RouterIndex, key: &Key) -> Option<bool> {
        let known = self.by_router.get_mut(router.number())?;
        let round = known.keys.get_mut(key)?;
        Some(std::mem::replace(round, known.round) != known.round)
    }

    /// Addresses that a router has not named since it began to say all, but for so many that it has.
    pub(super) fn unconfirmed(&self, router: RouterIndex, confirmed: usize) -> Vec<Key> {
        let Some(known) = self.by_router.get(router.number()) else { return Vec::new() };
        if known.keys.len() == confirmed {
            return Vec::new();
        }
        let unconfirmed = known.keys.iter().filter(|(_, round)| **round != known.round);
        unconfirmed.map(|(key, _)| key.clone()).collect()
    }

    /// A router has an address; gives that if it is new and there is room for it.
    pub(super) fn learn_address(&mut self, router: RouterIndex, announced: Announced) -> Option<Key> {
        let Announced { key, treatment } = announced;
        let known = self.by_router.get(router.number())?;
        if known.keys.contains_key(&key) {
            return None;
        }
        let is_link_route_too_many =
            key.class().is_of_links() && self.link_routes.len() >= LINK_ROUTES_MAX && !self.link_routes.contains(&key);
        let has_room = known.keys.len() < ROUTER_ADDRESSES_MAX && !is_link_route_too_many;
        let insert = |address: &mut Address| {
            address.routers.insert(router);
        };
        if !has_room || self.edit(&key, treatment, insert).is_none() {
            self.passed_over += 1;
            return None;
        }
        let known = self.by_router.get_mut(router.number())?;
        known.keys.insert(key.clone(), known.round);
        Some(key)
    }

    /// A router has an address no more; gives whether it had.
    pub(super) fn forget_address(&mut self, router: RouterIndex, key: &Key) -> bool {
        let Some(known) = self.by_router.get_mut(router.number()) else { return false };
        let was_known = known.keys.remove(key).is_some();
        if known.keys.is_empty() {
            // What had a million of them is not kept for one that has none.
            known.keys = HashMap::with_hasher(self.table.seeded);
        }
        if was_known {
            self.edit(key, None, |address| {
                address.routers.remove(router);
            });
        }
        was_known
    }

    /// Changes an address, which is made if it is missing and goes if nobody wants it then; gives its distribution, or nothing if there
    /// is no room for it.
    fn edit(&mut self, key: &Key, hint: Option<Treatment>, change: impl FnOnce(&mut Address)) -> Option<Treatment> {
        let hash = self.table.seeded.hash_one(key);
        let is_full = self.count >= ADDRESSES_MAX;
        let number = self.free.last().copied().unwrap_or(self.numbers);
        let Table { trie, rules, .. } = &mut self.table;
        let make = || Address {
            number,
            treatment: treatment_by_rule(rules, key, hint),
            local: Vec::new(),
            routers: RouterSet::EMPTY,
        };
        let Edited { is_new, gone, treatment } = trie.edit(hash, key, |slot| {
            let is_new = slot.is_none();
            if is_new && is_full {
                return None;
            }
            let address = Arc::make_mut(slot.get_or_insert_with(|| Arc::new(make())));
            change(address);
            let gone = (!address.is_wanted()).then_some(address.number);
            let treatment = address.treatment;
            if gone.is_some() {
                *slot = None;
            }
            Some(Edited { is_new, gone, treatment })
        })?;
        if is_new {
            if self.free.pop().is_none() {
                self.numbers += 1;
            }
            self.count += 1;
            self.note_link_route(key);
        }
        if let Some(number) = gone {
            self.free.push(number);
            self.gone.push((key.clone(), number));
            self.count -= 1;
            self.has_new_link_routes |= self.link_routes.remove(key);
        }
        Some(treatment)
    }

    fn note_link_route(&mut self, key: &Key) {
        if key.class().is_of_links() {
            self.link_routes.insert(key.clone());
            self.has_new_link_routes = true;
        }
    }
}
