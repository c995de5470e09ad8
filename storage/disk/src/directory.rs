//! The data directory: whose it is, who has it now, and where each shard's segments are.
//!
//! ```text
//! heddle-data/
//!   lock                         held while a node or a tool works on it
//!   directory.json               identity, version of the format, number of shards
//!   journal-0/                   of shard 0
//!     0000000000000001.segment
//!   large/                       messages that are too large for a journal
//!     0000000000000001.large
//!   import-unfinished            while an import fills a new one: nobody takes it then
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use engine_rt::{Access, Existing, open_file};
use serde::{Deserialize, Serialize};
use storage_journal::format::{BLOCK, SegmentHeader, VERSION};
use storage_journal::{Buffer, Place};

/// Checkpoints that are kept: the last one, and the one before it in case the last one is damaged.
const CHECKPOINTS_KEPT: usize = 2;

/// A file that is there while a new data directory is filled.
const UNFINISHED: &str = "import-unfinished";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// Somebody else has it.
    #[error("the data directory {} is in use by another process: stop it, or choose another with --data-dir", .0.display())]
    InUse(PathBuf),
    /// It was written by another version.
    #[error(
        "the data directory {} has format {found}, and this version of Heddle knows {VERSION}: use the version that wrote it \
         to export its messages", path.display()
    )]
    Version {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// What describes it cannot be read.
    #[error("{} does not describe a data directory: {error}", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: serde_json::Error,
    },
    /// An import was cut off.
    #[error(
        "the data directory {} is what an import left that did not end: remove it, and import again", .0.display()
    )]
    Unfinished(PathBuf),
    /// Something is in it, and it is to be new.
    #[error(
        "{} is not empty ({found} is in it), and a new data directory is to be made: name one that is not there, or is empty, \
         with --data-dir", path.display()
    )]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// The system refused.
    #[error("cannot {what} {}: {error}", path.display())]
    System {
        /// What was to be done.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why it was not.
        error: io::Error,
    },
}

pub(crate) fn system<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> DirectoryError + 'a {
    move |error| DirectoryError::System { what, path: path.to_owned(), error }
}

/// What `directory.json` says.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Description {
    format: u32,
    id: String,
    shards: u16,
    segment_bytes: u64,
}

impl Description {
    fn identity(&self) -> Option<[u8; 16]> {
        let mut id = [0; 16];
        for (place, value) in id.iter_mut().enumerate() {
            *value = u8::from_str_radix(self.id.get(2 * place..2 * place + 2)?, 16).ok()?;
        }
        Some(id)
    }
}

/// What a data directory says of itself, for whoever reads what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its identity.
    pub id: [u8; 16],
    /// How many shards have a journal in it.
    pub shards: u16,
    /// Length of its segments, octets.
    pub segment_bytes: u64,
}

impl Described {
    /// Reads it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn read(path: &Path) -> Result<Self, DirectoryError> {
        let file = path.join("directory.json");
        let found = read_description(&file)?.ok_or_else(|| system("find", &file)(io::ErrorKind::NotFound.into()))?;
        let Description { format, shards, segment_bytes, .. } = found;
        if format != VERSION {
            return Err(DirectoryError::Version { path: path.to_owned(), found: format });
        }
        let id = found.identity().ok_or_else(|| {
            let error = serde::de::Error::custom("the identity is not 32 hexadecimal digits");
            DirectoryError::Description { path: file, error }
        })?;
        Ok(Self { id, shards, segment_bytes })
    }
}

/// A data directory that this process has.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    id: [u8; 16],
    shards: u16,
    segment_bytes: u64,
    access: Access,
    /// Held as long as this lives.
    _lock: File,
}

