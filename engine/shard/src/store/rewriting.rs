//! The oldest segment is emptied: what still lives in it is written again at the end.
//!
//! Only batches with something living are read, about a window at a time, and only while little waits to be written, so that
//! producers and consumers hardly notice. While the disk is full this is what makes room, beside segments that empty themselves: it goes on
//! as far as what lives there fits into what is kept for it, and nobody is spared.

use std::collections::HashSet;

use engine_core::{Core, Room};
use engine_ledger::{Attributes, Entry, Meaning, Numbers, Properties, carry, entries};
use storage_journal::format::BLOCK;
use storage_journal::{Buffer, LOCAL, Living, Place, Record, read_batches};

use super::reads::Reader;
use super::{Store, StoreError};
use crate::limits::{HURRY_SEGMENTS, PENDING_LOW, REWRITE_PAUSE_NS, REWRITE_SHARE, REWRITE_WINDOW};

/// A segment that is emptied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rewriting {
    segment: u64,
    /// The batch from which on it is to be looked at.
    next: usize,
    /// What is read.
    area: Option<Living>,
    /// It goes on when so many octets were written in all, or
    due_bytes: u64,
    /// at this time.
    due_ns: u64,
}

/// What is to be written again.
enum Again {
    Message(Copied),
    /// As it is, with attributes that this version may not know.
    Queue {
        queue: u64,
        attributes: Vec<u8>,
    },
}

/// A message, and the queues that it is still in.
struct Copied {
    properties: Properties,
    attributes: Vec<u8>,
    entries: Vec<Entry>,
    body: Vec<u8>,
}

impl Store {
    /// Goes on with emptying the oldest segment, or begins with it if it is time to.
    pub(super) fn rewrite(&mut self, core: &mut Core, now_ns: u64) {
        if self.rewriting.is_none()
            && let Some(segment) = self.segment_to_rewrite(core)
            && self.needed.segments().front_reach().is_some_and(|reach| self.writing.written().reaches(reach))
        {
            self.rewriting = Some(Rewriting { segment, next: 0, area: None, due_bytes: 0, due_ns: 0 });
        }
        let stuck = self.space.is_full() && !self.has_room_for_front();
        if stuck && self.rewriting.as_ref().is_some_and(|rewriting| rewriting.area.is_none()) {
            // It begins again when enough has left.
            self.rewriting = None;
        }
        let Some(rewriting) = &mut self.rewriting else { return };
        let (segments, given_bytes) = (self.needed.segments(), self.writing.given().bytes);
        let due = rewriting.due_ns <= now_ns || rewriting.due_bytes <= given_bytes;
        let hurry = self.space.is_full() || segments.excess() > HURRY_SEGMENTS * self.config.segment_bytes;
        if rewriting.area.is_some() || self.writing.waiting_bytes() >= PENDING_LOW || !(due || hurry) {
            return;
        }
        // It may have emptied itself meanwhile.
        let here = segments.first() == Some(rewriting.segment);
        let Some(area) = segments.living(rewriting.next, REWRITE_WINDOW).filter(|_| here) else {
            self.rewriting = None;
            return;
        };
        let bytes = area.blocks as usize * BLOCK;
        rewriting.area = Some(area);
        rewriting.due_ns = now_ns + REWRITE_PAUSE_NS;
        // What is written again comes first, then others' share.
        rewriting.due_bytes = given_bytes + (1 + REWRITE_SHARE) * bytes as u64;
        self.read(Reader::Front, place(&area), bytes);
    }

    /// The oldest segment, if it is to be emptied now.
    fn segment_to_rewrite(&self, core: &Core) -> Option<u64> {
        let segments = self.needed.segments();
        match self.space.is_full() {
            true => segments.rewrite_when_full().filter(|_| self.has_room_for_front()),
            false => segments.rewrite().filter(|_| core.room() == Room::Plenty),
        }
    }

