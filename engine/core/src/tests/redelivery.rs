//! Messages whose delivery failed wait as long as the settings say, and nothing else does.

use std::collections::BTreeMap;

use super::forwarding::{forward_all, view};
use super::held::Kept;
use super::*;
use crate::Version;
use engine_catalogue::{Attributes, Change, Definition, Origin};

const MS: u64 = 1_000_000;

fn waiting(first_ms: u64, growth: u32) -> Layer {
    Layer { redelivery_delay_ms: Some(first_ms), redelivery_growth: Some(growth), ..Layer::default() }
}

fn owner(layer: Layer) -> Owner {
    let config = CoreConfig { catalogue: Arc::new(Catalogue::of_all(layer)), ..CoreConfig::default() };
    Owner { core: Core::new(config), next_link: 0 }
}

fn failed() -> Outcome {
    Outcome::Modified(Box::new(Modified { delivery_failed: true, ..Modified::default() }))
}

/// Does something at a time; gives the messages that come of it.
fn at(owner: &mut Owner, now_ns: u64, command: Command) -> Vec<(u64, u32, u32)> {
    owner.core.handle_command(now_ns, now_ns / MS, command);
    deliveries(owner.events())
}

/// Lets time pass; gives the messages that come of it.
fn turn(owner: &mut Owner, now_ns: u64) -> Vec<(u64, u32, u32)> {
    owner.core.begin_turn(now_ns, now_ns / MS);
    deliveries(owner.events())
}

fn settle(end: EndKey, key: u64, outcome: Outcome) -> Command {
    Command::Settle { end, key, outcome, confirm: None }
}

/// Numbers of messages.
fn numbers(got: &[(u64, u32, u32)]) -> Vec<u32> {
    got.iter().map(|delivery| delivery.1).collect()
}

#[test]
fn what_failed_waits_longer_each_time_and_holds_up_nothing() {
    let mut owner = owner(waiting(100, 200));
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    owner.send(producer, 0);
    let mut key = at(&mut owner, MS, Command::Grant { end: consumer, credit: 1 })[0].0;
    let mut now_ns = MS;
    for (wait_ms, count) in [(100, 1), (200, 2), (400, 3)] {
        assert_eq!(at(&mut owner, now_ns, settle(consumer, key, failed())), []);
        assert_eq!((view(&owner, "q").delayed, view(&owner, "q").messages), (1, 1));
        at(&mut owner, now_ns, Command::Grant { end: consumer, credit: 2 });
        let message = numbered(count);
        let send = Command::Deliver { end: producer, delivery: count, settled: Settled::No, message };
        let other = at(&mut owner, now_ns, send);
        assert_eq!(numbers(&other), [count], "others come meanwhile");
        at(&mut owner, now_ns, settle(consumer, other[0].0, Outcome::Accepted));
        let due_ns = now_ns + wait_ms * MS;
        assert_eq!(owner.core.deadline(), Some(due_ns));
        assert_eq!(turn(&mut owner, due_ns - 1), []);
        let got = turn(&mut owner, due_ns);
        let [(next, 0, attempts)] = got[..] else { panic!("it is due: {got:?}") };
        assert_eq!(attempts, count);
        (key, now_ns) = (next, due_ns);
    }
    at(&mut owner, now_ns, settle(consumer, key, Outcome::Accepted));
    assert_eq!((owner.core.memory_bytes(), owner.core.deadline()), (0, None));
}

#[test]
fn it_comes_back_to_its_place() {
    let mut owner = owner(waiting(50, 100));
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    (0..4).for_each(|delivery| drop(owner.send(producer, delivery)));
    let got = owner.grant(consumer, 2);
    at(&mut owner, MS, settle(consumer, got[1].0, failed()));
    at(&mut owner, MS, settle(consumer, got[0].0, failed()));
    assert_eq!(turn(&mut owner, 60 * MS), []);
    let got = at(&mut owner, 60 * MS, Command::Grant { end: consumer, credit: 9 });
    assert_eq!(numbers(&got), [0, 1, 2, 3]);
}

