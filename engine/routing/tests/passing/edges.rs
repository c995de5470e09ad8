//! Connections between a router of the interior and one at the edge, as a shard has them at either end.

use bytes::Bytes;
use engine_core::command::{Between, Carries, ConsumerSpec, Passage, ProducerSpec, Settle, Settled, Stage};
use engine_core::key::LinkKey;
use engine_core::message::Message;
use engine_router::Treatment;
use engine_router::uplink::Way;
use engine_routing::Ask;
use engine_routing::limits::{EDGE_CREDIT, HEARTBEAT_AGE_NS, HEARTBEAT_NS, LOOKUPS_MAX};

use crate::PLACES;
use crate::world::{CAPACITY, World, message};

const SECOND_NS: u64 = 1_000_000_000;

fn passage(connection: u64, carries: Carries) -> Passage {
    Passage { between: Some(Between { connection, cost: 0, apart: 0, carries }), ..Passage::default() }
}

/// The other router sends.
fn from(world: &mut World, shard: u16, connection: u64, carries: Carries, address: &str) -> LinkKey {
    world.sender_of(shard, ProducerSpec { passage: passage(connection, carries), ..ProducerSpec::of(address) })
}

/// It receives.
fn to(world: &mut World, shard: u16, connection: u64, carries: Carries, address: &str) -> LinkKey {
    world.receiver_of(shard, ConsumerSpec { passage: passage(connection, carries), ..ConsumerSpec::of(address) })
}

/// A message of the protocol that says whether somebody receives from an address.
fn tracked(key: &str, is_wanted: bool) -> Message {
    let mut out = vec![0x00, 0x53, 0x77, 0xc0, key.len() as u8 + 4, 2, 0xa1, key.len() as u8];
    out.extend_from_slice(key.as_bytes());
    out.push(if is_wanted { 0x41 } else { 0x42 });
    Message::new(out.into())
}

fn bodies(world: &World, link: LinkKey) -> Vec<Bytes> {
    world.seen[&link].came.iter().map(|(_, body)| body.clone()).collect()
}

#[test]
fn an_edge_is_told_of_receivers_other_than_its_own_and_its_senders_have_credit_then() {
    for (here, there) in PLACES {
        let mut world = World::new(3, Treatment::Balanced);
        let sender = from(&mut world, here, 7, Carries::Address, "orders");
        let own = to(&mut world, here, 7, Carries::Address, "orders");
        let tracking = to(&mut world, here, 7, Carries::Tracking, "E");
        world.run();
        world.grant(tracking, EDGE_CREDIT);
        assert_eq!(world.seen[&sender].credit, 0, "nothing goes back where it came from");
        assert_eq!(bodies(&world, tracking).len(), 0);
        let first = world.receiver(there, "orders", Settle::ByPeer);
        world.run();
        let second = to(&mut world, here, 8, Carries::Address, "orders");
        world.run();
        assert_eq!(world.seen[&sender].credit, CAPACITY);
        assert_eq!(bodies(&world, tracking), [tracked("M0orders", true).body], "once");
        world.detach(first);
        world.run();
        assert_eq!(bodies(&world, tracking).len(), 1, "another edge has one");
        world.detach(second);
        world.run();
        assert_eq!(bodies(&world, tracking)[1..], [tracked("M0orders", false).body]);
        assert!(world.seen[&own].end.is_some());
    }
}

#[test]
fn what_changes_while_an_edge_takes_nothing_is_told_as_it_is_in_the_end() {
    let mut world = World::new(1, Treatment::Balanced);
    let tracking = to(&mut world, 0, 7, Carries::Tracking, "E");
    let _sender = from(&mut world, 0, 7, Carries::Address, "a");
    let _other = from(&mut world, 0, 7, Carries::Address, "b");
    for _ in 0..10 {
        let receivers = ["a", "b"].map(|address| world.receiver(0, address, Settle::ByPeer));
        world.run();
        receivers.into_iter().for_each(|receiver| world.detach(receiver));
        world.run();
    }
    world.receiver(0, "b", Settle::ByPeer);
    world.run();
    world.grant(tracking, EDGE_CREDIT);
    assert_eq!(bodies(&world, tracking), [tracked("M0b", true).body]);
}

#[test]
fn copies_and_single_messages_of_an_edge_do_not_go_back_to_it() {
    for (here, there) in PLACES {
        for treatment in [Treatment::Multicast, Treatment::Balanced, Treatment::Closest] {
            let mut world = World::new(3, treatment);
            let sender = from(&mut world, here, 7, Carries::Address, "news");
            let own = to(&mut world, here, 7, Carries::Address, "news");
            let other = to(&mut world, there, 8, Carries::Address, "news");
            world.run();
            world.grant(own, 10);
            world.grant(other, 10);
            for number in 0..4 {
                world.send(sender, number, Settled::Yes);
                world.run();
            }
            assert_eq!((world.got(own), world.got(other)), (vec![], vec![0, 1, 2, 3]), "{treatment:?}");
        }
    }
}

