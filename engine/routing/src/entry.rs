//! How messages enter, and what other routers are told with them: their address, and the routers that they went through.
//!
//! Guarantees: what users annotated is never touched. What came from a router goes to no one where it was before; clients see nothing of what
//! routers wrote.

use std::sync::Arc;

use engine_core::command::{Outcome, Settled};
use engine_core::event::{Event, Refusal};
use engine_core::key::LinkKey;
use engine_core::message::Message;
use engine_core::slab::Key as Place;
use engine_message::Condition;
use engine_message::section::{self, Sections};
use engine_router::address::{Class, Here, Key, Mode, Phase, resolve};
use engine_router::annotations::{Annotations, rewrite};
use engine_router::forward::{Passage, Taken};
use engine_router::network::LinkId;
use engine_router::set::RouterIndex;
use engine_router::settlement::{DeliveryKey, Overrun, State};
use engine_router::stamp::{Source, Strip};
use engine_router::table::Address;

use crate::end::of_sender;
use crate::router::Router;
use crate::states::state;
use crate::streams::Extent;

/// The name that requests to whoever manages a router are for.
pub(crate) const MANAGEMENT: &str = "$management";

/// What a message is for, and how it came.
pub(crate) struct Entry<'a> {
    pub key: &'a Key,
    /// The address, as the table has it.
    pub address: Option<&'a Arc<Address>>,
    pub passage: Passage,
    pub from: From<'a>,
    pub extent: Extent,
}

/// Who a message is from.
#[derive(Clone, Copy)]
pub(crate) enum From<'a> {
    /// A client, who named this address.
    Client(&'a str),
    /// Another router, which said for which address it is.
    Router,
    /// A link for this address, between interior and edge.
    Edge(&'a str),
}

impl Router {
    /// Takes a message of another router; gives whether that had credit for it.
    pub(crate) fn handle_from_router(
        &mut self,
        (place, link): (Place, LinkKey),
        edge: Option<LinkId>,
        (delivery, settled): (u32, Settled),
        (message, extent): (Message, Extent),
    ) -> Result<Option<DeliveryKey>, Overrun> {
        let Some((key, passage)) = self.read_entry(&message, edge, extent) else {
            // It says nothing that messages can be routed by: nobody has it.
            return self.take_nowhere(of_sender(place), delivery, settled, message);
        };
        if key.class() == Class::Local && key.name() == MANAGEMENT {
            self.take_request(link, (delivery, settled), message, extent);
            return Ok(None);
        }
        let address = self.table.find(&key).cloned();
        let entry = Entry { key: &key, address: address.as_ref(), passage, from: From::Router, extent };
        self.pass(of_sender(place), delivery, settled, &entry, message)
    }

    /// Takes a message for whoever manages the node. It is accepted when it is there, as any request is.
    fn take_request(&mut self, link: LinkKey, (delivery, settled): (u32, Settled), message: Message, extent: Extent) {
        self.out.events.push_back((link, Event::Credit { credit: 1 }));
        if let Extent::Begins(_) = extent {
            // No request is as large: the rest of it is left out.
            return match settled {
                Settled::Yes => self.settlement.note_dropped(),
                Settled::No => {
                    let refusal = Refusal::new(Condition::MessageSizeExceeded, "no request to management is as large");
                    let rejected = Outcome::Rejected(Some(refusal));
                    self.settlement.note_told(&state(rejected.clone()));
                    self.tell_settled(link, delivery, rejected);
                }
            };
        }
        if settled == Settled::No {
            self.settlement.note_told(&State::Accepted);
            self.tell_settled(link, delivery, Outcome::Accepted);
        }
        self.out.events.push_back((link, Event::Request { message }));
    }

    /// What a router's message is for, and how it came.
    fn read_entry(&self, message: &Message, edge: Option<LinkId>, extent: Extent) -> Option<(Key, Passage)> {
        let sections = sections(message, extent)?;
        let annotations = Annotations::read(message.body.get(sections.message_annotations)?).ok()?;
        let properties = message.body.get(sections.properties)?;
        let to = annotations.to.or_else(|| section::property_to(properties).ok().flatten())?;
        let here = Here { id: &self.own.id, mode: self.own.mode };
        let key = resolve(to, annotations.phase, here)?;
        let mut passage = Passage { edge, ..Passage::of(&annotations, self.table.routes()) };
        if edge.is_some() && annotations.ingress.is_none() {
            // Edges leave it to the interior to say where a message entered: here.
            passage.origin = Some(RouterIndex::SELF);
        }
        Some((key, passage))
    }
}

/// A message as other routers are told it by the router `here`; nothing if it cannot go on.
pub(crate) fn for_routers(here: Here<'_>, message: &Message, entry: &Entry<'_>, taken: &Taken) -> Option<Box<Message>> {
    let sections = sections(message, entry.extent)?;
    let mut annotations = Annotations::read(message.body.get(sections.message_annotations.clone())?).ok()?;
    let (source, to) = match entry.from {
        From::Router => (Source::Router, None),
        From::Client(to) | From::Edge(to) => (Source::Client(Strip::Both), Some(to)),
    };
    match here.mode {
        Mode::Interior => annotations.come(here.id.as_str(), source).ok()?,
        Mode::Edge => annotations.come_to_edge(source),
    }
    match to {
        None => {}
        Some(to) => {
            annotations.to = Some(to);
            annotations.phase = entry.key.phase().unwrap_or(Phase::FIRST);
        }
    }
    if let Taken::Fallback(key) = taken {
        annotations.phase = Phase::FALLBACK;
        annotations.to = Some(key.name());
    }
    Some(with(message, rewrite(&message.body, &sections, &annotations)))
}

/// A message of another router as clients are to see it; nothing if it is that as it is.
pub(crate) fn for_clients(message: &Message, extent: Extent) -> Option<Message> {
    let sections = sections(message, extent)?;
    if sections.message_annotations.is_empty() {
        return None;
    }
    let annotations = Annotations::read(message.body.get(sections.message_annotations.clone())?).ok()?;
    let bare = Annotations { user: annotations.user, user_count: annotations.user_count, ..Annotations::default() };
    Some(*with(message, rewrite(&message.body, &sections, &bare)))
}

/// Where the sections of a message are, as far as it is there.
fn sections(message: &Message, extent: Extent) -> Option<Sections> {
    match extent {
        Extent::Whole => section::scan(&message.body).ok(),
        Extent::Begins(_) => section::scan_front(&message.body).ok(),
    }
}

fn with(message: &Message, body: Vec<u8>) -> Box<Message> {
    Box::new(Message { body: body.into(), ..message.clone() })
}
