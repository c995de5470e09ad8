//! The owner against what users expect of queues, and against a model.

mod agenda;
mod attempts;
mod browsing;
mod choosing;
mod consumers;
mod containers;
mod coordinating;
mod destinations;
mod diverts;
mod duplicates;
mod exchange;
mod expiry;
mod forwarding;
mod groups;
mod held;
mod holding;
mod last_values;
mod managing;
mod no_local;
mod nodes;
mod picking;
mod priorities;
mod redelivery;
mod remembering;
mod replaying;
mod resuming;
mod retained;
mod retention;
mod routing;
mod scale;
mod scheduling;
mod settings;
mod short_ways;
mod slow;
mod transactions;
mod unrouted;
mod versions;
mod wildcards;

use std::sync::Arc;

use bytes::Bytes;
use engine_catalogue::{Catalogue, Layer, WhenFull};
use proptest::prelude::*;

use crate::command::{
    Command, ConsumerSpec, DetachMode, Durability, Mode, Modified, Outcome, ProducerSpec, RoutingType, Settled,
    Sharing, Subscription,
};
use crate::event::{Event, Refusal};
use crate::fact::Fact;
use crate::key::{EndKey, LinkKey};
use crate::limits::{CROWDED_BYTES, CoreConfig, DISPATCH_BYTES, MESSAGE_OVERHEAD, Storage, WINDOW_MIN};
use crate::message::{Header, Message};
use crate::{Core, Room};
use engine_message::Condition;

/// A message that is one data section with a number in it.
fn numbered(number: u32) -> Message {
    Message::new([&[0, 0x53, 0x75, 0xa0, 4][..], &number.to_be_bytes()].concat().into())
}

/// The number of such a message, whatever annotations it got.
fn number(message: &Message) -> u32 {
    u32::from_be_bytes(*message.body.last_chunk().expect("a number ends it"))
}

/// Annotations with one entry: a symbol of one letter, and a number.
fn annotations(key: u8, value: u8) -> Bytes {
    Bytes::from(vec![0xc1, 6, 2, 0xa3, 1, key, 0x50, value])
}

/// What is in a message's annotations section, which is its first one.
fn annotated(message: &Message) -> Vec<(u8, u8)> {
    let Some([0, 0x53, 0x72, 0xc1, size, _, entries @ ..]) = message.body.get(..) else { return Vec::new() };
    let entries = entries.get(..usize::from(*size) - 1).unwrap_or_default();
    entries.chunks(5).map(|entry| (entry[2], entry[4])).collect()
}

struct Owner {
    core: Core,
    next_link: u32,
}

impl Owner {
    fn new() -> Self {
        Self { core: Core::new(CoreConfig::default()), next_link: 0 }
    }

    fn events(&mut self) -> Vec<Event> {
        self.core.check();
        let mut events = Vec::new();
        loop {
            events.extend(std::iter::from_fn(|| self.core.poll_event()).map(|(_, event)| event));
            let Some((_, delivery)) = self.core.poll_delivery() else { break };
            events.push(Event::Deliver { key: delivery.key, message: self.core.message(&delivery).clone() });
        }
        events.extend(std::iter::from_fn(|| self.core.poll_event()).map(|(_, event)| event));
        self.core.check();
        events
    }

    fn command(&mut self, command: Command) -> Vec<Event> {
        self.core.handle_command(1, 1, command);
        self.events()
    }

    fn attached(&mut self, make: impl FnOnce(LinkKey) -> Command) -> EndKey {
        self.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: self.next_link };
        let events = self.command(make(link));
        match events.first() {
            Some(Event::Attached { end, .. }) => *end,
            other => panic!("not attached: {other:?}"),
        }
    }

    fn producer(&mut self, address: &str, routing: Option<RoutingType>) -> EndKey {
        let spec = ProducerSpec { routing, ..ProducerSpec::of(address) };
        self.attached(|link| Command::AttachProducer { link, spec: Box::new(spec) })
    }

    fn consumer(&mut self, address: &str, routing: Option<RoutingType>, mode: Mode) -> EndKey {
        self.attached(|link| consume(link, address, routing, mode))
    }

    /// The link of an end.
    fn link_of(&self, end: EndKey) -> LinkKey {
        self.core.nodes.ends.get(crate::ends::key(end)).expect("it is attached").link
    }

    fn send(&mut self, end: EndKey, delivery: u32) -> Vec<Event> {
        let message = numbered(delivery);
        self.command(Command::Deliver { end, delivery, settled: Settled::No, message })
    }

    fn grant(&mut self, end: EndKey, credit: u32) -> Vec<(u64, u32, u32)> {
        deliveries(self.command(Command::Grant { end, credit }))
    }

    fn settle(&mut self, end: EndKey, key: u64, outcome: Outcome) -> Vec<(u64, u32, u32)> {
        deliveries(self.command(Command::Settle { end, key, outcome, confirm: None }))
    }
}

