//! Messages on their way out: from their queue to the binding of their consumer's link.
//!
//! Guarantees: a message is shown where it lies; what a peer took its credit back for goes to others; the order of a link is kept, so
//! that nothing overtakes a message that is sent in parts.

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
            let settled = if key == KEY_NONE { Settled::Yes } else { Settled::No };
            link.seen.passed.note(settled);
            self.passage.to_peers.note(settled);
        }
        Some(gift)
    }
}

#[inline]
fn gift<'a>((place, link): (Slot, &mut Link), key: u64, message: &'a Message) -> Option<Gift<'a>> {
    let conn = link.conn?;
    let mut due = Due::Send;
    if let Kind::Consumer(taking) = &mut link.kind {
        due = match taking.handle_given(message.body.len() + GIVEN_OVERHEAD) {
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
    if due != Due::Back && (message.content == Content::File || link.stream.is_some()) {
        due = Due::Wait;
    }
    Some(Gift { conn, place, id: link.id, key, message, preface: None, due })
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
    /// What goes out before a message at `wall_ms`.
    #[inline]
    pub fn before(&mut self, message: &Message, preface: Option<&Preface>, wall_ms: u64) -> &[u8] {
        let is_known = self.known.is_some_and(|(header, _)| header == message.header);
        if message.expires_wall_ms.is_some() || !is_known {
            self.encode(message, wall_ms);
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
    fn encode(&mut self, message: &Message, wall_ms: u64) {
        encode_header(&mut self.octets, message, wall_ms);
        // What is left of a time to live is another one with each message.
        self.known = message.expires_wall_ms.is_none().then_some((message.header, self.octets.len()));
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
    section::Header {
        durable: message.header.durable,
        priority: message.header.priority,
        // What is left of it (part 3.2.1): a message lives no longer for having waited. More than a field holds is said by the
        // message's properties.
        ttl_ms: message.expires_wall_ms.and_then(|at| u32::try_from(at.get().saturating_sub(wall_ms)).ok()),
        first_acquirer: message.header.first_acquirer,
        delivery_count: message.header.delivery_count,
    }
    .encode(header);
}
