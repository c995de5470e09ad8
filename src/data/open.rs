//! The data directory at start: it is taken, the fastest way to stable storage is found out, and every shard's journal is read.
//!
//! Shards are read in parallel, each by a few threads that read (`storage_disk::read_segments`) and one that takes what was read.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use engine_core::message::Large;
use engine_core::{Core, LastNumbers, Restored};
use engine_rt::Waker;
use engine_shard::limits::CHECKPOINT_SEGMENTS;
use engine_shard::store::{self, Recovery, Store, StoreConfig, StoreError};
use storage_disk::large::sweep;
use storage_disk::{
    Access, DataDirectory, DirectoryError, Disk, DiskConfig, JournalFiles, LargeFiles, Sync, probe, read_segments,
};
use storage_journal::format::BLOCK;
use storage_journal::{Fault, FaultKind, Manifest, ManifestFound, Owner, Place};

use engine_catalogue::{Catalogue, Resolved};
use engine_core::fact::Purpose;

use super::copy::{Target, copy_journals};
use crate::config::{Config, SyncMethod};

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(2);

/// Why there is no storage.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The device could not be tried.
    #[error("cannot write to the data directory {}: {error}", path.display())]
    Probe {
        /// The directory.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Messages could not be copied into new journals.
    #[error("{0}; the old journals are as they were")]
    Copy(#[from] StoreError),
    /// A journal is damaged.
    #[error(
        "the journal in {} is damaged: {fault}. Nothing was changed. `heddle data check` tells more, `heddle data export \
         --damaged` saves what can be read", path.display()
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// What and where.
        fault: Fault,
    },
    /// The file of a large message is not what was written.
    #[error(
        "the large message {} is damaged: {what}. Nothing was changed. `heddle data check` tells more, `heddle \
         data export --damaged` saves what can be read", path.display()
    )]
    LargeMessage {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl StorageError {
    /// What was whole when a journal was read first is not when its messages are.
    pub fn unread(files: &JournalFiles, place: Place) -> Self {
        let fault = Fault { segment: place.segment, offset: place.offset, kind: FaultKind::Batch };
        Self::Damaged { path: files.path().to_owned(), fault }
    }
}

/// A shard's journal, read.
pub struct Recovered {
    store: Store,
    restored: Vec<Restored>,
    last: LastNumbers,
    disk: DiskConfig,
    files: JournalFiles,
}

/// A shard's journal with its disk at work.
pub struct Started {
    recovered: Recovered,
    disk: Disk,
}

impl Recovered {
    /// Largest body that the journal takes, octets.
    pub fn body_max(&self) -> u64 {
        Store::body_max(self.disk.segment_bytes)
    }

    /// What was read, for whoever runs no node on it.
    pub fn into_parts(self) -> (Store, Vec<Restored>) {
        (self.store, self.restored)
    }

    /// Starts the disk.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(self, waker: Waker) -> io::Result<Started> {
        let disk = Disk::start(self.disk.clone(), self.files.clone(), waker)?;
        Ok(Started { recovered: self, disk })
    }
}

/// A shard's journal, and the disk that it is on.
pub struct Journal {
    /// What is in it.
    pub store: Store,
    /// Where it is.
    pub disk: Disk,
}

impl Started {
    /// Puts the queues back.
    pub fn restore(self, core: &mut Core) -> Journal {
        let Recovered { mut store, restored, last, disk, files } = self.recovered;
        let needed = disk.segment_bytes.saturating_add(disk.min_free_bytes);
        if engine_rt::free_bytes(files.path()).is_ok_and(|(free, _)| free < needed) {
            store.begin_full();
        }
        core.restore_numbers(last);
        restored.iter().for_each(|queue| core.restore(queue));
        Journal { store, disk: self.disk }
    }
}

/// A data directory that is this node's, unread.
pub struct Taken(DataDirectory);

impl Taken {
    /// Takes the data directory, or makes one.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn take(config: &Config, shards: u16) -> Result<Self, StorageError> {
        let segment_bytes = config.storage.segment_mib << 20;
        Ok(Self(DataDirectory::open(&config.node.data_dir, shards, segment_bytes, identity())?))
    }
}

/// The node's storage.
pub struct Storage {
    journals: Vec<Recovered>,
    /// Where large messages are, and the first counter of an id that none has.
    large: (LargeFiles, u64),
    /// Held as long as the process lives.
    directory: &'static DataDirectory,
}

