//! Messages whose ids came before: known at their address, over what was consumed, within transactions, and to the journal.

use super::*;
use crate::ResumedIds;
use crate::command::{Part, Publish};
use crate::limits::Storage;

/// A message whose application properties have an id, behind which comes a number.
fn with_id(id: u8, number: u32) -> Message {
    let mut body = vec![0, 0x53, 0x74, 0xc1, 18, 2, 0xa1, 12];
    body.extend(b"_AMQ_DUPL_ID");
    body.extend([0xa1, 1, id]);
    body.extend_from_slice(&numbered(number).body);
    Message { unique: true, ..Message::new(body.into()) }
}

fn durable(message: Message) -> Message {
    Message { header: Header { durable: true, ..Header::default() }, ..message }
}

fn owner(layer: Layer, storage: Storage) -> Owner {
    let catalogue = Arc::new(Catalogue::of_all(layer));
    Owner { core: Core::new(CoreConfig { storage, catalogue, ..CoreConfig::default() }), next_link: 0 }
}

fn send(owner: &mut Owner, end: EndKey, delivery: u32, message: Message) -> Vec<Event> {
    owner.command(Command::Deliver { end, delivery, settled: Settled::No, message })
}

fn accepted(delivery: u32) -> Event {
    Event::Settled { first: delivery, last: delivery, outcome: Outcome::Accepted }
}

#[test]
fn a_second_one_is_accepted_and_nowhere_also_when_the_first_was_taken() {
    let mut owner = owner(Layer::default(), Storage::Memory);
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    for (delivery, id) in [(0, b'a'), (1, b'a'), (2, b'b')] {
        assert_eq!(send(&mut owner, producer, delivery, with_id(id, delivery)), [accepted(delivery)]);
    }
    let got = owner.grant(consumer, 9);
    assert_eq!(got.iter().map(|got| got.1).collect::<Vec<_>>(), [0, 2]);
    for (key, ..) in got {
        owner.settle(consumer, key, Outcome::Accepted);
    }
    assert_eq!(send(&mut owner, producer, 3, with_id(b'a', 3)), [accepted(3)], "it is known still");
    let other = owner.producer("other", None);
    send(&mut owner, other, 0, with_id(b'a', 4));
    assert_eq!(owner.core.queue_views().map(|view| view.messages).sum::<u64>(), 1, "another address does not know it");
    assert_eq!((owner.core.duplicates().ids, owner.core.duplicates().dropped), (3, 2));
}

#[test]
fn what_is_refused_is_not_known_and_settings_say_how_many_are() {
    let layer =
        Layer { max_messages: Some(1), when_full: Some(WhenFull::Refuse), duplicate_ids: Some(1), ..Layer::default() };
    let mut full = owner(layer, Storage::Memory);
    let producer = full.producer("q", None);
    let mut delivery = 0;
    while send(&mut full, producer, delivery, with_id(delivery as u8, delivery)) == [accepted(delivery)] {
        delivery += 1;
    }
    let refused = delivery;
    let consumer = full.consumer("q", None, Mode::Consume);
    let got = full.grant(consumer, 9);
    got.iter().for_each(|&(key, ..)| drop(full.settle(consumer, key, Outcome::Accepted)));
    for id in [refused, 0] {
        let events = send(&mut full, producer, 20 + id, with_id(id as u8, 20 + id));
        let got = deliveries(events);
        assert_eq!(got.len(), 1, "what was refused is not known, and of what was taken only the last one");
        full.settle(consumer, got[0].0, Outcome::Accepted);
    }
    let mut none = owner(Layer { duplicate_ids: Some(0), ..Layer::default() }, Storage::Memory);
    let producer = none.producer("q", None);
    (0..2).for_each(|delivery| drop(send(&mut none, producer, delivery, with_id(b'a', delivery))));
    assert_eq!(none.core.queue_views().map(|view| view.messages).sum::<u64>(), 2, "nobody looks for them");
}

