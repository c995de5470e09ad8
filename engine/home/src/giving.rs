//! Messages on their way out: from their queue to the binding of their consumer's link.
//!
//! Guarantees: a message is shown where it lies; what a peer took its credit back for goes to others; the order of a link is kept, so
//! that nothing overtakes a message that is sent in parts.

use engine_core::command::Settled;
use engine_core::event::{Event, KEY_NONE, Shown};
use engine_core::key::LinkKey;
use engine_core::message::{Content, Message};
use engine_core::preface::Preface;
use engine_message::section;

use engine_shard::ROUTED;

use crate::home::Home;
use crate::limits::GIVEN_OVERHEAD;
use crate::link::{Kind, Link, LocalId};
use crate::slots::{Slot, Slots, peer_place};
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
    /// The next event for a link of this shard.
    #[inline]
    pub fn poll_event(&mut self) -> Option<(LinkKey, Event)> {
        loop {
            match self.engine.poll_event()? {
                (link, Event::Moved(moved)) => self.attach_again(link, *moved),
                told => return Some(told),
            }
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
        gift(&mut self.links, link, delivery.key, self.engine.message(delivery))
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
        let gift = Gift { preface, ..gift(&mut self.links, link, key, message)? };
        if let Some(link) = self.links.get_mut(gift.place).filter(|link| link.owner == ROUTED)
            && gift.due != Due::Back
        {
            let settled = if key == KEY_NONE { Settled::Yes } else { Settled::No };
            link.seen.passed.note(settled);
            self.passage.to_peers.note(settled);
        }
        Some(gift)
    }
}

#[inline]
fn gift<'a>(links: &mut Slots<Link>, link: LinkKey, key: u64, message: &'a Message) -> Option<Gift<'a>> {
    let place = peer_place(link);
    let link = links.get_mut(place)?;
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
