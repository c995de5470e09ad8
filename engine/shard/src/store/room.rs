//! Room for the journal: segments are made ready ahead of the writer, and what may still be stored follows from them.
//!
//! Guarantees:
//! 1. A disk that is full takes acknowledgements and what emptying the oldest segment needs, nothing else (`Core::handle_room`).
//! 2. A full disk is asked again: at once when a segment serves again, and every half second, as others may have made room.
//! 3. While a segment is being made nobody is given credit for what is kept; where more came all the same, acknowledgements may use half
//!    of what is left to others on the disk.
//! 4. It counts as full until all segments are ready that should be, so that what is kept back is whole before producers go on.

use engine_core::{Core, Room};
use storage_journal::{Margin, Order, Reach};

use super::Store;
use crate::limits::{
    ALLOWANCE_SEGMENTS, KEPT_HALVES, KEPT_HALVES_LONG, PENDING_HIGH, PENDING_LOW, RETRY_NS, SEGMENTS_AHEAD,
    SEGMENTS_AHEAD_LONG,
};

impl Store {
    /// Has segments made ready ahead of the writer.
    pub(super) fn prepare(&mut self, now_ns: u64) {
        if self.writer.next() == Reach::START && !self.no_room {
            // A node that stores nothing makes no files.
            return;
        }
        if self.preparing.is_none() && !self.wants_segment() {
            self.no_room = false;
        }
        let wait = self.no_room && self.spare.is_empty() && now_ns < self.retry_ns;
        if self.wants_segment() && !wait {
            let segment = self.prepared + 1;
            self.preparing = Some(segment);
            // What waits for a segment lies before everything that would make room.
            let waits = self.sealed.front().is_some_and(|sealed| sealed.place.segment > self.prepared);
            let stuck = self.no_room && waits && self.segments.count() > 1;
            let margin = if stuck { Margin::Half } else { Margin::All };
            let (first, batch) = (self.first_needed(), self.durable_batch);
            self.orders.push_back(Order::Prepare { segment, reuse: self.spare.pop_front(), margin, first, batch });
        }
    }

    /// The disk was found to be full before a new journal wrote anything: nobody sends what could not be stored and would wait for an answer.
    pub fn begin_full(&mut self) {
        if self.writer.next() == Reach::START {
            self.handle_no_room(None, 0);
        }
    }

    /// A segment is ready.
    pub(super) fn handle_prepared(&mut self, segment: u64) {
        self.prepared = segment;
        self.preparing = None;
    }

    /// The disk has no room for a segment.
    pub(super) fn handle_no_room(&mut self, reuse: Option<u64>, now_ns: u64) {
        self.preparing = None;
        reuse.into_iter().for_each(|oldest| self.spare.push_front(oldest));
        self.retry_ns = now_ns + RETRY_NS;
        if !std::mem::replace(&mut self.no_room, true) {
            self.totals.full_times += 1;
        }
    }

    /// Whether the journal is so long that a whole segment is kept for emptying its oldest one.
    fn is_long(&self) -> bool {
        self.segments.count() as u64 > ALLOWANCE_SEGMENTS
    }

    /// Whether another segment is to be made ready, and none is.
    pub(super) fn wants_segment(&self) -> bool {
        let ahead = if self.is_long() { SEGMENTS_AHEAD_LONG } else { SEGMENTS_AHEAD };
        self.preparing.is_none() && self.prepared < self.writer.place().segment + ahead
    }

    /// Octets that can be written to segments that are ready.
    fn left_bytes(&self) -> u64 {
        let ready = (self.prepared + 1).saturating_sub(self.writer.place().segment) * self.config.segment_bytes;
        ready.saturating_sub(self.config.segment_bytes - self.writer.room() as u64)
    }

    /// Whether what lives in the oldest segment finds room, beside a quarter of a segment for acknowledgements.
    pub(super) fn has_room_for_front(&self) -> bool {
        self.left_bytes().checked_sub(self.config.segment_bytes / 4).is_some_and(|room| self.segments.front_fits(room))
    }

    /// Tells the core whether producers may go on.
    pub(super) fn watch_room(&mut self, core: &mut Core) {
        let pending = self.waiting_bytes();
        let halves = if self.is_long() { KEPT_HALVES_LONG } else { KEPT_HALVES };
        let kept = self.left_bytes() < halves * self.config.segment_bytes / 2;
        let room = match core.room() {
            _ if self.no_room && kept => Room::None,
            _ if self.no_room => Room::Little,
            Room::Plenty if pending > PENDING_HIGH => Room::Busy,
            // Whether the disk has room for more is not known before it answers. (In the first segment there is nothing to make room of.)
            _ if kept && self.preparing.is_some() && self.segments.count() > 1 => Room::Busy,
            Room::Plenty => Room::Plenty,
            _ if pending > PENDING_LOW => Room::Busy,
            _ => Room::Plenty,
        };
        core.handle_room(room, pending as u64);
    }
}
