//! Small messages that go between two routers in one frame (`amqp_codec`, `Bundle`), where both offer to take them so.
//!
//! Guarantees: whoever did not offer it in its open is sent none; it is for links of routers alone, whose tags routers make. Each message is taken
//! as if it had come by itself, in the same order; one that cannot be read is rejected and the others are not. What does not add up, or has no
//! credit, costs the peer its connection.
//!
//! Not here: which messages go together (`node_shell`).

use std::ops::Range;

use amqp_codec::AmqpError;
use amqp_codec::performative::Bundle;
use amqp_proto::{Delivery, SendTogether};
use engine_core::message::Header;
use engine_core::preface::Preface;
use engine_home::{Arrival, Home, LocalId, Prefix, Slot};
use engine_message::{Condition, section};

use crate::bind::{Bind, link_id};
use crate::coordinating::Belongs;
use crate::inbound::{header, wanted};
use crate::prefaces::Numbered;

/// Octets of a tag that say of one message what they say of all.
const MARKED_OCTETS: usize = 6;

/// Small messages of one link that are alike but for their bodies, none of which expires.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Of each its delivery's key, and how long its body is.
    pub messages: &'a [(u64, u16)],
    /// As in `Message`.
    pub header: &'a Header,
    /// What goes out before their sections.
    pub preface: &'a Preface,
    /// What their bodies are among.
    pub octets: &'a [u8],
    /// Where: one behind the other, those that adjoin as one.
    pub pieces: &'a [Range<usize>],
}

impl Bind {
    /// Whether small messages with a preface may go to the peer together.
    #[inline]
    #[must_use]
    pub fn takes_together(&self) -> bool {
        self.output.is_together
    }

    /// Sends messages that are due in one frame, if nothing is in their way and what stands before them has a number; gives whether they were sent.
    /// `prefix` is scratch.
    #[inline]
    pub fn send_together(&mut self, id: LocalId, run: &Run<'_>, prefix: &mut Prefix) -> bool {
        let &Run { messages, header, preface, octets, pieces } = run;
        let Some(number) = self.output.prefaces.as_mut().and_then(|prefaces| prefaces.known(preface)) else {
            return false;
        };
        let front = prefix.before((header, None), None, 0);
        let bodies = pieces.iter().filter_map(|piece| octets.get(piece.clone()));
        let send = SendTogether { messages, mark: Numbered::Known(number).mark(), front, bodies };
        let is_sent = self.machine.send_together(link_id(id), send, &mut self.out);
        if is_sent {
            self.client.messages_out += messages.len() as u64;
        }
        is_sent
    }

    /// Takes so many messages that came in one frame, on the link at `place`.
    #[inline(never)]
    pub(crate) fn take_together(&mut self, home: &mut Home, place: Slot, delivery: &Delivery<'_>, messages: u16) {
        let Some(bundle) = Bundle::read(delivery.payload, messages) else {
            let text = "messages that came together do not add up to their frame";
            return self.close_with(home, AmqpError::new(Condition::DecodeError, text));
        };
        if !self.machine.take_further(delivery.link, u32::from(messages) - 1) {
            let text = "messages came together for which there is no link credit";
            return self.close_with(home, AmqpError::new(Condition::TransferLimitExceeded, text));
        }
        let tag = delivery.tag.get(..MARKED_OCTETS).unwrap_or_default();
        let is_header = section::scan(bundle.front).is_ok_and(|sections| sections.header.end == bundle.front.len());
        let header = header(bundle.front, bundle.front.len()).ok().filter(|_| is_header);
        let mut bodies = (0_u32..).zip(bundle.bodies());
        let first = Delivery { tag, payload: bundle.bodies().next().unwrap_or_default(), ..*delivery };
        if self.output.prefaces.as_ref().is_some_and(|prefaces| prefaces.heard(tag) == Ok(None)) {
            // What has a number is left out, so that this is rare: it is in front of the first one, and has it from then on.
            self.hear_preface(&first, section::scan(first.payload).as_ref());
        }
        while let Some((further, body)) = self.take_bundled(home, place, (&first, header), &mut bodies) {
            // The long way takes it, or says why not.
            let (delivery, payload) = (first.delivery.wrapping_add(further), &[bundle.front, body].concat());
            self.handle_delivery(home, &Delivery { delivery, payload, ..first }, None, Belongs::Nowhere);
        }
    }

    /// Takes of the messages that are left, each with its distance from the first, as many as take the short way, with this header; gives the first
    /// that does not.
    #[inline]
    fn take_bundled<'a>(
        &mut self,
        home: &mut Home,
        place: Slot,
        (first, header): (&Delivery<'_>, Option<section::Header>),
        bodies: &mut impl Iterator<Item = (u32, &'a [u8])>,
    ) -> Option<(u32, &'a [u8])> {
        let entrance = home.entrance(place).filter(|entrance| !entrance.keeps());
        let (Some(header), Some(prefaces), Some(mut entrance)) = (header, &self.output.prefaces, entrance) else {
            return bodies.next();
        };
        let Ok(front) = prefaces.heard(first.tag) else { return bodies.next() };
        let settled = wanted(first.settled);
        let mut way = front.and_then(|front| entrance.find_alike(&header, front));
        for (further, body) in bodies {
            let Ok(sections) = section::front(body) else { return Some((further, body)) };
            let kept = body.get(sections.kept..).unwrap_or_default();
            if sections.header_end > 0 {
                return Some((further, body));
            }
            self.client.messages_in += 1;
            let properties = body.get(sections.properties).unwrap_or_default();
            let (delivery, format) = (first.delivery.wrapping_add(further), first.format);
            let arrival = Arrival { delivery, settled, format, header, properties, front, kept, tag: None };
            entrance.enter_alike(&mut way, &arrival);
        }
        None
    }
}
