//! What no queue of an address gets, and goes to the dead letters of that address: on one shard and across several, and behind a kill.

use std::collections::BTreeSet;

use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, opened};

const NEWS: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nmatch = \"news.#\"\nrouting = \"multicast\"\n\
                    dead_letter_address = \"dead\"\ndead_letter_no_route = true\n";
const FULL: &str = "[[address]]\nmatch = \"dead\"\nmax_messages = 2\nwhen_full = \"refuse\"\n";
const COUNT: u8 = 20;

fn messages(broker: &Broker, queue: &str) -> u64 {
    broker.queue(queue).and_then(|queue| queue["messages"].as_u64()).unwrap_or(0)
}

#[test]
fn what_was_accepted_without_a_subscription_is_among_the_dead_letters_behind_a_kill() {
    for shards in [1, 3] {
        let folder = TempDir::new().expect("a folder");
        let broker = Broker::start_with(folder, shards, &format!("{NEWS}{FULL}"));
        for topic in 0..3 {
            let mut sender = opened(&broker);
            sender.attach_sender(&format!("news.{topic}"));
            sender.send_accepted(Durable::Yes, (0..COUNT).map(|number| vec![COUNT * topic + number]));
        }
        wait_for("some to be there", || (messages(&broker, "dead") >= 2).then_some(()));
        // Nobody holds the others up any more; what was on its way may be there twice.
        let broker = Broker::start_with(broker.kill(), shards, NEWS);
        let mut receiver = opened(&broker);
        receiver.attach_receiver("dead", 1000);
        let mut got = BTreeSet::new();
        while got.len() < 3 * usize::from(COUNT) {
            let (delivery, body) = receiver.receive();
            receiver.accept(delivery, delivery);
            got.insert(body[0]);
        }
        assert_eq!(got, (0..3 * COUNT).collect());
    }
}

#[test]
fn a_topic_with_a_subscription_has_no_dead_letters() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 3, NEWS);
    let mut receiver = opened(&broker);
    receiver.attach_receiver("news.0", 10);
    let mut sender = opened(&broker);
    sender.attach_sender("news.0");
    sender.send_accepted(Durable::No, [vec![7]]);
    assert_eq!(receiver.receive().1, [7]);
    assert_eq!(messages(&broker, "dead"), 0);
}
