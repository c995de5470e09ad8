//! Receivers that lose their connections and attach their links again, from outside: what they decided on is so, behind a kill, too, and on
//! whichever shard the next connection is; what they did not decide on they are sent again; what is held back for them nobody else is given meanwhile.

use std::net::TcpStream;

use amqp_codec::AmqpError;
use amqp_codec::performative::{
    self, Attach, DeliveryState, Detach, Disposition, Flow, Performative, ReceiverSettleMode, Role, Source, Target,
    Terminus,
};
use bytes::Bytes;
use engine_message::Condition;
use engine_message::value::Raw;
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::links::{detach, flow};
use crate::peer::{Durable, End, Peer, opened};

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

fn receiving(delivery_count: u32, credit: u32) -> Flow<'static> {
    let Performative::Flow(flow) = flow(1) else { unreachable!("it is one") };
    Flow { delivery_count: Some(delivery_count), link_credit: Some(credit), ..flow }
}

/// Gives credit behind so many messages.
fn ask_from(peer: &mut Peer<TcpStream>, messages: u32, credit: u32) {
    peer.put(&Performative::Flow(receiving(messages, credit)));
}

fn ask(peer: &mut Peer<TcpStream>, credit: u32) {
    ask_from(peer, 0, credit);
}

/// Waits for a delivery from before, by its tag: its number now, and its body.
fn resumed(peer: &mut Peer<TcpStream>, tag: &Bytes) -> (u32, Vec<u8>) {
    loop {
        let (_, frame) = peer.frame().expect("the broker goes on");
        let Ok((Performative::Transfer(transfer), payload)) = performative::decode(&frame) else { continue };
        let state = Some(DeliveryState::Received { section_number: 0, section_offset: 0 });
        assert_eq!((transfer.resume, transfer.delivery_tag, transfer.state), (true, Some(&tag[..]), state));
        return (transfer.delivery_id.expect("it begins"), payload[payload.len() - 1..].to_vec());
    }
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
fn what_a_receiver_decided_on_is_not_given_again_and_what_it_did_not_is_on_any_shard_and_behind_a_kill() {
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
            let unsettled = vec![accepted(&tags[0]), undecided.clone()];
            let (answer, error) = attach(&mut peer, receiver(queue, Some(unsettled.clone())));
            assert_eq!((answer.unsettled, error), (Some(vec![undecided.clone()]), None), "{queue}");
            assert_eq!(others_get(&broker, queue), [b"2", b"3"], "{queue}: the rest is for everybody");
            // An answer that was lost is given again.
            let mut peer = opened(&broker);
            let (answer, _) = attach(&mut peer, receiver(queue, Some(unsettled)));
            assert_eq!(answer.unsettled, Some(vec![undecided]), "{queue}");
            ask(&mut peer, 1);
            let (delivery, body) = resumed(&mut peer, &tags[1]);
            assert_eq!(body, b"1", "{queue}");
            peer.accept(delivery, delivery);
            assert_eq!(take(&mut peer, 1).len(), 1, "{queue}: what is new comes behind it");
            peer.put(&detach(1));
            peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
        }
        broker = Broker::start_with(broker.kill(), shards, LISTENER);
        for queue in QUEUES {
            assert_eq!(others_get(&broker, queue), [b"2", b"3"], "{queue}, {shards} shards, behind a kill");
        }
    }
}

#[test]
fn a_large_message_is_sent_again_from_its_beginning() {
    const BYTES: usize = 3_000_000;
    for shards in [1, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
        for queue in QUEUES {
            let mut sender = opened(&broker);
            sender.attach_sender(queue);
            sender.send_large(0, Durable::Yes, BYTES, End::Whole);
            assert_eq!(sender.outcome().2, None);
            sender.close();
            let mut peer = opened(&broker);
            attach(&mut peer, receiver(queue, None));
            // Its first frame, and no more.
            let tags = take(&mut peer, 1);
            drop(peer);
            wait_for_none(&broker, queue);
            assert_eq!(others_get(&broker, queue), Vec::<Vec<u8>>::new(), "{queue}: it is held back");
            let mut peer = opened(&broker);
            let received = Raw::new(&[0x00, 0x53, 0x23, 0xc0, 4, 2, 0x52, 1, 0x44]).expect("well-formed");
            let unsettled = vec![(tags[0].clone(), Some(received))];
            let (answer, error) = attach(&mut peer, receiver(queue, Some(unsettled)));
            assert_eq!((answer.unsettled, error), (Some(vec![(tags[0].clone(), None)]), None), "{queue}");
            ask(&mut peer, 1);
            let (delivery, bytes) = peer.receive_large();
            assert_eq!(bytes, BYTES, "{queue}");
            peer.accept(delivery, delivery);
            wait_for("it is gone", || (broker.queue(queue)?["messages"] == 0).then_some(()));
        }
    }
}

