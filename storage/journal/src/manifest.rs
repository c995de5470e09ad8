//! What a journal has at least, written where the loss of a segment cannot take it along: its manifest.
//!
//! A file of two blocks beside the segments. They are written in turn, and the one with the higher generation counts.
//!
//! Guarantees:
//! 1. It never claims more than there is: a segment is there, with its header, before the manifest says so, and is
//!    given up in the manifest before its file goes or serves again. So does a batch get there first.
//! 2. It never claims less than was acknowledged: no batch is written to a segment that the manifest does not know. How
//!    far the batches reach it knows as of the last pause, second or segment, whichever came last.
//! 3. What it says fits into one sector, so that no crash cuts a block in two: one that does not check was damaged.
//! 4. It says which batches have to stay, and where the journal was cut until that is done (`cut.rs`): only a cut makes it claim less
//!    than before.
//!
//! Whoever writes it keeps 1 and 2 (`storage/disk/src/disk.rs`); nothing here does I/O. Lengths are octets.

use crate::fault::{Fault, FaultKind};
use crate::format::{BLOCK, Fields, SegmentHeader};
use crate::writer::Place;

const MAGIC: [u8; 8] = *b"HEDDLEM1";
const VERSION: u32 = 1;
const BLOCKS: usize = 2;

/// Whose a journal is, and how its segments are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The shard that writes it.
    pub shard: u16,
    /// The data directory that it belongs to.
    pub directory: [u8; 16],
    /// Length of its segments, octets.
    pub segment_bytes: u64,
}

/// What a journal has at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Segments from this number on are needed: nothing in earlier ones is.
    pub first: u64,
    /// Segments up to this number are there, with their headers. One less than `first`: none.
    pub last: u64,
    /// Batches up to this number were written.
    pub batch: u64,
}

/// What a manifest says of the journal's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ManifestTail {
    /// Batches up to this number are not cut: that segments before the first one are not needed follows from them.
    pub firm: u64,
    /// Where the journal was cut, until what is behind it is gone (`cut.rs`).
    pub cut: Option<Place>,
}

/// A manifest as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestFound {
    /// Whose it says that it is.
    pub owner: Owner,
    /// What it says.
    pub manifest: Manifest,
    /// What it says of the journal's end.
    pub tail: ManifestTail,
    /// How often it was written.
    pub generation: u64,
    /// What is wrong with the rest of the file: what it says may be older than what was written last.
    pub damage: Option<&'static str>,
}

/// The file of a segment as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFound {
    /// The number in its name.
    pub number: u64,
    /// Its length, octets.
    pub bytes: u64,
    /// Its header, or what is wrong with it.
    pub header: Result<SegmentHeader, &'static str>,
}

impl Manifest {
    /// That of a journal in which nothing was written yet.
    pub const NEW: Self = Self { first: 1, last: 0, batch: 0 };
    /// Length of its file, octets.
    pub const BYTES: usize = BLOCKS * BLOCK;

    /// The block that this is to be written as, and where it goes in the file.
    pub fn encode(&self, tail: &ManifestTail, owner: &Owner, generation: u64) -> (Vec<u8>, u64) {
        let mut block = Vec::with_capacity(BLOCK);
        block.extend_from_slice(&MAGIC);
        block.extend_from_slice(&VERSION.to_le_bytes());
        block.extend_from_slice(&owner.shard.to_le_bytes());
        block.extend_from_slice(&[0; 2]);
        block.extend_from_slice(&owner.directory);
        let ManifestTail { firm, cut } = *tail;
        let cut = cut.map_or([0; 2], |Place { segment, offset }| [segment, offset]);
        let found = [generation, owner.segment_bytes, self.first, self.last, self.batch, firm];
        for number in found.into_iter().chain(cut) {
            block.extend_from_slice(&number.to_le_bytes());
        }
        block.resize(BLOCK - 4, 0);
        let checksum = crc32c::crc32c(&block);
        block.extend_from_slice(&checksum.to_le_bytes());
        (block, generation % BLOCKS as u64 * BLOCK as u64)
    }

