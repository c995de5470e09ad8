//! The short way of the ledger, messages that follow each other in a queue and are entered at once (`Streak`), against its long way,
//! which enters each by itself.
//!
//! Both ledgers get the same log. In that of the long way each message says that its body is a large one's name, and has a body that names
//! nothing: so it is no streak, and means the same.

use engine_core::command::RoutingType;
use engine_core::fact::{Declared, PASSING, Purpose};
use engine_ledger::{Attributes, Ledger, Meaning, Numbers, Properties, encode_declaration};
use proptest::prelude::*;
use storage_journal::{LOCAL, Reach, Segments};

/// What happens to a log.
#[derive(Clone, Debug)]
enum Deed {
    /// So many messages of a queue, one after the other.
    Messages {
        queue: u64,
        count: u32,
        body: usize,
    },
    /// A message that goes to two queues.
    Both(u64, u64),
    Acknowledged {
        queue: u64,
        first: u64,
        count: u64,
    },
    Failed {
        queue: u64,
        back: u64,
    },
    /// A message is written again.
    Moved {
        queue: u64,
        back: u64,
    },
    Declared(u64),
    Deleted(u64),
    /// Numbers that this version does not know the meaning of.
    Skipped(u64),
    Segment,
    /// Somebody asks.
    Look,
}

