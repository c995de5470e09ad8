//! Versions of the catalogue that come while an owner is at work, and addresses that are another owner's.

use super::*;
use crate::command::{Lifetime, Publish, Searched};
use crate::event::Moved;
use crate::limits::{KEPT_BYTES, MOVED_MAX, REFRESH_MAX};
use crate::versions::{Answer, Version};
use engine_catalogue::{Attributes, Definition, Placed, Placement, Queue};

/// The next version, in which the configuration says exactly this.
fn next(before: &Catalogue, wanted: &[(&str, Attributes)]) -> Arc<Catalogue> {
    let wanted: Vec<_> = wanted.iter().map(|(key, of)| Definition::new(*key, of.clone())).collect();
    Arc::new(before.apply(&before.reconcile(&wanted)).expect("it means something"))
}

fn owner_by(shard: u16, catalogue: &Arc<Catalogue>) -> Owner {
    let config = CoreConfig { shard, catalogue: Arc::clone(catalogue), ..CoreConfig::default() };
    Owner { core: Core::new(config), next_link: 0 }
}

/// A catalogue of so many shards that says nothing, and an address that the hash of its name gives to shard 0.
fn shared(shards: u16) -> (Arc<Catalogue>, String) {
    let catalogue = Catalogue::new(Placement::new(shards));
    let name = catalogue.name_owned_by(0, |number| format!("a{number}")).expect("a name");
    (Arc::new(catalogue), name)
}

fn placed(shard: u16) -> Attributes {
    Attributes::Placed(Placed { shard, epoch: 0 })
}

fn address() -> Attributes {
    Attributes::Address(Layer::default())
}

impl Owner {
    fn link(&mut self) -> LinkKey {
        self.next_link += 1;
        LinkKey { shard: 0, generation: 0, slot: self.next_link }
    }

    /// Everything that names an address.
    fn named(&mut self, address: &str) -> Vec<Command> {
        let publish = |link, settled| {
            let publish = Box::new(Publish::of(address, numbered(7)));
            Command::Publish { link, delivery: 5, settled, publish }
        };
        vec![
            Command::AttachProducer { link: self.link(), spec: Box::new(ProducerSpec::of(address)) },
            Command::AttachConsumer { link: self.link(), spec: Box::new(ConsumerSpec::of(address)) },
            publish(self.link(), Settled::No),
            publish(self.link(), Settled::Yes),
        ]
    }

    fn hold(&mut self, catalogue: &Arc<Catalogue>) -> Vec<Event> {
        self.core.handle_version(Version::Holds(Arc::clone(catalogue)));
        self.events()
    }

    fn announce(&mut self, catalogue: &Arc<Catalogue>, address: &str) -> Result<(), String> {
        let (next, addresses) = (Arc::clone(catalogue), Arc::from([address.to_owned()]));
        let answer = self.core.handle_version(Version::Announced { next, addresses });
        self.core.check();
        match answer {
            Answer::Done => Ok(()),
            Answer::NotYet => Err("not yet".to_owned()),
            Answer::InUse(in_use) => Err(in_use.to_string()),
        }
    }

    /// Names of all queues, and whether they stay.
    fn queues(&self) -> Vec<(String, bool)> {
        let queues = self.core.nodes.queues.iter().map(|(_, queue)| &queue.identity);
        let mut queues: Vec<_> =
            queues.map(|of| (of.name.to_string(), matches!(of.kind, crate::queue::Kind::Declared(_)))).collect();
        queues.sort();
        queues
    }
}

fn moved(events: &[Event]) -> Moved {
    let [Event::Moved(moved)] = events else { panic!("{events:?}") };
    (**moved).clone()
}

