//! Messages that go the only way there is: to the one consumer of their address, or to the one router that has some.
//!
//! Guarantee: what these do is what choosing would come to (`choosing`), found with the sender, or with what a router wrote into messages of
//! the kind. What a router is told is made once for all of them, and goes out before each without being copied; a small message is left where it
//! was read or copied once, to the others of its turn or to those that go to another shard (`across`). What does not go at once, for want of
//! credit or of anything that is to be found, is left to be chosen for.

use std::sync::Arc;

use bytes::Buf;
use engine_core::command::Settled;
use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey};
use engine_core::message::Message;
use engine_core::preface::{LeftOut, Preface};
use engine_core::slab::Key as Place;
use engine_core::small::Small;
use engine_message::section;
use engine_router::forward::{Passage, Target, only};
use engine_router::network::LinkId;
use engine_router::settlement::{DeliveryKey, InLink};
use engine_router::table::Address;

use crate::edge::{EdgeEnd, EdgeKind};
use crate::end::{End, Named, Sender, named, of_receiver, of_sender, place};
use crate::joints::{Joint, JointKind, consumer};
use crate::outward::{Outward, To};
use crate::router::Router;
use crate::states::settling;
use crate::ways::{Only, Way, expect_here};

/// How a whole message goes on that has one way only.
pub(crate) struct Onward {
    link: LinkKey,
    key: u64,
    /// Octets in front that its receiver is not sent.
    without: usize,
    /// What that is sent in front, by its place.
    preface: Option<u32>,
}

/// Whom a message goes to, and how it is seen there; until what the router tells is taken.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    to: To,
    /// As in `Onward`.
    pub(crate) without: usize,
    /// Likewise.
    pub(crate) preface: Option<u32>,
}

impl Router {
    /// Takes a small message that goes the only way there is, at once; gives whether it does.
    pub fn pass_small(&mut self, end: EndKey, delivery: (u32, Settled), small: &Small<'_>) -> bool {
        let found = self.find_only(place(end), small.header.priority, (small.front, small.body));
        found.is_some_and(|found| self.pass_small_on(end, delivery, &found, small))
    }

    /// The only way of small messages of another router in front of which this is left out, if there is one.
    pub fn find_alike(&mut self, end: EndKey, priority: u8, front: &LeftOut) -> Option<Found> {
        let Some(End::Joint(Joint { kind: JointKind::MessagesIn, .. })) = self.ends.get(place(end)) else {
            return None;
        };
        self.find_heard(None, priority, (Some(front), &[]))
    }

    /// The same as `pass_small` of one that goes this way.
    pub fn pass_alike(&mut self, end: EndKey, delivery: (u32, Settled), found: &Found, small: &Small<'_>) -> bool {
        self.pass_small_on(end, delivery, found, small)
    }

    #[inline(always)]
    fn pass_small_on(&mut self, end: EndKey, delivery: (u32, Settled), found: &Found, small: &Small<'_>) -> bool {
        let from = of_sender(place(end));
        let receiver = match found.to {
            To::Receiver(receiver) => receiver,
            To::Away(consumer) => return self.pass_across(from, delivery, consumer, found, small),
        };
        let Some((link, key, _)) = self.pass_to(from, delivery, receiver) else { return false };
        let message = self.out.lay(small, found.without);
        self.out.told.push((link, Event::Passed { key, message, preface: found.preface }));
        true
    }

    /// Sends a message that goes on so.
    pub(crate) fn send_onward(&mut self, onward: &Onward, mut message: Message) {
        expect_here(&message);
        let &Onward { link, key, without, preface } = onward;
        message.body.advance(without);
        self.out.told.push(match preface {
            Some(preface) => (link, Event::Relayed { key, message, preface }),
            None => (link, Event::Deliver { key, message }),
        });
    }

    /// Takes a whole message that goes the only way of its address, or that of others like it, to a receiver of this shard which has credit;
    /// nothing if there is no such way.
    #[inline(always)]
    pub(crate) fn pass_only(
        &mut self,
        place: Place,
        delivery: (u32, Settled),
        (priority, body): (u8, &[u8]),
    ) -> Option<Onward> {
        let Found { to, without, preface } = self.find_only(place, priority, (None, body))?;
        let To::Receiver(receiver) = to else { return None };
        let (link, key, _) = self.pass_to(of_sender(place), delivery, receiver)?;
        Some(Onward { link, key, without, preface })
    }

