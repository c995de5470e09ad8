//! Links of one address that come: of clients, of containers, and between interior and edge.
//!
//! Guarantees: a sender has credit if somebody can be reached, and none otherwise. A receiver's attach is answered when all shards know of
//! it (`Router::handle_answer`), but for links of an edge to the interior, which count when that says so (`tracking`).

use engine_core::command::{ConsumerSpec, ProducerSpec, RoutingType, Settle, Stage};
use engine_core::event::{Event, Refusal};
use engine_core::key::LinkKey;
use engine_core::slab::Key as Place;
use engine_core::through::Half;
use engine_message::Condition;
use engine_router::address::{Class, Key, Mode, Phase};
use engine_router::forward::{Passage, only};
use engine_router::settlement::{InKind, OutKind};
use engine_router::table::{self, Consumer, ConsumerId};
use engine_router::uplink::Way;

use crate::choosing::consumer_of;
use crate::edge::Need;
use crate::end::{End, Receiver, Sender, end_key, of_receiver, of_sender};
use crate::limits::ENDS_MAX;
use crate::outward::Outward;
use crate::registry::Note;
use crate::router::{Router, info, too_many};
use crate::ways::Only;

/// Where links of an address meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// On the shard of its only consumer, or of the connection to the only router that has some.
    At(u16),
    /// Nobody receives there: where the name of its key says, however clients write it, whoever comes first.
    ByName(Key),
}

impl Router {
    pub(crate) fn attach_sender(&mut self, link: LinkKey, spec: &ProducerSpec) {
        let between = spec.passage.between;
        let stage = if between.is_some() { stage_from_edge(spec.passage.stage) } else { spec.passage.stage };
        let found = self.key_and_routing(&spec.address, table::End::Sender, stage);
        let ((key, routing), edge) = match found.and_then(|found| Ok((found, self.edge_of(between)?))) {
            Ok(found) => found,
            Err(refusal) => return self.out.told.push((link, Event::Refused { refusal })),
        };
        let edge = between.zip(edge).map(|(between, edge)| (between.connection, edge));
        let sender = Sender {
            link,
            to: spec.address.as_str().into(),
            key: key.clone(),
            at: 0,
            address: None,
            only: None,
            edge,
            outward: Outward::default(),
            is_reached: false,
            is_told: false,
            is_noted: false,
        };
        let Ok(place) = self.ends.insert_within(End::Sender(sender), ENDS_MAX) else {
            return self.out.told.push((link, Event::Refused { refusal: too_many() }));
        };
        if let Some(End::Sender(sender)) = self.ends.get_mut(place) {
            sender.at = self.senders.add(sender.key.name(), place);
        }
        let capacity = spec.passage.capacity.unwrap_or(self.own.capacity);
        self.settlement.handle_in(of_sender(place), InKind::Endpoint, capacity);
        let info = info(spec.address.clone(), routing);
        self.out.told.push((link, Event::Attached { end: end_key(place), info }));
        if edge.is_none() {
            self.need(Way::Up, &key, Need::More);
        }
        self.look(place);
    }

    /// Where a client's link of an address meets the others of that, so that messages cross no lane; `None` if they are on several shards.
    #[must_use]
    pub fn meeting(&self, address: &str, half: Half) -> Option<Meeting> {
        let end = match half {
            Half::Sender => table::End::Sender,
            Half::Receiver => table::End::Receiver,
        };
        let key = self.key(address, end, None).ok().filter(|key| key.class() == Class::Mobile)?;
        let known = self.table.find(&key).filter(|known| !known.local.is_empty() || !known.routers.is_empty());
        match (known, half) {
            (None, _) => Some(Meeting::ByName(key)),
            (Some(_), Half::Receiver) => None,
            (Some(known), Half::Sender) => {
                let target = only(known, self.table.routes(), &Passage::HERE)??;
                // Links of all priorities are on one connection.
                Some(Meeting::At(consumer_of(target, 0).shard()))
            }
        }
    }

