//! Connections between a router of the interior and one at the edge, at either end.
//!
//! Guarantees:
//! 1. To the interior an edge's receivers and senders are what a client's are, but that nothing goes back where it came from. What names
//!    the edge itself goes over the one link that it has for that.
//! 2. The interior says of each address that the edge sends to whether somebody else receives from it, once when that changes. At the
//!    edge the link to such an address counts as a receiver for so long, and not otherwise.
//! 3. An edge that is silent, asks without end, or has a second link where there is one, loses its connection.
//!
//! Not here: which links an edge has (`engine_router::uplink`), and what is in the messages (`edge_messages`).

use engine_core::command::{Between, Carries, ConsumerSpec, Outcome, ProducerSpec, RoutingType, Settled};
use engine_core::event::{Event, Refusal};
use engine_core::key::LinkKey;
use engine_core::message::Message;
use engine_core::slab::Key as Place;
use engine_message::Condition;
use engine_router::address::{Class, Key, Mode};
use engine_router::network::LinkId;
use engine_router::settlement::{InKind, State};
use engine_router::table::{self, Consumer, ConsumerId};

use crate::edge::{EdgeEnd, EdgeKind, Heartbeat, Tracking, UP, anonymous};
use crate::edge_messages::{lookup, read_tracked};
use crate::end::{End, end_key, lane_in, of_sender};
use crate::entry::Entry;
use crate::limits::{EDGE_CREDIT, EDGES_MAX, ENDS_MAX, HEARTBEAT_CREDIT, LOOKUPS_MAX};
use crate::registry::Note;
use crate::router::{Router, info, too_many};
use crate::streams::Extent;

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

impl Router {
    /// A connection of this router, which is at the edge, to the interior is open.
    pub fn handle_interior_opened(&mut self, connection: u64) {
        if let Some(edge) = self.edges.get(self.own.shard, connection) {
            let link = edge.link;
            self.out.notes.push_back(Note::InteriorOpened { link });
        }
        self.edges.due_ns = Some(0);
    }

    /// A connection is gone, whatever it was.
    pub fn handle_connection_gone(&mut self, connection: u64) {
        self.out.notes.extend(self.containers.go(connection));
        if let Some(link) = self.edges.remove(connection)
            && self.own.mode == Mode::Edge
        {
            self.out.notes.push_back(Note::InteriorLost { link });
        }
    }

    /// The connection of this shard that is called so.
    #[must_use]
    pub fn edge_connection(&self, link: LinkId) -> Option<u64> {
        self.edges.by_link.get(&link).copied()
    }

    /// Whether a connection to the interior stands by for another one.
    #[must_use]
    pub fn stands_by(&self, connection: u64) -> bool {
        let edge = self.edges.by_connection.get(&connection).filter(|_| self.own.mode == Mode::Edge);
        edge.is_some_and(|edge| edge.anonymous.is_none())
    }

    /// A link for an address to the interior is not there, or no more.
    pub fn handle_proxy_down(&mut self, connection: u64, number: u32, why: String) {
        if let Some(edge) = self.edges.by_connection.get(&connection) {
            self.out.notes.push_back(Note::ProxyDown { link: edge.link, number, why });
        }
    }

    /// What the connection of a link is called, if it is one between interior and edge.
    ///
    /// # Errors
    /// When there are as many as there may be.
    pub(crate) fn edge_of(&mut self, between: Option<Between>) -> Result<Option<LinkId>, Box<Refusal>> {
        let Some(Between { connection, .. }) = between else { return Ok(None) };
        let full = || {
            let text = format!("this shard has connections to {EDGES_MAX} routers at the edge, which is its limit");
            Refusal::new(Condition::ResourceLimitExceeded, text)
        };
        self.edges.get(self.own.shard, connection).map(|edge| Some(edge.link)).ok_or_else(full)
    }

