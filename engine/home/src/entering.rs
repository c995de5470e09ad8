//! Messages on their way in: from a link to the owner of its address, or of the address that each of them names.
//!
//! Guarantees: what travels is everything behind header and delivery annotations, copied once into its link's arena; a message that
//! names no address, or one that its sender may not use, is refused here and uses no owner's time.

use std::num::NonZeroU64;

use bytes::Bytes;
use engine_core::Origin;
use engine_core::command::{Command, Publish, RoutingType, Settled};
use engine_core::event::Refusal;
use engine_core::key::EndKey;
use engine_core::message::{Content, Header, Message};
use engine_core::preface::LeftOut;
use engine_core::resumption::{Tag, TaggedDelivery};
use engine_core::small::{SMALL_MAX, Small};
use engine_message::{Condition, section};
use engine_shard::{Engine, Found, ROUTED};

use crate::arena::Arena;
use crate::client::Client;
use crate::home::Home;
use crate::link::{Kind, Link};
use crate::passed::Passed;
use crate::permission::{self, Action};
use crate::scheduling::{delivery_time, schedule};
use crate::slots::{OwnerEnd, Slot, peer_key};
use crate::transactions::TransactionId;
use crate::wanted::wanted_routing;

/// A message as its binding took it off the wire.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The binding's number for the delivery; named again in its outcome.
    pub delivery: u32,
    /// Whether an outcome is wanted.
    pub settled: Settled,
    /// Version and format.
    pub format: u32,
    /// The fields of its header.
    pub header: section::Header,
    /// Its properties section; empty if it has none.
    pub properties: &'a [u8],
    /// What stands before that and is not in it, as its sender has said it before.
    pub front: Option<&'a LeftOut>,
    /// All sections that travel, encoded.
    pub kept: &'a [u8],
    /// The delivery's tag: of a link that outlives its connection; of a relay, if its sender cannot be told of a refusal by an outcome.
    pub tag: Option<&'a [u8]>,
}

impl<'a> Arrival<'a> {
    /// Where a relay's message goes, and the routing that it asks for.
    pub(crate) fn relayed(&self) -> (&'a str, Option<RoutingType>) {
        let to = section::property_to(self.properties).ok().flatten().unwrap_or_default();
        (to, wanted_routing(self.kept))
    }
}

/// The way of a producer's messages to the owner of its address.
pub struct Entrance<'a> {
    arena: &'a mut Arena,
    /// What passed the link, and all links.
    passed: [&'a mut Passed; 2],
    engine: &'a mut Engine,
    owner: u16,
    end: EndKey,
}

impl Entrance<'_> {
    /// Whether a queue keeps what enters: through a router it passes as it is.
    #[inline]
    pub fn keeps(&self) -> bool {
        self.owner != ROUTED
    }

    /// Takes a message.
    #[inline]
    pub fn enter(&mut self, arrival: &Arrival<'_>) {
        if self.owner != self.engine.shard() && self.owner == ROUTED {
            return self.enter_routed(arrival);
        }
        let body = self.arena.copy(arrival.kept);
        let message = message(arrival, body, self.engine.wall_ms());
        self.engine.deliver(self.owner, self.end, arrival.delivery, arrival.settled, message);
    }

    /// Takes a message that no queue keeps (`keeps`).
    // Part of its callers, which would lay out what came for a call otherwise.
    #[inline(always)]
    pub fn enter_routed(&mut self, arrival: &Arrival<'_>) {
        // What queues keep they count themselves, here or elsewhere.
        self.passed.iter_mut().for_each(|passed| passed.note(arrival.settled));
        let (delivery, small) = ((arrival.delivery, arrival.settled), small(arrival, self.engine.wall_ms()));
        let goes_on = small.body.len() <= SMALL_MAX && self.engine.pass_small(self.end, delivery, &small);
        if !goes_on {
            enter_kept((self.arena, self.engine), self.end, delivery, &small);
        }
    }

    /// The way of messages that no queue keeps, with this in front of each and left out, and this header, if there is only one.
    pub fn find_alike(&mut self, header: &section::Header, front: &LeftOut) -> Option<Found> {
        self.engine.find_alike(self.end, header.priority, front)
    }

    /// Takes one of these: it goes this way, and those behind it do, until one does not at once.
    #[inline]
    pub fn enter_alike(&mut self, way: &mut Option<Found>, arrival: &Arrival<'_>) {
        let Some(found) = way else { return self.enter_routed(arrival) };
        self.passed.iter_mut().for_each(|passed| passed.note(arrival.settled));
        let (delivery, small) = ((arrival.delivery, arrival.settled), small(arrival, self.engine.wall_ms()));
        let goes_on = small.body.len() <= SMALL_MAX && self.engine.pass_alike(self.end, delivery, found, &small);
        if !goes_on {
            *way = None;
            enter_kept((self.arena, self.engine), self.end, delivery, &small);
        }
    }
}

