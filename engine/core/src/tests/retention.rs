//! Queues that keep their newest messages only, or none without consumers, or drop what there is no room for, against models.

use std::collections::{BTreeMap, BTreeSet};

use engine_catalogue::{Attributes, Change, Definition, Origin};

use super::held::Kept;
use super::settings::owner_of;
use super::*;

fn owner(layer: Layer) -> Owner {
    owner_of(1, Storage::Memory, vec![("#", Attributes::Match(layer))])
}

fn send_all(owner: &mut Owner, end: EndKey, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let events = owner.send(end, number);
        let accepted = |event: &Event| matches!(event, Event::Settled { outcome: Outcome::Accepted, .. });
        assert!(events.iter().any(accepted), "{number} is accepted: {events:?}");
    }
}

/// The numbers of messages that a consumer is given.
fn numbers(got: &[(u64, u32, u32)]) -> Vec<u32> {
    got.iter().map(|&(_, number, _)| number).collect()
}

fn totals(owner: &Owner) -> (u64, u64) {
    let queue = owner.core.queue_views().next().expect("one queue");
    (queue.messages, queue.totals.dropped)
}

#[test]
fn a_ring_keeps_its_newest_and_those_that_are_held_do_not_count() {
    let mut owner = owner(Layer { ring_size: Some(3), soft_messages: Some(1), ..Layer::default() });
    let producer = owner.producer("q", None);
    let consumer = owner.consumer("q", None, Mode::Consume);
    send_all(&mut owner, producer, 0..5);
    let held = owner.grant(consumer, 2);
    assert_eq!(numbers(&held), [2, 3]);
    send_all(&mut owner, producer, 5..8);
    assert_eq!(totals(&owner), (5, 3), "the two that are held beside three");
    owner.settle(consumer, held[1].0, Outcome::Released);
    assert_eq!(totals(&owner), (4, 4), "it is the oldest of four");
    owner.settle(consumer, held[0].0, Outcome::Accepted);
    assert_eq!(numbers(&owner.grant(consumer, 9)), [5, 6, 7]);
}

#[test]
fn the_oldest_leaves_a_ring_whatever_its_priority() {
    let mut owner = owner(Layer { ring_size: Some(3), ..Layer::default() });
    let end = owner.producer("q", None);
    for (delivery, priority) in [9, 0, 4, 0, 9].into_iter().enumerate() {
        let header = Header { priority, ..Header::default() };
        let message = Message { header, ..numbered(delivery as u32) };
        owner.command(Command::Deliver { end, delivery: delivery as u32, settled: Settled::No, message });
    }
    let consumer = owner.consumer("q", None, Mode::Consume);
    assert_eq!(numbers(&owner.grant(consumer, 9)), [4, 2, 3]);
}

#[test]
fn a_queue_without_consumers_is_emptied_and_gets_nothing() {
    let mut owner = owner(Layer { purge_on_no_consumers: Some(true), ..Layer::default() });
    let producer = owner.producer("q", None);
    owner.consumer("q", None, Mode::Browse);
    send_all(&mut owner, producer, 0..2);
    assert_eq!(totals(&owner), (0, 2), "a browser does not consume");
    let [one, other] = [(); 2].map(|()| owner.consumer("q", None, Mode::Consume));
    send_all(&mut owner, producer, 2..5);
    assert_eq!(numbers(&owner.grant(one, 1)), [2]);
    owner.command(Command::Detach { end: one, mode: DetachMode::Lost });
    assert_eq!(totals(&owner), (3, 2), "another one is there");
    owner.command(Command::Detach { end: other, mode: DetachMode::Close });
    assert_eq!(totals(&owner), (0, 5));
    let next = owner.consumer("q", None, Mode::Consume);
    send_all(&mut owner, producer, 5..6);
    assert_eq!(numbers(&owner.grant(next, 9)), [5]);
}

#[test]
fn a_queue_stays_when_it_was_used_until_settings_say_that_it_goes() {
    let mut owner = owner(Layer { auto_delete: Some(false), ..Layer::default() });
    let producer = owner.producer("q", None);
    let consumer = owner.consumer("q", None, Mode::Consume);
    for end in [producer, consumer] {
        owner.command(Command::Detach { end, mode: DetachMode::Close });
    }
    assert_eq!(owner.core.queue_views().count(), 1);
    let goes = Attributes::Match(Layer { auto_delete: Some(true), ..Layer::default() });
    let change = Change::Define { origin: Origin::Configuration, definition: Definition::new("#", goes) };
    let next = owner.core.catalogue().apply(&[change]).expect("it is right");
    owner.core.handle_catalogue(Arc::new(next));
    owner.events();
    assert_eq!(owner.core.queue_views().count(), 0);
}

