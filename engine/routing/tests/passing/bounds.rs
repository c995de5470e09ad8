//! What senders leave, and what memory there is: nothing is kept without a bound, on any core.

use std::sync::Arc;

use bytes::Bytes;
use engine_core::command::{Command, ConsumerSpec, Outcome, ProducerSpec, Publish, Settle, Settled};
use engine_core::event::Event;
use engine_core::key::{LinkKey, Port};
use engine_router::address::Mode;
use engine_router::limits::DELIVERY_OCTETS;
use engine_router::matching::Pattern;
use engine_router::table::{Addresses, Rule, Rules};
use engine_router::{RouterId, Treatment};
use engine_routing::limits::LOOKS_MAX;
use engine_routing::{Note, Registry, Router, RouterConfig, Told};

use crate::PLACES;
use crate::world::{CAPACITY, World, message};

/// Deliveries that are under way, on all shards: what crosses a lane counts twice.
fn under_way(world: &World) -> usize {
    world.routers.iter().map(Router::under_way).sum()
}

#[test]
fn what_senders_that_are_gone_left_is_bounded_and_the_oldest_goes_first() {
    for (from, to) in PLACES {
        let mut world = World::new(3, Treatment::Balanced);
        let receiver = world.standing(to, "orders", 0);
        for sender in 0..20 {
            let link = world.sender(from, "orders");
            (0..3).for_each(|number| world.send(link, sender * 10 + number, Settled::No));
            // Each of these may have its messages on the lane still when it goes.
            if sender % 2 == 0 {
                world.run();
            }
            world.detach(link);
            world.run();
            assert!(under_way(&world) <= 2 * CAPACITY as usize, "{}", under_way(&world));
        }
        let dropped: u64 = world.routers.iter().map(|router| router.totals().deliveries.dropped_late).sum();
        assert_eq!(dropped, 60 - u64::from(CAPACITY));
        world.grant(receiver, 100);
        assert_eq!(world.got(receiver), [171, 172, 180, 181, 182, 190, 191, 192]);
        let came = world.seen[&receiver].came.clone();
        came.iter().for_each(|(key, _)| world.settle(receiver, *key, Outcome::Accepted, None));
        world.run();
        assert_eq!(under_way(&world), 0);
    }
}

#[test]
fn what_relays_that_have_ended_left_is_bounded() {
    for (from, to) in PLACES {
        let mut world = World::new(3, Treatment::Balanced);
        let receiver = world.standing(to, "orders", 0);
        for relay in 0..20 {
            let link = world.relay(from);
            (0..3).for_each(|number| world.publish(link, "orders", relay * 10 + number, Settled::No));
            world.run();
            world.end_relay(link);
            world.run();
            assert_eq!(world.seen[&link].settled, []);
        }
        assert!(under_way(&world) <= 2 * CAPACITY as usize, "{}", under_way(&world));
        let totals = world.router(from).totals();
        assert_eq!((totals.senders, totals.receivers), (0, usize::from(from == to)), "relays are no senders");
        world.detach(receiver);
        world.run();
        assert_eq!(under_way(&world), 0);
    }
}

#[test]
fn what_is_left_for_a_receiver_that_decides_later_is_answered_once() {
    let mut world = World::new(2, Treatment::Balanced);
    let receiver = world.standing(1, "orders", 1);
    let sender = world.sender(0, "orders");
    (0..3).for_each(|number| world.send(sender, number, Settled::No));
    world.run();
    let (key, _) = world.seen[&receiver].came[0];
    // The receiver's word and that of the sender's end meet on the lanes.
    world.settle(receiver, key, Outcome::Accepted, None);
    world.detach(sender);
    world.run();
    // Numbers of what was answered are used again.
    let other = world.sender(0, "orders");
    (10..13).for_each(|number| world.send(other, number, Settled::No));
    world.run();
    world.grant(receiver, 10);
    for (key, _) in world.seen[&receiver].came.clone().into_iter().skip(1) {
        world.settle(receiver, key, Outcome::Accepted, None);
    }
    world.run();
    assert_eq!(world.got(receiver), [0, 1, 2, 10, 11, 12]);
    assert_eq!(world.seen[&other].settled, (10..13).map(|number| (number, Outcome::Accepted)).collect::<Vec<_>>());
    assert_eq!(under_way(&world), 0);
}