/// Hands the router a message that is kept for a while, or a large one.
#[inline(never)]
fn enter_kept(
    (arena, engine): (&mut Arena, &mut Engine),
    end: EndKey,
    (delivery, settled): (u32, Settled),
    small: &Small<'_>,
) {
    engine.deliver_routed(end, delivery, settled, small.with_body(arena.copy(small.body)));
}

/// What is to be said to the peer of a link for a message that came on it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Credit that is due, messages.
    pub credit: u32,
    /// Why the message was refused, if it was.
    pub refusal: Option<Box<Refusal>>,
}

impl Home {
    /// The way of messages from a producer's link whose owner has answered.
    #[inline]
    pub fn entrance(&mut self, place: Slot) -> Option<Entrance<'_>> {
        match self.links.get_mut(place) {
            Some(&mut Link { owner, end: Some(end), kind: Kind::Producer(ref mut arena), ref mut seen, .. }) => {
                let passed = [&mut seen.passed, &mut self.passage.from_peers];
                Some(Entrance { arena, passed, engine: &mut self.engine, owner, end })
            }
            _ => None,
        }
    }

    /// Takes a message on any link that takes some; `owned` holds its octets if they need no copy. What belongs to a transaction is kept for
    /// that.
    pub fn enter(
        &mut self,
        client: &Client,
        place: Slot,
        arrival: &Arrival<'_>,
        owned: Option<&Bytes>,
        transaction: Option<TransactionId>,
    ) -> Placed {
        let Some(link) = self.links.get_mut(place) else { return Placed::default() };
        let (Kind::Producer(arena) | Kind::Lasting(arena) | Kind::Relay { arena, .. }) = &mut link.kind else {
            return Placed::default();
        };
        let body = match (arrival.front, owned) {
            (Some(front), _) => [front.octets(), arrival.kept].concat().into(),
            (None, Some(owned)) => owned.slice_ref(arrival.kept),
            (None, None) => arena.copy(arrival.kept),
        };
        let mut message = message(arrival, body, self.engine.wall_ms());
        if let Err(refusal) = self.note_wishes(place, arrival, &mut message) {
            // No owner will give its credit back.
            let credit = self.links.get_mut(place).map_or(0, Link::refused_credit);
            return Placed { credit, refusal: Some(refusal) };
        }
        let Some(link) = self.links.get(place) else { return Placed::default() };
        let (to, wanted) = match link.kind {
            Kind::Relay { .. } => arrival.relayed(),
            _ => ("", None),
        };
        let (delivery, settled) = (arrival.delivery, arrival.settled);
        let tag = arrival.tag.map(Bytes::copy_from_slice);
        self.place(client, place, Delivered { delivery, settled, to, wanted, tag, message, transaction })
    }

    /// A message came on a link.
    pub(crate) fn note_passed(&mut self, place: Slot, settled: Settled) {
        if let Some(link) = self.links.get_mut(place) {
            link.seen.passed.note(settled);
            self.passage.from_peers.note(settled);
        }
    }

    /// Notes what a message asks of the queue that keeps it: to know its id, and to wait for a time. Through a router it passes as it is.
    fn note_wishes(&self, place: Slot, arrival: &Arrival<'_>, message: &mut Message) -> Result<(), Box<Refusal>> {
        if self.engine.router().is_some() && self.is_routed(place, arrival) {
            return Ok(());
        }
        message.unique = section::property_id(arrival.kept).is_some();
        let not_before = delivery_time(arrival.kept, self.engine.wall_ms())?;
        not_before.map_or(Ok(()), |at| schedule(message, at))
    }

    /// Whether a message of a link passes through a router.
    fn is_routed(&self, place: Slot, arrival: &Arrival<'_>) -> bool {
        match self.links.get(place) {
            Some(Link { kind: Kind::Relay { .. }, .. }) => self.is_routed_to(arrival.relayed().0),
            Some(link) => link.owner == ROUTED,
            None => false,
        }
    }

    /// Whether what a relay sends to an address that a message names passes through a router.
    pub(crate) fn is_routed_to(&self, named: &str) -> bool {
        self.engine.owner_of(self.rules.strip(named).0) == ROUTED
    }

    /// Hands a message to its owner.
    pub(crate) fn place(&mut self, client: &Client, place: Slot, delivered: Delivered<'_>) -> Placed {
        self.note_passed(place, delivered.settled);
        let Some(link) = self.links.get(place) else { return Placed::default() };
        match (&link.kind, link.end) {
            (Kind::Producer(_) | Kind::Lasting(_), Some(end)) => {
                let Delivered { delivery, settled, tag, message, transaction, .. } = delivered;
                let at = OwnerEnd { owner: link.owner, end };
                let Some(id) = transaction else {
                    match tag.as_deref().and_then(Tag::new) {
                        Some(tag) => self.deliver_tagged(at, TaggedDelivery { end, delivery, settled, tag, message }),
                        None => self.engine.deliver(at.owner, end, delivery, settled, message),
                    }
                    return Placed::default();
                };
                let (owner, routing) = (link.owner, link.routing);
                if let Err(refusal) = self.check_enlisting(owner) {
                    return Placed { credit: 1, refusal: Some(refusal) };
                }
                let publish =
                    Publish { routing, origin: Some(link.origin), ..Publish::of(link.address.as_str(), message) };
                self.enlist_send(client, id, owner, publish);
                // No owner will give its credit back.
                Placed { credit: 1, refusal: None }
            }
            (Kind::Relay { .. }, _) => self.publish(client, place, (link.routing, link.origin), delivered),
            _ => Placed::default(),
        }
    }

    /// Hands a message to the owner of the address that it names; `asked` is what its link asks of the routing of all, and where they are from.
    fn publish(
        &mut self,
        client: &Client,
        place: Slot,
        asked: (Option<RoutingType>, Origin),
        delivered: Delivered<'_>,
    ) -> Placed {
        let Delivered { delivery, settled, transaction, .. } = delivered;
        let credit = self.links.get_mut(place).map_or(0, Link::use_relay);
        let publish = match self.publication(client, asked, delivered) {
            Ok(publish) => publish,
            Err(refusal) => return Placed { credit, refusal: Some(refusal) },
        };
        let owner = self.engine.owner_of(&publish.address);
        let link = peer_key(self.engine.shard(), place);
        match transaction {
            Some(_) if owner == ROUTED => return Placed { credit, refusal: self.check_enlisting(owner).err() },
            Some(id) => self.enlist_send(client, id, owner, publish),
            None => {
                let publish = Box::new(publish);
                self.engine.submit(owner, Command::Publish { link, delivery, settled, publish });
            }
        }
        Placed { credit, refusal: None }
    }

    /// A relay's message for the address that it names, if it may go there.
    pub(crate) fn publication(
        &self,
        client: &Client,
        (asked, origin): (Option<RoutingType>, Origin),
        delivered: Delivered<'_>,
    ) -> Result<Publish, Box<Refusal>> {
        let Delivered { to, wanted, tag, message, .. } = delivered;
        let (address, prefixed) = self.rules.strip(to);
        let routing = asked.or(wanted).or(prefixed);
        if address.is_empty() {
            return Err(Refusal::new(
                Condition::NotFound,
                "the message names no address: its `to` is missing or empty",
            ));
        }
        if self.is_management(address) {
            return Err(Refusal::new(Condition::NotAllowed, "requests to management come on a link to its address"));
        }
        permission::may(&client.user, Action::Send, address)?;
        permission::may_pass(client, address)?;
        Ok(Publish { routing, origin: Some(origin), tag, ..Publish::of(self.engine.stored_name(address), message) })
    }
}

