//! Headers of the file and of its records, as octets. The layout stands in `log`.

use crate::limits::RECORD_MAX;

/// What the file begins with.
const MAGIC: &[u8; 8] = b"HDLCATLG";
/// The format that is written and read.
pub(super) const FORMAT: u16 = 1;
/// Octets of the file's header.
pub(super) const FILE_HEADER: usize = 24;
/// Octets of a record's header.
pub(super) const RECORD_HEADER: usize = 24;
/// In a kind and in an attribute's number: who does not know it must not go on.
pub(super) const MUST: u16 = 1 << 15;

/// The kind of a record that says nothing but its version and flags.
pub(super) const KIND_END: u16 = 0;

/// Flags of a record.
pub(super) mod flag {
    /// The set ends with this record.
    pub const LAST: u16 = 1;
    /// The definition is removed.
    pub const REMOVED: u16 = 2;
    /// The configuration says so.
    pub const CONFIGURATION: u16 = 4;
    /// All that are known.
    pub const ALL: u16 = LAST | REMOVED | CONFIGURATION;
}

/// What a file's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub format: u16,
    pub seed: u64,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub body_bytes: usize,
    pub kind: u16,
    pub flags: u16,
    pub version: u64,
    pub checksum: u32,
}

/// Takes octets from the front of a slice.
pub(super) fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(count)?;
    *rest = behind;
    Some(taken)
}

macro_rules! numbers {
    ($($name:ident: $number:ty),+) => { $(
        /// Takes a number from the front of a slice.
        pub(super) fn $name(rest: &mut &[u8]) -> Option<$number> {
            Some(<$number>::from_le_bytes(take(rest, size_of::<$number>())?.try_into().ok()?))
        }
    )+ };
}

numbers!(take_u16: u16, take_u32: u32, take_u64: u64);

/// A length that is written in four octets. Bodies have a bound far below what they can tell.
pub(super) fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("texts and lists of a definition are bounded").to_le_bytes()
}

impl FileHeader {
    pub fn new(seed: u64) -> Self {
        Self { format: FORMAT, seed }
    }

    pub fn encode(self) -> [u8; FILE_HEADER] {
        let mut out = [0; FILE_HEADER];
        out[..8].copy_from_slice(MAGIC);
        out[8..10].copy_from_slice(&self.format.to_le_bytes());
        out[12..20].copy_from_slice(&self.seed.to_le_bytes());
        let checksum = crc32c::crc32c(&out[..20]);
        out[20..].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// The header at the front; `None` if there is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let header = take(&mut rest, FILE_HEADER)?;
        let mut rest = header;
        (take(&mut rest, 8)? == MAGIC).then_some(())?;
        let (format, _zero) = (take_u16(&mut rest)?, take_u16(&mut rest)?);
        let seed = take_u64(&mut rest)?;
        (take_u32(&mut rest)? == crc32c::crc32c(&header[..20])).then_some(Self { format, seed })
    }
}

impl RecordHeader {
    /// Appends a record: its header, whose checksum is made here, and its body.
    pub fn append(mut self, seed: u64, body: &[u8], out: &mut Vec<u8>) {
        let mut header = self.front();
        self.checksum = checksum(seed, &[&header, body]);
        header.extend(self.checksum.to_le_bytes());
        header.extend(checksum(seed, &[&header]).to_le_bytes());
        out.extend(header);
        out.extend(body);
    }

    fn front(&self) -> Vec<u8> {
        let mut front = Vec::with_capacity(RECORD_HEADER);
        front.extend(length(self.body_bytes));
        front.extend(self.kind.to_le_bytes());
        front.extend(self.flags.to_le_bytes());
        front.extend(self.version.to_le_bytes());
        front
    }

    /// The header at the front; `None` if there is none that is whole.
    pub fn decode(seed: u64, bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..RECORD_HEADER)?;
        let mut rest = header;
        let body_bytes = take_u32(&mut rest)? as usize;
        let (kind, flags, version) = (take_u16(&mut rest)?, take_u16(&mut rest)?, take_u64(&mut rest)?);
        let of_body = take_u32(&mut rest)?;
        let whole = take_u32(&mut rest)? == checksum(seed, &[&header[..20]]) && body_bytes <= RECORD_MAX;
        whole.then_some(Self { body_bytes, kind, flags, version, checksum: of_body })
    }

    /// The body behind the header at the front; `None` if it is not whole.
    pub fn body<'a>(&self, seed: u64, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let body = bytes.get(RECORD_HEADER..)?.get(..self.body_bytes)?;
        (checksum(seed, &[&self.front(), body]) == self.checksum).then_some(body)
    }
}

fn checksum(seed: u64, parts: &[&[u8]]) -> u32 {
    parts.iter().fold(crc32c::crc32c(&seed.to_le_bytes()), |sum, part| crc32c::crc32c_append(sum, part))
}
