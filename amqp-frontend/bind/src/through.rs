//! Links that pass through the node whole: a client's goes on to a container, or to the next router, and what either end says the other
//! one hears. This connection has one half of each, attached by its peer or by us; the other half is on another connection.
//!
//! Guarantees:
//! 1. Attaches, their answers, credit, drains, transfers, states and detaches reach the other end as they are, in their order; between the
//!    two nothing is given credit, settled or decided.
//! 2. A half hears once that the other one is gone. If that one was lost, what its peer sent and nobody settled has failed, and may have been
//!    processed; if a client ended it in order, with its session or connection, that is the container's, as if the client was its own.
//! 3. A link that nobody answers is refused when its peer waits for that and for nothing else.
//!
//! Here: how they begin and end. What goes over them is in `carrying`.

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Role};
use amqp_proto::{Closing, Deliveries, DeliveryOutcome, LinkId, Modified, SessionId, State};
use bytes::Bytes;
use engine_core::command::DetachMode;
use engine_core::key::LinkKey;
use engine_core::through::{Attaching, Ending, Going, Half, NoRoute, Rewrite, Said, Word};
use engine_home::{Home, Passing, Peer, Slot};
use engine_message::Condition;
use engine_message::reader::Reader;

use crate::attaching::error;
use crate::bind::{Bind, local};
use crate::halves::{ANSWER_NS_MAX, AskedFor, HalfLink, OwnSession, Stage, WINDOW_FIRST, encoded};
use crate::joints::carries;
use crate::onward::{attach_of, half_of, lasting_name, named, outlives, rename, rename_back};

/// Why a link is refused that has nowhere to go.
const NO_ROUTE: &str = "qd:no-route-to-dest";
/// Why one ends whose other end is lost.
const LOST: &str = "qd:routed-link-lost";

impl Bind {
    /// Has a link go on that takes a route; gives back the attach of one that does not.
    pub(crate) fn go_through(&mut self, home: &mut Home, id: LinkId, attach: Box<Attach>) -> Option<Box<Attach>> {
        let half = half_of(&attach);
        let address = match named(&attach) {
            Some(address) if carries(&attach).is_none() && home.has_link_route(&address, half) => address,
            _ => return Some(attach),
        };
        if let Err(error) = self.check_through(&attach, &address) {
            self.machine.refuse_attach(id, error, &mut self.out);
            return None;
        }
        let passing = Passing { id: local(id), half, address: &address, name: &attach.name };
        let place = match home.add_half(&mut self.client, passing) {
            Ok(place) => place,
            Err(refusal) => {
                self.machine.refuse_attach(id, error(*refusal), &mut self.out);
                return None;
            }
        };
        let came_over = matches!(self.client.peer, Peer::Router { .. }).then(|| self.client.place().to_bits());
        let mut bytes = Vec::new();
        attach.encode(&mut bytes);
        let container = self.client.container.as_str().into();
        let attaching = Attaching { attach: bytes.into(), container, rewrite: Rewrite::default() };
        let going = Going { from: home.half_key(place), half, address, came_over, attaching };
        self.set_link(id, Some(place));
        self.through.get_or_insert_default().halves.insert(place, HalfLink::new(id, half, Stage::Asked));
        self.machine.pass_on(id);
        self.machine.answer_later(id);
        if let Err(NoRoute) = home.go_on(going) {
            self.end_half(home, place);
            self.machine.refuse_attach(id, no_route(), &mut self.out);
        }
        None
    }

    /// A half is to be on this connection, or something is said to it that is for no link of it.
    pub(crate) fn handle_said_here(&mut self, home: &mut Home, said: Said) {
        let Word::Attach(attaching) = said.word else { return };
        if let Err(why) = self.attach_half(home, said.from, *attaching) {
            let from = LinkKey { slot: 0, generation: 0, ..said.from };
            let ended = Word::Ended { ending: Ending::Closed, error: Some(encoded(&why)) };
            home.engine_mut().tell_half(said.from, Said { from, word: ended });
        }
    }

