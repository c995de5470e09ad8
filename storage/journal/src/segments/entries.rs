//! The shared parts of a log between two numbers: where they lie, a bounded area at a time, and what is in it.
//!
//! Guarantees:
//! 1. Parts come whole, in their order, each of them once, if every call goes on with what the one before it gave back.
//! 2. An area is at most as long as was asked for, unless one batch alone is longer.
//! 3. What was asked for and is no longer there is told with the first number that is: nothing is left out in silence.
//!
//! It does no I/O: `Segments::entries` says what to read, `Entries::parts` takes what was read. What is in the index may be on its way to
//! the disk still: whoever asks ends with what is durable, or written.

use std::fmt;
use std::ops::Range;

use super::Segments;
use crate::fault::Fault;
use crate::format::BLOCK;
use crate::shared::{SharedPart, read_parts};
use crate::writer::Place;

/// An area of a segment with shared parts that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    /// Where it begins: at a batch.
    pub place: Place,
    /// Its length, octets; whole batches.
    pub bytes: usize,
    wanted: Range<u64>,
}

/// What was asked for is no longer there: the segments that it lay in were freed, as nothing in them is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freed {
    /// What was asked for.
    pub number: u64,
    /// The first number that is there.
    pub first: u64,
}

impl fmt::Display for Freed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, first } = self;
        write!(f, "the record with number {number} was freed, and the first one that is there has number {first}")
    }
}

impl std::error::Error for Freed {}

impl Segments {
    /// Where the next of these shared numbers lie, at most about `bytes_max`. `None` when nothing is wanted, or nothing of it is there yet.
    ///
    /// # Errors
    /// When the first of them was freed.
    pub fn entries(&self, wanted: Range<u64>, bytes_max: usize) -> Result<Option<Entries>, Freed> {
        let Some(front) = self.segments.front().filter(|_| !wanted.is_empty()) else { return Ok(None) };
        let (number, first) = (wanted.start, front.shared.first);
        if number < first {
            return Err(Freed { number, first });
        }
        let segment = self.find(number).and_then(|place| self.segments.get(place));
        let found = segment.and_then(|segment| {
            let batch = segment.batch_of(number)?;
            let block = segment.batches.get(batch)?.block;
            let (mut end, mut next) = (segment.end_of(batch), batch + 1);
            while let Some(start) = segment.batches.get(next)
                && segment.shared.first + u64::from(start.shared) < wanted.end
                && (segment.end_of(next) - block) as usize * BLOCK <= bytes_max
            {
                (end, next) = (segment.end_of(next), next + 1);
            }
            let place = Place { segment: segment.number, offset: u64::from(block) * BLOCK as u64 };
            Some((place, (end - block) as usize * BLOCK))
        });
        Ok(found.map(|(place, bytes)| Entries { place, bytes, wanted }))
    }
}

impl Entries {
    /// Gives the parts that were wanted and are in the area, each with the place of its batch. A part that begins before the first
    /// number, or ends behind the last one, is given whole. Gives back the number to go on with: the first behind them, or the one that was asked
    /// for when nothing of it is there.
    ///
    /// # Errors
    /// A batch that is not whole: the disk gave something else than what was written.
    pub fn parts(
        &self,
        directory: [u8; 16],
        bytes: &[u8],
        mut take: impl FnMut(Place, SharedPart<'_>),
    ) -> Result<u64, Fault> {
        let mut next = self.wanted.start;
        read_parts(directory, self.place, bytes, |place, part| {
            let end = part.header.first.saturating_add(u64::from(part.header.numbers));
            if end > next && part.header.first < self.wanted.end {
                take(place, part);
                next = end;
            }
        })?;
        Ok(next)
    }
}
