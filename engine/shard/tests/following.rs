//! Somebody follows a node's log: takes the shared parts of its batches as they are, into a journal of its own with another identity,
//! and ends with the same queues, messages, order, failures and declarations, whatever the node writes again or puts aside, and however
//! often it starts again. This is `docs/following.md`, tried.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine_core::Core;
use engine_core::command::{Command, ConsumerSpec, Modified, Outcome};
use engine_core::event::Event;
use engine_core::fact::{Declared, Purpose};
use engine_core::key::{EndKey, LinkKey};
use engine_core::limits::{CoreConfig, Storage};
use engine_core::message::{Header, Message};
use engine_ledger::Ledger;
use engine_shard::store::{Extract, Recovered, Recovery, Store, StoreConfig};
use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{
    Done, Full, LOCAL, NotTaken, Order, Part, Position, RecordHeader, SegmentPart, Segments, SharedPart, Unknown,
    Writer, read_parts,
};

const SEGMENT: usize = 64 * 1024;
const LEADER: [u8; 16] = [9; 16];
const FOLLOWER: [u8; 16] = [4; 16];
const QUEUES: [&str; 3] = ["orders", "prices", "passing"];

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

fn config(directory: [u8; 16]) -> StoreConfig {
    StoreConfig { shard: 0, directory, segment_bytes: SEGMENT as u64, checkpoint_segments: 3 }
}

fn begin(segments: &mut BTreeMap<u64, Vec<u8>>, segment: u64, directory: [u8; 16], older: Option<Vec<u8>>) {
    let mut bytes = older.unwrap_or_else(|| vec![0; SEGMENT]);
    let header = SegmentHeader { shard: 0, segment, directory, bytes: SEGMENT as u64 };
    bytes[..BLOCK].copy_from_slice(&header.encode());
    segments.insert(segment, bytes);
}

/// Reads all segments, as a start does.
fn recover(directory: [u8; 16], segments: &BTreeMap<u64, Vec<u8>>) -> Recovered {
    let mut recovery = Recovery::new(config(directory));
    for (&number, bytes) in segments {
        recovery.handle_part(&SegmentPart::whole(number, bytes)).expect("nothing is damaged");
    }
    recovery.finish()
}

/// A queue, and its messages in their order: name, body and delivery-count.
type Held = Vec<(Declared, Vec<(u64, Vec<u8>, u32)>)>;

fn held(directory: [u8; 16], segments: &BTreeMap<u64, Vec<u8>>) -> Held {
    let Recovered { store, restored, .. } = recover(directory, segments);
    let extract = Extract::new(store, restored);
    let messages = |queue: u64| {
        let mut found = Vec::new();
        for part in extract.parts(queue) {
            let at = part.place.offset as usize;
            let area = &segments[&part.place.segment][at..at + part.bytes];
            let messages = extract.messages(&part, area).into_iter();
            found.extend(messages.map(|(name, message)| (name, message.body.to_vec(), message.header.delivery_count)));
        }
        found
    };
    extract.queues().iter().map(|queue| (queue.declared.clone(), messages(queue.declared.queue))).collect()
}

/// What a ledger says.
type Says = Vec<(Declared, Vec<u64>, Vec<(u64, u32)>)>;

fn says(ledger: &Ledger) -> Says {
    let mut found: Says = ledger
        .queues()
        .filter_map(|(_, kept)| {
            let names: Vec<u64> = kept.runs().flat_map(|run| run.names().iter()).collect();
            let failures = names.iter().filter_map(|&name| Some((name, ledger.failures_of(name)?))).collect();
            Some((kept.declared()?.clone(), names, failures))
        })
        .collect();
    found.sort_by_key(|(declared, ..)| declared.queue);
    found
}

/// Whoever follows: a writer, the segments, and a ledger; no owner.
struct Follower {
    writer: Writer,
    index: Segments,
    ledger: Ledger,
    segments: BTreeMap<u64, Vec<u8>>,
    /// Records of its own between those that it takes.
    own: u32,
}

impl Follower {
    fn new() -> Self {
        let mut index = Segments::new(SEGMENT as u64, 0);
        index.handle_begun(1, Position::START.reach);
        let mut segments = BTreeMap::new();
        begin(&mut segments, 1, FOLLOWER, None);
        let writer = Writer::new(FOLLOWER, SEGMENT, Position::START);
        Self { writer, index, ledger: Ledger::new(), segments, own: 0 }
    }

