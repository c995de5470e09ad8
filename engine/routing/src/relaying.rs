//! Messages that go the only way there is: to the one consumer of their address, or to the one router that has some.
//!
//! Guarantee: what these do is what choosing would come to (`choosing`), found with the sender, or with what a router wrote into messages of
//! the kind. What a router is told is made once for all of them, and goes out before each without being copied. What does not go at once, for
//! want of credit or of anything that is to be found, is given back to be chosen for.

use std::sync::Arc;

use bytes::Buf;
use engine_core::command::Settled;
use engine_core::event::Event;
use engine_core::message::Message;
use engine_core::preface::Preface;
use engine_core::slab::Key as Place;
use engine_message::section;
use engine_router::forward::{Passage, Target, only};
use engine_router::network::LinkId;
use engine_router::settlement::{CopyKey, InLink};
use engine_router::table::Address;

use crate::edge::{EdgeEnd, EdgeKind};
use crate::end::{End, Named, Sender, named, of_receiver, of_sender};
use crate::joints::{Joint, JointKind};
use crate::outward::Outward;
use crate::router::Router;
use crate::states::settling;
use crate::streams::Extent;
use crate::ways::{Only, Way, expect_here};

impl Router {
    /// Takes a whole message that goes the only way of its address, or that of others like it, at once; or gives it back.
    #[inline(always)]
    pub(crate) fn pass_only(
        &mut self,
        place: Place,
        (delivery, settled): (u32, Settled),
        message: Message,
    ) -> Result<(), Message> {
        let (only, address, outward) = match self.ends.get(place) {
            Some(End::Sender(Sender { only: Some(only), address, outward, .. })) => (only, address, outward),
            Some(&End::Joint(Joint { kind: JointKind::MessagesIn, .. })) => {
                return self.pass_heard((place, None), (delivery, settled), message);
            }
            Some(&End::Edge(EdgeEnd { edge, kind: EdgeKind::Messages, .. })) => {
                return self.pass_heard((place, Some(edge)), (delivery, settled), message);
            }
            _ => return Err(message),
        };
        match *only {
            Only::Consumer(way) => {
                let Some(passed) = self.settlement.pass(of_sender(place), delivery, settling(settled), way.link) else {
                    return Err(message);
                };
                self.send_way(way, passed.copy(), message);
            }
            Only::Router => {
                let is_bare = section::front_annotations(&message.body).is_empty();
                let relay = self.relay_to_router((address.as_ref(), &Passage::HERE), outward, message.header.priority);
                let Some((receiver, preface)) = relay.filter(|_| is_bare) else { return Err(message) };
                let relay = (receiver, self.out.told.place_of(preface));
                self.send_relay(of_sender(place), (delivery, settled), relay, (0, message))?;
            }
        }
        Ok(())
    }

    /// The same of a message of another router, over a connection to or of an edge or none such, whose like was heard before.
    #[inline(never)]
    fn pass_heard(
        &mut self,
        (place, edge): (Place, Option<LinkId>),
        (delivery, settled): (u32, Settled),
        mut message: Message,
    ) -> Result<(), Message> {
        let known = self.heard.find_front(&message.body, edge).and_then(|heard| self.heard.at(heard));
        let Some(known) = known else { return Err(message) };
        let (from, octets) = (of_sender(place), known.octets());
        match known.only {
            None => Err(message),
            Some(Only::Consumer(way)) => {
                let Some(passed) = self.settlement.pass(from, delivery, settling(settled), way.link) else {
                    return Err(message);
                };
                message.body.advance(octets);
                self.send_way(way, passed.copy(), message);
                Ok(())
            }
            Some(Only::Router) => {
                let way = (known.address.as_ref(), &known.passage);
                let relay = self.relay_to_router(way, &known.outward, message.header.priority);
                let Some((receiver, preface)) = relay else { return Err(message) };
                let relay = (receiver, self.out.told.place_of(preface));
                self.send_relay(from, (delivery, settled), relay, (octets, message))
            }
        }
    }

    /// Where messages to the only router that has consumers of an address go, and what stands before them, if a message like them went
    /// there before.
    #[inline]
    fn relay_to_router<'a>(
        &self,
        way: (Option<&Arc<Address>>, &Passage),
        outward: &'a Outward,
        priority: u8,
    ) -> Option<(Place, &'a Preface)> {
        let preface = outward.written.get()?;
        let receiver = outward.receiver(self.neighbours.ways, priority);
        Some((receiver.or_else(|| self.find_relay(way, outward, priority))?, preface))
    }

    #[inline(never)]
    fn find_relay(
        &self,
        (address, passage): (Option<&Arc<Address>>, &Passage),
        outward: &Outward,
        priority: u8,
    ) -> Option<Place> {
        let Some(Target::Router { link, .. }) = only(address?, self.table.routes(), passage)? else { return None };
        let receiver = self.neighbours.receiver(link, priority)?;
        outward.note(self.neighbours.ways, priority, receiver);
        Some(receiver)
    }

    /// Sends a message whose way is known, and which is seen as it came.
    #[inline(always)]
    fn send_way(&mut self, way: Way, waited: Option<CopyKey>, message: Message) {
        let Named::End(place) = named(way.link.0) else {
            return self.send_whole(way.link, waited, way.passing(message, Extent::Whole));
        };
        let Some(End::Receiver(receiver)) = self.ends.get(place) else { return };
        expect_here(&message);
        let link = receiver.link;
        let key = self.key_for(place, waited);
        self.out.told.push((link, Event::Deliver { key, message }));
    }

    /// Sends a message to another router, without its first octets, if that has credit; or gives it back.
    #[inline]
    fn send_relay(
        &mut self,
        from: InLink,
        (delivery, settled): (u32, Settled),
        (receiver, preface): (Place, u32),
        (octets, mut message): (usize, Message),
    ) -> Result<(), Message> {
        let Some(End::Receiver(known)) = self.ends.get(receiver) else { return Err(message) };
        let link = known.link;
        let Some(passed) = self.settlement.pass(from, delivery, settling(settled), of_receiver(receiver)) else {
            return Err(message);
        };
        expect_here(&message);
        message.body.advance(octets);
        let key = self.key_for(receiver, passed.copy());
        self.out.told.push((link, Event::Relayed { key, message, preface }));
        Ok(())
    }
}
