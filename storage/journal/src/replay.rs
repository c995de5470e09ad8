//! What a journal says after a start: segments in their order, batches in theirs, until the first one that is not whole.
//!
//! Guarantees: records come in the order of their sequence numbers, without a gap, or a fault says where. The last batch may
//! have been cut off by a crash: it was never acknowledged, and replay ends before it. A damaged batch with a whole one
//! behind it is no crash but a fault.

use crate::format::{BATCH_HEADER, BLOCK, BatchHeader, SegmentHeader, padded, seed};
use crate::record::Record;
use crate::writer::{Place, Position};

/// The batch that a record is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Where it lies.
    pub place: Place,
    /// Its length, octets; whole blocks.
    pub bytes: usize,
}

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
    /// A segment's header does not check, and batches follow it.
    Header(&'static str),
    /// A segment of another shard or directory, or one that does not follow the last.
    Foreign,
    /// A batch does not check, and one behind it does.
    Batch,
    /// A batch checks, but a record in it does not: it was written so.
    Record(&'static str),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { segment, offset, kind } = self;
        let what = match kind {
            FaultKind::Header(what) | FaultKind::Record(what) => what,
            FaultKind::Foreign => "the segment belongs to another journal, or one before it is missing",
            FaultKind::Batch => "a batch is damaged, and whole ones follow it",
        };
        write!(f, "segment {segment} at offset {offset}: {what}")
    }
}

impl std::error::Error for Fault {}

/// How the segments ended: the next batch goes to a new segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Where.
    pub place: Place,
    /// Whether there was the start of another batch, which a crash cut off.
    pub torn: bool,
}

/// Reads the segments of one shard, oldest first.
#[derive(Debug)]
pub struct Replay {
    shard: u16,
    directory: [u8; 16],
    seed: u32,
    /// The batch expected next; its segment is 0 until the first one came.
    next: Position,
    /// Whether the batch before the first one that is read is known.
    chained: Chained,
    ended: Option<Ended>,
    /// The first segment, if it has no whole batch.
    empty: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chained {
    Yes,
    No,
}

impl Replay {
    /// A replay of the segments of `shard` in a directory.
    pub fn new(shard: u16, directory: [u8; 16]) -> Self {
        let next = Position { segment: 0, ..Position::START };
        Self { shard, directory, seed: seed(directory), next, chained: Chained::No, ended: None, empty: None }
    }

    /// A replay that goes on at the begin of a segment.
    pub fn resume(shard: u16, directory: [u8; 16], position: Position) -> Self {
        let place = Place { segment: position.segment.saturating_sub(1), offset: 0 };
        let ended = Some(Ended { place, torn: false });
        Self { next: position, chained: Chained::Yes, ended, ..Self::new(shard, directory) }
    }

