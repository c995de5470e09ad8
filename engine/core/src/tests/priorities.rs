//! Messages of higher priority are given first, and nothing else changes by it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::held::Kept;
use super::*;

/// A message of a priority.
fn urgent(number: u32, priority: u8) -> Message {
    let header = Header { priority, ..Header::default() };
    Message { header, ..numbered(number) }
}

fn send(owner: &mut Owner, end: EndKey, delivery: u32, priority: u8) -> Vec<Event> {
    let message = urgent(delivery, priority);
    owner.command(Command::Deliver { end, delivery, settled: Settled::No, message })
}

fn seen(events: &[Event]) -> Vec<(u32, u8)> {
    let shown = events.iter().filter_map(|event| match event {
        Event::Deliver { message, .. } => Some((number(message), message.header.priority)),
        _ => None,
    });
    shown.collect()
}

#[test]
fn the_most_urgent_is_next_and_within_a_priority_the_first() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    for (delivery, priority) in (0..).zip([4, 9, 0, 4, 200, 9, 5]) {
        send(&mut owner, producer, delivery, priority);
    }
    let browser = owner.consumer("q", None, Mode::Browse);
    let browsed = seen(&owner.command(Command::Grant { end: browser, credit: 9 }));
    assert_eq!(browsed.iter().map(|seen| seen.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6], "as they came");
    let consumer = owner.consumer("q", None, Mode::Consume);
    let got = seen(&owner.command(Command::Grant { end: consumer, credit: 9 }));
    // What is beyond the highest priority is ordered like it, and keeps what its sender said.
    assert_eq!(got, [(1, 9), (4, 200), (5, 9), (6, 5), (0, 4), (3, 4), (2, 0)]);
}

#[test]
fn what_came_back_is_in_front_of_its_own_priority_only() {
    let mut owner = Owner::new();
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    send(&mut owner, producer, 0, 4);
    send(&mut owner, producer, 1, 1);
    let got = owner.grant(consumer, 2);
    for delivery in 2..4 {
        send(&mut owner, producer, delivery, 4);
    }
    send(&mut owner, producer, 4, 6);
    owner.settle(consumer, got[1].0, Outcome::Released);
    owner.settle(consumer, got[0].0, Outcome::Released);
    let again = owner.grant(consumer, 9);
    assert_eq!(again.iter().map(|delivery| delivery.1).collect::<Vec<_>>(), [4, 0, 2, 3, 1]);
}

#[test]
fn what_one_consumer_may_not_have_does_not_hold_up_lower_priorities() {
    let mut owner = Owner::new();
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    send(&mut owner, producer, 0, 9);
    let [(key, ..)] = owner.grant(consumer, 1)[..] else { panic!("it is there") };
    let not_here = Modified { undeliverable_here: true, ..Modified::default() };
    owner.settle(consumer, key, Outcome::Modified(Box::new(not_here)));
    for (delivery, priority) in [(1, 0), (2, 4), (3, 9)] {
        send(&mut owner, producer, delivery, priority);
    }
    let got = owner.grant(consumer, 9);
    assert_eq!(got.iter().map(|delivery| delivery.1).collect::<Vec<_>>(), [3, 2, 1]);
    let other = owner.consumer("q", None, Mode::Consume);
    assert_eq!(owner.grant(other, 9).iter().map(|delivery| delivery.1).collect::<Vec<_>>(), [0]);
}

#[derive(Clone, Debug)]
enum Step {
    Send { priority: u8, lives_ms: u64 },
    Grant(usize, u32),
    Settle(usize, bool),
    Lose(usize),
    Later(u64),
    Browse,
}

fn step() -> impl Strategy<Value = Step> {
    let priority = prop_oneof![3 => Just(4_u8), 4 => 0..12_u8];
    prop_oneof![
        6 => (priority, prop_oneof![4 => Just(0_u64), 1 => 1..30_u64])
            .prop_map(|(priority, lives_ms)| Step::Send { priority, lives_ms }),
        3 => (0..2_usize, 1..5_u32).prop_map(|(consumer, credit)| Step::Grant(consumer, credit)),
        4 => (0..32_usize, any::<bool>()).prop_map(|(held, back)| Step::Settle(held, back)),
        1 => (0..2_usize).prop_map(Step::Lose),
        1 => (1..200_u64).prop_map(Step::Later),
        1 => Just(Step::Browse),
    ]
}

/// What is known of the messages of one queue.
#[derive(Default)]
struct Model {
    /// By priority and number.
    waiting: BTreeSet<(Reverse<u8>, u32)>,
    held: Vec<(usize, u64, u32)>,
    priorities: BTreeMap<u32, u8>,
    expires: BTreeMap<u32, u64>,
}

