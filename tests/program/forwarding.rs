//! Messages that are rejected or expire, and the addresses where they go: on the same shard and on others, behind a kill, in files, out of
//! subscriptions, and to where there is no room.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use engine_message::reader::Reader;
use engine_message::section;
use engine_message::value::{Map, Value};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, End, Peer, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
const DEAD: &str = "[[address]]\nmatch = \"orders.#\"\ndead_letter_address = \"dead\"\nexpiry_address = \"late\"\n";

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

fn start(folder: TempDir, shards: u16, addresses: &str) -> Broker {
    Broker::start_with(folder, shards, &format!("{LISTENER}{addresses}"))
}

fn figure(broker: &Broker, queue: &str, name: &str) -> Option<u64> {
    broker.queue(queue)?[name].as_u64()
}

/// Whether everything that happened is in the journals of all shards.
fn is_written(broker: &Broker) -> bool {
    let state = broker.state();
    let shards = state["shards"].as_array().expect("shards");
    shards.iter().all(|shard| shard["journal"]["pending_bytes"] == 0)
}

/// Names of queues, some of which are on another shard than the one where dead letters go if there are several.
fn queues() -> impl Iterator<Item = String> {
    (0..6).map(|number| format!("orders.{number}"))
}

/// Sends durable messages with these bodies, and rejects them.
fn reject(broker: &Broker, queue: &str, durable: Durable, bodies: &[&[u8]]) {
    let mut sender = opened(broker);
    sender.attach_sender(queue);
    sender.send_accepted(durable, bodies.iter().map(|body| body.to_vec()));
    reject_all(broker, queue, bodies.len());
}

/// Rejects what is there; gives it.
fn reject_all(broker: &Broker, queue: &str, count: usize) -> Vec<Vec<u8>> {
    let mut receiver = opened(broker);
    receiver.attach_receiver(queue, 100);
    let got: Vec<(u32, Vec<u8>)> = (0..count).map(|_| receiver.receive()).collect();
    for (delivery, _) in &got {
        receiver.reject(*delivery, *delivery, "it is closed");
    }
    // What is said is heard before the connection ends.
    let rejected = |broker: &Broker| figure(broker, queue, "rejected");
    wait_for("the rejection", || (rejected(broker).is_none_or(|total| total >= count as u64)).then_some(()));
    got.into_iter().map(|(_, body)| body).collect()
}

fn annotations(message: &[u8]) -> Map {
    let sections = section::scan(message).expect("a message");
    let mut reader = Reader::new(&message[sections.message_annotations]);
    reader.descriptor().expect("annotations");
    Map::read(&mut reader).expect("annotations")
}

fn text<'a>(map: &'a Map, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_text).unwrap_or_else(|| panic!("{key} is told: {map:?}"))
}

/// Takes so many messages of a queue, and accepts them.
fn take(broker: &Broker, queue: &str, count: usize) -> Vec<Vec<u8>> {
    let mut receiver = opened(broker);
    receiver.attach_receiver(queue, 100);
    let got: Vec<(u32, Vec<u8>)> = (0..count).map(|_| receiver.receive_encoded()).collect();
    for (delivery, _) in &got {
        receiver.accept(*delivery, *delivery);
    }
    wait_for("its end", || (figure(broker, queue, "messages").unwrap_or(0) == 0).then_some(()));
    got.into_iter().map(|(_, message)| message).collect()
}

#[test]
fn what_is_rejected_comes_to_the_dead_letter_address_and_says_why() {
    for shards in [1, 3] {
        let broker = start(folder(), shards, DEAD);
        // The address of dead letters goes with the last of them, and is made again.
        for durable in [Durable::Yes, Durable::No] {
            for queue in queues() {
                reject(&broker, &queue, durable, &[queue.as_bytes()]);
            }
            let got = take(&broker, "dead", 6);
            let mut from = BTreeSet::new();
            for message in &got {
                let map = annotations(message);
                let origin = text(&map, "x-opt-ORIG-ADDRESS").to_owned();
                assert!(message.ends_with(origin.as_bytes()), "it is the message that was sent there");
                assert_eq!(text(&map, "x-opt-ORIG-QUEUE"), origin);
                assert_eq!((text(&map, "x-opt-LAST-ADDRESS"), text(&map, "x-opt-MOVE-REASON")), (&*origin, "rejected"));
                assert_eq!(text(&map, "x-opt-MOVE-CONDITION"), "shop:closed");
                assert_eq!(text(&map, "x-opt-MOVE-DESCRIPTION"), "it is closed");
                assert!(matches!(map.get("x-opt-MOVE-TIME"), Some(Value::Timestamp(at)) if *at > 1_700_000_000_000));
                from.insert(origin);
            }
            assert_eq!(from, queues().collect());
            for queue in queues() {
                wait_for("it to leave", || (figure(&broker, &queue, "messages").unwrap_or(0) == 0).then_some(()));
            }
        }
    }
}