fn consume(link: LinkKey, address: &str, routing: Option<RoutingType>, mode: Mode) -> Command {
    let spec = ConsumerSpec { routing, mode, ..ConsumerSpec::of(address) };
    Command::AttachConsumer { link, spec: Box::new(spec) }
}

fn deliveries(events: Vec<Event>) -> Vec<(u64, u32, u32)> {
    let delivery = |event| match event {
        Event::Deliver { key, message } => Some((key, number(&message), message.header.delivery_count)),
        _ => None,
    };
    events.into_iter().filter_map(delivery).collect()
}

#[test]
fn credit_that_is_taken_back_is_for_the_next_consumer() {
    let mut owner = Owner::new();
    let [first, second] = ["q"; 2].map(|name| owner.consumer(name, None, Mode::Consume));
    assert!(owner.grant(first, 5).is_empty());
    assert!(owner.grant(second, 5).is_empty());
    let revoked = owner.command(Command::Revoke { end: first, credit: 4 });
    assert_eq!(revoked, [Event::Revoked { asked: 4, taken: 4 }]);
    let revoked = owner.command(Command::Revoke { end: first, credit: 4 });
    assert_eq!(revoked, [Event::Revoked { asked: 4, taken: 1 }], "it had no more");
    let producer = owner.producer("q", None);
    (0..5).for_each(|delivery| assert_eq!(deliveries(owner.send(producer, delivery)).len(), 1));
    assert!(deliveries(owner.send(producer, 5)).is_empty());
    assert_eq!(owner.grant(first, 1).len(), 1, "it may give credit again");
}

#[test]
fn what_is_sent_is_received_in_order_and_accepted_as_a_range() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    for delivery in 0..5 {
        let message = numbered(delivery);
        owner.core.handle_command(1, 1, Command::Deliver { end: producer, delivery, settled: Settled::No, message });
    }
    assert_eq!(owner.events(), [Event::Settled { first: 0, last: 4, outcome: Outcome::Accepted }]);
    let consumer = owner.consumer("q", None, Mode::Consume);
    let got = owner.grant(consumer, 10);
    assert_eq!(got.iter().map(|delivery| delivery.1).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(owner.command(Command::Drain { end: consumer }), [Event::Drained { unused: 5 }]);
}

#[test]
fn a_deep_queue_leaves_turns_to_others() {
    let mut owner = Owner::new();
    let links: Vec<_> =
        ["deep", "short"].map(|name| (owner.producer(name, None), owner.consumer(name, None, Mode::Consume))).into();
    for (number, count) in [(0, 3000), (1, 5)] {
        (0..count).for_each(|delivery| drop(owner.send(links[number].0, delivery)));
    }
    for (_, consumer) in &links {
        owner.core.handle_command(1, 1, Command::Grant { end: *consumer, credit: 4000 });
    }
    let mut given = std::iter::from_fn(|| owner.core.poll_delivery().map(|(link, _)| link));
    let first = given.next().expect("there are messages");
    let turn = 1 + given.by_ref().take_while(|link| *link == first).count();
    assert_eq!(turn as u64, DISPATCH_BYTES.div_ceil(MESSAGE_OVERHEAD + 9));
    assert_eq!(given.by_ref().take_while(|link| *link != first).count(), 4, "the short queue is emptied");
    assert_eq!(given.count(), 3000 - turn - 1);
}

#[test]
fn outcomes_put_messages_where_they_belong() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let consumer = owner.consumer("q", None, Mode::Consume);
    (0..3).for_each(|delivery| drop(owner.send(producer, delivery)));
    let got = owner.grant(consumer, 3);
    owner.settle(consumer, got[0].0, Outcome::Rejected(None));
    owner.settle(consumer, got[2].0, Outcome::Released);
    let failed = Modified { delivery_failed: true, ..Modified::default() };
    owner.settle(consumer, got[1].0, Outcome::Modified(Box::new(failed)));
    let again = owner.grant(consumer, 3);
    assert_eq!(again.iter().map(|d| (d.1, d.2)).collect::<Vec<_>>(), [(1, 1), (2, 0)]);
    owner.settle(consumer, got[0].0, Outcome::Released);
    assert_eq!(owner.grant(consumer, 1), [], "a stale key returns nothing");
    owner.command(Command::Detach { end: consumer, mode: DetachMode::Lost });
    let next = owner.consumer("q", None, Mode::Consume);
    assert_eq!(owner.grant(next, 9).len(), 2, "what the lost link held came back");
}

