//! Subscriptions to patterns of addresses: what is sent to any address that matches, on whichever shard, gets to them; also behind a kill.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;

use amqp_codec::performative::{Attach, Durability, ExpiryPolicy, Performative, Role, Source, Target, Terminus};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, End, Peer, opened};

const LISTENER: &str =
    "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nmatch = \"news.#\"\nrouting = \"multicast\"\n";
/// Addresses that match, so many that each shard has some.
const ADDRESSES: u8 = 12;
const COUNT: u8 = 10;

fn start(folder: TempDir, shards: u16) -> Broker {
    Broker::start_with(folder, shards, LISTENER)
}

/// Subscribes as the link `sub`; gives why that was refused.
fn subscribe(peer: &mut Peer<TcpStream>, pattern: &str, durable: Durability, expires: ExpiryPolicy) -> Option<String> {
    let terminus =
        Terminus { durable, expiry_policy: expires, capabilities: vec!["topic".into()], ..Terminus::at(pattern) };
    let source = Source { terminus, ..Source::default() };
    let target = Some(Target::Node(Terminus::at("here")));
    let attach = Attach { source: Some(source), target, ..Attach::new("sub", 1, Role::Receiver) };
    peer.put(&Performative::Attach(Box::new(attach)));
    peer.answer("sub").1.map(|error| error.to_string())
}

fn lasting(broker: &Broker, pattern: &str) -> Peer<TcpStream> {
    let mut peer = opened(broker);
    assert_eq!(subscribe(&mut peer, pattern, Durability::UnsettledState, ExpiryPolicy::Never), None);
    peer
}

/// Sends messages to each of the addresses, all of which are accepted: the body says which address, and which number.
fn send_all(broker: &Broker, numbers: std::ops::Range<u8>) {
    for address in 0..ADDRESSES {
        let mut sender = opened(broker);
        sender.attach_sender(&format!("news.{address}"));
        sender.send_accepted(Durable::Yes, numbers.clone().map(|number| vec![address, number]));
    }
}

/// Receives until each message of each address was there; gives how many came in all.
fn receive_all(peer: &mut Peer<TcpStream>, numbers: std::ops::Range<u8>) -> usize {
    let mut got: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut count = 0;
    peer.set_credit(0, 10_000);
    while seen.len() < usize::from(ADDRESSES) * numbers.len() {
        let (delivery, body) = peer.receive();
        peer.accept(delivery, delivery);
        assert!(numbers.contains(&body[1]), "{body:?}");
        if seen.insert((body[0], body[1])) {
            got.entry(body[0]).or_default().push(body[1]);
        }
        count += 1;
    }
    assert!(got.values().all(|numbers| numbers.is_sorted()), "each address in its order: {got:?}");
    count
}

#[test]
fn a_durable_one_gets_what_was_accepted_anywhere_behind_a_kill() {
    for shards in [1, 3] {
        let broker = start(TempDir::new().expect("a folder"), shards);
        // Half of the addresses are there before it.
        send_all(&broker, 0..1);
        drop(lasting(&broker, "news.#"));
        send_all(&broker, 0..COUNT);
        let broker = start(broker.kill(), shards);
        // What is sent behind the start is not missed either, though nobody has come back.
        send_all(&broker, COUNT..2 * COUNT);
        let broker = start(broker.kill(), shards);
        let mut peer = lasting(&broker, "news.#");
        let count = receive_all(&mut peer, 0..2 * COUNT);
        let least = usize::from(ADDRESSES) * usize::from(2 * COUNT);
        // What was on its way between shards may come twice.
        assert!(if shards == 1 { count == least } else { count >= least }, "{count} {least}");
    }
}

#[test]
fn with_another_number_of_shards_nothing_is_missed() {
    let mut broker = start(TempDir::new().expect("a folder"), 3);
    drop(lasting(&broker, "news.#"));
    for (turn, shards) in [(0, 1), (1, 4), (2, 3)] {
        send_all(&broker, turn * COUNT..(turn + 1) * COUNT);
        broker = start(broker.kill(), shards);
    }
    send_all(&broker, 3 * COUNT..4 * COUNT);
    let mut peer = lasting(&broker, "news.#");
    receive_all(&mut peer, 0..4 * COUNT);
}

#[test]
fn one_that_ends_leaves_nothing_behind() {
    for shards in [1, 3] {
        let broker = start(TempDir::new().expect("a folder"), shards);
        let mut peer = opened(&broker);
        assert_eq!(subscribe(&mut peer, "news.*", Durability::None, ExpiryPolicy::LinkDetach), None);
        send_all(&broker, 0..COUNT);
        assert_eq!(receive_all(&mut peer, 0..COUNT), usize::from(ADDRESSES) * usize::from(COUNT), "each once");
        drop(peer);
        wait_for("all queues to go", || broker.state()["queues"].as_array()?.is_empty().then_some(()));
    }
}

#[test]
fn large_messages_come_too() {
    for shards in [1, 3] {
        let broker = start(TempDir::new().expect("a folder"), shards);
        drop(lasting(&broker, "news.#"));
        for address in 0..4 {
            let mut sender = opened(&broker);
            sender.attach_sender(&format!("news.{address}"));
            sender.send_large(0, Durable::Yes, 3 << 20, End::Whole);
            assert_eq!(sender.outcome(), (0, 0, None));
        }
        let broker = start(broker.kill(), shards);
        let mut peer = lasting(&broker, "news.#");
        peer.set_credit(0, 1000);
        for _ in 0..4 {
            let (delivery, length) = peer.receive_large();
            assert!(length >= 3 << 20);
            peer.accept(delivery, delivery);
        }
    }
}

#[test]
fn what_cannot_be_subscribed_to_is_refused_with_advice() {
    let broker = start(TempDir::new().expect("a folder"), 2);
    for (pattern, said) in [("news.#.#", "write one of them"), ("news.#::$wildcard::news.#", "amqp:not-allowed")] {
        let mut peer = opened(&broker);
        let refused = subscribe(&mut peer, pattern, Durability::None, ExpiryPolicy::LinkDetach).expect(pattern);
        assert!(refused.contains(said), "{pattern}: {refused}");
    }
}
