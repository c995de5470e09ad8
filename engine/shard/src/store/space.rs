//! Segments of a journal that are ready to be written, and files of others that serve again.
//!
//! Guarantees: one segment is being made ready at a time; a disk that was full is asked again at once when a file serves again, and else
//! after `RETRY_NS`.
//!
//! Not here: how many are to be ready, and who waits for that (`room`).

use std::collections::VecDeque;

use crate::limits::{FULL_BATCH_NS, RETRY_NS, SEGMENTS_SPARE, UNAWAITED_NS};

/// Whether the disk has room for more segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Room,
    /// None: it is asked again at this time.
    Full {
        retry_ns: u64,
    },
}

/// Segments that are ready, and files that serve again.
#[derive(Debug)]
pub(super) struct Space {
    /// The last segment that is ready to be written.
    prepared: u64,
    preparing: Option<u64>,
    found: Found,
    full_times: u64,
    /// Segments whose files serve again, oldest first.
    spare: VecDeque<u64>,
}

impl Space {
    /// That of a journal whose segments are ready up to one.
    pub fn new(prepared: u64, spare: VecDeque<u64>) -> Self {
        Self { prepared, preparing: None, found: Found::Room, full_times: 0, spare }
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        self.found != Found::Room
    }

    /// How often it became so.
    pub fn full_times(&self) -> u64 {
        self.full_times
    }

    /// The last segment that is ready to be written.
    pub fn prepared(&self) -> u64 {
        self.prepared
    }

    /// Whether one is being made ready.
    pub fn is_preparing(&self) -> bool {
        self.preparing.is_some()
    }

    /// Whether a segment may be asked for: not while a full disk is let alone, unless a file serves again.
    pub fn may_prepare(&self, now_ns: u64) -> bool {
        match self.found {
            Found::Full { retry_ns } => !self.spare.is_empty() || now_ns >= retry_ns,
            Found::Room => true,
        }
    }

    /// The next one is being made ready; gives its number, and the one whose file serves for it.
    pub fn begin(&mut self) -> (u64, Option<u64>) {
        let segment = self.prepared + 1;
        self.preparing = Some(segment);
        (segment, self.spare.pop_front())
    }

    /// A segment is ready.
    pub fn handle_prepared(&mut self, segment: u64) {
        self.prepared = segment;
        self.preparing = None;
    }

    /// The disk has no room for a segment.
    pub fn handle_no_room(&mut self, reuse: Option<u64>, now_ns: u64) {
        self.preparing = None;
        reuse.into_iter().for_each(|oldest| self.spare.push_front(oldest));
        let before = std::mem::replace(&mut self.found, Found::Full { retry_ns: now_ns + RETRY_NS });
        self.full_times += u64::from(before == Found::Room);
    }

    /// Nothing in a segment is needed; gives the one whose file is to go for it.
    pub fn handle_free(&mut self, segment: u64) -> Option<u64> {
        self.spare.push_back(segment);
        if self.spare.len() > SEGMENTS_SPARE { self.spare.pop_front() } else { None }
    }

    /// How long a batch may fill that is not written at once, nanoseconds.
    pub fn filling_ns(&self) -> u64 {
        if self.is_full() { FULL_BATCH_NS } else { UNAWAITED_NS }
    }

    /// When a full disk is asked again.
    pub fn retry_ns(&self) -> Option<u64> {
        match self.found {
            Found::Full { retry_ns } => Some(retry_ns),
            Found::Room => None,
        }
    }

    /// All segments are ready that should be.
    pub fn handle_ready(&mut self) {
        self.found = Found::Room;
    }
}
