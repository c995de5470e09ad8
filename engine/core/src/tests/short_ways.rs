//! Short ways give what long ways give: two owners get the same orders, one by the short ways and one by the long ones.
//!
//! The pairs: `Plain` and the queue's own `push` in `handle_deliver`, against `admit`, `is_stored`, `residence` and `Core::push`;
//! `handle_accepted` for one delivery, against `handle_settle` and `Command::Accept` of several.

use super::*;
use crate::bounds::{Bounds, Gets};
use crate::command::ACCEPT_KEYS;
use crate::lifetimes::Lifetimes;
use crate::plain::Plain;

/// What a world of one queue is asked to do.
#[derive(Clone, Debug)]
enum Order {
    Send { durable: bool, priority: u8, body: usize, lives_ms: u64 },
    Grant(u32),
    Accept(usize),
    Release(usize),
    Room(Room, u64),
    Later(u64),
    Write,
}

fn order() -> impl Strategy<Value = Order> {
    let room = prop_oneof![Just(Room::Plenty), Just(Room::Busy), Just(Room::Little), Just(Room::None)];
    prop_oneof![
        8 => (prop::bool::weighted(0.1), prop_oneof![9 => Just(4_u8), 1 => 0..10_u8], 0..300_usize, 0..40_u64)
            .prop_map(|(durable, priority, body, lives_ms)| Order::Send { durable, priority, body, lives_ms }),
        3 => (1..6_u32).prop_map(Order::Grant),
        3 => (1..2 * ACCEPT_KEYS).prop_map(Order::Accept),
        1 => (0..8_usize).prop_map(Order::Release),
        1 => (room, 0..2 * CROWDED_BYTES).prop_map(|(room, waiting)| Order::Room(room, waiting)),
        1 => (1..30_u64).prop_map(Order::Later),
        2 => Just(Order::Write),
    ]
}

/// Which ways an owner goes.
#[derive(Clone, Copy, PartialEq)]
enum Ways {
    Short,
    Long,
}

struct World {
    owner: Owner,
    ways: Ways,
    producer: EndKey,
    consumer: EndKey,
    held: Vec<u64>,
    sent: u32,
    wall_ms: u64,
}

/// All that can be seen of an owner.
type Seen = (Vec<Event>, Vec<Fact>, Vec<u64>, Option<u64>, u64, Vec<crate::QueueView>);

impl World {
    fn new(config: CoreConfig, bounds: Bounds, ways: Ways) -> Self {
        let resident_max = Plain::resident_max(&config);
        let mut owner = Owner { core: Core::new(config), next_link: 0 };
        let consumer = owner.consumer("q", None, Mode::Consume);
        let producer = owner.producer("q", None);
        for key in owner.core.nodes.queues.iter().map(|(key, _)| key).collect::<Vec<_>>() {
            let queue = owner.core.nodes.queues.get_mut(key).expect("it is there");
            // So small ones no setting makes.
            queue.bounds = bounds;
            queue.plain = match ways {
                Ways::Short => Plain::new(&bounds, resident_max),
                Ways::Long => Plain::NEVER,
            };
        }
        Self { owner, ways, producer, consumer, held: Vec::new(), sent: 0, wall_ms: 1 }
    }

    fn follow(&mut self, order: &Order) -> Seen {
        let (now_ns, wall_ms) = (self.wall_ms * 1_000_000, self.wall_ms);
        let Self { owner: Owner { core, .. }, producer, consumer, .. } = self;
        let mut facts = Vec::new();
        match *order {
            Order::Send { durable, priority, body, lives_ms } => {
                self.sent += 1;
                let header = Header { durable, priority, ..Header::default() };
                let expires_wall_ms = std::num::NonZeroU64::new(lives_ms).and_then(|lives| lives.checked_add(wall_ms));
                let message = Message { header, expires_wall_ms, ..Message::new(vec![0; body].into()) };
                core.handle_deliver(now_ns, wall_ms, *producer, self.sent, Settled::No, message);
            }
            Order::Grant(credit) => core.handle_command(now_ns, wall_ms, Command::Grant { end: *consumer, credit }),
            Order::Accept(count) => {
                let accepted: Vec<u64> = self.held.drain(..count.min(self.held.len())).collect();
                let end = *consumer;
                for several in accepted.chunks(ACCEPT_KEYS) {
                    if self.ways == Ways::Short {
                        several.iter().for_each(|&key| core.handle_accepted(end, key));
                    } else if let [key] = *several {
                        core.handle_settle(end, key, Outcome::Accepted, None);
                    } else {
                        let mut keys = [0; ACCEPT_KEYS];
                        keys[..several.len()].copy_from_slice(several);
                        let count = several.len() as u8;
                        core.handle_command(now_ns, wall_ms, Command::Accept { end, count, keys });
                    }
                }
            }
            Order::Release(place) if place < self.held.len() => {
                core.handle_settle(*consumer, self.held.remove(place), Outcome::Released, None);
            }
            Order::Release(_) => {}
            Order::Room(room, waiting_bytes) => core.handle_room(room, waiting_bytes),
            Order::Later(ms) => {
                self.wall_ms += ms;
                core.begin_turn(self.wall_ms * 1_000_000, self.wall_ms);
            }
            Order::Write => {
                facts.extend(std::iter::from_fn(|| core.poll_fact()));
                core.handle_durable(u64::MAX >> 1);
            }
        }
        let events = self.owner.events();
        self.held.extend(events.iter().filter_map(|event| match event {
            Event::Deliver { key, .. } => Some(*key),
            _ => None,
        }));
        let core = &mut self.owner.core;
        let released = std::iter::from_fn(|| core.poll_released()).collect();
        (events, facts, released, core.deadline(), core.memory_bytes(), core.queue_views().collect())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn short_ways_do_what_long_ways_do(
        journal in any::<bool>(),
        refuse in any::<bool>(),
        memory_bytes in 800..20_000_u64,
        max_messages in 2..40_u64,
        max_bytes in 400..10_000_u64,
        producer_window in 1..12_u32,
        orders in prop::collection::vec(order(), 1..120),
    ) {
        let when_full = if refuse { WhenFull::Refuse } else { WhenFull::Hold };
        let (ring, gets, lifetimes) = (u64::MAX, Gets::Always, Lifetimes::AsSent);
        let (soft_messages, soft_bytes, ring_bytes, names_all, stamps) = (3, 700, u64::MAX, false, false);
        let bounds = Bounds {
            soft_messages, soft_bytes, max_messages, max_bytes, when_full, ring, ring_bytes, gets, lifetimes, names_all, stamps,
        };
        let layer = Layer { producer_window: Some(producer_window), when_full: Some(when_full), ..Layer::default() };
        let config = CoreConfig {
            storage: if journal { Storage::Journal } else { Storage::Memory },
            catalogue: Arc::new(Catalogue::of_all(layer)),
            memory_bytes,
            ..CoreConfig::default()
        };
        let [mut short, mut long] = [Ways::Short, Ways::Long].map(|ways| World::new(config.clone(), bounds, ways));
        for order in &orders {
            prop_assert_eq!(short.follow(order), long.follow(order), "after {:?}", order);
        }
    }
}
