//! What lies between a socket and AMQP's bytes: nothing, TLS, WebSocket, or WebSocket inside TLS.
//!
//! A transport is a machine: `receive` takes what the socket gave and appends what AMQP may read; `transmit` takes what
//! AMQP wrote and appends what the socket is to send. Neither touches a socket. A plain connection has no transport at
//! all, and so costs nothing here.
//!
//! Bounds: a transport keeps at most one TLS record and one WebSocket frame that is not complete.

pub(crate) mod foreign;
mod http;
mod websocket;

pub use engine_tls::{Identity, NameCheck, Received, Tls, TlsClient, TlsConfigError, TlsServer};
pub use websocket::WebSocket;

/// What lies under AMQP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// TCP alone; TLS by protocol header if there is a certificate.
    Plain,
    /// TLS from the first octet.
    Tls,
    /// WebSocket.
    WebSocket,
    /// WebSocket inside TLS.
    WebSocketOverTls,
}

/// Which end of a connection this is, and what lies under AMQP there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The one that was connected to.
    Accepting(Layers),
    /// The one that connected.
    Connecting(Layers),
}

/// Why a connection's transport failed. The connection cannot go on; bytes that explain it to the peer may be waiting.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// TLS refused the peer's bytes.
    #[error("TLS: {}", engine_tls::told(.0))]
    Tls(#[from] rustls::Error),
    /// There is no certificate to show, or nobody to trust, where TLS needs that.
    #[error("TLS is not configured")]
    NoTls,
    /// WebSocket refused the peer's bytes.
    #[error("WebSocket: {0}")]
    WebSocket(Box<tungstenite::Error>),
    /// A WebSocket did not come to be; the peer was told why in HTTP.
    #[error("WebSocket: {0}")]
    NoUpgrade(&'static str),
    /// The peer speaks another protocol, and was told so in that.
    #[error("{0}")]
    Foreign(&'static str),
    /// The peer sent a text message where AMQP needs binary ones.
    #[error("WebSocket: a text message where AMQP needs binary ones")]
    TextMessage,
}

impl From<tungstenite::Error> for TransportError {
    fn from(error: tungstenite::Error) -> Self {
        Self::WebSocket(Box::new(error))
    }
}

/// Why we end a connection, as far as its layers can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// Both ends are done, or AMQP said why not.
    Done,
    /// The node stops.
    Stopping,
    /// The peer is not let in.
    Refused,
    /// The peer broke the rules of AMQP before it was open.
    Fault,
}

/// The layers of one connection.
pub enum Transport {
    /// TLS directly under AMQP.
    Tls(Box<Tls>),
    /// WebSocket directly over TCP.
    WebSocket(Box<WebSocket>),
    /// WebSocket inside TLS.
    WebSocketOverTls(Box<Tls>, Box<WebSocket>),
}

impl Transport {
    /// Version and cipher suite of its TLS, once both ends have agreed on them; `None` without TLS.
    #[must_use]
    pub fn agreed(&self) -> Option<(String, String)> {
        match self {
            Self::Tls(tls) | Self::WebSocketOverTls(tls, _) => tls.agreed(),
            Self::WebSocket(_) => None,
        }
    }

    /// The layers of a connection that was accepted; `None` where there are none.
    ///
    /// # Errors
    /// When TLS is not configured as it has to be.
    pub fn accept(layers: Layers, tls: Option<&TlsServer>) -> Result<Option<Self>, TransportError> {
        let tls = || Ok::<_, TransportError>(Box::new(Tls::accept(tls.ok_or(TransportError::NoTls)?)?));
        Ok(match layers {
            Layers::Plain => None,
            Layers::WebSocket => Some(Self::WebSocket(Box::default())),
            Layers::Tls => Some(Self::Tls(tls()?)),
            Layers::WebSocketOverTls => Some(Self::WebSocketOverTls(tls()?, Box::default())),
        })
    }

    /// The layers of a connection that was made to a host and port; `None` where there are none. What they say first is
    /// appended to `raw_out`.
    ///
    /// # Errors
    /// When TLS is not configured as it has to be, or the host's name cannot be one of a certificate.
    pub fn connect(
        layers: Layers,
        tls: Option<&TlsClient>,
        (host, port): (&str, u16),
        raw_out: &mut Vec<u8>,
    ) -> Result<Option<Self>, TransportError> {
        let tls = |out: &mut Vec<u8>| {
            Ok::<_, TransportError>(Box::new(Tls::connect(tls.ok_or(TransportError::NoTls)?, host, out)?))
        };
        Ok(match layers {
            Layers::Plain => None,
            Layers::WebSocket => Some(Self::WebSocket(Box::new(WebSocket::connect(host, port, raw_out)?))),
            Layers::Tls => Some(Self::Tls(tls(raw_out)?)),
            Layers::WebSocketOverTls => {
                let (mut tls, mut request) = (tls(raw_out)?, Vec::new());
                let socket = WebSocket::connect(host, port, &mut request)?;
                tls.transmit(&request, raw_out)?;
                Some(Self::WebSocketOverTls(tls, Box::new(socket)))
            }
        })
    }

    /// Takes `raw` bytes of the socket and appends AMQP's bytes to `plain`; answers that the transport itself owes the
    /// peer (handshake, pong, close) are appended to `raw_out`.
    ///
    /// # Errors
    /// When the peer broke the transport's rules; `raw_out` may hold an alert to be sent before closing.
    pub fn receive(
        &mut self,
        raw: &[u8],
        plain: &mut Vec<u8>,
        raw_out: &mut Vec<u8>,
    ) -> Result<Received, TransportError> {
        match self {
            Self::Tls(tls) => Ok(tls.receive(raw, plain, raw_out)?),
            Self::WebSocket(socket) => socket.receive(raw, plain, raw_out),
            Self::WebSocketOverTls(tls, socket) => {
                let mut frames = Vec::new();
                let tls_state = tls.receive(raw, &mut frames, raw_out)?;
                let mut answer = Vec::new();
                let state = socket.receive(&frames, plain, &mut answer);
                tls.transmit(&answer, raw_out)?;
                Ok(if tls_state == Received::Ended { tls_state } else { state? })
            }
        }
    }

    /// Wraps `plain`, bytes that AMQP wrote, and appends what the socket is to send to `raw_out`.
    ///
    /// # Errors
    /// When the transport is in no state to send.
    pub fn transmit(&mut self, plain: &[u8], raw_out: &mut Vec<u8>) -> Result<(), TransportError> {
        match self {
            Self::Tls(tls) => Ok(tls.transmit(plain, raw_out)?),
            Self::WebSocket(socket) => socket.transmit(plain, raw_out),
            Self::WebSocketOverTls(tls, socket) => {
                let mut frames = Vec::new();
                socket.transmit(plain, &mut frames)?;
                Ok(tls.transmit(&frames, raw_out)?)
            }
        }
    }

    /// Appends the transport's own farewell to `raw_out`; nothing may be transmitted afterwards.
    pub fn close(&mut self, farewell: Farewell, raw_out: &mut Vec<u8>) {
        match self {
            Self::Tls(tls) => tls.close(raw_out),
            Self::WebSocket(socket) => socket.close(farewell, raw_out),
            Self::WebSocketOverTls(tls, socket) => {
                let mut frames = Vec::new();
                socket.close(farewell, &mut frames);
                // A TLS connection that cannot take the farewell is closed all the same.
                if tls.transmit(&frames, raw_out).is_ok() {
                    tls.close(raw_out);
                }
            }
        }
    }
}
