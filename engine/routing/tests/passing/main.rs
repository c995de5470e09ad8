//! Messages through the shards of a router: from senders to receivers, and what becomes of them back.

mod bounds;
mod edges;
mod neighbours;
mod random;
mod through;
mod world;

use engine_core::command::{ConsumerSpec, Modified, Outcome, Passage, ProducerSpec, Settle, Settled, Stage};
use engine_core::event::{KEY_NONE, Refusal};
use engine_message::Condition;
use engine_router::Treatment;
use engine_router::address::Phase;
use engine_router::matching::Pattern;
use engine_router::table::{Rule, Rules};

use world::{CAPACITY, World};

/// Where sender and receiver are: on the same shard, and on two.
const PLACES: [(u16, u16); 3] = [(0, 0), (0, 1), (2, 1)];

#[test]
fn a_message_goes_to_its_receiver_and_what_that_says_goes_back() {
    let modified = Modified { delivery_failed: true, undeliverable_here: true, annotations: None };
    for (from, to) in PLACES {
        let mut world = World::new(3, Treatment::Balanced);
        let sender = world.sender(from, "orders");
        assert_eq!(world.seen[&sender].credit, 0, "nobody is there");
        let receiver = world.standing(to, "orders", 10);
        world.run();
        assert_eq!(world.seen[&sender].credit, CAPACITY);
        let outcomes = [
            Outcome::Accepted,
            Outcome::Released,
            Outcome::Rejected(Some(Refusal::new(Condition::NotAllowed, "too blue"))),
            Outcome::Modified(Box::new(modified.clone())),
        ];
        for (number, outcome) in (0..).zip(outcomes) {
            world.send(sender, number, Settled::No);
            world.run();
            let (key, _) = *world.seen[&receiver].came.last().expect("it came");
            world.settle(receiver, key, outcome.clone(), Some(40 + number));
            world.run();
            assert_eq!(world.seen[&sender].settled.last(), Some(&(number, outcome)));
            assert_eq!(world.seen[&receiver].confirmed.last(), Some(&(40 + number)));
        }
        assert_eq!(world.got(receiver), [0, 1, 2, 3]);
        assert!(world.routers.iter().all(|router| router.under_way() == 0));
    }
}

#[test]
fn an_attach_is_answered_when_all_shards_know_of_it() {
    let mut world = World::new(3, Treatment::Balanced);
    let receiver = world.receiver(1, "orders", Settle::ByPeer);
    let mut shards = vec![0_u16, 1, 2];
    while let Some(way) = world.ways().first().copied() {
        if let world::Way::ToShard(shard) = way {
            shards.retain(|other| *other != shard);
        }
        assert!(world.seen[&receiver].end.is_none() || shards.is_empty());
        world.arrive(way);
    }
    assert!(world.seen[&receiver].end.is_some());
}

#[test]
fn settled_messages_are_not_answered_and_go_where_somebody_is() {
    for (from, to) in PLACES {
        let mut world = World::new(3, Treatment::Closest);
        let receiver = world.standing(to, "news", 100);
        let sender = world.sender(from, "news");
        (0..20).for_each(|number| world.send(sender, number, Settled::Yes));
        world.run();
        assert_eq!(world.got(receiver), (0..20).collect::<Vec<_>>());
        assert!(world.seen[&receiver].came.iter().all(|(key, _)| *key == KEY_NONE));
        world.detach(receiver);
        world.send(sender, 20, Settled::Yes);
        world.send(sender, 21, Settled::No);
        world.run();
        assert_eq!(world.seen[&sender].settled, [(21, Outcome::Released)], "released, and the other one dropped");
    }
}

#[test]
fn distributions_are_kept_over_shards() {
    let of = |treatment| {
        let mut world = World::new(3, treatment);
        let receivers: Vec<_> = (0..3).map(|shard| world.standing(shard, "a", 100)).collect();
        let sender = world.sender(1, "a");
        (0..6).for_each(|number| world.send(sender, number, Settled::No));
        world.run();
        receivers.iter().map(|receiver| world.got(*receiver).len()).collect::<Vec<_>>()
    };
    assert_eq!(of(Treatment::Multicast), [6, 6, 6]);
    assert_eq!(of(Treatment::Closest), [2, 2, 2], "all are as near: in turn");
    assert_eq!(of(Treatment::Balanced), [2, 2, 2]);
}

