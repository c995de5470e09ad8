//! Containers that want to have one connection only (`sole-connection-for-container`), on whichever shards their connections are.

use std::net::TcpStream;

use amqp_codec::AmqpError;
use amqp_codec::frame::ProtocolHeader;
use amqp_codec::performative::{Begin, Close, Open, Performative};
use engine_message::value::Value;
use engine_message::{Condition, Symbol};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, Peer, connect, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
const SOLE: &str = "sole-connection-for-container";
const ENFORCEMENT: &str = "sole-connection-enforcement-policy";
const DETECTION: &str = "sole-connection-detection-policy";

/// What a connection says of others of its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Nothing,
    Refuse,
    Close,
    /// No policy that there is.
    Unknown,
}

/// Opens a connection of a container, with a session behind it in the same breath; gives the broker's open, and the error of its close if
/// it is refused.
fn open(broker: &Broker, container: &str, wish: Wish) -> (Peer<TcpStream>, Open, Option<AmqpError>) {
    let mut peer = Peer::new(connect(broker.addresses[0]));
    assert_eq!(peer.header(ProtocolHeader::Amqp), Some(ProtocolHeader::Amqp));
    let mut open = Open { container_id: container.to_owned(), ..Open::default() };
    if wish != Wish::Nothing {
        open.desired_capabilities = vec![Symbol::from(SOLE)];
    }
    match wish {
        Wish::Nothing | Wish::Refuse => {}
        Wish::Close => open.properties.insert(ENFORCEMENT, Value::Uint(1)),
        Wish::Unknown => open.properties.insert(ENFORCEMENT, Value::Uint(7)),
    }
    peer.put(&Performative::Open(Box::new(open)));
    let begin = Begin { incoming_window: 100, outgoing_window: 100, ..Begin::default() };
    peer.put(&Performative::Begin(Box::new(begin)));
    let answer = peer.until(|performative| match performative {
        Performative::Open(open) => Some((**open).clone()),
        other => panic!("no open: {other:?}"),
    });
    let refused = peer.until(|performative| match performative {
        Performative::Begin(_) => Some(None),
        Performative::Close(close) => Some(Some(close.error.clone().expect("an error"))),
        other => panic!("neither begin nor close: {other:?}"),
    });
    (peer, answer, refused)
}

fn admitted(broker: &Broker, container: &str, wish: Wish) -> Peer<TcpStream> {
    let (peer, answer, refused) = open(broker, container, wish);
    assert_eq!(refused, None, "{container}, {wish:?}");
    assert!(answer.offered_capabilities.iter().any(|offered| *offered == SOLE), "{answer:?}");
    let told = (answer.properties.get(ENFORCEMENT), answer.properties.get(DETECTION));
    match wish {
        Wish::Refuse => assert_eq!(told, (Some(&Value::Uint(0)), Some(&Value::Uint(0)))),
        Wish::Close => assert_eq!(told, (Some(&Value::Uint(1)), Some(&Value::Uint(0)))),
        Wish::Nothing | Wish::Unknown => assert_eq!(told, (None, None)),
    }
    peer
}

fn refused(broker: &Broker, container: &str, wish: Wish) -> AmqpError {
    let (_peer, answer, refused) = open(broker, container, wish);
    let failed = answer.properties.get("amqp:connection-establishment-failed");
    assert_eq!(failed, Some(&Value::Boolean(true)), "clients look for it");
    refused.expect("it is refused")
}

/// Opens until it is admitted: a connection that is gone is noticed when it is.
fn admitted_at_last(broker: &Broker, container: &str, wish: Wish) -> Peer<TcpStream> {
    wait_for("the end of the other connection", || {
        let (peer, _, refused) = open(broker, container, wish);
        refused.is_none().then_some(peer)
    })
}

#[test]
fn a_second_connection_is_refused_and_the_first_one_goes_on() {
    for shards in [1, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
        for first in [Wish::Refuse, Wish::Close, Wish::Nothing] {
            let mut stays = admitted(&broker, "one", first);
            for second in [Wish::Refuse, Wish::Nothing] {
                // Whoever asks for nothing is admitted beside whoever does, and whoever came with close-existing makes room.
                if second == Wish::Nothing && first != Wish::Refuse {
                    continue;
                }
                let error = refused(&broker, "one", second);
                assert_eq!(error.condition, Condition::InvalidField, "{first:?}, {second:?}, {shards} shards");
                assert_eq!(error.info.get("invalid-field"), Some(&Value::Symbol("container-id".into())));
                let other = admitted(&broker, "two", second);
                other.close();
            }
            stays.round_trip("q");
            stays.close();
        }
        // What was closed does not stand in the way.
        admitted(&broker, "one", Wish::Refuse).close();
    }
}

#[test]
fn whoever_wants_the_others_to_end_gets_that_wherever_they_are() {
    for shards in [1, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
        for first in [Wish::Refuse, Wish::Close, Wish::Nothing] {
            // With its first link a connection moves to the shard of that link's address.
            for queue in ["q", "r", "s", "t"] {
                let mut goes = admitted_at_last(&broker, "one", first);
                goes.attach_sender(queue);
                goes.send_accepted(Durable::No, [b"x".to_vec()]);
                let stays = admitted(&broker, "one", Wish::Close);
                let error = goes.closed().expect("why");
                assert_eq!(error.condition, Condition::ResourceLocked, "{first:?}, {queue}, {shards} shards");
                assert_eq!(error.info.get("sole-connection-enforcement"), Some(&Value::Boolean(true)));
                stays.close();
            }
        }
        let many: Vec<_> = (0..5).map(|_| admitted(&broker, "many", Wish::Nothing)).collect();
        let stays = admitted(&broker, "many", Wish::Close);
        for mut goes in many {
            assert_eq!(goes.closed().expect("why").condition, Condition::ResourceLocked);
        }
        // It is the only one of its container, and goes when another one comes: that is what it asked for.
        let _other = admitted(&broker, "many", Wish::Nothing);
        let mut stays = stays;
        assert_eq!(stays.closed().expect("why").condition, Condition::ResourceLocked);
    }
}

#[test]
fn a_connection_that_is_gone_stands_in_nobody_s_way() {
    for shards in [1, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
        for queue in ["q", "r", "s", "t"] {
            let mut peer = admitted_at_last(&broker, "one", Wish::Refuse);
            peer.attach_sender(queue);
            match queue {
                // Its socket is closed, and nothing said.
                "q" => drop(peer),
                // It is closed for what it did.
                "r" => {
                    peer.put(&Performative::Open(Box::default()));
                    assert!(peer.closed().is_some(), "it has been open before");
                }
                // It says goodbye, and does not wait for the answer.
                "s" => peer.put(&Performative::Close(Close::default())),
                _ => peer.close(),
            }
        }
        drop(admitted_at_last(&broker, "one", Wish::Refuse));
    }
}

#[test]
fn a_policy_that_there_is_not_is_refused() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 2, LISTENER);
    let error = refused(&broker, "one", Wish::Unknown);
    assert_eq!(error.condition, Condition::InvalidField);
    assert!(error.description.as_deref().is_some_and(|text| text.contains(ENFORCEMENT)), "{error}");
    opened(&broker).close();
}
