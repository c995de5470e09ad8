//! What a client does of its own accord: one thing at a time, which the seed chooses.

use amqp_proto::{Closing, Deliveries, DeliveryOutcome, LinkId, Part, Send, State};

use crate::body::Letter;
use crate::client::{Client, Known, Live, Scene};
use crate::enlisting::{Filling, Room, coordinate};
use crate::kind::Kind;
use crate::model::{Durable, Fate, Holder, Message, Order, Place, Sending, Settled, Settling};
use crate::node::wall_ms;
use crate::role::{Consumer, Producer, Role, Settles, Stand, To, Work, queue_name};

/// What a consumer holds at most before it settles something, deliveries.
const HELD_MAX: usize = 40;

impl Client {
    /// Does something with one of its links.
    pub fn act(&mut self, scene: &mut Scene<'_>) {
        let index = scene.chance.below(self.roles.len());
        match self.roles[index].stand {
            Stand::None => self.attach(index, scene),
            Stand::Asked(_) => {}
            Stand::Attached(link) => {
                let coordinates = matches!(self.roles[index].work, Work::Coordinator);
                if !coordinates && scene.chance.one_in(150) {
                    return self.detach(index, self.closing(index, scene), scene);
                }
                let Some(live) = self.live.as_mut().filter(|live| !live.closing) else { return };
                if coordinates {
                    let producers: Vec<LinkId> = self.roles.iter().filter_map(Role::attached).collect();
                    return coordinate(link, &producers, live, scene);
                }
                let Some(role) = self.roles.get_mut(index) else { return };
                act(role, link, live, scene);
            }
        }
    }

    /// Does something that neither sends nor ends anything.
    pub fn act_tamely(&mut self, scene: &mut Scene<'_>) {
        let Some(live) = self.live.as_mut().filter(|live| !live.closing) else { return };
        let index = scene.chance.below(self.roles.len());
        let role = &mut self.roles[index];
        if let (Some(link), Work::Consumer(_)) = (role.attached(), &role.work) {
            act(role, link, live, scene);
        }
    }

    /// Takes as much as there is, up to `credit` messages.
    pub fn ask_for_all(&mut self, credit: u32) {
        let Some(live) = &mut self.live else { return };
        for role in &mut self.roles {
            let Some(link) = role.attached() else { continue };
            match &mut role.work {
                Work::Consumer(consumer) => {
                    consumer.credit += credit;
                    consumer.draining = true;
                }
                Work::Sweeper { draining, .. } | Work::Undertaker { draining } => *draining = true,
                Work::Producer(_) | Work::Coordinator | Work::Browser { .. } => continue,
            }
            live.machine.grant(link, credit);
            live.machine.drain(link);
        }
    }

    /// Whether it waits for the end of a drain.
    pub fn is_draining(&self) -> bool {
        self.roles.iter().any(|role| match &role.work {
            Work::Consumer(consumer) => consumer.is_draining(),
            Work::Sweeper { draining, .. } | Work::Undertaker { draining } => *draining,
            Work::Producer(_) | Work::Coordinator | Work::Browser { .. } => false,
        })
    }

    /// Accepts all that it has.
    pub fn accept_all(&mut self, scene: &mut Scene<'_>) {
        let Some(live) = &mut self.live else { return };
        for role in &mut self.roles {
            let link = role.attached();
            let (Some(link), Work::Consumer(consumer)) = (link, &mut role.work) else { continue };
            for (delivery, message) in std::mem::take(&mut consumer.held) {
                scene.model.told(message, consumer.place);
                live.told.push((message, consumer.place));
                if consumer.settles == Settles::Second {
                    consumer.unconfirmed.insert(delivery, message);
                }
                live.machine.settle(link, delivery, delivery, DeliveryOutcome::Accepted);
            }
        }
    }

    /// How a link ends: a subscription stays.
    fn closing(&self, index: usize, scene: &mut Scene<'_>) -> Closing {
        let is_subscription = |consumer: &Consumer| matches!(consumer.place, Place::Subscription(_));
        let stays = matches!(&self.roles[index].work, Work::Consumer(consumer) if is_subscription(consumer));
        if stays || scene.chance.one_in(2) { Closing::Suspended } else { Closing::Closed }
    }

