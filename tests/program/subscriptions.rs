//! Durable subscriptions that are found by their names: by links that say nothing but that they had one, on whichever shard it is.

use std::net::TcpStream;

use amqp_codec::performative::{
    Attach, Detach, Durability, ExpiryPolicy, Flow, Performative, Role, Source, Target, Terminus,
};
use engine_message::Symbol;
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, Peer, opened};

const LISTENER: &str =
    "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nmatch = \"news.#\"\nrouting = \"multicast\"\n";

/// What links of a subscription may say of it.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// Capabilities of its source, and of a link that comes back without one.
    capabilities: &'static [&'static str],
    /// Its queue's name, of the subscription `sub`.
    queue: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind { capabilities: &[], queue: "test.sub" },
    Kind { capabilities: &["shared"], queue: "test.sub" },
    Kind { capabilities: &["shared", "global"], queue: "sub:global" },
];

fn symbols(names: &[&'static str]) -> Vec<Symbol> {
    names.iter().copied().map(Symbol::from).collect()
}

/// Subscribes durably, as `sub`.
fn subscribe(peer: &mut Peer<TcpStream>, address: &str, kind: Kind) {
    assert_eq!(try_subscribe(peer, address, kind), None);
}

/// The same; gives why it was refused.
fn try_subscribe(peer: &mut Peer<TcpStream>, address: &str, kind: Kind) -> Option<String> {
    let terminus = Terminus {
        durable: Durability::UnsettledState,
        expiry_policy: ExpiryPolicy::Never,
        capabilities: symbols(&[&["topic"], kind.capabilities].concat()),
        ..Terminus::at(address)
    };
    let source = Source { terminus, ..Source::default() };
    attach(peer, Attach { source: Some(source), ..Attach::new("sub", 1, Role::Receiver) });
    peer.answer("sub").1.map(|error| error.to_string())
}

/// Gives credit for a message, and takes it.
fn receive(peer: &mut Peer<TcpStream>) -> Vec<u8> {
    let flow = Flow {
        next_incoming_id: Some(0),
        incoming_window: 100,
        outgoing_window: 100,
        handle: Some(1),
        delivery_count: Some(0),
        link_credit: Some(1),
        ..Flow::default()
    };
    peer.put(&Performative::Flow(flow));
    peer.receive().1
}

/// Asks for the subscription `sub`, and for nothing else of it; gives the broker's source, or why there is none.
fn remember(peer: &mut Peer<TcpStream>, kind: Kind) -> Result<Source, String> {
    attach(peer, Attach { desired_capabilities: symbols(kind.capabilities), ..Attach::new("sub", 1, Role::Receiver) });
    match peer.answer("sub") {
        (attach, None) => Ok(attach.source.expect("a source")),
        (_, Some(error)) => Err(error.to_string()),
    }
}

fn attach(peer: &mut Peer<TcpStream>, attach: Attach) {
    let target = Some(Target::Node(Terminus::at("here")));
    peer.put(&Performative::Attach(Box::new(Attach { target, ..attach })));
}

fn detach(peer: &mut Peer<TcpStream>, closed: bool) {
    peer.put(&Performative::Detach(Detach { handle: 1, closed, error: None }));
    peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
}

fn send(broker: &Broker, address: &str, body: &[u8]) {
    let mut sender = opened(broker);
    sender.attach_sender(address);
    sender.send_accepted(Durable::Yes, [body.to_vec()]);
}

#[test]
fn a_subscription_is_found_by_its_name_wherever_it_is_and_ends_when_its_link_is_closed() {
    for shards in [1, 3] {
        for kind in KINDS {
            let mut broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
            // One of them is on another shard than any connection that asks, if there are several.
            for address in ["news.a", "news.b", "news.c", "news.d"] {
                let mut peer = opened(&broker);
                subscribe(&mut peer, address, kind);
                detach(&mut peer, false);
                send(&broker, address, address.as_bytes());
                if address == "news.c" {
                    broker = Broker::start_with(broker.kill(), shards, LISTENER);
                }
                let mut peer = opened(&broker);
                let source = remember(&mut peer, kind).expect("it is remembered");
                assert_eq!(source.terminus.address.as_deref(), Some(address), "{kind:?}, {shards} shards");
                assert_eq!(source.terminus.durable, Durability::UnsettledState);
                assert_eq!(source.terminus.expiry_policy, ExpiryPolicy::Never);
                assert_eq!(source.terminus.capabilities, symbols(&[&["topic"], kind.capabilities].concat()));
                // It is a link like any other until it is closed.
                assert_eq!(receive(&mut peer), address.as_bytes());
                detach(&mut peer, true);
                wait_for("its end", || broker.queue(kind.queue).is_none().then_some(()));
                let refused = remember(&mut opened(&broker), kind).expect_err("it is gone");
                assert!(refused.starts_with("amqp:not-found") && refused.contains(kind.queue), "{refused}");
            }
        }
    }
}

#[test]
fn what_is_no_durable_subscription_is_not_remembered() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 2, LISTENER);
    // A queue of that name, and a subscription that goes with its link.
    send(&broker, "test.sub", b"x");
    let mut volatile = opened(&broker);
    let terminus = Terminus { capabilities: symbols(&["topic", "shared"]), ..Terminus::at("news.a") };
    let source = Source { terminus, ..Source::default() };
    attach(&mut volatile, Attach { source: Some(source), ..Attach::new("sub", 1, Role::Receiver) });
    assert_eq!(volatile.answer("sub").1, None);
    for kind in KINDS {
        let refused = remember(&mut opened(&broker), kind).expect_err("there is none");
        assert!(refused.starts_with("amqp:not-found"), "{refused}");
    }
    assert!(broker.queue("test.sub").is_some());
}

