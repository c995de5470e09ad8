//! One shard's owner and journal on a disk that a seed decides on: how much of what was not synced gets there when the power
//! fails, in which order sectors do, when the disk is full, slow, or fails, and which bits flip.
//!
//! Shown for every seed: every accepted durable message is delivered again until it was acknowledged durably; what was
//! confirmed as acknowledged never comes back; first deliveries of a queue are in the order in which they were sent; no message
//! is invented; the space follows what lives. A failing seed fails again: there is no clock, no thread and no other chance in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use engine_catalogue::{Catalogue, Layer};
use engine_core::command::{
    Command, ConsumerSpec, DetachMode, Durability, Modified, Outcome, ProducerSpec, RoutingType, Settled, Sharing,
    Subscription,
};
use engine_core::event::Event;
use engine_core::fact::PASSING;
use engine_core::key::{EndKey, LinkKey};
use engine_core::limits::{CoreConfig, Storage};
use engine_core::message::{Content, Header, Large, Message};
use engine_core::{Core, Restored};
use engine_ledger::Meaning;
use engine_shard::store::{Recovered, Recovery, Store, StoreConfig, StoreError};
use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{Done, Fault, FaultKind, Manifest, Order, Part, Piece, Salvage, SegmentFound, SegmentPart};

const SEGMENT: usize = 64 * 1024;
const SECTOR: usize = 512;
const DIRECTORY: [u8; 16] = [9; 16];
const QUEUES: [&str; 3] = ["orders", "prices", "news"];

/// Numbers from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// Segments in memory. Orders take their time, and end in the order in which each kind was given.
struct Disk {
    segments: BTreeMap<u64, Vec<u8>>,
    checkpoints: BTreeMap<u64, Vec<u8>>,
    manifest: Manifest,
    /// Segments that were removed since the last crash, which may take that back.
    removed: Vec<(u64, Vec<u8>)>,
    writes: VecDeque<Order>,
    others: VecDeque<Order>,
    /// Files of large messages.
    files: BTreeSet<u64>,
    segments_max: usize,
    failing: bool,
}

impl Disk {
    fn header(segment: u64) -> Vec<u8> {
        SegmentHeader { shard: 0, segment, directory: DIRECTORY, bytes: SEGMENT as u64 }.encode()
    }

    fn step(&mut self, chance: &mut Chance) -> Option<Done> {
        let from_writes = self.others.is_empty() || (!self.writes.is_empty() && chance.one_in(2));
        let order = if from_writes { self.writes.pop_front()? } else { self.others.pop_front()? };
        Some(match order {
            Order::Write { .. } if self.failing => {
                Done::Failed { what: "write", error: std::io::Error::other("the disk is gone") }
            }
            Order::Write { place, buffer } => {
                let segment = self.segments.get_mut(&place.segment).expect("a batch goes to a segment that is ready");
                let at = place.offset as usize;
                segment[at..at + buffer.len()].copy_from_slice(buffer.bytes());
                Done::Written { buffer }
            }
            Order::Read { id, place, mut buffer } => {
                let at = place.offset as usize;
                let segment = &self.segments[&place.segment];
                let end = at + buffer.len();
                buffer.bytes_mut().copy_from_slice(&segment[at..end]);
                Done::Read { id, buffer }
            }
            Order::Prepare { segment, reuse, first, batch, .. } => {
                reuse.into_iter().for_each(|older| self.give_up(older, first));
                let used = self.segments.len() - usize::from(reuse.is_some());
                if reuse.is_none() && !self.segments.contains_key(&segment) && used >= self.segments_max {
                    return Some(Done::NoRoom { segment, reuse });
                }
                // One that a crash brought back in part does not serve again.
                let whole = |bytes: &Vec<u8>| bytes.len() == SEGMENT;
                let old = reuse.and_then(|older| self.segments.remove(&older)).filter(whole);
                let there = old.or_else(|| self.segments.remove(&segment)).filter(whole);
                let mut bytes = there.unwrap_or_else(|| vec![0; SEGMENT]);
                // Power may fail between the new name and the new header.
                bytes[..BLOCK].copy_from_slice(&Self::header(segment));
                self.segments.insert(segment, bytes);
                self.manifest = self.manifest.join(Manifest { first, last: segment, batch });
                Done::Prepared { segment }
            }
            Order::Checkpoint { .. } if chance.one_in(10) => Done::NotCheckpointed,
            Order::Checkpoint { segment, bytes } => {
                self.checkpoints.insert(segment, bytes);
                Done::Checkpointed { segment }
            }
            Order::Remove { segment, first } => {
                self.give_up(segment, first);
                let bytes = self.segments.remove(&segment).expect("a segment is removed once");
                self.removed.push((segment, bytes));
                return None;
            }
            Order::Vouch { batch } => {
                self.manifest = self.manifest.join(Manifest { batch, ..Manifest::NEW });
                Done::Vouched { batch }
            }
            Order::Discard { id } => {
                assert!(self.files.remove(&id), "a file is deleted once");
                return None;
            }
        })
    }