    /// Whether it has something to hear of still: answers to what it sent, or that its outcomes will stay.
    pub fn is_waiting(&self) -> bool {
        self.roles.iter().any(|role| match &role.work {
            Work::Producer(producer) => !producer.open.is_empty(),
            Work::Consumer(consumer) => !consumer.unconfirmed.is_empty(),
            Work::Coordinator => self.live.as_ref().is_some_and(|live| live.enlisting.is_waiting()),
            Work::Browser { .. } | Work::Sweeper { .. } | Work::Undertaker { .. } => false,
        })
    }
}

fn act(role: &mut Role, link: LinkId, live: &mut Live, scene: &mut Scene<'_>) {
    let holder = role.holder;
    match &mut role.work {
        Work::Producer(producer) => {
            for _ in 0..=scene.chance.below(6) {
                if live.machine.credit_free(link) > 0 {
                    send(producer, link, live, scene, holder);
                }
            }
        }
        Work::Consumer(consumer) => {
            let grants = consumer.held.len() < HELD_MAX && !consumer.is_draining() && consumer.credit < 100;
            match scene.chance.below(10) {
                0..4 if grants => {
                    let more = scene.chance.between(1, 12) as u32;
                    consumer.credit += more;
                    live.machine.grant(link, more);
                }
                4 if consumer.credit > 0 && !consumer.is_draining() && scene.chance.one_in(4) => {
                    consumer.draining = true;
                    live.machine.drain(link);
                }
                _ => settle(consumer, link, live, scene),
            }
        }
        Work::Coordinator | Work::Sweeper { .. } | Work::Undertaker { .. } => {}
        Work::Browser { credit, .. } => {
            if *credit < 20 {
                *credit += 5;
                live.machine.grant(link, 5);
            }
        }
    }
}

fn send(producer: &mut Producer, link: LinkId, live: &mut Live, scene: &mut Scene<'_>, holder: Holder) {
    let mut to = None;
    let room = match producer.to {
        To::Queue(queue) => Room::Queue(queue),
        To::Anywhere(queues) => {
            let queue = scene.chance.below(queues);
            to = Some(queue_name(queue));
            Room::Queue(queue)
        }
        To::Topic => Room::Topic,
    };
    let filling = live.enlisting.pick(room, scene);
    let bond = filling.as_ref().map(|filling| filling.number);
    if bond != producer.bond {
        if live.machine.waiting(link) > 0 {
            // It would take what waits with it.
            return;
        }
        producer.bond = bond;
        live.machine.enlist(link, filling.map(|filling| filling.id));
    }
    let durable = if scene.chance.one_in(4) { Durable::No } else { Durable::Yes };
    let settled = if bond.is_none() && scene.chance.one_in(6) { Settled::Yes } else { Settled::No };
    // What is refused and was sent settled is lost; nothing holds back those who send anywhere.
    let lossy = settled == Settled::Yes && (scene.refuses || matches!(producer.to, To::Anywhere(_)));
    let owed = if lossy { Fate::Perhaps } else { Fate::Owed };
    let wall_ms = wall_ms(scene.now_ns);
    let kind = Kind::draw(scene.variety, scene.chance, wall_ms);
    let places = places(room, owed, &kind, scene);
    let ttl_ms = scene.chance.one_in(12).then(|| scene.chance.between(1, 400) as u32);
    let expires_ms = ttl_ms.map(|ttl| wall_ms + u64::from(ttl));
    let order = if matches!(producer.to, To::Anywhere(_)) { scene.order } else { Order::Kept };
    let sending = Sending {
        producer: holder,
        order,
        durable,
        settled,
        expires_ms,
        due_ms: kind.due_ms(wall_ms),
        kind,
        bond,
        places: &places,
    };
    let message = scene.model.send(&sending);
    let size = scene.chance.of(&[8, 30, 100, 100, 700, 3000]);
    let body = Letter { message, durable, ttl_ms, to: to.as_deref(), kind, size }.encode();
    let is_settled = match settled {
        Settled::Yes => {
            live.settled.push(message);
            amqp_proto::Settled::Yes
        }
        Settled::No => {
            producer.open.insert(message);
            amqp_proto::Settled::No
        }
    };
    let send = Send { key: message, settled: is_settled, format: 0, prefix: &[], body: &body, part: Part::Whole };
    live.machine.send(link, send, &mut live.out);
}

