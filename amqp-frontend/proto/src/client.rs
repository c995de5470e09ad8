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

/// Mechanisms of a server that are named where ours is none of them; the others are left out.
const OFFERED_SHOWN_MAX: usize = 8;

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
                let error = AmqpError::new(Condition::NotImplemented, wrong_answer(header));
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
                if offered.iter().any(|name| name.as_str() == mechanism) {
                    let initial_response = Some(response.as_slice());
                    SaslFrame::Init { mechanism, initial_response, hostname: None }.encode(out.buffer());
                    self.phase = Phase::Judged;
                    return Handshake::Again;
                }
                let offered = offered.iter().take(OFFERED_SHOWN_MAX).map(|name| name.as_str());
                let offered = offered.collect::<Vec<_>>().join(", ");
                format!("the server does not offer the SASL mechanism {mechanism}, but {offered}")
            }
            (Phase::Judged, Some(SaslFrame::Challenge(_))) => {
                SaslFrame::Response(&choose(credentials).1).encode(out.buffer());
                return Handshake::Again;
            }
            (Phase::Judged, Some(SaslFrame::Outcome { code: OutcomeCode::Ok, .. })) => {
                self.call(out);
                return Handshake::Again;
            }
            (Phase::Judged, Some(SaslFrame::Outcome { code, .. })) => refused_by_server(code).to_owned(),
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
fn choose(credentials: Option<&Credentials>) -> (&'static str, Vec<u8>) {
    match credentials {
        Some(Credentials::Plain { user, password }) => {
            (Mechanism::Plain.name(), format!("\0{user}\0{password}").into_bytes())
        }
        Some(Credentials::External) => ("EXTERNAL", Vec::new()),
        Some(Credentials::Anonymous) | None => (Mechanism::Anonymous.name(), b"anonymous".to_vec()),
    }
}

/// What it means that the answer to our protocol header is another one.
fn wrong_answer(header: Option<ProtocolHeader>) -> &'static str {
    match header {
        Some(ProtocolHeader::Sasl) => "the peer wants to authenticate whom it talks to, with SASL",
        Some(ProtocolHeader::Amqp) => "the peer authenticates nobody, so it takes no SASL",
        Some(ProtocolHeader::Tls) => "the peer wants TLS",
        None => "the peer speaks another protocol than AMQP 1.0",
    }
}

/// What a server says that lets nobody in.
fn refused_by_server(code: OutcomeCode) -> &'static str {
    match code {
        OutcomeCode::Ok => "the server let us in",
        OutcomeCode::Auth => "the server does not accept the credentials (SASL outcome auth)",
        OutcomeCode::Sys => "the server cannot verify the credentials (SASL outcome sys)",
        OutcomeCode::SysPerm => {
            "the server cannot verify the credentials, and will not be able to (SASL outcome sys-perm)"
        }
        OutcomeCode::SysTemp => "the server cannot verify the credentials now (SASL outcome sys-temp)",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What a client of these credentials says to a server that offers mechanisms and answers with an outcome.
    fn said(credentials: Credentials, offered: &[&'static str], code: OutcomeCode) -> (Vec<u8>, Option<String>) {
        let config = Arc::new(Config::default());
        let mut out = Out::default();
        let mut client = Connection::client(Arc::clone(&config), config.client_open(), Some(credentials), 0, &mut out);
        let mut answer = ProtocolHeader::Sasl.bytes().to_vec();
        SaslFrame::Mechanisms(offered.iter().map(|name| (*name).into()).collect()).encode(&mut answer);
        SaslFrame::Outcome { code, additional_data: None }.encode(&mut answer);
        let mut input = Input::new(&answer);
        let error = match client.handle_input(0, &mut input, &mut out) {
            Some(Event::Closed(Some(error))) => error.description.clone(),
            None => None,
            other => panic!("neither refused nor let in: {other:?}"),
        };
        let mut bytes = Vec::new();
        out.drain_into(&mut bytes);
        (bytes, error)
    }

    fn init(mechanism: &str, response: &[u8]) -> Vec<u8> {
        let mut init = Vec::new();
        SaslFrame::Init { mechanism, initial_response: Some(response), hostname: None }.encode(&mut init);
        init
    }

    #[test]
    fn each_kind_of_credentials_has_its_mechanism() {
        let plain = Credentials::Plain { user: "u".to_owned(), password: "p".to_owned() };
        for (credentials, mechanism, response) in [
            (Credentials::Anonymous, "ANONYMOUS", &b"anonymous"[..]),
            (plain, "PLAIN", b"\0u\0p"),
            (Credentials::External, "EXTERNAL", b""),
        ] {
            let (bytes, error) = said(credentials.clone(), &["X", mechanism], OutcomeCode::Ok);
            let init = init(mechanism, response);
            assert_eq!((bytes.get(8..8 + init.len()), error), (Some(init.as_slice()), None), "{mechanism}");
            let (_, error) = said(credentials, &["X", "Y"], OutcomeCode::Ok);
            let error = error.expect("it is not offered");
            assert!(error.contains(mechanism) && error.ends_with("X, Y"), "{error}");
        }
    }

    #[test]
    fn what_a_server_refuses_is_told_in_words() {
        for (code, words) in [
            (OutcomeCode::Auth, "does not accept the credentials"),
            (OutcomeCode::Sys, "cannot verify"),
            (OutcomeCode::SysPerm, "will not be able to"),
            (OutcomeCode::SysTemp, "now"),
        ] {
            let (_, error) = said(Credentials::Anonymous, &["ANONYMOUS"], code);
            assert!(error.as_ref().is_some_and(|error| error.contains(words)), "{code:?}: {error:?}");
        }
    }
}
