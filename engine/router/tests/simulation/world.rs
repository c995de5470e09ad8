//! Routers, wires and time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine_router::control::{Body, decode};
use engine_router::network::{Action, LinkId};
use engine_router::settlement::State;
use test_support::Chance;

use crate::node::Node;
use crate::wire::{Packet, Wire, link, wire_of};

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1000 * MS;

/// A fault that is put between the machines and their world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Copies are handed on as if each router were on the way of all.
    OriginsIgnored,
    /// One in four changes of another router's addresses does not come into the table.
    ChangesLost,
    /// No router hears another one's link state.
    LinkStatesLost,
    /// One in three new routes are not used.
    RoutesKept,
    /// One in twenty outcomes does not come to the router before.
    OutcomesLost,
}

impl Fault {
    pub const ALL: [Self; 5] =
        [Self::OriginsIgnored, Self::ChangesLost, Self::LinkStatesLost, Self::RoutesKept, Self::OutcomesLost];
}

pub struct World {
    pub chance: Chance,
    pub now: u64,
    pub nodes: Vec<Node>,
    /// Pairs of routers that may be connected, and what that costs.
    pub edges: Vec<(usize, usize, u32)>,
    pub wires: BTreeMap<u64, Wire>,
    /// Ends of wires that are gone, of which their router hears then.
    pub losses: VecDeque<(u64, LinkId, usize)>,
    pub fault: Fault,
    pub next_message: u64,
    /// Routers whose consumer got a message, by its number.
    pub given: BTreeMap<u64, Vec<usize>>,
    /// Routers where a message had nowhere to go.
    pub undelivered: BTreeMap<u64, Vec<usize>>,
    /// What became of messages, as their clients heard.
    pub outcomes: BTreeMap<u64, State>,
    /// Questions and answers that were sent.
    pub exchanged: u64,
    /// What did not hold.
    pub wrong: Option<String>,
    next_wire: u64,
}

impl World {
    pub fn new(seed: u64, fault: Fault) -> Self {
        let mut chance = Chance::new(seed);
        let count = if chance.one_in(8) { 2 + chance.below(29) } else { 2 + chance.below(9) };
        let nodes = (0..count).map(|number| Node::new(number, 1)).collect();
        // A tree, so that all may be connected, and some more: rings, meshes.
        let mut edges: Vec<(usize, usize, u32)> =
            (1..count).map(|node| (node, chance.below(node), 1 + chance.below(3) as u32)).collect();
        for _ in 0..chance.below(2 * count) {
            let (one, other) = (chance.below(count), chance.below(count));
            let is_new =
                edges.iter().all(|edge| [(one, other), (other, one)].iter().all(|pair| *pair != (edge.0, edge.1)));
            if one != other && is_new {
                edges.push((one, other, 1 + chance.below(3) as u32));
            }
        }
        Self {
            chance,
            now: SECOND,
            nodes,
            edges,
            wires: BTreeMap::new(),
            losses: VecDeque::new(),
            fault,
            next_message: 0,
            given: BTreeMap::new(),
            undelivered: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            exchanged: 0,
            wrong: None,
            next_wire: 0,
        }
    }

    pub fn connect(&mut self, edge: usize) {
        let (one, other, cost) = self.edges[edge];
        let wire = self.next_wire;
        self.next_wire += 1;
        let delay_ns = self.chance.of(&[1, 5, 50, 300]) * MS;
        let packets = [VecDeque::new(), VecDeque::new()];
        self.wires.insert(wire, Wire { ends: [one, other], delay_ns, is_hung: [false; 2], packets });
        for (end, [near, far]) in [[one, other], [other, one]].into_iter().enumerate() {
            let neighbour = self.nodes[far].id.clone();
            self.nodes[near].network.handle_link(link(wire, end), neighbour, cost, self.now);
            self.act(near);
            self.nodes[near].traffic.connect(link(wire, end));
            self.act_traffic(near);
        }
    }

    /// Ends a wire; each end hears of it within the time.
    pub fn cut(&mut self, wire: u64, within_ns: u64) {
        let Some(Wire { ends, .. }) = self.wires.remove(&wire) else { return };
        for (end, node) in ends.into_iter().enumerate() {
            let at = self.now + self.chance.between(0, within_ns);
            self.losses.push_back((at, link(wire, end), node));
        }
    }

    /// Has a router begin another life: its connections and consumers are gone.
    pub fn restart(&mut self, number: usize) {
        // Lives of the same second, with as many changes each, nobody can tell apart.
        let instance = self.nodes[number].instance + 1;
        let wires: Vec<u64> =
            self.wires.iter().filter(|(_, wire)| wire.ends.contains(&number)).map(|(id, _)| *id).collect();
        wires.into_iter().for_each(|wire| self.cut(wire, 2 * SECOND));
        self.losses.retain(|(_, _, node)| *node != number);
        self.nodes[number] = Node::new(number, instance);
    }

