//! TLS by rustls, as a machine without a socket: TLS 1.2 and 1.3, server side.
//!
//! AMQP does not know client certificates yet; SASL EXTERNAL brings them. Who else listens may ask for them.

use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

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
        Self::load_for(certificate, key, None)
    }

    /// The same for clients that may show certificates, issued by one of those in `client_ca`. Whether one has is for the caller to ask.
    ///
    /// # Errors
    /// As `load`, or when nobody's certificate can be checked by those of `client_ca`.
    pub fn load_for(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Self, TlsConfigError> {
        let chain = certificates(certificate)?;
        let private = PrivateKeyDer::from_pem_reader(open("a private key", key)?)
            .map_err(|error| fault("a private key", key, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let config = match client_ca {
            None => config.with_no_client_auth(),
            Some(path) => {
                let unusable = |error: String| fault("a certificate of an authority", path, error);
                let mut roots = RootCertStore::empty();
                for root in certificates(path)? {
                    roots.add(root).map_err(|error| unusable(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = verifier.allow_unauthenticated().build().map_err(|error| unusable(error.to_string()))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        Ok(Self(Arc::new(config.with_single_cert(chain, private)?)))
    }

    /// What rustls makes connections of, for who has sockets of its own.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0)
    }
}

fn fault(what: &'static str, path: &Path, reason: String) -> TlsConfigError {
    TlsConfigError::File { what, path: path.to_owned(), reason }
}

fn open(what: &'static str, path: &Path) -> Result<BufReader<std::fs::File>, TlsConfigError> {
    std::fs::File::open(path).map(BufReader::new).map_err(|error| fault(what, path, error.to_string()))
}

/// The certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let what = "a certificate";
    let found = CertificateDer::pem_reader_iter(open(what, path)?).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| fault(what, path, error.to_string()))?;
    if found.is_empty() {
        return Err(fault(what, path, "there is no CERTIFICATE block in it".to_owned()));
    }
    Ok(found)
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
