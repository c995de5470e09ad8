//! What is read of a journal that is damaged: all that is whole, nothing else, and where the rest was.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{
    Full, Gap, LOCAL, Part, Piece, Place, Position, RecordHeader, Salvage, SegmentPart, Unknown, Writer,
};

/// No record is local.
const NONE: std::ops::Range<u64> = LOCAL | 1..LOCAL | 1;

const SEGMENT: usize = 64 * 1024;
const DIRECTORY: [u8; 16] = [7; 16];

/// A batch that was written.
#[derive(Clone, Debug)]
struct Written {
    place: Place,
    bytes: usize,
    sequences: std::ops::Range<u64>,
    bodies: Vec<Vec<u8>>,
}

/// Batches of some bodies each, in as many segments as they need.
fn journal(batches: &[Vec<Vec<u8>>]) -> (BTreeMap<u64, Vec<u8>>, Vec<Written>) {
    let mut writer = Writer::new(DIRECTORY, SEGMENT, Position::START);
    let mut segments = BTreeMap::new();
    let begin = |segment: u64| {
        let mut bytes = SegmentHeader { shard: 2, segment, directory: DIRECTORY, bytes: SEGMENT as u64 }.encode();
        bytes.resize(SEGMENT, 0);
        bytes
    };
    segments.insert(1, begin(1));
    let mut written = Vec::new();
    for bodies in batches {
        // Most batches end before their segment does, so that it is asked for before the first body.
        let bytes: usize = bodies.iter().map(|body| body.len() + 100).sum();
        if writer.room() < bytes + BLOCK {
            let segment = writer.roll();
            segments.insert(segment, begin(segment));
        }
        for body in bodies {
            let header = RecordHeader { part: Part::Shared, kind: 1, unknown: Unknown::Refuse, numbers: 1 };
            match writer.append(header, &[body]) {
                Ok(_) => {}
                Err(full @ (Full::Batch | Full::Segment | Full::TooLarge)) => panic!("there is room: {full:?}"),
            }
        }
        let sealed = if bodies.is_empty() { writer.mark().expect("room") } else { writer.seal().expect("records") };
        let at = sealed.place.offset as usize;
        let segment = segments.get_mut(&sealed.place.segment).expect("it was begun");
        segment[at..at + sealed.buffer.len()].copy_from_slice(sealed.buffer.bytes());
        written.push(Written {
            place: sealed.place,
            bytes: sealed.buffer.len(),
            sequences: sealed.first.shared..sealed.end.shared,
            bodies: bodies.clone(),
        });
    }
    (segments, written)
}

/// Everything that is found, by sequence number; gaps; and strays and records that are none.
#[derive(Debug, Default, PartialEq)]
struct Found {
    bodies: Vec<(u64, Vec<u8>)>,
    gaps: Vec<Gap>,
    others: usize,
    torn: Option<Place>,
    beyond: Option<Place>,
}

fn salvage(segments: &BTreeMap<u64, Vec<u8>>, cut: usize) -> Found {
    let (mut salvage, mut found) = (Salvage::new(DIRECTORY), Found::default());
    for (&number, bytes) in segments {
        let whole = SegmentPart::whole(number, bytes);
        let parts = if bytes.is_empty() { vec![whole] } else { Vec::new() };
        let cuts = bytes.chunks(cut).zip((0..).step_by(cut));
        let parts = parts.into_iter().chain(cuts.map(|(bytes, offset)| SegmentPart { offset, bytes, ..whole }));
        for part in parts {
            salvage.handle_part(&part, |piece| match piece {
                Piece::Record(_, record) => found.bodies.push((record.number, record.payload.to_vec())),
                Piece::Gap(gap) => found.gaps.push(gap),
                _ => found.others += 1,
            });
        }
    }
    (found.torn, found.beyond) = salvage.end().map_or((None, None), |end| (end.torn, end.beyond));
    found
}

fn bodies(written: &[Written]) -> Vec<(u64, Vec<u8>)> {
    written.iter().flat_map(|batch| batch.sequences.clone().zip(batch.bodies.iter().cloned())).collect()
}