#[test]
fn annotations_of_an_outcome_change_the_message() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let consumer = owner.consumer("q", None, Mode::Consume);
    owner.send(producer, 1);
    let key = owner.grant(consumer, 1)[0].0;
    let modified = Modified { annotations: Some(annotations(b'a', 7)), ..Modified::default() };
    let outcome = Outcome::Modified(Box::new(modified));
    owner.command(Command::Settle { end: consumer, key, outcome, confirm: None });
    let again = owner.command(Command::Grant { end: consumer, credit: 1 });
    let [Event::Deliver { message, .. }] = &again[..] else { panic!("it comes again: {again:?}") };
    assert_eq!((number(message), annotated(message)), (1, vec![(b'a', 7)]));
}

#[test]
fn a_topic_copies_and_a_browser_leaves() {
    let mut owner = Owner::new();
    let topic = Some(RoutingType::Multicast);
    let first = owner.consumer("t", topic, Mode::Consume);
    let second = owner.consumer("t", topic, Mode::Consume);
    let producer = owner.producer("t", None);
    owner.send(producer, 7);
    assert_eq!(owner.grant(first, 1).len(), 1);
    assert_eq!(owner.grant(second, 1).len(), 1);

    let producer = owner.producer("q", None);
    owner.send(producer, 1);
    let browser = owner.consumer("q", None, Mode::Browse);
    assert_eq!(owner.grant(browser, 5).len(), 1);
    assert_eq!(owner.command(Command::Drain { end: browser }), [Event::Drained { unused: 4 }]);
    let consumer = owner.consumer("q", None, Mode::Consume);
    assert_eq!(owner.grant(consumer, 5).len(), 1);
}

#[test]
fn a_subscription_is_stolen_by_its_own_container() {
    let mut owner = Owner::new();
    let subscribe = |owner: &mut Owner| {
        let subscription = Subscription {
            name: "s".into(),
            container: "c".into(),
            durability: Durability::Durable,
            sharing: Sharing::Exclusive,
        };
        let spec = ConsumerSpec {
            routing: Some(RoutingType::Multicast),
            subscription: Some(subscription),
            ..ConsumerSpec::of("t")
        };
        owner.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
        owner.command(Command::AttachConsumer { link, spec: Box::new(spec) })
    };
    let first = subscribe(&mut owner);
    let Some(Event::Attached { end, .. }) = first.first() else { panic!("attached: {first:?}") };
    let producer = owner.producer("t", None);
    owner.send(producer, 7);
    assert_eq!(owner.grant(*end, 1).len(), 1);
    let second = subscribe(&mut owner);
    let [Event::Detached { refusal }, Event::Attached { end, .. }] = &second[..] else { panic!("stolen: {second:?}") };
    assert_eq!(refusal.condition, Condition::LinkStolen);
    assert_eq!(owner.grant(*end, 1).len(), 1, "what the old link held came back");
}

#[test]
fn what_nobody_needs_goes() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    owner.send(producer, 1);
    owner.command(Command::Detach { end: producer, mode: DetachMode::Close });
    assert_eq!(owner.core.counts(), (0, 1), "messages keep their queue");
    let consumer = owner.consumer("q", None, Mode::Consume);
    let got = owner.grant(consumer, 1);
    owner.settle(consumer, got[0].0, Outcome::Accepted);
    owner.command(Command::Detach { end: consumer, mode: DetachMode::Close });
    assert_eq!(owner.core.counts(), (0, 0));
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Grant(usize, u32),
    Settle(usize, u8),
    Reattach(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Send),
        3 => (0..3_usize, 1..4_u32).prop_map(|(consumer, credit)| Step::Grant(consumer, credit)),
        4 => (0..64_usize, 0..4_u8).prop_map(|(held, outcome)| Step::Settle(held, outcome)),
        1 => (0..3_usize).prop_map(Step::Reattach),
    ]
}

