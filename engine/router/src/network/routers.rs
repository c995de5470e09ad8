//! What is known of the other routers.
//!
//! Guarantees: there are fewer than `ROUTERS_MAX`, each with a number of its own that stays while it is known.

use super::exchange::Exchange;
use super::links::LinkId;
use crate::control::LinkState;
use crate::limits::ROUTERS_MAX;
use crate::router_id::RouterId;
use crate::set::RouterIndex;

/// Ticks for which a router is kept that nothing leads to: its own word may be under way.
const UNNAMED_TICKS: u8 = 3;

/// Another router.
#[derive(Clone, Debug)]
pub(super) struct Router {
    /// Its name.
    pub id: RouterId,
    /// Its life, as far as it told.
    pub instance: Option<u64>,
    /// The link that is used, if it is a neighbour.
    pub link: Option<LinkId>,
    /// Its neighbours, in the order of their ids.
    pub peers: Vec<(RouterId, u32)>,
    /// When it was heard of itself.
    pub seen_ns: u64,
    /// Of its neighbours.
    pub link_state: Exchange,
    /// Of its addresses.
    pub addresses: Exchange,
    /// Ticks in which nothing led to it.
    unnamed: u8,
}

/// The life that a message is from, beside the one that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// The same, or not told.
    Same,
    /// A new one.
    New,
    /// One that has ended: the message was late.
    Past,
}

/// The other routers by their numbers.
#[derive(Debug)]
pub(super) struct Routers {
    routers: Vec<Option<Router>>,
}

impl Default for Routers {
    fn default() -> Self {
        Self { routers: vec![None; ROUTERS_MAX] }
    }
}

impl Router {
    fn new(id: RouterId, now_ns: u64) -> Self {
        let (link_state, addresses) = (Exchange::default(), Exchange::default());
        Self { id, instance: None, link: None, peers: Vec::new(), seen_ns: now_ns, link_state, addresses, unnamed: 0 }
    }

    /// Which of its lives a message is from.
    pub fn life(&self, instance: Option<u64>) -> Life {
        match (self.instance, instance) {
            (Some(known), Some(told)) if known < told => Life::New,
            (Some(known), Some(told)) if known > told => Life::Past,
            _ => Life::Same,
        }
    }

    /// It begins anew, with nothing known of it but that it is there.
    pub fn begin(&mut self, instance: Option<u64>) {
        self.instance = instance;
        self.peers.clear();
        (self.link_state, self.addresses) = (Exchange::default(), Exchange::default());
    }

    /// What it told of its neighbours; the link state of a message.
    pub fn take_link_state(&mut self, state: LinkState, now_ns: u64) -> bool {
        let is_new = self.link_state.take_whole(state.sequence);
        if is_new {
            (self.peers, self.seen_ns) = (state.peers, now_ns);
        }
        is_new
    }

    /// Whether it says that another router is its neighbour.
    fn names(&self, id: &RouterId) -> bool {
        self.peers.binary_search_by(|(peer, _)| peer.cmp(id)).is_ok()
    }
}

impl Routers {
    /// The number of a router.
    pub fn find(&self, id: &RouterId) -> Option<RouterIndex> {
        self.iter().find(|(_, router)| router.id == *id).map(|(index, _)| index)
    }

    /// The number of a router, which is taken note of; `None` if there are as many as there can be.
    pub fn learn(&mut self, id: &RouterId, now_ns: u64) -> Option<RouterIndex> {
        self.find(id).or_else(|| {
            let free = RouterIndex::all().skip(1).find(|index| self.get(*index).is_none())?;
            *self.routers.get_mut(free.number())? = Some(Router::new(id.clone(), now_ns));
            Some(free)
        })
    }

    /// A router.
    pub fn get(&self, index: RouterIndex) -> Option<&Router> {
        self.routers.get(index.number())?.as_ref()
    }

    /// A router, to be changed.
    pub fn get_mut(&mut self, index: RouterIndex) -> Option<&mut Router> {
        self.routers.get_mut(index.number())?.as_mut()
    }

    /// All with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (RouterIndex, &Router)> {
        RouterIndex::all().zip(&self.routers).filter_map(|(index, router)| Some((index, router.as_ref()?)))
    }

    /// Forgets the neighbours of routers that were not heard of since then; gives whether there are any such.
    pub fn age(&mut self, since_ns: u64) -> bool {
        let mut has_aged = false;
        for router in self.routers.iter_mut().flatten().filter(|router| router.seen_ns < since_ns) {
            has_aged |= !router.peers.is_empty();
            router.peers.clear();
            // Whatever life it has when it is heard again, is its life then.
            router.instance = None;
            router.link_state = Exchange::default();
        }
        has_aged
    }

    /// Forgets routers that for three ticks have told no neighbours, are none, and are named by nobody.
    pub fn forget_unnamed(&mut self) -> Vec<RouterIndex> {
        let is_led_to = |router: &Router| {
            let is_named = || self.iter().any(|(_, other)| other.names(&router.id));
            !router.peers.is_empty() || router.link.is_some() || is_named()
        };
        let unnamed: Vec<RouterIndex> =
            self.iter().filter(|(_, router)| !is_led_to(router)).map(|(index, _)| index).collect();
        let mut forgotten = Vec::new();
        for (index, slot) in RouterIndex::all().zip(&mut self.routers) {
            let Some(router) = slot else { continue };
            router.unnamed = if unnamed.contains(&index) { router.unnamed + 1 } else { 0 };
            if router.unnamed >= UNNAMED_TICKS {
                *slot = None;
                forgotten.push(index);
            }
        }
        forgotten
    }
}
