//! A tail is cut, and power fails at any step of that, also while what was left to do is done: what a start finds is the old tail or the new
//! one, and whoever goes on uses the tail's numbers again.

use std::collections::BTreeSet;

use storage_journal::{CutSearch, CutStep, Keep, Manifest, ManifestFound, ManifestTail, NoCut, Owner};

use super::*;

const OWNER: Owner = Owner { shard: 2, directory: DIRECTORY, segment_bytes: SEGMENT as u64 };

/// A journal with its manifest and its checkpoints, of which only the names matter.
struct Journal {
    disk: Disk,
    manifest: Vec<u8>,
    checkpoints: BTreeSet<u64>,
    /// The last shared number behind each batch, and what had been written then.
    history: Vec<(u64, Vec<Vec<u8>>)>,
}

/// Whether a step is carried out to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    Stays,
    /// Only so much of it gets to the disk.
    Fails(u64),
}

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn one_in_two(&mut self) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 63 == 0
    }
}

impl Journal {
    fn new(bodies: &[(Vec<u8>, bool)]) -> Self {
        let mut disk = Disk::new();
        let mut history = Vec::new();
        let sync = |disk: &mut Disk, history: &mut Vec<(u64, Vec<Vec<u8>>)>| {
            disk.sync();
            history.push((disk.writer.next().shared - 1, disk.stable.clone()));
        };
        for (body, is_last) in bodies {
            let before = disk.stable.len();
            disk.append(body);
            if disk.stable.len() > before {
                // The one before was full.
                let open = disk.open.iter().filter(|body| part(body) == Part::Shared).count() as u64;
                history.push((disk.writer.next().shared - 1 - open, disk.stable.clone()));
            }
            if *is_last {
                sync(&mut disk, &mut history);
            }
        }
        sync(&mut disk, &mut history);
        let last = *disk.segments.keys().next_back().expect("one was begun");
        let mut journal =
            Self { disk, manifest: Manifest::NEW.file(&OWNER).0, checkpoints: (1..=last + 1).collect(), history };
        let batch = journal.disk.writer.last_batch();
        journal.write_manifest(Manifest { first: 1, last, batch }, ManifestTail::default());
        journal
    }

    fn found(&self) -> ManifestFound {
        Manifest::read(&self.manifest).expect("one of its blocks is whole")
    }

    fn write_manifest(&mut self, manifest: Manifest, tail: ManifestTail) {
        let (block, at) = manifest.encode(&tail, &OWNER, self.found().generation + 1);
        self.manifest[at as usize..at as usize + BLOCK].copy_from_slice(&block);
    }

    fn search(&self, keep: Keep, cut: usize) -> Result<storage_journal::Cut, NoCut> {
        let mut search = CutSearch::new(OWNER, keep);
        for (&number, bytes) in &self.disk.segments {
            let whole = SegmentPart::whole(number, bytes);
            for (bytes, offset) in bytes.chunks(cut).zip((0..).step_by(cut)) {
                search.handle_part(&SegmentPart { offset, bytes, ..whole });
            }
        }
        search.finish()
    }

    /// Does what a step says; all of it, or what gets to the disk before power fails.
    fn carry_out(&mut self, step: CutStep, power: Power) {
        let (whole, seed) = match power {
            Power::Stays => (true, 0),
            Power::Fails(seed) => (false, seed),
        };
        let mut chance = Chance(seed);
        match step {
            CutStep::RemoveCheckpoints { last } => {
                self.checkpoints.retain(|&segment| segment <= last || !(whole || chance.one_in_two()));
            }
            CutStep::RemoveSegments { last } => {
                self.disk.segments.retain(|&segment, _| segment <= last || !(whole || chance.one_in_two()));
            }
            CutStep::Decide(manifest, tail) => {
                if whole || chance.one_in_two() {
                    self.write_manifest(manifest, tail);
                }
            }
            CutStep::Settle(manifest, tail) => {
                for _ in 0..2 {
                    if whole || chance.one_in_two() {
                        self.write_manifest(manifest, tail);
                    }
                }
            }
            CutStep::Erase(from) => {
                let segment = self.disk.segments.get_mut(&from.segment).expect("it stays");
                for sector in segment[from.offset as usize..].chunks_mut(SECTOR) {
                    if whole || chance.one_in_two() {
                        sector.fill(0);
                    }
                }
            }
        }
    }

