//! The manifest of a journal as a file (`storage_journal::Manifest`): made with the journal, read at a start, raised by
//! the disk's thread that prepares and removes segments.
//!
//! Guarantees: what `raise` returned from is on stable storage; it is written in place, so that the file system's
//! journal has nothing to do with it. After a failed write nothing is written any more, as that ends the node.

use std::fs::File;
use std::io;

use engine_rt::{Existing, Sync, open_file, write_synced};
use storage_journal::{Buffer, Manifest, ManifestFound, ManifestTail, Owner};

use crate::directory::{DirectoryError, sync_directory, system};
use crate::files::JournalFiles;

/// The manifest of a journal that is written.
#[derive(Debug)]
pub(crate) struct ManifestFile {
    file: File,
    owner: Owner,
    sync: Sync,
    manifest: Manifest,
    tail: ManifestTail,
    generation: u64,
}

/// What it is to say at least.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub manifest: Manifest,
    /// The last batch that the first segment follows from, if that is a later one than it said.
    pub firm: u64,
}

impl ManifestFile {
    /// The manifest that is there.
    ///
    /// # Errors
    /// When it cannot be read, or is not this journal's.
    pub fn open(files: &JournalFiles, owner: Owner, sync: Sync) -> io::Result<Self> {
        let bytes = std::fs::read(files.manifest_path())?;
        let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let ManifestFound { owner: found, manifest, tail, generation, .. } = Manifest::read(&bytes).map_err(damaged)?;
        if found != owner {
            return Err(damaged("the manifest is another journal's"));
        }
        let file = open_file(&files.manifest_path(), files.access, Existing::Must)?;
        Ok(Self { file, owner, sync, manifest, tail, generation })
    }

    /// What it says.
    pub fn says(&self) -> Manifest {
        self.manifest
    }

    /// Has it say that much more, if that is more.
    ///
    /// # Errors
    /// When the system could not: what it says is not known then.
    pub fn raise(&mut self, more: Said) -> io::Result<()> {
        let manifest = self.manifest.join(more.manifest);
        if manifest == self.manifest {
            return Ok(());
        }
        let rises = manifest.first > self.manifest.first;
        let firm = if rises { self.tail.firm.max(more.firm) } else { self.tail.firm };
        self.write(manifest, ManifestTail { firm, ..self.tail })
    }

    /// Has it say this, also if that is less.
    ///
    /// # Errors
    /// As for `raise`.
    pub fn write(&mut self, manifest: Manifest, tail: ManifestTail) -> io::Result<()> {
        let (block, at) = manifest.encode(&tail, &self.owner, self.generation + 1);
        let mut buffer = Buffer::with_capacity(block.len());
        buffer.extend(&block);
        write_synced(&self.file, buffer.bytes(), at, self.sync)?;
        (self.manifest, self.tail) = (manifest, tail);
        self.generation += 1;
        Ok(())
    }
}

impl JournalFiles {
    /// Makes the folder of a journal in which nothing was written yet, and its manifest. Its own name is the caller's
    /// to sync.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(&self, owner: &Owner) -> Result<(), DirectoryError> {
        std::fs::create_dir_all(&self.path).map_err(system("make", &self.path))?;
        let path = self.manifest_path();
        let make = || -> io::Result<()> {
            std::fs::write(&path, Manifest::NEW.file(owner).0)?;
            File::open(&path)?.sync_all()
        };
        make().map_err(system("write", &path))?;
        sync_directory(&self.path)
    }

    /// Reads the manifest; `Err` within says why it cannot be believed.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn manifest(&self) -> Result<Result<ManifestFound, &'static str>, DirectoryError> {
        let path = self.manifest_path();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Manifest::read(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Err("the manifest is missing, which says what of the journal must be there"))
            }
            Err(error) => Err(system("read", &path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use engine_rt::Access;

    use super::*;

    #[test]
    fn what_was_raised_is_read_again_and_never_falls() {
        let folder = tempfile::tempdir().unwrap();
        let files = JournalFiles { path: folder.path().join("journal-3"), access: Access::Buffered };
        let owner = Owner { shard: 3, directory: [1; 16], segment_bytes: 1 << 20 };
        assert!(files.manifest().unwrap().is_err(), "it is missing");
        files.create(&owner).unwrap();
        let mut file = ManifestFile::open(&files, owner, Sync::AfterWrite).unwrap();
        for (more, firm, expected, firmly) in [
            (Manifest { first: 1, last: 1, batch: 0 }, 3, Manifest { first: 1, last: 1, batch: 0 }, 0),
            (Manifest { first: 3, last: 0, batch: 7 }, 5, Manifest { first: 3, last: 1, batch: 7 }, 5),
            (Manifest { first: 2, last: 9, batch: 6 }, 8, Manifest { first: 3, last: 9, batch: 7 }, 5),
        ] {
            file.raise(Said { manifest: more, firm }).unwrap();
            let read = files.manifest().unwrap().unwrap();
            assert_eq!((read.manifest, read.damage, file.says()), (expected, None, expected));
            assert_eq!(read.tail, ManifestTail { firm: firmly, cut: None });
        }
        drop(file);
        assert!(ManifestFile::open(&files, Owner { shard: 2, ..owner }, Sync::AfterWrite).is_err());
        let file = ManifestFile::open(&files, owner, Sync::AfterWrite).unwrap();
        assert_eq!(file.says(), Manifest { first: 3, last: 9, batch: 7 });
    }
}
