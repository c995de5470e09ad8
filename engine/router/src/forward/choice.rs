//! To whom one message goes: consumers of this node, or neighbours on the way to other routers.
//!
//! Guarantees:
//! 1. A copied message goes once to each consumer here, and once over each link that leads to a router with consumers for which its
//!    origin is valid: on a network that does not change each router gets it once.
//! 2. Any other message goes to one. It never goes back where it was: a table that is behind makes it undelivered, not go round.
//! 3. The same table, shard state and passage give the same choice.
//!
//! Not here: credit, and what is told to its sender (`settlement`).

use std::borrow::Cow;
use std::sync::Arc;

use super::passage::Passage;
use super::spread::Spread;
use crate::address::{Class, Key};
use crate::limits::LINK_CAPACITY;
use crate::network::{LinkId, Routes};
use crate::set::RouterIndex;
use crate::table::{Address, Consumer, ConsumerId, Place, Table};
use crate::treatment::Treatment;

/// Where a copy of a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// To a consumer of this node.
    Consumer(ConsumerId),
    /// Over the link to a neighbour.
    Router {
        /// The neighbour.
        hop: RouterIndex,
        /// The link to it.
        link: LinkId,
    },
}

/// Why a message goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// Nobody wants messages of its address.
    Unwanted,
    /// Whoever wants it cannot be reached, or it was there before.
    Unreachable,
    /// It went round.
    Round,
}

/// Whose consumers a message goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Those of its address.
    Wanted,
    /// Fallback consumers, since nobody else takes it: from here on it is for this address, which its annotations say.
    Fallback(Key),
}

/// Puts the targets of a message into `targets`, which is empty. Nothing is counted: whoever sends it does, with what it sends.
///
/// # Errors
/// Why there are none.
pub fn choose(
    table: &Table,
    key: &Key,
    passage: &Passage,
    spread: &mut Spread,
    targets: &mut Vec<Target>,
) -> Result<Taken, Undelivered> {
    choose_at(table, (key, table.find(key)), passage, spread, |_| None, targets)
}

/// The same for an address that was looked up before, in the same table. What targets have outstanding that the caller counts itself it
/// says (`own`), and is asked for no more of them than is needed.
///
/// # Errors
/// As `choose`.
pub fn choose_at(
    table: &Table,
    (key, address): (&Key, Option<&Arc<Address>>),
    passage: &Passage,
    spread: &mut Spread,
    own: impl Fn(Target) -> Option<u32>,
    targets: &mut Vec<Target>,
) -> Result<Taken, Undelivered> {
    if passage.is_round {
        return Err(Undelivered::Round);
    }
    let undelivered = match choose_for(table, (key, address), passage, spread, &own, targets) {
        Ok(()) => return Ok(Taken::Wanted),
        Err(undelivered) => undelivered,
    };
    let fallback = table.fallback(key).ok_or(undelivered)?;
    let taken = choose_for(table, (&fallback, table.find(&fallback)), passage, spread, &own, targets);
    taken.map(|()| Taken::Fallback(fallback)).map_err(|_| undelivered)
}

fn choose_for(
    table: &Table,
    (key, address): (&Key, Option<&Arc<Address>>),
    passage: &Passage,
    spread: &mut Spread,
    own: &impl Fn(Target) -> Option<u32>,
    targets: &mut Vec<Target>,
) -> Result<(), Undelivered> {
    let routes = table.routes();
    if key.class() == Class::Router {
        let router = routes.index(key.name()).ok_or(Undelivered::Unwanted)?;
        targets.extend(over(routes, router, passage).map(|(target, _)| target));
        return if targets.is_empty() { Err(Undelivered::Unreachable) } else { Ok(()) };
    }
    let address = address.ok_or(Undelivered::Unwanted)?;
    if let Some(only) = only(address, routes, passage) {
        targets.extend(only);
        return if targets.is_empty() { Err(Undelivered::Unreachable) } else { Ok(()) };
    }
    let local = &*others(address, passage);
    match address.treatment {
        Treatment::Flood | Treatment::Multicast => copy((address, local), routes, passage, targets),
        Treatment::Closest | Treatment::LinkBalanced => {
            targets.extend(closest((address, local), routes, passage, spread));
        }
        Treatment::Balanced => targets.extend(balanced((address, local), routes, passage, spread, own)),
        Treatment::Unavailable => return Err(Undelivered::Unwanted),
    }
    if targets.is_empty() { Err(Undelivered::Unreachable) } else { Ok(()) }
}

/// Where a client's link goes that takes a link route: to a container of this node in turn, else to a router in turn.
pub fn choose_link(table: &Table, key: &Key, passage: &Passage, spread: &mut Spread) -> Option<Target> {
    let address = table.find(key).filter(|address| address.treatment == Treatment::LinkBalanced)?;
    if !address.local.is_empty() {
        let turn = spread.turn(address.number, address.local.len());
        return address.local.get(turn).map(|consumer| Target::Consumer(consumer.id));
    }
    let ways: Vec<Target> = address
        .routers
        .iter()
        .filter_map(|router| over(table.routes(), router, passage))
        .map(|(target, _)| target)
        .collect();
    ways.get(spread.turn(address.number, ways.len())).copied()
}

