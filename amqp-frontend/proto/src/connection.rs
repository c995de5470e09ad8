//! One connection: a server's protocol headers and SASL, open and close, time. A client's half of the handshake is in `client`,
//! sessions are in `dispatch`; after the handshake both ends are the same machine.
//!
//! The host feeds `handle_input` until it gives `None`, answers events by methods, and calls `poll_output` when it has
//! done so for everything that came.
//!
//! Guarantees:
//! 1. Bytes of a peer lead to events and to AMQP errors of the scope that the specification names (link, session,
//!    connection), never to a panic, and never to memory beyond the limits of `limits`.
//! 2. Nothing but the handshake is understood before the handshake is done; after `Closed` nothing is.
//! 3. In the steady state neither direction allocates for a message of one frame.
//! 4. Every attach of a peer is answered by an attach before anything else is said of its link (part 2.6.3): input that would end
//!    the link first waits until the host has answered.

use amqp_codec::AmqpError;
use amqp_codec::frame::{self, FrameKind, ProtocolHeader, Split};
use amqp_codec::performative::{Close, FRAME_BYTES_MIN_MAX, Open, Performative, encode_frame};
use amqp_codec::sasl::{OutcomeCode, SaslFrame};
use engine_message::Condition;
use engine_message::value::Value;

use crate::event::{Credentials, Event};
use crate::fault::Fault;
use crate::fitting::put_end;
use crate::input::Input;
use crate::limits::{
    CLOSE_TIMEOUT_NS, Config, FRAME_BYTES_BEFORE_OPEN, IDLE_TIMEOUT_MIN_MS, OUT_SOFT_MAX, SASL_FRAMES_MAX, Sasl, Tls,
};
use crate::out::Out;
use crate::sasl::{self, Refusal, RefusedLogin, Step};
use crate::session::Session;
use crate::unsettled::Cursor;

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A protocol header comes first.
    Start,
    /// TLS was put in: SASL or AMQP follows.
    Secured,
    /// Mechanisms were offered.
    Sasl,
    /// The host verifies credentials.
    Verifying,
    /// Authenticated: the AMQP header follows.
    Authenticated,
    /// Headers are exchanged; `open` follows.
    Header,
    /// The host decides on the peer's `open`.
    Opening,
    /// As a client: the SASL header is to be answered.
    Greeting,
    /// As a client: mechanisms come.
    Offered,
    /// As a client: the outcome comes.
    Judged,
    /// As a client: header and open are to be answered.
    Called,
    /// As a client: the header was answered, the open comes.
    Answered,
    /// Both opened.
    Open,
    /// We closed and discard what comes until the peer does.
    Closing,
    /// Nothing more in either direction.
    Closed,
}

/// What is known of the peer before it is let in, and what it is told.
#[derive(Debug, Default)]
pub(crate) struct Login {
    /// SASL frames that came.
    frames: u8,
    /// The SASL mechanism that the peer chose, in its words.
    mechanism: Option<Box<str>>,
    refused: Option<RefusedLogin>,
    /// As a client: who we are.
    pub credentials: Option<Box<Credentials>>,
    /// As a client: our open, until it is sent.
    pub open: Option<Box<Open>>,
}

/// What one end's open said of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announced {
    /// Largest frame that it takes, octets.
    pub max_frame: u32,
    /// Highest channel that it takes.
    pub channel_max: u16,
    /// How long it waits for a sign of life before it gives up, nanoseconds; `None`: for ever.
    pub idle_ns: Option<u64>,
}

/// When something happened, or has to, nanoseconds.
#[derive(Debug)]
pub(crate) struct Times {
    pub last_input_ns: u64,
    last_output_ns: u64,
    close_by_ns: Option<u64>,
    open_by_ns: u64,
}

