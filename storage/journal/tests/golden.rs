//! Version 1 on disk, octet by octet: a file that must be read for ever.

use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{Ended, Record, Replay, Writer};

const FILE: &str = "tests/golden/version-1.segment";
const DIRECTORY: [u8; 16] = *b"golden directory";

fn records() -> Vec<Record<'static>> {
    vec![
        Record::QueueDeclared { queue: 1, routing: 0, address: "orders", name: "orders" },
        Record::QueueDeclared { queue: 2, routing: 1, address: "prices", name: "prices.für.Köln" },
        Record::Message {
            queue: 1,
            priority: 4,
            format: 0,
            expires_ms: 0,
            body: &[0x00, 0x53, 0x77, 0xa1, 2, b'h', b'i'],
        },
        Record::Message { queue: 2, priority: 9, format: 7, expires_ms: 1_700_000_000_000, body: b"" },
        Record::Reference { queue: 1, message: 4 },
        Record::Failed { queue: 1, message: 3, count: 2 },
        Record::Acknowledged { queue: 1, first: 3, last: 4 },
        Record::TransactionPart { coordinator: 3, transaction: 77 },
        Record::TransactionCommitted { coordinator: 3, transaction: 77 },
        Record::TransactionAborted { coordinator: 3, transaction: 78 },
        Record::QueueDeleted { queue: 2 },
    ]
}

/// The segment as this code writes it: two batches.
fn written() -> Vec<u8> {
    let header = SegmentHeader { shard: 5, segment: 1, directory: DIRECTORY, bytes: 4 * BLOCK as u64, first_batch: 1 };
    let mut bytes = header.encode();
    let mut writer = Writer::new(1, 4 * BLOCK, 1, 1, 0);
    for (number, record) in records().iter().enumerate() {
        writer.append(record);
        if number == 3 {
            bytes.extend(writer.seal().expect("records").bytes);
        }
    }
    bytes.extend(writer.seal().expect("records").bytes);
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
    let mut count = 0;
    replay
        .handle_segment(&golden, |sequence, _, record| {
            assert_eq!(record, expected[count]);
            count += 1;
            assert_eq!(sequence, count as u64);
        })
        .expect("no fault");
    assert_eq!(count, expected.len());
    assert_eq!(replay.ended(), Some(Ended { segment: 1, offset: 3 * BLOCK as u64, torn: false }));
    assert_eq!(replay.position().0, 2);
}
