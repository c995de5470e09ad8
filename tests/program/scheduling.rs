//! Messages that name a time before which they are not to be given, on the real program, behind kills too.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine_message::value::{Map, Value};
use tempfile::TempDir;

use crate::broker::Broker;
use crate::peer::{Durable, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"";
const DURABLE: [u8; 7] = [0x00, 0x53, 0x70, 0xc0, 2, 1, 0x41];
const WAIT: Duration = Duration::from_millis(700);

/// A durable message with one annotation, and a body as `Peer::receive` looks for it.
fn annotated(key: &'static str, value: Value, body: &[u8]) -> Vec<u8> {
    let mut map = Map::default();
    map.set(key, value);
    let mut message = DURABLE.to_vec();
    message.extend([0x00, 0x53, 0x72]);
    map.encode(&mut message);
    message.extend([0x00, 0x53, 0x75, 0xb0]);
    message.extend(u32::try_from(body.len()).expect("a short body").to_be_bytes());
    message.extend(body);
    message
}

fn in_a_while() -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is behind 1970") + WAIT;
    Value::Long(i64::try_from(now.as_millis()).expect("it fits"))
}

fn delay() -> Value {
    Value::Uint(u32::try_from(WAIT.as_millis()).expect("it fits"))
}

fn send(broker: &Broker, queue: &str, message: &[u8]) -> Option<String> {
    let mut peer = opened(broker);
    peer.attach_sender(queue);
    peer.send_encoded(0, message);
    peer.outcome().2
}

#[test]
fn a_message_comes_when_its_time_has_come_behind_a_kill_and_others_meanwhile() {
    for (shards, queue) in [(1, "later-0"), (3, "later-1"), (3, "later-2"), (3, "later-3")] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
        let begun = Instant::now();
        assert_eq!(send(&broker, queue, &annotated("x-opt-delivery-delay", delay(), b"delayed")), None);
        assert_eq!(send(&broker, queue, &annotated("x-opt-delivery-time", in_a_while(), b"scheduled")), None);
        assert_eq!(send(&broker, queue, &annotated("x-opt-other", Value::Uint(1), b"now")), None);
        let broker = Broker::start_with(broker.kill(), shards, LISTENER);
        let mut reader = opened(&broker);
        reader.attach_receiver(queue, 10);
        let mut came: Vec<(Vec<u8>, Duration)> = (0..3).map(|_| (reader.receive().1, begun.elapsed())).collect();
        // A machine that does other things may start it when their time has come.
        let is_first = came[0].0 == b"now";
        assert!(is_first || came[0].1 >= WAIT, "{came:?}");
        came.sort();
        let bodies: Vec<&[u8]> = came.iter().map(|(body, _)| body.as_slice()).collect();
        assert_eq!(bodies, [&b"delayed"[..], b"now", b"scheduled"]);
        assert!(came.iter().all(|(body, at)| body == b"now" || *at >= WAIT), "{came:?}");
    }
}

#[test]
fn a_topic_has_them_wait_as_well() {
    let broker = Broker::start_with(
        TempDir::new().expect("a folder"),
        2,
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n\
         [[address]]\nname = \"news\"\nrouting = \"multicast\"\n",
    );
    let mut reader = opened(&broker);
    reader.attach_receiver("news", 10);
    let begun = Instant::now();
    assert_eq!(send(&broker, "news", &annotated("x-opt-delivery-delay", delay(), b"later")), None);
    assert_eq!(send(&broker, "news", &annotated("x-opt-other", Value::Null, b"now")), None);
    let came = [reader.receive().1, reader.receive().1];
    assert!(begun.elapsed() >= WAIT);
    assert!(came.contains(&b"now".to_vec()) && came.contains(&b"later".to_vec()), "{came:?}");
}

#[test]
fn a_large_message_waits_too() {
    const BYTES: usize = 3 << 20;
    for key in ["x-opt-delivery-delay", "x-opt-other"] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), 2, LISTENER);
        let begun = Instant::now();
        let mut peer = opened(&broker);
        peer.attach_sender("large");
        let front = annotated(key, delay(), b"");
        peer.send_large_behind(0, &front[..front.len() - 8], BYTES);
        assert_eq!(peer.outcome().2, None);
        let broker = Broker::start_with(broker.kill(), 2, LISTENER);
        let mut reader = opened(&broker);
        reader.attach_receiver("large", 1);
        assert_eq!(reader.receive_large().1, BYTES);
        assert!(key == "x-opt-other" || begun.elapsed() >= WAIT, "{:?}", begun.elapsed());
    }
}

#[test]
fn what_is_no_time_is_refused_and_said() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 2, LISTENER);
    for key in ["x-opt-delivery-delay", "x-opt-delivery-time"] {
        let soon = Value::String("soon".to_owned());
        let why = send(&broker, "q", &annotated(key, soon, b"never")).expect("it is refused");
        assert!(why.contains("amqp:invalid-field") && why.contains(key), "{why}");
    }
    let mut peer = opened(&broker);
    peer.attach_sender("q");
    peer.send_accepted(Durable::No, [b"fine".to_vec()]);
    peer.attach_receiver("q", 5);
    assert_eq!(peer.receive().1, b"fine");
}