/// Names of queues with one durable message each, of which a consumer that takes it down is rid after three times.
const ATTEMPTS: &str = "[[address]]\nmatch = \"orders.#\"\ndead_letter_address = \"dead\"\nmax_delivery_attempts = 3\n";

#[test]
fn what_takes_its_consumers_down_comes_to_the_dead_letter_address_though_the_node_is_killed_meanwhile() {
    for shards in [1, 3] {
        let mut broker = start(folder(), shards, ATTEMPTS);
        for queue in queues() {
            let mut sender = opened(&broker);
            sender.attach_sender(&queue);
            sender.send_accepted(Durable::Yes, [queue.clone().into_bytes()]);
        }
        for attempt in 0..3 {
            for queue in queues() {
                let mut receiver = opened(&broker);
                receiver.attach_receiver(&queue, 10);
                let (_, message) = receiver.receive_encoded();
                let section = section::scan(&message).expect("a message").header;
                let header = section::Header::decode(&message[section]).expect("a header");
                assert_eq!(header.delivery_count, attempt, "{queue}");
                // Whoever dies says nothing.
                drop(receiver.into_inner());
                let waits = |state: &serde_json::Value| state["acquired"] == 0;
                wait_for("it to be seen", || broker.queue(&queue).is_none_or(|state| waits(&state)).then_some(()));
            }
            if attempt == 1 {
                wait_for("the journal", || is_written(&broker).then_some(()));
                broker = start(broker.kill(), shards, ATTEMPTS);
            }
        }
        let got = take(&broker, "dead", 6);
        let from = got.iter().map(|message| {
            let map = annotations(message);
            assert_eq!(text(&map, "x-opt-MOVE-REASON"), "max-delivery-attempts");
            assert_eq!(map.get("x-opt-MOVE-DELIVERY-COUNT"), Some(&Value::Uint(3)));
            text(&map, "x-opt-ORIG-ADDRESS").to_owned()
        });
        assert_eq!(from.collect::<BTreeSet<_>>(), queues().collect());
    }
}

#[test]
fn what_failed_is_given_again_after_a_while_and_others_meanwhile() {
    const DELAY: Duration = Duration::from_millis(300);
    let delays = "[[address]]\nmatch = \"orders.#\"\nredelivery_delay_ms = 300\nredelivery_growth = 200\n";
    for shards in [1, 3] {
        let broker = start(folder(), shards, delays);
        for queue in queues().take(3) {
            let mut sender = opened(&broker);
            sender.attach_sender(&queue);
            sender.send_accepted(Durable::Yes, [b"first".to_vec(), b"second".to_vec()]);
            let mut lost = opened(&broker);
            lost.attach_receiver(&queue, 1);
            assert_eq!(lost.receive().1, b"first");
            let since = Instant::now();
            drop(lost.into_inner());
            wait_for("its wait", || (figure(&broker, &queue, "delayed") == Some(1)).then_some(()));
            let mut receiver = opened(&broker);
            receiver.attach_receiver(&queue, 10);
            assert_eq!(receiver.receive().1, b"second");
            let (delivery, message) = receiver.receive();
            assert_eq!(message, b"first");
            assert!(since.elapsed() >= DELAY, "{queue}: {:?}", since.elapsed());
            receiver.accept(0, delivery);
            wait_for("its end", || broker.queue(&queue).is_none_or(|queue| queue["messages"] == 0).then_some(()));
        }
    }
}

