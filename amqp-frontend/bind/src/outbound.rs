//! From the home to AMQP: what owners say of a connection's links, and the messages that they give.

use amqp_proto::{Body, Closing, Part, Send, SendNow, Settled};
use engine_core::event::{Event, KEY_NONE};
use engine_core::message::Message;
use engine_core::preface::Preface;
use engine_core::small::Small;
use engine_home::{Drained, Due, Gift, Home, LocalId, Prefix, Request, Route, Slot};

use crate::attaching::undelivered;
use crate::bind::{Bind, link_id};
use crate::outcome::said;
use crate::prefaces::Numbered;

impl Bind {
    /// Takes what an owner says of a link.
    #[inline]
    pub fn handle_owner(&mut self, home: &mut Home, route: Route, event: Event) {
        let (id, place) = (link_id(route.id), route.place);
        match event {
            Event::Through(said) => self.handle_said(home, place, *said),
            Event::Deliver { .. } | Event::Relayed { .. } | Event::Passed { .. } => {
                unreachable!("messages are given, not told of")
            }
            Event::Request { message } => self.handle_request(message.body),
            Event::Moved(_) => unreachable!("the home asks the other owner, and tells nobody"),
            Event::Step(_) | Event::Pattern(_) => unreachable!("shards tell each other of it, and no link"),
            Event::Admitted { .. } => unreachable!("it is no link that is admitted"),
            Event::LinkWanted => unreachable!("a connection is asked for it"),
            Event::Settled { first, last, outcome } => {
                home.note_outcome(place, &outcome, u64::from(last.wrapping_sub(first)) + 1);
                self.machine.settle(id, first, last, said(outcome));
            }
            Event::Confirmed { delivery } => self.machine.confirm(id, delivery),
            Event::Credit { credit } => self.machine.grant(id, credit),
            Event::Attached { end, info } => self.handle_attached(home, route, end, &info),
            Event::Undelivered { refusal, tag } => {
                self.end_link(home, id, undelivered(*refusal, tag));
                // The connection may not have been read for the sake of this link.
                self.read_on(home);
            }
            Event::Refused { refusal } => self.handle_refused(home, route, *refusal),
            Event::Drained { unused } => match home.handle_drained(place, unused) {
                Drained::More => drop(self.pass_credit(home, place, id)),
                Drained::Later => {}
                Drained::Now => self.machine.drained(id),
            },
            Event::Revoked { asked, taken } => {
                home.handle_revoked(place, asked, taken);
                self.pass_credit(home, place, id);
            }
            Event::Streamed(streamed) => self.handle_streamed(home, route, streamed),
            Event::Slow { text } => self.requests.push_back(Request::ConsumerSlow { text }),
            Event::Detached { refusal } => self.handle_detached(home, route, *refusal),
            Event::Ended => unreachable!("a link that was detached has no route"),
        }
    }

    /// Takes what an owner says of a link that the peer detached, which is answered when it has ended there.
    pub fn handle_parting(&mut self, home: &mut Home, id: LocalId, event: Event) {
        let id = link_id(id);
        match event {
            Event::Settled { first, last, outcome } => self.machine.settle(id, first, last, said(outcome)),
            Event::Confirmed { delivery } => self.machine.confirm(id, delivery),
            Event::Ended => {
                self.client.drop_leaving();
                self.machine.detach(id, Closing::Closed, None, &mut self.out);
                self.handle_answered(home);
            }
            other => unreachable!("{other:?} is not told of a link that was detached"),
        }
    }

    /// Sends a message, if that is due, at `wall_ms`; `prefix` is scratch. What else is due `handle_given` does.
    #[inline]
    pub fn send(&mut self, gift: &Gift<'_>, prefix: &mut Prefix, wall_ms: u64) {
        if matches!(gift.due, Due::Wait | Due::Back) {
            return;
        }
        self.client.messages_out += 1;
        let of = (&gift.message.header, gift.message.expires_wall_ms);
        let prefix = prefix.before(of, gift.preface, wall_ms);
        let (format, part) = (gift.message.format, Part::Whole);
        let send = Send { key: gift.key, settled: Settled::No, format, prefix, body: &gift.message.body, part };
        self.machine.send(link_id(gift.id), send, &mut self.out);
    }

