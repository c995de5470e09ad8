//! Diverts: what goes along them, past them, and in circles.

use super::forwarding::{annotations_of, forward_all, view};
use super::settings::owner_of;
use super::*;
use crate::command::{Part, Publish};
use crate::limits::HOPS_MAX;
use engine_catalogue::{Attributes, Definition, Divert};
use engine_message::value::Value;

fn divert(address: &str, to: &str) -> Divert {
    Divert { address: address.to_owned(), to: to.to_owned(), ..Divert::default() }
}

fn owner(diverts: Vec<(&str, Divert)>) -> Owner {
    let diverts = diverts.into_iter().map(|(name, divert)| (name, Attributes::Divert(divert)));
    owner_of(1, Storage::Memory, diverts.collect())
}

/// Forwards until nothing moves any more; gives how often something did.
fn settle_down(owner: &mut Owner) -> usize {
    let mut count = 0;
    loop {
        owner.events();
        let moved = forward_all(owner);
        if moved == 0 {
            return count;
        }
        count += moved;
    }
}

/// Messages of the queues that peers see, by name.
fn messages(owner: &Owner) -> Vec<(String, u64)> {
    let public = owner.core.queue_views().filter(|queue| !queue.name.starts_with('$'));
    let mut messages: Vec<_> = public.map(|queue| (queue.name, queue.messages)).collect();
    messages.sort();
    messages
}

fn queue(name: &str, messages: u64) -> (String, u64) {
    (name.to_owned(), messages)
}

fn send_header(owner: &mut Owner, end: EndKey, delivery: u32, header: Header) -> Vec<Event> {
    let message = Message { header, ..numbered(delivery) };
    owner.command(Command::Deliver { end, delivery, settled: Settled::No, message })
}

#[test]
fn a_divert_copies_to_each_of_its_targets_and_says_so() {
    let mut owner = owner(vec![("audit", divert("orders", "copies, more"))]);
    let producer = owner.producer("orders", None);
    (0..3).for_each(|delivery| drop(owner.send(producer, delivery)));
    assert_eq!(settle_down(&mut owner), 6);
    assert_eq!(messages(&owner), [queue("copies", 3), queue("more", 3), queue("orders", 3)]);
    assert_eq!(view(&owner, "$divert::audit::copies").totals.forwarded, 3);
    let consumer = owner.consumer("copies", None, Mode::Consume);
    let events = owner.command(Command::Grant { end: consumer, credit: 1 });
    let [Event::Deliver { message, .. }] = events.as_slice() else { panic!("not given: {events:?}") };
    let map = annotations_of(message);
    let text = |key| map.get(key).and_then(Value::as_text).map(str::to_owned);
    assert_eq!(text("x-opt-ORIG-ADDRESS").as_deref(), Some("orders"));
    assert_eq!(text("x-opt-MOVE-REASON").as_deref(), Some("diverted"));
    assert_eq!(map.get("x-opt-MOVE-COUNT"), Some(&Value::Uint(1)));
}

#[test]
fn an_exclusive_divert_gets_what_its_filter_is_true_for_and_nobody_else_does() {
    let urgent = Divert { exclusive: true, filter: Some("JMSPriority > 4".to_owned()), ..divert("orders", "urgent") };
    let mut owner = owner(vec![("a", divert("orders", "copies")), ("b", urgent)]);
    for routing in [None, Some(RoutingType::Anycast)] {
        let producer = owner.producer("orders", routing);
        for priority in [3, 9] {
            send_header(&mut owner, producer, 0, Header { priority, ..Header::default() });
        }
        let qualified = owner.producer("orders::orders", None);
        send_header(&mut owner, qualified, 0, Header { priority: 9, ..Header::default() });
    }
    settle_down(&mut owner);
    assert_eq!(
        messages(&owner),
        [queue("copies", 2), queue("orders", 4), queue("urgent", 2)],
        "what is for one queue is not diverted"
    );
}

