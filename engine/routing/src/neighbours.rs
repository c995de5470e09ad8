//! Connections to other routers: of each the links that routers tell each other things over, and ten that messages go over, one for each
//! priority.
//!
//! Guarantees:
//! 1. The registry hears of a connection when both of its links for control are there, and when one of them is gone.
//! 2. What is said to a neighbour goes in its order as its credit allows; one that does not take `CONTROL_BACKLOG_MAX` messages loses its
//!    connection.
//! 3. A message goes over the link of its priority, or the next lower one that is there; one in parts over a link of its own, if the
//!    neighbour takes such (`apart`).
//!
//! A link for messages to a neighbour is a receiver like others, of a number that the table finds it by: that of the connection and the
//! priority.

use bytes::Bytes;
use engine_core::command::{Between, Carries, ConsumerSpec, ProducerSpec, RoutingType};
use engine_core::event::{Event, KEY_NONE, Refusal};
use engine_core::key::LinkKey;
use engine_core::message::{Message, PRIORITIES};
use engine_core::slab::Key as Place;
use engine_message::{Condition, section};
use engine_router::RouterId;
use engine_router::settlement::{InKind, OutKind};
use engine_router::table::ConsumerId;

use crate::end::{End, Receiver, end_key, of_receiver, of_sender};
use crate::joints::{Joint, JointKind, apart, consumer, neighbour};
use crate::limits::{CONTROL_BACKLOG_MAX, ENDS_MAX};
use crate::registry::{Note, Order};
use crate::router::{Router, info, too_many};

impl Router {
    /// A peer that is a router sends on a link from here on.
    pub(crate) fn attach_from(&mut self, link: LinkKey, spec: &ProducerSpec, between: Between) {
        let Some(id) = RouterId::new(&spec.address) else { return self.refuse_router(link, &spec.address) };
        let Between { connection, carries, .. } = between;
        // One link for control: what comes over each in parts is put together before it is heard.
        let has_one = self.neighbours.of_connection(connection).is_some_and(|known| known.control_in.is_some());
        if carries == Carries::Control && has_one {
            let text = "a connection between routers has one link for what they tell each other";
            let refusal = Refusal::new(Condition::NotAllowed, text);
            return self.out.told.push((link, Event::Refused { refusal }));
        }
        let kind = match carries {
            Carries::Control => JointKind::ControlIn,
            _ => JointKind::MessagesIn,
        };
        let Ok(place) = self.ends.insert_within(End::Joint(Joint { link, connection, kind }), ENDS_MAX) else {
            return self.out.told.push((link, Event::Refused { refusal: too_many() }));
        };
        let capacity = spec.passage.capacity.unwrap_or(self.own.capacity);
        self.answer(link, place, spec.address.clone());
        let neighbour = self.neighbours.get(self.own.shard, between, id);
        neighbour.links += 1;
        match carries {
            Carries::Control => {
                neighbour.control_in = Some(place);
                self.out.told.push((link, Event::Credit { credit: capacity }));
                self.tell_neighbour(connection);
            }
            _ => {
                self.settlement.handle_in(of_sender(place), InKind::Router, capacity);
                self.settlement.handle_reached(of_sender(place));
            }
        }
    }

    /// A peer that is a router receives on a link from here on.
    pub(crate) fn attach_to(&mut self, link: LinkKey, spec: ConsumerSpec, between: Between) {
        let Some(id) = RouterId::new(&spec.address) else { return self.refuse_router(link, &spec.address) };
        let connection = between.connection;
        let attached = match between.carries {
            Carries::Control => self.attach_control(link, between, id),
            _ => self.attach_messages(link, &spec, between, id),
        };
        match attached {
            Ok(place) => {
                self.answer(link, place, spec.address);
                self.tell_neighbour(connection);
            }
            Err(refusal) => self.out.told.push((link, Event::Refused { refusal })),
        }
    }

