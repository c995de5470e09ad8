//! Messages in parts through a router: a producer's go to it as they come, a consumer's come from it.
//!
//! Guarantees: what the router keeps of a link's messages is known, and its sender is to be held up from `THROUGH_OCTETS` on until half of
//! that is gone. A home keeps none of it.
//!
//! Not here: messages in parts for queues, which go through files (`streams`).

use bytes::Bytes;
use engine_core::command::{Publish, Settled};
use engine_core::key::LinkKey;
use engine_core::message::Message;
use engine_core::stream::Following;
use engine_shard::{Brought, ROUTED};

use crate::client::Client;
use crate::entering::{Arrival, Delivered, Placed, message};
use crate::giving::Due;
use crate::home::Home;
use crate::kept::{Flow, Through};
use crate::link::{Kind, Link, Stream};
use crate::slots::{Slot, peer_key};

impl Home {
    /// Whether a message in parts that begins on a link is to go to a router as it comes; `named` is the address that it names itself.
    #[must_use]
    pub fn is_to_pass<'a>(&self, place: Slot, named: impl FnOnce() -> Option<&'a str>) -> bool {
        match self.links.get(place) {
            Some(Link { kind: Kind::Producer(_), owner, .. }) => *owner == ROUTED,
            Some(Link { kind: Kind::Relay { .. }, .. }) if self.engine.router().is_some() => {
                named().is_none_or(|named| self.is_routed_to(named))
            }
            _ => false,
        }
    }

    /// Whether a message in parts on its way over a link goes to a router as it comes.
    #[must_use]
    pub fn is_passing(&self, place: Slot) -> bool {
        let stream = self.links.get(place).and_then(|link| link.stream.as_deref());
        matches!(stream, Some(Stream::Through(Through { delivery: Some(_), .. })))
    }

    /// A message begins on such a link; `body` is its first part as far as it travels.
    pub fn begin_through(
        &mut self,
        client: &Client,
        place: Slot,
        arrival: &Arrival<'_>,
        body: Bytes,
    ) -> (Placed, Flow) {
        let message = message(arrival, body, self.engine.wall_ms());
        self.note_passed(place, arrival.settled);
        let (delivery, settled) = (arrival.delivery, arrival.settled);
        let Some(link) = self.links.get(place) else { return (Placed::default(), Flow::Same) };
        let (placed, octets) = match (&link.kind, link.end) {
            (Kind::Relay { .. }, _) => self.publish_beginning(client, place, arrival, message),
            (_, Some(end)) => (Placed::default(), self.engine.begin_stream(end, delivery, settled, message)),
            // Without an owner's end it has no credit.
            (_, None) => (Placed::default(), 0),
        };
        let Some(link) = self.links.get_mut(place) else { return (placed, Flow::Same) };
        let through = Through { delivery: Some(delivery), is_settled: settled == Settled::Yes };
        link.stream = Some(Box::new(Stream::Through(through)));
        (placed, link.ahead.add(octets))
    }

    fn publish_beginning(
        &mut self,
        client: &Client,
        place: Slot,
        arrival: &Arrival<'_>,
        message: Message,
    ) -> (Placed, u64) {
        let Some(asked) = self.links.get(place).map(|link| (link.routing, link.origin)) else {
            return (Placed::default(), 0);
        };
        let tag = arrival.tag.map(Bytes::copy_from_slice);
        let (to, wanted) = arrival.relayed();
        let (delivery, settled) = (arrival.delivery, arrival.settled);
        let delivered = Delivered { delivery, settled, to, wanted, tag, message, transaction: None };
        let credit = self.links.get_mut(place).map_or(0, Link::use_relay);
        match self.publication(client, asked, delivered) {
            Err(refusal) => (Placed { credit, refusal: Some(refusal) }, 0),
            Ok(publish) => {
                let octets = self.begin_published(place, delivery, settled, publish);
                (Placed { credit, refusal: None }, octets)
            }
        }
    }

    fn begin_published(&mut self, place: Slot, delivery: u32, settled: Settled, publish: Publish) -> u64 {
        let link = peer_key(self.engine.shard(), place);
        self.engine.begin_published(link, delivery, settled, publish)
    }

    /// The next octets of a message.
    pub fn continue_through(&mut self, place: Slot, settled: Settled, bytes: Bytes, following: Following) -> Flow {
        let Some(by) = self.brought(place) else { return Flow::Same };
        let Some(through) = self.through(place) else { return Flow::Same };
        let delivery = match following {
            Following::More => through.delivery,
            Following::End => through.delivery.take(),
        };
        let Some(delivery) = delivery else { return Flow::Same };
        if settled == Settled::Yes && !std::mem::replace(&mut through.is_settled, true) {
            self.engine.settle_stream(by, delivery);
        }
        let octets = self.engine.continue_stream(by, delivery, bytes, following);
        self.links.get_mut(place).map_or(Flow::Same, |link| link.ahead.add(octets))
    }

    /// The sender gave a message up.
    pub fn abort_through(&mut self, place: Slot) {
        let Some(by) = self.brought(place) else { return };
        if let Some(delivery) = self.through(place).and_then(|through| through.delivery.take()) {
            self.engine.abort_stream(by, delivery);
        }
    }

    /// So many octets of what a link brought are gone.
    pub fn handle_taken(&mut self, place: Slot, octets: u64) -> Flow {
        self.links.get_mut(place).map_or(Flow::Same, |link| link.ahead.take(octets))
    }

    /// A message in parts begins for a consumer's link; gives what is to be done with its first part. `None` if the link is gone.
    pub fn give_beginning(&mut self, place: Slot, key: u64, message: &Message) -> Option<Due> {
        let link = peer_key(self.engine.shard(), place);
        Some(self.give_sent(link, key, message, None)?.due)
    }

    /// Of a message in parts nothing was sent: the credit that it was to use is there again.
    pub fn give_credit_back(&mut self, place: Slot, credit: u32) {
        if let Some(Link { kind: Kind::Consumer(taking), .. }) = self.links.get_mut(place) {
            taking.wanted += credit;
        }
    }

    /// So many octets of a message that goes to a consumer in parts have left.
    pub fn pass_stream(&mut self, stream: u64, octets: u64) {
        self.engine.pass_stream(stream, octets);
    }

    /// A consumer's peer says how far it has come with a delivery: a router passes that on.
    pub fn note_received(&mut self, place: Slot, key: u64, section: u32, offset: u64) {
        if self.links.get(place).is_some_and(|link| link.owner == ROUTED) {
            self.engine.note_received(key, section, offset);
        }
    }

    /// The sender of a link settles deliveries `first..=last` (serial numbers): one that is not whole goes on without an outcome.
    pub fn settle_through(&mut self, place: Slot, first: u32, last: u32) {
        let Some(by) = self.brought(place) else { return };
        let Some(Stream::Through(through)) = self.links.get_mut(place).and_then(|link| link.stream.as_deref_mut())
        else {
            return;
        };
        let is_meant = |delivery: &u32| delivery.wrapping_sub(first) <= last.wrapping_sub(first);
        if let Some(delivery) = through.delivery.filter(is_meant)
            && !std::mem::replace(&mut through.is_settled, true)
        {
            self.engine.settle_stream(by, delivery);
        }
    }

    fn brought(&self, place: Slot) -> Option<Brought> {
        let link = self.links.get(place)?;
        match (&link.kind, link.end) {
            (Kind::Relay { .. }, _) => Some(Brought::ByRelay(self.key_of(place))),
            (_, Some(end)) if link.owner == ROUTED => Some(Brought::By(end)),
            _ => None,
        }
    }

    fn key_of(&self, place: Slot) -> LinkKey {
        peer_key(self.engine.shard(), place)
    }

    fn through(&mut self, place: Slot) -> Option<&mut Through> {
        match self.links.get_mut(place)?.stream.as_deref_mut() {
            Some(Stream::Through(through)) => Some(through),
            Some(Stream::In(_) | Stream::Refused | Stream::Out(_)) | None => None,
        }
    }
}
