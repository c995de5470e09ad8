//! Credit of consumers: what they do not take stays in the queue, what they drain comes whole.

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"";
const QUEUE: &str = "credit";

/// Puts messages into the queue.
fn fill(broker: &Broker, count: u32, bytes: usize) {
    let mut peer = opened(broker);
    peer.attach_sender(QUEUE);
    peer.send_accepted(Durable::No, (0..count).map(|_| vec![7; bytes]));
}

/// Messages of the queue that consumers hold.
fn acquired(broker: &Broker) -> Option<u64> {
    broker.queue(QUEUE)?["acquired"].as_u64()
}

#[test]
fn what_a_peer_with_much_credit_does_not_read_is_for_others() {
    const COUNT: u32 = 4000;
    const BYTES: usize = 16 << 10;
    let broker = Broker::start(LISTENER);
    fill(&broker, COUNT, BYTES);
    let mut idle = opened(&broker);
    idle.attach_receiver(QUEUE, COUNT);
    let held = wait_for("its socket to be full", || {
        let state = broker.state();
        let full = state["connections"].as_array()?.iter().any(|connection| connection["waiting"] != 0);
        if full { acquired(&broker) } else { None }
    });
    // Two socket buffers, some megabytes each; all the credit would be 64.
    assert!(held * (BYTES as u64) < 24 << 20, "{held} messages are with a peer that does not read");
    let mut busy = opened(&broker);
    busy.attach_receiver(QUEUE, 1000);
    for _ in 0..1000 {
        let (delivery, _) = busy.receive();
        busy.accept(delivery, delivery);
    }
    // And it goes on when it reads.
    for _ in 0..held + 200 {
        let (delivery, _) = idle.receive();
        idle.accept(delivery, delivery);
    }
}

#[test]
fn a_drain_brings_all_that_there_is() {
    let broker = Broker::start(LISTENER);
    let mut there = 0;
    for (more, credit) in [(3000, 10_000), (3000, 2999), (0, 10), (0, 10)] {
        fill(&broker, more, 1000);
        there += more;
        let given = credit.min(there);
        let mut peer = opened(&broker);
        peer.attach_receiver(QUEUE, 0);
        assert_eq!(peer.drain(credit), given as usize);
        there -= given;
        peer.accept(0, given.saturating_sub(1));
        // An answer to what comes behind them: figures may be older than the messages, and a
        // connection that ends with something unread takes with it what was not read here.
        assert_eq!(peer.agree_on_credit(given, 0), 0);
    }
}

#[test]
fn what_comes_after_credit_was_taken_back_is_for_who_gives_some() {
    // Either shard may own the queue: links of the other one are forwarded.
    for queue in ["taken-back-0", "taken-back-1", "taken-back-2", "taken-back-3"] {
        let broker = Broker::start(LISTENER);
        let mut first = opened(&broker);
        // Its connection stays where its first link is.
        first.attach_sender("elsewhere");
        first.attach_receiver(queue, 2);
        let mut second = opened(&broker);
        second.attach_receiver(queue, 0);
        assert_eq!((first.agree_on_credit(0, 0), second.agree_on_credit(0, 1)), (0, 0));
        let mut sender = opened(&broker);
        sender.attach_sender(queue);
        sender.send_message(0, Durable::No, b"for whom");
        assert_eq!(second.receive().1, b"for whom");
        // And the first gets the next one when it gives credit again.
        sender.send_message(1, Durable::Yes, b"again");
        first.set_credit(0, 1);
        assert_eq!(first.receive().1, b"again");
    }
}

#[test]
fn messages_on_their_way_to_a_peer_that_takes_its_credit_back_are_for_others() {
    const COUNT: u32 = 400;
    let broker = Broker::start(LISTENER);
    fill(&broker, COUNT, 1000);
    let mut fickle = opened(&broker);
    fickle.attach_sender("elsewhere");
    fickle.attach_receiver(QUEUE, 0);
    // What came before the broker knew of its change of mind is its own.
    let mut kept = 0;
    for round in 0..50 {
        fickle.set_credit(kept, 2 + round % 3);
        kept += fickle.agree_on_credit(kept, 0);
    }
    let mut other = opened(&broker);
    other.attach_receiver(QUEUE, COUNT);
    let mut left = COUNT;
    while left > kept {
        let (delivery, _) = other.receive();
        other.accept(delivery, delivery);
        left -= 1;
    }
}