    /// What a receiver of this shard is sent now is a delivery: gives its link, the key that it has there, and the delivery if its outcome is
    /// waited for. Nothing if it has no credit, or there is more to it.
    #[inline(always)]
    pub(crate) fn pass_to(
        &mut self,
        from: InLink,
        (delivery, settled): (u32, Settled),
        receiver: Place,
    ) -> Option<(LinkKey, u64, Option<DeliveryKey>)> {
        let Some(End::Receiver(known)) = self.ends.get(receiver) else { return None };
        let link = known.link;
        let passed = self.settlement.pass(from, delivery, settling(settled), of_receiver(receiver))?;
        Some((link, self.key_for(receiver, passed.copy()), passed.delivery()))
    }

    /// The only way of a message, by what stands before it and is not in it, and the rest.
    #[inline(always)]
    fn find_only(&mut self, place: Place, priority: u8, (front, body): (Option<&LeftOut>, &[u8])) -> Option<Found> {
        Some(match self.ends.get(place)? {
            End::Sender(Sender { only: Some(Only::Consumer(way)), .. }) => Found::of(*way, 0)?,
            End::Sender(Sender { only: Some(Only::Router), address, outward, .. }) => {
                if !section::front_annotations(body).is_empty() {
                    return None;
                }
                let way = (address.as_ref(), &Passage::HERE);
                let (to, preface) = self.relay_to_router(way, outward, priority)?;
                Found { to, without: 0, preface: Some(self.out.told.place_of(preface)) }
            }
            End::Joint(Joint { kind: JointKind::MessagesIn, .. }) => self.find_heard(None, priority, (front, body))?,
            &End::Edge(EdgeEnd { edge, kind: EdgeKind::Messages, .. }) => {
                self.find_heard(Some(edge), priority, (front, body))?
            }
            _ => return None,
        })
    }

    /// The only way of a message of another router, over a connection to or of an edge or none such, whose like was heard before.
    #[inline(never)]
    fn find_heard(
        &mut self,
        edge: Option<LinkId>,
        priority: u8,
        (front, body): (Option<&LeftOut>, &[u8]),
    ) -> Option<Found> {
        let (known, without) = match front {
            Some(front) => (self.heard.find_left_out(front, edge)?, 0),
            None => {
                let heard = self.heard.find_front(body, edge)?;
                let known = self.heard.at(heard)?;
                (known, known.octets())
            }
        };
        match known.only? {
            Only::Consumer(way) => Found::of(way, without),
            Only::Router => {
                let way = (known.address.as_ref(), &known.passage);
                let (to, preface) = self.relay_to_router(way, &known.outward, priority)?;
                Some(Found { to, without, preface: Some(self.out.told.place_of(preface)) })
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
    ) -> Option<(To, &'a Preface)> {
        let preface = outward.written()?;
        let to = outward.found(self.neighbours.ways, priority);
        Some((to.or_else(|| self.find_relay(way, outward, priority))?, preface))
    }

    #[inline(never)]
    fn find_relay(
        &self,
        (address, passage): (Option<&Arc<Address>>, &Passage),
        outward: &Outward,
        priority: u8,
    ) -> Option<To> {
        let Some(Target::Router { link, .. }) = only(address?, self.table.routes(), passage)? else { return None };
        let consumer = consumer(link, priority);
        let to = match consumer.shard() == self.own.shard {
            true => To::Receiver(self.neighbours.receiver(link, priority)?),
            false => To::Away(consumer),
        };
        outward.note(self.neighbours.ways, priority, to);
        Some(to)
    }
}

impl Found {
    /// A consumer, which sees a message as it came.
    #[inline]
    fn of(way: Way, without: usize) -> Option<Self> {
        let to = match (way.away, named(way.link.0)) {
            (Some(consumer), _) => To::Away(consumer),
            (None, Named::End(receiver)) => To::Receiver(receiver),
            (None, Named::Lane(_)) => return None,
        };
        Some(Self { to, without, preface: None })
    }
}
