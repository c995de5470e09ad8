//! Links of producers and consumers, what they do, and what is known of each message from what they were told.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine_core::command::{
    Command, ConsumerSpec, DetachMode, Durability, Modified, Outcome, ProducerSpec, RoutingType, Settled, Sharing,
    Subscription,
};
use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey};
use engine_core::message::{Content, Header, Large, Message};

use crate::world::World;

pub const QUEUES: [&str; 3] = ["orders", "prices", "news"];

/// What the world knows of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    pub accepted: bool,
    pub delivered: bool,
    pub acknowledged: bool,
    pub confirmed: bool,
    /// Its delivery-count, once it was seen since the last start.
    pub failures: Option<u32>,
}

pub struct Producer {
    pub end: EndKey,
    pub queue: usize,
    pub credit: u32,
    pub next: u32,
    pub open: BTreeMap<u32, u64>,
}

pub struct Consumer {
    pub end: EndKey,
    pub queue: usize,
    pub subscription: Option<&'static str>,
    pub held: Vec<(u64, u64)>,
    /// Deliveries that wait for `Event::Confirmed`.
    pub waiting: BTreeMap<u32, u64>,
    pub next_confirm: u32,
    /// The last number that came for the first time.
    pub newest: Option<u64>,
    /// The last number that came, since anything was given back.
    pub last: Option<u64>,
}

pub enum Link {
    Producer(Producer),
    Consumer(Consumer),
}

/// Where a message of a queue is kept: the third one is a topic with two durable subscriptions.
pub fn places(queue: usize) -> Vec<String> {
    if queue == 2 { vec!["news/a".into(), "news/b".into()] } else { vec![QUEUES[queue].into()] }
}

/// A consumer of a queue, or of a subscription to it.
pub fn consumer_spec(queue: usize, subscription: Option<&'static str>) -> impl FnOnce(LinkKey) -> Command {
    let spec = ConsumerSpec {
        routing: (queue == 2).then_some(RoutingType::Multicast),
        subscription: subscription.map(|name| Subscription {
            container: "world".into(),
            name: name.into(),
            durability: Durability::Durable,
            sharing: Sharing::Exclusive,
        }),
        ..ConsumerSpec::of(QUEUES[queue])
    };
    |link| Command::AttachConsumer { link, spec: Box::new(spec) }
}

pub fn place_of(consumer: &Consumer) -> String {
    match consumer.subscription {
        Some(name) => format!("{}/{name}", QUEUES[consumer.queue]),
        None => QUEUES[consumer.queue].into(),
    }
}