#[test]
fn a_circle_ends() {
    let mut owner = owner(vec![("there", divert("a", "b")), ("back", divert("b", "a"))]);
    let producer = owner.producer("a", None);
    owner.send(producer, 0);
    assert_eq!(settle_down(&mut owner), HOPS_MAX as usize);
    let half = u64::from(HOPS_MAX) / 2;
    assert_eq!(messages(&owner), [queue("a", half + 1), queue("b", half)]);
    let dropped: u64 = owner.core.queue_views().map(|queue| queue.totals.dropped).sum();
    assert_eq!(dropped, 1);
}

#[test]
fn what_a_full_target_refuses_waits_and_holds_up_no_other_target() {
    let full = Layer { max_messages: Some(1), when_full: Some(WhenFull::Refuse), ..Layer::default() };
    let definitions = vec![("full", Attributes::Match(full)), ("d", Attributes::Divert(divert("a", "full,free")))];
    let mut owner = owner_of(1, Storage::Memory, definitions);
    let producer = owner.producer("a", None);
    (0..200).for_each(|delivery| drop(owner.send(producer, delivery)));
    settle_down(&mut owner);
    assert_eq!(messages(&owner), [queue("a", 200), queue("free", 200), queue("full", 1)]);
    assert_eq!(view(&owner, "$divert::d::full").messages, 199);
    // Each time that there is room it goes on.
    let consumer = owner.consumer("full", None, Mode::Consume);
    for number in 0..200 {
        let got = owner.grant(consumer, 1);
        assert_eq!(got.len(), 1, "{number}");
        owner.settle(consumer, got[0].0, Outcome::Accepted);
        while let Some(at) = owner.core.deadline().filter(|_| view(&owner, "full").messages == 0 && number < 199) {
            owner.core.begin_turn(at, 1);
            settle_down(&mut owner);
        }
    }
    assert_eq!(view(&owner, "$divert::d::full").messages, 0);
}

#[test]
fn a_divert_comes_and_goes_while_the_node_runs() {
    let mut owner = owner(vec![]);
    let producer = owner.producer("a", None);
    let next = |owner: &mut Owner, diverts: &[(&str, Divert)]| {
        let wanted: Vec<_> =
            diverts.iter().map(|(name, of)| Definition::new(*name, Attributes::Divert(of.clone()))).collect();
        let before = owner.core.catalogue();
        let after = before.apply(&before.reconcile(&wanted)).expect("it is right");
        owner.core.handle_catalogue(Arc::new(after));
        while owner.core.is_refreshing() {
            owner.core.begin_turn(1, 1);
        }
        owner.events();
    };
    next(&mut owner, &[("d", divert("a", "b,c"))]);
    owner.send(producer, 0);
    // Before it was forwarded the divert loses a target and begins to choose.
    next(&mut owner, &[("d", Divert { filter: Some("JMSPriority = 9".to_owned()), ..divert("a", "c") })]);
    owner.send(producer, 1);
    settle_down(&mut owner);
    assert_eq!(messages(&owner), [queue("a", 2), queue("b", 1), queue("c", 1)], "what it had goes where it was to go");
    assert!(owner.core.queue_views().all(|queue| queue.name != "$divert::d::b"), "and the queue is gone");
    next(&mut owner, &[]);
    owner.send(producer, 2);
    settle_down(&mut owner);
    assert_eq!(messages(&owner), [queue("a", 3), queue("b", 1), queue("c", 1)]);
    assert!(owner.core.queue_views().all(|queue| !queue.name.starts_with('$')));
}

