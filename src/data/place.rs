//! The data directory that a tool was pointed at: taken if it is one, and if not, what is there instead and what to do.

use std::path::{Path, PathBuf};

use storage_disk::{DataDirectory, DirectoryError};

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// There is nothing.
    #[error(
        "there is no data directory {}: name it with --data-dir (a broker keeps it where node.data_dir says, ./heddle-data \
         unless that is set)", .0.display()
    )]
    Absent(PathBuf),
    /// There is something else.
    #[error("{} is no folder: name a data directory with --data-dir", .0.display())]
    NoFolder(PathBuf),
    /// There is a folder that is none of ours.
    #[error(
        "{} is no data directory: {what}. Name one with --data-dir (a broker keeps it where node.data_dir says, ./heddle-data \
         unless that is set)", path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What tells it.
        what: &'static str,
    },
    /// Journals are there, and what says whose they are is not.
    #[error(
        "{} has journals, and its directory.json is missing: put it back from a backup, or save what can be read with \
         `heddle data export --damaged --data-dir {}`", .0.display(), .0.display()
    )]
    Undescribed(PathBuf),
    /// A shard's journal is not there.
    #[error(
        "{} is missing, and directory.json says that there are {shards}: `heddle data export --damaged` saves what can be read \
         of the others", path.display()
    )]
    NoJournal {
        /// Its folder.
        path: PathBuf,
        /// How many journals there should be.
        shards: u16,
    },
    /// It cannot be taken.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Looks whether something is a data directory, or was one.
///
/// # Errors
/// What it is instead.
pub fn look(path: &Path) -> Result<(), PlaceError> {
    let found = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(PlaceError::Absent(path.to_owned())),
        found => found.map_err(|error| refused(path, error))?,
    };
    if !found.is_dir() {
        return Err(PlaceError::NoFolder(path.to_owned()));
    }
    let (mut entries, mut journals) = (0, 0);
    for entry in std::fs::read_dir(path).map_err(|error| refused(path, error))? {
        let name = entry.map_err(|error| refused(path, error))?.file_name();
        let name = name.to_string_lossy();
        if name == "directory.json" {
            return Ok(());
        }
        entries += 1;
        journals += usize::from(name.starts_with("journal-"));
    }
    let what = if entries == 0 { "it is empty" } else { "it has no directory.json and no journals" };
    match journals {
        0 => Err(PlaceError::Foreign { path: path.to_owned(), what }),
        _ => Err(PlaceError::Undescribed(path.to_owned())),
    }
}

/// Takes a data directory with all of its journals.
///
/// # Errors
/// When it is none, or a journal is missing.
pub fn open(path: &Path) -> Result<DataDirectory, PlaceError> {
    look(path)?;
    let directory = DataDirectory::open_existing(path)?;
    for shard in 0..directory.shards() {
        let path = directory.journal(shard).path().to_owned();
        if !path.is_dir() {
            return Err(PlaceError::NoJournal { path, shards: directory.shards() });
        }
    }
    Ok(directory)
}

fn refused(path: &Path, error: std::io::Error) -> PlaceError {
    DirectoryError::System { what: "read", path: path.to_owned(), error }.into()
}
