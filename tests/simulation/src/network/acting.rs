//! What a client does of its own accord: one thing at a time, which the seed chooses.

use amqp_codec::AmqpError;
use amqp_proto::{DeliveryOutcome, LinkId, Modified, Part, Send};
use engine_router::address::Mode;

use super::client::{Client, Live, Mood, Scene, wrong};
use super::fates::{Care, LinkNumber, Sent, Unsent, Word};
use super::letter::letter;
use super::role::{Receiver, Sender, Settles, Stand, Stream, Work};
use super::shape::Spreading;

/// What a receiver holds at most before it settles something, deliveries.
const HELD_MAX: usize = 60;
/// Credit of a receiver that takes what comes.
const CREDIT: u32 = 50;

impl Client {
    /// Does something with one of its links.
    pub fn act(&mut self, scene: &mut Scene<'_>) {
        if self.roles.is_empty() {
            return;
        }
        let index = scene.chance.below(self.roles.len());
        match self.roles[index].stand {
            Stand::None => self.attach(index, scene),
            Stand::Asked(_) | Stand::Refused(_) => {}
            Stand::Attached(link) => {
                if scene.mood == Mood::Wild && scene.chance.one_in(120) {
                    return self.detach(index, scene);
                }
                let Some(live) = self.live.as_mut().filter(|live| !live.closing) else { return };
                let Some(role) = self.roles.get_mut(index) else { return };
                match &mut role.work {
                    Work::Send(sender) => send(sender, role.number, link, live, scene),
                    Work::Receive(receiver) => take(receiver, role.number, link, live, scene),
                }
            }
        }
    }
}

fn send(sender: &mut Sender, by: LinkNumber, link: LinkId, live: &mut Live, scene: &mut Scene<'_>) {
    if sender.stream.is_some() {
        return go_on(sender, link, live, scene);
    }
    if scene.mood == Mood::Tame {
        return;
    }
    for _ in 0..=scene.chance.below(4) {
        if live.machine.credit_free(link) == 0 || live.machine.waiting(link) > 20 || sender.stream.is_some() {
            return;
        }
        begin(sender, by, link, live, scene);
    }
}

/// Sends a message, or begins to.
fn begin(sender: &mut Sender, by: LinkNumber, link: LinkId, live: &mut Live, scene: &mut Scene<'_>) {
    let routed = || scene.addresses.iter().enumerate().filter(|(_, address)| address.spreading != Spreading::Linked);
    let (address, to) = match sender.address {
        Some(address) => (address, None),
        None => {
            let count = routed().count();
            let Some((address, shape)) = routed().nth(scene.chance.below(count.max(1))) else { return };
            (address, Some(shape.name.as_str()))
        }
    };
    let is_large = scene.chance.one_in(80);
    let small = scene.chance.of(&[24, 60, 200, 700, 700, 3_000, 30_000]);
    let size = if is_large { scene.chance.between(100_000, 600_000) as usize } else { small };
    let settled =
        if !sender.is_unsettled && scene.chance.one_in(5) { amqp_proto::Settled::Yes } else { amqp_proto::Settled::No };
    let priority = if scene.chance.one_in(5) { scene.chance.below(10) as u8 } else { 4 };
    // A copy of a relay's message goes on from an edge only where somebody there has a link that sends to its address.
    let is_copied = scene.addresses[address].spreading == Spreading::All;
    let stays = is_copied && scene.mode == Mode::Edge && sender.address.is_none();
    let care = if stays { Care::Loose } else { scene.care };
    let number = scene.fates.send(&Sent { address, by, size, priority, care, settled });
    let body = letter(number, priority, to, size);
    if settled.is_yes() {
        sender.settled.push(number);
    } else {
        sender.open.insert(number);
    }
    if size > 200 && scene.chance.one_in(if is_large { 1 } else { 6 }) {
        sender.stream = Some(Stream { number, rest: body, has_begun: false, settled });
        return go_on(sender, link, live, scene);
    }
    let send = Send { key: number as u64, settled, format: 0, prefix: &[], body: &body, part: Part::Whole };
    live.machine.send(link, send, &mut live.out);
}