#[test]
fn a_wrong_owner_says_whose_an_address_is_and_makes_nothing() {
    let (before, name) = shared(3);
    let catalogue = next(&before, &[(&name, address()), (&name, placed(2))]);
    for shard in [0, 1] {
        let mut owner = owner_by(shard, &catalogue);
        for asked in [name.clone(), format!("{name}::queue")] {
            for command in owner.named(&asked) {
                let mut command = command;
                for _ in 0..MOVED_MAX {
                    let moved = moved(&owner.command(command.clone()));
                    assert_eq!((moved.owner.shard, moved.owner.epoch), (2, catalogue.version()));
                    assert_eq!(moved.command, command, "nothing of it is lost");
                    let (to, again) = moved.again();
                    assert_eq!(to, 2);
                    command = again;
                }
                let settled = matches!(&command, Command::Publish { settled: Settled::Yes, .. });
                let locked = match owner.command(command).as_slice() {
                    [Event::Refused { refusal }] => refusal.condition == Condition::ResourceLocked,
                    [Event::Settled { first: 5, last: 5, outcome: Outcome::Rejected(Some(refusal)) }] => {
                        refusal.condition == Condition::ResourceLocked
                    }
                    events => settled && events.is_empty(),
                };
                assert!(locked, "it is not sent round for ever");
            }
        }
        assert_eq!((owner.core.counts(), owner.core.nodes.addresses.len()), ((0, 0), 0));
    }
    let mut right = owner_by(2, &catalogue);
    assert_eq!(right.queues(), [(name.clone(), true)], "the right one has it from the start");
    right.producer(&name, None);
}

#[test]
fn an_address_changes_hands_while_nobody_uses_it() {
    let (before, name) = shared(2);
    let v1 = next(&before, &[(&name, address())]);
    let v2 = next(&v1, &[(&name, address()), (&name, placed(1))]);
    let (mut old, mut new) = (owner_by(0, &v1), owner_by(1, &v1));
    assert_eq!((old.queues().len(), new.queues().len()), (1, 0));
    old.announce(&v2, &name).unwrap();
    new.announce(&v2, &name).unwrap();
    let asked = old.named(&name);
    for command in &asked {
        assert_eq!(old.command(command.clone()), [], "it is kept until it is known whose it is");
    }
    assert_eq!(old.core.counts(), (0, 0));
    // Who heard of the version first finds the new owner, which has not.
    let early = new.producer(&name, None);
    let sent: Vec<Event> = old.hold(&v2);
    assert_eq!(sent.len(), asked.len());
    for (event, command) in sent.iter().zip(&asked) {
        let Event::Moved(moved) = event else { panic!("{event:?}") };
        assert_eq!((moved.owner.shard, &moved.command), (1, command), "in their order");
    }
    new.hold(&v2);
    assert_eq!(new.queues(), [(name.clone(), true)]);
    new.send(early, 1);
    assert_eq!(moved(&old.command(asked[0].clone())).owner.shard, 1);
}

#[test]
fn a_version_that_does_not_hold_leaves_things_as_they_were() {
    let (before, name) = shared(2);
    let v1 = next(&before, &[(&name, address()), ("x::one", Attributes::Queue(Queue::default()))]);
    let v2 = next(&v1, &[(&name, address()), (&name, placed(1))]);
    let mut old = owner_by(0, &v1);
    let there = old.queues();
    old.announce(&v2, &name).unwrap();
    for command in old.named(&name) {
        assert_eq!(old.command(command), []);
    }
    old.core.handle_version(Version::Forgone);
    let events = old.events();
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Attached { .. })).count(), 2);
    assert_eq!(old.queues(), there);
    assert_eq!(old.core.queue_views().map(|queue| queue.messages).sum::<u64>(), 2, "both relayed messages are there");
}

#[test]
fn what_is_kept_meanwhile_is_bounded() {
    let (before, name) = shared(2);
    let v1 = next(&before, &[(&name, address())]);
    let v2 = next(&v1, &[(&name, address()), (&name, placed(1))]);
    let mut old = owner_by(0, &v1);
    old.announce(&v2, &name).unwrap();
    let body = Bytes::from(vec![0; 1 << 20]);
    let mut publish = |delivery| {
        let (link, publish) = (old.link(), Box::new(Publish::of(name.as_str(), Message::new(body.clone()))));
        old.command(Command::Publish { link, delivery, settled: Settled::No, publish })
    };
    let kept = (0..100).take_while(|&delivery| publish(delivery).is_empty()).count();
    assert_eq!(kept as u64, KEPT_BYTES / ((1 << 20) + MESSAGE_OVERHEAD));
    let refused = publish(100);
    let [Event::Settled { outcome: Outcome::Rejected(Some(refusal)), .. }] = refused.as_slice() else {
        panic!("{refused:?}")
    };
    assert_eq!(refusal.condition, Condition::ResourceLocked);
    assert_eq!(old.hold(&v2).len(), kept, "what was kept is sent on");
}

