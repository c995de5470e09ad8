//! Messages that name a time before which they are not to be given.

use super::held::Kept;
use super::*;
use crate::message::DELIVERY_TIME;
use engine_message::value::{Map, Value};

/// A message that is not to be given before a wall time.
fn scheduled(number: u32, at_ms: i64) -> Message {
    let (mut map, mut body) = (Map::default(), vec![0x00, 0x53, 0x72]);
    map.set(DELIVERY_TIME, Value::Long(at_ms));
    map.encode(&mut body);
    body.extend(&numbered(number).body[..]);
    Message { header: Header { scheduled: true, ..Header::default() }, ..Message::new(body.into()) }
}

/// An owner at its clocks: both begin with 1, milliseconds of the wall clock and nanoseconds.
struct Timed {
    owner: Owner,
    ms: u64,
}

impl Timed {
    fn new() -> Self {
        Self { owner: Owner::new(), ms: 1 }
    }

    fn send(&mut self, end: EndKey, delivery: u32, message: Message) {
        let command = Command::Deliver { end, delivery, settled: Settled::No, message };
        self.owner.core.handle_command(self.ms * 1_000_000, self.ms, command);
    }

    /// So many milliseconds later: what comes.
    fn later(&mut self, ms: u64) -> Vec<(u64, u32, u32)> {
        self.ms += ms;
        self.owner.core.begin_turn(self.ms * 1_000_000, self.ms);
        deliveries(self.owner.events())
    }
}

fn numbers(got: &[(u64, u32, u32)]) -> Vec<u32> {
    got.iter().map(|got| got.1).collect()
}

#[test]
fn a_message_comes_at_its_time_and_others_meanwhile() {
    let mut timed = Timed::new();
    let (producer, consumer) = (timed.owner.producer("q", None), timed.owner.consumer("q", None, Mode::Consume));
    timed.owner.grant(consumer, 10);
    timed.send(producer, 0, scheduled(1, 101));
    timed.send(producer, 1, scheduled(2, 51));
    timed.send(producer, 2, numbered(3));
    assert_eq!(numbers(&timed.later(0)), [3]);
    assert_eq!(timed.owner.core.deadline(), Some(51_000_000), "it is looked at then");
    assert!(timed.later(49).is_empty());
    assert_eq!(numbers(&timed.later(1)), [2]);
    assert_eq!(numbers(&timed.later(1000)), [1]);
}

#[test]
fn nobody_had_it_before_and_it_stands_where_it_would_have_stood() {
    let mut timed = Timed::new();
    let producer = timed.owner.producer("q", None);
    timed.send(producer, 0, scheduled(0, 11));
    timed.send(producer, 1, numbered(1));
    timed.send(producer, 2, scheduled(2, 11));
    timed.later(20);
    let consumer = timed.owner.consumer("q", None, Mode::Consume);
    let events = timed.owner.command(Command::Grant { end: consumer, credit: 9 });
    let got: Vec<(u32, bool)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Deliver { message, .. } => Some((number(message), message.header.first_acquirer)),
            _ => None,
        })
        .collect();
    assert_eq!(got, [(0, true), (2, true), (1, true)], "what waited is in front, in its order");
}

#[test]
fn a_time_that_has_come_is_none() {
    let mut timed = Timed::new();
    let (producer, consumer) = (timed.owner.producer("q", None), timed.owner.consumer("q", None, Mode::Consume));
    for (delivery, at) in [(0, 1), (1, 0), (2, -7)] {
        timed.send(producer, delivery, scheduled(delivery, at));
    }
    // Says that it has a time, and has none that can be read.
    let header = Header { scheduled: true, ..Header::default() };
    timed.send(producer, 3, Message { header, ..numbered(3) });
    assert_eq!(numbers(&timed.owner.grant(consumer, 10)), [0, 1, 2, 3]);
}

#[test]
fn a_browser_does_not_see_what_waits() {
    let mut timed = Timed::new();
    let (producer, browser) = (timed.owner.producer("q", None), timed.owner.consumer("q", None, Mode::Browse));
    timed.owner.grant(browser, 10);
    timed.send(producer, 0, scheduled(0, 11));
    timed.send(producer, 1, numbered(1));
    assert_eq!(numbers(&timed.later(0)), [1]);
}

#[test]
fn what_waits_counts_as_a_message_of_its_queue_and_may_expire() {
    let mut timed = Timed::new();
    let (producer, consumer) = (timed.owner.producer("q", None), timed.owner.consumer("q", None, Mode::Consume));
    let expires_wall_ms = std::num::NonZeroU64::new(20);
    timed.send(producer, 0, Message { expires_wall_ms, ..scheduled(0, 500) });
    timed.send(producer, 1, scheduled(1, 500));
    timed.owner.grant(consumer, 10);
    let view = timed.owner.core.queue_views().next().expect("a queue");
    assert_eq!((view.messages, view.totals.enqueued), (2, 2));
    assert_eq!(numbers(&timed.later(600)), [1], "the other one has expired");
}

#[test]
fn what_was_held_back_behind_others_and_is_with_a_consumer_does_not_expire() {
    let mut timed = Timed::new();
    let (producer, consumer) = (timed.owner.producer("q", None), timed.owner.consumer("q", None, Mode::Consume));
    timed.send(producer, 0, numbered(0));
    let expires_wall_ms = std::num::NonZeroU64::new(500);
    timed.send(producer, 1, Message { expires_wall_ms, ..scheduled(1, 50) });
    timed.send(producer, 2, Message { expires_wall_ms, ..scheduled(2, 900) });
    timed.later(100);
    timed.owner.grant(consumer, 1);
    timed.later(500);
    timed.owner.core.check();
    let view = timed.owner.core.queue_views().next().expect("a queue");
    assert_eq!((view.messages, view.acquired), (3, 1), "one is held, and one waits for its time");
}

#[test]
fn what_is_on_disk_waits_as_well_and_needs_little_memory() {
    let mut kept = Kept::new();
    let producer = kept.owner.producer("q", None);
    for delivery in 0..200 {
        let durable = Header { durable: true, scheduled: true, ..Header::default() };
        let message = Message { header: durable, ..scheduled(delivery, 5000) };
        kept.owner.core.handle_command(
            1,
            1,
            Command::Deliver { end: producer, delivery, settled: Settled::No, message },
        );
        kept.write();
    }
    let browser = kept.owner.consumer("q", None, Mode::Browse);
    kept.owner.core.handle_command(1, 1, Command::Grant { end: browser, credit: 1000 });
    assert!(deliveries(kept.settle_down()).is_empty(), "who reads the backlog does not see it either");
    let consumer = kept.owner.consumer("q", None, Mode::Consume);
    kept.owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit: 1000 });
    assert!(deliveries(kept.settle_down()).is_empty());
    let used = kept.owner.core.memory_bytes();
    assert!(used < super::held::MEMORY / 2, "{used} octets are in memory");
    kept.owner.core.begin_turn(5_000_000_000, 5000);
    let mut all = Vec::new();
    loop {
        let got = deliveries(kept.settle_down());
        if got.is_empty() {
            break;
        }
        for (key, number, count) in got {
            assert_eq!(count, 0, "nobody had it");
            all.push(number);
            kept.owner.core.handle_settle(consumer, key, Outcome::Accepted, None);
        }
    }
    assert_eq!(all, (0..200).collect::<Vec<_>>());
}
