//! The file of the catalogue's log: read whole at a start, appended to, and put anew as a whole.
//!
//! Guarantees:
//! 1. What `append` and `create` returned from is on stable storage.
//! 2. A file is put anew under another name first, so that a crash leaves the old one or the new one.
//! 3. After a failed write or sync nothing is written any more: what the file says is not known then.
//!
//! Not here: what the octets mean (`engine_catalogue::log`).

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::directory::{DirectoryError, sync_directory, system};

/// The file of a data directory's catalogue.
#[derive(Debug)]
pub struct CatalogueFile {
    path: PathBuf,
    file: File,
    failed: bool,
}

impl CatalogueFile {
    /// Where it is in a data directory.
    fn path_in(directory: &Path) -> PathBuf {
        directory.join("catalogue")
    }

    /// The octets of the file, of which at most `most` are taken; `None` if there is no file.
    ///
    /// # Errors
    /// When the system refuses, or there are more octets.
    pub fn read(directory: &Path, most: u64) -> Result<Option<Vec<u8>>, DirectoryError> {
        let path = Self::path_in(directory);
        let read = || -> io::Result<Option<Vec<u8>>> {
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            let mut bytes = Vec::new();
            file.take(most + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > most {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} octets")));
            }
            Ok(Some(bytes))
        };
        read().map_err(system("read", &path))
    }

    /// Opens the file to append behind its first `whole_bytes`; what is behind them was never whole, and is cut off.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(directory: &Path, whole_bytes: u64) -> Result<Self, DirectoryError> {
        let path = Self::path_in(directory);
        let open = || -> io::Result<File> {
            let mut file = File::options().read(true).write(true).open(&path)?;
            if file.metadata()?.len() != whole_bytes {
                file.set_len(whole_bytes)?;
                file.sync_all()?;
            }
            file.seek(SeekFrom::Start(whole_bytes))?;
            Ok(file)
        };
        let file = open().map_err(system("open", &path))?;
        Ok(Self { path, file, failed: false })
    }

    /// Puts a whole file into the place of what is there, if anything is.
    ///
    /// # Errors
    /// When the system refuses; the old file is there then.
    pub fn create(directory: &Path, bytes: &[u8]) -> Result<Self, DirectoryError> {
        let (path, next) = (Self::path_in(directory), directory.join("catalogue.next"));
        let write = || -> io::Result<File> {
            let mut file = File::create(&next)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&next, &path)?;
            Ok(file)
        };
        let file = write().map_err(system("write", &next))?;
        sync_directory(directory)?;
        Ok(Self { path, file, failed: false })
    }

    /// Appends octets.
    ///
    /// # Errors
    /// When the system refuses, or did before.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DirectoryError> {
        if self.failed {
            let failed =
                io::Error::other("a write to it failed before, and what it has is not known: start the node again");
            return Err(system("write", &self.path)(failed));
        }
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        self.failed = written.is_err();
        written.map_err(system("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert!(CatalogueFile::read(path, 100).unwrap().is_none());
        assert!(CatalogueFile::open(path, 0).is_err(), "there is none to append to");
        let mut file = CatalogueFile::create(path, b"head").unwrap();
        file.append(b"one").unwrap();
        drop(file);
        assert_eq!(CatalogueFile::read(path, 7).unwrap().as_deref(), Some(&b"headone"[..]));
        assert!(CatalogueFile::read(path, 6).is_err());
        // The last one was torn.
        let mut file = CatalogueFile::open(path, 5).unwrap();
        file.append(b"two").unwrap();
        assert_eq!(CatalogueFile::read(path, 100).unwrap().as_deref(), Some(&b"headotwo"[..]));
        // A crash left a new file that took no place yet.
        fs::write(path.join("catalogue.next"), b"noise that is longer").unwrap();
        let mut file = CatalogueFile::create(path, b"new").unwrap();
        file.append(b"er").unwrap();
        assert_eq!(CatalogueFile::read(path, 100).unwrap().as_deref(), Some(&b"newer"[..]));
    }

    #[test]
    fn after_a_failed_write_nothing_is_written() {
        let file = File::options().write(true).open("/dev/full").unwrap();
        let mut file = CatalogueFile { path: "/dev/full".into(), file, failed: false };
        assert!(file.append(b"x").is_err());
        let error = file.append(b"x").unwrap_err().to_string();
        assert!(error.contains("failed before"), "{error}");
    }
}
