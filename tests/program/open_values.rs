//! Values that the specification leaves open, and values that it does not have, in every field: what becomes of each.
//!
//! A peer's value is carried, ignored, or refused on the link; only what cannot be a frame of AMQP ends the connection. `FIELDS` is the
//! table; each row is tried on a running broker, on a connection whose other link must go on.

use std::net::TcpStream;

use amqp_codec::frame;
use amqp_codec::performative::{Attach, Begin, Detach, Disposition, Flow, Open, Performative, Role, Source, Target};
use engine_message::value::{Described, Map, Value};

use crate::broker::Broker;
use crate::peer::{Durable, Peer, connect, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"";

type Wire = Peer<TcpStream>;

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The link is attached.
    Taken,
    /// The link is attached, and the answer is without it.
    LeftOut,
    /// The link is refused with this condition.
    Refused(&'static str),
}
use Fate::{LeftOut, Refused, Taken};

/// Where a value is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A field of the attach, by its number.
    Attach(usize),
    /// A field of its source.
    Source(usize),
    /// A field of its target.
    Target(usize),
}

const DECODE: Fate = Refused("amqp:decode-error");
const INVALID: Fate = Refused("amqp:invalid-field");
const MISSING: Fate = Refused("amqp:not-implemented");

fn symbol(name: &'static str) -> Value {
    Value::Symbol(name.into())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn described(descriptor: Value, value: Value) -> Value {
    Value::Described(Box::new(Described { descriptor, value }))
}

/// A value of a type that nobody has heard of.
fn strange() -> Value {
    described(symbol("com.example:strange"), Value::List(vec![Value::Uuid([7; 16]), Value::Null]))
}

fn map(key: Value, value: Value) -> Value {
    Value::Map(Map(vec![(key, value)]))
}

fn array(names: &[&str]) -> Value {
    let mut encoded = Vec::new();
    engine_message::encode::symbols(&mut encoded, names.iter().copied());
    Value::read(&mut engine_message::reader::Reader::new(&encoded)).expect("an array")
}

/// Field, value, and what becomes of it.
fn fields() -> Vec<(&'static str, Place, Value, Fate)> {
    use Place::{Attach, Source, Target};
    let filter = |descriptor: Value| map(symbol("f"), described(descriptor, text("x")));
    let policy = |policy: Value| map(symbol("lifetime-policy"), policy);
    vec![
        ("snd-settle-mode", Attach(3), Value::Ubyte(3), INVALID),
        ("snd-settle-mode", Attach(3), text("mixed"), DECODE),
        ("rcv-settle-mode", Attach(4), Value::Ubyte(2), INVALID),
        ("rcv-settle-mode", Attach(4), Value::Uint(1), DECODE),
        ("source", Attach(5), strange(), MISSING),
        ("source", Attach(5), text("queue"), DECODE),
        ("target", Attach(6), strange(), Taken),
        ("unsettled", Attach(7), map(Value::Binary(vec![1].into()), strange()), Taken),
        ("unsettled", Attach(7), map(text("tag"), Value::Null), DECODE),
        ("unsettled", Attach(7), map(Value::Binary(vec![1; 33].into()), Value::Null), INVALID),
        ("unsettled", Attach(7), Value::List(Vec::new()), DECODE),
        ("incomplete-unsettled", Attach(8), Value::Boolean(true), Taken),
        ("incomplete-unsettled", Attach(8), Value::Ubyte(1), DECODE),
        ("max-message-size", Attach(10), Value::Ulong(0), Taken),
        ("max-message-size", Attach(10), Value::Uint(1), DECODE),
        ("offered-capabilities", Attach(11), symbol("x-own"), Taken),
        ("offered-capabilities", Attach(11), array(&["", "x-own", "x-own"]), Taken),
        ("desired-capabilities", Attach(12), Value::List(vec![symbol("x-own")]), DECODE),
        ("properties", Attach(13), map(strange(), strange()), Taken),
        ("properties", Attach(13), Value::List(Vec::new()), INVALID),
        ("source.address", Source(0), symbol("queue"), Taken),
        ("source.address", Source(0), Value::Ulong(7), INVALID),
        ("source.address", Source(0), strange(), INVALID),
        ("source.address", Source(0), text(""), INVALID),
        ("source.durable", Source(1), Value::Uint(3), INVALID),
        ("source.expiry-policy", Source(2), symbol(""), Taken),
        ("source.expiry-policy", Source(2), symbol("x-own"), INVALID),
        ("source.expiry-policy", Source(2), text("never"), DECODE),
        ("source.timeout", Source(3), Value::Uint(u32::MAX), Taken),
        ("source.dynamic", Source(4), Value::Null, Taken),
        ("source.dynamic-node-properties", Source(5), map(symbol("x-own"), strange()), LeftOut),
        ("source.dynamic-node-properties", Source(5), policy(strange()), LeftOut),
        ("source.distribution-mode", Source(6), symbol(""), LeftOut),
        ("source.distribution-mode", Source(6), symbol("x-own"), LeftOut),
        ("source.distribution-mode", Source(6), symbol("copy"), Taken),
        ("source.distribution-mode", Source(6), text("move"), DECODE),
        ("source.filter", Source(7), filter(symbol("com.example:strange")), LeftOut),
        ("source.filter", Source(7), map(symbol("f"), Value::Null), LeftOut),
        ("source.filter", Source(7), filter(symbol("apache.org:selector-filter:string")), Taken),
        ("source.filter", Source(7), filter(symbol("apache.org:no-local-filter:list")), LeftOut),
        ("source.filter", Source(7), filter(Value::Ulong(0x0000_468c_0000_0003)), LeftOut),
        ("source.filter", Source(7), map(symbol("f"), text("a = 1")), INVALID),
        ("source.filter", Source(7), Value::List(Vec::new()), INVALID),
        ("source.default-outcome", Source(8), strange(), LeftOut),
        ("source.default-outcome", Source(8), text("accepted"), LeftOut),
        ("source.default-outcome", Source(8), described(Value::Ulong(0x27), Value::List(vec![text("x")])), INVALID),
        ("source.outcomes", Source(9), array(&["com.example:strange", "amqp:accepted:list"]), LeftOut),
        ("source.outcomes", Source(9), text("amqp:accepted:list"), DECODE),
        ("source.capabilities", Source(10), array(&["x-own", "queue"]), LeftOut),
        ("source.capabilities", Source(10), map(Value::Null, Value::Null), DECODE),
        ("target.address", Target(0), Value::Uuid([7; 16]), INVALID),
        ("target.durable", Target(1), Value::Uint(9), INVALID),
        ("target.expiry-policy", Target(2), symbol("x-own"), INVALID),
        ("target.dynamic-node-properties", Target(5), map(symbol("x-own"), strange()), LeftOut),
        ("target.capabilities", Target(6), array(&["x-own"]), LeftOut),
    ]
}

/// The encoding of an attach with `value` in its place; the peer is the end that the place is not of.
fn attach(name: &str, handle: u32, place: Place, value: &Value) -> Vec<u8> {
    let sends = matches!(place, Place::Target(_));
    let terminus = |address: &str| {
        let mut fields = vec![Value::Null; 11];
        fields[0] = text(address);
        fields
    };
    let (mut source, mut target) = (terminus("open-values"), terminus("open-values"));
    target.truncate(7);
    match place {
        Place::Source(field) => source[field] = value.clone(),
        Place::Target(field) => target[field] = value.clone(),
        Place::Attach(_) => {}
    }
    let mut fields = vec![Value::Null; 14];
    fields[..3].clone_from_slice(&[text(name), Value::Uint(handle), Value::Boolean(!sends)]);
    fields[5] = described(Value::Ulong(0x28), Value::List(source));
    fields[6] = described(Value::Ulong(0x29), Value::List(target));
    if sends {
        fields[9] = Value::Uint(0);
    }
    if let Place::Attach(field) = place {
        fields[field] = value.clone();
    }
    framed(0x12, fields)
}

/// A frame of a performative.
fn framed(code: u64, fields: Vec<Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::amqp(&mut bytes, 0, |out| described(Value::Ulong(code), Value::List(fields)).encode(out));
    bytes
}

/// Whether an answer has none of what is strange.
fn is_plain(answer: &Attach) -> bool {
    let node = |properties: &Map, capabilities: &[engine_message::Symbol]| {
        properties.is_empty() && capabilities.iter().all(|capability| *capability == "queue")
    };
    let source = answer.source.as_ref().is_none_or(|source: &Source| {
        let known = source.outcomes.iter().all(|outcome| outcome.as_str().starts_with("amqp:"));
        let released = source.default_outcome.as_ref().is_none_or(|outcome| outcome.as_bytes()[..3] == [0, 0x53, 0x26]);
        let plain = source.filter.is_empty() && source.distribution_mode.is_none() && known && released;
        plain && node(&source.terminus.dynamic_node_properties, &source.terminus.capabilities)
    });
    let target = match &answer.target {
        Some(Target::Node(target)) => node(&target.dynamic_node_properties, &target.capabilities),
        _ => true,
    };
    source && target
}

#[test]
fn every_field_of_an_attach_is_taken_left_out_or_refused_on_its_link() {
    let broker = Broker::start(LISTENER);
    let mut peer = opened(&broker);
    peer.attach_sender("other");
    for (number, (field, place, value, fate)) in fields().into_iter().enumerate() {
        let name = format!("{field} {number}");
        let handle = 10 + u32::try_from(number).expect("a short table");
        peer.send(&attach(&name, handle, place, &value));
        let (answer, refused) = peer.answer(&name);
        let refused = refused.map(|error| error.condition.as_str().to_owned());
        match fate {
            Taken | LeftOut => assert_eq!(refused, None, "{field}: {value:?}"),
            Refused(condition) => assert_eq!(refused.as_deref(), Some(condition), "{field}: {value:?}"),
        }
        if fate == LeftOut {
            assert!(is_plain(&answer), "{field}: {value:?}: {answer:?}");
        }
        peer.put(&Performative::Detach(Detach { handle, closed: true, error: None }));
        // The other link of the session goes on.
        peer.send_message(u32::try_from(number).expect("a short table"), Durable::No, b"x");
        peer.outcome();
    }
}

#[test]
fn a_sender_without_its_delivery_count_and_targets_of_other_types_are_refused() {
    let broker = Broker::start(LISTENER);
    let mut peer = opened(&broker);
    for (handle, (target, count, condition)) in [
        (described(Value::Ulong(0x29), Value::List(vec![text("q")])), Value::Null, "amqp:invalid-field"),
        (strange(), Value::Uint(0), "amqp:not-implemented"),
        (Value::Null, Value::Uint(0), "amqp:invalid-field"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("sender-{handle}");
        let mut fields = vec![text(&name), Value::Uint(u32::try_from(handle).expect("few")), Value::Boolean(false)];
        fields.extend([Value::Null, Value::Null, described(Value::Ulong(0x28), Value::List(Vec::new())), target]);
        fields.extend([Value::Null, Value::Null, count]);
        peer.send(&framed(0x12, fields));
        let attached = peer.until(|performative| match performative {
            Performative::Attach(attach) => Some(attach.target.is_some()),
            _ => None,
        });
        assert!(!attached);
        let why = peer.detached();
        assert!(why.contains(condition), "{why}");
    }
}

#[test]
fn what_is_open_in_other_performatives_ends_nothing() {
    let broker = Broker::start(LISTENER);
    let mut peer = Peer::new(connect(broker.addresses[0]));
    assert!(peer.header(frame::ProtocolHeader::Amqp).is_some());
    let own = || Map(vec![(symbol("x-own"), strange()), (strange(), Value::Char('x'))]);
    let capabilities = || vec!["x-own".into(), "".into()];
    peer.put(&Performative::Open(Box::new(Open {
        container_id: String::new(),
        outgoing_locales: capabilities(),
        offered_capabilities: capabilities(),
        desired_capabilities: capabilities(),
        properties: own(),
        ..Open::default()
    })));
    peer.put(&Performative::Begin(Box::new(Begin {
        incoming_window: 100,
        outgoing_window: 100,
        offered_capabilities: capabilities(),
        desired_capabilities: capabilities(),
        properties: own(),
        ..Begin::default()
    })));
    peer.attach_sender("open-values");
    let mut properties = Vec::new();
    own().encode(&mut properties);
    let window = 100;
    peer.put(&Performative::Flow(Flow {
        properties: Some(&properties),
        incoming_window: window,
        outgoing_window: window,
        ..Flow::default()
    }));
    send_with_strange_states(&mut peer);
    settle_with_strange_states(&mut peer);
    // A condition of the peer's own, with details of any type.
    let error = Value::List(vec![symbol("com.example:tired"), text("enough"), map(symbol("x-own"), strange())]);
    let fields = vec![Value::Uint(1), Value::Boolean(true), described(Value::Ulong(0x1d), error)];
    peer.send(&framed(0x16, fields));
    peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
    peer.send_message(3, Durable::No, b"it goes on");
    assert_eq!(peer.outcome().2, None);
}

/// Sends messages whose state is a stranger's, or no described value at all; a format that is not ours is carried.
fn send_with_strange_states(peer: &mut Wire) {
    let body = [0x00, 0x53, 0x77, 0xa1, 2, b'h', b'i'];
    for (delivery, state) in [strange(), text("accepted"), Value::Null].into_iter().enumerate() {
        let number = Value::Uint(u32::try_from(delivery).expect("few"));
        let tag = Value::Binary(vec![u8::try_from(delivery).expect("few")].into());
        let fields = vec![
            Value::Uint(0),
            number,
            tag,
            Value::Uint(0x1234),
            Value::Boolean(false),
            Value::Null,
            Value::Null,
            state,
        ];
        let mut bytes = Vec::new();
        frame::amqp(&mut bytes, 0, |out| {
            described(Value::Ulong(0x14), Value::List(fields)).encode(out);
            out.extend_from_slice(&body);
        });
        peer.send(&bytes);
        assert_eq!(peer.outcome().2, None);
    }
}

/// Receives them, with states that decide nothing before one that does.
fn settle_with_strange_states(peer: &mut Wire) {
    peer.attach_receiver("open-values", 3);
    peer.until(|performative| matches!(performative, Performative::Transfer(_)).then_some(()));
    // States that decide nothing leave the delivery as it is.
    for state in [strange(), text("accepted"), Value::Ulong(7)] {
        let fields = vec![Value::Boolean(true), Value::Uint(0), Value::Uint(2), Value::Boolean(false), state];
        peer.send(&framed(0x15, fields));
    }
    let (role, settled) = (Role::Receiver, true);
    peer.put(&Performative::Disposition(Disposition {
        role,
        first: 0,
        last: Some(2),
        settled,
        state: Some(amqp_codec::performative::DeliveryState::Accepted),
        batchable: false,
    }));
}

#[test]
fn what_is_no_frame_of_amqp_closes_the_connection() {
    let broker = Broker::start(LISTENER);
    let begin = |field: usize, value: Value| {
        let mut fields = vec![Value::Null, Value::Uint(0), Value::Uint(1), Value::Uint(1)];
        fields.resize(8, Value::Null);
        fields[field] = value;
        framed(0x11, fields)
    };
    let disposition = |state: Value| {
        framed(0x15, vec![Value::Boolean(true), Value::Uint(0), Value::Null, Value::Boolean(true), state])
    };
    for (bytes, condition) in [
        (begin(5, text("x-own")), "amqp:decode-error"),
        (begin(1, Value::Null), "amqp:invalid-field"),
        (framed(0x12, vec![Value::Null, Value::Uint(0), Value::Boolean(true)]), "amqp:invalid-field"),
        (framed(0x12, vec![text("x"), text("0"), Value::Boolean(true)]), "amqp:decode-error"),
        // A state that the specification has, with something else in it.
        (disposition(described(Value::Ulong(0x24), text("x"))), "amqp:decode-error"),
        (framed(0x16, vec![Value::Uint(0), Value::Boolean(true), strange()]), "amqp:decode-error"),
        (framed(0x99, Vec::new()), "amqp:decode-error"),
    ] {
        let mut peer = opened(&broker);
        peer.send(&bytes);
        assert_eq!(peer.closed().map(|error| error.condition.as_str().to_owned()).as_deref(), Some(condition));
    }
}
