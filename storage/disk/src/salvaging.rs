//! The files of a damaged data directory: which segments and checkpoints there are, whatever became of their names, and what can be
//! read of them.
//!
//! Guarantees: nothing is written, and no file is opened to be written, so that a disk that was mounted read-only is read as well.
//! An area that the device does not give is left out block by block and told; it reads as zeros. Memory is one part of a segment.
//!
//! Whether what was read is whole is not looked at here: that is the journal's to say.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use storage_journal::format::{BLOCK, SegmentHeader, padded};
use storage_journal::{Buffer, Manifest, ManifestFound, SegmentPart};

use crate::directory::{DirectoryError, system};

/// Octets of a part: as much as a device likes to be asked for at once.
const PART_BYTES: usize = 4 << 20;

/// A file that is a segment by its name.
#[derive(Clone, Debug)]
pub struct FoundSegment {
    /// The file.
    pub path: PathBuf,
    /// The shard whose folder it is in.
    pub shard: u16,
    /// The number that it is named after.
    pub number: u64,
    /// Its length, octets.
    pub bytes: u64,
    /// What its header says, or what is wrong with that.
    pub header: Result<SegmentHeader, String>,
}

/// A file that is a checkpoint by its name.
#[derive(Clone, Debug)]
pub struct FoundCheckpoint {
    /// The file.
    pub path: PathBuf,
    /// The shard whose folder it is in.
    pub shard: u16,
    /// The segment that it goes on with.
    pub segment: u64,
}

/// All segments and checkpoints in the folders of a data directory's journals, in no order.
///
/// # Errors
/// When the system does not let folders be read.
pub fn find(path: &Path) -> Result<(Vec<FoundSegment>, Vec<FoundCheckpoint>), DirectoryError> {
    let (mut segments, mut checkpoints) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path).map_err(system("read", path))? {
        let folder = entry.map_err(system("read", path))?.path();
        let shard = name(&folder).and_then(|name| name.strip_prefix("journal-")?.parse().ok());
        let Some(shard) = shard.filter(|_| folder.is_dir()) else { continue };
        for entry in fs::read_dir(&folder).map_err(system("read", &folder))? {
            let path = entry.map_err(system("read", &folder))?.path();
            if let Some(number) = numbered(&path, ".segment") {
                let header = read_header(&path);
                let bytes = fs::metadata(&path).map_or(0, |found| found.len());
                segments.push(FoundSegment { path, shard, number, bytes, header });
            } else if let Some(segment) = numbered(&path, ".checkpoint") {
                checkpoints.push(FoundCheckpoint { path, shard, segment });
            }
        }
    }
    Ok((segments, checkpoints))
}