#[test]
fn what_names_an_edge_goes_down_with_its_address() {
    for (here, there) in PLACES {
        let mut world = World::new(3, Treatment::Balanced);
        let down = to(&mut world, here, 7, Carries::Anonymous, "E");
        world.run();
        world.grant(down, 10);
        let sender = world.sender(there, "_edge/E/temp.1");
        world.run();
        let message = Message::new(Bytes::from_static(b"\x00\x53\x77\x40"));
        world.send_message(sender, 0, message);
        world.run();
        let came = bodies(&world, down).pop().expect("it came");
        let text = String::from_utf8_lossy(&came);
        assert!(text.contains("x-opt-qd.to") && text.contains("_edge/E/temp.1") && text.contains("0/A"), "{text}");
        // Nobody receives from there but the edge.
        let client = world.receiver(there, "_edge/E/temp.1", Settle::ByPeer);
        assert!(world.seen[&client].refused.is_some());
    }
}

/// A question about an address.
fn question(reply_to: &str) -> Message {
    let mut out = vec![0x00, 0x53, 0x73, 0xc0, reply_to.len() as u8 + 9, 6, 0x40, 0x40, 0x40, 0x40, 0xa1];
    out.push(reply_to.len() as u8);
    out.extend_from_slice(reply_to.as_bytes());
    out.extend_from_slice(b"\x52\x09\x00\x53\x74\xc1\x16\x04\xa1\x07version\x52\x01\xa1\x06opcode\x52\x01");
    out.extend_from_slice(b"\x00\x53\x77\xc0\x05\x02\xa1\x01a\x41");
    Message::new(out.into())
}

#[test]
fn questions_are_answered_and_whoever_asks_without_end_loses_its_connection() {
    let mut world = World::new(2, Treatment::Balanced);
    let answers = to(&mut world, 0, 7, Carries::Address, "answers");
    let lookup = from(&mut world, 0, 7, Carries::Lookup, "E");
    world.run();
    world.grant(answers, 10);
    assert_eq!(world.seen[&lookup].credit, EDGE_CREDIT);
    world.send_message(lookup, 0, question("answers"));
    let came = bodies(&world, answers).pop().expect("an answer");
    assert!(came.ends_with(b"\xa1\x06status\x52\x03\x00\x53\x77\xc0\x03\x02\x42\x42"), "{came:?}");
    assert_eq!(world.seen[&lookup].credit, EDGE_CREDIT + 1);
    // As many in each second as there may be.
    for second in 1..4 {
        world.turn(0, second * SECOND_NS);
        (0..LOOKUPS_MAX).for_each(|number| world.send_message(lookup, number, question("answers")));
        assert!(world.seen[&lookup].refused.is_none());
    }
    world.send_message(lookup, 0, question("answers"));
    let refusal = world.seen[&lookup].refused.as_ref().expect("it ends");
    assert!(refusal.description.contains("questions in a second"), "{refusal:?}");
}

#[test]
fn a_silent_edge_loses_its_connection_and_one_that_speaks_does_not() {
    let mut world = World::new(1, Treatment::Balanced);
    world.turn(0, 5 * SECOND_NS);
    let (silent, alive) =
        (from(&mut world, 0, 7, Carries::Heartbeat, "E"), from(&mut world, 0, 8, Carries::Heartbeat, "F"));
    assert_eq!(world.seen[&silent].credit, 2);
    let mut now_ns = 5 * SECOND_NS;
    while now_ns <= 5 * SECOND_NS + HEARTBEAT_AGE_NS {
        assert!(world.seen[&silent].refused.is_none(), "{now_ns}");
        world.send_message(alive, 0, Message::new(Bytes::from_static(b"\x00\x53\x77\x71\x00\x00\x00\x00")));
        now_ns += HEARTBEAT_NS;
        world.turn(0, now_ns);
    }
    let refusal = world.seen[&silent].refused.as_ref().expect("it ends");
    assert!(refusal.description.contains("no sign of life"), "{refusal:?}");
    assert!(world.seen[&alive].refused.is_none());
    let again = from(&mut world, 0, 8, Carries::Heartbeat, "F");
    assert!(world.seen[&again].refused.is_some(), "there is one of each kind");
}

#[test]
fn an_edge_says_that_it_is_alive_as_often_as_it_may() {
    let mut world = World::at_the_edge(1);
    let beats = to(&mut world, 0, 7, Carries::Heartbeat, "E");
    world.turn(0, SECOND_NS);
    assert_eq!(bodies(&world, beats).len(), 0, "it has no credit");
    world.grant(beats, 2);
    for half in 2..=12 {
        world.turn(0, half * SECOND_NS / 2 + SECOND_NS);
    }
    assert_eq!(bodies(&world, beats).len(), 2, "it had credit for so many");
    world.grant(beats, 2);
    world.turn(0, 20 * SECOND_NS);
    assert_eq!(bodies(&world, beats).len(), 3);
    assert!(world.routers[0].deadline().is_some_and(|deadline| deadline < 21 * SECOND_NS));
    world.detach(beats);
    world.turn(0, 30 * SECOND_NS);
    assert_eq!(world.routers[0].deadline(), None, "there is nothing to look at");
}

