//! AMQP over WebSocket (the OASIS binding of AMQP to WebSocket, part 2) by tungstenite, as a machine without a socket.
//!
//! The subprotocol is `amqp`; every message is binary; AMQP frames may share or span WebSocket messages.

use std::io::{self, Read, Write};

use tungstenite::handshake::server::{ErrorResponse, Request, Response, ServerHandshake};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::{HeaderValue, StatusCode};
use tungstenite::protocol::{Message, WebSocketConfig};

use super::{Received, TransportError};

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
    New(Pipe),
    Handshake(Box<MidHandshake<ServerHandshake<Pipe, Callback>>>),
    Open(Box<tungstenite::WebSocket<Pipe>>),
    Dead,
}

/// One connection's WebSocket.
pub struct WebSocket {
    state: State,
}

impl Default for WebSocket {
    fn default() -> Self {
        Self { state: State::New(Pipe::default()) }
    }
}

impl WebSocket {
    /// See [`super::Transport::receive`].
    pub fn receive(
        &mut self,
        raw: &[u8],
        plain: &mut Vec<u8>,
        raw_out: &mut Vec<u8>,
    ) -> Result<Received, TransportError> {
        self.advance_handshake(raw, raw_out)?;
        let State::Open(socket) = &mut self.state else { return Ok(Received::Open) };
        let received = read_messages(socket, plain);
        raw_out.append(&mut socket.get_mut().outgoing);
        received
    }

    fn advance_handshake(&mut self, raw: &[u8], raw_out: &mut Vec<u8>) -> Result<(), TransportError> {
        let outcome = match std::mem::replace(&mut self.state, State::Dead) {
            State::New(mut pipe) => {
                pipe.feed(raw);
                let limits = WebSocketConfig::default()
                    .max_message_size(Some(MESSAGE_BYTES_MAX))
                    .max_frame_size(Some(MESSAGE_BYTES_MAX));
                tungstenite::accept_hdr_with_config(pipe, choose_amqp as Callback, Some(limits))
            }
            State::Handshake(mut middle) => {
                middle.get_mut().get_mut().feed(raw);
                middle.handshake()
            }
            State::Open(mut socket) => {
                socket.get_mut().feed(raw);
                self.state = State::Open(socket);
                return Ok(());
            }
            State::Dead => return Ok(()),
        };
        match outcome {
            Ok(mut socket) => {
                raw_out.append(&mut socket.get_mut().outgoing);
                self.state = State::Open(Box::new(socket));
                Ok(())
            }
            Err(HandshakeError::Interrupted(mut middle)) => {
                raw_out.append(&mut middle.get_mut().get_mut().outgoing);
                self.state = State::Handshake(Box::new(middle));
                Ok(())
            }
            Err(HandshakeError::Failure(error)) => Err(error.into()),
        }
    }

    /// See [`super::Transport::transmit`].
    pub fn transmit(&mut self, plain: &[u8], raw_out: &mut Vec<u8>) -> Result<(), TransportError> {
        let State::Open(socket) = &mut self.state else { return Ok(()) };
        let sent = socket.send(Message::binary(plain.to_vec()));
        raw_out.append(&mut socket.get_mut().outgoing);
        Ok(sent?)
    }

    /// See [`super::Transport::close`].
    pub fn close(&mut self, raw_out: &mut Vec<u8>) {
        if let State::Open(socket) = &mut self.state {
            // A close that cannot be written (the peer closed first) has nothing left to say.
            if socket.close(None).is_ok() {
                raw_out.append(&mut socket.get_mut().outgoing);
            }
        }
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

/// Accepts the upgrade when the client offers the subprotocol `amqp`.
#[expect(clippy::result_large_err, reason = "tungstenite's own signature of a handshake callback")]
fn choose_amqp(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    const HEADER: &str = "Sec-WebSocket-Protocol";
    let offered = request
        .headers()
        .get_all(HEADER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case("amqp"));
    if offered {
        response.headers_mut().insert(HEADER, HeaderValue::from_static("amqp"));
        return Ok(response);
    }
    let mut refusal = ErrorResponse::new(Some("this listener speaks the WebSocket subprotocol amqp".to_owned()));
    *refusal.status_mut() = StatusCode::BAD_REQUEST;
    Err(refusal)
}
