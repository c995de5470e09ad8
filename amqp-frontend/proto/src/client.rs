//! The side that connects: its half of the handshake, and what only it starts: sessions, links, drains.
//!
//! Everything after the handshake is the same machine on both sides. A refused link is told of by `Event::Attached` without
//! source or target, and then by `Event::Detached` (part 2.6.3).

use amqp_codec::AmqpError;
use amqp_codec::frame::{Frame, FrameKind, ProtocolHeader};
use amqp_codec::performative::{self, Attach, Begin, End, Performative, Role, encode_frame};
use amqp_codec::sasl::{OutcomeCode, SaslFrame};
use engine_message::Condition;

use bytes::Bytes;

use crate::connection::{self, Connection, Handshake, Phase};
use crate::event::{Credentials, Event, LinkId, SessionId};
use crate::input::Input;
use crate::limits::{Config, Mechanism};
use crate::link::{Link, State};
use crate::out::Out;
use crate::session::{self, Session};

impl Connection {
    /// A connection that we make: starts the handshake, with a SASL layer if there are credentials. `Event::Opened` tells
    /// of its success, `Event::Closed` of its failure.
    pub fn client(
        config: std::sync::Arc<Config>,
        credentials: Option<Credentials>,
        now_ns: u64,
        out: &mut Out,
    ) -> Self {
        let mut machine = Self::server(config, now_ns);
        machine.end = connection::End::Client;
        if credentials.is_some() {
            out.buffer().extend_from_slice(&ProtocolHeader::Sasl.bytes());
            machine.phase = Phase::Greeting;
        } else {
            machine.call(out);
        }
        machine.credentials = credentials.map(Box::new);
        machine
    }

    /// Header and open leave together: nothing in the answer to the first changes the second.
    fn call(&mut self, out: &mut Out) {
        out.buffer().extend_from_slice(&ProtocolHeader::Amqp.bytes());
        self.write_open(self.config.properties.clone(), out);
        self.phase = Phase::Called;
    }

