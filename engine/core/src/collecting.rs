//! Links end, and nodes go that nobody needs any more.
//!
//! Guarantees: what a link held goes back as its default outcome says; whoever is attached to a node that is deleted is told. A node is
//! looked at when something happens that may be the end of it, and no other beside it.

use engine_message::Condition;

use crate::address::{Address, Dynamic, RETAINED};
use crate::command::{DetachMode, Lifetime, Modified, Outcome};
use crate::core::Core;
use crate::ends::{Consumer, End, EndRole, Producer};
use crate::event::{Event, Refusal};
use crate::key::LinkKey;
use crate::queue::{Consumers, Kind, Withheld};
use crate::slab::Key;

/// What becomes of what a consumer held: what its source says, but that whether the delivery counts as one in vain is said by how the link
/// ended. What was lost with its connection does: a consumer that takes its process down with it each time would be given the same message
/// for ever. What a link, session or connection leaves that is closed does not, whatever its source says (JMS clients ask for
/// modified with delivery-failed): most of it nobody looked at.
fn left_behind(default: &Outcome, mode: DetachMode) -> Outcome {
    let delivery_failed = mode == DetachMode::Lost;
    match default {
        Outcome::Released if delivery_failed => {
            Outcome::Modified(Box::new(Modified { delivery_failed, ..Modified::default() }))
        }
        Outcome::Modified(modified) => {
            Outcome::Modified(Box::new(Modified { delivery_failed, ..(**modified).clone() }))
        }
        other => other.clone(),
    }
}

impl Core {
    pub(crate) fn detach(&mut self, end: Key, mode: DetachMode) {
        if self.transactions.prepared.keep_closing(end, mode) {
            if let Some(End { role: EndRole::Consumer(consumer), .. }) = self.nodes.ends.get_mut(end) {
                // Nobody is there to be given anything.
                consumer.credit = 0;
            }
            return;
        }
        let Some(End { link, role }) = self.nodes.ends.get(end) else { return };
        let (link, sends) = (*link, matches!(role, EndRole::Producer(_)));
        // What became of its deliveries is told first.
        let waits = mode.is_awaited() && self.journal.awaiting.is_for(end, link);
        let last = if waits { self.journal.numbers.last() } else { 0 };
        if waits && sends {
            return self.journal.awaiting.detach(last, end, mode);
        }
        self.end_link(end, mode);
        if mode.is_awaited() {
            self.tell_after(last, link, Event::Ended);
        }
    }

    fn end_link(&mut self, end: Key, mode: DetachMode) {
        let Some(End { link, role }) = self.nodes.ends.remove(end) else { return };
        match role {
            EndRole::Producer(mut producer) => {
                self.tell_accepted(link, &producer);
                if let Some(unsettled) = producer.unsettled.take() {
                    self.suspend(*unsettled, mode);
                }
                self.detach_producer(end, &producer);
            }
            EndRole::Consumer(consumer) => self.detach_consumer(end, &consumer, mode),
        }
    }

    pub(crate) fn detach_producer(&mut self, end: Key, producer: &Producer) {
        let ends = &self.nodes.ends;
        let lives = |end| ends.get(end).is_some();
        if let Some(queue) = producer.withheld.and_then(|queue| self.nodes.queues.get_mut(queue)) {
            queue.withheld.handle_gone(lives);
        }
        let Some(address) = self.nodes.addresses.get_mut(producer.address) else { return };
        address.producers.handle_gone(lives);
        if address.producers.is_empty() {
            for queue in address.queues.on_demand().to_vec() {
                self.nodes.note_look();
                self.nodes.idle.end(queue);
                self.collect(queue);
            }
        }
        self.collect_created(producer.address, end);
    }

    fn detach_consumer(&mut self, end: Key, consumer: &Consumer, mode: DetachMode) {
        let Some(queue) = self.nodes.queues.get_mut(consumer.queue) else { return };
        let ends = &self.nodes.ends;
        queue.consumers.handle_gone(consumer.mode, consumer.priority, |end| ends.get(end).is_some());
        queue.end_picking();
        if consumer.returning.as_ref().is_some_and(|returning| returning.is_apart()) {
            queue.consumers.end_apart();
        }
        let (address, last) = (queue.identity.address, queue.consumers.is_empty());
        let over = match queue.identity.kind {
            Kind::Volatile => last,
            Kind::Durable => last && mode == DetachMode::Close,
            Kind::Auto | Kind::Declared(_) | Kind::Dynamic(_) => false,
            Kind::Divert | Kind::Wildcard(_) | Kind::Retained | Kind::Ending => false,
        };
        let outcome = left_behind(&consumer.default_outcome, mode);
        if over || !self.hold_back(end, consumer, mode, &outcome) {
            self.abandon(consumer.queue, end, &outcome);
        }
        if over {
            self.delete(consumer.queue);
        } else {
            self.trim(consumer.queue);
            self.nodes.idle.end(consumer.queue);
            self.collect(consumer.queue);
            self.touch(consumer.queue);
        }
        self.collect_created(address, end);
    }

    /// A sender whose end is gone is told what was accepted of it last.
    fn tell_accepted(&mut self, link: LinkKey, producer: &Producer) {
        if let Some((first, last)) = producer.accepted {
            self.events.push_back((link, Event::Settled { first, last, outcome: Outcome::Accepted }));
        }
    }

