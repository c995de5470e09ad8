//! Queues and addresses that are paused, and addresses that are blocked: what still comes and goes, and what of it is left behind a
//! restart.

use tempfile::TempDir;

use crate::broker::{Broker, run, text, wait_for};
use crate::peer::{Durable, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nname = \"configured\"\n";

fn start(folder: TempDir, shards: u16) -> Broker {
    Broker::start_with(folder, shards, LISTENER)
}

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

/// Runs a command of `heddle queue` or `heddle address` that has to be done; gives what it says.
fn done(broker: &Broker, arguments: &[&str]) -> String {
    let url = format!("amqp://{}", broker.addresses[0]);
    let output = run(&[arguments, &["--url", &url]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output)
}

fn send(broker: &Broker, queue: &str, body: &str) {
    let mut sender = opened(broker);
    sender.attach_sender(queue);
    sender.send_accepted(Durable::Yes, [body.as_bytes().to_vec()]);
}

fn is_paused(broker: &Broker, queue: &str) -> bool {
    broker.queue(queue).is_some_and(|queue| queue["is_paused"] == true)
}

/// What a consumer that drains gets of a queue.
fn drained(broker: &Broker, queue: &str) -> usize {
    let mut receiver = opened(broker);
    receiver.attach_receiver(queue, 0);
    receiver.drain(10)
}

#[test]
fn a_paused_queue_takes_everything_and_gives_nothing_but_to_browsers() {
    for shards in [1, 3] {
        let broker = start(folder(), shards);
        // One that the configuration declares, and one that is made on demand.
        for queue in ["configured", "made"] {
            send(&broker, queue, "one");
            assert!(done(&broker, &["queue", "pause", queue]).contains("is paused until the node ends"));
            assert!(is_paused(&broker, queue));
            send(&broker, queue, "two");
            assert_eq!(drained(&broker, queue), 0, "{queue}");
            let mut browser = opened(&broker);
            browser.attach_browser(queue, 10);
            assert_eq!((browser.receive().1, browser.receive().1), (b"one".to_vec(), b"two".to_vec()));
            let mut waiting = opened(&broker);
            waiting.attach_receiver(queue, 10);
            done(&broker, &["queue", "resume", queue]);
            assert!(!is_paused(&broker, queue));
            assert_eq!((waiting.receive().1, waiting.receive().1), (b"one".to_vec(), b"two".to_vec()), "it goes on");
        }
    }
}

#[test]
fn an_address_is_paused_with_the_queues_that_come_and_over_restarts_if_that_is_asked_for() {
    for shards in [1, 3] {
        let broker = start(folder(), shards);
        done(&broker, &["address", "pause", "later", "--keep"]);
        done(&broker, &["address", "pause", "passing"]);
        for queue in ["later", "passing"] {
            send(&broker, queue, "one");
            assert!(is_paused(&broker, queue));
            assert_eq!(drained(&broker, queue), 0, "{queue}");
        }
        send(&broker, "later::other", "two");
        assert!(is_paused(&broker, "other"));
        // Stopped orderly or killed is the same.
        let broker = start(if shards == 1 { broker.kill() } else { broker.stop() }, shards);
        assert!(is_paused(&broker, "later") && is_paused(&broker, "other") && !is_paused(&broker, "passing"));
        assert_eq!((drained(&broker, "later"), drained(&broker, "passing")), (0, 1));
        done(&broker, &["address", "resume", "later"]);
        let broker = start(broker.kill(), shards);
        assert_eq!((drained(&broker, "later"), drained(&broker, "later::other")), (1, 1), "it goes on for good");
    }
}

#[test]
fn a_blocked_address_is_emptied_and_nothing_comes_to_it() {
    for shards in [1, 3] {
        let broker = start(folder(), shards);
        let mut sender = opened(&broker);
        sender.attach_sender("busy");
        sender.send_accepted(Durable::Yes, [b"one".to_vec()]);
        done(&broker, &["address", "block", "busy"]);
        // A link that comes gets no credit until it is open again; it was attached before the consumer, which got what there was.
        let mut later = opened(&broker);
        later.attach_waiting_sender("busy");
        assert_eq!(drained(&broker, "busy"), 1, "consumers get what there is");
        assert_eq!(later.ask_for_credit(), 0);
        done(&broker, &["address", "unblock", "busy"]);
        later.wait_for_credit();
        later.send_message(0, Durable::Yes, b"two");
        assert_eq!(later.outcome().2, None);
        // What the consumer did not settle came back.
        wait_for("both", || broker.queue("busy").filter(|queue| queue["messages"] == 2));
    }
}

#[test]
fn what_is_not_there_is_not_paused_and_a_queue_is_not_blocked() {
    let broker = start(folder(), 1);
    let url = format!("amqp://{}", broker.addresses[0]);
    let output = run(&["queue", "pause", "nothing", "--url", &url]);
    assert!(!output.status.success() && text(&output).contains("there is no queue"), "{}", text(&output));
    let output = run(&["address", "block", "a::b", "--url", &url]);
    assert!(!output.status.success() && text(&output).contains("is not blocked"), "{}", text(&output));
    assert!(done(&broker, &["queue", "stat"]).contains("paused"), "it is shown");
}