#[test]
fn whoever_says_goodbye_may_see_a_message_as_often_as_it_likes() {
    let broker = start(folder(), 1, ATTEMPTS);
    let mut sender = opened(&broker);
    sender.attach_sender("orders.1");
    sender.send_accepted(Durable::Yes, [b"it stays".to_vec()]);
    for _ in 0..5 {
        let mut receiver = opened(&broker);
        receiver.attach_receiver("orders.1", 10);
        assert_eq!(receiver.receive().1, b"it stays");
        receiver.close();
        wait_for("it to come back", || (figure(&broker, "orders.1", "acquired") == Some(0)).then_some(()));
    }
    assert_eq!(figure(&broker, "orders.1", "messages"), Some(1));
}

#[test]
fn what_expires_comes_to_the_expiry_address() {
    for shards in [1, 3] {
        let broker = start(folder(), shards, DEAD);
        for queue in queues() {
            let mut sender = opened(&broker);
            sender.attach_sender(&queue);
            // A durable message with a time to live of 100 ms.
            let header = [0x00, 0x53, 0x70, 0xc0, 5, 3, 0x41, 0x40, 0x52, 100];
            let body = [&[0x00, 0x53, 0x75, 0xb0, 0, 0, 0, queue.len() as u8][..], queue.as_bytes()].concat();
            sender.send_encoded(0, &[&header[..], &body].concat());
            assert_eq!(sender.outcome(), (0, 0, None));
        }
        let got = take(&broker, "late", 6);
        for message in &got {
            let map = annotations(message);
            assert_eq!(text(&map, "x-opt-MOVE-REASON"), "expired");
            assert!(matches!(map.get("x-opt-ACTUAL-EXPIRY"), Some(Value::Long(at)) if *at > 1_700_000_000_000));
            assert!(message.ends_with(text(&map, "x-opt-ORIG-ADDRESS").as_bytes()));
        }
    }
}

#[test]
fn nothing_durable_is_lost_between_the_two_behind_a_kill() {
    for shards in [1, 3] {
        // One finds room where it goes, the others wait.
        let small = format!("{DEAD}[[address]]\nmatch = \"dead\"\nmax_messages = 1\nwhen_full = \"refuse\"\n");
        let broker = start(folder(), shards, &small);
        for queue in queues() {
            reject(&broker, &queue, Durable::Yes, &[queue.as_bytes()]);
        }
        let waiting = |broker: &Broker| queues().filter_map(|queue| figure(broker, &queue, "forwarding")).sum::<u64>();
        wait_for("one to be there, and others to wait", || {
            (waiting(&broker) == 5 && figure(&broker, "dead", "messages") == Some(1)).then_some(())
        });
        wait_for("them to be refused", || {
            let refused = queues().filter_map(|queue| figure(&broker, &queue, "turned_back")).sum::<u64>();
            (refused >= 5).then_some(())
        });
        let broker = start(broker.kill(), shards, DEAD);
        // What had not left is in its queue again, and with it what had and was not known to.
        let left: Vec<String> = queues().filter(|queue| figure(&broker, queue, "messages") == Some(1)).collect();
        assert!(left.len() >= 5, "{left:?}");
        for queue in &left {
            assert_eq!(reject_all(&broker, queue, 1), [queue.as_bytes()]);
        }
        wait_for("them to be there", || {
            (waiting(&broker) == 0 && figure(&broker, "dead", "messages") > Some(5)).then_some(())
        });
        // On one shard that may be said before it is on stable storage: nobody was told yet who waits for it.
        wait_for("the journals to have it", || is_written(&broker).then_some(()));
        let broker = start(broker.kill(), shards, DEAD);
        let count = figure(&broker, "dead", "messages").expect("it is there") as usize;
        let got: BTreeSet<String> = take(&broker, "dead", count)
            .iter()
            .map(|message| text(&annotations(message), "x-opt-ORIG-QUEUE").to_owned())
            .collect();
        assert_eq!(got, queues().collect());
    }
}

#[test]
fn what_finds_no_room_comes_when_there_is_some() {
    let small = format!("{DEAD}[[address]]\nmatch = \"dead\"\nmax_messages = 1\nwhen_full = \"refuse\"\n");
    let broker = start(folder(), 3, &small);
    reject(&broker, "orders.0", Durable::No, &[b"a", b"b", b"c"]);
    for left in [2, 1, 0] {
        wait_for("the next one", || {
            let there = figure(&broker, "dead", "messages") == Some(1);
            (there && figure(&broker, "orders.0", "forwarding").unwrap_or(0) == left).then_some(())
        });
        take(&broker, "dead", 1);
    }
}

