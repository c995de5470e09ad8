//! Queues that keep the last value of each key, against a model, in memory and out of it.

use std::collections::{BTreeMap, BTreeSet};

use engine_catalogue::Attributes;

use super::held::Kept;
use super::settings::owner_of;
use super::*;

/// A message whose application property `key` is a letter; without one if that is 0.
fn valued(number: u32, key: u8) -> Message {
    if key == 0 {
        return numbered(number);
    }
    let properties = [0x00, 0x53, 0x74, 0xc1, 9, 2, 0xa1, 3, b'k', b'e', b'y', 0xa1, 1, key];
    Message::new([&properties[..], &numbered(number).body].concat().into())
}

fn layer() -> Layer {
    Layer { last_value_key: Some("key".to_owned()), ..Layer::default() }
}

fn owner(layer: Layer) -> Owner {
    owner_of(1, Storage::Memory, vec![("#", Attributes::Match(layer))])
}

fn send(owner: &mut Owner, end: EndKey, delivery: u32, key: u8) -> Vec<u32> {
    let message = valued(delivery, key);
    numbers(&deliveries(owner.command(Command::Deliver { end, delivery, settled: Settled::No, message })))
}

fn numbers(got: &[(u64, u32, u32)]) -> Vec<u32> {
    got.iter().map(|got| got.1).collect()
}

fn messages(owner: &Owner) -> u64 {
    owner.core.queue_views().next().expect("a queue").messages
}

#[test]
fn the_last_value_of_a_key_stays_and_what_has_none_is_ordinary() {
    let mut owner = owner(layer());
    let producer = owner.producer("q", None);
    for (number, key) in [(0, b'a'), (1, 0), (2, b'b'), (3, b'a'), (4, 0), (5, b'a')] {
        send(&mut owner, producer, number, key);
    }
    assert_eq!(messages(&owner), 4);
    let view = owner.core.queue_views().next().expect("a queue");
    assert_eq!((view.totals.enqueued, view.totals.dropped), (6, 2));
    let consumer = owner.consumer("q", None, Mode::Consume);
    assert_eq!(numbers(&owner.grant(consumer, 9)), [1, 2, 4, 5], "in the order of arrival");
}

#[test]
fn what_is_with_a_consumer_stays_and_does_not_come_back_behind_a_later_one() {
    let mut owner = owner(layer());
    let producer = owner.producer("q", None);
    let consumer = owner.consumer("q", None, Mode::Consume);
    send(&mut owner, producer, 0, b'a');
    let held = owner.grant(consumer, 1);
    send(&mut owner, producer, 1, b'a');
    assert_eq!(messages(&owner), 2, "the later one waits behind it");
    owner.settle(consumer, held[0].0, Outcome::Released);
    assert_eq!(messages(&owner), 1);
    let held = owner.grant(consumer, 1);
    assert_eq!(numbers(&held), [1]);
    owner.settle(consumer, held[0].0, Outcome::Released);
    assert_eq!(numbers(&owner.grant(consumer, 1)), [1], "it is the last one, and comes again");
}

#[test]
fn a_table_of_current_values_is_there_for_everybody_and_goes_on() {
    let mut owner = owner(Layer { non_destructive: Some(true), ring_size: Some(3), ..layer() });
    let producer = owner.producer("q", None);
    for (number, key) in [(0, b'a'), (1, b'b'), (2, b'a')] {
        send(&mut owner, producer, number, key);
    }
    let [first, second] = ["q"; 2].map(|name| owner.consumer(name, None, Mode::Consume));
    let got = owner.grant(first, 9);
    assert_eq!(numbers(&got), [1, 2]);
    owner.settle(first, got[0].0, Outcome::Accepted);
    assert_eq!(send(&mut owner, producer, 3, b'b'), [3], "it hears of what comes");
    assert_eq!(numbers(&owner.grant(second, 9)), [2, 3], "and others see what holds now");
    for (number, key) in [(4, b'c'), (5, b'd')] {
        send(&mut owner, producer, number, key);
    }
    assert_eq!(messages(&owner), 3, "the oldest key left the ring");
}

