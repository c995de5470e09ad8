//! Dynamic nodes, queues that a sender names, and what becomes of deliveries that nobody decided on.

use super::*;
use crate::command::{ConnectionKey, DYNAMIC_PREFIX, Lifetime, Publish};
use crate::limits::DYNAMIC_NODES_MAX;
use engine_catalogue::{Attributes, Change, Definition, Origin, Queue};
use engine_message::{Condition, Symbol};

fn node(name: &str) -> String {
    format!("{DYNAMIC_PREFIX}{name}")
}

fn consumer_spec(address: &str, routing: Option<RoutingType>, lifetime: Option<Lifetime>) -> ConsumerSpec {
    ConsumerSpec { routing, lifetime, ..ConsumerSpec::of(address) }
}

impl Owner {
    fn refused(&mut self, command: impl FnOnce(LinkKey) -> Command) -> Option<Symbol> {
        self.next_link += 1;
        let events = self.command(command(LinkKey { shard: 0, generation: 0, slot: self.next_link }));
        match events.first() {
            Some(Event::Refused { refusal }) => Some(refusal.condition.clone()),
            Some(Event::Settled { outcome: Outcome::Rejected(Some(refusal)), .. }) => Some(refusal.condition.clone()),
            _ => None,
        }
    }

    fn sends_to(&mut self, address: &str) -> Option<Symbol> {
        let spec = ProducerSpec::of(address);
        self.refused(|link| Command::AttachProducer { link, spec: Box::new(spec) })
    }

    fn takes_from(&mut self, address: &str, routing: Option<RoutingType>) -> Option<Symbol> {
        let spec = Box::new(consumer_spec(address, routing, None));
        self.refused(|link| Command::AttachConsumer { link, spec })
    }

    fn publishes_to(&mut self, address: &str) -> Option<Symbol> {
        let publish = Box::new(Publish::of(address, Message::new(Bytes::new())));
        self.refused(|link| Command::Publish { link, delivery: 0, settled: Settled::No, publish })
    }

    fn dynamic(&mut self, name: &str, routing: RoutingType, lifetime: Lifetime) -> EndKey {
        let spec = Box::new(consumer_spec(name, Some(routing), Some(lifetime)));
        self.attached(|link| Command::AttachConsumer { link, spec })
    }

    fn close(&mut self, end: EndKey) -> Vec<Event> {
        self.command(Command::Detach { end, mode: DetachMode::Close })
    }
}

#[test]
fn a_dynamic_node_comes_once_whatever_is_said_of_others() {
    for auto_create in [true, false] {
        let layer = Layer { auto_create: Some(auto_create), ..Layer::default() };
        let catalogue = Arc::new(Catalogue::of_all(layer));
        let mut owner = Owner { core: Core::new(CoreConfig { catalogue, ..CoreConfig::default() }), next_link: 0 };
        let name = node("a");
        let spec = Box::new(consumer_spec(&name, Some(RoutingType::Anycast), Some(Lifetime::OnClose)));
        let creator = owner.attached(|link| Command::AttachConsumer { link, spec });
        assert_eq!(owner.sends_to(&name), None);
        assert_eq!(owner.takes_from(&name, None), None);
        assert_eq!(owner.publishes_to(&name), None);
        let other = format!("{name}::other");
        assert_eq!(owner.sends_to(&other), Some(Condition::NotFound.into()), "and no other queue beside its own");
        assert_eq!(owner.takes_from(&other, None), Some(Condition::NotFound.into()));
        let ended = owner.close(creator);
        let deleted = |event: &&Event| matches!(event, Event::Detached { refusal } if refusal.condition == Condition::ResourceDeleted);
        assert_eq!(ended.iter().filter(deleted).count(), 2, "sender and consumer are told: {ended:?}");
        assert_eq!(owner.core.counts(), (0, 0));
        for address in [name.clone(), format!("{name}::{name}"), node("never")] {
            assert_eq!(owner.sends_to(&address), Some(Condition::NotFound.into()), "{address}");
            assert_eq!(owner.takes_from(&address, None), Some(Condition::NotFound.into()), "{address}");
            let topic = Some(RoutingType::Multicast);
            assert_eq!(owner.takes_from(&address, topic), Some(Condition::NotFound.into()), "{address}");
            assert_eq!(owner.publishes_to(&address), Some(Condition::NotFound.into()), "{address}");
        }
        assert_eq!(owner.core.counts(), (0, 0), "nothing was made on the way");
    }
}

