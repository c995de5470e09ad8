//! What real clients put on the wire, against the machine: streams recorded by `tests/golden/capture.py`, events beside them.
//!
//! Guarantees shown: the events do not depend on how the octets arrive; none of these clients does anything that is an
//! error. `HEDDLE_GOLDEN=write` writes the events of new streams; what changes is read before it is kept.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use amqp_codec::performative::Role;
use amqp_proto::{
    Authenticated, Config, Connection, DeliveryOutcome, Event, Input, Mechanism, Out, Part, Payload, Send, Settled,
};
use bytes::Bytes;

/// Runs a stream whose octets arrive `step` at a time; gives a line for each event.
fn run(stream: &[u8], step: usize) -> String {
    let config = Config { mechanisms: vec![Mechanism::Anonymous, Mechanism::Plain], ..Config::default() };
    let mut machine = Connection::server(Arc::new(config), 0);
    let mut out = Out::default();
    let mut lines = String::new();
    let mut kept = Vec::new();
    for arrived in stream.chunks(step) {
        kept.extend_from_slice(arrived);
        let bytes = std::mem::take(&mut kept);
        let mut input = Input::new(&bytes);
        loop {
            while let Some(delivery) = machine.next_delivery(0, &mut input) {
                line(&mut lines, delivery.payload.len(), delivery.settled);
                machine.settle(delivery.link, delivery.delivery, delivery.delivery, DeliveryOutcome::Accepted);
            }
            let Some(event) = machine.handle_input(0, &mut input, &mut out) else { break };
            answer(&mut machine, &mut out, &mut lines, event);
            machine.check();
        }
        kept.extend_from_slice(&bytes[input.consumed()..]);
        machine.poll_output(0, &mut out);
        out.advance(out.len());
    }
    assert!(kept.is_empty() || machine.is_closed(), "everything was understood");
    lines
}

fn line(lines: &mut String, bytes: usize, settled: Settled) {
    writeln!(lines, "delivery of {bytes} octets, settled: {}", settled.is_yes()).expect("memory");
}

fn answer(machine: &mut Connection, out: &mut Out, lines: &mut String, event: Event<'_>) {
    let text = match event {
        Event::Tls => "tls".to_owned(),
        Event::Authenticate(credentials) => {
            machine.authenticated(Authenticated::Yes, out);
            format!("authenticate {credentials:?}")
        }
        Event::OpenAsked(open) => {
            let answer = machine.config().server_open();
            machine.accept_open(answer, out);
            format!(
                "open, max-frame-size {}, channel-max {}, idle-time-out {:?}",
                open.max_frame_size, open.channel_max, open.idle_timeout_ms
            )
        }
        Event::Begun(session) => format!("begin {}", session.0),
        Event::AttachAsked(link, attach) => {
            let (role, name) = (attach.role, attach.name.len());
            let modes = (attach.snd_settle_mode, attach.rcv_settle_mode);
            let text = format!(
                "attach {} as {role:?}, {modes:?}, a name of {name} octets\n  {:?}\n  {:?}",
                link.handle, attach.source, attach.target
            );
            machine.accept_attach(link, attach.answer(), out);
            if role == Role::Sender {
                machine.grant(link, 100);
            }
            text
        }
        Event::Delivery { link, delivery, settled, payload, .. } => {
            machine.settle(link, delivery, delivery, DeliveryOutcome::Accepted);
            let bytes = match payload {
                Payload::Borrowed(bytes) => bytes.len(),
                Payload::Owned(bytes) => bytes.len(),
            };
            return line(lines, bytes, settled);
        }
        Event::Part { .. } => panic!("nothing is streamed without being asked for"),
        Event::Credit { link, credit, drain } => {
            let body = Bytes::from_static(&[0x00, 0x53, 0x77, 0xa1, 2, b'h', b'i']);
            let send = Send { key: 7, settled: Settled::No, format: 0, prefix: &[], body: &body, part: Part::Whole };
            if credit > 0 {
                machine.send(link, send, out);
            }
            if drain.is_yes() {
                machine.drained(link);
            }
            format!("credit {credit}, drain: {}", drain.is_yes())
        }
        Event::Settled(outcome) => {
            let count = std::iter::from_fn(|| machine.next_settled()).count();
            format!("{count} settled: {outcome:?}")
        }
        Event::Drained(_) => "drained".to_owned(),
        Event::Opened(_) | Event::Attached(..) => panic!("nothing was asked of it: {event:?}"),
        // Proton settles what was settled, once more.
        Event::Confirmed(_) => return,
        Event::Updated(_) | Event::Ignored { .. } => panic!("none of them does that: {event:?}"),
        Event::Detached { link, closing, error } => {
            format!("detach {}, closed: {}, {error:?}", link.handle, closing.is_closed())
        }
        Event::Ended(session, error) => format!("end {}, {error:?}", session.0),
        Event::Closed(error) => format!("close, {error:?}"),
    };
    writeln!(lines, "{text}").expect("memory");
}

#[test]
fn recorded_clients_are_understood_however_their_octets_arrive() {
    let folder = Path::new("tests/golden");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the recordings") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "bin") {
            continue;
        }
        count += 1;
        let stream = std::fs::read(&path).expect("readable");
        let whole = run(&stream, stream.len());
        assert_eq!(run(&stream, 1), whole, "{}: octet by octet", path.display());
        assert_eq!(run(&stream, 7), whole, "{}: seven at a time", path.display());
        let events = path.with_extension("txt");
        if std::env::var_os("HEDDLE_GOLDEN").is_some_and(|what| what == "write") {
            std::fs::write(&events, &whole).expect("writable");
        }
        let expected = std::fs::read_to_string(&events).expect("events beside the stream");
        assert_eq!(whole, expected, "{}", path.display());
        assert!(!whole.contains("Some(AmqpError"), "{}: no error came of it:\n{whole}", path.display());
    }
    assert!(count >= 40, "six clients were recorded, not {count} streams");
}
