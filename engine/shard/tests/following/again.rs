//! What is said of a message in its queues, and what a later version said of the message, goes along when it is written again.

use engine_ledger::{Attribute, InQueue, encode_line};

use super::*;

fn later() -> Vec<u8> {
    let mut out = Vec::new();
    Attribute { kind: 900, unknown: Unknown::Skip, value: b"later" }.encode(&mut out);
    out
}

/// Attributes of a message with such lines in queues, and something of later times without and within.
fn said(lines: &[(u64, u8)]) -> Vec<u8> {
    let mut out = later();
    for &(queue, line) in lines {
        let mut there = later();
        encode_line(line, &mut there);
        InQueue { queue, attributes: Attributes(&there) }.encode(&mut out);
    }
    out
}

/// The first segment of a journal that a later version wrote: the queues, a message in two of them that has left the first, and one in the
/// first alone.
fn written() -> (Vec<u8>, u64) {
    let mut writer = Writer::new(LEADER, SEGMENT, Position::START);
    let mut write = |meaning: Meaning<'_>| {
        meaning.encode(Part::Shared, |header, payload| writer.append(header, payload).expect("there is room"))
    };
    for (queue, name) in (1..).zip(QUEUES) {
        let declared = Declared { queue, name: name.to_owned(), address: name.to_owned(), ..declared() };
        let attributes = encode_declaration(&declared);
        write(Meaning::Declared { queue, attributes: Attributes(&attributes) });
    }
    let (properties, both, one) = (properties(), [1_u64, 2].map(u64::to_le_bytes).concat(), 1_u64.to_le_bytes());
    let (lines, line) = (said(&[(1, 9), (2, 3)]), said(&[(1, 0)]));
    let (queues, attributes) = (Numbers(&both), Attributes(&lines));
    let name = write(Meaning::Message { properties, queues, attributes, body: b"in both" });
    let (queues, attributes) = (Numbers(&one), Attributes(&line));
    write(Meaning::Message { properties, queues, attributes, body: b"in one" });
    // A queue that is empty would go at once.
    let (third, attributes) = (3_u64.to_le_bytes(), Attributes::default());
    write(Meaning::Message { properties, queues: Numbers(&third), attributes, body: b"plain" });
    write(Meaning::Acknowledged { queue: 1, first: name, last: name });
    let sealed = writer.seal().expect("records");
    let header = SegmentHeader { shard: 0, segment: 1, directory: LEADER, bytes: SEGMENT as u64 };
    let mut bytes = header.encode();
    bytes.extend_from_slice(sealed.buffer.bytes());
    bytes.resize(SEGMENT, 0);
    (bytes, sealed.batch)
}

#[test]
fn what_is_said_of_a_message_goes_along_when_it_is_written_again() {
    let mut leader = Leader::new();
    let (segment, batch) = written();
    leader.node.disk.segments_mut().insert(1, segment);
    *leader.node.disk.manifest_mut() = storage_journal::Manifest { first: 1, last: 1, batch };
    leader.restart();
    // Next to nothing lives in the first segment, and others follow it.
    let node = &mut leader.node;
    let durable = Header { durable: true, ..Header::default() };
    for _ in 0..1000 {
        node.put(2, 9000, durable);
        node.rest();
        if node.disk.manifest().first > 1 {
            break;
        }
    }
    assert!(node.disk.manifest().first > 1, "it was emptied");
    let mut again = Vec::new();
    let mut segments = node.disk.segments().clone();
    segments.retain(|&number, _| number >= node.disk.manifest().first);
    let mut replay = storage_journal::Replay::new(0, LEADER);
    for (&number, bytes) in &segments {
        let taken = replay.handle_part(&SegmentPart::whole(number, bytes), |_, record| {
            if let Ok(Some(Meaning::Moved { attributes, body, .. })) = Meaning::decode(&record) {
                again.push((body.to_vec(), attributes.0.to_vec()));
            }
        });
        taken.expect("nothing is damaged");
    }
    let plain = again.pop();
    assert_eq!(plain, Some((b"plain".to_vec(), Vec::new())));
    assert_eq!(again, [(b"in both".to_vec(), said(&[(2, 3)])), (b"in one".to_vec(), said(&[(1, 0)]))]);

    // Whoever copies it finds the same.
    let Recovered { store, restored, .. } = recover(LEADER, &segments);
    let extract = Extract::new(store, restored);
    for (queue, line, body) in [(1, 0, &b"in one"[..]), (2, 3, b"in both")] {
        let mut found = Vec::new();
        for part in extract.parts(queue) {
            let at = part.place.offset as usize;
            found.extend(extract.extracted(&part, &segments[&part.place.segment][at..at + part.bytes]));
        }
        let [found] = &found[..] else { panic!("one is in queue {queue}: {found:?}") };
        assert_eq!((&found.message.body[..], &found.attributes), (body, &said(&[(0, line)])));
    }
}