#[test]
fn an_edge_needs_links_for_addresses_of_its_clients_and_a_link_up_counts_while_somebody_receives() {
    for (here, there) in PLACES {
        let mut world = World::at_the_edge(3);
        world.with(here, |router| router.handle_interior_opened(7));
        let sender = world.sender(there, "orders");
        let second = world.sender(here, "orders");
        let receiver = world.receiver(there, "answers", Settle::ByPeer);
        world.receiver(there, "_edge/A/temp.1", Settle::ByPeer);
        world.run();
        let asked: Vec<_> = world.asked.drain(..).map(|(_, ask)| ask).collect();
        let attached = asked.iter().filter_map(|ask| match ask {
            Ask::Attach { proxy, .. } => Some((proxy.way, proxy.key.as_str())),
            Ask::Activate | Ask::Detach { .. } => None,
        });
        let mut attached: Vec<_> = attached.collect();
        attached.sort_unstable();
        assert_eq!(attached, [(Way::Down, "M0answers"), (Way::Up, "M0orders")], "one each, and none for its own nodes");
        assert!(asked.contains(&Ask::Activate));
        // The interior answers.
        let stage = Some(Stage::Phase(0));
        let link = Passage { stage, ..passage(7, Carries::Address) };
        let up = world.receiver_of(here, ConsumerSpec { passage: link, ..ConsumerSpec::of("orders") });
        let down = world.sender_of(here, ProducerSpec { passage: link, ..ProducerSpec::of("answers") });
        let tracking = from(&mut world, here, 7, Carries::Tracking, "A");
        world.run();
        assert!(world.seen[&up].end.is_some(), "it stands");
        assert_eq!((world.seen[&sender].credit, world.seen[&down].credit), (0, CAPACITY));
        world.send_message(tracking, 0, tracked("M0orders", true));
        world.send_message(tracking, 1, tracked("M0nobody", true));
        world.send_message(tracking, 2, message(7));
        world.run();
        assert_eq!((world.seen[&sender].credit, world.seen[&second].credit), (CAPACITY, CAPACITY));
        world.grant(up, 10);
        world.send(sender, 0, Settled::Yes);
        world.run();
        assert_eq!(world.got(up), [0]);
        world.send_message(tracking, 3, tracked("M0orders", false));
        world.run();
        world.send(sender, 1, Settled::No);
        world.run();
        assert_eq!(world.got(up), [0], "nobody receives any more");
        assert_eq!(world.seen[&sender].settled.len(), 1, "it came back");
        // Who comes or goes last.
        world.detach(sender);
        world.run();
        assert!(world.asked.is_empty(), "there is another one");
        world.detach(second);
        world.detach(receiver);
        world.run();
        let detached = |world: &World| world.asked.iter().filter(|(_, ask)| matches!(ask, Ask::Detach { .. })).count();
        assert_eq!(detached(&world), 1, "what was sent may still wait for the interior");
        world.pass_deadline();
        assert_eq!(detached(&world), 2);
    }
}

#[test]
fn what_is_elsewhere_goes_up_with_its_address_and_clients_do_not_get_it() {
    let mut world = World::at_the_edge(2);
    let client = world.receiver(0, "_topo/0/B/x", Settle::ByPeer);
    assert!(world.seen[&client].refused.is_some(), "nobody receives there");
    let client = world.receiver(0, "_local/_edge", Settle::ByPeer);
    assert!(world.seen[&client].refused.is_some(), "nor in its place");
    let sender = world.sender(1, "_topo/0/B/x");
    let relay = world.relay(1);
    world.publish(relay, "far", 0, Settled::No);
    assert_eq!(world.seen[&relay].settled.len(), 1, "there is no way up");
    let up = to(&mut world, 0, 7, Carries::Anonymous, "A");
    world.run();
    world.grant(up, 10);
    assert_eq!(world.seen[&sender].credit, CAPACITY);
    world.send_message(sender, 0, Message::new(Bytes::from_static(b"\x00\x53\x77\x40")));
    let publish = engine_core::command::Publish::of("far", Message::new(Bytes::from_static(b"\x00\x53\x77\x41")));
    let command = engine_core::command::Command::Publish {
        link: relay,
        delivery: 1,
        settled: Settled::Yes,
        publish: Box::new(publish),
    };
    world.command(1, command);
    world.run();
    let came = bodies(&world, up);
    let texts: Vec<_> = came.iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect();
    assert!(texts.len() == 2 && texts[0].contains("_topo/0/B/x") && texts[1].contains("far"), "{texts:?}");
    assert!(texts.iter().all(|text| !text.contains("ingress") && !text.contains("trace")), "{texts:?}");
}
