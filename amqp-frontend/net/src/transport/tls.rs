//! TLS by rustls, as a machine without a socket: TLS 1.2 and 1.3, server side.
//!
//! It does not know client certificates yet; SASL EXTERNAL brings them.

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ServerConfig, ServerConnection};

use super::{Received, TransportError};

/// Why a listener's certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// A file could not be read or holds no PEM of the expected kind.
    #[error("cannot read {what} from {}: {reason}", path.display())]
    File {
        /// What was looked for.
        what: &'static str,
        /// In which file.
        path: PathBuf,
        /// Why it was not found there.
        reason: String,
    },
    /// Certificate and key do not fit each other, or rustls does not know their kind.
    #[error("the certificate and the private key cannot be used together: {0}")]
    Mismatch(#[from] rustls::Error),
}

/// A listener's certificate and key, loaded.
#[derive(Clone)]
pub struct TlsServer(Arc<ServerConfig>);

impl TlsServer {
    /// Loads a certificate chain and its private key from PEM files.
    ///
    /// # Errors
    /// When a file is missing or holds something else, or when the two do not belong together.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsConfigError> {
        let fault = |what, path: &Path, reason: String| TlsConfigError::File { what, path: path.to_owned(), reason };
        let open = |what, path: &Path| {
            std::fs::File::open(path).map(BufReader::new).map_err(|error| fault(what, path, error.to_string()))
        };
        let chain = CertificateDer::pem_reader_iter(open("a certificate", certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| fault("a certificate", certificate, error.to_string()))?;
        if chain.is_empty() {
            return Err(fault("a certificate", certificate, "there is no CERTIFICATE block in it".to_owned()));
        }
        let private = PrivateKeyDer::from_pem_reader(open("a private key", key)?)
            .map_err(|error| fault("a private key", key, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, private)?;
        Ok(Self(Arc::new(config)))
    }
}

/// One connection's TLS.
pub struct Tls {
    connection: ServerConnection,
    /// Whether an alert ended it already.
    failed: bool,
}

impl Tls {
    /// A connection that waits for the client's hello.
    ///
    /// # Errors
    /// When rustls refuses the configuration.
    pub fn accept(server: &TlsServer) -> Result<Self, TransportError> {
        let mut connection = ServerConnection::new(Arc::clone(&server.0))?;
        // What is written here is moved to the connection's output at once, which has a bound of its own.
        connection.set_buffer_limit(None);
        Ok(Self { connection, failed: false })
    }

    /// See [`super::Transport::receive`].
    pub fn receive(
        &mut self,
        mut raw: &[u8],
        plain: &mut Vec<u8>,
        raw_out: &mut Vec<u8>,
    ) -> Result<Received, TransportError> {
        let mut state = Received::Open;
        while !raw.is_empty() {
            let taken =
                self.connection.read_tls(&mut raw).map_err(|error| rustls::Error::General(error.to_string()))?;
            let processed = self.connection.process_new_packets();
            self.drain_output(raw_out);
            self.failed |= processed.is_err();
            let records = processed?;
            let available = records.plaintext_bytes_to_read();
            let start = plain.len();
            plain.resize(start + available, 0);
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

    /// See [`super::Transport::transmit`].
    pub fn transmit(&mut self, plain: &[u8], raw_out: &mut Vec<u8>) -> Result<(), TransportError> {
        // Without a buffer limit the writer takes everything.
        if self.connection.writer().write_all(plain).is_err() {
            return Err(rustls::Error::General("the TLS connection takes no more data".to_owned()).into());
        }
        self.drain_output(raw_out);
        Ok(())
    }

    /// See [`super::Transport::close`].
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
