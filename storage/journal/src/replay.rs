//! What a journal says after a start: segments in their order, batches in theirs, until the first one that is not whole.
//!
//! Guarantees: records come in the order of their sequence numbers, without a gap, or a fault says where. The last batch may
//! have been cut off by a crash: it was never acknowledged, and replay ends before it. A damaged batch with a whole one
//! behind it is no crash but a fault.

use crate::format::{BATCH_HEADER, BLOCK, BatchHeader, SegmentHeader, padded};
use crate::record::{Location, Record};

/// Something that no crash explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The segment's number, as far as it is known.
    pub segment: u64,
    /// Where in it, octets.
    pub offset: u64,
    /// What is wrong.
    pub kind: FaultKind,
}

/// The kinds of [`Fault`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A segment's header does not check.
    Header(&'static str),
    /// A segment of another shard or directory, or one that does not follow the last.
    Foreign,
    /// A batch does not check, and one behind it does.
    Batch,
    /// A batch checks, but a record in it does not: it was written so.
    Record(&'static str),
}

/// How the segments ended: the next batch goes to a new segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The last segment's number.
    pub segment: u64,
    /// Where replay ended in it, octets.
    pub offset: u64,
    /// Whether there was the start of another batch, which a crash cut off.
    pub torn: bool,
}

/// Reads the segments of one shard, oldest first.
#[derive(Debug)]
pub struct Replay {
    shard: u16,
    directory: [u8; 16],
    /// Of the batch expected next: segment, number, first sequence, checksum before it. `None` before the first segment.
    next: Option<Next>,
    ended: Option<Ended>,
}

#[derive(Clone, Copy, Debug)]
struct Next {
    segment: u64,
    batch: u64,
    sequence: u64,
    previous: Option<u32>,
}

impl Replay {
    /// A replay of the segments of `shard` in a directory.
    pub fn new(shard: u16, directory: [u8; 16]) -> Self {
        Self { shard, directory, next: None, ended: None }
    }

    /// Takes a whole segment; gives each record with its sequence number and location to `take`.
    ///
    /// # Errors
    /// A fault. Records before it were given.
    pub fn handle_segment(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(u64, Location, Record<'_>),
    ) -> Result<(), Fault> {
        let known = self.next.map_or(0, |next| next.segment);
        let header = SegmentHeader::decode(bytes).map_err(|what| Fault {
            segment: known,
            offset: 0,
            kind: FaultKind::Header(what),
        })?;
        let foreign = Fault { segment: header.segment, offset: 0, kind: FaultKind::Foreign };
        let follows = self.next.is_none_or(|next| next.segment == header.segment && next.batch == header.first_batch);
        if (header.shard, header.directory) != (self.shard, self.directory) || !follows {
            return Err(foreign);
        }
        if let Some(Ended { segment, offset, torn: true }) = self.ended {
            // Something follows what looked like the end.
            return Err(Fault { segment, offset, kind: FaultKind::Batch });
        }
        let mut next = self.next.unwrap_or(Next {
            segment: header.segment,
            batch: header.first_batch,
            sequence: 0,
            previous: None,
        });
        let mut at = BLOCK;
        while let Some((batch, checksum)) = expected(bytes.get(at..).unwrap_or_default(), &next) {
            let content = bytes.get(at..at + batch.bytes as usize).unwrap_or_default();
            records(content, &batch, at, &mut take)?;
            next.batch += 1;
            next.sequence = batch.first_sequence + u64::from(batch.records);
            next.previous = Some(checksum);
            at += padded(batch.bytes as usize);
        }
        let rest = bytes.get(at..).unwrap_or_default();
        if later(rest, &next) {
            return Err(Fault { segment: header.segment, offset: at as u64, kind: FaultKind::Batch });
        }
        let torn = rest.get(..BLOCK).is_some_and(|block| started(block, &next));
        self.ended = Some(Ended { segment: header.segment, offset: at as u64, torn });
        next.segment += 1;
        self.next = Some(next);
        Ok(())
    }

    /// How the last segment ended; `None` when there was none.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// What a writer goes on with: segment, batch and sequence number, checksum of the batch before.
    pub fn position(&self) -> (u64, u64, u64, u32) {
        self.next
            .map_or((1, 1, 1, 0), |next| (next.segment, next.batch, next.sequence.max(1), next.previous.unwrap_or(0)))
    }
}

/// The batch that is expected, if it is there and whole.
fn expected(bytes: &[u8], next: &Next) -> Option<(BatchHeader, u32)> {
    let (header, checksum) = BatchHeader::read(bytes)?;
    let continues =
        next.previous.is_none_or(|previous| header.previous == previous && header.first_sequence == next.sequence);
    (header.segment == next.segment && header.batch == next.batch && continues).then_some((header, checksum))
}

/// Whether a whole batch of this segment lies behind a place where the expected one is not.
fn later(bytes: &[u8], next: &Next) -> bool {
    bytes.chunks(BLOCK).enumerate().skip(1).any(|(block, _)| {
        let found = BatchHeader::read(&bytes[block * BLOCK..]);
        found.is_some_and(|(header, _)| header.segment == next.segment && header.batch > next.batch)
    })
}

/// Whether a block holds the start of the expected batch, rather than nothing or what an earlier segment left.
fn started(block: &[u8], next: &Next) -> bool {
    let field = |at: usize| block.get(at..at + 8).and_then(|field| field.try_into().ok()).map(u64::from_le_bytes);
    field(16) == Some(next.segment) && field(24) == Some(next.batch)
}

fn records(
    content: &[u8],
    batch: &BatchHeader,
    at: usize,
    take: &mut impl FnMut(u64, Location, Record<'_>),
) -> Result<(), Fault> {
    let fault = |offset: usize, what| Fault {
        segment: batch.segment,
        offset: (at + offset) as u64,
        kind: FaultKind::Record(what),
    };
    let mut offset = BATCH_HEADER;
    for number in 0..batch.records {
        let (sequence, record, bytes) =
            Record::decode(content.get(offset..).unwrap_or_default()).map_err(|what| fault(offset, what))?;
        if sequence != batch.first_sequence + u64::from(number) {
            return Err(fault(offset, "a record is out of its order"));
        }
        let length = u32::try_from(bytes).map_err(|_| fault(offset, "a record is larger than a segment"))?;
        take(sequence, Location { segment: batch.segment, offset: (at + offset) as u64, bytes: length }, record);
        offset += bytes;
    }
    if offset == content.len() { Ok(()) } else { Err(fault(offset, "a batch is longer than its records")) }
}
