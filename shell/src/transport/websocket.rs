//! AMQP over WebSocket (the OASIS binding of AMQP to WebSocket, part 2) by tungstenite, as a machine without a socket.
//!
//! The subprotocol is `amqp`; every message is binary; AMQP frames may share or span WebSocket messages. What is no upgrade gets an
//! answer in HTTP, and every end of ours a close frame with its code.

use std::io::{self, Read, Write};

use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::HeaderValue;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};

use super::{Farewell, Received, TransportError, http};

/// Largest WebSocket message and frame that a peer may send, bytes. AMQP frames are cut from a stream, so that this
/// bounds memory and nothing else; a peer that sends more is closed.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

type Callback = fn(&Request, Response) -> Result<Response, ErrorResponse>;

/// The two directions of a socket that is elsewhere.
#[derive(Default)]
struct Pipe {
    incoming: Vec<u8>,
    read: usize,
    outgoing: Vec<u8>,
}

impl Pipe {
    fn feed(&mut self, raw: &[u8]) {
        if self.read == self.incoming.len() {
            self.incoming.clear();
            self.read = 0;
        }
        self.incoming.extend_from_slice(raw);
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let waiting = self.incoming.get(self.read..).unwrap_or_default();
        if waiting.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = waiting.len().min(into.len());
        into.iter_mut().zip(waiting).for_each(|(to, from)| *to = *from);
        self.read += count;
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum State {
    /// The head of the request comes.
    Head(Vec<u8>),
    /// As a client: the answer to our request comes. What is to be sent behind it waits.
    Asked(Box<MidHandshake<ClientHandshake<Pipe>>>, Vec<u8>),
    Open(Box<tungstenite::WebSocket<Pipe>>),
    /// There is none, or no more.
    Dead,
}

/// One connection's WebSocket.
pub struct WebSocket {
    state: State,
    /// What the peer broke, which is said at the end.
    fault: Option<CloseCode>,
}

impl Default for WebSocket {
    fn default() -> Self {
        Self { state: State::Head(Vec::new()), fault: None }
    }
}

impl WebSocket {
    /// A client's, whose request for an upgrade is appended to `raw_out`.
    ///
    /// # Errors
    /// When the host's name cannot stand in a request.
    pub fn connect(host: &str, port: u16, raw_out: &mut Vec<u8>) -> Result<Self, TransportError> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let mut request = format!("ws://{host}:{port}/").into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("amqp"));
        let begun = tungstenite::client::client_with_config(request, Pipe::default(), Some(limits()));
        match begun {
            Err(HandshakeError::Interrupted(mut asked)) => {
                raw_out.append(&mut asked.get_mut().get_mut().outgoing);
                Ok(Self { state: State::Asked(Box::new(asked), Vec::new()), fault: None })
            }
            Err(HandshakeError::Failure(error)) => Err(error.into()),
            Ok(_) => Err(TransportError::NoUpgrade("an answer before the request")),
        }
    }

    /// See [`super::Transport::receive`].
    pub fn receive(
        &mut self,
        raw: &[u8],
        plain: &mut Vec<u8>,
        raw_out: &mut Vec<u8>,
    ) -> Result<Received, TransportError> {
        if let State::Asked(..) = self.state {
            return self.receive_answer(raw, plain, raw_out);
        }
        let mut raw = raw;
        let head;
        if let State::Head(bytes) = &mut self.state {
            let seen = bytes.len();
            bytes.extend_from_slice(raw);
            head = std::mem::take(bytes);
            match http::read(&head, seen) {
                http::Asked::Partial => {
                    self.state = State::Head(head);
                    return Ok(Received::Open);
                }
                http::Asked::Upgrade(end) => {
                    let (request, rest) = head.split_at_checked(end).unwrap_or((&head, &[]));
                    self.state = upgrade(request, raw_out)?;
                    raw = rest;
                }
                http::Asked::Health(answer) => {
                    raw_out.extend_from_slice(&answer);
                    self.state = State::Dead;
                    return Ok(Received::Ended);
                }
                http::Asked::Other(answer, why) => {
                    raw_out.extend_from_slice(&answer);
                    self.state = State::Dead;
                    return Err(TransportError::NoUpgrade(why));
                }
            }
        }
        let State::Open(socket) = &mut self.state else { return Ok(Received::Ended) };
        socket.get_mut().feed(raw);
        let received = read_messages(socket, plain);
        raw_out.append(&mut socket.get_mut().outgoing);
        self.fault = received.as_ref().err().map(close_code);
        received
    }