#[test]
fn an_urgent_value_is_given_first_and_replaces_as_any_other() {
    let mut owner = owner(layer());
    let end = owner.producer("q", None);
    for (delivery, (key, priority)) in (0..).zip([(b'a', 4), (b'b', 0), (b'c', 9), (b'b', 9), (b'c', 1)]) {
        let message = Message { header: Header { priority, ..Header::default() }, ..valued(delivery, key) };
        owner.command(Command::Deliver { end, delivery, settled: Settled::No, message });
    }
    let consumer = owner.consumer("q", None, Mode::Consume);
    assert_eq!(numbers(&owner.grant(consumer, 9)), [3, 0, 4]);
}

#[test]
fn what_expires_is_no_value_any_more() {
    let mut owner = owner(layer());
    let end = owner.producer("q", None);
    let message = Message { expires_wall_ms: std::num::NonZeroU64::new(5), ..valued(0, b'a') };
    owner.command(Command::Deliver { end, delivery: 0, settled: Settled::No, message });
    owner.core.handle_deadline(10_000_000, 10);
    owner.core.check();
    assert_eq!(messages(&owner), 0);
    send(&mut owner, end, 1, b'a');
    assert_eq!(messages(&owner), 1);
}

/// What the journal has of a queue when the node starts is read through although nobody consumes: one of each key is left, known by name.
#[test]
fn a_backlog_is_read_through_after_a_start() {
    let define = || vec![("q", Attributes::Address(layer()))];
    let mut before = owner_of(1, Storage::Journal, define());
    let producer = before.producer("q", None);
    let header = Header { durable: true, ..Header::default() };
    let message = Message { header, ..valued(0, b'a') };
    before.command(Command::Deliver { end: producer, delivery: 0, settled: Settled::No, message });
    let declared = std::iter::from_fn(|| before.core.poll_fact()).find_map(|fact| match fact {
        Fact::Declared { declared, .. } => Some(*declared),
        _ => None,
    });
    let declared = declared.expect("it outlives the node");
    let mut after = owner_of(1, Storage::Journal, define());
    let queue = declared.queue;
    after.core.restore(&crate::Restored { declared, messages: 300, bytes: 300 * 40 });
    let mut names = 1..=300_u32;
    while let Some(fetch) = after.core.poll_fetch() {
        assert_eq!(fetch.queue, queue);
        let read: Vec<(u64, Message)> = names
            .by_ref()
            .take(70)
            .map(|name| (u64::from(name), Message { header, ..valued(name, b'a' + (name % 20) as u8) }))
            .collect();
        after.core.handle_fetched(queue, read);
        after.core.handle_fetch_done(queue);
        after.core.check();
    }
    let view = after.core.queue_views().next().expect("a queue");
    assert_eq!((view.messages, view.paged, names.next()), (20, 20, None), "the last of each, in the journal only");
    let released: BTreeSet<u64> = std::iter::from_fn(|| after.core.poll_fact())
        .filter_map(|fact| if let Fact::Acknowledged { first, last, .. } = fact { Some(first..=last) } else { None })
        .flatten()
        .collect();
    assert_eq!(released, (1..=280).collect(), "the journal need not keep the others");
}

#[derive(Clone, Debug)]
enum Deed {
    Send(u8),
    Grant(usize, u32),
    Settle(usize, bool),
    Reattach(usize),
    Write,
    Read(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0..6_u8).prop_map(|key| Deed::Send(if key == 0 { 0 } else { b'a' + key })),
        3 => (0..2_usize, 1..4_u32).prop_map(|(consumer, credit)| Deed::Grant(consumer, credit)),
        3 => (0..64_usize, any::<bool>()).prop_map(|(held, back)| Deed::Settle(held, back)),
        1 => (0..2_usize).prop_map(Deed::Reattach),
        3 => Just(Deed::Write),
        4 => (0..8_usize).prop_map(Deed::Read),
    ]
}

