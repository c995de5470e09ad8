//! Carries out the journal's orders with direct I/O, and keeps the data directory.
//!
//! Guarantees: one node at a time has a data directory; a batch is told as written when it is on stable storage; after a failed
//! write or sync nothing is written any more; a cut that a crash left in the middle is ended before anything is read.
#![forbid(unsafe_code)]

mod catalogue;
mod cutting;
mod description;
mod directory;
mod disk;
mod entries;
mod files;
pub mod large;
mod manifest;
mod open_files;
mod probe;
mod removing;
mod replaying;
pub mod salvaging;

pub use catalogue::CatalogueFile;
pub use directory::{DataDirectory, Described, DirectoryError, DirectoryLock};
pub use disk::{Disk, DiskConfig};
pub use entries::{EntriesError, Log};

pub use engine_rt::{Access, Sync};
pub use files::{JournalFiles, LargeFiles};
pub use probe::{Probe, probe};
pub use replaying::read_segments;

/// Descriptors that a shard's storage has open at once, at most: whoever lets peers use descriptors keeps so many back.
pub const DESCRIPTORS: usize = disk::JOURNAL_DESCRIPTORS + large::LARGE_DESCRIPTORS;
