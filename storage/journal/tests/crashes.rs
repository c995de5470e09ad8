//! The journal on a disk that loses power: writes that never came, came in part, or came out of order; bits that flip.

#[path = "crashes/cuts.rs"]
mod cuts;
#[path = "crashes/entries.rs"]
mod entries;

use std::collections::BTreeMap;

use proptest::prelude::*;
use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{
    Batch, Fault, FaultKind, Full, NotTaken, Part, Position, Reach, Record, RecordHeader, Replay, SegmentPart, Unknown,
    Writer, read_batches, read_parts,
};

const SEGMENT: usize = 64 * 1024;
const SECTOR: usize = 512;
const DIRECTORY: [u8; 16] = [7; 16];

/// Lengths of the parts that segments come in, octets: the shortest, those that most batches reach over, and whole segments.
const CUTS: [usize; 4] = [BLOCK, 2 * BLOCK, 5 * BLOCK, SEGMENT];

/// Gives a segment to a replay in parts of so many octets.
fn handle_segment(
    replay: &mut Replay,
    (number, bytes): (u64, &[u8]),
    cut: usize,
    mut take: impl FnMut(Batch, Record<'_>),
) -> Result<(), Fault> {
    let whole = SegmentPart::whole(number, bytes);
    if bytes.is_empty() {
        return replay.handle_part(&whole, take);
    }
    let mut parts = bytes.chunks(cut).zip((0..).step_by(cut));
    parts.try_for_each(|(bytes, offset)| replay.handle_part(&SegmentPart { offset, bytes, ..whole }, &mut take))
}

/// What is on the disk, and what of it is stable.
struct Disk {
    segments: BTreeMap<u64, Vec<u8>>,
    writer: Writer,
    /// Records in batches that were synced, and those after them.
    stable: Vec<Vec<u8>>,
    open: Vec<Vec<u8>>,
    /// Those of the open batch that are local: they come before the shared ones.
    open_local: Vec<Vec<u8>>,
}

/// Bodies of an odd octet are local.
fn part(body: &[u8]) -> Part {
    if body.first().is_some_and(|octet| octet % 2 == 1) { Part::Local } else { Part::Shared }
}

impl Disk {
    /// One with these records, synced after those that say so, and at the end.
    fn with(bodies: &[(Vec<u8>, bool)]) -> Self {
        let mut disk = Self::new();
        for (body, sync) in bodies {
            disk.append(body);
            if *sync {
                disk.sync();
            }
        }
        disk.sync();
        disk
    }

    fn new() -> Self {
        let mut disk = Self {
            segments: BTreeMap::new(),
            writer: Writer::new(DIRECTORY, SEGMENT, Position::START),
            stable: Vec::new(),
            open: Vec::new(),
            open_local: Vec::new(),
        };
        disk.begin(1);
        disk
    }

    /// A segment that is used again: its old contents are whatever was there.
    fn begin(&mut self, segment: u64) {
        let recycled = segment.checked_sub(3).and_then(|old| self.segments.get(&old).cloned());
        let mut bytes = recycled.unwrap_or_else(|| vec![0; SEGMENT]);
        let header = SegmentHeader { shard: 2, segment, directory: DIRECTORY, bytes: SEGMENT as u64 };
        bytes[..BLOCK].copy_from_slice(&header.encode());
        self.segments.insert(segment, bytes);
    }

    fn append(&mut self, body: &[u8]) {
        let part = part(body);
        let header = RecordHeader { part, kind: 1, unknown: Unknown::Refuse, numbers: 1 };
        loop {
            match self.writer.append(header, &[body]) {
                Ok(_) if part == Part::Local => return self.open_local.push(body.to_vec()),
                Ok(_) => return self.open.push(body.to_vec()),
                Err(Full::Batch) => self.sync(),
                Err(Full::Segment) => {
                    self.sync();
                    let segment = self.writer.roll();
                    self.begin(segment);
                }
                Err(Full::TooLarge) => panic!("{} octets fit", body.len()),
            }
        }
    }

    /// Appends records that hold together.
    fn append_together(&mut self, bodies: &[Vec<u8>]) {
        let bytes = bodies.iter().map(|body| RecordHeader::bytes(&[body])).sum();
        loop {
            match self.writer.keep_together(bytes) {
                Ok(()) => break,
                Err(Full::Batch) => self.sync(),
                Err(Full::Segment) => {
                    self.sync();
                    let segment = self.writer.roll();
                    self.begin(segment);
                }
                Err(Full::TooLarge) => panic!("{bytes} octets fit"),
            }
        }
        let batch = self.writer.place();
        for body in bodies {
            self.append(body);
            assert_eq!(self.writer.place(), batch, "there was room for all of them");
        }
    }

    fn sync(&mut self) {
        if let Some(sealed) = self.writer.seal() {
            let at = sealed.place.offset as usize;
            let segment = self.segments.get_mut(&sealed.place.segment).expect("it was begun");
            segment[at..at + sealed.buffer.len()].copy_from_slice(sealed.buffer.bytes());
            self.stable.append(&mut self.open_local);
            self.stable.append(&mut self.open);
        }
    }

    fn open(&self) -> Vec<Vec<u8>> {
        [&self.open_local[..], &self.open[..]].concat()
    }

    /// Power fails while the last batch is written: only some of its sectors get there.
    fn crash(&mut self, kept: &[bool]) {
        let Some(sealed) = self.writer.seal() else { return };
        let segment = self.segments.get_mut(&sealed.place.segment).expect("it was begun");
        for (number, sector) in sealed.buffer.bytes().chunks(SECTOR).enumerate() {
            if kept[number % kept.len()] {
                let at = sealed.place.offset as usize + number * SECTOR;
                segment[at..at + sector.len()].copy_from_slice(sector);
            }
        }
    }

    /// What a start finds, which is the same however the segments are cut.
    fn replay(&self) -> Result<Vec<Vec<u8>>, Fault> {
        let found = self.replay_cut(CUTS[0]);
        CUTS[1..].iter().for_each(|&cut| assert_eq!(self.replay_cut(cut), found, "in parts of {cut} octets"));
        found
    }

    fn replay_cut(&self, cut: usize) -> Result<Vec<Vec<u8>>, Fault> {
        let mut replay = Replay::new(2, DIRECTORY);
        let mut bodies = Vec::new();
        let mut reach = Reach::START;
        let mut places = Vec::new();
        for (&number, segment) in &self.segments {
            handle_segment(&mut replay, (number, segment), cut, |batch, record| {
                assert_eq!(record.number, reach.of(record.number), "in order, without a gap");
                reach.include(record.number);
                assert_eq!(record.header.part, part(record.payload));
                places.push(batch.place);
                bodies.push(record.payload.to_vec());
            })?;
        }
        // Read back batch by batch it is the same.
        places.dedup();
        let mut again = Vec::new();
        for place in places {
            let batch = &self.segments[&place.segment][place.offset as usize..];
            let length = u32::from_le_bytes(batch[8..12].try_into().expect("four octets"));
            let blocks = (length as usize).div_ceil(BLOCK) * BLOCK;
            read_batches(DIRECTORY, place, &batch[..blocks], |_, record| {
                again.push(record.payload.to_vec());
            })?;
        }
        assert_eq!(again, bodies);
        Ok(bodies)
    }
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), prop_oneof![0..40_usize, 3000..9000_usize]).prop_map(|(octet, length)| vec![octet; length])
}