    /// Power fails: of the batch that is written any sectors may have got there, of everything else nothing.
    fn crash(&mut self, chance: &mut Chance) {
        if let Some(Order::Write { place, buffer }) = self.writes.pop_front()
            && let Some(segment) = self.segments.get_mut(&place.segment)
        {
            let whole = chance.one_in(4);
            for (number, sector) in buffer.bytes().chunks(SECTOR).enumerate() {
                if whole || chance.one_in(2) {
                    let at = place.offset as usize + number * SECTOR;
                    segment[at..at + sector.len()].copy_from_slice(sector);
                }
            }
        }
        match self.others.front() {
            Some(&Order::Prepare { segment, reuse, first, .. }) => self.prepare_in_part(segment, reuse, first, chance),
            Some(&Order::Remove { segment, first }) if chance.one_in(2) => self.give_up(segment, first),
            _ => {}
        }
        // Names are not synced: what was removed may be there again, in part.
        for (segment, mut bytes) in std::mem::take(&mut self.removed) {
            if chance.one_in(2) {
                bytes.truncate(chance.below(2 * SEGMENT));
                self.segments.entry(segment).or_insert(bytes);
            }
        }
        self.writes.clear();
        self.others.clear();
    }
}

impl Disk {
    /// Nothing before `first` is needed: the manifest says so before anything becomes of `segment`.
    fn give_up(&mut self, segment: u64, first: u64) {
        assert!(first > segment, "{segment} is needed, as all from {first} on are");
        self.manifest = self.manifest.join(Manifest { first, ..Manifest::NEW });
    }

    /// Only some of the steps of making a segment ready are done: giving up the old one, the new name, the new header.
    fn prepare_in_part(&mut self, segment: u64, reuse: Option<u64>, first: u64, chance: &mut Chance) {
        let steps = chance.below(4);
        let Some(older) = reuse.filter(|_| steps > 0) else { return };
        self.give_up(older, first);
        if steps > 1
            && let Some(mut bytes) = self.segments.remove(&older)
        {
            if steps > 2 && bytes.len() == SEGMENT {
                bytes[..BLOCK].copy_from_slice(&Self::header(segment));
            }
            self.segments.insert(segment, bytes);
        }
    }

    /// The segments that a start finds.
    fn found(&self) -> Vec<SegmentFound> {
        let found = self.segments.iter().map(|(&number, bytes)| SegmentFound {
            number,
            bytes: bytes.len() as u64,
            header: SegmentHeader::decode(bytes),
        });
        found.collect()
    }
}

/// What the world knows of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fate {
    accepted: bool,
    delivered: bool,
    acknowledged: bool,
    confirmed: bool,
    /// Its delivery-count, once it was seen since the last start.
    failures: Option<u32>,
}

struct Producer {
    end: EndKey,
    queue: usize,
    credit: u32,
    next: u32,
    open: BTreeMap<u32, u64>,
}

struct Consumer {
    end: EndKey,
    queue: usize,
    subscription: Option<&'static str>,
    held: Vec<(u64, u64)>,
    /// Deliveries that wait for `Event::Confirmed`.
    waiting: BTreeMap<u32, u64>,
    next_confirm: u32,
    /// The last number that came for the first time.
    newest: Option<u64>,
    /// The last number that came, since anything was given back.
    last: Option<u64>,
}

enum Link {
    Producer(Producer),
    Consumer(Consumer),
}

struct World {
    chance: Chance,
    disk: Disk,
    core: Core,
    store: Store,
    links: Vec<Link>,
    /// By the place where messages are kept (a queue or a subscription) and their number.
    fates: BTreeMap<(String, u64), Fate>,
    sent: [u64; QUEUES.len()],
    memory: u64,
    crashes: u32,
    refused: u64,
    resumed: u64,
    recalled: u64,
    now_ns: u64,
}

fn config() -> StoreConfig {
    StoreConfig { shard: 0, directory: DIRECTORY, segment_bytes: SEGMENT as u64, checkpoint_segments: 3 }
}

/// Where a message of a queue is kept: the third one is a topic with two durable subscriptions.
fn places(queue: usize) -> Vec<String> {
    if queue == 2 { vec!["news/a".into(), "news/b".into()] } else { vec![QUEUES[queue].into()] }
}