#[test]
fn a_dynamic_node_is_read_by_links_of_its_connection_only() {
    let key = |slot| Some(ConnectionKey { owner: 1, claim: EndKey { slot, generation: 0 } });
    for routing in [RoutingType::Anycast, RoutingType::Multicast] {
        for creates in [true, false] {
            let mut owner = Owner::new();
            let name = node("own");
            let (routing, lifetime) = (Some(routing), Some(Lifetime::NoLinks));
            let consumer = |connection| ConsumerSpec { connection, ..consumer_spec(&name, None, None) };
            owner.attached(|link| match creates {
                true => {
                    let spec = ConsumerSpec { routing, lifetime, ..consumer(key(1)) };
                    Command::AttachConsumer { link, spec: Box::new(spec) }
                }
                false => {
                    let spec = ProducerSpec { routing, lifetime, connection: key(1), ..ProducerSpec::of(&name) };
                    Command::AttachProducer { link, spec: Box::new(spec) }
                }
            });
            let locked = Some(Condition::ResourceLocked.into());
            for (connection, refused) in [(key(2), locked.clone()), (None, locked), (key(1), None)] {
                let spec = Box::new(consumer(connection));
                assert_eq!(owner.refused(|link| Command::AttachConsumer { link, spec }), refused, "{connection:?}");
            }
            assert_eq!(owner.sends_to(&name), None, "everybody may send");
        }
    }
}

#[test]
fn what_cannot_be_refused_by_an_outcome_is_told_with_its_tag() {
    let layer = Layer {
        auto_create: Some(false),
        when_full: Some(WhenFull::Refuse),
        max_messages: Some(1),
        ..Layer::default()
    };
    let before = Catalogue::of_all(layer);
    let definition = Definition::new("here::here", Attributes::Queue(Queue { routing: None }));
    let change = Change::Define { origin: Origin::Configuration, definition };
    let catalogue = Arc::new(before.apply(&[change]).expect("it means something"));
    let core = Core::new(CoreConfig { catalogue, ..CoreConfig::default() });
    let mut owner = Owner { core, next_link: 0 };
    let tag = Bytes::from_static(b"tag");
    let mut publish = |address: &str, settled, tag: Option<&Bytes>| {
        let publish = Publish { tag: tag.cloned(), ..Publish::of(address, Message::new(Bytes::new())) };
        let link = LinkKey { shard: 0, generation: 0, slot: 1 };
        match owner.command(Command::Publish { link, delivery: 0, settled, publish: Box::new(publish) }).as_slice() {
            [] => "nothing",
            [Event::Settled { outcome: Outcome::Accepted, .. }] => "accepted",
            [Event::Settled { outcome: Outcome::Rejected(_), .. }] => "rejected",
            [Event::Undelivered { tag: told, .. }] if *told == tag.expect("there is one") => "told",
            other => panic!("{other:?}"),
        }
    };
    for (address, settled, told, wanted) in [
        ("nowhere", Settled::No, None, "rejected"),
        ("nowhere", Settled::No, Some(&tag), "told"),
        ("nowhere", Settled::Yes, None, "nothing"),
        ("nowhere", Settled::Yes, Some(&tag), "told"),
        ("here", Settled::No, Some(&tag), "accepted"),
        // It is full.
        ("here", Settled::No, None, "rejected"),
        ("here", Settled::No, Some(&tag), "told"),
        ("here", Settled::Yes, Some(&tag), "nothing"),
    ] {
        assert_eq!(publish(address, settled, told), wanted, "{address}, {settled:?}, {told:?}");
    }
}

#[test]
fn a_dynamic_topic_goes_with_its_creator_and_all_subscriptions() {
    let mut owner = Owner::new();
    let name = node("t");
    let (routing, lifetime) = (Some(RoutingType::Multicast), Some(Lifetime::OnClose));
    let spec = ProducerSpec { routing, lifetime, ..ProducerSpec::of(&name) };
    let creator = owner.attached(|link| Command::AttachProducer { link, spec: Box::new(spec) });
    assert_eq!(owner.takes_from(&name, None), None);
    assert_eq!(owner.takes_from(&name, None), None);
    let durable = Subscription {
        container: "c".into(),
        name: "s".into(),
        durability: Durability::Durable,
        sharing: Sharing::Exclusive,
    };
    let spec = Box::new(ConsumerSpec { subscription: Some(durable), ..consumer_spec(&name, None, None) });
    let refused = owner.refused(|link| Command::AttachConsumer { link, spec });
    assert_eq!(refused, Some(Condition::NotAllowed.into()), "it would come back after a restart");
    assert_eq!(owner.close(creator).len(), 3, "both are told, and who asked");
    assert_eq!(owner.core.counts(), (0, 0));
}

#[test]
fn lifetimes_end_with_what_they_are_made_of() {
    let mut owner = Owner::new();
    for lifetime in [Lifetime::NoLinks, Lifetime::NoMessages, Lifetime::NoLinksOrMessages] {
        let name = node("x");
        // Never used: it goes with its last link.
        let creator = owner.dynamic(&name, RoutingType::Anycast, lifetime);
        owner.close(creator);
        assert_eq!(owner.core.counts(), (0, 0), "{lifetime:?}");
        let creator = owner.dynamic(&name, RoutingType::Anycast, lifetime);
        let producer = owner.producer(&name, None);
        owner.send(producer, 1);
        owner.close(creator);
        assert_eq!(owner.core.counts(), (1, 1), "{lifetime:?}: a link and a message are left");
        owner.close(producer);
        let left = usize::from(lifetime != Lifetime::NoLinks);
        assert_eq!(owner.core.counts(), (0, left), "{lifetime:?}: a message is left");
        if left > 0 {
            let consumer = owner.consumer(&name, None, Mode::Consume);
            let got = owner.grant(consumer, 1);
            owner.settle(consumer, got[0].0, Outcome::Accepted);
            owner.close(consumer);
            assert_eq!(owner.core.counts(), (0, 0), "{lifetime:?}");
        }
    }
}

