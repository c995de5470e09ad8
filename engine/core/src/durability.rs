//! What is kept in the journal, and what waits for it.
//!
//! Guarantees:
//! 1. A fact's number is larger than those of all facts of its kind before it (`fact::LOCAL`); the journal is told of
//!    them in that order.
//! 2. Nothing is acknowledged, and no durable message is given to a consumer, before its number is durable.
//! 3. A queue's messages are in memory in front, in the journal behind: once the first is in the journal only, all that
//!    follow are, until they were fetched.

use std::num::NonZeroU64;

use crate::address::RETAINED;
use crate::choice::Choice;
use crate::core::Core;
use crate::divert_name::divert_of;
use crate::event::Event;
use crate::fact::{Declared, Fact, IDS, Purpose, Resident, TRANSACTIONS, Target, Targets};
use crate::journaling::{Journaling, LastNumbers, Measured, Numbers, Restored, Waiting};
use crate::key::LinkKey;
use crate::limits::{MESSAGE_OVERHEAD, Storage};
use crate::message::Message;
use crate::queue::{Before, Identity, Kind, Logged, Queue};
use crate::slab::Key;
use crate::wildcard::{Keeps, pattern_of_queue, settings_name};

impl Core {
    /// Puts a message into queues, at least one of which stores it; gives the number that has to be durable before the
    /// message is acknowledged, or 0.
    pub(crate) fn store(&mut self, queues: &[Key], message: Message) -> u64 {
        let durable = message.header.durable;
        if let [key] = *queues {
            return self.store_alone(key, message);
        }
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
        let first = self.journal.numbers.take(lasting.len() as u64);
        for &key in &lasting {
            self.measure(key, first);
        }
        self.store_in(&lasting, message, first);
        first
    }

    /// The same for one queue, which stores it.
    #[inline]
    fn store_alone(&mut self, key: Key, message: Message) -> u64 {
        debug_assert!(self.is_stored(key, &message), "what is not stored is pushed");
        if message.header.durable && self.declare(key).is_some() {
            let number = self.journal.numbers.take(1);
            self.measure(key, number);
            self.store_in(&[key], message, number);
            return number;
        }
        self.number(key);
        let number = self.take_local_numbers(1);
        self.store_in(&[key], message, number);
        0
    }

    /// Sees how long it takes until the journal has what a queue is given, if that is one of those that are looked at.
    fn measure(&mut self, key: Key, number: u64) {
        let arrived_ns = self.now.ns;
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        if let Some(weight) = queue.note_stored(arrived_ns) {
            self.journal.measuring.insert(Measured { number, queue: key, arrived_ns, weight });
        }
    }

    /// Stores a message in queues, under the names from `first` on.
    fn store_in(&mut self, targets: &[Key], message: Message, first: u64) {
        let mut places = [None; 1];
        let mut many = Vec::new();
        for (&key, name) in targets.iter().zip(first..) {
            let Some(queue) = self.nodes.queues.get(key) else { continue };
            let Some(number) = queue.number() else { continue };
            let (wanted, by_name) = (self.residence(queue), queue.is_to_be_named());
            let target = Target { queue: number, resident: if by_name { Resident::Yes } else { wanted } };
            match target.resident {
                Resident::Yes => self.push(key, message.clone(), NonZeroU64::new(name)),
                Resident::No => self.push_paged(key, &message),
            }
            if target.resident != wanted {
                self.shed_named(key);
            }
            if targets.len() == 1 { places = [Some(target)] } else { many.push(target) }
        }
        let targets = places[0].map_or_else(|| Targets::Many(many.into()), Targets::One);
        self.journal.outbox.push(Fact::Stored { number: first, targets, message });
    }

    /// The message that came last leaves memory: it stays known by its name.
    fn shed_named(&mut self, key: Key) {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        let left = queue.shed_named();
        self.apply(key, left);
    }

    fn push_paged(&mut self, key: Key, message: &Message) {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        if queue.push_paged(message.size(), self.now.ns) {
            self.touch(key);
        }
        self.trim(key);
    }

