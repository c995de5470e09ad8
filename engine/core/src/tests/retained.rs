//! Retroactive addresses: subscriptions that come later begin with what was sent last.

use engine_catalogue::{Attributes, Catalogue, Change, Definition, Origin};

use super::settings::owner_of;
use super::*;
use crate::fact::{Declared, Purpose};
use crate::limits::RETAINED_BYTES;

const TOPIC: Option<RoutingType> = Some(RoutingType::Multicast);

fn keeping(messages: u32) -> Vec<(&'static str, Attributes)> {
    vec![("t", Attributes::Match(Layer { retroactive_messages: Some(messages), ..Layer::default() }))]
}

fn owner(storage: Storage) -> Owner {
    owner_of(1, storage, keeping(3))
}

fn numbers(got: &[(u64, u32, u32)]) -> Vec<u32> {
    got.iter().map(|got| got.1).collect()
}

fn message(number: u32, priority: u8, durable: bool) -> Message {
    Message { header: Header { priority, durable, ..Header::default() }, ..numbered(number) }
}

fn send(owner: &mut Owner, end: EndKey, message: Message) -> Vec<Event> {
    owner.command(Command::Deliver { end, delivery: 0, settled: Settled::No, message })
}

#[test]
fn a_subscription_begins_with_the_last_messages_in_their_order() {
    let mut owner = owner(Storage::Memory);
    let producer = owner.producer("t", TOPIC);
    let early = owner.consumer("t", TOPIC, Mode::Consume);
    for number in 0..5 {
        assert!(!send(&mut owner, producer, message(number, 4, false)).is_empty());
    }
    let late = owner.consumer("t", TOPIC, Mode::Consume);
    send(&mut owner, producer, message(5, 4, false));
    assert_eq!(numbers(&owner.grant(early, 9)), [0, 1, 2, 3, 4, 5]);
    assert_eq!(numbers(&owner.grant(late, 9)), [2, 3, 4, 5]);
    let later = owner.consumer("t", TOPIC, Mode::Consume);
    assert_eq!(numbers(&owner.grant(later, 9)), [3, 4, 5]);
}

#[test]
fn it_gets_what_it_asks_for_and_nothing_that_is_over() {
    let mut owner = owner(Storage::Memory);
    let producer = owner.producer("t", TOPIC);
    send(&mut owner, producer, message(0, 9, false));
    send(&mut owner, producer, message(1, 1, false));
    let expires_wall_ms = std::num::NonZeroU64::new(5);
    send(&mut owner, producer, Message { expires_wall_ms, ..message(2, 9, false) });
    owner.core.begin_turn(10_000_000, 10);
    let spec = ConsumerSpec { selector: Some("JMSPriority > 4".into()), routing: TOPIC, ..ConsumerSpec::of("t") };
    owner.next_link += 1;
    let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
    owner.core.handle_command(10_000_000, 10, Command::AttachConsumer { link, spec: Box::new(spec) });
    let events = owner.events();
    let Some(Event::Attached { end, .. }) = events.first() else { panic!("attached: {events:?}") };
    assert_eq!(numbers(&owner.grant(*end, 9)), [0]);
}

#[test]
fn what_is_for_queues_is_not_kept() {
    let mut owner = owner(Storage::Memory);
    let (queue, any) = (owner.producer("t", Some(RoutingType::Anycast)), owner.producer("t", None));
    send(&mut owner, queue, message(0, 4, false));
    send(&mut owner, any, message(1, 4, false));
    let late = owner.consumer("t", TOPIC, Mode::Consume);
    assert_eq!(numbers(&owner.grant(late, 9)), [1]);
    let consumer = owner.consumer("t", Some(RoutingType::Anycast), Mode::Consume);
    assert_eq!(numbers(&owner.grant(consumer, 9)), [0, 1]);
}

