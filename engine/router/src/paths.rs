//! Shortest paths through a network, as each router computes them for itself: over which neighbour a router is reached, at which cost, and
//! for messages of which routers this one is on the way there.
//!
//! Guarantees:
//! 1. All routers that have the same link states find the same trees: the nearest router goes first, of equally near ones that with the
//!    lesser id, and a router keeps its predecessor unless another path costs less. Other implementations do just that; a network works
//!    only if all do.
//! 2. *Valid origins*: `o` is one for the destination `d` if this router lies on the path from `o` to `d`. A copied message that is
//!    handed on only for destinations for which its origin is valid reaches each router once, whatever the topology.
//! 3. A router whose own link state is not known is reached, and never passed through. As an origin it counts as linked, at cost 1, to
//!    those that name it. This router knows its own links, and is alone if it has none.
//! 4. Work is that of one tree for each router, a quadratic walk each: two million steps for a full network. Nothing is hashed.

use crate::limits::ROUTERS_MAX;
use crate::router_id::RouterId;
use crate::set::{RouterIndex, RouterSet};

/// A router of the network, and what is known of its links.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Its number here.
    pub index: RouterIndex,
    /// Its name.
    pub id: &'a RouterId,
    /// Its neighbours by their costs; none if its link state is not known.
    pub peers: &'a [(RouterId, u32)],
}

/// How a router is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The neighbour that leads there, or is there.
    pub next_hop: RouterIndex,
    /// The sum of the costs on the way.
    pub cost: u64,
    /// How many connections are on the way.
    pub hops: u32,
    /// Routers whose messages pass here on their way there; those of this one do anyway.
    pub valid_origins: RouterSet,
}

/// Paths to all routers that can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// By the router's number; `None` for what cannot be reached, and for this router.
    paths: Vec<Option<Path>>,
    radius: u32,
}

impl Default for Paths {
    fn default() -> Self {
        Self { paths: vec![None; ROUTERS_MAX], radius: 0 }
    }
}

