//! Messages that go the only way there is: to the one consumer of their address, or to the one router that has some.
//!
//! Guarantee: what these do is what choosing would come to (`choosing`), found with the sender, or with what a router wrote into messages of
//! the kind. What a router is told is made once for all of them, and goes out before each without being copied; a small message is copied
//! once, to the others of its turn. What does not go at once, for want of credit or of anything that is to be found, or as its way leads to
//! another shard, is left to be chosen for.

use std::sync::Arc;

use bytes::Buf;
use engine_core::command::Settled;
use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey};
use engine_core::message::Message;
use engine_core::preface::Preface;
use engine_core::slab::Key as Place;
use engine_core::small::Small;
use engine_message::section;
use engine_router::forward::{Passage, Target, only};
use engine_router::network::LinkId;
use engine_router::table::Address;

use crate::edge::{EdgeEnd, EdgeKind};
use crate::end::{End, Named, Sender, named, of_receiver, of_sender, place};
use crate::joints::{Joint, JointKind};
use crate::outward::Outward;
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

/// Whom it goes to, and how it is seen there.
struct Found {
    receiver: Place,
    without: usize,
    preface: Option<u32>,
}

impl Router {
    /// Takes a small message that goes the only way there is, at once; gives whether it does.
    pub fn pass_small(&mut self, end: EndKey, delivery: (u32, Settled), small: &Small<'_>) -> bool {
        let Some(onward) = self.pass_only(place(end), delivery, (small.header.priority, small.body)) else {
            return false;
        };
        let Onward { link, key, without, preface } = onward;
        let message = small.lay(without, &mut self.out.told.octets);
        self.out.told.push((link, Event::Passed { key, message, preface }));
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
        (delivery, settled): (u32, Settled),
        (priority, body): (u8, &[u8]),
    ) -> Option<Onward> {
        let Found { receiver, without, preface } = match self.ends.get(place)? {
            End::Sender(Sender { only: Some(Only::Consumer(way)), .. }) => Found::of(*way, 0)?,
            End::Sender(Sender { only: Some(Only::Router), address, outward, .. }) => {
                if !section::front_annotations(body).is_empty() {
                    return None;
                }
                let way = (address.as_ref(), &Passage::HERE);
                let (receiver, preface) = self.relay_to_router(way, outward, priority)?;
                Found { receiver, without: 0, preface: Some(self.out.told.place_of(preface)) }
            }
            End::Joint(Joint { kind: JointKind::MessagesIn, .. }) => self.find_heard(None, (priority, body))?,
            &End::Edge(EdgeEnd { edge, kind: EdgeKind::Messages, .. }) => {
                self.find_heard(Some(edge), (priority, body))?
            }
            _ => return None,
        };
        let Some(End::Receiver(known)) = self.ends.get(receiver) else { return None };
        let link = known.link;
        let passed = self.settlement.pass(of_sender(place), delivery, settling(settled), of_receiver(receiver))?;
        let key = self.key_for(receiver, passed.copy());
        Some(Onward { link, key, without, preface })
    }

    /// The only way of a message of another router, over a connection to or of an edge or none such, whose like was heard before.
    #[inline(never)]
    fn find_heard(&mut self, edge: Option<LinkId>, (priority, body): (u8, &[u8])) -> Option<Found> {
        let heard = self.heard.find_front(body, edge)?;
        let known = self.heard.at(heard)?;
        let without = known.octets();
        match known.only? {
            Only::Consumer(way) => Found::of(way, without),
            Only::Router => {
                let way = (known.address.as_ref(), &known.passage);
                let (receiver, preface) = self.relay_to_router(way, &known.outward, priority)?;
                Some(Found { receiver, without, preface: Some(self.out.told.place_of(preface)) })
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
        let preface = outward.written()?;
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
}

impl Found {
    /// A consumer of this shard, which sees a message as it came.
    #[inline]
    fn of(way: Way, without: usize) -> Option<Self> {
        match named(way.link.0) {
            Named::End(receiver) => Some(Self { receiver, without, preface: None }),
            Named::Lane(_) => None,
        }
    }
}
