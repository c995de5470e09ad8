//! Messages on their way out: from their queue to the binding of their consumer's link.
//!
//! Guarantees: a message is shown where it lies; what a peer took its credit back for goes to others; the order of a link is kept, so
//! that nothing overtakes a message that is sent in parts.

use std::num::NonZeroU64;

use engine_core::command::Settled;
use engine_core::event::{Event, KEY_NONE, Shown};
use engine_core::key::LinkKey;
use engine_core::message::{Content, Header, Message};
use engine_core::preface::Preface;
use engine_message::section;
use engine_shard::ROUTED;

use crate::home::Home;
use crate::limits::GIVEN_OVERHEAD;
use crate::link::{Kind, Link, LocalId};
use crate::passed::Passage;
use crate::slots::{Slot, peer_place};
use crate::taking::Standing;

/// A message for a consumer's peer.
#[derive(Debug)]
pub struct Gift<'a> {
    /// The connection.
    pub conn: Slot,
    /// The link.
    pub place: Slot,
    /// What its binding calls it.
    pub id: LocalId,
    /// The delivery's key; `KEY_NONE` if nobody settles it.
    pub key: u64,
    /// The message, where it lies.
    pub message: &'a Message,
    /// What goes out before its sections.
    pub preface: Option<&'a Preface>,
    /// What is to be done with it.
    pub due: Due,
}

/// A small message of the router's for a consumer's peer, without the message.
#[derive(Clone, Copy, Debug)]
pub struct SmallGift {
    /// As in `Gift`.
    pub conn: Slot,
    /// As in `Gift`.
    pub place: Slot,
    /// As in `Gift`.
    pub id: LocalId,
    /// As in `Gift`.
    pub key: u64,
    /// As in `Gift`.
    pub due: Due,
}

impl SmallGift {
    /// The same with the message.
    #[must_use]
    pub fn with<'a>(self, message: &'a Message, preface: Option<&'a Preface>) -> Gift<'a> {
        let Self { conn, place, id, key, due } = self;
        Gift { conn, place, id, key, message, preface, due }
    }
}

/// What is to be done with a message, and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is sent.
    Send,
    /// It is sent, then credit is passed on: the owner has too little.
    SendAndCredit,
    /// It waits, to be sent in parts or behind one that is.
    Wait,
    /// The peer took its credit back while it was on its way: it is given back.
    Back,
}

impl Home {
    /// The next event for a link of this shard, but for the router's.
    #[inline]
    pub fn poll_event(&mut self) -> Option<(LinkKey, Event)> {
        loop {
            match self.engine.poll_event()? {
                (link, Event::Moved(moved)) => self.attach_again(link, *moved),
                told => return Some(told),
            }
        }
    }

    /// Takes what of the router's events is for no link; gives back any other one.
    pub fn take_own(&mut self, link: LinkKey, event: Event) -> Option<Event> {
        match self.engine.take_own(link, event)? {
            Event::Moved(moved) => {
                self.attach_again(link, *moved);
                None
            }
            event => Some(event),
        }
    }

    /// The next message for a consumer's link of this shard. There may be new events when there is none.
    #[inline]
    pub fn poll_delivery(&mut self) -> Option<(LinkKey, Shown)> {
        self.engine.poll_delivery()
    }

    /// Gives the message that was polled last; `None` if its link is gone.
    #[inline]
    pub fn give(&mut self, link: LinkKey, delivery: &Shown) -> Option<Gift<'_>> {
        let place = peer_place(link);
        gift((place, self.links.get_mut(place)?), delivery.key, self.engine.message(delivery))
    }

    /// Gives a message that another shard sent, or the router. What that sends is counted here; what queues give they count themselves.
    #[inline]
    pub fn give_sent<'a>(
        &mut self,
        link: LinkKey,
        key: u64,
        message: &'a Message,
        preface: Option<&'a Preface>,
    ) -> Option<Gift<'a>> {
        let place = peer_place(link);
        let link = self.links.get_mut(place)?;
        let gift = Gift { preface, ..gift((place, link), key, message)? };
        if link.owner == ROUTED && gift.due != Due::Back {
            note_sent(link, &mut self.passage, key);
        }
        Some(gift)
    }

    /// Gives a small message of the router's, which has so many octets.
    #[inline]
    pub fn give_small(&mut self, link: LinkKey, key: u64, octets: usize) -> Option<SmallGift> {
        let place = peer_place(link);
        let link = self.links.get_mut(place)?;
        let conn = link.conn?;
        let due = due(link, key, (octets, Content::Here));
        if due != Due::Back {
            note_sent(link, &mut self.passage, key);
        }
        Some(SmallGift { conn, place, id: link.id, key, due })
    }
}