#[test]
fn whoever_is_attached_is_not_unsubscribed_and_whoever_asks_is_told() {
    for shards in [1, 3] {
        for kind in KINDS {
            let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
            let mut stays = opened(&broker);
            subscribe(&mut stays, "news.a", kind);
            let refused = remember(&mut opened(&broker), kind).expect_err("somebody is attached");
            assert!(refused.starts_with("amqp:illegal-state") && refused.contains(kind.queue), "{refused}");
            send(&broker, "news.a", b"still");
            assert_eq!(receive(&mut stays), b"still", "it is there, and whoever is attached is its only consumer");
            detach(&mut stays, false);
            let mut goes = opened(&broker);
            remember(&mut goes, kind).expect("nobody is attached any more");
            detach(&mut goes, true);
            wait_for("its end", || broker.queue(kind.queue).is_none().then_some(()));
        }
    }
}

#[test]
fn a_subscription_is_of_the_address_that_it_was_asked_for_at_last() {
    for shards in [1, 3] {
        for kind in KINDS {
            let mut broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
            let mut before: Option<&str> = None;
            for address in ["news.a", "news.b", "news.c", "news.d"] {
                let mut peer = opened(&broker);
                subscribe(&mut peer, address, kind);
                let refused = try_subscribe(&mut opened(&broker), "news.z", kind).expect("it is used");
                assert!(refused.starts_with("amqp:illegal-state") && refused.contains(address), "{refused}");
                send(&broker, address, address.as_bytes());
                assert_eq!(receive(&mut peer), address.as_bytes(), "and nothing of {before:?}");
                before = Some(address);
                detach(&mut peer, false);
            }
            broker = Broker::start_with(broker.kill(), shards, LISTENER);
            let source = remember(&mut opened(&broker), kind).expect("it is remembered");
            assert_eq!(source.terminus.address.as_deref(), before, "the others do not come back");
            let state = broker.state().to_string();
            assert_eq!(state.matches(&format!("\"{}\"", kind.queue)).count(), 1, "{state}");
        }
    }
}