/// What waits, and the key of each message.
#[derive(Default)]
struct Model {
    keys: Vec<u8>,
    waiting: BTreeSet<u32>,
    held: Vec<(usize, u64, u32)>,
}

impl Model {
    /// A message waits: of those of its key only the last one that was sent does.
    fn put(&mut self, number: u32) {
        let key = self.keys[number as usize];
        let is_same = |other: &u32| key != 0 && self.keys[*other as usize] == key;
        let last = (0..self.keys.len() as u32).rev().find(is_same);
        self.waiting.insert(number);
        self.waiting = self.waiting.iter().copied().filter(|other| !is_same(other) || Some(*other) == last).collect();
    }

    fn deliver(&mut self, consumer: usize, key: u64, number: u32) {
        assert!(self.waiting.remove(&number), "{number} waits, and no later one of its key does");
        self.held.push((consumer, key, number));
    }
}

proptest! {
    /// Nobody gets what was replaced; what is left at the end is what the model has, wherever it was kept.
    #[test]
    fn last_values_keep_their_promises(deeds in proptest::collection::vec(deed(), 1..200)) {
        let mut kept = Kept::with(layer());
        let producer = kept.owner.producer("q", None);
        let mut consumers: Vec<EndKey> = (0..2).map(|_| kept.owner.consumer("q", None, Mode::Consume)).collect();
        let mut model = Model::default();
        let end = (0..2).map(|consumer| Deed::Grant(consumer, 1000));
        for deed in deeds.into_iter().chain(end) {
            let is_last = matches!(deed, Deed::Grant(_, 1000));
            let mut events = match deed {
                Deed::Send(key) => {
                    let delivery = u32::try_from(model.keys.len()).expect("few");
                    model.keys.push(key);
                    model.put(delivery);
                    let header = Header { durable: delivery % 3 > 0, ..Header::default() };
                    let message = Message { header, ..valued(delivery, key) };
                    kept.owner.core.handle_command(1, 1, Command::Deliver { end: producer, delivery, settled: Settled::No, message });
                    kept.owner.events()
                }
                Deed::Grant(consumer, credit) => kept.owner.command(Command::Grant { end: consumers[consumer], credit }),
                Deed::Settle(index, back) if !model.held.is_empty() => {
                    let (consumer, key, number) = model.held.remove(index % model.held.len());
                    let outcome = if back { model.put(number); Outcome::Released } else { Outcome::Accepted };
                    kept.owner.command(Command::Settle { end: consumers[consumer], key, outcome, confirm: None })
                }
                Deed::Settle(..) => Vec::new(),
                Deed::Reattach(consumer) => {
                    let lost: Vec<_> = model.held.extract_if(.., |held| held.0 == consumer).collect();
                    lost.into_iter().for_each(|(.., number)| model.put(number));
                    kept.owner.core.handle_command(1, 1, Command::Detach { end: consumers[consumer], mode: DetachMode::Ended });
                    let events = kept.owner.events();
                    consumers[consumer] = kept.owner.consumer("q", None, Mode::Consume);
                    events
                }
                Deed::Write => { kept.write(); kept.owner.events() }
                Deed::Read(pick) => {
                    // A journal is told of messages before it is asked for them.
                    kept.write();
                    kept.read(pick);
                    kept.owner.events()
                }
            };
            if is_last {
                events.extend(kept.settle_down());
            }
            for event in events {
                let Event::Deliver { key, message } = event else { continue };
                let consumer = consumers.iter().position(|&end| kept.owner.core.holds(end, key));
                model.deliver(consumer.expect("somebody holds it"), key, number(&message));
            }
        }
        prop_assert_eq!(model.waiting.len(), 0, "everything that waited was given");
        let mut left = BTreeMap::new();
        model.held.iter().for_each(|held| *left.entry(held.2).or_insert(0) += 1);
        prop_assert_eq!(messages(&kept.owner) as usize, left.len());
    }
}
