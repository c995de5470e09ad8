//! The whole batches of a segment that comes part by part.
//!
//! Guarantees:
//! 1. What is found does not depend on where the segment was cut into parts.
//! 2. A batch is given only when its checksum, over all of it, is right: each octet is summed up once, unless a batch does not check.
//! 3. Only a batch that reaches over the end of a part is copied; what is kept of a segment is never longer than one batch says
//!    that it is, and never longer than the segment.
//!
//! It does not know which batch is due next: that is `replay.rs`.

use std::cmp::Ordering;

use crate::format::{BLOCK, BatchHeader, padded, seed};
use crate::writer::Place;

/// Octets of a segment. All of a segment are given one part after the other; each but the last is whole blocks long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentPart<'a> {
    /// The segment's number.
    pub segment: u64,
    /// Length of the whole segment, octets.
    pub segment_bytes: u64,
    /// Where the part begins in it, octets.
    pub offset: u64,
    /// The part.
    pub bytes: &'a [u8],
}

impl<'a> SegmentPart<'a> {
    /// All of a segment as one part.
    pub fn whole(segment: u64, bytes: &'a [u8]) -> Self {
        Self { segment, segment_bytes: bytes.len() as u64, offset: 0, bytes }
    }

    /// Whether the segment begins with it.
    pub fn is_first(&self) -> bool {
        self.offset == 0
    }

    /// Whether nothing follows it.
    pub fn is_last(&self) -> bool {
        self.offset + self.bytes.len() as u64 >= self.segment_bytes
    }

    /// What of it lies before a place, as if the segment ended there; `None` when nothing does.
    pub fn before(self, end: Place) -> Option<Self> {
        let segment_bytes = match self.segment.cmp(&end.segment) {
            Ordering::Less => self.segment_bytes,
            Ordering::Equal => self.segment_bytes.min(end.offset),
            Ordering::Greater => 0,
        };
        let left = usize::try_from(segment_bytes.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let bytes = self.bytes.get(..left).unwrap_or(self.bytes);
        (left > 0).then_some(Self { segment_bytes, bytes, ..self })
    }

    /// Where batches begin in it: behind the segment's header.
    fn batches(&self) -> &'a [u8] {
        if self.is_first() { self.bytes.get(BLOCK..).unwrap_or_default() } else { self.bytes }
    }
}

/// What begins at a block.
pub(crate) enum Spot<'a> {
    /// A whole batch.
    Batch(Found<'a>),
    /// Something else, or nothing: the block.
    Block(&'a [u8]),
}

/// A batch of the segment whose checksum is right.
pub(crate) struct Found<'a> {
    pub header: BatchHeader,
    pub checksum: u32,
    /// Header and records.
    pub content: &'a [u8],
}

/// A walk over one segment.
#[derive(Debug)]
pub(crate) struct Walk {
    seed: u32,
    segment: u64,
    segment_bytes: u64,
    /// Where what was not looked at yet begins, octets.
    offset: u64,
    /// What looks like the start of a batch whose end is in a later part.
    kept: Vec<u8>,
    /// Length that `kept` has to get to, octets.
    needed: usize,
}

impl Walk {
    /// A walk over the segments of a directory; one begins with its first part.
    pub fn new(directory: [u8; 16]) -> Self {
        let (segment, segment_bytes, offset, needed) = (0, 0, 0, 0);
        Self { seed: seed(directory), segment, segment_bytes, offset, kept: Vec::new(), needed }
    }

