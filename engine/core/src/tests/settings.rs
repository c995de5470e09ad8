//! What the catalogue says of addresses and queues holds for them, and for no others.

use super::*;
use engine_catalogue::{Attributes, Change, Definition, Origin, Placement, Queue};

/// An owner, shard 0 of so many, for whom this is defined.
pub(super) fn owner_of(shards: u16, storage: Storage, definitions: Vec<(&str, Attributes)>) -> Owner {
    let defines = definitions.into_iter().map(|(key, attributes)| Change::Define {
        origin: Origin::Configuration,
        definition: Definition::new(key, attributes),
    });
    let catalogue = Catalogue::new(Placement::new(shards)).apply(&defines.collect::<Vec<_>>()).expect("it is right");
    let config = CoreConfig { catalogue: Arc::new(catalogue), storage, ..CoreConfig::default() };
    Owner { core: Core::new(config), next_link: 0 }
}

fn owner(definitions: Vec<(&str, Attributes)>) -> Owner {
    owner_of(1, Storage::Memory, definitions)
}

/// Attaches a producer; gives its end and the credit that it has.
fn credited(owner: &mut Owner, address: &str) -> (EndKey, u32) {
    let spec = ProducerSpec::of(address);
    owner.next_link += 1;
    let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
    let events = owner.command(Command::AttachProducer { link, spec: Box::new(spec) });
    let [Event::Attached { end, .. }, rest @ ..] = events.as_slice() else { panic!("not attached: {events:?}") };
    (*end, credit(rest))
}

/// Who owns an address, as an owner knows it.
fn owned(core: &Core, address: &str) -> engine_catalogue::Owner {
    let engine_catalogue::Resolved::Stored { owner } = core.catalogue().resolve(address);
    owner
}

fn credit(events: &[Event]) -> u32 {
    events.iter().map(|event| if let Event::Credit { credit } = event { *credit } else { 0 }).sum()
}

fn is_accepted(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Settled { outcome: Outcome::Accepted, .. }))
}

fn names(owner: &Owner) -> Vec<(String, String, RoutingType)> {
    let mut names: Vec<_> = owner.core.queue_views().map(|queue| (queue.address, queue.name, queue.routing)).collect();
    names.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    names
}

fn queue(address: &str, name: &str, routing: RoutingType) -> (String, String, RoutingType) {
    (address.to_owned(), name.to_owned(), routing)
}

fn routed(routing: RoutingType) -> Attributes {
    Attributes::Queue(Queue { routing: Some(routing) })
}

#[test]
fn limits_hold_for_the_addresses_that_match() {
    let small = Layer { max_messages: Some(1), producer_window: Some(4), ..Layer::default() };
    let mut owner = owner(vec![("small.#", Attributes::Match(small))]);
    let ((small, at_small), (other, at_other)) = (credited(&mut owner, "small.a"), credited(&mut owner, "other"));
    assert_eq!((at_small, at_other), (4, 2000));
    let given: Vec<u32> = (0..4).map(|delivery| credit(&owner.send(small, delivery))).collect();
    assert_eq!(given, [0, 0, 0, 0], "two are more than its maximum when half of the window is used");
    let given: u32 = (0..1000).map(|delivery| credit(&owner.send(other, delivery))).sum();
    assert_eq!(given, 1000);
    // What is taken makes room again.
    let consumer = owner.consumer("small.a", None, Mode::Consume);
    let taken = owner.grant(consumer, 10);
    assert_eq!(taken.len(), 2, "twice the maximum, and no more, is taken of what comes all the same");
    let given = taken.iter().map(|&(key, ..)| {
        let settle = Command::Settle { end: consumer, key, outcome: Outcome::Accepted, confirm: None };
        credit(&owner.command(settle))
    });
    assert_eq!(given.sum::<u32>(), 4);
}

#[test]
fn a_queue_that_refuses_gives_credit_and_takes_its_maximum() {
    for (when_full, taken, credited_again) in [(WhenFull::Refuse, 2, true), (WhenFull::Hold, 4, false)] {
        let layer =
            Layer { max_messages: Some(2), producer_window: Some(2), when_full: Some(when_full), ..Layer::default() };
        let mut owner = owner(vec![("q", Attributes::Match(layer))]);
        let (end, _) = credited(&mut owner, "q");
        let sent: Vec<Vec<Event>> = (0..6).map(|delivery| owner.send(end, delivery)).collect();
        assert_eq!(sent.iter().filter(|events| is_accepted(events)).count(), taken, "{when_full:?}");
        assert_eq!(sent[4..].iter().any(|events| credit(events) > 0), credited_again, "{when_full:?}");
    }
}

