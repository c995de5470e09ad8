//! What passes between clients and the node: octets in pieces of any size, late, or not at all, and what clients do of their own accord.
//!
//! Not here: when any of it happens (`world`), and what a client does (`client`, `acting`).

use super::{MS, Mood, US, What, World};
use crate::client::{Client, Scene};
use crate::games::take_credit_back;
use crate::wire::Received;

impl World {
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
            let wait = place.stalled_ns - now_ns;
            place.down_due = true;
            return self.schedule.after(wait, What::Down(seat));
        }
        let most = if self.chance.one_in(3) { 1 + self.chance.below(200) } else { self.buffer.len() };
        match wire.receive(&mut self.buffer[..most]) {
            Received::Nothing => {}
            Received::End => self.lose(seat),
            Received::Some(count) => {
                self.hear(seat, count);
                if count == most {
                    self.listen(seat);
                }
                // There is room again for what the node had to write.
                self.look_all();
            }
        }
    }

    /// A client takes what came.
    pub(super) fn hear(&mut self, seat: usize, count: usize) {
        // It is lent to the client, which acts on nearly all else.
        let buffer = std::mem::take(&mut self.buffer);
        let (client, mut scene) = self.scene(seat);
        client.receive(&buffer[..count], &mut scene);
        self.buffer = buffer;
        self.speak(seat);
    }

    /// What a client has to say goes on its way.
    pub fn speak(&mut self, seat: usize) {
        let place = &mut self.seats[seat];
        let mut bytes = place.client.transmit(self.schedule.now_ns());
        if self.mood == Mood::Wild && self.chance.one_in(20) {
            take_credit_back(&mut bytes, &mut self.chance);
        }
        place.up.extend(bytes);
        let has_left = place.client.live.as_ref().is_some_and(|live| live.closing && live.machine.is_closed());
        if has_left {
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
        if all == 0 {
            return;
        }
        let count = if self.chance.one_in(3) { 1 + self.chance.below(all) } else { all };
        let chunk: Vec<u8> = place.up.range(..count).copied().collect();
        let Some(sent) = wire.send(&chunk) else { return self.lose(seat) };
        place.up.drain(..sent);
        if !place.up.is_empty() {
            place.up_due = true;
            let wait = if sent == 0 { MS } else { self.chance.between(5, 200) * US };
            self.schedule.after(wait, What::Up(seat));
        }
        self.look_all();
    }

    /// A client's connection is gone.
    pub fn lose(&mut self, seat: usize) {
        let place = &mut self.seats[seat];
        place.wire = None;
        place.up.clear();
        place.client.lose(&mut self.model);
        self.look_all();
    }

    pub(super) fn act(&mut self, seat: usize) {
        if self.mood != Mood::Still {
            let wait = self.chance.between(50, 4_000) * US;
            self.schedule.after(wait, What::Act(seat));
        }
        if self.seats[seat].wire.is_none() {
            if self.mood == Mood::Wild && self.chance.one_in(2) {
                self.connect(seat);
            }
            return;
        }
        if self.mood == Mood::Wild {
            match self.chance.below(1_200) {
                0 => return self.lose(seat),
                1..3 => return self.close(seat),
                3..6 => self.seats[seat].stalled_ns = self.schedule.now_ns() + self.chance.between(1, 300) * MS,
                _ => {}
            }
        }
        let tame = self.mood == Mood::Tame;
        let (client, mut scene) = self.scene(seat);
        if tame {
            client.act_tamely(&mut scene)
        } else {
            client.act(&mut scene)
        }
        self.speak(seat);
    }

    /// A client, and what it acts on.
    pub fn scene(&mut self, seat: usize) -> (&mut Client, Scene<'_>) {
        let scene = Scene {
            model: &mut self.model,
            chance: &mut self.chance,
            now_ns: self.schedule.now_ns(),
            subscriptions: &mut self.subscriptions,
            variety: self.variety,
            order: self.versions.order(),
            window: self.options.window,
            refuses: self.options.segments_max < 100,
        };
        (&mut self.seats[seat].client, scene)
    }

    /// A client connects to any shard.
    pub fn connect(&mut self, seat: usize) {
        if self.is_stopping {
            return;
        }
        let shard = self.chance.below(self.node.shards());
        let now_ns = self.schedule.now_ns();
        self.seats[seat].wire = self.node.connect(shard, now_ns);
        self.seats[seat].client.connect(now_ns);
        self.speak(seat);
        self.look_all();
    }

    /// A client closes its connection.
    pub fn close(&mut self, seat: usize) {
        let now_ns = self.schedule.now_ns();
        let (client, mut scene) = self.scene(seat);
        client.close(now_ns, &mut scene);
        self.speak(seat);
    }

    /// Whether a client is connected.
    pub fn is_connected(&self, seat: usize) -> bool {
        self.seats[seat].wire.is_some()
    }
}
