//! What consumers hold, and what comes back from them.
//!
//! Guarantees:
//! 1. A message that the journal has may leave memory while a consumer holds it (`shed`); 40 octets of it stay. The journal gives
//!    it again before it is given to anybody else (`put_back`), at its place in the order.
//! 2. What consumers said of a message and the journal does not know (`Changes`) is kept until the message leaves the queue.
//!
//! Not here: when memory is short (`memory`), what is read when (`paging`), and how a message leaves (`leaving`).

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;

use bytes::Bytes;
use engine_message::section;

use super::paging::Recalling;
use super::{Entry, Left, Next, Queue, Why};
use crate::command::{Modified, Outcome};
use crate::event::KEY_NONE;
use crate::limits::EXCLUSIONS_MAX;
use crate::message::{Content, Message};
use crate::slab::{Key, Slab};

/// Where a message is that was given to a consumer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held {
    /// In memory.
    Here(Key),
    /// In the journal only.
    Away(Stub),
}

/// What is left in memory of a message that is in the journal only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stub {
    /// Its name in the journal.
    pub stored: NonZeroU64,
    pub delivery_count: u32,
    /// Whether it outlives the node.
    pub durable: bool,
}

/// Who holds which message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acquired {
    pub end: Key,
    pub sequence: u64,
    pub held: Held,
}

/// A message that is acquired costs its place here and 16 octets in its session: at most 64 if the rest of it left memory.
const _: () = assert!(Slab::<Acquired>::PLACE_BYTES + 16 <= 64);

/// What consumers said of a message with `modified` that the journal does not know.
#[derive(Debug, Default)]
struct Changes {
    /// Ends that said `undeliverable-here`.
    excluded: VecDeque<Key>,
    annotations: Annotations,
}

#[derive(Debug, Default)]
enum Annotations {
    #[default]
    None,
    /// To be merged when the message comes back into memory.
    Waiting(Bytes),
    /// Merged: the body is not the one that the journal has, so that it stays in memory.
    Merged,
}

impl Annotations {
    /// What they cost beside the message, octets.
    fn bytes(&self) -> u64 {
        if let Self::Waiting(annotations) = self { annotations.len() as u64 } else { 0 }
    }
}

/// What the consumers of one queue hold, and what they said of it.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    acquired: Slab<Acquired>,
    /// By the sequence number of the message that they are of.
    changes: BTreeMap<u64, Changes>,
}

#[inline]
fn slab_key(key: u64) -> Key {
    let [generation, slot] = [key >> 32, key & u64::from(u32::MAX)].map(|half| half as u32);
    Key { slot, generation }
}

#[inline]
fn delivery_key(key: Key) -> u64 {
    (u64::from(key.generation) << 32) | u64::from(key.slot)
}

/// A body with annotations; `None` when they cannot be merged, which leaves the message as it is.
fn merged(body: &Bytes, annotations: &Bytes) -> Option<Bytes> {
    section::merge_annotations(body, annotations).ok().map(Bytes::from)
}

impl Holdings {
    /// How many messages consumers hold.
    #[inline]
    pub fn len(&self) -> usize {
        self.acquired.len()
    }

    #[inline]
    fn get(&self, end: Key, key: u64) -> Option<&Acquired> {
        self.acquired.get(slab_key(key)).filter(|acquired| acquired.end == end)
    }

    #[inline]
    fn take(&mut self, end: Key, key: u64) -> Option<Acquired> {
        self.acquired.remove_if(slab_key(key), |acquired| acquired.end == end)
    }

    /// Whether something was said of any message.
    #[inline]
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Forgets what was said of a message that leaves; gives the octets that it cost.
    pub fn forget(&mut self, sequence: u64) -> u64 {
        self.changes.remove(&sequence).map_or(0, |changes| changes.annotations.bytes())
    }

    /// What annotations that wait cost, octets.
    pub fn bytes(&self) -> u64 {
        self.changes.values().map(|changes| changes.annotations.bytes()).sum()
    }

