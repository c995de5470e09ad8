//! Selectors of subscriptions: what they are not true for does not come, also behind a crash; answers say which one is applied; what
//! cannot be applied is refused.

use std::net::TcpStream;

use amqp_codec::performative::{
    Attach, Detach, Durability, ExpiryPolicy, Flow, Performative, Role, Source, Target, Terminus,
};
use engine_message::Symbol;
use engine_message::value::{Described, Map, Value};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Peer, opened};

const LISTENER: &str =
    "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nmatch = \"news.#\"\nrouting = \"multicast\"\n";

const ADDRESSES: [&str; 4] = ["news.a", "news.b", "news.c", "news.d"];

/// How long a subscription lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Volatile,
    Durable,
}

/// The filters of a source with a selector under this name.
fn filter(name: &'static str, selector: &str) -> Map {
    let mut filter = Map::default();
    let (descriptor, value) = (Value::Ulong(0x0000_468c_0000_0004), Value::String(selector.to_owned()));
    filter.insert(name, Value::Described(Box::new(Described { descriptor, value })));
    filter
}

fn attach(peer: &mut Peer<TcpStream>, source: Option<Source>) -> Result<Source, String> {
    let target = Some(Target::Node(Terminus::at("here")));
    let attach = Attach { source, target, ..Attach::new("sub", 1, Role::Receiver) };
    peer.put(&Performative::Attach(Box::new(attach)));
    match peer.answer("sub") {
        (attach, None) => Ok(attach.source.expect("a source")),
        (_, Some(error)) => Err(error.to_string()),
    }
}

fn subscribe(peer: &mut Peer<TcpStream>, address: &str, life: Life, filter: Map) -> Result<Source, String> {
    let mut terminus = Terminus { capabilities: vec![Symbol::from("topic")], ..Terminus::at(address) };
    if life == Life::Durable {
        (terminus.durable, terminus.expiry_policy) = (Durability::UnsettledState, ExpiryPolicy::Never);
    }
    attach(peer, Some(Source { terminus, filter, ..Source::default() }))
}

fn grant(peer: &mut Peer<TcpStream>, credit: u32) {
    let flow = Flow {
        next_incoming_id: Some(0),
        incoming_window: 100,
        outgoing_window: 100,
        handle: Some(1),
        delivery_count: Some(0),
        link_credit: Some(credit),
        ..Flow::default()
    };
    peer.put(&Performative::Flow(flow));
}

fn detach(peer: &mut Peer<TcpStream>) {
    peer.put(&Performative::Detach(Detach { handle: 1, closed: false, error: None }));
    peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
}

/// Sends durable messages of these colours, numbered from 0, and waits until all are accepted.
fn send(broker: &Broker, address: &str, colors: &[&str]) {
    let mut sender = opened(broker);
    sender.attach_sender(address);
    for (number, color) in (0_u8..).zip(colors) {
        let size = u8::try_from(color.len()).expect("short");
        let mut message = vec![0, 0x53, 0x70, 0xc0, 2, 1, 0x41, 0, 0x53, 0x74, 0xc1, size + 10, 2, 0xa1, 5];
        message.extend(b"color\xa1");
        message.push(size);
        message.extend(color.as_bytes());
        message.extend([0, 0x53, 0x75, 0xb0, 0, 0, 0, 1, number]);
        sender.send_encoded(number.into(), &message);
    }
    let mut accepted = 0;
    while accepted < colors.len() {
        let (first, last, refused) = sender.outcome();
        assert_eq!(refused, None);
        accepted += (last - first + 1) as usize;
    }
}

#[test]
fn a_subscription_gets_what_its_selector_is_true_for_also_behind_a_crash() {
    for shards in [1, 3] {
        let mut broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
        for address in ADDRESSES {
            let mut volatile = opened(&broker);
            let asked = filter("mine", "color <> 'red'");
            let source = subscribe(&mut volatile, address, Life::Volatile, asked.clone()).expect("it is attached");
            assert_eq!(source.filter, asked, "under the client's name for it");
            let mut durable = opened(&broker);
            subscribe(&mut durable, address, Life::Durable, filter("mine", "color = 'red'")).expect("it is attached");
            detach(&mut durable);
            send(&broker, address, &["red", "blue", "red", "green"]);
            grant(&mut volatile, 10);
            assert_eq!([(); 2].map(|()| volatile.receive().1), [[1], [3]], "{address}, {shards} shards");
            if address == "news.c" {
                broker = Broker::start_with(broker.kill(), shards, LISTENER);
            }
            send(&broker, address, &["blue", "red"]);
            let mut durable = opened(&broker);
            let source = attach(&mut durable, None).expect("it is remembered");
            let symbol = Value::Symbol("apache.org:selector-filter:string".into());
            let mut applied = Map::default();
            let value = Value::String("color = 'red'".to_owned());
            applied.insert("jms-selector", Value::Described(Box::new(Described { descriptor: symbol, value })));
            assert_eq!((source.terminus.address.as_deref(), source.filter), (Some(address), applied));
            grant(&mut durable, 10);
            assert_eq!([(); 3].map(|()| durable.receive().1), [[0], [2], [1]], "{address}, {shards} shards");
            durable.put(&Performative::Detach(Detach { handle: 1, closed: true, error: None }));
            wait_for("its end", || broker.queue("test.sub").is_none().then_some(()));
        }
    }
}

#[test]
fn another_selector_makes_another_subscription_while_nobody_consumes() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 2, LISTENER);
    let mut peer = opened(&broker);
    subscribe(&mut peer, "news.a", Life::Durable, filter("mine", "color = 'red'")).expect("it is attached");
    let refused = subscribe(&mut opened(&broker), "news.a", Life::Durable, Map::default()).expect_err("it is in use");
    assert!(refused.starts_with("amqp:illegal-state") && refused.contains("another selector"), "{refused}");
    detach(&mut peer);
    send(&broker, "news.a", &["red", "blue"]);
    let mut peer = opened(&broker);
    subscribe(&mut peer, "news.a", Life::Durable, filter("mine", "color = 'blue'")).expect("it is attached");
    send(&broker, "news.a", &["green", "red", "blue"]);
    grant(&mut peer, 10);
    assert_eq!(peer.receive().1, [2], "what the other one chose is gone");
}

#[test]
fn what_is_no_selector_is_refused() {
    let broker = Broker::start(LISTENER);
    let mut peer = opened(&broker);
    let refused =
        subscribe(&mut peer, "news.a", Life::Volatile, filter("mine", "color =")).expect_err("it is no selector");
    let text = "amqp:invalid-field: invalid filter: a name or a value is expected, found: the end (at character 8)";
    assert_eq!(refused, text);
    let queue = Source { filter: filter("mine", "color ="), ..Terminus::at("orders").into() };
    let refused = attach(&mut opened(&broker), Some(queue)).expect_err("it is none for a queue either");
    assert!(refused.starts_with("amqp:invalid-field"), "{refused}");
    assert!(broker.queue("orders").is_none(), "nothing of it is left");
}