/// A directory that no node and no other tool works on while this lives, whatever is in it.
#[derive(Debug)]
pub struct DirectoryLock(#[expect(dead_code, reason = "it is held, not used")] File);

impl DirectoryLock {
    /// Takes it. On a disk that is mounted read-only, where nobody could work, the folder itself is taken.
    ///
    /// # Errors
    /// When somebody else has it, or the system refuses.
    pub fn take(path: &Path) -> Result<Self, DirectoryError> {
        match take_lock(path) {
            Err(DirectoryError::System { error, .. }) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                File::open(path).map(Self).map_err(system("open", path))
            }
            taken => taken.map(Self),
        }
    }
}

impl DataDirectory {
    /// Takes a data directory; makes it if it is not there.
    ///
    /// # Errors
    /// When somebody else has it, or it cannot be used.
    pub fn open(path: &Path, shards: u16, segment_bytes: u64, new_id: [u8; 16]) -> Result<Self, DirectoryError> {
        fs::create_dir_all(path).map_err(system("make the data directory", path))?;
        let lock = take_lock(path)?;
        is_finished(path)?;
        let file = path.join("directory.json");
        let description = match read_description(&file)? {
            Some(description) => description,
            None => {
                let id = new_id.iter().map(|octet| format!("{octet:02x}")).collect();
                let description = Description { format: VERSION, id, shards, segment_bytes };
                write_description(path, &description)?;
                description
            }
        };
        Self::with(path, description, lock)
    }

    /// Makes a new data directory, which nobody takes for whole before it was ended with `complete`.
    ///
    /// # Errors
    /// When something is there already.
    pub fn begin(path: &Path, shards: u16, segment_bytes: u64, new_id: [u8; 16]) -> Result<Self, DirectoryError> {
        fs::create_dir_all(path).map_err(system("make the data directory", path))?;
        if path.join(UNFINISHED).exists() {
            // Unless that one is at work.
            take_lock(path)?;
            return Err(DirectoryError::Unfinished(path.to_owned()));
        }
        for entry in fs::read_dir(path).map_err(system("read", path))? {
            let found = entry.map_err(system("read", path))?.file_name().to_string_lossy().into_owned();
            // A new file system has a folder for what is found of lost files.
            if !["lost+found", "lock"].contains(&found.as_str()) {
                return Err(DirectoryError::NotEmpty { path: path.to_owned(), found });
            }
        }
        let lock = take_lock(path)?;
        let marker = path.join(UNFINISHED);
        File::create(&marker).and_then(|file| file.sync_all()).map_err(system("make", &marker))?;
        sync_directory(path)?;
        let id = new_id.iter().map(|octet| format!("{octet:02x}")).collect();
        let description = Description { format: VERSION, id, shards, segment_bytes };
        write_description(path, &description)?;
        Self::with(path, description, lock)
    }