    /// When that goes on even if nothing is written. While too much waits to be written it goes on with what the disk says.
    pub(super) fn rewriting_deadline(&self) -> Option<u64> {
        let rewriting = self.rewriting.as_ref().filter(|rewriting| rewriting.area.is_none())?;
        (self.writing.waiting_bytes() < PENDING_LOW).then_some(rewriting.due_ns)
    }

    /// Batches of the oldest segment were read.
    pub(super) fn handle_front(&mut self, core: &mut Core, buffer: &Buffer) -> Result<(), StoreError> {
        // What left its queue until now is not written again: its acknowledgement lies before.
        self.take_requests(core);
        let Some(rewriting) = &mut self.rewriting else { return Ok(()) };
        let Some(area) = rewriting.area.take() else { return Ok(()) };
        rewriting.next = area.next;
        let mut living = Vec::new();
        read_batches(self.config.directory, place(&area), buffer.bytes(), |_, record| {
            self.collect_living(&record, &mut living);
        })?;
        living.iter().for_each(|again| self.write_again(core, again));
        Ok(())
    }

    fn collect_living(&self, record: &Record<'_>, living: &mut Vec<Again>) {
        // What is not known may be skipped, or the ledger would have refused it.
        let Ok(Some(meaning)) = Meaning::decode(record) else { return };
        match meaning {
            Meaning::Message { properties, attributes, body, .. }
            | Meaning::Moved { properties, attributes, body, .. } => {
                let mut left = Vec::new();
                entries(&meaning, record.number, |entry| {
                    if self.needed.segments().is_live(entry.number) {
                        left.push(entry);
                    }
                });
                if !left.is_empty() {
                    let there: HashSet<u64> = left.iter().map(|entry| entry.queue).collect();
                    let attributes = carry(attributes, |queue| there.contains(&queue).then_some(queue));
                    let body = body.to_vec();
                    living.push(Again::Message(Copied { properties, attributes, entries: left, body }));
                }
            }
            Meaning::Declared { queue, attributes } | Meaning::DeclaredAgain { queue, attributes }
                if self.needed.segments().is_live(record.number) =>
            {
                living.push(Again::Queue { queue, attributes: attributes.0.to_vec() });
            }
            _ => {}
        }
    }

    fn write_again(&mut self, core: &mut Core, again: &Again) {
        match again {
            Again::Message(copied) => self.move_message(core, copied),
            Again::Queue { queue, attributes } => {
                let number = core.take_local_numbers(1);
                let attributes = Attributes(attributes);
                self.remember(number, &Meaning::DeclaredAgain { queue: *queue, attributes });
                self.needed.keep_until(number);
            }
        }
    }

    fn move_message(&mut self, core: &mut Core, copied: &Copied) {
        let Copied { properties, attributes, entries, body } = copied;
        let first = core.take_local_numbers(entries.len() as u64);
        let mut places = Vec::with_capacity(entries.len() * 24);
        for entry in entries {
            let failures = self.needed.ledger().failures_of(entry.name).or(entry.failures).unwrap_or(0);
            for number in [entry.queue, entry.name, u64::from(failures)] {
                places.extend_from_slice(&number.to_le_bytes());
            }
        }
        let (properties, places, attributes) = (*properties, Numbers(&places), Attributes(attributes));
        let bytes = self.remember(first, &Meaning::Moved { properties, places, attributes, body });
        let share = bytes / entries.len().max(1);
        let place = self.writing.place();
        for (entry, number) in entries.iter().zip(first..) {
            let Entry { queue, name, .. } = *entry;
            if name & LOCAL != 0 {
                // The ledger does not know it.
                self.needed.handle_moved_aside(entry.number, number, share);
            }
            if !self.queues.handle_moved(queue, name, number, place) && name & LOCAL != 0 {
                self.needed.note_moved(name, number);
            }
            self.needed.keep_until(number);
            self.totals.rewritten += 1;
        }
    }
}

fn place(area: &Living) -> Place {
    Place { segment: area.segment, offset: u64::from(area.block) * BLOCK as u64 }
}