/// A consumer of a queue, or of a subscription to it.
fn consumer_spec(queue: usize, subscription: Option<&'static str>) -> impl FnOnce(LinkKey) -> Command {
    let spec = ConsumerSpec {
        routing: (queue == 2).then_some(RoutingType::Multicast),
        subscription: subscription.map(|name| Subscription {
            container: "world".into(),
            name: name.into(),
            durability: Durability::Durable,
            sharing: Sharing::Exclusive,
        }),
        ..ConsumerSpec::of(QUEUES[queue])
    };
    |link| Command::AttachConsumer { link, spec: Box::new(spec) }
}

fn place_of(consumer: &Consumer) -> String {
    match consumer.subscription {
        Some(name) => format!("{}/{name}", QUEUES[consumer.queue]),
        None => QUEUES[consumer.queue].into(),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let memory = [8 << 10, 64 << 10, 64 << 20][chance.below(3)];
        let segments_max = [12, 400][chance.below(2)];
        Self::with(chance, memory, segments_max)
    }

    fn with(chance: Chance, memory: u64, segments_max: usize) -> Self {
        let disk = Disk {
            segments: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            manifest: Manifest::NEW,
            removed: Vec::new(),
            writes: VecDeque::new(),
            others: VecDeque::new(),
            files: BTreeSet::new(),
            segments_max,
            failing: false,
        };
        let store = Recovery::new(config()).finish().store;
        let core = Self::core(memory);
        let (links, fates, sent) = (Vec::new(), BTreeMap::new(), [0; 3]);
        let (crashes, refused, resumed, recalled, now_ns) = (0, 0, 0, 0, 1);
        let mut world =
            Self { chance, disk, core, store, links, fates, sent, memory, crashes, refused, resumed, recalled, now_ns };
        world.attach();
        world
    }

    fn core(memory: u64) -> Core {
        Core::new(CoreConfig {
            storage: Storage::Journal,
            stored_bytes_max: Store::body_max(64 << 20),
            memory_bytes: memory * 4,
            catalogue: Arc::new(Catalogue::of_all(Layer { producer_window: Some(40), ..Layer::default() })),
            ..CoreConfig::default()
        })
    }

    fn attach(&mut self) {
        self.links.clear();
        for (queue, address) in QUEUES.into_iter().enumerate() {
            let multicast = queue == 2;
            let names: &[Option<&'static str>] = if multicast { &[Some("a"), Some("b")] } else { &[None] };
            for &subscription in names {
                let end = self.attached(self.links.len(), consumer_spec(queue, subscription));
                self.links.push(Link::Consumer(Consumer {
                    end,
                    queue,
                    subscription,
                    held: Vec::new(),
                    waiting: BTreeMap::new(),
                    next_confirm: 0,
                    newest: None,
                    last: None,
                }));
            }
            let routing = multicast.then_some(RoutingType::Multicast);
            let spec = ProducerSpec { routing, ..ProducerSpec::of(address) };
            let end = self.attached(self.links.len(), |link| Command::AttachProducer { link, spec: Box::new(spec) });
            let open = BTreeMap::new();
            self.links.push(Link::Producer(Producer { end, queue, credit: 0, next: 0, open }));
            self.events();
        }
    }

    /// Sends a command for the next link; steps the world until it is attached.
    fn attached(&mut self, slot: usize, make: impl FnOnce(LinkKey) -> Command) -> EndKey {
        let slot = slot as u32;
        self.core.handle_command(1, 1, make(LinkKey { shard: 0, generation: 0, slot }));
        for _ in 0..1000 {
            while let Some((link, event)) = self.core.poll_event() {
                match event {
                    Event::Attached { end, .. } if link.slot == slot => return end,
                    event => self.handle(link.slot as usize, event),
                }
            }
            self.turn();
            self.complete_order();
        }
        panic!("a link is attached when the disk did what it has to");
    }

    fn turn(&mut self) {
        self.now_ns += [50_000, 10_000_000][self.chance.below(2)];
        self.store.handle_turn(&mut self.core, self.now_ns);
        while let Some(order) = self.store.poll_order() {
            match order {
                Order::Write { .. } => self.disk.writes.push_back(order),
                order => self.disk.others.push_back(order),
            }
        }
        // A deadline that has passed would make the shard spin until something else happens.
        let deadline = self.store.deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now_ns), "{deadline:?} has passed at {}", self.now_ns);
    }

    fn step_disk(&mut self) {
        self.complete_order();
        self.events();
    }

    fn complete_order(&mut self) {
        if let Some(done) = self.disk.step(&mut self.chance) {
            self.store.handle_done(&mut self.core, self.now_ns, done).expect("the disk does what it should");
        }
    }

    fn events(&mut self) {
        loop {
            let mut any = false;
            while let Some((link, event)) = self.core.poll_event() {
                any = true;
                self.handle(link.slot as usize, event);
            }
            while let Some((link, delivery)) = self.core.poll_delivery() {
                any = true;
                let message = self.core.message(&delivery).clone();
                self.handle(link.slot as usize, Event::Deliver { key: delivery.key, message });
            }
            if !any {
                return;
            }
        }
    }

    fn handle(&mut self, index: usize, event: Event) {
        match (event, self.links.get_mut(index)) {
            (Event::Credit { credit }, Some(Link::Producer(producer))) => producer.credit += credit,
            (Event::Settled { first, last, outcome }, Some(Link::Producer(producer))) => {
                for delivery in first..=last {
                    let number = producer.open.remove(&delivery).expect("answered once");
                    for place in places(producer.queue) {
                        match outcome {
                            Outcome::Accepted => {
                                self.fates.get_mut(&(place, number)).expect("it was sent").accepted = true;
                            }
                            ref other => {
                                let refused = format!("{other:?}");
                                assert!(refused.contains("the disk is full"), "refused only then: {refused}");
                                self.refused += 1;
                                self.fates.remove(&(place, number));
                            }
                        }
                    }
                }
            }
            (Event::Deliver { key, message }, Some(Link::Consumer(consumer))) => {
                let place = place_of(consumer);
                let number = match message.large() {
                    Some(large) => {
                        assert!(self.disk.files.contains(&large.id), "{place}: the file {} is gone", large.id);
                        assert_eq!(large.id >> 32, consumer.queue as u64);
                        large.id & u64::from(u32::MAX)
                    }
                    None => u64::from_be_bytes(message.body[..8].try_into().expect("eight octets")),
                };
                let intact = |body: &[u8]| body[8..].iter().all(|&octet| octet == number as u8);
                assert!(message.content == Content::File || intact(&message.body), "the body is what was sent");
                let durable = message.header.durable;
                if !durable {
                    // It may be gone after a crash, but never come from nowhere.
                    assert!(number < self.sent[consumer.queue]);
                }
                let fate = self.fates.get_mut(&(place.clone(), number));
                let fate = fate.unwrap_or_else(|| panic!("{place} {number} was never sent"));
                assert!(!fate.confirmed, "{place} {number} came back after its acknowledgement was confirmed");
                if !fate.delivered {
                    assert!(consumer.newest.is_none_or(|newest| newest < number), "{place}: {number} is out of order");
                    consumer.newest = Some(number);
                }
                assert!(
                    consumer.last.is_none_or(|last| last < number),
                    "{place}: {number} comes after {:?}",
                    consumer.last
                );
                consumer.last = Some(number);
                let failures = *fate.failures.get_or_insert(message.header.delivery_count);
                assert_eq!(message.header.delivery_count, failures, "{place} {number}");
                assert!(!(message.header.first_acquirer && fate.delivered), "{place} {number} was with somebody");
                fate.delivered = true;
                consumer.held.push((key, number));
            }
            (Event::Confirmed { delivery }, Some(Link::Consumer(consumer))) => {
                // A subscription that was closed waits for nothing.
                if let Some(number) = consumer.waiting.remove(&delivery) {
                    self.fates.get_mut(&(place_of(consumer), number)).expect("it was sent").confirmed = true;
                }
            }
            (event, _) => panic!("no link gets this: {event:?}"),
        }
    }

    /// A consumer goes without a word, and comes back: what it held does, too.
    fn abandon(&mut self, index: usize) {
        let Link::Consumer(consumer) = &mut self.links[index] else { return };
        consumer.held.clear();
        consumer.last = None;
        let (end, spec) = (consumer.end, consumer_spec(consumer.queue, consumer.subscription));
        self.core.handle_command(1, 1, Command::Detach { end, mode: DetachMode::Lost });
        let attached = self.attached(index, spec);
        if let Link::Consumer(consumer) = &mut self.links[index] {
            consumer.end = attached;
        }
    }

    /// A durable subscription ends with everything in it, and begins anew.
    fn unsubscribe(&mut self, index: usize) {
        let Link::Consumer(consumer) = &mut self.links[index] else { return };
        // A disk that may be full takes no new subscription until it has room again.
        if consumer.subscription.is_none() || self.disk.segments_max < 100 {
            return;
        }
        consumer.held.clear();
        consumer.waiting.clear();
        (consumer.last, consumer.newest) = (None, None);
        let (end, place) = (consumer.end, place_of(consumer));
        let spec = consumer_spec(consumer.queue, consumer.subscription);
        // Until that is durable a crash may bring its messages back; nobody promised so.
        let left = self.fates.iter_mut().filter(|((at, _), _)| *at == place);
        left.for_each(|(_, fate)| fate.acknowledged = true);
        self.core.handle_command(1, 1, Command::Detach { end, mode: DetachMode::Close });
        let attached = self.attached(index, spec);
        if let Link::Consumer(consumer) = &mut self.links[index] {
            consumer.end = attached;
        }
    }

    /// Something that a random link does.
    fn act(&mut self) {
        let index = self.chance.below(self.links.len());
        // Who attaches waits for the disk.
        let attaches = !self.disk.failing;
        if self.chance.one_in(400) && attaches {
            return self.unsubscribe(index);
        }
        if self.chance.one_in(150) && attaches {
            return self.abandon(index);
        }
        let (choice, size) = (self.chance.below(12), [8, 100, 3000, 9000][self.chance.below(4)]);
        let durable = !self.chance.one_in(6);
        match &mut self.links[index] {
            Link::Producer(producer) if producer.credit > 0 => {
                producer.credit -= 1;
                let number = self.sent[producer.queue];
                self.sent[producer.queue] += 1;
                let mut body = number.to_be_bytes().to_vec();
                body.resize(size, number as u8);
                let header = Header { durable, ..Header::default() };
                let mut message = Message { header, ..Message::new(Bytes::from(body)) };
                if choice == 0 {
                    let large = Large { id: (producer.queue as u64) << 32 | number, bytes: 1 << 20, checksum: 0 };
                    self.disk.files.insert(large.id);
                    message = Message { content: Content::File, body: large.encode(), ..message };
                }
                for place in places(producer.queue) {
                    self.fates.insert((place, number), Fate::default());
                }
                let (end, delivery) = (producer.end, producer.next);
                producer.next += 1;
                producer.open.insert(delivery, number);
                self.core.handle_deliver(1, 1, end, delivery, Settled::No, message);
                if !durable {
                    // Nobody promised to keep it.
                    for place in places(self.queue_of(index)) {
                        self.fates.entry((place, number)).or_default().acknowledged = true;
                    }
                }
            }
            Link::Consumer(consumer) if choice < 7 && !consumer.held.is_empty() => {
                let (key, number) = if choice < 2 { consumer.held.swap_remove(0) } else { consumer.held.remove(0) };
                let (end, place) = (consumer.end, place_of(consumer));
                let (outcome, confirm) = match choice {
                    0 => (Outcome::Released, None),
                    1 => {
                        let modified = Modified { delivery_failed: true, ..Modified::default() };
                        (Outcome::Modified(Box::new(modified)), None)
                    }
                    2..4 => {
                        consumer.next_confirm += 1;
                        consumer.waiting.insert(consumer.next_confirm, number);
                        (Outcome::Accepted, Some(consumer.next_confirm))
                    }
                    _ => (Outcome::Accepted, None),
                };
                let fate = self.fates.get_mut(&(place, number)).expect("it was sent");
                match &outcome {
                    Outcome::Accepted => fate.acknowledged = true,
                    Outcome::Modified(_) => fate.failures = fate.failures.map(|count| count + 1),
                    _ => {}
                }
                if outcome != Outcome::Accepted {
                    consumer.last = None;
                }
                self.core.handle_settle(end, key, outcome, confirm);
            }
            Link::Consumer(consumer) => {
                let end = consumer.end;
                self.core.handle_command(1, 1, Command::Grant { end, credit: 3 });
            }
            Link::Producer(_) => {}
        }
    }

    fn queue_of(&self, index: usize) -> usize {
        match &self.links[index] {
            Link::Producer(producer) => producer.queue,
            Link::Consumer(consumer) => consumer.queue,
        }
    }

    /// Power fails, and the node starts again.
    fn crash(&mut self) {
        self.crashes += 1;
        self.disk.crash(&mut self.chance);
        let manifest = self.disk.manifest;
        let usable = |segment: u64| manifest.first <= segment;
        let checkpoint = self.disk.checkpoints.iter().next_back().filter(|(segment, _)| usable(**segment));
        let mut recovery = match checkpoint {
            Some((&segment, bytes)) if !self.chance.one_in(4) => {
                self.resumed += 1;
                Recovery::resume(config(), segment, bytes).expect("the checkpoint is whole")
            }
            _ => Recovery::new(config()),
        };
        for number in recovery.handle_manifest(manifest, &self.disk.found()).expect("none is missing") {
            let cut = BLOCK * (1 + self.chance.below(SEGMENT / BLOCK));
            handle_segment(&mut recovery, number, &self.disk.segments[&number], cut).expect("a crash is no damage");
        }
        assert_eq!(recovery.losses(), [], "nothing was lost");
        let Recovered { store, restored, last } = recovery.finish();
        self.recalled += self.store.totals().recalled;
        self.store = store;
        // What a start does with files that no message names.
        let needed: BTreeSet<u64> = self.store.files().map(|large| large.id).collect();
        assert!(needed.is_subset(&self.disk.files), "files are gone: {:?}", needed.difference(&self.disk.files));
        self.disk.files = needed;
        self.core = Self::core(self.memory);
        self.core.restore_numbers(last);
        restored.iter().for_each(|queue| self.core.restore(queue));
        self.core.check();
        self.fates.values_mut().for_each(|fate| (fate.delivered, fate.failures) = (false, None));
        self.check_restored();
        self.attach();
    }

    /// What is owed is there.
    fn check_restored(&self) {
        for queue in self.core.queue_views() {
            let place = match queue.name.strip_prefix("world.") {
                Some(name) => format!("news/{name}"),
                None => queue.name.clone(),
            };
            let owed = |fate: &Fate| fate.accepted && !fate.acknowledged;
            let owed = self.fates.iter().filter(|((at, _), fate)| *at == place && owed(fate)).count() as u64;
            let messages = queue.messages;
            assert!(messages >= owed, "{place}: {messages} messages after crash {}, {owed} are owed", self.crashes);
        }
    }

    /// Everything that is due comes, and nothing else.
    fn drain(&mut self) {
        self.disk.segments_max = 10_000;
        for round in 0..20_000 {
            for index in 0..self.links.len() {
                let Link::Consumer(consumer) = &mut self.links[index] else { continue };
                let (end, place) = (consumer.end, place_of(consumer));
                for (key, number) in std::mem::take(&mut consumer.held) {
                    self.fates.get_mut(&(place.clone(), number)).expect("it was sent").acknowledged = true;
                    self.core.handle_settle(end, key, Outcome::Accepted, None);
                }
                if round % 4 == 0 {
                    self.core.handle_command(1, 1, Command::Grant { end, credit: 20 });
                }
            }
            self.events();
            self.turn();
            self.step_disk();
            let left = self.core.queue_views().any(|queue| queue.messages > 0);
            if !left && !self.store.is_busy() && self.disk.writes.is_empty() {
                break;
            }
        }
        for ((place, number), fate) in &self.fates {
            let owed = fate.accepted && !fate.acknowledged;
            assert!(!owed, "{place} {number} was accepted and never came: {fate:?}");
        }
        let left: Vec<_> = self.core.queue_views().filter(|queue| queue.messages > 0).collect();
        assert!(left.is_empty(), "{left:?}");
        for _ in 0..5_000 {
            self.turn();
            self.step_disk();
            if self.disk.files.is_empty() {
                break;
            }
        }
        assert!(self.disk.files.is_empty(), "nobody needs {:?}", self.disk.files);
    }

    fn check_space(&self) {
        let totals = self.store.totals();
        let bound = 2 * totals.live_bytes + 9 * SEGMENT as u64;
        assert!(totals.journal_bytes <= bound, "{} octets for {} that live", totals.journal_bytes, totals.live_bytes);
    }
}

