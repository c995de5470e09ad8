//! A server's half of the handshake: protocol headers, SASL, the peer's open and our answer. A client's half is in `client`.
//!
//! Guarantees: nothing but the handshake is understood before it is done; what a peer sends instead is answered as the specification
//! says, and ends the connection; frames before `open` are no larger than `FRAME_BYTES_BEFORE_OPEN`.
//!
//! Not here: how long it may take (`Connection::deadline`), and what both ends' opens mean afterwards.

use std::sync::Arc;

use amqp_codec::AmqpError;
use amqp_codec::frame::{self, FrameKind, ProtocolHeader, Split};
use amqp_codec::performative::{FRAME_BYTES_MIN_MAX, Open, Performative, encode_frame};
use amqp_codec::sasl::{OutcomeCode, SaslFrame};
use engine_message::Condition;
use engine_message::value::Value;

use crate::connection::{Announced, Connection, Phase};
use crate::event::Event;
use crate::fault::{Fault, misplaced_open};
use crate::input::Input;
use crate::limits::{Config, FRAME_BYTES_BEFORE_OPEN, IDLE_TIMEOUT_MIN_MS, SASL_FRAMES_MAX, Sasl, Tls};
use crate::login::{Authenticated, Handshake};
use crate::out::Out;
use crate::sasl::{self, RefusedLogin, SaslFault, Step};

impl Connection {
    pub(crate) fn handle_handshake<'a>(&mut self, now_ns: u64, input: &mut Input<'a>, out: &mut Out) -> Handshake<'a> {
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
            (FrameKind::Sasl, _) if self.login.frames > SASL_FRAMES_MAX => Step::Fail(SaslFault::TooManyFrames),
            (FrameKind::Sasl, Ok(SaslFrame::Init { mechanism, initial_response, .. })) => {
                self.login.mechanism = Some(mechanism.into());
                sasl::begin(&self.config.mechanisms, mechanism, initial_response)
            }
            (FrameKind::Sasl, Ok(SaslFrame::Response(response))) if self.login.frames > 1 => sasl::plain(response),
            _ => Step::Fail(SaslFault::NoSasl),
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

    /// What a peer may ask for that was looked at when it opened: `restrained` is what holds from now on, in place of what it was made with.
    /// `Event::OpenAsked` is to be answered yet.
    pub fn restrain(&mut self, restrained: Arc<Config>) {
        assert_eq!(self.phase, Phase::Opening, "there is an open to answer");
        self.config = restrained;
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
}
