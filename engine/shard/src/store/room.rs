//! Room for the journal: segments are made ready ahead of the writer, and what may still be stored follows from them.
//!
//! Guarantees:
//! 1. A disk that is full takes acknowledgements and what emptying the oldest segment needs, nothing else
//!    (`JournalReport::Room`).
//! 2. A full disk is asked again: at once when a segment serves again, and every half second, as others may have made
//!    room.
//! 3. While a segment is being made nobody is given credit for what is kept; where more came all the same,
//!    acknowledgements may use half of what is left to others on the disk.
//! 4. It counts as full until all segments are ready that should be, so that what is kept back is whole before
//!    producers go on.

use engine_core::{Core, JournalReport, Room};
use storage_journal::{Margin, Order, Reach};

use super::Store;
use crate::limits::{
    ALLOWANCE_SEGMENTS, KEPT_HALVES, KEPT_HALVES_LONG, LONG_SOON_SEGMENTS, PENDING_HIGH, PENDING_LOW, SEGMENTS_AHEAD,
    SEGMENTS_AHEAD_LONG,
};

impl Store {
    /// Has segments made ready ahead of the writer.
    pub(super) fn prepare(&mut self, now_ns: u64) {
        if self.writing.next() == Reach::START && !self.space.is_full() {
            // A node that stores nothing makes no files.
            return;
        }
        if !self.space.is_preparing() && !self.wants_segment() {
            self.space.handle_ready();
        }
        if self.wants_segment() && self.space.may_prepare(now_ns) {
            // What waits for a segment lies before everything that would make room.
            let waits = self.writing.waits_behind(self.space.prepared());
            let stuck = self.space.is_full() && waits && self.needed.segments().count() > 1;
            let margin = if stuck { Margin::Half } else { Margin::All };
            let (segment, reuse) = self.space.begin();
            let (first, batch, firm) = (self.needed.first(), self.writing.written_batch(), self.writing.last_batch());
            self.orders.push_back(Order::Prepare { segment, reuse, margin, first, batch, firm });
        }
    }

    /// The disk was found to be full before a new journal wrote anything: nobody sends what could not be stored and
    /// would wait for an answer.
    pub fn begin_full(&mut self) {
        if self.writing.next() == Reach::START {
            self.space.handle_no_room(None, 0);
        }
    }

    /// Whether the journal is so long that a whole segment is kept for emptying its oldest one.
    fn is_long(&self) -> bool {
        self.needed.segments().count() as u64 > ALLOWANCE_SEGMENTS
    }

    /// Whether it will be that long soon. What is kept then is ready by then: were it made only then, producers would
    /// wait for as long as the disk takes to make a segment, at a time when it has room.
    fn will_be_long(&self) -> bool {
        self.needed.segments().count() as u64 >= LONG_SOON_SEGMENTS
    }

    /// Whether another segment is to be made ready, and none is.
    fn wants_segment(&self) -> bool {
        let ahead = if self.will_be_long() { SEGMENTS_AHEAD_LONG } else { SEGMENTS_AHEAD };
        !self.space.is_preparing() && self.space.prepared() < self.writing.place().segment + ahead
    }

    /// When a full disk is asked for a segment again.
    pub(super) fn retry_deadline(&self) -> Option<u64> {
        self.space.retry_ns().filter(|_| self.wants_segment())
    }

    /// Octets that can be written to segments that are ready.
    pub(super) fn left_bytes(&self) -> u64 {
        let segments = (self.space.prepared() + 1).saturating_sub(self.writing.place().segment);
        let ready = segments * self.config.segment_bytes;
        ready.saturating_sub(self.config.segment_bytes - self.writing.room() as u64)
    }

    /// Whether what lives in the oldest segment finds room, beside a quarter of a segment for acknowledgements.
    pub(super) fn has_room_for_front(&self) -> bool {
        let room = self.left_bytes().checked_sub(self.config.segment_bytes / 4);
        room.is_some_and(|room| self.needed.segments().front_fits(room))
    }

    /// Tells the core whether producers may go on.
    pub(super) fn watch_room(&mut self, core: &mut Core) {
        let pending = self.writing.waiting_bytes();
        let halves = if self.is_long() { KEPT_HALVES_LONG } else { KEPT_HALVES };
        let kept = self.left_bytes() < halves * self.config.segment_bytes / 2;
        let (is_full, is_preparing) = (self.space.is_full(), self.space.is_preparing());
        let room = match core.room() {
            _ if is_full && kept => Room::None,
            _ if is_full => Room::Little,
            Room::Plenty if pending > PENDING_HIGH => Room::Busy,
            // Whether the disk has room for more is not known before it answers. (In the first segment there is nothing
            // to make room of.)
            _ if kept && is_preparing && self.needed.segments().count() > 1 => Room::Busy,
            Room::Plenty => Room::Plenty,
            _ if pending > PENDING_LOW => Room::Busy,
            _ => Room::Plenty,
        };
        core.handle_journal(JournalReport::Room { room, waiting_bytes: pending as u64 });
    }
}