#[test]
fn what_is_given_up_is_durably_gone_before_another_has_it() {
    let (before, name) = shared(2);
    let v1 = next(&before, &[(&name, address())]);
    let v2 = next(&v1, &[(&name, address()), (&name, placed(1))]);
    let config = CoreConfig { catalogue: v1, storage: Storage::Journal, ..CoreConfig::default() };
    let mut old = Owner { core: Core::new(config), next_link: 0 };
    let (producer, consumer) = (old.producer(&name, None), old.consumer(&name, None, Mode::Consume));
    let message = Message { header: Header { durable: true, ..Header::default() }, ..numbered(1) };
    old.command(Command::Deliver { end: producer, delivery: 0, settled: Settled::No, message });
    // Gives the number of the last fact.
    let told = |old: &mut Owner| {
        while old.core.poll_fact().is_some() {}
        old.core.journal.numbers.last()
    };
    let stored = told(&mut old);
    old.core.handle_durable(stored);
    let got = old.grant(consumer, 1);
    old.settle(consumer, got[0].0, Outcome::Accepted);
    for end in [producer, consumer] {
        old.command(Command::Detach { end, mode: DetachMode::Close });
    }
    assert_eq!(old.announce(&v2, &name), Err("not yet".to_owned()));
    let gone = told(&mut old);
    old.core.handle_durable(gone - 1);
    assert_eq!(old.announce(&v2, &name), Err("not yet".to_owned()));
    old.core.handle_durable(gone);
    assert_eq!(old.announce(&v2, &name), Ok(()));
}

#[test]
fn an_address_in_use_stays() {
    let (before, name) = shared(2);
    let before = next(&before, &[]);
    let after = next(&before, &[(&name, placed(1))]);
    let durable = Subscription {
        container: "c".into(),
        name: "s".into(),
        durability: Durability::Durable,
        sharing: Sharing::Exclusive,
    };
    // Both owners were asked whether they have it.
    let searched = Searched { cleared: 2, ..Searched::default() };
    let subscribe = ConsumerSpec { subscription: Some(durable), searched, ..ConsumerSpec::of(&name) };
    type Using = fn(&mut Owner, &str, ConsumerSpec) -> EndKey;
    let uses: [(Using, DetachMode, &str); 4] = [
        (|owner, name, _| owner.producer(name, None), DetachMode::Close, "links"),
        (|owner, name, _| owner.consumer(name, None, Mode::Browse), DetachMode::Close, "links"),
        (
            |owner, name, _| {
                let producer = owner.producer(name, None);
                owner.send(producer, 1);
                producer
            },
            DetachMode::Suspend,
            "messages",
        ),
        (
            |owner, _, spec| owner.attached(|link| Command::AttachConsumer { link, spec: Box::new(spec) }),
            DetachMode::Suspend,
            "subscriptions",
        ),
    ];
    for (index, (using, mode, what)) in uses.into_iter().enumerate() {
        let mut owner = owner_by(0, &before);
        let end = using(&mut owner, &name, subscribe.clone());
        if index >= 2 {
            owner.command(Command::Detach { end, mode });
        }
        let said = owner.announce(&after, &name).expect_err(what);
        assert_eq!(said, format!("the address {name} has {what}"));
        let publish = Box::new(Publish::of(name.as_str(), numbered(1)));
        let link = owner.link();
        let taken = owner.command(Command::Publish { link, delivery: 0, settled: Settled::No, publish });
        assert!(matches!(taken.first(), Some(Event::Settled { outcome: Outcome::Accepted, .. })), "{what}: {taken:?}");
    }
    // What has no more than a queue that is empty goes.
    let mut owner = owner_by(0, &before);
    let end = owner.producer(&name, None);
    owner.command(Command::Detach { end, mode: DetachMode::Close });
    owner.announce(&after, &name).unwrap();
}

