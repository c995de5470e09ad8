//! Control messages as octets: golden ones, what older and other routers write, and any octets at all.

use engine_message::encode;
use engine_message::section;
use engine_message::value::{Map, Value};
use engine_router::address::Key;
use engine_router::annotations::Annotations;
use engine_router::control::{Announced, Body, Changes, Control, ControlError, Destination, LinkState, decode};
use engine_router::limits::{ID_OCTETS_MAX, KEY_OCTETS_MAX, ROUTERS_MAX};
use engine_router::trace::Trace;
use engine_router::{RouterId, Treatment};
use proptest::prelude::*;

use crate::said::{self, Parts};
use crate::world::id;

fn announced(text: &str, treatment: Option<Treatment>) -> Announced {
    Announced { key: Key::read(text).expect(text), treatment }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A message as others would write it: nothing but opcode and body.
fn message(opcode: &str, body: Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode::descriptor(&mut out, 0x74);
    let mut properties = Map::default();
    properties.insert("opcode", text(opcode));
    properties.encode(&mut out);
    encode::descriptor(&mut out, 0x77);
    body.encode(&mut out);
    out
}

/// A body with symbols as its keys.
fn body<const COUNT: usize>(fields: [(&'static str, Value); COUNT]) -> Value {
    let mut map = Map::default();
    fields.into_iter().for_each(|(key, value)| map.insert(key, value));
    Value::Map(map)
}

#[test]
fn a_hello_has_these_octets() {
    let hello = Control { id: id("A"), body: Body::Hello { instance: Some(7), seen: vec![id("B")] } };
    let expected = [
        &b"\x00\x53\x70\xc0\x02\x01\x42"[..],
        b"\x00\x53\x72\xd1\x00\x00\x00\x33\x00\x00\x00\x04",
        b"\xa3\x10x-opt-qd.ingress\xa1\x030/A\xa3\x0ex-opt-qd.trace\xc0\x06\x01\xa1\x030/A",
        b"\x00\x53\x73\xc0\x19\x03\x40\x40\xa1\x14amqp:/_local/qdhello",
        b"\x00\x53\x74\xc1\x10\x02\xa1\x06opcode\xa1\x05HELLO",
        b"\x00\x53\x77\xc1\x3d\x0a\xa1\x02id\xa1\x01A\xa1\x02pv\x81\x00\x00\x00\x00\x00\x00\x00\x01\xa1\x04area\xa1\x010",
        b"\xa1\x08instance\x81\x00\x00\x00\x00\x00\x00\x00\x07\xa1\x04seen\xc0\x04\x01\xa1\x01B",
    ]
    .concat();
    let encoded = hello.encode(&Destination::Neighbours);
    assert_eq!(encoded.as_ref(), expected.as_slice());
    assert_eq!(decode(&encoded), Ok(hello));
}

#[test]
fn addresses_are_those_that_other_routers_listen_on() {
    let control = |body| Control { id: id("A"), body };
    let update = control(Body::Addresses { sequence: 1, changes: Changes::All(Vec::new()) });
    let advertisement = control(Body::Advertisement { instance: None, link_state: 0, addresses: 0 });
    let to = Destination::Router(id("B"));
    assert_eq!(update.address(&Destination::All), "amqp:/_topo/0/all/qdrouter.ma");
    assert_eq!(update.address(&to), "amqp:/_topo/0/B/qdrouter.ma");
    assert_eq!(control(Body::AddressRequest { known: 0 }).address(&to), "amqp:/_topo/0/B/qdrouter.ma");
    assert_eq!(advertisement.address(&Destination::All), "amqp:/_topo/0/all/qdrouter");
    assert_eq!(control(Body::LinkStateRequest).address(&to), "amqp:/_topo/0/B/qdrouter");
    let encoded = advertisement.encode(&to);
    let sections = section::scan(&encoded).expect("a message");
    assert_eq!(section::property_to(&encoded[sections.properties]), Ok(Some("amqp:/_topo/0/B/qdrouter")));
    let annotations = Annotations::read(&encoded[sections.message_annotations]).expect("annotations");
    assert_eq!((annotations.ingress, annotations.trace), (Some("A"), Trace::begun("A")));
}

#[test]
fn what_older_and_other_routers_write_is_read() {
    let seen = Value::List(vec![text("B")]);
    let old = message("HELLO", body([("id", text("A")), ("area", text("0")), ("seen", seen)]));
    assert_eq!(decode(&old), Ok(Control { id: id("A"), body: Body::Hello { instance: None, seen: vec![id("B")] } }));
    // Neighbours without costs, and numbers of other types.
    let state =
        body([("id", text("A")), ("ls_seq", Value::Int(3)), ("peers", Value::List(vec![text("C"), text("B")]))]);
    let update = message("LSU", body([("id", text("A")), ("ls_seq", Value::Uint(3)), ("ls", state)]));
    let state = LinkState { sequence: 3, peers: vec![(id("B"), 1), (id("C"), 1)] };
    assert_eq!(decode(&update), Ok(Control { id: id("A"), body: Body::LinkState { instance: None, state } }));
    // Hints that do not fit, keys of classes that nobody announces, keys that are none, a field that nobody knows.
    let keys =
        [text("M0a"), text("Tqdrouter"), text("x"), text(&format!("M0{}", "b".repeat(KEY_OCTETS_MAX))), text("Cp")];
    let fields = [
        ("id", Value::Symbol("A".into())),
        ("mobile_seq", Value::Long(9)),
        ("exist", Value::List(keys.to_vec())),
        ("hints", Value::List(vec![Value::Int(1)])),
        ("more", Value::Null),
    ];
    let changes = Changes::All(vec![announced("M0a", None), announced("Cp", None)]);
    let expected = Control { id: id("A"), body: Body::Addresses { sequence: 9, changes } };
    assert_eq!(decode(&message("MAU", body(fields))), Ok(expected));
}

#[test]
fn hints_stay_with_their_addresses() {
    let keys = Value::List(vec![text("M0a"), text("none"), text("M1b")]);
    let hints = Value::List(vec![Value::Int(1), Value::Int(2), Value::Int(9)]);
    let empty = Value::List(Vec::new());
    let fields = [("id", text("A")), ("mobile_seq", Value::Long(1)), ("add", keys), ("del", empty), ("hints", hints)];
    let Ok(Control { body: Body::Addresses { changes, .. }, .. }) = decode(&message("MAU", body(fields))) else {
        panic!("it is one")
    };
    let added = vec![announced("M0a", Some(Treatment::Multicast)), announced("M1b", None)];
    assert_eq!(changes, Changes::Since { added, deleted: Vec::new() });
}

#[test]
fn what_cannot_be_followed_is_told() {
    let a = || ("id", text("A"));
    let faulty = |opcode, body| decode(&message(opcode, body)).expect_err(opcode);
    assert_eq!(faulty("LSR", body([])), ControlError::Missing("id"));
    assert_eq!(faulty("LSR", body([("id", text("a b"))])), ControlError::Wrong("id"));
    assert_eq!(faulty("LSR", body([("id", text(&"a".repeat(ID_OCTETS_MAX + 1)))])), ControlError::Wrong("id"));
    assert_eq!(faulty("XXX", body([a()])), ControlError::Opcode);
    assert_eq!(faulty("LSR", body([a(), ("area", text("1"))])), ControlError::Area);
    let version = ControlError::Version { id: id("A"), version: 2 };
    assert_eq!(faulty("LSR", body([a(), ("pv", Value::Int(2)), ("area", text("1"))])), version);
    assert_eq!(faulty("HELLO", body([a()])), ControlError::Missing("seen"));
    let many = Value::List(vec![text("B"); ROUTERS_MAX + 1]);
    assert_eq!(faulty("HELLO", body([a(), ("seen", many.clone())])), ControlError::TooMany("seen"));
    assert_eq!(faulty("RA", body([a(), ("ls_seq", Value::Int(-1))])), ControlError::Wrong("ls_seq"));
    assert_eq!(faulty("MAR", body([a(), ("have_seq", text("1"))])), ControlError::Wrong("have_seq"));
    let one = || Value::List(Vec::new());
    assert_eq!(faulty("MAU", body([a(), ("mobile_seq", Value::Int(1)), ("add", one())])), ControlError::Missing("del"));
    let state = |of: &str, peers| body([("id", text(of)), ("ls_seq", Value::Int(1)), ("peers", peers)]);
    let update = |state| faulty("LSU", body([a(), ("ls", state)]));
    assert_eq!(update(state("B", one())), ControlError::Wrong("ls"));
    assert_eq!(update(state("A", Value::Int(1))), ControlError::Wrong("peers"));
    assert_eq!(update(state("A", many)), ControlError::TooMany("peers"));
    assert_eq!(update(state("A", Value::List(vec![text("B"), text("B")]))), ControlError::Wrong("peers"));
    assert_eq!(update(state("A", Value::List(vec![text("A")]))), ControlError::Wrong("peers"), "not its own neighbour");
    assert_eq!(update(state("A", body([("B", Value::Int(0))]))), ControlError::Wrong("peers"), "costs are above 0");
    assert!(matches!(decode(b""), Err(ControlError::Opcode)));
    assert!(matches!(decode(&[0]), Err(ControlError::Malformed(_))));
}

fn ids() -> impl Strategy<Value = RouterId> {
    "[A-Za-z0-9._-]{1,12}".prop_map(|text| id(&text))
}

fn treatments() -> impl Strategy<Value = Treatment> {
    proptest::sample::select(Treatment::ALL.to_vec())
}

fn addresses() -> impl Strategy<Value = Vec<Announced>> {
    let one = ("[MCDEFH]", "[0-9F]", "[a-z./]{1,12}", treatments());
    let one =
        one.prop_map(|(class, phase, name, treatment)| announced(&format!("{class}{phase}{name}"), Some(treatment)));
    proptest::collection::vec(one, 0..40)
}

fn controls() -> impl Strategy<Value = Control> {
    let number = || 0..i64::MAX as u64;
    let peers = proptest::collection::btree_map(ids(), 1..=u32::MAX, 0..20);
    let bodies = said::bodies(Parts {
        instance: proptest::option::of(number()).boxed(),
        number: number().boxed(),
        seen: proptest::collection::vec(ids(), 0..20).boxed(),
        peers: peers.prop_map(|peers| peers.into_iter().filter(|(peer, _)| *peer != id("self")).collect()).boxed(),
        addresses: addresses().boxed(),
    });
    bodies.prop_map(|body| Control { id: id("self"), body })
}

proptest! {
    #[test]
    fn what_is_said_is_what_is_heard(control in controls(), to in ids()) {
        for to in [Destination::All, Destination::Router(to)] {
            prop_assert_eq!(decode(&control.encode(&to)), Ok(control.clone()));
        }
    }

    #[test]
    fn any_octets_are_a_message_or_an_error(
        control in controls(), noise in proptest::collection::vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>(),
    ) {
        let mut message = control.encode(&Destination::All).to_vec();
        let at = at.index(message.len());
        for octets in [noise.clone(), [&message[..at], &noise].concat()] {
            let _ = decode(&octets);
        }
        message.splice(at..(at + noise.len()).min(message.len()), noise);
        if let Ok(read) = decode(&message) {
            // Said again it is understood again; what it does not say (a treatment) it then says.
            let again = decode(&read.encode(&Destination::All));
            prop_assert!(again.is_ok(), "{:?} {:?}", read, again);
        }
    }
}
