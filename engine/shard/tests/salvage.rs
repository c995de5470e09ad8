//! What is saved of a shard's queues when its journal is damaged, held against what each batch said when it was written.
//!
//! Shown for every seed: each message in a batch that is still whole is saved, with its body, unless a record that is whole says that
//! it left; none is invented; what is saved and had left is counted as doubtful; a checkpoint makes both sides exact.

use std::collections::{BTreeMap, BTreeSet};

use engine_core::command::Outcome;
use engine_core::message::Header;
use engine_ledger::{Meaning, declaration};
use engine_shard::store::{Extract, Losses, LostTail, Recovered, Recovery, Salvage};
use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{Manifest, Place, Reach, SegmentFound, SegmentPart, read_batches};
use test_support::Chance;

use crate::node::{Batch, Node, SEGMENT, config};

mod node;

const DIRECTORY: [u8; 16] = [9; 16];
const QUEUES: [&str; 2] = ["orders", "prices"];
const DURABLE: Header =
    Header { durable: true, priority: 4, first_acquirer: false, scheduled: false, delivery_count: 0 };

/// A queue and the number in a message's body.
type Told = (String, u64);

/// What a node left on its disk, and what it had written there.
#[derive(Clone)]
struct Files {
    segments: BTreeMap<u64, Vec<u8>>,
    /// Each with the first sequence number that it does not know of.
    checkpoints: BTreeMap<u64, Vec<u8>>,
    batches: Vec<Batch>,
}

impl Files {
    fn of(node: Node) -> Self {
        let (segments, checkpoints) = (node.disk.segments().clone(), node.disk.checkpoints().clone());
        Self { segments, checkpoints, batches: node.batches }
    }

    fn is_whole(&self, place: Place, bytes: &[u8]) -> bool {
        let length = u32::from_le_bytes(bytes[8..12].try_into().expect("four octets")) as usize;
        let found = self.segments.get(&place.segment);
        found
            .and_then(|found| found.get(place.offset as usize..)?.get(..length))
            .is_some_and(|found| found == &bytes[..length])
    }

    fn flip(&mut self, segment: u64, at: usize) {
        self.segments.get_mut(&segment).expect("it is there")[at] ^= 16;
    }
}

/// What there is after some life of a node.
fn written(chance: &mut Chance) -> Files {
    let mut node = Node::new(DIRECTORY, 64 << 20, &QUEUES);
    node.rest();
    node.attach();
    let keeps = chance.below(3);
    for _ in 0..1200 {
        match chance.below(8) {
            0..4 => node.put(chance.below(QUEUES.len()), chance.of(&[0, 100, 1500, 9000]), DURABLE),
            4 => node.take(3),
            _ if keeps == 0 || node.held.is_empty() => node.turn(),
            _ => {
                let (end, key) = node.held.swap_remove(chance.below(node.held.len()));
                node.core.handle_settle(end, key, Outcome::Accepted, None);
            }
        }
    }
    node.rest();
    Files::of(node)
}

/// What batches say one after the other, those within so many numbers: messages that are there, by queue and name.
fn told<'a>(
    batches: impl Iterator<Item = &'a Batch>,
    living: &mut BTreeMap<(u64, u64), u64>,
    names: &mut BTreeMap<u64, String>,
    within: impl Fn(u64) -> bool,
) {
    for (place, bytes) in batches {
        read_batches(DIRECTORY, *place, bytes, |_, record| {
            if !within(record.number) {
                return;
            }
            let number = |body: &[u8]| u64::from_be_bytes(body[..8].try_into().expect("eight octets"));
            match Meaning::decode(&record).expect("it was written so").expect("it is known") {
                Meaning::Message { queues, body, .. } => {
                    for (queue, name) in queues.iter().zip(record.number..) {
                        living.insert((queue, name), number(body));
                    }
                }
                Meaning::Moved { places, body, .. } => {
                    let places: Vec<u64> = places.iter().collect();
                    for place in places.chunks(3) {
                        living.insert((place[0], place[1]), number(body));
                    }
                }
                Meaning::Acknowledged { queue, first, last } => {
                    living.retain(|&(whose, name), _| whose != queue || !(first..=last).contains(&name));
                }
                Meaning::Declared { queue, attributes } | Meaning::DeclaredAgain { queue, attributes } => {
                    names.insert(queue, declaration(queue, attributes).expect("it was written so").name);
                }
                Meaning::Deleted { queue } => living.retain(|&(whose, _), _| whose != queue),
                other => panic!("nobody wrote this: {other:?}"),
            }
        })
        .expect("it was whole when it was written");
    }
}

