//! Queues that keep the last value of each key: behind kills, on several shards, and with more of them than memory has room for.

use std::collections::BTreeMap;

use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::opened;

const SETTINGS: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[limits]\nmemory_mib = 8\n\
    [[address]]\nmatch = \"last.#\"\nlast_value_key = \"key\"\n[[address]]\nmatch = \"last.table\"\nnon_destructive = true\n";
/// Messages of one connection: fewer than its first credit.
const BATCH: usize = 200;

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

/// A durable message whose property `key` is a number, and whose body is another one and so many octets more.
fn valued(key: u32, value: u32, octets: usize) -> Vec<u8> {
    let mut message =
        vec![0, 0x53, 0x70, 0xc0, 2, 1, 0x41, 0, 0x53, 0x74, 0xc1, 11, 2, 0xa1, 3, b'k', b'e', b'y', 0x70];
    message.extend(key.to_be_bytes());
    message.extend([0, 0x53, 0x75, 0xb0]);
    message.extend(u32::try_from(octets + 8).expect("short").to_be_bytes());
    message.resize(message.len() + octets, 7);
    message.extend(key.to_be_bytes());
    message.extend(value.to_be_bytes());
    message
}

/// Sends values of keys and waits until all are accepted.
fn send(broker: &Broker, queue: &str, octets: usize, values: &[(u32, u32)]) {
    for batch in values.chunks(BATCH) {
        let mut sender = opened(broker);
        sender.attach_sender(queue);
        for (delivery, &(key, value)) in (0..).zip(batch) {
            sender.send_encoded(delivery, &valued(key, value, octets));
        }
        let mut accepted = 0;
        while accepted < batch.len() {
            let (first, last, state) = sender.outcome();
            assert_eq!(state, None, "it is accepted");
            accepted += (last - first + 1) as usize;
        }
        sender.close();
    }
}

fn figure(broker: &Broker, queue: &str, name: &str) -> u64 {
    broker.queue(queue).and_then(|queue| queue[name].as_u64()).unwrap_or(0)
}

/// Receives so many messages, and gives their values in their order.
fn receive(broker: &Broker, queue: &str, count: usize) -> Vec<(u32, u32)> {
    let mut receiver = opened(broker);
    receiver.attach_receiver(queue, u32::try_from(count).expect("few"));
    let number = |octets: &[u8]| u32::from_be_bytes(octets.try_into().expect("four"));
    let values = (0..count).map(|_| {
        let (_, message) = receiver.receive_encoded();
        let end = message.len();
        (number(&message[end - 8..end - 4]), number(&message[end - 4..]))
    });
    let values = values.collect();
    receiver.close();
    values
}

#[test]
fn the_last_value_of_each_key_is_there_behind_a_kill() {
    for shards in [1, 3] {
        let mut broker = Broker::start_with(folder(), shards, SETTINGS);
        let queues = ["last.a", "last.b", "last.table"];
        let mut wanted = BTreeMap::new();
        for round in 0..3 {
            let values: Vec<(u32, u32)> = (0..60).map(|number| (number % (7 + round), 100 * round + number)).collect();
            wanted.extend(values.iter().copied());
            for queue in queues {
                send(&broker, queue, 10, &values);
                assert_eq!(figure(&broker, queue, "messages"), wanted.len() as u64, "{queue}");
            }
            broker = Broker::start_with(broker.kill(), shards, SETTINGS);
            for queue in queues {
                wait_for("the backlog to be read", || {
                    (figure(&broker, queue, "messages") == wanted.len() as u64).then_some(())
                });
                let got = receive(&broker, queue, wanted.len());
                assert_eq!(got.into_iter().collect::<BTreeMap<_, _>>(), wanted, "{queue}, {shards} shards");
            }
        }
    }
}

/// 12 MB of values where a queue has 1 MiB in memory: replaced twice, killed, replaced again.
#[test]
fn more_values_than_memory_has_room_for_are_replaced_where_they_are() {
    const KEYS: u32 = 3000;
    let broker = Broker::start_with(folder(), 1, SETTINGS);
    let values = |round: u32| (0..KEYS).map(|key| (key, 10_000 * round + key)).collect::<Vec<_>>();
    for round in 0..2 {
        send(&broker, "last.a", 4000, &values(round));
        assert_eq!(figure(&broker, "last.a", "messages"), u64::from(KEYS));
    }
    assert!(figure(&broker, "last.a", "paged") > u64::from(KEYS) / 2, "most of them are on disk only");
    assert_eq!(figure(&broker, "last.a", "dropped"), u64::from(KEYS));
    let broker = Broker::start_with(broker.kill(), 1, SETTINGS);
    wait_for("the backlog to be read", || (figure(&broker, "last.a", "messages") == u64::from(KEYS)).then_some(()));
    send(&broker, "last.a", 4000, &values(2)[..1000]);
    wait_for("the others to leave", || (figure(&broker, "last.a", "messages") == u64::from(KEYS)).then_some(()));
    let got = receive(&broker, "last.a", KEYS as usize);
    let wanted: Vec<_> = values(1)[1000..].iter().chain(&values(2)[..1000]).copied().collect();
    assert_eq!(got, wanted, "those that were replaced last are at the end");
}