#[test]
fn a_disabled_queue_gets_nothing_and_gives_what_it_has() {
    let mut owner = owner(Layer { enabled: Some(false), ..Layer::default() });
    let producer = owner.producer("q", None);
    let consumer = owner.consumer("q", None, Mode::Consume);
    send_all(&mut owner, producer, 0..3);
    assert_eq!((totals(&owner), owner.grant(consumer, 9).len()), ((0, 3), 0));
}

#[test]
fn what_there_is_no_room_for_is_accepted_and_dropped() {
    let mut owner = owner(Layer {
        max_messages: Some(2),
        when_full: Some(WhenFull::Drop),
        producer_window: Some(2),
        ..Layer::default()
    });
    let producer = owner.producer("q", None);
    send_all(&mut owner, producer, 0..6);
    assert_eq!(totals(&owner), (2, 4));
    let consumer = owner.consumer("q", None, Mode::Consume);
    let got = owner.grant(consumer, 9);
    assert_eq!(numbers(&got), [0, 1]);
    owner.settle(consumer, got[0].0, Outcome::Accepted);
    send_all(&mut owner, producer, 6..7);
    assert_eq!(totals(&owner), (2, 4));
}

#[test]
fn of_several_queues_those_that_drop_do_not_keep_a_message_from_others() {
    let mut owner = owner(Layer { purge_on_no_consumers: Some(true), ..Layer::default() });
    let topic = Some(RoutingType::Multicast);
    let looking = owner.consumer("t", topic, Mode::Browse);
    let taking = owner.consumer("t", topic, Mode::Consume);
    let producer = owner.producer("t", topic);
    send_all(&mut owner, producer, 0..2);
    assert_eq!((owner.grant(looking, 9).len(), numbers(&owner.grant(taking, 9))), (0, vec![0, 1]));
}

#[test]
fn where_consumers_only_look_everybody_sees_everything_and_nothing_leaves() {
    let layer = Layer { non_destructive: Some(true), ring_size: Some(3), soft_messages: Some(1), ..Layer::default() };
    let mut owner = owner(layer);
    let producer = owner.producer("q", None);
    let [one, other] = [(); 2].map(|()| owner.consumer("q", None, Mode::Consume));
    send_all(&mut owner, producer, 0..2);
    let got = owner.grant(one, 9);
    assert_eq!(numbers(&got), [0, 1]);
    owner.settle(one, got[0].0, Outcome::Accepted);
    assert_eq!(numbers(&owner.grant(other, 1)), [0]);
    let events = owner.send(producer, 2);
    assert!(events.iter().any(|event| matches!(event, Event::Deliver { .. })), "it stays for what comes: {events:?}");
    assert_eq!(numbers(&owner.grant(other, 9)), [1, 2]);
    send_all(&mut owner, producer, 3..4);
    assert_eq!(totals(&owner), (3, 1), "the ring drops, and nobody else");
    owner.command(Command::Detach { end: one, mode: DetachMode::Close });
    let late = owner.consumer("q", None, Mode::Consume);
    assert_eq!(numbers(&owner.grant(late, 9)), [1, 2, 3]);
}

#[test]
fn who_only_looks_counts_as_a_consumer_where_nobody_takes() {
    let layer = Layer { non_destructive: Some(true), purge_on_no_consumers: Some(true), ..Layer::default() };
    let mut owner = owner(layer);
    let producer = owner.producer("q", None);
    let consumer = owner.consumer("q", None, Mode::Consume);
    send_all(&mut owner, producer, 0..2);
    assert_eq!(totals(&owner), (2, 0));
    owner.command(Command::Detach { end: consumer, mode: DetachMode::Lost });
    assert_eq!(totals(&owner), (0, 2));
}

