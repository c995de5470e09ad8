//! What is kept in the journal, and what waits for it.
//!
//! Guarantees:
//! 1. A fact's number is larger than those of all facts of its kind before it (`fact::LOCAL`); the journal is told of them in that order.
//! 2. Nothing is acknowledged, and no durable message is given to a consumer, before its number is durable.
//! 3. A queue's messages are in memory in front, in the journal behind: once the first is in the journal only, all that follow
//!    are, until they were fetched.

use std::num::NonZeroU64;

use crate::core::Core;
use crate::event::Event;
use crate::fact::{Declared, Fact, LOCAL, PASSING, Purpose, Resident, Target, Targets};
use crate::journaling::{Fetch, Journaling, LastNumbers, Recall, Restored, Room, Waiting};
use crate::key::LinkKey;
use crate::limits::{MESSAGE_OVERHEAD, Storage};
use crate::message::Message;
use crate::queue::{Identity, Kind, Logged, Queue};
use crate::slab::Key;

impl Core {
    /// Puts a message into queues, at least one of which stores it; gives the number that has to be durable before the message
    /// is acknowledged, or 0.
    pub(crate) fn store(&mut self, queues: &[Key], message: Message) -> u64 {
        let durable = message.header.durable;
        let (mut lasting, mut passing) = (Vec::new(), Vec::new());
        for &key in queues {
            if !self.is_stored(key, &message) {
                self.push(key, message.clone(), None);
            } else if durable && self.declare(key).is_some() {
                lasting.push(key);
            } else {
                self.number(key);
                passing.push(key);
            }
        }
        if lasting.is_empty() {
            let first = self.take_local_numbers(passing.len() as u64);
            self.store_in(&passing, message, first);
            return 0;
        }
        if !passing.is_empty() {
            let first = self.take_local_numbers(passing.len() as u64);
            self.store_in(&passing, message.clone(), first);
        }
        let first = self.journal.take_numbers(lasting.len() as u64);
        self.store_in(&lasting, message, first);
        first
    }

    /// Stores a message in queues, under the names from `first` on.
    fn store_in(&mut self, targets: &[Key], message: Message, first: u64) {
        let mut places = [None; 1];
        let mut many = Vec::new();
        for (&key, name) in targets.iter().zip(first..) {
            let Some(queue) = self.nodes.queues.get(key) else { continue };
            let Some(number) = queue.number() else { continue };
            let target = Target { queue: number, resident: self.residence(queue) };
            match target.resident {
                Resident::Yes => self.push(key, message.clone(), NonZeroU64::new(name)),
                Resident::No => self.push_paged(key, &message),
            }
            if targets.len() == 1 { places = [Some(target)] } else { many.push(target) }
        }
        let targets = places[0].map_or_else(|| Targets::Many(many.into()), Targets::One);
        self.journal.facts.push_back(Fact::Stored { number: first, targets, message });
    }

    fn push_paged(&mut self, key: Key, message: &Message) {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        if queue.push_paged(message.size()) {
            self.touch(key);
        }
    }

    /// The number of a queue in the journal, which it gets if it has none.
    fn number(&mut self, key: Key) -> Option<u64> {
        let queue = self.nodes.queues.get_mut(key)?;
        if queue.logged == Logged::No {
            self.journal.last_queue += 1;
            let number = self.journal.last_queue | if queue.is_lasting() { 0 } else { PASSING };
            queue.logged = Logged::Numbered(number);
            self.journal.by_number.insert(number, key);
        }
        queue.number()
    }

    /// Makes sure that a queue that may outlive the node does; gives the number of the fact that says so, if it does.
    pub(crate) fn declare(&mut self, key: Key) -> Option<u64> {
        let queue = self.number(key)?;
        let found = self.nodes.queues.get_mut(key).filter(|queue| queue.is_lasting())?;
        if let Logged::Declared { since, .. } = found.logged {
            return Some(since);
        }
        let since = self.journal.take_numbers(1);
        found.logged = Logged::Declared { queue, since };
        let declared = Box::new(self.declaration(key)?);
        self.journal.facts.push_back(Fact::Declared { number: since, declared });
        Some(since)
    }

    /// What the journal is told of a queue that has a number.
    fn declaration(&self, key: Key) -> Option<Declared> {
        let queue = self.nodes.queues.get(key)?;
        let Identity { name, address, routing, kind } = &queue.identity;
        let purpose = if *kind == Kind::Durable { Purpose::Subscription } else { Purpose::OnDemand };
        let address = self.nodes.addresses.get(*address)?.name.to_string();
        Some(Declared { queue: queue.number()?, routing: *routing, purpose, address, name: name.to_string() })
    }

    /// A queue is deleted: the journal forgets it.
    pub(crate) fn forget(&mut self, queue: &Queue) {
        let Some(number) = queue.number() else { return };
        self.journal.by_number.remove(&number);
        self.journal.released.extend(queue.names());
        let fact = if queue.is_declared() { self.journal.take_numbers(1) } else { 0 };
        self.journal.facts.push_back(Fact::Deleted { number: fact, queue: number });
    }

