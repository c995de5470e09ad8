//! What becomes of a message that a consumer holds.
//!
//! Guarantees:
//! 1. A message that the journal has may leave memory while a consumer holds it (`shed`); 40 octets of it stay. The journal gives
//!    it again before it is given to anybody else (`put_back`), at its place in the order.
//! 2. An outcome is done to a message once, and only if whoever says it holds it.
//!
//! Not here: when memory is short (`memory`), what is read when (`fetching`), and how a message leaves (`leaving`).

use std::collections::HashMap;

use bytes::Bytes;
use engine_message::section;

use super::Queue;
use super::entry::{Entry, Held, Next, Stub};
use super::held::Acquired;
use super::order::Candidate;
use super::stock::{Left, Why};
use crate::command::{Modified, Outcome, Settle};
use crate::message::{Content, Header, Message, NORMAL_PRIORITY};
use crate::slab::Key;

/// A body with annotations; `None` when they cannot be merged, which leaves the message as it is.
fn merged(body: &Bytes, annotations: &Bytes) -> Option<Bytes> {
    section::merge_annotations(body, annotations).ok().map(Bytes::from)
}

impl Queue {
    /// A message is given to a consumer, which settles it later or had it settled by that.
    #[inline(always)]
    pub fn note_shown(&mut self, next: Next, settle: Settle, now_ns: u64) {
        if self.stock.moments.watches(next.sequence) {
            self.stock.moments.note_shown(next.sequence, now_ns);
            if settle == Settle::OnSend && next.content == Content::Here {
                self.stock.moments.note_settled(next.sequence, now_ns);
            }
        }
    }

    /// Notes that `end` holds a message; gives the key to settle it by.
    #[inline]
    pub fn hold(&mut self, next: Next, end: Key) -> u64 {
        self.held.insert(Acquired { end, sequence: next.sequence, held: Held::Here(next.entry) })
    }

    /// Ends what `end` holds under `key` and accepted.
    #[inline]
    pub fn accept(&mut self, end: Key, key: u64, now_ns: u64) -> Left {
        let Some(Acquired { sequence, held, .. }) = self.held.take(end, key) else { return Left::default() };
        if self.stock.moments.watches(sequence) {
            self.stock.moments.note_settled(sequence, now_ns);
        }
        self.leave(sequence, held, Why::Acknowledged)
    }

    /// Ends what `end` holds under `key`. What failed may wait from `now_ns` on before it is given again.
    pub fn settle(&mut self, end: Key, key: u64, outcome: Outcome, now_ns: u64) -> Left {
        let Some(Acquired { sequence, held, .. }) = self.held.take(end, key) else { return Left::default() };
        match outcome {
            Outcome::Accepted => {
                self.stock.moments.note_settled(sequence, now_ns);
                return self.leave(sequence, held, Why::Acknowledged);
            }
            Outcome::Rejected(refusal) => {
                self.stock.moments.note_settled(sequence, now_ns);
                return self.leave(sequence, held, Why::Rejected(refusal));
            }
            Outcome::Released => self.give_back(sequence, held),
            Outcome::Modified(modified) => {
                let held = self.modify(end, sequence, held, &modified);
                let failures = if modified.delivery_failed { self.failures_of(held) } else { 0 };
                if failures > 0 && self.exhausts(failures) {
                    self.stock.moments.note_settled(sequence, now_ns);
                    return self.leave(sequence, held, Why::Exhausted);
                }
                if failures == 0 || !self.order.delay(sequence, held, failures, now_ns) {
                    self.give_back(sequence, held);
                }
            }
        }
        Left::default()
    }

    #[cold]
    fn modify(&mut self, end: Key, sequence: u64, mut held: Held, modified: &Modified) -> Held {
        let failed = u32::from(modified.delivery_failed);
        match &mut held {
            Held::Here(entry) => {
                if let Some(entry) = self.entries.get_mut(*entry) {
                    let count = &mut entry.message.header.delivery_count;
                    *count = count.saturating_add(failed);
                }
            }
            Held::Away(stub) => stub.delivery_count = stub.delivery_count.saturating_add(failed),
        }
        if modified.undeliverable_here {
            self.held.exclude(end, sequence);
        }
        held
    }

