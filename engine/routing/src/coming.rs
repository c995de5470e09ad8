//! Messages of other routers: read, or known by what they begin with.
//!
//! Guarantee: a message that says nothing it can be routed by is nobody's, and its sender is told so.

use bytes::Buf;
use engine_core::command::{Outcome, Settled};
use engine_core::event::{Event, Refusal};
use engine_core::key::LinkKey;
use engine_core::message::Message;
use engine_core::slab::Key as Place;
use engine_message::Condition;
use engine_message::section;
use engine_router::address::Class;
use engine_router::forward::Passage;
use engine_router::network::LinkId;
use engine_router::set::RouterIndex;
use engine_router::settlement::{DeliveryKey, Overrun, State};

use crate::end::of_sender;
use crate::entry::{Entry, From, MANAGEMENT, Said};
use crate::router::Router;
use crate::states::state;
use crate::streams::Extent;
use crate::ways::Only;

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
        if let Extent::Whole = extent
            && let Some((octets, Only::Consumer(way))) =
                self.heard.at(heard).and_then(|it| Some((it.octets(), it.only?)))
        {
            message.body.advance(octets);
            return self.take_for(of_sender(place), (delivery, settled), way.link, way.passing(message, extent));
        }
        let (_, mut choosing) = self.choosing();
        let Some(known) = choosing.heard.at(heard) else { unreachable!("it was found") };
        let (key, address, passage) = (&known.key, known.address.as_ref(), known.passage);
        let (from, bare, written) = (From::Router, Some(known.octets()), Some(&known.outward));
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
        self.out.told.push((link, Event::Credit { credit: 1 }));
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
        self.out.told.push((link, Event::Request { message }));
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
