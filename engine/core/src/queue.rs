//! One queue: messages in order, those that consumers hold, and whose turn it is.
//!
//! Guarantees: messages leave in the order of their sequence numbers, returned ones before all that were never sent;
//! each is with one consumer at a time; consumers with credit take turns.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;

use crate::agenda::Agenda;
use crate::command::{Lifetime, RoutingType};
use crate::fact::LOCAL;
use crate::held::{Acquired, Changes, Held, Recalling};
use crate::message::{Content, Message};
use crate::slab::{Key, Slab};

/// A message at its place in the order. It stays where it was put until it leaves the queue: what moves is its key.
#[derive(Debug)]
pub(crate) struct Entry {
    pub sequence: u64,
    pub message: Message,
    /// Its name in the journal; 0 when it is not there.
    pub stored: u64,
}

/// A message that a consumer is to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    pub entry: Key,
    pub sequence: u64,
    pub content: Content,
    /// Its size with overhead, octets.
    pub bytes: u64,
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
    /// The queue of a dynamic node.
    Dynamic(Lifetime),
}

/// Messages next to each other that left the queue: sequence numbers in the queue, and names in the journal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    next_sequence: u64,
    pub first: u64,
    pub last: u64,
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
    pub entries: Slab<Entry>,
    /// Never delivered, in order. The first one lives; others may have been dropped.
    ready: VecDeque<Key>,
    /// How many of `ready` were dropped.
    dropped: usize,
    /// Delivered and given back, by sequence number.
    pub returned: BTreeMap<u64, Held>,
    /// By the sequence number of the message that they are of.
    pub changes: BTreeMap<u64, Changes>,
    pub acquired: Slab<Acquired>,
    /// Consumers, the next one to be served first.
    pub consumers: VecDeque<Key>,
    pub browsers: Vec<Key>,
    pub dirty: bool,
    pub next_sequence: u64,
    /// Size of all messages in memory, held ones too, octets.
    pub bytes: u64,
    pub ready_bytes: u64,
    pub last_credit_ns: u64,
    /// Producers whose credit is withheld for this queue's depth.
    pub withheld: Vec<Key>,
    /// Whether the owner's list of those that withhold credit names this queue.
    pub is_withholding: bool,
    pub totals: Totals,
    /// Messages in memory by the time from which they may be dropped.
    pub expiries: Agenda,
    /// The time for which the owner's agenda names this queue; `u64::MAX` when it does not.
    pub expiry_noted: u64,
    /// Its number in the journal; 0 while nothing of it is there.
    pub number: u64,
    /// The journal's number for its being made; 0 while it would not outlive the node.
    pub declared: u64,
    /// Messages behind all others that are in the journal only, and their size with overhead, octets.
    pub paged: u64,
    pub paged_bytes: u64,
    /// Whether some of them are being read.
    pub fetching: bool,
    /// Messages that are in the journal only and that consumers hold or gave back, and their size with overhead, octets.
    pub away: u64,
    pub away_bytes: u64,
    pub recalling: Recalling,
    /// Whether the first message waits for the journal.
    pub blocked: bool,
    /// Durable messages that left and that the journal was not told of yet.
    pub gone: Vec<Gone>,
    /// Names that are no longer needed, each with the place of its range in `gone` plus one; 0: it has none.
    pub released: Vec<(u64, u32)>,
    /// Whether the owner knows of these two.
    pub telling: bool,
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
            dropped: 0,
            returned: BTreeMap::new(),
            changes: BTreeMap::new(),
            acquired: Slab::default(),
            consumers: VecDeque::new(),
            browsers: Vec::new(),
            dirty: false,
            next_sequence: 0,
            bytes: 0,
            ready_bytes: 0,
            last_credit_ns: 0,
            withheld: Vec::new(),
            is_withholding: false,
            totals: Totals::default(),
            expiries: Agenda::default(),
            expiry_noted: u64::MAX,
            number: 0,
            declared: 0,
            paged: 0,
            paged_bytes: 0,
            fetching: false,
            away: 0,
            away_bytes: 0,
            recalling: Recalling::No,
            blocked: false,
            gone: Vec::new(),
            released: Vec::new(),
            telling: false,
        }
    }

    /// Messages that wait for a consumer, but for those that are in the journal only and behind all others.
    #[inline]
    pub fn depth(&self) -> u64 {
        (self.ready.len() - self.dropped + self.returned.len()) as u64
    }

    /// All messages, held ones too.
    #[inline]
    pub fn messages(&self) -> u64 {
        self.entries.len() as u64 + self.paged + self.away
    }

    /// Size of all messages, octets.
    #[inline]
    pub fn all_bytes(&self) -> u64 {
        self.bytes + self.paged_bytes + self.away_bytes
    }

    /// Whether durable messages of it are kept on disk.
    #[inline]
    pub fn is_lasting(&self) -> bool {
        matches!(self.kind, Kind::Auto | Kind::Durable)
    }

    /// A message that is in the queue.
    #[inline]
    pub fn entry(&self, entry: Key) -> Option<&Entry> {
        self.entries.get(entry)
    }

    /// Puts a message behind all others; `stored` is its name in the journal, or 0. Gives from when on it may be dropped, if ever: its
    /// owner notes that (`Core::note_expiry`).
    #[inline]
    pub fn push(&mut self, mut message: Message, stored: u64) -> Option<NonZeroU64> {
        message.header.first_acquirer = true;
        self.totals.enqueued += 1;
        self.append(message, stored)
    }

    /// Puts a message that was here before behind all others in memory.
    #[inline]
    pub fn append(&mut self, message: Message, stored: u64) -> Option<NonZeroU64> {
        let size = message.size();
        self.bytes += size;
        self.ready_bytes += size;
        let expires = message.expires_wall_ms;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let entry = self.entries.insert(Entry { sequence, message, stored });
        self.ready.push_back(entry);
        let at = expires?;
        self.watch(at, entry);
        Some(at)
    }

    /// Takes the next message that `end` may have out of the order. Not one that the journal has not on stable storage yet, which
    /// begins behind `durable`.
    #[inline]
    pub fn pop(&mut self, end: Key, durable: u64) -> Option<Next> {
        if self.returned.is_empty() { self.pop_ready(durable) } else { self.pop_returned(end, durable) }
    }

    #[inline]
    pub fn pop_ready(&mut self, durable: u64) -> Option<Next> {
        let entry = *self.ready.front()?;
        let found = self.entries.get(entry)?;
        // What does not outlive the node does not wait for the disk.
        if found.stored > durable && found.stored & LOCAL == 0 {
            self.blocked = true;
            return None;
        }
        let bytes = found.message.size();
        let next = Next { entry, sequence: found.sequence, content: found.message.content, bytes };
        self.ready_bytes -= bytes;
        self.ready.pop_front();
        if self.dropped > 0 {
            self.skip_dropped();
        }
        Some(next)
    }

    /// Notes that a message is dropped that was never delivered; gives whether it is one: they are those from the first one on.
    pub fn leave_ready(&mut self, sequence: u64) -> bool {
        let first = self.ready.front().and_then(|&entry| self.entries.get(entry));
        let waits = first.is_some_and(|first| first.sequence <= sequence);
        self.dropped += usize::from(waits);
        waits
    }

    /// Forgets the places of messages that were dropped: those in front, and all when they are more than the others.
    pub fn skip_dropped(&mut self) {
        while self.dropped > 0
            && let Some(&first) = self.ready.front()
            && self.entries.get(first).is_none()
        {
            self.ready.pop_front();
            self.dropped -= 1;
        }
        if self.dropped > self.ready.len() / 2 {
            self.forget_dropped();
        }
    }

    #[cold]
    fn forget_dropped(&mut self) {
        let entries = &self.entries;
        self.ready.retain(|&entry| entries.get(entry).is_some());
        self.dropped = 0;
    }

    /// Drops a message that is out of the order; gives the octets that are free by it.
    #[inline(always)]
    pub fn remove(&mut self, entry: Key) -> u64 {
        let look = |found: &Entry| (found.message.size(), found.sequence, found.stored, found.message.header.durable);
        let Some((size, sequence, stored, durable)) = self.entries.clear(entry, look) else { return 0 };
        self.bytes -= size;
        if stored != 0 || !self.changes.is_empty() {
            self.forget(sequence, stored, durable);
        }
        size
    }

    /// Forgets what is known of a message that left beside itself.
    #[inline(never)]
    fn forget(&mut self, sequence: u64, stored: u64, durable: bool) {
        if stored != 0 {
            self.note_gone(sequence, stored, durable);
        }
        self.changes.remove(&sequence);
    }

    /// Whether the owner has something to do with it after messages left: make room known, or delete it.
    #[inline]
    pub fn is_done_or_awaited(&self) -> bool {
        !self.withheld.is_empty() || (self.consumers.is_empty() && self.messages() == 0)
    }

    /// Takes a message that is out of the order out of the queue.
    pub fn take(&mut self, entry: Key) -> Option<Message> {
        let Entry { message, sequence, stored } = self.entries.remove(entry)?;
        self.changes.remove(&sequence);
        self.bytes -= message.size();
        if stored != 0 {
            self.note_gone(sequence, stored, message.header.durable);
        }
        Some(message)
    }

    /// Notes that a message that the journal has is no longer needed.
    pub fn note_gone(&mut self, sequence: u64, stored: u64, durable: bool) {
        if !durable || self.declared == 0 {
            return self.released.push((stored, 0));
        }
        match self.gone.last_mut() {
            Some(gone) if gone.next_sequence == sequence => {
                gone.next_sequence = sequence + 1;
                gone.last = stored;
            }
            _ => self.gone.push(Gone { next_sequence: sequence + 1, first: stored, last: stored }),
        }
        self.released.push((stored, u32::try_from(self.gone.len()).expect("a turn is bounded")));
    }

    /// Names of all messages that the journal has, but for those that it has behind all others.
    pub fn stored(&self) -> impl Iterator<Item = u64> {
        let here = self.entries.iter().map(|(_, entry)| entry.stored).filter(|&stored| stored != 0);
        here.chain(self.away().map(|away| away.stored))
    }

    /// Whether a message is in a file.
    pub fn is_large(&self, entry: Key) -> bool {
        self.entries.get(entry).is_some_and(|entry| entry.message.content == Content::File)
    }

    /// The first waiting message from `sequence` on, for a browser. While the journal has to give it again, there is none.
    pub fn browse(&mut self, sequence: u64) -> Option<Key> {
        match self.returned.range(sequence..).next() {
            Some((_, &Held::Here(entry))) => return Some(entry),
            Some((&sequence, Held::Away(_))) => {
                self.want(sequence);
                return None;
            }
            None => {}
        }
        if self.dropped > 0 {
            // Places of what is gone have no order; there are new ones after a sweep only.
            self.forget_dropped();
        }
        let older = |entry: &Key| self.entries.get(*entry).is_some_and(|entry| entry.sequence < sequence);
        let place = self.ready.partition_point(older);
        self.ready.get(place).copied()
    }

    /// Asserts what must hold between any two commands.
    pub fn check(&self) {
        let returned = self.returned.iter().map(|(&sequence, held)| match held {
            Held::Here(entry) => {
                let entry = self.entries.get(*entry).expect("the order names living messages");
                assert_eq!(entry.sequence, sequence, "a message comes back to its place");
                sequence
            }
            Held::Away(_) => sequence,
        });
        let living = self.ready.iter().filter_map(|&entry| self.entries.get(entry));
        assert_eq!(living.clone().count() + self.dropped, self.ready.len(), "what was dropped is counted");
        assert!(self.ready.front().is_none_or(|&first| self.entries.get(first).is_some()), "the first one lives");
        let ready = living.map(|entry| entry.sequence);
        let order = returned.chain(ready).inspect(|&sequence| assert!(sequence < self.next_sequence));
        assert!(order.is_sorted(), "what came back is older than what was never sent");
        let known = self.depth() + self.acquired.len() as u64;
        let sent = self.entries.len() as u64 + self.away - known;
        assert!(sent <= 1, "a message waits, is held, or is the last one sent");
        self.check_held();
    }
}