    /// As a client: takes the answer to our request, and what comes behind it.
    fn receive_answer(
        &mut self,
        raw: &[u8],
        plain: &mut Vec<u8>,
        raw_out: &mut Vec<u8>,
    ) -> Result<Received, TransportError> {
        let State::Asked(mut asked, waiting) = std::mem::replace(&mut self.state, State::Dead) else {
            return Ok(Received::Ended);
        };
        asked.get_mut().get_mut().feed(raw);
        match asked.handshake() {
            Ok((socket, _)) => {
                self.state = State::Open(Box::new(socket));
                if !waiting.is_empty() {
                    self.transmit(&waiting, raw_out)?;
                }
                self.receive(&[], plain, raw_out)
            }
            Err(HandshakeError::Interrupted(asked)) => {
                self.state = State::Asked(Box::new(asked), waiting);
                Ok(Received::Open)
            }
            Err(HandshakeError::Failure(error)) => Err(error.into()),
        }
    }

    /// See [`super::Transport::transmit`].
    pub fn transmit(&mut self, plain: &[u8], raw_out: &mut Vec<u8>) -> Result<(), TransportError> {
        if let State::Asked(_, waiting) = &mut self.state {
            waiting.extend_from_slice(plain);
        }
        let State::Open(socket) = &mut self.state else { return Ok(()) };
        let sent = socket.send(Message::binary(plain.to_vec()));
        raw_out.append(&mut socket.get_mut().outgoing);
        Ok(sent?)
    }

    /// See [`super::Transport::close`].
    pub fn close(&mut self, farewell: Farewell, raw_out: &mut Vec<u8>) {
        let State::Open(socket) = &mut self.state else { return };
        let (code, reason) = match (self.fault, farewell) {
            (Some(code), _) => (code, "this listener takes binary messages that hold AMQP"),
            (None, Farewell::Done) => (CloseCode::Normal, ""),
            (None, Farewell::Stopping) => (CloseCode::Away, "the node is shutting down"),
            (None, Farewell::Refused) => (CloseCode::Policy, "the SASL exchange failed"),
            (None, Farewell::Fault) => (CloseCode::Protocol, "this is no AMQP that the listener accepts"),
        };
        // A close that cannot be written (the peer closed first) has nothing left to say.
        let _ = socket.close(Some(CloseFrame { code, reason: reason.into() }));
        raw_out.append(&mut socket.get_mut().outgoing);
    }
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX))
}

/// Answers a request for a WebSocket.
fn upgrade(request: &[u8], raw_out: &mut Vec<u8>) -> Result<State, TransportError> {
    let mut pipe = Pipe::default();
    pipe.feed(request);
    match tungstenite::accept_hdr_with_config(pipe, name_protocol as Callback, Some(limits())) {
        Ok(mut socket) => {
            raw_out.append(&mut socket.get_mut().outgoing);
            Ok(State::Open(Box::new(socket)))
        }
        // The head is whole, so that nothing else can be missing than what makes it a right one.
        Err(_) => {
            let text = "the request asks for a WebSocket, but breaks the rules of RFC 6455";
            http::Answer::new("400 Bad Request", text).write(raw_out);
            Err(TransportError::NoUpgrade("a WebSocket upgrade that breaks the rules of RFC 6455"))
        }
    }
}

/// What a peer's fault is called in a close frame (RFC 6455, 7.4.1).
fn close_code(error: &TransportError) -> CloseCode {
    match error {
        TransportError::TextMessage => CloseCode::Unsupported,
        TransportError::WebSocket(error) => match **error {
            tungstenite::Error::Capacity(_) => CloseCode::Size,
            tungstenite::Error::Utf8(_) => CloseCode::Invalid,
            _ => CloseCode::Protocol,
        },
        _ => CloseCode::Protocol,
    }
}