#[test]
fn what_a_transaction_sends_is_diverted_or_refused_with_all_of_it() {
    let exclusive = Divert { exclusive: true, ..divert("a", "b") };
    for (filter, commits) in [(None, true), (Some("kind = 'x'"), false)] {
        let divert = Divert { filter: filter.map(str::to_owned), ..exclusive.clone() };
        let mut owner = owner_of(1, Storage::Memory, vec![("d", Attributes::Divert(divert))]);
        let large = crate::message::Large { id: 1, bytes: 9, checksum: 0 };
        let large = Message { content: crate::message::Content::File, ..Message::new(large.encode()) };
        let message = if commits { numbered(7) } else { large };
        let part = Part { sends: vec![Publish::of("a", message)], ..Part::default() };
        let link = LinkKey { shard: 0, generation: 0, slot: 9 };
        let events = owner.command(Command::Transact { link, delivery: 0, settled: Settled::No, part: Box::new(part) });
        let accepted = events.iter().any(|event| matches!(event, Event::Settled { outcome: Outcome::Accepted, .. }));
        assert_eq!(accepted, commits, "a filter cannot look into a file: {events:?}");
        settle_down(&mut owner);
        let there = messages(&owner).into_iter().filter(|(_, messages)| *messages > 0).collect::<Vec<_>>();
        assert_eq!(there, if commits { vec![queue("b", 1)] } else { vec![] });
    }
}

#[test]
fn queues_of_diverts_are_nobodys_to_use() {
    let mut owner = owner(vec![("d", divert("a", "b"))]);
    for (name, address) in [("there", "a::$divert::d::b"), ("not there", "a::$divert::x::y")] {
        owner.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
        let sends = Command::AttachProducer { link, spec: Box::new(ProducerSpec::of(address)) };
        for attach in [consume(link, address, None, Mode::Browse), sends] {
            let events = owner.command(attach);
            let refused = |event: &Event| matches!(event, Event::Refused { refusal } if refusal.condition == Condition::NotAllowed);
            assert!(events.iter().any(refused), "{name}: {events:?}");
        }
    }
}

#[test]
fn what_lives_for_a_while_does_so_where_it_goes() {
    let mut owner = owner(vec![("d", Divert { exclusive: true, ..divert("a", "b") })]);
    let end = owner.producer("a", None);
    let message = Message { expires_wall_ms: std::num::NonZeroU64::new(50), ..numbered(0) };
    owner.command(Command::Deliver { end, delivery: 0, settled: Settled::No, message });
    settle_down(&mut owner);
    assert_eq!(view(&owner, "b").messages, 1);
    owner.core.handle_deadline(1_000_000_000, 51);
    assert_eq!((view(&owner, "b").messages, view(&owner, "b").totals.expired), (0, 1));
}

#[test]
fn a_divert_that_was_removed_while_the_node_was_down_forwards_what_the_journal_has() {
    let declared = crate::fact::Declared {
        no_local: None,
        queue: 7,
        routing: RoutingType::Multicast,
        purpose: crate::fact::Purpose::OnDemand,
        address: "a".to_owned(),
        name: "$divert::d::b".to_owned(),
        selector: Some("JMSPriority > 4".into()),
    };
    let mut owner = owner_of(1, Storage::Journal, vec![]);
    owner.core.handle_durable(9);
    owner.core.restore(&crate::Restored { declared, messages: 2, bytes: 18 });
    owner.core.check();
    let header = Header { durable: true, ..Header::default() };
    let fetch = owner.core.poll_fetch().expect("nobody consumes, and it is read all the same");
    owner.core.handle_fetched(fetch.queue, (1..3).map(|name| (name, Message { header, ..numbered(name as u32) })));
    owner.core.handle_fetch_done(fetch.queue);
    owner.events();
    let mut there = Vec::new();
    while let Some(forward) = owner.core.poll_forward() {
        there.push((forward.publish.address.clone(), number(&forward.publish.message)));
        owner.core.handle_forwarded(forward.flight, &Outcome::Accepted);
    }
    assert_eq!(there, [("b".to_owned(), 1), ("b".to_owned(), 2)]);
    owner.events();
    assert_eq!((owner.core.counts().1, owner.core.nodes.addresses.len()), (0, 0), "and it goes");
}
