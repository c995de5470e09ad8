//! Receivers that lose their connections and attach their links again, from outside: what they decided on is so, behind a kill, too, and on
//! whichever shard the next connection is; what is held back for them nobody else is given meanwhile.

use std::net::TcpStream;

use amqp_codec::AmqpError;
use amqp_codec::performative::{
    Attach, DeliveryState, Disposition, Performative, ReceiverSettleMode, Role, Source, Target, Terminus,
};
use bytes::Bytes;
use engine_message::Condition;
use engine_message::value::Raw;
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::links::{detach, flow};
use crate::peer::{Durable, Peer, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
/// Addresses of several shards, if there are several.
const QUEUES: [&str; 4] = ["a", "b", "c", "d"];

type Unsettled = Vec<(Bytes, Option<Raw>)>;

/// What a receiver attaches with that settles second and comes back within a minute.
fn receiver(queue: &str, unsettled: Option<Unsettled>) -> Attach {
    let source = Source::from(Terminus { timeout_s: 60, ..Terminus::at(queue) });
    Attach {
        source: Some(source),
        target: Some(Target::Node(Terminus::default())),
        rcv_settle_mode: ReceiverSettleMode::Second,
        unsettled,
        ..Attach::new("receiver", 1, Role::Receiver)
    }
}

fn attach(peer: &mut Peer<TcpStream>, attach: Attach) -> (Attach, Option<AmqpError>) {
    peer.put(&Performative::Attach(Box::new(attach)));
    peer.answer("receiver")
}

/// Takes so many messages, one after the other; gives their tags.
fn take(peer: &mut Peer<TcpStream>, count: u32) -> Vec<Bytes> {
    let tag = |performative: &Performative<'_>| match performative {
        Performative::Transfer(transfer) => transfer.delivery_tag.map(Bytes::copy_from_slice),
        _ => None,
    };
    let one = |_| {
        let (echo, mut asked) = (false, flow(1));
        if let Performative::Flow(flow) = &mut asked {
            (flow.delivery_count, flow.echo) = (None, echo);
        }
        peer.put(&asked);
        peer.until(tag)
    };
    (0..count).map(one).collect()
}

/// A delivery that was accepted.
fn accepted(tag: &Bytes) -> (Bytes, Option<Raw>) {
    (tag.clone(), Some(Raw::new(&[0x00, 0x53, 0x24, 0x45]).expect("well-formed")))
}

fn send(broker: &Broker, queue: &str, bodies: &[&[u8]]) {
    let mut peer = opened(broker);
    peer.attach_sender(queue);
    for (delivery, body) in (0..).zip(bodies) {
        peer.send_message(delivery, Durable::Yes, body);
        assert_eq!(peer.outcome().2, None);
    }
    peer.close();
}

/// Whatever another consumer is given of a queue, and gives back.
fn others_get(broker: &Broker, queue: &str) -> Vec<Vec<u8>> {
    let mut peer = opened(broker);
    peer.attach_receiver(queue, 0);
    let bodies = peer.drain_bodies(100);
    peer.put(&detach(1));
    peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
    peer.close();
    bodies
}

/// Waits until the broker knows that the links of a queue are gone.
fn wait_for_none(broker: &Broker, queue: &str) {
    wait_for("no consumers", || (broker.queue(queue)?["consumers"] == 0).then_some(()));
}

#[test]
fn what_a_receiver_decided_on_is_not_given_again_on_any_shard_and_behind_a_kill() {
    for shards in [1, 3] {
        let mut broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
        for queue in QUEUES {
            send(&broker, queue, &[b"0", b"1", b"2", b"3"]);
            let mut peer = opened(&broker);
            assert_eq!(attach(&mut peer, receiver(queue, None)).1, None);
            let tags = take(&mut peer, 3);
            // It is processed, and the connection goes before the broker hears of it.
            drop(peer);
            wait_for_none(&broker, queue);
            assert_eq!(others_get(&broker, queue), [b"3"], "{queue}: the others are held back");
            let mut peer = opened(&broker);
            let undecided = (tags[1].clone(), None);
            let (answer, error) = attach(&mut peer, receiver(queue, Some(vec![accepted(&tags[0]), undecided])));
            assert_eq!((answer.unsettled, error), (Some(vec![]), None), "{queue}: all of it is settled");
            assert_eq!(others_get(&broker, queue), [b"1", b"2", b"3"], "{queue}: the rest is for everybody");
            // What came before an answer that was lost is known when it is said again.
            let (answer, _) = {
                let mut next = opened(&broker);
                attach(&mut next, receiver(queue, Some(vec![accepted(&tags[0])])))
            };
            assert_eq!(answer.unsettled, Some(vec![]));
        }
        broker = Broker::start_with(broker.kill(), shards, LISTENER);
        for queue in QUEUES {
            assert_eq!(others_get(&broker, queue), [b"1", b"2", b"3"], "{queue}, {shards} shards, behind a kill");
        }
    }
}

