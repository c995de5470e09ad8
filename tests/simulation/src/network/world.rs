//! One run: a network with its clients under one seed, in rounds. First everything goes wrong that can; then nothing more does, and within
//! the protocol's own time all of it is mended; then much is sent, of which nothing may be lost. In the end all clients leave, and nothing
//! of them is left anywhere.
//!
//! Shown beside what `fates` asserts: tables agree with where receivers are; who sends has credit; whoever is asked to leave does; memory is
//! within its bound; no shard sleeps on work; without clients there is no link, no delivery and no address; without connections there is
//! no end of a link.

use std::collections::BTreeSet;

use engine_router::address::{Class, Key, Mode};
use engine_routing::RouterTotals;
use test_support::Chance;

use super::client::{Client, Kind, Mood};
use super::fates::{Care, Fates, LinkNumber, Tally};
use super::line::Line;
use super::node::Node;
use super::role::{Receiver, Role, Sender, Settles, Work};
use super::seats::Seat;
use super::shape::{LineShape, Shape, Spreading};
use crate::linking::Door;
use crate::schedule::Schedule;
use crate::shard::Rest;

/// Microseconds in nanoseconds.
pub const US: u64 = 1_000;
/// Milliseconds in nanoseconds.
pub const MS: u64 = 1_000_000;
/// How long a network may take until all is mended: some times as long as what a router believes without being told again.
const MEND_NS: u64 = 15_000 * MS;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A shard of a node looks whether there is something for it.
    Look(usize, usize),
    /// Its deadline has come, if it is still this one.
    Deadline(usize, usize, u64),
    /// A node's registry looks whether there is something for it.
    Advise(usize),
    /// Its deadline has come, if it is still this one.
    Due(usize, u64),
    /// Octets of a client reach its node.
    Up(usize),
    /// Octets of a node reach a client.
    Down(usize),
    /// A client does something.
    Act(usize),
    /// Octets move between two nodes, in one direction.
    Carry(usize, usize),
    /// A connector connects.
    Dial(usize),
    /// One may connect again.
    Unbar(usize),
    /// A node starts.
    Start(usize),
    /// Something happens to the network.
    Disturb,
}

/// When somebody is looked at.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    is_due: bool,
    /// The deadline that is waited for.
    pub deadline: Option<u64>,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkOutcome {
    /// What happened.
    pub tally: Tally,
    /// Simulated time that it took, nanoseconds.
    pub took_ns: u64,
    /// A number that two runs of one seed have in common, and of different seeds hardly ever.
    pub trace: u64,
}

/// Everything.
pub struct World {
    pub(super) chance: Chance,
    pub(super) shape: Shape,
    pub(super) nodes: Vec<Node>,
    pub(super) lines: Vec<Line>,
    pub(super) seats: Vec<Seat>,
    pub(super) fates: Fates,
    pub(super) links: LinkNumber,
    pub(super) schedule: Schedule<What>,
    pub(super) mood: Mood,
    pub(super) care: Care,
    /// Whether clients are to be connected, and not to leave.
    pub(super) is_open: bool,
    /// Whether connections between nodes end for good.
    pub(super) is_closing: bool,
    /// Nodes that were asked to stop.
    pub(super) stopping: BTreeSet<usize>,
    pub(super) shards: Vec<Vec<Looks>>,
    pub(super) registries: Vec<Looks>,
    pub(super) buffer: Vec<u8>,
    steps: u64,
    trace: u64,
}

