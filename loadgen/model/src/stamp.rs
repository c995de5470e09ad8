//! What every body begins with, so that its receiver knows which message it is, when it was due, and that no octet of it changed.
//!
//! ```text
//!  0  4  "HdL1"          8  2  group       16  8  sequence     32  4  octets of the body
//!  4  4  run            10  2  kind        24  8  due, ns      36  4  CRC32C
//!                       12  4  producer
//! ```
//! Little-endian. The checksum covers the filler behind the stamp first and then the stamp up to the checksum itself: the filler
//! never changes, so that a sender continues a sum that it has, and its cost does not grow with the body.
//!
//! Guarantees: what `read` gives was written by `seal` in this run, octet for octet, as far as 32 bits of CRC tell.

/// Octets of a stamp.
pub const STAMP_BYTES: usize = 40;

const MAGIC: [u8; 4] = *b"HdL1";
const SUM_AT: usize = 36;
/// Distance of the sums that are kept of a filler, octets: the rest to any length is added in a few nanoseconds.
const SUM_STEP: usize = 64;

const _: () = assert!(STAMP_BYTES as u64 == crate::scenario::BODY_MIN);

/// Where words begin at addresses of words, so that the sum goes over words at once.
#[repr(align(8))]
struct Aligned([u8; STAMP_BYTES]);

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sent by a producer.
    Message,
    /// A consumer's answer to the message that has the same stamp otherwise.
    Reply,
}

/// Which message it is, and when it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the run that sent it.
    pub run: u32,
    /// The group's place in the scenario.
    pub group: u16,
    /// What it is for.
    pub kind: Kind,
    /// The producer's number in its group.
    pub producer: u32,
    /// Counts the producer's messages from 0.
    pub sequence: u64,
    /// When it was due, nanoseconds of the run.
    pub due_ns: u64,
}

/// Why a body has no stamp of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It has no stamp, or that of another run.
    Foreign,
    /// Octets of it are not what was sent.
    Corrupt,
}

impl Stamp {
    /// The stamp of a body of `body_bytes` octets, whose filler has the sum `filler_sum` (`FillerSums::sum`).
    #[inline]
    pub fn seal(&self, body_bytes: usize, filler_sum: u32) -> [u8; STAMP_BYTES] {
        let mut aligned = Aligned([0; STAMP_BYTES]);
        let stamp = &mut aligned.0;
        let length = u32::try_from(body_bytes).unwrap_or(u32::MAX);
        let kind = u16::from(self.kind == Kind::Reply);
        let (head, tail) = stamp.split_at_mut(16);
        head[..4].copy_from_slice(&MAGIC);
        head[4..8].copy_from_slice(&self.run.to_le_bytes());
        head[8..10].copy_from_slice(&self.group.to_le_bytes());
        head[10..12].copy_from_slice(&kind.to_le_bytes());
        head[12..16].copy_from_slice(&self.producer.to_le_bytes());
        tail[..8].copy_from_slice(&self.sequence.to_le_bytes());
        tail[8..16].copy_from_slice(&self.due_ns.to_le_bytes());
        tail[16..20].copy_from_slice(&length.to_le_bytes());
        let sum = crc32c::crc32c_append(filler_sum, &stamp[..SUM_AT]);
        stamp[SUM_AT..].copy_from_slice(&sum.to_le_bytes());
        aligned.0
    }

    /// The stamp of a body of this run.
    ///
    /// # Errors
    /// When there is none, or octets of the body changed.
    #[inline]
    pub fn read(body: &[u8], run: u32) -> Result<Self, Flaw> {
        let Some((stamp, filler)) = body.split_first_chunk::<STAMP_BYTES>() else { return Err(Flaw::Foreign) };
        if stamp[..4] != MAGIC {
            return Err(Flaw::Foreign);
        }
        let half = |at: usize| u16::from_le_bytes([stamp[at], stamp[at + 1]]);
        let word = |at: usize| u32::from_le_bytes([stamp[at], stamp[at + 1], stamp[at + 2], stamp[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | (u64::from(word(at + 4)) << 32);
        let sum = crc32c::crc32c_append(crc32c::crc32c(filler), &stamp[..SUM_AT]);
        if sum != word(SUM_AT) || word(32) as usize != body.len() {
            return Err(Flaw::Corrupt);
        }
        if word(4) != run {
            return Err(Flaw::Foreign);
        }
        let kind = match half(10) {
            0 => Kind::Message,
            1 => Kind::Reply,
            _ => return Err(Flaw::Foreign),
        };
        Ok(Self { run, group: half(8), kind, producer: word(12), sequence: long(16), due_ns: long(24) })
    }
}

/// What bodies are filled with behind their stamps: octets that no compression makes smaller.
pub fn filler(bytes: usize, seed: u64) -> Vec<u8> {
    let mut chance = crate::chance::Chance::new(seed, crate::chance::Purpose::Filler, 0, 0);
    let mut filler = Vec::with_capacity(bytes + 8);
    while filler.len() < bytes {
        filler.extend_from_slice(&chance.next_bits().to_le_bytes());
    }
    filler.truncate(bytes);
    filler
}

/// The sums of a filler, cut off anywhere.
#[derive(Clone, Debug)]
pub struct FillerSums {
    /// Of the first 0, 64, 128, … octets.
    sums: Vec<u32>,
}

impl FillerSums {
    /// Sums up a filler.
    pub fn new(filler: &[u8]) -> Self {
        let mut sums = vec![0];
        let mut sum = 0;
        for part in filler.chunks_exact(SUM_STEP) {
            sum = crc32c::crc32c_append(sum, part);
            sums.push(sum);
        }
        Self { sums }
    }

    /// The sum of `filler`, a beginning of what this was made of.
    #[inline]
    pub fn sum(&self, filler: &[u8]) -> u32 {
        let steps = filler.len() / SUM_STEP;
        let known = self.sums.get(steps).copied().unwrap_or_default();
        crc32c::crc32c_append(known, filler.get(steps * SUM_STEP..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(stamp: &Stamp, bytes: usize) -> Vec<u8> {
        let filler = filler(2000, 3);
        let filler = &filler[..bytes - STAMP_BYTES];
        let sum = FillerSums::new(&super::filler(2000, 3)).sum(filler);
        let mut body = stamp.seal(bytes, sum).to_vec();
        body.extend_from_slice(filler);
        body
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_read_and_every_change_is_seen(
            (run, group, producer) in any::<(u32, u16, u32)>(), (sequence, due_ns) in any::<(u64, u64)>(),
            reply in any::<bool>(), bytes in STAMP_BYTES..2000, at in any::<prop::sample::Index>(), bit in 0..8_u32,
        ) {
            let kind = if reply { Kind::Reply } else { Kind::Message };
            let stamp = Stamp { run, group, kind, producer, sequence, due_ns };
            let mut body = body(&stamp, bytes);
            prop_assert_eq!(Stamp::read(&body, run), Ok(stamp));
            prop_assert_eq!(Stamp::read(&body, run.wrapping_add(1)), Err(Flaw::Foreign));
            let cut = Stamp::read(&body[..bytes - 1], run);
            prop_assert!(cut == Err(Flaw::Corrupt) || bytes == STAMP_BYTES && cut == Err(Flaw::Foreign));
            let at = at.index(bytes);
            body[at] ^= 1 << bit;
            let expected = if at < 4 { Flaw::Foreign } else { Flaw::Corrupt };
            prop_assert_eq!(Stamp::read(&body, run), Err(expected));
        }

        #[test]
        fn anything_else_is_foreign_or_corrupt(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(Stamp::read(&body, 1).is_err());
        }
    }
}