    /// The other router sends on a link that is not for one address.
    pub(crate) fn attach_edge_from(&mut self, link: LinkKey, spec: &ProducerSpec, between: Between) {
        let kind = match (between.carries, self.own.mode) {
            (Carries::Anonymous, _) => EdgeKind::Messages,
            (Carries::Tracking, _) => EdgeKind::TrackingIn,
            (Carries::Lookup, _) => EdgeKind::Lookup,
            _ => EdgeKind::HeartbeatIn,
        };
        let place = match self.insert_edge_end(link, between, kind) {
            Ok(place) => place,
            Err(refusal) => return self.out.told.push((link, Event::Refused { refusal })),
        };
        let attached = Event::Attached { end: end_key(place), info: info(spec.address.clone(), RoutingType::Anycast) };
        self.out.told.push((link, attached));
        let credit = match kind {
            EdgeKind::Messages => {
                let capacity = spec.passage.capacity.unwrap_or(self.own.capacity);
                self.settlement.handle_in(of_sender(place), InKind::Router, capacity);
                return self.settlement.handle_reached(of_sender(place));
            }
            EdgeKind::HeartbeatIn => HEARTBEAT_CREDIT,
            _ => EDGE_CREDIT,
        };
        self.out.told.push((link, Event::Credit { credit }));
    }

    /// The other router receives on a link that is not for one address.
    pub(crate) fn attach_edge_to(&mut self, link: LinkKey, spec: ConsumerSpec, between: Between) {
        if between.carries == Carries::Anonymous {
            return self.attach_anonymous(link, spec, between);
        }
        let kind = match between.carries {
            Carries::Tracking => EdgeKind::TrackingOut,
            _ => EdgeKind::HeartbeatOut,
        };
        match self.insert_edge_end(link, between, kind) {
            Ok(place) => {
                let info = info(spec.address, RoutingType::Anycast);
                self.out.told.push((link, Event::Attached { end: end_key(place), info }));
            }
            Err(refusal) => self.out.told.push((link, Event::Refused { refusal })),
        }
    }

    fn insert_edge_end(&mut self, link: LinkKey, between: Between, kind: EdgeKind) -> Result<Place, Box<Refusal>> {
        let Some(edge) = self.edge_of(Some(between))? else { return Err(too_many()) };
        let connection = between.connection;
        if self.has_one(connection, kind) {
            let text = "a connection of a router at the edge has one link of each kind";
            return Err(Refusal::new(Condition::NotAllowed, text));
        }
        let end = End::Edge(EdgeEnd { link, connection, edge, kind });
        let place = self.ends.insert_within(end, ENDS_MAX).map_err(|_| too_many())?;
        self.edges.ends += 1;
        let at_ns = self.edges.now_ns;
        let Some(known) = self.edges.by_connection.get_mut(&connection) else { return Ok(place) };
        match kind {
            EdgeKind::TrackingOut => known.tracking = Some(Tracking { link, place, credit: 0 }),
            EdgeKind::HeartbeatIn | EdgeKind::HeartbeatOut => {
                known.heartbeat = Some(Heartbeat { link, place, at_ns, credit: 0, said: 0 });
                self.edges.due_ns = Some(0);
            }
            EdgeKind::Messages | EdgeKind::TrackingIn | EdgeKind::Lookup => {}
        }
        Ok(place)
    }

    /// Whether a connection has a link of a kind of which there is one.
    fn has_one(&self, connection: u64, kind: EdgeKind) -> bool {
        let Some(edge) = self.edges.by_connection.get(&connection) else { return false };
        match kind {
            EdgeKind::TrackingOut => edge.tracking.is_some(),
            EdgeKind::HeartbeatIn | EdgeKind::HeartbeatOut => edge.heartbeat.is_some(),
            EdgeKind::Messages | EdgeKind::TrackingIn | EdgeKind::Lookup => false,
        }
    }

