//! Control links to neighbours: who is at the other end, and when it was heard.
//!
//! Guarantees: there are at most `LINKS_MAX`; each brings at most `LINK_MESSAGES_MAX` messages a second, of
//! which `LINK_FLOODED_MAX` at most go on to all routers.

use std::collections::BTreeMap;

use super::config::SECOND_NS;
use crate::limits::{LINK_FLOODED_MAX, LINK_MESSAGES_MAX, LINKS_MAX};
use crate::router_id::RouterId;

/// A connection to another router, by a number that its host gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// The control link of a connection.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// The container at the other end, which is a router's id.
    pub neighbour: RouterId,
    /// What a message over it costs, at least 1.
    pub cost: u32,
    /// When it brought a HELLO, and one that names this router.
    heard_ns: Option<u64>,
    confirmed_ns: Option<u64>,
    /// Messages within the second that began then.
    second_ns: u64,
    messages: u32,
    /// Those among them that went on to all routers.
    flooded: u32,
}

/// All control links.
#[derive(Debug, Default)]
pub(super) struct Links {
    links: BTreeMap<LinkId, Link>,
}

impl Links {
    /// Adds a link; gives whether there is room.
    pub fn add(&mut self, id: LinkId, neighbour: RouterId, cost: u32) -> bool {
        let has_room = self.links.len() < LINKS_MAX;
        if has_room {
            let cost = cost.max(1);
            let link =
                Link { neighbour, cost, heard_ns: None, confirmed_ns: None, second_ns: 0, messages: 0, flooded: 0 };
            self.links.insert(id, link);
        }
        has_room
    }

    /// Takes a link out.
    pub fn remove(&mut self, id: LinkId) -> Option<Link> {
        self.links.remove(&id)
    }

    /// Who is at the other end of a link.
    pub fn neighbour(&self, id: LinkId) -> Option<&RouterId> {
        self.links.get(&id).map(|link| &link.neighbour)
    }

    /// All of them.
    pub fn ids(&self) -> Vec<LinkId> {
        self.links.keys().copied().collect()
    }

    /// A message comes; gives whether it is not too much.
    pub fn count(&mut self, id: LinkId, now_ns: u64) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return true };
        if now_ns >= link.second_ns + SECOND_NS {
            (link.second_ns, link.messages, link.flooded) = (now_ns, 0, 0);
        }
        link.messages += 1;
        link.messages <= LINK_MESSAGES_MAX
    }

    /// The message that was counted last is for all routers; gives whether it is to go on to them.
    pub fn count_flooded(&mut self, id: LinkId) -> bool {
        self.links.get_mut(&id).is_some_and(|link| {
            link.flooded += 1;
            link.flooded <= LINK_FLOODED_MAX
        })
    }

    /// A HELLO comes over a link; if it names this router, the link is confirmed then.
    pub fn hear(&mut self, id: LinkId, confirmed_ns: Option<u64>, now_ns: u64) {
        if let Some(link) = self.links.get_mut(&id) {
            link.heard_ns = Some(now_ns);
            link.confirmed_ns = confirmed_ns.or(link.confirmed_ns);
        }
    }

    /// Neighbours that were heard since then, each once.
    pub fn heard_since(&self, since_ns: u64) -> Vec<RouterId> {
        let heard = self.links.values().filter(|link| link.heard_ns.is_some_and(|at| at >= since_ns));
        let mut ids: Vec<RouterId> = heard.map(|link| link.neighbour.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// A link to a neighbour that it confirmed since then: the one that was in use, if it is one, else the first.
    pub fn confirmed(&self, neighbour: &RouterId, used: Option<LinkId>, since_ns: u64) -> Option<(LinkId, u32)> {
        let is_good = |link: &Link| link.neighbour == *neighbour && link.confirmed_ns.is_some_and(|at| at >= since_ns);
        let good = |id: LinkId| self.links.get(&id).filter(|link| is_good(link)).map(|link| (id, link.cost));
        used.and_then(good).or_else(|| self.links.keys().find_map(|id| good(*id)))
    }
}