#[test]
fn whoever_drains_is_told_that_there_is_nothing_while_it_waits() {
    let mut owner = owner(waiting(50, 100));
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    owner.send(producer, 0);
    let key = owner.grant(consumer, 1)[0].0;
    at(&mut owner, MS, settle(consumer, key, failed()));
    owner.core.handle_command(MS, 1, Command::Grant { end: consumer, credit: 5 });
    assert_eq!(owner.command(Command::Drain { end: consumer }), [Event::Drained { unused: 5 }]);
    let browser = owner.consumer("q", None, Mode::Browse);
    assert_eq!(owner.grant(browser, 5), [], "a browser sees it when it is there again");
}

#[test]
fn what_is_released_or_fails_too_often_does_not_wait() {
    let layer =
        Layer { dead_letter_address: Some("dead".to_owned()), max_delivery_attempts: Some(2), ..waiting(50, 100) };
    let mut owner = owner(layer);
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    owner.send(producer, 0);
    let key = owner.grant(consumer, 1)[0].0;
    at(&mut owner, MS, settle(consumer, key, Outcome::Released));
    let key = at(&mut owner, MS, Command::Grant { end: consumer, credit: 1 })[0].0;
    at(&mut owner, MS, settle(consumer, key, failed()));
    assert_eq!(at(&mut owner, MS, Command::Grant { end: consumer, credit: 1 }), []);
    let key = turn(&mut owner, 60 * MS)[0].0;
    at(&mut owner, 60 * MS, settle(consumer, key, failed()));
    assert_eq!((forward_all(&mut owner), owner.core.deadline()), (1, None));
}

#[test]
fn what_expires_meanwhile_is_not_given_again() {
    let mut owner = owner(waiting(50, 100));
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    let message = Message { expires_wall_ms: std::num::NonZeroU64::new(20), ..numbered(0) };
    owner.command(Command::Deliver { end: producer, delivery: 0, settled: Settled::No, message });
    let key = owner.grant(consumer, 1)[0].0;
    at(&mut owner, MS, settle(consumer, key, failed()));
    at(&mut owner, MS, Command::Grant { end: consumer, credit: 1 });
    assert_eq!(turn(&mut owner, 60 * MS), []);
    turn(&mut owner, 200 * MS);
    assert_eq!((view(&owner, "q").totals.expired, owner.core.memory_bytes()), (1, 0));
}

#[test]
fn a_queue_that_is_deleted_waits_for_nothing() {
    let mut owner = owner(waiting(50, 100));
    let routing = Some(RoutingType::Multicast);
    let consumer = owner.consumer("t", routing, Mode::Consume);
    let producer = owner.producer("t", routing);
    owner.send(producer, 0);
    let key = owner.grant(consumer, 1)[0].0;
    at(&mut owner, MS, settle(consumer, key, failed()));
    owner.command(Command::Detach { end: consumer, mode: DetachMode::Close });
    assert_eq!(owner.core.memory_bytes(), 0);
    assert_eq!(turn(&mut owner, 60 * MS), []);
    assert_eq!(owner.core.deadline(), None);
}

#[test]
fn without_the_setting_what_waits_comes_when_it_is_due_and_nothing_more_waits() {
    let mut owner = owner(waiting(50, 100));
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    (0..2).for_each(|delivery| drop(owner.send(producer, delivery)));
    let got = owner.grant(consumer, 2);
    at(&mut owner, MS, settle(consumer, got[0].0, failed()));
    let definition = Definition::new("#", Attributes::Match(Layer::default()));
    let change = Change::Define { origin: Origin::Configuration, definition };
    let catalogue = Arc::new(owner.core.catalogue().apply(&[change]).expect("it is right"));
    owner.core.handle_version(Version::Holds(catalogue));
    at(&mut owner, MS, settle(consumer, got[1].0, failed()));
    let got = at(&mut owner, MS, Command::Grant { end: consumer, credit: 9 });
    assert_eq!(numbers(&got), [1]);
    assert_eq!(numbers(&turn(&mut owner, 60 * MS)), [0]);
}

