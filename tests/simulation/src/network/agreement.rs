//! Whether routers agree with the network as it is, and with each other.
//!
//! Shown of the interior: ways have the costs that they have to; whoever is connected is a neighbour; each message has one way, by all
//! tables; tables have the receivers that there are, and that others told. Of edges: they and the interior know of each other's receivers.
//! Nothing less is enough before nothing may be lost: while routers still hear of each other, what is copied may come twice or not at all,
//! and what is spread by load may be released.

use engine_router::address::{Class, Key, Phase};
use engine_router::table::Place;

use super::role::{Role, Work};
use super::shape::{LineShape, Spreading};
use super::world::World;
use crate::linking::Door;

impl World {
    /// What routers do not agree about, if there is something.
    pub(super) fn disagreement(&self) -> Option<String> {
        self.misrouted().or_else(|| self.unmet()).or_else(|| self.unagreed()).or_else(|| self.misplaced())
    }

    /// A way through the interior that is not the cheapest one.
    fn misrouted(&self) -> Option<String> {
        let interior = self.shape.interior();
        for (from, to) in (0..interior).flat_map(|from| (0..interior).map(move |to| (from, to))) {
            let routes = self.nodes[from].table().routes();
            let path = routes.index(&format!("r{to}")).and_then(|index| routes.path(index));
            let (known, right) = (path.map(|path| path.cost), self.shape.cost(from, to));
            if from != to && known != right {
                return Some(format!("from node {from} to {to} it costs {known:?}, and not {right:?}"));
            }
        }
        None
    }

    /// Routers with a connection between them that are no neighbours: a way that costs as much may hide that.
    fn unmet(&self) -> Option<String> {
        let knows = |node: usize, other: usize| {
            let routes = self.nodes[node].table().routes();
            routes.index(&format!("r{other}")).is_some_and(|index| routes.neighbour(index).is_some())
        };
        let is_interior = |line: &&LineShape| line.doors[0] != Door::ToInterior;
        let unmet = self.shape.lines.iter().filter(is_interior).map(|line| line.nodes);
        let mut unmet = unmet.filter(|[from, to]| !knows(*from, *to) || !knows(*to, *from));
        unmet.next().map(|nodes| format!("nodes {nodes:?} are connected, and no neighbours"))
    }

    /// A message that routers do not have the same way for: what is copied, or spread by load, goes on only from where all say that it comes
    /// through. Costs are right before that: of equal ways one router may have chosen without knowing of the other one.
    fn unagreed(&self) -> Option<String> {
        let interior = self.shape.interior();
        let path = |at: usize, to: usize| {
            let routes = self.nodes[at].table().routes();
            routes.index(&format!("r{to}")).and_then(|index| routes.path(index)).map(|path| (routes, path))
        };
        let next = |at: usize, to: usize| {
            let (routes, path) = path(at, to)?;
            let hop = routes.id(path.next_hop)?;
            (0..interior).find(|node| self.nodes[*node].id() == *hop)
        };
        for (from, to) in (0..interior).flat_map(|from| (0..interior).map(move |to| (from, to))) {
            let way: Vec<usize> = std::iter::successors(Some(from), |at| next(*at, to)).take(interior).collect();
            for at in (0..interior).filter(|at| *at != from && *at != to) {
                let passes = path(at, to).is_some_and(|(routes, path)| {
                    routes.index(&format!("r{from}")).is_some_and(|from| path.valid_origins.contains(from))
                });
                if from != to && passes != way.contains(&at) {
                    return Some(format!("from node {from} to {to} it goes over {way:?}; through node {at}: {passes}"));
                }
            }
        }
        None
    }

    /// An address that a table of the interior has other receivers of than there are. Those of an edge may be at any node that it is
    /// connected to.
    fn misplaced(&self) -> Option<String> {
        let interior = self.shape.interior();
        for (address, shape) in self.shape.addresses.iter().enumerate() {
            let key = match shape.spreading {
                Spreading::Linked => Key::of_class(Class::PrefixIn, &shape.name),
                Spreading::One(_) | Spreading::All => Key::mobile(Phase::FIRST, &shape.name),
            };
            let key = key.expect("a name");
            let (own, of_edges): (Vec<usize>, Vec<usize>) =
                self.receivers(address).into_iter().partition(|node| *node < interior);
            let is_near = |line: &LineShape, node| of_edges.contains(&line.nodes[0]) && line.nodes[1] == node;
            for (node, other) in (0..interior).flat_map(|node| (0..interior).map(move |other| (node, other))) {
                let table = self.nodes[node].table();
                let index = table.routes().index(&format!("r{other}"));
                let known = table.find(&key);
                let is_known = known.zip(index).is_some_and(|(known, index)| known.routers.contains(index));
                let is_there = own.contains(&other);
                let may_be = is_there || self.shape.lines.iter().any(|line| is_near(line, other));
                // What the other one has itself, its edges' included, it has told.
                let has_own = self.nodes[other].table().find(&key).is_some_and(|known| !known.local.is_empty());
                let is_right = is_known == has_own && (has_own || !is_there) && (may_be || !has_own);
                if node != other && !is_right {
                    return Some(format!("{key:?} at node {node}: node {other} has receivers: {is_known}"));
                }
            }
            if let Some(why) = self.unknown_at_edges(&key, address) {
                return Some(why);
            }
        }
        None
    }

    /// An edge and its interior that do not know of each other's receivers of an address.
    fn unknown_at_edges(&self, key: &Key, address: usize) -> Option<String> {
        let (interior, receivers) = (self.shape.interior(), self.receivers(address));
        let is_sender = |role: &Role| matches!(&role.work, Work::Send(sender) if sender.address == Some(address));
        let places = |node: usize| {
            let known = self.nodes[node].table().find(key);
            known.into_iter().flat_map(|known| known.local.iter().map(|consumer| consumer.place)).collect::<Vec<_>>()
        };
        for edge in interior..self.nodes.len() {
            let sends = self.seats_of(edge).into_iter().any(|seat| self.seats[seat].client.roles.iter().any(is_sender));
            let is_elsewhere = receivers.iter().any(|node| *node != edge);
            let knows = places(edge).iter().any(|place| matches!(place, Place::Interior(_)));
            if sends && is_elsewhere != knows {
                return Some(format!("{key:?} at edge {edge}: there are receivers elsewhere: {knows}"));
            }
        }
        let with_receivers = (interior..self.nodes.len()).filter(|edge| receivers.contains(edge)).count();
        let known = (0..interior).flat_map(places).filter(|place| matches!(place, Place::Edge(_))).count();
        (known != with_receivers).then(|| format!("{key:?}: {known} edges have receivers, and not {with_receivers}"))
    }
}
