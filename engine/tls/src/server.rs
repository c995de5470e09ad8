//! What the end that is connected to shows: its certificate and key, from PEM files.
//!
//! Listeners of AMQP do not ask for client certificates; who else listens may.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Why a certificate or key cannot be used.
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
        let private = private_key(key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let config = match client_ca {
            None => config.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(authorities(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = verifier
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| fault("a certificate of an authority", path, error.to_string()))?;
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

pub(crate) fn fault(what: &'static str, path: &Path, reason: String) -> TlsConfigError {
    TlsConfigError::File { what, path: path.to_owned(), reason }
}

pub(crate) fn open(what: &'static str, path: &Path) -> Result<BufReader<std::fs::File>, TlsConfigError> {
    std::fs::File::open(path).map(BufReader::new).map_err(|error| fault(what, path, error.to_string()))
}

/// The private key of a file.
pub(crate) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    let what = "a private key";
    PrivateKeyDer::from_pem_reader(open(what, path)?).map_err(|error| fault(what, path, error.to_string()))
}

/// The certificates of authorities that a file holds.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    for root in certificates(path)? {
        roots.add(root).map_err(|error| fault("a certificate of an authority", path, error.to_string()))?;
    }
    Ok(roots)
}

/// The certificates of a file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let what = "a certificate";
    let found = CertificateDer::pem_reader_iter(open(what, path)?).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| fault(what, path, error.to_string()))?;
    if found.is_empty() {
        return Err(fault(what, path, "there is no CERTIFICATE block in it".to_owned()));
    }
    Ok(found)
}
