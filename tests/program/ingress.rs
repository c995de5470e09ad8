//! When a message came, said by an annotation, where the settings of its address ask for it.

use std::time::{SystemTime, UNIX_EPOCH};

use engine_message::reader::Reader;
use engine_message::section;
use engine_message::value::{Map, Value};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, opened};

const STAMPED: &str =
    "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nmatch = \"stamped.#\"\ningress_timestamp = true\n";

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is behind the epoch");
    i64::try_from(since.as_millis()).expect("it is near")
}

/// What a message says of its arrival.
fn ingress(message: &[u8]) -> Option<Value> {
    let sections = section::scan(message).expect("a message");
    let mut reader = Reader::new(&message[sections.message_annotations]);
    reader.descriptor().ok()?;
    Map::read(&mut reader).expect("annotations").get("x-opt-ingress-time").cloned()
}

#[test]
fn a_message_says_when_it_came_where_that_is_asked_for_also_behind_a_kill() {
    for shards in [1, 3] {
        let before = now_ms();
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, STAMPED);
        for (queue, durable) in [("stamped.a", Durable::Yes), ("plain", Durable::Yes), ("stamped.b", Durable::No)] {
            let mut sender = opened(&broker);
            sender.attach_sender(queue);
            sender.send_accepted(durable, [b"x".to_vec()]);
            wait_for("it", || broker.queue(queue).filter(|queue| queue["messages"] == 1));
        }
        let after = now_ms();
        let is_then = |came: Option<Value>| matches!(came, Some(Value::Long(ms)) if (before..=after).contains(&ms));
        let receive = |broker: &Broker, queue: &str| {
            let mut receiver = opened(broker);
            receiver.attach_receiver(queue, 1);
            let (_, message) = receiver.receive_encoded();
            assert!(message.ends_with(b"x"));
            ingress(&message)
        };
        assert!(is_then(receive(&broker, "stamped.b")));
        let broker = Broker::start_with(broker.kill(), shards, STAMPED);
        assert!(is_then(receive(&broker, "stamped.a")), "it is kept with the message");
        assert_eq!(receive(&broker, "plain"), None);
    }
}