    fn attach_control(&mut self, link: LinkKey, between: Between, id: RouterId) -> Result<Place, Box<Refusal>> {
        let joint = Joint { link, connection: between.connection, kind: JointKind::ControlOut };
        let place = self.ends.insert_within(End::Joint(joint), ENDS_MAX).map_err(|_| too_many())?;
        let neighbour = self.neighbours.get(self.own.shard, between, id);
        neighbour.links += 1;
        (neighbour.control_out, neighbour.credit) = (Some(place), 0);
        Ok(place)
    }

    fn attach_messages(
        &mut self,
        link: LinkKey,
        spec: &ConsumerSpec,
        between: Between,
        id: RouterId,
    ) -> Result<Place, Box<Refusal>> {
        let capacity = spec.passage.capacity.unwrap_or(self.own.capacity);
        let (routing, held, key, address) = (RoutingType::Anycast, Vec::new(), None, String::new());
        let (connection, is_listed) = (None, false);
        let receiver =
            |consumer| Receiver { link, key, consumer, address, routing, held, capacity, connection, is_listed };
        let neighbour = self.neighbours.get(self.own.shard, between, id);
        if between.carries == Carries::Parts {
            let receiver = receiver(apart(neighbour.link));
            return self.attach_apart(receiver, between);
        }
        let Some((priority, lane)) = (0..).zip(&mut neighbour.out).find(|(_, lane)| lane.is_none()) else {
            let text =
                format!("a connection between routers has {PRIORITIES} links for messages, one for each priority");
            return Err(Refusal::new(Condition::NotAllowed, text));
        };
        let consumer = consumer(neighbour.link, priority);
        let receiver = receiver(consumer);
        let place = self.ends.insert_within(End::Receiver(receiver), ENDS_MAX).map_err(|_| too_many())?;
        *lane = Some(place);
        neighbour.links += 1;
        self.neighbours.ways += 1;
        self.settlement.handle_out(of_receiver(place), OutKind::Deciding, capacity);
        self.consumers.insert(consumer, place);
        Ok(place)
    }

    fn answer(&mut self, link: LinkKey, place: Place, address: String) {
        let info = info(address, RoutingType::Anycast);
        self.out.told.push((link, Event::Attached { end: end_key(place), info }));
    }

    fn refuse_router(&mut self, link: LinkKey, name: &str) {
        let text = format!("{name:?} is no name of a router");
        let refusal = Refusal::new(Condition::InvalidField, text);
        self.out.told.push((link, Event::Refused { refusal }));
    }

    /// Tells the registry of a connection that has all it needs.
    fn tell_neighbour(&mut self, connection: u64) {
        let Some(neighbour) = self.neighbours.of_connection(connection) else { return };
        let is_whole = neighbour.control_in.is_some() && neighbour.control_out.is_some();
        if is_whole && !neighbour.is_told {
            neighbour.is_told = true;
            let (link, neighbour, cost) = (neighbour.link, neighbour.id.clone(), neighbour.cost);
            self.out.notes.push_back(Note::Joined { link, neighbour, cost });
            self.spare_apart(connection, None);
        }
    }

    /// A link of a connection to another router is gone, that was at a place.
    pub(crate) fn part(&mut self, connection: u64, place: Place) {
        self.neighbours.ways += 1;
        let Some(neighbour) = self.neighbours.of_connection(connection) else { return };
        let gone = |known: &mut Option<Place>| known.take_if(|known| *known == place).is_some();
        let was_control = gone(&mut neighbour.control_in) | gone(&mut neighbour.control_out);
        for lane in &mut neighbour.out {
            gone(lane);
        }
        neighbour.apart.retain(|known| *known != place);
        neighbour.links -= 1;
        if was_control && std::mem::take(&mut neighbour.is_told) {
            self.out.notes.push_back(Note::Parted { link: neighbour.link });
        }
        let (link, is_gone) = (neighbour.link, neighbour.links == 0);
        if is_gone {
            self.neighbours.by_link.remove(&link);
            self.neighbours.by_connection.remove(&connection);
        }
    }

