//! What a journal says after a start: segments in their order, batches in theirs, until the first one that is not whole. Segments
//! come in parts (`walk.rs` finds the batches in them), so that none has to be in memory as a whole.
//!
//! Guarantees: records come in the order of their batches and numbers, without a gap, those of a batch's local part before those of its
//! shared one, or a fault says where. The last batch may
//! have been cut off by a crash: it was never acknowledged, and replay ends before it. A damaged batch with a whole one
//! behind it is no crash but a fault.

use crate::fault::{Fault, FaultKind};
use crate::format::{BATCH_HEADER, BLOCK, BatchHeader, SegmentHeader, padded, seed};
use crate::number::Reach;
use crate::record::{Part, Record};
use crate::shared::PartRecords;
use crate::walk::{Found, SegmentPart, Spot, Walk};
use crate::writer::{Place, Position};

/// The batch that a record is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Where it lies.
    pub place: Place,
    /// Its length, octets; whole blocks.
    pub bytes: usize,
    /// The first numbers in it.
    pub first: Reach,
}

/// How the segments ended: the next batch goes to a new segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Where.
    pub place: Place,
    /// Whether there was the start of another batch, which a crash cut off.
    pub torn: bool,
}

/// Reads the segments of one shard, oldest first, part by part.
#[derive(Debug)]
pub struct Replay {
    shard: u16,
    directory: [u8; 16],
    walk: Walk,
    current: Current,
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

/// The segment that is read.
#[derive(Debug)]
struct Current {
    /// What is wrong with its header, if batches follow it. One that was not begun may have been on the way to be made ready.
    header: Option<FaultKind>,
    /// Whether a whole batch was found in it.
    begun: bool,
    /// Behind the last batch that was taken, octets.
    end: u64,
    /// Whether the expected batch starts there, and is not whole.
    torn: bool,
}

impl Current {
    const NEW: Self = Self { header: None, begun: false, end: BLOCK as u64, torn: false };
}

impl Replay {
    /// A replay of the segments of `shard` in a directory.
    pub fn new(shard: u16, directory: [u8; 16]) -> Self {
        let next = Position { segment: 0, ..Position::START };
        let (walk, current, chained) = (Walk::new(directory), Current::NEW, Chained::No);
        Self { shard, directory, walk, current, next, chained, ended: None, empty: None }
    }

    /// A replay that goes on at the begin of a segment.
    pub fn resume(shard: u16, directory: [u8; 16], position: Position) -> Self {
        let place = Place { segment: position.segment.saturating_sub(1), offset: 0 };
        let ended = Some(Ended { place, torn: false });
        Self { next: position, chained: Chained::Yes, ended, ..Self::new(shard, directory) }
    }

