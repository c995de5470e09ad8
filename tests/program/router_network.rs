//! Routers that are a network: addresses, outcomes and credit over several of them, and what becomes of that when one goes.

use std::net::{SocketAddr, TcpListener, TcpStream};

use amqp_codec::performative::DeliveryState;
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, Peer, connect};

/// A router: clients come in at its first listener, other routers at the second.
struct Node {
    broker: Broker,
}

/// A router of a name that listens for others at `at`, and connects to some with their costs. Its times are a tenth of those that hold
/// otherwise.
fn node(name: &str, shards: u16, at: SocketAddr, others: &[(SocketAddr, u32)]) -> Node {
    let mut config = format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[listeners]]\naddress = \"{at}\"\nrole = \"inter-router\"\n\
         [router]\nenabled = true\nlink_capacity = 20\nhello_ms = 100\nhello_age_ms = 300\nadvertise_ms = 3000\nadvertise_flux_ms = 400\n\
         link_state_age_ms = 6000\n[[routes]]\nprefix = \"news\"\ndistribution = \"multicast\"\n\
         [[routes]]\nprefix = \"near\"\ndistribution = \"closest\"\n"
    );
    for (index, (other, cost)) in others.iter().enumerate() {
        config.push_str(&format!(
            "[[connectors]]\nname = \"to-{index}\"\nrole = \"inter-router\"\ncost = {cost}\nendpoints = [\"{other}\"]\n\
             retry_min_ms = 100\nretry_max_ms = 200\n"
        ));
    }
    Node { broker: Broker::start_named(TempDir::new().expect("a folder"), (shards, name), &config) }
}

/// Places that are free now.
fn places<const COUNT: usize>() -> [SocketAddr; COUNT] {
    let held = [(); COUNT].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    held.map(|listener| listener.local_addr().expect("it has one"))
}

impl Node {
    fn client(&self) -> Peer<TcpStream> {
        let mut peer = Peer::new(connect(self.broker.addresses[0]));
        peer.open();
        peer
    }

    fn receiver(&self, address: &str, credit: u32) -> Peer<TcpStream> {
        let mut peer = self.client();
        peer.attach_receiver(address, credit);
        peer
    }

    /// A sender that has credit: its router knows of somebody who receives.
    fn sender(&self, address: &str) -> Peer<TcpStream> {
        let mut peer = self.client();
        peer.attach_sender(address);
        peer
    }
}

#[test]
fn what_is_sent_at_one_router_is_received_at_another() {
    for shards in [1, 3] {
        let [a, b, c] = places();
        let one = node("A", shards, a, &[]);
        let _two = node("B", shards, b, &[(a, 1)]);
        let three = node("C", shards, c, &[(b, 1)]);
        // Over two hops, in both directions, from and to any shard.
        for (pair, (from, to)) in
            [(&one, &three), (&three, &one), (&one, &three), (&three, &one)].into_iter().enumerate()
        {
            let address = format!("orders.{pair}");
            let mut receiver = to.receiver(&address, 10);
            let mut sender = from.sender(&address);
            let states = [
                DeliveryState::Accepted,
                DeliveryState::Released,
                DeliveryState::Modified { delivery_failed: true, undeliverable_here: true, annotations: None },
            ];
            for (number, state) in (0..).zip(states) {
                sender.send_message(number, Durable::Yes, &[number as u8]);
                let (delivery, body) = receiver.receive();
                assert_eq!((delivery, &body[..]), (number, &[number as u8][..]));
                let shown = format!("{state:?}");
                receiver.decide(delivery, state);
                assert_eq!(sender.state(), (number, number, shown), "{shards} shards, pair {pair}");
            }
            sender.send_message(3, Durable::No, b"blue");
            let (delivery, _) = receiver.receive();
            receiver.reject(delivery, delivery, "too blue");
            let (_, _, why) = sender.outcome();
            assert!(why.is_some_and(|why| why.contains("shop:closed") && why.contains("too blue")));
        }
    }
}

#[test]
fn a_copy_goes_to_each_receiver_once_whatever_ways_there_are() {
    // A full mesh of three, and one behind it.
    let [a, b, c, d] = places();
    let nodes = [
        node("A", 2, a, &[]),
        node("B", 2, b, &[(a, 1)]),
        node("C", 2, c, &[(a, 1), (b, 1)]),
        node("D", 1, d, &[(c, 1)]),
    ];
    let mut receivers: Vec<_> =
        nodes.iter().flat_map(|node| [node.receiver("news.today", 100), node.receiver("news.today", 100)]).collect();
    let mut sender = nodes[1].sender("news.today");
    // All are known when one message came to all.
    let mut number = 0;
    wait_for("all to be known", || {
        sender.send_message(number, Durable::No, b"probe");
        number += 1;
        std::thread::sleep(std::time::Duration::from_millis(20));
        let came = receivers.iter_mut().map(|receiver| receiver.drain(100)).collect::<Vec<_>>();
        came.iter().all(|count| *count > 0).then_some(())
    });
    (0..10).for_each(|index| sender.send_message(number + index, Durable::No, &[index as u8]));
    for (place, receiver) in receivers.iter_mut().enumerate() {
        receiver.set_credit(0, 100);
        let bodies = receiver.drain_bodies(100);
        let bodies: Vec<_> = bodies.into_iter().filter(|body| body != b"probe").collect();
        assert_eq!(
            bodies,
            (0..10).map(|index| vec![index]).collect::<Vec<_>>(),
            "{place}: each of them once, in order"
        );
    }
}