/// Gives how often a start went on from a checkpoint, and how many messages came back from consumers and from disk.
fn simulate(seed: u64) -> (u64, u64) {
    let mut world = World::new(seed);
    let consuming = world.chance.below(3) + 1;
    for step in 0..4_000 {
        for _ in 0..consuming {
            world.act();
        }
        if world.chance.one_in(3) {
            world.turn();
        }
        if world.chance.one_in(2) {
            world.step_disk();
        }
        if world.chance.one_in(700) {
            world.crash();
        }
        if step % 64 == 0 {
            world.core.check();
            world.store.check();
        }
    }
    world.drain();
    for _ in 0..1_000 {
        world.turn();
        world.step_disk();
    }
    world.check_space();
    world.crash();
    world.drain();
    (world.resumed, world.recalled + world.store.totals().recalled)
}

fn seeds(default: u64) -> u64 {
    std::env::var("HEDDLE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_accepted_is_lost_on_any_disk() {
    let first = std::env::var("HEDDLE_FIRST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let (mut resumed, mut recalled) = (0, 0);
    for seed in first..first + seeds(60) {
        let Ok(more) = std::panic::catch_unwind(|| simulate(seed)) else { panic!("seed {seed}") };
        (resumed, recalled) = (resumed + more.0, recalled + more.1);
    }
    assert!(resumed > 0, "checkpoints were used");
    assert!(recalled > 0, "what consumers held left memory, and came back");
}

/// A journal with messages on several segments.
fn written(seed: u64) -> World {
    // With little memory, so that most of them are on disk only.
    let mut world = World::with(Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1), 8 << 10, 400);
    for _ in 0..2_500 {
        world.act();
        world.turn();
        world.step_disk();
    }
    while !world.store.is_resting() {
        world.turn();
        world.step_disk();
    }
    world
}

#[test]
fn a_failed_sync_stops_everything() {
    for seed in 0..seeds(60) {
        let mut world = written(seed);
        world.disk.failing = true;
        let accepted = |world: &World| world.fates.values().filter(|fate| fate.accepted && !fate.acknowledged).count();
        let before = accepted(&world);
        let mut failed = false;
        for _ in 0..500 {
            world.act();
            world.turn();
            if let Some(done) = world.disk.step(&mut world.chance)
                && world.store.handle_done(&mut world.core, 1, done).is_err()
            {
                failed = true;
                break;
            }
        }
        assert!(failed && accepted(&world) <= before, "seed {seed}: nothing is accepted by a disk that failed");
    }
}

/// Gives a segment to a recovery in parts of so many octets.
fn handle_segment(recovery: &mut Recovery, number: u64, bytes: &[u8], cut: usize) -> Result<(), Fault> {
    let whole = SegmentPart::whole(number, bytes);
    let parts = bytes.chunks(cut).zip((0..).step_by(cut));
    parts.into_iter().try_for_each(|(bytes, offset)| recovery.handle_part(&SegmentPart { offset, bytes, ..whole }))
}

/// What a start finds on the disk.
fn recovered(disk: &Disk) -> Result<Vec<Restored>, Fault> {
    let mut recovery = Recovery::new(config());
    for number in recovery.handle_manifest(disk.manifest, &disk.found()).map_err(|mut faults| faults.remove(0))? {
        handle_segment(&mut recovery, number, &disk.segments[&number], 3 * BLOCK)?;
    }
    if !recovery.losses().is_empty() {
        return Err(recovery.losses().remove(0));
    }
    let mut restored = recovery.finish().restored;
    restored.sort_by_key(|queue| queue.declared.queue);
    Ok(restored)
}

/// What outside hands do to a segment.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Removed,
    Cut,
    Grown,
    Emptied,
    Zeroed,
    ZeroedBehindItsHeader,
    Exchanged,
}

