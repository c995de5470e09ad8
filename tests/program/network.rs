//! The layers under AMQP: SASL PLAIN, TLS by port and by header, WebSocket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use amqp_codec::frame::ProtocolHeader;
use amqp_codec::sasl::OutcomeCode;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::broker::{Broker, add_user};
use crate::peer::{Peer, connect, opened};

/// Writes a certificate for `localhost`; gives what a client trusts.
pub fn certificate(folder: &Path) -> Arc<ClientConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).expect("a file");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    Arc::new(versions.with_root_certificates(roots).with_no_client_auth())
}

pub fn tls(config: &Arc<ClientConfig>, stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("localhost").expect("a name");
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).expect("a client"), stream)
}

/// A listener with the certificate of `certificate`.
pub fn secured(folder: &Path, transport: &str) -> String {
    let file = |name: &str| folder.join(name);
    format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\ntransport = \"{transport}\"\ncertificate = {:?}\nkey = {:?}\n",
        file("certificate.pem"),
        file("key.pem")
    )
}

#[test]
fn plain_lets_the_right_password_in() {
    let folder = TempDir::new().expect("a folder");
    let users = folder.path().join("users");
    add_user(&users, "guest", "secret\n");
    let listener = "[[listeners]]\naddress = \"127.0.0.1:0\"\nsasl = \"required\"\nmechanisms = [\"PLAIN\"]";
    let broker = Broker::start_in(folder, &format!("[users]\nfile = {users:?}\n{listener}"));
    let to = broker.addresses[0];
    let mut peer = Peer::new(connect(to));
    assert_eq!(peer.plain("guest", "secret"), OutcomeCode::Ok);
    peer.open();
    peer.round_trip("plain");
    for (user, password) in [("guest", "wrong"), ("nobody", "secret"), ("", ""), ("guest", "")] {
        assert_eq!(Peer::new(connect(to)).plain(user, password), OutcomeCode::Auth, "{user} {password}");
    }
    assert_eq!(Peer::new(connect(to)).header(ProtocolHeader::Amqp), Some(ProtocolHeader::Sasl), "not without SASL");
}

#[test]
fn tls_has_a_port_of_its_own() {
    let folder = TempDir::new().expect("a folder");
    let client = certificate(folder.path());
    let listener = secured(folder.path(), "tls");
    let broker = Broker::start_in(folder, &listener);
    let mut peer = Peer::new(tls(&client, connect(broker.addresses[0])));
    peer.open();
    peer.round_trip("tls");
    let mut plain = connect(broker.addresses[0]);
    plain.write_all(&ProtocolHeader::Amqp.bytes()).expect("it is read");
    let mut answer = Vec::new();
    // An alert, or nothing; in any case an end.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"AMQP"));
}

#[test]
fn tls_by_protocol_header_with_sasl_inside() {
    let folder = TempDir::new().expect("a folder");
    let client = certificate(folder.path());
    let users = folder.path().join("users");
    add_user(&users, "guest", "secret\n");
    let listener = secured(folder.path(), "tcp") + "mechanisms = [\"PLAIN\"]\n";
    let broker = Broker::start_in(folder, &format!("[users]\nfile = {users:?}\n{listener}"));
    let mut clear = Peer::new(connect(broker.addresses[0]));
    assert_eq!(clear.header(ProtocolHeader::Tls), Some(ProtocolHeader::Tls));
    let mut peer = Peer::new(tls(&client, clear.into_inner()));
    assert_eq!(peer.plain("guest", "secret"), OutcomeCode::Ok);
    peer.open();
    peer.round_trip("header");
    let mut clear = opened(&broker);
    clear.round_trip("clear");
}

/// AMQP's octets in binary messages.
struct Messages<S>(WebSocket<S>, Vec<u8>);

impl<S: Read + Write> Read for Messages<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.1.is_empty() {
            match self.0.read().map_err(io::Error::other)? {
                Message::Binary(bytes) => self.1.extend_from_slice(&bytes),
                Message::Close(_) => return Ok(0),
                _ => {}
            }
        }
        let count = buffer.len().min(self.1.len());
        buffer[..count].copy_from_slice(&self.1[..count]);
        self.1.drain(..count);
        Ok(count)
    }
}

impl<S: Read + Write> Write for Messages<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(Message::binary(bytes.to_vec())).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(io::Error::other)
    }
}

fn websocket<S: Read + Write>(stream: S) -> Messages<S> {
    let mut request = "ws://localhost/".into_client_request().expect("a request");
    request.headers_mut().insert("Sec-WebSocket-Protocol", "amqp".parse().expect("a value"));
    let Ok((socket, response)) = tungstenite::client(request, stream) else { panic!("no upgrade") };
    let protocol = response.headers().get("Sec-WebSocket-Protocol").expect("a subprotocol");
    assert_eq!(protocol, "amqp");
    Messages(socket, Vec::new())
}

#[test]
fn amqp_runs_over_websocket() {
    let broker = Broker::start("[[listeners]]\naddress = \"127.0.0.1:0\"\ntransport = \"ws\"");
    let mut peer = Peer::new(websocket(connect(broker.addresses[0])));
    peer.open();
    peer.round_trip("websocket");
}

#[test]
fn amqp_runs_over_websocket_in_tls() {
    let folder = TempDir::new().expect("a folder");
    let client = certificate(folder.path());
    let listener = secured(folder.path(), "wss");
    let broker = Broker::start_in(folder, &listener);
    let mut peer = Peer::new(websocket(tls(&client, connect(broker.addresses[0]))));
    peer.open();
    peer.round_trip("wss");
}