/// It failed before: a browser was shown what a crash could still take back.
#[test]
fn what_is_not_durable_yet_is_shown_to_no_browser() {
    for mode in [Mode::Browse, Mode::Consume] {
        let mut owner = owner_of(1, Storage::Journal, Vec::new());
        let producer = owner.producer("q", None);
        let looking = owner.consumer("q", None, mode);
        owner.grant(looking, 9);
        let header = Header { durable: true, ..Header::default() };
        let message = Message { header, ..numbered(7) };
        let events = owner.command(Command::Deliver { end: producer, delivery: 0, settled: Settled::No, message });
        assert_eq!(events, [], "{mode:?}");
        while owner.core.poll_fact().is_some() {}
        owner.core.handle_durable(9);
        let shown = |event: &Event| matches!(event, Event::Deliver { .. });
        assert_eq!(owner.events().iter().filter(|event| shown(event)).count(), 1, "{mode:?}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Grant(u32),
    Settle(usize, u8),
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Send),
        3 => (1..6_u32).prop_map(Step::Grant),
        3 => (0..64_usize, 0..3_u8).prop_map(|(held, outcome)| Step::Settle(held, outcome)),
        4 => (0..8_usize).prop_map(Step::Read),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A ring gives what a list would give that is cut at every change, also while memory is short: what it has is in memory, in the journal
    /// only behind that, or held and read again.
    #[test]
    fn a_ring_is_a_list_that_is_cut(ring in 1..40_usize, steps in prop::collection::vec(step(), 1..250)) {
        let mut kept = Kept::with(Layer { ring_size: Some(ring as u64), ..Layer::default() });
        let producer = kept.owner.producer("q", None);
        let consumer = kept.owner.consumer("q", None, Mode::Consume);
        let (mut sent, mut waiting, mut held) = (0, BTreeSet::new(), BTreeMap::new());
        let end_of = [Step::Grant(1000), Step::Read(0)].into_iter().cycle().take(600);
        for step in steps.into_iter().chain(end_of) {
            match step {
                Step::Send => {
                    kept.send(producer, sent);
                    waiting.insert(sent);
                    sent += 1;
                }
                Step::Grant(credit) => kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit }),
                Step::Settle(place, outcome) if !held.is_empty() => {
                    let (&number, &key) = held.iter().nth(place % held.len()).expect("it is there");
                    held.remove(&number);
                    let outcome = if outcome == 0 { Outcome::Accepted } else { Outcome::Released };
                    if outcome == Outcome::Released {
                        waiting.insert(number);
                    }
                    kept.owner.core.handle_command(1, 1, Command::Settle { end: consumer, key, outcome, confirm: None });
                }
                Step::Settle(..) => {}
                Step::Read(pick) => { kept.read(pick); }
            }
            while waiting.len() > ring {
                waiting.pop_first();
            }
            for event in kept.owner.events() {
                let Event::Deliver { key, message } = event else { continue };
                prop_assert_eq!(Some(number(&message)), waiting.pop_first(), "the first one that is left");
                held.insert(number(&message), key);
            }
            kept.write();
        }
        prop_assert_eq!(waiting.len(), 0, "all that is left was given");
    }

    /// Nothing that was there when the last consumer left is given to the next one, wherever it was.
    #[test]
    fn what_was_purged_is_given_to_nobody(before in 1..60_u32, after in 0..60_u32, reads in 0..40_usize) {
        let mut kept = Kept::with(Layer { purge_on_no_consumers: Some(true), ..Layer::default() });
        let producer = kept.owner.producer("q", None);
        let first = kept.owner.consumer("q", None, Mode::Consume);
        (0..before).for_each(|number| kept.send(producer, number));
        kept.owner.events();
        kept.write();
        kept.owner.command(Command::Detach { end: first, mode: DetachMode::Lost });
        kept.write();
        (0..reads).for_each(|_| { kept.read(0); kept.owner.events(); kept.write(); });
        let next = kept.owner.consumer("q", None, Mode::Consume);
        (before..before + after).for_each(|number| kept.send(producer, number));
        kept.owner.core.handle_command(1, 1, Command::Grant { end: next, credit: 1000 });
        let mut got = Vec::new();
        for _ in 0..300 {
            let events = kept.owner.events();
            got.extend(events.iter().filter_map(|event| match event {
                Event::Deliver { message, .. } => Some(number(message)),
                _ => None,
            }));
            kept.write();
            kept.read(0);
        }
        prop_assert_eq!(got, (before..before + after).collect::<Vec<_>>());
        prop_assert_eq!(totals(&kept.owner).1, u64::from(before));
    }
}

