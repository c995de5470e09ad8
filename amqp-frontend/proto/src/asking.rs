//! What either end starts on its own: sessions, links, drains; and the peer's answers to that.
//!
//! Guarantees: what a host says in an attach goes out as it is, apart from the handle, and from what exceeds the configuration;
//! what the peer answers is told whole.

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Begin, End, Performative, Role, encode_frame};
use bytes::Bytes;

use crate::connection::{Connection, Phase};
use crate::endpoint::{self, Endpoint, Modes, Resumes};
use crate::event::{LinkId, SessionId};
use crate::fitting::{put, put_end};
use crate::flag::Drain;
use crate::out::Out;
use crate::sending::Manner;
use crate::session::{self, Session};
use crate::windows::IncomingWindow;

impl Connection {
    /// Begins a session; `None` when the connection is not open or has no channel left. `Event::Begun` tells of the answer;
    /// links may be attached before.
    pub fn begin(&mut self, out: &mut Out) -> Option<SessionId> {
        self.begin_with(IncomingWindow::of(&self.config), out)
    }

    /// The same for a session of which `window` frames may be under way to us at first (`set_window`).
    pub fn begin_within(&mut self, window: u32, out: &mut Out) -> Option<SessionId> {
        self.begin_with(IncomingWindow::fixed(window), out)
    }

    fn begin_with(&mut self, incoming: IncomingWindow, out: &mut Out) -> Option<SessionId> {
        let place = self.sessions.iter().position(Option::is_none).unwrap_or(self.sessions.len());
        let local = u16::try_from(place).ok().filter(|&local| local <= self.remote.channel_max)?;
        if self.phase != Phase::Open {
            return None;
        }
        let session = Session::new(SessionId(local), session::Phase::Mapped, incoming);
        let begin = Begin {
            next_outgoing_id: session.outgoing.next_id,
            incoming_window: session.incoming.size,
            outgoing_window: u32::MAX >> 1,
            handle_max: self.config.handle_max,
            ..Begin::default()
        };
        encode_frame(out.buffer(), local, &Performative::Begin(Box::new(begin)));
        self.put_session(place, session);
        Some(SessionId(local))
    }

    /// Ends a session with all its links.
    pub fn end(&mut self, id: SessionId, error: Option<AmqpError>, out: &mut Out) {
        let max_frame = self.remote.max_frame;
        let Some(session) = self.session(id.0).filter(|session| session.phase == session::Phase::Mapped) else {
            return;
        };
        session.poll_settlements(max_frame, out);
        session.phase = session::Phase::Ending;
        self.remove_links(id.0);
        put_end(out, max_frame, id.0, error, |error| Performative::End(End { error }));
    }

    /// Ends a session whose links are all to be gone, when the peer has detached them, too: qdrouterd, which still sends on one, does not survive an
    /// end right behind its detach.
    pub fn end_empty(&mut self, id: SessionId, out: &mut Out) {
        if let Some(session) = self.session(id.0) {
            session.ends_empty = true;
            self.end_emptied(id, out);
        }
    }

    /// Ends a session that ends with its last link, if it has none.
    pub(crate) fn end_emptied(&mut self, id: SessionId, out: &mut Out) {
        if self.session(id.0).is_some_and(|session| session.ends_empty && session.is_empty()) {
            self.end(id, None, out);
        }
    }

    /// The peer's answer to `begin`.
    pub(crate) fn handle_begun(&mut self, channel: u16, begin: &Begin) -> Option<SessionId> {
        let local = begin.remote_channel?;
        let session = self.session(local).filter(|session| session.remote_channel.is_none())?;
        session.take_begin(channel, begin);
        self.bind_channel(channel, local);
        Some(SessionId(local))
    }

