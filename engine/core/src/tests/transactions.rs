//! Transactions at one owner: all of a part, or nothing.

use super::*;
use crate::command::{Part, Publish, Retired};
use crate::limits::Storage;

/// The coordinator's link.
const LINK: LinkKey = LinkKey { shard: 3, generation: 1, slot: 7 };

fn owner(layer: Layer, storage: Storage) -> Owner {
    let catalogue = Arc::new(Catalogue::of_all(layer));
    Owner { core: Core::new(CoreConfig { storage, catalogue, ..CoreConfig::default() }), next_link: 0 }
}

fn durable(number: u32) -> Message {
    Message { header: Header { durable: true, ..Header::default() }, ..numbered(number) }
}

fn send(address: &str, message: Message) -> Publish {
    Publish::of(address, message)
}

fn retired(end: EndKey, key: u64, outcome: Outcome) -> Retired {
    Retired { end, key, outcome, confirm: None }
}

/// Commits; gives what follows.
fn commit(owner: &mut Owner, part: Part) -> Vec<Event> {
    owner.command(Command::Transact { link: LINK, delivery: 5, settled: Settled::No, part: Box::new(part) })
}

fn accepted() -> Event {
    Event::Settled { first: 5, last: 5, outcome: Outcome::Accepted }
}

/// Why a commit was refused.
fn refused(events: &[Event]) -> Option<&Refusal> {
    events.iter().find_map(|event| match event {
        Event::Settled { first: 5, last: 5, outcome: Outcome::Rejected(refusal) } => refusal.as_deref(),
        _ => None,
    })
}

fn messages(owner: &Owner, queue: &str) -> u64 {
    owner.core.queue_views().find(|view| &*view.name == queue).map_or(0, |view| view.messages)
}

/// A message of `in` that a consumer holds: consumer and key.
fn held(owner: &mut Owner, message: Message) -> (EndKey, u64) {
    let producer = owner.producer("in", None);
    owner.command(Command::Deliver { end: producer, delivery: 0, settled: Settled::Yes, message });
    let consumer = owner.consumer("in", None, Mode::Consume);
    let [(key, ..)] = owner.grant(consumer, 1)[..] else { panic!("it is there") };
    (consumer, key)
}

#[test]
fn messages_and_outcomes_are_done_together_and_answered_once() {
    let mut owner = owner(Layer::default(), Storage::Memory);
    let (consumer, key) = held(&mut owner, numbered(1));
    let part = Part {
        sends: vec![send("out", numbered(2)), send("out", numbered(3)), send("other", numbered(4))],
        retired: vec![retired(consumer, key, Outcome::Accepted)],
        ..Part::default()
    };
    assert_eq!(commit(&mut owner, part), [accepted()]);
    assert_eq!(["in", "out", "other"].map(|queue| messages(&owner, queue)), [0, 2, 1]);
    let reader = owner.consumer("out", None, Mode::Consume);
    assert_eq!(owner.grant(reader, 5).iter().map(|got| got.1).collect::<Vec<_>>(), [2, 3], "in their order");
}

