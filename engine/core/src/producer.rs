//! Producers: what they send is put into its queues and accepted.
//!
//! Guarantees:
//! 1. A message is put into the queues that it is for or refused; it is accepted when it is there, or when the journal has it.
//! 2. Settlements of a producer's neighbouring deliveries leave as one range.
//!
//! Not here: which queues those are (`routing`), and how much a producer may send (`credit`).

use crate::agenda::Now;
use crate::command::{Outcome, Settled};
use crate::core::Core;
use crate::ends::{End, EndRole, Route, Told, key};
use crate::event::{Event, Refusal};
use crate::key::{EndKey, LinkKey};
use crate::message::Message;
use crate::routing::Heading;
use crate::slab::Key;

/// A delivery of a producer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub end: Key,
    pub link: LinkKey,
    pub delivery: u32,
    pub settled: Settled,
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
        self.now = Now { ns: now_ns, wall_ms };
        let end = key(end);
        let Some(End { link, role: EndRole::Producer(producer) }) = self.nodes.ends.get_mut(end) else {
            return self.journal.outbox.note_untaken(message.large());
        };
        producer.credit = producer.credit.saturating_sub(1);
        let due = producer.is_due();
        let only = self.nodes.addresses.get(producer.address).and_then(|address| address.queues.only());
        if let Some(only) = only
            && matches!(producer.route, Route::All)
            && let Some(queue) = self.nodes.queues.get_mut(only)
            && queue.takes_plain(&message)
            && self.memory.has_plain_room(message.size())
        {
            self.memory.take(message.size());
            let expires = queue.push_plain(message);
            queue.note_arrived(now_ns);
            if queue.begin_turn() {
                self.turns.insert(only);
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
            let heading = Heading { address: producer.address, route: producer.route, origin: producer.origin };
            let incoming = Incoming { end, link: *link, delivery, settled };
            self.deliver_routed(incoming, heading, message);
        }
        if due {
            self.credit(end);
        }
    }

    /// Delivers what goes to several queues or to the journal, or is refused.
    fn deliver_routed(&mut self, incoming: Incoming, heading: Heading, message: Message) {
        let routed = self.route(heading, message);
        self.answer(incoming, routed);
    }

    /// Tells the sender of a delivery what became of it: at once, or when the journal has it.
    pub(crate) fn answer(&mut self, incoming: Incoming, routed: Result<u64, Box<Refusal>>) {
        let Incoming { end, link, delivery, settled } = incoming;
        match routed {
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
        let Some(End { role: EndRole::Producer(producer), .. }) = self.nodes.ends.get_mut(end) else { return };
        if let Some(unsettled) = &mut producer.unsettled {
            unsettled.handle_told(deliveries);
        }
        let told = producer.accept(deliveries);
        self.told(end, told);
    }

    /// Notes what is to be told a producer whose deliveries were accepted.
    #[inline(never)]
    fn told(&mut self, end: Key, told: Told) {
        match told {
            Told::Later => {}
            Told::First => self.turns.telling.push_back(end),
            Told::Before(first, last) => {
                let Some(End { link, .. }) = self.nodes.ends.get(end) else { return };
                self.events.push_back((*link, Event::Settled { first, last, outcome: Outcome::Accepted }));
            }
        }
    }

    pub(crate) fn refuse(&mut self, link: LinkKey, delivery: u32, refusal: Box<Refusal>) {
        let outcome = Outcome::Rejected(Some(refusal));
        self.events.push_back((link, Event::Settled { first: delivery, last: delivery, outcome }));
    }
}
