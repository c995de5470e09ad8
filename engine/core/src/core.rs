//! The owner of addresses and queues: commands in, events out.
//!
//! The road of a message: `handle_deliver` finds the queues of its address, `Queue::push` orders it, `accept` acknowledges it
//! (`producer`; once the journal has it, if it is durable: `durability`), `dispatch` gives it to a consumer with credit.
//!
//! Guarantees:
//! 1. Dispatch is deferred to `poll_delivery` and bounded: one message a call; queues that have some take turns.
//! 2. Keys of links that are gone are recognised and ignored.

use std::collections::{HashMap, VecDeque};

use crate::admission::Plain;
use crate::agenda::Agenda;
use crate::command::{Command, Lifetime, Outcome, RoutingType, Settle};
use crate::durability::{Journal, fetch_below};
use crate::event::{Delivery, Event, KEY_NONE, Refusal};
use crate::held::Recalling;
use crate::key::{EndKey, LinkKey};
use crate::limits::{CoreConfig, DISPATCH_BYTES, RESIDENT_BYTES, SHED_SHARE};
use crate::message::{Content, Message};
use crate::producer::Producer;
use crate::queue::{Entry, Queue};
use crate::slab::{Key, Slab};
use engine_message::Condition;

/// An address: where producers send to.
#[derive(Debug)]
pub(crate) struct Address {
    pub name: Box<str>,
    /// What a link that does not say gets here.
    pub routing: RoutingType,
    pub queues: Vec<Key>,
    pub producers: Vec<Key>,
    /// Set for a dynamic node: how long it lives, and the link that created it.
    pub dynamic: Option<(Lifetime, Key)>,
}

/// The owner's half of a link.
#[derive(Debug)]
pub(crate) struct End {
    pub link: LinkKey,
    pub role: EndRole,
}

#[derive(Debug)]
pub(crate) enum EndRole {
    Producer(Producer),
    Consumer(Consumer),
}

#[derive(Debug)]
pub(crate) struct Consumer {
    pub queue: Key,
    pub settle: Settle,
    pub default_outcome: Outcome,
    pub credit: u32,
    pub draining: bool,
    /// For a browser the sequence number to go on from.
    pub next_sequence: u64,
}

impl Consumer {
    /// Tells a consumer that drains that there is nothing more; the rest of its credit is gone.
    #[inline]
    fn drain(&mut self, link: LinkKey, events: &mut VecDeque<(LinkKey, Event)>) {
        if std::mem::take(&mut self.draining) {
            events.push_back((link, Event::Drained { unused: std::mem::take(&mut self.credit) }));
        }
    }
}

/// Addresses and queues of one shard.
#[derive(Debug)]
pub struct Core {
    pub(crate) config: CoreConfig,
    pub(crate) plain: Plain,
    pub(crate) names: HashMap<Box<str>, Key>,
    pub(crate) addresses: Slab<Address>,
    pub(crate) queues: Slab<Queue>,
    pub(crate) ends: Slab<End>,
    pub(crate) events: VecDeque<(LinkKey, Event)>,
    /// Queues that may have something to give.
    pub(crate) dirty: VecDeque<Key>,
    /// Octets of messages that the first of them may give before it is the next one's turn.
    quantum: u64,
    /// Producers with `accepted` ranges to tell.
    pub(crate) telling: VecDeque<Key>,
    /// The last delivery, if its message leaves memory once it was looked at: nobody settles it, or memory is short.
    shown: Option<Delivery>,
    pub(crate) memory_bytes: u64,
    pub(crate) subscriptions: u64,
    /// Addresses that are dynamic nodes.
    pub(crate) dynamic_nodes: usize,
    /// Queues by the time from which they may have a message to drop.
    pub(crate) expiring: Agenda,
    pub(crate) now_ns: u64,
    pub(crate) wall_ms: u64,
    /// Queues that withheld a producer's credit since they were looked at last, each once.
    pub(crate) withholding: Vec<Key>,
    pub(crate) next_release_ns: u64,
    pub(crate) next_sweep_ns: u64,
    pub(crate) journal: Journal,
}

