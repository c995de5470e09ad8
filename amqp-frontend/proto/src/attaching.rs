//! Links that a peer attaches and detaches, and the host's answers.
//!
//! Guarantees: an attach is answered by an attach, before anything else is said of its link (part 2.6.3), so that input which would end a
//! link waits for the host's answer; an attach that cannot be understood ends no more than itself; either end may attach, and where
//! both attach the same link at once, each takes the other's attach for its answer.

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Detach, Performative, Role, encode_frame};
use engine_message::Condition;
use engine_message::{DecodeError, ErrorKind};

use crate::asking::resumed;
use crate::connection::Connection;
use crate::dispatch::unattached;
use crate::endpoint::{self, Answers, Endpoint, Hears, Modes, Resumes};
use crate::event::{Event, LinkId, SessionId};
use crate::fault::{self, Fault};
use crate::fitting::{put, put_end};
use crate::flag::Closing;
use crate::out::Out;

/// Octets of the frame of an attach that says nothing, without its name, at most.
const ATTACH_BYTES_AROUND: usize = 80;

impl Connection {
    pub(crate) fn handle_attach<'a>(
        &mut self,
        local: u16,
        attach: Box<Attach>,
        out: &mut Out,
    ) -> Result<Option<Event<'a>>, Fault> {
        let handle_max = self.config.handle_max;
        let Some(session) = self.session(local) else { return Ok(None) };
        if attach.handle > handle_max {
            return Err(unattached(attach.handle, handle_max));
        }
        if session.handles.local(attach.handle).is_some() {
            let text = format!("handle {} is attached already", attach.handle);
            return Err(Fault::Session(Box::new(AmqpError::new(Condition::HandleInUse, text))));
        }
        let role = attach.role.other();
        if self.bind_given_up(local, &attach, role) {
            return Ok(None);
        }
        if let Some(id) = self.handle_attached(local, role, &attach) {
            return match attach.fault {
                Some(fault) => Err(Fault::Link(id.handle, faulty(fault))),
                None => Ok(Some(Event::Attached(id, attach))),
            };
        }
        if self.is_asked(&attach.name, role) {
            return Ok(self.wait());
        }
        self.handle_asked(local, attach, out)
    }

    /// Takes an attach that answers none of ours.
    fn handle_asked<'a>(&mut self, local: u16, attach: Box<Attach>, out: &mut Out) -> Result<Option<Event<'a>>, Fault> {
        let role = attach.role.other();
        let max_message_size = self.config.max_message_size;
        if attach.name.len() + ATTACH_BYTES_AROUND > self.remote.max_frame as usize {
            let text = "the name of a link leaves no room in the peer's frames to answer its attach";
            return Err(Fault::Session(Box::new(AmqpError::new(Condition::FrameSizeTooSmall, text))));
        }
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let stolen = if attach.fault.is_none() { self.steal(&attach.name, role, out) } else { None };
        let mut link = Endpoint::new(&attach.name, role, endpoint::Phase::Asked, generation);
        link.modes = Modes { sender: attach.snd_settle_mode, receiver: attach.rcv_settle_mode };
        match role {
            Role::Receiver => {
                link.delivery_count = attach.initial_delivery_count.unwrap_or(0);
                link.max_message_size = max_message_size;
            }
            Role::Sender => link.max_message_size = attach.max_message_size.unwrap_or(u64::MAX),
        }
        let Some(handle) = self.add_link(local, link) else {
            let text = "the peer's handle-max leaves no handle to answer with";
            return Err(Fault::Session(Box::new(AmqpError::new(Condition::NotAllowed, text))));
        };
        self.session(local).into_iter().for_each(|session| session.handles.bind(handle, attach.handle));
        let id = LinkId { session: local, generation, handle };
        if let Some(fault) = attach.fault {
            // What a peer says of one link is at most the end of that.
            self.refuse_attach(id, *faulty(fault), out);
            return Ok(None);
        }
        match stolen {
            Some((old, error)) => {
                // Of the link that was stolen first, then of the one that stole it.
                self.pending.push(Event::AttachAsked(id, attach));
                Ok(Some(Event::Detached { link: old, closing: Closing::Suspended, error: Some(error) }))
            }
            None => Ok(Some(Event::AttachAsked(id, attach))),
        }
    }

    /// Whether an attach answers one of ours whose link was given up meanwhile: it is bound then, for the detach that follows.
    fn bind_given_up(&mut self, local: u16, attach: &Attach, role: Role) -> bool {
        let is_given_up = |id: LinkId, link: &Endpoint| id.session == local && link.phase == endpoint::Phase::Detaching;
        let given_up = self.links_named(&attach.name, role).find(|(id, link)| is_given_up(*id, link));
        let Some(handle) = given_up.map(|(id, _)| id.handle) else { return false };
        self.forget_name(local, handle);
        self.session(local).into_iter().for_each(|session| session.handles.bind(handle, attach.handle));
        true
    }

    /// Whether the host has not answered the attach of a link of that name, or its detach.
    fn is_asked(&self, name: &str, role: Role) -> bool {
        self.links_named(name, role).any(|(_, link)| link.is_asked())
    }

    /// Detaches a link of ours whose name the peer attaches anew on this connection (part 2.6.1).
    fn steal(&mut self, name: &str, role: Role, out: &mut Out) -> Option<(LinkId, Box<AmqpError>)> {
        let (old, _) = self.links_named(name, role).find(|(_, link)| !link.is_ending())?;
        let error = AmqpError::new(Condition::LinkStolen, format!("the link {name:?} was attached again"));
        self.detach(old, Closing::Closed, Some(error.clone()), out);
        Some((old, Box::new(error)))
    }

    /// Answers `Event::AttachAsked`: the link is attached, as `answer` says (`Attach::answer` agrees to what was asked for). Its name
    /// and its role are what they are; a `max_message_size` of ours is at most the configuration's, and that where none is given.
    /// Ignored when the link is gone meanwhile. An answer that is larger than the peer's frames refuses the link instead, and
    /// `Event::Detached` tells of that.
    pub fn accept_attach(&mut self, id: LinkId, answer: Attach, out: &mut Out) {
        self.answer_attach(id, answer, out);
        if let Some(session) = self.session(id.session)
            && session.link_by_id(id).is_some()
        {
            session.take(id.handle);
        }
    }

    /// Answers `Event::AttachAsked`: the link is refused, by an attach without terminus and a detach (part 2.6.3).
    pub fn refuse_attach(&mut self, id: LinkId, error: AmqpError, out: &mut Out) {
        let link = self.session(id.session).and_then(|session| session.link_by_id(id));
        if let Some(link) = link.filter(|link| link.phase == endpoint::Phase::Asked) {
            let mut answer = Attach::new(&*link.name, id.handle, link.role);
            (answer.snd_settle_mode, answer.rcv_settle_mode) = (link.modes.sender, link.modes.receiver);
            answer.max_message_size = (link.role == Role::Receiver).then_some(link.max_message_size);
            encode_frame(out.buffer(), id.session, &Performative::Attach(Box::new(answer)));
        }
        self.detach(id, Closing::Closed, Some(error), out);
    }

    fn answer_attach(&mut self, id: LinkId, mut answer: Attach, out: &mut Out) {
        let Some(link) = self.session(id.session).and_then(|session| session.link_by_id(id)) else { return };
        if link.phase != endpoint::Phase::Asked {
            return;
        }
        (answer.handle, answer.role) = (id.handle, link.role);
        if *answer.name != *link.name {
            answer.name = link.name.clone().into();
        }
        link.modes = Modes { sender: answer.snd_settle_mode, receiver: answer.rcv_settle_mode };
        match link.role {
            Role::Sender => {
                link.delivery_count = answer.initial_delivery_count.unwrap_or(0);
                answer.initial_delivery_count = Some(link.delivery_count);
            }
            Role::Receiver => {
                let taken_max = link.max_message_size;
                link.max_message_size = answer.max_message_size.unwrap_or(taken_max).min(taken_max);
                answer.max_message_size = Some(link.max_message_size);
                answer.initial_delivery_count = None;
            }
        }
        let named = put_answer(out, self.remote.max_frame, id.session, answer);
        if let Some(resumes) = named {
            if let Some(link) = self.session(id.session).and_then(|session| session.link_by_id(id)) {
                link.resumes = resumes;
            }
        } else {
            let text = "the answer to the attach is larger than the peer's frames";
            let error = AmqpError::new(Condition::FrameSizeTooSmall, text);
            self.refuse_attach(id, error.clone(), out);
            self.pending.push(Event::Detached { link: id, closing: Closing::Closed, error: Some(Box::new(error)) });
        }
    }

    pub(crate) fn handle_detach<'a>(
        &mut self,
        local: u16,
        detach: Detach,
        out: &mut Out,
    ) -> Result<Option<Event<'a>>, Fault> {
        let handle_max = self.config.handle_max;
        if detach.handle > handle_max {
            return Err(unattached(detach.handle, handle_max));
        }
        let Some(session) = self.session(local) else { return Ok(None) };
        // A detach of what is not attached asks for nothing: fe2o3-amqp 0.18 sometimes answers a refused attach twice.
        let Some(handle) = session.handles.local(detach.handle) else { return Ok(None) };
        let Some(link) = session.link(handle) else { return Ok(None) };
        if link.phase == endpoint::Phase::Asked {
            return Ok(self.wait());
        }
        let id = LinkId { session: local, generation: link.generation, handle };
        let closing = Closing::of(detach.closed);
        if link.phase == endpoint::Phase::Detaching {
            let is_heard = link.by_host.hears == Hears::UntilAnswer;
            self.remove_link(local, handle);
            self.end_emptied(SessionId(local), out);
            let error = detach.error.map(Box::new);
            return Ok(is_heard.then_some(Event::Detached { link: id, closing, error }));
        }
        (link.phase, link.partial) = (endpoint::Phase::Leaving(closing), None);
        match link.by_host.answers {
            Answers::AtOnce => self.answer_detach(id, closing, None, out),
            Answers::Host => {
                // The peer may use its handle anew. An attach of the link's name waits.
                session.handles.unbind(handle);
                session.quiet(handle);
            }
        }
        Ok(Some(Event::Detached { link: id, closing, error: detach.error.map(Box::new) }))
    }

    /// Has the host answer a detach of the peer, by `detach`, when it has said all that is to be said of the link's deliveries: what comes
    /// between the two frames is known to the peer when it takes the link up again (part 2.6.5).
    pub fn answer_later(&mut self, id: LinkId) {
        if let Some(link) = self.session(id.session).and_then(|session| session.link_by_id(id)) {
            link.by_host.answers = Answers::Host;
        }
    }

    /// Whether the peer has detached a link, and waits for the host to answer.
    #[must_use]
    pub fn is_leaving(&self, id: LinkId) -> bool {
        let session = self.sessions.get(usize::from(id.session)).and_then(Option::as_deref);
        let link = session.and_then(|session| session.handles.get(id.handle));
        link.is_some_and(|link| link.generation == id.generation && link.is_leaving())
    }

    /// Answers a detach of the peer.
    pub(crate) fn answer_detach(&mut self, id: LinkId, closing: Closing, error: Option<AmqpError>, out: &mut Out) {
        self.put_detach(id, closing, error, out);
        self.remove_link(id.session, id.handle);
    }

    /// Says that a link is detached, behind what is to be said of its deliveries: nothing more can be then.
    pub(crate) fn put_detach(&mut self, id: LinkId, closing: Closing, error: Option<AmqpError>, out: &mut Out) {
        let max_frame = self.remote.max_frame;
        self.session(id.session).into_iter().for_each(|session| session.poll_settlements(max_frame, out));
        let (handle, closed) = (id.handle, closing.is_closed());
        put_end(out, max_frame, id.session, error, |error| Performative::Detach(Detach { handle, closed, error }));
    }
}

/// Writes an answer, and gives which deliveries from before it names: as many as there is room for in the peer's frames. `None`: there is
/// none for the answer itself.
fn put_answer(out: &mut Out, max_frame: u32, channel: u16, answer: Attach) -> Option<Resumes> {
    let mut answer = Performative::Attach(Box::new(answer));
    while !put(out, max_frame, channel, &answer) {
        let Performative::Attach(attach) = &mut answer else { return None };
        let unsettled = attach.unsettled.as_mut().filter(|unsettled| !unsettled.is_empty())?;
        // What is left out is resumed when the link is attached once more (part 2.7.3).
        unsettled.truncate(unsettled.len() / 2);
        attach.incomplete_unsettled = true;
    }
    let Performative::Attach(attach) = &answer else { return None };
    Some(resumed(attach))
}

/// The refusal of an attach with fields that cannot be understood.
fn faulty(fault: DecodeError) -> Box<AmqpError> {
    let condition = match fault.kind {
        // The specification leaves it open which types of termini there are.
        ErrorKind::UnknownDescriptor(_) => Condition::NotImplemented,
        _ => fault::condition_of(fault),
    };
    Box::new(AmqpError::new(condition, format!("the attach cannot be understood: {fault}")))
}