    /// Everything is in a directory that was begun.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn complete(&self) -> Result<(), DirectoryError> {
        let marker = self.path.join(UNFINISHED);
        fs::remove_file(&marker).map_err(system("remove", &marker))?;
        sync_directory(&self.path)
    }

    /// Where large messages are.
    pub fn large(&self) -> LargeFiles {
        LargeFiles { path: self.path.join("large"), access: self.access }
    }

    /// Takes a data directory that is there.
    ///
    /// # Errors
    /// When there is none, somebody else has it, or it cannot be used.
    pub fn open_existing(path: &Path) -> Result<Self, DirectoryError> {
        let file = path.join("directory.json");
        let Some(description) = read_description(&file)? else {
            return Err(system("find", &file)(io::ErrorKind::NotFound.into()));
        };
        let lock = take_lock(path)?;
        is_finished(path)?;
        Self::with(path, description, lock)
    }

    fn with(path: &Path, description: Description, lock: File) -> Result<Self, DirectoryError> {
        if description.format != VERSION {
            return Err(DirectoryError::Version { path: path.to_owned(), found: description.format });
        }
        let id = description.identity().ok_or_else(|| {
            let error = serde::de::Error::custom("the identity is not 32 hexadecimal digits");
            DirectoryError::Description { path: path.join("directory.json"), error }
        })?;
        let access = access_of(path)?;
        let Description { shards, segment_bytes, .. } = description;
        let directory = Self { path: path.to_owned(), id, shards, segment_bytes, access, _lock: lock };
        for shard in 0..shards {
            directory.journal(shard).settle_names(shard, id)?;
        }
        Ok(directory)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its identity.
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// How many shards have a journal in it.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// Length of its segments, octets.
    pub fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// Whether its file system does without the page cache.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Where a journal is that takes the place of a shard's journal once it is complete (`replace_journals`).
    pub fn next_journal(&self, shard: u16) -> JournalFiles {
        JournalFiles { path: self.path.join(format!("next-{shard}")), access: self.access }
    }

    /// The journal of a shard.
    pub fn journal(&self, shard: u16) -> JournalFiles {
        JournalFiles { path: self.path.join(format!("journal-{shard}")), access: self.access }
    }

    /// Whether journals that were to take the place of others were complete when the node ended.
    pub fn has_complete_journals(&self) -> bool {
        self.path.join("next-complete").exists()
    }

    /// Removes what was left of journals that never became complete.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn discard_next(&self) -> Result<(), DirectoryError> {
        for entry in fs::read_dir(&self.path).map_err(system("read", &self.path))? {
            let path = entry.map_err(system("read", &self.path))?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("next-")) && path.is_dir() {
                fs::remove_dir_all(&path).map_err(system("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Puts the next journals, of so many shards, into the place of those that are there. To be called again after a crash
    /// (`has_complete_journals`), it goes on where it was.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn replace_journals(&mut self, shards: u16) -> Result<(), DirectoryError> {
        let marker = self.path.join("next-complete");
        if !marker.exists() {
            let mut file = File::create(&marker).map_err(system("make", &marker))?;
            file.write_all(shards.to_string().as_bytes()).map_err(system("write", &marker))?;
            file.sync_all().map_err(system("sync", &marker))?;
            sync_directory(&self.path)?;
        }
        let text = fs::read_to_string(&marker).map_err(system("read", &marker))?;
        let shards: u16 =
            text.trim().parse().map_err(|_| system("read", &marker)(io::ErrorKind::InvalidData.into()))?;
        for shard in 0..shards.max(self.shards) {
            let (old, next) = (self.journal(shard).path, self.next_journal(shard).path);
            if (next.exists() || shard >= shards) && old.exists() {
                fs::remove_dir_all(&old).map_err(system("remove", &old))?;
            }
            if next.exists() {
                fs::rename(&next, &old).map_err(system("rename", &next))?;
            }
        }
        self.shards = shards;
        let id = self.id.iter().map(|octet| format!("{octet:02x}")).collect();
        let description = Description { format: VERSION, id, shards, segment_bytes: self.segment_bytes };
        write_description(&self.path, &description)?;
        fs::remove_file(&marker).map_err(system("remove", &marker))?;
        sync_directory(&self.path)
    }
}

fn is_finished(path: &Path) -> Result<(), DirectoryError> {
    if path.join(UNFINISHED).exists() { Err(DirectoryError::Unfinished(path.to_owned())) } else { Ok(()) }
}

fn take_lock(path: &Path) -> Result<File, DirectoryError> {
    let file = path.join("lock");
    let lock = File::options().create(true).truncate(false).write(true).open(&file).map_err(system("open", &file))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(DirectoryError::InUse(path.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(system("lock", &file)(error)),
    }
}

fn read_description(file: &Path) -> Result<Option<Description>, DirectoryError> {
    match fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| DirectoryError::Description { path: file.to_owned(), error }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(system("read", file)(error)),
    }
}

fn write_description(path: &Path, description: &Description) -> Result<(), DirectoryError> {
    let (file, next) = (path.join("directory.json"), path.join("directory.json.new"));
    let text = serde_json::to_vec_pretty(description).unwrap_or_default();
    let write = || -> io::Result<()> {
        let mut out = File::create(&next)?;
        out.write_all(&text)?;
        out.sync_all()?;
        fs::rename(&next, &file)
    };
    write().map_err(system("write", &file))?;
    sync_directory(path)
}

/// Brings names made and removed in a directory to stable storage.
pub(crate) fn sync_directory(path: &Path) -> Result<(), DirectoryError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(system("sync", path))
}

/// Finds out whether the file system does without the page cache.
fn access_of(path: &Path) -> Result<Access, DirectoryError> {
    let file = path.join("lock");
    match open_file(&file, Access::Direct, Existing::Must) {
        Ok(_) => Ok(Access::Direct),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(Access::Buffered),
        Err(error) => Err(system("open", &file)(error)),
    }
}

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

    /// Gives files their names again that a crash of the system took back: a segment that serves again is renamed, and its header
    /// written and synced, but not its name.
    ///
    /// # Errors
    /// When the system refuses.
    fn settle_names(&self, shard: u16, directory: [u8; 16]) -> Result<(), DirectoryError> {
        let mut settled = false;
        for number in self.numbers()? {
            let path = self.segment(number);
            let mut block = Buffer::zeroed(BLOCK);
            let read =
                open_file(&path, self.access, Existing::Must).and_then(|file| file.read_exact_at(block.bytes_mut(), 0));
            match read {
                // Replay says what is wrong with a file that is too short.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                read => read.map_err(system("read", &path))?,
            }
            // One with a lower number was renamed, and its header not written yet: nothing is in it.
            let ours = |header: &SegmentHeader| (header.shard, header.directory) == (shard, directory);
            let Some(header) = SegmentHeader::decode(block.bytes()).ok().filter(ours) else { continue };
            let named = self.segment(header.segment);
            if header.segment > number && !named.exists() {
                fs::rename(&path, named).map_err(system("rename", &path))?;
                settled = true;
            }
        }
        if settled { sync_directory(&self.path) } else { Ok(()) }
    }

    fn checkpoint(&self, segment: u64) -> PathBuf {
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
        sync_directory(&self.path).map_err(io::Error::other)?;
        for older in self.checkpoints().map_err(io::Error::other)?.into_iter().skip(CHECKPOINTS_KEPT) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_node_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDirectory::open(folder.path(), 2, 1 << 20, [7; 16]).unwrap();
        assert_eq!((first.id(), first.shards()), ([7; 16], 2));
        let second = DataDirectory::open(folder.path(), 2, 1 << 20, [8; 16]).unwrap_err();
        assert!(matches!(second, DirectoryError::InUse(_)), "{second}");
        drop(first);
        let again = DataDirectory::open(folder.path(), 4, 1 << 22, [8; 16]).unwrap();
        assert_eq!((again.id(), again.shards(), again.segment_bytes()), ([7; 16], 2, 1 << 20), "it is as it was made");
    }

    #[test]
    fn one_that_was_begun_is_nobodys_until_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let mut begun = DataDirectory::begin(&path, 2, 1 << 20, [5; 16]).unwrap();
        assert!(matches!(DirectoryLock::take(&path), Err(DirectoryError::InUse(_))), "it is held");
        let again = DataDirectory::begin(&path, 2, 1 << 20, [6; 16]);
        assert!(matches!(again, Err(DirectoryError::InUse(_))), "it is begun once");
        begun.replace_journals(2).unwrap();
        drop(begun);
        // A crash before the last step.
        let unfinished = DataDirectory::open(&path, 2, 1 << 20, [7; 16]);
        assert!(matches!(unfinished, Err(DirectoryError::Unfinished(_))));
        assert!(matches!(DataDirectory::open_existing(&path), Err(DirectoryError::Unfinished(_))));
        let again = DataDirectory::begin(&path, 2, 1 << 20, [6; 16]);
        assert!(matches!(again, Err(DirectoryError::Unfinished(_))));
        fs::write(folder.path().join("somebody's"), "").unwrap();
        let filled = DataDirectory::begin(folder.path(), 2, 1 << 20, [6; 16]);
        assert!(matches!(filled, Err(DirectoryError::NotEmpty { .. })));
        fs::remove_dir_all(&path).unwrap();
        fs::create_dir(&path).unwrap();
        fs::create_dir(path.join("lost+found")).unwrap();
        let begun = DataDirectory::begin(&path, 2, 1 << 20, [5; 16]).unwrap();
        begun.complete().unwrap();
        drop(begun);
        assert_eq!(DataDirectory::open_existing(&path).unwrap().id(), [5; 16]);
        assert_eq!(Described::read(&path).unwrap(), Described { id: [5; 16], shards: 2, segment_bytes: 1 << 20 });
        assert!(DirectoryLock::take(&path).is_ok());
        assert!(Described::read(folder.path()).is_err());
    }

    #[test]
    fn other_formats_and_noise_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(DataDirectory::open(folder.path(), 1, 1 << 20, [1; 16]).unwrap());
        let file = folder.path().join("directory.json");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("\"format\": 1", "\"format\": 9")).unwrap();
        let error = DataDirectory::open_existing(folder.path()).unwrap_err();
        assert!(error.to_string().contains("format 9"), "{error}");
        fs::write(&file, "{}").unwrap();
        assert!(matches!(DataDirectory::open_existing(folder.path()), Err(DirectoryError::Description { .. })));
    }

    #[test]
    fn names_that_a_crash_took_back_are_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDirectory::open(folder.path(), 1, 1 << 20, [1; 16]).unwrap();
        let files = data.journal(0);
        fs::create_dir_all(files.path()).unwrap();
        let write = |name: u64, directory: u8, segment: u64| {
            let header = SegmentHeader { shard: 0, segment, directory: [directory; 16], bytes: 1 << 20 };
            fs::write(files.segment(name), header.encode()).unwrap();
        };
        // Serves again and has its old name; has its new name and its old header; is what it says; is somebody else's; is none.
        write(1, 1, 6);
        write(7, 1, 2);
        write(3, 1, 3);
        write(4, 9, 8);
        fs::write(files.segment(5), "short").unwrap();
        drop(data);
        let data = DataDirectory::open_existing(folder.path()).unwrap();
        assert_eq!(data.journal(0).numbers().unwrap(), [3, 4, 5, 6, 7]);
        let header = SegmentHeader::decode(&fs::read(files.segment(6)).unwrap()).unwrap();
        assert_eq!(header.segment, 6);
    }

    #[test]
    fn journals_are_replaced_as_one_even_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let mut data = DataDirectory::open(folder.path(), 3, 1 << 20, [1; 16]).unwrap();
        let fill = |files: &JournalFiles, text: &str| {
            fs::create_dir_all(files.path()).unwrap();
            fs::write(files.segment(1), text).unwrap();
        };
        (0..3).for_each(|shard| fill(&data.journal(shard), "old"));
        (0..2).for_each(|shard| fill(&data.next_journal(shard), "new"));
        // A crash after the decision and the first step of carrying it out.
        fs::write(folder.path().join("next-complete"), "2").unwrap();
        fs::remove_dir_all(data.journal(0).path()).unwrap();
        fs::rename(data.next_journal(0).path(), data.journal(0).path()).unwrap();
        assert!(data.has_complete_journals());
        data.replace_journals(2).unwrap();
        assert!(!data.has_complete_journals());
        assert_eq!(data.shards(), 2);
        for shard in 0..2 {
            assert_eq!(fs::read_to_string(data.journal(shard).segment(1)).unwrap(), "new");
        }
        assert!(!data.journal(2).path().exists());
    }
}