#[test]
fn what_may_not_be_made_is_waited_for() {
    let strict = format!("{DEAD}[[address]]\nmatch = \"dead\"\nauto_create = false\n");
    let broker = start(folder(), 3, &strict);
    reject(&broker, "orders.0", Durable::Yes, &[b"a"]);
    wait_for("it to be refused", || (figure(&broker, "orders.0", "turned_back") >= Some(1)).then_some(()));
    assert_eq!(figure(&broker, "orders.0", "messages"), Some(1), "it stays");
    let declared = format!("{DEAD}[[address]]\nname = \"dead\"\nauto_create = false\n");
    let broker = start(broker.stop(), 3, &declared);
    assert_eq!(reject_all(&broker, "orders.0", 1), [b"a"]);
    assert!(take(&broker, "dead", 1)[0].ends_with(b"a"));
}

/// What a consumer of a topic gets, and one that rejects it and goes at once.
#[test]
fn a_subscriber_that_rejects_and_goes_leaves_a_dead_letter() {
    for shards in [1, 3] {
        let topic = format!("{DEAD}[[address]]\nmatch = \"orders.news\"\nrouting = \"multicast\"\n");
        let broker = start(folder(), shards, &topic);
        let mut readers: Vec<Peer<TcpStream>> = (0..2).map(|_| opened(&broker)).collect();
        readers.iter_mut().for_each(|reader| reader.attach_receiver("orders.news", 2));
        let mut sender = opened(&broker);
        sender.attach_sender("orders.news");
        sender.send_message(0, Durable::Yes, b"news");
        assert_eq!(sender.outcome(), (0, 0, None));
        let mut leaving = readers.pop().expect("there are two");
        let (delivery, _) = leaving.receive();
        leaving.reject(delivery, delivery, "not for me");
        leaving.close();
        let got = take(&broker, "dead", 1);
        let map = annotations(&got[0]);
        assert_eq!(
            (text(&map, "x-opt-ORIG-ADDRESS"), text(&map, "x-opt-MOVE-DESCRIPTION")),
            ("orders.news", "not for me")
        );
        assert_eq!(readers[0].receive().1, b"news", "the other copy is the other one's");
    }
}

fn files(broker: &Broker) -> usize {
    std::fs::read_dir(broker.folder.path().join("data/large")).map_or(0, Iterator::count)
}

#[test]
fn a_large_message_keeps_its_file_on_its_way() {
    const BYTES: usize = 3_000_000;
    for shards in [1, 3] {
        let broker = start(folder(), shards, DEAD);
        for queue in queues() {
            let mut peer = opened(&broker);
            peer.attach_sender(&queue);
            peer.send_large(0, Durable::Yes, BYTES, End::Whole);
            assert_eq!(peer.outcome(), (0, 0, None));
            let mut reader = opened(&broker);
            reader.attach_receiver(&queue, 1);
            let (delivery, bytes) = reader.receive_large();
            assert_eq!(bytes, BYTES);
            reader.reject(delivery, delivery, "too large for me");
            wait_for("it to leave", || (figure(&broker, &queue, "rejected").is_none_or(|all| all == 1)).then_some(()));
        }
        wait_for("them to be there", || (figure(&broker, "dead", "messages") == Some(6)).then_some(()));
        wait_for("the first names of their files to go", || (files(&broker) == 6).then_some(()));
        let broker = start(broker.kill(), shards, DEAD);
        let count = figure(&broker, "dead", "messages").expect("it is there");
        assert!(count >= 6);
        let mut reader = opened(&broker);
        reader.attach_receiver("dead", 100);
        for _ in 0..count {
            let (delivery, bytes, front) = reader.receive_large_with_front();
            assert_eq!(bytes, BYTES);
            assert_eq!(text(&annotations(&front), "x-opt-MOVE-DESCRIPTION"), "too large for me");
            reader.accept(delivery, delivery);
        }
        for queue in queues().filter(|queue| figure(&broker, queue, "messages") == Some(1)) {
            // It left, and that was not known when the broker was killed.
            let mut reader = opened(&broker);
            reader.attach_receiver(&queue, 1);
            let (delivery, _) = reader.receive_large();
            reader.accept(delivery, delivery);
        }
        wait_for("the files to go", || (files(&broker) == 0).then_some(()));
    }
}