    /// Sends a small message that is due, at `wall_ms`, if nothing is in its way; gives whether it was sent. `prefix` is scratch.
    #[inline]
    pub fn send_small(
        &mut self,
        (id, key): (LocalId, u64),
        small: &Small<'_>,
        preface: Option<&Preface>,
        (prefix, wall_ms): (&mut Prefix, u64),
    ) -> bool {
        if small.format != 0 {
            return false;
        }
        if let Some(preface) = preface
            && self.output.prefaces.is_some()
        {
            return self.send_numbered((id, key), small, preface, (prefix, wall_ms));
        }
        let front = prefix.before((&small.header, small.expires_wall_ms), preface, wall_ms);
        let send = SendNow { key, settled: Settled::No, mark: None, front, body: Body::Copied(small.body) };
        let is_sent = self.machine.send_now(link_id(id), send, &mut self.out);
        self.client.messages_out += u64::from(is_sent);
        is_sent
    }

    /// The same to a router that knows what stands before messages by numbers.
    #[inline(never)]
    fn send_numbered(
        &mut self,
        (id, key): (LocalId, u64),
        small: &Small<'_>,
        preface: &Preface,
        (prefix, wall_ms): (&mut Prefix, u64),
    ) -> bool {
        let Some(prefaces) = &mut self.output.prefaces else { return false };
        let numbered = prefaces.number(preface);
        let in_front = (!matches!(numbered, Some(Numbered::Known(_)))).then_some(preface);
        let front = prefix.before((&small.header, small.expires_wall_ms), in_front, wall_ms);
        let (mark, body) = (numbered.map(Numbered::mark), Body::Copied(small.body));
        let send = SendNow { key, settled: Settled::No, mark, front, body };
        let is_sent = self.machine.send_now(link_id(id), send, &mut self.out);
        self.client.messages_out += u64::from(is_sent);
        if !is_sent {
            numbered.into_iter().for_each(|numbered| prefaces.take_back(numbered));
        }
        is_sent
    }

    /// Does what is due of a message that was given, other than to send it.
    #[cold]
    pub fn handle_given(&mut self, home: &mut Home, given: Given) {
        let Given { place, id, key, rest } = given;
        let id = link_id(id);
        match rest {
            Rest::Nothing => {}
            Rest::Credit => drop(self.pass_credit(home, place, id)),
            Rest::Wait(message) => {
                home.wait_for_parts(&mut self.client, place, key, message);
                self.pass_credit(home, place, id);
                self.advance(home, place, id);
            }
            Rest::Back => home.give_back(place, key),
        }
    }
}

/// What is due of a message that was given, other than to send it.
pub struct Given {
    place: Slot,
    id: LocalId,
    key: u64,
    rest: Rest,
}

enum Rest {
    Nothing,
    /// The owner has too little of the consumer's credit.
    Credit,
    /// It waits to be sent in parts, or behind one that is.
    Wait(Message),
    /// It is for others.
    Back,
}

impl Given {
    /// What is due of `gift`.
    #[cold]
    #[must_use]
    pub fn of(gift: &Gift<'_>) -> Self {
        let rest = match gift.due {
            Due::Send => Rest::Nothing,
            Due::SendAndCredit => Rest::Credit,
            Due::Wait => {
                Rest::Wait(gift.preface.map_or_else(|| gift.message.clone(), |preface| preface.before(gift.message)))
            }
            Due::Back => Rest::Back,
        };
        Self { place: gift.place, id: gift.id, key: gift.key, rest }
    }

    /// What is due when a link's owner has too little of its credit.
    #[must_use]
    pub fn credit(place: Slot, id: LocalId) -> Self {
        Self { place, id, key: KEY_NONE, rest: Rest::Credit }
    }
}
