//! Messages whose delivery fails too often go to the dead-letter address, and only there.

use super::forwarding::{annotations_of, forward_all, view};
use super::held::Kept;
use super::*;
use crate::Version;
use engine_catalogue::{Attributes, Change, Definition, Origin};
use engine_message::value::Value;

fn owner(dead: &str, attempts: Option<u32>) -> Owner {
    let layer =
        Layer { dead_letter_address: Some(dead.to_owned()), max_delivery_attempts: attempts, ..Layer::default() };
    let config = CoreConfig { catalogue: Arc::new(Catalogue::of_all(layer)), ..CoreConfig::default() };
    Owner { core: Core::new(config), next_link: 0 }
}

fn failed() -> Outcome {
    Outcome::Modified(Box::new(Modified { delivery_failed: true, ..Modified::default() }))
}

/// Lets deliveries of the only message of `q` fail until it comes no more; gives how many did.
fn fail_until_it_goes(owner: &mut Owner, most: u32) -> u32 {
    let consumer = owner.consumer("q", None, Mode::Consume);
    for attempt in 0..most {
        let [(key, _, count)] = owner.grant(consumer, 1)[..] else { return attempt };
        assert_eq!(count, attempt, "it says how often it failed before");
        owner.settle(consumer, key, failed());
    }
    most
}

#[test]
fn the_last_attempt_that_fails_is_as_many_as_the_setting_says() {
    for (setting, attempts) in [(Some(1), 1), (Some(3), 3), (None, 10)] {
        let mut owner = owner("dead", setting);
        let producer = owner.producer("q", None);
        owner.send(producer, 0);
        assert_eq!(fail_until_it_goes(&mut owner, 50), attempts);
        assert_eq!(forward_all(&mut owner), 1);
        let totals = view(&owner, "q").totals;
        assert_eq!((totals.exhausted, totals.rejected, totals.forwarded), (1, 0, 1));
        let reader = owner.consumer("dead", None, Mode::Consume);
        let events = owner.command(Command::Grant { end: reader, credit: 1 });
        let [Event::Deliver { message, .. }] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(message.header.delivery_count, 0, "there it is delivered for the first time");
        let map = annotations_of(message);
        assert_eq!(map.get("x-opt-MOVE-REASON"), Some(&Value::String("max-delivery-attempts".to_owned())));
        assert_eq!(map.get("x-opt-MOVE-DELIVERY-COUNT"), Some(&Value::Uint(attempts)));
    }
}

#[test]
fn without_a_limit_or_somewhere_to_go_it_is_delivered_again_and_again() {
    for mut owner in [owner("dead", Some(0)), owner("", Some(2)), owner("q", Some(2))] {
        let producer = owner.producer("q", None);
        owner.send(producer, 0);
        assert_eq!(fail_until_it_goes(&mut owner, 40), 40);
        assert_eq!((forward_all(&mut owner), view(&owner, "q").messages), (0, 1));
    }
}

#[test]
fn what_is_released_may_come_as_often_as_it_likes() {
    let mut owner = owner("dead", Some(2));
    let (producer, consumer) = (owner.producer("q", None), owner.consumer("q", None, Mode::Consume));
    owner.send(producer, 0);
    for outcome in std::iter::repeat_n(Outcome::Released, 20).chain([failed(), Outcome::Released]) {
        let [(key, ..)] = owner.grant(consumer, 1)[..] else { panic!("it is there") };
        owner.settle(consumer, key, outcome);
    }
    assert_eq!((forward_all(&mut owner), view(&owner, "q").messages), (0, 1));
}

#[test]
fn whoever_crashes_with_it_each_time_does_not_meet_it_for_ever_and_whoever_leaves_does() {
    for (mode, goes) in [(DetachMode::Lost, true), (DetachMode::Ended, false), (DetachMode::Close, false)] {
        let mut owner = owner("dead", Some(3));
        let producer = owner.producer("q", None);
        owner.send(producer, 0);
        for _ in 0..3 {
            let consumer = owner.consumer("q", None, Mode::Consume);
            assert_eq!(owner.grant(consumer, 5).len(), 1);
            owner.command(Command::Detach { end: consumer, mode });
        }
        assert_eq!(forward_all(&mut owner), usize::from(goes), "{mode:?}");
    }
}

#[test]
fn a_lower_limit_holds_from_the_next_failure_on() {
    let mut owner = owner("dead", Some(5));
    let producer = owner.producer("q", None);
    owner.send(producer, 0);
    let consumer = owner.consumer("q", None, Mode::Consume);
    for _ in 0..4 {
        let [(key, ..)] = owner.grant(consumer, 1)[..] else { panic!("it is there") };
        owner.settle(consumer, key, failed());
    }
    let low =
        Layer { dead_letter_address: Some("dead".to_owned()), max_delivery_attempts: Some(2), ..Layer::default() };
    // A version of the catalogue is newer than the one before.
    let catalogue = owner.core.catalogue().apply(&[Change::Define {
        origin: Origin::Configuration,
        definition: Definition::new("#", Attributes::Match(low)),
    }]);
    owner.core.handle_version(Version::Holds(Arc::new(catalogue.expect("it is right"))));
    owner.core.begin_turn(2, 2);
    let [(key, ..)] = owner.grant(consumer, 1)[..] else { panic!("it stays until somebody fails with it") };
    owner.settle(consumer, key, failed());
    assert_eq!(forward_all(&mut owner), 1);
}

#[test]
fn what_left_memory_is_counted_as_well() {
    let mut kept = Kept::with(Layer {
        dead_letter_address: Some("dead".to_owned()),
        max_delivery_attempts: Some(2),
        ..Layer::default()
    });
    let producer = kept.owner.producer("q", None);
    let consumers: Vec<EndKey> = (0..2).map(|_| kept.owner.consumer("q", None, Mode::Consume)).collect();
    (1..21).for_each(|number| kept.send(producer, number));
    for (consumer, round) in consumers.into_iter().zip(0..) {
        kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit: 20 });
        let held = deliveries(kept.settle_down());
        assert_eq!(held.iter().map(|delivery| delivery.2).collect::<Vec<_>>(), [round; 20]);
        kept.owner.core.handle_command(1, 1, Command::Detach { end: consumer, mode: DetachMode::Lost });
    }
    assert_eq!((view(&kept.owner, "q").forwarding, view(&kept.owner, "q").totals.exhausted), (20, 20));
}
