//! What a queue's settings and links say of its consumers, over AMQP: how many there may be, which of them are served, and which before others.

use std::net::TcpStream;

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Performative, Role, Source, Target, Terminus};
use engine_message::value::{Map, Value};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, Peer, opened};

fn start(shards: u16, addresses: &str) -> Broker {
    let settings = format!("[[listeners]]\naddress = \"127.0.0.1:0\"\n{addresses}");
    Broker::start_with(TempDir::new().expect("a folder"), shards, &settings)
}

/// Attaches a receiver of this name and handle; gives why it was refused, if it was.
fn attach(peer: &mut Peer<TcpStream>, name: &str, handle: u32, queue: &str) -> Option<AmqpError> {
    attach_with(peer, name, handle, queue, None)
}

/// The same; its link has this property `priority`.
fn attach_with(
    peer: &mut Peer<TcpStream>,
    name: &str,
    handle: u32,
    queue: &str,
    priority: Option<Value>,
) -> Option<AmqpError> {
    let mut properties = Map::default();
    if let Some(priority) = priority {
        properties.insert("priority", priority);
    }
    let source = Some(Source { terminus: Terminus::at(queue), ..Source::default() });
    let target = Some(Target::Node(Terminus::at("here")));
    let attach = Attach { source, target, properties, ..Attach::new(name, handle, Role::Receiver) };
    peer.put(&Performative::Attach(Box::new(attach)));
    peer.answer(name).1
}

#[test]
fn a_consumer_beyond_max_consumers_is_refused_and_its_connection_goes_on() {
    for shards in [1, 3] {
        let broker = start(shards, "[[address]]\nmatch = \"few.#\"\nmax_consumers = 1\n");
        for queue in ["few.a", "few.b", "few.c"] {
            let (mut first, mut second) = (opened(&broker), opened(&broker));
            assert_eq!(attach(&mut first, "one", 1, queue), None);
            let error = attach(&mut second, "one", 7, queue).expect("it is one too many");
            assert_eq!(error.condition.as_str(), "amqp:resource-limit-exceeded");
            assert!(error.description.is_some_and(|text| text.contains("max_consumers")), "it says why");
            second.attach_browser(queue, 1);
            first.close();
            wait_for("the first one to be gone", || {
                attach(&mut opened(&broker), "one", 1, queue).is_none().then_some(())
            });
        }
    }
}

/// A connection with a receiver of handle 1 and so much credit, which the broker knows of.
fn receiver(broker: &Broker, queue: &str, priority: Option<Value>, credit: u32) -> Peer<TcpStream> {
    let mut peer = opened(broker);
    assert_eq!(attach_with(&mut peer, "in", 1, queue, priority), None);
    peer.agree_on_credit(0, credit);
    peer
}

fn send(broker: &Broker, queue: &str, numbers: std::ops::Range<u8>) {
    let mut sender = opened(broker);
    sender.attach_sender(queue);
    sender.send_accepted(Durable::No, numbers.map(|number| vec![number]));
}

fn bodies(peer: &mut Peer<TcpStream>, count: usize) -> Vec<u8> {
    (0..count).map(|_| peer.receive().1[0]).collect()
}

#[test]
fn an_exclusive_queue_serves_one_and_then_the_next_one() {
    for shards in [1, 3] {
        let broker = start(shards, "[[address]]\nmatch = \"one.#\"\nexclusive = true\n");
        for queue in ["one.a", "one.b", "one.c"] {
            let mut peers: Vec<_> = (0..3).map(|_| receiver(&broker, queue, None, 100)).collect();
            send(&broker, queue, 0..20);
            assert_eq!(bodies(&mut peers[0], 20), (0..20).collect::<Vec<u8>>());
            // It settled nothing: all of it comes again, in its order.
            peers.remove(0).close();
            assert_eq!(bodies(&mut peers[0], 20), (0..20).collect::<Vec<u8>>());
            assert_eq!(peers[1].drain(100), 0, "nothing is for the other one");
        }
    }
}

#[test]
fn the_consumer_of_the_higher_priority_is_served_first() {
    for shards in [1, 3] {
        let broker = start(shards, "");
        for queue in ["q.a", "q.b", "q.c"] {
            let mut low = receiver(&broker, queue, Some(Value::Int(-1)), 100);
            let mut usual = receiver(&broker, queue, None, 3);
            let mut high = receiver(&broker, &format!("{queue}?consumer-priority=4"), None, 5);
            send(&broker, queue, 0..10);
            assert_eq!(bodies(&mut high, 5), [0, 1, 2, 3, 4]);
            assert_eq!(bodies(&mut usual, 3), [5, 6, 7]);
            assert_eq!(bodies(&mut low, 2), [8, 9]);
        }
    }
}

