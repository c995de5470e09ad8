//! A log by numbers, from the disk: the records that others share, between two of their numbers, out of the segments that they lie in.
//!
//! Guarantees: one call reads one area, as long as was asked for at most, unless one batch alone is longer; what was freed is told with the
//! first number that is there; a batch that is not whole is an error. Which parts come is `storage_journal::Entries`' to say.

use std::ops::Range;

use storage_journal::{Fault, Freed, Place, Segments, SharedPart};

use crate::directory::DirectoryError;
use crate::files::JournalFiles;

/// Why a log cannot be read from there.
#[derive(Debug, thiserror::Error)]
pub enum EntriesError {
    /// It begins later.
    #[error(transparent)]
    Freed(#[from] Freed),
    /// The system refused.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The disk gave something else than what was written.
    #[error("the journal is damaged: {0}")]
    Damaged(#[from] Fault),
}

/// The log of one shard: its files, and what is known of where its records lie.
#[derive(Clone, Copy, Debug)]
pub struct Log<'a> {
    /// The files.
    pub files: &'a JournalFiles,
    /// The data directory's identity.
    pub directory: [u8; 16],
    /// Where records lie, as a start or the store that writes them knows it.
    pub segments: &'a Segments,
}

impl Log<'_> {
    /// Gives the next parts with these shared numbers, with the places of their batches: about `bytes_max` octets of them. The end of the numbers has to be
    /// durable, or written. Gives back the number to go on with; it is the first of `wanted` when nothing of it is there.
    ///
    /// # Errors
    /// When the first of them was freed, or an area cannot be read or is damaged.
    pub fn entries(
        &self,
        wanted: Range<u64>,
        bytes_max: usize,
        take: impl FnMut(Place, SharedPart<'_>),
    ) -> Result<u64, EntriesError> {
        let Some(entries) = self.segments.entries(wanted.clone(), bytes_max)? else { return Ok(wanted.start) };
        let buffer = self.files.read_part(entries.place, entries.bytes)?;
        Ok(entries.parts(self.directory, buffer.bytes(), take)?)
    }
}
