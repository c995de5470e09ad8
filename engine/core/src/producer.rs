//! Producers: what they send finds its queues, is accepted, and earns them credit.
//!
//! Guarantees:
//! 1. A message is put into every queue of its address or refused; it is accepted when it is there, or when the journal has it.
//! 2. Settlements of a producer's neighbouring deliveries leave as one range.
//! 3. A producer's credit follows the depth of the queues of its address, what waits for the disk, and the shard's memory.

use crate::command::{Outcome, Publish, RoutingType, Settled};
use crate::core::{Address, Core, End, EndRole, key};
use crate::durability::Room;
use crate::event::{Event, Refusal};
use crate::key::{EndKey, LinkKey};
use crate::limits::{CROWDED_BYTES, Storage, WINDOW_MIN, WhenFull};
use crate::message::Message;
use crate::queue::Queue;
use crate::slab::Key;
use engine_message::Condition;

/// The owner's half of a link that sends.
#[derive(Debug)]
pub(crate) struct Producer {
    pub address: Key,
    pub route: Route,
    /// Messages that may still come.
    pub credit: u32,
    /// What `credit` is topped up to.
    pub window: u32,
    pub withheld: bool,
    /// Deliveries that are accepted and not told yet.
    pub accepted: Option<(u32, u32)>,
}

/// Which queues of its address a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// All of them.
    All,
    /// Those of one routing type.
    Typed(RoutingType),
    /// The one that `address::queue` names.
    Queue(Key),
}

/// What follows from accepting more of a producer's deliveries.
enum Told {
    /// Nothing: they are told with those before.
    Later,
    /// They are told when the owner is asked.
    First,
    /// Those before are told now, as these are no neighbours of theirs.
    Before(u32, u32),
}

impl Producer {
    /// Whether it is to get credit: half of its window is used, and no queue withholds it.
    #[inline]
    fn is_due(&self) -> bool {
        self.credit <= self.window / 2 && !self.withheld
    }

    /// Notes that the deliveries `from..=to` are accepted.
    #[inline]
    fn accept(&mut self, (from, to): (u32, u32)) -> Told {
        match &mut self.accepted {
            Some((_, last)) if last.wrapping_add(1) == from => {
                *last = to;
                Told::Later
            }
            accepted => match accepted.replace((from, to)) {
                Some((first, last)) => Told::Before(first, last),
                None => Told::First,
            },
        }
    }
}

impl Core {
    /// `Command::Deliver` without the command: what a shard sends to itself need not be packed.
    #[inline]
    pub fn handle_deliver(
        &mut self,
        now_ns: u64,
        wall_ms: u64,
        end: EndKey,
        delivery: u32,
        settled: Settled,
        message: Message,
    ) {
        self.now_ns = now_ns;
        self.wall_ms = wall_ms;
        let end = key(end);
        let Some(End { link, role: EndRole::Producer(producer) }) = self.ends.get_mut(end) else {
            return self.journal.unwanted.extend(message.large().map(|large| large.id));
        };
        producer.credit = producer.credit.saturating_sub(1);
        let due = producer.is_due();
        let only = self.addresses.get(producer.address).and_then(|address| match address.queues[..] {
            [only] if matches!(producer.route, Route::All) => Some(only),
            _ => None,
        });
        if let Some(only) = only
            && let Some(queue) = self.queues.get_mut(only)
            && self.plain.takes(queue, &message, self.memory_bytes)
        {
            self.memory_bytes += message.size();
            let expires = queue.push(message, 0);
            if !queue.dirty {
                queue.dirty = true;
                self.dirty.push_back(only);
            }
            if settled == Settled::No {
                match producer.accept((delivery, delivery)) {
                    Told::Later => {}
                    told => self.told(end, told),
                }
            }
            if let Some(at) = expires {
                self.note_expiry(only, at);
            }
        } else {
            let (link, address, route) = (*link, producer.address, producer.route);
            self.deliver_routed(end, link, (address, route), (delivery, settled), message);
        }
        if due {
            self.credit(end);
        }
    }

