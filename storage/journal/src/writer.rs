//! Records into batches, batches into segments.
//!
//! Guarantees: records get sequence numbers that grow by one; a record's location is known when it is appended; a batch never
//! crosses a segment's end. While one batch is written the next one fills: the host writes them in the order of `seal`.

use crate::format::{BATCH_HEADER, BLOCK, BatchHeader, padded};
use crate::record::{Location, Record};

/// Largest batch, octets: beyond it throughput grows no more and latency does (`docs/journal-format.md`).
pub const BATCH_MAX: usize = 1 << 20;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the open batch.
    At {
        /// Its sequence number.
        sequence: u64,
        /// Where it will lie.
        location: Location,
    },
    /// The open batch is full: seal it, then append again.
    SealFirst,
    /// The segment is full: seal what is open, `roll`, then append again.
    RollFirst,
    /// It does not fit into any segment: such a message is stored in chunks.
    TooLarge,
}

/// A batch to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The segment's number.
    pub segment: u64,
    /// Where in it, octets; a multiple of the block.
    pub offset: u64,
    /// The sequence number of the last record in it.
    pub last_sequence: u64,
    /// What to write; whole blocks.
    pub bytes: Vec<u8>,
}

/// The writing end of a journal.
#[derive(Debug)]
pub struct Writer {
    segment: u64,
    segment_bytes: usize,
    /// Where the open batch will lie.
    offset: usize,
    batch: u64,
    next_sequence: u64,
    previous: u32,
    open: Vec<u8>,
    records: u32,
}

impl Writer {
    /// A writer of segment `segment`, which is empty, after batch `batch` with checksum `previous`; for a new journal the
    /// numbers start at 1 and the checksum is 0.
    pub fn new(segment: u64, segment_bytes: usize, batch: u64, next_sequence: u64, previous: u32) -> Self {
        assert!(segment_bytes >= 2 * BLOCK && segment_bytes.is_multiple_of(BLOCK), "a segment has room for a batch");
        let mut open = Vec::with_capacity(BATCH_MAX);
        open.resize(BATCH_HEADER, 0);
        Self { segment, segment_bytes, offset: BLOCK, batch, next_sequence, previous, open, records: 0 }
    }

    /// Appends a record to the open batch.
    pub fn append(&mut self, record: &Record<'_>) -> Appended {
        let bytes = record.bytes();
        if padded(BATCH_HEADER + bytes) > self.segment_bytes - BLOCK {
            return Appended::TooLarge;
        }
        if self.records > 0 && self.open.len() + bytes > BATCH_MAX {
            return Appended::SealFirst;
        }
        if self.offset + padded(self.open.len() + bytes) > self.segment_bytes {
            return Appended::RollFirst;
        }
        let sequence = self.next_sequence;
        let offset = (self.offset + self.open.len()) as u64;
        record.encode(sequence, &mut self.open);
        self.next_sequence += 1;
        self.records += 1;
        let bytes = u32::try_from(bytes).expect("a record is smaller than a segment");
        Appended::At { sequence, location: Location { segment: self.segment, offset, bytes } }
    }

    /// Closes the open batch; `None` when nothing is in it.
    pub fn seal(&mut self) -> Option<Sealed> {
        if self.records == 0 {
            return None;
        }
        let mut next = Vec::with_capacity(BATCH_MAX);
        next.resize(BATCH_HEADER, 0);
        let mut bytes = std::mem::replace(&mut self.open, next);
        let records = std::mem::take(&mut self.records);
        let header = BatchHeader {
            bytes: u32::try_from(bytes.len()).expect("a batch is smaller than a segment"),
            records,
            segment: self.segment,
            batch: self.batch,
            first_sequence: self.next_sequence - u64::from(records),
            previous: self.previous,
        };
        self.previous = header.seal(&mut bytes);
        self.batch += 1;
        bytes.resize(padded(bytes.len()), 0);
        let offset = self.offset;
        self.offset += bytes.len();
        let last_sequence = self.next_sequence - 1;
        Some(Sealed { segment: self.segment, offset: offset as u64, last_sequence, bytes })
    }

    /// Goes on in the next segment, whose header the host writes first; gives its number and that of its first batch.
    pub fn roll(&mut self) -> (u64, u64) {
        assert_eq!(self.records, 0, "the open batch was sealed");
        self.segment += 1;
        self.offset = BLOCK;
        (self.segment, self.batch)
    }

    /// The sequence number of the next record.
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Records in the open batch.
    pub fn open_records(&self) -> u32 {
        self.records
    }
}
