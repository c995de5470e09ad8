//! What passes between clients and nodes, and between nodes: octets in pieces of any size, late, or not at all.
//!
//! Not here: when any of it happens (`world`), and what is done to the network on purpose (`disturbing`).

use std::collections::VecDeque;

use super::client::{Client, Kind, Mood, Scene};
use super::line::Moved;
use super::world::{MS, US, What, World};
use crate::linking::Door;
use crate::wire::{Received, Wire};

/// A client with its way to its node.
pub struct Seat {
    /// The client.
    pub client: Client,
    /// Its node.
    pub node: usize,
    /// Its end of the connection.
    pub wire: Option<Wire>,
    up: VecDeque<u8>,
    up_due: bool,
    down_due: bool,
    /// Until when it reads nothing.
    pub stalled_ns: u64,
}

impl Seat {
    /// A client of a node that is not connected.
    pub fn new(client: Client, node: usize) -> Self {
        Self { client, node, wire: None, up: VecDeque::new(), up_due: false, down_due: false, stalled_ns: 0 }
    }
}

impl World {
    /// A client, and what it acts on.
    pub(super) fn scene(&mut self, seat: usize) -> (&mut Seat, Scene<'_>) {
        let Self { fates, chance, schedule, shape, links, care, mood, seats, .. } = self;
        let now_ns = schedule.now_ns();
        fates.now_ns = now_ns;
        let (care, mood, addresses) = (*care, *mood, &shape.addresses);
        let seat = &mut seats[seat];
        let mode = shape.nodes[seat.node].mode;
        (seat, Scene { fates, chance, now_ns, addresses, links, care, mood, mode })
    }

    /// A client connects to its node, if that runs.
    pub(super) fn connect(&mut self, seat: usize) {
        let now_ns = self.schedule.now_ns();
        let place = &mut self.seats[seat];
        let node = &mut self.nodes[place.node];
        if !node.is_up() || self.stopping.contains(&place.node) {
            return;
        }
        let shard = self.chance.below(node.shards.len());
        let door = match place.client.kind {
            Kind::Client => Door::Clients,
            Kind::Container => Door::Containers,
        };
        place.wire = node.connect(shard, door, now_ns);
        place.client.connect(now_ns);
        self.speak(seat);
    }

    /// A client reads soon.
    pub(super) fn listen(&mut self, seat: usize) {
        let place = &mut self.seats[seat];
        if place.wire.is_some() && !std::mem::replace(&mut place.down_due, true) {
            let wait = if self.chance.one_in(200) { 20 * MS } else { 300 * US };
            let wait = self.chance.between(5 * US, wait);
            self.schedule.after(wait, What::Down(seat));
        }
    }

    pub(super) fn down(&mut self, seat: usize) {
        let now_ns = self.schedule.now_ns();
        let place = &mut self.seats[seat];
        place.down_due = false;
        let Some(wire) = &place.wire else { return };
        if place.stalled_ns > now_ns {
            place.down_due = true;
            return self.schedule.after(place.stalled_ns - now_ns, What::Down(seat));
        }
        let most = if self.chance.one_in(4) { 1 + self.chance.below(300) } else { self.buffer.len() };
        match wire.receive(&mut self.buffer[..most]) {
            Received::Nothing => {}
            Received::End => self.lose(seat),
            Received::Some(count) => {
                let buffer = std::mem::take(&mut self.buffer);
                let (place, mut scene) = self.scene(seat);
                place.client.receive(&buffer[..count], &mut scene);
                let node = place.node;
                self.buffer = buffer;
                self.speak(seat);
                self.listen(seat);
                // There is room again for what the node had to write.
                self.look_node(node);
            }
        }
    }

    /// What a client has to say goes on its way.
    pub(super) fn speak(&mut self, seat: usize) {
        let now_ns = self.schedule.now_ns();
        let place = &mut self.seats[seat];
        let bytes = place.client.transmit(now_ns);
        place.up.extend(bytes);
        let has_left = place.client.live.as_ref().is_some_and(|live| live.closing && live.machine.is_closed());
        if has_left && place.up.is_empty() {
            return self.lose(seat);
        }
        if !place.up.is_empty() && !std::mem::replace(&mut place.up_due, true) {
            let wait = self.chance.between(5, 400) * US;
            self.schedule.after(wait, What::Up(seat));
        }
    }