#[test]
fn a_restart_leaves_no_more_than_the_ring_keeps_and_purges_what_nobody_consumed() {
    for (layer, left) in [
        (Layer { ring_size: Some(3), ..Layer::default() }, 3),
        (Layer { purge_on_no_consumers: Some(true), ..Layer::default() }, 0),
    ] {
        let mut owner = owner_of(1, Storage::Journal, vec![("#", Attributes::Match(layer))]);
        let declared = crate::fact::Declared {
            queue: 7,
            routing: RoutingType::Anycast,
            purpose: crate::fact::Purpose::OnDemand,
            address: "q".into(),
            name: "q".into(),
            selector: None,
            no_local: None,
        };
        owner.core.restore_numbers(crate::LastNumbers::default());
        owner.core.restore(&crate::Restored { declared, messages: 5, bytes: 500 });
        let fetch = owner.core.poll_fetch().expect("it has too many");
        owner.core.handle_fetched(fetch.queue, (1..=5).map(|name| (name, numbered(name as u32))));
        owner.core.handle_fetch_done(fetch.queue);
        let facts = std::iter::from_fn(|| owner.core.poll_fact());
        assert!(facts.count() <= 1, "they are next to each other");
        let released: Vec<u64> = std::iter::from_fn(|| owner.core.poll_released()).collect();
        assert_eq!(released.len(), 5 - left, "{released:?}");
    }
}

/// Seconds, as a delay.
fn after(seconds: u64) -> Layer {
    Layer { auto_delete_delay_ms: Some(seconds * 1000), ..Layer::default() }
}

/// The queues of an owner at that second.
fn queues_at(owner: &mut Owner, seconds: u64) -> usize {
    owner.core.begin_turn(seconds * 1_000_000_000, 1);
    owner.core.check();
    owner.core.queue_views().count()
}

#[test]
fn a_queue_stays_for_a_while_when_nobody_needs_it() {
    let mut owner = owner(after(60));
    let use_at = |owner: &mut Owner, seconds: u64| {
        assert_eq!(queues_at(owner, seconds), usize::from(seconds > 0), "it is there still");
        let now_ns = seconds * 1_000_000_000;
        owner.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
        owner.core.handle_command(now_ns, 1, consume(link, "q", None, Mode::Consume));
        let events = owner.events();
        let [Event::Attached { end, .. }, ..] = events.as_slice() else { panic!("not attached: {events:?}") };
        owner.core.handle_command(now_ns, 1, Command::Detach { end: *end, mode: DetachMode::Close });
        owner.events();
    };
    [0, 50, 100].into_iter().for_each(|seconds| use_at(&mut owner, seconds));
    assert_eq!(queues_at(&mut owner, 159), 1, "who came meanwhile begins it anew");
    assert_eq!(queues_at(&mut owner, 160), 0);
    assert_eq!((owner.core.deadline(), owner.core.nodes.addresses.len()), (None, 0));
}

#[test]
fn a_message_that_comes_and_goes_begins_the_while_anew() {
    let mut owner = owner(Layer { ring_size: Some(1), auto_delete_messages: Some(9), ..after(60) });
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    owner.send(producer, 0);
    let got = owner.grant(consumer, 1);
    owner.settle(consumer, got[0].0, Outcome::Accepted);
    [producer, consumer]
        .into_iter()
        .for_each(|end| drop(owner.command(Command::Detach { end, mode: DetachMode::Close })));
    let publish = Command::Publish {
        link: LinkKey { shard: 0, generation: 0, slot: 99 },
        delivery: 0,
        settled: Settled::Yes,
        publish: Box::new(crate::command::Publish::of("q", numbered(1))),
    };
    owner.core.handle_command(40_000_000_000, 1, publish);
    owner.events();
    assert_eq!((queues_at(&mut owner, 99), totals(&owner)), (1, (1, 0)));
    assert_eq!(queues_at(&mut owner, 160), 0, "with its message");
}

#[test]
fn a_queue_goes_with_few_messages_once_a_consumer_took_one() {
    let mut owner = owner(Layer { auto_delete_messages: Some(2), ..Layer::default() });
    let send = |owner: &mut Owner, count| {
        let producer = owner.producer("q", None);
        send_all(owner, producer, 0..count);
        owner.command(Command::Detach { end: producer, mode: DetachMode::Close });
        owner.core.queue_views().count()
    };
    assert_eq!(send(&mut owner, 2), 1, "nobody had a chance to take them");
    assert_eq!(send(&mut owner, 2), 1);
    let take = |owner: &mut Owner| {
        let consumer = owner.consumer("q", None, Mode::Consume);
        let got = owner.grant(consumer, 1);
        owner.settle(consumer, got[0].0, Outcome::Accepted);
        owner.command(Command::Detach { end: consumer, mode: DetachMode::Close });
        owner.core.queue_views().count()
    };
    assert_eq!((take(&mut owner), take(&mut owner)), (1, 0), "three are too many, two are not");
    assert_eq!(owner.core.memory_bytes(), 0);
}