impl Core {
    /// An owner of nothing.
    #[must_use]
    pub fn new(config: CoreConfig) -> Self {
        Self {
            plain: Plain::new(&config),
            config,
            names: HashMap::new(),
            addresses: Slab::default(),
            queues: Slab::default(),
            ends: Slab::default(),
            events: VecDeque::new(),
            dirty: VecDeque::new(),
            quantum: DISPATCH_BYTES,
            telling: VecDeque::new(),
            shown: None,
            memory_bytes: 0,
            subscriptions: 0,
            dynamic_nodes: 0,
            expiring: Agenda::default(),
            now_ns: 0,
            wall_ms: 0,
            withholding: Vec::new(),
            next_release_ns: 0,
            next_sweep_ns: 0,
            journal: Journal::default(),
        }
    }

    /// Does what the home of a link asks.
    #[inline]
    pub fn handle_command(&mut self, now_ns: u64, wall_ms: u64, command: Command) {
        self.now_ns = now_ns;
        self.wall_ms = wall_ms;
        match command {
            Command::Deliver { end, delivery, settled, message } => {
                self.handle_deliver(now_ns, wall_ms, end, delivery, settled, message);
            }
            Command::Settle { end, key: held, outcome, confirm } => self.handle_settle(end, held, outcome, confirm),
            Command::Accept { end, count, keys } => {
                for &held in keys.iter().take(usize::from(count)) {
                    self.handle_accepted(end, held);
                }
            }
            Command::Grant { end, credit } => self.grant(key(end), credit),
            Command::Revoke { end, credit } => self.revoke(key(end), credit),
            Command::Drain { end } => self.drain(key(end)),
            Command::Publish { link, delivery, settled, publish } => self.publish(link, delivery, settled, *publish),
            Command::AttachProducer { link, spec } => self.attach_producer(link, &spec),
            Command::AttachConsumer { link, spec } => self.attach_consumer(link, *spec),
            Command::Detach { end, mode } => self.detach(key(end), mode),
        }
    }

