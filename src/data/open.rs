//! The data directory at start: it is taken, the fastest way to stable storage is found out, and every shard's journal is read.
//!
//! Shards are read in parallel, each by a few threads that read (`storage_disk::read_segments`) and one that takes what was read.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use storage_disk::large::sweep;
use storage_disk::{Access, DataDirectory, DiskConfig, LargeFiles, Sync, probe};

use engine_catalogue::{Catalogue, Resolved, base};
use engine_core::fact::{DecisionId, INTERNAL, Purpose, Share};
use engine_core::kept_patterns;
use engine_core::step::Asked;
use engine_shard::store::resume;

use super::copy::{Target, copy_journals};
use super::large::check_length;
use super::recover::{Recovered, StorageError, recover};
use crate::config::{Config, SyncMethod};

/// How often progress is told.
const PROGRESS: Duration = Duration::from_secs(2);

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
        let patterns: Arc<[Box<str>]> = kept_patterns(journals.iter().flat_map(Recovered::queues)).into();
        journals.iter_mut().for_each(|journal| journal.set_patterns(Arc::clone(&patterns)));
        resume_transactions(&mut journals, catalogue)?;
        for (journal, shard) in journals.iter_mut().zip(0_u16..) {
            journal.take_ids(|address| {
                let Resolved::Stored { owner } = catalogue.resolve(address);
                owner.shard == shard
            })?;
        }
        let directory: &'static DataDirectory = Box::leak(Box::new(directory));
        let files = directory.large();
        let mut needed = HashSet::new();
        for large in journals.iter().flat_map(Recovered::large) {
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

/// Has every shard go on with what a crash left of transactions over several of them.
fn resume_transactions(journals: &mut [Recovered], catalogue: &Catalogue) -> Result<(), StorageError> {
    let all = journals.iter_mut().map(Recovered::take_transactions).collect::<Result<Vec<_>, _>>()?;
    let resumed = resume(all);
    let transactions = resumed.iter().map(|resumed| resumed.decisions.len()).sum();
    if transactions == 0 {
        // Notes may be left that they were done.
        journals.iter_mut().zip(resumed).for_each(|(journal, resumed)| journal.resume(resumed));
        return Ok(());
    }
    let shares = resumed.iter().flat_map(|resumed| &resumed.shares);
    let is_elsewhere = |(_, _, share): &(Asked, DecisionId, Share)| {
        share.sends.iter().any(|send| {
            let Resolved::Stored { owner } = catalogue.resolve(base(&send.address));
            owner.shard != share.owner
        })
    };
    if shares.clone().any(is_elsewhere) {
        return Err(StorageError::Undone { transactions, shards: catalogue.placement().shards() });
    }
    tracing::info!(target: "heddle::storage", transactions, parts = shares.count(),
        "transactions were committed and not done everywhere: the rest of them is done now");
    journals.iter_mut().zip(resumed).for_each(|(journal, resumed)| journal.resume(resumed));
    Ok(())
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
        journal.queues().iter().filter(move |queue| {
            let Resolved::Stored { owner } = catalogue.resolve(&queue.declared.address);
            let is_needed = queue.messages > 0 || queue.declared.purpose == Purpose::Subscription;
            is_needed && owner.shard != shard && !queue.declared.address.starts_with(INTERNAL)
        })
    });
    away.count()
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