/// Three segments of batches of three messages, with an empty batch at the end.
fn three_segments() -> (BTreeMap<u64, Vec<u8>>, Vec<Written>) {
    let mut batches: Vec<Vec<Vec<u8>>> =
        (0_u8..20).map(|batch| (0..3).map(|place| vec![batch * 3 + place; 2500]).collect()).collect();
    batches.push(Vec::new());
    let (segments, written) = journal(&batches);
    assert_eq!(segments.len(), 3);
    (segments, written)
}

fn flip(segments: &mut BTreeMap<u64, Vec<u8>>, batch: &Written, octet: usize) {
    segments.get_mut(&batch.place.segment).expect("it is there")[batch.place.offset as usize + octet] ^= 1;
}

fn after(batch: &Written) -> Place {
    Place { offset: batch.place.offset + batch.bytes as u64, ..batch.place }
}

#[test]
fn whatever_is_whole_is_found_behind_each_damage() {
    let (whole, written) = three_segments();
    let found = salvage(&whole, SEGMENT);
    assert_eq!((found.bodies, found.gaps, found.others), (bodies(&written), Vec::new(), 0));
    // Its magic, its length (so long that it reaches over those behind it, and so short that it has no records), its segment, its
    // number, its checksum, its records.
    for octet in [0, 4, 9, 10, 11, 16, 24, 60, 3000] {
        for damaged in 0..written.len() - 1 {
            let mut segments = whole.clone();
            flip(&mut segments, &written[damaged], octet);
            let found = salvage(&segments, 3 * BLOCK);
            let left: Vec<Written> = written
                .iter()
                .enumerate()
                .filter(|(place, _)| *place != damaged)
                .map(|(_, batch)| batch.clone())
                .collect();
            assert_eq!(found.bodies, bodies(&left), "batch {damaged}, octet {octet}");
            let from = damaged.checked_sub(1).map_or(written[0].place, |before| after(&written[before]));
            let sequences = written[damaged].sequences.clone();
            let gap = Gap { from, to: written[damaged + 1].place, batches: 1, shared: sequences, local: NONE };
            assert_eq!(found.gaps, [gap], "batch {damaged}, octet {octet}");
        }
    }
}

#[test]
fn segments_without_headers_and_without_files_take_nothing_else_with_them() {
    let (whole, written) = three_segments();
    let mut segments = whole.clone();
    segments.values_mut().for_each(|bytes| bytes[..BLOCK].fill(0xff));
    assert_eq!(salvage(&segments, SEGMENT).bodies, bodies(&written), "headers are not needed");
    for missing in [1, 2] {
        let mut segments = whole.clone();
        segments.remove(&missing);
        let found = salvage(&segments, SEGMENT);
        let left: Vec<Written> = written.iter().filter(|batch| batch.place.segment != missing).cloned().collect();
        assert_eq!(found.bodies, bodies(&left), "without segment {missing}");
        // What came before the first segment that is there may have been freed.
        assert_eq!(found.gaps.len(), usize::from(missing == 2));
        if let [gap] = &found.gaps[..] {
            let mut gone = written.iter().filter(|batch| batch.place.segment == missing);
            let (count, first, last) =
                (gone.clone().count() as u64, gone.clone().next().expect("some"), gone.next_back().expect("some"));
            assert_eq!((gap.batches, gap.shared.clone()), (count, first.sequences.start..last.sequences.end));
        }
    }
    // The file is cut within a batch: those before it are read, and its place is known by what follows.
    let mut segments = whole;
    segments.get_mut(&2).expect("it is there").truncate(3 * BLOCK + 100);
    let found = salvage(&segments, BLOCK);
    let left: Vec<Written> = written
        .iter()
        .filter(|batch| batch.place.segment != 2 || after(batch).offset <= 3 * BLOCK as u64)
        .cloned()
        .collect();
    assert_eq!(found.bodies, bodies(&left));
    assert_eq!((found.gaps.len(), found.gaps[0].to.segment), (1, 3));
    // Of what is before the first batch only the place is known.
    let (mut segments, written) = three_segments();
    segments.remove(&1);
    let damaged = written.iter().find(|batch| batch.place.segment == 2).expect("the first one of it");
    flip(&mut segments, damaged, 100);
    let first = damaged.sequences.end;
    let gap = Gap { from: damaged.place, to: after(damaged), batches: 0, shared: first..first, local: NONE };
    assert_eq!(salvage(&segments, SEGMENT).gaps, [gap]);
}