/// What the manifest of a shard's journal says, or what is wrong with it.
///
/// # Errors
/// When it cannot be believed.
pub fn read_manifest(path: &Path) -> Result<ManifestFound, String> {
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "the manifest is missing, which says which segments there were".to_owned(),
        _ => format!("the manifest cannot be read: {error}"),
    })?;
    Manifest::read(&bytes).map_err(str::to_owned)
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn numbered(path: &Path, ending: &str) -> Option<u64> {
    let digits = name(path)?.strip_suffix(ending).filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

fn read_header(path: &Path) -> Result<SegmentHeader, String> {
    let mut block = vec![0; BLOCK];
    let read = File::open(path).and_then(|file| read_up_to(&mut |bytes, at| file.read_at(bytes, at), &mut block, 0));
    let read = read.map_err(|error| format!("the segment cannot be read: {error}"))?;
    SegmentHeader::decode(&block[..read]).map_err(str::to_owned)
}

/// Gives a segment to `take`, part by part, and the areas that cannot be read, octets; they are zeros in the parts.
///
/// # Errors
/// When it cannot be opened at all: no part was given.
pub fn read_segment(
    path: &Path,
    number: u64,
    take: impl FnMut(&SegmentPart<'_>),
) -> Result<Vec<Range<u64>>, DirectoryError> {
    let file = File::open(path).map_err(system("open", path))?;
    let found = file.metadata().map_err(system("read", path))?;
    if !found.is_file() {
        return Err(system("read", path)(io::Error::other("it is no file")));
    }
    Ok(read_parts(number, found.len(), &mut |bytes, at| file.read_at(bytes, at), take))
}

fn read_parts(
    segment: u64,
    segment_bytes: u64,
    read_at: &mut impl FnMut(&mut [u8], u64) -> io::Result<usize>,
    mut take: impl FnMut(&SegmentPart<'_>),
) -> Vec<Range<u64>> {
    let mut unreadable: Vec<Range<u64>> = Vec::new();
    let mut buffer = vec![0; PART_BYTES.min(usize::try_from(segment_bytes).unwrap_or(PART_BYTES))];
    let mut offset = 0;
    loop {
        let bytes = usize::try_from(segment_bytes - offset).unwrap_or(usize::MAX).min(PART_BYTES);
        let part = &mut buffer[..bytes];
        if read_up_to(read_at, part, offset).is_err() {
            for (block, at) in part.chunks_mut(BLOCK).zip((offset..).step_by(BLOCK)) {
                if read_up_to(read_at, block, at).is_ok() {
                    continue;
                }
                block.fill(0);
                let area = at..at + block.len() as u64;
                match unreadable.last_mut() {
                    Some(last) if last.end == area.start => last.end = area.end,
                    _ => unreadable.push(area),
                }
            }
        }
        take(&SegmentPart { segment, segment_bytes, offset, bytes: part });
        offset += bytes as u64;
        if offset >= segment_bytes {
            return unreadable;
        }
    }
}

/// Reads as many octets as there are; what is behind them is zeros.
fn read_up_to(
    read_at: &mut impl FnMut(&mut [u8], u64) -> io::Result<usize>,
    bytes: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match read_at(&mut bytes[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(octets) => read += octets,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes[read..].fill(0);
    Ok(read)
}

/// Reads an area of a segment again; what cannot be read is zeros.
///
/// # Errors
/// When it cannot be opened.
pub fn read_area(path: &Path, offset: u64, bytes: usize) -> Result<Buffer, DirectoryError> {
    let file = File::open(path).map_err(system("open", path))?;
    let mut buffer = Buffer::zeroed(padded(bytes));
    let read_at = &mut |bytes: &mut [u8], at| file.read_at(bytes, at);
    if read_up_to(read_at, buffer.bytes_mut(), offset).is_err() {
        for (block, at) in buffer.bytes_mut().chunks_mut(BLOCK).zip((offset..).step_by(BLOCK)) {
            if read_up_to(read_at, block, at).is_err() {
                block.fill(0);
            }
        }
    }
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_device_does_not_give_is_told_and_the_rest_is_read() {
        let bytes: Vec<u8> = (0..2 * PART_BYTES + 5000).map(|at| (at / 100) as u8).collect();
        let bad = [3 * BLOCK..3 * BLOCK + 1, 4 * BLOCK + 9..4 * BLOCK + 10, PART_BYTES + 7..PART_BYTES + 8];
        let mut read_at = |out: &mut [u8], at: u64| {
            let at = at as usize;
            if bad.iter().any(|bad| bad.start < at + out.len() && at < bad.end) {
                return Err(io::Error::other("a bad sector"));
            }
            let rest = &bytes[at.min(bytes.len())..];
            let octets = rest.len().min(out.len());
            out[..octets].copy_from_slice(&rest[..octets]);
            Ok(octets)
        };
        let (mut found, mut last) = (Vec::new(), false);
        let unreadable = read_parts(7, bytes.len() as u64, &mut read_at, |part| {
            assert_eq!((part.segment, part.offset), (7, found.len() as u64));
            found.extend_from_slice(part.bytes);
            last = part.is_last();
        });
        let block = |number: usize| (number * BLOCK) as u64;
        let second = PART_BYTES / BLOCK;
        assert_eq!(unreadable, [block(3)..block(5), block(second)..block(second + 1)]);
        assert!(last && found.len() == bytes.len());
        for (number, (found, written)) in found.chunks(BLOCK).zip(bytes.chunks(BLOCK)).enumerate() {
            let gone = [3, 4, second].contains(&number);
            assert!(if gone { found.iter().all(|&octet| octet == 0) } else { found == written }, "block {number}");
        }
    }

    #[test]
    fn files_are_found_by_their_names_and_their_headers_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal-3");
        fs::create_dir_all(&journal).unwrap();
        fs::create_dir_all(folder.path().join("journal-x")).unwrap();
        fs::write(folder.path().join("journal-4"), "a file").unwrap();
        let header = SegmentHeader { shard: 1, segment: 9, directory: [2; 16], bytes: 1 << 20 };
        fs::write(journal.join("0000000000000002.segment"), header.encode()).unwrap();
        fs::write(journal.join("0000000000000003.segment"), "short").unwrap();
        fs::create_dir(journal.join("0000000000000004.segment")).unwrap();
        fs::write(journal.join("0000000000000002.checkpoint"), "none").unwrap();
        fs::write(journal.join("2.segment"), "no number").unwrap();
        let (mut segments, checkpoints) = find(folder.path()).unwrap();
        segments.sort_by_key(|segment| segment.number);
        assert_eq!(segments.iter().map(|found| found.number).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(segments[0].header, Ok(header));
        assert!(segments.iter().all(|found| found.shard == 3) && segments[1].header.is_err());
        assert_eq!(checkpoints.iter().map(|found| (found.shard, found.segment)).collect::<Vec<_>>(), [(3, 2)]);
        assert!(read_segment(&segments[2].path, 4, |_| panic!("a folder has no parts")).is_err());
        let mut parts = 0;
        assert_eq!(read_segment(&segments[1].path, 3, |_| parts += 1).unwrap(), []);
        assert_eq!(parts, 1);
    }
}