    /// The next notice, and the link that it is for.
    #[inline]
    pub fn poll_event(&mut self) -> Option<(LinkKey, Event)> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let end = self.telling.pop_front()?;
            if let Some(End { link, role: EndRole::Producer(producer) }) = self.ends.get_mut(end)
                && let Some((first, last)) = producer.accepted.take()
            {
                return Some((*link, Event::Settled { first, last, outcome: Outcome::Accepted }));
            }
        }
    }

    /// The next message for a consumer with credit, and its link. There may be new notices when there is none.
    #[inline]
    pub fn poll_delivery(&mut self) -> Option<(LinkKey, Delivery)> {
        if let Some(Delivery { queue: key, entry, key: held }) = self.shown.take()
            && let Some(queue) = self.queues.get_mut(key)
        {
            self.memory_bytes -= if held == KEY_NONE { queue.remove(entry) } else { queue.shed(held) };
            if !queue.released.is_empty() {
                self.note_gone(key);
            }
        }
        loop {
            let &queue = self.dirty.front()?;
            if let Some(delivery) = self.dispatch(queue) {
                if self.quantum == 0 {
                    self.dirty.rotate_left(1);
                    self.quantum = DISPATCH_BYTES;
                    self.release_credit(queue);
                }
                return Some(delivery);
            }
            self.dirty.pop_front();
            self.quantum = DISPATCH_BYTES;
            if let Some(queue) = self.queues.get_mut(queue) {
                queue.dirty = false;
            }
            self.note_waiting(queue);
            self.release_credit(queue);
            self.collect(queue);
        }
    }

    /// The message of the delivery that was polled last.
    ///
    /// # Panics
    /// When it is an older one.
    #[inline]
    #[must_use]
    pub fn message(&self, delivery: &Delivery) -> &Message {
        let entry = self.queues.get(delivery.queue).and_then(|queue| queue.entry(delivery.entry));
        &entry.expect("a delivery is looked at before anything else is done").message
    }

    /// The message of the delivery that was polled last, to send to another shard: shared with the queue if that keeps it.
    ///
    /// # Panics
    /// As `message`.
    pub fn share_message(&mut self, delivery: &Delivery) -> Message {
        if self.shown.take_if(|shown| shown.key == KEY_NONE).is_some()
            && let Some(message) = self.queues.get_mut(delivery.queue).and_then(|queue| queue.take(delivery.entry))
        {
            self.memory_bytes -= message.size();
            self.note_gone(delivery.queue);
            return message;
        }
        self.message(delivery).clone()
    }

    #[inline]
    pub(crate) fn push(&mut self, key: Key, message: Message, stored: u64) {
        let Some(queue) = self.queues.get_mut(key) else { return };
        self.memory_bytes += message.size();
        let expires = queue.push(message, stored);
        if !queue.dirty {
            queue.dirty = true;
            self.dirty.push_back(key);
        }
        if let Some(at) = expires {
            self.note_expiry(key, at);
        }
    }

    pub(crate) fn touch(&mut self, key: Key) {
        if let Some(queue) = self.queues.get_mut(key)
            && !std::mem::replace(&mut queue.dirty, true)
        {
            self.dirty.push_back(key);
        }
    }

    /// A consumer accepted a delivery, and waits for no confirmation: `Command::Accept` of one.
    #[inline]
    pub fn handle_accepted(&mut self, end: EndKey, held: u64) {
        let end = key(end);
        let Some(End { role: EndRole::Consumer(consumer), .. }) = self.ends.get(end) else { return };
        let key = consumer.queue;
        let Some(queue) = self.queues.get_mut(key) else { return };
        self.memory_bytes -= queue.accept(end, held);
        let touches = queue.is_done_or_awaited();
        if !queue.released.is_empty() {
            self.note_gone(key);
        }
        if touches {
            self.touch(key);
        }
    }

    /// `Command::Settle` without the command.
    pub fn handle_settle(&mut self, end: EndKey, held: u64, outcome: Outcome, confirm: Option<u32>) {
        let end = key(end);
        let Some(End { link, role: EndRole::Consumer(consumer) }) = self.ends.get(end) else { return };
        let (link, key) = (*link, consumer.queue);
        let back = !matches!(outcome, Outcome::Accepted | Outcome::Rejected(_));
        self.settle(key, end, held, outcome);
        if let Some(delivery) = confirm {
            let number = self.tell_gone(key);
            self.tell_after(number, link, Event::Confirmed { delivery });
        }
        if back || self.queues.get(key).is_some_and(Queue::is_done_or_awaited) {
            self.touch(key);
        }
    }

    /// Does to a delivery that `end` holds what an outcome says.
    fn settle(&mut self, key: Key, end: Key, held: u64, outcome: Outcome) {
        let Some(queue) = self.queues.get_mut(key) else { return };
        if let Outcome::Modified(modified) = &outcome
            && let Some(annotations) = &modified.annotations
        {
            let before = queue.bytes;
            queue.annotate(end, held, annotations, self.config.merge_annotations);
            self.memory_bytes = self.memory_bytes - before + queue.bytes;
        }
        if let Outcome::Modified(modified) = &outcome
            && modified.delivery_failed
            && let Some((message, count)) = queue.held(end, held)
        {
            let queue = queue.number;
            self.journal.failed(queue, message, count + 1);
        }
        let Some(queue) = self.queues.get_mut(key) else { return };
        self.memory_bytes -= queue.settle(end, held, outcome);
        if !queue.released.is_empty() {
            self.note_gone(key);
        }
        // It may have come back, and expire.
        self.note_expiries(key);
    }

    /// Does to everything that a link holds which ends what its default outcome says.
    pub(crate) fn abandon(&mut self, key: Key, end: Key, outcome: &Outcome) {
        let Some(queue) = self.queues.get(key) else { return };
        for held in queue.held_by(end) {
            self.settle(key, end, held, outcome.clone());
        }
        if let Some(queue) = self.queues.get_mut(key) {
            // Whoever held a great many may have been the only one.
            queue.acquired.release_places();
        }
    }

    #[inline]
    fn grant(&mut self, end: Key, credit: u32) {
        let Some(End { role: EndRole::Consumer(consumer), .. }) = self.ends.get_mut(end) else { return };
        consumer.credit = consumer.credit.saturating_add(credit);
        let queue = consumer.queue;
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.last_credit_ns = self.now_ns;
        }
        self.touch(queue);
    }

    fn revoke(&mut self, end: Key, asked: u32) {
        let Some(End { link, role: EndRole::Consumer(consumer) }) = self.ends.get_mut(end) else { return };
        let taken = asked.min(consumer.credit);
        consumer.credit -= taken;
        self.events.push_back((*link, Event::Revoked { asked, taken }));
    }

    fn drain(&mut self, end: Key) {
        let Some(End { role: EndRole::Consumer(consumer), .. }) = self.ends.get_mut(end) else { return };
        consumer.draining = true;
        let queue = consumer.queue;
        self.touch(queue);
    }

    /// Gives one message of a queue to a consumer, and tells draining ones when there is none.
    #[inline]
    fn dispatch(&mut self, key: Key) -> Option<(LinkKey, Delivery)> {
        let sheds = self.memory_bytes > self.config.memory_bytes / SHED_SHARE;
        let mut queue = self.queues.get_mut(key)?;
        if queue.expiries.is_due(self.wall_ms) {
            if !self.expire_before(key) {
                return None;
            }
            queue = self.queues.get_mut(key)?;
        }
        for _ in 0..queue.consumers.len() {
            let end = *queue.consumers.front()?;
            if queue.consumers.len() > 1 {
                queue.consumers.rotate_left(1);
            }
            let Some(End { link, role: EndRole::Consumer(consumer) }) = self.ends.get_mut(end) else { continue };
            let fetch_below = || fetch_below(self.config.memory_bytes, self.memory_bytes);
            if queue.paged > 0 && !queue.fetching && queue.ready_bytes < fetch_below() {
                queue.fetching = true;
                self.journal.fetches.push_back(queue.number);
            }
            let next = if consumer.credit > 0 { queue.pop(end, self.journal.durable) } else { None };
            let Some(next) = next else {
                // What is on its way to or from the disk is still to come.
                let comes = self.journal.will_give(queue, self.config.memory_bytes, fetch_below());
                if consumer.credit == 0 || !comes {
                    consumer.drain(*link, &mut self.events);
                }
                continue;
            };
            consumer.credit -= 1;
            self.quantum = self.quantum.saturating_sub(next.bytes);
            let entry = next.entry;
            let delivery = match (consumer.settle, next.content) {
                // Nobody settles it.
                (Settle::OnSend, Content::Here) => {
                    queue.totals.acknowledged += 1;
                    Delivery { key: KEY_NONE, queue: key, entry }
                }
                // The file of a large message is needed until the last part is sent: the home settles it then.
                (Settle::OnSend, Content::File) | (Settle::ByPeer, _) => {
                    Delivery { key: queue.hold(next, end), queue: key, entry }
                }
            };
            if sheds || delivery.key == KEY_NONE {
                self.shown = Some(delivery);
            }
            return Some((*link, delivery));
        }
        if queue.browsers.is_empty() { None } else { self.browse(key) }
    }

    /// Shows one message of a queue to a browser. What is on disk comes into memory for it, as far as a queue may be there.
    fn browse(&mut self, key: Key) -> Option<(LinkKey, Delivery)> {
        let fetch_below = fetch_below(self.config.memory_bytes, self.memory_bytes);
        let queue = self.queues.get_mut(key)?;
        let may_grow = queue.bytes < RESIDENT_BYTES.min(self.config.memory_bytes / 8);
        for place in (0..queue.browsers.len()).rev() {
            let Some(&end) = queue.browsers.get(place) else { continue };
            let Some(End { link, role: EndRole::Consumer(consumer) }) = self.ends.get_mut(end) else { continue };
            let next = if consumer.credit > 0 { queue.browse(consumer.next_sequence) } else { None };
            let shown = next.and_then(|key| Some((key, queue.entry(key)?)));
            let Some((entry, &Entry { sequence, ref message, .. })) = shown else {
                let wants = consumer.credit > 0 && (queue.paged > 0 || queue.recalling != Recalling::No);
                let comes = queue.fetching || matches!(queue.recalling, Recalling::Coming(_));
                if !wants {
                    consumer.drain(*link, &mut self.events);
                } else if may_grow && matches!(queue.recalling, Recalling::Wanted(_)) {
                    self.journal.will_give(queue, self.config.memory_bytes, fetch_below);
                } else if may_grow && queue.recalling == Recalling::No && !queue.fetching {
                    queue.fetching = true;
                    self.journal.fetches.push_back(queue.number);
                } else if !may_grow && !comes {
                    queue.recalling = Recalling::No;
                    let text = "the rest of the queue is on disk only, and too much to be looked at: consume it";
                    let refusal = Refusal::new(Condition::ResourceLimitExceeded, text);
                    self.events.push_back((*link, Event::Detached { refusal }));
                    queue.browsers.swap_remove(place);
                    self.ends.remove(end);
                }
                continue;
            };
            consumer.credit -= 1;
            self.quantum = self.quantum.saturating_sub(message.size());
            consumer.next_sequence = sequence + 1;
            return Some((*link, Delivery { key: KEY_NONE, queue: key, entry }));
        }
        None
    }

    /// Starts a turn: its time, and what is due by then.
    pub fn begin_turn(&mut self, now_ns: u64, wall_ms: u64) {
        if self.deadline().is_some_and(|deadline| deadline <= now_ns) {
            self.handle_deadline(now_ns, wall_ms);
        }
        (self.now_ns, self.wall_ms) = (now_ns, wall_ms);
    }

    /// When `handle_deadline` is to be called, nanoseconds.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let release = (!self.withholding.is_empty()).then_some(self.next_release_ns);
        [release, self.sweep_deadline()].into_iter().flatten().min()
    }

    /// Drops expired messages and gives credit that was withheld for consumers that no longer take.
    pub fn handle_deadline(&mut self, now_ns: u64, wall_ms: u64) {
        (self.now_ns, self.wall_ms) = (now_ns, wall_ms);
        if !self.withholding.is_empty() && now_ns >= self.next_release_ns {
            self.next_release_ns = now_ns + self.config.soft_recent_ns;
            self.release_all();
        }
        if now_ns >= self.next_sweep_ns {
            self.sweep();
        }
    }

    /// Asserts what must hold between any two commands.
    ///
    /// # Panics
    /// When it does not.
    pub fn check(&self) {
        let bytes: u64 = self.queues.iter().map(|(_, queue)| queue.bytes).sum();
        assert_eq!(bytes, self.memory_bytes, "every message is counted once for each queue");
        for (key, queue) in self.queues.iter() {
            assert!(self.addresses.get(queue.address).is_some_and(|address| address.queues.contains(&key)));
            queue.check();
            assert!(queue.released.is_empty() || queue.telling, "what left is told");
            assert!(queue.withheld.is_empty() || queue.is_withholding, "whoever withholds credit is looked at again");
            let listed = self.withholding.iter().filter(|&&other| other == key).count();
            assert_eq!(listed, usize::from(queue.is_withholding), "once, however often it withholds");
            for end in queue.consumers.iter().chain(&queue.browsers) {
                assert!(self.ends.get(*end).is_some(), "a queue knows living consumers only");
            }
        }
        let dynamic = self.addresses.iter().filter(|(_, address)| address.dynamic.is_some());
        assert_eq!(dynamic.count(), self.dynamic_nodes, "dynamic nodes are counted");
        for (end, role) in self.ends.iter().map(|(key, end)| (key, &end.role)) {
            let EndRole::Producer(Producer { withheld: true, .. }) = role else { continue };
            assert!(self.queues.iter().any(|(_, queue)| queue.withheld.contains(&end)), "a queue will give it credit");
        }
        self.check_journal();
    }
}

#[inline]
pub(crate) fn key(end: EndKey) -> Key {
    Key { slot: end.slot, generation: end.generation }
}