    fn may_have(&self, end: Key, sequence: u64) -> bool {
        !self.changes.get(&sequence).is_some_and(|found| found.excluded.contains(&end))
    }

    fn exclude(&mut self, end: Key, sequence: u64) {
        let excluded = &mut self.changes.entry(sequence).or_default().excluded;
        if excluded.len() == EXCLUSIONS_MAX {
            excluded.pop_front();
        }
        excluded.push_back(end);
    }

    /// Messages that consumers hold and that are in the journal only.
    pub fn stubs(&self) -> impl Iterator<Item = Stub> {
        self.acquired.iter().filter_map(|(_, acquired)| acquired.held.stub())
    }
}

impl Held {
    pub fn stub(self) -> Option<Stub> {
        match self {
            Self::Away(stub) => Some(stub),
            Self::Here(_) => None,
        }
    }
}

impl Queue {
    /// Notes that `end` holds a message; gives the key to settle it by.
    #[inline]
    pub fn hold(&mut self, next: Next, end: Key) -> u64 {
        let Next { entry, sequence, .. } = next;
        let key = delivery_key(self.held.acquired.insert(Acquired { end, sequence, held: Held::Here(entry) }));
        debug_assert_ne!(key, KEY_NONE);
        key
    }

    /// Ends what `end` holds under `key` and accepted.
    #[inline]
    pub fn accept(&mut self, end: Key, key: u64) -> Left {
        let Some(Acquired { sequence, held, .. }) = self.held.take(end, key) else { return Left::default() };
        self.leave(sequence, held, Why::Acknowledged)
    }

    /// Ends what `end` holds under `key`.
    pub fn settle(&mut self, end: Key, key: u64, outcome: Outcome) -> Left {
        let Some(Acquired { sequence, held, .. }) = self.held.take(end, key) else { return Left::default() };
        match outcome {
            Outcome::Accepted => self.leave(sequence, held, Why::Acknowledged),
            Outcome::Rejected(refusal) => self.leave(sequence, held, Why::Rejected(refusal)),
            Outcome::Released => self.give_back(sequence, held),
            Outcome::Modified(modified) => {
                let held = self.modify(end, sequence, held, &modified);
                self.give_back(sequence, held)
            }
        }
    }

    #[cold]
    fn modify(&mut self, end: Key, sequence: u64, mut held: Held, modified: &Modified) -> Held {
        let failed = u32::from(modified.delivery_failed);
        match &mut held {
            Held::Here(entry) => {
                if let Some(entry) = self.entries.get_mut(*entry) {
                    entry.message.header.delivery_count += failed;
                }
            }
            Held::Away(stub) => stub.delivery_count += failed,
        }
        if modified.undeliverable_here {
            self.held.exclude(end, sequence);
        }
        held
    }

    /// A message goes back to its place, unless it has to leave for another reason meanwhile.
    #[cold]
    fn give_back(&mut self, sequence: u64, held: Held) -> Left {
        let mut size = 0;
        if let Held::Here(entry) = held
            && let Some(found) = self.entries.get_mut(entry)
        {
            found.message.header.first_acquirer = false;
            size = found.message.size();
            if let Some(at) = found.message.expires_wall_ms {
                self.watch(at, entry);
            }
        }
        self.order.put_back(sequence, held, size);
        Left::default()
    }

    /// Takes the first message that came back and that `end` may have; the next one that was never sent if it may have none of
    /// those. While the journal has to give it again, there is none.
    #[cold]
    pub(super) fn pop_returned(&mut self, end: Key, durable: u64) -> Option<Next> {
        match self.order.first_returned(|sequence| self.held.may_have(end, sequence)) {
            Some((sequence, Held::Here(entry))) => {
                let message = &self.entries.get(entry)?.message;
                let (bytes, content) = (message.size(), message.content);
                self.order.take_returned(sequence, bytes);
                Some(Next { entry, sequence, content, bytes })
            }
            Some((sequence, Held::Away(_))) => {
                self.away.want(sequence);
                None
            }
            None => self.pop_first(durable),
        }
    }