#[test]
fn of_several_receivers_all_are_waited_for() {
    let mut world = World::new(2, Treatment::Multicast);
    // Two on one shard, which is another one than the sender's.
    let receivers: Vec<_> = [0, 1, 1].into_iter().map(|shard| world.standing(shard, "a", 10)).collect();
    let sender = world.sender(0, "a");
    world.send(sender, 5, Settled::No);
    world.run();
    let outcomes = [Outcome::Accepted, Outcome::Released, Outcome::Rejected(None)];
    for (receiver, outcome) in receivers.into_iter().zip(outcomes) {
        assert_eq!(world.seen[&sender].settled, []);
        let (key, _) = world.seen[&receiver].came[0];
        world.settle(receiver, key, outcome, None);
        world.run();
    }
    assert_eq!(world.seen[&sender].settled, [(5, Outcome::Rejected(None))], "the worst that its sender has to know of");
}

#[test]
fn balanced_messages_go_to_who_has_least_to_do() {
    let mut world = World::new(2, Treatment::Balanced);
    let (slow, fast) = (world.standing(0, "a", 100), world.standing(1, "a", 100));
    let sender = world.sender(0, "a");
    for number in 0..20 {
        world.send(sender, number, Settled::No);
        world.run();
        if let Some((key, _)) = world.seen.get_mut(&fast).and_then(|seen| seen.came.pop()) {
            world.settle(fast, key, Outcome::Accepted, None);
            world.run();
        }
    }
    assert_eq!(world.got(slow).len(), 1, "it has one to do, and the other none");
}

#[test]
fn what_a_lost_receiver_had_is_told_its_sender() {
    for (from, to) in PLACES {
        let mut world = World::new(3, Treatment::Balanced);
        let receiver = world.standing(to, "orders", 2);
        let sender = world.sender(from, "orders");
        (0..4).for_each(|number| world.send(sender, number, Settled::No));
        world.run();
        world.detach(receiver);
        world.run();
        let failed = Outcome::Modified(Box::new(Modified { delivery_failed: true, ..Modified::default() }));
        let mut settled = world.seen[&sender].settled.clone();
        settled.sort_by_key(|(number, _)| *number);
        let told = [(0, failed.clone()), (1, failed), (2, Outcome::Released), (3, Outcome::Released)];
        assert_eq!(settled, told, "two were sent");
        assert!(world.routers.iter().all(|router| router.under_way() == 0));
    }
}

#[test]
fn what_a_lost_sender_sent_is_delivered() {
    for (from, to) in PLACES {
        let mut world = World::new(3, Treatment::Balanced);
        let receiver = world.standing(to, "orders", 2);
        let sender = world.sender(from, "orders");
        (0..4).for_each(|number| world.send(sender, number, Settled::No));
        world.detach(sender);
        world.run();
        world.grant(receiver, 10);
        world.run();
        assert_eq!(world.got(receiver), [0, 1, 2, 3]);
        for (key, _) in world.seen[&receiver].came.clone() {
            if key != KEY_NONE {
                world.settle(receiver, key, Outcome::Accepted, None);
            }
        }
        world.run();
        assert!(world.routers.iter().all(|router| router.under_way() == 0));
    }
}

#[test]
fn a_sender_has_its_capacity_unsettled_and_one_word_of_credit_for_many() {
    let mut world = World::new(2, Treatment::Balanced);
    let receiver = world.standing(1, "orders", 1000);
    let sender = world.sender(0, "orders");
    (0..CAPACITY).for_each(|number| world.send(sender, number, Settled::No));
    world.run();
    assert_eq!(world.seen[&sender].credit, 0);
    for (key, _) in world.seen[&receiver].came.clone().into_iter().take(3) {
        world.settle(receiver, key, Outcome::Accepted, None);
    }
    world.run();
    assert_eq!(world.seen[&sender].credit, 3, "whoever has none gets what there is");
}

