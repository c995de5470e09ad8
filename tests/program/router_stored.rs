//! Nodes that are broker and router at once: addresses are stored or routed, as their routes say, and queues are there for clients of other
//! routers, too.
//!
//! More of that: tests of the broker itself, which are run with addresses that a router's rules have stored, and through a network
//! (`broker.rs`, `HEDDLE_TEST_STORED`).

use std::net::TcpStream;

use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, End, Peer, opened};
use crate::router_network::{Node, node_with, places};

/// Orders are kept, everything else passes through; news goes to everybody.
const SOME: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[router]\nenabled = true\n[[routes]]\nprefix = \"orders\"\n\
                    distribution = \"stored\"\n[[routes]]\nprefix = \"news\"\ndistribution = \"multicast\"\n";
/// Everything is kept, and news passes through.
const OTHERS: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[router]\nenabled = true\ndistribution = \"stored\"\n[[routes]]\n\
                      prefix = \"news\"\ndistribution = \"multicast\"\n";

fn started(shards: u16, config: &str) -> Broker {
    Broker::start_with(TempDir::new().expect("a folder"), shards, config)
}

fn receiver(broker: &Broker, address: &str, credit: u32) -> Peer<TcpStream> {
    let mut peer = opened(broker);
    peer.attach_receiver(address, credit);
    peer
}

fn messages(broker: &Broker, queue: &str) -> Option<u64> {
    broker.queue(queue)?["messages"].as_u64()
}

