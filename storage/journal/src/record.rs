//! Records, as far as a journal knows them: which part of a batch they lie in, a kind, a length, and how many numbers they use up. What
//! they mean is the business of whoever writes them.
//!
//! Guarantees: a length that does not fit what encloses it is an error, never a panic and never an allocation. A record has no
//! checksum of its own: its part of the batch has one, and is read whole.

use crate::buffer::Buffer;
use crate::format::{Fields, RECORD_HEADER};

/// The part of a batch that a record lies in, which is also the kind of its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What all have that keep the log.
    Shared,
    /// What concerns the node that wrote it.
    Local,
}

/// What whoever does not know the kind of a record does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Stop: what the journal says cannot be understood without it.
    Refuse,
    /// Go on without it.
    Skip,
}

/// A record but for its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Where it lies.
    pub part: Part,
    /// Its kind.
    pub kind: u8,
    /// What to do without knowing that.
    pub unknown: Unknown,
    /// How many numbers it uses up.
    pub numbers: u32,
}

/// The flag of a record that may be skipped.
const SKIP: u8 = 1;

impl RecordHeader {
    /// Octets of a record with such a payload.
    #[inline]
    pub fn bytes(payload: &[&[u8]]) -> usize {
        RECORD_HEADER + payload.iter().map(|piece| piece.len()).sum::<usize>()
    }

    #[inline]
    fn encode(&self, payload: usize) -> [u8; RECORD_HEADER] {
        let mut header = [0; RECORD_HEADER];
        let payload = u32::try_from(payload).expect("a record is smaller than a segment");
        header[..4].copy_from_slice(&payload.to_le_bytes());
        header[4..8].copy_from_slice(&self.numbers.to_le_bytes());
        header[8] = self.kind;
        header[9] = if self.unknown == Unknown::Skip { SKIP } else { 0 };
        header
    }

    /// Appends the record to `out`, which has room for it.
    #[inline]
    pub(crate) fn write(&self, bytes: usize, payload: &[&[u8]], out: &mut Buffer) {
        out.extend(&self.encode(bytes - RECORD_HEADER));
        payload.iter().for_each(|piece| out.extend(piece));
    }

    /// Appends the record to `out`.
    pub fn append(&self, payload: &[&[u8]], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.encode(Self::bytes(payload) - RECORD_HEADER));
        payload.iter().for_each(|piece| out.extend_from_slice(piece));
    }
}

/// A record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// All but the payload.
    pub header: RecordHeader,
    /// The first number that it uses up, or would.
    pub number: u64,
    /// What it says.
    pub payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the record at the start of `bytes`, in that part of a batch, whose first number is `number`: itself and its length, octets.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(part: Part, number: u64, bytes: &'a [u8]) -> Result<(Self, usize), &'static str> {
        let mut fields = Fields(bytes);
        let header = (|| Some((fields.u32()?, fields.u32()?, fields.u8()?, fields.u8()?, fields.u16()?)))();
        let (length, numbers, kind, flags, _) = header.ok_or("a record's header is cut off")?;
        let unknown = match flags {
            0 => Unknown::Refuse,
            SKIP => Unknown::Skip,
            _ => return Err("a record has flags that this version of Heddle does not know: a newer one wrote it"),
        };
        let end = RECORD_HEADER + length as usize;
        let payload = bytes.get(RECORD_HEADER..end).ok_or("a record is longer than what encloses it")?;
        Ok((Self { header: RecordHeader { part, kind, unknown, numbers }, number, payload }, end))
    }

    /// Its length, octets.
    #[inline]
    pub fn bytes(&self) -> usize {
        RECORD_HEADER + self.payload.len()
    }
}
