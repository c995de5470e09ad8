//! The catalogue at start: read from the data directory, and brought to what the configuration says.
//!
//! Guarantees: what a node starts with is on stable storage before it serves; definitions that the configuration no longer has are gone,
//! and what management said is as it was.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_catalogue::limits::LOG_MAX;
use engine_catalogue::log::{Log, LogError, recover};
use engine_catalogue::{Catalogue, Change, ChangeError, Definition, Placement};
use storage_disk::{CatalogueFile, DirectoryError};

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Its file cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Its file says nothing that can be taken.
    #[error(
        "{}: {error}. Nothing was changed. Put the file back from a backup, or move it away: what the configuration says is then defined \
         anew, and what management said is lost", path.display()
    )]
    Log {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: LogError,
    },
    /// The configuration says what cannot be.
    #[error("the configuration cannot be taken over: {0}")]
    Change(#[from] ChangeError),
    /// There is too much of it.
    #[error("the catalogue would have more than {LOG_MAX} bytes: define less by itself, and more by match")]
    TooLarge,
}

/// Opens the catalogue of a data directory, or makes one that is only in memory.
///
/// # Errors
/// When it cannot be read, written, or brought to what the configuration says.
pub fn open(
    placement: Placement,
    definitions: &[Definition],
    directory: Option<&Path>,
) -> Result<Arc<Catalogue>, CatalogueError> {
    let Some(directory) = directory else {
        let catalogue = Catalogue::new(placement);
        return Ok(Arc::new(catalogue.apply(&catalogue.reconcile(definitions))?));
    };
    let Some(bytes) = CatalogueFile::read(directory, LOG_MAX)? else {
        let catalogue = Catalogue::new(placement);
        let catalogue = catalogue.apply(&catalogue.reconcile(definitions))?;
        let seed = RandomState::new().hash_one(std::process::id());
        let file = Log::new(seed, 0).compact(&catalogue).ok_or(CatalogueError::TooLarge)?;
        CatalogueFile::create(directory, &file)?;
        return Ok(Arc::new(catalogue));
    };
    let read =
        recover(placement, &bytes).map_err(|error| CatalogueError::Log { path: directory.join("catalogue"), error })?;
    if read.torn_bytes > 0 {
        tracing::warn!(target: "heddle::program", bytes = read.torn_bytes,
            "the last change of the catalogue was not written to its end: nobody was told that it was made, and it is left out");
    }
    let changes = read.catalogue.reconcile(definitions);
    let mut log = Log::new(read.seed, read.whole_bytes);
    if changes.is_empty() {
        return Ok(Arc::new(read.catalogue));
    }
    let next = read.catalogue.apply(&changes)?;
    tell(&next, &changes);
    match log.append(next.version(), &changes) {
        Some(records) if !log.is_long() => CatalogueFile::open(directory, read.whole_bytes)?.append(&records)?,
        _ => {
            let file = log.compact(&next).ok_or(CatalogueError::TooLarge)?;
            CatalogueFile::create(directory, &file)?;
        }
    }
    Ok(Arc::new(next))
}

/// Says what the configuration changed. Each is a line at the level debug; there may be as many as the configuration has.
fn tell(catalogue: &Catalogue, changes: &[Change]) {
    let mut removed = 0;
    for change in changes {
        let (kind, key) = change.subject();
        let what = match change {
            Change::Define { .. } => "the configuration defines it",
            Change::Remove { .. } => "the configuration no longer has it",
        };
        removed += usize::from(matches!(change, Change::Remove { .. }));
        tracing::debug!(target: "heddle::program", kind = kind.noun(), key, what, "the catalogue changes");
    }
    tracing::info!(target: "heddle::program", version = catalogue.version(), defined = changes.len() - removed, removed,
        "addresses and queues are not those of the last start: the configuration changed them");
}

#[cfg(test)]
mod tests {
    use engine_catalogue::{Attributes, Kind, Layer, Origin};

    use super::*;

    fn address(name: &str) -> Definition {
        Definition::new(name, Attributes::Address(Layer::default()))
    }

    #[test]
    fn what_the_configuration_says_is_kept_and_what_it_no_longer_says_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path());
        let placement = Placement::new(2);
        let first = open(placement, &[address("a"), address("b")], path).unwrap();
        let again = open(placement, &[address("a"), address("b")], path).unwrap();
        assert!(first.version() == again.version() && again.definitions().eq(first.definitions()));
        let changed = open(placement, &[address("b"), address("c")], path).unwrap();
        assert!(changed.version() > first.version() && !changed.is_declared("a") && changed.is_declared("c"));
        assert_eq!(changed.origin(Kind::Address, "c"), Some(Origin::Configuration));
        let nothing = open(placement, &[], path).unwrap();
        assert!(nothing.definitions().next().is_none() && nothing.version() > changed.version());
        assert_eq!(open(placement, &[], path).unwrap().version(), nothing.version(), "versions outlive what they said");
    }

    #[test]
    fn a_torn_change_is_cut_off_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = (Some(folder.path()), folder.path().join("catalogue"));
        let placement = Placement::new(2);
        drop(open(placement, &[address("a")], path).unwrap());
        let whole = std::fs::read(&file).unwrap();
        drop(open(placement, &[address("a"), address("b")], path).unwrap());
        let longer = std::fs::read(&file).unwrap();
        assert!(longer.starts_with(&whole), "changes are appended");
        std::fs::write(&file, &longer[..longer.len() - 3]).unwrap();
        let torn = open(placement, &[address("a")], path).unwrap();
        assert!(!torn.is_declared("b"));
        drop(open(placement, &[address("a"), address("c")], path).unwrap());
        assert!(
            open(placement, &[address("a"), address("c")], path).unwrap().is_declared("c"),
            "it goes on behind what is whole"
        );
        std::fs::write(&file, &longer[1..]).unwrap();
        let error = open(placement, &[], path).unwrap_err().to_string();
        assert!(error.contains("catalogue: the catalogue's log is damaged") && error.contains("backup"), "{error}");
        assert!(std::fs::read(&file).unwrap() == longer[1..], "nothing was changed");
    }
}