#[test]
fn messages_that_wait_have_a_bound_in_memory() {
    let each = DELIVERY_OCTETS + 4;
    for (from, to) in PLACES {
        let mut world = World::with_memory(3, Rules::new([], Treatment::Balanced), 3 * each);
        let receiver = world.standing(to, "orders", 0);
        let sender = world.sender(from, "orders");
        (0..5).for_each(|number| world.send(sender, number, Settled::No));
        world.run();
        let (octets, refused) = {
            let totals = world.router(to).totals();
            (totals.octets, totals.deliveries.refused)
        };
        assert_eq!((octets, refused), (3 * each, 2));
        assert_eq!(world.seen[&sender].settled, [(3, Outcome::Released), (4, Outcome::Released)]);
        // Whoever takes what comes is not held up by that.
        let able = world.standing(to, "news", 100);
        let other = world.sender(from, "news");
        (10..14).for_each(|number| world.send(other, number, Settled::No));
        world.run();
        assert_eq!(world.got(able), [10, 11, 12, 13]);
        world.detach(receiver);
        world.detach(able);
        world.run();
        assert_eq!((under_way(&world), world.router(to).totals().octets), (0, 0));
    }
}

#[test]
fn a_copied_message_crosses_once_to_a_shard() {
    let mut world = World::new(3, Treatment::Multicast);
    let receivers: Vec<LinkKey> =
        [0, 1, 1, 1, 2, 2, 0].into_iter().map(|shard| world.standing(shard, "news", 10)).collect();
    let sender = world.sender(0, "news");
    world.send(sender, 0, Settled::No);
    world.send(sender, 1, Settled::Yes);
    // One of them goes before the messages are there.
    world.detach(receivers[2]);
    world.run();
    assert_eq!(world.crossed, 4, "two messages to two shards");
    for receiver in receivers.into_iter().filter(|receiver| !world.seen[receiver].came.is_empty()).collect::<Vec<_>>() {
        assert_eq!((world.got(receiver), &world.seen[&sender].settled[..]), (vec![0, 1], &[][..]));
        let (key, _) = world.seen[&receiver].came[0];
        world.settle(receiver, key, Outcome::Accepted, None);
        world.run();
    }
    assert_eq!(world.seen[&sender].settled, [(0, Outcome::Accepted)], "when all have decided");
    assert_eq!(under_way(&world), 0);
}

#[test]
fn an_address_whose_number_was_anothers_begins_its_turns_anew() {
    let mut world = World::new(1, Treatment::Closest);
    for round in 0..3 {
        let address = format!("a{round}");
        let receivers: Vec<LinkKey> = (0..2).map(|_| world.standing(0, &address, 10)).collect();
        let sender = world.sender(0, &address);
        world.send(sender, 0, Settled::Yes);
        assert_eq!(world.got(receivers[0]), [0], "the first one's turn");
        world.detach(sender);
        receivers.into_iter().for_each(|receiver| world.detach(receiver));
        world.run();
    }
}