/// A connection; a server's unless made by `client`.
#[derive(Debug)]
pub struct Connection {
    pub(crate) config: std::sync::Arc<Config>,
    pub(crate) phase: Phase,
    pub(crate) login: Login,
    pub(crate) sessions: Vec<Option<Box<Session>>>,
    /// Session's local channel plus one, by remote channel.
    pub(crate) by_remote: Vec<u16>,
    pub(crate) generation: u16,
    pub(crate) cursor: Option<Cursor>,
    /// Whether the next frame would end a link whose attach the host has not answered: it waits, and all behind it.
    pub(crate) awaits: bool,
    /// What is told before anything else that comes: at most one event for each link that the host answered since.
    pub(crate) pending: Vec<Event<'static>>,
    pub(crate) local: Announced,
    pub(crate) remote: Announced,
    pub(crate) times: Times,
}

impl Connection {
    /// A connection that was just accepted.
    pub fn server(config: std::sync::Arc<Config>, now_ns: u64) -> Self {
        let open_by_ns = now_ns + u64::from(config.handshake_timeout_ms) * 1_000_000;
        let idle_ns = Some(u64::from(config.idle_timeout_ms) * 1_000_000).filter(|&idle_ns| idle_ns > 0);
        let local = Announced { max_frame: config.max_frame_size, channel_max: config.channel_max, idle_ns };
        Self {
            config,
            phase: Phase::Start,
            login: Login::default(),
            sessions: Vec::new(),
            by_remote: Vec::new(),
            generation: 0,
            cursor: None,
            awaits: false,
            pending: Vec::new(),
            local,
            remote: Announced { max_frame: FRAME_BYTES_MIN_MAX, channel_max: 0, idle_ns: None },
            times: Times { last_input_ns: now_ns, last_output_ns: now_ns, close_by_ns: None, open_by_ns },
        }
    }

    /// What it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether nothing more will come of it: the host writes what there is and closes the socket.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// The SASL mechanism that the peer chose, which need not be one that there is; empty before it did.
    pub fn mechanism(&self) -> &str {
        self.login.mechanism.as_deref().unwrap_or_default()
    }

    /// Why the peer was not let in, once it was not.
    pub fn refused_login(&self) -> Option<RefusedLogin> {
        self.login.refused
    }

    /// Whether input has to wait for the host's answer: to credentials, an open, or an attach.
    pub fn is_waiting(&self) -> bool {
        self.awaits || matches!(self.phase, Phase::Verifying | Phase::Opening)
    }