    /// Delivers what goes to several queues or to the journal, or is refused.
    fn deliver_routed(
        &mut self,
        end: Key,
        link: LinkKey,
        (address, route): (Key, Route),
        (delivery, settled): (u32, Settled),
        message: Message,
    ) {
        match self.route(address, route, message) {
            Ok(0) if settled == Settled::No => self.accept(end, (delivery, delivery)),
            Ok(number) if settled == Settled::No => {
                self.accept_after(number, end, delivery);
                self.fit_window(end);
            }
            Err(refusal) if settled == Settled::No => self.refuse(link, delivery, refusal),
            Ok(_) | Err(_) => {}
        }
    }

    /// Messages are where they have to be before they are acknowledged: the deliveries `from..=to` are accepted.
    #[inline]
    pub(crate) fn accept(&mut self, end: Key, deliveries: (u32, u32)) {
        let Some(End { role: EndRole::Producer(producer), .. }) = self.ends.get_mut(end) else { return };
        let told = producer.accept(deliveries);
        self.told(end, told);
    }

    /// Notes what is to be told a producer whose deliveries were accepted.
    #[inline(never)]
    fn told(&mut self, end: Key, told: Told) {
        match told {
            Told::Later => {}
            Told::First => self.telling.push_back(end),
            Told::Before(first, last) => {
                let Some(End { link, .. }) = self.ends.get(end) else { return };
                self.events.push_back((*link, Event::Settled { first, last, outcome: Outcome::Accepted }));
            }
        }
    }

    fn refuse(&mut self, link: LinkKey, delivery: u32, refusal: Box<Refusal>) {
        let outcome = Outcome::Rejected(Some(refusal));
        self.events.push_back((link, Event::Settled { first: delivery, last: delivery, outcome }));
    }

    /// Puts a message into every queue of its address, or into none of them; gives the number that the journal has to reach
    /// before it is acknowledged, or 0.
    #[inline]
    fn route(&mut self, address: Key, route: Route, message: Message) -> Result<u64, Box<Refusal>> {
        let large = message.large();
        let routed = self.put(address, route, message);
        if routed.is_err() {
            self.journal.unwanted.extend(large.map(|large| large.id));
        }
        routed
    }

    #[inline]
    fn put(&mut self, address: Key, route: Route, message: Message) -> Result<u64, Box<Refusal>> {
        let Some(Address { queues, .. }) = self.addresses.get(address) else {
            return Err(Refusal::new(Condition::ResourceDeleted, "the address is gone"));
        };
        if let [only] = queues[..]
            && matches!(route, Route::All)
        {
            self.admit(only, &message)?;
            if self.is_stored(only, &message) {
                return Ok(self.store(&[only], message));
            }
            self.push(only, message, 0);
            return Ok(0);
        }
        let mut targets = queues.clone();
        match route {
            Route::All => {}
            Route::Typed(routing) => {
                targets.retain(|&queue| self.queues.get(queue).is_some_and(|queue| queue.routing == routing));
            }
            Route::Queue(only) => {
                targets.retain(|&queue| queue == only);
                if targets.is_empty() {
                    return Err(Refusal::new(Condition::ResourceDeleted, "the queue that the sender named is gone"));
                }
            }
        }
        targets.iter().try_for_each(|&queue| self.admit(queue, &message))?;
        if targets.is_empty() {
            self.journal.unwanted.extend(message.large().map(|large| large.id));
        }
        if targets.iter().any(|&queue| self.is_stored(queue, &message)) {
            return Ok(self.store(&targets, message));
        }
        for queue in targets {
            self.push(queue, message.clone(), 0);
        }
        Ok(0)
    }

    pub(crate) fn publish(&mut self, link: LinkKey, delivery: u32, settled: Settled, publish: Publish) {
        let create = self.create(&publish.address, publish.create, None);
        let routed = match self.address(&publish.address, publish.routing, create) {
            Ok((address, route)) => {
                let routed = self.route(address, route, publish.message);
                // It may have been made for this message, and have no queue.
                self.collect_address(address);
                routed
            }
            Err(refusal) => {
                self.journal.unwanted.extend(publish.message.large().map(|large| large.id));
                Err(refusal)
            }
        };
        if settled == Settled::Yes {
            return;
        }
        match routed {
            Ok(number) => {
                let settled = Event::Settled { first: delivery, last: delivery, outcome: Outcome::Accepted };
                self.tell_after(number, link, settled);
            }
            Err(refusal) => self.refuse(link, delivery, refusal),
        }
    }