    fn attach_half(&mut self, home: &mut Home, other: LinkKey, attaching: Attaching) -> Result<(), AmqpError> {
        let Attaching { attach, container, rewrite } = attaching;
        if !self.opened || !self.machine.is_open() {
            return Err(no_route());
        }
        let mut attach = attach_of(&attach).ok_or_else(no_route)?;
        let half = match half_of(&attach) {
            // Whom the peer of the other half receives from sends here.
            Half::Receiver => Half::Sender,
            Half::Sender => Half::Receiver,
        };
        let address = named(&attach).unwrap_or_default();
        let rewritten = rename(&mut attach, &rewrite);
        let lost = if outlives(&attach) { Closing::Suspended } else { Closing::Closed };
        if lost == Closing::Suspended {
            self.steal(home, &attach, &container);
        }
        let name = std::mem::take(&mut attach.name);
        attach.name = lasting_name(&name, &attach, &container);
        if attach.role == Role::Receiver && attach.source.is_none() && self.machine.has_link(&attach.name, attach.role)
        {
            let text = format!("the subscription of the link {name:?} is attached: detach it first");
            return Err(AmqpError::new(Condition::IllegalState, text));
        }
        attach.name = self.unlike(&attach.name, attach.role, &container);
        let session = self
            .session_for_half()
            .ok_or_else(|| AmqpError::new(NO_ROUTE, "the container takes no further session (its channel-max)"))?;
        let (named, asked) = (attach.name.clone(), AskedFor { name, container, rewritten, lost });
        let Some(id) = self.machine.attach(session, *attach, &mut self.out) else {
            self.leave_session(session);
            let text =
                "the container takes no further link (its handle-max), or none of such a size (its max-frame-size)";
            return Err(AmqpError::new(NO_ROUTE, text));
        };
        self.machine.pass_on(id);
        let passing = Passing { id: local(id), half, address: &address, name: &named };
        match home.add_half(&mut self.client, passing) {
            Ok(place) => {
                self.set_link(id, Some(place));
                self.machine.answer_later(id);
                let link =
                    HalfLink { other: Some(other), asked: Some(asked), ..HalfLink::new(id, half, Stage::Asking) };
                self.through.get_or_insert_default().halves.insert(place, link);
                Ok(())
            }
            Err(refusal) => {
                self.machine.detach(id, Closing::Closed, None, &mut self.out);
                self.leave_session(session);
                Err(error(*refusal))
            }
        }
    }

    /// Ends the link of a container that it attaches anew by its name: what outlives links, as subscriptions do, it has once. Other links of
    /// one name are several.
    fn steal(&mut self, home: &mut Home, attach: &Attach, container: &str) {
        let half = half_of(attach);
        let is_its = |link: &HalfLink| {
            let asked = link.asked.as_ref().filter(|asked| asked.lost == Closing::Suspended && link.half != half);
            asked.is_some_and(|asked| asked.name == attach.name && *asked.container == *container)
        };
        let mut halves = self.through.iter().flat_map(|through| &through.halves);
        let Some(place) = halves.find(|(_, half)| is_its(half)).map(|(place, _)| *place) else { return };
        let stolen = AmqpError::new(Condition::LinkStolen, format!("the link {:?} was attached again", attach.name));
        self.tell_ended(home, place, Ending::Detached, Some(&stolen));
        self.detach_half(home, place, Closing::Suspended, Some(stolen));
    }

    /// A name for a link of a container that no other one of this connection has.
    fn unlike(&self, name: &str, role: Role, container: &str) -> String {
        let mut unlike = name.to_owned();
        let mut number = 0_u32;
        while self.machine.has_link(&unlike, role) {
            unlike = if number == 0 { format!("{name}@{container}") } else { format!("{name}@{container}-{number}") };
            number += 1;
        }
        unlike
    }

    /// The session of a half that is attached by us: one of its own, or one that others have where the peer takes no more.
    fn session_for_half(&mut self) -> Option<SessionId> {
        let through = self.through.get_or_insert_default();
        let begun = self.machine.begin_within(WINDOW_FIRST, &mut self.out);
        let fewest = || through.sessions.iter().min_by_key(|(_, session)| session.links).map(|(id, _)| SessionId(*id));
        let session = begun.or_else(fewest)?;
        through.sessions.entry(session.0).or_insert_with(OwnSession::new).links += 1;
        Some(session)
    }

