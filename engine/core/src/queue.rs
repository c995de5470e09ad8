//! One queue: messages in order, those that consumers hold, and whose turn it is.
//!
//! Guarantees: messages leave in the order of their sequence numbers, returned ones before all that were never sent;
//! each is with one consumer at a time; consumers with credit take turns.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::command::{Lifetime, Modified, Outcome, RoutingType};
use crate::event::KEY_NONE;
use crate::limits::EXCLUSIONS_MAX;
use crate::message::Message;
use crate::slab::{Key, Slab};

/// A message at its place in the order. It stays where it was put until it leaves the queue: what moves is its key.
#[derive(Debug)]
pub(crate) struct Entry {
    pub sequence: u64,
    pub message: Message,
    /// Ends that said `undeliverable-here`; boxed, as hardly any message has one.
    #[expect(clippy::box_collection, reason = "an empty vector would cost 24 bytes in every message")]
    pub excluded: Option<Box<Vec<Key>>>,
}

/// Who holds which entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acquired {
    pub entry: Key,
    pub end: Key,
}

/// Why a queue exists, and with that when it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Made on demand: goes with its last message and link.
    Auto,
    /// The subscription of one link: goes with it.
    Volatile,
    /// A subscription that outlives its links: goes when one is closed.
    Durable,
    /// A dynamic node, made by a link.
    Dynamic(Lifetime, Key),
}

/// Totals since the queue was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages put in.
    pub enqueued: u64,
    /// Messages accepted by consumers, or sent settled.
    pub acknowledged: u64,
    /// Messages whose time to live ran out.
    pub expired: u64,
    /// Messages rejected by consumers.
    pub rejected: u64,
}

/// One queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub name: Box<str>,
    pub address: Key,
    pub routing: RoutingType,
    pub kind: Kind,
    entries: Slab<Entry>,
    /// Never delivered, in order.
    ready: VecDeque<Key>,
    /// Delivered and given back, by sequence number.
    returned: BTreeMap<u64, Key>,
    pub acquired: Slab<Acquired>,
    /// Consumers, the next one to be served first.
    pub consumers: VecDeque<Key>,
    pub browsers: Vec<Key>,
    pub dirty: bool,
    pub next_sequence: u64,
    /// Size of all messages, held ones too, octets.
    pub bytes: u64,
    pub ready_bytes: u64,
    pub last_credit_ns: u64,
    /// Producers whose credit is withheld for this queue's depth.
    pub withheld: Vec<Key>,
    pub totals: Totals,
    /// Whether a message with a time to live ever came.
    pub expires: bool,
}

impl Queue {
    pub fn new(name: &str, address: Key, routing: RoutingType, kind: Kind) -> Self {
        Self {
            name: name.into(),
            address,
            routing,
            kind,
            entries: Slab::default(),
            ready: VecDeque::new(),
            returned: BTreeMap::new(),
            acquired: Slab::default(),
            consumers: VecDeque::new(),
            browsers: Vec::new(),
            dirty: false,
            next_sequence: 0,
            bytes: 0,
            ready_bytes: 0,
            last_credit_ns: 0,
            withheld: Vec::new(),
            totals: Totals::default(),
            expires: false,
        }
    }

    /// Messages that wait for a consumer.
    #[inline]
    pub fn depth(&self) -> u64 {
        (self.ready.len() + self.returned.len()) as u64
    }

    /// All messages, held ones too.
    #[inline]
    pub fn messages(&self) -> u64 {
        self.entries.len() as u64
    }

    /// A message that is in the queue.
    #[inline]
    pub fn entry(&self, entry: Key) -> Option<&Entry> {
        self.entries.get(entry)
    }

    /// Puts a message behind all others.
    #[inline]
    pub fn push(&mut self, mut message: Message) {
        message.header.first_acquirer = true;
        let size = message.size();
        self.bytes += size;
        self.ready_bytes += size;
        self.expires |= message.expires_wall_ms.is_some();
        self.totals.enqueued += 1;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let entry = self.entries.insert(Entry { sequence, message, excluded: None });
        self.ready.push_back(entry);
    }

    /// Takes the next message that `end` may have out of the order.
    #[inline]
    pub fn pop(&mut self, end: Key) -> Option<Key> {
        let entry = if self.returned.is_empty() { self.ready.pop_front()? } else { self.pop_returned(end)? };
        self.ready_bytes -= self.entries.get(entry)?.message.size();
        Some(entry)
    }

    #[cold]
    fn pop_returned(&mut self, end: Key) -> Option<Key> {
        let allowed = |entry: &Key| {
            let excluded = self.entries.get(*entry).and_then(|entry| entry.excluded.as_deref());
            !excluded.is_some_and(|excluded| excluded.contains(&end))
        };
        let found = self.returned.iter().take(EXCLUSIONS_MAX).find(|(_, entry)| allowed(entry));
        match found.map(|(&sequence, _)| sequence) {
            Some(sequence) => self.returned.remove(&sequence),
            None => self.ready.pop_front(),
        }
    }

