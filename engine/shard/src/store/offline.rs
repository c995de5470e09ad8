//! A journal that no node runs on: its messages are taken out in their order, or put into a new one.

use bytes::Bytes;
use engine_core::fact::Declared;
use engine_core::limits::{CoreConfig, Storage};
use engine_core::message::{Large, Message};
use engine_core::{Core, Restored};
use storage_disk::Disk;
use storage_journal::{Done, Fault, Place, Position, Segments, read_batches};

use super::entry::{Entry, entries, message};
use super::{Store, StoreConfig, StoreError};

/// Memory for messages on their way into a journal, octets.
const COPY_MEMORY: u64 = 64 << 20;
/// Octets that wait to be written, beyond which the copy waits.
const COPY_PENDING: u64 = 8 << 20;

/// The messages of a recovered journal.
pub struct Extract {
    store: Store,
    restored: Vec<Restored>,
}

/// A part of a queue, to be read and given to [`Extract::messages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The queue.
    pub queue: u64,
    /// Which of its parts.
    pub index: usize,
    /// Where it lies.
    pub place: Place,
    /// Its length, octets.
    pub bytes: usize,
}

impl Extract {
    /// Everything that was recovered.
    pub fn new(store: Store, restored: Vec<Restored>) -> Self {
        Self { store, restored }
    }

    /// The queues.
    pub fn queues(&self) -> &[Restored] {
        &self.restored
    }

    /// The files of large messages.
    pub fn files(&self) -> impl Iterator<Item = Large> {
        self.store.files()
    }

    /// Octets of all segments, and of the messages that are needed.
    pub fn bytes(&self) -> (u64, u64) {
        (self.store.segments.bytes(), self.store.segments.live_bytes())
    }

    /// The parts of a queue, in its order.
    pub fn parts(&self, queue: u64) -> Vec<Part> {
        let runs = self.store.queues.get(&queue).map(|stored| &stored.pages.runs);
        let parts = runs.into_iter().flatten().enumerate();
        parts.map(|(index, run)| Part { queue, index, place: run.place(), bytes: run.bytes() }).collect()
    }

    /// The messages of a part, in their order, with their names.
    ///
    /// # Errors
    /// When the disk gave something else than what was written.
    pub fn messages(&self, part: &Part, bytes: &[u8]) -> Result<Vec<(u64, Message)>, Fault> {
        let run = self.store.queues.get(&part.queue).and_then(|stored| stored.pages.runs.get(part.index));
        let Some(run) = run else { return Ok(Vec::new()) };
        let mut found = Vec::with_capacity(run.names.len());
        read_batches(self.store.config.directory, part.place, bytes, |sequence, _, record| {
            entries(&record, sequence, |Entry { queue, name, .. }| {
                if queue == part.queue && run.names.contains(name) {
                    let copied = message(&record, Bytes::copy_from_slice);
                    found.extend(copied.map(|mut message| {
                        if let Some(&count) = self.store.failures.get(&name) {
                            message.header.delivery_count = count;
                        }
                        (name, message)
                    }));
                }
            });
        })?;
        found.sort_by_key(|(name, _)| *name);
        Ok(found)
    }
}

/// A new journal that messages are put into.
pub struct Copy {
    core: Core,
    store: Store,
    disk: Disk,
}

impl Copy {
    /// An empty journal on a disk.
    pub fn new(config: StoreConfig, disk: Disk) -> Self {
        let core = Core::new(CoreConfig {
            shard: config.shard,
            storage: Storage::Journal,
            memory_bytes: COPY_MEMORY,
            hard_messages: u64::MAX,
            hard_bytes: u64::MAX,
            ..CoreConfig::default()
        });
        let segments = Segments::new(config.segment_bytes, config.allowance());
        let store = Store::new(config, Position::START, segments, 0);
        Self { core, store, disk }
    }

    /// Makes a queue; gives its number.
    pub fn queue(&mut self, declared: &Declared) -> u64 {
        self.core.adopt_queue(declared)
    }

    /// Puts a message into a queue, and waits while much is not on disk yet.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub fn message(&mut self, queue: u64, message: Message) -> Result<(), StoreError> {
        self.core.adopt_message(queue, message);
        self.turn();
        while self.store.totals().pending_bytes > COPY_PENDING {
            self.wait()?;
        }
        Ok(())
    }

    /// Waits until everything is on stable storage.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.store.take_facts(&mut self.core);
        self.store.seal();
        self.turn();
        while self.store.is_busy() {
            self.wait()?;
        }
        if !self.store.has_ended() {
            self.store.mark(&self.core);
        }
        self.turn();
        while !self.store.is_resting() {
            self.wait()?;
        }
        Ok(())
    }

    fn turn(&mut self) {
        self.store.handle_turn(&mut self.core, 0);
        while let Some(order) = self.store.poll_order() {
            self.disk.submit(order);
        }
    }

    fn wait(&mut self) -> Result<(), StoreError> {
        let done = self.disk.wait_done().map_err(|error| StoreError::Disk { what: "write", error })?;
        if matches!(done, Done::NoRoom { .. }) {
            let error = std::io::ErrorKind::StorageFull.into();
            return Err(StoreError::Disk { what: "write the new journal", error });
        }
        self.store.handle_done(&mut self.core, 0, done)?;
        self.turn();
        Ok(())
    }
}