fn salvage(disk: &Files, checkpoint: Option<&[u8]>, cut: usize) -> (Extract, Losses) {
    let mut salvage = Salvage::new(config(DIRECTORY));
    if let Some(bytes) = checkpoint {
        salvage.handle_checkpoint(bytes).expect("it is whole");
    }
    for (&number, bytes) in &disk.segments {
        let whole = SegmentPart::whole(number, bytes);
        for (bytes, offset) in bytes.chunks(cut).zip((0..).step_by(cut)) {
            salvage.handle_part(&SegmentPart { offset, bytes, ..whole });
        }
    }
    salvage.finish()
}

/// The messages of an extract, each in its queue's order, with its body as it was sent.
fn saved(disk: &Files, extract: &Extract) -> BTreeSet<Told> {
    let mut saved = BTreeSet::new();
    for queue in extract.queues() {
        let (mut last, mut count) = (0, 0);
        for part in extract.parts(queue.declared.queue) {
            let at = part.place.offset as usize;
            let found = extract.messages(&part, &disk.segments[&part.place.segment][at..at + part.bytes]);
            assert_eq!(found.len(), part.messages, "what was whole is read again, whatever lies between");
            for (name, message) in found {
                assert!(name > last, "in order, each once");
                let number = u64::from_be_bytes(message.body[..8].try_into().expect("eight octets"));
                assert!(message.body[8..].iter().all(|&octet| octet == number as u8), "the body is what was sent");
                assert!(saved.insert((queue.declared.name.clone(), number)));
                (last, count) = (name, count + 1);
            }
        }
        assert_eq!(count, queue.messages);
    }
    saved
}

