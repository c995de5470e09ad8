//! Consumers that take less than their queue wants.

use engine_catalogue::{Attributes, SlowPolicy};

use super::settings::owner_of;
use super::*;

const PERIOD_NS: u64 = 1_000_000_000;

/// An owner whose consumers settle 10 messages a second, looked at each second, and a queue of 100 messages.
fn owner(policy: SlowPolicy, more: Layer) -> (Owner, EndKey) {
    let layer = Layer {
        slow_consumer_threshold: Some(10),
        slow_consumer_policy: Some(policy),
        slow_consumer_check_ms: Some(1000),
        ..more
    };
    let mut owner = owner_of(1, Storage::Memory, vec![("#", Attributes::Match(layer))]);
    let producer = owner.producer("q", None);
    (0..100).for_each(|delivery| drop(owner.send(producer, delivery)));
    (owner, producer)
}

/// A period passes; gives what is told then.
fn pass(owner: &mut Owner) -> Vec<Event> {
    let to_ns = owner.core.now.ns + PERIOD_NS;
    owner.core.begin_turn(to_ns, 1);
    owner.events()
}

fn is_slow(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Slow { .. }))
}

fn is_ended(events: &[Event]) -> bool {
    let forced =
        |event: &Event| matches!(event, Event::Detached { refusal } if refusal.condition == Condition::DetachForced);
    events.iter().any(forced)
}

fn slow(owner: &Owner) -> u64 {
    owner.core.queue_views().next().expect("a queue").totals.slow
}

/// Takes and accepts so many messages at the owner's time.
fn take(owner: &mut Owner, end: EndKey, count: u32) {
    let now_ns = owner.core.now.ns;
    owner.core.handle_command(now_ns, 1, Command::Grant { end, credit: count });
    for (key, ..) in deliveries(owner.events()) {
        owner.core.handle_command(now_ns, 1, Command::Settle { end, key, outcome: Outcome::Accepted, confirm: None });
        owner.events();
    }
}

#[test]
fn the_link_of_a_slow_consumer_ends_and_what_it_held_is_for_others() {
    let (mut owner, _) = owner(SlowPolicy::Kill, Layer::default());
    let [idle, busy] = ["q"; 2].map(|name| owner.consumer(name, None, Mode::Consume));
    assert_eq!(owner.grant(idle, 5).len(), 5);
    assert!(pass(&mut owner).is_empty(), "nobody is judged by less than a period");
    take(&mut owner, busy, 10);
    let events = pass(&mut owner);
    assert!(is_slow(&events) && is_ended(&events) && slow(&owner) == 1, "{events:?}");
    assert_eq!(owner.core.queue_views().next().map(|queue| (queue.messages, queue.consumers)), Some((90, 1)));
    take(&mut owner, busy, 90);
    assert!(!is_slow(&pass(&mut owner)));
    assert!(!is_slow(&pass(&mut owner)), "there is nothing that it could take");
}

#[test]
fn a_slow_consumer_stays_and_is_told_of_once_a_period_where_settings_say_so() {
    let (mut owner, _) = owner(SlowPolicy::Notify, Layer::default());
    let consumer = owner.consumer("q", None, Mode::Consume);
    pass(&mut owner);
    for told in 1..4 {
        take(&mut owner, consumer, 9);
        let events = pass(&mut owner);
        assert!(is_slow(&events) && !is_ended(&events) && slow(&owner) == told, "{events:?}");
    }
    take(&mut owner, consumer, 10);
    assert!(!is_slow(&pass(&mut owner)), "ten are enough");
    let now_ns = owner.core.now.ns;
    owner.core.handle_command(now_ns, 1, Command::Detach { end: consumer, mode: DetachMode::Close });
    assert_eq!(pass(&mut owner), [Event::Ended]);
    assert_eq!(owner.core.deadline(), None, "nobody is looked at any more");
}

#[test]
fn credit_that_was_given_back_is_nothing_that_was_taken() {
    let (mut owner, _) = owner(SlowPolicy::Notify, Layer::default());
    let consumer = owner.consumer("q", None, Mode::Consume);
    take(&mut owner, consumer, 100);
    pass(&mut owner);
    owner.grant(consumer, 500);
    owner.command(Command::Drain { end: consumer });
    owner.grant(consumer, 500);
    owner.command(Command::Revoke { end: consumer, credit: 500 });
    owner.core.now.ns = PERIOD_NS + 1;
    let producer = owner.producer("q", None);
    (0..50).for_each(|delivery| drop(owner.send(producer, delivery)));
    owner.core.now.ns = PERIOD_NS + 1;
    assert!(is_slow(&pass(&mut owner)), "it took none of those that wait");
}

#[test]
fn who_waits_for_its_turn_in_an_exclusive_queue_is_not_slow() {
    let (mut owner, _) = owner(SlowPolicy::Notify, Layer { exclusive: Some(true), ..Layer::default() });
    let [served, _waits] = ["q"; 2].map(|name| owner.consumer(name, None, Mode::Consume));
    pass(&mut owner);
    take(&mut owner, served, 20);
    assert!(!is_slow(&pass(&mut owner)));
}
