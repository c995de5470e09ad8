//! Files of messages that are too large for memory: which of them are written and read, for which link, and what the disk is to do.
//!
//! Guarantees: a file that nobody wants any more is ordered to be removed, once the disk has said what became of it, or at once; the parts
//! that are written are counted. It has no disk: `poll` says what one is to do, and each answer of one finds its link.
//!
//! Not here: what a message's parts are (`incoming`, `outgoing`), and what a link does about the disk's answers (`streams`).

use std::collections::{HashMap, VecDeque};

use storage_disk::large::LargeOrder;

use crate::limits::SHARD_PARTS_MAX;
use crate::slots::Slot;

/// The files of one shard's large messages that are under way.
pub(crate) struct Files {
    /// The link of each file that is written.
    arriving: HashMap<u64, Slot>,
    /// The link of each part that is read.
    reading: HashMap<u64, Slot>,
    orders: VecDeque<LargeOrder>,
    next_file: u64,
    next_reader: u64,
    /// Parts that are written.
    parts: u32,
}

impl Files {
    pub fn new(first_file: u64) -> Self {
        Self {
            arriving: HashMap::new(),
            reading: HashMap::new(),
            orders: VecDeque::new(),
            next_file: first_file,
            next_reader: 0,
            parts: 0,
        }
    }

    /// Begins a file for a message of a link; gives its id.
    pub fn begin(&mut self, place: Slot) -> u64 {
        let id = self.next_file;
        self.next_file += 1;
        self.arriving.insert(id, place);
        id
    }

    /// Gives an order, and counts the part that it writes.
    pub fn submit(&mut self, order: LargeOrder) {
        self.parts += u32::from(matches!(order, LargeOrder::Append { .. }));
        self.orders.push_back(order);
    }

    /// The next order.
    pub fn poll(&mut self) -> Option<LargeOrder> {
        self.orders.pop_front()
    }

    /// Gives a file up.
    pub fn give_up(&mut self, id: u64) {
        self.arriving.remove(&id);
        self.submit(LargeOrder::Remove { id });
    }

    /// Orders a part to be read for a link; gives the name of the read.
    pub fn read(&mut self, place: Slot, id: u64, offset: u64, bytes: usize) -> u64 {
        self.next_reader += 1;
        let reader = self.next_reader;
        self.reading.insert(reader, place);
        self.submit(LargeOrder::Read { reader, id, offset, bytes });
        reader
    }

    /// Whether as many parts are written as may be.
    pub fn is_busy(&self) -> bool {
        self.parts >= SHARD_PARTS_MAX
    }

    /// A part was written; gives the link of its file, unless that was given up.
    pub fn handle_appended(&mut self, id: u64) -> Option<Slot> {
        self.parts -= 1;
        self.arriving.get(&id).copied()
    }

    /// A file is whole; gives its link, unless it was given up.
    pub fn handle_finished(&mut self, id: u64) -> Option<Slot> {
        self.arriving.remove(&id)
    }

    /// A file could not be written, and goes; gives its link, unless it was given up.
    pub fn handle_not_written(&mut self, id: u64) -> Option<Slot> {
        self.parts = self.parts.saturating_sub(1);
        let place = self.arriving.remove(&id)?;
        self.submit(LargeOrder::Remove { id });
        Some(place)
    }

    /// A part was read, or not; gives the link that it was for.
    pub fn handle_read(&mut self, reader: u64) -> Option<Slot> {
        self.reading.remove(&reader)
    }
}
