//! One shard's owner and journal on a disk that a backlog has filled: what makes room, and that everybody goes on by then.
//!
//! Shown for every seed, while all producers and consumers stay attached: when enough of a backlog was acknowledged, producers have credit
//! again within simulated seconds and what they send is stored; the same when others leave room on the disk; no acknowledgement finds the
//! journal without room for it for good; nothing that was accepted is lost. A failing seed fails again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use engine_catalogue::{Catalogue, Layer, WhenFull};
use engine_core::command::{Command, ConsumerSpec, Outcome, ProducerSpec, Settled};
use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey};
use engine_core::limits::{CoreConfig, Storage};
use engine_core::message::{Content, Header, Large, Message};
use engine_core::{Core, Room};
use engine_shard::store::{Recovery, Store, StoreConfig};
use test_support::{Chance, Disk, DiskOptions};

const SEGMENT: usize = 256 * 1024;
const DIRECTORY: [u8; 16] = [5; 16];
/// Producers have credit again within so many simulated nanoseconds of the last acknowledgement.
const BOUND_NS: u64 = 5_000_000_000;
const CONFIG: StoreConfig =
    StoreConfig { shard: 0, directory: DIRECTORY, segment_bytes: SEGMENT as u64, checkpoint_segments: 3 };

struct Producer {
    end: EndKey,
    credit: u32,
    next: u32,
    /// What is not answered, by delivery: the number that it carries.
    open: BTreeMap<u32, u64>,
    refused: u64,
}

struct Consumer {
    end: EndKey,
    held: VecDeque<(u64, u64)>,
}

/// Queues, each with a producer and a consumer that stay.
struct World {
    seed: u64,
    chance: Chance,
    disk: Disk,
    core: Core,
    store: Store,
    producers: Vec<Producer>,
    consumers: Vec<Consumer>,
    /// Numbers that were accepted and not acknowledged, of each queue.
    owed: Vec<BTreeSet<u64>>,
    sent: u64,
    now_ns: u64,
}

/// How consumers acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acknowledging {
    /// As fast as they can.
    AtOnce,
    /// One at a time, and the disk has time for each.
    OneByOne,
}

impl World {
    fn new(seed: u64, queues: usize, when_full: WhenFull, capacity: usize) -> Self {
        let chance = Chance::new(seed);
        let disk = Disk::new(DiskOptions {
            shard: 0,
            directory: DIRECTORY,
            segment_bytes: SEGMENT,
            segments_max: capacity,
            file_segments: 1,
            // On every other disk there is never room for one.
            lost_checkpoints: Some([1, 10][(seed % 2) as usize]),
        });
        let store = Recovery::new(CONFIG).finish().store;
        let layer = Layer { producer_window: Some(40), when_full: Some(when_full), ..Layer::default() };
        let core = Core::new(CoreConfig {
            storage: Storage::Journal,
            stored_bytes_max: SEGMENT as u64 / 8 * 7,
            memory_bytes: 1 << 20,
            catalogue: Arc::new(Catalogue::of_all(layer)),
            ..CoreConfig::default()
        });
        let (producers, consumers, owed, sent, now_ns) = (Vec::new(), Vec::new(), Vec::new(), 0, 1);
        let mut world = Self { seed, chance, disk, core, store, producers, consumers, owed, sent, now_ns };
        for queue in 0..queues {
            world.attach(queue);
        }
        world
    }

    fn attach(&mut self, queue: usize) {
        let address = format!("queue-{queue}");
        let consumer = ConsumerSpec::of(address.clone());
        let producer = ProducerSpec::of(address);
        let slot = 2 * queue as u32;
        let key = |slot| LinkKey { shard: 0, generation: 0, slot };
        self.owed.push(BTreeSet::new());
        let end = self.attached(Command::AttachConsumer { link: key(slot + 1), spec: Box::new(consumer) });
        self.consumers.push(Consumer { end, held: VecDeque::new() });
        let end = self.attached(Command::AttachProducer { link: key(slot), spec: Box::new(producer) });
        self.producers.push(Producer { end, credit: 0, next: 0, open: BTreeMap::new(), refused: 0 });
        self.events();
    }

    fn attached(&mut self, command: Command) -> EndKey {
        self.core.handle_command(self.now_ns, 1, command);
        match self.core.poll_event() {
            Some((_, Event::Attached { end, .. })) => end,
            other => panic!("it is attached: {other:?}"),
        }
    }