#[test]
fn what_left_memory_waits_as_well() {
    let mut kept = Kept::with(waiting(50, 100));
    let producer = kept.owner.producer("q", None);
    let consumers: Vec<EndKey> = (0..2).map(|_| kept.owner.consumer("q", None, Mode::Consume)).collect();
    (1..21).for_each(|number| kept.send(producer, number));
    kept.owner.core.handle_command(1, 1, Command::Grant { end: consumers[0], credit: 20 });
    assert_eq!(kept.settle_down().iter().filter(|event| matches!(event, Event::Deliver { .. })).count(), 20);
    kept.owner.core.handle_command(MS, 1, Command::Detach { end: consumers[0], mode: DetachMode::Lost });
    kept.owner.core.handle_command(MS, 1, Command::Grant { end: consumers[1], credit: 20 });
    assert_eq!(deliveries(kept.settle_down()), []);
    assert_eq!(view(&kept.owner, "q").delayed, 20);
    kept.owner.core.begin_turn(60 * MS, 60);
    let got = deliveries(kept.settle_down());
    assert_eq!(numbers(&got), (1..21).collect::<Vec<_>>());
    assert!(got.iter().all(|delivery| delivery.2 == 1));
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Grant(u32),
    Settle(usize, u8),
    Later(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Send),
        4 => (1..4_u32).prop_map(Step::Grant),
        4 => (0..16_usize, 0..3_u8).prop_map(|(held, outcome)| Step::Settle(held, outcome)),
        4 => (1..80_u64).prop_map(Step::Later),
    ]
}

proptest! {
    #[test]
    fn nothing_comes_before_its_time_and_everything_at_it(
        steps in proptest::collection::vec(step(), 1..200),
        growth in 100..300_u32,
    ) {
        let mut owner = owner(waiting(30, growth));
        let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
        let (mut now_ns, mut sent, mut credit) = (MS, 0, 0);
        // When each may come, and how often it failed.
        let mut ready: BTreeMap<u32, (u64, u32)> = BTreeMap::new();
        let mut held: Vec<(u64, u32, u32)> = Vec::new();
        for step in steps {
            match step {
                Step::Send => {
                    ready.insert(sent, (0, 0));
                    owner.core.handle_deliver(now_ns, now_ns / MS, producer, sent, Settled::No, numbered(sent));
                    sent += 1;
                }
                Step::Grant(more) => {
                    credit += more;
                    owner.core.handle_command(now_ns, now_ns / MS, Command::Grant { end: consumer, credit: more });
                }
                Step::Settle(..) if held.is_empty() => {}
                Step::Settle(place, outcome) => {
                    let (key, number, failures) = held.remove(place % held.len());
                    let outcome = match outcome {
                        0 => Outcome::Accepted,
                        1 => {
                            ready.insert(number, (0, failures));
                            Outcome::Released
                        }
                        _ => {
                            let mut wait_ns = 30 * MS;
                            for _ in 0..failures {
                                wait_ns = (wait_ns * u64::from(growth) / 100).min(300 * MS);
                            }
                            ready.insert(number, (now_ns + wait_ns, failures + 1));
                            failed()
                        }
                    };
                    owner.core.handle_command(now_ns, now_ns / MS, settle(consumer, key, outcome));
                }
                Step::Later(ms) => {
                    now_ns += ms * MS;
                    owner.core.begin_turn(now_ns, now_ns / MS);
                }
            }
            for (key, number, failures) in deliveries(owner.events()) {
                let first = ready.iter().find(|(_, (at_ns, _))| *at_ns <= now_ns).map(|(number, _)| *number);
                prop_assert_eq!(first, Some(number), "the first that may come");
                let (_, failed) = ready.remove(&number).expect("it is ready");
                prop_assert_eq!(failures, failed);
                credit -= 1;
                held.push((key, number, failures));
            }
            let may_come = ready.values().any(|(at_ns, _)| *at_ns <= now_ns);
            // Time passes in turns: what becomes due between them comes with the next one.
            prop_assert!(credit == 0 || !may_come, "{} are ready", ready.len());
        }
    }
}
