//! Messages are copied from journals into new ones, which take their place as a whole.
//!
//! Guarantees: a copy that was cut off leaves the old journals as they are. The order of each queue is kept. A message that is in
//! several queues is stored once for each afterwards.

use std::time::{Duration, Instant};

use engine_rt::Waker;
use engine_shard::limits::CHECKPOINT_SEGMENTS;
use engine_shard::placement::Placement;
use engine_shard::store::{Copy, Extract, StoreConfig, StoreError};
use storage_disk::{DataDirectory, Disk, DiskConfig, JournalFiles, Sync};

use super::open::{StorageError, recover};

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(2);

/// Settings of the new journals.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// How many shards.
    pub shards: u16,
    /// How writes get to stable storage.
    pub sync: Sync,
    /// Octets of the file system that are left to others.
    pub min_free_bytes: u64,
}

/// Reads the journal of one shard.
///
/// # Errors
/// When it is damaged.
pub fn extract(directory: &DataDirectory, shard: u16) -> Result<(Extract, JournalFiles), StorageError> {
    let files = directory.journal(shard);
    let disk = disk_config(directory, shard, Sync::AfterWrite, 0);
    let recovered = recover(disk, files.clone())?;
    let (store, restored) = recovered.into_parts();
    Ok((Extract::new(store, restored), files))
}

/// What a shard's disk needs to know.
pub fn disk_config(directory: &DataDirectory, shard: u16, sync: Sync, min_free_bytes: u64) -> DiskConfig {
    let core = engine_rt::allowed_cores().first().copied().unwrap_or(0);
    let segment_bytes = directory.segment_bytes();
    DiskConfig { shard, core, directory: directory.id(), segment_bytes, sync, min_free_bytes }
}

/// New, empty journals.
///
/// # Errors
/// When the system refuses.
pub fn new_journals(directory: &DataDirectory, target: &Target) -> Result<Vec<Copy>, StorageError> {
    let failed = |error| StorageError::Copy(StoreError::Disk { what: "begin a journal", error });
    let begin = |shard| -> Result<Copy, StorageError> {
        let config = StoreConfig {
            shard,
            directory: directory.id(),
            segment_bytes: directory.segment_bytes(),
            checkpoint_segments: CHECKPOINT_SEGMENTS,
        };
        let disk = disk_config(directory, shard, target.sync, target.min_free_bytes);
        directory.next_journal(shard).create(&disk.owner())?;
        let waker = Waker::new().map_err(failed)?;
        let disk = Disk::start(disk, directory.next_journal(shard), waker).map_err(failed)?;
        Ok(Copy::new(config, disk))
    };
    (0..target.shards).map(begin).collect()
}

/// Writes everything again, for so many shards; gives the number of messages.
///
/// # Errors
/// When a journal is damaged, or the disk fails or is full: the old journals are then as they were.
pub fn copy_journals(directory: &mut DataDirectory, target: &Target) -> Result<u64, StorageError> {
    directory.discard_next()?;
    let placement = Placement::new(target.shards);
    let mut journals = new_journals(directory, target)?;
    let (mut count, mut told) = (0_u64, Instant::now());
    for shard in 0..directory.shards() {
        let (source, files) = extract(directory, shard)?;
        for queue in source.queues() {
            let owner = usize::from(placement.owner(&queue.declared.address));
            let Some(journal) = journals.get_mut(owner) else { continue };
            let number = journal.queue(&queue.declared);
            for part in source.parts(queue.declared.queue) {
                let buffer = files.read_part(part.place, part.bytes)?;
                let messages = source.messages(&part, buffer.bytes());
                let messages =
                    messages.map_err(|fault| StorageError::Damaged { path: files.path().to_owned(), fault })?;
                for (_, message) in messages {
                    journal.message(number, message)?;
                    count += 1;
                }
                if told.elapsed() > PROGRESS {
                    told = Instant::now();
                    tracing::info!(target: "heddle::storage", shard, messages = count, "writing journals anew");
                }
            }
        }
    }
    for journal in journals {
        journal.finish()?;
    }
    directory.replace_journals(target.shards)?;
    Ok(count)
}
