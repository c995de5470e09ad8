//! Records into batches, batches into segments.
//!
//! Guarantees: records get numbers that grow, shared and local ones apart; a batch never crosses a segment's end. While one batch is
//! written the next one fills: the host writes them in the order of `seal`.
//!
//! A batch has two parts. Shared records are written as they come, or a part that somebody else made is taken as it is (`take_part`);
//! local ones wait beside them and go behind them. What local records of a batch say holds before what its shared ones do.

use crate::buffer::Buffer;
use crate::format::{BATCH_HEADER, BLOCK, BatchHeader, LocalHeader, PartHeader, Sums, padded, seed};
use crate::number::Reach;
use crate::record::{Part, RecordHeader};
use crate::shared::SharedPart;

/// Largest batch, octets, but for one with a single larger record, or with records that are kept together: beyond it throughput grows no
/// more and latency does.
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
    /// The first numbers in it.
    pub first: Reach,
    /// The first numbers behind it.
    pub end: Reach,
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
    /// The checksum of the batch before.
    pub previous: u32,
    /// The next numbers.
    pub reach: Reach,
    /// The shared log.
    pub log: LogPosition,
}

/// What the next shared part goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPosition {
    /// The term of the part before.
    pub term: u64,
    /// Its number.
    pub part: u64,
    /// The checksum of the part before.
    pub previous: u32,
}

impl Position {
    /// The start of a new journal.
    pub const START: Self = Self {
        segment: 1,
        batch: 1,
        previous: 0,
        reach: Reach::START,
        log: LogPosition { term: 0, part: 1, previous: 0 },
    };

    /// The position behind a batch with these checksums, its own and its shared part's.
    pub(crate) fn after(&self, header: &BatchHeader, checksum: u32, part: u32) -> Self {
        let Self { segment, .. } = *self;
        let (local, shared) = (&header.local, &header.part);
        let reach = Reach {
            shared: shared.first.saturating_add(u64::from(shared.numbers)),
            local: local.first.saturating_add(u64::from(local.numbers)),
        };
        let log = match shared.records {
            0 => LogPosition { term: shared.term, part: shared.number, previous: shared.previous },
            _ => LogPosition { term: shared.term, part: shared.number.saturating_add(1), previous: part },
        };
        Self { segment, batch: header.batch.saturating_add(1), previous: checksum, reach, log }
    }

    /// Whether a batch is the next one.
    pub(crate) fn continues(&self, header: &BatchHeader) -> bool {
        let Self { batch, previous, reach, .. } = *self;
        (header.batch, header.previous, header.local.first) == (batch, previous, reach.local)
            && self.expects(&header.part)
    }

    /// Whether a shared part is the next one.
    pub fn expects(&self, part: &PartHeader) -> bool {
        let Self { reach, log, .. } = self;
        (part.number, part.first, part.previous) == (log.part, reach.shared, log.previous) && part.term >= log.term
    }
}

/// Why a part that somebody else made is not in the open batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// There is no room for it: seal what is open, or `roll`.
    Full(Full),
    /// It does not check.
    Damaged,
    /// It is not the one that is due.
    NotDue,
}

/// What is in one part of the open batch.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    records: u32,
    numbers: u32,
    /// The checksum of the records so far.
    checksum: u32,
}

/// The writing end of a journal.
#[derive(Debug)]
pub struct Writer {
    segment_bytes: usize,
    /// Of the open batch.
    position: Position,
    /// Where it will lie, octets.
    offset: usize,
    /// Header and shared records.
    open: Buffer,
    /// How large the open batch may become, octets.
    batch_max: usize,
    shared: Open,
    local_records: Vec<u8>,
    local: Open,
    /// What checksums of batches start from.
    seed: u32,
    spare: Vec<Buffer>,
}

