//! What queues keep: the newest messages only, none without consumers, none that there is no room for; behind kills, on several shards, and
//! while settings change.

use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
const RING: &str = "[[address]]\nmatch = \"ring.#\"\nring_size = 3\n";
const PURGED: &str = "[[address]]\nmatch = \"purged.#\"\npurge_on_no_consumers = true\n";

fn start(folder: TempDir, shards: u16, addresses: &str) -> Broker {
    Broker::start_with(folder, shards, &format!("{LISTENER}{addresses}"))
}

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

fn figure(broker: &Broker, queue: &str, name: &str) -> u64 {
    broker.queue(queue).and_then(|queue| queue[name].as_u64()).unwrap_or(0)
}

/// Sends so many messages, each of which is its number, and waits until they are accepted.
fn send(broker: &Broker, queue: &str, durable: Durable, numbers: std::ops::Range<u8>) {
    let mut sender = opened(broker);
    sender.attach_sender(queue);
    sender.send_accepted(durable, numbers.map(|number| vec![number]));
}

/// Names of queues, which are on several shards if there are several.
fn names(of: &str) -> Vec<String> {
    (0..4).map(|number| format!("{of}.{number}")).collect()
}

#[test]
fn a_ring_keeps_the_newest_behind_a_kill() {
    for shards in [1, 3] {
        let broker = start(folder(), shards, RING);
        for queue in names("ring") {
            send(&broker, &queue, Durable::Yes, 0..20);
            assert_eq!((figure(&broker, &queue, "messages"), figure(&broker, &queue, "dropped")), (3, 17), "{queue}");
        }
        let broker = start(broker.kill(), shards, RING);
        for queue in names("ring") {
            let mut receiver = opened(&broker);
            receiver.attach_receiver(&queue, 10);
            let got: Vec<Vec<u8>> = (0..3).map(|_| receiver.receive().1).collect();
            assert_eq!(got, [[17], [18], [19]]);
            // What is held does not count; further ones push each other out.
            send(&broker, &queue, Durable::Yes, 20..21);
            assert_eq!(receiver.receive().1, [20]);
        }
    }
}

#[test]
fn a_ring_that_is_smaller_after_a_restart_keeps_the_newest() {
    let broker = start(folder(), 1, &RING.replace('3', "12"));
    send(&broker, "ring.a", Durable::Yes, 0..20);
    assert_eq!(figure(&broker, "ring.a", "messages"), 12);
    let broker = start(broker.stop(), 1, RING);
    wait_for("the older ones to leave", || (figure(&broker, "ring.a", "messages") == 3).then_some(()));
    let mut receiver = opened(&broker);
    receiver.attach_receiver("ring.a", 10);
    assert_eq!((0..3).map(|_| receiver.receive().1).collect::<Vec<_>>(), [[17], [18], [19]]);
}

#[test]
fn a_queue_is_purged_when_its_last_consumer_leaves_and_when_the_node_was_killed() {
    for shards in [1, 3] {
        let broker = start(folder(), shards, PURGED);
        for queue in names("purged") {
            send(&broker, &queue, Durable::No, 0..5);
            assert_eq!(figure(&broker, &queue, "messages"), 0);
            let mut receiver = opened(&broker);
            receiver.attach_receiver(&queue, 1);
            send(&broker, &queue, Durable::Yes, 5..10);
            assert_eq!((receiver.receive().1, figure(&broker, &queue, "messages")), (vec![5], 5));
            if queue.ends_with('0') {
                receiver.close();
                wait_for("it to be empty", || (figure(&broker, &queue, "messages") == 0).then_some(()));
            }
        }
        let broker = start(broker.kill(), shards, PURGED);
        for queue in names("purged") {
            let mut receiver = opened(&broker);
            receiver.attach_receiver(&queue, 10);
            send(&broker, &queue, Durable::Yes, 10..11);
            assert_eq!(receiver.receive().1, [10], "nothing of before");
        }
    }
}

#[test]
fn what_is_disabled_or_full_drops_and_settings_come_into_force_while_the_node_runs() {
    let on = |enabled: bool| {
        format!("[[address]]\nmatch = \"a\"\nenabled = {enabled}\nmax_messages = 4\nwhen_full = \"drop\"\n")
    };
    let broker = start(folder(), 2, &on(true));
    send(&broker, "a", Durable::Yes, 0..9);
    assert_eq!((figure(&broker, "a", "messages"), figure(&broker, "a", "dropped")), (4, 5));
    let mut receiver = opened(&broker);
    receiver.attach_receiver("a", 2);
    let taken: Vec<u32> = (0..2).map(|_| receiver.receive().0).collect();
    receiver.accept(taken[0], taken[1]);
    wait_for("two to leave", || (figure(&broker, "a", "messages") == 2).then_some(()));
    let path = broker.folder.path().join("heddle.toml");
    let text = std::fs::read_to_string(&path).expect("its configuration");
    std::fs::write(&path, text.replace("enabled = true", "enabled = false")).expect("another one");
    broker.signal(libc::SIGUSR1);
    wait_for("it to be disabled", || {
        send(&broker, "a", Durable::No, 9..10);
        (figure(&broker, "a", "dropped") > 7).then_some(())
    });
    let before = figure(&broker, "a", "messages");
    receiver.set_credit(2, 10);
    assert_eq!(receiver.receive().1, [2], "consumers drain it");
    assert_eq!(figure(&broker, "a", "messages"), before);
}

#[test]
fn what_nobody_takes_away_is_there_for_everybody_behind_a_kill() {
    let kept = "[[address]]\nmatch = \"kept.#\"\nnon_destructive = true\n";
    for shards in [1, 3] {
        let broker = start(folder(), shards, kept);
        let see = |broker: &Broker, queue: &str, count: u8| {
            let mut receiver = opened(broker);
            receiver.attach_receiver(queue, 10);
            for number in 0..count {
                let (delivery, body) = receiver.receive();
                assert_eq!(body, [number], "{queue}");
                receiver.accept(delivery, delivery);
            }
            receiver
        };
        for queue in names("kept") {
            send(&broker, &queue, Durable::Yes, 0..3);
            let mut stays = see(&broker, &queue, 3);
            send(&broker, &queue, Durable::Yes, 3..4);
            assert_eq!(stays.receive().1, [3], "it gets what comes");
            see(&broker, &queue, 4).close();
        }
        let broker = start(broker.kill(), shards, kept);
        for queue in names("kept") {
            see(&broker, &queue, 4).close();
            assert_eq!(figure(&broker, &queue, "messages"), 4);
        }
    }
}

#[test]
fn who_comes_later_begins_with_the_last_messages_behind_a_kill() {
    let settings = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nmatch = \"kept.#\"\nrouting = \"multicast\"\nretroactive_messages = 3\n";
    for shards in [1, 3] {
        let mut broker = Broker::start_with(TempDir::new().expect("a folder"), shards, settings);
        for name in ["kept.a", "kept.b", "kept.c"] {
            let mut sender = opened(&broker);
            sender.attach_sender(name);
            sender.send_accepted(Durable::Yes, (0..5).map(|number| vec![number]));
        }
        for round in 0..2 {
            for name in ["kept.a", "kept.b", "kept.c"] {
                let mut receiver = opened(&broker);
                receiver.attach_receiver(name, 10);
                let got: Vec<u8> = (0..3).map(|_| receiver.receive().1[0]).collect();
                assert_eq!(got, [2, 3, 4], "{name}, {shards} shards, round {round}");
            }
            broker = Broker::start_with(broker.kill(), shards, settings);
        }
    }
}