    /// Gives a producer credit up to its window, or withholds it while a queue of its address is deep.
    pub(crate) fn credit(&mut self, end: Key) {
        let Some(End { role: EndRole::Producer(producer), .. }) = self.ends.get(end) else { return };
        let queues = match &producer.route {
            Route::Queue(only) => std::slice::from_ref(only),
            Route::All | Route::Typed(_) => {
                self.addresses.get(producer.address).map_or(&[][..], |address| &address.queues)
            }
        };
        let deep = |queue: &Key| self.queues.get(*queue).is_some_and(|queue| self.is_deep(queue));
        let deep = queues.iter().copied().find(deep);
        let Some(End { link, role: EndRole::Producer(producer) }) = self.ends.get_mut(end) else { return };
        producer.withheld = deep.is_some();
        match deep.and_then(|queue| self.queues.get_mut(queue)) {
            Some(queue) => {
                queue.withheld.push(end);
                if !std::mem::replace(&mut queue.is_withholding, true) {
                    if self.withholding.is_empty() {
                        self.next_release_ns = self.now_ns + self.config.soft_recent_ns;
                    }
                    self.withholding.extend(deep);
                }
            }
            None => {
                let credit = producer.window.saturating_sub(producer.credit);
                if credit > 0 {
                    producer.credit += credit;
                    self.events.push_back((*link, Event::Credit { credit }));
                }
            }
        }
    }

    /// Fits the window of a producer of durable messages to what waits for the disk: many producers together get about what
    /// keeps the disk busy, rather than a full window each, whose messages would leave the core's cache before they are stored.
    fn fit_window(&mut self, end: Key) {
        let Some(End { role: EndRole::Producer(producer), .. }) = self.ends.get_mut(end) else { return };
        if !producer.is_due() {
            // Not at each message, but when it gets credit.
            return;
        }
        let most = self.config.producer_window;
        producer.window = match self.journal.waiting_bytes {
            waiting if waiting > CROWDED_BYTES => (producer.window / 2).max(WINDOW_MIN.min(most)),
            waiting if waiting < CROWDED_BYTES / 2 => (producer.window * 2).min(most),
            _ => producer.window,
        };
    }

    /// Looks again at producers whose credit a queue withholds.
    pub(crate) fn release_credit(&mut self, key: Key) {
        if self.queues.get(key).is_none_or(|queue| queue.withheld.is_empty() || self.is_deep(queue)) {
            return;
        }
        let Some(queue) = self.queues.get_mut(key) else { return };
        let mut ends = std::mem::take(&mut queue.withheld);
        for end in ends.drain(..) {
            self.credit(end);
        }
        // Its room serves the next time: a producer may be withheld once in every window.
        if let Some(queue) = self.queues.get_mut(key).filter(|queue| queue.withheld.is_empty()) {
            queue.withheld = ends;
        }
    }

    /// Looks again at all producers whose credit is withheld: their queues may not be deep for their consumers any more.
    pub(crate) fn release_all(&mut self) {
        let mut queues = std::mem::take(&mut self.withholding);
        for &key in &queues {
            self.release_credit(key);
        }
        queues.retain(|&key| {
            let Some(queue) = self.queues.get_mut(key) else { return false };
            queue.is_withholding = !queue.withheld.is_empty();
            queue.is_withholding
        });
        // Others that began to withhold while these were looked at have added themselves.
        self.withholding.append(&mut queues);
    }

    /// Whether producers of a queue have to wait: beyond its hard bounds always; beyond the soft ones while consumers take
    /// (then a deeper queue only costs latency and cache misses) and it fits into memory.
    fn is_deep(&self, queue: &Queue) -> bool {
        let config = &self.config;
        let soft = queue.depth() > config.soft_messages || queue.ready_bytes > config.soft_bytes;
        let recent = self.now_ns.saturating_sub(queue.last_credit_ns) < config.soft_recent_ns;
        let taken = !queue.consumers.is_empty() && recent && queue.paged == 0;
        let hard = queue.messages() > config.hard_messages || queue.all_bytes() > config.hard_bytes;
        let memory = config.storage == Storage::Memory && self.memory_bytes > config.memory_bytes;
        let held = match self.journal.room {
            Room::Plenty => false,
            Room::Busy => true,
            Room::Little | Room::None => config.when_full == WhenFull::Hold,
        };
        hard || memory || held || (soft && taken)
    }
}