    /// A link that messages go out over which each say their address: down to an edge, or up to the interior.
    fn attach_anonymous(&mut self, link: LinkKey, spec: ConsumerSpec, between: Between) {
        let key = match self.own.mode {
            Mode::Interior => Key::of_class(Class::Edge, &spec.address),
            Mode::Edge => Key::of_class(Class::Local, UP),
        };
        let edge = match self.edge_of(Some(between)) {
            Ok(edge) => edge,
            Err(refusal) => return self.out.told.push((link, Event::Refused { refusal })),
        };
        let (Some(key), Some(edge)) = (key, edge) else {
            let text = format!("{:?} is no name of a router", spec.address);
            let refusal = Refusal::new(Condition::InvalidField, text);
            return self.out.told.push((link, Event::Refused { refusal }));
        };
        let known = self.edges.by_connection.get(&between.connection).and_then(|edge| edge.anonymous);
        if let Some(End::Receiver(receiver)) = known.and_then(|place| self.ends.get(place)) {
            // Its connection ends by its first one.
            let text = "a router at the edge has one link for messages that are for itself";
            let refusal = Refusal::new(Condition::NotAllowed, text);
            self.out.told.push((link, Event::Refused { refusal: refusal.clone() }));
            self.out.told.push((receiver.link, Event::Detached { refusal }));
            return known.into_iter().for_each(|place| self.detach(end_key(place)));
        }
        let id = ConsumerId::at(self.own.shard, anonymous(self.numbered));
        let found = (key.clone(), RoutingType::Anycast);
        let place = match self.insert_receiver(link, &spec, found, (id, Some(between.connection))) {
            Ok(place) => place,
            Err(refusal) => return self.out.told.push((link, Event::Refused { refusal })),
        };
        if let Some(edge) = self.edges.by_connection.get_mut(&between.connection) {
            edge.anonymous = Some(place);
        }
        let capacity = spec.passage.capacity.unwrap_or(self.own.capacity);
        let consumer = Consumer { id, place: self.beyond(edge), capacity };
        self.out.notes.push_back(Note::Came { key, consumer });
    }

    /// Where a receiver of such a connection is.
    pub(crate) fn beyond(&self, edge: LinkId) -> table::Place {
        match self.own.mode {
            Mode::Interior => table::Place::Edge(edge),
            Mode::Edge => table::Place::Interior(edge),
        }
    }

    /// The interior receives on a link for one address: it counts when the interior has said that somebody receives there.
    pub(crate) fn attach_proxy(
        &mut self,
        link: LinkKey,
        spec: ConsumerSpec,
        (key, routing): (Key, RoutingType),
        between: Between,
    ) {
        let id = ConsumerId::at(self.own.shard, self.numbered);
        match self.insert_receiver(link, &spec, (key.clone(), routing), (id, Some(between.connection))) {
            Ok(place) => {
                if let Some(End::Receiver(receiver)) = self.ends.get_mut(place) {
                    receiver.is_listed = false;
                }
                if let Some(edge) = self.edges.by_connection.get_mut(&between.connection) {
                    edge.proxies.insert(key, place);
                }
                let attached = Event::Attached { end: end_key(place), info: info(spec.address, routing) };
                self.out.told.push((link, attached));
            }
            Err(refusal) => self.out.told.push((link, Event::Refused { refusal })),
        }
    }

    /// The other end takes so many more messages on a link that is not for messages of others.
    pub(crate) fn grant_edge(&mut self, end: EdgeEnd, more: u32) {
        let Some(edge) = self.edges.by_connection.get_mut(&end.connection) else { return };
        match end.kind {
            EdgeKind::TrackingOut => {
                edge.tracking.iter_mut().for_each(|tracking| tracking.credit = tracking.credit.saturating_add(more));
                self.say_tracked(end.connection);
            }
            EdgeKind::HeartbeatOut => {
                edge.heartbeat.iter_mut().for_each(|beat| beat.credit = beat.credit.saturating_add(more));
            }
            EdgeKind::Messages | EdgeKind::TrackingIn | EdgeKind::Lookup | EdgeKind::HeartbeatIn => {}
        }
    }

    /// The other end wants its credit used up: nothing waits as long as there is some.
    pub(crate) fn drain_edge(&mut self, end: EdgeEnd) {
        let Some(edge) = self.edges.by_connection.get_mut(&end.connection) else { return };
        let credit = match end.kind {
            EdgeKind::TrackingOut => edge.tracking.as_mut().map(|tracking| &mut tracking.credit),
            _ => edge.heartbeat.as_mut().map(|beat| &mut beat.credit),
        };
        let unused = credit.map(std::mem::take).unwrap_or_default();
        self.out.told.push((end.link, Event::Drained { unused }));
    }

