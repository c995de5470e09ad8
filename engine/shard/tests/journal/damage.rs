//! Damage: a start finds what was there, or says what is missing and where; what is damaged is served to nobody.

use engine_core::Restored;
use engine_core::command::{Command, Outcome};
use engine_core::fact::PASSING;
use engine_ledger::Meaning;
use engine_shard::store::{Recovery, StoreError};
use storage_journal::format::BLOCK;
use storage_journal::{Fault, FaultKind, Manifest, Part, Piece, Salvage, SegmentPart};
use test_support::{Chance, Disk};

use crate::links::{Link, consumer_spec, place_of};
use crate::seeds;
use crate::world::{DIRECTORY, SEGMENT, World, config, handle_segment};

/// A journal with messages on several segments.
pub fn written(seed: u64) -> World {
    // With little memory, so that most of them are on disk only.
    let mut world = World::with(Chance::new(seed), 8 << 10, 400);
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

/// What a start finds on the disk.
fn recovered(disk: &Disk) -> Result<Vec<Restored>, Fault> {
    let mut recovery = Recovery::new(config());
    for number in recovery.handle_manifest(disk.manifest(), &disk.found()).map_err(|mut faults| faults.remove(0))? {
        handle_segment(&mut recovery, number, &disk.segments()[&number], 3 * BLOCK)?;
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
    for seed in seeds(12) {
        let mut world = written(seed);
        let before = recovered(&world.disk).expect("nothing is damaged yet");
        let numbers: Vec<u64> = world.disk.segments().keys().copied().collect();
        for harm in [Removed, Cut, Grown, Emptied, Zeroed, ZeroedBehindItsHeader, Exchanged].repeat(2) {
            let number = numbers[world.chance.below(numbers.len())];
            let whole = world.disk.segments().clone();
            let bytes = world.disk.segments_mut().get_mut(&number).expect("it is there");
            match harm {
                Removed => drop(world.disk.segments_mut().remove(&number)),
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
            let needed = (world.disk.manifest().first..=world.disk.manifest().last).contains(&number);
            match recovered(&world.disk) {
                Ok(found) => {
                    assert_eq!(found, before, "seed {seed}: segment {number}, {harm:?}");
                    let may_pass = matches!(harm, ZeroedBehindItsHeader | Exchanged);
                    assert!(!needed || may_pass, "seed {seed}: segment {number}, {harm:?}");
                }
                Err(_) => refused += 1,
            }
            *world.disk.segments_mut() = whole;
        }
        // All from one on are gone, or all up to one.
        let middle = numbers[numbers.len() / 2];
        for behind in [true, false] {
            let whole = world.disk.segments().clone();
            world.disk.segments_mut().retain(|&number, _| (number > middle) != behind);
            let told = recovered(&world.disk).expect_err("half of the journal is gone");
            assert!(matches!(told.kind, FaultKind::Missing { .. }), "seed {seed}: {told}");
            *world.disk.segments_mut() = whole;
        }
    }
    assert!(refused > 0);
}

#[test]
fn messages_of_queues_that_no_record_declares_are_told() {
    let mut told = 0;
    for seed in seeds(12) {
        let mut world = written(seed);
        // A manifest that lies: the queues were declared in what it says is not needed.
        let Manifest { first, last, .. } = world.disk.manifest();
        world.disk.manifest_mut().first = first + (last - first) / 2;
        match recovered(&world.disk) {
            Err(Fault { segment, kind: FaultKind::Undeclared { messages, .. }, .. }) => {
                assert!(messages > 0 && segment >= world.disk.manifest().first, "seed {seed}");
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
    for seed in seeds(12) {
        let mut world = World::with(Chance::new(seed), 8 << 10, 400);
        // A subscription that ends with its link, and takes nothing: its messages leave memory, and the node ends.
        world.attached(99, consumer_spec(2, None));
        for _ in 0..1_500 {
            world.act();
            world.turn();
            world.step_disk();
        }
        let mut salvage = Salvage::new(DIRECTORY);
        for (&number, bytes) in world.disk.segments() {
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
    for seed in seeds(60) {
        let mut world = written(seed);
        let before = recovered(&world.disk).expect("nothing is damaged yet");
        let numbers: Vec<u64> = world.disk.segments().keys().copied().collect();
        let number = numbers[world.chance.below(numbers.len())];
        let (place, bit) = (world.chance.below(SEGMENT), world.chance.below(8));
        world.disk.segments_mut().get_mut(&number).expect("it is there")[place] ^= 1 << bit;
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
