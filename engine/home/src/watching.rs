//! What a router's links did by address, and how long they have had no credit: looked at by scans, some times a second where there are
//! no more than a scan takes (`LINKS_SWEPT_MAX`), so that no message pays for it.
//!
//! Guarantees: what a link carried counts for its address once, also when the link is gone; an address is counted as long as the router's
//! table has it, so that there are no more of them than the table's bound.

use std::collections::HashMap;

use engine_shard::Engine;

use crate::link::Link;

/// Messages of an address so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// From peers.
    pub from_peers: u64,
    /// To peers.
    pub to_peers: u64,
}

/// Messages by the addresses of a router's table.
pub(crate) type ByAddress = HashMap<Box<str>, Carried>;

/// Looks at a link.
pub(crate) fn watch(link: &mut Link, engine: &Engine, by_address: &mut ByAddress) {
    let Some(end) = engine.router().zip(link.ends().1).and_then(|(router, end)| router.end(end)) else { return };
    let is_dry = end.standing.credit == 0;
    let since = link.seen.watched.dry_since_ns.unwrap_or_else(|| engine.now_ns());
    link.seen.watched.dry_since_ns = is_dry.then_some(since);
    let more = link.seen.passed.messages - link.seen.watched.counted;
    if more == 0 {
        return;
    }
    link.seen.watched.counted = link.seen.passed.messages;
    // What goes to other routers and comes from them is counted where it enters and leaves.
    let Some(key) = end.key.map(|key| key.as_str()) else { return };
    if !by_address.contains_key(key) {
        by_address.insert(key.into(), Carried::default());
    }
    let is_consumer = link.is_consumer();
    if let Some(carried) = by_address.get_mut(key) {
        *if is_consumer { &mut carried.to_peers } else { &mut carried.from_peers } += more;
    }
}
