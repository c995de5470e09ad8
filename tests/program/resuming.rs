//! Senders that lose their connections and attach their links again, from outside: what was accepted is not there twice, on whichever
//! shard the next connection is; nothing that a peer says of deliveries from before ends more than its link.

use std::net::TcpStream;

use amqp_codec::performative::{
    Attach, DeliveryState, Disposition, Durability, ExpiryPolicy, Performative, ReceiverSettleMode, Role, Source,
    Target, Terminus, Transfer, encode_frame, encode_transfer,
};
use bytes::Bytes;
use engine_message::Condition;
use engine_message::value::Raw;
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::links::detach;
use crate::peer::{Peer, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
/// Addresses of several shards, if there are several.
const QUEUES: [&str; 4] = ["a", "b", "c", "d"];

type Unsettled = Vec<(Bytes, Option<Raw>)>;

/// What a sender attaches with: its queue, which end settles first, and what it has from before.
fn sender(queue: &str, mode: ReceiverSettleMode, unsettled: Option<Unsettled>) -> Attach {
    let target = Terminus { timeout_s: 60, ..Terminus::at(queue) };
    Attach {
        source: Some(Source::default()),
        target: Some(Target::Node(target)),
        rcv_settle_mode: mode,
        unsettled,
        ..Attach::new("sender", 0, Role::Sender)
    }
}

fn tag(number: u8) -> Bytes {
    Bytes::copy_from_slice(&[number])
}

/// A map that has these tags, and says nothing of them.
fn unsettled(tags: impl IntoIterator<Item = u8>) -> Option<Unsettled> {
    Some(tags.into_iter().map(|number| (tag(number), None)).collect())
}

/// Attaches; gives the answer.
fn attach(peer: &mut Peer<TcpStream>, attach: Attach) -> Attach {
    peer.put(&Performative::Attach(Box::new(attach)));
    let (answer, error) = peer.answer("sender");
    assert_eq!(error, None);
    peer.until(|performative| matches!(performative, Performative::Flow(_)).then_some(()));
    answer
}

/// The tags that an answer names, all of them accepted.
fn accepted(answer: &Attach) -> Vec<u8> {
    let of = |(tag, state): &(Bytes, Option<Raw>)| {
        let state = state.as_ref().expect("it has an outcome");
        assert_eq!(DeliveryState::read(state.as_bytes()), Ok(DeliveryState::Accepted));
        tag[0]
    };
    let mut tags: Vec<u8> = answer.unsettled.as_ref().expect("a map").iter().map(of).collect();
    tags.sort_unstable();
    tags
}

/// A durable message of one octet, or of many.
fn message(number: u8, bytes: usize) -> Vec<u8> {
    let mut message = vec![0x00, 0x53, 0x70, 0xc0, 2, 1, 0x41, 0x00, 0x53, 0x75, 0xb0];
    message.extend(u32::try_from(bytes).expect("it fits").to_be_bytes());
    message.resize(message.len() + bytes, number);
    message
}

/// Sends a message by a tag, in as many frames as it needs.
fn send(peer: &mut Peer<TcpStream>, delivery: u32, number: u8, bytes: usize, resume: bool) {
    let message = message(number, bytes);
    let tag = tag(number);
    let mut chunks = message.chunks(60_000).peekable();
    let mut first = true;
    while let Some(chunk) = chunks.next() {
        let transfer = Transfer {
            handle: 0,
            delivery_id: first.then_some(delivery),
            delivery_tag: first.then_some(&tag),
            more: chunks.peek().is_some(),
            resume,
            ..Transfer::default()
        };
        let mut out = Vec::new();
        encode_transfer(&mut out, 0, &transfer, chunk.len());
        out.extend(chunk);
        peer.send(&out);
        first = false;
    }
}

/// Settles a delivery that the broker has decided on.
fn settle(peer: &mut Peer<TcpStream>, delivery: u32) {
    let disposition =
        Disposition { role: Role::Sender, first: delivery, last: None, settled: true, state: None, batchable: false };
    peer.put(&Performative::Disposition(disposition));
}

/// The messages of a queue, once it has none on their way.
fn messages(broker: &Broker, queue: &str) -> u64 {
    broker.queue(queue).map_or(0, |queue| queue["messages"].as_u64().expect("a number"))
}

#[test]
fn what_a_sender_does_not_know_of_is_not_there_twice_on_any_shard() {
    for shards in [1, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
        for (queue, bytes) in QUEUES.into_iter().zip([1, 1000, 100_000, 3_000_000]) {
            let mut peer = opened(&broker);
            attach(&mut peer, sender(queue, ReceiverSettleMode::Second, None));
            for (delivery, number) in (0..).zip([1, 2, 3]) {
                send(&mut peer, delivery, number, bytes, false);
                assert_eq!(peer.outcome(), (delivery, delivery, None));
            }
            settle(&mut peer, 0);
            // The connection goes, and with it what its sender was told.
            drop(peer);
            let mut peer = opened(&broker);
            let answer = attach(&mut peer, sender(queue, ReceiverSettleMode::Second, unsettled([2, 3, 4])));
            assert_eq!(accepted(&answer), [2, 3], "{queue}, {shards} shards");
            // What it did not know of it resumes, with all that it has of it or without; what never came it sends again.
            send(&mut peer, 0, 2, bytes, true);
            assert_eq!(peer.outcome(), (0, 0, None));
            send(&mut peer, 1, 3, 0, true);
            assert_eq!(peer.outcome(), (1, 1, None));
            send(&mut peer, 2, 4, bytes, false);
            assert_eq!(peer.outcome(), (2, 2, None));
            assert_eq!(messages(&broker, queue), 4, "{queue}, {shards} shards");
            settle(&mut peer, 1);
            // Detached by its peer's wish, and attached by the same connection.
            peer.put(&Performative::Detach(amqp_codec::performative::Detach { handle: 0, closed: false, error: None }));
            peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
            let answer = attach(&mut peer, sender(queue, ReceiverSettleMode::Second, unsettled([3, 4])));
            assert_eq!(accepted(&answer), [4], "what was resumed is settled like all else");
            peer.put(&detach(0));
            peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
            let answer = attach(&mut peer, sender(queue, ReceiverSettleMode::Second, unsettled([4])));
            assert_eq!(accepted(&answer), [0; 0], "closed");
            peer.close();
        }
    }
}

#[test]
fn a_link_that_is_attached_by_another_connection_leaves_the_first() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 3, LISTENER);
    for queue in QUEUES {
        let mut old = opened(&broker);
        attach(&mut old, sender(queue, ReceiverSettleMode::Second, None));
        send(&mut old, 0, 1, 10, false);
        old.outcome();
        let mut new = opened(&broker);
        let answer = attach(&mut new, sender(queue, ReceiverSettleMode::Second, unsettled([1])));
        assert_eq!(accepted(&answer), [1]);
        assert!(old.detached().contains(Condition::LinkStolen.as_str()));
    }
}