impl Model {
    fn place(&self, number: u32) -> (Reverse<u8>, u32) {
        (Reverse(self.priorities[&number].min(9)), number)
    }

    /// A message was given to somebody: it was the first of those that may not be dropped.
    fn give(&mut self, number: u32, wall_ms: u64) {
        self.drop_expired(wall_ms);
        assert_eq!(self.waiting.pop_first().map(|(_, number)| number), Some(number));
    }

    fn drop_expired(&mut self, wall_ms: u64) {
        let expires = &self.expires;
        self.waiting.retain(|(_, number)| expires.get(number).is_none_or(|at| *at > wall_ms));
    }
}

/// Attaches a link at a time, and gives its end.
fn attach(owner: &mut Owner, now_ns: u64, wall_ms: u64, mode: Mode) -> EndKey {
    owner.next_link += 1;
    let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
    owner.core.handle_command(now_ns, wall_ms, consume(link, "q", None, mode));
    let attached = std::iter::from_fn(|| owner.core.poll_event()).filter_map(|(_, event)| match event {
        Event::Attached { end, .. } => Some(end),
        _ => None,
    });
    attached.last().expect("it is attached")
}

proptest! {
    #[test]
    fn messages_come_by_priority_and_age(steps in proptest::collection::vec(step(), 1..250)) {
        let mut owner = Owner::new();
        let producer = owner.producer("q", None);
        let mut consumers = [0; 2].map(|_| owner.consumer("q", None, Mode::Consume));
        let (mut model, mut sent, mut wall_ms) = (Model::default(), 0, 1_u64);
        for step in steps {
            let now_ns = wall_ms * 1_000_000;
            match step {
                Step::Send { priority, lives_ms } => {
                    model.priorities.insert(sent, priority);
                    let expires_wall_ms = std::num::NonZeroU64::new(lives_ms).map(|lives| lives.saturating_add(wall_ms));
                    if let Some(at) = expires_wall_ms {
                        model.expires.insert(sent, at.get());
                    }
                    let place = model.place(sent);
                    model.waiting.insert(place);
                    let message = Message { expires_wall_ms, ..urgent(sent, priority) };
                    owner.core.handle_deliver(now_ns, wall_ms, producer, sent, Settled::No, message);
                    sent += 1;
                }
                Step::Grant(consumer, credit) => {
                    owner.core.handle_command(now_ns, wall_ms, Command::Grant { end: consumers[consumer], credit });
                }
                Step::Settle(..) if model.held.is_empty() => {}
                Step::Settle(held, back) => {
                    let (consumer, key, number) = model.held.remove(held % model.held.len());
                    let outcome = if back { Outcome::Released } else { Outcome::Accepted };
                    if back {
                        let place = model.place(number);
                        model.waiting.insert(place);
                    }
                    let end = consumers[consumer];
                    owner.core.handle_command(now_ns, wall_ms, Command::Settle { end, key, outcome, confirm: None });
                }
                Step::Lose(consumer) => {
                    let lost: Vec<_> = model.held.extract_if(.., |held| held.0 == consumer).collect();
                    let places: Vec<_> = lost.iter().map(|held| model.place(held.2)).collect();
                    model.waiting.extend(places);
                    let detach = Command::Detach { end: consumers[consumer], mode: DetachMode::Lost };
                    owner.core.handle_command(now_ns, wall_ms, detach);
                    consumers[consumer] = attach(&mut owner, now_ns, wall_ms, Mode::Consume);
                }
                Step::Later(ms) => {
                    wall_ms += ms;
                    owner.core.begin_turn(wall_ms * 1_000_000, wall_ms);
                }
                Step::Browse => {
                    model.drop_expired(wall_ms);
                    let browser = attach(&mut owner, now_ns, wall_ms, Mode::Browse);
                    owner.core.handle_command(now_ns, wall_ms, Command::Grant { end: browser, credit: 1000 });
                    let events = owner.events();
                    let mut waiting: Vec<u32> = model.waiting.iter().map(|(_, number)| *number).collect();
                    waiting.sort_unstable();
                    let browsed: Vec<u32> = seen(&events).into_iter().map(|seen| seen.0).collect();
                    prop_assert_eq!(browsed, waiting);
                    owner.core.handle_command(now_ns, wall_ms, Command::Detach { end: browser, mode: DetachMode::Close });
                }
            }
            for event in owner.events() {
                if let Event::Deliver { key, message } = event {
                    let number = number(&message);
                    model.give(number, wall_ms);
                    let consumer = (0..2).find(|&consumer| owner.core.holds(consumers[consumer], key));
                    model.held.push((consumer.expect("somebody holds it"), key, number));
                }
            }
        }
    }

    /// With messages that leave memory, durable or not: each comes, and those of one priority in their order.
    #[test]
    fn what_left_memory_comes_once_and_in_the_order_of_its_priority(
        priorities in proptest::collection::vec(0..10_u8, 1..80),
        taken in 0..40_u32,
    ) {
        let mut kept = Kept::new();
        let producer = kept.owner.producer("q", None);
        let consumer = kept.owner.consumer("q", None, Mode::Consume);
        for (&priority, delivery) in priorities.iter().zip(0..) {
            let header = Header { durable: delivery % 8 != 0, priority, ..Header::default() };
            let message = Message { header, ..numbered(delivery) };
            kept.owner.core.handle_command(1, 1, Command::Deliver { end: producer, delivery, settled: Settled::No, message });
            kept.owner.events();
        }
        // Some are held, leave memory, and come back.
        kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit: taken });
        kept.settle_down();
        kept.owner.core.handle_command(1, 1, Command::Detach { end: consumer, mode: DetachMode::Ended });
        let browser = kept.owner.consumer("q", None, Mode::Browse);
        kept.owner.core.handle_command(1, 1, Command::Grant { end: browser, credit: 100 });
        let browsed: Vec<u32> = seen(&kept.settle_down()).into_iter().map(|seen| seen.0).collect();
        prop_assert_eq!(browsed, (0..priorities.len() as u32).collect::<Vec<_>>());
        let consumer = kept.owner.consumer("q", None, Mode::Consume);
        kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit: 100 });
        let got = seen(&kept.settle_down());
        prop_assert_eq!(got.len(), priorities.len());
        for wanted in 0..10 {
            let of: Vec<u32> = got.iter().filter(|(_, priority)| *priority == wanted).map(|(number, _)| *number).collect();
            prop_assert!(of.is_sorted(), "{wanted}: {of:?}");
        }
        let all: BTreeSet<u32> = got.iter().map(|(number, _)| *number).collect();
        prop_assert_eq!(all.len(), priorities.len());
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Send(u8),
    Grant(u32),
    Settle(usize, bool),
    Write,
    Read(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => (0..12_u8).prop_map(Deed::Send),
        2 => (1..4_u32).prop_map(Deed::Grant),
        2 => (0..64_usize, any::<bool>()).prop_map(|(held, back)| Deed::Settle(held, back)),
        3 => Just(Deed::Write),
        3 => (0..8_usize).prop_map(Deed::Read),
    ]
}