#[test]
fn dynamic_nodes_are_bounded_and_others_find_room() {
    let mut owner = Owner::new();
    owner.core.nodes.dynamic = DYNAMIC_NODES_MAX;
    let spec = Box::new(consumer_spec(&node("one-more"), Some(RoutingType::Anycast), Some(Lifetime::OnClose)));
    let link = LinkKey { shard: 0, generation: 0, slot: 1 };
    owner.core.handle_command(1, 1, Command::AttachConsumer { link, spec });
    let refused = owner.core.poll_event();
    let Some((_, Event::Refused { refusal })) = refused else { panic!("it is refused: {refused:?}") };
    assert_eq!(refusal.condition, Condition::ResourceLimitExceeded);
    owner.core.nodes.dynamic = 0;
    assert_eq!(owner.sends_to("ordinary"), None);
}

#[test]
fn a_queue_that_a_sender_names_alone_gets_the_messages() {
    let mut owner = Owner::new();
    let consumers: Vec<EndKey> = ["t::one", "t::two"]
        .into_iter()
        .map(|queue| owner.consumer(queue, Some(RoutingType::Multicast), Mode::Consume))
        .collect();
    let (one, all) = (owner.producer("t::one", None), owner.producer("t", None));
    owner.send(one, 1);
    owner.send(all, 2);
    let publish = Publish::of("t::two", numbered(3));
    let link = LinkKey { shard: 0, generation: 0, slot: 77 };
    owner.command(Command::Publish { link, delivery: 0, settled: Settled::No, publish: Box::new(publish) });
    let numbers = |got: Vec<(u64, u32, u32)>| got.into_iter().map(|delivery| delivery.1).collect::<Vec<_>>();
    assert_eq!(numbers(owner.grant(consumers[0], 9)), [1, 2]);
    assert_eq!(numbers(owner.grant(consumers[1], 9)), [2, 3]);
}

#[test]
fn a_named_queue_that_is_gone_refuses_what_is_sent_to_it() {
    let mut owner = Owner::new();
    let durable = Subscription {
        container: "c".into(),
        name: "s".into(),
        durability: Durability::Durable,
        sharing: Sharing::Exclusive,
    };
    let topic = Some(RoutingType::Multicast);
    let spec = Box::new(ConsumerSpec { subscription: Some(durable), ..consumer_spec("t", topic, None) });
    let subscriber = owner.attached(|link| Command::AttachConsumer { link, spec });
    let producer = owner.producer("t::c.s", None);
    owner.send(producer, 1);
    owner.close(subscriber);
    let refused = owner.send(producer, 2);
    let gone = |event: &Event| match event {
        Event::Settled { first: 2, outcome: Outcome::Rejected(Some(refusal)), .. } => {
            refusal.condition == Condition::ResourceDeleted
        }
        _ => false,
    };
    assert!(refused.iter().any(gone), "accepted, it would be lost: {refused:?}");
}

#[test]
fn a_link_that_ends_leaves_its_deliveries_to_its_default_outcome() {
    let modified = |delivery_failed, undeliverable_here| {
        Outcome::Modified(Box::new(Modified { delivery_failed, undeliverable_here, annotations: None }))
    };
    for (default_outcome, mode, count) in [
        (Outcome::Accepted, DetachMode::Ended, None),
        (Outcome::Accepted, DetachMode::Lost, None),
        (Outcome::Rejected(None), DetachMode::Ended, None),
        (Outcome::Released, DetachMode::Close, Some(0)),
        (Outcome::Released, DetachMode::Suspend, Some(0)),
        (Outcome::Released, DetachMode::Ended, Some(0)),
        // It was delivered in vain, and nobody will say so.
        (Outcome::Released, DetachMode::Lost, Some(1)),
        (modified(false, true), DetachMode::Lost, Some(1)),
        // What was prefetched and nobody looked at is none in vain, though JMS clients ask for that.
        (modified(true, false), DetachMode::Ended, Some(0)),
        (modified(true, false), DetachMode::Close, Some(0)),
        (modified(false, false), DetachMode::Lost, Some(1)),
        (modified(true, false), DetachMode::Lost, Some(1)),
    ] {
        let mut owner = Owner::new();
        let producer = owner.producer("q", None);
        owner.send(producer, 1);
        let spec = Box::new(ConsumerSpec { default_outcome, ..consumer_spec("q", None, None) });
        let consumer = owner.attached(|link| Command::AttachConsumer { link, spec });
        assert_eq!(owner.grant(consumer, 1).len(), 1);
        owner.command(Command::Detach { end: consumer, mode });
        let next = owner.consumer("q", None, Mode::Consume);
        let counts: Vec<u32> = owner.grant(next, 1).into_iter().map(|delivery| delivery.2).collect();
        assert_eq!(counts, Vec::from_iter(count));
    }
}