    /// A half leaves its session, which ends if it was its last one.
    fn leave_session(&mut self, session: SessionId) {
        let Some(through) = &mut self.through else { return };
        let Some(own) = through.sessions.get_mut(&session.0) else { return };
        own.links -= 1;
        if own.links == 0 {
            through.sessions.remove(&session.0);
            self.machine.end_empty(session, &mut self.out);
        }
    }

    /// The peer answered the attach of a half; gives whether it is one.
    pub(crate) fn handle_half_answer(&mut self, home: &mut Home, id: LinkId, answer: &Attach) -> bool {
        let Some(place) = self.half_at(id) else { return false };
        let Some(half) = self.half_mut(place) else { return false };
        half.stage = Stage::Attached;
        let mut answer = answer.clone();
        if let Some(rewritten) = half.asked.as_ref().and_then(|asked| asked.rewritten.as_ref()) {
            rename_back(&mut answer, rewritten);
        }
        let mut bytes = Vec::new();
        answer.encode(&mut bytes);
        self.tell(home, place, Word::Answered { attach: bytes.into() });
        true
    }

    /// The peer of the other half answered.
    pub(crate) fn handle_answered_there(&mut self, home: &mut Home, place: Slot, other: LinkKey, attach: &Bytes) {
        let Some(half) = self.half_mut(place) else { return };
        (half.other, half.stage) = (Some(other), Stage::Attached);
        let id = half.id;
        match attach_of(attach) {
            Some(answer) => self.machine.accept_attach(id, *answer, &mut self.out),
            None => self.machine.refuse_attach(id, no_route(), &mut self.out),
        }
        self.tell_limit(home, place);
        self.resume_answered(home);
    }

    /// Goes on with what waited for an answer.
    fn resume_answered(&mut self, home: &mut Home) {
        if let Some(through) = self.through.as_mut().filter(|through| !through.has_asked()) {
            through.answer_by_ns = None;
        }
        self.handle_answered(home);
    }

    /// Refuses a half that its peer asked for.
    fn refuse_half(&mut self, home: &mut Home, place: Slot, id: LinkId, error: AmqpError) {
        self.end_half(home, place);
        self.machine.refuse_attach(id, error, &mut self.out);
        self.resume_answered(home);
    }

    /// The other half ended, or is to.
    pub(crate) fn handle_ended_there(&mut self, home: &mut Home, place: Slot, ending: Ending, error: Option<&Bytes>) {
        let error = error.and_then(|error| AmqpError::read(&mut Reader::new(error)).ok());
        let closing = match ending {
            Ending::Closed => Closing::Closed,
            Ending::Detached => Closing::Suspended,
        };
        let Some(half) = self.half_mut(place) else { return };
        let id = half.id;
        match half.stage {
            Stage::Asked => return self.refuse_half(home, place, id, error.unwrap_or_else(no_route)),
            // It is not there yet: nothing is to be heard of it.
            Stage::Asking => half.other = None,
            Stage::Detached => return self.end_half(home, place),
            Stage::Leaving(_) => return self.answer_leaving(home, place, error),
            Stage::Attached | Stage::Ending(..) => {}
        }
        if self.machine.may_leave(id)
            && let Some(half) = self.half_mut(place)
        {
            // What was sent before is heard before.
            half.stage = Stage::Ending(closing, error.map(Box::new));
            return self.wait_for_half(place);
        }
        self.leave_half(home, place, closing, error);
    }

    /// Detaches a half: if the other one is there, what its peer still says of deliveries goes there until it has detached, too.
    pub(crate) fn leave_half(&mut self, home: &mut Home, place: Slot, closing: Closing, error: Option<AmqpError>) {
        let Some(half) = self.half_mut(place).filter(|half| half.other.is_some()) else {
            return self.detach_half(home, place, closing, error);
        };
        half.stage = Stage::Detached;
        let id = half.id;
        home.leave_half(&mut self.client, place);
        self.machine.detach_and_hear(id, closing, error, &mut self.out);
    }