    /// How often the delivery of a message failed.
    fn failures_of(&self, held: Held) -> u32 {
        match held {
            Held::Here(entry) => self.entry(entry).map_or(0, |entry| entry.message.header.delivery_count),
            Held::Away(stub) => stub.delivery_count,
        }
    }

    /// A message goes back to its place.
    #[cold]
    pub(super) fn give_back(&mut self, sequence: u64, held: Held) {
        let mut size = 0;
        let mut priority = held.stub().map_or(NORMAL_PRIORITY, |stub| stub.priority);
        if let Held::Here(entry) = held
            && let Some(found) = self.entries.get_mut(entry)
        {
            // One that only waited for its time nobody had.
            let header = &mut found.message.header;
            (header.first_acquirer, header.scheduled) = (header.first_acquirer && header.scheduled, false);
            (size, priority) = (found.message.size(), found.message.header.priority);
            if let Some(at) = found.message.expires_wall_ms {
                self.watch(at, entry);
            }
        }
        self.order.put_back(priority, (sequence, held), size, &self.entries);
        if let Held::Here(entry) = held
            && self.keeps_last_values()
        {
            self.note_value(sequence, entry);
        }
        self.note_back();
    }

    /// Takes the first message that `end` may have, by priority: of each what came back first, and then what was never sent. While the
    /// journal has to give it again, there is none.
    #[cold]
    pub(super) fn pop_ranked(&mut self, end: Key, durable: u64) -> Option<Next> {
        if self.reads_through() {
            return None;
        }
        match self.order.candidate(|sequence| self.held.may_have(end, sequence))? {
            Candidate::Returned(sequence, Held::Here(entry)) => {
                // It was with somebody, and the journal has it since; but in a queue of last values all stand there.
                let next = self.next_of(entry, durable)?;
                self.order.take_returned(sequence, next.bytes);
                Some(next)
            }
            Candidate::Returned(sequence, Held::Away(_)) => {
                self.away.want(sequence);
                None
            }
            Candidate::Normal => self.pop_first(durable),
            Candidate::First(priority, entry) => {
                let next = self.next_of(entry, durable)?;
                self.order.pop_ranked(priority, next.bytes, &self.entries);
                Some(next)
            }
        }
    }

    /// A message that came back, or that is to go elsewhere, is in memory again.
    pub fn put_back(&mut self, sequence: u64, message: Message) {
        let Some(message) = self.take_read(sequence, message) else { return };
        let Some(Held::Away(stub)) = self.order.returned(sequence) else { return };
        self.away.handle_recalled();
        let expires = message.expires_wall_ms;
        let entry = self.bring_back(sequence, stub, message);
        let size = self.entries.get(entry).map_or(0, |entry| entry.message.size());
        self.order.put_back(stub.priority, (sequence, Held::Here(entry)), size, &self.entries);
        self.note_value(sequence, entry);
        self.note_back();
        if let Some(at) = expires {
            self.watch(at, entry);
        }
    }

    /// A message comes into memory that had left it.
    pub(super) fn bring_back(&mut self, sequence: u64, stub: Stub, mut message: Message) -> Key {
        if let Some(annotations) = self.held.take_annotations(sequence) {
            self.stock.resize(annotations.len() as u64, 0);
            if message.content == Content::Here
                && let Some(body) = merged(&message.body, &annotations)
            {
                message.body = body;
                self.held.note_merged(sequence);
            }
        }
        (message.header.first_acquirer, message.header.scheduled) = (stub.scheduled, false);
        message.header.delivery_count = stub.delivery_count;
        self.away.remove();
        self.stock.enter(message.size());
        self.entries.insert(Entry { sequence, message, stored: Some(stub.stored) })
    }