#[test]
fn a_turn_looks_up_so_many_senders_and_a_table_goes_for_all_of_them() {
    let mut addresses = Addresses::new(Arc::new(Rules::new([], Treatment::Closest)), 7);
    let (table, id) = (addresses.view(), RouterId::new("A").expect("an id"));
    let mut router = Router::new(RouterConfig {
        shard: 0,
        shards: 1,
        id,
        table,
        capacity: CAPACITY,
        memory_bytes: u64::MAX,
        mode: Mode::Interior,
    });
    let mut registry = Registry::new(addresses, 1, None);
    let link = |number: u32| LinkKey::at(Port::Peer, 0, 0, number);
    let senders = 2 * LOOKS_MAX as u32 + 5;
    for number in 0..senders {
        let spec = Box::new(ProducerSpec::of("a"));
        router.handle_command(Command::AttachProducer { link: link(number), spec });
    }
    let spec = Box::new(ConsumerSpec::of("a"));
    router.handle_command(Command::AttachConsumer { link: link(senders), spec });
    std::iter::from_fn(|| router.poll_note()).for_each(|note| registry.handle_note(note, 0));
    let credits = |router: &mut Router| {
        let mut told = Told::default();
        router.take_told(&mut told);
        told.events.iter().filter(|(_, event)| matches!(event, Event::Credit { .. })).count()
    };
    assert_eq!(credits(&mut router), 0);
    router.handle_update(registry.poll_update().expect("another table"));
    for (more, is_busy) in [(LOOKS_MAX, true), (LOOKS_MAX, true), (5, false)] {
        assert_eq!((credits(&mut router), router.is_busy()), (more, is_busy));
        assert_eq!(router.poll_note().is_some(), !is_busy, "the registry hears when all go by it");
        router.proceed();
        router.check();
    }
}

#[test]
fn other_rules_hold_for_who_attaches_when_all_shards_go_by_them() {
    let mut world = World::new(2, Treatment::Balanced);
    let early = world.standing(0, "news.a", 10);
    let closed = (Pattern::of_prefix("news").expect("a pattern"), Rule::of(Treatment::Unavailable));
    let rules = Arc::new(Rules::new([closed], Treatment::Balanced));
    world.registry.handle_note(Note::Ruled { rules, number: 7 }, 0);
    let update = world.registry.poll_update().expect("another table");
    assert_eq!(world.registry.poll_ruled(), None);
    // One shard goes by them, and the other not yet.
    world.update(1, update.clone());
    let told = |world: &mut World, shard| {
        world.noted(shard).into_iter().for_each(|note| world.registry.handle_note(note, 0));
        world.registry.poll_ruled()
    };
    assert_eq!(told(&mut world, 1), None);
    world.update(0, update);
    let late = world.sender(0, "news.b");
    assert!(world.seen[&late].refused.is_some(), "they hold here");
    assert_eq!(told(&mut world, 0), Some(7));
    // The address that was there stays as it was, until nobody wants it any more.
    let sender = world.sender(1, "news.a");
    world.run();
    world.send(sender, 0, Settled::No);
    world.run();
    assert_eq!(world.got(early), [0]);
    world.detach(sender);
    world.detach(early);
    world.run();
    let again = world.sender(1, "news.a");
    assert!(world.seen[&again].refused.is_some());
}

#[test]
fn a_relay_is_refused_as_its_link_can_be_told() {
    let unavailable = Rule::of(Treatment::Unavailable);
    let rules = Rules::new([(Pattern::of_prefix("closed").expect("a pattern"), unavailable)], Treatment::Balanced);
    let mut world = World::with_rules(1, rules);
    let relay = world.relay(0);
    world.publish(relay, "closed", 0, Settled::No);
    world.publish(relay, "closed", 1, Settled::Yes);
    let publish = Publish { tag: Some(Bytes::from_static(b"t")), ..Publish::of("closed", message(2)) };
    let publish = Box::new(publish);
    world.command(0, Command::Publish { link: relay, delivery: 2, settled: Settled::No, publish });
    let seen = &world.seen[&relay];
    assert!(matches!(seen.settled[..], [(0, Outcome::Rejected(Some(_)))]), "{:?}", seen.settled);
    assert_eq!(seen.undelivered, [Bytes::from_static(b"t")], "no outcome can tell it");
    let totals = world.router(0).totals().deliveries;
    assert_eq!((totals.dropped, totals.rejected), (1, 1));
}

#[test]
fn what_a_sender_left_reaches_who_wants_all_settled() {
    let mut world = World::new(2, Treatment::Balanced);
    let receiver = world.receiver(1, "orders", Settle::OnSend);
    let sender = world.sender(0, "orders");
    world.run();
    (0..3).for_each(|number| world.send(sender, number, Settled::No));
    world.run();
    world.detach(sender);
    world.run();
    world.grant(receiver, 10);
    world.run();
    assert_eq!((world.got(receiver), under_way(&world)), (vec![0, 1, 2], 0));
}