    /// Answers the peer of a half that has detached it, and goes on with what waited for that.
    fn answer_leaving(&mut self, home: &mut Home, place: Slot, error: Option<AmqpError>) {
        // How it ends its peer has said.
        self.detach_half(home, place, Closing::Closed, error);
        self.handle_answered(home);
    }

    /// The peer of the other half ended it in order with more than the link.
    pub(crate) fn handle_gone_there(&mut self, home: &mut Home, place: Slot) {
        let Some(half) = self.half_mut(place) else { return };
        if !matches!(half.stage, Stage::Asked) {
            half.other = None;
        }
        if matches!(half.stage, Stage::Ending(..)) {
            return;
        }
        let ending = match half.asked.as_ref().map(|asked| asked.lost) {
            Some(Closing::Suspended) => Ending::Detached,
            Some(Closing::Closed) | None => Ending::Closed,
        };
        self.handle_ended_there(home, place, ending, None);
    }

    /// The other half is lost with its connection.
    pub(crate) fn handle_lost_there(&mut self, home: &mut Home, place: Slot) {
        let Some(half) = self.half_mut(place) else { return };
        let id = half.id;
        if matches!(half.stage, Stage::Asked) {
            return self.refuse_half(home, place, id, no_route());
        }
        half.other = None;
        match half.stage {
            Stage::Detached => return self.end_half(home, place),
            // Its peer gets what had come before.
            Stage::Ending(..) => return,
            Stage::Asked | Stage::Asking | Stage::Attached | Stage::Leaving(_) => {}
        }
        let closing = half.asked.as_ref().map_or(Closing::Closed, |asked| asked.lost);
        let failed =
            State::from(DeliveryOutcome::Modified(Box::new(Modified { delivery_failed: true, ..Modified::default() })));
        for delivery in std::mem::take(&mut half.unsettled) {
            let settled = amqp_proto::Settled::Yes;
            self.machine.dispose(id, Deliveries::one(delivery), Some(&failed), settled, &mut self.out);
        }
        self.detach_half(home, place, closing, Some(lost()));
        self.handle_answered(home);
    }

    /// The peer detached a half, or answered that we did, or it is at fault; gives whether it was one.
    pub(crate) fn handle_half_detached(
        &mut self,
        home: &mut Home,
        id: LinkId,
        closing: Closing,
        error: Option<&AmqpError>,
    ) -> bool {
        let Some(place) = self.half_at(id) else { return false };
        let ending = match closing {
            Closing::Closed => Ending::Closed,
            Closing::Suspended => Ending::Detached,
        };
        self.tell_ended(home, place, ending, error);
        let by_ns = home.engine().now_ns() + ANSWER_NS_MAX;
        let is_leaving = self.machine.is_leaving(id);
        match self.half_mut(place) {
            Some(half) if is_leaving && half.other.is_some() && matches!(half.stage, Stage::Attached) => {
                half.stage = Stage::Leaving(by_ns);
                home.leave_half(&mut self.client, place);
                self.through.get_or_insert_default().leaving.insert((by_ns, place));
            }
            // A detach that is answered already is none any more.
            _ => self.detach_half(home, place, closing, None),
        }
        true
    }

    /// A session of the peer's ended, and its halves with it.
    pub(crate) fn handle_halves_session(&mut self, home: &mut Home, session: SessionId) {
        let places = self.through.as_ref().map(|through| through.of_session(session)).unwrap_or_default();
        for place in places {
            if let Some(word) = self.half_mut(place).map(|half| parting(half, DetachMode::Ended)) {
                self.tell(home, place, word);
            }
            self.end_half(home, place);
        }
        if let Some(through) = &mut self.through {
            through.sessions.remove(&session.0);
        }
    }

    /// The connection ends, and all its halves with it.
    pub(crate) fn lose_halves(&mut self, home: &mut Home, mode: DetachMode) {
        let Some(through) = self.through.take() else { return };
        let mut halves: Vec<_> = through.halves.into_iter().collect();
        halves.sort_unstable_by_key(|(place, _)| *place);
        for (place, half) in halves {
            half.other.into_iter().for_each(|other| home.tell_half(place, other, parting(&half, mode)));
        }
    }

