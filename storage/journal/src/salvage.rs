//! What can be read of a journal that is damaged: the records of all batches that are whole, whatever lies between them, and
//! what is missing there.
//!
//! Guarantees:
//! 1. A record is given only out of a batch whose checksum is right, and each batch once, in the order of their numbers.
//! 2. Every gap in the numbers of batches is told, before what follows it, with how many batches and numbers it took. Before
//!    the first batch there is one as well, unless that is where the first segment begins: those before it were freed.
//! 3. No damage ends it: behind one it goes on with the next block.
//!
//! It does not tell a batch that a crash cut off from one that was damaged as the last of all: both are what `end` says.

use std::convert::Infallible;
use std::ops::Range;

use crate::fault::Fault;
use crate::format::{BLOCK, BatchHeader, padded, seed};
use crate::number::Reach;
use crate::record::Record;
use crate::replay::{Batch, records};
use crate::walk::{Found, SegmentPart, Spot, Walk};
use crate::writer::{Place, Position};

/// Batches that are missing between two that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Behind the batch before them; the journal's begin when that is missing, too.
    pub from: Place,
    /// The batch behind them.
    pub to: Place,
    /// How many there were; 0 when nothing tells, as no batch before them is there.
    pub batches: u64,
    /// Shared numbers that were used up in them: at most so many messages and acknowledgements.
    pub shared: Range<u64>,
    /// Local numbers that were used up in them: at most so many messages that had been written again.
    pub local: Range<u64>,
}

impl Gap {
    /// Records that are missing at most.
    pub fn records(&self) -> u64 {
        self.shared.end - self.shared.start + self.local.end - self.local.start
    }
}

/// What is found, in its order.
#[derive(Debug)]
pub enum Piece<'a> {
    /// A record, with its batch.
    Record(Batch, Record<'a>),
    /// What follows does not go on where the last batch ended.
    Gap(Gap),
    /// A batch is whole, and what is behind this place in it is no record that is known.
    Unknown(Fault),
    /// A batch is whole, and a later one came before it: it is of another past.
    Stray(Place),
}

/// Where it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Behind the last whole batch.
    pub place: Place,
    /// The last whole batch.
    pub batch: u64,
    /// The next numbers.
    pub reach: Reach,
    /// What looks like the next batch, and is not whole.
    pub torn: Option<Place>,
    /// What looks like one that comes later still: no crash leaves that, as one batch is written at a time.
    pub beyond: Option<Place>,
}

/// The batch that is due.
#[derive(Clone, Copy, Debug)]
struct Next {
    batch: u64,
    reach: Reach,
}

/// Reads the segments of one shard, oldest first, part by part.
#[derive(Debug)]
pub struct Salvage {
    walk: Walk,
    /// Nothing is due before the first batch, unless it is the journal's first.
    next: Option<Next>,
    end: Place,
    torn: Option<Place>,
    beyond: Option<Place>,
}

impl Salvage {
    /// A salvage of segments of a directory.
    pub fn new(directory: [u8; 16]) -> Self {
        let (end, torn, beyond) = (Place { segment: 0, offset: 0 }, None, None);
        Self { walk: Walk::new(directory), next: None, end, torn, beyond }
    }

    /// Takes the next part of the segments.
    pub fn handle_part(&mut self, part: &SegmentPart<'_>, mut take: impl FnMut(Piece<'_>)) {
        if part.is_first() && self.end.segment == 0 {
            self.end = Place { segment: part.segment, offset: BLOCK as u64 };
            // The first segment of all begins with the first batch.
            self.next = (part.segment == 1).then_some(Next { batch: 1, reach: Reach::START });
        }
        let Self { walk, next, end, torn, beyond } = self;
        let mut chain = Chain { segment: part.segment, next, end, torn, beyond };
        let walked = walk.handle_part(part, |offset, spot| {
            match spot {
                Spot::Batch(batch) => chain.handle_batch(offset, &batch, &mut take),
                Spot::Block(block) => chain.handle_block(offset, block),
            }
            Ok::<_, Infallible>(())
        });
        let Ok(()) = walked;
    }

    /// Where it ended; `None` when there was no whole batch.
    pub fn end(&self) -> Option<End> {
        let Next { batch, reach } = self.next?;
        Some(End { place: self.end, batch: batch.saturating_sub(1), reach, torn: self.torn, beyond: self.beyond })
            .filter(|_| self.found())
    }

    fn found(&self) -> bool {
        self.end.offset > BLOCK as u64
    }
}

struct Chain<'a> {
    segment: u64,
    next: &'a mut Option<Next>,
    end: &'a mut Place,
    torn: &'a mut Option<Place>,
    beyond: &'a mut Option<Place>,
}

impl Chain<'_> {
    fn handle_batch(&mut self, offset: u64, found: &Found<'_>, take: &mut impl FnMut(Piece<'_>)) {
        let Found { header, content, .. } = found;
        let place = Place { segment: self.segment, offset };
        let first = Reach { shared: header.part.first, local: header.local.first };
        let due = self.next.unwrap_or(Next { batch: header.batch, reach: first });
        if header.batch < due.batch || !first.reaches(due.reach) {
            return take(Piece::Stray(place));
        }
        // A segment that others follow begins with a batch.
        if header.batch > due.batch || (self.next.is_none() && place != *self.end) {
            let (shared, local) = (due.reach.shared..first.shared, due.reach.local..first.local);
            take(Piece::Gap(Gap { from: *self.end, to: place, batches: header.batch - due.batch, shared, local }));
        }
        let read = records(content, header, offset, &mut |batch, record| {
            take(Piece::Record(batch, record));
        });
        if let Err(fault) = read {
            take(Piece::Unknown(fault));
        }
        let Position { batch, reach, .. } = Position::START.after(header, 0, 0);
        *self.next = Some(Next { batch, reach });
        *self.end = Place { segment: self.segment, offset: offset + padded(content.len()) as u64 };
        (*self.torn, *self.beyond) = (None, None);
    }

    /// A block at which no whole batch begins: it may be what is left of one that is due.
    fn handle_block(&mut self, offset: u64, block: &[u8]) {
        let Some((header, _)) = BatchHeader::peek(block).filter(|(header, _)| header.segment == self.segment) else {
            return;
        };
        let due = self.next.map_or(1, |next| next.batch);
        let place = Place { segment: self.segment, offset };
        match header.batch {
            batch if batch == due => *self.torn = self.torn.or(Some(place)),
            batch if batch > due => *self.beyond = self.beyond.or(Some(place)),
            _ => {}
        }
    }
}

/// Gives the records of the batches in `bytes`, read from `place`, that are whole, and leaves out what is between them.
pub fn salvage_batches(directory: [u8; 16], place: Place, bytes: &[u8], mut take: impl FnMut(Batch, Record<'_>)) {
    let seed = seed(directory);
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let batch = BatchHeader::peek(rest).filter(|(header, _)| header.segment == place.segment);
        let whole = batch.filter(|(header, checksum)| header.is_whole(rest, *checksum, seed));
        let Some((header, _)) = whole else {
            at += BLOCK;
            continue;
        };
        let content = rest.get(..header.bytes as usize).unwrap_or_default();
        // What is behind a record that is none was told of when the batch was found.
        let _ = records(content, &header, place.offset + at as u64, &mut take);
        at += padded(content.len()).max(BLOCK);
    }
}