#[test]
fn what_outlives_the_node_is_one_fact_and_the_answer_waits_for_it() {
    let mut owner = owner(Layer::default(), Storage::Journal);
    let (producer, consumer) = (owner.producer("in", None), owner.consumer("in", None, Mode::Consume));
    owner.command(Command::Deliver { end: producer, delivery: 0, settled: Settled::Yes, message: durable(1) });
    let stored = std::iter::from_fn(|| owner.core.poll_fact()).filter_map(|fact| match fact {
        Fact::Stored { number, .. } => Some(number),
        _ => None,
    });
    let stored = stored.last().expect("it is durable");
    owner.core.handle_durable(stored);
    let [(key, ..)] = owner.grant(consumer, 1)[..] else { panic!("it is there") };
    let part = Part {
        sends: vec![send("out", durable(2)), send("out", numbered(3))],
        retired: vec![retired(consumer, key, Outcome::Accepted)],
        ..Part::default()
    };
    assert_eq!(commit(&mut owner, part), [], "nothing is durable yet");
    let facts: Vec<Fact> = std::iter::from_fn(|| owner.core.poll_fact()).collect();
    let [Fact::Together(together)] = facts.as_slice() else { panic!("{facts:?}") };
    let kinds: Vec<&str> = together
        .iter()
        .map(|fact| match fact {
            Fact::Declared { .. } => "declared",
            Fact::Stored { .. } => "stored",
            Fact::Acknowledged { .. } => "acknowledged",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["declared", "stored", "acknowledged"]);
    let Some(Fact::Acknowledged { number, .. }) = together.last() else { panic!("it is the last one") };
    owner.core.handle_durable(number - 1);
    assert_eq!(owner.events(), []);
    owner.core.handle_durable(*number);
    assert_eq!(owner.events(), [accepted()]);
}

#[test]
fn what_one_queue_refuses_is_done_nowhere() {
    let layer = Layer { max_messages: Some(2), ..Layer::default() };
    let mut owner = owner(layer, Storage::Memory);
    let (consumer, key) = held(&mut owner, numbered(1));
    let producer = owner.producer("full", None);
    let mut sent = 0;
    while !matches!(owner.send(producer, sent)[..], [Event::Settled { outcome: Outcome::Rejected(_), .. }, ..]) {
        sent += 1;
    }
    let part = Part {
        sends: vec![send("fine", numbered(2)), send("full", numbered(3))],
        retired: vec![retired(consumer, key, Outcome::Accepted)],
        ..Part::default()
    };
    let events = commit(&mut owner, part);
    let refusal = refused(&events).expect("it is refused");
    assert_eq!(refusal.condition, Condition::TransactionRollback);
    assert!(refusal.description.contains("full"), "{refusal:?}");
    assert_eq!([messages(&owner, "fine"), messages(&owner, "in")], [0, 1]);
    assert_eq!(owner.grant(consumer, 1)[0].2, 1, "it failed once");
}

#[test]
fn all_of_a_transaction_finds_room_where_each_of_it_does() {
    let layer = Layer { max_messages: Some(2), ..Layer::default() };
    let mut owner = owner(layer, Storage::Memory);
    let sends = (0..50).map(|number| send("q", numbered(number))).collect();
    assert_eq!(commit(&mut owner, Part { sends, ..Part::default() }), [accepted()]);
    assert_eq!(messages(&owner, "q"), 50);
    let sends = vec![send("q", numbered(50))];
    let events = commit(&mut owner, Part { sends, ..Part::default() });
    assert!(refused(&events).is_some(), "the next one is bounded again");
}

#[test]
fn a_delivery_that_is_not_held_any_more_rolls_everything_back() {
    let mut owner = owner(Layer::default(), Storage::Memory);
    let (consumer, key) = held(&mut owner, numbered(1));
    owner.settle(consumer, key, Outcome::Released);
    let part = Part {
        sends: vec![send("out", numbered(2))],
        retired: vec![retired(consumer, key, Outcome::Accepted)],
        ..Part::default()
    };
    assert!(refused(&commit(&mut owner, part)).is_some());
    assert_eq!([messages(&owner, "in"), messages(&owner, "out")], [1, 0]);
    assert_eq!(owner.core.counts().1, 1, "what was made for the message is gone again");
}

#[test]
fn more_than_is_written_at_once_is_refused() {
    let config = CoreConfig { storage: Storage::Journal, stored_bytes_max: 10_000, ..CoreConfig::default() };
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    let sends: Vec<Publish> = (0..100).map(|number| send("q", durable(number))).collect();
    let events = commit(&mut owner, Part { sends: sends.clone(), ..Part::default() });
    assert!(refused(&events).is_some_and(|refusal| refusal.description.contains("10000 bytes")), "{events:?}");
    let few = sends.into_iter().take(10).collect();
    assert_eq!(commit(&mut owner, Part { sends: few, ..Part::default() }), [], "it waits for the disk");
}

#[test]
fn what_its_peer_did_not_settle_is_confirmed_or_stays_with_it() {
    let too_long = "x".repeat(100_000);
    for (queue, is_refused) in [("fine", false), (too_long.as_str(), true)] {
        let mut owner = owner(Layer::default(), Storage::Memory);
        let (consumer, key) = held(&mut owner, numbered(1));
        let retired = Retired { confirm: Some(77), ..retired(consumer, key, Outcome::Accepted) };
        let part = Part { sends: vec![send(queue, numbered(2))], retired: vec![retired], ..Part::default() };
        let events = commit(&mut owner, part);
        if is_refused {
            assert!(refused(&events).is_some() && owner.core.holds(consumer, key), "it is decided on later");
        } else {
            assert_eq!(events, [Event::Confirmed { delivery: 77 }, accepted()]);
        }
    }
}

#[test]
fn a_topic_and_a_queue_get_what_is_theirs() {
    let mut owner = owner(Layer::default(), Storage::Memory);
    let topic = Some(RoutingType::Multicast);
    let readers = [0, 1].map(|_| owner.consumer("t", topic, Mode::Consume));
    let sends = vec![
        Publish { routing: topic, ..send("t", numbered(1)) },
        Publish { routing: topic, ..send("nobody", numbered(2)) },
    ];
    assert_eq!(commit(&mut owner, Part { sends, ..Part::default() }), [accepted()]);
    for reader in readers {
        assert_eq!(owner.grant(reader, 3).len(), 1);
    }
}