    /// Refuses what no container has answered in time, if the peer waits for that only.
    pub(crate) fn handle_unanswered(&mut self, home: &mut Home) {
        let now_ns = home.engine().now_ns();
        self.answer_late(home, now_ns);
        let Some(through) = &mut self.through else { return };
        if through.answer_by_ns.take_if(|until_ns| *until_ns <= now_ns).is_none() {
            return;
        }
        let asked = through.halves.iter().filter(|(_, half)| matches!(half.stage, Stage::Asked));
        let mut places: Vec<Slot> = asked.map(|(place, _)| *place).collect();
        places.sort_unstable();
        for place in places {
            let text = "the container did not answer in time";
            self.handle_ended_there(home, place, Ending::Closed, Some(&encoded(&AmqpError::new(NO_ROUTE, text))));
        }
    }

    /// Answers detaches that the other end has not answered in time, which has no say in it any more.
    fn answer_late(&mut self, home: &mut Home, now_ns: u64) {
        while let Some(place) = self.through.as_mut().and_then(|through| through.pop_late(now_ns)) {
            self.tell(home, place, Word::Gone);
            self.answer_leaving(home, place, None);
        }
    }

    /// The peer waits for an answer: not for ever, if a container is to give it.
    pub(crate) fn bound_answer(&mut self, now_ns: u64) {
        let Some(through) = self.through.as_mut().filter(|_| self.machine.is_waiting()) else { return };
        if through.answer_by_ns.is_none() && through.has_asked() {
            through.answer_by_ns = Some(now_ns + ANSWER_NS_MAX);
        }
    }

    /// Detaches a half, of which nothing is kept then.
    pub(crate) fn detach_half(&mut self, home: &mut Home, place: Slot, closing: Closing, error: Option<AmqpError>) {
        let Some(half) = self.half_mut(place) else { return };
        let id = half.id;
        self.machine.detach(id, closing, error, &mut self.out);
        self.end_half(home, place);
    }

    /// A half is gone.
    fn end_half(&mut self, home: &mut Home, place: Slot) {
        let Some(half) = self.through.as_mut().and_then(|through| through.halves.remove(&place)) else { return };
        if let (Stage::Leaving(by_ns), Some(through)) = (&half.stage, &mut self.through) {
            through.leaving.remove(&(*by_ns, place));
        }
        self.set_link(half.id, None);
        home.release(&mut self.client, place, DetachMode::Ended);
        self.forget_octets(home, &half);
        if half.asked.is_some() {
            self.leave_session(SessionId(half.id.session));
        }
    }

    /// Tells the other half how this one ended.
    fn tell_ended(&mut self, home: &mut Home, place: Slot, ending: Ending, error: Option<&AmqpError>) {
        self.tell(home, place, Word::Ended { ending, error: error.map(encoded) });
    }

    /// Tells the other half something, if it is known.
    pub(crate) fn tell(&mut self, home: &mut Home, place: Slot, word: Word) {
        if let Some(other) = self.half_mut(place).and_then(|half| half.other) {
            home.tell_half(place, other, word);
        }
    }

    /// The half that a link is.
    pub(crate) fn half_at(&self, id: LinkId) -> Option<Slot> {
        let place = self.through.as_ref().and_then(|_| self.link(id))?;
        self.through.as_ref()?.halves.contains_key(&place).then_some(place)
    }

    pub(crate) fn half_mut(&mut self, place: Slot) -> Option<&mut HalfLink> {
        self.through.as_mut()?.halves.get_mut(&place)
    }
}

/// What the other half hears when one ends with its session or connection. A container owes its clients an answer: they lose it however it
/// goes.
fn parting(half: &HalfLink, mode: DetachMode) -> Word {
    match mode {
        DetachMode::Lost => Word::Lost,
        _ if half.asked.is_some() => Word::Lost,
        DetachMode::Ended | DetachMode::Close | DetachMode::Suspend => Word::Gone,
    }
}

fn no_route() -> AmqpError {
    AmqpError::new(NO_ROUTE, "No route to the destination node")
}

fn lost() -> AmqpError {
    AmqpError::new(LOST, "Connectivity to the peer container was lost")
}