    fn take(&mut self, part: &SharedPart<'_>, chance: &mut Chance) {
        while let Err(error) = self.writer.take_part(part) {
            match error {
                NotTaken::Full(Full::Batch) => self.seal(),
                NotTaken::Full(Full::Segment) => self.roll(),
                error => panic!("each part is the next one, and whole: {error:?}"),
            }
        }
        let (index, ledger) = (&mut self.index, &mut self.ledger);
        part.records(|record| ledger.apply_record(index, &record).expect("it is known")).expect("it is whole");
        ledger.settle(index);
        if chance.below(3) == 0 {
            // Its own affairs: here a record that nobody knows.
            let header = RecordHeader { part: Part::Local, kind: 200, unknown: Unknown::Skip, numbers: 1 };
            self.own += u32::from(self.writer.append(header, &[b"mine"]).is_ok());
        }
        self.seal();
    }

    fn seal(&mut self) {
        let Some(sealed) = self.writer.seal() else { return };
        let at = sealed.place.offset as usize;
        let segment = self.segments.get_mut(&sealed.place.segment).expect("it was begun");
        segment[at..at + sealed.buffer.len()].copy_from_slice(sealed.buffer.bytes());
        self.index.handle_sealed(sealed.first, (at / BLOCK) as u32, (sealed.buffer.len() / BLOCK) as u32);
    }

    fn roll(&mut self) {
        self.seal();
        self.ledger.settle(&mut self.index);
        let segment = self.writer.roll();
        begin(&mut self.segments, segment, FOLLOWER, None);
        self.index.handle_begun(segment, self.writer.next());
    }
}

/// The node that is followed. Its disk does at once what it is told.
struct Leader {
    core: Core,
    store: Store,
    segments: BTreeMap<u64, Vec<u8>>,
    queues: Vec<u64>,
    consumers: Vec<EndKey>,
    held: Vec<(EndKey, u64)>,
    sent: u64,
    now_ns: u64,
    aside: u64,
}

impl Leader {
    fn core() -> Core {
        Core::new(CoreConfig {
            storage: Storage::Journal,
            stored_bytes_max: Store::body_max(64 << 20),
            memory_bytes: 64 << 10,
            ..CoreConfig::default()
        })
    }

    fn new() -> Self {
        let (queues, consumers, held) = (Vec::new(), Vec::new(), Vec::new());
        let store = Recovery::new(config(LEADER)).finish().store;
        let (segments, core) = (BTreeMap::new(), Self::core());
        let mut leader = Self { core, store, segments, queues, consumers, held, sent: 0, now_ns: 1, aside: 0 };
        for name in QUEUES {
            leader.declare(name);
        }
        leader.attach();
        leader
    }

    fn declare(&mut self, name: &str) {
        let (routing, purpose) = (engine_core::command::RoutingType::Anycast, Purpose::OnDemand);
        let declared = Declared { queue: 0, routing, purpose, address: name.to_owned(), name: name.to_owned() };
        self.queues.push(self.core.adopt_queue(&declared));
    }

    fn attach(&mut self) {
        for (slot, address) in (0..).zip(QUEUES) {
            let spec = ConsumerSpec::of(address);
            let link = LinkKey { shard: 0, generation: 0, slot };
            self.core.handle_command(1, 1, Command::AttachConsumer { link, spec: Box::new(spec) });
            let attached = std::iter::from_fn(|| self.core.poll_event()).find_map(|(_, event)| match event {
                Event::Attached { end, .. } => Some(end),
                _ => None,
            });
            self.consumers.push(attached.expect("the queue is there"));
        }
    }

    fn put(&mut self, queue: usize, size: usize, durable: bool) {
        self.sent += 1;
        let mut body = self.sent.to_be_bytes().to_vec();
        body.resize(8 + size, self.sent as u8);
        let header = Header { durable, ..Header::default() };
        self.core.adopt_message(self.queues[queue], Message { header, ..Message::new(Bytes::from(body)) });
    }

    fn act(&mut self, chance: &mut Chance, follower: &mut Follower) {
        match chance.below(9) {
            0..4 => {
                let queue = chance.below(QUEUES.len());
                self.put(queue, [0, 100, 1500, 9000][chance.below(4)], chance.below(3) > 0);
            }
            4 => {
                for &end in &self.consumers {
                    self.core.handle_command(1, 1, Command::Grant { end, credit: 3 });
                }
                self.turn(chance, follower);
                while let Some((link, delivery)) = self.core.poll_delivery() {
                    self.held.push((self.consumers[link.slot as usize], delivery.key));
                }
            }
            5..8 if !self.held.is_empty() => {
                let (end, key) = self.held.swap_remove(chance.below(self.held.len()));
                let failed = Modified { delivery_failed: true, ..Modified::default() };
                let outcome = match chance.below(6) {
                    0 => Outcome::Modified(Box::new(failed)),
                    1 => Outcome::Released,
                    _ => Outcome::Accepted,
                };
                self.core.handle_settle(end, key, outcome, None);
            }
            _ => self.turn(chance, follower),
        }
    }

