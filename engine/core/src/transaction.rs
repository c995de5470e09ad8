//! Transactions as an owner sees them: what of one concerns its queues is done all at once, or not at all.
//!
//! Guarantees:
//! 1. A part is looked at as a whole before any of it is done: each message has its place, each delivery is still held. What is refused
//!    changes nothing, but that the deliveries which it would have ended are for others again, as ones that failed.
//! 2. What of it outlives the node is in one batch of the journal, which a crash leaves whole or takes away whole.
//! 3. Whoever committed hears of it when all of that is on stable storage.
//!
//! Not here: what belongs to a transaction, and since when (`engine/home`).

use engine_catalogue::base;
use engine_message::Condition;

use crate::command::{Outcome, Part, Publish, Retired, RoutingType, Settled};
use crate::commits::Admits;
use crate::core::Core;
use crate::ends::{End, EndRole, Route, key};
use crate::event::{Event, Refusal};
use crate::key::LinkKey;
use crate::message::Message;
use crate::prepared::rolled_back;
use crate::routing::Heading;
use crate::wider::Recipients;

/// Octets that a record has beside a message's body, and what is written of an outcome, at most.
const RECORD_BYTES: u64 = 96;

impl Core {
    /// Does what a transaction is about, or nothing of it; tells the link of its coordinator.
    pub(crate) fn transact(&mut self, link: LinkKey, delivery: u32, settled: Settled, part: Part) {
        if let Err(why) = self.may_commit(&part) {
            self.roll_back(part);
            if settled == Settled::No {
                let text = format!("the transaction was rolled back: {}", why.description);
                self.refuse(link, delivery, Refusal::new(Condition::TransactionRollback, text));
            }
            return;
        }
        let number = self.commit(part);
        if settled == Settled::No {
            let settled = Event::Settled { first: delivery, last: delivery, outcome: Outcome::Accepted };
            self.tell_after(number, link, settled);
        }
    }

    /// Whether all of a part can be done; gives about how much there is to write, octets. Addresses and queues that its messages ask for are
    /// there afterwards.
    pub(crate) fn may_commit(&mut self, part: &Part) -> Result<u64, Box<Refusal>> {
        for retired in &part.retired {
            if !self.is_held(retired) {
                let text = "a delivery that it is about is not held by its link any more";
                return Err(Refusal::new(Condition::PreconditionFailed, text));
            }
        }
        let mut bytes = part.retired.len() as u64 * RECORD_BYTES;
        for publish in &part.sends {
            bytes = bytes.saturating_add(self.may_publish(publish)?);
        }
        self.check_bytes(bytes).map(|()| bytes)
    }

    /// Whether so many octets can be written at once.
    pub(crate) fn check_bytes(&self, bytes: u64) -> Result<(), Box<Refusal>> {
        if bytes > self.config.stored_bytes_max {
            let text = format!(
                "what is written of it at once is more than {} bytes, which is the most",
                self.config.stored_bytes_max
            );
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        Ok(())
    }

    /// Whether a link holds a delivery.
    fn is_held(&self, retired: &Retired) -> bool {
        let end = key(retired.end);
        let Some(End { role: EndRole::Consumer(consumer), .. }) = self.nodes.ends.get(end) else { return false };
        self.nodes.queues.get(consumer.queue).and_then(|queue| queue.sequence_of(end, retired.key)).is_some()
    }

    /// Whether a message has its place; gives about how much the journal has to write for it, octets.
    fn may_publish(&mut self, publish: &Publish) -> Result<u64, Box<Refusal>> {
        let Publish { address: name, routing, message, origin, .. } = publish;
        if !self.is_own(name) {
            let text = format!("the address {name} changed its owner meanwhile: try again");
            return Err(Refusal::new(Condition::ResourceLocked, text));
        }
        let (address, route) = self.address(name, *routing, None)?;
        self.check_id(address, message)?;
        let queues = self.may_put(Heading { address, route, origin: *origin }, message)?;
        // It may have to say which queue is made for it, too.
        let names = 2 * name.len() as u64;
        Ok(message.body.len() as u64 + 2 * RECORD_BYTES + names + 8 * queues as u64)
    }

    /// Whether the queues that a message is for take it, or drop it; gives how many there are.
    fn may_put(&self, heading: Heading, message: &Message) -> Result<usize, Box<Refusal>> {
        let Heading { address, route, origin } = heading;
        if let Route::Queue(queue) = route {
            self.chooses(queue, origin, message)?;
            return self.admit(queue, message).map(|_| 1);
        }
        let Recipients { queues, anycast } = self.beside(heading, message)?;
        for &queue in &queues {
            self.admit(queue, message)?;
        }
        let Some(address) = self.nodes.addresses.get(address).filter(|_| anycast) else { return Ok(queues.len()) };
        let mut refused = None;
        for &queue in address.queues.listed(RoutingType::Anycast) {
            match self.admit(queue, message) {
                Ok(_) => return Ok(queues.len() + 1),
                Err(refusal) => refused = Some(refusal),
            }
        }
        refused.map_or(Ok(queues.len()), Err)
    }

    /// Does all of a part that was looked at; gives the number that has to be durable before that is told, or 0.
    fn commit(&mut self, part: Part) -> u64 {
        let before = self.journal.numbers.last();
        let since = self.journal.outbox.begin_together();
        assert_eq!(self.do_part(part), 0, "the place of each message was looked at");
        self.journal.outbox.end_together(since);
        let last = self.journal.numbers.last();
        if last > before { last } else { 0 }
    }

    /// Does all of a part that was looked at. Gives how many messages have no place, as that was deleted since.
    pub(crate) fn do_part(&mut self, part: Part) -> usize {
        // Each has its place; that all of them together are more than a queue may have is borne.
        self.transactions.admits = Admits::Everything;
        let lost = part.sends.into_iter().filter_map(|publish| self.publish_to(publish).err()).count();
        self.transactions.admits = Admits::WhatFits;
        let mut queues = Vec::new();
        for Retired { end, key: held, outcome, confirm } in part.retired {
            if let Some(End { role: EndRole::Consumer(consumer), .. }) = self.nodes.ends.get(key(end)) {
                queues.push(consumer.queue);
            }
            self.handle_settle(end, held, outcome, confirm);
        }
        queues.dedup();
        for queue in queues {
            self.tell_gone(queue);
        }
        lost
    }

    /// Nothing of a part is done.
    pub(crate) fn roll_back(&mut self, part: Part) {
        for Publish { address, message, .. } in part.sends {
            self.journal.outbox.note_untaken(message.large());
            // It may have been made for this message.
            if let Some(address) = self.nodes.address(base(&address)) {
                self.collect_address(address);
            }
        }
        for Retired { end, key, confirm, .. } in part.retired {
            // What its peer did not settle it still has.
            if confirm.is_none() {
                self.handle_settle(end, key, rolled_back(), None);
            }
        }
        self.end_links(part.closing);
    }
}