impl Paths {
    /// The paths from this router, which has number 0 and is among the nodes. Each id and each number is there once.
    #[must_use]
    pub fn compute(nodes: &[Node<'_>]) -> Self {
        let graph = Graph::new(nodes);
        let mut found = Self::default();
        let Some(me) = graph.indexes.iter().position(|index| *index == RouterIndex::SELF) else { return found };
        let own = graph.tree(me);
        let mut next_hops = vec![me; own.steps.len()];
        for &at in own.order.iter().skip(1) {
            let Some(step) = own.step(at) else { continue };
            let next_hop = if step.before == me { at } else { of(&next_hops, step.before, me) };
            set(&mut next_hops, at, next_hop);
            let (Some(to), Some(next_hop)) = (graph.indexes.get(at), graph.indexes.get(next_hop)) else { continue };
            let path = Path { next_hop: *next_hop, cost: step.cost, hops: step.hops, valid_origins: RouterSet::EMPTY };
            set(&mut found.paths, to.number(), Some(path));
            found.radius = found.radius.max(step.hops);
        }
        for (root, origin) in graph.indexes.iter().enumerate().filter(|(root, _)| *root != me) {
            let tree = graph.tree(root);
            let mut passes_here = vec![false; tree.steps.len()];
            for &at in tree.order.iter().skip(1) {
                let Some(step) = tree.step(at) else { continue };
                let passes = step.before == me || of(&passes_here, step.before, false);
                set(&mut passes_here, at, passes);
                let to = graph.indexes.get(at).map_or(0, |to| to.number());
                if let Some(path) = found.paths.get_mut(to).and_then(Option::as_mut).filter(|_| passes) {
                    path.valid_origins.insert(*origin);
                }
            }
        }
        found
    }

    /// How a router is reached, if it is.
    #[must_use]
    pub fn to(&self, router: RouterIndex) -> Option<&Path> {
        self.paths.get(router.number())?.as_ref()
    }

    /// All routers that are reached.
    #[must_use]
    pub fn reached(&self) -> RouterSet {
        RouterIndex::all().filter(|router| self.to(*router).is_some()).collect()
    }

    /// Connections on the way to the farthest router.
    #[must_use]
    pub fn radius(&self) -> u32 {
        self.radius
    }
}

/// The network by ranks: routers in the order of their ids, so that a lesser rank is a lesser id.
struct Graph {
    indexes: Vec<RouterIndex>,
    /// Ranks of neighbours and costs.
    links: Vec<Vec<(usize, u64)>>,
    /// Those that name a router whose own links are not known.
    named_by: Vec<Vec<usize>>,
}

/// A router in a tree.
#[derive(Clone, Copy)]
struct Step {
    cost: u64,
    hops: u32,
    /// The one before it.
    before: usize,
}

/// The shortest paths from one router.
struct Tree {
    steps: Vec<Option<Step>>,
    /// Ranks in the order in which they were reached, the root first.
    order: Vec<usize>,
}

impl Graph {
    fn new(nodes: &[Node<'_>]) -> Self {
        let mut sorted: Vec<&Node<'_>> = nodes.iter().collect();
        sorted.sort_unstable_by_key(|node| node.id);
        let rank = |id: &RouterId| sorted.binary_search_by_key(&id, |node| node.id).ok();
        let links: Vec<Vec<(usize, u64)>> = sorted
            .iter()
            .map(|node| node.peers.iter().filter_map(|(id, cost)| Some((rank(id)?, u64::from(*cost)))).collect())
            .collect();
        let mut named_by = vec![Vec::new(); links.len()];
        for (from, links) in links.iter().enumerate() {
            for (to, _) in links {
                if let Some(named) = named_by.get_mut(*to) {
                    named.push(from);
                }
            }
        }
        Self { indexes: sorted.iter().map(|node| node.index).collect(), links, named_by }
    }

    fn tree(&self, root: usize) -> Tree {
        let count = self.links.len();
        let mut tree = Tree { steps: vec![None; count], order: Vec::with_capacity(count) };
        set(&mut tree.steps, root, Some(Step { cost: 0, hops: 0, before: root }));
        let mut is_done = vec![false; count];
        loop {
            // The lowest rank among the nearest: `min_by_key` gives the first of equal ones.
            let open = tree.steps.iter().zip(&is_done).enumerate();
            let open = open.filter_map(|(rank, (step, is_done))| Some((rank, (*step).filter(|_| !is_done)?)));
            let Some((at, step)) = open.min_by_key(|(_, step)| step.cost) else { return tree };
            set(&mut is_done, at, true);
            tree.order.push(at);
            for &(to, cost) in self.links.get(at).into_iter().flatten() {
                tree.reach(to, Step { cost: step.cost + cost, hops: step.hops + 1, before: at });
            }
            let is_other = self.indexes.get(at) != Some(&RouterIndex::SELF);
            if at == root && is_other && self.links.get(at).is_some_and(Vec::is_empty) {
                for &to in self.named_by.get(at).into_iter().flatten() {
                    tree.reach(to, Step { cost: 1, hops: 1, before: at });
                }
            }
        }
    }
}

impl Tree {
    fn step(&self, rank: usize) -> Option<Step> {
        of(&self.steps, rank, None)
    }

    /// Takes a way to a router if it is the first one, or costs less. Costs are above 0, so that who is done is not reached again.
    fn reach(&mut self, to: usize, step: Step) {
        if self.step(to).is_none_or(|known| step.cost < known.cost) {
            set(&mut self.steps, to, Some(step));
        }
    }
}

/// An element, or what stands for one that is not there.
fn of<T: Copy>(elements: &[T], at: usize, absent: T) -> T {
    elements.get(at).copied().unwrap_or(absent)
}

fn set<T>(elements: &mut [T], at: usize, value: T) {
    if let Some(element) = elements.get_mut(at) {
        *element = value;
    }
}
