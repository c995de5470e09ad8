//! Where routers are, as one value that whoever forwards messages can keep: paths, the links they begin with, ids.
//!
//! It does not change; a network that changes makes another one.

use super::links::LinkId;
use super::routers::Routers;
use crate::paths::{Node, Path, Paths};
use crate::router_id::RouterId;
use crate::set::RouterIndex;

/// Where routers are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    paths: Paths,
    /// By number: the id, and the link if it is a neighbour.
    routers: Vec<Option<(RouterId, Option<LinkId>)>>,
    /// Ids in their order, and the numbers.
    by_id: Vec<(RouterId, RouterIndex)>,
}

impl Routes {
    /// The routes of a router with these neighbours.
    pub(super) fn new(me: &RouterId, peers: &[(RouterId, u32)], known: &Routers) -> Self {
        let own = Node { index: RouterIndex::SELF, id: me, peers };
        let nodes = known.iter().map(|(index, router)| Node { index, id: &router.id, peers: &router.peers });
        let paths = Paths::compute(&std::iter::once(own).chain(nodes).collect::<Vec<_>>());
        let entry = |index| match index {
            RouterIndex::SELF => Some((me.clone(), None)),
            _ => known.get(index).map(|router| (router.id.clone(), router.link)),
        };
        let routers: Vec<_> = RouterIndex::all().map(entry).collect();
        let ids = RouterIndex::all().zip(&routers);
        let mut by_id: Vec<_> = ids.filter_map(|(index, entry)| Some((entry.as_ref()?.0.clone(), index))).collect();
        by_id.sort_unstable();
        Self { paths, routers, by_id }
    }

    /// The way to a router, if there is one.
    #[must_use]
    pub fn path(&self, to: RouterIndex) -> Option<&Path> {
        self.paths.to(to)
    }

    /// The link that a router is reached over.
    #[must_use]
    pub fn link(&self, to: RouterIndex) -> Option<LinkId> {
        let next_hop = self.paths.to(to)?.next_hop;
        self.routers.get(next_hop.number())?.as_ref()?.1
    }

    /// The link to a router that is a neighbour.
    #[must_use]
    pub fn neighbour(&self, router: RouterIndex) -> Option<LinkId> {
        self.routers.get(router.number())?.as_ref()?.1
    }

    /// The id of a router.
    #[must_use]
    pub fn id(&self, router: RouterIndex) -> Option<&RouterId> {
        self.routers.get(router.number())?.as_ref().map(|(id, _)| id)
    }

    /// The number of a router.
    #[must_use]
    pub fn index(&self, id: &str) -> Option<RouterIndex> {
        let at = self.by_id.binary_search_by(|(known, _)| known.as_str().cmp(id)).ok()?;
        self.by_id.get(at).map(|(_, index)| *index)
    }

    /// All paths.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Links of messages that an origin sends to all: one for each next hop of a router for which it is valid. Messages of this router
    /// are for all that are reached.
    pub fn links_to_all(&self, origin: RouterIndex) -> Vec<LinkId> {
        let is_for = |router: &RouterIndex| {
            let valid = |path: &Path| origin == RouterIndex::SELF || path.valid_origins.contains(origin);
            self.path(*router).is_some_and(valid)
        };
        let mut links: Vec<LinkId> = RouterIndex::all().filter(is_for).filter_map(|router| self.link(router)).collect();
        links.sort_unstable();
        links.dedup();
        links
    }
}