    /// Takes the next part; gives what begins at each block that is not within a whole batch, with its place in the segment.
    ///
    /// # Errors
    /// The first one of `take`: the segment is not gone on with.
    pub fn handle_part<E>(
        &mut self,
        part: &SegmentPart<'_>,
        mut take: impl FnMut(u64, Spot<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if part.is_first() {
            self.kept.clear();
            (self.segment, self.segment_bytes, self.offset) = (part.segment, part.segment_bytes, BLOCK as u64);
        }
        let mut bytes = part.batches();
        assert_eq!(self.offset + self.kept.len() as u64, part.offset.max(BLOCK as u64), "parts follow each other");
        while !self.kept.is_empty() {
            let (more, rest) = bytes.split_at(self.needed.saturating_sub(self.kept.len()).min(bytes.len()));
            self.kept.extend_from_slice(more);
            bytes = rest;
            if self.kept.len() < self.needed {
                return Ok(());
            }
            let mut kept = std::mem::take(&mut self.kept);
            let walked = self.walk(&kept, &mut take)?;
            kept.drain(..walked);
            self.kept = kept;
        }
        let walked = self.walk(bytes, &mut take)?;
        self.kept.extend_from_slice(&bytes[walked..]);
        Ok(())
    }

    /// Looks at `bytes`; gives how many of them, as the rest is the start of what may be a batch.
    fn walk<E>(&mut self, bytes: &[u8], take: &mut impl FnMut(u64, Spot<'_>) -> Result<(), E>) -> Result<usize, E> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let batch = BatchHeader::peek(rest).filter(|(header, _)| self.may_be(header));
            if let Some((header, _)) = batch.filter(|(header, _)| header.bytes as usize > rest.len()) {
                // The file may end before the batch's padding does.
                self.needed = padded(header.bytes as usize).min(usize::try_from(self.left()).unwrap_or(usize::MAX));
                return Ok(at);
            }
            let whole = batch.filter(|(header, checksum)| header.is_whole(rest, *checksum, self.seed));
            let (spot, length) = match whole {
                Some((header, checksum)) => {
                    let content = &rest[..header.bytes as usize];
                    (Spot::Batch(Found { header, checksum, content }), padded(content.len()))
                }
                None => (Spot::Block(&rest[..BLOCK.min(rest.len())]), BLOCK),
            };
            take(self.offset, spot)?;
            let length = length.min(rest.len());
            at += length;
            self.offset += length as u64;
        }
        Ok(at)
    }

    /// Whether a header that nobody verified may be one of this segment; one that says that its batch is longer than what is left
    /// is none, so that it is never waited for.
    fn may_be(&self, header: &BatchHeader) -> bool {
        header.segment == self.segment && u64::from(header.bytes) <= self.left()
    }

    /// Octets of the segment that were not looked at yet.
    fn left(&self) -> u64 {
        self.segment_bytes.saturating_sub(self.offset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::{BATCH_HEADER, LocalHeader, PartHeader, Sums};

    const DIRECTORY: [u8; 16] = [5; 16];
    const SEGMENT: u64 = 3;

    /// Blocks of a segment: whole batches, batches that do not check, and what is none.
    fn segment(pieces: &[(usize, u8)]) -> Vec<u8> {
        let mut bytes = vec![0; BLOCK];
        for (number, &(length, kind)) in pieces.iter().enumerate() {
            let at = bytes.len();
            bytes.resize(at + padded(BATCH_HEADER + length), 0);
            let header = BatchHeader {
                // One that says that it is longer than it is takes what follows it for its own.
                bytes: (BATCH_HEADER + length + if kind == 2 { 3 * BLOCK } else { 0 }) as u32,
                shared_bytes: 0,
                segment: SEGMENT + u64::from(kind == 3),
                batch: number as u64,
                previous: 0,
                local: LocalHeader { first: 1, numbers: 0, records: 0 },
                part: PartHeader::default(),
            };
            let local = crc32c::crc32c_append(seed(DIRECTORY), &bytes[at + BATCH_HEADER..at + BATCH_HEADER + length]);
            header.seal(&mut bytes[at..], Sums { shared: 0, local });
            bytes[at + 5] ^= u8::from(kind == 1);
        }
        bytes
    }

    /// What is found when the segment comes in parts of so many blocks, and the most that was kept meanwhile.
    fn found(bytes: &[u8], blocks: &[usize]) -> (Vec<(u64, Option<u64>)>, usize) {
        let (mut found, mut kept) = (Vec::new(), 0);
        let mut walk = Walk::new(DIRECTORY);
        let (mut offset, mut lengths) = (0, blocks.iter().cycle());
        while offset < bytes.len() {
            let end = (offset + lengths.next().expect("a cycle has no end") * BLOCK).min(bytes.len());
            let whole = SegmentPart::whole(SEGMENT, bytes);
            let part = SegmentPart { offset: offset as u64, bytes: &bytes[offset..end], ..whole };
            let walked = walk.handle_part(&part, |at, spot| {
                found.push(match spot {
                    Spot::Batch(batch) => (at, Some(batch.header.batch)),
                    Spot::Block(_) => (at, None),
                });
                Ok::<_, ()>(())
            });
            assert_eq!(walked, Ok(()));
            kept = kept.max(walk.kept.len());
            offset = end;
        }
        assert!(walk.kept.is_empty(), "all of it was looked at");
        (found, kept)
    }

    proptest! {
        #[test]
        fn it_is_the_same_however_it_is_cut(
            pieces in proptest::collection::vec((0_usize..5 * BLOCK, 0_u8..5), 0..12),
            cuts in proptest::collection::vec(1_usize..6, 1..6), tail in 0_usize..BLOCK,
        ) {
            let mut bytes = segment(&pieces);
            bytes.resize(bytes.len() + tail, 0);
            let (whole, kept) = found(&bytes, &[bytes.len()]);
            prop_assert_eq!(kept, 0);
            let places = whole.iter().filter_map(|(_, batch)| *batch).collect::<Vec<_>>();
            let written = (0..pieces.len() as u64).filter(|&number| [0, 4].contains(&pieces[number as usize].1));
            prop_assert_eq!(places, written.collect::<Vec<_>>(), "each that was written whole, and no other");
            let (parts, kept) = found(&bytes, &cuts);
            prop_assert_eq!(parts, whole);
            prop_assert!(kept <= 9 * BLOCK, "{} octets kept", kept);
        }
    }

    #[test]
    fn a_length_beyond_the_segment_is_not_waited_for() {
        let mut bytes = segment(&[(100, 0), (100, 0)]);
        let second = 2 * BLOCK;
        bytes[second + 8..second + 12].copy_from_slice(&u32::MAX.to_le_bytes());
        let (found, kept) = found(&bytes, &[1]);
        assert_eq!(found, [(BLOCK as u64, Some(0)), (second as u64, None)]);
        assert_eq!(kept, 0);
    }
}
