//! Consumers: credit, messages in turn, and what becomes of what they were given.
//!
//! Guarantees: a message goes to one consumer, whose credit it uses up; one that drains is told when there is nothing more, and not
//! while something is on its way from the disk.
//!
//! Not here: the order of messages, and whose turn it is (`queue`); queues that have rules for who is served (`serving`).

use crate::command::{Outcome, Settle};
use crate::core::Core;
use crate::ends::{End, EndRole, key};
use crate::event::{Event, KEY_NONE, Shown};
use crate::key::{EndKey, LinkKey};
use crate::message::{Content, Message};
use crate::queue::{Confirm, Next, Queue};
use crate::slab::Key;

impl Core {
    /// A consumer accepted a delivery, and waits for no confirmation: `Command::Accept` of one.
    #[inline]
    pub fn handle_accepted(&mut self, end: EndKey, held: u64) {
        let end = key(end);
        let Some(End { role: EndRole::Consumer(consumer), .. }) = self.nodes.ends.get(end) else { return };
        let key = consumer.queue;
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        let left = queue.accept(end, held, self.now.ns);
        let touches = queue.is_done_or_awaited();
        self.apply(key, left);
        if touches {
            self.touch(key);
        }
    }

    /// `Command::Settle` without the command.
    pub fn handle_settle(&mut self, end: EndKey, held: u64, outcome: Outcome, confirm: Option<u32>) {
        let end = key(end);
        let Some(End { link, role: EndRole::Consumer(consumer) }) = self.nodes.ends.get(end) else { return };
        let (link, key) = (*link, consumer.queue);
        let back = !matches!(outcome, Outcome::Accepted | Outcome::Rejected(_));
        let confirm = confirm.map(|delivery| Confirm { link, delivery });
        // By then nobody holds it any more.
        let held_one = confirm.and_then(|_| self.nodes.queues.get(key)?.sequence_of(end, held));
        self.settle(key, end, held, outcome);
        if let Some(confirm) = confirm {
            let queue = self.nodes.queues.get_mut(key);
            let later = queue.zip(held_one).is_some_and(|(queue, sequence)| queue.await_leave(sequence, confirm));
            if !later {
                self.confirm(key, confirm, 0);
            }
        }
        if back {
            self.trim(key);
        }
        if back || self.nodes.queues.get(key).is_some_and(Queue::is_done_or_awaited) {
            self.touch(key);
        }
    }

    /// Does to a delivery that `end` holds what an outcome says.
    pub(crate) fn settle(&mut self, key: Key, end: Key, held: u64, outcome: Outcome) {
        if let Outcome::Modified(modified) = &outcome {
            if let Some(annotations) = &modified.annotations {
                self.resize(key, |queue| queue.annotate(end, held, annotations));
            }
            if modified.delivery_failed
                && let Some(queue) = self.nodes.queues.get(key)
                && let Some((message, count)) = queue.failures(end, held)
                && let Some(queue) = queue.number()
            {
                self.journal.failed(queue, message, count.saturating_add(1));
            }
        }
        // What is kept of why it was rejected costs memory, too.
        let now_ns = self.now.ns;
        let Some(left) = self.resize(key, |queue| queue.settle(end, held, outcome, now_ns)) else { return };
        self.hear(key, left.news);
        // It may have come back, and expire, or go elsewhere, or wait.
        self.note_expiries(key);
        self.note_departures(key);
        self.note_redelivery(key);
    }

    /// Changes a queue in a way that may need more memory, or less.
    pub(crate) fn resize<R>(&mut self, key: Key, change: impl FnOnce(&mut Queue) -> R) -> Option<R> {
        let queue = self.nodes.queues.get_mut(key)?;
        let before = queue.bytes();
        let result = change(queue);
        self.memory.give_back(before);
        self.memory.take(queue.bytes());
        Some(result)
    }