proptest! {
    /// Where they hold on disk, too, the most urgent of all is next, wherever it is.
    #[test]
    fn priorities_hold_over_what_memory_has_no_room_for(deeds in proptest::collection::vec(deed(), 1..250)) {
        let mut kept = Kept::with(Layer { priorities_on_disk: Some(true), ..Layer::default() });
        let (producer, consumer) = (kept.owner.producer("q", None), kept.owner.consumer("q", None, Mode::Consume));
        let (mut waiting, mut held) = (BTreeSet::new(), Vec::new());
        let mut priorities: Vec<u8> = Vec::new();
        for deed in deeds.into_iter().chain([Deed::Grant(1000)]) {
            let is_last = matches!(deed, Deed::Grant(1000));
            let mut events = match deed {
                Deed::Send(priority) => {
                    let delivery = u32::try_from(priorities.len()).expect("few");
                    priorities.push(priority);
                    waiting.insert((Reverse(priority.min(9)), delivery));
                    let header = Header { durable: delivery % 3 > 0, ..Header::default() };
                    let message = Message { header: Header { priority, ..header }, ..numbered(delivery) };
                    kept.owner.command(Command::Deliver { end: producer, delivery, settled: Settled::No, message })
                }
                Deed::Grant(credit) => kept.owner.command(Command::Grant { end: consumer, credit }),
                Deed::Settle(index, back) if !held.is_empty() => {
                    let (key, number): (u64, u32) = held.remove(index % held.len());
                    let outcome = if back { Outcome::Released } else { Outcome::Accepted };
                    if back {
                        waiting.insert((Reverse(priorities[number as usize].min(9)), number));
                    }
                    kept.owner.command(Command::Settle { end: consumer, key, outcome, confirm: None })
                }
                Deed::Settle(..) => Vec::new(),
                Deed::Write => { kept.write(); kept.owner.events() }
                Deed::Read(pick) => { kept.write(); kept.read(pick); kept.owner.events() }
            };
            if is_last {
                events.extend(kept.settle_down());
            }
            for event in events {
                let Event::Deliver { key, message } = event else { continue };
                let first = waiting.pop_first().map(|(_, number)| number);
                prop_assert_eq!(first, Some(number(&message)), "the most urgent one is next");
                held.push((key, number(&message)));
            }
        }
        prop_assert!(waiting.is_empty(), "everything that waited was given");
    }
}
