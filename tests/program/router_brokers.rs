//! A router in front of brokers: messages pass through queues that are elsewhere, over one connection, by links that the router attaches.

use std::net::TcpStream;

use amqp_codec::performative::DeliveryState;
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, Peer, opened};

/// A broker that has one queue, and makes no others.
const BROKER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[queue]]\nname = \"orders\"\n[[address]]\nmatch = \"#\"\n\
                      auto_create = false\n";

/// A router whose address `orders` is a queue of the broker at `at`.
fn in_front_of(at: &str, shards: u16) -> Broker {
    let config = format!(
        "[storage]\nenabled = false\n[[listeners]]\naddress = \"127.0.0.1:0\"\n[router]\nenabled = true\nlink_capacity = 20\n\
         [[connectors]]\nname = \"broker\"\nrole = \"route-container\"\nendpoints = [{at:?}]\nretry_min_ms = 100\nretry_max_ms = 200\n\
         [[routes]]\nprefix = \"orders\"\nwaypoint = true\n\
         [[auto_links]]\naddress = \"orders\"\ndirection = \"in\"\nconnection = \"broker\"\n\
         [[auto_links]]\naddress = \"orders\"\ndirection = \"out\"\nconnection = \"broker\"\n"
    );
    Broker::start_telling(TempDir::new().expect("a folder"), shards, "info", &config)
}

fn waiting(broker: &Broker) -> u64 {
    broker.queue("orders").and_then(|queue| queue["messages"].as_u64()).expect("a queue")
}

fn sender(router: &Broker) -> Peer<TcpStream> {
    let mut peer = opened(router);
    peer.attach_sender("orders");
    peer
}

fn receiver(router: &Broker, credit: u32) -> Peer<TcpStream> {
    let mut peer = opened(router);
    peer.attach_receiver("orders", credit);
    peer
}

#[test]
fn messages_pass_a_broker_on_their_way() {
    for shards in [1, 3] {
        let broker = Broker::start(BROKER);
        let router = in_front_of(&broker.addresses[0].to_string(), shards);
        // More of both than there are shards, and nobody receives yet: the broker keeps what comes.
        for number in 0..6 {
            let mut sender = sender(&router);
            for delivery in 0..5 {
                sender.send_message(delivery, Durable::Yes, &[number * 5 + delivery as u8]);
                assert_eq!(sender.outcome(), (delivery, delivery, None), "accepted by the broker");
            }
        }
        assert_eq!(waiting(&broker), 30);
        let state = broker.state();
        let connections = state["connections"].as_array().expect("a list");
        assert_eq!(connections.len(), 1, "one connection for all: {connections:?}");
        let mut receiver = receiver(&router, 30);
        let mut got = Vec::new();
        for _ in 0..30 {
            let (delivery, body) = receiver.receive();
            receiver.accept(delivery, delivery);
            got.extend(body);
        }
        got.sort_unstable();
        assert_eq!(got, (0..30).collect::<Vec<u8>>(), "each of them once");
        wait_for("the broker to hear of it", || (waiting(&broker) == 0).then_some(()));
    }
}

#[test]
fn what_a_receiver_says_the_broker_hears() {
    for shards in [1, 3] {
        let broker = Broker::start(BROKER);
        let router = in_front_of(&broker.addresses[0].to_string(), shards);
        let mut sender = sender(&router);
        sender.send_message(0, Durable::Yes, b"a");
        assert_eq!(sender.outcome(), (0, 0, None));
        let mut receiver = receiver(&router, 100);
        let mut last = 0;
        for state in [
            DeliveryState::Released,
            DeliveryState::Modified { delivery_failed: true, undeliverable_here: false, annotations: None },
        ] {
            let (delivery, _) = receiver.receive();
            receiver.decide(delivery, state);
            last = delivery;
        }
        let (delivery, _) = receiver.receive();
        assert_eq!(delivery, last + 1, "it came again");
        receiver.reject(delivery, delivery, "too blue");
        wait_for("the queue to be empty", || (waiting(&broker) == 0).then_some(()));
        // What was not decided on comes back to the queue with its receiver.
        sender.send_message(1, Durable::Yes, b"b");
        assert_eq!(sender.outcome(), (1, 1, None));
        let (_, body) = receiver.receive();
        assert_eq!(body, b"b");
        drop(receiver);
        wait_for("it to be back", || {
            let queue = broker.queue("orders").expect("a queue");
            (queue["messages"] == 1 && queue["acquired"] == 0).then_some(())
        });
    }
}

