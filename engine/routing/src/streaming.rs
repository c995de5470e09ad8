//! Messages in parts on their way through a shard: the beginning as any message, then part by part, and back how much of them is gone.
//!
//! Guarantees: whoever brings a message is told of each of its octets once that it is gone, wherever its receivers are. What comes of a
//! message that nobody wants any more is left out. What routers tell each other is put together here, up to its bound.

use bytes::{Bytes, BytesMut};
use engine_core::command::{Publish, Settled};
use engine_core::event::{Event, Refusal};
use engine_core::key::{EndKey, LinkKey};
use engine_core::message::Message;
use engine_core::slab::Key as Place;
use engine_core::stream::{self, Streamed};
use engine_message::Condition;
use engine_router::limits::MESSAGE_OCTETS_MAX;
use engine_router::settlement::{
    Audience, Beginning, CopyKey, Following, InLink, Kept, OutLink, Settling, State, part_octets,
};

use crate::crossing::{Begins, Consumers, Crossing};
use crate::end::{End, Named, end_key, lane_in, named, of_sender, place};
use crate::joints::{Joint, JointKind};
use crate::router::Router;
use crate::states::{read_received, received};
use crate::streams::{Brought, Extent};
use crate::ways::Passing;

impl Router {
    /// Takes the beginning of a message on a sender's link; gives what it counts until `Streamed::Taken` says that it is gone.
    pub fn handle_beginning(&mut self, end: EndKey, delivery: u32, settled: Settled, message: Message) -> u64 {
        let control = match self.ends.get(place(end)) {
            Some(End::Joint(Joint { kind: JointKind::ControlIn, .. })) => true,
            Some(_) | None => false,
        };
        if control {
            self.neighbours.said.insert(place(end), BytesMut::from(&message.body[..]));
            return 0;
        }
        let (extent, octets) = beginning(delivery, &message);
        if self.deliver(end, (delivery, settled), message, extent) { octets } else { 0 }
    }

    /// The same of an anonymous relay.
    pub fn handle_published(&mut self, link: LinkKey, delivery: u32, settled: Settled, publish: Publish) -> u64 {
        let (extent, octets) = beginning(delivery, &publish.message);
        if self.publish(link, delivery, settled, (publish, extent)) { octets } else { 0 }
    }

    /// Takes a part of a message, behind those before; gives what it counts until it is gone.
    pub fn handle_part(&mut self, by: Brought, delivery: u32, bytes: Bytes, following: stream::Following) -> u64 {
        let Some(place) = self.bringing(by) else { return 0 };
        if self.neighbours.said.contains_key(&place) {
            self.put_together(place, &bytes, following);
            return 0;
        }
        let following = match following {
            stream::Following::More => Following::More,
            stream::Following::End => Following::End,
        };
        let kept = self.settlement.handle_part(of_sender(place), u64::from(delivery), bytes, following);
        self.act();
        match kept {
            Kept::Octets(octets) => octets,
            Kept::Nothing => 0,
        }
    }

    /// A sender aborts a message.
    pub fn handle_aborted(&mut self, by: Brought, delivery: u32) {
        let Some(place) = self.bringing(by) else { return };
        self.neighbours.said.remove(&place);
        // Whoever aborts waits for no outcome.
        self.settlement.handle_stream_aborted(of_sender(place), u64::from(delivery));
        self.act();
    }

    /// A sender settles a message that is not whole.
    pub fn handle_settled(&mut self, by: Brought, delivery: u32) {
        let Some(place) = self.bringing(by) else { return };
        if let Some(key) = self.settlement.of_stream(of_sender(place), u64::from(delivery)) {
            self.settlement.handle_sender(key, None, Settling::Settled);
            self.act();
        }
    }

    /// Whoever takes a message has passed so many octets of it on.
    pub fn handle_taken(&mut self, stream: u64, octets: u64) {
        if let Some(copy) = self.waiting.streams.copy(stream) {
            self.settlement.handle_taken(copy, octets);
            self.act();
        }
    }

    /// The beginning of a message for another shard went nowhere, as that does not keep up.
    pub fn handle_unsent_beginning(&mut self, to: u16, begins: &Begins) {
        match (begins.settled, self.waiting.streams.copy(begins.stream)) {
            (Settled::No, _) => self.handle_unsent(to, begins.number, Settled::No),
            (Settled::Yes, Some(copy)) => {
                self.settlement.note_dropped_late();
                self.settlement.handle_outcome(copy, None, Settling::Settled);
                self.act();
            }
            (Settled::Yes, None) => {}
        }
    }

    fn bringing(&self, by: Brought) -> Option<Place> {
        match by {
            Brought::By(end) => Some(place(end)),
            Brought::ByRelay(link) => self.relays.get(&link).copied(),
        }
    }

    /// A part of what a neighbour says came.
    fn put_together(&mut self, place: Place, bytes: &[u8], following: stream::Following) {
        let Some(said) = self.neighbours.said.get_mut(&place) else { return };
        said.extend_from_slice(bytes);
        let is_too_large = said.len() > MESSAGE_OCTETS_MAX;
        let Some(&End::Joint(joint)) = self.ends.get(place) else { return };
        if is_too_large {
            self.neighbours.said.remove(&place);
            let text = "what routers tell each other is never as large";
            let refusal = Refusal::new(Condition::MessageSizeExceeded, text);
            self.out.told.push((joint.link, Event::Detached { refusal }));
            return self.detach(end_key(place));
        }
        if following == stream::Following::End
            && let Some(said) = self.neighbours.said.remove(&place)
        {
            self.hear(joint, Message::new(said.freeze()));
        }
    }

