//! Which queue of an address gets what.

use super::*;

/// What each of some queues of one address holds, by the numbers of its messages.
fn contents(owner: &mut Owner, queues: &[EndKey]) -> Vec<Vec<u32>> {
    queues.iter().map(|&end| owner.grant(end, 99).into_iter().map(|delivery| delivery.1).collect()).collect()
}

#[test]
fn anycast_queues_of_one_address_take_turns() {
    let mut owner = Owner::new();
    let queues = ["a", "a::b", "a::c"].map(|name| owner.consumer(name, None, Mode::Consume));
    let producer = owner.producer("a", None);
    (0..9).for_each(|delivery| drop(owner.send(producer, delivery)));
    let got = contents(&mut owner, &queues);
    assert!(got.iter().all(|numbers| numbers.len() == 3), "one message to one queue, in turn: {got:?}");
    let mut all: Vec<u32> = got.concat();
    all.sort_unstable();
    assert_eq!(all, (0..9).collect::<Vec<_>>());
}

#[test]
fn a_mixed_address_gives_to_each_subscription_and_one_queue() {
    let mut owner = Owner::new();
    let topic = Some(RoutingType::Multicast);
    let anycast = ["m", "m::other"].map(|name| owner.consumer(name, Some(RoutingType::Anycast), Mode::Consume));
    let multicast = [(); 2].map(|()| owner.consumer("m", topic, Mode::Consume));
    let all = owner.producer("m", None);
    (0..4).for_each(|delivery| drop(owner.send(all, delivery)));
    let only_topic = owner.producer("m", topic);
    owner.send(only_topic, 4);
    let only_queues = owner.producer("m", Some(RoutingType::Anycast));
    owner.send(only_queues, 5);
    assert_eq!(contents(&mut owner, &multicast), [vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3, 4]]);
    let got = contents(&mut owner, &anycast);
    let mut queued = got.concat();
    queued.sort_unstable();
    assert_eq!(queued, [0, 1, 2, 3, 5], "{got:?}");
    assert!(got.iter().all(|numbers| numbers.len() >= 2), "in turn: {got:?}");
}

#[test]
fn a_full_queue_is_passed_over_and_all_full_refuse() {
    let layer = Layer { max_messages: Some(2), ..Layer::default() };
    let config = CoreConfig { catalogue: Arc::new(Catalogue::of_all(layer)), ..CoreConfig::default() };
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    let queues = ["a", "a::b"].map(|name| owner.consumer(name, None, Mode::Consume));
    let first = owner.producer("a::a", None);
    (0..4).for_each(|delivery| drop(owner.send(first, delivery)));
    let producer = owner.producer("a", None);
    let accepted = |events: &[Event]| {
        events.iter().any(|event| matches!(event, Event::Settled { outcome: Outcome::Accepted, .. }))
    };
    for delivery in 4..8 {
        assert!(accepted(&owner.send(producer, delivery)), "{delivery}");
    }
    assert!(!accepted(&owner.send(producer, 8)));
    assert_eq!(contents(&mut owner, &queues), [vec![0, 1, 2, 3], vec![4, 5, 6, 7]]);
}

#[test]
fn a_queue_that_goes_leaves_the_turn_to_the_others() {
    let mut owner = Owner::new();
    let queues = ["a", "a::b", "a::c"].map(|name| owner.consumer(name, None, Mode::Consume));
    let producer = owner.producer("a", None);
    owner.send(producer, 0);
    owner.command(Command::Detach { end: producer, mode: DetachMode::Close });
    // Two of the three are empty, and go with their links.
    for end in queues {
        owner.command(Command::Detach { end, mode: DetachMode::Close });
    }
    assert_eq!(owner.core.counts(), (0, 1));
    let producer = owner.producer("a", None);
    (1..4).for_each(|delivery| drop(owner.send(producer, delivery)));
    let waiting: u64 = owner.core.queue_views().map(|queue| queue.messages).sum();
    assert_eq!(waiting, 4);
}
