//! A journal that no node runs on: its messages are taken out in their order, or put into a new one.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use engine_core::fact::Declared;
use engine_core::limits::{CoreConfig, Storage};
use engine_core::message::{Large, Message};
use engine_core::{Core, Restored};
use engine_ledger::{Attributes, Entry, Ledger, Meaning, carry, entries, message};
use storage_disk::Disk;
use storage_journal::{Done, Place, Position, Segments, salvage_batches};

use super::needed::Needed;
use super::pages::Pages;
use super::queues::Queues;
use super::space::Space;
use super::{Found, Store, StoreConfig, StoreError};

/// Memory for messages on their way into a journal, octets.
const COPY_MEMORY: u64 = 64 << 20;
/// Octets that wait to be written, beyond which the copy waits.
const COPY_PENDING: u64 = 8 << 20;

/// The messages of a journal that was read.
pub struct Extract {
    directory: [u8; 16],
    pages: HashMap<u64, Pages>,
    ledger: Ledger,
    restored: Vec<Restored>,
    large: Vec<Large>,
    live_bytes: u64,
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
    /// How many messages are in it.
    pub messages: usize,
}

/// A message that was read, with all that its record says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// Its name in its queue.
    pub name: u64,
    /// The message.
    pub message: Message,
    /// What else is said of it, with 0 for the number of its queue.
    pub attributes: Vec<u8>,
}

impl Extract {
    /// Everything that was recovered.
    pub fn new(store: Store, restored: Vec<Restored>) -> Self {
        let large = store.files().collect();
        let Store { config, queues, needed, .. } = store;
        let (pages, live_bytes) = (queues.into_pages(), needed.segments().live_bytes());
        Self { directory: config.directory, pages, ledger: needed.into_ledger(), restored, large, live_bytes }
    }

    /// What could be read of a damaged journal.
    pub(super) fn salvaged(
        directory: [u8; 16],
        pages: HashMap<u64, Pages>,
        ledger: Ledger,
        restored: Vec<Restored>,
    ) -> Self {
        Self { directory, pages, ledger, restored, large: Vec::new(), live_bytes: 0 }
    }

    /// The queues.
    pub fn queues(&self) -> &[Restored] {
        &self.restored
    }

    /// The large messages, once for each queue that they are in.
    pub fn large(&self) -> &[Large] {
        &self.large
    }

    /// Octets of the messages that are needed, as far as a segment's messages are alike.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// The parts of a queue, in its order.
    pub fn parts(&self, queue: u64) -> impl Iterator<Item = Part> {
        let runs = self.pages.get(&queue).map(|pages| &pages.runs);
        runs.into_iter().flatten().enumerate().map(move |(index, run)| {
            let (place, bytes, messages) = (run.place(), run.bytes(), run.len());
            Part { queue, index, place, bytes, messages }
        })
    }

    /// The messages of a part, in their order, with their names. Fewer than it has when the disk gave something else than before.
    pub fn messages(&self, part: &Part, bytes: &[u8]) -> Vec<(u64, Message)> {
        self.extracted(part, bytes).into_iter().map(|Extracted { name, message, .. }| (name, message)).collect()
    }

    /// The same, with all that is said of them, for whoever writes them again.
    pub fn extracted(&self, part: &Part, bytes: &[u8]) -> Vec<Extracted> {
        let run = self.pages.get(&part.queue).and_then(|pages| pages.runs.get(part.index));
        let Some(run) = run else { return Vec::new() };
        let mut found = Vec::with_capacity(run.len());
        salvage_batches(self.directory, part.place, bytes, |_, record| {
            let Ok(Some(meaning)) = Meaning::decode(&record) else { return };
            entries(&meaning, record.number, |Entry { queue, name, .. }| {
                if queue == part.queue && run.messages.names().contains(name) {
                    let (Meaning::Message { attributes, .. } | Meaning::Moved { attributes, .. }) = meaning else {
                        return;
                    };
                    let copied = message(&meaning, Bytes::copy_from_slice);
                    found.extend(copied.map(|mut message| {
                        if let Some(count) = self.ledger.failures_of(name) {
                            message.header.delivery_count = count;
                        }
                        let attributes = carry(attributes, |queue| (queue == part.queue).then_some(0));
                        Extracted { name, message, attributes }
                    }));
                }
            });
        });
        found.sort_by_key(|found| found.name);
        // A batch of another past may lie between those of the area.
        found.dedup_by_key(|found| found.name);
        found
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
            ..CoreConfig::default()
        });
        let segments = Segments::new(config.segment_bytes, config.allowance());
        let needed = Needed::new(segments, Ledger::new(), &Position::START);
        let found = Found { needed, queues: Queues::default(), space: Space::new(0, VecDeque::new()) };
        let store = Store::new(config, Position::START, found);
        Self { core, store, disk }
    }

    /// Makes a queue; gives its number.
    pub fn queue(&mut self, declared: &Declared) -> u64 {
        self.core.adopt_queue(declared)
    }

    /// Puts a message into a queue, with what else is said of it there ([`Extracted`]), and waits while much is not on disk yet.
    ///
    /// # Errors
    /// When the disk fails or is full.
    pub fn message(&mut self, queue: u64, message: Message, attributes: &[u8]) -> Result<(), StoreError> {
        self.core.adopt_message(queue, message);
        let attributes = carry(Attributes(attributes), |_| Some(queue));
        self.store.take_requests_with(&mut self.core, Attributes(&attributes));
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
        self.store.take_requests(&mut self.core);
        self.store.seal();
        self.turn();
        while self.store.is_busy() {
            self.wait()?;
        }
        if !self.store.writing.has_ended() {
            self.store.mark();
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