#[test]
fn a_link_that_is_attached_by_another_connection_leaves_the_first() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 3, LISTENER);
    for queue in QUEUES {
        send(&broker, queue, &[b"0", b"1"]);
        let mut old = opened(&broker);
        attach(&mut old, receiver(queue, None));
        let tags = take(&mut old, 2);
        let mut new = opened(&broker);
        assert_eq!(attach(&mut new, receiver(queue, Some(vec![accepted(&tags[1])]))).1, None);
        assert!(old.detached().contains(Condition::LinkStolen.as_str()));
        assert_eq!(others_get(&broker, queue), [b"0"]);
    }
}

#[test]
fn what_is_settled_before_is_settled_as_on_any_link() {
    let broker = Broker::start(LISTENER);
    send(&broker, "q", &[b"0", b"1"]);
    let mut peer = opened(&broker);
    attach(&mut peer, receiver("q", None));
    let tags = take(&mut peer, 1);
    assert_eq!(tags[0].len(), 8);
    let (role, state) = (Role::Receiver, Some(DeliveryState::Accepted));
    let disposition = Disposition { role, first: 0, last: None, settled: false, state, batchable: false };
    peer.put(&Performative::Disposition(disposition));
    peer.until(|performative| match performative {
        Performative::Disposition(said) => (said.role == Role::Sender && said.settled).then_some(()),
        _ => None,
    });
    // Whoever comes back with nothing begins anew.
    take(&mut peer, 1);
    drop(peer);
    let mut peer = opened(&broker);
    let (answer, error) = attach(&mut peer, receiver("q", None));
    assert_eq!((answer.unsettled, error), (None, None));
    assert_eq!(others_get(&broker, "q"), [b"1"]);
    peer.put(&detach(1));
    peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
    let (answer, _) = attach(&mut peer, receiver("q", Some(vec![accepted(&tags[0])])));
    assert_eq!(answer.unsettled, Some(vec![]), "what nobody knows is settled");
    assert_eq!(others_get(&broker, "q"), [b"1"]);
}

#[test]
fn what_a_receiver_says_of_deliveries_from_before_ends_its_link_at_most() {
    let broker = Broker::start(LISTENER);
    send(&broker, "q", &[b"0"]);
    let mut peer = opened(&broker);
    let incomplete = Attach { incomplete_unsettled: true, ..receiver("q", Some(vec![])) };
    let (_, error) = attach(&mut peer, incomplete);
    assert_eq!(error.expect("refused").condition, Condition::NotImplemented);
    peer.put(&detach(1));
    let strange = Raw::new(&[0x00, 0xa3, 3, b'o', b'w', b'n', 0xa1, 1, b'x']).expect("well-formed");
    let received = Raw::new(&[0x00, 0x53, 0x23, 0xc0, 3, 2, 0x43, 0x44]).expect("well-formed");
    let mut unsettled: Unsettled = Vec::new();
    for octets in [0, 1, 7, 8, 9, 32] {
        for state in [None, Some(strange.clone()), Some(received.clone())] {
            unsettled.push((Bytes::from(vec![0xff; octets]), state));
        }
        unsettled.push(accepted(&Bytes::from(vec![0; octets])));
    }
    let (answer, error) = attach(&mut peer, receiver("q", Some(unsettled)));
    assert_eq!((answer.unsettled, error), (Some(vec![]), None));
    assert_eq!(take(&mut peer, 1).len(), 1, "it is one like all others");
    // One of another user, or of no timeout, holds nothing back.
    let source = Source::from(Terminus::at("q"));
    peer.put(&detach(1));
    peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
    let plain = Attach { source: Some(source), ..receiver("q", None) };
    attach(&mut peer, plain);
    let tags = take(&mut peer, 1);
    assert_ne!(tags[0].len(), 8, "its tags are what they always were");
    drop(peer);
    wait_for("it is there again", || (others_get(&broker, "q").len() == 1).then_some(()));
}