/// Runs one seed to its end.
///
/// # Panics
/// When a promise is broken.
pub fn simulate_network(seed: u64) -> NetworkOutcome {
    let mut world = World::new(seed);
    for _ in 0..world.chance.of(&[1, 1, 2]) {
        world.storm();
        world.mend();
        world.steady();
    }
    world.leave();
    NetworkOutcome { tally: world.fates.tally, took_ns: world.schedule.now_ns(), trace: world.trace }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let shape = Shape::draw(&mut chance);
        let has_containers = |number: usize| shape.containers.contains(&number);
        let node = |(number, node): (usize, _)| Node::new(number, node, has_containers(number));
        let nodes: Vec<Node> = shape.nodes.iter().copied().enumerate().map(node).collect();
        let shards = shape.nodes.iter().map(|node| vec![Looks::default(); usize::from(node.shards)]).collect();
        let mut world = Self {
            lines: shape.lines.iter().copied().map(Line::new).collect(),
            seats: Vec::new(),
            fates: Fates::new(&shape.addresses, shape.unordered_above()),
            links: 0,
            schedule: Schedule::new(MS),
            mood: Mood::Wild,
            care: Care::Loose,
            is_open: true,
            is_closing: false,
            stopping: BTreeSet::new(),
            shards,
            registries: vec![Looks::default(); nodes.len()],
            buffer: vec![0; 64 << 10],
            steps: 0,
            trace: seed,
            chance,
            shape,
            nodes,
        };
        world.seat_clients();
        (0..world.nodes.len()).for_each(|node| world.start(node));
        (0..world.lines.len()).for_each(|line| world.redial(line));
        world
    }

    fn seat_clients(&mut self) {
        for node in self.shape.containers.clone() {
            let client = Client::new(self.seats.len(), Kind::Container, Vec::new(), &mut self.chance);
            self.seat(client, node);
        }
        for _ in 0..self.chance.between(2, 6) {
            let node = self.chance.below(self.nodes.len());
            let roles = (0..self.chance.between(1, 4)).filter_map(|_| self.draw_role(node)).collect();
            let client = Client::new(self.seats.len(), Kind::Client, roles, &mut self.chance);
            self.seat(client, node);
        }
    }

    fn draw_role(&mut self, node: usize) -> Option<Role> {
        let address = self.chance.below(self.shape.addresses.len());
        let is_linked = self.shape.addresses[address].spreading == Spreading::Linked;
        // Routes of links are of the interior.
        if is_linked && self.shape.nodes[node].mode == Mode::Edge {
            return None;
        }
        let sender = |address| Role::new(Work::Send(Sender { address, ..Sender::default() }));
        Some(match self.chance.below(10) {
            0 => sender(None),
            1..6 => sender(Some(address)),
            which => {
                let settles = match which {
                    6 => Settles::Second,
                    7 if !is_linked && self.chance.one_in(2) => Settles::Never,
                    _ => Settles::First,
                };
                if settles == Settles::Never {
                    self.fates.wants_settled(address);
                }
                Role::new(Work::Receive(Receiver::new(address, settles)))
            }
        })
    }

    fn seat(&mut self, client: Client, node: usize) {
        self.schedule.after(0, What::Act(self.seats.len()));
        self.seats.push(Seat::new(client, node));
    }

    /// Everything that can go wrong, for a while.
    fn storm(&mut self) {
        (self.mood, self.care) = (Mood::Wild, Care::Loose);
        // Some networks are left alone: what clients do to each other is enough.
        if self.chance.one_in(5) {
            // They have to find each other first.
            self.run_for(300 * MS);
        } else {
            self.schedule.after(MS, What::Disturb);
        }
        let long = self.chance.between(200, 1_500) * MS;
        self.run_for(long);
    }

    /// Nothing goes wrong any more: within its time all is as it has to be.
    fn mend(&mut self) {
        self.mood = Mood::Tame;
        self.unhang();
        let end = self.schedule.now_ns() + MEND_NS;
        let mut complaint = None;
        let is_mended = self.run_until(end, |world| {
            complaint = world.complaint();
            complaint.is_none()
        });
        assert!(is_mended, "it is not mended: {}", complaint.unwrap_or_default());
    }

    /// Lines that hang go on at once, with what waits to be moved when they would have.
    fn unhang(&mut self) {
        for line in 0..self.lines.len() {
            self.lines[line].hangs_ns = 0;
            for way in (0..2).filter(|way| self.lines[line].due[*way]) {
                self.schedule.after(0, What::Carry(line, way));
            }
        }
    }

    /// Much is sent, of which nothing may be lost.
    fn steady(&mut self) {
        // Shards go by what the registry knows a little later.
        self.run_for(20 * MS);
        let receivers: Vec<usize> =
            (0..self.shape.addresses.len()).map(|address| self.receivers(address).len()).collect();
        self.fates.calm(&receivers);
        (self.mood, self.care) = (Mood::Steady, Care::Strict);
        let dropped = self.dropped();
        let long = self.chance.between(50, 400) * MS;
        self.run_for(long);
        self.mend();
        // What was sent settled nobody hears of, nor when the last part comes of what was accepted for one that wants it so: it has time to come.
        self.run_for(1_000 * MS);
        let end = self.schedule.now_ns() + MEND_NS;
        self.run_until(end, |world| world.fates.complaint(world.dropped() - dropped).is_none());
        self.fates.settle_accounts(self.dropped() - dropped);
        self.care = Care::Loose;
    }

    /// All clients leave, then all nodes each other.
    fn leave(&mut self) {
        self.is_open = false;
        let end = self.schedule.now_ns() + MEND_NS;
        let mut complaint = None;
        let is_empty = self.run_until(end, |world| {
            complaint = world.remainder();
            complaint.is_none()
        });
        assert!(is_empty, "clients have left: {}", complaint.unwrap_or_default());
        self.is_closing = true;
        (0..self.lines.len()).for_each(|line| self.cut(line));
        self.run_for(500 * MS);
        for node in &self.nodes {
            assert_eq!(node.links(), 0, "node {} has no links", node.number);
            let is_empty = |totals: RouterTotals| totals.senders + totals.receivers + totals.under_way == 0;
            assert!(node.totals().into_iter().all(is_empty), "node {} has {:?}", node.number, node.totals());
            assert!(node.shards.iter().all(|shard| shard.turn().is_empty()), "node {} has no connections", node.number);
        }
        self.nodes.iter().for_each(Node::check);
    }

    /// Where receivers of an address are: nodes, once for each receiver.
    pub(super) fn receivers(&self, address: usize) -> Vec<usize> {
        if self.shape.addresses[address].spreading == Spreading::Linked {
            return self.shape.containers.clone();
        }
        let is_its = |role: &&Role| matches!(&role.work, Work::Receive(receiver) if receiver.address == address);
        let of = |seat: &Seat| std::iter::repeat_n(seat.node, seat.client.roles.iter().filter(is_its).count());
        self.seats.iter().flat_map(of).collect()
    }

    /// Copies that were sent settled and dropped, and counted.
    fn dropped(&self) -> u64 {
        let totals = self.nodes.iter().flat_map(Node::totals);
        totals.map(|totals| totals.deliveries.dropped + totals.deliveries.dropped_late).sum()
    }

    /// Why not all is as it has to be, if it is not.
    fn complaint(&mut self) -> Option<String> {
        if let Some(node) = self.nodes.iter().find(|node| !node.is_up()) {
            return Some(format!("node {} is away", node.number));
        }
        if let Some(line) = self.lines.iter().position(|line| line.ends.is_none()) {
            return Some(format!("line {line} is cut"));
        }
        let reachable: Vec<bool> =
            (0..self.shape.addresses.len()).map(|address| !self.receivers(address).is_empty()).collect();
        for seat in &mut self.seats {
            if let Some(why) = seat.client.complaint(&reachable) {
                return Some(format!("client {} of node {} {why}", seat.client.number, seat.node));
            }
        }
        if self.fates.open() > 0 {
            return Some(format!("{} deliveries are open: {}", self.fates.open(), self.fates.any_open()));
        }
        self.disagreement()
    }

    /// Why something of clients is left, if it is.
    fn remainder(&self) -> Option<String> {
        if let Some(seat) = self.seats.iter().find(|seat| seat.wire.is_some()) {
            return Some(format!("client {} is connected", seat.client.number));
        }
        for node in &self.nodes {
            // Between an edge and the interior there is one for what each message names.
            let is_of_edge = |line: &LineShape| line.doors[0] == Door::ToInterior && line.nodes.contains(&node.number);
            let named = self.shape.lines.iter().filter(|line| is_of_edge(line)).count();
            let totals = node.totals();
            let receivers: usize = totals.iter().map(|totals| totals.receivers).sum();
            let is_empty = |totals: &RouterTotals| (totals.senders, totals.under_way, totals.octets) == (0, 0, 0);
            if receivers > named || !totals.iter().all(is_empty) {
                return Some(format!("node {} has {totals:?}", node.number));
            }
            let is_clients = |key: &Key| key.class() == Class::Mobile;
            if let Some((key, address)) = node.table().iter().find(|(key, _)| is_clients(key)) {
                return Some(format!("node {} has {key:?}: {address:?}", node.number));
            }
        }
        None
    }

    fn run_for(&mut self, long_ns: u64) {
        let end = self.schedule.now_ns() + long_ns;
        self.run_until(end, |_| false);
    }

    /// Lets things happen until `done` says so, or until a time; gives whether it was `done`.
    fn run_until(&mut self, end_ns: u64, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        while self.schedule.now_ns() < end_ns {
            if self.steps.is_multiple_of(16) && done(self) {
                return true;
            }
            let Some(what) = self.schedule.pop() else { return done(self) };
            self.steps += 1;
            self.trace = (self.trace ^ self.schedule.now_ns()).wrapping_mul(0x0000_0100_0000_01b3);
            self.happen(what);
            if self.steps.is_multiple_of(64) {
                self.nodes.iter().for_each(Node::check);
            }
        }
        done(self)
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Look(node, shard) => {
                self.shards[node][shard].is_due = false;
                self.turn(node, shard);
            }
            What::Deadline(node, shard, at) => {
                if self.shards[node][shard].deadline == Some(at) {
                    self.shards[node][shard].deadline = None;
                    self.turn(node, shard);
                }
            }
            What::Advise(node) => {
                self.registries[node].is_due = false;
                self.advise(node);
            }
            What::Due(node, at) => {
                if self.registries[node].deadline == Some(at) {
                    self.registries[node].deadline = None;
                    self.advise(node);
                }
            }
            What::Up(seat) => self.up(seat),
            What::Down(seat) => self.down(seat),
            What::Act(seat) => self.act(seat),
            What::Carry(line, way) => self.carried(line, way),
            What::Dial(line) => self.dial(line),
            What::Unbar(line) => self.lines[line].is_barred = false,
            What::Start(node) => self.start(node),
            What::Disturb => self.disturb(),
        }
    }

    /// A node's shards look for work soon.
    pub(super) fn look_node(&mut self, node: usize) {
        (0..self.shards[node].len()).for_each(|shard| self.look(node, shard));
    }

    fn look(&mut self, node: usize, shard: usize) {
        if !std::mem::replace(&mut self.shards[node][shard].is_due, true) {
            let wait = if self.chance.one_in(300) { 10 * MS } else { 60 * US };
            let wait = self.chance.between(US, wait);
            self.schedule.after(wait, What::Look(node, shard));
        }
    }

    fn turn(&mut self, node: usize, shard: usize) {
        let now_ns = self.schedule.now_ns();
        let Some(rest) = self.nodes[node].turn(shard, &mut self.chance, now_ns) else { return };
        match rest {
            Rest::Due => self.look(node, shard),
            Rest::Until(None) => self.shards[node][shard].deadline = None,
            Rest::Until(Some(until)) => {
                if self.shards[node][shard].deadline != Some(until) {
                    self.shards[node][shard].deadline = Some(until);
                    self.schedule.after(until - now_ns, What::Deadline(node, shard, until));
                }
            }
            Rest::Stopped if self.nodes[node].has_stopped() => return self.end(node),
            Rest::Stopped => {}
        }
        self.look_awake(node);
        if self.nodes[node].has_notes() && !std::mem::replace(&mut self.registries[node].is_due, true) {
            let wait = if self.chance.one_in(100) { 5 * MS } else { 200 * US };
            let wait = self.chance.between(US, wait);
            self.schedule.after(wait, What::Advise(node));
        }
        self.seats_of(node).into_iter().for_each(|seat| self.listen(seat));
        for line in 0..self.lines.len() {
            let ways = self.lines[line].shape.nodes.iter().position(|end| *end == node);
            ways.into_iter().for_each(|way| self.carry(line, way));
        }
    }

    /// Clients of a node.
    pub(super) fn seats_of(&self, node: usize) -> Vec<usize> {
        (0..self.seats.len()).filter(|seat| self.seats[*seat].node == node).collect()
    }

    fn look_awake(&mut self, node: usize) {
        for shard in 0..self.shards[node].len() {
            if self.nodes[node].is_awake(shard) {
                self.look(node, shard);
            }
        }
    }

    fn advise(&mut self, node: usize) {
        let now_ns = self.schedule.now_ns();
        let most = if self.chance.one_in(4) { 1 } else { 4096 };
        self.nodes[node].advise(most, now_ns);
        if self.nodes[node].has_notes() && !std::mem::replace(&mut self.registries[node].is_due, true) {
            self.schedule.after(10 * US, What::Advise(node));
        }
        if let Some(deadline) = self.nodes[node].registry_deadline()
            && self.registries[node].deadline != Some(deadline)
        {
            self.registries[node].deadline = Some(deadline);
            self.schedule.after(deadline.saturating_sub(now_ns).max(US), What::Due(node, deadline));
        }
        self.look_awake(node);
    }
}