/// A message that is on its way to an owner.
pub(crate) struct Delivered<'a> {
    pub delivery: u32,
    pub settled: Settled,
    /// For a relay: where the message goes.
    pub to: &'a str,
    /// For a relay: the routing that the message asks for.
    pub wanted: Option<RoutingType>,
    /// As in `Arrival`.
    pub tag: Option<Bytes>,
    pub message: Message,
    /// What it belongs to: a transaction that the connection has.
    pub transaction: Option<TransactionId>,
}

/// The message that travels, which came at `wall_ms`: the fields of its header, and its sections behind header and delivery annotations.
#[inline]
pub(crate) fn message(arrival: &Arrival<'_>, body: Bytes, wall_ms: u64) -> Message {
    let terms = section::property_terms(arrival.properties);
    let expires_wall_ms = expiry(&arrival.header, terms, wall_ms);
    let (header, grouped) = (Header::of_arrival(&arrival.header), terms.grouped);
    Message { header, format: arrival.format, body, content: Content::Here, grouped, unique: false, expires_wall_ms }
}

/// The same of a small one that nobody keeps.
#[inline]
fn small<'a>(arrival: &Arrival<'a>, wall_ms: u64) -> Small<'a> {
    let expires_wall_ms = expiry(&arrival.header, section::property_terms(arrival.properties), wall_ms);
    let (header, format) = (Header::of_arrival(&arrival.header), arrival.format);
    Small { header, format, expires_wall_ms, front: arrival.front, body: arrival.kept }
}

/// From when on a message that came at `wall_ms` may be dropped: the time that its properties name, else when its time to live
/// (part 3.2.1) has passed.
#[inline]
#[must_use]
pub fn expiry(header: &section::Header, terms: section::Terms, wall_ms: u64) -> Option<NonZeroU64> {
    let ttl = || NonZeroU64::new(wall_ms + u64::from(header.ttl_ms?));
    terms.expires_ms.or_else(ttl)
}
