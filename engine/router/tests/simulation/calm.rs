//! What must hold when nothing happens any more.

use std::collections::BTreeSet;

use engine_router::RouterId;
use engine_router::address::Key;
use engine_router::paths::{Node, Path, Paths};
use engine_router::set::RouterIndex;
use engine_router::settlement::State;

use crate::node::ADDRESSES;
use crate::wire::{Packet, Wire};
use crate::world::{MS, SECOND, World};

/// The protocol's own time: a neighbour that hangs is noticed after 3 s, and what was lost on paths that led nowhere yet is told again by
/// two RAs of a network in flux, 4 s each; the last of it spreads within as long. Regular RAs (30 s) are not needed.
const SETTLES_NS: u64 = 16 * SECOND;

/// What is new spreads router by router, and is asked for again after a second where the way to the next one was not known yet.
const SPREADS_NS: u64 = SECOND / 2;

impl World {
    /// Waits until all is known, and gives how long that took, milliseconds.
    pub fn settle(&mut self) -> Result<u64, String> {
        let begun = self.now;
        while let Err(wrong) = self.is_settled() {
            let longest_ns = SETTLES_NS + SPREADS_NS * self.nodes.len() as u64;
            if self.now > begun + longest_ns {
                return Err(format!("after {} s: {wrong}", longest_ns / SECOND));
            }
            self.pass(250 * MS)?;
        }
        Ok((self.now - begun) / MS)
    }

    /// Costs between all routers, as the wires are.
    fn costs(&self) -> Vec<Vec<Option<u64>>> {
        let count = self.nodes.len();
        let mut costs = vec![vec![None; count]; count];
        for wire in self.wires.values() {
            let [one, other] = wire.ends;
            let edge = self.edges.iter().find(|edge| [edge.0, edge.1] == wire.ends).expect("there is an edge");
            costs[one][other] = Some(u64::from(edge.2));
            costs[other][one] = costs[one][other];
        }
        (0..count).for_each(|node| costs[node][node] = Some(0));
        for stop in 0..count {
            for from in 0..count {
                for to in 0..count {
                    let through = costs[from][stop].zip(costs[stop][to]).map(|(one, other)| one + other);
                    costs[from][to] = costs[from][to].into_iter().chain(through).min();
                }
            }
        }
        costs
    }

