//! Version 2 on disk, octet by octet: files that must be read for ever. What records mean has golden octets where it is known
//! (`engine/ledger/tests`).

use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{
    Ended, LogPosition, Manifest, ManifestFound, ManifestTail, Owner, Part, Place, Position, Reach, RecordHeader,
    Replay, SegmentPart, Unknown, Writer, open_checkpoint, seal_checkpoint,
};

const FILE: &str = "tests/golden/version-2.segment";
const MANIFEST: &str = "tests/golden/version-1.manifest";
const CHECKPOINT: &str = "tests/golden/frame.checkpoint";
const VERSION_1: &[u8] = include_bytes!("golden/version-1.segment");
const DIRECTORY: [u8; 16] = *b"golden directory";

type Row = (Part, u8, Unknown, u32, &'static [u8]);

/// Batch by batch: part, kind, what to do without knowing that, numbers, payload.
fn batches() -> Vec<Vec<Row>> {
    use Part::{Local, Shared};
    use Unknown::{Refuse, Skip};
    vec![
        vec![(Shared, 1, Refuse, 1, b"one"), (Shared, 1, Refuse, 3, b"two three four"), (Local, 2, Refuse, 1, b"mine")],
        vec![(Local, 2, Refuse, 2, b""), (Local, 200, Skip, 0, b"a kind of later times")],
        vec![],
        vec![(Shared, 3, Refuse, 1, &[0; 24])],
    ]
}

/// The segment as this code writes it.
fn written() -> Vec<u8> {
    let header = SegmentHeader { shard: 5, segment: 1, directory: DIRECTORY, bytes: 6 * BLOCK as u64 };
    let mut bytes = header.encode();
    let mut writer = Writer::new(DIRECTORY, 6 * BLOCK, Position::START);
    for (number, batch) in batches().iter().enumerate() {
        if number == 3 {
            writer.begin_term(7);
        }
        for &(part, kind, unknown, numbers, payload) in batch {
            writer.append(RecordHeader { part, kind, unknown, numbers }, &[payload]).expect("room");
        }
        let sealed = writer.seal().unwrap_or_else(|| writer.mark().expect("room"));
        bytes.extend_from_slice(sealed.buffer.bytes());
    }
    bytes.resize(6 * BLOCK, 0);
    bytes
}

/// What a file is, or is to be.
fn golden(file: &str, written: &[u8]) -> Vec<u8> {
    if std::env::var_os("HEDDLE_GOLDEN").is_some_and(|what| what == "write") {
        std::fs::write(file, written).expect("writable");
    }
    let golden = std::fs::read(file).expect("the golden file");
    assert!(written == golden, "the format changed: that needs a new version, and the old one stays readable");
    golden
}

#[test]
fn version_2_is_written_and_read_as_it_always_was() {
    let golden = golden(FILE, &written());
    let mut replay = Replay::new(5, DIRECTORY);
    let mut found = Vec::new();
    replay
        .handle_part(&SegmentPart::whole(1, &golden), |_, record| {
            found.push((record.number, record.header, record.payload.to_vec()))
        })
        .expect("no fault");
    // The local part of a batch comes first.
    let mut expected = Vec::new();
    let mut next = Reach::START;
    for batch in batches() {
        let (local, shared): (Vec<Row>, Vec<Row>) = batch.into_iter().partition(|row| row.0 == Part::Local);
        for (part, kind, unknown, numbers, payload) in local.into_iter().chain(shared) {
            let header = RecordHeader { part, kind, unknown, numbers };
            let number = if part == Part::Local { &mut next.local } else { &mut next.shared };
            expected.push((*number, header, payload.to_vec()));
            *number += u64::from(numbers);
        }
    }
    assert_eq!(found, expected);
    assert_eq!(replay.ended(), Some(Ended { place: Place { segment: 1, offset: 5 * BLOCK as u64 }, torn: false }));
    let position = replay.position();
    assert_eq!((position.segment, position.batch, position.reach), (2, 5, next));
    assert_eq!(position.log, LogPosition { term: 7, part: 3, previous: position.log.previous });
}

#[test]
fn version_1_is_refused_with_what_to_do() {
    let error = SegmentHeader::decode(VERSION_1).expect_err("an older version");
    assert!(error.contains("format 1") && error.contains("export") && error.contains("import"), "{error}");
}

#[test]
fn the_manifest_of_version_1_is_written_and_read_as_it_always_was() {
    let owner = Owner { shard: 5, directory: DIRECTORY, segment_bytes: 4 * BLOCK as u64 };
    let (mut written, generation) = Manifest::NEW.file(&owner);
    let manifest = Manifest { first: 3, last: 8, batch: 4711 };
    let tail = ManifestTail { firm: 4700, cut: Some(Place { segment: 8, offset: 3 * BLOCK as u64 }) };
    let (block, at) = manifest.encode(&tail, &owner, generation + 1);
    written[at as usize..][..BLOCK].copy_from_slice(&block);
    let golden = golden(MANIFEST, &written);
    let found = ManifestFound { owner, manifest, tail, generation: generation + 1, damage: None };
    assert_eq!(Manifest::read(&golden), Ok(found));
}

#[test]
fn the_frame_of_a_checkpoint_is_written_and_read_as_it_always_was() {
    let golden = golden(CHECKPOINT, &seal_checkpoint(DIRECTORY, 3, b"what a shard has"));
    assert_eq!(open_checkpoint(DIRECTORY, 3, &golden), Ok(&b"what a shard has"[..]));
}