#[test]
fn the_nearest_receiver_has_it_and_another_one_when_that_goes() {
    let [a, b, c] = places();
    let one = node("A", 2, a, &[]);
    let two = node("B", 2, b, &[(a, 10)]);
    let three = node("C", 2, c, &[(a, 1)]);
    let mut far = two.receiver("near.by", 100);
    let mut nearer = three.receiver("near.by", 100);
    let mut sender = one.sender("near.by");
    let mut number = 0;
    let mut next = |sender: &mut Peer<TcpStream>| {
        sender.send_message(number, Durable::No, b"to whom");
        number += 1;
    };
    // Both are known once C has one: it is the nearer one.
    wait_for("the nearer one to be known", || {
        next(&mut sender);
        std::thread::sleep(std::time::Duration::from_millis(20));
        (nearer.drain(100) > 0).then_some(())
    });
    far.drain(100);
    (0..5).for_each(|_| next(&mut sender));
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!((nearer.drain(100), far.drain(100)), (5, 0), "all of them to the nearer one");
    let mut here = one.receiver("near.by", 100);
    (0..5).for_each(|_| next(&mut sender));
    for _ in 0..5 {
        here.receive();
    }
    assert_eq!((nearer.drain(100), far.drain(100)), (0, 0));
    drop(here);
    drop(nearer);
    drop(three);
    wait_for("the far one to have it", || {
        next(&mut sender);
        std::thread::sleep(std::time::Duration::from_millis(20));
        (far.drain(100) > 0).then_some(())
    });
}

#[test]
fn a_router_that_goes_is_gone_round_and_comes_back() {
    // A and D are two hops from each other, over B or over C.
    let [a, b, c, d] = places();
    let one = node("A", 2, a, &[]);
    let _two = node("B", 2, b, &[(a, 2)]);
    let three = node("C", 2, c, &[(a, 1)]);
    let four = node("D", 2, d, &[(b, 2), (c, 1)]);
    let mut receiver = four.receiver("orders", 1000);
    let mut sender = one.sender("orders");
    sender.send_message(0, Durable::Yes, b"over C");
    let (delivery, _) = receiver.receive();
    // What was sent and not decided on has failed when the way is gone: its sender hears that, and nothing is lost in silence.
    drop(three);
    let (_, _, state) = sender.state();
    assert!(state.contains("Modified") && state.contains("delivery_failed: true"), "{state}");
    receiver.accept(delivery, delivery);
    let mut number = 1;
    wait_for("a way over B", || {
        sender.send_message(number, Durable::Yes, b"over B");
        number += 1;
        let is_there = receiver.drain(1000) > 0;
        (is_there).then_some(())
    });
    let again = node("C", 2, c, &[(a, 1)]);
    again.broker.logged(&["is a neighbour", "router"]);
}

#[test]
fn a_slow_receiver_at_another_router_slows_its_sender_only() {
    let [a, b] = places();
    let one = node("A", 2, a, &[]);
    let two = node("B", 2, b, &[(a, 1)]);
    let _slow = two.receiver("slow", 1);
    let mut held_up = one.sender("slow");
    (0..20).for_each(|number| held_up.send_message(number, Durable::No, b"wait"));
    assert_eq!(held_up.ask_for_credit(), 0, "it has as many unsettled as it may");
    let mut fast = two.receiver("fast", 1000);
    let mut busy = one.sender("fast");
    for number in 0..300 {
        busy.send_message(number, Durable::No, b"go");
        let (delivery, _) = fast.receive();
        fast.accept(delivery, delivery);
        assert_eq!(busy.outcome(), (number, number, None));
    }
}

#[test]
fn whoever_is_no_router_is_no_neighbour() {
    let [a, b] = places();
    let one = node("A", 1, a, &[]);
    // A client at the listener for routers.
    let mut client = Peer::new(connect(a));
    client.open();
    client.attach_waiting_sender("orders");
    let why = client.detached();
    assert!(why.contains("connection-role"), "{why}");
    // A router that has this one's name.
    let twin = node("A", 1, b, &[(a, 1)]);
    one.broker.logged(&["this one's id"]);
    drop(twin);
    let two = node("B", 1, b, &[(a, 1)]);
    two.broker.logged(&["router A is a neighbour"]);
}
