//! How messages enter, and what other routers are told with them: their address, and the routers that they went through.
//!
//! Guarantees: what users annotated is never touched. What came from a router goes to no one where it was before; clients see nothing of what
//! routers wrote.

use std::cell::OnceCell;
use std::sync::Arc;

use bytes::Bytes;
use engine_core::command::{Outcome, Settled};
use engine_core::event::{Event, Refusal};
use engine_core::key::LinkKey;
use engine_core::message::Message;
use engine_core::preface::Preface;
use engine_core::slab::Key as Place;
use engine_message::Condition;
use engine_message::section;
use engine_router::address::{Class, Here, Key, Mode, Phase};
use engine_router::annotations::{Annotations, rewrite};
use engine_router::forward::{Passage, Taken};
use engine_router::network::LinkId;
use engine_router::set::RouterIndex;
use engine_router::settlement::{DeliveryKey, Overrun, State};
use engine_router::stamp::{Source, Strip};
use engine_router::table::{Address, Table};

use crate::end::of_sender;
use crate::relaying::Only;
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
    /// What routers wrote into it, if that was read.
    pub said: Option<Said<'a>>,
    /// Octets of its annotations, if it is known that there is nothing of a user in them.
    pub bare: Option<usize>,
    /// What this router writes into messages of its sender, once it has.
    pub written: Option<&'a OnceCell<Preface>>,
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

impl<'a> Entry<'a> {
    /// That of a client's message without a link for its address.
    pub fn of_client(key: &'a Key, table: &'a Table, to: &'a str, extent: Extent) -> Self {
        let (address, passage, from) = (table.find(key), Passage::HERE, From::Client(to));
        Self { key, address, passage, from, said: None, bare: None, written: None, extent }
    }

    /// Whether it comes from a router, which may have written into it.
    pub fn is_from_router(&self) -> bool {
        matches!(self.from, From::Router | From::Edge(_))
    }
}

/// What routers wrote into a message.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    annotations: Annotations<'a>,
    /// Octets of the section, with which a message begins.
    octets: usize,
}

impl<'a> Said<'a> {
    /// Reads it; nothing if it is not well-formed.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let section = section::front_annotations(body);
        Some(Self { annotations: Annotations::read(section).ok()?, octets: section.len() })
    }

    /// A message as other routers are told it by the router `here`; nothing if it cannot go on.
    pub fn for_routers(&self, here: Here<'_>, body: &[u8], entry: &Entry<'_>, taken: &Taken) -> Option<Bytes> {
        let is_alike = self.octets == 0 || entry.bare.is_some();
        let Some(written) = entry.written.filter(|_| is_alike && *taken == Taken::Wanted) else {
            return Some(rewrite(body, 0..self.octets, &self.come(here, entry, taken)?).into());
        };
        // The router writes the same into all messages of a client that has written nothing itself, and into all that came with the same.
        let section = match written.get() {
            Some(section) => section,
            None => {
                let mut section = Vec::new();
                self.come(here, entry, taken)?.encode(&mut section);
                written.get_or_init(|| Preface::new(section))
            }
        };
        Some(section.join(body.get(self.octets..)?))
    }

    /// What other routers are told, with a message that comes to the router `here`; nothing if it cannot go on.
    fn come<'m>(&self, here: Here<'m>, entry: &Entry<'m>, taken: &'m Taken) -> Option<Annotations<'m>>
    where
        'a: 'm,
    {
        let mut annotations: Annotations<'m> = self.annotations;
        let (source, to) = match entry.from {
            From::Router => (Source::Router, None),
            From::Client(to) | From::Edge(to) => (Source::Client(Strip::Both), Some(to)),
        };
        match here.mode {
            Mode::Interior => annotations.come(here.id.as_str(), source).ok()?,
            Mode::Edge => annotations.come_to_edge(source),
        }
        if let Some(to) = to {
            annotations.to = Some(to);
            annotations.phase = entry.key.phase().unwrap_or(Phase::FIRST);
        }
        if let Taken::Fallback(key) = taken {
            annotations.phase = Phase::FALLBACK;
            annotations.to = Some(key.name());
        }
        Some(annotations)
    }

    /// A message of another router as clients are to see it.
    pub fn for_clients(self, body: &Bytes) -> Bytes {
        let Annotations { user, user_count, .. } = self.annotations;
        if user_count == 0 {
            return body.slice(self.octets..);
        }
        rewrite(body, 0..self.octets, &Annotations { user, user_count, ..Annotations::default() }).into()
    }
}