proptest! {
    /// Nothing is lost, nothing is with two consumers, and what was never sent before leaves in order.
    #[test]
    fn a_queue_keeps_its_promises(steps in proptest::collection::vec(step(), 1..200)) {
        let mut owner = Owner::new();
        let producer = owner.producer("q", None);
        let mut consumers: Vec<EndKey> = (0..3).map(|_| owner.consumer("q", None, Mode::Consume)).collect();
        let mut sent = 0_u32;
        let mut newest = None;
        let mut done = std::collections::BTreeSet::new();
        let mut held: Vec<(usize, u64, u32)> = Vec::new();
        for step in steps {
            let events = match step {
                Step::Send => { sent += 1; owner.send(producer, sent - 1) }
                Step::Grant(consumer, credit) => owner.command(Command::Grant { end: consumers[consumer], credit }),
                Step::Settle(index, outcome) if !held.is_empty() => {
                    let (consumer, key, number) = held.remove(index % held.len());
                    let outcome = match outcome {
                        0 => Outcome::Released,
                        1 => Outcome::Modified(Box::default()),
                        2 => { done.insert(number); Outcome::Rejected(None) }
                        _ => { done.insert(number); Outcome::Accepted }
                    };
                    owner.command(Command::Settle { end: consumers[consumer], key, outcome, confirm: None })
                }
                Step::Settle(..) => Vec::new(),
                Step::Reattach(consumer) => {
                    held.retain(|held| held.0 != consumer);
                    owner.core.handle_command(1, 1, Command::Detach { end: consumers[consumer], mode: DetachMode::Lost });
                    let events = owner.events();
                    consumers[consumer] = owner.consumer("q", None, Mode::Consume);
                    events
                }
            };
            // Who got it is told by the key; with three consumers each key is unique while it is held.
            for event in events {
                if let Event::Deliver { key, message } = event {
                    let number = number(&message);
                    prop_assert!(!done.contains(&number), "{} came again after it was done", number);
                    prop_assert!(held.iter().all(|held| held.2 != number), "{} is with two consumers", number);
                    if message.header.first_acquirer {
                        prop_assert!(newest.is_none_or(|newest| newest < number), "out of order");
                        newest = Some(number);
                    }
                    let consumer = (0..3).find(|&c| owner.core.holds(consumers[c], key)).expect("somebody holds it");
                    held.push((consumer, key, number));
                }
            }
        }
        let waiting: u64 = owner.core.queue_views().map(|queue| queue.messages).sum();
        prop_assert_eq!(waiting + done.len() as u64, u64::from(sent));
    }
}

#[test]
fn what_is_durable_is_accepted_however_much_follows_it() {
    let config = CoreConfig { storage: crate::limits::Storage::Journal, ..CoreConfig::default() };
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    let end = owner.producer("orders", None);
    let send = |owner: &mut Owner, delivery: u32| {
        let message = Message { header: Header { durable: true, ..Header::default() }, ..Message::new(Bytes::new()) };
        let events = owner.command(Command::Deliver { end, delivery, settled: Settled::No, message });
        let facts = std::iter::from_fn(|| owner.core.poll_fact());
        let numbers = facts.filter_map(|fact| match fact {
            Fact::Stored { number, .. } => Some(number),
            _ => None,
        });
        (events, numbers.last())
    };
    let mut before = send(&mut owner, 0).1;
    for delivery in 1..10 {
        let (events, number) = send(&mut owner, delivery);
        assert_eq!(events, [], "nothing is durable yet");
        owner.core.handle_durable(before.expect("it is stored"));
        let outcome = Outcome::Accepted;
        assert_eq!(owner.events(), [Event::Settled { first: delivery - 1, last: delivery - 1, outcome }]);
        before = number;
    }
}

/// A producer's credit goes with what waits for the disk, not with how many others there are.
#[test]
fn a_producer_of_durable_messages_has_less_credit_while_much_waits() {
    let config = CoreConfig { storage: Storage::Journal, ..CoreConfig::default() };
    let most = config.catalogue.settings("q").producer_window;
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    let end = owner.producer("q", None);
    let mut credit = i64::from(most);
    let mut delivery = 0;
    // Gives the most credit that the producer has after so many messages.
    let mut send = |waiting_bytes, count| {
        owner.core.handle_room(Room::Plenty, waiting_bytes);
        let mut highest = 0;
        for _ in 0..count {
            let header = Header { durable: true, ..Header::default() };
            let message = Message { header, ..Message::new(Bytes::from_static(b"body")) };
            let sent = owner.command(Command::Deliver { end, delivery, settled: Settled::No, message });
            delivery += 1;
            let more =
                sent.iter().map(|event| if let Event::Credit { credit } = event { i64::from(*credit) } else { 0 });
            credit += more.sum::<i64>() - 1;
            highest = highest.max(credit);
        }
        highest
    };
    send(CROWDED_BYTES + 1, most);
    assert_eq!(send(CROWDED_BYTES + 1, most), i64::from(WINDOW_MIN));
    assert_eq!(send(CROWDED_BYTES - 1, most), i64::from(WINDOW_MIN), "it stays as it is");
    send(0, 2 * most);
    assert_eq!(send(0, most), i64::from(most));
}