    /// The file of a journal that is made, and the generation of the block that counts in it.
    pub fn file(&self, owner: &Owner) -> (Vec<u8>, u64) {
        let blocks =
            (0..BLOCKS as u64).flat_map(|generation| self.encode(&ManifestTail::default(), owner, generation).0);
        (blocks.collect(), BLOCKS as u64 - 1)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When there is no block in it that can be believed.
    pub fn read(bytes: &[u8]) -> Result<ManifestFound, &'static str> {
        let blocks = bytes.chunks(BLOCK).take(BLOCKS).map(decode);
        let newest = blocks.clone().flatten().max_by_key(|found| found.generation);
        let wrong = blocks.filter_map(Result::err).next();
        let length = match bytes.len().cmp(&Self::BYTES) {
            std::cmp::Ordering::Less => Some("the manifest is cut off"),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some("the manifest is longer than it was made"),
        };
        let damage = length.or(wrong);
        match newest {
            Some(found) => Ok(ManifestFound { damage, ..found }),
            None => Err(damage.unwrap_or("the manifest is empty")),
        }
    }

    /// What this and another one say together.
    pub fn join(self, other: Self) -> Self {
        let Self { first, last, batch } = other;
        Self { first: self.first.max(first), last: self.last.max(last), batch: self.batch.max(batch) }
    }

    /// What of it is not so, given all segments that are there in the order of their numbers: a fault for each segment,
    /// or for those next to each other that are missing. Segments of which it says nothing are not looked at.
    pub fn faults(&self, owner: &Owner, found: &[SegmentFound]) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut due = self.first;
        let missing = |from: u64, last: u64| Fault { segment: from, offset: 0, kind: FaultKind::Missing { last } };
        for segment in found.iter().filter(|found| (self.first..=self.last).contains(&found.number)) {
            if segment.number > due {
                faults.push(missing(due, segment.number - 1));
            }
            due = segment.number + 1;
            faults.extend(segment.wrong(owner).map(|kind| Fault { segment: segment.number, offset: 0, kind }));
        }
        if due <= self.last {
            faults.push(missing(due, self.last));
        }
        faults
    }
}

impl SegmentFound {
    fn wrong(&self, owner: &Owner) -> Option<FaultKind> {
        if self.bytes != owner.segment_bytes {
            return Some(FaultKind::Length { found: self.bytes, made: owner.segment_bytes });
        }
        match self.header {
            Err(what) => Some(FaultKind::Header(what)),
            Ok(header) if (header.shard, header.directory) != (owner.shard, owner.directory) => {
                Some(FaultKind::Foreign)
            }
            Ok(header) if header.segment != self.number => Some(FaultKind::Misnamed { header: header.segment }),
            Ok(header) if header.bytes != owner.segment_bytes => {
                Some(FaultKind::Length { found: header.bytes, made: owner.segment_bytes })
            }
            Ok(_) => None,
        }
    }
}

