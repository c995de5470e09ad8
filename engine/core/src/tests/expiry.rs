//! Messages with a time to live.

use std::num::NonZeroU64;

use super::*;
use crate::limits::{EXPIRY_PERIOD_NS, EXPIRY_SCAN_MAX};

/// Sends a message that may be dropped from that time on.
fn send_until(owner: &mut Owner, end: EndKey, delivery: u32, wall_ms: u64) {
    let message = Message { expires_wall_ms: NonZeroU64::new(wall_ms), ..numbered(delivery) };
    owner.command(Command::Deliver { end, delivery, settled: Settled::No, message });
}

/// A sweep at that wall time, if one is due by then; gives whether.
fn sweep(owner: &mut Owner, wall_ms: u64) -> bool {
    let now_ns = wall_ms * 1_000_000;
    let due = owner.core.deadline().is_some_and(|deadline| deadline <= now_ns);
    if due {
        owner.core.handle_deadline(now_ns, wall_ms);
    }
    owner.core.check();
    due
}

#[test]
fn what_expired_is_given_to_nobody() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    [2, 1000, 3].iter().zip(0..).for_each(|(&wall_ms, delivery)| send_until(&mut owner, producer, delivery, wall_ms));
    let consumer = owner.consumer("q", None, Mode::Consume);
    owner.core.handle_command(1, 2, Command::Grant { end: consumer, credit: 9 });
    let got = deliveries(owner.events());
    assert_eq!(
        got.iter().map(|delivery| delivery.1).collect::<Vec<_>>(),
        [1, 2],
        "the last one has a millisecond left"
    );
}

#[test]
fn a_sweep_drops_what_expired_while_nobody_takes() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    assert_eq!(owner.core.deadline(), None);
    (0..3).for_each(|delivery| send_until(&mut owner, producer, delivery, 1000));
    assert!(!sweep(&mut owner, 999), "nothing is due");
    send_until(&mut owner, producer, 3, 1001);
    assert!(sweep(&mut owner, 1000));
    assert!(!sweep(&mut owner, 1001), "not so soon after the last one");
    assert!(owner.core.memory_bytes() > 0);
    assert!(sweep(&mut owner, 1000 + EXPIRY_PERIOD_NS / 1_000_000));
    assert_eq!(owner.core.memory_bytes(), 0);
    assert_eq!(owner.core.deadline(), None, "there is nothing more to sweep");
}

#[test]
fn what_comes_back_expires_too() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let consumer = owner.consumer("q", None, Mode::Consume);
    send_until(&mut owner, producer, 0, 1000);
    let held = owner.grant(consumer, 1)[0].0;
    assert!(sweep(&mut owner, 5000));
    assert!(owner.core.memory_bytes() > 0, "a consumer has it");
    owner.settle(consumer, held, Outcome::Released);
    assert!(sweep(&mut owner, 6000));
    assert_eq!((owner.core.memory_bytes(), owner.core.deadline()), (0, None));
}

/// What a consumer with much credit is given at that wall time.
fn taken(owner: &mut Owner, consumer: EndKey, wall_ms: u64) -> Vec<u32> {
    owner.core.begin_turn(wall_ms * 1_000_000, wall_ms);
    owner.core.handle_command(wall_ms * 1_000_000, wall_ms, Command::Grant { end: consumer, credit: 100_000 });
    deliveries(owner.events()).into_iter().map(|(_, number, _)| number).collect()
}

#[test]
fn a_short_time_to_live_behind_a_long_one_expires_in_time() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let times = [100_000, 1000, 2000, 1000, 100_000];
    (0..).zip(times).for_each(|(delivery, at)| send_until(&mut owner, producer, delivery, at));
    let size = owner.core.memory_bytes() / 5;
    assert!(sweep(&mut owner, 1000));
    assert_eq!(
        (owner.core.memory_bytes(), owner.core.queue_views().next().map(|queue| queue.messages)),
        (3 * size, Some(3))
    );
    assert!(sweep(&mut owner, 2000));
    assert_eq!(owner.core.memory_bytes(), 2 * size);
    let browser = owner.consumer("q", None, Mode::Browse);
    assert_eq!(taken(&mut owner, browser, 2000), [0, 4]);
    let consumer = owner.consumer("q", None, Mode::Consume);
    assert_eq!(taken(&mut owner, consumer, 2001), [0, 4]);
}

#[test]
fn more_than_one_sweep_drops_is_not_given_either() {
    const COUNT: u32 = 5 * EXPIRY_SCAN_MAX;
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    (0..COUNT).for_each(|delivery| send_until(&mut owner, producer, delivery, 1000));
    send_until(&mut owner, producer, COUNT, 100_000);
    let consumer = owner.consumer("q", None, Mode::Consume);
    let mut turns = 0;
    // Nothing but turns that are due at once, as nobody asks for anything again.
    let mut got = taken(&mut owner, consumer, 2000);
    while got.is_empty() {
        assert!(owner.core.deadline().is_some_and(|at| at <= 2_000_000_000), "the rest waits for nothing");
        owner.core.begin_turn(2_000_000_000, 2000);
        got = deliveries(owner.events()).into_iter().map(|(_, number, _)| number).collect();
        turns += 1;
    }
    assert_eq!(got, [COUNT]);
    assert!(turns >= 2, "a turn has a bound");
}