#[test]
fn an_answer_says_what_is_kept_and_how_long() {
    let broker = Broker::start(LISTENER);
    let (policy, second) = (ExpiryPolicy::SessionEnd, ReceiverSettleMode::Second);
    let target = |durable, expiry_policy, timeout_s| {
        Target::Node(Terminus { durable, expiry_policy, timeout_s, ..Terminus::at("q") })
    };
    let none = Durability::None;
    for (asked, answered, kept) in [
        (target(none, policy, 0), target(none, policy, 0), false),
        (target(none, policy, 10), target(none, policy, 10), true),
        (target(none, policy, u32::MAX), target(none, policy, 3600), true),
        (target(none, ExpiryPolicy::LinkDetach, 0), target(none, ExpiryPolicy::LinkDetach, 0), false),
        (target(none, ExpiryPolicy::LinkDetach, 10), target(none, ExpiryPolicy::LinkDetach, 10), true),
        (target(none, ExpiryPolicy::Never, 0), target(none, ExpiryPolicy::Never, 0), true),
        (target(Durability::UnsettledState, policy, 0), target(Durability::Configuration, policy, 0), true),
    ] {
        let mut peer = opened(&broker);
        let of = |unsettled| Attach { target: Some(asked.clone()), ..sender("q", second, unsettled) };
        let answer = attach(&mut peer, of(None));
        assert_eq!((answer.target, answer.unsettled), (Some(answered), None));
        send(&mut peer, 0, 1, 1, false);
        peer.outcome();
        peer.put(&Performative::Detach(amqp_codec::performative::Detach { handle: 0, closed: false, error: None }));
        peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
        let answer = attach(&mut peer, of(unsettled([1])));
        assert_eq!(answer.unsettled.is_some_and(|named| named.len() == 1), kept, "{asked:?}");
        // Whoever has nothing from before begins anew.
        peer.put(&Performative::Detach(amqp_codec::performative::Detach { handle: 0, closed: false, error: None }));
        peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
        assert_eq!(attach(&mut peer, of(None)).unsettled, None);
        peer.close();
    }
}

