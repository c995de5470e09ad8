//! What lies where on disk: blocks, segment headers, batch headers (`docs/journal-format.md`, version 1).
//!
//! All numbers are little-endian. A segment is a header block and then batches, each from a block's start.

/// Unit of every write, octets: what all direct I/O devices align to.
pub const BLOCK: usize = 4096;
/// The version that this code writes.
pub const VERSION: u32 = 1;
/// Length of a batch's header, octets.
pub const BATCH_HEADER: usize = 48;
/// Length of a record's header, octets.
pub const RECORD_HEADER: usize = 16;

const SEGMENT_MAGIC: [u8; 8] = *b"HEDDLEJ1";
const BATCH_MAGIC: [u8; 4] = *b"HBAT";

/// Reads numbers of fixed width one after the other.
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[octet]| octet)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// The first block of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The shard that writes it.
    pub shard: u16,
    /// Its number; grows by one with each segment and is never used again.
    pub segment: u64,
    /// The data directory that it belongs to.
    pub directory: [u8; 16],
    /// Its length, octets.
    pub bytes: u64,
}

impl SegmentHeader {
    /// The block.
    pub fn encode(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(BLOCK);
        block.extend_from_slice(&SEGMENT_MAGIC);
        block.extend_from_slice(&VERSION.to_le_bytes());
        block.extend_from_slice(&self.shard.to_le_bytes());
        block.extend_from_slice(&[0; 2]);
        block.extend_from_slice(&self.segment.to_le_bytes());
        block.extend_from_slice(&self.directory);
        block.extend_from_slice(&self.bytes.to_le_bytes());
        block.resize(BLOCK - 4, 0);
        let checksum = crc32c::crc32c(&block);
        block.extend_from_slice(&checksum.to_le_bytes());
        block
    }

    /// Reads a block.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(block: &[u8]) -> Result<Self, &'static str> {
        let block = block.get(..BLOCK).ok_or("the segment is shorter than its header")?;
        let (content, checksum) = block.split_at(BLOCK - 4);
        if content.iter().all(|&octet| octet == 0) {
            return Err("the segment has no header");
        }
        if crc32c::crc32c(content).to_le_bytes() != checksum {
            return Err("the checksum of the segment's header does not match");
        }
        let mut fields = Fields(content);
        if fields.array() != Some(SEGMENT_MAGIC) {
            return Err("the file is no segment of a journal");
        }
        if fields.u32() != Some(VERSION) {
            return Err("the segment has another version of the format");
        }
        let header = (|| {
            let shard = fields.u16()?;
            fields.u16()?;
            let (segment, directory) = (fields.u64()?, fields.array()?);
            Some(Self { shard, segment, directory, bytes: fields.u64()? })
        })();
        header.ok_or("the segment's header is too short")
    }
}

/// The start of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    /// Octets of header and records, without padding.
    pub bytes: u32,
    pub records: u32,
    pub segment: u64,
    /// Its number; grows by one with each batch of the journal.
    pub batch: u64,
    pub first_sequence: u64,
    /// The checksum of the batch before it: a batch belongs to its past.
    pub previous: u32,
    /// Sequence numbers that its records use up.
    pub numbers: u32,
}

impl BatchHeader {
    /// Writes the header into the `BATCH_HEADER` octets at the start of `batch`; `records` is the checksum of what follows
    /// them. Gives the batch's checksum: records first, then octets 8 to 47 of the header, so that records are summed up
    /// while they are in the cache.
    pub fn seal(&self, batch: &mut [u8], records: u32) -> u32 {
        let fields = [u64::from(self.bytes) | u64::from(self.records) << 32, self.segment, self.batch];
        let fields = fields.into_iter().chain([self.first_sequence]);
        let fields = fields.chain([u64::from(self.previous) | u64::from(self.numbers) << 32]);
        for (place, field) in batch[8..BATCH_HEADER].chunks_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        batch[..4].copy_from_slice(&BATCH_MAGIC);
        let checksum = crc32c::crc32c_append(records, &batch[8..BATCH_HEADER]);
        batch[4..8].copy_from_slice(&checksum.to_le_bytes());
        checksum
    }

    /// The header and checksum at the start of `bytes`, if they look like one; nothing of it is verified.
    pub fn peek(bytes: &[u8]) -> Option<(Self, u32)> {
        let mut fields = Fields(bytes);
        if fields.array() != Some(BATCH_MAGIC) {
            return None;
        }
        let checksum = fields.u32()?;
        let header = Self {
            bytes: fields.u32()?,
            records: fields.u32()?,
            segment: fields.u64()?,
            batch: fields.u64()?,
            first_sequence: fields.u64()?,
            previous: fields.u32()?,
            numbers: fields.u32()?,
        };
        Some((header, checksum))
    }

    /// Whether the batch of this header is whole at the start of `bytes`.
    pub fn is_whole(&self, bytes: &[u8], checksum: u32, seed: u32) -> bool {
        let records = bytes.get(BATCH_HEADER..self.bytes as usize);
        records.is_some_and(|records| {
            let records = crc32c::crc32c_append(seed, records);
            crc32c::crc32c_append(records, &bytes[8..BATCH_HEADER]) == checksum
        })
    }
}

/// What the checksums of a directory's batches start from: a message whose body looks like a batch is not taken for one, as
/// no sender knows the directory's identity.
pub fn seed(directory: [u8; 16]) -> u32 {
    crc32c::crc32c(&directory)
}

/// `bytes` rounded up to whole blocks.
pub fn padded(bytes: usize) -> usize {
    bytes.div_ceil(BLOCK) * BLOCK
}
