//! Producers' credit: how much they may send, and when they have to wait.
//!
//! Guarantees: credit follows the depth of the queues of a producer's address, what waits for the disk, and the shard's memory. Whoever
//! has to wait is looked at again when what it waits for may have changed, and not before: a queue is looked at when something left it;
//! at the time when its consumers count as gone; or, if it waits for the shard, when that has room, in turn with others.
//!
//! Not here: what is refused (`admission`).

use engine_catalogue::WhenFull;

use crate::agenda::Due;
use crate::command::RoutingType;
use crate::core::Core;
use crate::ends::{End, EndRole, Producer, Route};
use crate::event::Event;
use crate::exchange::Room;
use crate::limits::{CROWDED_BYTES, WINDOW_MIN};
use crate::queue::Queue;
use crate::slab::Key;

/// What the producers of a queue have to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Messages have to leave it.
    Queue,
    /// The same, unless its consumers stop to take until this time, nanoseconds: then a deeper queue costs nobody anything.
    Consumers(u64),
    /// The shard has no room.
    Shard,
}

impl Core {
    /// Settings of queues changed.
    pub(crate) fn sort_waiting(&mut self) {
        let queues = &self.nodes.queues;
        self.waiting.sort(|key| queues.get(key).map(|queue| queue.bounds.when_full));
    }

    /// Whether producers that wait for the shard can be looked at again.
    pub(crate) fn may_release_waiting(&self) -> bool {
        let may = |when_full| self.waiting.is_any(when_full) && !self.is_crowded(when_full);
        may(WhenFull::Hold) || may(WhenFull::Refuse)
    }

    /// Gives a producer credit up to its window, or withholds it while a queue of its address is deep.
    pub(crate) fn credit(&mut self, end: Key) {
        let Some(End { role: EndRole::Producer(producer), .. }) = self.nodes.ends.get(end) else { return };
        if self.is_blocked(producer.address) {
            return self.withhold(end);
        }
        let deep = self.deep(producer);
        let Some(End { link, role: EndRole::Producer(producer) }) = self.nodes.ends.get_mut(end) else { return };
        producer.withheld = deep.map(|(queue, _)| queue);
        let Some((queue, wait)) = deep else {
            let credit = producer.window.saturating_sub(producer.credit);
            if credit > 0 {
                producer.credit += credit;
                self.events.push_back((*link, Event::Credit { credit }));
            }
            return;
        };
        if let Some(queue) = self.nodes.queues.get_mut(queue) {
            queue.withheld.insert(end);
        }
        self.note_wait(queue, wait);
    }

    /// Whether nothing is to come to an address: whoever sends there is looked at again when its settings change (`refresh`).
    pub(crate) fn is_blocked(&self, address: Key) -> bool {
        self.nodes.addresses.get(address).is_some_and(|address| address.settings.blocked)
    }

    /// A producer gets no credit, and waits for no queue.
    #[cold]
    fn withhold(&mut self, end: Key) {
        if let Some(End { role: EndRole::Producer(producer), .. }) = self.nodes.ends.get_mut(end) {
            producer.withheld = None;
        }
    }

    /// The first queue of a producer's that makes it wait.
    fn deep(&self, producer: &Producer) -> Option<(Key, Wait)> {
        let bindings = &self.nodes.addresses.get(producer.address)?.queues;
        let of = |routing| bindings.listed(routing);
        let (first, rest) = match &producer.route {
            Route::Queue(only) => (std::slice::from_ref(only), &[][..]),
            Route::Typed(routing) => (of(*routing), &[][..]),
            Route::All => (of(RoutingType::Anycast), of(RoutingType::Multicast)),
        };
        let wait = |key: Key| {
            self.nodes.note_look();
            Some((key, self.wait(self.nodes.queues.get(key)?)?))
        };
        let own = first.iter().chain(rest).find_map(|&key| wait(key));
        let meets_wider = !matches!(producer.route, Route::Queue(_) | Route::Typed(RoutingType::Anycast));
        own.or_else(|| {
            let wider = bindings.wider().iter().filter(|_| meets_wider);
            let of = wider.filter_map(|&key| Some(&self.nodes.addresses.get(key)?.queues));
            of.flat_map(|of| of.diverts().iter().map(|(key, _)| key).chain(of.listed(RoutingType::Multicast)))
                .find_map(|&key| wait(key))
        })
    }

