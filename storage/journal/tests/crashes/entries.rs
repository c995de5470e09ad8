//! A log is read by numbers, from any to any, in areas of any length: each part comes once, whole and in its order.

use std::ops::Range;

use storage_journal::{Freed, Segments};

use super::*;

/// What an index knows of the batches on a disk, as a start makes it.
fn index(disk: &Disk) -> Segments {
    let mut segments = Segments::new(SEGMENT as u64, 0);
    let mut replay = Replay::new(2, DIRECTORY);
    for (&number, bytes) in &disk.segments {
        let mut last = None;
        handle_segment(&mut replay, (number, bytes), SEGMENT, |batch, _| {
            if last.is_none() {
                segments.handle_begun(number, batch.first);
            }
            if last.replace(batch.place) != Some(batch.place) {
                let (block, blocks) = (batch.place.offset as usize / BLOCK, batch.bytes / BLOCK);
                segments.handle_sealed(batch.first, block as u32, blocks as u32);
            }
        })
        .expect("nothing is damaged");
    }
    segments
}

/// The parts of a log: their numbers, and their records.
type Parts = Vec<(Range<u64>, Vec<u8>)>;

fn all(disk: &Disk, segments: &Segments, wanted: Range<u64>, bytes_max: usize) -> Result<Parts, Freed> {
    let (mut parts, mut next) = (Vec::new(), wanted.start);
    while let Some(entries) = segments.entries(next..wanted.end, bytes_max)? {
        let at = entries.place.offset as usize;
        let bytes = &disk.segments[&entries.place.segment][at..at + entries.bytes];
        let (mut batches, mut given) = (0, Vec::new());
        let behind = entries
            .parts(DIRECTORY, bytes, |place, part| {
                assert_eq!(place.segment, entries.place.segment);
                batches += 1;
                let end = part.header.first + u64::from(part.header.numbers);
                given.push((part.header.first..end, part.records.to_vec()));
            })
            .expect("what was written is whole");
        let one = u32::from_le_bytes(bytes[8..12].try_into().expect("four octets")) as usize;
        assert!(entries.bytes <= bytes_max.max(one.div_ceil(BLOCK) * BLOCK), "it is bounded");
        assert_eq!(behind, given.last().map_or(next, |(numbers, _)| numbers.end));
        if behind == next {
            break;
        }
        next = behind;
        parts.extend(given);
    }
    Ok(parts)
}

proptest! {
    #[test]
    fn any_numbers_are_found_in_areas_of_any_length(
        bodies in proptest::collection::vec((body(), any::<bool>()), 1..60), from in 0_u64..70, count in 0_u64..70,
        blocks in 0_usize..20, freed in 0_usize..4,
    ) {
        let disk = Disk::with(&bodies);
        let mut segments = index(&disk);
        let end = disk.writer.next().shared;
        let expected = all(&disk, &segments, 1..u64::MAX, usize::MAX).expect("nothing was freed");
        // They follow each other, and are what was written.
        let mut numbers = 1;
        for (part, _) in &expected {
            prop_assert_eq!(part.start, numbers);
            numbers = part.end;
        }
        prop_assert_eq!(numbers, end);
        let written: usize = bodies.iter().filter(|(body, _)| part(body) == Part::Shared).map(|(body, _)| body.len() + 12).sum();
        prop_assert_eq!(expected.iter().map(|(_, records)| records.len()).sum::<usize>(), written);

        let wanted = from.max(1)..from.max(1) + count;
        let found = all(&disk, &segments, wanted.clone(), blocks * BLOCK).expect("nothing was freed");
        let overlaps = |numbers: &Range<u64>| numbers.start < wanted.end && numbers.end > wanted.start;
        let due: Parts = expected.iter().filter(|(numbers, _)| count > 0 && overlaps(numbers)).cloned().collect();
        prop_assert_eq!(found, due);

        // Nothing is needed: segments leave from the front on.
        for _ in 0..freed {
            segments.poll_free(disk.writer.next());
        }
        let first = segments.begin_of(0);
        let early = all(&disk, &segments, 1..u64::MAX, usize::MAX);
        if first == u64::MAX || first == 1 {
            prop_assert!(early.is_ok());
        } else {
            prop_assert_eq!(early, Err(Freed { number: 1, first }));
            let rest: Parts = expected.into_iter().filter(|(numbers, _)| numbers.start >= first).collect();
            prop_assert_eq!(all(&disk, &segments, first..u64::MAX, usize::MAX), Ok(rest));
        }
    }
}