    /// The connection that a receiver is a link of, if it is one to another router.
    pub(crate) fn connection_of(&self, consumer: ConsumerId) -> Option<u64> {
        let (link, _) = neighbour(consumer)?;
        self.neighbours.by_link.get(&link).copied()
    }

    /// A neighbour says something.
    pub(crate) fn hear(&mut self, joint: Joint, message: Message) {
        let Some(neighbour) = self.neighbours.of_connection(joint.connection) else { return };
        if !neighbour.note_said(message.body.len()) {
            let text = "the router at the other end says more at once than can be heard";
            return self.close(joint.connection, Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        self.out.notes.push_back(Note::Said { link: neighbour.link, message: message.body });
    }

    /// A neighbour wants the credit used up that it has for what is said to it: nothing waits as long as there is some.
    pub(crate) fn drain_control(&mut self, joint: Joint) {
        if let Some(neighbour) = self.neighbours.of_connection(joint.connection) {
            let unused = std::mem::take(&mut neighbour.credit);
            self.out.told.push((joint.link, Event::Drained { unused }));
        }
    }

    /// A neighbour takes so many more messages of what is said to it.
    pub(crate) fn grant_control(&mut self, joint: Joint, more: u32) {
        if let Some(neighbour) = self.neighbours.of_connection(joint.connection) {
            neighbour.credit = neighbour.credit.saturating_add(more);
            self.say(joint.connection);
        }
    }

    /// Does what the registry wants done.
    pub fn handle_order(&mut self, order: Order) {
        let link = order.link();
        let Some(&connection) = self.neighbours.by_link.get(&link) else { return };
        match order {
            Order::Say { message, .. } => {
                let Some(neighbour) = self.neighbours.of_connection(connection) else { return };
                neighbour.waiting.push_back(control(&message));
                if neighbour.waiting.len() > CONTROL_BACKLOG_MAX {
                    let text = "the router at the other end does not take what it is told";
                    return self.close(connection, Refusal::new(Condition::ResourceLimitExceeded, text));
                }
                self.say(connection);
            }
            Order::Heard { octets, .. } => {
                let Some(neighbour) = self.neighbours.of_connection(connection) else { return };
                neighbour.note_heard(octets);
                let place = neighbour.control_in;
                if let Some(End::Joint(joint)) = place.and_then(|place| self.ends.get(place)) {
                    self.out.told.push((joint.link, Event::Credit { credit: 1 }));
                }
            }
            Order::Close { condition, reason, .. } => self.close(connection, Refusal::new(condition, reason)),
            Order::Interior { .. } => unreachable!("whoever has the connection does that"),
        }
    }

    /// Has a connection to another router end, by the end of one of its links.
    fn close(&mut self, connection: u64, refusal: Box<Refusal>) {
        let Some(neighbour) = self.neighbours.of_connection(connection) else { return };
        neighbour.waiting.clear();
        let Some(place) = neighbour.control_out.or(neighbour.control_in) else { return };
        if let Some(End::Joint(joint)) = self.ends.get(place) {
            self.out.told.push((joint.link, Event::Detached { refusal }));
        }
        self.detach(end_key(place));
    }

    fn say(&mut self, connection: u64) {
        let Some(neighbour) = self.neighbours.of_connection(connection) else { return };
        let Some(Some(End::Joint(joint))) = neighbour.control_out.map(|place| self.ends.get(place)) else { return };
        while neighbour.credit > 0
            && let Some(message) = neighbour.waiting.pop_front()
        {
            neighbour.credit -= 1;
            self.out.told.push((joint.link, Event::Deliver { key: KEY_NONE, message }));
        }
    }
}

/// What one router says to another as a message: its header says what holds anyway.
fn control(message: &Bytes) -> Message {
    let kept = section::scan(message).map_or(0, |sections| sections.kept());
    Message::new(message.slice(kept..))
}