    /// Does to everything that a link holds which ends what its default outcome says.
    pub(crate) fn abandon(&mut self, key: Key, end: Key, outcome: &Outcome) {
        let Some(queue) = self.nodes.queues.get(key) else { return };
        for held in queue.held_by(end) {
            self.settle(key, end, held, outcome.clone());
        }
        if let Some(queue) = self.nodes.queues.get_mut(key) {
            queue.release_places();
        }
    }

    #[inline]
    pub(crate) fn grant(&mut self, end: Key, credit: u32) {
        let Some(End { role: EndRole::Consumer(consumer), .. }) = self.nodes.ends.get_mut(end) else { return };
        let before = consumer.credit;
        consumer.credit = before.saturating_add(credit);
        consumer.pace.granted += u64::from(consumer.credit - before);
        let queue = consumer.queue;
        if let Some(queue) = self.nodes.queues.get_mut(queue) {
            queue.consumers.handle_credit(self.now.ns);
        }
        self.touch(queue);
    }

    pub(crate) fn revoke(&mut self, end: Key, asked: u32) {
        let Some(End { link, role: EndRole::Consumer(consumer) }) = self.nodes.ends.get_mut(end) else { return };
        let taken = asked.min(consumer.credit);
        consumer.credit -= taken;
        consumer.pace.granted -= u64::from(taken);
        self.events.push_back((*link, Event::Revoked { asked, taken }));
    }

    pub(crate) fn drain(&mut self, end: Key) {
        let Some(End { role: EndRole::Consumer(consumer), .. }) = self.nodes.ends.get_mut(end) else { return };
        consumer.draining = true;
        let queue = consumer.queue;
        self.touch(queue);
    }

    /// Gives one message of a queue to a consumer, and tells draining ones when there is none.
    #[inline]
    pub(crate) fn dispatch(&mut self, key: Key) -> Option<(LinkKey, Shown)> {
        let sheds = self.memory.is_shed();
        let mut queue = self.nodes.queues.get_mut(key)?;
        if queue.has_expired(self.now.wall_ms) {
            if !self.expire_before(key) {
                return None;
            }
            queue = self.nodes.queues.get_mut(key)?;
        }
        if queue.consumers.has_rules() {
            return self.dispatch_by_rules(key);
        }
        for _ in 0..queue.consumers.round() {
            let end = queue.consumers.next()?;
            let Some(End { link, role: EndRole::Consumer(consumer) }) = self.nodes.ends.get_mut(end) else { continue };
            if queue.wants_fetch(|| self.memory.fetch_below()) {
                self.journal.fetch(queue);
            }
            let next = if consumer.credit > 0 { queue.pop(end, self.journal.awaiting.durable()) } else { None };
            let Some(next) = next else {
                // What is on its way to or from the disk is still to come.
                let comes = self.journal.will_give(queue, &self.memory);
                if consumer.credit == 0 || !comes {
                    consumer.drain(*link, &mut self.events);
                }
                continue;
            };
            consumer.credit -= 1;
            queue.note_shown(next, consumer.settle, self.now.ns);
            let delivery = show(queue, (key, end), consumer.settle, next);
            self.turns.note_shown(&delivery, next.bytes, sheds);
            return Some((*link, delivery));
        }
        if queue.consumers.browsers().is_empty() { None } else { self.browse(key) }
    }

    /// The message of the delivery that was polled last, to send to another shard: it shares the body with the queue.
    ///
    /// # Panics
    /// As `message`.
    #[must_use]
    pub fn share_message(&self, delivery: &Shown) -> Message {
        self.message(delivery).clone()
    }
}

/// A message is shown to a consumer, which holds it unless nobody settles it.
#[inline(always)]
pub(crate) fn show(queue: &mut Queue, (key, end): (Key, Key), settle: Settle, next: Next) -> Shown {
    let entry = next.entry;
    match (settle, next.content) {
        // Nobody settles it.
        (Settle::OnSend, Content::Here) => Shown { key: KEY_NONE, queue: key, entry },
        // The file of a large message is needed until the last part is sent: the home settles it then.
        (Settle::OnSend, Content::File) | (Settle::ByPeer, _) => {
            Shown { key: queue.hold(next, end), queue: key, entry }
        }
    }
}