    /// Sees to it that a queue whose producers wait is looked at again.
    fn note_wait(&mut self, key: Key, wait: Wait) {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        match wait {
            Wait::Queue => {}
            Wait::Consumers(until_ns) => {
                if queue.withheld.note_until(until_ns) {
                    self.deadlines.insert(Due::Release, until_ns, key);
                }
            }
            Wait::Shard => {
                if queue.withheld.note_for_shard() {
                    self.waiting.of(queue.bounds.when_full).push_back(key);
                }
            }
        }
    }

    /// Looks again at producers whose credit a queue withholds.
    pub(crate) fn release_credit(&mut self, key: Key) {
        let Some(queue) = self.nodes.queues.get(key).filter(|queue| !queue.withheld.is_empty()) else { return };
        if let Some(wait) = self.wait(queue) {
            return self.note_wait(key, wait);
        }
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        let ends = queue.withheld.take();
        for &end in ends.listed() {
            self.credit(end);
        }
        if let Some(queue) = self.nodes.queues.get_mut(key) {
            queue.withheld.reuse(ends);
        }
    }

    /// Looks again at producers that wait for the shard, queue by queue as long as there is room for them, and at most at so many queues
    /// of each sort.
    pub(crate) fn release_waiting(&mut self, max: usize) {
        self.release_waiting_of(WhenFull::Hold, max);
        self.release_waiting_of(WhenFull::Refuse, max);
    }

    fn release_waiting_of(&mut self, when_full: WhenFull, max: usize) {
        for _ in 0..max.min(self.waiting.of(when_full).len()) {
            if self.is_crowded(when_full) {
                return;
            }
            let Some(key) = self.waiting.of(when_full).pop_front() else { return };
            self.nodes.note_look();
            if let Some(queue) = self.nodes.queues.get_mut(key) {
                queue.withheld.handle_room();
            }
            self.release_credit(key);
        }
    }

    /// Whether producers of a queue have to wait: beyond its maximum, unless it refuses; beyond the soft bounds while consumers take
    /// (then a deeper queue only costs latency and cache misses) and it fits into memory.
    fn wait(&self, queue: &Queue) -> Option<Wait> {
        let bounds = &queue.bounds;
        if self.is_full(queue) && bounds.when_full == WhenFull::Hold {
            return Some(Wait::Queue);
        }
        if self.is_crowded(bounds.when_full) {
            return Some(Wait::Shard);
        }
        if queue.depth() <= bounds.soft_messages && queue.waiting_bytes() <= bounds.soft_bytes || queue.has_behind() {
            return None;
        }
        queue.consumers.take_until(self.now.ns, self.config.soft_recent_ns).map(Wait::Consumers)
    }

    /// Whether a queue is beyond its maximum.
    pub(crate) fn is_full(&self, queue: &Queue) -> bool {
        queue.messages() > queue.bounds.max_messages || queue.all_bytes() > queue.bounds.max_bytes
    }

    /// Whether the shard has no room, so that all producers have to wait whose queues have this setting.
    pub(crate) fn is_crowded(&self, when_full: WhenFull) -> bool {
        let disk = match self.journal.disk.room {
            Room::Plenty => false,
            Room::Busy => true,
            Room::Little | Room::None => when_full == WhenFull::Hold,
        };
        disk || self.memory.is_overdrawn()
    }

    /// Fits the window of a producer of durable messages to what waits for the disk: many producers together get about what
    /// keeps the disk busy, rather than a full window each, whose messages would leave the core's cache before they are stored.
    pub(crate) fn fit_window(&mut self, end: Key) {
        let Some(End { role: EndRole::Producer(producer), .. }) = self.nodes.ends.get_mut(end) else { return };
        if !producer.is_due() {
            // Not at each message, but when it gets credit.
            return;
        }
        let Some(address) = self.nodes.addresses.get(producer.address) else { return };
        let most = address.settings.producer_window;
        producer.window = match self.journal.disk.waiting_bytes {
            waiting if waiting > CROWDED_BYTES => (producer.window / 2).max(WINDOW_MIN.min(most)),
            waiting if waiting < CROWDED_BYTES / 2 => (producer.window * 2).min(most),
            _ => producer.window,
        };
    }
}