    pub(crate) fn attach_receiver(&mut self, link: LinkKey, spec: ConsumerSpec) {
        let found = self.key_and_routing(&spec.address, table::End::Receiver, spec.passage.stage);
        let found = found.and_then(|(key, routing)| match key.class() {
            Class::Mobile | Class::Local | Class::Topological if Some(&key) != self.own.up.as_ref() => {
                Ok((key, routing))
            }
            _ => {
                let text = format!("{} names a router: nobody receives from there", spec.address);
                Err(Refusal::new(Condition::NotAllowed, text))
            }
        });
        let between = spec.passage.between;
        let ((key, routing), edge) = match found.and_then(|found| Ok((found, self.edge_of(between)?))) {
            Ok(found) => found,
            Err(refusal) => return self.out.told.push((link, Event::Refused { refusal })),
        };
        if let (Some(between), Mode::Edge) = (between, self.own.mode) {
            return self.attach_proxy(link, spec, (key, routing), between);
        }
        let id = ConsumerId::at(self.own.shard, self.numbered);
        let connection = between.map(|between| between.connection);
        if let Err(refusal) = self.insert_receiver(link, &spec, (key.clone(), routing), (id, connection)) {
            return self.out.told.push((link, Event::Refused { refusal }));
        }
        self.need(Way::Down, &key, Need::More);
        let capacity = spec.passage.capacity.unwrap_or(self.own.capacity);
        let place = edge.map_or(table::Place::Client, |edge| self.beyond(edge));
        self.out.notes.push_back(Note::Came { key, consumer: Consumer { id, place, capacity } });
    }

    /// Looks up the address of a sender, which has credit if somebody can be reached, and none otherwise.
    pub(crate) fn look(&mut self, place: Place) {
        let Some(End::Sender(sender)) = self.ends.get_mut(place) else { return };
        sender.address = self.table.find(&sender.key).cloned();
        sender.outward.forget();
        // Messages from the edge do not go back there.
        let address = sender.address.as_deref().filter(|_| sender.edge.is_none());
        let (routes, known) = (self.table.routes(), (self.own.shard, &self.consumers));
        sender.only = address.and_then(|address| Only::of((&sender.key, address), (routes, &Passage::HERE), known));
        let link = of_sender(place);
        let is_reached = self.table.is_reached_from(&sender.key, sender.edge.map(|(_, edge)| edge));
        match is_reached {
            true => self.settlement.handle_reached(link),
            false => self.settlement.handle_unreached(link),
        }
        let Some((connection, _)) = sender.edge else { return };
        sender.is_reached = is_reached;
        let is_untold = is_reached != sender.is_told && sender.key.class() == Class::Mobile;
        if self.own.mode == Mode::Interior && is_untold && !std::mem::replace(&mut sender.is_noted, true) {
            self.note_tracked(connection, place);
        }
    }

    /// Puts a receiver's link in.
    pub(crate) fn insert_receiver(
        &mut self,
        link: LinkKey,
        spec: &ConsumerSpec,
        (key, routing): (Key, RoutingType),
        (consumer, connection): (ConsumerId, Option<u64>),
    ) -> Result<Place, Box<Refusal>> {
        let capacity = spec.passage.capacity.unwrap_or(self.own.capacity);
        let receiver = Receiver {
            link,
            key: Some(key),
            consumer,
            address: spec.address.clone(),
            routing,
            held: Vec::new(),
            capacity,
            connection,
            is_listed: true,
        };
        let place = self.ends.insert_within(End::Receiver(receiver), ENDS_MAX).map_err(|_| too_many())?;
        self.numbered += 1;
        self.consumers.insert(consumer, place);
        self.settlement.handle_out(of_receiver(place), kind(spec.settle), capacity);
        Ok(place)
    }
}

/// How a receiver settles.
fn kind(settle: Settle) -> OutKind {
    match settle {
        Settle::OnSend => OutKind::Settled,
        Settle::ByPeer => OutKind::Deciding,
    }
}

/// The stage of a sender of an edge: one that is for fallback consumers gives to those.
pub(crate) fn stage_from_edge(stage: Option<Stage>) -> Option<Stage> {
    stage.map(|stage| if stage == Stage::Fallback { Stage::Phase(Phase::FALLBACK.annotation()) } else { stage })
}
