//! What happens to a network before the calm.

use engine_router::address::Key;

use crate::node::ADDRESSES;
use crate::world::{MS, SECOND, World};

impl World {
    /// Has anything happen for a while, and then the last of it.
    pub fn rage(&mut self) -> Result<(), String> {
        for edge in 0..self.edges.len() {
            if !self.chance.one_in(4) {
                self.connect(edge);
            }
        }
        for _ in 0..10 + self.chance.below(60) {
            let pause = self.chance.of(&[1, 20, 200, 1000, 3000]);
            let pause = self.chance.between(0, pause) * MS;
            self.pass(pause)?;
            self.happen();
        }
        // The last: what hangs ends, some connections come, consumers come and go.
        let hung: Vec<u64> =
            self.wires.iter().filter(|(_, wire)| wire.is_hung != [false; 2]).map(|(id, _)| *id).collect();
        hung.into_iter().for_each(|wire| self.cut(wire, SECOND));
        self.pass(SECOND)?;
        for edge in 0..self.edges.len() {
            let (one, other, _) = self.edges[edge];
            let is_up = self.wires.values().any(|wire| wire.ends == [one, other]);
            if !is_up && !self.chance.one_in(6) {
                self.connect(edge);
            }
        }
        for _ in 0..self.nodes.len() {
            self.toggle_any();
        }
        Ok(())
    }

    fn happen(&mut self) {
        let wires: Vec<u64> = self.wires.keys().copied().collect();
        match self.chance.below(10) {
            0 | 1 if !wires.is_empty() => {
                let wire = self.chance.of(&wires);
                let within = self.chance.of(&[0, 0, 100, 1000]) * MS;
                self.cut(wire, within);
            }
            2 if !wires.is_empty() => {
                let wire = self.chance.of(&wires);
                let ends = self.chance.of(&[[true, false], [false, true], [true, true]]);
                // For good: what comes behind octets that are lost does not come either.
                let is_hung = &mut self.wires.get_mut(&wire).expect("it is one").is_hung;
                is_hung.iter_mut().zip(ends).for_each(|(is_hung, hangs)| *is_hung |= hangs);
            }
            3..=5 => {
                // Perhaps one more between the same two.
                let edge = self.chance.below(self.edges.len());
                self.connect(edge);
            }
            6 if self.chance.one_in(3) => {
                let node = self.chance.below(self.nodes.len());
                self.restart(node);
            }
            7 | 8 => {
                let node = self.chance.below(self.nodes.len());
                let key = self.any_key();
                self.produce(node, &key);
            }
            _ => self.toggle_any(),
        }
    }

    fn toggle_any(&mut self) {
        let (node, key, now) = (self.chance.below(self.nodes.len()), self.any_key(), self.now);
        self.nodes[node].toggle(&key, now);
        self.act(node);
        self.act_traffic(node);
    }

    fn any_key(&mut self) -> Key {
        Key::read(self.chance.of(&ADDRESSES)).expect("a key")
    }
}
