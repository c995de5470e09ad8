//! What a queue's settings and links say of its consumers: how many there may be, which of them are served, and which before others.

use engine_catalogue::Attributes;

use super::settings::owner_of;
use super::*;

fn owner(layer: Layer) -> Owner {
    owner_of(1, Storage::Memory, vec![("#", Attributes::Match(layer))])
}

/// Attaches a consumer; gives its end, or why it was refused.
fn try_consume(owner: &mut Owner, spec: ConsumerSpec) -> Result<EndKey, String> {
    owner.next_link += 1;
    let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
    let events = owner.command(Command::AttachConsumer { link, spec: Box::new(spec) });
    let answer = events.into_iter().find_map(|event| match event {
        Event::Attached { end, .. } => Some(Ok(end)),
        Event::Refused { refusal } => Some(Err(refusal.condition.as_str().to_owned())),
        _ => None,
    });
    answer.expect("an attach is answered")
}

fn consumer_of(owner: &mut Owner, priority: i32) -> EndKey {
    try_consume(owner, ConsumerSpec { priority, ..ConsumerSpec::of("q") }).expect("it is attached")
}

/// Who was given what, in its order.
fn given(owner: &Owner, ends: &[EndKey], events: &[Event]) -> Vec<(usize, u32)> {
    let of = |event: &Event| {
        let Event::Deliver { key, message } = event else { return None };
        let to = ends.iter().position(|&end| owner.core.holds(end, *key)).expect("somebody holds it");
        Some((to, number(message)))
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn a_queue_has_so_many_consumers_and_browsers_do_not_count() {
    let mut owner = owner(Layer { max_consumers: Some(2), ..Layer::default() });
    let browser = ConsumerSpec { mode: Mode::Browse, ..ConsumerSpec::of("q") };
    assert!(try_consume(&mut owner, browser.clone()).is_ok());
    let [first, second] = [(); 2].map(|()| try_consume(&mut owner, ConsumerSpec::of("q")).expect("it is within"));
    let third = try_consume(&mut owner, ConsumerSpec::of("q"));
    assert_eq!(third, Err("amqp:resource-limit-exceeded".to_owned()));
    assert!(try_consume(&mut owner, browser).is_ok());
    assert!(try_consume(&mut owner, ConsumerSpec::of("other")).is_ok(), "each queue has its own");
    owner.command(Command::Detach { end: first, mode: DetachMode::Close });
    let again = try_consume(&mut owner, ConsumerSpec::of("q")).expect("one has gone");
    // Who is there takes turns as ever.
    let producer = owner.producer("q", None);
    (0..4).for_each(|delivery| drop(owner.send(producer, delivery)));
    assert_eq!((owner.grant(second, 2).len(), owner.grant(again, 2).len()), (2, 2));
}

#[test]
fn a_shared_subscription_has_so_many_and_others_of_the_topic_are_apart() {
    let mut owner = owner(Layer { max_consumers: Some(1), ..Layer::default() });
    let shared = |name: &str| ConsumerSpec {
        routing: Some(RoutingType::Multicast),
        subscription: Some(Subscription {
            container: "c".to_owned(),
            name: name.to_owned(),
            durability: Durability::Durable,
            sharing: Sharing::Shared,
        }),
        ..ConsumerSpec::of("t")
    };
    assert!(try_consume(&mut owner, shared("one")).is_ok());
    assert_eq!(try_consume(&mut owner, shared("one")), Err("amqp:resource-limit-exceeded".to_owned()));
    assert!(try_consume(&mut owner, shared("other")).is_ok());
    // Who comes back for its own takes the place of its link of before, and is none more.
    let own = |owner: &mut Owner| {
        let mut spec = shared("own");
        spec.subscription.as_mut().expect("it has one").sharing = Sharing::Exclusive;
        owner.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
        owner.command(Command::AttachConsumer { link, spec: Box::new(spec) })
    };
    own(&mut owner);
    let again = own(&mut owner);
    assert!(matches!(again[..], [Event::Detached { .. }, Event::Attached { .. }]), "{again:?}");
}

#[test]
fn one_consumer_of_an_exclusive_queue_is_served_until_it_goes() {
    let mut owner = owner(Layer { exclusive: Some(true), ..Layer::default() });
    let producer = owner.producer("q", None);
    let [first, second, urgent] = [0, 0, 7].map(|priority| consumer_of(&mut owner, priority));
    owner.command(Command::Grant { end: second, credit: 10 });
    owner.command(Command::Grant { end: urgent, credit: 10 });
    let ends = [first, second, urgent];
    let sent = owner.send(producer, 0);
    assert_eq!(given(&owner, &ends, &sent), [(2, 0)], "nobody was served yet: the most urgent one is");
    let later = consumer_of(&mut owner, 9);
    owner.command(Command::Grant { end: later, credit: 10 });
    let ends = [first, second, urgent, later];
    let sent = owner.send(producer, 1);
    assert_eq!(given(&owner, &ends, &sent), [(2, 1)], "it stays with it");
    assert_eq!(owner.command(Command::Drain { end: second }), [Event::Drained { unused: 10 }], "nothing is for it");
    let gone = owner.command(Command::Detach { end: urgent, mode: DetachMode::Close });
    assert_eq!(given(&owner, &ends, &gone), [(3, 0), (3, 1)], "what it held, in its order");
    owner.command(Command::Detach { end: later, mode: DetachMode::Close });
    assert!(owner.grant(second, 9).is_empty(), "it came after the first one, which gave no credit yet");
    assert_eq!(owner.grant(first, 1).len(), 1);
    owner.command(Command::Detach { end: first, mode: DetachMode::Close });
    let sent = owner.send(producer, 2);
    assert_eq!(given(&owner, &ends, &sent), [(1, 2)]);
}

#[test]
fn the_higher_priority_is_served_while_it_has_credit_and_equals_take_turns() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let ends = [0, i32::MIN, 5, 5].map(|priority| consumer_of(&mut owner, priority));
    for end in ends {
        assert!(owner.grant(end, 2).is_empty());
    }
    let sent: Vec<_> = (0..9).flat_map(|delivery| owner.send(producer, delivery)).collect();
    let order = given(&owner, &ends, &sent);
    assert_eq!(order, [(2, 0), (3, 1), (2, 2), (3, 3), (0, 4), (0, 5), (1, 6), (1, 7)]);
    let granted = owner.command(Command::Grant { end: ends[0], credit: 1 });
    assert_eq!(given(&owner, &ends, &granted), [(0, 8)], "whoever has credit gets what is there");
    assert_eq!(owner.command(Command::Drain { end: ends[2] }), [Event::Drained { unused: 0 }]);
}

#[test]
fn a_selector_chooses_within_a_priority() {
    let mut owner = Owner::new();
    let producer = owner.producer("q", None);
    let spec = ConsumerSpec { priority: 1, selector: Some("JMSPriority > 4".into()), ..ConsumerSpec::of("q") };
    let urgent = try_consume(&mut owner, spec).expect("it is attached");
    let ends = [urgent, consumer_of(&mut owner, 0)];
    for end in ends {
        owner.command(Command::Grant { end, credit: 9 });
    }
    let mut got = Vec::new();
    for (delivery, priority) in [(0, 4), (1, 9), (2, 5), (3, 0)] {
        let message = Message { header: Header { priority, ..Header::default() }, ..numbered(delivery) };
        let sent = Command::Deliver { end: producer, delivery, settled: Settled::Yes, message };
        let events = owner.command(sent);
        got.extend(given(&owner, &ends, &events));
    }
    assert_eq!(got, [(1, 0), (0, 1), (0, 2), (1, 3)]);
}

/// Lets time pass.
fn pass(owner: &mut Owner, to_ns: u64) -> Vec<Event> {
    owner.core.begin_turn(to_ns, 1);
    owner.events()
}

#[test]
fn nothing_is_given_before_there_are_enough_consumers_and_then_until_none_is_left() {
    let mut owner = owner(Layer { consumers_before_dispatch: Some(3), ..Layer::default() });
    let producer = owner.producer("q", None);
    (0..9).for_each(|delivery| drop(owner.send(producer, delivery)));
    let [first, second] = [0, 5].map(|priority| consumer_of(&mut owner, priority));
    for end in [first, second] {
        assert!(owner.grant(end, 1).is_empty(), "they wait for another one");
    }
    assert_eq!(owner.core.deadline(), None, "for as long as it takes");
    assert_eq!(owner.command(Command::Drain { end: second }), [Event::Drained { unused: 1 }]);
    let browser = try_consume(&mut owner, ConsumerSpec { mode: Mode::Browse, ..ConsumerSpec::of("q") });
    assert_eq!(owner.grant(browser.expect("it looks"), 9).len(), 9, "browsers see everything, and do not count");
    // The third one comes, and what came first is given.
    owner.next_link += 1;
    let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
    let events = owner.command(consume(link, "q", None, Mode::Consume));
    assert_eq!(given(&owner, &[first, second], &events), [(0, 0)]);
    let Some(&Event::Attached { end: third, .. }) = events.first() else { panic!("{events:?}") };
    for end in [second, third] {
        owner.command(Command::Detach { end, mode: DetachMode::Close });
    }
    assert_eq!(owner.grant(first, 1).len(), 1, "the one that is left is served on");
    owner.command(Command::Detach { end: first, mode: DetachMode::Close });
    let again = consumer_of(&mut owner, 0);
    assert!(owner.grant(again, 1).is_empty(), "and then they are waited for again");
}

#[test]
fn consumers_are_waited_for_so_long_from_the_first_one_on() {
    let layer = Layer { consumers_before_dispatch: Some(3), delay_before_dispatch_ms: Some(100), ..Layer::default() };
    let mut owner = owner(layer);
    let producer = owner.producer("q", None);
    owner.send(producer, 0);
    let first = consumer_of(&mut owner, 0);
    assert!(owner.grant(first, 5).is_empty());
    assert_eq!(owner.core.deadline(), Some(100_000_001));
    // One that goes takes its time with it.
    owner.command(Command::Detach { end: first, mode: DetachMode::Close });
    pass(&mut owner, 50_000_000);
    owner.core.now.ns = 50_000_000;
    owner.next_link += 1;
    let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
    owner.core.handle_command(50_000_000, 1, consume(link, "q", None, Mode::Consume));
    let Some(Event::Attached { end, .. }) = owner.events().pop() else { panic!("it is attached") };
    owner.core.handle_command(50_000_000, 1, Command::Grant { end, credit: 5 });
    assert!(pass(&mut owner, 149_999_999).is_empty());
    let events = pass(&mut owner, 150_000_000);
    assert_eq!(given(&owner, &[end], &events), [(0, 0)]);
    assert_eq!(owner.core.deadline(), None);
}

#[test]
fn whoever_comes_and_goes_leaves_no_deadlines_behind() {
    let layer =
        Layer { consumers_before_dispatch: Some(2), delay_before_dispatch_ms: Some(1 << 30), ..Layer::default() };
    let mut owner = owner(layer);
    owner.producer("q", None);
    for _ in 0..1000 {
        let end = consumer_of(&mut owner, 0);
        owner.command(Command::Detach { end, mode: DetachMode::Close });
    }
    assert!(owner.core.deadlines.len() < 200, "{} deadlines", owner.core.deadlines.len());
}

proptest! {
    /// Consumers that all ask for one priority are served as those are that ask for none: the long way does what the short one does.
    #[test]
    fn one_priority_of_all_is_as_none(steps in proptest::collection::vec(step(), 1..120)) {
        let run = |priority: i32| {
            let mut owner = Owner::new();
            let producer = owner.producer("q", None);
            let mut ends: Vec<EndKey> = (0..3).map(|_| consumer_of(&mut owner, priority)).collect();
            let (mut sent, mut held, mut all) = (0, Vec::new(), Vec::new());
            for step in &steps {
                let events = match *step {
                    Step::Send => {
                        sent += 1;
                        owner.send(producer, sent)
                    }
                    Step::Grant(one, credit) => owner.command(Command::Grant { end: ends[one], credit }),
                    Step::Settle(index, _) if held.is_empty() => owner.command(Command::Drain { end: ends[index % 3] }),
                    Step::Settle(index, outcome) => {
                        let (one, key): (usize, u64) = held.remove(index % held.len());
                        let outcome = if outcome == 0 { Outcome::Released } else { Outcome::Accepted };
                        owner.command(Command::Settle { end: ends[one], key, outcome, confirm: None })
                    }
                    Step::Reattach(one) => {
                        held.retain(|held| held.0 != one);
                        let events = owner.command(Command::Detach { end: ends[one], mode: DetachMode::Lost });
                        ends[one] = consumer_of(&mut owner, priority);
                        events
                    }
                };
                for event in &events {
                    if let Event::Deliver { key, .. } = event {
                        let one = ends.iter().position(|&end| owner.core.holds(end, *key));
                        held.extend(one.map(|one| (one, *key)));
                    }
                }
                all.extend(events);
            }
            all
        };
        prop_assert_eq!(run(0), run(-4));
    }
}