    /// Deletes a dynamic node that lives as long as the link `gone`, or an address that has no reason to stay.
    fn collect_created(&mut self, key: Key, gone: Key) {
        let Some(address) = self.nodes.addresses.get(key) else { return };
        let goes = |node: Dynamic| node.lifetime == Lifetime::OnClose && node.creator == gone;
        if !address.dynamic.is_some_and(goes) {
            return self.collect_address(key);
        }
        let queues: Vec<Key> = address.queues.all().collect();
        self.detach_producers(key);
        queues.into_iter().for_each(|queue| self.delete(queue));
        self.collect_address(key);
    }

    /// Ends the links that send to a dynamic node, which is deleted: what they sent would be accepted, and go nowhere.
    fn detach_producers(&mut self, key: Key) {
        let Some(address) = self.nodes.addresses.get_mut(key) else { return };
        let text = format!("the dynamic node {} was deleted", address.name);
        for &end in std::mem::take(&mut address.producers).listed() {
            let Some(End { link, role: EndRole::Producer(producer) }) = self.nodes.ends.remove(end) else { continue };
            self.tell_accepted(link, &producer);
            let ends = &self.nodes.ends;
            if let Some(queue) = producer.withheld.and_then(|queue| self.nodes.queues.get_mut(queue)) {
                queue.withheld.handle_gone(|end| ends.get(end).is_some());
            }
            let refusal = Refusal::new(Condition::ResourceDeleted, text.as_str());
            self.events.push_back((link, Event::Detached { refusal }));
        }
    }

    /// Deletes a queue that has no reason to stay.
    pub(crate) fn collect(&mut self, key: Key) {
        let Some(queue) = self.nodes.queues.get(key) else { return };
        let lifetime = match queue.identity.kind {
            Kind::Volatile | Kind::Durable | Kind::Declared(_) | Kind::Dynamic(Lifetime::OnClose) => return,
            Kind::Auto => return self.collect_on_demand(key),
            Kind::Divert | Kind::Wildcard(_) => return self.divert(key),
            Kind::Retained => return self.collect_retained(key),
            Kind::Dynamic(lifetime) => lifetime,
            Kind::Ending if queue.departing() == 0 => return self.delete(key),
            Kind::Ending => return,
        };
        let address = self.nodes.addresses.get(queue.identity.address);
        let linked = address.is_some_and(|address| !address.producers.is_empty()) || !queue.consumers.is_empty();
        let empty = queue.messages() == 0;
        let over = match lifetime {
            Lifetime::NoLinks => !linked,
            // A node that was never used yet stays as long as somebody may use it.
            Lifetime::NoMessages => empty && (queue.totals().enqueued > 0 || !linked),
            _ => empty && !linked,
        };
        if over {
            self.delete(key);
        }
    }

    pub(crate) fn delete(&mut self, key: Key) {
        if let Some(address) = self.delete_within(key) {
            self.collect_address(address);
        }
    }

    /// Deletes a queue, and gives its address, which stays for another one even if nobody uses it.
    pub(crate) fn delete_within(&mut self, key: Key) -> Option<Key> {
        self.release_parked(key);
        let mut queue = self.nodes.remove_queue(key)?;
        let is_owed = !matches!(queue.identity.kind, Kind::Wildcard(_));
        let departs = queue.departing() > 0 && is_owed && self.nodes.may_end_later(&queue);
        if !departs {
            self.flights.end_all(key, if is_owed { queue.departing() } else { 0 });
            self.forget(&queue);
            self.memory.give_back(queue.bytes());
        }
        let name = &queue.identity.name;
        let deleted = || Refusal::new(Condition::ResourceDeleted, format!("the queue {name} was deleted"));
        for end in queue.consumers.listed() {
            if let Some(End { link, .. }) = self.nodes.ends.remove(end) {
                self.events.push_back((link, Event::Detached { refusal: deleted() }));
            }
        }
        if matches!(queue.identity.kind, Kind::Dynamic(_)) {
            self.detach_producers(queue.identity.address);
        }
        for &end in queue.withheld.listed() {
            self.credit(end);
        }
        let address = queue.identity.address;
        if departs {
            (queue.consumers, queue.withheld) = (Consumers::default(), Withheld::default());
            self.end_later(key, queue);
        }
        Some(address)
    }

    /// Whether a transaction that was looked at sends to an address.
    pub(crate) fn is_promised(&self, address: Key) -> bool {
        let address = self.nodes.addresses.get(address);
        address.is_some_and(|address| self.transactions.prepared.is_for(&address.name))
    }

    pub(crate) fn collect_address(&mut self, key: Key) {
        if self.has_only_retained(key)
            && let Some(retained) = self.nodes.find(key, RETAINED)
        {
            return self.collect_retained(retained);
        }
        // Most have a reason of their own to stay.
        if !self.nodes.addresses.get(key).is_some_and(Address::is_unused) || self.is_promised(key) {
            return;
        }
        if let Some(address) = self.nodes.remove_unused_address(key) {
            self.nodes.dynamic -= usize::from(address.dynamic.is_some());
        }
    }
}
