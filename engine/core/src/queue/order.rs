//! Which message of a queue is next.
//!
//! Guarantees:
//! 1. What came back is in front of all that was never sent; both are in the order of their sequence numbers.
//! 2. The first place of the line is of a message that lives. Dropping one from the middle costs no more than one from the front: its
//!    place stays, counted, until those before it are gone or half of the line is such places.
//!
//! Not here: the messages themselves (`Entry`), and those that are in the journal only behind the line (`paging`).

use std::collections::{BTreeMap, VecDeque};

use super::entry::{Entry, Held};
use crate::limits::EXCLUSIONS_MAX;
use crate::slab::{Key, Slab};

/// Messages that were never sent, in order.
#[derive(Debug, Default)]
struct Line {
    places: VecDeque<Key>,
    /// How many of them are of messages that were dropped.
    dropped: usize,
}

/// The messages of a queue that wait, in memory or known by name.
#[derive(Debug, Default)]
pub(crate) struct Order {
    line: Line,
    /// Delivered and given back, by sequence number.
    returned: BTreeMap<u64, Held>,
    next_sequence: u64,
    /// Size of all that is in memory, octets.
    bytes: u64,
}

impl Line {
    /// Forgets the places of messages that were dropped: those in front, and all when they are more than the others.
    fn skip_dropped(&mut self, entries: &Slab<Entry>) {
        while self.dropped > 0
            && let Some(&first) = self.places.front()
            && entries.get(first).is_none()
        {
            self.places.pop_front();
            self.dropped -= 1;
        }
        if self.dropped > self.places.len() / 2 {
            self.forget_dropped(entries);
        }
    }

    #[cold]
    fn forget_dropped(&mut self, entries: &Slab<Entry>) {
        self.places.retain(|&entry| entries.get(entry).is_some());
        self.dropped = 0;
    }
}

impl Order {
    /// Messages that wait.
    #[inline]
    pub fn depth(&self) -> u64 {
        (self.line.places.len() - self.line.dropped + self.returned.len()) as u64
    }

    /// Size of those in memory, octets.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of the next message that is put in.
    #[inline]
    pub fn next_sequence(&mut self) -> u64 {
        self.next_sequence += 1;
        self.next_sequence - 1
    }

    /// The number that the next message will have.
    #[inline]
    pub fn upcoming_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// A message stands behind all others.
    #[inline]
    pub fn append(&mut self, entry: Key, size: u64) {
        self.line.places.push_back(entry);
        self.bytes += size;
    }

    /// The first message that was never sent.
    #[inline]
    pub fn first(&self) -> Option<Key> {
        self.line.places.front().copied()
    }

    /// The last message that was put in, if it lives.
    pub fn last(&self) -> Option<Key> {
        self.line.places.back().copied()
    }

    /// That message is sent.
    #[inline]
    pub fn pop_first(&mut self, size: u64, entries: &Slab<Entry>) {
        self.bytes -= size;
        self.line.places.pop_front();
        if self.line.dropped > 0 {
            self.line.skip_dropped(entries);
        }
    }

    /// Whether something came back.
    #[inline]
    pub fn has_returned(&self) -> bool {
        !self.returned.is_empty()
    }

    /// The first message that came back and that whoever asks may have. One is kept from at most `EXCLUSIONS_MAX` consumers, and
    /// further ones are not looked for behind as many.
    pub fn first_returned(&self, may_have: impl Fn(u64) -> bool) -> Option<(u64, Held)> {
        let mut first = self.returned.iter().take(EXCLUSIONS_MAX);
        first.find(|(sequence, _)| may_have(**sequence)).map(|(&sequence, &held)| (sequence, held))
    }

    /// That message, of `size` octets in memory, is sent again or dropped.
    pub fn take_returned(&mut self, sequence: u64, size: u64) {
        if self.returned.remove(&sequence).is_some() {
            self.bytes -= size;
        }
    }

    /// A message comes back to its place; `size` octets of it are in memory.
    pub fn put_back(&mut self, sequence: u64, held: Held, size: u64) {
        self.returned.insert(sequence, held);
        self.bytes += size;
    }

    /// What came back under a sequence number.
    pub fn returned(&self, sequence: u64) -> Option<Held> {
        self.returned.get(&sequence).copied()
    }

    /// What came back, from a sequence number on.
    pub fn returned_from(&self, sequence: u64) -> impl Iterator<Item = (u64, Held)> {
        self.returned.range(sequence..).map(|(&sequence, &held)| (sequence, held))
    }

    /// A message leaves out of its turn, if it waits; gives whether it does. The caller lets it leave the queue, and then calls `skip`.
    pub fn drop_waiting(&mut self, sequence: u64, size: u64, entries: &Slab<Entry>) -> bool {
        // Those of the line are from its first one on.
        let first = self.line.places.front().and_then(|&entry| entries.get(entry));
        let waits = if first.is_some_and(|first| first.sequence <= sequence) {
            self.line.dropped += 1;
            true
        } else {
            self.returned.remove(&sequence).is_some()
        };
        self.bytes -= if waits { size } else { 0 };
        waits
    }

    /// Takes out everything that waits in memory.
    pub fn take_here(&mut self, entries: &Slab<Entry>) -> Vec<(u64, Held)> {
        let returned = self.returned.extract_if(.., |_, held| held.stub().is_none());
        let Line { places, .. } = std::mem::take(&mut self.line);
        let line = places.into_iter().filter_map(|entry| Some((entries.get(entry)?.sequence, Held::Here(entry))));
        self.bytes = 0;
        returned.chain(line).collect()
    }

    /// Forgets the places of what was dropped, as far as that is due.
    pub fn skip(&mut self, entries: &Slab<Entry>) {
        self.line.skip_dropped(entries);
    }

    /// The first message from `sequence` on that was never sent.
    pub fn from(&mut self, sequence: u64, entries: &Slab<Entry>) -> Option<Key> {
        if self.line.dropped > 0 {
            // Places of what is gone have no order; there are new ones after a sweep only.
            self.line.forget_dropped(entries);
        }
        let older = |entry: &Key| entries.get(*entry).is_some_and(|entry| entry.sequence < sequence);
        let place = self.line.places.partition_point(older);
        self.line.places.get(place).copied()
    }

    /// Asserts what must hold between any two commands.
    pub fn check(&self, entries: &Slab<Entry>) {
        let mut bytes = 0;
        let returned = self.returned.iter().map(|(&sequence, held)| {
            if let Held::Here(entry) = held {
                let entry = entries.get(*entry).expect("the order names living messages");
                assert_eq!(entry.sequence, sequence, "a message comes back to its place");
                bytes += entry.message.size();
            }
            sequence
        });
        let returned: Vec<u64> = returned.collect();
        let Line { places, dropped } = &self.line;
        let living = places.iter().filter_map(|&entry| entries.get(entry));
        assert_eq!(living.clone().count() + dropped, places.len(), "what was dropped is counted");
        assert!(places.front().is_none_or(|&first| entries.get(first).is_some()), "the first one lives");
        bytes += living.clone().map(|entry| entry.message.size()).sum::<u64>();
        assert_eq!(bytes, self.bytes, "sizes of what waits are added up");
        let line = living.map(|entry| entry.sequence);
        let order = returned.into_iter().chain(line).inspect(|&sequence| assert!(sequence < self.next_sequence));
        assert!(order.is_sorted(), "what came back is older than what was never sent");
    }
}