#[test]
fn a_full_disk_is_met_as_the_address_says() {
    let refusing = Layer { when_full: Some(WhenFull::Refuse), ..Layer::default() };
    let mut owner = owner(vec![("refusing", Attributes::Match(refusing))]);
    owner.core.handle_room(Room::Busy, 0);
    let [(_, refusing), (_, holding)] = ["refusing", "holding"].map(|address| credited(&mut owner, address));
    assert_eq!((refusing, holding), (0, 0), "while the disk is busy everybody waits");
    assert_eq!(owner.core.deadline(), None);
    owner.core.handle_room(Room::Little, 0);
    let due = owner.core.deadline().expect("one of them has room");
    owner.core.begin_turn(due, 1);
    assert_eq!(credit(&owner.events()), 2000, "it goes on and is refused; the other waits");
    assert_eq!(owner.core.deadline(), None);
    owner.core.handle_room(Room::Plenty, 0);
    owner.core.begin_turn(due + 1, 1);
    assert_eq!(credit(&owner.events()), 2000);
}

#[test]
fn routing_is_what_the_match_says_unless_a_link_asks() {
    let news = Layer { routing: Some(RoutingType::Multicast), ..Layer::default() };
    let mut owner = owner(vec![("news.#", Attributes::Match(news))]);
    let subscribers = [(); 2].map(|()| owner.consumer("news.eu", None, Mode::Consume));
    let producer = owner.producer("news.eu", None);
    owner.send(producer, 7);
    for subscriber in subscribers {
        assert_eq!(owner.grant(subscriber, 1).len(), 1, "each gets it");
    }
    owner.consumer("news.queue", Some(RoutingType::Anycast), Mode::Consume);
    assert!(names(&owner).contains(&queue("news.queue", "news.queue", RoutingType::Anycast)));
}

#[test]
fn what_is_declared_is_there_and_stays() {
    let (anycast, multicast) = (RoutingType::Anycast, RoutingType::Multicast);
    let topic = Layer { routing: Some(multicast), ..Layer::default() };
    let mut owner = owner(vec![
        ("alone", Attributes::Address(Layer::default())),
        ("topic", Attributes::Address(topic)),
        ("shared", Attributes::Address(Layer::default())),
        ("shared::one", routed(anycast)),
        ("shared::two", Attributes::Queue(Queue::default())),
        ("orders::audit", routed(multicast)),
    ]);
    let declared = [
        queue("alone", "alone", anycast),
        queue("orders", "audit", multicast),
        queue("shared", "one", anycast),
        queue("shared", "two", anycast),
    ];
    assert_eq!(names(&owner), declared);
    let mut ends = Vec::new();
    for address in ["alone", "topic", "shared"] {
        ends.push(owner.producer(address, None));
    }
    for address in ["alone", "topic", "shared::one"] {
        ends.push(owner.consumer(address, None, Mode::Consume));
    }
    let made: Vec<_> = names(&owner).into_iter().filter(|of| !declared.contains(of)).collect();
    assert!(made.iter().all(|of| of.0 == "topic" && of.2 == multicast) && made.len() == 1, "{made:?}");
    // Queues that are declared share its messages with no others.
    owner.next_link += 1;
    let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
    let refused = owner.command(consume(link, "shared", None, Mode::Consume));
    let named = |refusal: &crate::event::Refusal| refusal.condition == Condition::NotFound;
    assert!(matches!(refused.as_slice(), [Event::Refused { refusal }] if named(refusal)), "{refused:?}");
    // A queue of every message is no reason against one that consumers share.
    ends.push(owner.consumer("orders", None, Mode::Consume));
    let sends = owner.producer("orders", None);
    owner.send(sends, 1);
    let messages = |owner: &Owner, name: &str| {
        owner.core.queue_views().find(|queue| queue.name == name).map(|queue| queue.messages)
    };
    assert_eq!((messages(&owner, "audit"), messages(&owner, "orders")), (Some(1), Some(1)));
    let taken = owner.grant(ends[6], 1);
    owner.settle(ends[6], taken[0].0, Outcome::Accepted);
    ends.push(sends);
    for end in ends {
        owner.command(Command::Detach { end, mode: DetachMode::Close });
    }
    assert_eq!(names(&owner), declared, "they stay, and nothing else does");
    assert_eq!(owner.core.nodes.addresses.len(), 4);
}

