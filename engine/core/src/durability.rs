//! What is kept in the journal, and what waits for it.
//!
//! Guarantees:
//! 1. A fact's number is larger than those of all facts of its kind before it (`fact::LOCAL`); the journal is told of them in that order.
//! 2. Nothing is acknowledged, and no durable message is given to a consumer, before its number is durable.
//! 3. A queue's messages are in memory in front, in the journal behind: once the first is in the journal only, all that follow
//!    are, until they were fetched.

use std::collections::{HashMap, VecDeque};

use crate::core::{Address, Core};
use crate::event::Event;
use crate::fact::{Declared, Fact, LOCAL, PASSING, Purpose, Resident, Target, Targets};
use crate::held::{Recalled, Recalling};
use crate::key::LinkKey;
use crate::limits::{FETCH_BELOW, RECALL_BYTES, Storage};
use crate::message::Message;
use crate::queue::{Kind, Queue};
use crate::slab::Key;

/// What the disk has room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// Whatever comes.
    #[default]
    Plenty,
    /// Not more at once: producers wait until it has written what it has.
    Busy,
    /// What is on its way: the disk is full (`CoreConfig::when_full`).
    Little,
    /// Acknowledgements: what would be stored is refused.
    None,
}

/// What waits until a number is durable.
#[derive(Debug)]
enum Waiting {
    Accept { number: u64, end: Key, deliveries: (u32, u32) },
    Tell { number: u64, link: LinkKey, event: Event },
}

/// The owner's half of the journal.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// The last number on stable storage.
    pub durable: u64,
    pub room: Room,
    /// Octets that wait for the disk.
    pub waiting_bytes: u64,
    /// Queues of which more is to be read.
    pub fetches: VecDeque<u64>,
    /// What queues want again that came back to them.
    recalls: VecDeque<Recall>,
    last_number: u64,
    /// The last of the numbers that are this node's own affair, without their bit.
    last_local: u64,
    /// The last number when all facts had been taken.
    told: u64,
    last_queue: u64,
    facts: VecDeque<Fact>,
    /// Names of messages that were put aside, and left.
    released: Vec<u64>,
    waiting: VecDeque<Waiting>,
    /// Queues whose first message waits for the journal.
    blocked: Vec<Key>,
    /// Queues with messages that left.
    pub telling: Vec<Key>,
    /// Files of large messages that no queue took.
    pub unwanted: Vec<u64>,
    by_number: HashMap<u64, Key>,
}

impl Journal {
    fn take_numbers(&mut self, count: u64) -> u64 {
        self.last_number += count;
        self.last_number + 1 - count
    }

    /// Whether a queue that has nothing to give now waits for the journal; what it wants again is asked for.
    #[inline(never)]
    pub fn will_give(&mut self, queue: &mut Queue, memory_bytes: u64, fetch_below: u64) -> bool {
        if matches!(queue.recalling, Recalling::Wanted(_)) {
            let messages = queue.recall(fetch_below.max(RECALL_BYTES.min(memory_bytes / 16)));
            self.recalls.push_back(Recall { queue: queue.number, messages });
        }
        queue.blocked || queue.paged > 0 || queue.recalling != Recalling::No
    }

    pub fn failed(&mut self, queue: u64, message: u64, count: u32) {
        let number = self.take_numbers(1);
        self.facts.push_back(Fact::Failed { number, queue, message, count });
    }
}

/// A queue that the journal has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The queue itself.
    pub declared: Declared,
    /// Messages in it.
    pub messages: u64,
    /// Size of their bodies, octets.
    pub bytes: u64,
}

/// The last numbers that were used before a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastNumbers {
    /// Of facts.
    pub fact: u64,
    /// Of what is the node's own affair; has the bit [`LOCAL`].
    pub local: u64,
    /// Of queues.
    pub queue: u64,
}

/// A wish for messages that the journal alone has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Whose.
    pub queue: u64,
    /// About how much, octets.
    pub bytes: u64,
}

/// A wish for messages that left memory while consumers held them, and came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// Whose.
    pub queue: u64,
    /// Which, in the order of their names.
    pub messages: Vec<Recalled>,
}

/// Size of a queue's waiting messages in memory below which more are read, and how much: when most of the `budget` is used, each
/// queue gets what it can go on with.
#[inline]
pub(crate) fn fetch_below(budget: u64, memory_bytes: u64) -> u64 {
    if memory_bytes > budget / 2 { 1 } else { FETCH_BELOW.min(budget / 16).max(1) }
}