    fn turn(&mut self, chance: &mut Chance, follower: &mut Follower) {
        self.now_ns += 10_000_000;
        self.store.handle_turn(&mut self.core, self.now_ns);
        while let Some(order) = self.store.poll_order() {
            if let Some(done) = self.carry_out(order, chance, follower) {
                self.store.handle_done(&mut self.core, self.now_ns, done).expect("the disk does what it should");
            }
        }
        while self.core.poll_event().is_some() {}
    }

    fn carry_out(&mut self, order: Order, chance: &mut Chance, follower: &mut Follower) -> Option<Done> {
        Some(match order {
            Order::Write { place, buffer } => {
                let at = place.offset as usize;
                let segment = self.segments.get_mut(&place.segment).expect("it is ready");
                segment[at..at + buffer.len()].copy_from_slice(buffer.bytes());
                // The number of the first local record's header field says whether there are any.
                self.aside += u64::from(buffer.bytes()[36..40] != [0; 4]);
                read_parts(LEADER, place, buffer.bytes(), |part| follower.take(&part, chance)).expect("it is whole");
                Done::Written { buffer }
            }
            Order::Read { id, place, mut buffer } => {
                let (at, end) = (place.offset as usize, place.offset as usize + buffer.len());
                buffer.bytes_mut().copy_from_slice(&self.segments[&place.segment][at..end]);
                Done::Read { id, buffer }
            }
            Order::Prepare { segment, reuse, .. } => {
                let older = reuse.and_then(|older| self.segments.remove(&older));
                begin(&mut self.segments, segment, LEADER, older);
                Done::Prepared { segment }
            }
            Order::Checkpoint { segment, .. } => Done::Checkpointed { segment },
            Order::Vouch { batch } => Done::Vouched { batch },
            Order::Remove { segment, .. } => {
                self.segments.remove(&segment);
                return None;
            }
            Order::Discard { .. } => return None,
        })
    }

    fn rest(&mut self, chance: &mut Chance, follower: &mut Follower) {
        for _ in 0..1000 {
            self.turn(chance, follower);
            if self.store.is_resting() {
                return;
            }
        }
        panic!("it comes to rest");
    }

    /// The node stops, and starts again.
    fn restart(&mut self) {
        let Recovered { store, restored, last } = recover(LEADER, &self.segments);
        (self.store, self.core) = (store, Self::core());
        self.core.restore_numbers(last);
        restored.iter().for_each(|queue| self.core.restore(queue));
        self.held.clear();
        self.consumers.clear();
        let known = |name: &str| restored.iter().find(|found| found.declared.name == name);
        for (slot, name) in QUEUES.iter().enumerate() {
            if let Some(found) = known(name) {
                self.queues[slot] = found.declared.queue;
            } else {
                self.queues.truncate(slot);
                self.declare(name);
            }
        }
        self.attach();
    }
}

fn seeds() -> u64 {
    std::env::var("HEDDLE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(12)
}

#[test]
fn who_takes_the_shared_parts_has_the_same() {
    let (mut rewritten, mut failed, mut aside, mut own, mut messages) = (0, 0, 0, 0, 0);
    for seed in 0..seeds() {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (mut leader, mut follower) = (Leader::new(), Follower::new());
        for life in 0..3 {
            if life > 0 {
                leader.restart();
            }
            for _ in 0..700 {
                leader.act(&mut chance, &mut follower);
            }
            leader.rest(&mut chance, &mut follower);
            let expected = says(leader.store.ledger());
            assert_eq!(says(&follower.ledger), expected, "seed {seed}, life {life}");
            // As it is on disk, with its bodies.
            let here = held(LEADER, &leader.segments);
            assert_eq!(held(FOLLOWER, &follower.segments), here, "seed {seed}, life {life}");
            assert!(here.iter().flat_map(|(_, messages)| messages).all(|(name, ..)| name & LOCAL == 0));
            failed += expected.iter().map(|(.., failures)| failures.len()).sum::<usize>();
            messages += here.iter().map(|(_, messages)| messages.len()).sum::<usize>();
            rewritten += leader.store.totals().rewritten;
        }
        (aside, own) = (aside + leader.aside, own + follower.own);
    }
    assert!(
        rewritten > 100 && aside > 100,
        "the node had affairs of its own: {rewritten} written again, {aside} batches"
    );
    assert!(
        failed > 10 && own > 100 && messages > 100,
        "{failed} failed, {own} of the follower's, {messages} messages"
    );
}