#[test]
fn limits_of_a_new_version_hold_for_what_is_there() {
    let layer = |max: u64, window| Layer {
        max_messages: Some(max),
        producer_window: Some(window),
        auto_create: Some(max > 1),
        ..Layer::default()
    };
    let v1 = Arc::new(Catalogue::of_all(layer(2, 4)));
    let mut owner = owner_by(0, &v1);
    let producer = owner.producer("q", None);
    for delivery in 0..4 {
        owner.send(producer, delivery);
    }
    let credit = |events: &[Event]| -> u32 {
        events.iter().map(|event| if let Event::Credit { credit } = event { *credit } else { 0 }).sum()
    };
    // It waits beyond its maximum, with credit for two; the higher one lets it go on, with the larger window.
    let v2 = Arc::new(v1.with_all(layer(100, 10)));
    assert_eq!(credit(&owner.hold(&v2)), 8);
    assert!((4..14).all(|delivery| {
        let events = owner.send(producer, delivery);
        events.iter().any(|event| matches!(event, Event::Settled { outcome: Outcome::Accepted, .. }))
    }));
    // A lower one refuses what is beyond twice of it, and nothing new is made.
    let v3 = Arc::new(v2.with_all(layer(1, 10)));
    owner.hold(&v3);
    let refused = owner.send(producer, 14);
    assert!(refused.iter().any(|event| matches!(event, Event::Settled { outcome: Outcome::Rejected(_), .. })));
    let link = owner.link();
    let events = owner.command(consume(link, "other", None, Mode::Consume));
    assert!(matches!(events.as_slice(), [Event::Refused { .. }]), "{events:?}");
    owner.consumer("q", None, Mode::Consume);
}

#[test]
fn what_waits_at_a_full_disk_follows_what_its_address_says() {
    let says = |when_full| Layer { when_full: Some(when_full), ..Layer::default() };
    let v1 = Arc::new(Catalogue::of_all(says(WhenFull::Hold)));
    let mut owner = owner_by(0, &v1);
    owner.core.handle_room(Room::Little, 0);
    let link = owner.link();
    let spec = Box::new(ProducerSpec::of("q"));
    let events = owner.command(Command::AttachProducer { link, spec });
    assert!(matches!(events.as_slice(), [Event::Attached { .. }]), "it gets no credit: {events:?}");
    let v2 = Arc::new(v1.with_all(says(WhenFull::Refuse)));
    let events = owner.hold(&v2);
    assert!(matches!(events.as_slice(), [Event::Credit { credit: 2000 }]), "it is refused instead: {events:?}");
    owner.core.check();
}

#[test]
fn what_is_declared_comes_and_what_is_no_longer_goes_as_others_do() {
    let queue = |routing| Attributes::Queue(Queue { routing });
    let v1 = next(&Catalogue::default(), &[]);
    let mut owner = owner_by(0, &v1);
    let consumer = owner.consumer("jobs", None, Mode::Consume);
    let producer = owner.producer("all", Some(RoutingType::Multicast));
    let v2 =
        next(&v1, &[("jobs", address()), ("alone", address()), ("all::audit", queue(Some(RoutingType::Multicast)))]);
    owner.hold(&v2);
    let named =
        |names: &[(&str, bool)]| names.iter().map(|(name, stays)| ((*name).to_owned(), *stays)).collect::<Vec<_>>();
    assert_eq!(owner.queues(), named(&[("alone", true), ("audit", true), ("jobs", true)]));
    owner.send(producer, 1);
    owner.command(Command::Detach { end: consumer, mode: DetachMode::Close });
    owner.command(Command::Detach { end: producer, mode: DetachMode::Close });
    assert_eq!(owner.queues().len(), 3, "they stay without links");
    // Another routing: what it has stays in it.
    let v3 = next(&v2, &[("all::audit", queue(Some(RoutingType::Anycast)))]);
    owner.hold(&v3);
    assert_eq!(owner.queues(), named(&[("audit", true)]), "what is empty and no longer declared is gone");
    let v4 = next(&v3, &[]);
    owner.hold(&v4);
    assert_eq!(owner.queues(), named(&[("audit", false)]), "what has a message stays as long as it has it");
    let consumer = owner.consumer("all::audit", None, Mode::Consume);
    let got = owner.grant(consumer, 1);
    owner.settle(consumer, got[0].0, Outcome::Accepted);
    owner.command(Command::Detach { end: consumer, mode: DetachMode::Close });
    assert_eq!((owner.core.counts(), owner.core.nodes.addresses.len()), ((0, 0), 0));
}