    /// A turn of the shard, and what the disk did since.
    fn turn(&mut self) {
        self.now_ns += [50_000, 2_000_000][self.chance.below(2)];
        if self.core.deadline().is_some_and(|deadline| deadline <= self.now_ns) {
            self.core.handle_deadline(self.now_ns, 1);
        }
        self.store.handle_turn(&mut self.core, self.now_ns);
        while let Some(order) = self.store.poll_order() {
            self.disk.submit(order);
        }
        let deadline = self.store.deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now_ns), "{deadline:?} has passed at {}", self.now_ns);
        for _ in 0..self.chance.below(4) {
            if let Some(done) = self.disk.step(&mut self.chance) {
                self.store.handle_done(&mut self.core, self.now_ns, done).expect("the disk does what it should");
            }
        }
        self.events();
    }

    fn events(&mut self) {
        loop {
            let mut any = false;
            while let Some((link, event)) = self.core.poll_event() {
                any = true;
                self.handle(link.slot as usize / 2, event);
            }
            while let Some((link, delivery)) = self.core.poll_delivery() {
                any = true;
                let message = self.core.message(&delivery).clone();
                self.handle(link.slot as usize / 2, Event::Deliver { key: delivery.key, message });
            }
            if !any {
                return;
            }
        }
    }

    fn handle(&mut self, queue: usize, event: Event) {
        match event {
            Event::Credit { credit } => self.producers[queue].credit += credit,
            Event::Settled { first, last, outcome } => {
                for delivery in first..=last {
                    let number = self.producers[queue].open.remove(&delivery).expect("answered once");
                    if outcome == Outcome::Accepted {
                        self.owed[queue].insert(number);
                    } else {
                        self.producers[queue].refused += 1;
                    }
                }
            }
            Event::Deliver { key, message } => {
                let number = match message.large() {
                    Some(large) => large.id,
                    None => u64::from_be_bytes(message.body[..8].try_into().expect("eight octets")),
                };
                self.consumers[queue].held.push_back((key, number));
            }
            event => panic!("nobody asked for {event:?}"),
        }
    }

    /// A producer sends a durable message, if it has credit.
    fn send(&mut self, queue: usize, bytes: usize) {
        if self.producers[queue].credit == 0 {
            return;
        }
        self.sent += 1;
        let number = self.sent;
        let header = Header { durable: true, ..Header::default() };
        let large = bytes == SEGMENT && !self.disk.is_full();
        let message = if large {
            // Its file was written before.
            self.disk.files().insert(number);
            let body = Large { id: number, bytes: bytes as u64, checksum: 0 }.encode();
            Message { header, content: Content::File, ..Message::new(body) }
        } else {
            let mut body = number.to_be_bytes().to_vec();
            body.resize(bytes.min(SEGMENT / 4), 0);
            Message { header, ..Message::new(Bytes::from(body)) }
        };
        let producer = &mut self.producers[queue];
        let (end, delivery) = (producer.end, producer.next);
        producer.credit -= 1;
        producer.next += 1;
        producer.open.insert(delivery, number);
        self.core.handle_deliver(self.now_ns, 1, end, delivery, Settled::No, message);
    }

    /// Everybody sends until the disk takes no more.
    fn fill(&mut self) {
        let before = self.producers.iter().map(|producer| producer.refused).max().unwrap_or(0);
        for _ in 0..50_000 {
            // Where it has little the producers are refused, or what they have of credit ends before the disk does.
            let refused = self.producers.iter().any(|producer| producer.refused > before);
            let held = self.producers.iter().all(|producer| producer.credit == 0);
            if self.core.room() == Room::None || (self.core.room() == Room::Little && (refused || held)) {
                return;
            }
            let queue = self.chance.below(self.producers.len());
            // In every third world a quarter of all messages have files, which fill the disk sooner than segments do; in another
            // many are as large as single frames may be beside a segment.
            let last = [SEGMENT, SEGMENT / 4, 1_000][(self.seed % 3) as usize];
            let bytes = [100, 3_000, 20_000, last][self.chance.below(4)];
            self.send(queue, bytes);
            self.turn();
        }
        panic!("a disk of {} segments is full by now", self.disk.options.segments_max);
    }

    /// Consumers take all that the first queues have, and acknowledge it.
    fn consume(&mut self, queues: usize, how: Acknowledging) {
        for _ in 0..100_000 {
            for queue in 0..queues {
                let end = self.consumers[queue].end;
                self.core.handle_command(self.now_ns, 1, Command::Grant { end, credit: 3 });
                let most = if how == Acknowledging::OneByOne { 1 } else { usize::MAX };
                for _ in 0..most {
                    let Some((key, number)) = self.consumers[queue].held.pop_front() else { break };
                    self.owed[queue].remove(&number);
                    self.core.handle_settle(end, key, Outcome::Accepted, None);
                }
            }
            self.turn();
            if how == Acknowledging::OneByOne {
                (0..8).for_each(|_| self.turn());
            }
            let names: Vec<String> = (0..queues).map(|queue| format!("queue-{queue}")).collect();
            if self.core.queue_views().all(|view| !names.contains(&view.name) || view.messages == 0) {
                return;
            }
        }
        panic!("consumers take what there is");
    }

    /// Waits until all have credit, and sends more.
    fn goes_on(&mut self) {
        let until = self.now_ns + BOUND_NS;
        let has_room = |world: &Self| {
            world.core.room() == Room::Plenty && world.producers.iter().all(|producer| producer.credit > 0)
        };
        while !has_room(self) {
            let totals = self.store.totals();
            assert!(
                self.now_ns < until,
                "no room: {:?}, {totals:?}, {:?}",
                self.core.room(),
                self.disk.segments().keys()
            );
            self.turn();
        }
        let before: u64 = self.producers.iter().map(|producer| producer.refused).sum();
        for queue in 0..self.producers.len() {
            self.send(queue, 1_000);
        }
        let until = self.now_ns + BOUND_NS;
        while self.producers.iter().any(|producer| !producer.open.is_empty()) {
            assert!(self.now_ns < until, "what is sent then is answered");
            self.turn();
        }
        assert_eq!(self.producers.iter().map(|producer| producer.refused).sum::<u64>(), before, "nothing is refused");
        self.core.check();
        self.store.check();
    }

    /// Everything that was accepted and not acknowledged is still there.
    fn check_owed(&mut self) {
        self.consume_rest();
        assert!(self.owed.iter().all(BTreeSet::is_empty), "accepted, and never came: {:?}", self.owed);
    }

    fn consume_rest(&mut self) {
        let queues = self.consumers.len();
        self.consume(queues, Acknowledging::AtOnce);
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The seeds to run: `HEDDLE_SEEDS` says how many, `HEDDLE_FIRST_SEED` from which on.
fn seeds() -> std::ops::Range<u64> {
    let first = number("HEDDLE_FIRST_SEED", 0);
    first..first + number("HEDDLE_SEEDS", 12)
}

/// Runs a world for every seed, with both policies.
fn for_every_seed(queues: usize, run: impl Fn(&mut World) + std::panic::RefUnwindSafe) {
    for seed in seeds() {
        for policy in [WhenFull::Hold, WhenFull::Refuse] {
            let ran = std::panic::catch_unwind(|| {
                let capacity = 5 + seed as usize % 9;
                let mut world = World::new(seed, queues, policy, capacity);
                world.fill();
                run(&mut world);
                world.check_owed();
            });
            assert!(ran.is_ok(), "seed {seed}, {policy:?}");
        }
    }
}

#[test]
fn producers_go_on_when_all_is_acknowledged_and_nobody_leaves() {
    for_every_seed(1, |world| {
        world.consume(1, Acknowledging::AtOnce);
        world.goes_on();
    });
    for_every_seed(4, |world| {
        world.consume(4, Acknowledging::AtOnce);
        world.goes_on();
    });
}

#[test]
fn acknowledgements_one_by_one_do_not_use_up_what_is_kept_for_them() {
    for_every_seed(2, |world| {
        world.consume(2, Acknowledging::OneByOne);
        world.goes_on();
    });
}

#[test]
fn the_backlogs_of_others_do_not_keep_what_left_between_them() {
    for_every_seed(4, |world| {
        if world.disk.options.segments_max < 9 {
            // What three of four queues leave has to be more than a segment.
            return;
        }
        world.consume(3, Acknowledging::AtOnce);
        world.goes_on();
    });
}

#[test]
fn room_that_others_leave_is_found() {
    for_every_seed(2, |world| {
        world.disk.options.segments_max += 8;
        world.goes_on();
    });
}

#[test]
fn a_disk_that_is_full_from_the_start_holds_everybody_until_it_has_room() {
    for seed in seeds() {
        let mut world = World::new(seed, 0, WhenFull::Hold, 0);
        world.store.begin_full();
        world.turn();
        world.attach(0);
        for _ in 0..500 {
            world.turn();
        }
        assert_eq!((world.core.room(), world.producers[0].credit), (Room::None, 0), "seed {seed}");
        assert!(world.disk.segments().is_empty(), "seed {seed}");
        world.disk.options.segments_max = 8;
        world.goes_on();
        world.check_owed();
    }
}

#[test]
fn it_fills_and_recovers_again_and_again() {
    for_every_seed(3, |world| {
        for _ in 0..4 {
            world.consume(3, Acknowledging::AtOnce);
            world.goes_on();
            world.fill();
        }
        world.consume(3, Acknowledging::AtOnce);
        world.goes_on();
        assert!(world.store.totals().disk.full_times >= 5, "it was full each time");
    });
}