    /// A message that came back is in memory again.
    pub fn put_back(&mut self, sequence: u64, mut message: Message) {
        let Some(Held::Away(stub)) = self.order.returned(sequence) else { return };
        self.away.handle_recalled();
        if let Some(changes) = self.held.changes.get_mut(&sequence)
            && let Annotations::Waiting(annotations) = std::mem::take(&mut changes.annotations)
        {
            self.stock.resize(annotations.len() as u64, 0);
            if message.content == Content::Here
                && let Some(body) = merged(&message.body, &annotations)
            {
                message.body = body;
                changes.annotations = Annotations::Merged;
            }
        }
        message.header.first_acquirer = false;
        message.header.delivery_count = stub.delivery_count;
        self.away.remove();
        let size = message.size();
        self.stock.enter(size);
        let expires = message.expires_wall_ms;
        let entry = self.entries.insert(Entry { sequence, message, stored: Some(stub.stored) });
        self.order.put_back(sequence, Held::Here(entry), size);
        if let Some(at) = expires {
            self.watch(at, entry);
        }
    }

    /// Takes a message out of memory that is held under `key`, if the journal has all of it.
    #[cold]
    pub fn shed(&mut self, key: u64) -> Left {
        let Some(acquired) = self.held.acquired.get_mut(slab_key(key)) else { return Left::default() };
        let Held::Here(entry) = acquired.held else { return Left::default() };
        let Some(&Entry { sequence, ref message, stored: Some(stored) }) = self.entries.get(entry) else {
            return Left::default();
        };
        let changes = self.held.changes.get(&sequence);
        if changes.is_some_and(|changes| matches!(changes.annotations, Annotations::Merged)) {
            return Left::default();
        }
        let (size, header) = (message.size(), message.header);
        acquired.held = Held::Away(Stub { stored, delivery_count: header.delivery_count, durable: header.durable });
        self.entries.clear(entry, |_| ());
        self.away.insert(size);
        self.stock.leave_memory(size)
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
                    self.held.changes.entry(sequence).or_default().annotations = Annotations::Merged;
                }
            }
            Held::Away(_) => {
                let changes = self.held.changes.entry(sequence).or_default();
                self.stock.resize(changes.annotations.bytes(), annotations.len() as u64);
                changes.annotations = Annotations::Waiting(annotations.clone());
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
                let (delivery_count, durable) = (message.header.delivery_count, message.header.durable);
                Stub { stored: (*stored)?, delivery_count, durable }
            }
        };
        (stub.durable && self.is_declared()).then_some((stub.stored.get(), stub.delivery_count))
    }

    /// The keys of everything that `end` holds.
    pub fn held_by(&self, end: Key) -> Vec<u64> {
        if self.held.len() == 0 {
            return Vec::new();
        }
        let held = self.held.acquired.iter().filter(|(_, held)| held.end == end);
        held.map(|(key, _)| delivery_key(key)).collect()
    }

    /// Gives room back of a table that was large: whoever held a great many messages may have been the only consumer.
    pub fn release_places(&mut self) {
        self.held.acquired.release_places();
    }

    /// Whether a consumer holds the delivery of a key.
    #[cfg(test)]
    pub fn holds(&self, end: Key, key: u64) -> bool {
        self.held.get(end, key).is_some()
    }

    /// What is in the journal only, but for what lies behind all others: held, or come back.
    pub(super) fn stubs(&self) -> impl Iterator<Item = Stub> {
        let returned = self.order.returned_from(0).filter_map(|(_, held)| held.stub());
        self.held.stubs().chain(returned)
    }

    /// Asserts what must hold between any two commands.
    pub(super) fn check_paging(&self) {
        assert_eq!(self.stubs().count() as u64, self.away.messages(), "what is away is counted");
        assert!(self.away.messages() > 0 || self.away.bytes() == 0);
        assert!(self.behind.messages() > 0 || self.behind.bytes() == 0);
        let waits = self.order.returned_from(0).any(|(_, held)| held.stub().is_some());
        assert!(waits || self.away.recalling() == Recalling::No, "what comes was asked for");
    }
}
