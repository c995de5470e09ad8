//! Somebody follows a node's log: takes the shared parts of its batches as they are, into a journal of its own with another identity,
//! and ends with the same queues, messages, order, failures and declarations, whatever the node writes again or puts aside, and however
//! often it starts again. This is `docs/following.md`, tried.

use std::collections::BTreeMap;

use engine_core::command::{Modified, Outcome, RoutingType};
use engine_core::fact::{Declared, Purpose};
use engine_core::message::Header;
use engine_ledger::{Attributes, Ledger, Meaning, Numbers, Properties, encode_declaration};
use engine_shard::store::{Extract, Recovered, Recovery};
use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{
    Freed, Full, LOCAL, NotTaken, Part, Position, RecordHeader, SegmentPart, Segments, SharedPart, Unknown, Writer,
};
use test_support::Chance;

use crate::node::{Node, SEGMENT, config};

#[path = "following/again.rs"]
mod again;
#[path = "following/cutting.rs"]
mod cutting;
mod node;

const LEADER: [u8; 16] = [9; 16];
const FOLLOWER: [u8; 16] = [4; 16];
/// The leader's memory, octets.
const MEMORY: u64 = 64 << 10;
const QUEUES: [&str; 3] = ["orders", "prices", "passing"];

fn begin(segments: &mut BTreeMap<u64, Vec<u8>>, segment: u64) {
    let mut bytes = vec![0; SEGMENT];
    let header = SegmentHeader { shard: 0, segment, directory: FOLLOWER, bytes: SEGMENT as u64 };
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

/// A queue that is declared by hand, but for its number and names.
fn declared() -> Declared {
    let (routing, purpose) = (RoutingType::Anycast, Purpose::OnDemand);
    Declared { queue: 0, routing, purpose, address: String::new(), name: String::new(), selector: None, no_local: None }
}

/// Those of a message that is written by hand.
fn properties() -> Properties {
    Properties {
        durable: true,
        large: false,
        scheduled: false,
        grouped: false,
        priority: 4,
        format: 0,
        expires_ms: 0,
        delivery_count: 0,
    }
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
        begin(&mut segments, 1);
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
        begin(&mut self.segments, segment);
        self.index.handle_begun(segment, self.writer.next());
    }
}

/// The node that is followed.
struct Leader {
    node: Node,
    /// Batches with records that are its own affair.
    aside: u64,
}

impl Leader {
    fn new() -> Self {
        let mut node = Node::new(LEADER, MEMORY, &QUEUES);
        node.attach();
        Self { node, aside: 0 }
    }

    fn act(&mut self, chance: &mut Chance) {
        let node = &mut self.node;
        match chance.below(9) {
            0..4 => {
                let header = Header { durable: !chance.one_in(3), ..Header::default() };
                node.put(chance.below(QUEUES.len()), chance.of(&[0, 100, 1500, 9000]), header);
            }
            4 => node.take(3),
            5..8 if !node.held.is_empty() => {
                let (end, key) = node.held.swap_remove(chance.below(node.held.len()));
                let failed = Modified { delivery_failed: true, ..Modified::default() };
                let outcome = match chance.below(6) {
                    0 => Outcome::Modified(Box::new(failed)),
                    1 => Outcome::Released,
                    _ => Outcome::Accepted,
                };
                node.core.handle_settle(end, key, outcome, None);
            }
            _ => node.turn(),
        }
    }

    /// It stops, and starts again: queues that ended with it are declared again, and consumers come back.
    fn restart(&mut self) {
        let node = &mut self.node;
        let Recovered { store, restored, last } = recover(LEADER, node.disk.segments());
        (node.store, node.core) = (store, Node::core(MEMORY));
        node.core.restore_numbers(last);
        restored.iter().for_each(|queue| node.core.restore(queue));
        node.held.clear();
        node.queues.clear();
        for name in node.names {
            match restored.iter().find(|found| found.declared.name == *name) {
                Some(found) => node.queues.push(found.declared.queue),
                None => node.declare(name),
            }
        }
        node.attach();
    }

    /// Whoever follows reads what is durable, from where it is on, in areas of any length.
    fn tell(&mut self, chance: &mut Chance, follower: &mut Follower) {
        for (_, bytes) in std::mem::take(&mut self.node.batches) {
            // The number of the first local record's header field says whether there are any.
            self.aside += u64::from(bytes[36..40] != [0; 4]);
        }
        let (store, segments) = (&self.node.store, self.node.disk.segments());
        let end = store.durable().shared;
        while follower.writer.next().shared < end {
            let next = follower.writer.next().shared;
            let bytes_max = chance.of(&[1, 5 * BLOCK, SEGMENT]);
            let entries = store.segments().entries(next..end, bytes_max).expect("it keeps up");
            let entries = entries.expect("what is durable is there");
            let at = entries.place.offset as usize;
            let area = &segments[&entries.place.segment][at..at + entries.bytes];
            let behind = entries.parts(LEADER, area, |_, part| follower.take(&part, chance)).expect("it is whole");
            assert!(behind > next, "it goes on");
        }
    }
}

fn seeds() -> u64 {
    std::env::var("HEDDLE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(12)
}

#[test]
fn who_takes_the_shared_parts_has_the_same() {
    let (mut rewritten, mut failed, mut aside, mut own, mut messages, mut freed) = (0, 0, 0, 0, 0, 0);
    for seed in 0..seeds() {
        let mut chance = Chance::new(seed);
        let (mut leader, mut follower) = (Leader::new(), Follower::new());
        for life in 0..3 {
            if life > 0 {
                leader.restart();
            }
            for _ in 0..700 {
                leader.act(&mut chance);
                leader.tell(&mut chance, &mut follower);
            }
            leader.node.rest();
            leader.tell(&mut chance, &mut follower);
            let expected = says(leader.node.store.ledger());
            assert_eq!(says(&follower.ledger), expected, "seed {seed}, life {life}");
            // As it is on disk, with its bodies.
            let here = held(LEADER, leader.node.disk.segments());
            assert_eq!(held(FOLLOWER, &follower.segments), here, "seed {seed}, life {life}");
            assert!(here.iter().flat_map(|(_, messages)| messages).all(|(name, ..)| name & LOCAL == 0));
            failed += expected.iter().map(|(.., failures)| failures.len()).sum::<usize>();
            messages += here.iter().map(|(_, messages)| messages.len()).sum::<usize>();
            rewritten += leader.node.store.totals().rewritten;
        }
        (aside, own) = (aside + leader.aside, own + follower.own);
        // Who came so late that nothing of the begin is there is told where it begins now.
        let index = leader.node.store.segments();
        let first = index.begin_of(1);
        if first > 1 {
            assert_eq!(index.entries(1..u64::MAX, SEGMENT), Err(Freed { number: 1, first }), "seed {seed}");
            freed += 1;
        }
    }
    assert!(
        rewritten > 100 && aside > 100,
        "the node had affairs of its own: {rewritten} written again, {aside} batches"
    );
    assert!(
        failed > 10 && own > 100 && messages > 100 && freed > 0,
        "{failed} failed, {own} of the follower's, {messages} messages, {freed} begin later"
    );
}