#[test]
fn credit_that_is_taken_back_or_used_up_is_answered() {
    let mut world = World::new(2, Treatment::Balanced);
    let receiver = world.standing(0, "orders", 5);
    let end = world.end(receiver);
    world.command(0, engine_core::command::Command::Revoke { end, credit: 3 });
    world.command(0, engine_core::command::Command::Revoke { end, credit: 3 });
    assert_eq!(world.seen[&receiver].revoked, [(3, 3), (3, 2)]);
    let sender = world.sender(1, "orders");
    (0..3).for_each(|number| world.send(sender, number, Settled::No));
    world.run();
    assert_eq!(world.got(receiver), []);
    world.grant(receiver, 5);
    world.command(0, engine_core::command::Command::Drain { end });
    assert_eq!((world.got(receiver), &world.seen[&receiver].drained[..]), (vec![0, 1, 2], &[2][..]));
}

#[test]
fn who_wants_all_settled_counts_as_having_accepted() {
    for (from, to) in PLACES {
        let mut world = World::new(3, Treatment::Balanced);
        let receiver = world.receiver(to, "orders", Settle::OnSend);
        world.run();
        world.grant(receiver, 1);
        let sender = world.sender(from, "orders");
        world.send(sender, 0, Settled::No);
        world.run();
        assert_eq!(world.seen[&sender].settled, [(0, Outcome::Accepted)]);
        assert_eq!(world.seen[&receiver].came[0].0, KEY_NONE);
    }
}

#[test]
fn a_relay_is_told_of_each_message_and_has_so_many_under_way() {
    let mut world = World::new(2, Treatment::Balanced);
    let receiver = world.standing(1, "orders", 1);
    let relay = world.relay(0);
    world.publish(relay, "orders", 0, Settled::No);
    world.publish(relay, "nowhere", 1, Settled::No);
    world.publish(relay, "", 2, Settled::No);
    world.publish(relay, "nowhere", 3, Settled::Yes);
    world.run();
    let settled = |world: &World| world.seen[&relay].settled.clone();
    assert_eq!(settled(&world)[0], (1, Outcome::Released));
    assert!(matches!(&settled(&world)[1], (2, Outcome::Rejected(Some(_)))));
    assert_eq!(settled(&world).len(), 2);
    let (key, _) = world.seen[&receiver].came[0];
    world.settle(receiver, key, Outcome::Accepted, None);
    world.run();
    assert_eq!(settled(&world)[2], (0, Outcome::Accepted));
    let most = engine_routing::limits::PUBLISHED_MAX;
    (0..=most).for_each(|number| world.publish(relay, "orders", 10 + number, Settled::No));
    assert_eq!(settled(&world)[3..], [(10 + most, Outcome::Released)], "one is too many");
}

#[test]
fn addresses_that_may_not_be_used_are_refused() {
    let unavailable = Rule::of(Treatment::Unavailable);
    let rules = Rules::new([(Pattern::of_prefix("closed").expect("a pattern"), unavailable)], Treatment::Balanced);
    let mut world = World::with_rules(1, rules);
    for address in ["closed.a", "", "amqp://host"] {
        let (sender, receiver) = (world.sender(0, address), world.receiver(0, address, Settle::ByPeer));
        world.run();
        assert!(world.seen[&sender].refused.is_some() && world.seen[&receiver].refused.is_some(), "{address}");
    }
    let router = world.receiver(0, "_topo/0/B/x", Settle::ByPeer);
    assert!(world.seen[&router].refused.is_some());
    assert_eq!(world.registry.addresses(), 0);
}

#[test]
fn whoever_goes_leaves_nothing_behind() {
    let mut world = World::new(2, Treatment::Balanced);
    for round in 0..50 {
        let receiver = world.standing(round % 2, "orders", 5);
        let sender = world.sender(0, "orders");
        world.send(sender, 0, Settled::No);
        world.detach(if round % 3 == 0 { sender } else { receiver });
        world.run();
        world.detach(if round % 3 == 0 { receiver } else { sender });
        world.run();
        assert_eq!(world.registry.addresses(), 0);
        assert!(world.routers.iter().all(|router| router.under_way() == 0), "round {round}");
    }
}