    /// Makes facts of a queue's messages that left; gives the number of the last one, or 0.
    pub(crate) fn tell_gone(&mut self, key: Key) -> u64 {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return 0 };
        let Some(of) = queue.number() else { return 0 };
        let mut last = 0;
        let Journaling { last_number, facts, released, .. } = &mut self.journal;
        let range = |first, to| {
            *last_number += 1;
            last = *last_number;
            facts.push_back(Fact::Acknowledged { number: last, queue: of, first, last: to });
        };
        queue.tell(range, |name| released.push(name));
        last
    }

    /// A queue was looked at, and may wait for the journal.
    #[inline]
    pub(crate) fn note_waiting(&mut self, key: Key) {
        if self.nodes.queues.get(key).is_some_and(Queue::is_blocked) {
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
            if let Some(queue) = self.nodes.queues.get_mut(key) {
                queue.unblock();
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

    /// The next message that the journal no longer needs to keep, by its name. To be asked after all facts were told.
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
        Some(Fetch { queue, bytes: self.memory.fetch_below() })
    }

    /// The next wish for messages that came back.
    pub fn poll_recall(&mut self) -> Option<Recall> {
        let journal = &mut self.journal;
        std::iter::from_fn(|| journal.recalls.pop_front()).find(|recall| journal.by_number.contains_key(&recall.queue))
    }

    /// A message that came back is in memory again, at its place in the order.
    pub fn handle_recalled(&mut self, queue: u64, sequence: u64, message: Message) {
        let Some(key) = self.journal.queue(queue) else { return };
        let Some(found) = self.nodes.queues.get(key) else { return };
        if found.identity.kind == Kind::Ending && !found.departs(sequence) {
            // It was deleted while this was read.
            return;
        }
        self.resize(key, |queue| queue.put_back(sequence, message));
        self.note_expiries(key);
        self.note_departures(key);
        self.touch(key);
    }

    /// Octets of a queue that are to be read beyond those that were fetched, while a fetch of it is under way.
    #[must_use]
    pub fn wants(&self, queue: u64) -> u64 {
        let queue = self.journal.queue(queue).and_then(|key| self.nodes.queues.get(key));
        let queue = queue.filter(|queue| queue.identity.kind != Kind::Ending);
        queue.map_or(0, |queue| self.memory.fetch_below().saturating_sub(queue.waiting_bytes()))
    }

    /// Messages that the journal alone had, by their names; they come in the order in which the queue got them.
    pub fn handle_fetched(&mut self, queue: u64, messages: impl IntoIterator<Item = (u64, Message)>) {
        let Some(key) = self.journal.queue(queue) else { return };
        if self.nodes.queues.get(key).is_some_and(|queue| queue.identity.kind == Kind::Ending) {
            // It was deleted while they were read.
            return self.journal.released.extend(messages.into_iter().map(|(name, _)| name));
        }
        self.resize(key, |queue| {
            for (name, message) in messages {
                queue.handle_fetched(message.size());
                queue.append(message, NonZeroU64::new(name));
            }
        });
        self.note_expiries(key);
        self.touch(key);
    }

    /// All of a fetch came.
    pub fn handle_fetch_done(&mut self, queue: u64) {
        let Some(key) = self.journal.queue(queue) else { return };
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        queue.handle_fetch_done();
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
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        // All that the journal has of it is durable.
        queue.logged = Logged::Declared { queue: declared.queue, since: 0 };
        queue.restore_paged(*messages, bytes + messages * MESSAGE_OVERHEAD);
        self.journal.by_number.insert(declared.queue, key);
        self.collect(key);
    }

    /// Makes a queue that outlives the node, without a link that asks for it; gives its number. It is not counted as used by
    /// anybody, so that it goes when it was emptied and somebody looks.
    pub fn adopt_queue(&mut self, declared: &Declared) -> u64 {
        let key = self.put_queue(declared);
        self.declare(key);
        self.number(key).expect("a queue that was just made is there")
    }

    /// Puts a message into a queue, as if a producer had sent it.
    pub fn adopt_message(&mut self, queue: u64, message: Message) {
        if let Some(key) = self.journal.queue(queue) {
            self.store(&[key], message);
        }
    }

    fn put_queue(&mut self, declared: &Declared) -> Key {
        let Declared { routing, purpose, address, name, .. } = declared;
        let address = match self.nodes.address(address) {
            Some(known) => known,
            None => self.nodes.put_address(address, *routing, self.config.catalogue.settings(address)),
        };
        let known = self.nodes.find(address, name);
        let is_declared = |key: &Key| self.nodes.queues.get(*key).is_some_and(|of| of.identity.kind == Kind::Declared);
        if let Some(known) = known.filter(is_declared) {
            // The catalogue says how it is routed.
            return known;
        }
        let kind = match purpose {
            Purpose::OnDemand => Kind::Auto,
            Purpose::Subscription => Kind::Durable,
        };
        self.nodes.put_queue(Identity { name: name.as_str().into(), address, routing: *routing, kind })
    }

    /// Asserts what must hold of it between any two inputs.
    pub(crate) fn check_journal(&self) {
        let number = |waiting: &Waiting| match waiting {
            Waiting::Accept { number, .. } | Waiting::Tell { number, .. } => *number,
        };
        assert!(self.journal.waiting.iter().map(number).is_sorted(), "what waits is in the order of its numbers");
        for (key, queue) in self.nodes.queues.iter() {
            let Some(number) = queue.number() else { continue };
            assert_eq!(self.journal.queue(number), Some(key), "the journal knows it by its number");
            assert_eq!(self.config.storage, Storage::Journal);
        }
    }
}