/// A message that names its address.
fn message_to(address: &str, body: &[u8]) -> Vec<u8> {
    let mut out = front_to(address);
    out.extend_from_slice(&[0x00, 0x53, 0x75, 0xb0]);
    out.extend_from_slice(&u32::try_from(body.len()).expect("it is short").to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// The sections in front of the body of a message that names its address.
fn front_to(address: &str) -> Vec<u8> {
    let length = u8::try_from(address.len()).expect("it is short");
    let mut out = vec![0x00, 0x53, 0x73, 0xc0, length + 5, 3, 0x40, 0x40, 0xa1, length];
    out.extend_from_slice(address.as_bytes());
    out
}

#[test]
fn what_is_stored_is_there_behind_a_kill_and_what_is_routed_passes() {
    for (shards, config) in [(1, SOME), (3, SOME), (3, OTHERS)] {
        let broker = started(shards, config);
        let mut sender = opened(&broker);
        sender.attach_sender("orders");
        sender.send_accepted(Durable::Yes, (0..10).map(|number| vec![number]));
        let (mut one, mut other) = (receiver(&broker, "news", 5), receiver(&broker, "news", 5));
        let mut news = opened(&broker);
        news.attach_sender("news");
        news.send_message(0, Durable::Yes, b"today");
        for peer in [&mut one, &mut other] {
            let (delivery, body) = peer.receive();
            assert_eq!(body, b"today");
            peer.accept(delivery, delivery);
        }
        assert_eq!(news.outcome(), (0, 0, None));
        assert_eq!((messages(&broker, "orders"), messages(&broker, "news")), (Some(10), None));
        // Nobody receives: what is routed has nowhere to go.
        drop((one, other));
        wait_for("nobody to receive", || {
            let state = broker.state();
            let shards = state["shards"].as_array()?.iter().map(|shard| shard["router"]["receivers"].as_u64());
            (shards.sum::<Option<u64>>()? == 0).then_some(())
        });
        let broker = Broker::start_with(broker.kill(), shards, config);
        // Whichever way it is written.
        let mut taker = receiver(&broker, "amqp:/orders", 10);
        for number in 0..10 {
            let (delivery, body) = taker.receive();
            assert_eq!(body, [number], "in their order");
            taker.accept(delivery, delivery);
        }
        wait_for("all to be taken", || broker.queue("orders").is_none_or(|queue| queue["messages"] == 0).then_some(()));
    }
}

#[test]
fn a_relay_reaches_stored_and_routed_addresses_with_messages_of_any_size() {
    for (shards, config) in [(1, SOME), (3, SOME), (3, OTHERS)] {
        let broker = started(shards, config);
        let mut news = receiver(&broker, "news", 100);
        let mut relay = opened(&broker);
        relay.attach_sender("");
        const LARGE: usize = 3_000_000;
        let mut number = 0;
        for _ in 0..3 {
            relay.send_encoded(number, &message_to("orders", b"small"));
            assert_eq!(relay.outcome(), (number, number, None));
            relay.send_encoded(number + 1, &message_to("news", b"small"));
            let (delivery, body) = news.receive();
            assert_eq!(body, b"small");
            news.accept(delivery, delivery);
            assert_eq!(relay.outcome(), (number + 1, number + 1, None));
            // What is stored comes to a file, what is routed does not wait for its end.
            relay.send_large_behind(number + 2, &front_to("orders"), LARGE);
            assert_eq!(relay.outcome(), (number + 2, number + 2, None));
            relay.send_large_behind(number + 3, &front_to("news"), LARGE);
            let (delivery, bytes) = news.receive_large();
            assert_eq!(bytes, LARGE);
            news.accept(delivery, delivery);
            assert_eq!(relay.outcome(), (number + 3, number + 3, None));
            number += 4;
        }
        assert_eq!(messages(&broker, "orders"), Some(6));
        let mut taker = receiver(&broker, "orders", 6);
        for _ in 0..3 {
            let (delivery, body) = taker.receive();
            assert_eq!(body, b"small");
            taker.accept(delivery, delivery);
            let (delivery, bytes) = taker.receive_large();
            assert_eq!(bytes, LARGE);
            taker.accept(delivery, delivery);
        }
    }
}

#[test]
fn a_large_message_of_a_link_is_stored_or_passes_as_its_address_does() {
    for shards in [1, 3] {
        let broker = started(shards, SOME);
        let mut orders = opened(&broker);
        orders.attach_sender("orders");
        orders.send_large(0, Durable::Yes, 500_000, End::Aborted);
        orders.send_large(1, Durable::Yes, 500_000, End::Whole);
        assert_eq!(orders.outcome(), (1, 1, None), "it is kept, though nobody receives");
        let mut taker = receiver(&broker, "orders", 5);
        assert_eq!(taker.receive_large().1, 500_000);
        let mut passing = receiver(&broker, "other", 5);
        let mut sender = opened(&broker);
        sender.attach_sender("other");
        sender.send_large(0, Durable::Yes, 500_000, End::Whole);
        let (delivery, bytes) = passing.receive_large();
        assert_eq!(bytes, 500_000);
        passing.accept(delivery, delivery);
        assert_eq!(sender.outcome(), (0, 0, None));
    }
}

/// A router whose queues of orders are there for clients of others, and another one, which knows the way to them.
fn queues_behind(shards: u16) -> (Node, Node) {
    let [a, b] = places();
    let stored = "[[routes]]\nprefix = \"orders\"\ndistribution = \"stored\"\n[[link_routes]]\nprefix = \"orders\"\nstored = true\n";
    let one = node_with("A", shards, a, &[], stored);
    let two = node_with("B", shards, b, &[(a, 1)], "");
    wait_for("the way to the queue", || {
        let mut sender = two.client();
        sender.attach_waiting_sender("orders");
        (sender.ask_for_credit() > 0).then_some(())
    });
    (one, two)
}

#[test]
fn queues_are_there_for_clients_of_other_routers() {
    for shards in [1, 3] {
        let (one, two) = queues_behind(shards);
        let mut far = two.client();
        far.attach_sender("orders.1");
        far.send_accepted(Durable::No, (0..20).map(|number| vec![number]));
        assert_eq!(messages(&one.broker, "orders.1"), Some(20));
        let mut near = one.client();
        near.attach_receiver("orders.1", 5);
        for number in 0..5 {
            let (delivery, body) = near.receive();
            assert_eq!(body, [number]);
            near.accept(delivery, delivery);
        }
        drop(near);
        let mut taker = two.client();
        taker.attach_receiver("orders.1", 15);
        for number in 5..20 {
            let (delivery, body) = taker.receive();
            assert_eq!(body, [number], "what was settled is settled there");
            taker.accept(delivery, delivery);
        }
        wait_for("all to be taken", || (messages(&one.broker, "orders.1") != Some(20)).then_some(()));
        // What the queue's node does not keep goes its own way.
        let mut other = one.client();
        other.attach_receiver("other", 5);
        let mut sender = two.client();
        sender.attach_sender("other");
        sender.send_message(0, Durable::No, b"passes");
        let (delivery, body) = other.receive();
        assert_eq!(body, b"passes");
        other.accept(delivery, delivery);
        assert_eq!(sender.outcome(), (0, 0, None));
    }
}

#[test]
fn a_delivery_of_another_routers_client_has_any_tag() {
    let (one, two) = queues_behind(1);
    let mut sender = two.client();
    sender.attach_sender("orders.tags");
    // As long as what routers say of messages between themselves is, and longer; with any octets, as those that say it.
    let tags = (1..=32).flat_map(|octets| [0x00, 0x30, 0x80, 0xff].map(|octet| vec![octet; octets]));
    let mut number = 0;
    for tag in tags {
        sender.send_tagged(number, &tag, &[0x00, 0x53, 0x75, 0xb0, 0, 0, 0, 1, number as u8]);
        assert_eq!(sender.outcome(), (number, number, None), "{tag:x?}");
        number += 1;
    }
    assert_eq!(messages(&one.broker, "orders.tags"), Some(u64::from(number)));
    let mut receiver = one.client();
    receiver.attach_receiver("orders.tags", number);
    for number in 0..number {
        assert_eq!(receiver.receive().1, [number as u8]);
    }
}

#[test]
fn what_contradicts_itself_is_told_before_the_start() {
    let refused = |rest: &str, words: &[&str]| {
        let config = format!("[[listeners]]\naddress = \"127.0.0.1:0\"\n[router]\nenabled = true\n{rest}");
        let folder = TempDir::new().expect("a folder");
        let Err((_, said)) = Broker::try_start(folder, 1, &config) else { panic!("it starts with {rest}") };
        for word in words {
            assert!(said.contains(word), "{word:?} of {rest}: {said}");
        }
    };
    const ORDERS: &str = "[[routes]]\nprefix = \"orders\"\ndistribution = \"stored\"\n";
    refused("", &["storage.enabled = false", "distribution = \"stored\""]);
    refused("[[queue]]\nname = \"orders\"\n", &["[[queue]]", "distribution = \"stored\""]);
    refused(&format!("{ORDERS}[[queue]]\nname = \"other\"\n"), &["\"other\"", "is routed"]);
    refused(&format!("{ORDERS}[[address]]\nname = \"other\"\n"), &["\"other\"", "is routed"]);
    refused(
        &format!("{ORDERS}[[divert]]\nname = \"away\"\naddress = \"orders\"\nto = \"other\"\n"),
        &["divert", "\"other\"", "is routed"],
    );
    refused(
        &format!("{ORDERS}[[link_routes]]\nprefix = \"other\"\nstored = true\n"),
        &["stored", "\"other\"", "routed"],
    );
    refused(
        &format!("{ORDERS}[[link_routes]]\nprefix = \"orders\"\nstored = true\ncontainer = \"x\"\n"),
        &["leave one of both out"],
    );
    refused(
        &format!("{ORDERS}[[link_routes]]\nprefix = \"orders\"\nstored = true\nadd_prefix = \"x\"\n"),
        &["add_prefix", "leave"],
    );
    let link = "[[auto_links]]\naddress = \"other\"\ndirection = \"in\"\nstored = true\n";
    refused(&format!("{ORDERS}{link}"), &["\"other\"", "is routed here"]);
    refused(&format!("{ORDERS}{}connection = \"x\"\n", link.replace("other", "orders")), &["stored = true"]);
}

#[test]
fn a_queue_is_a_waypoint_of_the_network() {
    const WAYPOINT: &str = "[[routes]]\nprefix = \"orders\"\ndistribution = \"stored\"\nwaypoint = true\n[[auto_links]]\n\
                            address = \"orders\"\ndirection = \"out\"\nstored = true\n[[auto_links]]\naddress = \"orders\"\n\
                            direction = \"in\"\nstored = true\n";
    for shards in [1, 3] {
        let [a, b] = places();
        let one = node_with("A", shards, a, &[], WAYPOINT);
        let two = node_with("B", shards, b, &[(a, 1)], "[[routes]]\nprefix = \"orders\"\nwaypoint = true\n");
        let mut far = two.client();
        far.attach_sender("orders");
        far.send_accepted(Durable::No, (0..50).map(|number| vec![number]));
        assert_eq!(messages(&one.broker, "orders"), Some(50), "it is kept, though nobody receives");
        // At the queue's node clients take it from the queue itself.
        let mut near = one.client();
        near.attach_receiver("orders", 10);
        for number in 0..10 {
            let (delivery, body) = near.receive();
            assert_eq!(body, [number]);
            near.accept(delivery, delivery);
        }
        drop(near);
        let mut taker = two.client();
        taker.attach_receiver("orders", 40);
        let taken = (10..50).map(|_| {
            let (delivery, body) = taker.receive();
            taker.accept(delivery, delivery);
            body[0]
        });
        let mut got: Vec<u8> = taken.collect();
        got.sort_unstable();
        assert_eq!(got, (10..50).collect::<Vec<u8>>(), "each once");
        wait_for("all to be taken", || (messages(&one.broker, "orders").unwrap_or(0) == 0).then_some(()));
        // What a receiver there does not take is in the queue again.
        let mut near = one.client();
        near.attach_sender("orders");
        near.send_large(0, Durable::No, 2_000_000, End::Whole);
        assert_eq!(near.outcome(), (0, 0, None));
        taker.set_credit(40, 5);
        assert_eq!(taker.receive_large().1, 2_000_000);
        drop(taker);
        wait_for("it to be there again", || (messages(&one.broker, "orders") == Some(1)).then_some(()));
        let mut near = one.client();
        near.attach_receiver("orders", 10);
        assert_eq!(near.receive_large().1, 2_000_000);
    }
}

#[test]
fn without_storage_what_is_stored_is_in_memory() {
    let config = format!("{SOME}[storage]\nenabled = false\n");
    let broker = started(2, &config);
    let mut relay = opened(&broker);
    relay.attach_sender("");
    relay.send_large_behind(0, &front_to("orders"), 700_000);
    assert_eq!(relay.outcome(), (0, 0, None), "it is kept");
    let mut news = receiver(&broker, "news", 10);
    relay.send_large_behind(1, &front_to("news"), 700_000);
    let (delivery, bytes) = news.receive_large();
    assert_eq!(bytes, 700_000);
    news.accept(delivery, delivery);
    assert_eq!(relay.outcome(), (1, 1, None));
    assert_eq!(receiver(&broker, "orders", 1).receive_large().1, 700_000);
}