#[test]
fn the_next_sweep_is_when_something_expires_and_looks_at_no_other_queue() {
    let mut owner = Owner::new();
    let names: Vec<String> = (0..100).map(|queue| format!("q{queue}")).collect();
    for (name, at) in names.iter().zip((10_000_u64..).step_by(10)) {
        let producer = owner.producer(name, None);
        send_until(&mut owner, producer, 0, at);
    }
    owner.core.begin_turn(9_500_000_000, 9_500);
    assert_eq!(owner.core.deadline(), Some(10_000_000_000));
    // A clock that is set is noticed after a while.
    owner.core.begin_turn(9_600_000_000, 5_000);
    assert_eq!(owner.core.deadline(), Some(9_600_000_000 + crate::limits::EXPIRY_LOOK_NS));
    owner.core.begin_turn(10_600_000_000, 10_200);
    owner.events();
    assert_eq!(owner.core.queue_views().map(|queue| queue.messages).sum::<u64>(), 79);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever times messages have, and whatever comes back: nobody is given what has expired, and everything else is given once,
    /// in order.
    #[test]
    fn nothing_expired_is_given_and_nothing_else_is_lost(
        times in prop::collection::vec(1_u64..60, 1..120),
        takes in prop::collection::vec((1_u64..8, 0_u32..6, any::<bool>()), 1..40),
    ) {
        let mut owner = Owner::new();
        let producer = owner.producer("q", None);
        let consumer = owner.consumer("q", None, Mode::Consume);
        // A time of 30 and more is none.
        (0..).zip(&times).for_each(|(delivery, &at)| {
            send_until(&mut owner, producer, delivery, if at < 30 { at * 100 } else { 0 });
        });
        let expires = |number: u32| Some(times[number as usize] * 100).filter(|&at| at < 3000);
        let (mut wall_ms, mut done) = (1, std::collections::BTreeSet::new());
        for (later, credit, accepts) in takes {
            wall_ms += later * 100;
            owner.core.begin_turn(wall_ms * 1_000_000, wall_ms);
            owner.core.handle_command(wall_ms * 1_000_000, wall_ms, Command::Grant { end: consumer, credit });
            let got = deliveries(owner.events());
            prop_assert!(got.is_sorted_by_key(|delivery| delivery.1));
            for (held, number, _) in got {
                prop_assert!(expires(number).is_none_or(|at| at > wall_ms), "{number} expired before {wall_ms}");
                let outcome = if accepts { Outcome::Accepted } else { Outcome::Released };
                if accepts {
                    prop_assert!(done.insert(number));
                }
                owner.core.handle_settle(consumer, held, outcome, None);
            }
            // What came back with credit left is held by nobody.
            owner.core.handle_command(wall_ms * 1_000_000, wall_ms, Command::Revoke { end: consumer, credit: u32::MAX });
            owner.events();
        }
        wall_ms += 10_000;
        let rest = taken(&mut owner, consumer, wall_ms);
        let left: Vec<u32> = (0..times.len() as u32).filter(|number| expires(*number).is_none() && !done.contains(number)).collect();
        prop_assert_eq!(rest, left);
    }
}

#[test]
fn an_address_says_how_long_messages_live() {
    let bounded = |min_expiry_ms, max_expiry_ms| Layer { min_expiry_ms, max_expiry_ms, ..Layer::default() };
    let of = |layer| vec![("q", engine_catalogue::Attributes::Match(layer))];
    // Two that say nothing, then one of 2 ms and one of a second.
    let cases: [(Layer, &[u32]); 4] = [
        (Layer { no_expiry: Some(true), ..Layer::default() }, &[0, 1, 2, 3]),
        (Layer { expiry_delay_ms: Some(50), ..Layer::default() }, &[3]),
        (bounded(Some(1000), None), &[0, 1, 2, 3]),
        (bounded(None, Some(50)), &[]),
    ];
    for (layer, left) in cases {
        let mut owner = settings::owner_of(1, Storage::Memory, of(layer.clone()));
        let producer = owner.producer("q", None);
        (0..2).for_each(|delivery| drop(owner.send(producer, delivery)));
        send_until(&mut owner, producer, 2, 2);
        send_until(&mut owner, producer, 3, 1000);
        sweep(&mut owner, 100);
        let consumer = owner.consumer("q", None, Mode::Consume);
        assert_eq!(taken(&mut owner, consumer, 100), left, "{layer:?}");
    }
}