impl Writer {
    /// A writer of the journal of a directory that goes on at `position`.
    pub fn new(directory: [u8; 16], segment_bytes: usize, position: Position) -> Self {
        assert!(segment_bytes >= 2 * BLOCK && segment_bytes.is_multiple_of(BLOCK), "a segment has room for a batch");
        let mut open = Buffer::with_capacity(BATCH_MAX);
        open.resize(BATCH_HEADER);
        let seed = seed(directory);
        Self {
            segment_bytes,
            position,
            offset: BLOCK,
            open,
            batch_max: BATCH_MAX,
            shared: Open::default(),
            local_records: Vec::new(),
            local: Open { checksum: seed, ..Open::default() },
            seed,
            spare: Vec::new(),
        }
    }

    /// Appends a record to the open batch; gives its first number.
    ///
    /// # Errors
    /// When there is no room, with what to do.
    #[inline]
    pub fn append(&mut self, header: RecordHeader, payload: &[&[u8]]) -> Result<u64, Full> {
        let bytes = RecordHeader::bytes(payload);
        self.ensure_room(bytes)?;
        if header.part == Part::Local {
            return Ok(self.append_local(header, payload));
        }
        assert!(header.numbers > 0, "what others share is found by its number");
        let number = self.next().shared;
        let start = self.open.len();
        header.write(bytes, payload, &mut self.open);
        self.shared.checksum = crc32c::crc32c_append(self.shared.checksum, &self.open.bytes()[start..]);
        self.shared.records += 1;
        self.shared.numbers += header.numbers;
        Ok(number)
    }

    fn append_local(&mut self, header: RecordHeader, payload: &[&[u8]]) -> u64 {
        let number = self.next().local;
        let start = self.local_records.len();
        header.append(payload, &mut self.local_records);
        self.local.checksum = crc32c::crc32c_append(self.local.checksum, &self.local_records[start..]);
        self.local.records += 1;
        self.local.numbers += header.numbers;
        number
    }

    /// Makes room for records of so many octets, with their headers: they go into one batch, however large that is.
    ///
    /// # Errors
    /// When there is no room, with what to do.
    pub fn keep_together(&mut self, bytes: usize) -> Result<(), Full> {
        self.ensure_room(bytes)?;
        self.batch_max = self.batch_max.max(self.open.len() + self.local_records.len() + bytes);
        Ok(())
    }

    /// Takes a shared part that somebody else made, as it is: no other shared record goes into this batch.
    ///
    /// # Errors
    /// When it is not the next one, or does not check; and when there is no room, with what to do.
    pub fn take_part(&mut self, part: &SharedPart<'_>) -> Result<(), NotTaken> {
        let SharedPart { header, records } = part;
        if self.shared.records > 0 {
            return Err(NotTaken::Full(Full::Batch));
        }
        if !self.position.expects(header) || header.records == 0 {
            return Err(NotTaken::NotDue);
        }
        if !header.is_whole(records) {
            return Err(NotTaken::Damaged);
        }
        self.ensure_room(records.len()).map_err(NotTaken::Full)?;
        self.open.extend(records);
        self.position.log.term = header.term;
        self.shared = Open { records: header.records, numbers: header.numbers, checksum: crc32c::crc32c(records) };
        Ok(())
    }

    /// The term of the parts from the next one on. What is open has to be sealed before.
    pub fn begin_term(&mut self, term: u64) {
        assert_eq!(self.shared.records, 0, "a part has one term");
        assert!(term >= self.position.log.term, "terms do not fall");
        self.position.log.term = term;
    }

    #[inline]
    fn ensure_room(&mut self, bytes: usize) -> Result<(), Full> {
        if self.open.len() + self.local_records.len() + bytes > self.batch_max.min(self.open.capacity())
            || self.beyond(bytes)
        {
            self.make_room(bytes)?;
        }
        Ok(())
    }

    /// Whether `bytes` more would lie beyond the segment.
    #[inline]
    fn beyond(&self, bytes: usize) -> bool {
        self.offset + padded(self.open.len() + self.local_records.len() + bytes) > self.segment_bytes
    }

    #[cold]
    fn make_room(&mut self, bytes: usize) -> Result<(), Full> {
        if padded(BATCH_HEADER + bytes) > self.segment_bytes - BLOCK {
            return Err(Full::TooLarge);
        }
        if self.beyond(bytes) {
            return Err(Full::Segment);
        }
        if !self.is_empty() {
            return Err(Full::Batch);
        }
        self.open = Buffer::with_capacity(BATCH_HEADER + bytes);
        self.open.resize(BATCH_HEADER);
        Ok(())
    }