    pub(super) fn up(&mut self, seat: usize) {
        let place = &mut self.seats[seat];
        place.up_due = false;
        let Some(wire) = &place.wire else { return };
        let all = place.up.len();
        if all > 0 {
            let count = if self.chance.one_in(3) { 1 + self.chance.below(all) } else { all };
            let chunk = &place.up.make_contiguous()[..count];
            let Some(sent) = wire.send(chunk) else { return self.lose(seat) };
            place.up.drain(..sent);
            if !place.up.is_empty() {
                place.up_due = true;
                let wait = if sent == 0 { MS } else { self.chance.between(5, 200) * US };
                self.schedule.after(wait, What::Up(seat));
            }
            let node = place.node;
            self.look_node(node);
        }
        // What waited for room in the client's output.
        self.speak(seat);
    }

    /// A client's connection is gone.
    pub(super) fn lose(&mut self, seat: usize) {
        self.fates.now_ns = self.schedule.now_ns();
        let place = &mut self.seats[seat];
        place.wire = None;
        place.up.clear();
        place.client.lose(&mut self.fates);
        let node = place.node;
        self.look_node(node);
    }

    pub(super) fn act(&mut self, seat: usize) {
        let wait = self.chance.between(100, 6_000) * US;
        self.schedule.after(wait, What::Act(seat));
        let now_ns = self.schedule.now_ns();
        if self.seats[seat].wire.is_none() {
            if self.is_open && (self.mood != Mood::Wild || self.chance.one_in(3)) {
                self.connect(seat);
            }
            return;
        }
        if !self.is_open {
            let place = &mut self.seats[seat];
            if place.client.live.as_ref().is_some_and(|live| live.is_open && !live.closing) {
                place.client.close(now_ns, &mut self.fates);
            }
            return self.speak(seat);
        }
        match (self.mood, self.chance.below(400)) {
            (Mood::Wild, 0) => return self.lose(seat),
            (Mood::Wild, 1) => {
                self.fates.now_ns = now_ns;
                self.seats[seat].client.close(now_ns, &mut self.fates);
                return self.speak(seat);
            }
            (Mood::Wild | Mood::Steady, 2..5) => {
                self.seats[seat].stalled_ns = now_ns + self.chance.between(1, 60) * MS;
            }
            _ => {}
        }
        let (place, mut scene) = self.scene(seat);
        place.client.act(&mut scene);
        self.speak(seat);
    }

    /// Octets between two nodes move soon.
    pub(super) fn carry(&mut self, line: usize, way: usize) {
        let now_ns = self.schedule.now_ns();
        let known = &mut self.lines[line];
        if known.ends.is_none() || std::mem::replace(&mut known.due[way], true) {
            return;
        }
        let wait = if self.chance.one_in(200) { 10 * MS } else { 200 * US };
        let wait = self.chance.between(5 * US, wait).max(known.hangs_ns.saturating_sub(now_ns));
        self.schedule.after(wait, What::Carry(line, way));
    }

    pub(super) fn carried(&mut self, line: usize, way: usize) {
        let known = &mut self.lines[line];
        known.due[way] = false;
        if known.hangs_ns > self.schedule.now_ns() {
            return self.carry(line, way);
        }
        let most = if self.chance.one_in(4) { 1 + self.chance.below(400) } else { self.buffer.len() };
        let moved = known.pump(way, most, &mut self.buffer);
        let nodes = known.shape.nodes;
        self.fates.now_ns = self.schedule.now_ns();
        let seen = match moved {
            Moved::Over => return self.cut(line),
            Moved::On(seen) => {
                self.carry(line, way);
                seen
            }
            Moved::Nothing(seen) => seen,
        };
        seen.into_iter().for_each(|number| self.fates.passes(number, nodes[1 - way]));
        nodes.into_iter().for_each(|node| self.look_node(node));
    }
}
