//! What must hold for any octets on disk: they are what was written, an error, or nothing; never a panic, and never memory for what is
//! not there.

use engine_ledger::{
    Decision, Ledger, Meaning, Whose, carry, declaration, encode_decided, in_queues, read_checkpoint, read_decision,
};
use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{
    CutSearch, Keep, LOCAL, Manifest, ManifestFound, Owner, Part, Place, Reach, Record, RecordHeader, Replay, Salvage,
    SegmentPart, Segments, read_batches, read_parts, seal_checkpoint,
};

const DIRECTORY: [u8; 16] = [7; 16];
const SEGMENT: u64 = 1 << 20;

/// Records, one behind the other, in both parts: what is decoded is encoded so that it decodes to the same, and can be applied.
pub fn records(data: &[u8]) {
    for (part, first) in [(Part::Shared, 1), (Part::Local, LOCAL | 1)] {
        let (mut ledger, mut segments) = (Ledger::new(), Segments::new(SEGMENT, 0));
        segments.handle_begun(1, Reach::START);
        let (mut rest, mut number) = (data, first);
        while let Ok((record, length)) = Record::decode(part, number, rest) {
            rest = &rest[length..];
            let Some(meaning) = Meaning::decode(&record).ok().flatten() else { break };
            meaning.encode(part, |header, payload| {
                // Whether a reader may skip what it does not know is nothing to one that knows it.
                let unknown = record.header.unknown;
                assert_eq!(RecordHeader { unknown, ..header }, record.header);
                let mut again = Vec::new();
                header.append(payload, &mut again);
                let (found, _) = Record::decode(part, number, &again).expect("what is written is a record");
                assert_eq!(Meaning::decode(&found), Ok(Some(meaning)), "what is written is what was read");
            });
            if let Meaning::Message { attributes, .. } | Meaning::Moved { attributes, .. } = meaning {
                let _ = in_queues(attributes, |_| {});
                assert_eq!(carry(attributes, Some), attributes.0, "what is written again keeps all that is said of it");
            }
            if let Meaning::Declared { queue, attributes } | Meaning::DeclaredAgain { queue, attributes } = meaning {
                let _ = declaration(queue, attributes);
            }
            if ledger.apply_record(&mut segments, &record).is_err() {
                break;
            }
            number += u64::from(record.header.numbers);
        }
        ledger.settle(&mut segments);
        ledger.check();
        segments.check();
    }
}

/// A segment: with a header that is right, and as it is.
pub fn segment(data: &[u8]) {
    let length = (BLOCK + data.len()) as u64;
    let header = SegmentHeader { shard: 0, segment: 1, directory: DIRECTORY, bytes: length }.encode();
    for bytes in [data.to_vec(), [&header, data].concat()] {
        let _ = SegmentHeader::decode(&bytes);
        let part = SegmentPart::whole(1, &bytes);
        let _ = Replay::new(0, DIRECTORY).handle_part(&part, |_, record| {
            let _ = Meaning::decode(&record);
        });
        Salvage::new(DIRECTORY).handle_part(&part, |_| {});
        let owner = Owner { shard: 0, directory: DIRECTORY, segment_bytes: bytes.len() as u64 };
        for keep in [Keep::Whole, Keep::Through(0), Keep::Through(7)] {
            let mut search = CutSearch::new(owner, keep);
            search.handle_part(&part);
            if let Ok(cut) = search.finish() {
                assert!(
                    cut.place.segment == 1
                        && cut.place.offset <= part.segment_bytes.next_multiple_of(BLOCK as u64).max(BLOCK as u64)
                );
            }
        }
    }
    let place = Place { segment: 1, offset: BLOCK as u64 };
    let _ = read_batches(DIRECTORY, place, data, |_, _| {});
    let _ = read_parts(DIRECTORY, place, data, |_, part| {
        let _ = part.records(|_| {});
    });
}

/// A manifest, and a checkpoint: as it is, and in a frame that is right.
pub fn beside(data: &[u8]) {
    if let Ok(found) = Manifest::read(data) {
        let (block, at) = found.manifest.encode(&found.tail, &found.owner, found.generation);
        let mut file = vec![0; Manifest::BYTES];
        file[at as usize..at as usize + BLOCK].copy_from_slice(&block);
        let again = Manifest::read(&file).expect("what is written is whole");
        assert_eq!(ManifestFound { damage: None, ..found }, ManifestFound { damage: None, ..again });
    }
    if let Ok(Decision::Decided(shares)) = read_decision(data) {
        let again = encode_decided(&shares);
        assert_eq!(read_decision(&again), Ok(Decision::Decided(shares)), "what is written is what was read");
    }
    let whose = Whose { shard: 0, directory: DIRECTORY, segment_bytes: SEGMENT, allowance: 0 };
    let _ = read_checkpoint(&whose, data);
    if let Ok(found) = read_checkpoint(&whose, &seal_checkpoint(DIRECTORY, engine_ledger::CHECKPOINT_VERSION, data)) {
        found.ledger.check();
        found.segments.check();
    }
}
