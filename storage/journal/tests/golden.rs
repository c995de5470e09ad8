//! Version 1 on disk, octet by octet: a file that must be read for ever.

use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{
    Ended, Manifest, ManifestFound, Numbers, Owner, Place, Position, Properties, Record, Replay, SegmentPart, Writer,
};

const FILE: &str = "tests/golden/version-1.segment";
const MANIFEST: &str = "tests/golden/version-1.manifest";
const DIRECTORY: [u8; 16] = *b"golden directory";

fn properties(priority: u8, format: u32, expires_ms: u64) -> Properties {
    Properties { durable: true, large: false, priority, format, expires_ms, delivery_count: 0 }
}

fn records() -> Vec<Record<'static>> {
    const TWO: [u8; 16] = [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
    const PLACE: [u8; 24] = [2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
    let aside = Properties { durable: false, large: true, ..properties(9, 7, 1_700_000_000_000) };
    vec![
        Record::QueueDeclared { queue: 1, routing: 0, purpose: 0, address: "orders", name: "orders" },
        Record::QueueDeclared { queue: 2, routing: 1, purpose: 1, address: "prices", name: "prices.für.Köln" },
        Record::Message {
            properties: properties(4, 0, 0),
            queues: Numbers(&TWO[..8]),
            body: &[0x00, 0x53, 0x77, 0xa1, 2, b'h', b'i'],
        },
        Record::Message { properties: aside, queues: Numbers(&TWO), body: b"" },
        Record::Failed { queue: 1, message: 3, count: 2 },
        Record::Moved { properties: properties(4, 0, 0), places: Numbers(&PLACE), body: b"moved" },
        Record::Acknowledged { queue: 1, first: 3, last: 4 },
        Record::TransactionPart { coordinator: 3, transaction: 77, records: 2 },
        Record::TransactionCommitted { coordinator: 3, transaction: 77 },
        Record::TransactionAborted { coordinator: 3, transaction: 78 },
        Record::QueueDeleted { queue: 2 },
    ]
}

/// The segment as this code writes it: two batches.
fn written() -> Vec<u8> {
    let header = SegmentHeader { shard: 5, segment: 1, directory: DIRECTORY, bytes: 4 * BLOCK as u64 };
    let mut bytes = header.encode();
    let mut writer = Writer::new(DIRECTORY, 4 * BLOCK, Position::START);
    for (number, record) in records().iter().enumerate() {
        writer.append(record).expect("room");
        if number == 3 {
            bytes.extend_from_slice(writer.seal().expect("records").buffer.bytes());
        }
    }
    bytes.extend_from_slice(writer.seal().expect("records").buffer.bytes());
    bytes.resize(4 * BLOCK, 0);
    bytes
}

#[test]
fn version_1_is_written_and_read_as_it_always_was() {
    if std::env::var_os("HEDDLE_GOLDEN").is_some_and(|what| what == "write") {
        std::fs::write(FILE, written()).expect("writable");
    }
    let golden = std::fs::read(FILE).expect("the golden file");
    assert!(written() == golden, "the format changed: that needs a new version, and the old one stays readable");
    let mut replay = Replay::new(5, DIRECTORY);
    let expected = records();
    let (mut count, mut next) = (0, 1);
    replay
        .handle_part(&SegmentPart::whole(1, &golden), |sequence, _, record| {
            assert_eq!(record, expected[count]);
            assert_eq!(sequence, next);
            count += 1;
            next += u64::from(record.numbers());
        })
        .expect("no fault");
    assert_eq!(count, expected.len());
    assert_eq!(replay.ended(), Some(Ended { place: Place { segment: 1, offset: 3 * BLOCK as u64 }, torn: false }));
    assert_eq!(replay.position().segment, 2);
}

#[test]
fn the_manifest_of_version_1_is_written_and_read_as_it_always_was() {
    let owner = Owner { shard: 5, directory: DIRECTORY, segment_bytes: 4 * BLOCK as u64 };
    let (mut written, generation) = Manifest::NEW.file(&owner);
    let manifest = Manifest { first: 3, last: 8, batch: 4711 };
    let (block, at) = manifest.encode(&owner, generation + 1);
    written[at as usize..][..BLOCK].copy_from_slice(&block);
    if std::env::var_os("HEDDLE_GOLDEN").is_some_and(|what| what == "write") {
        std::fs::write(MANIFEST, &written).expect("writable");
    }
    let golden = std::fs::read(MANIFEST).expect("the golden file");
    assert!(written == golden, "the format changed: that needs a new version, and the old one stays readable");
    let found = ManifestFound { owner, manifest, generation: generation + 1, damage: None };
    assert_eq!(Manifest::read(&golden), Ok(found));
}
