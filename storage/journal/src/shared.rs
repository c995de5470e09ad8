//! The shared parts of batches, as they are sent to others that keep the same log: read out of segments in their order, octet for octet.
//!
//! Guarantees: a part is given only out of a batch that is whole. What a part says does not depend on the segments, the batches and the
//! local records of the node that it is read from.

use crate::fault::{Fault, FaultKind};
use crate::format::{BATCH_HEADER, BatchHeader, PartHeader, padded, seed};
use crate::record::{Part, Record};
use crate::writer::Place;

/// The shared part of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedPart<'a> {
    /// What it says of itself.
    pub header: PartHeader,
    /// Its records.
    pub records: &'a [u8],
}

impl<'a> SharedPart<'a> {
    pub(crate) fn of(header: &BatchHeader, content: &'a [u8]) -> Self {
        let end = BATCH_HEADER + header.shared_bytes as usize;
        Self { header: header.part, records: content.get(BATCH_HEADER..end).unwrap_or_default() }
    }

    /// Gives its records, in their order.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn records(&self, take: impl FnMut(Record<'a>)) -> Result<(), &'static str> {
        let PartHeader { first, numbers, records, .. } = self.header;
        let mut part = PartRecords { part: Part::Shared, first, numbers, records };
        part.read(self.records, take).map_err(|(_, what)| what)
    }
}

/// What a part of a batch must have.
pub(crate) struct PartRecords {
    pub part: Part,
    pub first: u64,
    pub numbers: u32,
    pub records: u32,
}

impl PartRecords {
    /// Gives the records in `bytes`. An error has the place of the record.
    pub fn read<'a>(&mut self, bytes: &'a [u8], mut take: impl FnMut(Record<'a>)) -> Result<(), (usize, &'static str)> {
        let (mut at, mut number) = (0, self.first);
        for _ in 0..self.records {
            let rest = bytes.get(at..).unwrap_or_default();
            let (record, length) = Record::decode(self.part, number, rest).map_err(|what| (at, what))?;
            if self.part == Part::Shared && record.header.numbers == 0 {
                return Err((at, "a record that others share uses up no number"));
            }
            number = number
                .checked_add(u64::from(record.header.numbers))
                .ok_or((at, "a record uses up more numbers than there are"))?;
            take(record);
            at += length;
        }
        if at != bytes.len() || Some(number) != self.first.checked_add(u64::from(self.numbers)) {
            return Err((at, "a part of a batch is longer than its records"));
        }
        Ok(())
    }
}

/// Gives the shared parts with records of the batches that lie one after the other in `bytes`, read from `place`, with their batches' places.
///
/// # Errors
/// A batch that is not whole, or not of this segment: the disk gave something else than what was written.
pub fn read_parts(
    directory: [u8; 16],
    place: Place,
    bytes: &[u8],
    mut take: impl FnMut(Place, SharedPart<'_>),
) -> Result<(), Fault> {
    let seed = seed(directory);
    let mut at = 0;
    while at < bytes.len() {
        let here = Place { offset: place.offset + at as u64, ..place };
        let damaged = Fault { segment: here.segment, offset: here.offset, kind: FaultKind::Batch };
        let (header, checksum) = BatchHeader::peek(&bytes[at..]).ok_or_else(|| damaged.clone())?;
        if header.segment != place.segment || !header.is_whole(&bytes[at..], checksum, seed) {
            return Err(damaged);
        }
        let part = SharedPart::of(&header, bytes.get(at..at + header.bytes as usize).unwrap_or_default());
        if part.header.records > 0 {
            take(here, part);
        }
        at += padded(header.bytes as usize);
    }
    Ok(())
}