    /// Takes a message out of memory if the journal has all of it; gives what is left of it.
    pub(super) fn put_away(&mut self, sequence: u64, entry: Key) -> Option<(Stub, Left)> {
        let &Entry { ref message, stored, .. } = self.entries.get(entry)?;
        let stored = stored?;
        if self.held.is_merged(sequence) {
            return None;
        }
        let (size, header) = (message.size(), message.header);
        self.entries.clear(entry, |_| ());
        self.away.insert(size);
        let Header { delivery_count, durable, scheduled, priority, .. } = header;
        let stub = Stub { stored, delivery_count, durable, scheduled, priority };
        Some((stub, self.stock.leave_memory(size)))
    }

    /// Takes a message out of memory that is held under `key`, if the journal has all of it.
    #[cold]
    pub fn shed(&mut self, key: u64) -> Left {
        let Some(Acquired { held: Held::Here(entry), sequence, .. }) = self.held.find(key) else {
            return Left::default();
        };
        let Some((stub, left)) = self.put_away(sequence, entry) else { return Left::default() };
        self.held.shed(key, stub);
        left
    }

    /// Puts annotations into a message that `end` holds, or keeps them until it is in memory again.
    pub fn annotate(&mut self, end: Key, key: u64, annotations: &Bytes) -> Option<()> {
        let Acquired { sequence, held, .. } = *self.held.get(end, key)?;
        match held {
            Held::Here(entry) => {
                let Entry { message, stored, .. } = self.entries.get_mut(entry)?;
                if message.content == Content::File {
                    // A file is not written anew for that.
                    return None;
                }
                let before = message.size();
                message.body = merged(&message.body, annotations)?;
                self.stock.resize(before, message.size());
                if stored.is_some() {
                    self.held.note_merged(sequence);
                }
            }
            Held::Away(_) => {
                let before = self.held.keep_annotations(sequence, annotations.clone());
                self.stock.resize(before, annotations.len() as u64);
            }
        }
        Some(())
    }

    /// Name and failures of a message that `end` holds, if the journal is to know of them.
    pub fn failures(&self, end: Key, key: u64) -> Option<(u64, u32)> {
        let stub = match self.held.get(end, key)?.held {
            Held::Away(stub) => stub,
            Held::Here(entry) => {
                let Entry { message, stored, .. } = self.entry(entry)?;
                let Header { delivery_count, durable, scheduled, priority, .. } = message.header;
                Stub { stored: (*stored)?, delivery_count, durable, scheduled, priority }
            }
        };
        (stub.durable && self.is_declared()).then_some((stub.stored.get(), stub.delivery_count))
    }

    /// The sequence number of a message that `end` holds.
    pub fn sequence_of(&self, end: Key, key: u64) -> Option<u64> {
        self.held.get(end, key).map(|held| held.sequence)
    }

    /// The keys of everything that `end` holds.
    pub fn held_by(&self, end: Key) -> Vec<u64> {
        self.held.of(end)
    }

    /// What `end` holds under `key`, if it is in memory, another one holds from now on under the same key; gives whether it is.
    pub fn hand_over(&mut self, end: Key, key: u64, to: Key) -> bool {
        self.held.hand_over(end, key, to)
    }

    /// All that `end` holds another one holds from now on under the same keys.
    pub fn hand_over_all(&mut self, end: Key, to: Key) {
        self.held.hand_over_all(end, to);
    }

    /// A message that `end` holds and that is in memory: its place, and its octets.
    pub fn held_here(&self, end: Key, key: u64) -> Option<(Key, u64)> {
        let Held::Here(entry) = self.held.get(end, key)?.held else { return None };
        Some((entry, self.entry(entry)?.message.size()))
    }

    /// How many messages each consumer holds that holds some.
    pub fn held_counts(&self) -> HashMap<Key, u64> {
        self.held.counts()
    }

    /// Everybody who held something may have gone.
    pub fn release_places(&mut self) {
        self.held.release_places();
    }

    /// Whether a consumer holds the delivery of a key.
    #[cfg(test)]
    pub fn holds(&self, end: Key, key: u64) -> bool {
        self.held.get(end, key).is_some()
    }
}
