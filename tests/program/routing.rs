//! Which queues of an address get a message of the anonymous relay: what its link, its annotations and the prefix of its `to` ask for. And
//! which routing links may ask for.

use std::net::TcpStream;

use amqp_codec::performative::{Attach, Performative, Role, Source, Target, Terminus, Transfer, encode_transfer};
use engine_message::section;
use engine_message::value::Value;
use tempfile::TempDir;

use crate::broker::Broker;
use crate::peer::{Peer, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
const PREFIXES: &str = "[node]\nanycast_prefix = \"queue://\"\nmulticast_prefix = \"topic://\"\n";
/// An address with queues of both kinds.
const MIXED: &str = "[[queue]]\nname = \"work\"\naddress = \"mixed\"\nrouting = \"anycast\"\n\
     [[queue]]\nname = \"copy\"\naddress = \"mixed\"\nrouting = \"multicast\"\n";
/// What a message's annotation is and says, if it has one; its `to`; and how many messages each queue gets.
type Case = (Option<(&'static str, i8)>, &'static str, [u64; 2]);
/// What the annotations of messages ask for, and where those to the mixed address go: to its anycast queue, its multicast queue, or both.
const CASES: [Case; 10] = [
    (None, "mixed", [1, 1]),
    (Some(("x-opt-routing-type", 0)), "mixed", [1, 0]),
    (Some(("x-opt-routing-type", 1)), "mixed", [0, 1]),
    (Some(("x-opt-routing-type", 9)), "mixed", [1, 1]),
    (Some(("x-opt-jms-dest", 0)), "mixed", [1, 0]),
    (Some(("x-opt-jms-dest", 1)), "mixed", [0, 1]),
    (Some(("x-opt-jms-dest", 2)), "mixed", [1, 0]),
    (Some(("x-opt-jms-dest", 3)), "mixed", [0, 1]),
    (None, "topic://mixed", [0, 1]),
    (Some(("x-opt-routing-type", 0)), "topic://mixed", [1, 0]),
];

fn broker(shards: u16) -> Broker {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("heddle.toml");
    Broker::start_command(folder, shards, &format!("{LISTENER}{MIXED}"), |_| {
        let text = std::fs::read_to_string(&file).expect("the configuration");
        std::fs::write(&file, text.replace("[node]\n", PREFIXES)).expect("a configuration");
    })
}

/// The sections of a message that names its address, with an annotation, and `body`.
fn message(to: &str, annotation: Option<(&'static str, i8)>, body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(to.len()).expect("a short name");
    let mut message = vec![0x00, 0x53, 0x73, 0xc0, length + 5, 3, 0x40, 0x40, 0xa1, length];
    message.extend(to.as_bytes());
    message.extend(body);
    let Some((key, value)) = annotation else { return message };
    section::change_annotations(&message, |map| map.insert(key, Value::Byte(value))).expect("a message")
}

/// How many messages the two queues have.
fn waiting(broker: &Broker) -> [u64; 2] {
    ["work", "copy"].map(|queue| broker.queue(queue).and_then(|found| found["messages"].as_u64()).expect("a number"))
}

/// Has `send` send a message for each case; each is where it belongs when it is accepted.
fn check_each(broker: &Broker, peer: &mut Peer<TcpStream>, mut send: impl FnMut(&mut Peer<TcpStream>, u32, Vec<u8>)) {
    let mut before = waiting(broker);
    for (delivery, (annotation, to, wanted)) in (0..).zip(CASES) {
        let value = [0x00, 0x53, 0x75, 0xa0, 1, b'x'];
        send(peer, delivery, message(to, annotation, &value));
        let (first, _, refused) = peer.outcome();
        assert_eq!((first, refused), (delivery, None), "{annotation:?} to {to}");
        let after = waiting(broker);
        assert_eq!([after[0] - before[0], after[1] - before[1]], wanted, "{annotation:?} to {to}");
        before = after;
    }
}

#[test]
fn a_message_says_which_queues_of_a_mixed_address_get_it() {
    for shards in [1, 3] {
        let broker = broker(shards);
        let mut peer = opened(&broker);
        peer.attach_sender("");
        check_each(&broker, &mut peer, |peer, delivery, message| peer.send_encoded(delivery, &message));
    }
}

#[test]
fn so_does_a_large_message() {
    let broker = broker(3);
    let mut peer = opened(&broker);
    peer.attach_sender("");
    check_each(&broker, &mut peer, |peer, delivery, mut message| {
        // Its one data section is replaced by one that no frame holds.
        message.truncate(message.len() - 6);
        message.extend([0x00, 0x53, 0x75, 0xb0]);
        message.extend(3_000_000_u32.to_be_bytes());
        message.resize(message.len() + 3_000_000, b'x');
        let parts = message.len().div_ceil(100_000);
        for (part, bytes) in message.chunks(100_000).enumerate() {
            let first = part == 0;
            let tag = delivery.to_be_bytes();
            let transfer = Transfer {
                handle: 0,
                delivery_id: first.then_some(delivery),
                delivery_tag: first.then_some(&tag),
                more: part + 1 < parts,
                ..Transfer::default()
            };
            let mut out = Vec::new();
            encode_transfer(&mut out, 0, &transfer, bytes.len());
            out.extend(bytes);
            peer.send(&out);
        }
    });
}

#[test]
fn what_a_link_asks_for_holds_whatever_its_messages_say() {
    let broker = broker(3);
    let mut peer = opened(&broker);
    let target = Target::Node(Terminus { capabilities: vec!["topic".into()], ..Terminus::default() });
    let attach = Attach { target: Some(target), ..Attach::new("relay", 0, Role::Sender) };
    peer.put(&Performative::Attach(Box::new(attach)));
    peer.until(|performative| {
        matches!(performative, Performative::Flow(flow) if flow.link_credit > Some(0)).then_some(())
    });
    for (delivery, (annotation, to, _)) in (0..).zip(CASES) {
        peer.send_encoded(delivery, &message(to, annotation, &[0x00, 0x53, 0x77, 0x40]));
        assert_eq!(peer.outcome().2, None);
        assert_eq!(waiting(&broker), [0, u64::from(delivery) + 1], "{annotation:?} to {to}");
    }
}

#[test]
fn without_auto_create_an_address_keeps_its_routing() {
    let folder = TempDir::new().expect("a folder");
    let strict = "[[address]]\nmatch = \"#\"\nauto_create = false\n[[address]]\nname = \"jobs\"\n";
    let broker = Broker::start_with(folder, 3, &format!("{LISTENER}{strict}{MIXED}"));
    let mut peer = opened(&broker);
    let mut handle = 0;
    for (address, capability, refused) in [
        ("jobs", "queue", false),
        ("jobs", "topic", true),
        ("mixed", "topic", false),
        // It is as if the link had not asked: the address hands out to queues.
        ("jobs", "other", false),
    ] {
        let node = Terminus { capabilities: vec![capability.into()], ..Terminus::at(address) };
        for role in [Role::Sender, Role::Receiver] {
            let name = format!("{address} {capability} {role:?}");
            let (source, target) = (Some(Source::from(node.clone())), Some(Target::Node(node.clone())));
            let attach = Attach { source, target, ..Attach::new(name.as_str(), handle, role) };
            peer.put(&Performative::Attach(Box::new(attach)));
            handle += 1;
            let (_, why) = peer.answer(&name);
            assert_eq!(why.is_some(), refused, "{name}: {why:?}");
            if let Some(why) = why {
                assert_eq!(why.condition.as_str(), "amqp:illegal-state");
                assert!(why.description.is_some_and(|text| text.contains("declare a queue of it")));
            }
        }
    }
}