    /// The answer to our protocol header.
    pub(crate) fn handle_answer<'a>(&mut self, header: Option<ProtocolHeader>, input: &mut Input<'a>) -> Handshake<'a> {
        match (self.phase, header) {
            (Phase::Greeting, Some(ProtocolHeader::Sasl)) => self.phase = Phase::Offered,
            (Phase::Called, Some(ProtocolHeader::Amqp)) => self.phase = Phase::Answered,
            _ => {
                input.discard();
                self.phase = Phase::Closed;
                let text = format!("the peer answered the protocol header with {header:?}");
                let error = AmqpError::new(Condition::NotImplemented, text);
                return Handshake::Event(Event::Closed(Some(Box::new(error))));
            }
        }
        Handshake::Again
    }

    /// The server's SASL frames.
    pub(crate) fn handle_server_sasl<'a>(&mut self, frame: &Frame<'a>, out: &mut Out) -> Handshake<'a> {
        let credentials = self.credentials.as_deref();
        let decoded = SaslFrame::decode(frame.body).ok().filter(|_| frame.kind == FrameKind::Sasl);
        let failure = match (self.phase, decoded) {
            (Phase::Offered, Some(SaslFrame::Mechanisms(offered))) => {
                let (mechanism, response) = choose(credentials);
                if offered.iter().any(|name| name.as_str() == mechanism.name()) {
                    let (mechanism, initial_response) = (mechanism.name(), Some(response.as_slice()));
                    SaslFrame::Init { mechanism, initial_response, hostname: None }.encode(out.buffer());
                    self.phase = Phase::Judged;
                    return Handshake::Again;
                }
                format!("the server does not offer {}", mechanism.name())
            }
            (Phase::Judged, Some(SaslFrame::Challenge(_))) => {
                SaslFrame::Response(&choose(credentials).1).encode(out.buffer());
                return Handshake::Again;
            }
            (Phase::Judged, Some(SaslFrame::Outcome { code: OutcomeCode::Ok, .. })) => {
                self.call(out);
                return Handshake::Again;
            }
            (Phase::Judged, Some(SaslFrame::Outcome { code, .. })) => format!("the server answered {code:?}"),
            _ => "the server sent something else than SASL asks for".to_owned(),
        };
        self.phase = Phase::Closed;
        Handshake::Event(Event::Closed(Some(Box::new(AmqpError::new(Condition::UnauthorizedAccess, failure)))))
    }

    /// The server's open.
    pub(crate) fn handle_called<'a>(&mut self, frame: &Frame<'a>, now_ns: u64, out: &mut Out) -> Handshake<'a> {
        if frame.body.is_empty() && frame.kind == FrameKind::Amqp {
            return Handshake::Again;
        }
        match (frame.kind, frame.channel, performative::decode(frame.body)) {
            (FrameKind::Amqp, 0, Ok((Performative::Open(open), _))) => {
                self.take_open(&open);
                self.phase = Phase::Open;
                Handshake::Event(Event::Opened(open))
            }
            (FrameKind::Amqp, channel, Ok((Performative::Open(_), _))) => {
                Handshake::Event(self.fail(connection::misplaced_open(channel), now_ns, out))
            }
            _ => {
                let error = AmqpError::new(Condition::NotAllowed, "the first frame must be an open on channel 0");
                Handshake::Event(self.fail(error, now_ns, out))
            }
        }
    }

    /// Begins a session; `None` when the connection is not open or has no channel left. `Event::Begun` tells of the answer;
    /// links may be attached before.
    pub fn begin(&mut self, out: &mut Out) -> Option<SessionId> {
        let place = self.sessions.iter().position(Option::is_none).unwrap_or(self.sessions.len());
        let local = u16::try_from(place).ok().filter(|&local| local <= self.remote_channel_max)?;
        if self.phase != Phase::Open {
            return None;
        }
        let session = Session::new(SessionId(local), session::Phase::Mapped, self.config.incoming_window);
        let begin = Begin {
            next_outgoing_id: session.next_outgoing_id,
            incoming_window: session.incoming_window,
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
        let Some(session) = self.session(id.0).filter(|session| session.phase == session::Phase::Mapped) else {
            return;
        };
        session.poll_settlements(out);
        session.phase = session::Phase::Ending;
        session.links.clear();
        encode_frame(out.buffer(), id.0, &Performative::End(End { error }));
    }

    /// The peer's answer to `begin`.
    pub(crate) fn handle_begun(&mut self, channel: u16, begin: &Begin) -> Option<SessionId> {
        let local = begin.remote_channel?;
        let session = self.session(local).filter(|session| session.remote_channel.is_none())?;
        session.take_begin(channel, begin);
        self.bind_channel(channel, local);
        Some(SessionId(local))
    }

    /// Attaches a link as `attach` says, apart from its handle; `None` when there is no such session. `Event::Attached` tells
    /// of the answer.
    pub fn attach(&mut self, id: SessionId, attach: Attach, out: &mut Out) -> Option<LinkId> {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let max_message_size = self.config.max_message_size;
        let session = self.session(id.0).filter(|session| session.phase == session::Phase::Mapped)?;
        let mut link = Link::new(&attach.name, attach.role, State::Attaching, generation);
        link.snd_settle_mode = attach.snd_settle_mode;
        link.rcv_settle_mode = attach.rcv_settle_mode;
        link.delivery_count = attach.initial_delivery_count.unwrap_or(0);
        link.max_message_size = max_message_size;
        let handle = session.add(link);
        let max_message_size = (attach.role == Role::Receiver).then_some(max_message_size);
        let attach = Attach { handle, max_message_size, ..attach };
        encode_frame(out.buffer(), id.0, &Performative::Attach(Box::new(attach)));
        Some(LinkId { session: id.0, generation, handle })
    }

    /// The peer's answer to `attach`, if it is one.
    pub(crate) fn handle_attached(&mut self, local: u16, role: Role, attach: &Attach) -> Option<LinkId> {
        let session = self.session(local)?;
        let handle = session.find(&attach.name, role)?;
        let link = session.link(handle).filter(|link| link.state == State::Attaching)?;
        link.state = State::Attached;
        link.snd_settle_mode = attach.snd_settle_mode;
        link.rcv_settle_mode = attach.rcv_settle_mode;
        match role {
            Role::Receiver => link.delivery_count = attach.initial_delivery_count.unwrap_or(0),
            Role::Sender => link.max_message_size = attach.max_message_size.unwrap_or(u64::MAX),
        }
        let generation = link.generation;
        session.bind(handle, attach.handle);
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
            link.transaction = transaction;
        }
    }

    /// Asks the sender of a link to use up its credit; `Event::Drained` tells that nothing is left of it.
    pub fn drain(&mut self, id: LinkId) {
        let Some(session) = self.session(id.session) else { return };
        let Some(link) = session.link_by_id(id).filter(|link| link.role == Role::Receiver) else { return };
        link.drain = true;
        session.flow(id.handle);
    }
}

/// The mechanism for credentials, and its one message.
fn choose(credentials: Option<&Credentials>) -> (Mechanism, Vec<u8>) {
    match credentials {
        Some(Credentials::Plain { user, password }) => (Mechanism::Plain, format!("\0{user}\0{password}").into_bytes()),
        Some(Credentials::Anonymous) | None => (Mechanism::Anonymous, b"anonymous".to_vec()),
    }
}