fn decode(block: &[u8]) -> Result<ManifestFound, &'static str> {
    let Some((content, checksum)) = block.split_at_checked(BLOCK - 4) else { return Err("the manifest is cut off") };
    if crc32c::crc32c(content).to_le_bytes() != checksum {
        return Err("the checksum of the manifest does not match");
    }
    let mut fields = Fields(content);
    if fields.array() != Some(MAGIC) {
        return Err("the file is no manifest of a journal");
    }
    if fields.u32() != Some(VERSION) {
        return Err("the manifest has another version of the format");
    }
    let found = (|| {
        let shard = fields.u16()?;
        fields.u16()?;
        let (directory, generation) = (fields.array()?, fields.u64()?);
        let owner = Owner { shard, directory, segment_bytes: fields.u64()? };
        let manifest = Manifest { first: fields.u64()?, last: fields.u64()?, batch: fields.u64()? };
        let (firm, cut) = (fields.u64()?, Place { segment: fields.u64()?, offset: fields.u64()? });
        let tail = ManifestTail { firm, cut: (cut.segment > 0).then_some(cut) };
        Some(ManifestFound { owner, manifest, tail, generation, damage: None })
    })();
    found.ok_or("the manifest is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner = Owner { shard: 3, directory: [7; 16], segment_bytes: 1 << 20 };

    fn found(number: u64) -> SegmentFound {
        let header = SegmentHeader { shard: 3, segment: number, directory: [7; 16], bytes: 1 << 20 };
        SegmentFound { number, bytes: 1 << 20, header: Ok(header) }
    }

    #[test]
    fn the_newest_block_counts_and_any_change_is_found() {
        let (mut file, generation) = Manifest::NEW.file(&OWNER);
        assert_eq!(file.len(), Manifest::BYTES);
        let newer = Manifest { first: 4, last: 6, batch: 99 };
        let tail = ManifestTail { firm: 77, cut: Some(Place { segment: 5, offset: 8192 }) };
        let (block, at) = newer.encode(&tail, &OWNER, generation + 1);
        file[at as usize..at as usize + BLOCK].copy_from_slice(&block);
        let whole = ManifestFound { owner: OWNER, manifest: newer, tail, generation: generation + 1, damage: None };
        assert_eq!(Manifest::read(&file), Ok(whole));
        for octet in 0..file.len() {
            let mut flipped = file.clone();
            flipped[octet] ^= 1;
            let read = Manifest::read(&flipped).expect("the other block is whole");
            assert!(read.damage.is_some(), "octet {octet}");
            let hit = (at as usize..at as usize + BLOCK).contains(&octet);
            assert_eq!(read.manifest, if hit { Manifest::NEW } else { newer }, "octet {octet}");
        }
        for length in 0..file.len() {
            assert!(Manifest::read(&file[..length]).map_or(true, |read| read.damage.is_some()), "cut to {length}");
        }
        file.push(0);
        assert!(Manifest::read(&file).expect("both blocks are whole").damage.is_some());
    }

    #[test]
    fn what_is_missing_cut_or_foreign_is_told_once_for_each() {
        let manifest = Manifest { first: 4, last: 9, batch: 0 };
        let mut segments: Vec<_> = (2..=10).map(found).collect();
        // What is not needed, or not known yet, may be anything.
        segments[0].bytes = 7;
        segments[8].header = Err("the segment has no header");
        assert_eq!(manifest.faults(&OWNER, &segments), []);
        segments.retain(|found| ![4, 7, 8].contains(&found.number));
        segments[2].bytes = 300_000;
        let wrong = manifest.faults(&OWNER, &segments);
        let told: Vec<String> = wrong.iter().map(Fault::to_string).collect();
        let cut = "segment 5 at offset 0: the file has a length of 300000 octets, and was made with 1048576 octets";
        assert_eq!(told, ["segment 4 is missing", cut, "segments 7 to 8 are missing"]);
        let all = manifest.faults(&OWNER, &[]);
        assert_eq!(all, [Fault { segment: 4, offset: 0, kind: FaultKind::Missing { last: 9 } }]);
        assert_eq!(Manifest::NEW.faults(&OWNER, &[]), []);
        for (owner, kind) in [
            (Owner { shard: 2, ..OWNER }, FaultKind::Foreign),
            (Owner { directory: [8; 16], ..OWNER }, FaultKind::Foreign),
            (Owner { segment_bytes: 1, ..OWNER }, FaultKind::Length { found: 1 << 20, made: 1 }),
        ] {
            let wrong = Manifest { first: 2, last: 2, batch: 0 }.faults(&owner, &[found(2)]);
            assert_eq!(wrong, [Fault { segment: 2, offset: 0, kind }]);
        }
        let misnamed = SegmentFound { number: 3, ..found(2) };
        let wrong = Manifest { first: 3, last: 3, batch: 0 }.faults(&OWNER, &[misnamed]);
        assert_eq!(wrong, [Fault { segment: 3, offset: 0, kind: FaultKind::Misnamed { header: 2 } }]);
    }
}
