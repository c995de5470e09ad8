//! The files of one shard's journal by their names, and what they say of themselves.
//!
//! Guarantees: a name that a crash took back is given again before anything is read; a checkpoint is written whole or
//! not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use engine_rt::{Access, Existing, open_file};
use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{Buffer, Place, SegmentFound};

use crate::directory::{DirectoryError, sync_directory, system};

/// Checkpoints that are kept: the last one, and the one before it in case the last one is damaged.
const CHECKPOINTS_KEPT: usize = 2;

/// Where the segments of one shard are.
#[derive(Clone, Debug)]
pub struct JournalFiles {
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
}

/// Where large messages are.
#[derive(Clone, Debug)]
pub struct LargeFiles {
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
}

impl LargeFiles {
    /// Those of a data directory that may be damaged; with the page cache, which any file system has.
    pub fn of(directory: &Path) -> Self {
        Self { path: directory.join("large"), access: Access::Buffered }
    }

    /// The part of an id that counts; the rest is the shard that made it.
    pub const COUNTER: u64 = (1 << 48) - 1;

    /// The file of a message.
    pub fn file(&self, id: u64) -> PathBuf {
        self.path.join(format!("{id:016x}.large"))
    }
}

impl JournalFiles {
    /// The file of a large message.
    pub(crate) fn large_file(&self, id: u64) -> PathBuf {
        let directory = self.path.parent().unwrap_or(&self.path);
        LargeFiles { path: directory.join("large"), access: self.access }.file(id)
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a segment.
    pub fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:016x}.segment"))
    }

    /// The file of the manifest.
    pub fn manifest_path(&self) -> PathBuf {
        self.path.join("manifest")
    }

    /// The segments that are there, in the order of their numbers, with their headers.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn segments(&self) -> Result<Vec<SegmentFound>, DirectoryError> {
        let found = self.numbers()?.into_iter().map(|number| {
            let path = self.segment(number);
            let bytes = fs::metadata(&path).map_err(system("read", &path))?.len();
            Ok(SegmentFound { number, bytes, header: self.header(number)? })
        });
        found.collect()
    }

    /// The header of a segment, or what is wrong with it.
    fn header(&self, number: u64) -> Result<Result<SegmentHeader, &'static str>, DirectoryError> {
        let path = self.segment(number);
        let mut block = Buffer::zeroed(BLOCK);
        let read =
            open_file(&path, self.access, Existing::Must).and_then(|file| file.read_exact_at(block.bytes_mut(), 0));
        match read {
            Ok(()) => Ok(SegmentHeader::decode(block.bytes())),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(SegmentHeader::decode(&[])),
            Err(error) => Err(system("read", &path)(error)),
        }
    }

    /// The numbers of the segments that are there, in order.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn numbers(&self) -> Result<Vec<u64>, DirectoryError> {
        self.numbered(".segment")
    }

    fn numbered(&self, ending: &str) -> Result<Vec<u64>, DirectoryError> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(system("read", &self.path)(error)),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry.map_err(system("read", &self.path))?.file_name();
            let name = name.to_string_lossy();
            let digits = name.strip_suffix(ending).filter(|digits| digits.len() == 16);
            numbers.extend(digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Gives files their names again that a crash of the system took back: a segment that serves again is renamed, and
    /// its header written and synced, but not its name.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn settle_names(&self, shard: u16, directory: [u8; 16]) -> Result<(), DirectoryError> {
        let mut settled = false;
        for number in self.numbers()? {
            // One with a lower number was renamed, and its header not written yet: nothing is in it.
            let ours = |header: &SegmentHeader| (header.shard, header.directory) == (shard, directory);
            // Replay says what is wrong with another one.
            let Some(header) = self.header(number)?.ok().filter(ours) else { continue };
            let (path, named) = (self.segment(number), self.segment(header.segment));
            if header.segment > number && !named.exists() {
                fs::rename(&path, named).map_err(system("rename", &path))?;
                settled = true;
            }
        }
        if settled { sync_directory(&self.path) } else { Ok(()) }
    }

    /// The file of a checkpoint.
    pub fn checkpoint(&self, segment: u64) -> PathBuf {
        self.path.join(format!("{segment:016x}.checkpoint"))
    }

    /// The checkpoints that are there, by the segment that a replay goes on with, newest first.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn checkpoints(&self) -> Result<Vec<u64>, DirectoryError> {
        let mut numbers = self.numbered(".checkpoint")?;
        numbers.reverse();
        Ok(numbers)
    }

    /// Reads a checkpoint whole.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn read_checkpoint(&self, segment: u64) -> Result<Vec<u8>, DirectoryError> {
        let path = self.checkpoint(segment);
        fs::read(&path).map_err(system("read", &path))
    }

    /// Writes a checkpoint, and removes all but the one before it.
    pub(crate) fn write_checkpoint(&self, segment: u64, bytes: &[u8]) -> io::Result<()> {
        let next = self.path.join("next.checkpoint");
        let write = || -> io::Result<()> {
            let mut out = File::create(&next)?;
            out.write_all(bytes)?;
            out.sync_all()?;
            fs::rename(&next, self.checkpoint(segment))
        };
        let written = write();
        if written.is_err() {
            // What is half written takes room that somebody may need; that it cannot be removed changes nothing.
            let _ = fs::remove_file(&next);
        }
        written?;
        sync_directory(&self.path).map_err(DirectoryError::into_cause)?;
        for older in self.checkpoints().map_err(DirectoryError::into_cause)?.into_iter().skip(CHECKPOINTS_KEPT) {
            fs::remove_file(self.checkpoint(older))?;
        }
        Ok(())
    }

    /// Reads a part of a segment.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn read_part(&self, place: Place, bytes: usize) -> Result<Buffer, DirectoryError> {
        let path = self.segment(place.segment);
        let mut buffer = Buffer::zeroed(bytes);
        let read = open_file(&path, self.access, Existing::Must)
            .and_then(|file| file.read_exact_at(buffer.bytes_mut(), place.offset));
        read.map_err(system("read", &path))?;
        Ok(buffer)
    }
}
