//! Records into batches, batches into segments.
//!
//! Guarantees: records get sequence numbers that grow; a batch never crosses a segment's end. While one batch is written the
//! next one fills: the host writes them in the order of `seal`.

use crate::buffer::Buffer;
use crate::format::{BATCH_HEADER, BLOCK, BatchHeader, padded, seed};
use crate::record::Record;

/// Largest batch, octets, but for one with a single larger record: beyond it throughput grows no more and latency does.
pub const BATCH_MAX: usize = 1 << 20;
/// Buffers that are kept for the next batches: one fills, one is written, one waits.
const SPARE_BUFFERS: usize = 3;

/// Where a batch lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The segment's number.
    pub segment: u64,
    /// Where the batch begins in it, octets; a multiple of the block.
    pub offset: u64,
}

/// Why a record is not in the open batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The open batch is full: seal it, then append again.
    Batch,
    /// The segment is full: seal what is open, `roll`, then append again.
    Segment,
    /// It does not fit into any segment.
    TooLarge,
}

/// A batch to write.
#[derive(Debug)]
pub struct Sealed {
    /// Where it goes.
    pub place: Place,
    /// Its number.
    pub batch: u64,
    /// The first sequence number in it.
    pub first_sequence: u64,
    /// The last sequence number in it.
    pub last_sequence: u64,
    /// What to write; whole blocks.
    pub buffer: Buffer,
}

/// What a writer goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// A segment that is empty.
    pub segment: u64,
    /// The number of the next batch.
    pub batch: u64,
    /// The next sequence number.
    pub sequence: u64,
    /// The checksum of the batch before.
    pub previous: u32,
}

impl Position {
    /// The start of a new journal.
    pub const START: Self = Self { segment: 1, batch: 1, sequence: 1, previous: 0 };
}

/// The writing end of a journal.
#[derive(Debug)]
pub struct Writer {
    segment_bytes: usize,
    /// Of the open batch.
    position: Position,
    /// Where it will lie, octets.
    offset: usize,
    open: Buffer,
    seed: u32,
    /// The checksum of its records so far.
    checksum: u32,
    records: u32,
    numbers: u32,
    spare: Vec<Buffer>,
}

impl Writer {
    /// A writer of the journal of a directory that goes on at `position`.
    pub fn new(directory: [u8; 16], segment_bytes: usize, position: Position) -> Self {
        assert!(segment_bytes >= 2 * BLOCK && segment_bytes.is_multiple_of(BLOCK), "a segment has room for a batch");
        let mut open = Buffer::with_capacity(BATCH_MAX);
        open.resize(BATCH_HEADER);
        let seed = seed(directory);
        let (records, numbers, spare) = (0, 0, Vec::new());
        Self { segment_bytes, position, offset: BLOCK, open, seed, checksum: seed, records, numbers, spare }
    }

    /// Appends a record to the open batch; gives its first sequence number.
    ///
    /// # Errors
    /// When there is no room, with what to do.
    #[inline]
    pub fn append(&mut self, record: &Record<'_>) -> Result<u64, Full> {
        let bytes = record.bytes();
        if self.open.len() + bytes > self.open.capacity().min(BATCH_MAX) || self.beyond(bytes) {
            self.make_room(bytes)?;
        }
        let sequence = self.next_sequence();
        let start = self.open.len();
        record.encode(sequence, &mut self.open);
        self.checksum = crc32c::crc32c_append(self.checksum, &self.open.bytes()[start..]);
        self.records += 1;
        self.numbers += record.numbers();
        Ok(sequence)
    }

    /// Whether `bytes` more would lie beyond the segment.
    #[inline]
    fn beyond(&self, bytes: usize) -> bool {
        self.offset + padded(self.open.len() + bytes) > self.segment_bytes
    }

    #[cold]
    fn make_room(&mut self, bytes: usize) -> Result<(), Full> {
        if padded(BATCH_HEADER + bytes) > self.segment_bytes - BLOCK {
            return Err(Full::TooLarge);
        }
        if self.beyond(bytes) {
            return Err(Full::Segment);
        }
        if self.records > 0 {
            return Err(Full::Batch);
        }
        self.open = Buffer::with_capacity(BATCH_HEADER + bytes);
        self.open.resize(BATCH_HEADER);
        Ok(())
    }

    /// Closes the open batch; `None` when nothing is in it.
    pub fn seal(&mut self) -> Option<Sealed> {
        (self.records > 0).then(|| self.close())
    }

    /// A batch without records: one that was written whole is known to be so as soon as another one follows it.
    ///
    /// # Errors
    /// When the segment has no room for it.
    pub fn mark(&mut self) -> Result<Sealed, Full> {
        assert_eq!(self.records, 0, "the open batch was sealed");
        if self.beyond(0) { Err(Full::Segment) } else { Ok(self.close()) }
    }

    fn close(&mut self) -> Sealed {
        let mut next = self.spare.pop().unwrap_or_else(|| Buffer::with_capacity(BATCH_MAX));
        next.clear();
        next.resize(BATCH_HEADER);
        let mut buffer = std::mem::replace(&mut self.open, next);
        let header = BatchHeader {
            bytes: u32::try_from(buffer.len()).expect("a batch is smaller than a segment"),
            records: std::mem::take(&mut self.records),
            segment: self.position.segment,
            batch: self.position.batch,
            first_sequence: self.position.sequence,
            previous: self.position.previous,
            numbers: std::mem::take(&mut self.numbers),
        };
        let place = self.place();
        self.position.previous = header.seal(buffer.bytes_mut(), std::mem::replace(&mut self.checksum, self.seed));
        self.position.batch += 1;
        self.position.sequence += u64::from(header.numbers);
        buffer.resize(padded(buffer.len()));
        self.offset += buffer.len();
        let (batch, first_sequence, last_sequence) = (header.batch, header.first_sequence, self.position.sequence - 1);
        Sealed { place, batch, first_sequence, last_sequence, buffer }
    }

    /// Takes the buffer of a batch that was written, for a later one.
    pub fn recycle(&mut self, buffer: Buffer) {
        if self.spare.len() < SPARE_BUFFERS && buffer.capacity() == BATCH_MAX {
            self.spare.push(buffer);
        }
    }

    /// Goes on in the next segment; gives its number.
    pub fn roll(&mut self) -> u64 {
        assert_eq!(self.records, 0, "the open batch was sealed");
        self.position.segment += 1;
        self.offset = BLOCK;
        self.position.segment
    }

    /// What a replay goes on from at the begin of this segment, of which nothing was written.
    pub fn position(&self) -> Position {
        assert_eq!((self.records, self.offset), (0, BLOCK), "the segment was just begun");
        self.position
    }

    /// Where the open batch will lie.
    #[inline]
    pub fn place(&self) -> Place {
        Place { segment: self.position.segment, offset: self.offset as u64 }
    }

    /// The sequence number of the next record.
    #[inline]
    pub fn next_sequence(&self) -> u64 {
        self.position.sequence + u64::from(self.numbers)
    }

    /// Octets in the open batch.
    pub fn open_bytes(&self) -> usize {
        if self.records == 0 { 0 } else { self.open.len() }
    }

    /// Octets that are left of the segment.
    pub fn room(&self) -> usize {
        self.segment_bytes - self.offset
    }
}