#[test]
fn a_segment_that_is_lost_or_cut_is_told() {
    use Harm::{Cut, Emptied, Exchanged, Grown, Removed, Zeroed, ZeroedBehindItsHeader};
    let mut refused = 0;
    for seed in 0..seeds(12) {
        let mut world = written(seed);
        let before = recovered(&world.disk).expect("nothing is damaged yet");
        let numbers: Vec<u64> = world.disk.segments.keys().copied().collect();
        for harm in [Removed, Cut, Grown, Emptied, Zeroed, ZeroedBehindItsHeader, Exchanged].repeat(2) {
            let number = numbers[world.chance.below(numbers.len())];
            let whole = world.disk.segments.clone();
            let bytes = world.disk.segments.get_mut(&number).expect("it is there");
            match harm {
                Removed => drop(world.disk.segments.remove(&number)),
                Cut => bytes.truncate(world.chance.below(SEGMENT)),
                Grown => bytes.resize(SEGMENT + BLOCK, 0),
                Emptied => bytes.clear(),
                Zeroed => bytes.fill(0),
                ZeroedBehindItsHeader => bytes[BLOCK..].fill(0),
                Exchanged => {
                    let other = numbers[world.chance.below(numbers.len())];
                    bytes.clone_from(&whole[&other]);
                }
            }
            let needed = (world.disk.manifest.first..=world.disk.manifest.last).contains(&number);
            match recovered(&world.disk) {
                Ok(found) => {
                    assert_eq!(found, before, "seed {seed}: segment {number}, {harm:?}");
                    let may_pass = matches!(harm, ZeroedBehindItsHeader | Exchanged);
                    assert!(!needed || may_pass, "seed {seed}: segment {number}, {harm:?}");
                }
                Err(_) => refused += 1,
            }
            world.disk.segments = whole;
        }
        // All from one on are gone, or all up to one.
        let middle = numbers[numbers.len() / 2];
        for behind in [true, false] {
            let whole = world.disk.segments.clone();
            world.disk.segments.retain(|&number, _| (number > middle) != behind);
            let told = recovered(&world.disk).expect_err("half of the journal is gone");
            assert!(matches!(told.kind, FaultKind::Missing { .. }), "seed {seed}: {told}");
            world.disk.segments = whole;
        }
    }
    assert!(refused > 0);
}