/// A message of another router, on a link between both or between interior and edge.
pub(crate) struct Coming {
    pub place: Place,
    pub link: LinkKey,
    /// The connection between interior and edge that it came over, if it did.
    pub edge: Option<LinkId>,
    pub delivery: u32,
    pub settled: Settled,
    pub message: Message,
    pub extent: Extent,
}

impl Router {
    /// Takes a message of another router; gives whether that had credit for it.
    pub(crate) fn handle_from_router(&mut self, coming: Coming) -> Result<Option<DeliveryKey>, Overrun> {
        let heard = self.heard.find_front(&coming.message.body, coming.edge);
        let Some(heard) = heard else { return self.read_from_router(coming) };
        let Coming { place, delivery, settled, mut message, extent, .. } = coming;
        if let Extent::Whole = extent {
            match self.pass_heard(of_sender(place), (delivery, settled), heard, message) {
                Ok(taken) => return Ok(taken),
                Err(back) => message = back,
            }
        }
        let (_, mut choosing) = self.choosing();
        let Some(known) = choosing.heard.at(heard) else { unreachable!("it was found") };
        let (key, address, passage) = (&known.key, known.address.as_ref(), known.passage);
        let (from, bare, written) = (From::Router, Some(known.octets()), Some(&known.written));
        let entry = Entry { key, address, passage, from, said: None, bare, written, extent };
        let passing = choosing.prepare(&entry, message);
        self.take(of_sender(place), delivery, settled, passing)
    }

    /// The same of one whose like was not heard before.
    #[cold]
    fn read_from_router(&mut self, coming: Coming) -> Result<Option<DeliveryKey>, Overrun> {
        let Coming { place, link, edge, delivery, settled, message, extent } = coming;
        // What routers wrote is looked at while the message goes on.
        let came = message.body.clone();
        let (_, mut choosing) = self.choosing();
        let read = read(&came, extent).and_then(|(said, to)| Some((said, choosing.find(to, said.annotations.phase)?)));
        let Some((said, (key, address))) = read else {
            // It says nothing that messages can be routed by: nobody has it.
            return self.take_nowhere(of_sender(place), delivery, settled, message);
        };
        if key.class() == Class::Local && key.name() == MANAGEMENT {
            self.take_request(link, (delivery, settled), message, extent);
            return Ok(None);
        }
        let mut passage = Passage { edge, ..Passage::of(&said.annotations, choosing.table.routes()) };
        if edge.is_some() && said.annotations.ingress.is_none() {
            // Edges leave it to the interior to say where a message entered: here.
            passage.origin = Some(RouterIndex::SELF);
        }
        let (from, written) = (From::Router, None);
        let entry = Entry { key: &key, address, passage, from, said: Some(said), bare: None, written, extent };
        let passing = choosing.prepare(&entry, message);
        if said.annotations.user_count == 0 && said.annotations.to.is_some() {
            let section = came.get(..said.octets).unwrap_or_default();
            let (key, address) = (key.into_owned(), address.cloned());
            let (routes, known) = (self.table.routes(), (self.own.shard, &self.consumers));
            let only = address.as_deref().and_then(|address| Only::of((&key, address), (routes, &passage), known));
            self.heard.note((section, edge), (key, address, passage), only);
        }
        self.take(of_sender(place), delivery, settled, passing)
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
}

/// What routers wrote into a message, and the address that it is for.
fn read(body: &[u8], extent: Extent) -> Option<(Said<'_>, &str)> {
    let said = Said::read(body)?;
    if let Some(to) = said.annotations.to {
        return Some((said, to));
    }
    let sections = match extent {
        Extent::Whole => section::scan(body).ok()?,
        Extent::Begins(_) => section::scan_front(body).ok()?,
    };
    let to = section::property_to(body.get(sections.properties)?).ok().flatten()?;
    Some((said, to))
}
