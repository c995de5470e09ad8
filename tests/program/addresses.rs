//! What the configuration says of addresses and queues holds for them and for no others, and what it declares is there.

use std::net::TcpStream;

use amqp_codec::performative::{Attach, Performative, Role, Target, Terminus};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, Peer, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
const SHARDS: u16 = 3;

fn broker(folder: TempDir, addresses: &str) -> Broker {
    Broker::start_with(folder, SHARDS, &format!("{LISTENER}{addresses}"))
}

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

/// An attach to send, named as its address.
fn sender(address: &str, handle: u32) -> Performative<'static> {
    let target = Some(Target::Node(Terminus::at(address)));
    Performative::Attach(Box::new(Attach { target, ..Attach::new(address, handle, Role::Sender) }))
}

/// Sends a message; whether it was accepted.
fn send(peer: &mut Peer<TcpStream>, delivery: u32, durable: Durable) -> bool {
    peer.send_message(delivery, durable, b"message");
    let (first, last, refused) = peer.outcome();
    assert_eq!((first, last), (delivery, delivery));
    refused.is_none()
}

/// Names of all queues, and how many messages each has.
fn queues(broker: &Broker) -> Vec<(String, u64)> {
    let state = broker.state();
    let queues = state["queues"].as_array().expect("queues").iter();
    let mut queues: Vec<_> = queues
        .map(|queue| {
            (queue["name"].as_str().expect("a name").to_owned(), queue["messages"].as_u64().expect("a number"))
        })
        .collect();
    queues.sort();
    queues
}

fn named(names: &[(&str, u64)]) -> Vec<(String, u64)> {
    names.iter().map(|&(name, messages)| (name.to_owned(), messages)).collect()
}

#[test]
fn limits_are_those_of_the_most_specific_match() {
    // One shard answers in the order in which it is asked.
    let broker = Broker::start_with(
        folder(),
        1,
        &format!(
            "{LISTENER}\
             [[address]]\nmatch = \"#\"\nproducer_window = 20\n[[address]]\nmatch = \"small.#\"\nmax_messages = 2\n\
         [[address]]\nmatch = \"small.refusing\"\nwhen_full = \"refuse\"\n"
        ),
    );
    // What is sent beyond twice the maximum on credit that was given before is refused, at an address that holds producers; beyond the
    // maximum itself at one that refuses; and what is sent elsewhere is taken.
    for (address, taken) in [("small.holding", 4), ("small.refusing", 2), ("large", 10)] {
        let mut peer = opened(&broker);
        peer.attach_sender(address);
        let accepted = (0..10).filter(|&delivery| send(&mut peer, delivery, Durable::No)).count();
        assert_eq!(accepted, taken, "{address}");
    }
    // Another producer gets credit where the queue does not hold it; the answer to a link that attaches later comes behind that.
    for (address, given) in [("small.holding", 0), ("small.refusing", 20), ("large", 20)] {
        let mut peer = opened(&broker);
        peer.put(&sender(address, 0));
        peer.answer(address);
        peer.put(&sender("elsewhere", 1));
        let mut credit = 0;
        peer.until(|performative| match performative {
            Performative::Flow(flow) if flow.handle == Some(0) => {
                credit = flow.link_credit.unwrap_or_default();
                None
            }
            Performative::Flow(flow) => (flow.handle == Some(1) && flow.link_credit > Some(0)).then_some(()),
            _ => None,
        });
        assert_eq!(credit, given, "{address}");
    }
}

#[test]
fn routing_is_what_the_match_says() {
    let broker = broker(folder(), "[[address]]\nmatch = \"news.#\"\nrouting = \"multicast\"\n");
    for (address, copies) in [("news.eu", 2), ("jobs", 1)] {
        let mut consumers: Vec<_> = (0..2).map(|_| opened(&broker)).collect();
        consumers.iter_mut().for_each(|consumer| consumer.attach_receiver(address, 0));
        let mut producer = opened(&broker);
        producer.attach_sender(address);
        assert!(send(&mut producer, 0, Durable::No));
        let got: usize = consumers.iter_mut().map(|consumer| consumer.drain(5)).sum();
        assert_eq!(got, copies, "{address}");
    }
}

#[test]
fn declared_addresses_and_queues_are_there_from_the_start_and_stay() {
    let declared = "[[address]]\nmatch = \"#\"\nauto_create = false\n[[address]]\nname = \"orders\"\n\
         [[queue]]\nname = \"audit\"\naddress = \"all\"\nrouting = \"multicast\"\n\
         [[queue]]\nname = \"copy\"\naddress = \"all\"\nrouting = \"multicast\"\n\
         [[queue]]\nname = \"work\"\n";
    let broker = broker(folder(), declared);
    let empty = named(&[("audit", 0), ("copy", 0), ("orders", 0), ("work", 0)]);
    assert_eq!(queues(&broker), empty);
    for (address, full) in [("orders", vec!["orders"]), ("work", vec!["work"]), ("all", vec!["audit", "copy"])] {
        let mut producer = opened(&broker);
        producer.attach_sender(address);
        assert!(send(&mut producer, 0, Durable::No));
        for queue in full {
            let found = broker.queue(queue).expect("it is there");
            assert_eq!((&found["messages"], &found["address"]), (&1.into(), &address.into()), "{queue}");
            let mut consumer = opened(&broker);
            consumer.attach_receiver(&format!("{address}::{queue}"), 1);
            let (delivery, _) = consumer.receive();
            consumer.accept(delivery, delivery);
            wait_for("the message to leave", || (broker.queue(queue)?["messages"] == 0).then_some(()));
        }
    }
    wait_for("the links to go", || {
        let state = broker.state();
        let links = |queue: &serde_json::Value| queue["consumers"] == 0 && queue["producers"] == 0;
        state["queues"].as_array()?.iter().all(links).then_some(())
    });
    assert_eq!(queues(&broker), empty, "and nothing goes");
}

#[test]
fn durable_messages_of_a_declared_queue_outlive_the_node_and_its_declaration() {
    let declared = "[[queue]]\nname = \"work\"\naddress = \"jobs\"\n";
    let first = broker(folder(), declared);
    let mut producer = opened(&first);
    producer.attach_sender("jobs");
    assert!((0..3).all(|delivery| send(&mut producer, delivery, Durable::Yes)));
    let again = broker(first.kill(), declared);
    assert_eq!(queues(&again), named(&[("work", 3)]), "there is one of it, with its messages");
    let undeclared = broker(again.stop(), "");
    assert_eq!(queues(&undeclared), named(&[("work", 3)]));
    let mut consumer = opened(&undeclared);
    consumer.attach_receiver("jobs::work", 3);
    for _ in 0..3 {
        let (delivery, _) = consumer.receive();
        consumer.accept(delivery, delivery);
    }
    drop(consumer);
    wait_for("the queue to go as those made on demand", || queues(&undeclared).is_empty().then_some(()));
}