fn seeds() -> u64 {
    std::env::var("HEDDLE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(40)
}

#[test]
fn of_a_whole_journal_everything_is_there_and_nothing_is_missed() {
    let mut resumed = 0;
    for seed in 0..seeds() {
        let mut chance = Chance::new(seed);
        let disk = written(&mut chance);
        let mut recovery = Recovery::new(config(DIRECTORY));
        let found = disk.segments.iter().map(|(&number, bytes)| SegmentFound {
            number,
            bytes: bytes.len() as u64,
            header: SegmentHeader::decode(&bytes[..BLOCK]),
        });
        let found: Vec<SegmentFound> = found.collect();
        let (first, last) =
            (found.first().map_or(1, |found| found.number), found.last().map_or(0, |found| found.number));
        let manifest = Manifest { first, last, batch: 0 };
        for number in recovery.handle_manifest(manifest, &found).expect("none is missing") {
            recovery.handle_part(&SegmentPart::whole(number, &disk.segments[&number])).expect("nothing is damaged");
        }
        let Recovered { store, restored, .. } = recovery.finish();
        let whole = saved(&disk, &Extract::new(store, restored));
        let newest = disk.checkpoints.values().next_back().map(Vec::as_slice);
        resumed += u64::from(newest.is_some());
        for checkpoint in [None, newest] {
            let (extract, losses) = salvage(&disk, checkpoint, 3 * BLOCK);
            assert_eq!(saved(&disk, &extract), whole, "seed {seed}");
            assert!(losses.is_empty() && losses.tail == LostTail::Whole, "seed {seed}: {losses:?}");
        }
    }
    assert!(resumed > 0, "there were checkpoints");
}

#[test]
fn what_a_manifest_knows_of_is_missed_before_and_behind_what_is_there() {
    let mut chance = Chance::new(1);
    let disk = written(&mut chance);
    let numbers: Vec<u64> = disk.segments.keys().copied().collect();
    let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
    let manifest = |first, last, batch| {
        let mut salvage = Salvage::new(config(DIRECTORY));
        salvage.handle_manifest(Manifest { first, last, batch });
        disk.segments.iter().for_each(|(&number, bytes)| salvage.handle_part(&SegmentPart::whole(number, bytes)));
        salvage.finish().1
    };
    let whole = manifest(first, last, 1);
    assert!(whole.is_empty() && whole.tail == LostTail::Whole, "{whole:?}");
    let gone = manifest(first, last + 2, 1);
    assert_eq!((&gone.segments[..], gone.tail), (&[(last + 1, last + 2)][..], LostTail::Lost));
    let end = whole.end.expect("there are batches");
    assert_eq!(manifest(first, last, end.batch).tail, LostTail::Whole);
    let later = manifest(first, last, end.batch + 1);
    assert_eq!(
        (later.segments.is_empty(), later.tail),
        (true, LostTail::Lost),
        "a batch was written that is not there"
    );
    let mut salvage = Salvage::new(config(DIRECTORY));
    salvage.handle_manifest(Manifest { first, last, batch: 1 });
    for (&number, bytes) in disk.segments.iter().skip(1) {
        salvage.handle_part(&SegmentPart::whole(number, bytes));
    }
    assert_eq!(salvage.finish().1.segments[0], (first, numbers[1] - 1));
}

#[test]
fn whatever_is_damaged_the_rest_is_saved_and_what_is_missing_is_told() {
    let (mut doubted, mut missed, mut with_checkpoint) = (0, 0, 0);
    for seed in 0..3 * seeds() {
        let mut chance = Chance::new(seed);
        let mut disk = written(&mut chance);
        let numbers: Vec<u64> = disk.segments.keys().copied().collect();
        for _ in 0..chance.below(6) {
            let segment = numbers[chance.below(numbers.len())];
            disk.flip(segment, chance.below(SEGMENT));
        }
        if chance.below(3) == 0 {
            disk.segments.remove(&numbers[chance.below(numbers.len())]);
        }
        let checkpoint = disk.checkpoints.iter().next_back().filter(|_| chance.below(2) == 0);
        let checkpoint = checkpoint.map(|(&segment, bytes)| (segment, bytes.clone()));
        with_checkpoint += u64::from(checkpoint.is_some());
        let cut = BLOCK * (1 + chance.below(SEGMENT / BLOCK));
        let (extract, losses) = salvage(&disk, checkpoint.as_ref().map(|(_, bytes)| &bytes[..]), cut);
        let found = saved(&disk, &extract);

        // What there was in truth, and what is readable of it.
        let (mut truth, mut names) = (BTreeMap::new(), BTreeMap::new());
        told(disk.batches.iter(), &mut truth, &mut names, |_| true);
        let whole: Vec<_> =
            disk.batches.iter().filter(|(place, bytes)| disk.is_whole(*place, bytes)).cloned().collect();
        let mut living = BTreeMap::new();
        let behind = checkpoint.as_ref().and_then(|(segment, _)| {
            disk.batches.iter().find(|(place, _)| place.segment >= *segment).map(|(_, bytes)| first_numbers(bytes))
        });
        let known = behind.unwrap_or(Reach::START);
        told(whole.iter(), &mut living, &mut BTreeMap::new(), |number| known.covers(number));
        let mut known_living = BTreeMap::new();
        told(disk.batches.iter(), &mut known_living, &mut BTreeMap::new(), |number| known.covers(number));
        // Names of messages that are readable somewhere before it, whatever whole records say of them.
        living.retain(|place, _| known_living.contains_key(place));
        told(whole.iter(), &mut living, &mut BTreeMap::new(), |number| !known.covers(number));
        let named = |(&(queue, _), &number): (&(u64, u64), &u64)| {
            let name = names.get(&queue).expect("it was declared");
            let lost = extract.queues().iter().find(|found| found.declared.queue == queue);
            (lost.map_or_else(|| name.clone(), |found| found.declared.name.clone()), number)
        };
        let expected: BTreeSet<Told> = living.iter().map(named).collect();
        assert_eq!(found, expected, "seed {seed}: {losses:?}");

        // What is saved though it had left is doubtful; what a checkpoint knows and is gone is missing.
        let truth: BTreeSet<Told> = truth.iter().map(named).collect();
        let wrong = found.difference(&truth).count() as u64;
        let doubtful: u64 = losses.queues.iter().map(|queue| queue.doubtful).sum();
        assert!(wrong <= doubtful, "seed {seed}: {wrong} had left, {doubtful} are doubted");
        let gone = truth.difference(&found).count() as u64;
        let missing: u64 = losses.queues.iter().map(|queue| queue.missing).sum();
        let at_most = missing + losses.unknown;
        // Of what was before all that is left nothing tells how much it was.
        let front = disk.segments.keys().next() != numbers.first();
        let begin = losses.gaps.iter().any(|gap| gap.batches == 0);
        assert!(
            gone <= at_most || front || begin || losses.tail == LostTail::Lost,
            "seed {seed}: {gone} of at most {at_most}: {losses:?} {:?}",
            disk.segments.keys()
        );
        assert!(gone == 0 || front || !losses.is_empty(), "seed {seed}: {gone} are gone without a word");
        (doubted, missed) = (doubted + wrong, missed + gone);
    }
    assert!(doubted > 0 && missed > 0 && with_checkpoint > 0, "{doubted} {missed} {with_checkpoint}");
}

fn first_numbers(batch: &[u8]) -> Reach {
    let number = |at: usize| u64::from_le_bytes(batch[at..at + 8].try_into().expect("eight octets"));
    Reach { shared: number(72), local: number(40) }
}

/// A node that wrote two batches of ten messages to each queue, nothing of which left, and came to rest.
fn four_batches() -> Files {
    let mut node = Node::new(DIRECTORY, 64 << 20, &QUEUES);
    node.rest();
    for _ in 0..2 {
        for queue in [0, 1] {
            (0..10).for_each(|_| node.put(queue, 500, DURABLE));
            node.rest();
        }
    }
    Files::of(node)
}

fn of(found: &BTreeSet<Told>, queue: &str) -> Vec<u64> {
    found.iter().filter(|(name, _)| name == queue).map(|(_, number)| *number).collect()
}

#[test]
fn messages_of_a_queue_whose_declaration_is_lost_get_a_name_that_says_so() {
    let mut disk = four_batches();
    let whole = saved(&disk, &salvage(&disk, None, SEGMENT).0);
    assert_eq!(whole.len(), 40);
    let (place, _) = disk.batches[0];
    disk.flip(place.segment, place.offset as usize + 60);
    let (extract, losses) = salvage(&disk, None, SEGMENT);
    let found = saved(&disk, &extract);
    let lost = ["lost-queue-1-of-shard-0", "lost-queue-2-of-shard-0"];
    assert_eq!(lost.map(|name| of(&found, name).len()), QUEUES.map(|name| of(&whole, name).len()));
    assert!(losses.queues.len() == 2 && losses.queues.iter().all(|queue| queue.undeclared), "{losses:?}");
    assert!(losses.queues.iter().all(|queue| queue.doubtful == 0), "what is lost came before them: {losses:?}");
}

#[test]
fn the_first_the_middle_and_the_last_batch_take_only_what_is_in_them() {
    let whole = four_batches();
    let full: Vec<_> = whole.batches.iter().filter(|(_, bytes)| bytes.len() > BLOCK).collect();
    assert_eq!(full.len(), 4);
    for (damaged, (place, bytes)) in full.into_iter().enumerate() {
        let mut disk = whole.clone();
        disk.flip(place.segment, place.offset as usize + 100);
        let (extract, losses) = salvage(&disk, None, SEGMENT);
        let found = saved(&disk, &extract);
        assert_eq!(found.len(), 30, "batch {damaged}");
        assert_eq!((losses.batches, losses.unknown, losses.gaps.len()), (1, 10, 1));
        let end = place.offset + bytes.len() as u64;
        assert_eq!((losses.gaps[0].from, losses.gaps[0].to), (*place, Place { offset: end, ..*place }));
    }
}

#[test]
fn a_checkpoint_knows_what_lay_in_files_that_are_gone_and_whose_it_was() {
    let mut node = Node::new(DIRECTORY, 64 << 20, &QUEUES);
    node.rest();
    for _ in 0..100 {
        node.put(0, 3000, DURABLE);
        node.put(1, 3000, DURABLE);
        node.rest();
    }
    let whole = Files::of(node);
    let all = saved(&whole, &salvage(&whole, None, SEGMENT).0);
    let (&behind, bytes) = whole.checkpoints.iter().next_back().expect("there is one");
    assert!(all.len() == 200 && behind > 3);
    // Without it the first one's messages, and the names of the queues, are gone without a word.
    let mut disk = whole.clone();
    disk.segments.remove(&1);
    let gone: BTreeSet<Told> =
        all.difference(&saved(&disk, &salvage(&disk, Some(bytes), SEGMENT).0)).cloned().collect();
    let (extract, losses) = salvage(&disk, Some(bytes), SEGMENT);
    assert_eq!(extract.queues().iter().map(|queue| queue.declared.name.as_str()).collect::<Vec<_>>(), QUEUES);
    assert_eq!(losses.segments, [(1, 1)]);
    let missing =
        QUEUES.map(|name| losses.queues.iter().find(|queue| queue.name == name).map_or(0, |queue| queue.missing));
    assert_eq!(missing, QUEUES.map(|name| of(&gone, name).len() as u64));
    assert!(missing.iter().sum::<u64>() > 0 && losses.unknown == 0, "{losses:?}");
    assert!(losses.queues.iter().all(|queue| queue.doubtful == 0 && !queue.undeclared), "{losses:?}");
    // All that is behind it is gone: what was before is there, and may have left since.
    let mut disk = whole.clone();
    disk.segments.retain(|&number, _| number < behind);
    let (extract, losses) = salvage(&disk, Some(bytes), SEGMENT);
    let left = saved(&disk, &extract).len() as u64;
    assert_eq!((losses.tail, losses.queues.iter().map(|queue| queue.doubtful).sum::<u64>()), (LostTail::Lost, left));
}
