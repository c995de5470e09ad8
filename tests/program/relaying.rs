//! Messages of the anonymous relay that have nowhere to go, and what their sender is told (AMQP Anonymous Terminus 1.0, 2.2): an outcome if it
//! waits for one that can say it, else the end of the link, which names the message.

use std::net::TcpStream;

use amqp_codec::AmqpError;
use amqp_codec::performative::{
    Attach, Detach, Performative, Role, Source, Target, Terminus, Transfer, encode_transfer,
};
use engine_message::value::Value;
use engine_message::{Condition, Symbol};
use tempfile::TempDir;

use crate::broker::Broker;
use crate::peer::{Peer, opened};

const CONFIG: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nmatch = \"#\"\nauto_create = false\n\
     [[queue]]\nname = \"here\"\n";
const TAG: &[u8] = b"\x00its tag";
/// What a source may list: outcomes, and whether rejected is one of them.
const LISTS: [(&[&str], bool); 4] = [
    (&[], true),
    (&["amqp:accepted:list", "amqp:rejected:list"], true),
    (&["amqp:accepted:list", "amqp:released:list"], false),
    (&["com.example:own"], true),
];

/// How large a message is: one that fits into a frame, one of several frames, or one that goes to a file.
const SIZES: [usize; 3] = [10, 200_000, 2_000_000];

fn attach(peer: &mut Peer<TcpStream>, handle: u32, outcomes: &[&'static str]) {
    let name = format!("relay-{handle}");
    let outcomes = outcomes.iter().copied().map(Symbol::from).collect();
    let source = Some(Source { outcomes, ..Source::default() });
    let target = Some(Target::Node(Terminus::default()));
    peer.put(&Performative::Attach(Box::new(Attach { source, target, ..Attach::new(&*name, handle, Role::Sender) })));
    assert_eq!(peer.answer(&name).1, None);
}

/// Sends a message to `to`, in as many frames as it needs.
fn send(peer: &mut Peer<TcpStream>, handle: u32, delivery: u32, settled: bool, to: &str, octets: usize) {
    let to = match to {
        "" => vec![0x40],
        to => [&[0xa1, u8::try_from(to.len()).expect("a short name")], to.as_bytes()].concat(),
    };
    let fields = [&[0x40, 0x40][..], &to].concat();
    let mut message = vec![0x00, 0x53, 0x73, 0xc0, u8::try_from(fields.len() + 1).expect("it is short"), 3];
    message.extend(fields);
    message.extend([0x00, 0x53, 0x75, 0xb0]);
    message.extend(u32::try_from(octets).expect("it fits").to_be_bytes());
    message.resize(message.len() + octets, b'x');
    let parts = message.len().div_ceil(100_000);
    for (part, bytes) in message.chunks(100_000).enumerate() {
        let first = part == 0;
        let transfer = Transfer {
            handle,
            delivery_id: first.then_some(delivery),
            delivery_tag: first.then_some(TAG),
            settled: first.then_some(settled),
            more: part + 1 < parts,
            ..Transfer::default()
        };
        let mut out = Vec::new();
        encode_transfer(&mut out, 0, &transfer, bytes.len());
        out.extend(bytes);
        peer.send(&out);
    }
}

/// The error of the broker's detach of the only link that it ends, which is answered.
fn ended(peer: &mut Peer<TcpStream>, handle: u32) -> AmqpError {
    let error = peer.until(|performative| match performative {
        Performative::Detach(detach) => Some(detach.error.clone()),
        Performative::Flow(_) => None,
        other => panic!("no end: {other:?}"),
    });
    peer.put(&Performative::Detach(Detach { handle, closed: true, error: None }));
    error.expect("why")
}

#[test]
fn what_has_nowhere_to_go_is_rejected_or_ends_the_link() {
    for shards in [1, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, CONFIG);
        let mut peer = opened(&broker);
        let (mut handle, mut delivery, mut arrived) = (0, 0, 0);
        for (outcomes, rejects) in LISTS {
            // Those of several shards, and none at all.
            for (to, octets) in ["nowhere", "lost", "gone", ""].into_iter().zip(SIZES.into_iter().cycle()) {
                for settled in [false, true] {
                    attach(&mut peer, handle, outcomes);
                    send(&mut peer, handle, delivery, false, "here", octets);
                    assert_eq!(peer.outcome(), (delivery, delivery, None), "what has somewhere to go arrives");
                    send(&mut peer, handle, delivery + 1, settled, to, octets);
                    let case = format!("{outcomes:?}, {to}, {octets}, {settled}, {shards} shards");
                    if rejects && !settled {
                        let (first, _, why) = peer.outcome();
                        assert_eq!(first, delivery + 1);
                        assert!(why.is_some_and(|why| why.contains(Condition::NotFound.as_str())), "{case}");
                        // The link goes on.
                        send(&mut peer, handle, delivery + 2, true, "here", 1);
                        arrived += 1;
                    } else {
                        let error = ended(&mut peer, handle);
                        assert_eq!(error.condition, Condition::NotFound, "{case}");
                        assert_eq!(error.info.get("delivery-tag"), Some(&Value::Binary(TAG.into())), "{case}");
                    }
                    arrived += 1;
                    (handle, delivery) = (handle + 1, delivery + 3);
                }
            }
        }
        peer.close();
        let queue = broker.queue("here").expect("it is declared");
        assert_eq!(queue["messages"], arrived, "{shards} shards");
    }
}

#[test]
fn what_is_sent_behind_the_message_that_ends_a_link_does_no_harm() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 3, CONFIG);
    let mut peer = opened(&broker);
    attach(&mut peer, 0, &[]);
    (0..50)
        .for_each(|delivery| send(&mut peer, 0, delivery, true, ["nowhere", "lost", "gone"][delivery as usize % 3], 5));
    assert_eq!(ended(&mut peer, 0).condition, Condition::NotFound);
    attach(&mut peer, 1, &[]);
    send(&mut peer, 1, 50, false, "here", 5);
    assert_eq!(peer.outcome(), (50, 50, None));
}