    /// A message of another shard begins.
    pub(crate) fn handle_begins(&mut self, from: u16, begins: Begins) {
        let Begins { consumers, number, settled, message, away, stream, octets, audience } = begins;
        self.choose_here(&consumers);
        let extent = Extent::Begins(Beginning { stream, octets, audience });
        let passing = Passing { message, away, consumers: Consumers::Here, extent };
        let taken = self.take(lane_in(from), number, settled, passing).ok().flatten();
        if settled == Settled::No {
            self.waiting.came.note(from, number, taken);
        }
        if taken.is_none() {
            self.out.lanes.push(from, Crossing::Taken { stream, octets });
        }
    }

    pub(crate) fn handle_crossing_part(&mut self, from: u16, stream: u64, bytes: Bytes, following: Following) {
        let octets = part_octets(bytes.len());
        if self.settlement.handle_part(lane_in(from), stream, bytes, following) == Kept::Nothing {
            self.out.lanes.push(from, Crossing::Taken { stream, octets });
        }
        self.act();
    }

    /// A message of another shard does not go on. What was sent unsettled has an outcome all the same, which ends it there.
    pub(crate) fn handle_crossing_aborted(&mut self, from: u16, stream: u64) {
        if let Some((_, number)) = self.settlement.handle_stream_aborted(lane_in(from), stream) {
            let state = Box::new(State::Released);
            self.out.lanes.push(from, Crossing::Settled { number, state });
        }
        self.act();
    }

    pub(crate) fn send_part(&mut self, link: OutLink, copy: CopyKey, bytes: Bytes, following: Following) {
        let octets = part_octets(bytes.len());
        let stream = match following {
            Following::More => self.waiting.streams.number(copy),
            Following::End => self.waiting.streams.end(copy),
        };
        match (named(link.0), stream) {
            (Named::End(place), _) => {
                let Some(End::Receiver(receiver)) = self.ends.get(place) else { return };
                let following = match following {
                    Following::More => stream::Following::More,
                    Following::End => stream::Following::End,
                };
                self.out.told.push((receiver.link, Event::Streamed(Streamed::Part { bytes, octets, following })));
            }
            (Named::Lane(shard), Some(stream)) => {
                self.out.lanes.push(shard, Crossing::Part { stream, bytes, following });
            }
            (Named::Lane(_), None) => unreachable!("a copy goes on from its beginning"),
        }
    }

    /// What was sent of a copy is aborted.
    pub(crate) fn abort(&mut self, link: OutLink, copy: CopyKey) {
        let stream = self.waiting.streams.end(copy);
        match (named(link.0), stream) {
            (Named::End(place), _) => {
                let Some(End::Receiver(receiver)) = self.ends.get(place) else { return };
                self.out.told.push((receiver.link, Event::Streamed(Streamed::Aborted)));
                self.let_go(place, copy);
            }
            (Named::Lane(shard), Some(stream)) => {
                self.out.lanes.push(shard, Crossing::Aborted { stream });
            }
            (Named::Lane(_), None) => unreachable!("a copy is aborted once, between its beginning and its end"),
        }
    }

    /// Tells whoever brings a message that so much of it is gone.
    pub(crate) fn tell_taken(&mut self, link: InLink, stream: u64, octets: u64) {
        match named(link.0) {
            Named::End(place) => {
                let Some(link) = self.sender_link(place) else { return };
                self.out.told.push((link, Event::Streamed(Streamed::Taken { octets })));
            }
            Named::Lane(shard) => self.out.lanes.push(shard, Crossing::Taken { stream, octets }),
        }
    }

    /// A receiver says how far it has come: whoever sends hears so, if it is the only one.
    pub fn handle_received(&mut self, key: u64, section: u32, offset: u64) {
        if let Some(copy) = self.held(key) {
            self.settlement.handle_outcome(copy, Some(received(section, offset)), Settling::Unsettled);
            self.act();
        }
    }

    pub(crate) fn tell_received(&mut self, link: InLink, delivery: u32, state: Bytes) {
        let place = match named(link.0) {
            Named::End(place) => place,
            Named::Lane(shard) => {
                let state = Box::new(State::Received(state));
                return self.out.lanes.push(shard, Crossing::Received { number: delivery, state });
            }
        };
        let Some(link) = self.sender_link(place) else { return };
        if let Some((section, offset)) = read_received(&state) {
            self.out.told.push((link, Event::Streamed(Streamed::Received { delivery, section, offset })));
        }
    }

    /// A receiver's credit is used up, as it wanted.
    pub(crate) fn tell_drained(&mut self, link: OutLink, unused: u32) {
        let Named::End(place) = named(link.0) else { unreachable!("nobody drains a lane") };
        if let Some(End::Receiver(receiver)) = self.ends.get(place) {
            self.out.told.push((receiver.link, Event::Drained { unused }));
        }
    }
}

/// What a message's beginning is to the settlement machine, and what it counts.
fn beginning(delivery: u32, message: &Message) -> (Extent, u64) {
    let octets = part_octets(message.body.len());
    // Who else has it is known when its receivers are chosen.
    (Extent::Begins(Beginning { stream: u64::from(delivery), octets, audience: Audience::One }), octets)
}