    /// Takes a message on a link that is not for messages of others.
    pub(crate) fn hear_edge(
        &mut self,
        place: Place,
        end: EdgeEnd,
        (delivery, settled): (u32, Settled),
        message: &Message,
    ) {
        let outcome = match end.kind {
            EdgeKind::TrackingIn => match read_tracked(&message.body) {
                Some((key, is_wanted)) => {
                    self.track(end.connection, &key, is_wanted);
                    Outcome::Accepted
                }
                None => Outcome::Rejected(Some(Refusal::new(Condition::DecodeError, "it says nothing of an address"))),
            },
            EdgeKind::Lookup => {
                if self.asks_too_much(end.connection) {
                    let text = format!("a router at the edge asks {LOOKUPS_MAX} questions in a second at most");
                    return self.close_edge(place, Refusal::new(Condition::ResourceLimitExceeded, text));
                }
                self.answer_lookup(message)
            }
            _ => {
                let now_ns = self.edges.now_ns;
                let edge = self.edges.by_connection.get_mut(&end.connection);
                edge.and_then(|edge| edge.heartbeat.as_mut()).into_iter().for_each(|beat| beat.at_ns = now_ns);
                Outcome::Accepted
            }
        };
        self.out.told.push((end.link, Event::Credit { credit: 1 }));
        if settled == Settled::No {
            self.settlement.note_told(&if outcome == Outcome::Accepted { State::Accepted } else { State::Released });
            self.tell_settled(end.link, delivery, outcome);
        }
    }

    fn asks_too_much(&mut self, connection: u64) -> bool {
        let now_ns = self.edges.now_ns;
        let Some(edge) = self.edges.by_connection.get_mut(&connection) else { return false };
        let (since_ns, count) = &mut edge.asked;
        if now_ns.saturating_sub(*since_ns) >= SECOND_NS {
            (*since_ns, *count) = (now_ns, 0);
        }
        *count += 1;
        *count > LOOKUPS_MAX
    }

    /// Answers whether an address is one of links that are routed as a whole: there are none.
    fn answer_lookup(&mut self, message: &Message) -> Outcome {
        let Some((to, answer)) = lookup(&message.body) else {
            let text = "it is no question about an address with reply-to and correlation-id";
            return Outcome::Rejected(Some(Refusal::new(Condition::InvalidField, text)));
        };
        if let Ok(key) = self.key(&to, table::End::Sender, None) {
            let (_, mut choosing) = self.choosing();
            let passing = choosing.prepare(&Entry::of_client(&key, choosing.table, &to, Extent::Whole), answer);
            // Who asks hears nothing of what becomes of the answer.
            let _ = self.take(lane_in(self.own.shard), 0, Settled::Yes, passing);
        }
        Outcome::Accepted
    }

    /// Has the connection of an end be closed.
    pub(crate) fn close_edge(&mut self, place: Place, refusal: Box<Refusal>) {
        if let Some(End::Edge(end)) = self.ends.get(place) {
            self.out.told.push((end.link, Event::Detached { refusal }));
        }
        self.detach(end_key(place));
    }

    /// An end is gone that is neither a sender nor a receiver.
    pub(crate) fn part_edge(&mut self, place: Place, end: EdgeEnd) {
        self.edges.ends -= 1;
        if end.kind == EdgeKind::Messages {
            self.settlement.handle_in_lost(of_sender(place));
        }
        if let Some(edge) = self.edges.by_connection.get_mut(&end.connection) {
            edge.tracking.take_if(|tracking| tracking.place == place);
            edge.heartbeat.take_if(|beat| beat.place == place);
        }
    }

    /// A receiver of such a connection is gone.
    pub(crate) fn part_receiver(&mut self, connection: u64, key: &Key, place: Place) {
        if let Some(edge) = self.edges.by_connection.get_mut(&connection) {
            edge.anonymous.take_if(|known| *known == place);
            if edge.proxies.get(key) == Some(&place) {
                edge.proxies.remove(key);
            }
        }
    }
}
