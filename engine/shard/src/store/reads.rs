//! What is read of a journal now, whoever it is for, and memory for it.
//!
//! Guarantees: no more is read at once than disks are fastest with, and no more ahead of consumers than others' writes
//! bear; an answer is known by its id, and finds whom it is for.
//!
//! Not here: what is read, and what becomes of it (`reading`, `recalling`, `cursors`, `rewriting`).

use std::collections::HashMap;

use engine_core::{Browse, Recalled};
use storage_journal::{Buffer, Order, Place};

use super::buffers::Buffers;
use super::pages::Run;
use crate::limits::{CURSOR_READS_MAX, READING_MAX, READS_MAX};

/// A run that is read for a cursor.
#[derive(Debug)]
pub(super) struct Browsing {
    pub browse: Browse,
    pub run: Run,
    /// Messages of the run that the cursor has passed.
    pub passed: usize,
}

/// A batch that is read for messages of one queue.
#[derive(Debug)]
pub(super) struct Recalling {
    pub queue: u64,
    /// In the order of their names.
    pub messages: Vec<Recalled>,
    pub place: Place,
}

/// Whom a read is for.
#[derive(Debug)]
pub(super) enum Reader {
    /// A queue's consumers, ahead of them.
    Queue(u64),
    /// What came back to a queue.
    Recall(Recalling),
    /// A cursor.
    Cursor(Browsing),
    /// The oldest segment is emptied.
    Front,
}

/// A read that is under way.
#[derive(Debug)]
struct UnderWay {
    segment: u64,
    reader: Reader,
}

/// All reads of one shard's journal.
#[derive(Debug)]
pub(super) struct Reads {
    last: u64,
    under_way: HashMap<u64, UnderWay>,
    /// How many of them are for cursors.
    cursors: usize,
    /// How many of them empty a segment, which is beside the others.
    front: usize,
    /// Octets that are read ahead of consumers.
    ahead_bytes: usize,
    /// Octets read so far.
    bytes: u64,
    buffers: Buffers,
}

impl Reads {
    pub fn new() -> Self {
        let buffers = Buffers::new();
        Self { last: 0, under_way: HashMap::new(), cursors: 0, front: 0, ahead_bytes: 0, bytes: 0, buffers }
    }

    /// How many more may be begun.
    fn free(&self) -> usize {
        READS_MAX.saturating_sub(self.under_way.len() - self.front)
    }

    /// Whether one more may be begun.
    pub fn has_room(&self) -> bool {
        self.free() > 0
    }

    /// Whether more may be read ahead of consumers.
    pub fn has_room_ahead(&self) -> bool {
        self.has_room() && self.ahead_bytes < READING_MAX
    }

    /// How many more may be begun for cursors.
    pub fn cursors_free(&self) -> usize {
        CURSOR_READS_MAX.saturating_sub(self.cursors).min(self.free())
    }

    /// Begins one; gives its id, and what the disk is to do.
    pub fn begin(&mut self, reader: Reader, place: Place, bytes: usize) -> (u64, Order) {
        match reader {
            Reader::Queue(_) => self.ahead_bytes += bytes,
            Reader::Cursor(_) => self.cursors += 1,
            Reader::Front => self.front += 1,
            Reader::Recall(_) => {}
        }
        self.last += 1;
        let id = self.last;
        self.under_way.insert(id, UnderWay { segment: place.segment, reader });
        (id, Order::Read { id, place, buffer: self.buffers.take(bytes) })
    }

    /// One ended with so many octets; gives whom it was for, and which segment is no longer read for it.
    pub fn end(&mut self, id: u64, bytes: usize) -> (Reader, u64) {
        let UnderWay { segment, reader } = self.under_way.remove(&id).expect("a read ends once");
        match reader {
            Reader::Queue(_) => self.ahead_bytes -= bytes,
            Reader::Cursor(_) => self.cursors -= 1,
            Reader::Front => self.front -= 1,
            Reader::Recall(_) => {}
        }
        self.bytes += bytes as u64;
        (reader, segment)
    }

    /// Octets read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Memory for what is read.
    pub fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Memory that nobody needs.
    pub fn give_back(&self, buffer: Buffer) {
        self.buffers.give_back(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_bound_and_what_empties_a_segment_is_beside_them() {
        let mut reads = Reads::new();
        let place = Place { segment: 7, offset: 4096 };
        reads.begin(Reader::Front, place, 4096);
        assert_eq!(reads.cursors_free(), CURSOR_READS_MAX);
        let (first, _) = reads.begin(Reader::Queue(1), place, READING_MAX);
        assert!(reads.has_room() && !reads.has_room_ahead(), "that much is read ahead at once");
        let (reader, segment) = reads.end(first, READING_MAX);
        assert!(matches!(reader, Reader::Queue(1)) && segment == 7 && reads.has_room_ahead());
        let ids: Vec<u64> = (0..READS_MAX).map(|_| reads.begin(Reader::Queue(1), place, 4096).0).collect();
        assert!(!reads.has_room() && reads.cursors_free() == 0, "as many as disks are fastest with");
        reads.end(ids[3], 4096);
        assert_eq!((reads.has_room_ahead(), reads.cursors_free()), (true, 1));
        assert_eq!(reads.bytes(), (READING_MAX + 4096) as u64);
    }
}