    /// Closes the open batch; `None` when nothing is in it.
    pub fn seal(&mut self) -> Option<Sealed> {
        (!self.is_empty()).then(|| self.close())
    }

    /// A batch without records: one that was written whole is known to be so as soon as another one follows it.
    ///
    /// # Errors
    /// When the segment has no room for it.
    pub fn mark(&mut self) -> Result<Sealed, Full> {
        assert!(self.is_empty(), "the open batch was sealed");
        if self.beyond(0) { Err(Full::Segment) } else { Ok(self.close()) }
    }

    fn is_empty(&self) -> bool {
        self.shared.records == 0 && self.local.records == 0
    }

    fn close(&mut self) -> Sealed {
        let mut next = self.spare.pop().unwrap_or_else(|| Buffer::with_capacity(BATCH_MAX));
        next.clear();
        next.resize(BATCH_HEADER);
        let mut buffer = std::mem::replace(&mut self.open, next);
        self.batch_max = BATCH_MAX;
        let shared_bytes = buffer.len() - BATCH_HEADER;
        buffer.extend(&self.local_records);
        self.local_records.clear();
        let length = |bytes: usize| u32::try_from(bytes).expect("a batch is smaller than a segment");
        let shared = std::mem::take(&mut self.shared);
        let local = std::mem::replace(&mut self.local, Open { checksum: self.seed, ..Open::default() });
        let Position { segment, batch, previous, reach, log } = self.position;
        let header = BatchHeader {
            bytes: length(buffer.len()),
            shared_bytes: length(shared_bytes),
            segment,
            batch,
            previous,
            local: LocalHeader { first: reach.local, numbers: local.numbers, records: local.records },
            part: PartHeader {
                term: log.term,
                number: log.part,
                first: reach.shared,
                numbers: shared.numbers,
                records: shared.records,
                previous: log.previous,
                checksum: 0,
            },
        };
        let place = self.place();
        let sums = Sums { shared: shared.checksum, local: local.checksum };
        let (checksum, part) = header.seal(buffer.bytes_mut(), sums);
        self.position = self.position.after(&header, checksum, part);
        buffer.resize(padded(buffer.len()));
        self.offset += buffer.len();
        Sealed { place, batch, first: reach, end: self.position.reach, buffer }
    }

    /// Takes the buffer of a batch that was written, for a later one.
    pub fn recycle(&mut self, buffer: Buffer) {
        if self.spare.len() < SPARE_BUFFERS && buffer.capacity() == BATCH_MAX {
            self.spare.push(buffer);
        }
    }

    /// Goes on in the next segment; gives its number.
    pub fn roll(&mut self) -> u64 {
        assert!(self.is_empty(), "the open batch was sealed");
        self.position.segment += 1;
        self.offset = BLOCK;
        self.position.segment
    }

    /// What a replay goes on from at the begin of this segment, of which nothing was written.
    pub fn position(&self) -> Position {
        assert!(self.is_empty() && self.offset == BLOCK, "the segment was just begun");
        self.position
    }

    /// Where the open batch will lie.
    #[inline]
    pub fn place(&self) -> Place {
        Place { segment: self.position.segment, offset: self.offset as u64 }
    }

    /// The numbers of the next records.
    #[inline]
    pub fn next(&self) -> Reach {
        let Reach { shared, local } = self.position.reach;
        Reach { shared: shared + u64::from(self.shared.numbers), local: local + u64::from(self.local.numbers) }
    }

    /// The last batch that has records, whether it is closed or not: everything that was appended lies in it or before.
    #[inline]
    pub fn last_batch(&self) -> u64 {
        self.position.batch - u64::from(self.is_empty())
    }

    /// Octets in the open batch.
    pub fn open_bytes(&self) -> usize {
        if self.is_empty() { 0 } else { self.open.len() + self.local_records.len() }
    }

    /// Octets that are left of the segment.
    pub fn room(&self) -> usize {
        self.segment_bytes - self.offset
    }
}
