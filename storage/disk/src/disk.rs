//! The threads that carry out a shard's orders.
//!
//! One writes and syncs, on the shard's own core: a write that is also a sync blocks, and a ring would give it to some other
//! core's worker, which stalls when that core is busy (docs/durability.md). Four read, one makes segments ready, one removes
//! files (`removing`). The shard gives orders and takes answers without waiting.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use engine_rt::{
    Existing, Repeats, Sync, Waker, allocate, free_bytes, is_shortage, monotonic_ns, open_file, pin_thread, run_soon,
    shortage_advice, write_synced,
};
use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{Buffer, Done, Manifest, Margin, Order, Owner};

use crate::directory::{DirectoryError, sync_directory};
use crate::files::JournalFiles;
use crate::manifest::{ManifestFile, Said};
use crate::open_files::OpenFiles;
use crate::removing::Remover;

/// Threads that read.
const READERS: usize = 4;
/// Orders of one kind that wait; a journal has fewer under way.
const ORDERS: usize = 64;
/// Octets that are zeroed at once: what is written to the journal meanwhile waits for no more.
const ZERO_BYTES: usize = 256 << 10;
/// A segment that is wanted so soon after the one before is zeroed without pauses.
const HURRY: Duration = Duration::from_millis(100);

/// Segments that stay open: the one that is written, those made ready, and those that are read.
const SEGMENTS_OPEN: usize = 8;
/// Descriptors that a shard's journal has at once, at most: segments that stay open, one in each reader's hands, and one each of the threads
/// that write, make segments (with a directory that is synced) and remove files, and the manifest.
pub(crate) const JOURNAL_DESCRIPTORS: usize = SEGMENTS_OPEN + READERS + 5;
/// How long a segment that cannot be opened for want of descriptors is tried again: they are kept back for this, so that somebody outside
/// has used up the system's.
const SHORTAGE: Duration = Duration::from_secs(10);
/// Pause between two such attempts.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(20);
/// A disk that becomes full again and again is told once in so many nanoseconds.
const TELL_NS: u64 = 60_000_000_000;

/// What a shard's disk needs to know.
#[derive(Clone, Debug)]
pub struct DiskConfig {
    /// The shard.
    pub shard: u16,
    /// The core of its thread that writes.
    pub core: usize,
    /// The data directory's identity.
    pub directory: [u8; 16],
    /// Length of a segment, octets.
    pub segment_bytes: u64,
    /// How writes get to stable storage.
    pub sync: Sync,
    /// Octets of the file system that are left to others: no segment is made that would take from them.
    pub min_free_bytes: u64,
}

impl DiskConfig {
    /// Whose the journal is.
    pub fn owner(&self) -> Owner {
        Owner { shard: self.shard, directory: self.directory, segment_bytes: self.segment_bytes }
    }
}

type Files = Arc<Mutex<OpenFiles>>;

/// The disk of one shard.
pub struct Disk {
    writes: flume::Sender<Order>,
    reads: flume::Sender<Order>,
    preparations: flume::Sender<Order>,
    done: flume::Receiver<Done>,
}

/// What each of the threads has.
#[derive(Clone)]
struct Worker {
    config: DiskConfig,
    journal: JournalFiles,
    /// Used by the thread that prepares segments alone.
    manifest: Arc<Mutex<ManifestFile>>,
    files: Files,
    done: flume::Sender<Done>,
    waker: Waker,
    remover: Remover,
    /// When a segment was zeroed last.
    zeroed: Cell<Option<Instant>>,
    /// How often it was full since that was told, and whether the last time was.
    full: Cell<Repeats>,
    /// The same of other things that were used up.
    short: Cell<Repeats>,
    told_full: Cell<bool>,
}

