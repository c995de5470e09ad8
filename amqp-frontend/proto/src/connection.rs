//! One connection: its input frame by frame, its end, time. The handshake is in `handshake` (a server's half) and `client`, sessions are in
//! `dispatch`; after the handshake both ends are the same machine.
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
use amqp_codec::frame::{self, FrameKind, Split};
use amqp_codec::performative::{Close, FRAME_BYTES_MIN_MAX, Performative, encode_frame};
use engine_message::Condition;

use crate::event::Event;
use crate::fitting::put_end;
use crate::input::Input;
use crate::limits::{CLOSE_TIMEOUT_NS, Config, OUT_SOFT_MAX};
use crate::login::{Handshake, Login};
use crate::names::Names;
use crate::out::Out;
use crate::sasl::RefusedLogin;
use crate::session::{Phase as SessionPhase, Session};
use crate::unsettled::Named;

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
    pub(crate) names: Names,
    /// Session's local channel plus one, by remote channel.
    pub(crate) by_remote: Vec<u16>,
    pub(crate) generation: u16,
    pub(crate) named: Option<Named>,
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
            names: Names::default(),
            by_remote: Vec::new(),
            generation: 0,
            named: None,
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

    /// Whether input has to wait for the host's answer: to credentials, an open, an attach, or a detach.
    pub fn is_waiting(&self) -> bool {
        self.awaits || matches!(self.phase, Phase::Verifying | Phase::Opening)
    }

    /// Takes input up to the next event; `None` when there is no more to take.
    #[inline]
    pub fn handle_input<'a>(&mut self, now_ns: u64, input: &mut Input<'a>, out: &mut Out) -> Option<Event<'a>> {
        assert!(self.named.is_none(), "all settled deliveries were taken");
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
        self.names.clear();
        self.pending.clear();
        self.awaits = false;
        self.named = None;
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

    /// Closes the connection from our side.
    pub fn close(&mut self, error: Option<AmqpError>, now_ns: u64, out: &mut Out) {
        let max_frame = self.remote.max_frame;
        // Whoever closes has said what it decided on.
        let open = self.sessions.iter_mut().flatten().filter(|session| session.phase == SessionPhase::Mapped);
        open.for_each(|session| session.poll_settlements(max_frame, out));
        self.sessions.clear();
        self.names.clear();
        self.pending.clear();
        self.awaits = false;
        self.named = None;
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
        self.names.clear();
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
        self.names.check(&self.sessions);
    }
}