/// A second node that takes the shared parts of the first one into a journal of its own.
fn follow(disk: &Disk) -> Disk {
    let mut other = Disk::new();
    for (&segment, bytes) in &disk.segments {
        // What is whole of it: batches up to the first block that is none.
        let mut end = BLOCK;
        while bytes.get(end..end + 4) == Some(b"HBAT") && bytes[end + 16..end + 24] == segment.to_le_bytes() {
            let length = u32::from_le_bytes(bytes[end + 8..end + 12].try_into().expect("four octets"));
            end += (length as usize).div_ceil(BLOCK) * BLOCK;
        }
        let place = storage_journal::Place { segment, offset: BLOCK as u64 };
        read_parts(DIRECTORY, place, &bytes[BLOCK..end], |_, part| {
            // It writes something of its own in between.
            other.append(&[1, 1, 1]);
            loop {
                match other.writer.take_part(&part) {
                    Ok(()) => break,
                    Err(NotTaken::Full(Full::Batch)) => other.sync(),
                    Err(NotTaken::Full(Full::Segment)) => {
                        other.sync();
                        let segment = other.writer.roll();
                        other.begin(segment);
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
            part.records(|record| other.open.push(record.payload.to_vec())).expect("it is whole");
            let again = other.writer.take_part(&part);
            assert_eq!(again, Err(NotTaken::Full(Full::Batch)), "one part a batch");
            other.sync();
            assert_eq!(other.writer.take_part(&part), Err(NotTaken::NotDue), "each once");
        })
        .expect("what was synced is whole");
    }
    other
}

proptest! {
    #[test]
    fn parts_are_taken_as_they_are(bodies in proptest::collection::vec((body(), any::<bool>()), 0..60)) {
        let disk = Disk::with(&bodies);
        let other = follow(&disk);
        let shared = |disk: &Disk| -> Vec<Vec<u8>> {
            let found = disk.replay().expect("it is whole");
            found.into_iter().filter(|body| part(body) == Part::Shared).collect()
        };
        prop_assert_eq!(shared(&other), shared(&disk));
        let written: Vec<Vec<u8>> = disk.stable.iter().filter(|body| part(body) == Part::Shared).cloned().collect();
        prop_assert_eq!(shared(&other), written);
        prop_assert_eq!(other.writer.next().shared, disk.writer.next().shared);
    }

    #[test]
    fn what_was_synced_comes_back_and_nothing_else_changes(
        bodies in proptest::collection::vec((body(), any::<bool>()), 0..60), kept in proptest::collection::vec(any::<bool>(), 1..30),
    ) {
        let mut disk = Disk::new();
        for (body, sync) in &bodies {
            disk.append(body);
            if *sync {
                disk.sync();
            }
        }
        let whole = kept.iter().all(|&kept| kept);
        disk.crash(&kept);
        let found = disk.replay().expect("a crash is no fault");
        prop_assert!(found.starts_with(&disk.stable), "what was synced is there");
        let rest = &found[disk.stable.len()..];
        prop_assert!(rest.is_empty() || rest == &disk.open()[..], "a batch comes whole or not at all");
        prop_assert!(!whole || rest == &disk.open()[..], "a batch that got there is there");
    }

    #[test]
    fn what_holds_together_comes_whole_or_not_at_all(
        groups in proptest::collection::vec((proptest::collection::vec(body(), 1..6), any::<bool>()), 1..20),
        kept in proptest::collection::vec(any::<bool>(), 1..30),
    ) {
        let mut disk = Disk::new();
        for (group, sync) in &groups {
            disk.append_together(group);
            if *sync {
                disk.sync();
            }
        }
        disk.crash(&kept);
        let mut found = disk.replay().expect("a crash is no fault");
        for (group, _) in &groups {
            let mut there = Vec::new();
            for body in group {
                let at = found.iter().position(|other| other == body);
                there.push(at.is_some());
                at.into_iter().for_each(|at| drop(found.remove(at)));
            }
            prop_assert!(there.iter().all(|&is| is == there[0]), "all of {:?}", there);
        }
    }

    #[test]
    fn a_flipped_bit_is_found_and_named(
        bodies in proptest::collection::vec(body(), 5..40), segment in any::<usize>(), place in any::<usize>(), bit in 0..8_u32,
    ) {
        let mut disk = Disk::new();
        for body in &bodies {
            disk.append(body);
            disk.sync();
        }
        let numbers: Vec<u64> = disk.segments.keys().copied().collect();
        let number = numbers[segment % numbers.len()];
        let bytes = disk.segments.get_mut(&number).expect("it is there");
        let place = place % bytes.len();
        bytes[place] ^= 1 << bit;
        match disk.replay() {
            // In padding, in what an earlier use left behind, or in the last batch, which is then taken for cut off.
            Ok(found) => prop_assert!(found == disk.stable || found[..] == disk.stable[..disk.stable.len() - 1]),
            Err(fault) => {
                prop_assert!(fault.segment == number || fault.offset == 0 || fault.segment + 1 == number);
                prop_assert!(fault.offset as usize <= place || fault.segment != number);
            }
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..9000), header in any::<bool>()) {
        let mut segment = bytes;
        if header {
            let first = SegmentHeader { shard: 2, segment: 1, directory: DIRECTORY, bytes: SEGMENT as u64 };
            segment.splice(0..0, first.encode());
        }
        let mut replay = Replay::new(2, DIRECTORY);
        let result = handle_segment(&mut replay, (1, &segment), BLOCK, |_, _| panic!("no record is made of noise"));
        prop_assert!(result.is_ok(), "nothing was ever written to it");
    }
}

#[test]
fn what_holds_together_may_be_larger_than_a_batch_is_otherwise() {
    const SEGMENT: usize = 8 << 20;
    let mut writer = Writer::new(DIRECTORY, SEGMENT, Position::START);
    let header = RecordHeader { part: Part::Shared, kind: 1, unknown: Unknown::Refuse, numbers: 1 };
    let body = vec![0; 300_000];
    let bytes = 10 * RecordHeader::bytes(&[&body]);
    writer.append(header, &[b"before"]).expect("there is room");
    assert_eq!(writer.keep_together(bytes), Err(Full::Batch), "not behind something else");
    writer.seal().expect("a record");
    writer.keep_together(bytes).expect("it fits into a segment");
    for _ in 0..10 {
        writer.append(header, &[&body]).expect("there is room for all");
    }
    assert_eq!(writer.append(header, &[&body]), Err(Full::Batch), "and for no more");
    let sealed = writer.seal().expect("records");
    assert!(sealed.buffer.len() > 10 * body.len());
    for _ in 0..3 {
        writer.append(header, &[&body]).expect("there is room");
    }
    assert_eq!(writer.append(header, &[&body]), Err(Full::Batch), "others are as large as ever");
    assert_eq!(writer.keep_together(SEGMENT), Err(Full::TooLarge));
}

#[test]
fn segments_of_others_are_refused() {
    let header = SegmentHeader { shard: 9, segment: 1, directory: DIRECTORY, bytes: 8192 };
    let mut bytes = header.encode();
    bytes.resize(8192, 0);
    let fault =
        handle_segment(&mut Replay::new(2, DIRECTORY), (1, &bytes), BLOCK, |_, _| {}).expect_err("another shard's");
    assert_eq!(fault.kind, FaultKind::Foreign);
}

#[test]
fn the_only_batch_of_a_segment_is_missed() {
    let mut disk = Disk::new();
    for number in 0..3 {
        // Each fills most of a segment.
        disk.append(&vec![number; SEGMENT - 3 * BLOCK]);
    }
    disk.sync();
    for damaged in 1..3 {
        let mut replay = Replay::new(2, DIRECTORY);
        let found = disk.segments.iter().try_for_each(|(&number, bytes)| {
            let mut bytes = bytes.clone();
            bytes[9000] ^= u8::from(number == damaged);
            handle_segment(&mut replay, (number, &bytes), CUTS[0], |_, _| {})
        });
        let fault = Fault { segment: damaged, offset: BLOCK as u64, kind: FaultKind::Batch };
        assert_eq!(found, Err(fault), "whatever is behind it");
    }
}
