//! The oldest segment is emptied: what still lives in it is written again at the end.
//!
//! One window is read at a time, and only while little waits to be written, so that producers and consumers hardly notice.

use engine_core::Core;
use storage_journal::{
    Batch, Buffer, Fault, FaultKind, Numbers, Order, Place, Properties, Record, batch_length, read_batches,
};

use super::pages::Sealing;
use super::{Entry, Store, StoreError, entries};
use crate::limits::{PENDING_LOW, REWRITE_WINDOW};

/// A segment that is emptied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rewriting {
    segment: u64,
    /// Up to where it was looked at, octets.
    offset: u64,
    /// Its last sequence number.
    last: u64,
    window: Option<usize>,
}

/// What is to be written again.
enum Living {
    Message { properties: Properties, entries: Vec<Entry>, body: Vec<u8> },
    Queue { queue: u64, routing: u8, purpose: u8, address: String, name: String },
}

impl Store {
    /// Goes on with emptying the oldest segment, or begins with it if the journal is too long.
    pub(super) fn rewrite(&mut self, core: &mut Core) {
        if self.rewriting.is_none()
            && let Some(segment) = self.segments.rewrite()
            && let Some(last) = self.segments.front_last().filter(|&last| last <= self.durable)
            && core.room() == engine_core::Room::Plenty
        {
            let offset = storage_journal::format::BLOCK as u64;
            self.rewriting = Some(Rewriting { segment, offset, last, window: None });
        }
        let waiting = self.pending_bytes + self.writer.open_bytes();
        if let Some(rewriting) = &mut self.rewriting
            && rewriting.window.is_none()
            && waiting < PENDING_LOW
        {
            // It may have emptied itself meanwhile.
            if self.segments.first() != Some(rewriting.segment) {
                self.rewriting = None;
                return;
            }
            rewriting.window = Some(REWRITE_WINDOW);
            self.segments.handle_read(rewriting.segment);
            self.order_window();
        }
    }

    fn order_window(&mut self) {
        let Some(Rewriting { segment, offset, window: Some(window), .. }) = self.rewriting else { return };
        self.next_read += 1;
        let bytes = window.min(usize::try_from(self.config.segment_bytes - offset).unwrap_or(window));
        let buffer = self.buffers.take(bytes);
        self.orders.push_back(Order::Read { id: self.next_read, place: Place { segment, offset }, buffer });
    }

    /// A window of the oldest segment was read.
    pub(super) fn handle_front(&mut self, core: &mut Core, buffer: &Buffer) -> Result<(), StoreError> {
        // What left its queue until now is not written again: its acknowledgement lies before.
        self.take_facts(core);
        let Some(rewriting) = &mut self.rewriting else { return Ok(()) };
        let Rewriting { segment, offset, last, .. } = *rewriting;
        let bytes = buffer.bytes();
        let mut whole = 0;
        while let Some(length) = batch_length(&bytes[whole..])
            && whole + length <= bytes.len()
        {
            whole += length;
        }
        if whole == 0 {
            let damaged = Fault { segment, offset, kind: FaultKind::Batch };
            let length = batch_length(bytes).filter(|&length| length > bytes.len()).ok_or_else(|| damaged.clone())?;
            if offset + length as u64 > self.config.segment_bytes {
                return Err(damaged.into());
            }
            rewriting.window = Some(length);
            self.order_window();
            return Ok(());
        }
        rewriting.offset += whole as u64;
        rewriting.window = None;
        let mut living = Vec::new();
        let mut seen = 0;
        // Behind the last batch there may be whole ones that an earlier use of the file left.
        let mut place = Place { segment, offset };
        let mut at = 0;
        while at < whole && seen < last {
            let length = batch_length(&bytes[at..]).unwrap_or(whole - at);
            let batch = &bytes[at..at + length];
            read_batches(self.config.directory, place, batch, |sequence, _: Batch, record| {
                seen = sequence + u64::from(record.numbers()) - 1;
                self.collect_living(&record, sequence, &mut living);
            })?;
            at += length;
            place.offset += length as u64;
        }
        if seen >= last {
            self.rewriting = None;
        }
        self.segments.handle_read_done(segment);
        living.iter().for_each(|living| self.write_again(core, living));
        Ok(())
    }

    fn collect_living(&self, record: &Record<'_>, sequence: u64, living: &mut Vec<Living>) {
        match *record {
            Record::Message { properties, body, .. } | Record::Moved { properties, body, .. } => {
                let mut left = Vec::new();
                entries(record, sequence, |entry| {
                    if self.segments.is_live(entry.sequence) && self.queues.contains_key(&entry.queue) {
                        left.push(entry);
                    }
                });
                if !left.is_empty() {
                    living.push(Living::Message { properties, entries: left, body: body.to_vec() });
                }
            }
            Record::QueueDeclared { queue, routing, purpose, address, name } if self.segments.is_live(sequence) => {
                let (address, name) = (address.to_owned(), name.to_owned());
                living.push(Living::Queue { queue, routing, purpose, address, name });
            }
            _ => {}
        }
    }

    fn write_again(&mut self, core: &mut Core, living: &Living) {
        match living {
            Living::Message { properties, entries, body } => self.move_message(core, properties, entries, body),
            Living::Queue { queue, routing, purpose, address, name } => {
                let (queue, routing, purpose) = (*queue, *routing, *purpose);
                let number = core.take_numbers(1);
                let record = Record::QueueDeclared { queue, routing, purpose, address, name };
                self.append(core, number, &record);
                self.segments.handle_stored(number, 1, record.bytes());
                if let Some(stored) = self.queues.get_mut(&queue) {
                    let older = std::mem::replace(&mut stored.declared, number);
                    self.segments.handle_released(older);
                }
                self.free_after = number;
            }
        }
    }

    fn move_message(&mut self, core: &mut Core, properties: &Properties, entries: &[Entry], body: &[u8]) {
        let first = core.take_numbers(entries.len() as u64);
        let mut places = Vec::with_capacity(entries.len() * 24);
        for entry in entries {
            let failures = self.failures.get(&entry.name).copied().or(entry.failures);
            let failures = failures.unwrap_or(properties.delivery_count);
            for number in [entry.queue, entry.name, u64::from(failures)] {
                places.extend_from_slice(&number.to_le_bytes());
            }
        }
        let record = Record::Moved { properties: *properties, places: Numbers(&places), body };
        self.append(core, first, &record);
        self.segments.handle_stored(first, record.numbers(), record.bytes());
        let place = self.writer.place();
        for (entry, sequence) in entries.iter().zip(first..) {
            self.segments.handle_released(entry.sequence);
            let Some(stored) = self.queues.get_mut(&entry.queue) else { continue };
            if !stored.pages.holds(entry.name) {
                self.moved.insert(entry.name, sequence);
            } else if stored.pages.handle_moved(entry.name, sequence, place) == Sealing::New {
                self.unsealed.push((entry.queue, entry.name));
            }
            self.free_after = sequence;
            self.totals.rewritten += 1;
        }
    }
}