#[test]
fn an_owner_makes_what_it_owns() {
    let names: Vec<String> = (0..40).map(|number| format!("address.{number}")).collect();
    let definitions = names.iter().map(|name| (name.as_str(), Attributes::Address(Layer::default())));
    let owner = owner_of(3, Storage::Memory, definitions.collect());
    let is_own = |name: &&String| owned(&owner.core, name).shard == 0;
    let own = names.iter().filter(is_own).count();
    assert!(own > 0 && own < names.len());
    assert_eq!((owner.core.nodes.addresses.len(), owner.core.counts().1), (own, own));
}

#[test]
fn a_declared_queue_has_the_messages_that_the_journal_has() {
    let define = || vec![("jobs::work", Attributes::Queue(Queue::default()))];
    let mut before = owner_of(1, Storage::Journal, define());
    let producer = before.producer("jobs", None);
    let message = Message { header: Header { durable: true, ..Header::default() }, ..numbered(1) };
    before.command(Command::Deliver { end: producer, delivery: 0, settled: Settled::No, message });
    let facts = std::iter::from_fn(|| before.core.poll_fact()).find_map(|fact| match fact {
        Fact::Declared { declared, .. } => Some(declared),
        _ => None,
    });
    let declared = *facts.expect("it outlives the node");
    assert_eq!((declared.address.as_str(), declared.name.as_str()), ("jobs", "work"));
    let restored = crate::Restored { declared, messages: 0, bytes: 0 };
    for (definitions, queues) in [(define(), 1), (Vec::new(), 0)] {
        let mut after = owner_of(1, Storage::Journal, definitions);
        after.core.restore(&restored);
        after.core.check();
        assert_eq!(after.core.counts().1, queues, "empty it stays if it is declared");
    }
    for definitions in [define(), Vec::new()] {
        let mut after = owner_of(1, Storage::Journal, definitions);
        after.core.restore(&crate::Restored { messages: 1, bytes: 10, ..restored.clone() });
        after.core.check();
        let found: Vec<_> = after.core.queue_views().map(|queue| (queue.name, queue.messages, queue.paged)).collect();
        assert_eq!(found, [("work".to_owned(), 1, 1)], "once, with its message");
    }
}

#[test]
fn an_address_takes_the_other_routing_type_if_links_may_make_queues() {
    let (anycast, multicast) = (RoutingType::Anycast, RoutingType::Multicast);
    for auto_create in [true, false] {
        let topic = Layer { routing: Some(multicast), ..Layer::default() };
        let mut owner = owner(vec![
            ("#", Attributes::Match(Layer { auto_create: Some(auto_create), ..Layer::default() })),
            ("jobs", Attributes::Address(Layer::default())),
            ("news", Attributes::Address(topic)),
            ("mixed", Attributes::Address(Layer::default())),
            ("mixed::copy", routed(multicast)),
        ]);
        let mut condition = |make: &dyn Fn(LinkKey) -> Command| {
            owner.next_link += 1;
            let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
            let events = owner.command(make(link));
            events.into_iter().find_map(|event| match event {
                Event::Attached { .. } => Some(None),
                Event::Refused { refusal } => Some(Some(refusal.condition.as_str().to_owned())),
                _ => None,
            })
        };
        let refused = (!auto_create).then(|| "amqp:illegal-state".to_owned());
        for (address, routing, answer) in [
            ("jobs", None, None),
            ("jobs", Some(anycast), None),
            ("jobs", Some(multicast), refused.clone()),
            ("news", None, None),
            ("news", Some(multicast), None),
            ("news", Some(anycast), refused),
            ("mixed", Some(multicast), None),
        ] {
            let send = |link| {
                let spec = Box::new(ProducerSpec { routing, ..ProducerSpec::of(address) });
                Command::AttachProducer { link, spec }
            };
            let take = |link| consume(link, address, routing, Mode::Consume);
            assert_eq!(condition(&take), Some(answer.clone()), "takes from {address}, {routing:?}, {auto_create}");
            assert_eq!(condition(&send), Some(answer), "sends to {address}, {routing:?}, {auto_create}");
        }
    }
}