    /// Has time pass, and all that it brings happen.
    pub fn pass(&mut self, ns: u64) -> Result<(), String> {
        let end = self.now + ns;
        loop {
            let packets = self.wires.values().flat_map(|wire| &wire.packets).filter_map(|packets| packets.front());
            let arrivals = packets.map(|(at, _)| *at);
            let losses = self.losses.iter().map(|(at, _, _)| *at);
            let deadlines = self.nodes.iter().map(|node| node.network.deadline());
            let next = arrivals.chain(losses).chain(deadlines).min().unwrap_or(end);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            self.step();
            if let Some(wrong) = self.wrong.take() {
                return Err(format!("at {} ms: {wrong}", self.now / MS));
            }
        }
        self.now = end;
        Ok(())
    }

    /// All that is due now, once.
    fn step(&mut self) {
        let now = self.now;
        let (due, later): (VecDeque<_>, VecDeque<_>) = self.losses.drain(..).partition(|(at, _, _)| *at <= now);
        self.losses = later;
        for (_, link, node) in due {
            self.nodes[node].network.handle_link_lost(link, now);
            self.act(node);
            self.nodes[node].traffic.disconnect(link);
            self.act_traffic(node);
        }
        let wires: Vec<u64> = self.wires.keys().copied().collect();
        for (wire, end) in wires.into_iter().flat_map(|wire| [(wire, 0), (wire, 1)]) {
            while let Some((node, packet)) = self.arrival(wire, end) {
                match packet {
                    Packet::Control(message) => self.nodes[node].network.handle_message(link(wire, end), &message, now),
                    packet => self.handle_traffic(node, link(wire, end), packet),
                }
                self.act(node);
            }
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].network.deadline() <= now {
                self.nodes[node].network.handle_time(now);
                self.act(node);
            }
        }
    }

    fn arrival(&mut self, wire: u64, end: usize) -> Option<(usize, Packet)> {
        let wire = self.wires.get_mut(&wire)?;
        let packets = &mut wire.packets[end];
        let is_due = packets.front().is_some_and(|(at, _)| *at <= self.now);
        is_due.then(|| packets.pop_front()).flatten().map(|(_, packet)| (wire.ends[end], packet))
    }

    pub fn send(&mut self, link: LinkId, packet: Packet) {
        let (wire, end) = wire_of(link);
        // A wire that is gone, of which this router has not heard.
        let Some(wire) = self.wires.get_mut(&wire) else { return };
        let to = 1 - end;
        if !wire.is_hung[to] {
            let earliest = wire.packets[to].back().map_or(0, |(at, _)| *at);
            let at = (self.now + self.chance.between(0, wire.delay_ns)).max(earliest);
            wire.packets[to].push_back((at, packet));
        }
    }

    /// Carries out what a router's machine asks for.
    pub fn act(&mut self, number: usize) {
        let mut has_changed = false;
        while let Some(action) = self.nodes[number].network.poll_action() {
            has_changed |= matches!(action, Action::Learned { .. } | Action::Forgotten { .. } | Action::Routes);
            match action {
                Action::Send { link, message } => self.send_control(link, message),
                Action::Close { reason, .. } => {
                    self.wrong = Some(format!("{} ends a connection: {reason}", self.nodes[number].id))
                }
                Action::Learned { router, changes } => {
                    if self.fault != Fault::ChangesLost || !self.chance.one_in(4) {
                        let _ = self.nodes[number].table.learn(router, changes);
                    }
                }
                Action::Forgotten { router } => drop(self.nodes[number].table.forget(router)),
                Action::Routes => {
                    if self.fault != Fault::RoutesKept || !self.chance.one_in(3) {
                        let routes = Arc::clone(self.nodes[number].network.routes());
                        self.nodes[number].table.set_routes(routes);
                    }
                }
                Action::Notice(_) => {}
            }
        }
        let node = &mut self.nodes[number];
        node.network.check();
        if has_changed {
            node.view = node.table.view();
        }
    }

    fn send_control(&mut self, link: LinkId, message: bytes::Bytes) {
        let body = decode(&message).expect("routers write what routers read").body;
        self.exchanged += u64::from(!matches!(body, Body::Hello { .. } | Body::Advertisement { .. }));
        if self.fault != Fault::LinkStatesLost || !matches!(body, Body::LinkState { .. }) {
            self.send(link, Packet::Control(message));
        }
    }
}
