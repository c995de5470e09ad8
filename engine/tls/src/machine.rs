//! One connection's TLS, of either end.
//!
//! Guarantees: what comes and what goes is taken in order; an alert that ends the connection stands for its farewell. Bounds: it keeps at
//! most one record that is not complete, and before the handshake is done what is to be sent, which whoever gives it bounds.

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, Error, ServerConnection};
use std::io::{Read, Write};

use crate::client::TlsClient;
use crate::server::TlsServer;

/// Whether the peer may still send after what was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// More may follow.
    Open,
    /// The peer ended its direction in the transport's own way.
    Ended,
}

/// One connection's TLS.
pub struct Tls {
    connection: Connection,
    /// Whether an alert ended it already.
    failed: bool,
}

impl Tls {
    /// A server's connection, which waits for the client's hello.
    ///
    /// # Errors
    /// When rustls refuses the configuration.
    pub fn accept(server: &TlsServer) -> Result<Self, Error> {
        Ok(Self::new(Connection::Server(ServerConnection::new(server.config())?)))
    }

    /// A client's connection to a host, whose hello is appended to `raw_out`.
    ///
    /// # Errors
    /// When the host's name cannot be one of a certificate.
    pub fn connect(client: &TlsClient, host: &str, raw_out: &mut Vec<u8>) -> Result<Self, Error> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Error::General(format!("{host} cannot be a certificate's name")))?;
        let mut tls = Self::new(Connection::Client(ClientConnection::new(client.config(), name)?));
        tls.drain_output(raw_out);
        Ok(tls)
    }

    fn new(mut connection: Connection) -> Self {
        // What is written here is moved to the connection's output at once, which has a bound of its own.
        connection.set_buffer_limit(None);
        Self { connection, failed: false }
    }

    /// Version and cipher suite, once both ends have agreed on them.
    #[must_use]
    pub fn agreed(&self) -> Option<(String, String)> {
        let version = self.connection.protocol_version()?;
        let suite = self.connection.negotiated_cipher_suite()?;
        let name = |debugged: String| debugged.replace("TLS13_", "TLS_");
        Some((name(format!("{version:?}")).replace('_', "."), name(format!("{:?}", suite.suite()))))
    }

    /// Takes `raw` octets of the socket; appends what was in them to `plain`, and what is to be answered to `raw_out`.
    ///
    /// # Errors
    /// When it is no TLS, or the peer is not trusted; `raw_out` may hold an alert to be sent before closing.
    pub fn receive(&mut self, mut raw: &[u8], plain: &mut Vec<u8>, raw_out: &mut Vec<u8>) -> Result<Received, Error> {
        let mut state = Received::Open;
        while !raw.is_empty() {
            let taken = self.connection.read_tls(&mut raw).map_err(|error| Error::General(error.to_string()))?;
            let processed = self.connection.process_new_packets();
            self.drain_output(raw_out);
            self.failed |= processed.is_err();
            let records = processed?;
            let start = plain.len();
            plain.resize(start + records.plaintext_bytes_to_read(), 0);
            let read = self.connection.reader().read(plain.get_mut(start..).unwrap_or_default()).unwrap_or(0);
            plain.truncate(start + read);
            if records.peer_has_closed() {
                state = Received::Ended;
            }
            if taken == 0 {
                break;
            }
        }
        Ok(state)
    }

    /// Appends what `plain` is on the wire to `raw_out`; before the handshake is done it is kept.
    ///
    /// # Errors
    /// When the connection takes no more.
    pub fn transmit(&mut self, plain: &[u8], raw_out: &mut Vec<u8>) -> Result<(), Error> {
        // Without a buffer limit the writer takes everything.
        let written = self.connection.writer().write_all(plain);
        written.map_err(|_| Error::General("the TLS connection takes no more data".to_owned()))?;
        self.drain_output(raw_out);
        Ok(())
    }

    /// Appends the farewell to `raw_out`; nothing may be transmitted afterwards.
    pub fn close(&mut self, raw_out: &mut Vec<u8>) {
        // An alert that ended it stands for a farewell.
        if !self.failed {
            self.connection.send_close_notify();
            self.drain_output(raw_out);
        }
    }

    fn drain_output(&mut self, raw_out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            // Writing to a vector does not fail.
            if self.connection.write_tls(raw_out).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use rustls::{ClientConfig, RootCertStore};

    /// A server with a certificate for `localhost`, and a client that trusts it.
    fn ends() -> (TlsServer, TlsClient) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let folder = std::env::temp_dir().join(format!("heddle-tls-{}-{:p}", std::process::id(), &made));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).expect("a file");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
        let server = TlsServer::load(&certificate, &key).expect("they belong together");
        std::fs::remove_dir_all(&folder).expect("it was there");
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).expect("it is PEM"))
            .expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        (server, TlsClient::new(config))
    }

    #[test]
    fn both_ends_are_one_machine_on_a_wire_that_cuts_anywhere() {
        let (server, client) = ends();
        for cut in [1, 7, 1000] {
            let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
            let mut one = Tls::connect(&client, "localhost", &mut to_server).expect("a name");
            let mut other = Tls::accept(&server).expect("a server");
            one.transmit(b"hello", &mut to_server).expect("it is kept");
            let (mut heard, mut answered) = (Vec::new(), Vec::new());
            let mut answers = 0;
            while !to_server.is_empty() || !to_client.is_empty() {
                for part in std::mem::take(&mut to_server).chunks(cut) {
                    assert_eq!(other.receive(part, &mut heard, &mut to_client), Ok(Received::Open));
                }
                if heard == b"hello" && answers == 0 {
                    answers = 1;
                    other.transmit(b"good day", &mut to_client).expect("the handshake is done");
                }
                for part in std::mem::take(&mut to_client).chunks(cut) {
                    assert_eq!(one.receive(part, &mut answered, &mut to_server), Ok(Received::Open));
                }
            }
            assert_eq!((heard.as_slice(), answered.as_slice()), (&b"hello"[..], &b"good day"[..]));
            one.close(&mut to_server);
            assert_eq!(other.receive(&to_server, &mut heard, &mut to_client), Ok(Received::Ended));
        }
    }

    #[test]
    fn an_alert_stands_for_a_farewell() {
        let (server, client) = ends();
        let mut hello = Vec::new();
        assert!(Tls::connect(&client, "no host's name", &mut hello).is_err());
        let mut tls = Tls::accept(&server).expect("a server");
        let (mut plain, mut alert) = (Vec::new(), Vec::new());
        assert!(tls.receive(b"GET / HTTP/1.1\r\n\r\n", &mut plain, &mut alert).is_err());
        assert!(plain.is_empty() && !alert.is_empty());
        let said = alert.len();
        tls.close(&mut alert);
        assert_eq!(alert.len(), said, "nothing behind the alert");
    }
}