/// Where a message goes.
fn places(room: Room, owed: Fate, kind: &Kind, scene: &Scene<'_>) -> Vec<(Place, Fate)> {
    match room {
        Room::Queue(queue) => vec![(Place::Queue(queue), owed)],
        Room::Topic => {
            let chosen = scene.subscriptions.iter().enumerate().filter(|(_, it)| it.choice.wants(kind));
            // One that does not exist yet may when the message comes there.
            let fate = |known: Known| if known == Known::Yes { owed } else { Fate::Perhaps };
            chosen.map(|(number, it)| (Place::Subscription(number), fate(it.known))).collect()
        }
    }
}

/// Decides on some of what a consumer holds.
fn settle(consumer: &mut Consumer, link: LinkId, live: &mut Live, scene: &mut Scene<'_>) {
    if consumer.settles == Settles::Hoards || consumer.held.is_empty() {
        return;
    }
    // Mostly the oldest; one frame for several that follow each other.
    let filling = match consumer.settles {
        Settles::First => live.enlisting.pick(consumer.room(), scene),
        Settles::Second | Settles::Never | Settles::Hoards => None,
    };
    let at = if scene.chance.one_in(5) { scene.chance.below(consumer.held.len()) } else { 0 };
    let outcome = match scene.chance.below(20) {
        0 | 1 => DeliveryOutcome::Released,
        2 => DeliveryOutcome::Modified(Box::new(amqp_proto::Modified { delivery_failed: true, ..Default::default() })),
        3 if filling.is_none() => DeliveryOutcome::Rejected(None),
        _ => DeliveryOutcome::Accepted,
    };
    let most = scene.chance.between(1, 8);
    let (first, mut last) = (consumer.held[at].0, None);
    for _ in 0..most {
        let Some(&(delivery, message)) = consumer.held.get(at) else { break };
        if last.is_some_and(|last: u32| last.wrapping_add(1) != delivery) {
            break;
        }
        last = Some(delivery);
        consumer.held.remove(at);
        match &filling {
            Some(filling) => enlist(consumer, filling, message, &outcome, scene),
            None => note(consumer, (delivery, message), &outcome, live, scene),
        }
    }
    let deliveries = Deliveries { first, last: last.unwrap_or(first) };
    match filling {
        Some(Filling { id, .. }) => {
            let state = State::Transactional { transaction: id, outcome: Some(outcome) };
            live.machine.dispose(link, deliveries, Some(&state), amqp_proto::Settled::Yes, &mut live.out);
        }
        None => live.machine.settle(link, deliveries.first, deliveries.last, outcome),
    }
}

/// What becomes of a delivery if its transaction is committed.
fn enlist(consumer: &Consumer, filling: &Filling, message: Message, outcome: &DeliveryOutcome, scene: &mut Scene<'_>) {
    let settling = if *outcome == DeliveryOutcome::Accepted { Settling::Accepted } else { Settling::Returned };
    scene.model.enlisted(filling.number, message, consumer.place, settling);
}

/// What becomes of a delivery.
fn note(
    consumer: &mut Consumer,
    (delivery, message): (u32, Message),
    outcome: &DeliveryOutcome,
    live: &mut Live,
    scene: &mut Scene<'_>,
) {
    let place = consumer.place;
    live.told.push((message, place));
    match outcome {
        DeliveryOutcome::Rejected(_) => scene.model.rejected(message, place),
        DeliveryOutcome::Accepted => scene.model.told(message, place),
        DeliveryOutcome::Modified(_) => scene.model.failed(message, place, wall_ms(scene.now_ns)),
        _ => scene.model.returned(message, place),
    }
    if *outcome == DeliveryOutcome::Accepted && consumer.settles == Settles::Second {
        consumer.unconfirmed.insert(delivery, message);
    }
}
