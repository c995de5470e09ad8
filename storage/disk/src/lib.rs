//! Carries out the journal's orders with direct I/O, and keeps the data directory.
//!
//! Guarantees: one node at a time has a data directory; a batch is told as written when it is on stable storage; after a failed
//! write or sync nothing is written any more.
#![forbid(unsafe_code)]

mod directory;
mod disk;
pub mod large;
mod probe;
mod removing;
mod replaying;
pub mod salvaging;

pub use directory::{DataDirectory, Described, DirectoryError, DirectoryLock, JournalFiles, LargeFiles};
pub use disk::{Disk, DiskConfig};
pub use engine_rt::{Access, Sync};
pub use probe::{Probe, probe};
pub use replaying::read_segments;
