//! Links that a peer attaches and detaches, and the host's answers.
//!
//! Guarantees: an attach is answered by an attach, before anything else is said of its link (part 2.6.3), so that input which would end a
//! link waits for the host's answer; an attach that cannot be understood ends no more than itself.

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Detach, Performative, Role, Source, Target, encode_frame};
use engine_message::Condition;
use engine_message::{DecodeError, ErrorKind};

use crate::connection::{self, Connection, Fault};
use crate::dispatch::{Closing, unattached};
use crate::event::{Event, LinkId};
use crate::link::{Link, State};
use crate::out::Out;

/// What the host answers to an attach.
#[derive(Debug, Default)]
pub struct AttachReply {
    /// The source as it is; for a sender of ours with the filters that are applied.
    pub source: Option<Source>,
    /// The target as it is.
    pub target: Option<Target>,
}

impl Connection {
    pub(crate) fn handle_attach<'a>(
        &mut self,
        local: u16,
        attach: Box<Attach>,
        out: &mut Out,
    ) -> Result<Option<Event<'a>>, Fault> {
        let handle_max = self.config.handle_max;
        let max_message_size = self.config.max_message_size;
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let Some(session) = self.session(local) else { return Ok(None) };
        if attach.handle > handle_max {
            return Err(unattached(attach.handle, handle_max));
        }
        if session.local(attach.handle).is_some() {
            let text = format!("handle {} is attached already", attach.handle);
            return Err(Fault::Session(Box::new(AmqpError::new(Condition::HandleInUse, text))));
        }
        let role = match attach.role {
            Role::Sender => Role::Receiver,
            Role::Receiver => Role::Sender,
        };
        if let Some(id) = self.handle_attached(local, role, &attach) {
            return match attach.fault {
                Some(fault) => Err(Fault::Link(id.handle, faulty(fault))),
                None => Ok(Some(Event::Attached(id, attach))),
            };
        }
        if self.is_asked(&attach.name, role) {
            return Ok(self.wait());
        }
        let refused = match attach.fault {
            Some(fault) => Some(*faulty(fault)),
            None if self.end == connection::End::Client => {
                Some(AmqpError::new(Condition::NotAllowed, "links are attached by this end only"))
            }
            None => None,
        };
        let stolen = if refused.is_none() { self.steal(&attach.name, role, out) } else { None };
        let Some(session) = self.session(local) else { return Ok(None) };
        let mut link = Link::new(&attach.name, role, State::Asked, generation);
        link.snd_settle_mode = attach.snd_settle_mode;
        link.rcv_settle_mode = attach.rcv_settle_mode;
        match role {
            Role::Receiver => {
                link.delivery_count = attach.initial_delivery_count.unwrap_or(0);
                link.max_message_size = max_message_size;
            }
            Role::Sender => link.max_message_size = attach.max_message_size.unwrap_or(u64::MAX),
        }
        let handle = session.add(link);
        session.bind(handle, attach.handle);
        if handle > session.remote_handle_max {
            let text = "the peer's handle-max leaves no handle to answer with";
            return Err(Fault::Session(Box::new(AmqpError::new(Condition::NotAllowed, text))));
        }
        let id = LinkId { session: local, generation, handle };
        if let Some(error) = refused {
            // What a peer says of one link is at most the end of that.
            self.refuse_attach(id, error, out);
            return Ok(None);
        }
        match stolen {
            Some((old, error)) => {
                self.attaching = Some((id, attach));
                Ok(Some(Event::Detached { link: old, closed: false, error: Some(error) }))
            }
            None => Ok(Some(Event::Attached(id, attach))),
        }
    }

    /// Whether the host has not answered the attach of a link of that name.
    fn is_asked(&self, name: &str, role: Role) -> bool {
        let mut links = self.sessions.iter().flatten().flat_map(|session| session.links.iter().flatten());
        links.any(|link| link.state == State::Asked && link.role == role && *link.name == *name)
    }

    /// Detaches a link of ours whose name the peer attaches anew on this connection (part 2.6.1).
    fn steal(&mut self, name: &str, role: Role, out: &mut Out) -> Option<(LinkId, Box<AmqpError>)> {
        let mut sessions = self.sessions.iter().flatten();
        let old = sessions.find_map(|session| {
            let handle = session.find(name, role)?;
            let generation = session.links.get(handle as usize)?.as_ref()?.generation;
            Some(LinkId { session: session.id.0, generation, handle })
        })?;
        let error = AmqpError::new(Condition::LinkStolen, format!("the link {name:?} was attached again"));
        self.detach(old, Closing::Closed, Some(error.clone()), out);
        Some((old, Box::new(error)))
    }

    /// Answers `Event::Attached`: the link is attached. Ignored when the link is gone meanwhile.
    pub fn accept_attach(&mut self, id: LinkId, reply: AttachReply, out: &mut Out) {
        self.answer_attach(id, reply, out);
        if let Some(session) = self.session(id.session)
            && session.link_by_id(id).is_some()
        {
            session.take(id.handle);
        }
    }

    /// Answers `Event::Attached`: the link is refused, by an attach without terminus and a detach (part 2.6.3).
    pub fn refuse_attach(&mut self, id: LinkId, error: AmqpError, out: &mut Out) {
        self.answer_attach(id, AttachReply::default(), out);
        self.detach(id, Closing::Closed, Some(error), out);
    }

    fn answer_attach(&mut self, id: LinkId, reply: AttachReply, out: &mut Out) {
        let Some(link) = self.session(id.session).and_then(|session| session.link_by_id(id)) else { return };
        if link.state != State::Asked {
            return;
        }
        let sender = link.role == Role::Sender;
        let answer = Attach {
            snd_settle_mode: link.snd_settle_mode,
            rcv_settle_mode: link.rcv_settle_mode,
            source: reply.source,
            target: reply.target,
            initial_delivery_count: sender.then_some(link.delivery_count),
            max_message_size: (!sender).then_some(link.max_message_size),
            ..Attach::new(&*link.name, id.handle, link.role)
        };
        encode_frame(out.buffer(), id.session, &Performative::Attach(Box::new(answer)));
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
        let Some(handle) = session.local(detach.handle) else { return Ok(None) };
        let Some(link) = session.link(handle) else { return Ok(None) };
        if link.state == State::Asked {
            return Ok(self.wait());
        }
        let id = LinkId { session: local, generation: link.generation, handle };
        let answered = link.state == State::Detaching;
        session.remove(handle);
        if answered {
            return Ok(None);
        }
        let answer = Detach { handle, closed: detach.closed, error: None };
        encode_frame(out.buffer(), local, &Performative::Detach(answer));
        Ok(Some(Event::Detached { link: id, closed: detach.closed, error: detach.error.map(Box::new) }))
    }
}

/// The refusal of an attach with fields that cannot be understood.
fn faulty(fault: DecodeError) -> Box<AmqpError> {
    let condition = match fault.kind {
        // The specification leaves it open which types of termini there are.
        ErrorKind::UnknownDescriptor(_) => Condition::NotImplemented,
        _ => connection::condition_of(fault),
    };
    Box::new(AmqpError::new(condition, format!("the attach cannot be understood: {fault}")))
}