/// The router sent a message on a link.
#[inline]
fn note_sent(link: &mut Link, passage: &mut Passage, key: u64) {
    let settled = if key == KEY_NONE { Settled::Yes } else { Settled::No };
    link.seen.passed.note(settled);
    passage.to_peers.note(settled);
}

#[inline]
fn gift<'a>((place, link): (Slot, &mut Link), key: u64, message: &'a Message) -> Option<Gift<'a>> {
    let conn = link.conn?;
    let due = due(link, key, (message.body.len(), message.content));
    Some(Gift { conn, place, id: link.id, key, message, preface: None, due })
}

/// What is to be done with a message of so many octets that came for a link.
#[inline]
fn due(link: &mut Link, key: u64, (octets, content): (usize, Content)) -> Due {
    let mut due = Due::Send;
    if let Kind::Consumer(taking) = &mut link.kind {
        due = match taking.handle_given(octets + GIVEN_OVERHEAD) {
            Standing::Within => Due::Send,
            Standing::Last => Due::SendAndCredit,
            // Nobody keeps what has no key, and nobody else is to have what is sent again: it waits here for the link's next credit.
            Standing::Beyond
                if key == KEY_NONE || link.stream.as_deref().is_some_and(|stream| stream.sends_again(key)) =>
            {
                Due::Send
            }
            Standing::Beyond => Due::Back,
        };
    }
    if due != Due::Back && (content == Content::File || link.stream.is_some()) {
        due = Due::Wait;
    }
    due
}

/// What goes out before messages: their header sections, and what a router puts there. One message's header is mostly the next one's, too:
/// it is encoded once then.
#[derive(Debug, Default)]
pub struct Prefix {
    octets: Vec<u8>,
    /// Whose header section is in front, and how long that is.
    known: Option<(Header, usize)>,
    /// What is behind it.
    preface: Option<Preface>,
}

impl Prefix {
    /// What goes out before a message with this header, which may be dropped from `expires` on, at `wall_ms`.
    #[inline]
    pub fn before(
        &mut self,
        (header, expires): (&Header, Option<NonZeroU64>),
        preface: Option<&Preface>,
        wall_ms: u64,
    ) -> &[u8] {
        let is_known = self.known.is_some_and(|(known, _)| known == *header);
        if expires.is_some() || !is_known {
            self.encode((header, expires), wall_ms);
        }
        let is_there = match (&self.preface, preface) {
            (None, None) => true,
            (Some(there), Some(preface)) => there.is(preface),
            _ => false,
        };
        if !is_there {
            self.put(preface);
        }
        &self.octets
    }

    #[inline(never)]
    fn encode(&mut self, (header, expires): (&Header, Option<NonZeroU64>), wall_ms: u64) {
        self.octets.clear();
        section_of(header, expires, wall_ms).encode(&mut self.octets);
        // What is left of a time to live is another one with each message.
        self.known = expires.is_none().then_some((*header, self.octets.len()));
        self.preface = None;
    }

    /// Puts this behind the header section.
    #[inline(never)]
    fn put(&mut self, preface: Option<&Preface>) {
        if let Some((_, header)) = self.known {
            self.octets.truncate(header);
        }
        self.octets.extend_from_slice(preface.map(Preface::octets).unwrap_or_default());
        self.preface = preface.cloned();
    }
}

/// Encodes a message's header section as it is at `wall_ms`.
#[inline]
pub fn encode_header(header: &mut Vec<u8>, message: &Message, wall_ms: u64) {
    header.clear();
    section_of(&message.header, message.expires_wall_ms, wall_ms).encode(header);
}

/// The header section of a message that may be dropped from `expires` on, as it is at `wall_ms`.
#[inline]
fn section_of(header: &Header, expires: Option<NonZeroU64>, wall_ms: u64) -> section::Header {
    section::Header {
        durable: header.durable,
        priority: header.priority,
        // What is left of it (part 3.2.1): a message lives no longer for having waited. More than a field holds is said by the
        // message's properties.
        ttl_ms: expires.and_then(|at| u32::try_from(at.get().saturating_sub(wall_ms)).ok()),
        first_acquirer: header.first_acquirer,
        delivery_count: header.delivery_count,
    }
}
