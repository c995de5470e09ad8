//! Connections to other routers, as a shard has them.

use bytes::Bytes;
use engine_core::command::{Between, Carries, Command, ConsumerSpec, Passage, ProducerSpec};
use engine_core::key::LinkKey;
use engine_core::message::Message;
use engine_message::Condition;
use engine_router::Treatment;
use engine_routing::limits::UNHEARD_OCTETS_MAX;
use engine_routing::{Note, Order};

use crate::world::World;

fn passage(carries: Carries) -> Passage {
    Passage { between: Some(Between { connection: 7, cost: 3, apart: 0, carries }), ..Passage::default() }
}

/// A link that the neighbour B sends on.
fn from(world: &mut World, carries: Carries) -> LinkKey {
    world.sender_of(0, ProducerSpec { passage: passage(carries), ..ProducerSpec::of("B") })
}

/// A link that it receives on.
fn to(world: &mut World, carries: Carries) -> LinkKey {
    world.receiver_of(0, ConsumerSpec { passage: passage(carries), ..ConsumerSpec::of("B") })
}

#[test]
fn a_connection_is_told_of_when_both_links_for_control_are_there_and_when_one_is_gone() {
    let mut world = World::new(1, Treatment::Balanced);
    let first = from(&mut world, Carries::Control);
    assert_eq!(world.noted(0).len(), 0);
    let second = to(&mut world, Carries::Control);
    let Some(Note::Joined { link, neighbour, cost: 3 }) = world.noted(0).pop() else { panic!("it is there") };
    assert_eq!(neighbour.as_str(), "B");
    assert!(world.seen[&first].credit > 0, "it may speak");
    world.detach(second);
    assert!(matches!(world.noted(0).pop(), Some(Note::Parted { link: gone }) if gone == link));
    // Whoever waits for it finds nobody.
    world.order(0, Order::Say { link, message: Bytes::from_static(b"\x00\x53\x77\x40") });
    world.detach(first);
    assert_eq!(world.noted(0).len(), 0, "it was told once");
}

#[test]
fn a_neighbour_has_one_link_for_each_priority() {
    let mut world = World::new(1, Treatment::Balanced);
    let lanes: Vec<_> = (0..10).map(|_| to(&mut world, Carries::Messages)).collect();
    assert!(lanes.iter().all(|link| world.seen[link].end.is_some()));
    let further = to(&mut world, Carries::Messages);
    let refusal = world.seen[&further].refused.as_ref().expect("it is refused");
    assert!(refusal.description.contains("one for each priority"), "{refusal:?}");
    world.detach(lanes[3]);
    let again = to(&mut world, Carries::Messages);
    assert!(world.seen[&again].end.is_some(), "there is room for it");
}

#[test]
fn what_is_said_waits_for_credit_and_a_neighbour_that_takes_nothing_loses_its_connection() {
    let mut world = World::new(1, Treatment::Balanced);
    from(&mut world, Carries::Control);
    let out = to(&mut world, Carries::Control);
    let Some(Note::Joined { link, .. }) = world.noted(0).pop() else { panic!("it is there") };
    let say = |number: u32| Order::Say { link, message: Bytes::copy_from_slice(&number.to_be_bytes()) };
    (0..3).for_each(|number| world.order(0, say(number)));
    assert_eq!(world.seen[&out].came.len(), 0);
    world.grant(out, 2);
    assert_eq!(world.got(out), [0, 1], "in its order");
    (3..5000).for_each(|number| world.order(0, say(number)));
    let refusal = world.seen[&out].refused.as_ref().expect("it ends");
    assert_eq!(refusal.condition, Condition::ResourceLimitExceeded.as_str());
    assert!(matches!(world.noted(0).pop(), Some(Note::Parted { .. })));
}

#[test]
fn a_neighbour_has_one_link_to_speak_over_and_what_nobody_has_heard_is_bounded() {
    let mut world = World::new(1, Treatment::Balanced);
    let speaks = from(&mut world, Carries::Control);
    let second = from(&mut world, Carries::Control);
    let refusal = world.seen[&second].refused.as_ref().expect("it is refused");
    assert_eq!(refusal.condition, Condition::NotAllowed.as_str());
    let hears = to(&mut world, Carries::Control);
    let Some(Note::Joined { link, .. }) = world.noted(0).pop() else { panic!("it is there") };
    let said = Bytes::from(vec![0; UNHEARD_OCTETS_MAX / 4]);
    let say = |world: &mut World, number| world.send_message(speaks, number, Message::new(said.clone()));
    (0..4).for_each(|number| say(&mut world, number));
    assert!(world.seen[&hears].refused.is_none(), "so much may wait");
    assert_eq!(world.noted(0).len(), 4);
    world.order(0, Order::Heard { link, octets: UNHEARD_OCTETS_MAX / 4 });
    say(&mut world, 4);
    assert!(world.seen[&hears].refused.is_none(), "there was room for one that was heard");
    say(&mut world, 5);
    let refusal = world.seen[&hears].refused.as_ref().expect("it ends");
    assert_eq!(refusal.condition, Condition::ResourceLimitExceeded.as_str());
}

#[test]
fn a_router_without_a_network_has_no_neighbours() {
    let mut world = World::new(1, Treatment::Balanced);
    from(&mut world, Carries::Control);
    let out = to(&mut world, Carries::Control);
    world.run();
    let refusal = world.seen[&out].refused.as_ref().expect("it ends");
    assert!(refusal.description.contains("no part of a network"), "{refusal:?}");
}

#[test]
fn whoever_has_no_name_of_a_router_is_none() {
    let mut world = World::new(1, Treatment::Balanced);
    let spec = ProducerSpec { passage: passage(Carries::Control), ..ProducerSpec::of("no name") };
    let link = world.sender_of(0, spec);
    assert!(world.seen[&link].refused.is_some());
    world.command(0, Command::Drain { end: engine_core::key::EndKey { slot: 0, generation: 0 } });
}
