//! The table as its one owner has it, who changes it.
//!
//! Guarantees:
//! 1. An address is there as long as it has a consumer here or at another router; there are at most `ADDRESSES_MAX`, and at most
//!    `ROUTER_ADDRESSES_MAX` of one router. What is beyond is passed over and counted.
//! 2. What is given out as a view does not change; a change behind it copies the bucket that it is in, and where the others are.
//! 3. A consumer comes and goes at a cost that does not depend on how many its address has, but for that copy.
//!
//! Not here: who is told of addresses of this node (`network`), which the caller does with what `add` and `remove` say.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::address::{Address, Consumer, ConsumerId};
use super::rules::Rules;
use super::view::{BUCKETS, Bucket, LinkRoutes, Seeded, Table, pattern_of};
use crate::address::{Class, Key};
use crate::control::{Announced, Changes};
use crate::limits::{ADDRESSES_MAX, ROUTER_ADDRESSES_MAX, ROUTERS_MAX};
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

/// The table, to be changed.
#[derive(Debug)]
pub struct Addresses {
    table: Table,
    count: usize,
    /// Where consumers are among those of their addresses, by the addresses' numbers.
    places: Numbered<(u32, ConsumerId), usize>,
    /// Addresses of each router, by its number.
    by_router: Vec<usize>,
    /// Numbers that are free below the highest that was given.
    free: Vec<u32>,
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
        let bucket = Arc::new(Bucket::with_hasher(seeded));
        let link_routes = [Arc::new(LinkRoutes::default()), Arc::new(LinkRoutes::default())];
        let table =
            Table { buckets: Arc::new(vec![bucket; BUCKETS]), seeded, link_routes, rules, routes: Arc::default() };
        Self {
            table,
            count: 0,
            places: Numbered::default(),
            by_router: vec![0; ROUTERS_MAX],
            free: Vec::new(),
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

    /// The network is another one.
    pub fn set_routes(&mut self, routes: Arc<Routes>) {
        self.table.routes = routes;
    }

    /// Other rules hold. An address that is there keeps its distribution until nobody wants it any more.
    pub fn set_rules(&mut self, rules: Arc<Rules>) {
        self.table.rules = rules;
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

    /// A router's addresses changed.
    pub fn learn(&mut self, router: RouterIndex, changes: Changes) {
        match changes {
            Changes::Since { added, deleted } => {
                deleted.iter().for_each(|key| self.forget_address(router, key));
                added.into_iter().for_each(|announced| self.learn_address(router, &announced));
            }
            Changes::All(all) => {
                let is_kept: BTreeSet<&Key> = all.iter().map(|announced| &announced.key).collect();
                self.forget_but(router, &is_kept);
                all.iter().for_each(|announced| self.learn_address(router, announced));
            }
        }
    }

    /// A router has no addresses any more.
    pub fn forget(&mut self, router: RouterIndex) {
        self.forget_but(router, &BTreeSet::new());
    }

    /// Asserts what must hold between two changes.
    pub fn check(&self) {
        let mut by_router = vec![0; ROUTERS_MAX];
        let (mut count, mut numbers) = (0, BTreeSet::new());
        for (place, bucket) in self.table.buckets.iter().enumerate() {
            for (key, address) in bucket.iter() {
                assert_eq!(self.table.bucket(key), place, "{key:?} is where it is looked for");
                assert!(address.is_wanted(), "somebody wants {key:?}");
                assert!(numbers.insert(address.number), "the number of {key:?} is its own");
                address.routers.iter().for_each(|router| {
                    by_router.iter_mut().skip(router.number()).take(1).for_each(|count| *count += 1)
                });
                count += 1;
            }
        }
        assert_eq!((count, &by_router), (self.count, &self.by_router), "what is counted is there");
        assert_eq!(self.free.len() + count, self.numbers as usize, "each number is used or free");
    }

    fn learn_address(&mut self, router: RouterIndex, announced: &Announced) {
        let known = self.by_router.get(router.number()).copied().unwrap_or(ROUTER_ADDRESSES_MAX);
        let is_known = self.table.find(&announced.key).is_some_and(|address| address.routers.contains(router));
        if is_known {
            return;
        }
        let insert = |address: &mut Address| {
            address.routers.insert(router);
        };
        let has_room = known < ROUTER_ADDRESSES_MAX;
        let is_learned = has_room && self.edit(&announced.key, announced.treatment, insert).is_some();
        self.passed_over += u64::from(!is_learned);
        self.count_router(router, usize::from(is_learned), 0);
    }

    fn forget_address(&mut self, router: RouterIndex, key: &Key) {
        if self.table.find(key).is_some_and(|address| address.routers.contains(router)) {
            self.edit(key, None, |address| {
                address.routers.remove(router);
            });
            self.count_router(router, 0, 1);
        }
    }

    /// Forgets all addresses of a router but some: a walk through the table, which copies the buckets that they are in once.
    fn forget_but(&mut self, router: RouterIndex, kept: &BTreeSet<&Key>) {
        let is_gone = |key: &Key, address: &Address| address.routers.contains(router) && !kept.contains(key);
        let mut fewer = 0;
        for place in 0..BUCKETS {
            let known = self.table.buckets.get(place).into_iter().flat_map(|bucket| bucket.iter());
            if !known.into_iter().any(|(key, address)| is_gone(key, address)) {
                continue;
            }
            let Some(bucket) = Arc::make_mut(&mut self.table.buckets).get_mut(place) else { continue };
            Arc::make_mut(bucket).retain(|key, address| {
                if !is_gone(key, address) {
                    return true;
                }
                fewer += 1;
                Arc::make_mut(address).routers.remove(router);
                let is_wanted = address.is_wanted();
                if !is_wanted {
                    self.free.push(address.number);
                    self.count -= 1;
                    self.has_new_link_routes |= self.link_routes.remove(key);
                }
                is_wanted
            });
        }
        self.count_router(router, 0, fewer);
    }

    fn count_router(&mut self, router: RouterIndex, more: usize, fewer: usize) {
        if let Some(count) = self.by_router.get_mut(router.number()) {
            *count = *count + more - fewer;
        }
    }

    /// Changes an address, which is made if it is missing and goes if nobody wants it then; gives its distribution, or nothing if there
    /// is no room for it.
    fn edit(&mut self, key: &Key, hint: Option<Treatment>, change: impl FnOnce(&mut Address)) -> Option<Treatment> {
        let is_new = self.table.find(key).is_none();
        if is_new && self.count >= ADDRESSES_MAX {
            return None;
        }
        let made = is_new.then(|| Arc::new(self.make(key, hint)));
        let place = self.table.bucket(key);
        let bucket = Arc::make_mut(Arc::make_mut(&mut self.table.buckets).get_mut(place)?);
        bucket.extend(made.map(|made| (key.clone(), made)));
        let address = Arc::make_mut(bucket.get_mut(key)?);
        change(address);
        let treatment = address.treatment;
        if !address.is_wanted() {
            self.free.push(address.number);
            self.count -= 1;
            bucket.remove(key);
            self.has_new_link_routes |= self.link_routes.remove(key);
        }
        Some(treatment)
    }

    /// An address that nobody wants yet, and is counted.
    fn make(&mut self, key: &Key, hint: Option<Treatment>) -> Address {
        let number = self.free.pop().unwrap_or_else(|| {
            self.numbers += 1;
            self.numbers - 1
        });
        self.count += 1;
        self.note_link_route(key);
        Address {
            number,
            treatment: self.table.treatment_by_rule(key, hint),
            local: Vec::new(),
            routers: RouterSet::EMPTY,
        }
    }

    fn note_link_route(&mut self, key: &Key) {
        if key.class().is_of_links() {
            self.link_routes.insert(key.clone());
            self.has_new_link_routes = true;
        }
    }
}