#[test]
fn an_id_is_on_stable_storage_with_its_message_and_goes_when_it_is_forgotten() {
    let mut owner = owner(Layer { duplicate_ids: Some(1), ..Layer::default() }, Storage::Journal);
    let producer = owner.producer("q", None);
    send(&mut owner, producer, 0, durable(with_id(b'a', 0)));
    let facts: Vec<Fact> = std::iter::from_fn(|| owner.core.poll_fact()).collect();
    let [Fact::Together(together)] = &facts[..] else { panic!("{facts:?}") };
    let Some(Fact::Identified { number, address, .. }) = together.last() else { panic!("{together:?}") };
    assert_eq!(&**address, "q");
    assert!(together.iter().any(|fact| matches!(fact, Fact::Stored { message, .. } if !message.unique)));
    let first = *number;
    send(&mut owner, producer, 1, durable(with_id(b'b', 1)));
    let facts: Vec<Fact> = std::iter::from_fn(|| owner.core.poll_fact()).collect();
    let [Fact::Together(together)] = &facts[..] else { panic!("{facts:?}") };
    assert!(matches!(together.last(), Some(Fact::Acknowledged { first: of, .. }) if *of == first), "{together:?}");
    send(&mut owner, producer, 2, with_id(b'c', 2));
    let facts: Vec<Fact> = std::iter::from_fn(|| owner.core.poll_fact()).collect();
    assert!(
        matches!(facts[..], [Fact::Acknowledged { .. }]),
        "what ends with the node has its id in memory: {facts:?}"
    );
}

#[test]
fn ids_of_before_a_restart_are_known() {
    let mut owner = owner(Layer { duplicate_ids: Some(2), ..Layer::default() }, Storage::Journal);
    let name = |number| std::num::NonZeroU64::new(number).expect("a name");
    let id = |id: u8| vec![0xa1, 1, id];
    let known = (1..=3).map(|number| (name(number), "q".to_owned(), id(number as u8))).collect();
    owner.core.nodes.duplicates.queue = Some(1);
    owner.core.resume_ids(ResumedIds { known, stale: vec![9] });
    let facts: Vec<Fact> = std::iter::from_fn(|| owner.core.poll_fact()).collect();
    let gone: Vec<u64> =
        facts.iter().map(|fact| if let Fact::Acknowledged { first, .. } = fact { *first } else { 0 }).collect();
    assert_eq!(gone, [1, 9], "the oldest is one too many");
    let producer = owner.producer("q", None);
    for id in [2, 3, 1] {
        send(&mut owner, producer, u32::from(id), with_id(id, id.into()));
    }
    assert_eq!(owner.core.queue_views().map(|view| view.messages).sum::<u64>(), 1);
}

#[test]
fn a_transaction_with_one_is_rolled_back() {
    let mut owner = owner(Layer::default(), Storage::Memory);
    let producer = owner.producer("q", None);
    send(&mut owner, producer, 0, with_id(b'a', 0));
    let sends = vec![Publish::of("other", numbered(1)), Publish::of("q", with_id(b'a', 2))];
    let part = Box::new(Part { sends, ..Part::default() });
    let link = LinkKey { shard: 3, generation: 1, slot: 7 };
    let events = owner.command(Command::Transact { link, delivery: 5, settled: Settled::No, part });
    let [Event::Settled { outcome: Outcome::Rejected(Some(refusal)), .. }] = &events[..] else { panic!("{events:?}") };
    assert!(refusal.description.contains("of that id"), "{refusal:?}");
    assert_eq!(owner.core.queue_views().map(|view| view.messages).sum::<u64>(), 1);
}

#[test]
fn an_id_that_is_too_long_is_refused() {
    let mut owner = owner(Layer::default(), Storage::Memory);
    let producer = owner.producer("q", None);
    let mut body = vec![0, 0x53, 0x74, 0xd1];
    body.extend((4 + 14 + 5 + 300_u32).to_be_bytes());
    body.extend(2_u32.to_be_bytes());
    body.extend([0xa1, 12]);
    body.extend(b"_AMQ_DUPL_ID");
    body.push(0xb0);
    body.extend(300_u32.to_be_bytes());
    body.extend([7; 300]);
    let events = send(&mut owner, producer, 0, Message { unique: true, ..Message::new(body.into()) });
    let [Event::Settled { outcome: Outcome::Rejected(Some(refusal)), .. }, ..] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(refusal.condition, Condition::InvalidField);
}