#[test]
fn a_version_takes_turns_that_are_bounded_however_much_there_is() {
    let count = 4 * REFRESH_MAX as u32;
    let v1 = next(&Catalogue::default(), &[]);
    let mut owner = owner_by(0, &v1);
    for number in 0..count {
        owner.producer(&format!("q{number}"), None);
    }
    let v2 = Arc::new(v1.with_all(Layer { max_messages: Some(3), ..Layer::default() }));
    owner.core.handle_version(Version::Holds(Arc::clone(&v2)));
    let brought = |owner: &Owner| {
        let queues = owner.core.nodes.queues.iter();
        queues.filter(|(_, queue)| queue.bounds.max_messages == 3).count()
    };
    let (mut turns, mut before) = (1, brought(&owner));
    assert_eq!(before, 0, "addresses come first");
    while owner.core.deadline() == Some(1) {
        owner.core.begin_turn(1, 1);
        let now = brought(&owner);
        assert!(now - before <= REFRESH_MAX);
        (turns, before) = (turns + 1, now);
        owner.core.check();
    }
    assert_eq!(before, count as usize);
    let things = 3 * count as usize;
    assert!((things / REFRESH_MAX..=things / REFRESH_MAX + 2).contains(&turns), "{turns} turns");
    assert_eq!(owner.core.deadline(), None, "and then it rests");
}

/// What a version says, by few names.
fn said() -> impl Strategy<Value = Vec<(String, Attributes)>> {
    let flag = || proptest::option::of(any::<bool>());
    let layer = (proptest::option::of(1_u64..4), proptest::option::of(1_u32..4), flag(), flag());
    let layer = layer.prop_map(|(max_messages, producer_window, multicast, no_expiry)| Layer {
        max_messages,
        producer_window,
        no_expiry,
        routing: multicast.map(|yes| if yes { RoutingType::Multicast } else { RoutingType::Anycast }),
        ..Layer::default()
    });
    let name = prop_oneof![Just("a"), Just("b"), Just("a.b")];
    let queue = proptest::option::of(any::<bool>()).prop_map(|multicast| Queue {
        routing: multicast.map(|yes| if yes { RoutingType::Multicast } else { RoutingType::Anycast }),
    });
    let one = prop_oneof![
        (prop_oneof![Just("#"), Just("a.#")], layer.clone())
            .prop_map(|(key, layer)| (key.to_owned(), Attributes::Match(layer))),
        (name.clone(), layer).prop_map(|(key, layer)| (key.to_owned(), Attributes::Address(layer))),
        (name.clone(), name, queue)
            .prop_map(|(address, queue, of)| (format!("{address}::{queue}"), Attributes::Queue(of))),
    ];
    proptest::collection::vec(one, 0..5).prop_map(|mut said| {
        said.sort_by(|one, other| (one.1.kind(), &one.0).cmp(&(other.1.kind(), &other.0)));
        said.dedup_by(|one, other| one.1.kind() == other.1.kind() && one.0 == other.0);
        said
    })
}