    /// Whether each router knows what is so.
    fn is_settled(&self) -> Result<(), String> {
        let costs = self.costs();
        for (at, node) in self.nodes.iter().enumerate() {
            node.table.check();
            self.has_paths(at)?;
            let routes = node.view.routes();
            for (to, other) in self.nodes.iter().enumerate().filter(|(to, _)| *to != at) {
                let index = routes.index(other.id.as_str());
                let path = index.and_then(|index| routes.path(index));
                if path.map(|path| path.cost) != costs[at][to] {
                    return Err(format!("{} reaches {} for {:?}, not {path:?}", node.id, other.id, costs[at][to]));
                }
                let Some(index) = index.filter(|_| path.is_some()) else { continue };
                for (key, is_there) in ADDRESSES.map(key).map(|key| (key.clone(), other.consumers.contains(&key))) {
                    let is_known = node.view.find(&key).is_some_and(|address| address.routers.contains(index));
                    if is_known != is_there {
                        return Err(format!("{} has of {key:?} at {}: {is_known}", node.id, other.id));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a router has the paths that follow from the wires: through which neighbours, and for whom it is on the way.
    fn has_paths(&self, at: usize) -> Result<(), String> {
        let node = &self.nodes[at];
        let routes = node.view.routes();
        let peers: Vec<Vec<(RouterId, u32)>> = (0..self.nodes.len()).map(|of| self.peers(of)).collect();
        let known =
            |of: usize| if of == at { Some(RouterIndex::SELF) } else { routes.index(self.nodes[of].id.as_str()) };
        let reached = (0..self.nodes.len()).filter_map(|of| Some((known(of)?, of)));
        let nodes = reached.map(|(index, of)| Node { index, id: &self.nodes[of].id, peers: &peers[of] });
        let wanted = Paths::compute(&nodes.collect::<Vec<_>>());
        for router in wanted.reached().iter() {
            let (wanted, found) = (wanted.to(router), routes.path(router));
            // Origins that are not reached may be left from before.
            let origins = |path: &Path| path.valid_origins.both(routes.paths().reached());
            let way = |path: &Path| (path.next_hop, path.cost, path.hops, origins(path));
            if wanted.map(way) != found.map(way) {
                return Err(format!("{} has {found:?} to {:?}, not {wanted:?}", node.id, routes.id(router)));
            }
        }
        Ok(())
    }

    /// Neighbours of a router, by the wires.
    fn peers(&self, of: usize) -> Vec<(RouterId, u32)> {
        let wires = self.wires.values().filter(|wire| wire.ends.contains(&of));
        let peer = |wire: &Wire| {
            let edge = self.edges.iter().find(|edge| [edge.0, edge.1] == wire.ends).expect("there is an edge");
            (self.nodes[if wire.ends[0] == of { wire.ends[1] } else { wire.ends[0] }].id.clone(), edge.2)
        };
        let peers: BTreeSet<_> = wires.map(peer).collect();
        peers.into_iter().collect()
    }

    /// Has a client of each router send to each address.
    pub fn forward_all(&mut self) -> Result<(), String> {
        let costs = self.costs();
        for (from, key) in (0..self.nodes.len()).flat_map(|from| ADDRESSES.map(|text| (from, key(text)))) {
            let Some(message) = self.produce(from, &key) else {
                return Err(format!("the client of {from} has no credit"));
            };
            self.pass(SECOND / 2)?;
            // A message over many slow wires takes longer.
            while self.wires.values().flat_map(|wire| &wire.packets).flatten().any(|(_, packet)| {
                matches!(packet, Packet::Transfer { .. } | Packet::Outcome { .. } | Packet::Sender { .. })
            }) {
                self.pass(SECOND / 10)?;
            }
            let has_one = |to: &usize| costs[from][*to].is_some() && self.nodes[*to].consumers.contains(&key);
            let wanted: Vec<usize> = (0..self.nodes.len()).filter(has_one).collect();
            let mut given = self.given.remove(&message).unwrap_or_default();
            given.sort_unstable();
            let undelivered = self.undelivered.remove(&message).unwrap_or_default();
            let is_copied = key.name().starts_with("many");
            let outcome = if wanted.is_empty() { State::Released } else { State::Accepted };
            let is_right = match (wanted.is_empty(), is_copied) {
                _ if self.outcomes.remove(&message) != Some(outcome) => false,
                (true, _) => given.is_empty() && undelivered == [from],
                (false, true) => given == wanted && undelivered.is_empty(),
                (false, false) => given.len() == 1 && wanted.contains(&given[0]) && undelivered.is_empty(),
            };
            if !is_right {
                return Err(format!("{key:?} from {from}: given {given:?} of {wanted:?}, undelivered {undelivered:?}"));
            }
            if key.name().starts_with("near")
                && given.iter().any(|to| wanted.iter().any(|other| costs[from][*other] < costs[from][*to]))
            {
                return Err(format!("{key:?} from {from} goes to {given:?}, which is not the closest"));
            }
        }
        Ok(())
    }

    /// Sees that nobody asks and nobody answers any more, once each router has told its numbers again.
    pub fn stay_calm(&mut self) -> Result<(), String> {
        self.pass(35 * SECOND)?;
        for node in &self.nodes {
            let (under_way, unheard) = (node.traffic.settlement.under_way(), &node.traffic.waiting);
            if under_way > 0 || !unheard.is_empty() {
                return Err(format!(
                    "{} has {under_way} deliveries under way, and did not hear of {unheard:?}",
                    node.id
                ));
            }
        }
        let before = self.exchanged;
        self.pass(40 * SECOND)?;
        let asked = self.exchanged - before;
        if asked > 0 {
            return Err(format!("{asked} questions and answers in a calm"));
        }
        self.is_settled()
    }
}

fn key(text: &str) -> Key {
    Key::read(text).expect(text)
}