#[test]
fn a_waypoint_takes_from_one_stage_and_gives_to_the_next() {
    let egress = Phase::number(1).expect("a phase");
    let rule = Rule { egress, ..Rule::of(Treatment::Balanced) };
    let claims = [(Stage::Phase(0), Stage::Phase(1)), (Stage::Waypoint(1), Stage::Waypoint(1))];
    for ((from, to), (out, into)) in PLACES.into_iter().flat_map(|place| claims.map(|claim| (place, claim))) {
        let rules = Rules::new([(Pattern::of_prefix("q").expect("a pattern"), rule)], Treatment::Balanced);
        let mut world = World::with_rules(3, rules);
        let sender = world.sender(from, "q");
        let reader = world.standing(to, "q", 10);
        assert_eq!(world.seen[&sender].credit, 0, "who reads takes from another stage");
        let taker = world.receiver_of(1, ConsumerSpec { passage: Passage::of(Some(out)), ..ConsumerSpec::of("q") });
        let giver = world.sender_of(1, ProducerSpec { passage: Passage::of(Some(into)), ..ProducerSpec::of("q") });
        world.run();
        world.grant(taker, 10);
        world.run();
        world.send(sender, 0, Settled::No);
        world.run();
        assert_eq!((world.got(taker), world.got(reader)), (vec![0], vec![]));
        let (key, _) = world.seen[&taker].came[0];
        world.settle(taker, key, Outcome::Accepted, None);
        world.run();
        assert_eq!(world.seen[&sender].settled, [(0, Outcome::Accepted)], "what the waypoint said");
        world.send(giver, 7, Settled::No);
        world.run();
        assert_eq!((world.got(taker), world.got(reader)), (vec![0], vec![7]));
    }
}

#[test]
fn what_nobody_takes_goes_to_the_fallback() {
    let rule = Rule { has_fallback: true, ..Rule::of(Treatment::Balanced) };
    for (from, to) in PLACES {
        let rules = Rules::new([(Pattern::of_prefix("q").expect("a pattern"), rule)], Treatment::Balanced);
        let mut world = World::with_rules(3, rules);
        let sender = world.sender(from, "q");
        let fallback = world
            .receiver_of(to, ConsumerSpec { passage: Passage::of(Some(Stage::Fallback)), ..ConsumerSpec::of("q") });
        world.run();
        world.grant(fallback, 10);
        world.run();
        assert_eq!(world.seen[&sender].credit, CAPACITY, "somebody takes it");
        world.send(sender, 0, Settled::No);
        world.run();
        let reader = world.standing(to, "q", 10);
        world.send(sender, 1, Settled::No);
        world.run();
        assert_eq!((world.got(fallback), world.got(reader)), (vec![0], vec![1]));
        // Whoever gives back what it had gives it to those who read.
        let giver = world
            .sender_of(from, ProducerSpec { passage: Passage::of(Some(Stage::Fallback)), ..ProducerSpec::of("q") });
        world.send(giver, 2, Settled::No);
        world.run();
        assert_eq!((world.got(fallback), world.got(reader)), (vec![0], vec![1, 2]));
    }
}

#[test]
fn balanced_messages_pass_by_who_has_no_credit() {
    for settled in [Settled::No, Settled::Yes] {
        let mut world = World::new(1, Treatment::Balanced);
        let (stalled, able) = (world.standing(0, "a", 0), world.standing(0, "a", 100));
        let sender = world.sender(0, "a");
        for number in 0..20 {
            world.send(sender, number, settled);
            world.run();
            if let Some((key, _)) = world.seen[&able].came.last().filter(|(key, _)| *key != KEY_NONE).cloned() {
                world.settle(able, key, Outcome::Accepted, None);
                world.run();
            }
        }
        assert_eq!((world.got(stalled).len(), world.got(able).len()), (0, 19), "one waits for credit: {settled:?}");
    }
}

#[test]
fn what_a_relay_that_has_ended_sent_is_told_to_nobody() {
    let mut world = World::new(2, Treatment::Balanced);
    let receiver = world.standing(1, "orders", 10);
    let relay = world.relay(0);
    world.publish(relay, "orders", 0, Settled::No);
    world.end_relay(relay);
    // Another one has its key.
    world.publish(relay, "orders", 0, Settled::No);
    world.run();
    let keys: Vec<u64> = world.seen[&receiver].came.iter().map(|(key, _)| *key).collect();
    world.settle(receiver, keys[0], Outcome::Accepted, None);
    world.run();
    assert_eq!(world.seen[&relay].settled, [], "that was the first one's");
    world.settle(receiver, keys[1], Outcome::Released, None);
    world.run();
    assert_eq!(world.seen[&relay].settled, [(0, Outcome::Released)]);
}
