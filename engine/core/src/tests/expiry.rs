//! Messages with a time to live.

use std::num::NonZeroU64;

use super::*;
use crate::limits::EXPIRY_PERIOD_NS;

/// Sends a message that may be dropped from that time on.
fn send_until(owner: &mut Owner, end: EndKey, delivery: u32, wall_ms: u64) {
    let body = Bytes::copy_from_slice(&delivery.to_be_bytes());
    let message = Message { expires_wall_ms: NonZeroU64::new(wall_ms), ..Message::new(body) };
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
    assert!(sweep(&mut owner, 999));
    assert!(owner.core.memory_bytes > 0);
    assert!(!sweep(&mut owner, 1000), "not so soon after the last one");
    assert!(sweep(&mut owner, 999 + EXPIRY_PERIOD_NS / 1_000_000));
    assert_eq!(owner.core.memory_bytes, 0);
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
    assert!(owner.core.memory_bytes > 0, "a consumer has it");
    owner.settle(consumer, held, Outcome::Released);
    assert!(sweep(&mut owner, 6000));
    assert_eq!((owner.core.memory_bytes, owner.core.deadline()), (0, None));
}