#[test]
fn what_is_sent_again_waits_for_credit_that_was_taken_back() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 3, LISTENER);
    for queue in QUEUES {
        send(&broker, queue, &[b"0", b"1", b"2"]);
        let mut peer = opened(&broker);
        attach(&mut peer, receiver(queue, None));
        let tags = take(&mut peer, 3);
        drop(peer);
        let mut peer = opened(&broker);
        let undecided: Unsettled = tags.iter().map(|tag| (tag.clone(), None)).collect();
        let (answer, _) = attach(&mut peer, receiver(queue, Some(undecided.clone())));
        assert_eq!(answer.unsettled, Some(undecided));
        let mut came: u32 = 0;
        let mut bodies = Vec::new();
        for round in 0..20 {
            // Some of it may come before the broker hears that it is not to.
            ask_from(&mut peer, came, 2);
            ask_from(&mut peer, came, if round < 15 { 0 } else { 2 });
            let flow = Flow { echo: true, ..receiving(came, if round < 15 { 0 } else { 2 }) };
            peer.put(&Performative::Flow(flow));
            let mut answered = false;
            while !answered {
                let (_, frame) = peer.frame().expect("the broker goes on");
                match performative::decode(&frame) {
                    Ok((Performative::Transfer(transfer), payload)) => {
                        assert!(transfer.resume, "{queue}: nothing new is there");
                        bodies.push(payload.last().copied());
                        came += 1;
                    }
                    Ok((Performative::Flow(flow), _)) => answered = flow.handle.is_some(),
                    _ => {}
                }
            }
        }
        while bodies.len() < 3 {
            ask_from(&mut peer, came, 3);
            let (_, frame) = peer.frame().expect("the broker goes on");
            if let Ok((Performative::Transfer(transfer), payload)) = performative::decode(&frame) {
                assert!(transfer.resume, "{queue}");
                bodies.push(payload.last().copied());
                came += 1;
            }
        }
        assert_eq!(bodies, [Some(b'0'), Some(b'1'), Some(b'2')], "{queue}: each once, and in order");
        peer.close();
    }
}

#[test]
fn who_could_not_name_all_is_sent_nothing_new_until_it_attaches_again() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 3, LISTENER);
    for queue in QUEUES {
        send(&broker, queue, &[b"0", b"1", b"2", b"3", b"4"]);
        let mut peer = opened(&broker);
        attach(&mut peer, receiver(queue, None));
        let tags = take(&mut peer, 4);
        drop(peer);
        wait_for_none(&broker, queue);
        let mut peer = opened(&broker);
        let named: Unsettled = vec![accepted(&tags[0]), (tags[1].clone(), None)];
        let part = Attach { incomplete_unsettled: true, ..receiver(queue, Some(named)) };
        let (answer, error) = attach(&mut peer, part);
        assert_eq!((answer.unsettled, error), (Some(vec![(tags[1].clone(), None)]), None));
        ask(&mut peer, 10);
        let (delivery, body) = resumed(&mut peer, &tags[1]);
        assert_eq!(body, b"1");
        peer.accept(delivery, delivery);
        assert_eq!(others_get(&broker, queue), [b"4"], "{queue}: the rest stays with it");
        let suspends = Performative::Detach(Detach { handle: 1, closed: false, error: None });
        peer.put(&suspends);
        let came = peer.until(|performative| match performative {
            Performative::Transfer(_) => Some(true),
            Performative::Detach(_) => Some(false),
            _ => None,
        });
        assert!(!came, "{queue}: nothing else came");
        let rest: Unsettled = vec![accepted(&tags[2]), accepted(&tags[3])];
        let (answer, error) = attach(&mut peer, receiver(queue, Some(rest)));
        assert_eq!((answer.unsettled, error), (Some(vec![]), None));
        ask(&mut peer, 1);
        assert_eq!(peer.receive().1, b"4", "{queue}");
        wait_for("it has one", || (broker.queue(queue)?["messages"] == 1).then_some(()));
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