#[test]
fn a_queue_waits_for_its_consumers_and_not_longer_than_it_may() {
    let wait = "[[address]]\nmatch = \"two.#\"\nconsumers_before_dispatch = 2\n";
    for shards in [1, 3] {
        let broker =
            start(shards, &format!("{wait}[[address]]\nmatch = \"two.soon\"\ndelay_before_dispatch_ms = 50\n"));
        for queue in ["two.a", "two.b", "two.c"] {
            send(&broker, queue, 0..4);
            let mut first = receiver(&broker, queue, None, 2);
            assert_eq!(first.agree_on_credit(0, 2), 0, "it waits for another one");
            let mut second = opened(&broker);
            second.attach_receiver(queue, 2);
            let mut got = [bodies(&mut first, 2), bodies(&mut second, 2)].concat();
            got.sort_unstable();
            assert_eq!(got, [0, 1, 2, 3]);
        }
        send(&broker, "two.soon", 0..2);
        let mut only = opened(&broker);
        only.attach_receiver("two.soon", 5);
        assert_eq!(bodies(&mut only, 2), [0, 1], "nobody else came in time");
    }
}

#[test]
fn the_link_of_a_slow_consumer_ends_and_its_connection_goes_on() {
    let slow = |policy: &str| {
        format!(
            "[[address]]\nmatch = \"{policy}.#\"\nslow_consumer_threshold = 100\nslow_consumer_check_ms = 50\n\
             slow_consumer_policy = \"{policy}\"\n"
        )
    };
    for shards in [1, 3] {
        let broker = start(shards, &(slow("kill") + &slow("notify")));
        for queue in ["kill.a", "kill.b"] {
            send(&broker, queue, 0..20);
            let mut receiver = opened(&broker);
            receiver.attach_receiver(queue, 5);
            let error = receiver.detached();
            assert!(error.contains("detach-forced") && error.contains("slow_consumer_threshold"), "{error}");
            assert_eq!(attach(&mut receiver, "browses", 5, "other"), None, "the connection goes on");
            let figures = broker.queue(queue).expect("it has messages");
            assert_eq!(
                (&figures["slow_consumers"], &figures["messages"], &figures["acquired"]),
                (&1.into(), &20.into(), &0.into())
            );
        }
        send(&broker, "notify.a", 0..20);
        let mut receiver = opened(&broker);
        receiver.attach_receiver("notify.a", 5);
        wait_for("it to be told twice", || {
            broker.queue("notify.a").and_then(|queue| queue["slow_consumers"].as_u64()).filter(|&told| told > 1)
        });
        assert_eq!(bodies(&mut receiver, 5), [0, 1, 2, 3, 4], "its link goes on");
        broker.logged(&["slow consumer", "slow_consumer_threshold"]);
    }
}

/// A message of a group, which is a letter; its body is a number.
fn grouped(group: u8, number: u8) -> Vec<u8> {
    let mut message = vec![0, 0x53, 0x73, 0xc0, 14, 11];
    message.extend([0x40; 10]);
    message.extend([0xa1, 1, group, 0, 0x53, 0x75, 0xb0, 0, 0, 0, 1, number]);
    message
}

#[test]
fn a_consumer_that_comes_gets_its_share_of_the_groups() {
    for shards in [1, 3] {
        let broker = start(shards, "[[address]]\nmatch = \"groups.#\"\ngroup_rebalance = true\n");
        for queue in ["groups.a", "groups.b"] {
            let mut sender = opened(&broker);
            sender.attach_sender(queue);
            let mut first = receiver(&broker, queue, None, 1);
            sender.send_encoded(0, &grouped(b'x', 0));
            assert_eq!(bodies(&mut first, 1), [0]);
            sender.send_encoded(1, &grouped(b'x', 1));
            // The first one has no credit, and the group is its own until the second one comes.
            let mut second = opened(&broker);
            second.attach_receiver(queue, 10);
            assert_eq!(bodies(&mut second, 1), [1]);
        }
    }
}

#[test]
fn what_is_no_priority_is_refused() {
    let broker = start(1, "");
    let mut peer = opened(&broker);
    for (handle, (queue, priority)) in (1..).zip([
        ("q", Some(Value::String("high".to_owned()))),
        ("q", Some(Value::Long(1 << 40))),
        ("q?consumer-priority=high", None),
    ]) {
        let error = attach_with(&mut peer, &format!("in-{handle}"), handle, queue, priority).expect("it is refused");
        assert_eq!(error.condition.as_str(), "amqp:invalid-field", "{queue}");
    }
    assert_eq!(attach(&mut peer, "in", 9, "q"), None, "the connection goes on");
}