impl Core {
    /// Puts a message into queues, at least one of which stores it; gives the number that has to be durable before the message
    /// is acknowledged, or 0.
    pub(crate) fn store(&mut self, queues: &[Key], message: Message) -> u64 {
        let durable = message.header.durable;
        let (mut lasting, mut passing) = (Vec::new(), Vec::new());
        for &key in queues {
            if !self.is_stored(key, &message) {
                self.push(key, message.clone(), 0);
            } else if durable && self.declare(key) != 0 {
                lasting.push(key);
            } else {
                self.number(key);
                passing.push(key);
            }
        }
        if lasting.is_empty() {
            self.store_in(&passing, message, LOCAL);
            return 0;
        }
        if !passing.is_empty() {
            self.store_in(&passing, message.clone(), LOCAL);
        }
        self.store_in(&lasting, message, 0)
    }

    /// Stores a message in queues, under names of one kind; gives the first.
    fn store_in(&mut self, targets: &[Key], message: Message, kind: u64) -> u64 {
        let count = targets.len() as u64;
        let first = if kind == LOCAL { self.take_local_numbers(count) } else { self.journal.take_numbers(count) };
        let mut places = [None; 1];
        let mut many = Vec::new();
        for (&key, name) in targets.iter().zip(first..) {
            let Some(queue) = self.queues.get(key) else { continue };
            let target = Target { queue: queue.number, resident: self.residence(queue) };
            match target.resident {
                Resident::Yes => self.push(key, message.clone(), name),
                Resident::No => self.push_paged(key, &message),
            }
            if targets.len() == 1 { places = [Some(target)] } else { many.push(target) }
        }
        let targets = places[0].map_or_else(|| Targets::Many(many.into()), Targets::One);
        self.journal.facts.push_back(Fact::Stored { number: first, targets, message });
        first
    }

    fn push_paged(&mut self, key: Key, message: &Message) {
        let Some(queue) = self.queues.get_mut(key) else { return };
        queue.paged += 1;
        queue.paged_bytes += message.size();
        queue.totals.enqueued += 1;
        if queue.paged == 1 {
            self.touch(key);
        }
    }

    /// The number of a queue in the journal.
    fn number(&mut self, key: Key) -> u64 {
        let Some(queue) = self.queues.get_mut(key) else { return 0 };
        if queue.number == 0 {
            self.journal.last_queue += 1;
            queue.number = self.journal.last_queue | if queue.is_lasting() { 0 } else { PASSING };
            self.journal.by_number.insert(queue.number, key);
        }
        queue.number
    }

    /// Makes sure that a queue that may outlive the node does; gives the number of that fact, or 0.
    pub(crate) fn declare(&mut self, key: Key) -> u64 {
        let number = self.number(key);
        let Some(queue) = self.queues.get_mut(key).filter(|queue| queue.is_lasting()) else { return 0 };
        if queue.declared == 0 {
            queue.declared = self.journal.take_numbers(1);
            let address = self.addresses.get(queue.address).map(|address| address.name.to_string());
            let declared = Declared {
                queue: number,
                routing: queue.routing,
                purpose: if queue.kind == Kind::Durable { Purpose::Subscription } else { Purpose::OnDemand },
                address: address.unwrap_or_default(),
                name: queue.name.to_string(),
            };
            let declared = Box::new(declared);
            self.journal.facts.push_back(Fact::Declared { number: queue.declared, declared });
        }
        queue.declared
    }

    /// A queue is deleted: the journal forgets it.
    pub(crate) fn forget(&mut self, queue: &Queue) {
        if queue.number == 0 {
            return;
        }
        self.journal.by_number.remove(&queue.number);
        let released = queue.stored().chain(queue.released.iter().map(|(name, _)| *name));
        self.journal.released.extend(released.filter(|name| name & LOCAL != 0));
        let number = if queue.declared == 0 { 0 } else { self.journal.take_numbers(1) };
        self.journal.facts.push_back(Fact::Deleted { number, queue: queue.number });
    }

    /// Messages of a queue that the journal has may have left.
    #[inline]
    pub(crate) fn note_gone(&mut self, key: Key) {
        let Some(queue) = self.queues.get_mut(key) else { return };
        if !queue.released.is_empty() && !std::mem::replace(&mut queue.telling, true) {
            self.journal.telling.push(key);
        }
    }

    /// Makes facts of a queue's messages that left; gives the number of the last one, or 0.
    pub(crate) fn tell_gone(&mut self, key: Key) -> u64 {
        let Some(queue) = self.queues.get_mut(key) else { return 0 };
        queue.telling = false;
        // Of the others the facts say that they left.
        let released = queue.released.drain(..).map(|(name, _)| name);
        self.journal.released.extend(released.filter(|name| name & LOCAL != 0));
        let mut number = 0;
        for gone in queue.gone.drain(..) {
            number = self.journal.take_numbers(1);
            let (queue, first, last) = (queue.number, gone.first, gone.last);
            self.journal.facts.push_back(Fact::Acknowledged { number, queue, first, last });
        }
        number
    }