#[test]
fn the_end_says_whether_a_crash_explains_it() {
    let (mut segments, written) = three_segments();
    let [.., last, mark] = &written[..] else { panic!("there are many") };
    flip(&mut segments, mark, 33);
    let found = salvage(&segments, SEGMENT);
    assert_eq!((found.torn, found.beyond, found.gaps.len()), (Some(mark.place), None, 0), "one may be cut off");
    flip(&mut segments, last, 3000);
    let found = salvage(&segments, SEGMENT);
    assert_eq!((found.torn, found.beyond), (Some(last.place), Some(mark.place)), "two are not");
}

#[test]
fn a_batch_of_another_past_is_told_and_left_out() {
    let (mut segments, written) = three_segments();
    // The same segment again behind itself: each of its batches is older than what comes before.
    let again = segments[&1].clone();
    segments.insert(1, [again.clone(), again[BLOCK..].to_vec()].concat());
    let found = salvage(&segments, SEGMENT);
    assert_eq!(found.bodies, bodies(&written), "nothing comes twice");
    assert_eq!(found.others, written.iter().filter(|batch| batch.place.segment == 1).count());
}

proptest! {
    #[test]
    fn any_octets_flip_and_what_checks_is_there(
        lengths in proptest::collection::vec(proptest::collection::vec(0_usize..6000, 0..4), 1..25),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..SEGMENT, 1_u8..), 0..40),
        missing in proptest::collection::vec(any::<prop::sample::Index>(), 0..2),
        cut in 1_usize..17,
    ) {
        let batches: Vec<Vec<Vec<u8>>> = lengths.iter().zip(1_u8..)
            .map(|(lengths, octet)| lengths.iter().map(|&length| vec![octet; length]).collect()).collect();
        let (mut segments, written) = journal(&batches);
        let numbers: Vec<u64> = segments.keys().copied().collect();
        let mut touched: BTreeMap<Place, Vec<u8>> = BTreeMap::new();
        for batch in &written {
            let at = batch.place.offset as usize;
            touched.insert(batch.place, segments[&batch.place.segment][at..at + batch.bytes].to_vec());
        }
        for (segment, octet, by) in flips {
            segments.get_mut(segment.get(&numbers)).expect("it is there")[octet] ^= by;
        }
        for index in missing {
            segments.remove(index.get(&numbers));
        }
        // Those are whole of which no octet but those of the padding changed.
        let is_whole = |batch: &&Written| segments.get(&batch.place.segment).is_some_and(|bytes| {
            let before = &touched[&batch.place];
            let length = u32::from_le_bytes(before[8..12].try_into().expect("four octets")) as usize;
            let at = batch.place.offset as usize;
            bytes[at..at + length] == before[..length]
        });
        let left: Vec<Written> = written.iter().filter(is_whole).cloned().collect();
        let found = salvage(&segments, cut * BLOCK);
        prop_assert_eq!(&found.bodies, &bodies(&left));
        prop_assert_eq!(found.others, 0);
        // Gaps have all that is missing between the first and the last that is there.
        let there: BTreeSet<u64> = left.iter().flat_map(|batch| batch.sequences.clone()).collect();
        let last = left.last().map_or(0, |batch| batch.sequences.end);
        let first = if segments.contains_key(&1) { 1 } else { left.first().map_or(1, |batch| batch.sequences.start) };
        let gone: BTreeSet<u64> = (first..last).filter(|sequence| !there.contains(sequence)).collect();
        let told: BTreeSet<u64> = found.gaps.iter().flat_map(|gap| gap.shared.clone()).collect();
        prop_assert_eq!(told, gone);
    }
}