#[test]
fn messages_of_queues_that_no_record_declares_are_told() {
    let mut told = 0;
    for seed in 0..seeds(12) {
        let mut world = written(seed);
        // A manifest that lies: the queues were declared in what it says is not needed.
        let Manifest { first, last, .. } = world.disk.manifest;
        world.disk.manifest.first = first + (last - first) / 2;
        match recovered(&world.disk) {
            Err(Fault { segment, kind: FaultKind::Undeclared { messages, .. }, .. }) => {
                assert!(messages > 0 && segment >= world.disk.manifest.first, "seed {seed}");
                told += 1;
            }
            Err(fault) => panic!("seed {seed}: {fault}"),
            Ok(_) => {}
        }
    }
    assert!(told > 0, "there were such");
}

#[test]
fn what_a_queue_without_a_declaration_leaves_is_no_loss() {
    let mut passing = 0;
    for seed in 0..seeds(12) {
        let mut world = World::with(Chance(seed | 1), 8 << 10, 400);
        // A subscription that ends with its link, and takes nothing: its messages leave memory, and the node ends.
        world.attached(99, consumer_spec(2, None));
        for _ in 0..1_500 {
            world.act();
            world.turn();
            world.step_disk();
        }
        let mut salvage = Salvage::new(DIRECTORY);
        for (&number, bytes) in &world.disk.segments {
            salvage.handle_part(&SegmentPart::whole(number, bytes), |piece| {
                let Piece::Record(_, record) = piece else { return };
                if let Ok(Some(Meaning::Message { properties, queues, .. })) = Meaning::decode(&record) {
                    let aside = queues.iter().any(|queue| queue & PASSING != 0);
                    assert!(record.header.part == Part::Local || !aside, "what ends with the node is its own affair");
                    passing += u32::from(properties.durable && aside);
                }
            });
        }
        world.crash();
        world.drain();
    }
    assert!(passing > 0, "durable messages were put aside for it");
}