    /// A queue was looked at, and may wait for the journal.
    #[inline]
    pub(crate) fn note_waiting(&mut self, key: Key) {
        if let Some(queue) = self.queues.get_mut(key)
            && queue.blocked
        {
            self.journal.blocked.push(key);
        }
    }

    /// Accepts a delivery once `number` is durable.
    #[inline]
    pub(crate) fn accept_after(&mut self, number: u64, end: Key, delivery: u32) {
        // What came since the journal last looked becomes durable at once; what came before does so earlier.
        if let Some(Waiting::Accept { number: last, end: same, deliveries: (_, to), .. }) =
            self.journal.waiting.back_mut()
            && *same == end
            && *last > self.journal.told
            && to.wrapping_add(1) == delivery
        {
            (*last, *to) = (number, delivery);
            return;
        }
        let deliveries = (delivery, delivery);
        self.journal.waiting.push_back(Waiting::Accept { number, end, deliveries });
    }

    /// Tells a link something once `number` is durable.
    pub(crate) fn tell_after(&mut self, number: u64, link: LinkKey, event: Event) {
        if number <= self.journal.durable {
            self.events.push_back((link, event));
        } else {
            // What waits is in the order of its numbers, so that whatever was told before is durable by then.
            let number = self.journal.last_number;
            self.journal.waiting.push_back(Waiting::Tell { number, link, event });
        }
    }

    /// Everything up to `number` is on stable storage.
    pub fn handle_durable(&mut self, number: u64) {
        self.journal.durable = number;
        while let Some(waiting) = self.journal.waiting.pop_front() {
            match waiting {
                Waiting::Accept { number: at, end, deliveries } if at <= number => self.accept(end, deliveries),
                Waiting::Tell { number: at, link, event } if at <= number => self.events.push_back((link, event)),
                waiting => {
                    self.journal.waiting.push_front(waiting);
                    break;
                }
            }
        }
        for key in std::mem::take(&mut self.journal.blocked) {
            if let Some(queue) = self.queues.get_mut(key) {
                queue.blocked = false;
                self.touch(key);
            }
        }
    }

    /// Whether somebody waits for a fact to be durable: a producer, a consumer, or a queue whose next message it is.
    #[must_use]
    pub fn awaits_journal(&self) -> bool {
        !self.journal.waiting.is_empty() || !self.journal.blocked.is_empty()
    }

    /// The next fact for the journal. `None` means that it was told of everything.
    pub fn poll_fact(&mut self) -> Option<Fact> {
        if self.journal.facts.is_empty() {
            for key in std::mem::take(&mut self.journal.telling) {
                self.tell_gone(key);
            }
        }
        let fact = self.journal.facts.pop_front();
        if fact.is_none() {
            self.journal.told = self.journal.last_number;
        }
        fact
    }

    /// The next message that was put aside and that the journal no longer needs to keep, by its name. Of those that outlive the node the
    /// facts say so. To be asked after all facts were told.
    pub fn poll_released(&mut self) -> Option<u64> {
        self.journal.released.pop()
    }

    /// The next file of a large message that no queue took.
    pub fn poll_unwanted(&mut self) -> Option<u64> {
        self.journal.unwanted.pop()
    }

    /// The next wish for messages that the journal alone has. A queue that was deleted meanwhile has none.
    pub fn poll_fetch(&mut self) -> Option<Fetch> {
        let journal = &mut self.journal;
        let queue =
            std::iter::from_fn(|| journal.fetches.pop_front()).find(|queue| journal.by_number.contains_key(queue))?;
        Some(Fetch { queue, bytes: fetch_below(self.config.memory_bytes, self.memory_bytes) })
    }

    /// The next wish for messages that came back.
    pub fn poll_recall(&mut self) -> Option<Recall> {
        let journal = &mut self.journal;
        std::iter::from_fn(|| journal.recalls.pop_front()).find(|recall| journal.by_number.contains_key(&recall.queue))
    }

    /// A message that came back is in memory again, at its place in the order.
    pub fn handle_recalled(&mut self, queue: u64, sequence: u64, message: Message) {
        let Some(&key) = self.journal.by_number.get(&queue) else { return };
        let Some(queue) = self.queues.get_mut(key) else { return };
        let before = queue.bytes;
        queue.put_back(sequence, message, self.config.merge_annotations);
        self.memory_bytes = self.memory_bytes - before + queue.bytes;
        self.note_expiries(key);
        self.touch(key);
    }

    /// Octets of a queue that are to be read beyond those that were fetched, while a fetch of it is under way.
    #[must_use]
    pub fn wants(&self, queue: u64) -> u64 {
        let queue = self.journal.by_number.get(&queue).and_then(|&key| self.queues.get(key));
        let below = fetch_below(self.config.memory_bytes, self.memory_bytes);
        queue.map_or(0, |queue| below.saturating_sub(queue.ready_bytes))
    }