impl Storage {
    /// Reads the journals of a data directory; queues that the catalogue gives other owners than they had are moved to them first.
    ///
    /// # Errors
    /// When a journal is damaged, or the disk has no room to move queues.
    pub fn open(
        Taken(mut directory): Taken,
        config: &Config,
        cores: &[usize],
        catalogue: &Catalogue,
    ) -> Result<Self, StorageError> {
        let shards = catalogue.placement().shards();
        let sync = sync_method(config, &directory)?;
        let min_free_bytes = config.storage.min_free_mib << 20;
        let target = Target { catalogue, sync, min_free_bytes };
        if directory.shards() != shards {
            tracing::info!(target: "heddle::storage", before = directory.shards(), now = shards,
                "the number of shards changed: queues move to their new owners");
            move_queues(&mut directory, &target)?;
        }
        let mut journals = read_journals(&directory, cores, &target)?;
        let away = misplaced(&journals, catalogue);
        if away > 0 {
            drop(journals);
            tracing::info!(target: "heddle::storage", queues = away,
                "addresses have other owners than at the last start: their queues move, and journals are written anew");
            move_queues(&mut directory, &target)?;
            journals = read_journals(&directory, cores, &target)?;
        }
        let directory: &'static DataDirectory = Box::leak(Box::new(directory));
        let files = directory.large();
        let mut needed = HashSet::new();
        for large in journals.iter().flat_map(|journal| journal.store.files()) {
            let path = files.file(large.id);
            check_length(&files, &large).map_err(|what| StorageError::LargeMessage { path, what })?;
            needed.insert(large.id);
        }
        let first = sweep(&files, |id| needed.contains(&id))
            .map_err(|error| StorageError::Probe { path: directory.path().to_owned(), error })?;
        Ok(Self { journals, large: (files, first), directory })
    }

    /// Where large messages are, and the first counter of an id that none has.
    pub fn large(&self) -> (LargeFiles, u64) {
        self.large.clone()
    }

    /// Length of the journals' segments, octets.
    pub fn segment_bytes(&self) -> u64 {
        self.directory.segment_bytes()
    }

    /// One journal for each shard, in their order.
    pub fn into_journals(self) -> impl Iterator<Item = Recovered> {
        self.journals.into_iter()
    }
}

/// Brings queues to the owners that they have now.
fn move_queues(directory: &mut DataDirectory, target: &Target<'_>) -> Result<(), StorageError> {
    let mut told = Instant::now();
    let messages = copy_journals(directory, target, |messages| {
        if told.elapsed() > PROGRESS {
            told = Instant::now();
            tracing::info!(target: "heddle::storage", messages, "writing journals anew");
        }
    })?;
    tracing::info!(target: "heddle::storage", messages, "queues have moved");
    Ok(())
}

/// Reads the journals of all shards side by side.
fn read_journals(
    directory: &DataDirectory,
    cores: &[usize],
    target: &Target<'_>,
) -> Result<Vec<Recovered>, StorageError> {
    let readers: Vec<_> = (0..directory.shards())
        .zip(cores)
        .map(|(shard, &core)| {
            let disk = DiskConfig {
                shard,
                core,
                directory: directory.id(),
                segment_bytes: directory.segment_bytes(),
                sync: target.sync,
                min_free_bytes: target.min_free_bytes,
            };
            let files = directory.journal(shard);
            std::thread::spawn(move || {
                let mut told = Instant::now();
                recover(disk, files, |segments, of| {
                    if told.elapsed() > PROGRESS {
                        told = Instant::now();
                        tracing::info!(target: "heddle::storage", shard, segments, of, "reading the journal");
                    }
                })
            })
        })
        .collect();
    let join =
        |reader: std::thread::JoinHandle<_>| reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    readers.into_iter().map(join).collect()
}

/// How many queues lie with another shard than the one that owns their address. One without messages that nobody subscribed to is not
/// worth a copy: its shard forgets it, as nobody uses it there.
fn misplaced(journals: &[Recovered], catalogue: &Catalogue) -> usize {
    let shards = journals.iter().zip(0_u16..);
    let away = shards.flat_map(|(journal, shard)| {
        journal.restored.iter().filter(move |queue| {
            let Resolved::Stored { owner } = catalogue.resolve(&queue.declared.address);
            let is_needed = queue.messages > 0 || queue.declared.purpose == Purpose::Subscription;
            is_needed && owner.shard != shard
        })
    });
    away.count()
}