#[test]
fn a_flipped_bit_is_found_and_never_served() {
    let (mut refused, mut stopped) = (0, 0);
    for seed in 0..seeds(60) {
        let mut world = written(seed);
        let before = recovered(&world.disk).expect("nothing is damaged yet");
        let numbers: Vec<u64> = world.disk.segments.keys().copied().collect();
        let number = numbers[world.chance.below(numbers.len())];
        let (place, bit) = (world.chance.below(SEGMENT), world.chance.below(8));
        world.disk.segments.get_mut(&number).expect("it is there")[place] ^= 1 << bit;
        // A start finds what was there, or says where it is damaged: the flip was in what nobody needs, or it is named.
        match recovered(&world.disk) {
            Ok(found) => assert_eq!(found, before, "seed {seed}: a bit in segment {number} at {place}"),
            Err(fault) => {
                refused += 1;
                // The last batch of a segment is missed where the next one begins.
                let near = fault.segment == number && fault.offset <= place as u64;
                let near = near || matches!(fault.kind, FaultKind::Short { .. });
                assert!(near, "seed {seed}: {fault} for a bit in segment {number} at {place}");
            }
        }
        // While the node runs it is found when it is read back; every body that is delivered is looked at.
        world.now_ns += 1;
        'drain: for _ in 0..4_000 {
            for index in 0..world.links.len() {
                let Link::Consumer(consumer) = &mut world.links[index] else { continue };
                let (end, place) = (consumer.end, place_of(consumer));
                for (key, number) in std::mem::take(&mut consumer.held) {
                    world.fates.get_mut(&(place.clone(), number)).expect("it was sent").acknowledged = true;
                    world.core.handle_settle(end, key, Outcome::Accepted, None);
                }
                world.core.handle_command(1, 1, Command::Grant { end, credit: 20 });
            }
            world.events();
            world.turn();
            if let Some(done) = world.disk.step(&mut world.chance)
                && let Err(error) = world.store.handle_done(&mut world.core, world.now_ns, done)
            {
                let StoreError::Damaged(fault) = error else { panic!("seed {seed}: {error}") };
                assert!(fault.segment == number && fault.offset <= place as u64, "seed {seed}: {fault}");
                stopped += 1;
                break 'drain;
            }
        }
    }
    assert!(refused > 0 && stopped > 0, "bits that matter were flipped: {refused} starts, {stopped} reads");
}
