//! What a seed makes of a network: its nodes, the connections between them, and the addresses.

use engine_router::Treatment;
use engine_router::address::Mode;
use test_support::Chance;

use crate::linking::Door;

/// One node.
#[derive(Clone, Copy, Debug)]
pub struct NodeShape {
    /// What kind of router it is.
    pub mode: Mode,
    /// Shards.
    pub shards: u16,
    /// Messages in one lane.
    pub lane: usize,
    /// Largest frame that it takes, octets.
    pub frame: u32,
    /// Frames that may be under way to a session.
    pub window: u32,
    /// Messages in several frames above this size go on before they are whole, octets.
    pub stream_above: u64,
    /// Deliveries of a link that may be unsettled.
    pub capacity: u32,
    /// Octets that it may be ahead of whoever does not read.
    pub ahead: usize,
}

/// A connector of one node to a listener of another one.
#[derive(Clone, Copy, Debug)]
pub struct LineShape {
    /// Who connects, and who is connected to.
    pub nodes: [usize; 2],
    /// The doors of both.
    pub doors: [Door; 2],
}

/// How messages of an address are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spreading {
    /// To one receiver, or through a router that spreads them so.
    One(Treatment),
    /// To each receiver.
    All,
    /// Links to it go to a container whole.
    Linked,
}

/// An address.
#[derive(Clone, Debug)]
pub struct AddressShape {
    /// Its name.
    pub name: String,
    /// What becomes of its messages.
    pub spreading: Spreading,
}

/// A whole network.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Its nodes: those of the interior first.
    pub nodes: Vec<NodeShape>,
    /// Connections.
    pub lines: Vec<LineShape>,
    /// Addresses.
    pub addresses: Vec<AddressShape>,
    /// Nodes that containers connect to.
    pub containers: Vec<usize>,
}

impl Shape {
    /// A network of one to six routers.
    pub fn draw(chance: &mut Chance) -> Self {
        let interior = chance.of(&[1, 2, 2, 3, 3, 4]);
        let edges = chance.of(&[0, 0, 1, 2]);
        let mut nodes = Vec::new();
        for number in 0..interior + edges {
            let mode = if number < interior { Mode::Interior } else { Mode::Edge };
            nodes.push(node(mode, chance));
        }
        let mut lines = interior_lines(interior, chance);
        for edge in interior..interior + edges {
            for _ in 0..chance.of(&[1, 1, 2]) {
                let nodes = [edge, chance.below(interior)];
                lines.push(LineShape { nodes, doors: [Door::ToInterior, Door::FromEdge] });
            }
        }
        let containers = if chance.one_in(2) { vec![chance.below(interior)] } else { Vec::new() };
        Self { nodes, lines, addresses: addresses(!containers.is_empty(), chance), containers }
    }

    /// What a message costs between two nodes of the interior, if there is a way.
    pub fn cost(&self, from: usize, to: usize) -> Option<u64> {
        let mut costs = vec![None; self.nodes.len()];
        costs[from] = Some(0);
        for _ in &self.nodes {
            for line in &self.lines {
                let Door::ToRouter { cost } = line.doors[0] else { continue };
                for [here, there] in [line.nodes, [line.nodes[1], line.nodes[0]]] {
                    let over = costs[here].map(|known: u64| known + u64::from(cost));
                    costs[there] = [costs[there], over].into_iter().flatten().min();
                }
            }
        }
        costs[to]
    }

    /// Octets of a message from which on it may leave its order: where frames are large enough for links of messages in parts between routers,
    /// and windows so small that other links wait while those go on.
    pub fn unordered_above(&self) -> usize {
        let is_narrow = |node: &NodeShape| node.frame >= 16 << 10 && node.window < 2_048;
        match self.interior() > 1 && self.nodes.iter().any(is_narrow) {
            true => self.nodes.iter().map(|node| node.stream_above as usize).min().unwrap_or(usize::MAX),
            false => usize::MAX,
        }
    }

    /// Nodes that are in the interior.
    pub fn interior(&self) -> usize {
        self.nodes.iter().filter(|node| node.mode == Mode::Interior).count()
    }
}

fn node(mode: Mode, chance: &mut Chance) -> NodeShape {
    NodeShape {
        mode,
        shards: chance.of(&[1, 1, 2, 3]),
        lane: chance.of(&[4, 16, 1024]),
        frame: chance.of(&[600, 4_000, 64 << 10]),
        window: chance.of(&[8, 64, 2_048]),
        stream_above: chance.of(&[2_000, 20_000, 128 << 10]),
        capacity: chance.of(&[5, 40, 250]),
        ahead: chance.of(&[3_000, 64 << 10, 256 << 10]),
    }
}

/// A line, a ring or a mesh, perhaps with a second connection between two.
fn interior_lines(interior: usize, chance: &mut Chance) -> Vec<LineShape> {
    let mut pairs: Vec<[usize; 2]> = (1..interior).map(|to| [to - 1, to]).collect();
    match chance.below(3) {
        0 if interior > 2 => pairs.push([interior - 1, 0]),
        1 => pairs = (0..interior).flat_map(|from| (from + 1..interior).map(move |to| [from, to])).collect(),
        _ => {}
    }
    let mut line = |[from, to]: [usize; 2]| {
        let nodes = if chance.one_in(2) { [from, to] } else { [to, from] };
        let cost = chance.of(&[1, 1, 2, 3]);
        LineShape { nodes, doors: [Door::ToRouter { cost }, Door::FromRouter { cost }] }
    };
    let mut lines: Vec<LineShape> = pairs.into_iter().map(&mut line).collect();
    if interior > 1 && chance.one_in(4) {
        // It stands by for the other one, whose cost it has.
        lines.push(chance.of(&lines));
    }
    lines
}

fn addresses(has_containers: bool, chance: &mut Chance) -> Vec<AddressShape> {
    let mut addresses = Vec::new();
    for (kind, spreading) in [
        ("closest", Spreading::One(Treatment::Closest)),
        ("balanced", Spreading::One(Treatment::Balanced)),
        ("multicast", Spreading::All),
    ] {
        let count = chance.of(&[0, 1, 1, 2]);
        addresses.extend((0..count).map(|number| AddressShape { name: format!("{kind}.{number}"), spreading }));
    }
    if has_containers || addresses.is_empty() {
        let (name, spreading) =
            if has_containers { (LINKED, Spreading::Linked) } else { ("closest", Spreading::One(Treatment::Closest)) };
        addresses.push(AddressShape { name: name.to_owned(), spreading });
    }
    addresses
}

/// The address whose links go to containers whole.
pub const LINKED: &str = "linked";
