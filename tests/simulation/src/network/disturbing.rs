//! What is done to a network on purpose: connections between nodes are cut, hang and flap; nodes end, are stopped, and start again.

use super::client::Mood;
use super::world::{MS, What, World};

impl World {
    /// Something happens to the network, and again after a while.
    pub(super) fn disturb(&mut self) {
        if self.mood != Mood::Wild || !self.is_open {
            return;
        }
        let wait = self.chance.between(5, 150) * MS;
        self.schedule.after(wait, What::Disturb);
        let now_ns = self.schedule.now_ns();
        let node = self.chance.below(self.nodes.len());
        match self.chance.below(10) {
            0 => self.end(node),
            1 if self.nodes[node].is_up() && !self.stopping.contains(&node) => {
                // Its neighbours hear of that before it has ended.
                self.fates.now_ns = now_ns;
                self.fates.torn();
                self.stopping.insert(node);
                self.nodes[node].stop(now_ns);
                self.look_node(node);
            }
            2..10 if !self.lines.is_empty() => {
                let line = self.chance.below(self.lines.len());
                match self.chance.below(4) {
                    0 => {
                        // Whoever hears nothing for long enough gives up what went over it.
                        self.fates.now_ns = now_ns;
                        self.fates.torn();
                        self.lines[line].hangs_ns = now_ns + self.chance.between(1, 400) * MS;
                    }
                    1 => {
                        // It stays away for a while.
                        self.cut(line);
                        self.lines[line].is_barred = true;
                        let wait = self.chance.between(50, 500) * MS;
                        self.schedule.after(wait, What::Unbar(line));
                    }
                    _ => self.cut(line),
                }
            }
            _ => {}
        }
    }

    /// A connection between nodes is over, and its connector tries again.
    pub(super) fn cut(&mut self, line: usize) {
        self.fates.now_ns = self.schedule.now_ns();
        let known = &mut self.lines[line];
        if known.ends.is_some() {
            known.cut();
            self.fates.torn();
            self.fates.tally.cuts += 1;
            known.shape.nodes.into_iter().for_each(|node| self.look_node(node));
        }
        self.redial(line);
    }

    pub(super) fn redial(&mut self, line: usize) {
        let known = &mut self.lines[line];
        if !self.is_closing && !std::mem::replace(&mut known.dial_due, true) {
            let wait = self.chance.between(1, 60) * MS;
            self.schedule.after(wait, What::Dial(line));
        }
    }

    pub(super) fn dial(&mut self, line: usize) {
        let now_ns = self.schedule.now_ns();
        let known = &mut self.lines[line];
        known.dial_due = false;
        if known.ends.is_some() || self.is_closing {
            return;
        }
        let [from, to] = known.shape.nodes;
        let is_there = |node: usize| self.nodes[node].is_up() && !self.stopping.contains(&node);
        if known.is_barred || !is_there(from) || !is_there(to) {
            return self.redial(line);
        }
        let doors = known.shape.doors;
        // A connector is a shard's; whoever is connected to takes it on any.
        let places = [line % self.nodes[from].shards.len(), self.chance.below(self.nodes[to].shards.len())];
        let mut connect = |side: usize, node: usize| self.nodes[node].connect(places[side], doors[side], now_ns);
        let ends = (connect(0, from), connect(1, to));
        if let (Some(ours), Some(theirs)) = ends {
            self.lines[line].ends = Some([ours, theirs]);
        }
        [from, to].into_iter().for_each(|node| self.look_node(node));
        (0..2).for_each(|way| self.carry(line, way));
    }

    /// A node ends without being asked, or has stopped: it starts again after a while.
    pub(super) fn end(&mut self, node: usize) {
        if !self.nodes[node].is_up() {
            return;
        }
        self.fates.now_ns = self.schedule.now_ns();
        self.fates.torn();
        self.fates.tally.ends += 1;
        self.nodes[node].crash();
        self.stopping.remove(&node);
        self.shards[node].iter_mut().for_each(|shard| shard.deadline = None);
        self.registries[node].deadline = None;
        let wait = self.chance.between(1, 300) * MS;
        self.schedule.after(wait, What::Start(node));
        // Whoever is connected finds the end of its connection.
        self.seats_of(node).into_iter().for_each(|seat| self.lose(seat));
        let is_its = |line: &usize| self.lines[*line].shape.nodes.contains(&node);
        let lines: Vec<usize> = (0..self.lines.len()).filter(is_its).collect();
        lines.into_iter().for_each(|line| self.cut(line));
    }

    pub(super) fn start(&mut self, node: usize) {
        self.nodes[node].start();
        self.look_node(node);
    }
}
