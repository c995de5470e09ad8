//! The data directory: whose it is, who has it now, and where each shard's segments are.
//!
//! ```text
//! heddle-data/
//!   lock                         held while a node or a tool works on it
//!   directory.json               identity, version of the format, number of shards, length of segments, checksum of
//! these journal-0/                   of shard 0
//!     manifest                   what of it must be there (`manifest.rs`)
//!     0000000000000001.segment
//!   catalogue                    what administrators said of addresses and queues (`catalogue.rs`)
//!   large/                       messages that are too large for a journal
//!     0000000000000001.large
//! ```
//!   import-unfinished            while an import fills a new one: nobody takes it then
//!
//! A directory is made with all of its journals, `directory.json` last: whatever is missing of it later was lost.
//! Journals without that file are never taken for nothing: nothing is written to such a directory.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use engine_rt::{Access, Existing, open_file};
use storage_journal::Owner;

use crate::description::{
    Description, FORMAT, holds_messages, journals, read_description, refuse_remains, what_instead, write_description,
};
use crate::files::{JournalFiles, LargeFiles};

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
        "the data directory {} has format {found}, and this version of Heddle knows {FORMAT}: export it with the \
         version that wrote it (`heddle data export`), and import that with this one (`heddle data import`)", path.display()
    )]
    Version {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// What describes it cannot be read.
    #[error(
        "{} does not describe a data directory: {error}. Put it back from a backup, or save what can be read with \
         `heddle data export --damaged`", path.display()
    )]
    Description {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: serde_json::Error,
    },
    /// There is none.
    #[error(
        "there is no data directory at {}: {what}. Name one with --data-dir (a broker keeps it where node.data_dir says, \
         ./heddle-data unless that is set)", path.display()
    )]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
        /// What is there instead.
        what: &'static str,
    },
    /// What describes it is gone, and what it described is not.
    #[error(
        "{} is there, and {} is missing, which says whose it is. Nothing was changed. Put that file back from a backup, save \
         what can be read with `heddle data export --damaged`, or name another directory with --data-dir",
        found.display(), path.display()
    )]
    Undescribed {
        /// What is missing.
        path: PathBuf,
        /// What is there.
        found: PathBuf,
    },
    /// It has a journal that its description does not count.
    #[error(
        "{} is there, and directory.json counts {shards}: that file is not the last one that was written here. Nothing was \
         changed. Put the right one back from a backup, or move directory.json away and save what can be read with \
         `heddle data export --damaged`", found.display()
    )]
    Uncounted {
        /// The journal.
        found: PathBuf,
        /// How many there should be.
        shards: u16,
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

impl DirectoryError {
    /// What the system said, for whoever looks at what kind of error it is.
    pub(crate) fn into_cause(self) -> io::Error {
        match self {
            Self::System { error, .. } => error,
            other => io::Error::other(other),
        }
    }
}

pub(crate) fn system<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> DirectoryError + 'a {
    move |error| DirectoryError::System { what, path: path.to_owned(), error }
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
        let found = read_description(&file)?;
        let (description, id) = found.ok_or_else(|| system("find", &file)(io::ErrorKind::NotFound.into()))?;
        let Description { shards, segment_bytes, .. } = description;
        Ok(Self { id, shards, segment_bytes })
    }
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
    /// Takes a data directory; makes it if there is nothing.
    ///
    /// # Errors
    /// When somebody else has it, or it cannot be used, or what describes it is missing.
    pub fn open(path: &Path, shards: u16, segment_bytes: u64, new_id: [u8; 16]) -> Result<Self, DirectoryError> {
        let file = path.join("directory.json");
        if read_description(&file)?.is_none() {
            refuse_remains(path)?;
        }
        fs::create_dir_all(path).map_err(system("make the data directory", path))?;
        let lock = take_lock(path)?;
        is_finished(path)?;
        let (description, id) = match read_description(&file)? {
            Some(described) => described,
            None => (make(path, shards, segment_bytes, new_id)?, new_id),
        };
        Self::with(path, &description, id, lock)
    }

    /// Where large messages are.
    pub fn large(&self) -> LargeFiles {
        LargeFiles { path: self.path.join("large"), access: self.access }
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
        let description = make(path, shards, segment_bytes, new_id)?;
        Self::with(path, &description, new_id, lock)
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

    /// Takes a data directory that is there.
    ///
    /// # Errors
    /// When there is none, somebody else has it, or it cannot be used.
    pub fn open_existing(path: &Path) -> Result<Self, DirectoryError> {
        Self::look(path)?;
        let found = read_description(&path.join("directory.json"))?;
        let (description, id) = found.ok_or_else(|| what_instead(path))?;
        let lock = take_lock(path)?;
        is_finished(path)?;
        Self::with(path, &description, id, lock)
    }

    /// Looks whether something is a data directory, and takes nothing.
    ///
    /// # Errors
    /// What is there instead; `Undescribed` is what was one.
    pub fn look(path: &Path) -> Result<(), DirectoryError> {
        if path.join("directory.json").exists() { Ok(()) } else { Err(what_instead(path)) }
    }

    fn with(path: &Path, description: &Description, id: [u8; 16], lock: File) -> Result<Self, DirectoryError> {
        let access = access_of(path)?;
        let &Description { shards, segment_bytes, .. } = description;
        let mut directory = Self { path: path.to_owned(), id, shards, segment_bytes, access, _lock: lock };
        if directory.has_complete_journals() {
            // A crash came while they took the places of others, which is decided.
            directory.replace_journals(shards)?;
        }
        let shards = directory.shards;
        let uncounted = journals(path)?.into_iter().find(|(shard, path)| *shard >= shards && holds_messages(path));
        if let Some((_, found)) = uncounted {
            return Err(DirectoryError::Uncounted { found, shards });
        }
        for shard in 0..shards {
            directory.journal(shard).settle_names(shard, id)?;
        }
        Ok(directory)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose the journal of a shard is.
    pub fn owner(&self, shard: u16) -> Owner {
        Owner { shard, directory: self.id, segment_bytes: self.segment_bytes }
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
    fn has_complete_journals(&self) -> bool {
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

    /// Puts the next journals, of so many shards, into the place of those that are there. What a crash cuts off goes on
    /// when the directory is taken again.
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
        write_description(&self.path, &Description::new(self.id, shards, self.segment_bytes))?;
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

/// Makes a data directory, with the journals of all shards: `directory.json` comes last, so that one that a crash cut
/// off holds nothing.
fn make(path: &Path, shards: u16, segment_bytes: u64, id: [u8; 16]) -> Result<Description, DirectoryError> {
    for shard in 0..shards {
        let files = JournalFiles { path: path.join(format!("journal-{shard}")), access: Access::Buffered };
        files.create(&Owner { shard, directory: id, segment_bytes })?;
    }
    sync_directory(path)?;
    let description = Description::new(id, shards, segment_bytes);
    write_description(path, &description)?;
    tracing::info!(target: "heddle::storage", path = %path.display(), shards, "a new data directory was made");
    Ok(description)
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

#[cfg(test)]
mod tests {
    use storage_journal::format::SegmentHeader;

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
    fn other_formats_and_noise_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(DataDirectory::open(folder.path(), 1, 1 << 20, [1; 16]).unwrap());
        let file = folder.path().join("directory.json");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("\"format\": 3", "\"format\": 9")).unwrap();
        let error = DataDirectory::open_existing(folder.path()).unwrap_err();
        assert!(error.to_string().contains("format 9"), "{error}");
        for other in ["{}".to_owned(), String::new(), text.replace("\"shards\": 1", "\"shards\": 0")] {
            fs::write(&file, other).unwrap();
            assert!(matches!(DataDirectory::open_existing(folder.path()), Err(DirectoryError::Description { .. })));
        }
    }

    #[test]
    fn no_octet_of_the_description_changes_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        drop(DataDirectory::open(folder.path(), 3, 1 << 20, [1; 16]).unwrap());
        let file = folder.path().join("directory.json");
        let text = fs::read(&file).unwrap();
        for (octet, bit) in (0..text.len()).flat_map(|octet| (0..8).map(move |bit| (octet, bit))) {
            let mut flipped = text.clone();
            flipped[octet] ^= 1 << bit;
            fs::write(&file, flipped).unwrap();
            if let Ok(data) = DataDirectory::open_existing(folder.path()) {
                let said = (data.id(), data.shards(), data.segment_bytes());
                assert_eq!(said, ([1; 16], 3, 1 << 20), "bit {bit} of octet {octet}");
            }
        }
    }

    #[test]
    fn what_was_made_without_a_description_is_made_again_and_what_was_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("directory.json");
        assert!(matches!(DataDirectory::open_existing(folder.path()), Err(DirectoryError::Absent { .. })));
        drop(DataDirectory::open(folder.path(), 2, 1 << 20, [1; 16]).unwrap());
        // A crash before the description.
        fs::remove_file(&file).unwrap();
        fs::write(folder.path().join("journal-1/manifest"), "half of one").unwrap();
        drop(DataDirectory::open(folder.path(), 1, 1 << 20, [2; 16]).unwrap());
        let data = DataDirectory::open_existing(folder.path()).unwrap();
        assert_eq!((data.id(), data.shards()), ([2; 16], 1));
        let owner = data.owner(0);
        let header = SegmentHeader { shard: 0, segment: 1, directory: [2; 16], bytes: 1 << 20 };
        fs::write(data.journal(0).segment(1), header.encode()).unwrap();
        data.next_journal(0).create(&owner).unwrap();
        data.discard_next().unwrap();
        let lone = data.journal(7);
        drop(data);
        let before = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let refused = DataDirectory::open(folder.path(), 1, 1 << 20, [3; 16]).unwrap_err();
        assert!(
            matches!(&refused, DirectoryError::Undescribed { found, .. } if found.ends_with("journal-0")),
            "{refused}"
        );
        assert!(!file.exists(), "nothing was written");
        // One that was written before there were more shards.
        fs::write(&file, before).unwrap();
        lone.create(&Owner { shard: 7, ..owner }).unwrap();
        drop(DataDirectory::open_existing(folder.path()).unwrap());
        fs::write(lone.segment(1), "").unwrap();
        let refused = DataDirectory::open_existing(folder.path()).unwrap_err();
        assert!(matches!(refused, DirectoryError::Uncounted { shards: 1, .. }), "{refused}");
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
        let data = DataDirectory::open(folder.path(), 3, 1 << 20, [1; 16]).unwrap();
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
        drop(data);
        let data = DataDirectory::open_existing(folder.path()).unwrap();
        assert!(!data.has_complete_journals());
        assert_eq!(data.shards(), 2);
        for shard in 0..2 {
            assert_eq!(fs::read_to_string(data.journal(shard).segment(1)).unwrap(), "new");
        }
        assert!(!data.journal(2).path().exists());
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
}