/// Reads the journal of one shard; tells `progress` of segments, and how many there are.
pub fn recover(
    disk: DiskConfig,
    files: JournalFiles,
    mut progress: impl FnMut(u64, u64),
) -> Result<Recovered, StorageError> {
    let started = Instant::now();
    let config = StoreConfig {
        shard: disk.shard,
        directory: disk.directory,
        segment_bytes: disk.segment_bytes,
        checkpoint_segments: CHECKPOINT_SEGMENTS,
    };
    let damaged = |fault| StorageError::Damaged { path: files.path().to_owned(), fault };
    let first = |mut faults: Vec<Fault>| if faults.is_empty() { Ok(()) } else { Err(damaged(faults.remove(0))) };
    let found = files.manifest()?.and_then(|found| owned(found, disk.owner()));
    let found = found.map_err(|what| damaged(Fault::manifest(what)))?;
    let mut recovery = begin(config, &files, found.manifest)?;
    let numbers = match recovery.handle_manifest(found.manifest, &files.segments()?) {
        Ok(numbers) => numbers,
        // What it says may be older than what was written last: then that is what is wrong.
        Err(faults) => return Err(damaged(found.damage.map_or_else(|| faults[0].clone(), Fault::manifest))),
    };
    if let Some(damage) = found.damage {
        tracing::warn!(target: "heddle::storage", shard = disk.shard, damage, path = %files.manifest_path().display(),
            "a part of the manifest is damaged: the other part is used, and it is written again");
    }
    let (mut bytes, mut segments) = (0, 0);
    read_segments(&files, &numbers, |part| {
        bytes += part.bytes.len();
        recovery.handle_part(part).map_err(damaged)?;
        segments += u64::from(part.is_last());
        progress(segments, numbers.len() as u64);
        Ok::<_, StorageError>(())
    })?;
    first(recovery.losses())?;
    let (messages, ended) = (recovery.messages(), recovery.ended());
    let store::Recovered { store, restored, last } = recovery.finish();
    if !numbers.is_empty() {
        let elapsed = started.elapsed();
        let torn = ended.is_some_and(|ended| ended.torn);
        tracing::info!(target: "heddle::storage", shard = disk.shard, queues = restored.len(), messages,
            mib = bytes >> 20, ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), torn,
            "the journal was read");
    }
    Ok(Recovered { store, restored, last, disk, files })
}

/// A manifest that was found, if it is that of this journal.
pub(super) fn owned(found: ManifestFound, owner: Owner) -> Result<ManifestFound, &'static str> {
    if found.owner == owner { Ok(found) } else { Err("the manifest is another journal's") }
}

/// Begins with the newest checkpoint that is whole; segments say the same, so that without one it only takes longer.
fn begin(config: StoreConfig, files: &JournalFiles, manifest: Manifest) -> Result<Recovery, StorageError> {
    for segment in files.checkpoints()?.into_iter().filter(|&segment| segment >= manifest.first) {
        match Recovery::resume(config, segment, &files.read_checkpoint(segment)?) {
            Ok(recovery) => return Ok(recovery),
            Err(error) => tracing::warn!(target: "heddle::storage", shard = config.shard, segment, error,
                "a checkpoint is damaged: an older one or the segments are read instead"),
        }
    }
    Ok(Recovery::new(config))
}

/// Whether the file of a large message is there and as long as it was made: what is in it is found out when it is read.
pub(super) fn check_length(files: &LargeFiles, large: &Large) -> Result<(), String> {
    let made = large.bytes.next_multiple_of(BLOCK as u64);
    match std::fs::metadata(files.file(large.id)) {
        Ok(found) if found.len() == made => Ok(()),
        Ok(found) => {
            let found = found.len();
            Err(format!("the file has a length of {found} octets, and was made with {made} octets"))
        }
        Err(error) => Err(format!("the file of a large message cannot be read: {error}")),
    }
}

fn sync_method(config: &Config, directory: &DataDirectory) -> Result<Sync, StorageError> {
    if directory.access() == Access::Buffered {
        tracing::warn!(target: "heddle::storage", path = %directory.path().display(),
            "this file system has no direct I/O: the journal goes through the page cache");
    }
    match config.storage.sync {
        SyncMethod::Dsync => Ok(Sync::WithWrite),
        SyncMethod::Fdatasync => Ok(Sync::AfterWrite),
        SyncMethod::Auto => {
            let found = probe(directory.path(), directory.access())
                .map_err(|error| StorageError::Probe { path: directory.path().to_owned(), error })?;
            let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            let sync = match found.sync {
                Sync::WithWrite => "dsync",
                Sync::AfterWrite => "fdatasync",
            };
            tracing::info!(target: "heddle::storage", sync, with_write_us = found.with_write.map(us),
                after_write_us = us(found.after_write), "the fastest way to stable storage");
            Ok(found.sync)
        }
    }
}

/// An identity that no other data directory has.
pub fn identity() -> [u8; 16] {
    use std::hash::{BuildHasher, RandomState};
    let mut id = [0; 16];
    id.chunks_mut(8).for_each(|part| part.copy_from_slice(&RandomState::new().hash_one(0).to_le_bytes()));
    id
}