impl World {
    pub fn attach(&mut self) {
        self.links.clear();
        for (queue, address) in QUEUES.into_iter().enumerate() {
            let multicast = queue == 2;
            let names: &[Option<&'static str>] = if multicast { &[Some("a"), Some("b")] } else { &[None] };
            for &subscription in names {
                let end = self.attached(self.links.len(), consumer_spec(queue, subscription));
                self.links.push(Link::Consumer(Consumer {
                    end,
                    queue,
                    subscription,
                    held: Vec::new(),
                    waiting: BTreeMap::new(),
                    next_confirm: 0,
                    newest: None,
                    last: None,
                }));
            }
            let routing = multicast.then_some(RoutingType::Multicast);
            let spec = ProducerSpec { routing, ..ProducerSpec::of(address) };
            let end = self.attached(self.links.len(), |link| Command::AttachProducer { link, spec: Box::new(spec) });
            let open = BTreeMap::new();
            self.links.push(Link::Producer(Producer { end, queue, credit: 0, next: 0, open }));
            self.events();
        }
    }

    /// Sends a command for the next link; steps the world until it is attached.
    pub fn attached(&mut self, slot: usize, make: impl FnOnce(LinkKey) -> Command) -> EndKey {
        let slot = slot as u32;
        self.core.handle_command(1, 1, make(LinkKey { shard: 0, generation: 0, slot }));
        for _ in 0..1000 {
            while let Some((link, event)) = self.core.poll_event() {
                match event {
                    Event::Attached { end, .. } if link.slot == slot => return end,
                    event => self.handle(link.slot as usize, event),
                }
            }
            self.turn();
            self.complete_order();
        }
        panic!("a link is attached when the disk did what it has to");
    }

    pub fn handle(&mut self, index: usize, event: Event) {
        match (event, self.links.get_mut(index)) {
            (Event::Credit { credit }, Some(Link::Producer(producer))) => producer.credit += credit,
            (Event::Settled { first, last, outcome }, Some(Link::Producer(producer))) => {
                for delivery in first..=last {
                    let number = producer.open.remove(&delivery).expect("answered once");
                    for place in places(producer.queue) {
                        match outcome {
                            Outcome::Accepted => {
                                self.fates.get_mut(&(place, number)).expect("it was sent").accepted = true;
                            }
                            ref other => {
                                let refused = format!("{other:?}");
                                assert!(refused.contains("the disk is full"), "refused only then: {refused}");
                                self.refused += 1;
                                self.fates.remove(&(place, number));
                            }
                        }
                    }
                }
            }
            (Event::Deliver { key, message }, Some(Link::Consumer(consumer))) => {
                let place = place_of(consumer);
                let number = match message.large() {
                    Some(large) => {
                        assert!(self.disk.files().contains(&large.id), "{place}: the file {} is gone", large.id);
                        assert_eq!(large.id >> 32, consumer.queue as u64);
                        large.id & u64::from(u32::MAX)
                    }
                    None => u64::from_be_bytes(message.body[..8].try_into().expect("eight octets")),
                };
                let intact = |body: &[u8]| body[8..].iter().all(|&octet| octet == number as u8);
                assert!(message.content == Content::File || intact(&message.body), "the body is what was sent");
                let durable = message.header.durable;
                if !durable {
                    // It may be gone after a crash, but never come from nowhere.
                    assert!(number < self.sent[consumer.queue]);
                }
                let fate = self.fates.get_mut(&(place.clone(), number));
                let fate = fate.unwrap_or_else(|| panic!("{place} {number} was never sent"));
                assert!(!fate.confirmed, "{place} {number} came back after its acknowledgement was confirmed");
                if !fate.delivered {
                    assert!(consumer.newest.is_none_or(|newest| newest < number), "{place}: {number} is out of order");
                    consumer.newest = Some(number);
                }
                assert!(
                    consumer.last.is_none_or(|last| last < number),
                    "{place}: {number} comes after {:?}",
                    consumer.last
                );
                consumer.last = Some(number);
                let failures = *fate.failures.get_or_insert(message.header.delivery_count);
                assert_eq!(message.header.delivery_count, failures, "{place} {number}");
                assert!(!(message.header.first_acquirer && fate.delivered), "{place} {number} was with somebody");
                fate.delivered = true;
                consumer.held.push((key, number));
            }
            (Event::Confirmed { delivery }, Some(Link::Consumer(consumer))) => {
                // A subscription that was closed waits for nothing.
                if let Some(number) = consumer.waiting.remove(&delivery) {
                    self.fates.get_mut(&(place_of(consumer), number)).expect("it was sent").confirmed = true;
                }
            }
            // Of a subscription that was closed.
            (Event::Ended, Some(Link::Consumer(_))) => {}
            (event, _) => panic!("no link gets this: {event:?}"),
        }
    }

    /// The session of a consumer ends, and it comes back: what it held does, too.
    fn abandon(&mut self, index: usize) {
        let Link::Consumer(consumer) = &mut self.links[index] else { return };
        consumer.held.clear();
        consumer.last = None;
        let (end, spec) = (consumer.end, consumer_spec(consumer.queue, consumer.subscription));
        self.core.handle_command(1, 1, Command::Detach { end, mode: DetachMode::Ended });
        let attached = self.attached(index, spec);
        if let Link::Consumer(consumer) = &mut self.links[index] {
            consumer.end = attached;
        }
    }

    /// A durable subscription ends with everything in it, and begins anew.
    fn unsubscribe(&mut self, index: usize) {
        let Link::Consumer(consumer) = &mut self.links[index] else { return };
        // A disk that may be full takes no new subscription until it has room again.
        if consumer.subscription.is_none() || self.disk.options.segments_max < 100 {
            return;
        }
        consumer.held.clear();
        consumer.waiting.clear();
        (consumer.last, consumer.newest) = (None, None);
        let (end, place) = (consumer.end, place_of(consumer));
        let spec = consumer_spec(consumer.queue, consumer.subscription);
        // Until that is durable a crash may bring its messages back; nobody promised so.
        let left = self.fates.iter_mut().filter(|((at, _), _)| *at == place);
        left.for_each(|(_, fate)| fate.acknowledged = true);
        self.core.handle_command(1, 1, Command::Detach { end, mode: DetachMode::Close });
        let attached = self.attached(index, spec);
        if let Link::Consumer(consumer) = &mut self.links[index] {
            consumer.end = attached;
        }
    }

    /// Something that a random link does.
    pub fn act(&mut self) {
        let index = self.chance.below(self.links.len());
        // Who attaches waits for the disk.
        let attaches = !self.disk.is_failing;
        if self.chance.one_in(400) && attaches {
            return self.unsubscribe(index);
        }
        if self.chance.one_in(150) && attaches {
            return self.abandon(index);
        }
        let (choice, size) = (self.chance.below(12), [8, 100, 3000, 9000][self.chance.below(4)]);
        match &self.links[index] {
            Link::Producer(producer) if producer.credit > 0 => self.send(index, choice, size),
            Link::Consumer(consumer) if choice < 7 && !consumer.held.is_empty() => self.settle(index, choice),
            Link::Consumer(consumer) => {
                let end = consumer.end;
                self.core.handle_command(1, 1, Command::Grant { end, credit: 3 });
            }
            Link::Producer(_) => {}
        }
    }

    /// A producer sends a message of so many octets; one in twelve has its body in a file.
    fn send(&mut self, index: usize, choice: usize, size: usize) {
        let durable = !self.chance.one_in(6);
        let Link::Producer(producer) = &mut self.links[index] else { return };
        producer.credit -= 1;
        let number = self.sent[producer.queue];
        self.sent[producer.queue] += 1;
        let mut body = number.to_be_bytes().to_vec();
        body.resize(size, number as u8);
        let header = Header { durable, ..Header::default() };
        let mut message = Message { header, ..Message::new(Bytes::from(body)) };
        if choice == 0 {
            let large = Large { id: (producer.queue as u64) << 32 | number, bytes: 1 << 20, checksum: 0 };
            self.disk.files().insert(large.id);
            message = Message { content: Content::File, body: large.encode(), ..message };
        }
        // Nobody promised to keep what is not durable.
        let fate = Fate { acknowledged: !durable, ..Fate::default() };
        let places = places(producer.queue);
        self.fates.extend(places.into_iter().map(|place| ((place, number), fate)));
        let (end, delivery) = (producer.end, producer.next);
        producer.next += 1;
        producer.open.insert(delivery, number);
        self.core.handle_deliver(1, 1, end, delivery, Settled::No, message);
    }

    /// A consumer gives back or accepts the first message that it holds.
    fn settle(&mut self, index: usize, choice: usize) {
        let Link::Consumer(consumer) = &mut self.links[index] else { return };
        let (key, number) = if choice < 2 { consumer.held.swap_remove(0) } else { consumer.held.remove(0) };
        let (end, place) = (consumer.end, place_of(consumer));
        let (outcome, confirm) = match choice {
            0 => (Outcome::Released, None),
            1 => {
                let modified = Modified { delivery_failed: true, ..Modified::default() };
                (Outcome::Modified(Box::new(modified)), None)
            }
            2..4 => {
                consumer.next_confirm += 1;
                consumer.waiting.insert(consumer.next_confirm, number);
                (Outcome::Accepted, Some(consumer.next_confirm))
            }
            _ => (Outcome::Accepted, None),
        };
        let fate = self.fates.get_mut(&(place, number)).expect("it was sent");
        match &outcome {
            Outcome::Accepted => fate.acknowledged = true,
            Outcome::Modified(_) => fate.failures = fate.failures.map(|count| count + 1),
            _ => {}
        }
        if outcome != Outcome::Accepted {
            consumer.last = None;
        }
        self.core.handle_settle(end, key, outcome, confirm);
    }
}
