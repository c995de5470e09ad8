//! The data directory that a tool was pointed at: taken if it is one with all of its journals. What is there instead is told by
//! `storage_disk::DirectoryError`.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use storage_disk::DataDirectory;

/// Where the data is.
#[derive(Args)]
pub struct Where {
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "./heddle-data")]
    pub(super) data_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Takes a data directory with all of its journals.
///
/// # Errors
/// When it is none, or a journal is missing.
pub(super) fn open(path: &Path) -> Result<DataDirectory, Box<dyn std::error::Error>> {
    let directory = DataDirectory::open_existing(path)?;
    let mut journals = (0..directory.shards()).map(|shard| directory.journal(shard));
    match journals.find(|journal| !journal.path().is_dir()) {
        None => Ok(directory),
        Some(missing) => Err(format!(
            "{} is missing, and directory.json says that there are {}: `heddle data export --damaged` saves what can be read \
             of the others",
            missing.path().display(),
            directory.shards()
        )
        .into()),
    }
}

/// Octets of all files in a folder and those in it.
pub(super) fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += if found.is_dir() { size(&entry.path())? } else { found.len() };
    }
    Ok(bytes)
}
