//! The side that connects: its half of the handshake. Everything after that is the same machine on both sides; what either side
//! starts on its own is in `asking`.

use amqp_codec::AmqpError;
use amqp_codec::frame::{Frame, FrameKind, ProtocolHeader};
use amqp_codec::performative::{self, Open, Performative};
use amqp_codec::sasl::{OutcomeCode, SaslFrame};
use engine_message::Condition;

use crate::connection::{Connection, Phase};
use crate::event::{Credentials, Event};
use crate::fault::misplaced_open;
use crate::input::Input;
use crate::limits::{Config, Mechanism};
use crate::login::Handshake;
use crate::out::Out;

impl Connection {
    /// A connection that we make: starts the handshake, with a SASL layer if there are credentials. `open` is what we say of us:
    /// `Config::client_open`, and what the host adds. `Event::Opened` tells of its success, `Event::Closed` of its failure.
    pub fn client(
        config: std::sync::Arc<Config>,
        open: Open,
        credentials: Option<Credentials>,
        now_ns: u64,
        out: &mut Out,
    ) -> Self {
        let mut machine = Self::server(config, now_ns);
        machine.login.open = Some(Box::new(open));
        if credentials.is_some() {
            out.buffer().extend_from_slice(&ProtocolHeader::Sasl.bytes());
            machine.phase = Phase::Greeting;
        } else {
            machine.call(out);
        }
        machine.login.credentials = credentials.map(Box::new);
        machine
    }

    /// Header and open leave together: nothing in the answer to the first changes the second.
    fn call(&mut self, out: &mut Out) {
        out.buffer().extend_from_slice(&ProtocolHeader::Amqp.bytes());
        let open = self.login.open.take().map_or_else(|| self.config.client_open(), |open| *open);
        self.write_open(open, out);
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
        let credentials = self.login.credentials.as_deref();
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
                Handshake::Event(self.fail(misplaced_open(channel), now_ns, out))
            }
            _ => {
                let error = AmqpError::new(Condition::NotAllowed, "the first frame must be an open on channel 0");
                Handshake::Event(self.fail(error, now_ns, out))
            }
        }
    }
}

/// The mechanism for credentials, and its one message.
fn choose(credentials: Option<&Credentials>) -> (Mechanism, Vec<u8>) {
    match credentials {
        Some(Credentials::Plain { user, password }) => (Mechanism::Plain, format!("\0{user}\0{password}").into_bytes()),
        Some(Credentials::Anonymous) | None => (Mechanism::Anonymous, b"anonymous".to_vec()),
    }
}