    /// Takes input up to the next event; `None` when there is no more to take.
    #[inline]
    pub fn handle_input<'a>(&mut self, now_ns: u64, input: &mut Input<'a>, out: &mut Out) -> Option<Event<'a>> {
        assert!(self.cursor.is_none(), "all settled deliveries were taken");
        self.awaits = false;
        if let Some(event) = self.pending.pop() {
            return Some(event);
        }
        loop {
            if self.phase != Phase::Open {
                match self.handle_handshake(now_ns, input, out) {
                    Handshake::Again => continue,
                    Handshake::Event(event) => return Some(event),
                    Handshake::Stop => return None,
                }
            }
            let (frame, bytes) = match frame::split(input.rest(), self.local.max_frame) {
                Ok(Split::Frame { frame, bytes }) => (frame, bytes),
                Ok(Split::Partial { .. }) => return None,
                Err(error) => return self.framing_error(&error, now_ns, out),
            };
            input.consume(bytes);
            self.times.last_input_ns = now_ns;
            if frame.kind != FrameKind::Amqp {
                let error = AmqpError::new(Condition::FramingError, "a SASL frame came after authentication");
                return Some(self.fail(error, now_ns, out));
            }
            if frame.body.is_empty() {
                continue;
            }
            match self.handle_frame(frame.channel, frame.body, out) {
                Ok(Some(event)) => return Some(event),
                Ok(None) if self.awaits => {
                    input.give_back(bytes);
                    return None;
                }
                Ok(None) => {}
                Err((session, fault)) => {
                    if let Some(event) = self.handle_fault(session, fault, now_ns, out) {
                        return Some(event);
                    }
                }
            }
        }
    }

    fn framing_error<'a>(&mut self, error: &frame::FrameError, now_ns: u64, out: &mut Out) -> Option<Event<'a>> {
        Some(self.fail(AmqpError::new(Condition::FramingError, error.to_string()), now_ns, out))
    }

    /// Closes the connection with an error.
    pub(crate) fn fail<'a>(&mut self, error: AmqpError, now_ns: u64, out: &mut Out) -> Event<'a> {
        if matches!(self.phase, Phase::Header | Phase::Opening) {
            // A close has to follow an open (part 2.4.1).
            self.write_open(self.config.server_open(), out);
        }
        self.sessions.clear();
        self.pending.clear();
        self.awaits = false;
        self.cursor = None;
        if matches!(self.phase, Phase::Header | Phase::Opening | Phase::Answered | Phase::Open) {
            let close = |error| Performative::Close(Close { error });
            put_end(out, self.remote.max_frame, 0, Some(error.clone()), close);
            self.phase = Phase::Closing;
            self.times.close_by_ns = Some(now_ns + CLOSE_TIMEOUT_NS);
        } else {
            self.phase = Phase::Closed;
        }
        Event::Closed(Some(Box::new(error)))
    }

    fn handle_handshake<'a>(&mut self, now_ns: u64, input: &mut Input<'a>, out: &mut Out) -> Handshake<'a> {
        match self.phase {
            Phase::Start | Phase::Secured | Phase::Authenticated | Phase::Greeting | Phase::Called => {
                let Some(octets) = input.rest().first_chunk::<8>() else {
                    return self.partial_header(input, out);
                };
                let header = ProtocolHeader::parse(*octets);
                input.consume(8);
                if matches!(self.phase, Phase::Greeting | Phase::Called) {
                    return self.handle_answer(header, input);
                }
                self.handle_header(header, input, out)
            }
            Phase::Verifying | Phase::Opening | Phase::Open => Handshake::Stop,
            Phase::Closed => {
                input.discard();
                Handshake::Stop
            }
            Phase::Sasl | Phase::Header | Phase::Closing | Phase::Offered | Phase::Judged | Phase::Answered => {
                // Larger frames than the specification lets a peer assume are taken, within reason.
                let max = match self.phase {
                    Phase::Closing | Phase::Answered => self.local.max_frame,
                    _ => FRAME_BYTES_BEFORE_OPEN,
                };
                let (frame, bytes) = match frame::split(input.rest(), max) {
                    Ok(Split::Frame { frame, bytes }) => (frame, bytes),
                    Ok(Split::Partial { .. }) => return Handshake::Stop,
                    Err(error) => {
                        if self.phase == Phase::Closing {
                            self.phase = Phase::Closed;
                            return Handshake::Again;
                        }
                        let error = AmqpError::new(Condition::FramingError, error.to_string());
                        return Handshake::Event(self.fail(error, now_ns, out));
                    }
                };
                input.consume(bytes);
                self.handle_early_frame(&frame, now_ns, out)
            }
        }
    }

    /// Less than a protocol header came: it is answered as soon as it cannot become one.
    fn partial_header<'a>(&mut self, input: &mut Input<'a>, out: &mut Out) -> Handshake<'a> {
        if b"AMQP".starts_with(input.rest().get(..input.rest().len().min(4)).unwrap_or_default()) {
            return Handshake::Stop;
        }
        if matches!(self.phase, Phase::Greeting | Phase::Called) {
            return self.handle_answer(None, input);
        }
        self.handle_header(None, input, out)
    }

    fn handle_header<'a>(
        &mut self,
        header: Option<ProtocolHeader>,
        input: &mut Input<'a>,
        out: &mut Out,
    ) -> Handshake<'a> {
        let first = self.phase != Phase::Authenticated;
        match header {
            Some(ProtocolHeader::Tls) if self.phase == Phase::Start && self.config.tls == Tls::Optional => {
                out.buffer().extend_from_slice(&ProtocolHeader::Tls.bytes());
                self.phase = Phase::Secured;
                Handshake::Event(Event::Tls)
            }
            Some(ProtocolHeader::Sasl) if first && self.config.sasl != Sasl::Off => {
                out.buffer().extend_from_slice(&ProtocolHeader::Sasl.bytes());
                SaslFrame::Mechanisms(sasl::offered(&self.config.mechanisms)).encode(out.buffer());
                self.phase = Phase::Sasl;
                Handshake::Again
            }
            Some(ProtocolHeader::Amqp) if !first || self.config.sasl != Sasl::Required => {
                out.buffer().extend_from_slice(&ProtocolHeader::Amqp.bytes());
                self.phase = Phase::Header;
                Handshake::Again
            }
            _ => {
                // Part 2.2: answer with a header that would do, then close.
                let wanted = if first && self.config.sasl == Sasl::Required {
                    ProtocolHeader::Sasl
                } else {
                    ProtocolHeader::Amqp
                };
                out.buffer().extend_from_slice(&wanted.bytes());
                input.discard();
                self.phase = Phase::Closed;
                let text = "the peer sent a protocol header that this listener does not accept";
                Handshake::Event(Event::Closed(Some(Box::new(AmqpError::new(Condition::FramingError, text)))))
            }
        }
    }

    fn handle_early_frame<'a>(&mut self, frame: &frame::Frame<'a>, now_ns: u64, out: &mut Out) -> Handshake<'a> {
        self.times.last_input_ns = now_ns;
        match self.phase {
            Phase::Closing => {
                let closed = amqp_codec::performative::decode(frame.body);
                if matches!(closed, Ok((Performative::Close(_), _))) {
                    self.phase = Phase::Closed;
                }
                Handshake::Again
            }
            Phase::Sasl => self.handle_sasl(frame, out),
            Phase::Offered | Phase::Judged => self.handle_server_sasl(frame, out),
            Phase::Answered => self.handle_called(frame, now_ns, out),
            _ => {
                if frame.body.is_empty() && frame.kind == FrameKind::Amqp {
                    return Handshake::Again;
                }
                let decoded = amqp_codec::performative::decode(frame.body);
                let error = match (frame.kind, frame.channel, decoded) {
                    (FrameKind::Amqp, 0, Ok((Performative::Open(open), _))) => {
                        return self.handle_open(open, now_ns, out);
                    }
                    (FrameKind::Amqp, _, Err(error)) => match Fault::from(error) {
                        Fault::Link(_, error) | Fault::Session(error) | Fault::Connection(error) => *error,
                    },
                    (FrameKind::Amqp, channel, Ok((Performative::Open(_), _))) => misplaced_open(channel),
                    _ => AmqpError::new(Condition::NotAllowed, "the first frame must be an open on channel 0"),
                };
                Handshake::Event(self.fail(error, now_ns, out))
            }
        }
    }

    fn handle_sasl<'a>(&mut self, frame: &frame::Frame<'a>, out: &mut Out) -> Handshake<'a> {
        self.login.frames += 1;
        let step = match (frame.kind, SaslFrame::decode(frame.body)) {
            (FrameKind::Sasl, _) if self.login.frames > SASL_FRAMES_MAX => Step::Fail(Refusal::TooManyFrames),
            (FrameKind::Sasl, Ok(SaslFrame::Init { mechanism, initial_response, .. })) => {
                self.login.mechanism = Some(mechanism.into());
                sasl::begin(&self.config.mechanisms, mechanism, initial_response)
            }
            (FrameKind::Sasl, Ok(SaslFrame::Response(response))) if self.login.frames > 1 => sasl::plain(response),
            _ => Step::Fail(Refusal::NoSasl),
        };
        match step {
            Step::Verify(credentials) => {
                self.phase = Phase::Verifying;
                Handshake::Event(Event::Authenticate(credentials))
            }
            Step::Challenge => {
                SaslFrame::Challenge(b"").encode(out.buffer());
                Handshake::Again
            }
            Step::Fail(refusal) => {
                self.authenticated(Authenticated::No, out);
                let error = AmqpError::new(Condition::UnauthorizedAccess, refusal.to_string());
                Handshake::Event(Event::Closed(Some(Box::new(error))))
            }
        }
    }

    /// Answers `Event::Authenticate`. After a failure the connection is closed.
    pub fn authenticated(&mut self, authenticated: Authenticated, out: &mut Out) {
        self.login.refused = match authenticated {
            Authenticated::Yes => None,
            Authenticated::No if self.phase == Phase::Verifying => Some(RefusedLogin::Credentials),
            Authenticated::No => Some(RefusedLogin::Exchange),
            Authenticated::Unknown => Some(RefusedLogin::Busy),
        };
        let (code, phase) = match authenticated {
            Authenticated::Yes => (OutcomeCode::Ok, Phase::Authenticated),
            Authenticated::No => (OutcomeCode::Auth, Phase::Closed),
            Authenticated::Unknown => (OutcomeCode::SysTemp, Phase::Closed),
        };
        SaslFrame::Outcome { code, additional_data: None }.encode(out.buffer());
        self.phase = phase;
    }

    fn handle_open<'a>(&mut self, open: Box<Open>, now_ns: u64, out: &mut Out) -> Handshake<'a> {
        if open.idle_timeout_ms.is_some_and(|timeout| timeout < IDLE_TIMEOUT_MIN_MS) {
            let text = format!("an idle-time-out below {IDLE_TIMEOUT_MIN_MS} ms is not honoured");
            return Handshake::Event(self.fail(AmqpError::new(Condition::InvalidField, text), now_ns, out));
        }
        self.take_open(&open);
        self.phase = Phase::Opening;
        Handshake::Event(Event::OpenAsked(open))
    }

    /// Takes what the peer's open says.
    pub(crate) fn take_open(&mut self, open: &Open) {
        self.remote = Announced {
            max_frame: open.max_frame_size.min(self.config.max_frame_size.max(FRAME_BYTES_MIN_MAX)),
            channel_max: open.channel_max,
            idle_ns: open.idle_timeout_ms.map(|ms| u64::from(ms) * 1_000_000),
        };
    }

    /// Writes our open. Its limits hold from now on; they are at most those of the configuration.
    pub(crate) fn write_open(&mut self, mut open: Open, out: &mut Out) {
        open.max_frame_size = open.max_frame_size.min(self.config.max_frame_size).max(FRAME_BYTES_MIN_MAX);
        open.channel_max = open.channel_max.min(self.config.channel_max);
        self.local = Announced {
            max_frame: open.max_frame_size,
            channel_max: open.channel_max,
            // Half of what we wait is announced (part 2.4.5).
            idle_ns: open.idle_timeout_ms.map(|ms| 2 * u64::from(ms) * 1_000_000),
        };
        encode_frame(out.buffer(), 0, &Performative::Open(Box::new(open)));
    }

    /// Answers `Event::OpenAsked`: the connection is open. `Config::server_open` is the answer that says no more than the
    /// configuration; the limits in it may be lowered.
    pub fn accept_open(&mut self, open: Open, out: &mut Out) {
        assert_eq!(self.phase, Phase::Opening, "there is an open to answer");
        self.write_open(open, out);
        self.phase = Phase::Open;
    }

    /// Answers `Event::OpenAsked`: the connection is refused. Where a container is to be found elsewhere, the error says so
    /// (`ConnectionRedirect`, part 2.8.16).
    pub fn refuse_open(&mut self, error: AmqpError, now_ns: u64, out: &mut Out) {
        assert_eq!(self.phase, Phase::Opening, "there is an open to answer");
        let mut open = self.config.server_open();
        // Qpid JMS looks for this before it believes the open.
        open.properties.insert("amqp:connection-establishment-failed", Value::Boolean(true));
        self.write_open(open, out);
        self.phase = Phase::Open;
        self.fail(error, now_ns, out);
    }

    /// Closes the connection from our side.
    pub fn close(&mut self, error: Option<AmqpError>, now_ns: u64, out: &mut Out) {
        self.sessions.clear();
        self.pending.clear();
        self.awaits = false;
        self.cursor = None;
        if self.phase != Phase::Open {
            self.phase = Phase::Closed;
            return;
        }
        put_end(out, self.remote.max_frame, 0, error, |error| Performative::Close(Close { error }));
        self.phase = Phase::Closing;
        self.times.close_by_ns = Some(now_ns + CLOSE_TIMEOUT_NS);
    }

    /// Answers the peer's close.
    pub(crate) fn closed_by_peer<'a>(&mut self, close: Close, out: &mut Out) -> Event<'a> {
        self.sessions.clear();
        self.phase = Phase::Closed;
        encode_frame(out.buffer(), 0, &Performative::Close(Close::default()));
        Event::Closed(close.error.map(Box::new))
    }

    /// Writes what is due; stops when the output is full. Call again when it has left.
    pub fn poll_output(&mut self, now_ns: u64, out: &mut Out) {
        let max_frame = self.remote.max_frame;
        for session in self.sessions.iter_mut().flatten() {
            if out.len() >= OUT_SOFT_MAX {
                break;
            }
            session.poll_output(max_frame, out);
        }
        if !out.is_empty() {
            self.times.last_output_ns = now_ns;
        }
    }

    /// Whether a `poll_output` into an empty output would write more.
    pub fn wants_room(&self) -> bool {
        self.sessions.iter().flatten().any(|session| session.wants_room())
    }

    /// When `handle_deadline` is to be called, nanoseconds.
    pub fn deadline(&self) -> Option<u64> {
        match self.phase {
            Phase::Closed => None,
            Phase::Closing => self.times.close_by_ns,
            Phase::Open => {
                let silent = self.local.idle_ns.map(|idle_ns| self.times.last_input_ns + idle_ns);
                let beat = self.remote.idle_ns.map(|idle_ns| self.times.last_output_ns + idle_ns / 2);
                [silent, beat].into_iter().flatten().min()
            }
            // From the first moment on, however busy the peer keeps us.
            _ => Some(self.times.open_by_ns),
        }
    }

    /// Does what time asks for: a heart beat, or giving up on the peer.
    pub fn handle_deadline<'a>(&mut self, now_ns: u64, out: &mut Out) -> Option<Event<'a>> {
        if self.deadline().is_none_or(|deadline| deadline > now_ns) {
            return None;
        }
        match self.phase {
            Phase::Open => {
                let silent = |idle_ns| self.times.last_input_ns + idle_ns <= now_ns;
                if self.local.idle_ns.is_some_and(silent) {
                    let text = "nothing came from the peer within the idle timeout";
                    return Some(self.fail(AmqpError::new(Condition::ResourceLimitExceeded, text), now_ns, out));
                }
                frame::amqp(out.buffer(), 0, |_| {});
                self.times.last_output_ns = now_ns;
                None
            }
            Phase::Closing => {
                self.phase = Phase::Closed;
                None
            }
            _ => {
                let text = "the handshake took too long";
                Some(self.fail(AmqpError::new(Condition::ResourceLimitExceeded, text), now_ns, out))
            }
        }
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        for session in self.sessions.iter().flatten() {
            session.check();
        }
    }
}

/// Part 2.4.1: only channel 0 takes an open.
pub(crate) fn misplaced_open(channel: u16) -> AmqpError {
    AmqpError::new(Condition::FramingError, format!("an open came on channel {channel}: it belongs on channel 0"))
}

/// What came of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authenticated {
    /// They are right.
    Yes,
    /// They are wrong.
    No,
    /// They could not be verified now.
    Unknown,
}

/// What a step of the handshake leads to.
pub(crate) enum Handshake<'a> {
    Again,
    Event(Event<'a>),
    Stop,
}