    /// Notes that `end` holds an entry; gives the key to settle it by.
    #[inline]
    pub fn hold(&mut self, entry: Key, end: Key) -> u64 {
        let key = self.acquired.insert(Acquired { entry, end });
        let key = (u64::from(key.generation) << 32) | u64::from(key.slot);
        debug_assert_ne!(key, KEY_NONE);
        key
    }

    /// Ends what `end` holds under `key`; gives the octets that are free by it.
    #[inline]
    pub fn settle(&mut self, end: Key, key: u64, outcome: Outcome) -> u64 {
        let [generation, slot] = [key >> 32, key & u64::from(u32::MAX)].map(|half| half as u32);
        let key = Key { slot, generation };
        if self.acquired.get(key).is_none_or(|held| held.end != end) {
            return 0;
        }
        let Some(Acquired { entry, .. }) = self.acquired.remove(key) else { return 0 };
        match outcome {
            Outcome::Accepted => {
                self.totals.acknowledged += 1;
                self.remove(entry)
            }
            Outcome::Rejected(_) => {
                self.totals.rejected += 1;
                self.remove(entry)
            }
            Outcome::Released => self.give_back(entry),
            Outcome::Modified(modified) => {
                let Modified { delivery_failed, undeliverable_here, .. } = *modified;
                if let Some(entry) = self.entries.get_mut(entry) {
                    entry.message.header.delivery_count += u32::from(delivery_failed);
                    if undeliverable_here {
                        let excluded = entry.excluded.get_or_insert_default();
                        excluded.truncate(EXCLUSIONS_MAX - 1);
                        excluded.push(end);
                    }
                }
                self.give_back(entry)
            }
        }
    }

    /// Changes the body of a message that `end` holds; gives its size before and after, octets.
    pub fn rewrite(&mut self, end: Key, key: u64, change: impl FnOnce(&[u8]) -> Option<Bytes>) -> Option<(u64, u64)> {
        let [generation, slot] = [key >> 32, key & u64::from(u32::MAX)].map(|half| half as u32);
        let held = self.acquired.get(Key { slot, generation }).filter(|held| held.end == end)?;
        let message = &mut self.entries.get_mut(held.entry)?.message;
        let before = message.size();
        message.body = change(&message.body)?;
        let after = message.size();
        self.bytes = self.bytes - before + after;
        Some((before, after))
    }

    fn give_back(&mut self, key: Key) -> u64 {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.message.header.first_acquirer = false;
            self.ready_bytes += entry.message.size();
            self.returned.insert(entry.sequence, key);
        }
        0
    }

    /// Drops a message that is out of the order; gives the octets that are free by it.
    #[inline]
    pub fn remove(&mut self, entry: Key) -> u64 {
        let size = self.entries.get(entry).map_or(0, |entry| entry.message.size());
        self.entries.clear(entry);
        self.bytes -= size;
        size
    }

    /// Takes a message that is out of the order out of the queue.
    pub fn take(&mut self, entry: Key) -> Option<Message> {
        let message = self.entries.remove(entry)?.message;
        self.bytes -= message.size();
        Some(message)
    }

    /// Everything that `end` holds comes back.
    pub fn abandon(&mut self, end: Key, outcome: &Outcome) {
        let held: Vec<Key> = self.acquired.iter().filter(|(_, held)| held.end == end).map(|(key, _)| key).collect();
        for key in held {
            self.settle(end, (u64::from(key.generation) << 32) | u64::from(key.slot), outcome.clone());
        }
    }

    /// The first waiting message from `sequence` on, for a browser.
    pub fn browse(&self, sequence: u64) -> Option<Key> {
        if let Some((_, &entry)) = self.returned.range(sequence..).next() {
            return Some(entry);
        }
        let older = |entry: &Key| self.entries.get(*entry).is_some_and(|entry| entry.sequence < sequence);
        let place = self.ready.partition_point(older);
        self.ready.get(place).copied()
    }

    /// Drops expired messages from the front, at most `max`; gives the octets that are free by it.
    pub fn expire(&mut self, wall_ms: u64, max: u32) -> u64 {
        let mut freed = 0;
        for _ in 0..max {
            let expired = |entry: &Key| {
                let entry = self.entries.get(*entry);
                entry.and_then(|entry| entry.message.expires_wall_ms).is_some_and(|at| at.get() <= wall_ms)
            };
            let entry = if self.returned.first_key_value().is_some_and(|(_, entry)| expired(entry)) {
                self.returned.pop_first().map(|(_, entry)| entry)
            } else if self.ready.front().is_some_and(expired) {
                self.ready.pop_front()
            } else {
                None
            };
            let Some(entry) = entry else { break };
            self.totals.expired += 1;
            let size = self.remove(entry);
            self.ready_bytes -= size;
            freed += size;
        }
        freed
    }

    /// Asserts what must hold between any two commands.
    pub fn check(&self) {
        let order = self.returned.values().chain(&self.ready).map(|&entry| {
            let entry = self.entries.get(entry).expect("the order names living messages");
            assert!(entry.sequence < self.next_sequence);
            entry.sequence
        });
        assert!(order.is_sorted(), "what came back is older than what was never sent");
        let sent = self.messages() - self.depth() - self.acquired.len() as u64;
        assert!(sent <= 1, "a message waits, is held, or is the last one sent");
    }
}
