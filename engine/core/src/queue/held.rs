//! What consumers hold, and what they said of it.
//!
//! Guarantees: a delivery is settled by whoever holds it, once; a key of one that was settled is stale. What consumers said of a message
//! and the journal does not know is kept until the message leaves the queue, in bounds for each message.
//!
//! Not here: what becomes of a message by it (`settling`).

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

use super::entry::{Held, Stub};
use crate::event::KEY_NONE;
use crate::limits::EXCLUSIONS_MAX;
use crate::slab::{Key, Slab};

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

impl Holdings {
    /// How many messages consumers hold.
    #[inline]
    pub fn len(&self) -> usize {
        self.acquired.len()
    }

    /// Notes that a consumer holds a message; gives the key to settle it by.
    #[inline]
    pub fn insert(&mut self, acquired: Acquired) -> u64 {
        let key = self.acquired.insert(acquired).to_bits();
        debug_assert_ne!(key, KEY_NONE);
        key
    }

    /// What `end` holds under `key`.
    #[inline]
    pub fn get(&self, end: Key, key: u64) -> Option<&Acquired> {
        self.acquired.get(Key::from_bits(key)).filter(|acquired| acquired.end == end)
    }

    /// The same, which it holds no longer.
    #[inline]
    pub fn take(&mut self, end: Key, key: u64) -> Option<Acquired> {
        self.acquired.remove_if(Key::from_bits(key), |acquired| acquired.end == end)
    }

    /// What `end` holds under `key`, if it is in memory, another one holds from now on under the same key; gives whether it is.
    pub fn hand_over(&mut self, end: Key, key: u64, to: Key) -> bool {
        let acquired = self.acquired.get_mut(Key::from_bits(key)).filter(|acquired| acquired.end == end);
        let Some(acquired) = acquired.filter(|acquired| acquired.held.stub().is_none()) else { return false };
        acquired.end = to;
        true
    }

    /// All that `end` holds another one holds from now on under the same keys.
    pub fn hand_over_all(&mut self, end: Key, to: Key) {
        for key in self.of(end) {
            if let Some(acquired) = self.acquired.get_mut(Key::from_bits(key)) {
                acquired.end = to;
            }
        }
    }

    /// Takes out everything that consumers hold.
    pub fn take_all(&mut self) -> Vec<(u64, Held)> {
        let acquired = std::mem::take(&mut self.acquired);
        acquired.iter().map(|(_, acquired)| (acquired.sequence, acquired.held)).collect()
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

    /// Whether no consumer of that end said that it cannot process the message.
    pub fn may_have(&self, end: Key, sequence: u64) -> bool {
        !self.changes.get(&sequence).is_some_and(|found| found.excluded.contains(&end))
    }

    /// The message is not to come to that end again. The oldest that said so is forgotten beyond `EXCLUSIONS_MAX`.
    pub fn exclude(&mut self, end: Key, sequence: u64) {
        let excluded = &mut self.changes.entry(sequence).or_default().excluded;
        if excluded.len() == EXCLUSIONS_MAX {
            excluded.pop_front();
        }
        excluded.push_back(end);
    }

    /// What a consumer holds under a key left memory.
    pub fn shed(&mut self, key: u64, stub: Stub) {
        if let Some(acquired) = self.acquired.get_mut(Key::from_bits(key)) {
            acquired.held = Held::Away(stub);
        }
    }

    /// The message that is held under a key, whoever holds it.
    pub fn find(&self, key: u64) -> Option<Acquired> {
        self.acquired.get(Key::from_bits(key)).copied()
    }

    /// The body of a message in memory is not the one that the journal has.
    pub fn note_merged(&mut self, sequence: u64) {
        self.changes.entry(sequence).or_default().annotations = Annotations::Merged;
    }

    /// Whether that was noted.
    pub fn is_merged(&self, sequence: u64) -> bool {
        self.changes.get(&sequence).is_some_and(|changes| matches!(changes.annotations, Annotations::Merged))
    }

    /// Annotations are to be merged into a message when it is in memory again; gives the octets of those that they replace.
    pub fn keep_annotations(&mut self, sequence: u64, annotations: Bytes) -> u64 {
        let changes = self.changes.entry(sequence).or_default();
        std::mem::replace(&mut changes.annotations, Annotations::Waiting(annotations)).bytes()
    }

    /// The message is in memory again: what was kept for it.
    pub fn take_annotations(&mut self, sequence: u64) -> Option<Bytes> {
        match std::mem::take(&mut self.changes.get_mut(&sequence)?.annotations) {
            Annotations::Waiting(annotations) => Some(annotations),
            Annotations::None | Annotations::Merged => None,
        }
    }

    /// The keys of everything that `end` holds.
    pub fn of(&self, end: Key) -> Vec<u64> {
        if self.len() == 0 {
            return Vec::new();
        }
        let held = self.acquired.iter().filter(|(_, held)| held.end == end);
        held.map(|(key, _)| key.to_bits()).collect()
    }

    /// How many messages each consumer holds that holds some.
    pub fn counts(&self) -> HashMap<Key, u64> {
        let mut counts = HashMap::new();
        self.acquired.iter().for_each(|(_, held)| *counts.entry(held.end).or_insert(0) += 1);
        counts
    }

    /// Gives room back of a table that was large: whoever held a great many messages may have been the only consumer.
    pub fn release_places(&mut self) {
        self.acquired.release_places();
    }

    /// Messages that consumers hold and that are in the journal only.
    pub fn stubs(&self) -> impl Iterator<Item = Stub> {
        self.acquired.iter().filter_map(|(_, acquired)| acquired.held.stub())
    }
}
