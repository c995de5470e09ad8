//! One shard's journal at a start: read to its end, given its disk, and its queues put back.
//!
//! Guarantees: a journal in which anything is damaged that a crash does not explain is refused, and nothing of it is changed. A
//! checkpoint that does not check costs time and nothing else.

use std::io;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use engine_core::message::Large;
use engine_core::step::Resumed;
use engine_core::{Core, Restored, ResumedIds};
use engine_ledger::read_identity;
use engine_rt::Waker;
use engine_shard::limits::CHECKPOINT_SEGMENTS;
use engine_shard::store::{self, Area, Entries, Recovery, Store, StoreConfig, StoreError};
use storage_disk::{DirectoryError, Disk, DiskConfig, JournalFiles, read_segments};
use storage_journal::{Fault, FaultKind, Manifest, ManifestFound, Owner, Place};

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
        /// What the system says.
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
    /// What is kept of transactions over several shards, or of ids of messages, is not understood.
    #[error("the journal in {} cannot be gone on with: {what}", path.display())]
    Transactions {
        /// The journal.
        path: PathBuf,
        /// Why not.
        what: &'static str,
    },
    /// Transactions over several shards are decided and not done everywhere, and their addresses have other owners now.
    #[error(
        "{transactions} transactions about queues of several shards were committed when the node ended, and are not done everywhere. Start \
         it once with the {shards} shards and the addresses that it had, which does the rest of them; change it then"
    )]
    Undone {
        /// How many.
        transactions: usize,
        /// Shards that the node had.
        shards: u16,
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
    journal: store::Recovered,
    /// What of transactions over several shards a crash left to this one.
    resumed: Resumed,
    /// The ids of messages that its addresses know.
    ids: ResumedIds,
    /// Patterns that have subscriptions which outlive the node, on any shard.
    patterns: Arc<[Box<str>]>,
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

    /// Large messages that are in it, or will be.
    pub fn large(&self) -> impl Iterator<Item = Large> {
        let sends = self.resumed.shares.iter().flat_map(|(_, _, share)| &share.sends);
        self.journal.store.files().chain(sends.filter_map(|send| send.message.large()))
    }

    /// Its queues.
    pub fn queues(&self) -> &[Restored] {
        &self.journal.restored
    }

    /// Takes out what its queue of transactions has.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn take_transactions(&mut self) -> Result<Entries, StorageError> {
        let mut all = Entries::new();
        for area in self.journal.take_transactions() {
            read_area(&self.files, &area, |bytes| area.entries(bytes, &mut all))?;
        }
        Ok(all)
    }

    /// Takes out what its queue of ids has, oldest first; `is_own` says whether an address is this shard's.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn take_ids(&mut self, is_own: impl Fn(&str) -> bool) -> Result<(), StorageError> {
        for area in self.journal.take_ids() {
            let take = |name, body: &[u8]| {
                let (address, id) = read_identity(body)?;
                match NonZeroU64::new(name).filter(|_| is_own(address)) {
                    Some(name) => self.ids.known.push((name, address.to_owned(), id.to_vec())),
                    None => self.ids.stale.push(name),
                }
                Ok(())
            };
            read_area(&self.files, &area, |bytes| area.read(bytes, take))?;
        }
        self.ids.known.sort_unstable_by_key(|(name, ..)| *name);
        Ok(())
    }

    /// Goes on with what a crash left of transactions over several shards.
    pub fn resume(&mut self, resumed: Resumed) {
        self.journal.resume(&resumed);
        self.resumed = resumed;
    }

    /// To which patterns there are subscriptions that outlive the node, on any shard.
    pub fn set_patterns(&mut self, patterns: Arc<[Box<str>]>) {
        self.patterns = patterns;
    }

    /// What was read, for whoever runs no node on it.
    pub fn into_parts(self) -> (Store, Vec<Restored>) {
        (self.journal.store, self.journal.restored)
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

/// Reads a part of a queue that is the journal's own, for whoever understands it.
fn read_area(
    files: &JournalFiles,
    area: &Area,
    understand: impl FnOnce(&[u8]) -> Result<(), Option<&'static str>>,
) -> Result<(), StorageError> {
    let buffer = files.read_part(area.place(), area.bytes())?;
    understand(buffer.bytes()).map_err(|what| match what {
        Some(what) => StorageError::Transactions { path: files.path().to_owned(), what },
        None => StorageError::unread(files, area.place()),
    })
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
        let Recovered { journal: store::Recovered { mut store, restored, last }, resumed, ids, patterns, disk, files } =
            self.recovered;
        let needed = disk.segment_bytes.saturating_add(disk.min_free_bytes);
        if engine_rt::free_bytes(files.path()).is_ok_and(|(free, _)| free < needed) {
            store.begin_full();
        }
        core.restore_numbers(last);
        restored.iter().for_each(|queue| core.restore(queue));
        core.know_patterns(&patterns);
        core.resume_ids(ids);
        core.resume_transactions(resumed);
        Journal { store, disk: self.disk }
    }
}

/// What a shard's store needs to know of its journal.
pub(super) fn store_config(owner: Owner) -> StoreConfig {
    let Owner { shard, directory, segment_bytes } = owner;
    StoreConfig { shard, directory, segment_bytes, checkpoint_segments: CHECKPOINT_SEGMENTS }
}

/// Reads the journal of one shard; tells `progress` of segments, and how many there are.
pub fn recover(
    disk: DiskConfig,
    files: JournalFiles,
    mut progress: impl FnMut(u64, u64),
) -> Result<Recovered, StorageError> {
    let started = Instant::now();
    let config = store_config(disk.owner());
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
    let journal = recovery.finish();
    if !numbers.is_empty() {
        let elapsed = started.elapsed();
        let torn = ended.is_some_and(|ended| ended.torn);
        tracing::info!(target: "heddle::storage", shard = disk.shard, queues = journal.restored.len(), messages,
            mib = bytes >> 20, ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), torn,
            "the journal was read");
    }
    let (resumed, ids, patterns) = (Resumed::default(), ResumedIds::default(), Arc::default());
    Ok(Recovered { journal, resumed, ids, patterns, disk, files })
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