/// Sends what follows of a message, or gives it up.
fn go_on(sender: &mut Sender, link: LinkId, live: &mut Live, scene: &mut Scene<'_>) {
    // A client, too, keeps little of what does not leave.
    if live.machine.waiting(link) > 20 {
        return;
    }
    let Some(stream) = &mut sender.stream else { return };
    let (key, settled) = (stream.number as u64, stream.settled);
    let gives_up = stream.has_begun && scene.mood != Mood::Tame && scene.chance.one_in(60);
    // Nobody waits for more of what is decided.
    let is_decided = !settled.is_yes() && !sender.open.contains(&stream.number);
    if gives_up || (is_decided && scene.chance.one_in(2)) {
        let number = stream.number;
        live.machine.abort(link, &mut live.out);
        sender.open.remove(&number);
        sender.stream = None;
        return scene.fates.left(number, Unsent::Some);
    }
    let most = stream.rest.len();
    let least = (most / 12).max(1);
    let count = if scene.mood == Mood::Tame { most } else { scene.chance.between(least as u64, most as u64) as usize };
    let body = stream.rest.split_to(count);
    let part = match (stream.has_begun, stream.rest.is_empty()) {
        (false, true) => Part::Whole,
        (false, false) => Part::First,
        (true, false) => Part::Middle,
        (true, true) => Part::Last,
    };
    stream.has_begun = true;
    if stream.rest.is_empty() {
        sender.stream = None;
    }
    live.machine.send(link, Send { key, settled, format: 0, prefix: &[], body: &body, part }, &mut live.out);
}

fn take(receiver: &mut Receiver, by: LinkNumber, link: LinkId, live: &mut Live, scene: &mut Scene<'_>) {
    if scene.mood == Mood::Tame {
        if receiver.credit < CREDIT && !receiver.draining {
            receiver.credit += CREDIT;
            live.machine.grant(link, CREDIT);
        }
        while settle(receiver, by, link, live, scene) {}
        return;
    }
    let grants = receiver.held.len() < HELD_MAX && !receiver.draining && receiver.credit < 2 * CREDIT;
    match scene.chance.below(10) {
        0..4 if grants => {
            let more = scene.chance.between(1, 20) as u32;
            receiver.credit += more;
            live.machine.grant(link, more);
        }
        4 if receiver.credit > 0 && !receiver.draining && scene.chance.one_in(4) => {
            receiver.draining = true;
            live.machine.drain(link);
        }
        5 if scene.chance.one_in(3) => settle_early(receiver, by, link, live, scene),
        _ => {
            for _ in 0..=scene.chance.below(6) {
                settle(receiver, by, link, live, scene);
            }
        }
    }
}

/// What a receiver may decide.
fn decision(number: usize, scene: &mut Scene<'_>) -> (Word, DeliveryOutcome) {
    let kind = if scene.mood == Mood::Tame { 0 } else { scene.chance.below(20) };
    match kind {
        16 => (Word::Released, DeliveryOutcome::Released),
        17 => {
            let error = AmqpError::new("amqp:not-allowed", wrong(number));
            (Word::Rejected, DeliveryOutcome::Rejected(Some(Box::new(error))))
        }
        18 | 19 => {
            let (failed, elsewhere) = (scene.chance.one_in(2), scene.chance.one_in(2));
            let modified = Modified { delivery_failed: failed, undeliverable_here: elsewhere, annotations: None };
            (Word::Modified { failed, elsewhere }, DeliveryOutcome::Modified(Box::new(modified)))
        }
        _ => (Word::Accepted, DeliveryOutcome::Accepted),
    }
}

/// Decides on one of what a receiver holds; gives whether there was one.
fn settle(receiver: &mut Receiver, by: LinkNumber, link: LinkId, live: &mut Live, scene: &mut Scene<'_>) -> bool {
    if receiver.held.is_empty() {
        return false;
    }
    let at = if scene.chance.one_in(4) { scene.chance.below(receiver.held.len()) } else { 0 };
    let Some((delivery, number)) = receiver.held.remove(at) else { return false };
    let (word, outcome) = decision(number, scene);
    scene.fates.said(number, by, word);
    live.machine.settle(link, delivery, delivery, outcome);
    true
}

/// Decides on a message of which not all has come.
fn settle_early(receiver: &mut Receiver, by: LinkNumber, link: LinkId, live: &mut Live, scene: &mut Scene<'_>) {
    let Some(coming) = receiver.coming.as_mut().filter(|coming| !coming.is_decided && !coming.settled) else { return };
    let (Some(number), Settles::First) = (coming.number, receiver.settles) else { return };
    coming.is_decided = true;
    let (word, outcome) = decision(number, scene);
    scene.fates.said(number, by, word);
    live.machine.settle(link, coming.delivery, coming.delivery, outcome);
}
