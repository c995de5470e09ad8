//! Messages of higher priority come first, whoever owns their queue, and after a restart too.

use engine_message::section;
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";

/// A message of a priority, whose body is its number.
fn message(durable: Durable, priority: u8, number: u8) -> Vec<u8> {
    let mut message = Vec::new();
    section::Header { durable: durable == Durable::Yes, priority, ..section::Header::default() }.encode(&mut message);
    message.extend([0x00, 0x53, 0x75, 0xa0, 1, number]);
    message
}

/// Sends messages of these priorities, numbered from 0 on, and waits until all are there.
fn send(broker: &Broker, queue: &str, durable: Durable, priorities: &[u8]) {
    let mut sender = opened(broker);
    sender.attach_sender(queue);
    for (&priority, number) in priorities.iter().zip(0..) {
        sender.send_encoded(u32::from(number), &message(durable, priority, number));
    }
    let count = priorities.len() as u64;
    let all = || broker.queue(queue).is_some_and(|queue| queue["messages"] == count).then_some(());
    wait_for("all messages", all);
    // They are acknowledged when the last one is.
    let mut accepted = 0;
    while accepted < priorities.len() as u32 {
        let (first, last, refused) = sender.outcome();
        assert_eq!(refused, None);
        accepted += last - first + 1;
    }
}

/// Takes so many messages; gives numbers and priorities.
fn take(broker: &Broker, queue: &str, count: usize) -> Vec<(u8, u8)> {
    let mut receiver = opened(broker);
    receiver.attach_receiver(queue, 100);
    let mut take = || {
        let (delivery, message) = receiver.receive_encoded();
        receiver.accept(delivery, delivery);
        let section = section::scan(&message).expect("a message").header;
        let header = section::Header::decode(&message[section]).expect("a header");
        (*message.last().expect("a body"), header.priority)
    };
    (0..count).map(|_| take()).collect()
}

#[test]
fn the_most_urgent_comes_first_on_every_shard() {
    for shards in [1, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
        for queue in ["a", "b", "c", "d"] {
            for durable in [Durable::No, Durable::Yes] {
                send(&broker, queue, durable, &[4, 0, 9, 4, 7, 0, 12, 4]);
                let wanted = [(2, 9), (6, 12), (4, 7), (0, 4), (3, 4), (7, 4), (1, 0), (5, 0)];
                assert_eq!(take(&broker, queue, 8), wanted, "{queue} {durable:?}");
                wait_for("the end", || broker.queue(queue).is_none_or(|queue| queue["messages"] == 0).then_some(()));
            }
        }
    }
}

#[test]
fn the_order_is_the_same_behind_a_kill() {
    for shards in [1, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
        for queue in ["a", "b", "c"] {
            send(&broker, queue, Durable::Yes, &[1, 4, 9, 4]);
        }
        let broker = Broker::start_with(broker.kill(), shards, LISTENER);
        for queue in ["a", "b", "c"] {
            assert_eq!(take(&broker, queue, 4), [(2, 9), (1, 4), (3, 4), (0, 1)], "{queue}");
        }
    }
}

#[test]
fn a_browser_sees_them_as_they_came() {
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 1, LISTENER);
    send(&broker, "q", Durable::No, &[4, 9, 0, 5]);
    let mut browser = opened(&broker);
    browser.attach_browser("q", 10);
    let seen: Vec<u8> = (0..4).filter_map(|_| browser.receive_encoded().1.last().copied()).collect();
    assert_eq!(seen, [0, 1, 2, 3]);
    assert_eq!(take(&broker, "q", 4).iter().map(|taken| taken.0).collect::<Vec<_>>(), [1, 3, 0, 2]);
}

/// 12 MB of messages where a queue has 1 MiB in memory: the most urgent of all comes first, also behind a kill.
#[test]
fn where_they_hold_on_disk_the_whole_backlog_comes_in_their_order() {
    const COUNT: usize = 3000;
    const SETTINGS: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[limits]\nmemory_mib = 8\n\
        [[address]]\nmatch = \"urgent.#\"\npriorities_on_disk = true\n";
    let sized = |priority: u8, number: usize| {
        let mut message = Vec::new();
        section::Header { durable: true, priority, ..section::Header::default() }.encode(&mut message);
        message.extend([0x00, 0x53, 0x75, 0xb0]);
        message.extend(4000_u32.to_be_bytes());
        message.resize(message.len() + 3996, 7);
        message.extend(u32::try_from(number).expect("few").to_be_bytes());
        message
    };
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 1, SETTINGS);
    let priorities: Vec<u8> = (0..COUNT).map(|number| (number * 7 % 10) as u8).collect();
    for (start, batch) in priorities.chunks(200).enumerate().map(|(index, batch)| (index * 200, batch)) {
        let mut sender = opened(&broker);
        sender.attach_sender("urgent.a");
        for (&priority, number) in batch.iter().zip(start..) {
            sender.send_encoded(u32::try_from(number - start).expect("few"), &sized(priority, number));
        }
        let mut accepted = 0;
        while accepted < batch.len() as u32 {
            let (first, last, refused) = sender.outcome();
            assert_eq!(refused, None);
            accepted += last - first + 1;
        }
        sender.close();
    }
    let paged = broker.queue("urgent.a").expect("it is there")["paged"].as_u64().expect("a number");
    assert!(paged as usize > COUNT / 2, "most of them are on disk only: {paged}");
    let mut wanted: Vec<usize> = (0..COUNT).collect();
    wanted.sort_by_key(|&number| (std::cmp::Reverse(priorities[number]), number));
    let take = |broker: &Broker, wanted: &[usize]| {
        let mut receiver = opened(broker);
        receiver.attach_receiver("urgent.a", u32::try_from(wanted.len()).expect("few"));
        for &number in wanted {
            let (delivery, message) = receiver.receive_encoded();
            receiver.accept(delivery, delivery);
            let end = message.last_chunk::<4>().expect("a number ends it");
            assert_eq!(u32::from_be_bytes(*end) as usize, number);
        }
        receiver.close();
    };
    take(&broker, &wanted[..500]);
    let left = (COUNT - 500) as u64;
    wait_for("them to leave", || (broker.queue("urgent.a")?["messages"] == left).then_some(()));
    let broker = Broker::start_with(broker.kill(), 1, SETTINGS);
    // Some may not have been known as acknowledged on stable storage.
    let there = broker.queue("urgent.a").expect("it is there")["messages"].as_u64().expect("a number") as usize;
    take(&broker, &wanted[COUNT - there..]);
}