    /// The number of a queue in the journal, which it gets if it has none.
    fn number(&mut self, key: Key) -> Option<u64> {
        let queue = self.nodes.queues.get_mut(key)?;
        if queue.logged == Logged::No {
            let numbers = &mut self.journal.numbers;
            let may_last = queue.identity.kind.may_last();
            let number = if may_last { numbers.take_lasting_queue() } else { numbers.take_passing_queue() };
            queue.logged = Logged::Numbered(number);
            self.journal.insert(number, key);
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
        let since = self.journal.numbers.take(1);
        found.logged = Logged::Declared { queue, since };
        let declared = Box::new(self.declaration(key)?);
        self.journal.outbox.push(Fact::Declared { number: since, declared });
        Some(since)
    }

    /// What the journal is told of a queue that has a number.
    fn declaration(&self, key: Key) -> Option<Declared> {
        let queue = self.nodes.queues.get(key)?;
        let Identity { name, address, routing, kind, choice } = &queue.identity;
        let purpose = match kind.before() {
            Before::Subscription => Purpose::Subscription,
            Before::OnDemand => Purpose::OnDemand,
        };
        let address = self.nodes.addresses.get(*address)?.name.to_string();
        let selector = choice.as_ref().and_then(|choice| choice.text()).map(Box::from);
        let no_local = choice.as_ref().and_then(|choice| choice.no_local());
        let (queue, name) = (queue.number()?, name.to_string());
        Some(Declared { queue, routing: *routing, purpose, address, name, selector, no_local })
    }

    /// A queue is deleted: the journal forgets it.
    pub(crate) fn forget(&mut self, queue: &Queue) {
        let Some(number) = queue.number() else { return };
        self.journal.remove(number);
        self.journal.outbox.release_all(queue.names());
        let fact = if queue.is_declared() { self.journal.numbers.take(1) } else { 0 };
        self.journal.outbox.push(Fact::Deleted { number: fact, queue: number });
    }

    /// Makes facts of a queue's messages that left; gives the number of the last one, or 0.
    pub(crate) fn tell_gone(&mut self, key: Key) -> u64 {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return 0 };
        let Journaling { outbox, numbers, .. } = &mut self.journal;
        outbox.tell_left(queue, numbers)
    }

    /// A queue was looked at, and may wait for the journal.
    #[inline]
    pub(crate) fn note_waiting(&mut self, key: Key) {
        if self.nodes.queues.get(key).is_some_and(Queue::is_blocked) {
            self.journal.awaiting.note_blocked(key);
        }
    }

    /// Accepts a delivery once `number` is durable.
    #[inline]
    pub(crate) fn accept_after(&mut self, number: u64, end: Key, delivery: u32) {
        let told = self.journal.outbox.told();
        self.journal.awaiting.accept(number, end, delivery, told);
    }

    /// Tells a link something once `number` is durable.
    pub(crate) fn tell_after(&mut self, number: u64, link: LinkKey, event: Event) {
        if number <= self.journal.awaiting.durable() {
            self.events.push_back((link, event));
        } else {
            self.journal.awaiting.tell(self.journal.numbers.last(), link, event);
        }
    }

    /// Everything up to `number` is on stable storage.
    pub(crate) fn handle_durable(&mut self, number: u64) {
        self.journal.awaiting.handle_durable(number);
        while let Some(Measured { queue, arrived_ns, weight, .. }) = self.journal.measuring.poll(number) {
            if let Some(queue) = self.nodes.queues.get_mut(queue) {
                queue.note_durable(self.now.ns.saturating_sub(arrived_ns), weight);
            }
        }
        while let Some(waiting) = self.journal.awaiting.poll() {
            match waiting {
                Waiting::Accept { end, deliveries, .. } => self.accept(end, deliveries),
                Waiting::Tell { link, event, .. } => self.events.push_back((link, event)),
                Waiting::Detach { end, mode, .. } => self.detach(end, mode),
            }
        }
        for key in self.journal.awaiting.take_blocked() {
            if let Some(queue) = self.nodes.queues.get_mut(key) {
                queue.unblock();
                self.touch(key);
            }
        }
    }

    /// Whether somebody waits for a fact to be durable: a producer, a consumer, or a queue whose next message it is.
    #[must_use]
    pub fn awaits_journal(&self) -> bool {
        !self.journal.awaiting.is_empty()
    }

    /// The next fact for the journal. `None` means that it was told of all facts.
    #[inline]
    pub(crate) fn poll_fact(&mut self) -> Option<Fact> {
        if self.journal.outbox.has_told() {
            for key in self.journal.outbox.take_telling() {
                self.tell_gone(key);
            }
        }
        let fact = self.journal.outbox.poll_fact();
        if fact.is_none() {
            self.journal.outbox.note_told(self.journal.numbers.last());
        }
        fact
    }