/// The target of an address that has one consumer, or consumers at one router, as most have: there is nothing to choose, and nothing to be
/// remembered for the next message. Nothing for another address; no target if that cannot be reached.
#[must_use]
pub fn only(address: &Address, routes: &Routes, passage: &Passage) -> Option<Option<Target>> {
    let is_nearest = matches!(address.treatment, Treatment::Closest | Treatment::LinkBalanced);
    match address.local.as_slice() {
        _ if address.treatment == Treatment::Unavailable => None,
        [only] if address.routers.is_empty() && passage.edge.is_none() => Some(Some(Target::Consumer(only.id))),
        [] if address.routers.count() == 1 => {
            let router = address.routers.iter().next()?;
            let way = (is_nearest || is_valid(routes, router, passage)).then(|| over(routes, router, passage));
            Some(way.flatten().map(|(target, _)| target))
        }
        _ => None,
    }
}

/// The way to a router and its cost, if there is one that leads on.
fn over(routes: &Routes, router: RouterIndex, passage: &Passage) -> Option<(Target, u64)> {
    let path = routes.path(router).filter(|path| !passage.passed.contains(path.next_hop))?;
    Some((Target::Router { hop: path.next_hop, link: routes.link(router)? }, path.cost))
}

/// Whether a message comes through here on its way to a router, as the whole network has it.
fn is_valid(routes: &Routes, router: RouterIndex, passage: &Passage) -> bool {
    let Some(origin) = passage.origin else { return false };
    origin == RouterIndex::SELF || routes.path(router).is_some_and(|path| path.valid_origins.contains(origin))
}

/// Consumers of this node that a message may go to: not those on the connection that it came over, if that is of or to an edge router.
fn others<'a>(address: &'a Address, passage: &Passage) -> Cow<'a, [Consumer]> {
    let Some(edge) = passage.edge else { return Cow::Borrowed(&address.local) };
    let is_beyond = |consumer: &Consumer| consumer.place.is_beyond(edge);
    if !address.local.iter().any(is_beyond) {
        return Cow::Borrowed(&address.local);
    }
    address.local.iter().filter(|consumer| !is_beyond(consumer)).copied().collect()
}

/// An address, and those of its consumers that a message may go to.
type Wanted<'a> = (&'a Address, &'a [Consumer]);

fn copy((address, local): Wanted<'_>, routes: &Routes, passage: &Passage, targets: &mut Vec<Target>) {
    targets.extend(local.iter().map(|consumer| Target::Consumer(consumer.id)));
    let local = targets.len();
    for router in address.routers.iter().filter(|router| is_valid(routes, *router, passage)) {
        let Some((target, _)) = over(routes, router, passage) else { continue };
        if !targets.iter().skip(local).any(|known| *known == target) {
            targets.push(target);
        }
    }
}

/// What is nearest, in turn where several are: in the program, on this node, in the interior that this node is at the edge of, at other
/// routers.
fn closest((address, local): Wanted<'_>, routes: &Routes, passage: &Passage, spread: &mut Spread) -> Option<Target> {
    let distance = |consumer: &Consumer| match consumer.place {
        Place::Inside => 0,
        Place::Client | Place::Edge(_) => 1,
        Place::Interior(_) => 2,
    };
    if let Some(least) = local.iter().map(distance).min() {
        let near = || local.iter().filter(|consumer| distance(consumer) == least);
        let turn = spread.turn(address.number, near().count());
        return near().nth(turn).map(|consumer| Target::Consumer(consumer.id));
    }
    let ways = || address.routers.iter().filter_map(|router| over(routes, router, passage));
    let least = ways().map(|(_, cost)| cost).min()?;
    let nearest = || ways().filter(|(_, cost)| *cost == least);
    nearest().nth(spread.turn(address.number, nearest().count())).map(|(target, _)| target)
}

/// What has least to do: a consumer by what it has outstanding, a router by what is outstanding on the way there and its cost. What is
/// not busy goes before what is.
fn balanced(
    (address, local): Wanted<'_>,
    routes: &Routes,
    passage: &Passage,
    spread: &mut Spread,
    own: &impl Fn(Target) -> Option<u32>,
) -> Option<Target> {
    let (consumers, count) = (local, local.len());
    let turn = spread.turn(address.number, count);
    let mut local: Option<(bool, u64, Target)> = None;
    for consumer in consumers.iter().cycle().skip(turn).take(count) {
        let target = Target::Consumer(consumer.id);
        let outstanding = own(target).unwrap_or_else(|| spread.of_consumer(consumer.id));
        let is_busy = outstanding >= consumer.capacity;
        // The way to the interior costs as much as one delivery.
        let farther = u64::from(matches!(consumer.place, Place::Interior(_)));
        if outstanding == 0 && !is_busy && farther == 0 {
            // Nobody has less to do, and of equal ones it is next in turn.
            return Some(target);
        }
        let load = (is_busy, u64::from(outstanding) + farther);
        if local.is_none_or(|(is_busy, least, _)| load < (is_busy, least)) {
            local = Some((load.0, load.1, target));
        }
    }
    let way = |router: RouterIndex| {
        let (target, cost) = over(routes, router, passage).filter(|_| is_valid(routes, router, passage))?;
        let Target::Router { hop, .. } = target else { return None };
        let outstanding = own(target).unwrap_or_else(|| spread.of_hop(address.number, hop));
        Some((outstanding >= LINK_CAPACITY, u64::from(outstanding) + cost, target))
    };
    let remote = address.routers.iter().filter_map(way).min_by_key(|(is_busy, load, _)| (*is_busy, *load));
    local.into_iter().chain(remote).min_by_key(|(is_busy, load, _)| (*is_busy, *load)).map(|(_, _, target)| target)
}