#[test]
fn a_broker_that_went_is_joined_again() {
    let broker = Broker::start(BROKER);
    let at = broker.addresses[0];
    let router = in_front_of(&at.to_string(), 2);
    let mut producer = sender(&router);
    producer.send_message(0, Durable::Yes, b"before");
    assert_eq!(producer.outcome(), (0, 0, None));
    let folder = broker.kill();
    // Nobody takes messages now: what credit there is comes back as released, and new senders have none.
    wait_for("the router to know", || {
        let mut late = opened(&router);
        late.attach_waiting_sender("orders");
        (late.ask_for_credit() == 0).then_some(())
    });
    let broker = Broker::start_in(folder, &BROKER.replace("127.0.0.1:0", &at.to_string()));
    let mut consumer = receiver(&router, 10);
    let (delivery, body) = consumer.receive();
    assert_eq!(body, b"before", "what was accepted is kept");
    consumer.accept(delivery, delivery);
    let mut producer = sender(&router);
    producer.send_message(0, Durable::Yes, b"after");
    assert_eq!(producer.outcome(), (0, 0, None));
    let (delivery, body) = consumer.receive();
    assert_eq!(body, b"after");
    consumer.accept(delivery, delivery);
    wait_for("the broker to hear of it", || (waiting(&broker) == 0).then_some(()));
}

#[test]
fn a_link_that_is_refused_is_told_once_and_tried_again() {
    let broker = Broker::start(&BROKER.replace("orders", "others"));
    let router = in_front_of(&broker.addresses[0].to_string(), 1);
    let said = router.logged(&["a link cannot be attached", "node=orders"]);
    assert!(said.contains("why="), "{said}");
    let made = crate::broker::run(&["queue", "create", "orders", "--url", &format!("amqp://{}", broker.addresses[0])]);
    assert!(made.status.success(), "{}", crate::broker::text(&made));
    router.logged(&["a link is attached", "node=orders"]);
    let mut sender = sender(&router);
    sender.send_message(0, Durable::Yes, b"at last");
    assert_eq!(sender.outcome(), (0, 0, None));
    assert_eq!(router.log().matches("a link cannot be attached").count(), 2, "once for each link");
}

#[test]
fn a_service_that_connects_is_a_waypoint_by_its_capability() {
    use amqp_codec::performative::{Attach, Role, Source, Target, Terminus};
    for shards in [1, 3] {
        let config = "[storage]\nenabled = false\n[[listeners]]\naddress = \"127.0.0.1:0\"\n[router]\nenabled = true\n\
                      [[routes]]\nprefix = \"orders\"\nwaypoint = true\n";
        let router = Broker::start_with(TempDir::new().expect("a folder"), shards, config);
        let mut service = opened(&router);
        let at = || Terminus { capabilities: vec!["qd.waypoint".into()], ..Terminus::at("orders") };
        for (handle, role) in [(0, Role::Sender), (1, Role::Receiver)] {
            let (source, target) = match role {
                Role::Receiver => (at(), Terminus::default()),
                Role::Sender => (Terminus::default(), at()),
            };
            let attach = Attach {
                source: Some(Source::from(source)),
                target: Some(Target::Node(target)),
                initial_delivery_count: Some(0),
                ..Attach::new(format!("waypoint-{handle}"), handle, role)
            };
            service.put(&amqp_codec::performative::Performative::Attach(Box::new(attach)));
            let (answer, _) = service.answer(&format!("waypoint-{handle}"));
            let terminus = match (role, answer.source, answer.target) {
                (Role::Receiver, Some(source), _) => source.terminus,
                (Role::Sender, _, Some(Target::Node(target))) => target,
                other => panic!("no terminus: {other:?}"),
            };
            assert_eq!(terminus.capabilities, ["qd.waypoint"], "it is understood");
        }
        service.set_credit(0, 10);
        let mut sender = sender(&router);
        sender.send_message(0, Durable::No, b"in");
        let (delivery, body) = service.receive();
        assert_eq!(body, b"in");
        service.accept(delivery, delivery);
        assert_eq!(sender.outcome(), (0, 0, None), "what the service says");
    }
}

#[test]
fn each_connection_has_the_capacity_of_where_it_came_in() {
    let config = "[storage]\nenabled = false\n[router]\nenabled = true\n[[listeners]]\naddress = \"127.0.0.1:0\"\nlink_capacity = 3\n\
                  [[listeners]]\naddress = \"127.0.0.1:0\"\n";
    let router = Broker::start_with(TempDir::new().expect("a folder"), 2, config);
    let _receiver = receiver(&router, 1);
    for (place, capacity) in [(0, 3), (1, 250)] {
        let mut peer = Peer::new(crate::peer::connect(router.addresses[place]));
        peer.open();
        peer.attach_sender("orders");
        assert_eq!(peer.ask_for_credit(), capacity);
    }
}