fn read_messages(socket: &mut tungstenite::WebSocket<Pipe>, plain: &mut Vec<u8>) -> Result<Received, TransportError> {
    loop {
        match socket.read() {
            Ok(Message::Binary(bytes)) => plain.extend_from_slice(&bytes),
            Ok(Message::Text(_)) => return Err(TransportError::TextMessage),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Received::Open);
            }
            Err(tungstenite::Error::ConnectionClosed) => return Ok(Received::Ended),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Names the subprotocol in the answer; that the client offered it was seen before.
#[expect(clippy::result_large_err, reason = "tungstenite's own signature of a handshake callback")]
#[expect(clippy::unnecessary_wraps, reason = "tungstenite's own signature of a handshake callback")]
fn name_protocol(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("amqp"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves octets both ways, cut into pieces, until there are none; gives what each end heard, or what the client
    /// broke off with.
    fn exchange(
        client: &mut WebSocket,
        server: &mut WebSocket,
        (mut to_server, mut to_client): (Vec<u8>, Vec<u8>),
        cut: usize,
    ) -> Result<(Vec<u8>, Vec<u8>), TransportError> {
        let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
        while !to_server.is_empty() || !to_client.is_empty() {
            for part in std::mem::take(&mut to_server).chunks(cut) {
                server.receive(part, &mut at_server, &mut to_client)?;
            }
            for part in std::mem::take(&mut to_client).chunks(cut) {
                client.receive(part, &mut at_client, &mut to_server)?;
            }
        }
        Ok((at_client, at_server))
    }

    #[test]
    fn both_ends_meet_and_what_was_written_before_is_not_lost() {
        for (host, cut) in [("localhost", 1000), ("::1", 200), ("192.0.2.1", 150)] {
            let mut request = Vec::new();
            let mut client = WebSocket::connect(host, 80, &mut request).expect("a request");
            let mut server = WebSocket::default();
            client.transmit(b"early", &mut request).expect("it waits");
            let (at_client, at_server) =
                exchange(&mut client, &mut server, (request, Vec::new()), cut).expect("an upgrade");
            assert_eq!((at_client.as_slice(), at_server.as_slice()), (&b""[..], &b"early"[..]), "{host}");
            let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
            client.transmit(b"ping", &mut to_server).expect("it is open");
            server.transmit(b"pong", &mut to_client).expect("it is open");
            let (at_client, at_server) = exchange(&mut client, &mut server, (to_server, to_client), 1).expect("frames");
            assert_eq!((at_client.as_slice(), at_server.as_slice()), (&b"pong"[..], &b"ping"[..]), "{host}");
        }
    }

    #[test]
    fn a_server_that_does_not_upgrade_is_told_of() {
        for answer in [
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
            "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        ] {
            let mut client = WebSocket::connect("localhost", 80, &mut Vec::new()).expect("a request");
            let (mut plain, mut out) = (Vec::new(), Vec::new());
            let error = client.receive(answer.as_bytes(), &mut plain, &mut out).expect_err(answer);
            assert!(plain.is_empty() && error.to_string().starts_with("WebSocket: "), "{error}");
            assert!(
                matches!(client.receive(b"more", &mut plain, &mut out), Ok(Received::Ended)),
                "nothing comes behind"
            );
        }
        assert!(WebSocket::connect("no host", 80, &mut Vec::new()).is_err());
    }

    #[test]
    fn an_answer_that_never_ends_is_bounded() {
        let mut client = WebSocket::connect("localhost", 80, &mut Vec::new()).expect("a request");
        let (mut plain, mut out, mut taken) = (Vec::new(), Vec::new(), 0);
        let field = [b"HTTP/1.1 101 Switching Protocols\r\nX: ".as_slice(), &[b'x'; 4000]].concat();
        let mut part = field.as_slice();
        while client.receive(part, &mut plain, &mut out).is_ok() {
            taken += part.len();
            assert!(taken < 1 << 20, "an answer without an end");
            part = &[b'x'; 4000];
        }
    }
}