fn deed() -> impl Strategy<Value = Deed> {
    let queue = || prop_oneof![Just(1_u64), Just(2), Just(PASSING | 3)];
    prop_oneof![
        10 => (queue(), 1..6_u32, 0..20_usize).prop_map(|(queue, count, body)| Deed::Messages { queue, count, body }),
        1 => (600..1200_u32).prop_map(|count| Deed::Messages { queue: 1, count, body: 9 }),
        2 => (queue(), queue()).prop_map(|(one, other)| Deed::Both(one, other)),
        3 => (queue(), 0..40_u64, 1..20_u64)
            .prop_map(|(queue, first, count)| Deed::Acknowledged { queue, first, count }),
        1 => (queue(), 0..40_u64).prop_map(|(queue, back)| Deed::Failed { queue, back }),
        2 => (queue(), 0..40_u64).prop_map(|(queue, back)| Deed::Moved { queue, back }),
        1 => queue().prop_map(Deed::Declared),
        1 => queue().prop_map(Deed::Deleted),
        1 => (1..4_u64).prop_map(Deed::Skipped),
        1 => Just(Deed::Segment),
        1 => Just(Deed::Look),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Short,
    Long,
}

/// A log as one of them reads it.
struct Reader {
    way: Way,
    ledger: Ledger,
    segments: Segments,
    next: Reach,
}

/// What a ledger says of a queue.
#[derive(Debug, PartialEq)]
struct Queue {
    queue: u64,
    declared: Option<Declared>,
    /// The number of its declaration.
    number: u64,
    /// Names and numbers of its messages.
    messages: Vec<(u64, u64)>,
}

/// All that a ledger says.
#[derive(Debug, PartialEq)]
struct Says {
    queues: Vec<Queue>,
    failures: Vec<(u64, u32)>,
    last_queue: u64,
    messages: u64,
    /// Numbers that the segments know to be needed.
    living: Vec<u64>,
    live_messages: u64,
    live_bytes: u64,
}

impl Reader {
    fn new(way: Way) -> Self {
        let mut segments = Segments::new(1 << 20, 0);
        segments.handle_begun(1, Reach::START);
        Self { way, ledger: Ledger::new(), segments, next: Reach::START }
    }

    /// Numbers that the log gives next: so many of the shared ones.
    fn shared(&mut self, count: u64) -> u64 {
        self.next.shared += count;
        self.next.shared - count
    }

    fn apply(&mut self, number: u64, meaning: &Meaning<'_>, bytes: usize) {
        self.ledger.apply(&mut self.segments, number, meaning, bytes).expect("it is whole");
    }

    fn message(&mut self, queues: &[u64], body: usize) {
        let properties = Properties {
            durable: true,
            large: self.way == Way::Long,
            scheduled: false,
            grouped: false,
            priority: 4,
            format: 0,
            expires_ms: 0,
            delivery_count: 0,
        };
        let octets: Vec<u8> = queues.iter().flat_map(|queue| queue.to_le_bytes()).collect();
        let (body, record) = (vec![7; body], 64 + body + octets.len());
        let (queues, attributes) = (Numbers(&octets), Attributes::default());
        let number = self.shared(octets.len() as u64 / 8);
        self.apply(number, &Meaning::Message { properties, queues, attributes, body: &body }, record);
    }

    fn follow(&mut self, deed: &Deed) {
        let newest = self.next.shared - 1;
        match *deed {
            Deed::Messages { queue, count, body } => (0..count).for_each(|_| self.message(&[queue], body)),
            Deed::Both(one, other) => self.message(&[one, other], 5),
            Deed::Acknowledged { queue, first, count } => {
                let first = newest.saturating_sub(first);
                let number = self.shared(1);
                self.apply(number, &Meaning::Acknowledged { queue, first, last: first + count - 1 }, 36);
            }
            Deed::Failed { queue, back } => {
                let number = self.shared(1);
                self.apply(number, &Meaning::Failed { queue, message: newest.saturating_sub(back), count: 3 }, 32);
            }
            Deed::Moved { queue, back } => {
                // Who writes it again has asked what there is.
                self.ledger.settle(&mut self.segments);
                let name = newest.saturating_sub(back);
                if self.ledger.number_of(queue, name).is_none() {
                    return;
                }
                let places: Vec<u8> = [queue, name, 0].into_iter().flat_map(u64::to_le_bytes).collect();
                let properties = Properties {
                    durable: true,
                    large: false,
                    scheduled: false,
                    grouped: false,
                    priority: 4,
                    format: 0,
                    expires_ms: 0,
                    delivery_count: 0,
                };
                let (places, attributes) = (Numbers(&places), Attributes::default());
                let number = LOCAL | (self.next.local & !LOCAL);
                self.next.local += 1;
                self.apply(number, &Meaning::Moved { properties, places, attributes, body: b"again" }, 90);
            }
            Deed::Declared(queue) => {
                let (routing, purpose) = (RoutingType::Anycast, Purpose::OnDemand);
                let declared = Declared {
                    queue,
                    routing,
                    purpose,
                    address: "a".into(),
                    name: format!("q{queue}"),
                    selector: None,
                    no_local: None,
                };
                let attributes = encode_declaration(&declared);
                let number = self.shared(1);
                self.apply(number, &Meaning::Declared { queue, attributes: Attributes(&attributes) }, 60);
            }
            Deed::Deleted(queue) => {
                let number = self.shared(1);
                self.apply(number, &Meaning::Deleted { queue }, 20);
            }
            Deed::Skipped(count) => {
                self.shared(count);
            }
            Deed::Segment => {
                self.ledger.settle(&mut self.segments);
                let newest = self.segments.count() as u64;
                self.segments.handle_sealed(self.next, 1, 1);
                self.segments.handle_begun(newest + 1, self.next);
            }
            Deed::Look => {}
        }
    }

    fn says(&mut self) -> Says {
        let Self { ledger, segments, next, .. } = self;
        ledger.settle(segments);
        ledger.check();
        segments.check();
        let mut queues: Vec<_> = ledger
            .queues()
            .map(|(queue, kept)| {
                let messages = kept.runs().flat_map(|run| run.iter()).collect();
                Queue { queue, declared: kept.declared().cloned(), number: kept.number(), messages }
            })
            .collect();
        queues.sort_by_key(|queue| queue.queue);
        let mut failures: Vec<_> = ledger.failures().collect();
        failures.sort_unstable();
        let numbers = (1..next.shared).chain(LOCAL..next.local);
        Says {
            queues,
            failures,
            last_queue: ledger.last_queue(),
            messages: ledger.messages(),
            living: numbers.filter(|&number| segments.is_live(number)).collect(),
            live_messages: segments.live_messages(),
            live_bytes: segments.live_bytes(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn messages_that_follow_each_other_mean_what_they_mean_one_by_one(
        deeds in prop::collection::vec(deed(), 1..60), ends in any::<bool>(),
    ) {
        let [mut short, mut long] = [Way::Short, Way::Long].map(Reader::new);
        for deed in &deeds {
            short.follow(deed);
            long.follow(deed);
            if matches!(deed, Deed::Look) {
                prop_assert_eq!(short.says(), long.says());
            }
        }
        if ends {
            // Queues that end with the node go at a start.
            short.ledger.forget_gone(&mut short.segments);
            long.ledger.forget_gone(&mut long.segments);
        }
        prop_assert_eq!(short.says(), long.says());
        // Their average is taken in another order: no size is beyond those that came.
        let bodies = |reader: &Reader| reader.ledger.queues().map(|(_, kept)| kept.body_bytes()).max().unwrap_or(0);
        prop_assert!(bodies(&short) < 20 && bodies(&long) < 20);
    }
}