    /// What a start finds, once it has done what was left to do; that may be cut off as well.
    fn start(&mut self, fails: Option<(usize, u64)>) -> Vec<Vec<u8>> {
        for power in [fails, None] {
            let Some(steps) = self.found().unfinished_cut() else { break };
            for (index, step) in steps.into_iter().enumerate() {
                match power {
                    Some((at, seed)) if at % steps.len() == index => {
                        self.carry_out(step, Power::Fails(seed));
                        break;
                    }
                    _ => self.carry_out(step, Power::Stays),
                }
            }
        }
        let ManifestFound { manifest: Manifest { last, batch, .. }, tail, damage, .. } = self.found();
        assert_eq!((tail.cut, damage), (None, None));
        let mut replay = Replay::new(2, DIRECTORY);
        let mut bodies = Vec::new();
        let mut reach = Reach::START;
        for (&number, bytes) in self.disk.segments.range(..=last) {
            handle_segment(&mut replay, (number, bytes), SEGMENT, |_, record| {
                assert_eq!(record.number, reach.of(record.number), "in order, without a gap");
                reach.include(record.number);
                bodies.push(record.payload.to_vec());
            })
            .expect("no crash is a damage");
        }
        let position = replay.position();
        assert!(position.batch > batch, "the manifest claims no more than there is");
        assert!(self.checkpoints.range(position.segment + 1..).next().is_none() || position.segment > last);
        self.disk.writer = Writer::new(DIRECTORY, SEGMENT, position);
        self.disk.begin(position.segment);
        bodies
    }
}

fn lives() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
    proptest::collection::vec((body(), any::<bool>()), 1..60)
}

proptest! {
    #[test]
    fn a_crash_leaves_the_old_tail_or_the_new_one(
        bodies in lives(), at in any::<proptest::sample::Index>(), step in 0_usize..6, seed in any::<u64>(),
        again in proptest::option::of((0_usize..3, any::<u64>())), blocks in 1_usize..17,
    ) {
        let mut journal = Journal::new(&bodies);
        let old = journal.disk.stable.clone();
        let (number, _) = journal.history[at.index(journal.history.len())];
        // What the node wrote for itself behind the last shared record is kept.
        let (_, kept) = journal.history.iter().rfind(|(last, _)| *last == number).cloned().expect("it is one of them");
        let cut = match journal.search(Keep::Through(number), blocks * BLOCK) {
            Ok(cut) => cut,
            Err(NoCut::Nothing) => {
                prop_assert_eq!(number, journal.disk.writer.next().shared - 1);
                return Ok(());
            }
            Err(other) => panic!("{other:?}"),
        };
        prop_assert_eq!(cut.reach.shared, number + 1);
        let steps = cut.steps(&journal.found()).expect("nothing was freed");
        for (index, &each) in steps.iter().enumerate().take(step + 1) {
            journal.carry_out(each, if index == step { Power::Fails(seed) } else { Power::Stays });
        }
        // Whoever reads what is left before it is ended honours what was decided.
        let decided = journal.found().tail.cut;
        if let Some(place) = decided {
            let mut salvage = storage_journal::Salvage::new(DIRECTORY);
            let mut bodies = Vec::new();
            for (&segment, bytes) in &journal.disk.segments {
                let Some(part) = SegmentPart::whole(segment, bytes).before(place) else { continue };
                salvage.handle_part(&part, |piece| match piece {
                    storage_journal::Piece::Record(_, record) => bodies.push(record.payload.to_vec()),
                    other => panic!("{other:?}"),
                });
            }
            prop_assert_eq!(&bodies, &kept);
        }
        let found = journal.start(again);
        let is_new = journal.found().manifest.batch == cut.batch;
        prop_assert!(is_new || (decided.is_none() && step <= 1), "what is decided is not taken back");
        prop_assert_eq!(&found, if is_new { &kept } else { &old });

        // Somebody goes on: the numbers of what was cut are used again, and nothing of it comes back.
        let next = journal.disk.writer.next();
        if is_new {
            prop_assert_eq!(next, cut.reach);
        }
        journal.disk.stable = found;
        for (body, is_last) in &bodies {
            journal.disk.append(body);
            if *is_last {
                journal.disk.sync();
            }
        }
        journal.disk.sync();
        let expected = journal.disk.stable.clone();
        prop_assert_eq!(journal.disk.replay().expect("nothing is damaged"), expected);
    }

    #[test]
    fn what_is_behind_a_damage_can_be_given_up(
        bodies in lives(), segment in any::<usize>(), place in any::<usize>(), missing in any::<bool>(),
    ) {
        let mut journal = Journal::new(&bodies);
        let numbers: Vec<u64> = journal.disk.segments.keys().copied().collect();
        let number = numbers[segment % numbers.len()];
        if missing && number > 1 {
            journal.disk.segments.remove(&number);
        } else {
            let bytes = journal.disk.segments.get_mut(&number).expect("it is there");
            let place = place % bytes.len();
            bytes[place] ^= 4;
        }
        let old = journal.disk.stable.clone();
        let cut = journal.search(Keep::Whole, SEGMENT).expect("it ends somewhere");
        for step in cut.steps(&journal.found()).expect("nothing was freed") {
            journal.carry_out(step, Power::Stays);
        }
        // A header that is not right is needed as long as the segment is.
        let segment = journal.disk.segments.get_mut(&cut.place.segment).expect("it stays");
        if SegmentHeader::decode(segment).is_err() {
            prop_assert_eq!(cut.batch, 0, "nothing of such a segment is kept");
            return Ok(());
        }
        let found = journal.start(None);
        prop_assert!(old.starts_with(&found), "what was whole before it");
        prop_assert_eq!(journal.search(Keep::Whole, SEGMENT).expect("it ends somewhere").tail.batches, 0);
    }
}