    /// Takes the next part of the segments; gives each record with its batch to `take`.
    ///
    /// # Errors
    /// A fault. Records before it were given; nothing can be gone on with.
    pub fn handle_part(
        &mut self,
        part: &SegmentPart<'_>,
        mut take: impl FnMut(Batch, Record<'_>),
    ) -> Result<(), Fault> {
        if part.is_first() {
            self.begin(part)?;
        }
        let Self { walk, current, next, chained, ended, empty, .. } = self;
        let mut state = Chain { current, next, chained, ended: *ended, empty: *empty };
        walk.handle_part(part, |offset, spot| match spot {
            Spot::Batch(batch) => state.handle_batch(offset, &batch, &mut take),
            Spot::Block(block) => {
                state.handle_block(offset, block);
                Ok(())
            }
        })?;
        if part.is_last() {
            self.end();
        }
        Ok(())
    }

    fn begin(&mut self, part: &SegmentPart<'_>) -> Result<(), Fault> {
        let number = part.segment;
        if self.next.segment != 0 && self.next.segment != number {
            return Err(Fault { segment: self.next.segment, offset: 0, kind: FaultKind::Foreign });
        }
        self.next.segment = number;
        self.current = Current::NEW;
        self.current.header = match SegmentHeader::decode(part.bytes) {
            Ok(header) if (header.shard, header.directory) != (self.shard, self.directory) => {
                return Err(Fault { segment: number, offset: 0, kind: FaultKind::Foreign });
            }
            Ok(header) => (header.segment != number).then_some(FaultKind::Foreign),
            Err(what) => Some(FaultKind::Header(what)),
        };
        Ok(())
    }

    fn end(&mut self) {
        let (segment, Current { begun, end, torn, .. }) = (self.next.segment, &self.current);
        if *begun {
            self.ended = Some(Ended { place: Place { segment, offset: *end }, torn: *torn });
        } else {
            self.empty.get_or_insert(segment);
        }
        self.next.segment += 1;
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
}

/// What the batches of a segment are held against.
struct Chain<'a> {
    current: &'a mut Current,
    next: &'a mut Position,
    chained: &'a mut Chained,
    ended: Option<Ended>,
    empty: Option<u64>,
}

impl Chain<'_> {
    fn handle_batch(
        &mut self,
        offset: u64,
        batch: &Found<'_>,
        take: &mut impl FnMut(Batch, Record<'_>),
    ) -> Result<(), Fault> {
        if !std::mem::replace(&mut self.current.begun, true) {
            self.handle_first(offset, &batch.header)?;
        }
        let Found { header, checksum, content } = batch;
        if self.is_expected(offset, header) {
            records(content, header, offset, take)?;
            *self.next = self.next.after(header, *checksum, header.part.checksum);
            *self.chained = Chained::Yes;
            self.current.end = offset + padded(content.len()) as u64;
            return Ok(());
        }
        if header.batch > self.next.batch {
            return Err(self.fault(self.current.end, FaultKind::Batch));
        }
        Ok(())
    }

    /// The first whole batch of a segment: what its header says counts now, and segments are begun in their order.
    fn handle_first(&mut self, offset: u64, header: &BatchHeader) -> Result<(), Fault> {
        if let Some(kind) = self.current.header.take() {
            return Err(self.fault(0, kind));
        }
        match (self.ended, self.empty) {
            (None, Some(segment)) => Err(Fault { segment, offset: BLOCK as u64, kind: FaultKind::Batch }),
            (Some(Ended { place, .. }), _) if !self.is_expected(offset, header) => {
                // Something follows what looked like the end: that was not it, or what follows it is damaged at its start.
                let missed = offset == BLOCK as u64 && place.segment + 1 == self.next.segment;
                let place = if missed { place } else { Place { segment: place.segment + 1, offset: BLOCK as u64 } };
                Err(Fault { segment: place.segment, offset: place.offset, kind: FaultKind::Batch })
            }
            _ => Ok(()),
        }
    }

    /// A block at which no whole batch begins.
    fn handle_block(&mut self, offset: u64, block: &[u8]) {
        if offset == self.current.end {
            // The expected batch, rather than nothing or what an earlier segment left.
            let field =
                |at: usize| block.get(at..at + 8).and_then(|field| field.try_into().ok()).map(u64::from_le_bytes);
            self.current.torn = field(16) == Some(self.next.segment) && field(24) == Some(self.next.batch);
        }
    }

    /// Whether a whole batch is the one that is due.
    fn is_expected(&self, offset: u64, header: &BatchHeader) -> bool {
        offset == self.current.end && (self.next.continues(header) || *self.chained == Chained::No)
    }

    fn fault(&self, offset: u64, kind: FaultKind) -> Fault {
        Fault { segment: self.next.segment, offset, kind }
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
    mut take: impl FnMut(Batch, Record<'_>),
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

pub(crate) fn records(
    content: &[u8],
    header: &BatchHeader,
    at: u64,
    take: &mut impl FnMut(Batch, Record<'_>),
) -> Result<(), Fault> {
    let shared = (BATCH_HEADER + header.shared_bytes as usize).min(content.len());
    let fault = |start: usize| {
        move |(offset, what): (usize, &'static str)| Fault {
            segment: header.segment,
            offset: at + (start + offset) as u64,
            kind: FaultKind::Record(what),
        }
    };
    let first = Reach { shared: header.part.first, local: header.local.first };
    let batch = Batch { place: Place { segment: header.segment, offset: at }, bytes: padded(content.len()), first };
    let local = &header.local;
    let mut part =
        PartRecords { part: Part::Local, first: local.first, numbers: local.numbers, records: local.records };
    let bytes = content.get(shared..).unwrap_or_default();
    part.read(bytes, |record| take(batch, record)).map_err(fault(shared))?;
    let head = &header.part;
    let mut part = PartRecords { part: Part::Shared, first: head.first, numbers: head.numbers, records: head.records };
    let bytes = content.get(BATCH_HEADER..shared).unwrap_or_default();
    part.read(bytes, |record| take(batch, record)).map_err(fault(BATCH_HEADER))
}