    /// Messages that the journal alone had, by their names; they come in the order in which the queue got them.
    pub fn handle_fetched(&mut self, queue: u64, messages: impl IntoIterator<Item = (u64, Message)>) {
        let Some(&key) = self.journal.by_number.get(&queue) else { return };
        let Some(queue) = self.queues.get_mut(key) else { return };
        for (name, message) in messages {
            let size = message.size();
            self.memory_bytes += size;
            queue.paged -= 1;
            // After a restart sizes are known as averages only.
            queue.paged_bytes = if queue.paged == 0 { 0 } else { queue.paged_bytes.saturating_sub(size) };
            queue.append(message, name);
        }
        self.note_expiries(key);
        self.touch(key);
    }

    /// All of a fetch came.
    pub fn handle_fetch_done(&mut self, queue: u64) {
        let Some(&key) = self.journal.by_number.get(&queue) else { return };
        let Some(queue) = self.queues.get_mut(key) else { return };
        queue.fetching = false;
        self.touch(key);
    }

    /// The disk has that much room, and so many octets wait for it.
    pub fn handle_room(&mut self, room: Room, waiting_bytes: u64) {
        self.journal.room = room;
        self.journal.waiting_bytes = waiting_bytes;
    }

    /// What the disk has room for.
    #[must_use]
    pub fn room(&self) -> Room {
        self.journal.room
    }

    /// Numbers for what is this node's own affair: what the journal writes of itself, and messages that it only puts aside.
    pub fn take_local_numbers(&mut self, count: u64) -> u64 {
        self.journal.last_local += count;
        (self.journal.last_local + 1 - count) | LOCAL
    }

    /// Goes on after a restart.
    pub fn restore_numbers(&mut self, last: LastNumbers) {
        self.journal.last_number = last.fact;
        self.journal.last_local = last.local & !LOCAL;
        self.journal.durable = last.fact;
        self.journal.last_queue = last.queue;
    }

    /// Puts a queue back that the journal has, with its messages still there.
    pub fn restore(&mut self, restored: &Restored) {
        let Restored { declared, messages, bytes } = restored;
        let key = self.put_queue(declared);
        let Some(queue) = self.queues.get_mut(key) else { return };
        queue.number = declared.queue;
        queue.declared = 1;
        queue.paged = *messages;
        queue.paged_bytes = bytes + messages * crate::limits::MESSAGE_OVERHEAD;
        self.journal.by_number.insert(declared.queue, key);
        self.collect(key);
    }

    /// Makes a queue that outlives the node, without a link that asks for it; gives its number. It is not counted as used by
    /// anybody, so that it goes when it was emptied and somebody looks.
    pub fn adopt_queue(&mut self, declared: &Declared) -> u64 {
        let key = self.put_queue(declared);
        self.declare(key);
        self.number(key)
    }

    /// Puts a message into a queue, as if a producer had sent it.
    pub fn adopt_message(&mut self, queue: u64, message: Message) {
        if let Some(&key) = self.journal.by_number.get(&queue) {
            self.store(&[key], message);
        }
    }

    fn put_queue(&mut self, declared: &Declared) -> Key {
        let Declared { routing, purpose, address, name, .. } = declared;
        let key = self.names.get(address.as_str()).copied().unwrap_or_else(|| {
            let (queues, producers) = (Vec::new(), Vec::new());
            let made = Address { name: address.as_str().into(), routing: *routing, queues, producers, dynamic: None };
            let key = self.addresses.insert(made);
            self.names.insert(address.as_str().into(), key);
            key
        });
        let kind = match purpose {
            Purpose::OnDemand => Kind::Auto,
            Purpose::Subscription => Kind::Durable,
        };
        let queue = self.queues.insert(Queue::new(name, key, *routing, kind));
        if let Some(address) = self.addresses.get_mut(key) {
            address.queues.push(queue);
        }
        queue
    }

    /// Asserts what must hold of it between any two inputs.
    pub(crate) fn check_journal(&self) {
        let number = |waiting: &Waiting| match waiting {
            Waiting::Accept { number, .. } | Waiting::Tell { number, .. } => *number,
        };
        assert!(self.journal.waiting.iter().map(number).is_sorted(), "what waits is in the order of its numbers");
        for (key, queue) in self.queues.iter() {
            assert!(queue.number == 0 || self.journal.by_number.get(&queue.number) == Some(&key));
            assert!(queue.paged > 0 || queue.paged_bytes == 0);
            assert!(self.config.storage == Storage::Journal || queue.number == 0);
        }
    }
}