impl Disk {
    /// Starts the threads for a shard's journal, which is there.
    ///
    /// # Errors
    /// When the system refuses, or the manifest is not this journal's.
    pub fn start(config: DiskConfig, journal: JournalFiles, waker: Waker) -> io::Result<Self> {
        let manifest = ManifestFile::open(&journal, config.owner(), config.sync)?;
        let manifest = Arc::new(Mutex::new(manifest));
        let (done, answers) = flume::unbounded();
        let remover = Remover::start(format!("remove-{}", config.shard), config.core, journal.path.clone())?;
        let zeroed = Cell::new(None);
        let files = Arc::new(Mutex::new(OpenFiles::new(SEGMENTS_OPEN)));
        let [full, short] = [0; 2].map(|_| Cell::new(Repeats::new(TELL_NS)));
        let told_full = Cell::new(false);
        let worker = Worker { config, journal, manifest, files, done, waker, remover, zeroed, full, short, told_full };
        let writes = worker.start("journal", Worker::write)?;
        let preparations = worker.start("prepare", Worker::prepare)?;
        let (reads, orders) = flume::bounded(ORDERS);
        for _ in 0..READERS {
            worker.start_on("read", orders.clone(), Worker::read)?;
        }
        Ok(Self { writes, reads, preparations, done: answers })
    }

    /// Gives an order.
    pub fn submit(&self, order: Order) {
        let to = match order {
            Order::Write { .. } => &self.writes,
            Order::Read { .. } => &self.reads,
            Order::Prepare { .. }
            | Order::Remove { .. }
            | Order::Vouch { .. }
            | Order::Checkpoint { .. }
            | Order::Discard { .. } => &self.preparations,
        };
        to.send(order).expect("the threads of a disk live as long as it");
    }

    /// Waits for the next answer: for whoever has nothing else to do.
    ///
    /// # Errors
    /// When the threads have ended.
    pub fn wait_done(&self) -> io::Result<Done> {
        self.done.recv().map_err(|_| io::Error::other("the disk's threads have ended"))
    }

    /// The next answer.
    #[inline]
    pub fn poll_done(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }
}

impl Worker {
    fn start(&self, name: &str, work: fn(&Self, Order) -> Option<Done>) -> io::Result<flume::Sender<Order>> {
        let (orders, receiver) = flume::bounded(ORDERS);
        self.start_on(name, receiver, work)?;
        Ok(orders)
    }

    fn start_on(
        &self,
        name: &str,
        orders: flume::Receiver<Order>,
        work: fn(&Self, Order) -> Option<Done>,
    ) -> io::Result<()> {
        let worker = self.clone();
        let name = format!("{name}-{}", self.config.shard);
        thread::Builder::new().name(name).spawn(move || {
            if let Err(error) = pin_thread(worker.config.core) {
                tracing::warn!(target: "heddle::storage", %error, "a disk thread runs on any core");
            }
            if let Err(error) = run_soon() {
                tracing::debug!(target: "heddle::storage", %error, "a disk thread waits its turn like others");
            }
            while let Ok(order) = orders.recv() {
                let done = work(&worker, order);
                let failed = matches!(done, Some(Done::Failed { .. }));
                // A shard that does not take it has ended.
                if done.is_some_and(|done| worker.done.send(done).is_err()) || failed {
                    worker.waker.wake();
                    return;
                }
                worker.waker.wake();
            }
        })?;
        Ok(())
    }

    fn file(&self, segment: u64) -> io::Result<Arc<File>> {
        let start = Instant::now();
        loop {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(file) = files.find(segment) {
                return Ok(file);
            }
            match open_file(&self.journal.segment(segment), self.journal.access, Existing::Must) {
                Ok(file) => return Ok(files.keep(segment, file)),
                // Closing others of ours would only give theirs away.
                Err(error) if is_shortage(&error) && start.elapsed() < SHORTAGE => drop(files),
                Err(error) => return Err(error),
            }
            thread::sleep(SHORTAGE_PAUSE);
        }
    }