proptest! {
    /// What versions leave of what nobody uses is what an owner has that never knew another version.
    #[test]
    fn versions_leave_what_the_last_one_says(
        versions in proptest::collection::vec(said(), 1..6),
        linked in proptest::collection::vec(0_usize..3, 0..4),
    ) {
        let mut catalogue = Arc::new(Catalogue::default());
        let mut owner = owner_by(0, &catalogue);
        let ends: Vec<EndKey> = linked.iter().map(|&at| owner.producer(["a", "b", "c"][at], None)).collect();
        for said in &versions {
            let said: Vec<_> = said.iter().map(|(key, of)| (key.as_str(), of.clone())).collect();
            catalogue = next(&catalogue, &said);
            owner.hold(&catalogue);
            owner.core.check();
        }
        for (_, queue) in owner.core.nodes.queues.iter() {
            let address = owner.core.nodes.addresses.get(queue.identity.address).expect("it has one");
            prop_assert_eq!(&address.settings, &catalogue.settings(&address.name));
            prop_assert_eq!(address.lifetimes, crate::lifetimes::Lifetimes::new(&address.settings));
            prop_assert_eq!(queue.bounds, crate::bounds::Bounds::new(&address.settings));
        }
        for end in ends {
            owner.command(Command::Detach { end, mode: DetachMode::Close });
        }
        let seen = |owner: &Owner| {
            let nodes = &owner.core.nodes;
            let queues = nodes.queues.iter().map(|(_, queue)| {
                let address = nodes.addresses.get(queue.identity.address).expect("it has one");
                let of = &queue.identity;
                (address.name.to_string(), of.name.to_string(), format!("{:?} {:?}", of.routing, of.kind))
            });
            let mut queues: Vec<_> = queues.collect();
            queues.sort();
            let mut addresses: Vec<_> =
                nodes.addresses.iter().map(|(_, of)| (of.name.to_string(), of.is_declared, of.routing == RoutingType::Anycast)).collect();
            addresses.sort();
            (queues, addresses)
        };
        prop_assert_eq!(seen(&owner), seen(&owner_by(0, &catalogue)));
    }
}

#[test]
fn a_dynamic_node_is_its_makers_whatever_changes() {
    let (before, _) = shared(2);
    let v1 = next(&before, &[]);
    let mut owner = owner_by(1, &v1);
    let name = v1.name_owned_by(1, |number| format!("{}{number}", crate::command::DYNAMIC_PREFIX)).expect("a name");
    let spec = ConsumerSpec { lifetime: Some(Lifetime::OnClose), ..ConsumerSpec::of(&name) };
    owner.attached(|link| Command::AttachConsumer { link, spec: Box::new(spec) });
    let v2 = next(&v1, &[("#", Attributes::Match(Layer { auto_create: Some(false), ..Layer::default() }))]);
    owner.hold(&v2);
    owner.producer(&name, None);
}

#[test]
fn a_subscription_that_was_declared_for_a_while_is_one_again() {
    let nothing = Arc::new(Catalogue::new(Placement::new(1)));
    let mut owner = owner_by(0, &nothing);
    let link = owner.link();
    let subscription = Subscription {
        name: "s".into(),
        container: "c".into(),
        durability: Durability::Durable,
        sharing: Sharing::Exclusive,
    };
    let (routing, subscription) = (Some(RoutingType::Multicast), Some(subscription));
    let spec = Box::new(ConsumerSpec { routing, subscription, ..ConsumerSpec::of("t") });
    let end = owner.attached(|_| Command::AttachConsumer { link, spec: spec.clone() });
    owner.command(Command::Detach { end, mode: DetachMode::Suspend });
    let routed = Attributes::Queue(Queue { routing: Some(RoutingType::Multicast) });
    let declared = next(&nothing, &[("t::c.s", routed)]);
    owner.hold(&declared);
    assert_eq!(owner.queues(), [("c.s".to_owned(), true)]);
    owner.hold(&next(&declared, &[]));
    owner.core.check();
    assert_eq!(owner.queues(), [("c.s".to_owned(), false)], "its subscriber comes back");
    let link = owner.link();
    let end = owner.attached(|_| Command::AttachConsumer { link, spec });
    owner.command(Command::Detach { end, mode: DetachMode::Close });
    assert_eq!(owner.queues(), [], "and ends it");
}