#[test]
fn after_a_restart_nothing_is_known_and_what_is_resumed_comes_again() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 1, LISTENER);
    let mut peer = opened(&broker);
    attach(&mut peer, sender("q", ReceiverSettleMode::Second, None));
    send(&mut peer, 0, 1, 10, false);
    peer.outcome();
    let broker = Broker::start_with(broker.kill(), 1, LISTENER);
    let mut peer = opened(&broker);
    let answer = attach(&mut peer, sender("q", ReceiverSettleMode::Second, unsettled([1])));
    assert_eq!(accepted(&answer), [0; 0]);
    send(&mut peer, 0, 1, 10, false);
    peer.outcome();
    assert_eq!(messages(&broker, "q"), 2, "at least once");
}

#[test]
fn a_map_of_more_than_fits_is_resumed_in_turns() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 3, LISTENER);
    let mode = ReceiverSettleMode::Second;
    let long = |number: u32| Bytes::from([&[0; 28][..], &number.to_be_bytes()].concat());
    let mut peer = opened_with(&broker, 1024);
    attach(&mut peer, sender("b", mode, None));
    for number in 0..100 {
        let (tag, message) = (long(number), message(7, 1));
        let transfer =
            Transfer { handle: 0, delivery_id: Some(number), delivery_tag: Some(&tag), ..Transfer::default() };
        let mut out = Vec::new();
        encode_transfer(&mut out, 0, &transfer, message.len());
        out.extend(message);
        peer.send(&out);
        peer.outcome();
    }
    drop(peer);
    let (mut left, mut turns): (Vec<u32>, u32) = ((0..100).collect(), 0);
    while !left.is_empty() {
        let mut peer = opened_with(&broker, 1024);
        // All of it does not fit into a frame of the broker's either.
        let first = left.iter().take(20).map(|&number| (long(number), None)).collect();
        let asked = Attach { incomplete_unsettled: left.len() > 20, ..sender("b", mode, Some(first)) };
        let incomplete = asked.incomplete_unsettled;
        let answer = attach(&mut peer, asked);
        let named = answer.unsettled.expect("a map");
        assert!(!named.is_empty(), "they go on");
        assert!(answer.incomplete_unsettled || !incomplete, "it has more than it names, too");
        for (delivery, (tag, _)) in (0..).zip(named) {
            let settled = Some(true);
            let (delivery_id, delivery_tag) = (Some(delivery), Some(&tag[..]));
            let transfer =
                Transfer { handle: 0, delivery_id, delivery_tag, settled, resume: true, ..Transfer::default() };
            let mut out = Vec::new();
            encode_transfer(&mut out, 0, &transfer, 0);
            peer.send(&out);
            left.retain(|&number| long(number) != tag);
        }
        turns += 1;
        peer.close();
    }
    assert!(turns > 1);
    assert_eq!(messages(&broker, "b"), 100);
}

/// A connection whose frames are at most so large.
fn opened_with(broker: &Broker, max_frame_size: u32) -> Peer<TcpStream> {
    let mut peer = Peer::new(crate::peer::connect(broker.addresses[0]));
    peer.open_with(max_frame_size);
    peer
}

#[test]
fn what_a_peer_says_of_deliveries_from_before_ends_its_link_at_most() {
    let broker = Broker::start(LISTENER);
    let mut peer = opened(&broker);
    // An entry whose tag is longer than tags are, in an attach that is otherwise as it should be.
    for (octets, condition) in [(32, None), (33, Some(Condition::InvalidField))] {
        let attach = sender("q", ReceiverSettleMode::Second, Some(vec![(Bytes::from(vec![7; octets]), None)]));
        let mut out = Vec::new();
        encode_frame(&mut out, 0, &Performative::Attach(Box::new(attach)));
        peer.send(&out);
        let (_, error) = peer.answer("sender");
        assert_eq!(error.map(|error| error.condition), condition.map(Into::into), "{octets} octets");
        if condition.is_none() {
            peer.put(&detach(0));
            peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
        } else {
            peer.put(&detach(0));
        }
    }
    // States that nobody knows, and many of them.
    let strange = Raw::new(&[0x00, 0xa3, 3, b'o', b'w', b'n', 0xa1, 1, b'x']).expect("well-formed");
    let many = (0..5000_u32).map(|number| (Bytes::copy_from_slice(&number.to_be_bytes()), Some(strange.clone())));
    let answer = attach(&mut peer, sender("q", ReceiverSettleMode::Second, Some(many.collect())));
    assert_eq!(accepted(&answer), [0; 0]);
    // A delivery that nobody knows is none.
    send(&mut peer, 0, 9, 10, true);
    send(&mut peer, 1, 9, 10, false);
    assert_eq!(peer.outcome(), (1, 1, None));
    wait_for("the one message", || (messages(&broker, "q") == 1).then_some(()));
    peer.close();
}