/// Batches of three shared records each; the first record of the third one is 7.
fn of_three() -> Journal {
    let bodies: Vec<(Vec<u8>, bool)> = (1..=12).map(|number| (vec![2 * number; 30], number % 3 == 0)).collect();
    Journal::new(&bodies)
}

#[test]
fn a_number_that_no_cut_can_be_made_behind_is_told_with_those_that_it_can() {
    let journal = of_three();
    let search = |number| journal.search(Keep::Through(number), SEGMENT);
    assert_eq!(search(7), Err(NoCut::Within { before: 6, behind: 9 }));
    assert_eq!(search(8), Err(NoCut::Within { before: 6, behind: 9 }));
    assert_eq!((search(12), search(40)), (Err(NoCut::Nothing), Err(NoCut::Before { last: 12 })));
    for number in [0, 3, 6, 9] {
        let cut = search(number).expect("a batch ends there");
        let batches = (12 - number) / 3;
        assert_eq!((cut.batch, cut.reach.shared, cut.tail.batches), (number / 3, number + 1, batches));
        assert_eq!((cut.tail.records, cut.tail.bytes), (12 - number, batches * BLOCK as u64));
        assert_eq!(cut.place, storage_journal::Place { segment: 1, offset: (1 + number / 3) * BLOCK as u64 });
    }
}

#[test]
fn what_something_freed_follows_from_stays() {
    let mut journal = of_three();
    let manifest = journal.found().manifest;
    journal.write_manifest(manifest, ManifestTail { firm: 3, cut: None });
    let steps =
        |number| journal.search(Keep::Through(number), SEGMENT).expect("a batch ends there").steps(&journal.found());
    assert_eq!(steps(6), Err(NoCut::Firm { batch: 3 }));
    assert!(steps(9).is_ok());
}

#[test]
fn a_damage_before_the_number_is_told_and_cuts_nothing() {
    let mut journal = of_three();
    journal.disk.segments.get_mut(&1).expect("it is there")[2 * BLOCK + 120] ^= 1;
    let place = storage_journal::Place { segment: 1, offset: 2 * BLOCK as u64 };
    assert_eq!(journal.search(Keep::Through(9), SEGMENT), Err(NoCut::Damaged { place, last: 3 }));
    let cut = journal.search(Keep::Through(3), SEGMENT).expect("what is damaged goes");
    assert_eq!((cut.place, cut.tail.batches), (place, 2));
}

#[test]
fn a_first_segment_whose_only_batch_is_damaged_ends_the_journal() {
    // Six of these fill a segment.
    let bodies: Vec<(Vec<u8>, bool)> = (1..=12).map(|number| (vec![2 * number; 9000], number == 6)).collect();
    let mut journal = Journal::new(&bodies);
    assert_eq!(journal.history.iter().map(|(last, _)| *last).collect::<Vec<_>>(), [6, 12]);
    journal.disk.segments.get_mut(&1).expect("it is there")[BLOCK + 200] ^= 4;
    let place = storage_journal::Place { segment: 1, offset: BLOCK as u64 };
    let fault = Fault { segment: 1, offset: BLOCK as u64, kind: FaultKind::Batch };
    assert_eq!(journal.disk.replay(), Err(fault), "a node does not start with it");
    assert_eq!(journal.search(Keep::Through(6), SEGMENT), Err(NoCut::Damaged { place, last: 0 }));
    let cut = journal.search(Keep::Whole, SEGMENT).expect("what is damaged goes");
    assert_eq!((cut.place, cut.batch, cut.reach, cut.tail.batches), (place, 0, Reach::START, 1));
    for step in cut.steps(&journal.found()).expect("nothing was freed") {
        journal.carry_out(step, Power::Stays);
    }
    assert_eq!(journal.start(None), Vec::<Vec<u8>>::new());
}
