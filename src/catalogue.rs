//! The catalogue of a node: read from the data directory, brought to what the configuration says, and kept there.
//!
//! Guarantees: what holds is on stable storage before a shard serves by it; definitions that the configuration no longer has are gone, and
//! what management said is as it was; a change is kept whole or not at all.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine_catalogue::limits::LOG_MAX;
use engine_catalogue::log::{Log, LogError, Recovered, recover};
use engine_catalogue::{Catalogue, Change, ChangeError, Definition, Kind, Origin, Placement};
use storage_disk::{CatalogueFile, DirectoryError};

/// Why there is no catalogue, or no next version of it.
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

/// Where it is kept.
struct Keeping {
    directory: PathBuf,
    log: Log,
    file: CatalogueFile,
}

/// The version that holds, and where it is kept, unless that is only in memory.
pub struct Kept {
    catalogue: Arc<Catalogue>,
    keeping: Option<Keeping>,
}

/// A version that may hold next.
pub struct Next {
    /// The version.
    pub catalogue: Arc<Catalogue>,
    changes: Vec<Change>,
}

/// Reads the catalogue of a data directory, for a node of so many shards; one of nothing if there is none.
///
/// # Errors
/// When it cannot be read.
pub fn read(placement: Placement, directory: &Path) -> Result<Catalogue, CatalogueError> {
    Ok(recovered(placement, directory)?.map_or_else(|| Catalogue::new(placement), |read| read.catalogue))
}

fn recovered(placement: Placement, directory: &Path) -> Result<Option<Recovered>, CatalogueError> {
    let Some(bytes) = CatalogueFile::read(directory, LOG_MAX)? else { return Ok(None) };
    let read = recover(placement, &bytes);
    read.map(Some).map_err(|error| CatalogueError::Log { path: directory.join("catalogue"), error })
}

impl Kept {
    /// Opens the catalogue of a data directory, or makes one that is only in memory, and brings it to what the configuration says.
    ///
    /// # Errors
    /// When it cannot be read, written, or brought to that.
    pub fn open(
        placement: Placement,
        definitions: &[Definition],
        directory: Option<&Path>,
    ) -> Result<Self, CatalogueError> {
        let Some(directory) = directory else {
            let catalogue = Catalogue::new(placement);
            let catalogue = Arc::new(catalogue.apply(&catalogue.reconcile(definitions))?);
            return Ok(Self { catalogue, keeping: None });
        };
        let Some(read) = recovered(placement, directory)? else {
            let catalogue = Catalogue::new(placement);
            let catalogue = catalogue.apply(&catalogue.reconcile(definitions))?;
            let mut log = Log::new(RandomState::new().hash_one(std::process::id()), 0);
            let file = CatalogueFile::create(directory, &log.compact(&catalogue).ok_or(CatalogueError::TooLarge)?)?;
            let keeping = Some(Keeping { directory: directory.to_owned(), log, file });
            return Ok(Self { catalogue: Arc::new(catalogue), keeping });
        };
        if read.torn_bytes > 0 {
            tracing::warn!(target: "heddle::program", bytes = read.torn_bytes,
                "the last change of the catalogue was not written to its end: nobody was told that it was made, and it is left out");
        }
        let file = CatalogueFile::open(directory, read.whole_bytes)?;
        let keeping = Keeping { directory: directory.to_owned(), log: Log::new(read.seed, read.whole_bytes), file };
        let mut kept = Self { catalogue: Arc::new(read.catalogue), keeping: Some(keeping) };
        if let Some(next) = kept.next(definitions)? {
            next.tell();
            kept.keep(next)?;
        }
        let woken = kept.catalogue.wake();
        if !woken.is_empty() {
            let next = kept.next_of(woken)?;
            next.tell();
            kept.keep(next)?;
        }
        Ok(kept)
    }

    /// The version that holds.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// The version in which the configuration says this, if that is another one.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn next(&self, definitions: &[Definition]) -> Result<Option<Next>, CatalogueError> {
        let changes = self.catalogue.reconcile(definitions);
        if changes.is_empty() {
            return Ok(None);
        }
        let catalogue = Arc::new(self.catalogue.apply(&changes)?);
        Ok(Some(Next { catalogue, changes }))
    }

    /// The version with these changes of management.
    ///
    /// # Errors
    /// The first change that is refused, such as of what the configuration says.
    pub fn next_of(&self, changes: Vec<Change>) -> Result<Next, ChangeError> {
        let catalogue = Arc::new(self.catalogue.apply(&changes)?);
        Ok(Next { catalogue, changes })
    }

    /// A version holds from now on: it is on stable storage when this returns.
    ///
    /// # Errors
    /// When it cannot be written; then the one before holds still.
    pub fn keep(&mut self, next: Next) -> Result<(), CatalogueError> {
        if let Some(Keeping { directory, log, file }) = &mut self.keeping {
            match log.append(next.catalogue.version(), &next.changes) {
                Some(records) if !log.is_long() => file.append(&records)?,
                _ => {
                    let whole = log.compact(&next.catalogue).ok_or(CatalogueError::TooLarge)?;
                    *file = CatalogueFile::create(directory, &whole)?;
                }
            }
        }
        self.catalogue = next.catalogue;
        Ok(())
    }
}

impl Next {
    /// Addresses of which something is said where they are: they may have another owner.
    pub fn placed(&self) -> impl Iterator<Item = &str> {
        let subjects = self.changes.iter().map(Change::subject);
        subjects.filter(|(kind, _)| *kind == Kind::Placed).map(|(_, key)| key)
    }

    /// Says what changed. Each is a line at the level debug; there may be as many as the configuration has.
    pub fn tell(&self) {
        let mut removed = 0;
        for change in &self.changes {
            let (kind, key) = change.subject();
            let what = match change {
                Change::Define { .. } => "it is defined",
                Change::Remove { .. } => "it is no longer defined",
            };
            removed += usize::from(matches!(change, Change::Remove { .. }));
            tracing::debug!(target: "heddle::program", kind = kind.noun(), key, what, "the catalogue changes");
        }
        let is_managed = self.changes.iter().all(|change| change.origin() == Origin::Management);
        let who = if is_managed { "management" } else { "the configuration" };
        tracing::info!(target: "heddle::program", version = self.catalogue.version(),
            defined = self.changes.len() - removed, removed, "{who} changed addresses and queues");
    }
}

#[cfg(test)]
mod tests {
    use engine_catalogue::{Attributes, Layer};

    use super::*;

    fn open(
        placement: Placement,
        wanted: &[Definition],
        path: Option<&Path>,
    ) -> Result<Arc<Catalogue>, CatalogueError> {
        Kept::open(placement, wanted, path).map(|kept| Arc::clone(kept.catalogue()))
    }

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