    /// Takes a whole segment, the one of this number; gives each record with its sequence number and the place of its batch
    /// to `take`.
    ///
    /// # Errors
    /// A fault. Records before it were given.
    pub fn handle_segment(
        &mut self,
        number: u64,
        bytes: &[u8],
        mut take: impl FnMut(u64, Batch, Record<'_>),
    ) -> Result<(), Fault> {
        if self.next.segment != 0 && self.next.segment != number {
            return Err(Fault { segment: self.next.segment, offset: 0, kind: FaultKind::Foreign });
        }
        self.next.segment = number;
        let begun = bytes.get(BLOCK..).is_some_and(|rest| self.later(rest, 0));
        let header = SegmentHeader::decode(bytes);
        let fault = |kind| Fault { segment: number, offset: 0, kind };
        if header.is_ok_and(|header| (header.shard, header.directory) != (self.shard, self.directory)) {
            return Err(fault(FaultKind::Foreign));
        }
        // One that was not begun may have been on the way to be made ready.
        match header {
            Err(what) if begun => return Err(fault(FaultKind::Header(what))),
            Ok(header) if begun && header.segment != number => return Err(fault(FaultKind::Foreign)),
            _ => {}
        }
        if let (None, Some(segment), true) = (self.ended, self.empty, begun) {
            // Segments are begun in their order.
            return Err(Fault { segment, offset: BLOCK as u64, kind: FaultKind::Batch });
        }
        let first = bytes.get(BLOCK..).unwrap_or_default();
        if let (Some(Ended { place, .. }), true) = (self.ended, begun)
            && self.expected(first).is_none()
        {
            // Something follows what looked like the end: that was not it, or what follows it is damaged at its start.
            let missed = self.whole(first) && place.segment + 1 == number;
            let place = if missed { place } else { Place { segment: place.segment + 1, offset: BLOCK as u64 } };
            return Err(Fault { segment: place.segment, offset: place.offset, kind: FaultKind::Batch });
        }
        let mut at = BLOCK;
        while let Some((batch, checksum)) = self.expected(bytes.get(at..).unwrap_or_default()) {
            let content = bytes.get(at..at + batch.bytes as usize).unwrap_or_default();
            records(content, &batch, at as u64, &mut take)?;
            self.next.batch = batch.batch + 1;
            self.next.sequence = batch.first_sequence + u64::from(batch.numbers);
            self.next.previous = checksum;
            self.chained = Chained::Yes;
            at += padded(batch.bytes as usize);
        }
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.len() > BLOCK && self.later(&rest[BLOCK..], self.next.batch) {
            return Err(Fault { segment: number, offset: at as u64, kind: FaultKind::Batch });
        }
        if !begun {
            self.empty.get_or_insert(number);
        }
        if begun {
            let torn = rest.get(..BLOCK).is_some_and(|block| self.started(block));
            self.ended = Some(Ended { place: Place { segment: number, offset: at as u64 }, torn });
        }
        self.next.segment += 1;
        Ok(())
    }

    /// How the last segment with batches ended; `None` when there was none.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// What a writer goes on with, in the segment after the last one with batches; if there was none, after all that were given.
    pub fn position(&self) -> Position {
        let next = self.ended.map_or(self.next.segment.max(1), |ended| ended.place.segment + 1);
        Position { segment: next, ..self.next }
    }

    /// The batch that is expected, if it is there and whole.
    fn expected(&self, bytes: &[u8]) -> Option<(BatchHeader, u32)> {
        let (header, checksum) = BatchHeader::peek(bytes)?;
        let next = &self.next;
        let continues = (header.batch, header.previous, header.first_sequence)
            == (next.batch, next.previous, next.sequence)
            || self.chained == Chained::No;
        let whole = header.segment == next.segment && continues && header.is_whole(bytes, checksum, self.seed);
        whole.then_some((header, checksum))
    }

    /// Whether `bytes` begin with a whole batch of this segment.
    fn whole(&self, bytes: &[u8]) -> bool {
        BatchHeader::peek(bytes).is_some_and(|(header, checksum)| {
            header.segment == self.next.segment && header.is_whole(bytes, checksum, self.seed)
        })
    }

    /// Whether a whole batch of this segment lies somewhere in `bytes`, after batch `batch`.
    fn later(&self, bytes: &[u8], batch: u64) -> bool {
        (0..bytes.len()).step_by(BLOCK).any(|at| {
            BatchHeader::peek(&bytes[at..]).is_some_and(|(header, checksum)| {
                (header.segment, header.batch > batch) == (self.next.segment, true)
                    && header.is_whole(&bytes[at..], checksum, self.seed)
            })
        })
    }

    /// Whether a block holds the start of the expected batch, rather than nothing or what an earlier segment left.
    fn started(&self, block: &[u8]) -> bool {
        let field = |at: usize| block.get(at..at + 8).and_then(|field| field.try_into().ok()).map(u64::from_le_bytes);
        field(16) == Some(self.next.segment) && field(24) == Some(self.next.batch)
    }
}

/// Gives the records of the batches that lie one after the other in `bytes`, read from `place`: what a queue has stored is
/// read back so.
///
/// # Errors
/// A batch that is not whole, or not of this segment: the disk gave something else than what was written.
pub fn read_batches(
    directory: [u8; 16],
    place: Place,
    bytes: &[u8],
    mut take: impl FnMut(u64, Batch, Record<'_>),
) -> Result<(), Fault> {
    let seed = seed(directory);
    let mut at = 0;
    while at < bytes.len() {
        let offset = place.offset + at as u64;
        let damaged = Fault { segment: place.segment, offset, kind: FaultKind::Batch };
        let (batch, checksum) = BatchHeader::peek(&bytes[at..]).ok_or_else(|| damaged.clone())?;
        if batch.segment != place.segment || !batch.is_whole(&bytes[at..], checksum, seed) {
            return Err(damaged);
        }
        let content = bytes.get(at..at + batch.bytes as usize).unwrap_or_default();
        records(content, &batch, offset, &mut take)?;
        at += padded(batch.bytes as usize);
    }
    Ok(())
}

fn records(
    content: &[u8],
    batch: &BatchHeader,
    at: u64,
    take: &mut impl FnMut(u64, Batch, Record<'_>),
) -> Result<(), Fault> {
    let fault = |offset: usize, what| Fault {
        segment: batch.segment,
        offset: at + offset as u64,
        kind: FaultKind::Record(what),
    };
    let found = Batch { place: Place { segment: batch.segment, offset: at }, bytes: padded(content.len()) };
    let mut offset = BATCH_HEADER;
    let mut expected = batch.first_sequence;
    for _ in 0..batch.records {
        let (sequence, record, bytes) =
            Record::decode(content.get(offset..).unwrap_or_default()).map_err(|what| fault(offset, what))?;
        if sequence != expected {
            return Err(fault(offset, "a record is out of its order"));
        }
        expected += u64::from(record.numbers());
        take(sequence, found, record);
        offset += bytes;
    }
    if offset != content.len() || expected != batch.first_sequence + u64::from(batch.numbers) {
        return Err(fault(offset, "a batch is longer than its records"));
    }
    Ok(())
}

/// Gives the records of all whole batches of a segment, whatever lies between them.
pub fn scan_batches(directory: [u8; 16], segment: u64, bytes: &[u8], mut take: impl FnMut(u64, Batch, Record<'_>)) {
    let seed = seed(directory);
    let mut at = BLOCK;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let batch = BatchHeader::peek(rest)
            .filter(|(batch, checksum)| batch.segment == segment && batch.is_whole(rest, *checksum, seed));
        at += match batch {
            Some((batch, _)) => {
                let content = &rest[..batch.bytes as usize];
                // A record that cannot be read ends its batch: there is nothing to go on from.
                let _ = records(content, &batch, at as u64, &mut take);
                padded(content.len())
            }
            None => BLOCK,
        };
    }
}
