//! Messages are copied from journals into new ones, which take their place as a whole.
//!
//! Guarantees: a copy that was cut off leaves the old journals as they are. The order of each queue is kept. A message that is in
//! several queues is stored once for each afterwards.

use std::collections::HashMap;

use engine_catalogue::{Catalogue, Resolved};
use engine_core::fact::Declared;
use engine_rt::Waker;
use engine_shard::store::{Copy, Extract, StoreError};
use storage_disk::{DataDirectory, Disk, DiskConfig, JournalFiles, Sync};

use super::recover::{StorageError, recover, store_config};

/// Settings of the new journals.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// How many shards there are, and which of them owns what.
    pub catalogue: &'a Catalogue,
    /// How writes get to stable storage.
    pub sync: Sync,
    /// Octets of the file system that are left to others.
    pub min_free_bytes: u64,
}

/// Reads the journal of one shard; tells `progress` of segments, and how many there are.
///
/// # Errors
/// When it is damaged.
pub fn extract(
    directory: &DataDirectory,
    shard: u16,
    progress: impl FnMut(u64, u64),
) -> Result<(Extract, JournalFiles), StorageError> {
    let files = directory.journal(shard);
    let disk = disk_config(directory, shard, Sync::AfterWrite, 0);
    let recovered = recover(disk, files.clone(), progress)?;
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
pub fn new_journals(directory: &DataDirectory, target: &Target<'_>) -> Result<Vec<Copy>, StorageError> {
    let failed = |error| StorageError::Copy(StoreError::Disk { what: "begin a journal", error });
    let begin = |shard| -> Result<Copy, StorageError> {
        let config = store_config(directory.owner(shard));
        let disk = disk_config(directory, shard, target.sync, target.min_free_bytes);
        directory.next_journal(shard).create(&disk.owner())?;
        let waker = Waker::new().map_err(failed)?;
        let disk = Disk::start(disk, directory.next_journal(shard), waker).map_err(failed)?;
        Ok(Copy::new(config, disk))
    };
    (0..target.catalogue.placement().shards()).map(begin).collect()
}

/// Writes everything again, each queue for the shard that owns its address; gives the number of messages, and tells `progress` of it on the way.
///
/// # Errors
/// When a journal is damaged, or the disk fails or is full: the old journals are then as they were, and nothing else is left.
pub fn copy_journals(
    directory: &mut DataDirectory,
    target: &Target<'_>,
    mut progress: impl FnMut(u64),
) -> Result<u64, StorageError> {
    directory.discard_next()?;
    let copied = write_next(directory, target, &mut progress);
    let Ok(count) = copied else {
        // Threads of the new journals may be at work on a file still; what they leave is removed before the next copy.
        let _ = directory.discard_next();
        return copied;
    };
    directory.replace_journals(target.catalogue.placement().shards())?;
    Ok(count)
}

fn write_next(
    directory: &DataDirectory,
    target: &Target<'_>,
    progress: &mut impl FnMut(u64),
) -> Result<u64, StorageError> {
    let mut journals = new_journals(directory, target)?;
    let mut count = 0_u64;
    let mut known = HashMap::new();
    for shard in 0..directory.shards() {
        let (source, files) = extract(directory, shard, |_, _| progress(count))?;
        for queue in source.queues() {
            let Resolved::Stored { owner } = target.catalogue.resolve(&queue.declared.address);
            let Some(journal) = journals.get_mut(usize::from(owner.shard)) else { continue };
            // A queue that lies in two journals becomes one.
            let Declared { address, name, .. } = &queue.declared;
            let number =
                *known.entry((address.clone(), name.clone())).or_insert_with(|| journal.queue(&queue.declared));
            for part in source.parts(queue.declared.queue) {
                let buffer = files.read_part(part.place, part.bytes)?;
                let messages = source.messages(&part, buffer.bytes());
                if messages.len() != part.messages {
                    return Err(StorageError::unread(&files, part.place));
                }
                for (_, message) in messages {
                    journal.message(number, message)?;
                    count += 1;
                }
                progress(count);
            }
        }
    }
    for journal in journals {
        journal.finish()?;
    }
    Ok(count)
}