    fn forget(&self, segment: u64) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).forget(segment);
    }

    fn write(&self, order: Order) -> Option<Done> {
        let Order::Write { place, buffer } = order else { return None };
        let written = self
            .file(place.segment)
            .and_then(|file| write_synced(&file, buffer.bytes(), place.offset, self.config.sync));
        Some(match written {
            Ok(()) => Done::Written { buffer },
            Err(error) => Done::Failed { what: "write and sync a batch", error },
        })
    }

    fn read(&self, order: Order) -> Option<Done> {
        let Order::Read { id, place, mut buffer } = order else { return None };
        let read = self.file(place.segment).and_then(|file| file.read_exact_at(buffer.bytes_mut(), place.offset));
        Some(match read {
            Ok(()) => Done::Read { id, buffer },
            Err(error) => Done::Failed { what: "read a segment", error },
        })
    }

    fn prepare(&self, order: Order) -> Option<Done> {
        match order {
            Order::Prepare { segment, reuse, margin, first, batch, firm } => {
                let said = Said { manifest: Manifest { first, last: segment, batch }, firm };
                let ready = self.ready(segment, reuse, margin, said);
                Some(match ready {
                    Ok(()) => {
                        self.tell_room();
                        Done::Prepared { segment }
                    }
                    Err(error) if is_full(&error) => {
                        self.tell_full();
                        Done::NoRoom { segment, reuse }
                    }
                    // It is asked for again, and everything written meanwhile goes to segments that are there.
                    Err(error) if is_shortage(&error) => {
                        self.tell_short(&error);
                        Done::NoRoom { segment, reuse }
                    }
                    Err(error) => Done::Failed { what: "make a segment", error },
                })
            }
            Order::Vouch { batch } => {
                Some(match self.manifest().raise(Said { manifest: Manifest { batch, ..Manifest::NEW }, firm: 0 }) {
                    Ok(()) => Done::Vouched { batch },
                    Err(error) => Done::Failed { what: "write the manifest", error },
                })
            }
            Order::Remove { segment, first, firm } => {
                self.forget(segment);
                let removed = self.give_up(segment, first, firm);
                let removed = removed.and_then(|()| self.remover.remove_segment(&self.journal.segment(segment)));
                removed.err().map(|error| Done::Failed { what: "remove a segment", error })
            }
            Order::Discard { id } => {
                self.remover.remove(self.journal.large_file(id));
                None
            }
            Order::Checkpoint { segment, bytes } => Some(match self.journal.write_checkpoint(segment, &bytes) {
                Ok(()) => Done::Checkpointed { segment },
                Err(error) if is_full(&error) || is_shortage(&error) => Done::NotCheckpointed,
                Err(error) => Done::Failed { what: "write a checkpoint", error },
            }),
            _ => None,
        }
    }

    /// Makes a segment ready. The manifest gives up the one whose file serves again before that is touched, and says what is
    /// to be `said` when the new one is there: whenever the power fails, what the manifest says is so.
    fn ready(&self, segment: u64, reuse: Option<u64>, margin: Margin, said: Said) -> io::Result<()> {
        if let Some(older) = reuse {
            self.give_up(older, said.manifest.first, said.firm)?;
        }
        self.make(segment, reuse, margin)?;
        self.manifest().raise(said)
    }

    /// Nothing in a segment is needed, nor in those before it: the manifest says so.
    fn give_up(&self, segment: u64, first: u64, firm: u64) -> io::Result<()> {
        assert!(first > segment, "segment {segment} is given up, and those from {first} on are needed");
        let mut manifest = self.manifest();
        if manifest.says().first > segment {
            return Ok(());
        }
        manifest.raise(Said { manifest: Manifest { first, ..Manifest::NEW }, firm })
    }

    fn manifest(&self) -> MutexGuard<'_, ManifestFile> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, segment: u64, reuse: Option<u64>, margin: Margin) -> io::Result<()> {
        let path = self.journal.segment(segment);
        if let Some(older) = reuse.filter(|&older| older != segment) {
            let served = self.journal.segment(older);
            if !self.has_length(&served) {
                // Nothing in it was needed, and outside hands have cut it.
                self.forget(older);
                self.remover.remove_segment(&served)?;
                return self.make(segment, None, margin);
            }
            // Opened first: after the new name nothing may fail for want of a descriptor.
            self.file(older)?;
            fs::rename(served, &path)?;
            self.files.lock().unwrap_or_else(PoisonError::into_inner).rename(older, segment);
            // The header says whose file it is: a name that a crash takes back is given again at the next start
            // (`settle_names`). Bringing the name to the disk would hold up what is written to the journal meanwhile.
            return self.write_header(segment);
        }
        if path.exists() && !self.has_length(&path) {
            fs::remove_file(&path)?;
        }
        if !path.exists() {
            self.make_zeroed(&path, margin)?;
        }
        self.write_header(segment)?;
        sync_directory(&self.journal.path).map_err(DirectoryError::into_cause)
    }

    /// Whether a file is as long as a segment.
    fn has_length(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| found.len() == self.config.segment_bytes)
    }

    fn write_header(&self, segment: u64) -> io::Result<()> {
        let header = SegmentHeader {
            shard: self.config.shard,
            segment,
            directory: self.config.directory,
            bytes: self.config.segment_bytes,
        };
        let mut block = Buffer::with_capacity(BLOCK);
        block.extend(&header.encode());
        let file = self.file(segment)?;
        write_synced(&file, block.bytes(), 0, self.config.sync)
    }

    /// Says that the disk is full, with what there is and what it should be.
    fn tell_full(&self) {
        let mut full = self.full.get();
        let times = full.note(monotonic_ns());
        self.full.set(full);
        let Some(times) = times else { return };
        self.told_full.set(true);
        let mib = |bytes: u64| bytes >> 20;
        let free = free_bytes(&self.journal.path).map_or(0, |(free, _)| free);
        tracing::warn!(target: "heddle::storage", shard = self.config.shard, path = %self.journal.path.display(), times,
            free_mib = mib(free), min_free_mib = mib(self.config.min_free_bytes), segment_mib = mib(self.config.segment_bytes),
            "the disk is full: a segment would leave less than storage.min_free_mib. Producers of durable messages wait or are \
             refused (when_full of their address); consumers go on");
    }

    /// Says that a segment cannot be made for want of something else than room.
    fn tell_short(&self, error: &io::Error) {
        let mut short = self.short.get();
        let times = short.note(monotonic_ns());
        self.short.set(short);
        if let Some(times) = times {
            tracing::warn!(target: "heddle::storage", shard = self.config.shard, %error, times,
                "no segment can be made now{}: it is tried again. Meanwhile producers of durable messages wait or are refused \
                 (when_full of their address); consumers go on", shortage_advice(error));
        }
    }

    /// Says that it is not any more, if it was said that it is.
    fn tell_room(&self) {
        if self.told_full.replace(false) {
            let free_mib = free_bytes(&self.journal.path).map_or(0, |(free, _)| free) >> 20;
            tracing::info!(target: "heddle::storage", shard = self.config.shard, path = %self.journal.path.display(), free_mib,
                "the disk has room again");
        }
    }

    /// Makes a file of zeros: a block that was written before costs a sync less than one that was not.
    fn make_zeroed(&self, path: &Path, margin: Margin) -> io::Result<()> {
        let (free, _) = free_bytes(&self.journal.path)?;
        let left = match margin {
            Margin::All => self.config.min_free_bytes,
            Margin::Half => self.config.min_free_bytes / 2,
        };
        if free < self.config.segment_bytes.saturating_add(left) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let next = self.journal.path.join("new");
        let make = || -> io::Result<()> {
            let file = open_file(&next, self.journal.access, Existing::May)?;
            match allocate(&file, self.config.segment_bytes) {
                Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
                _ => {}
            }
            let zeros = Buffer::zeroed(ZERO_BYTES);
            let hurry = self.zeroed.get().is_none_or(|before| before.elapsed() < HURRY);
            let mut offset = 0;
            while offset < self.config.segment_bytes {
                let start = Instant::now();
                let bytes = (self.config.segment_bytes - offset).min(ZERO_BYTES as u64);
                let part = usize::try_from(bytes).map_err(io::Error::other)?;
                file.write_all_at(&zeros.bytes()[..part], offset)?;
                offset += bytes;
                if !hurry {
                    // Half of the disk's time is the journal's.
                    thread::sleep(start.elapsed());
                }
            }
            self.zeroed.set(Some(Instant::now()));
            file.sync_all()?;
            fs::rename(&next, path)
        };
        let made = make();
        if made.is_err() {
            // What is half made takes room that somebody may need; that it cannot be removed changes nothing.
            let _ = fs::remove_file(&next);
        }
        made
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