    /// Attaches a link as `attach` says, apart from its handle, and from a `max_message_size` beyond the configuration's; `None` when
    /// there is no such session, or no handle that the peer takes, or the attach is larger than its frames. `Event::Attached` tells of the answer.
    pub fn attach(&mut self, id: SessionId, mut attach: Attach, out: &mut Out) -> Option<LinkId> {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let (taken_max, max_frame) = (self.config.max_message_size, self.remote.max_frame);
        self.session(id.0).filter(|session| session.phase == session::Phase::Mapped)?;
        let mut link = Endpoint::new(&attach.name, attach.role, endpoint::Phase::Attaching, generation);
        link.modes = Modes { sender: attach.snd_settle_mode, receiver: attach.rcv_settle_mode };
        link.delivery_count = attach.initial_delivery_count.unwrap_or(0);
        link.resumes = resumed(&attach);
        if attach.role == Role::Receiver {
            link.max_message_size = attach.max_message_size.unwrap_or(taken_max).min(taken_max);
            attach.max_message_size = Some(link.max_message_size);
        }
        let handle = self.add_link(id.0, link)?;
        attach.handle = handle;
        if !put(out, max_frame, id.0, &Performative::Attach(Box::new(attach))) {
            self.remove_link(id.0, handle);
            return None;
        }
        Some(LinkId { session: id.0, generation, handle })
    }

    /// The peer's answer to `attach`, if it is one.
    pub(crate) fn handle_attached(&mut self, local: u16, role: Role, attach: &Attach) -> Option<LinkId> {
        let is_it = |id: LinkId, link: &Endpoint| id.session == local && !link.is_ending();
        let (id, _) = self.links_named(&attach.name, role).find(|(id, link)| is_it(*id, link))?;
        let handle = id.handle;
        let session = self.session(local)?;
        let link = session.link(handle).filter(|link| link.phase == endpoint::Phase::Attaching)?;
        link.attached();
        link.modes = Modes { sender: attach.snd_settle_mode, receiver: attach.rcv_settle_mode };
        match role {
            Role::Receiver => link.delivery_count = attach.initial_delivery_count.unwrap_or(0),
            Role::Sender => link.max_message_size = attach.max_message_size.unwrap_or(u64::MAX),
        }
        let generation = link.generation;
        session.handles.bind(handle, attach.handle);
        // Credit may have been given before.
        if role == Role::Receiver {
            session.flow(handle);
        }
        Some(LinkId { session: local, generation, handle })
    }

    /// From now on what is sent on a link belongs to a transaction, as the coordinator named it; `None`: to none. Of what waits on
    /// the link (`waiting`) it is not said whether it does.
    pub fn enlist(&mut self, id: LinkId, transaction: Option<Bytes>) {
        if let Some(link) = self.session(id.session).and_then(|session| session.link_by_id(id)) {
            link.sending.manner = transaction.map(Manner::Enlisted);
        }
    }

    /// From now on what is sent on a link has its key for its tag, eight octets with the high one first: whoever gives keys that are
    /// not given again finds a delivery by its tag when the link is attached once more. Not with `enlist`.
    pub fn tag_by_keys(&mut self, id: LinkId) {
        if let Some(link) = self.session(id.session).and_then(|session| session.link_by_id(id)) {
            link.sending.manner = Some(Manner::TaggedByKey);
        }
    }

    /// Asks the sender of a link to use up its credit; `Event::Drained` tells that nothing is left of it.
    pub fn drain(&mut self, id: LinkId) {
        let Some(session) = self.session(id.session) else { return };
        let Some(link) = session.link_by_id(id).filter(|link| link.role == Role::Receiver) else { return };
        link.drain = Drain::Yes;
        session.flow(id.handle);
    }
}

/// Which deliveries from before an attach names.
pub(crate) fn resumed(attach: &Attach) -> Resumes {
    match &attach.unsettled {
        _ if attach.incomplete_unsettled => Resumes::Incomplete,
        Some(unsettled) if !unsettled.is_empty() => Resumes::Named,
        _ => Resumes::Nothing,
    }
}
