//! Links that send and outlive their connections: what they left is found again by whoever attaches them anew, wherever its connection
//! is (AMQP parts 2.6.5 and 2.6.13; `docs/interoperability.md`).
//!
//! Guarantees:
//! 1. What the owner put into its queues is not put there a second time when its sender resumes the delivery.
//! 2. An attach that resumes a link is answered when all that came over the link before is where it has to be: whatever the answer names
//!    has its outcome.
//! 3. A link that is attached again while it is attached elsewhere ends there (part 2.6.1), and is resumed as it was then: what comes
//!    from there still goes nowhere.
//!
//! Not here: what a link keeps (`unsettled`), and how many there are (`suspended`).

use engine_message::Condition;

use crate::command::{DetachMode, Outcome, Settled};
use crate::core::Core;
use crate::ends::{End, EndRole, key};
use crate::event::{Event, Refusal};
use crate::key::EndKey;
use crate::limits::Storage;
use crate::producer::Incoming;
use crate::resumption::{Lasting, LinkName, Resumed, Tag, TaggedDelivery};
use crate::routing::Heading;
use crate::slab::Key;
use crate::suspended::{Room, Standing};
use crate::unsettled::Unsettled;

impl Core {
    /// A link that was just attached is one that outlives its connection; gives what is known of it from before, and the fact behind which
    /// that is certain. `None`: there is no room to keep anything of it.
    pub(crate) fn begin_lasting(&mut self, end: Key, lasting: &Lasting) -> Option<(Vec<(Tag, Outcome)>, u64)> {
        let Lasting { name, settling, keep, resumed } = lasting;
        let mut left = self.take_left(name);
        match resumed {
            Resumed::Afresh => left.clear(),
            // What its sender does not have it has settled.
            Resumed::Unsettled(tags) => left.retain(|(tag, _)| tags.contains(tag)),
            Resumed::Incomplete => {}
        }
        let ends = &self.nodes.ends;
        if let Room::None = self.nodes.senders.attach(name.clone(), end, |end| ends.get(end).is_some()) {
            return None;
        }
        if let Some(End { role: EndRole::Producer(producer), .. }) = self.nodes.ends.get_mut(end) {
            producer.unsettled = Some(Box::new(Unsettled::new(name.clone(), *settling, *keep, left.clone())));
        }
        let waits = self.config.storage == Storage::Journal && !left.is_empty();
        Some((left, if waits { self.journal.numbers.last() } else { 0 }))
    }

    /// What is known of a link from before; one that is attached elsewhere ends there.
    fn take_left(&mut self, name: &LinkName) -> Vec<(Tag, Outcome)> {
        let end = match self.nodes.senders.take(name) {
            None => return Vec::new(),
            Some(Standing::Suspended { left, until_ns }) if until_ns > self.now.ns => return left,
            Some(Standing::Suspended { .. }) => return Vec::new(),
            Some(Standing::Attached(end)) => end,
        };
        let Some(End { link, role: EndRole::Producer(mut producer) }) = self.nodes.ends.remove(end) else {
            return Vec::new();
        };
        let text = format!("the link {} was attached again", name.link);
        let refusal = Refusal::new(Condition::LinkStolen, text);
        self.events.push_back((link, Event::Detached { refusal }));
        let left = producer.unsettled.take().map(|unsettled| unsettled.into_left().1);
        self.detach_producer(end, &producer);
        left.unwrap_or_default()
    }

    /// A link that outlives its connection ended so.
    pub(crate) fn suspend(&mut self, unsettled: Unsettled, mode: DetachMode) {
        let keep_ns = unsettled.keep.after(mode);
        let (name, left) = unsettled.into_left();
        self.nodes.senders.take(&name);
        // Of a link that left nothing there is nothing to find.
        if keep_ns > 0 && !left.is_empty() {
            self.nodes.senders.suspend(name, left, self.now.ns.saturating_add(keep_ns));
        }
    }

    /// A message came on a link that outlives its connection.
    pub(crate) fn deliver_tagged(&mut self, tagged: TaggedDelivery) {
        let TaggedDelivery { end, delivery, settled, tag, message } = tagged;
        let end = key(end);
        let Some(End { link, role: EndRole::Producer(producer) }) = self.nodes.ends.get_mut(end) else {
            return self.journal.outbox.note_untaken(message.large());
        };
        let link = *link;
        producer.credit = producer.credit.saturating_sub(1);
        let due = producer.is_due();
        let heading = Heading { address: producer.address, route: producer.route, origin: producer.origin };
        let routed = self.route(heading, message);
        let outcome = match &routed {
            Ok(_) => Outcome::Accepted,
            Err(refusal) => Outcome::Rejected(Some(refusal.clone())),
        };
        self.note_unsettled(end, (delivery, tag), settled, outcome);
        let is_told = routed.is_err() && settled == Settled::No;
        self.answer(Incoming { end, link, delivery, settled }, routed);
        if is_told {
            self.note_told(end, (delivery, delivery));
        }
        if due {
            self.credit(end);
        }
    }

    /// The sender of a link takes a delivery from before up: it is told its outcome, if it is one that it was told of when it attached.
    pub(crate) fn resume(&mut self, end: EndKey, delivery: u32, settled: Settled, tag: Tag) {
        let end = key(end);
        let Some(End { link, role: EndRole::Producer(producer) }) = self.nodes.ends.get_mut(end) else { return };
        producer.credit = producer.credit.saturating_sub(1);
        let due = producer.is_due();
        let outcome = producer.unsettled.as_mut().and_then(|unsettled| unsettled.resume(tag, delivery, settled));
        if let Some(outcome) = outcome {
            self.events.push_back((*link, Event::Settled { first: delivery, last: delivery, outcome }));
        }
        if due {
            self.credit(end);
        }
    }

    /// The sender of a link settled deliveries, of which it may have been told the outcome.
    pub(crate) fn forget_settled(&mut self, end: EndKey, first: u32, last: u32) {
        if let Some(End { role: EndRole::Producer(producer), .. }) = self.nodes.ends.get_mut(key(end))
            && let Some(unsettled) = &mut producer.unsettled
        {
            unsettled.forget(first, last);
        }
    }

    fn note_unsettled(&mut self, end: Key, (delivery, tag): (u32, Tag), settled: Settled, outcome: Outcome) {
        if let Some(End { role: EndRole::Producer(producer), .. }) = self.nodes.ends.get_mut(end)
            && let Some(unsettled) = &mut producer.unsettled
        {
            match settled {
                Settled::Yes => unsettled.note_tag(tag),
                Settled::No => unsettled.note(delivery, tag, outcome),
            }
        }
    }

    /// The sender of a link is told what became of deliveries.
    fn note_told(&mut self, end: Key, deliveries: (u32, u32)) {
        if let Some(End { role: EndRole::Producer(producer), .. }) = self.nodes.ends.get_mut(end)
            && let Some(unsettled) = &mut producer.unsettled
        {
            unsettled.handle_told(deliveries);
        }
    }
}
