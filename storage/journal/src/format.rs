//! What lies where on disk: blocks, segment headers, batch headers (`docs/journal-format.md`, version 2).
//!
//! All numbers are little-endian. A segment is a header block and then batches, each from a block's start.

/// Unit of every write, octets: what all direct I/O devices align to.
pub const BLOCK: usize = 4096;
/// The version of segments that this code writes and reads.
pub const VERSION: u32 = 2;
/// Length of a batch's header, octets: the frame of one node's journal, then the head of the shared part.
pub const BATCH_HEADER: usize = 96;
/// Where the head of the shared part begins in it.
const PART: usize = 56;
/// Where the checksum of the shared part lies, behind what it takes of that head.
const PART_CHECKSUM: usize = 92;
/// Length of a record's header, octets.
pub const RECORD_HEADER: usize = 12;

const SEGMENT_MAGIC: [u8; 8] = *b"HEDDLEJ1";
const BATCH_MAGIC: [u8; 4] = *b"HBAT";

/// Reads numbers of fixed width one after the other.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next octets; `None` when there are fewer.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next octets, as an array.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// The next octet.
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[octet]| octet)
    }

    /// The next two octets.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next four octets.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next eight octets.
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
        match fields.u32() {
            Some(VERSION) => {}
            Some(1) => {
                return Err(
                    "the segment has format 1, which this version of Heddle does not read: export it with the version that \
                            wrote it, and import that with this one",
                );
            }
            _ => return Err("the segment has another version of the format"),
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

/// What a batch says of its shared part: the records that all have who keep this log, in one order, with the same numbers. No octet of
/// it depends on where a node keeps the part, so that it can be sent and stored as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartHeader {
    /// The term of whoever decided on it; never falls. 0 as long as a log is kept by one node alone.
    pub term: u64,
    /// Its number: from 1, grows by one with each part that has records. One without records has the next one's.
    pub number: u64,
    /// The first number that its records use up.
    pub first: u64,
    /// Numbers that they use up.
    pub numbers: u32,
    /// How many there are.
    pub records: u32,
    /// The checksum of the part before it; 0 for the first: a part belongs to its past.
    pub previous: u32,
    /// Its own: takes the records, then the fields above. 0 without records.
    pub checksum: u32,
}

/// The records of a batch that concern nobody but the node that wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalHeader {
    /// The first local number that they use up.
    pub first: u64,
    pub numbers: u32,
    pub records: u32,
}

/// The start of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    /// Octets of header and records, without padding.
    pub bytes: u32,
    /// Octets of the shared records, which come first.
    pub shared_bytes: u32,
    pub segment: u64,
    /// Its number; grows by one with each batch of the journal.
    pub batch: u64,
    /// The checksum of the batch before it: a batch belongs to its past.
    pub previous: u32,
    pub local: LocalHeader,
    pub part: PartHeader,
}

/// Checksums of a batch's records, summed up while they are in the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums {
    pub shared: u32,
    pub local: u32,
}

impl BatchHeader {
    /// Writes the header into the `BATCH_HEADER` octets at the start of `batch`. Gives the batch's checksum: local records first, then
    /// octets 8 to 95 of the header, in which the shared part's checksum is; and that one.
    pub fn seal(&self, batch: &mut [u8], sums: Sums) -> (u32, u32) {
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let (local, part) = (&self.local, &self.part);
        let fields = [
            pair(self.bytes, self.shared_bytes),
            self.segment,
            self.batch,
            pair(self.previous, local.records),
            local.first,
            pair(local.numbers, 0),
            part.term,
            part.number,
            part.first,
            pair(part.numbers, part.records),
            pair(part.previous, 0),
        ];
        for (place, field) in batch[8..BATCH_HEADER].chunks_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        batch[..4].copy_from_slice(&BATCH_MAGIC);
        let shared = match part.records {
            0 => 0,
            _ => crc32c::crc32c_append(sums.shared, &batch[PART..PART_CHECKSUM]),
        };
        batch[PART_CHECKSUM..BATCH_HEADER].copy_from_slice(&shared.to_le_bytes());
        let checksum = crc32c::crc32c_append(sums.local, &batch[8..BATCH_HEADER]);
        batch[4..8].copy_from_slice(&checksum.to_le_bytes());
        (checksum, shared)
    }

    /// The header and checksum at the start of `bytes`, if they look like one; nothing of it is verified.
    pub fn peek(bytes: &[u8]) -> Option<(Self, u32)> {
        let mut fields = Fields(bytes);
        if fields.array() != Some(BATCH_MAGIC) {
            return None;
        }
        let checksum = fields.u32()?;
        let (bytes, shared_bytes) = (fields.u32()?, fields.u32()?);
        let (segment, batch, previous) = (fields.u64()?, fields.u64()?, fields.u32()?);
        let (records, first, numbers) = (fields.u32()?, fields.u64()?, fields.u32()?);
        let local = LocalHeader { first, numbers, records };
        fields.u32()?;
        let part = PartHeader::decode(&mut fields)?;
        Some((Self { bytes, shared_bytes, segment, batch, previous, local, part }, checksum))
    }

    /// Whether the batch of this header is whole at the start of `bytes`.
    pub fn is_whole(&self, bytes: &[u8], checksum: u32, seed: u32) -> bool {
        let records = bytes.get(BATCH_HEADER..self.bytes as usize);
        let Some((shared, local)) = records.and_then(|records| records.split_at_checked(self.shared_bytes as usize))
        else {
            return false;
        };
        let local = crc32c::crc32c_append(seed, local);
        self.part.is_whole(shared) && crc32c::crc32c_append(local, &bytes[8..BATCH_HEADER]) == checksum
    }
}

impl PartHeader {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let (term, number, first) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let (numbers, records) = (fields.u32()?, fields.u32()?);
        Some(Self { term, number, first, numbers, records, previous: fields.u32()?, checksum: fields.u32()? })
    }

    /// Whether these are its records.
    pub fn is_whole(&self, records: &[u8]) -> bool {
        if self.records == 0 {
            return records.is_empty() && self.checksum == 0;
        }
        let mut head = [0; PART_CHECKSUM - PART];
        let fields = [self.term, self.number, self.first, u64::from(self.numbers) | u64::from(self.records) << 32];
        for (place, field) in head.chunks_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        head[32..].copy_from_slice(&self.previous.to_le_bytes());
        crc32c::crc32c_append(crc32c::crc32c(records), &head) == self.checksum
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