#[test]
fn an_address_stays_as_long_as_it_keeps_something_and_is_no_more_than_it_is_to_be() {
    let mut owner = owner(Storage::Memory);
    let producer = owner.producer("t", TOPIC);
    assert_eq!(owner.core.nodes.queues.len(), 1);
    owner.command(Command::Detach { end: producer, mode: DetachMode::Close });
    assert_eq!((owner.core.nodes.queues.len(), owner.core.nodes.addresses.len()), (0, 0), "it kept nothing");
    let producer = owner.producer("t", TOPIC);
    send(&mut owner, producer, message(0, 4, false));
    owner.command(Command::Detach { end: producer, mode: DetachMode::Close });
    assert_eq!((owner.core.nodes.queues.len(), owner.core.nodes.addresses.len()), (1, 1));
    // The setting goes.
    owner.core.handle_catalogue(Arc::new(Catalogue::new(owner.core.catalogue().placement())));
    owner.core.begin_turn(2, 2);
    owner.core.check();
    assert_eq!((owner.core.nodes.queues.len(), owner.core.nodes.addresses.len()), (0, 0));
    // And comes, for an address that is there.
    owner.producer("t", TOPIC);
    let changes: Vec<Change> = keeping(2)
        .into_iter()
        .map(|(key, attributes)| Change::Define {
            origin: Origin::Configuration,
            definition: Definition::new(key, attributes),
        })
        .collect();
    let catalogue = owner.core.catalogue().apply(&changes).expect("it is right");
    owner.core.handle_catalogue(Arc::new(catalogue));
    owner.core.begin_turn(3, 3);
    owner.core.check();
    assert_eq!(owner.core.nodes.queues.len(), 1);
}

#[test]
fn it_has_its_bounds_by_size_and_nobody_waits_for_it() {
    let mut owner = owner(Storage::Memory);
    let producer = owner.producer("t", TOPIC);
    let large = Bytes::from(vec![7; RETAINED_BYTES as usize / 2]);
    for _ in 0..3 {
        let events = send(&mut owner, producer, Message::new(large.clone()));
        assert!(events.iter().any(|event| matches!(event, Event::Settled { outcome: Outcome::Accepted, .. })));
    }
    let kept = owner.core.queue_views().next().expect("it is there");
    assert_eq!((kept.name.as_str(), kept.messages), ("$retroactive", 1));
}

#[test]
fn nobody_attaches_to_it() {
    let mut owner = owner(Storage::Memory);
    owner.producer("t", TOPIC);
    let link = LinkKey { shard: 0, generation: 0, slot: 77 };
    let events = owner.command(consume(link, "t::$retroactive", None, Mode::Browse));
    let [Event::Refused { refusal }] = events.as_slice() else { panic!("refused: {events:?}") };
    assert_eq!(refusal.condition, Condition::NotAllowed);
}

/// Behind a start it is read by itself; who subscribes before that is done gets it then.
#[test]
fn durable_ones_are_there_behind_a_start() {
    let mut before = owner(Storage::Journal);
    let producer = before.producer("t", TOPIC);
    (0..5).for_each(|number| drop(send(&mut before, producer, message(number, 4, true))));
    let facts: Vec<Fact> = std::iter::from_fn(|| before.core.poll_fact()).collect();
    let declared: Vec<&Declared> = facts
        .iter()
        .filter_map(|fact| if let Fact::Declared { declared, .. } = fact { Some(&**declared) } else { None })
        .collect();
    let [declared] = declared[..] else { panic!("one queue: {facts:?}") };
    assert_eq!((declared.name.as_str(), declared.purpose), ("$retroactive", Purpose::OnDemand));
    let mut after = owner(Storage::Journal);
    after.core.restore_numbers(crate::LastNumbers { fact: 9, queue: 9, ..crate::LastNumbers::default() });
    let queue = declared.queue;
    after.core.restore(&crate::Restored { declared: declared.clone(), messages: 3, bytes: 27 });
    after.core.check();
    let early = after.consumer("t", TOPIC, Mode::Consume);
    assert!(after.grant(early, 9).is_empty(), "it is read still");
    let fetch = after.core.poll_fetch().expect("nobody consumes from it, and it is read all the same");
    assert_eq!(fetch.queue, queue);
    after.core.handle_fetched(queue, (3..6).map(|name| (name, message(name as u32 - 1, 4, true))));
    after.core.handle_fetch_done(queue);
    let got = deliveries(after.events());
    assert_eq!(numbers(&got), [2, 3, 4]);
    let late = after.consumer("t", TOPIC, Mode::Consume);
    assert_eq!(numbers(&after.grant(late, 9)), [2, 3, 4]);
}