    /// Numbers for what is this node's own affair: what the journal writes of itself, and messages that it only puts
    /// aside.
    pub fn take_local_numbers(&mut self, count: u64) -> u64 {
        self.journal.numbers.take_local(count)
    }

    /// Goes on after a restart.
    pub fn restore_numbers(&mut self, last: LastNumbers) {
        self.journal.numbers = Numbers::restore(last);
        self.journal.awaiting.handle_durable(last.fact);
    }

    /// Puts a queue back that the journal has, with its messages still there.
    pub fn restore(&mut self, restored: &Restored) {
        let Restored { declared, messages, bytes } = restored;
        if declared.address == TRANSACTIONS {
            self.transactions.queue = Some(declared.queue);
            return;
        }
        if declared.address == IDS {
            self.nodes.duplicates.queue = Some(declared.queue);
            return;
        }
        let key = self.put_queue(declared);
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        // All that the journal has of it is durable.
        queue.logged = Logged::Declared { queue: declared.queue, since: 0 };
        queue.restore_paged(*messages, bytes + messages * MESSAGE_OVERHEAD);
        self.journal.insert(declared.queue, key);
        // Nobody consumes yet, and it may have been full when the node ended.
        self.trim(key);
        self.collect(key);
    }

    /// Makes a queue that outlives the node, without a link that asks for it; gives its number. It is not counted as
    /// used by anybody, so that it goes when it was emptied and somebody looks.
    pub fn adopt_queue(&mut self, declared: &Declared) -> u64 {
        let key = self.put_queue(declared);
        self.declare(key);
        self.number(key).expect("a queue that was just made is there")
    }

    /// Puts a message into a queue, as if a producer had sent it.
    pub fn adopt_message(&mut self, queue: u64, message: Message) {
        let Some(key) = self.journal.queue(queue) else { return };
        if self.is_stored(key, &message) {
            self.store(&[key], message);
        } else {
            self.push(key, message, None);
        }
    }

    fn put_queue(&mut self, declared: &Declared) -> Key {
        let key = self.put_unchosen(declared);
        // Whoever read it from the journal has seen that it is a selector.
        if let Ok(Some(choice)) = Choice::of(declared.selector.as_deref(), declared.no_local) {
            self.nodes.choose(key, choice);
        }
        key
    }

    fn put_unchosen(&mut self, declared: &Declared) -> Key {
        let Declared { routing, purpose, address, name, .. } = declared;
        let address = match self.nodes.address(address) {
            Some(known) => known,
            None => {
                let settings = self.config.catalogue.settings(settings_name(address));
                self.nodes.put_address(address, *routing, settings)
            }
        };
        let known = self.nodes.find(address, name);
        let is_declared =
            |key: &Key| self.nodes.queues.get(*key).is_some_and(|of| matches!(of.identity.kind, Kind::Declared(_)));
        if let Some(known) = known.filter(is_declared) {
            // The catalogue says how it is routed.
            if *purpose == Purpose::Subscription
                && let Some(queue) = self.nodes.queues.get_mut(known)
            {
                queue.identity.kind = Kind::Declared(Before::Subscription);
                self.nodes.note_subscription(known);
            }
            return known;
        }
        let is_beside = |key: &Key| self.nodes.queues.get(*key).is_some_and(|of| of.identity.kind.is_beside());
        if let Some(known) = known.filter(is_beside) {
            return known;
        }
        let kind = match purpose {
            // Peers make no queue of such a name.
            Purpose::OnDemand if divert_of(name).is_some() => Kind::Divert,
            Purpose::OnDemand if name == RETAINED => Kind::Retained,
            Purpose::OnDemand if pattern_of_queue(name).is_some() => Kind::Wildcard(Keeps::Durable),
            Purpose::OnDemand => Kind::Auto,
            Purpose::Subscription => Kind::Durable,
        };
        self.nodes.put_queue(Identity { name: name.as_str().into(), address, routing: *routing, kind, choice: None })
    }

    /// Asserts what must hold of it between any two inputs.
    pub(crate) fn check_journal(&self) {
        self.journal.awaiting.check();
        for (key, queue) in self.nodes.queues.iter() {
            let Some(number) = queue.number() else { continue };
            assert_eq!(self.journal.queue(number), Some(key), "the journal knows it by its number");
            assert_eq!(self.config.storage, Storage::Journal);
        }
    }
}
