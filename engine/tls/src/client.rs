//! Whom the end that connects trusts, and what it shows: authorities, a certificate and its key, from PEM files.
//!
//! Guarantees: a peer is talked to only if its certificate was issued by one of the authorities that were given; that
//! it was issued for the host that is connected to is checked, too, unless whoever configures it says otherwise.
//! Revocation is not looked at.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::server::{TlsConfigError, authorities, certificates, private_key};

/// Whom a client trusts, and what it shows, for all of its connections.
#[derive(Clone)]
pub struct TlsClient(Arc<ClientConfig>);

/// Whether a certificate has to be of the host that is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameCheck {
    /// It has.
    Host,
    /// It need not: any host that one of the authorities vouches for is talked to.
    None,
}

/// What a client shows of itself.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// File with its certificate chain.
    pub certificate: &'a Path,
    /// File with the private key.
    pub key: &'a Path,
}

impl TlsClient {
    /// A client so configured.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self(Arc::new(config))
    }

    /// A client that trusts the authorities of `ca`, PEM, and shows `identity` to whoever asks for it.
    ///
    /// # Errors
    /// When a file is missing or holds something else, or when certificate and key do not belong together.
    pub fn load(ca: &Path, identity: Option<Identity<'_>>, names: NameCheck) -> Result<Self, TlsConfigError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = authorities(ca)?;
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match names {
            NameCheck::Host => builder.with_root_certificates(roots),
            NameCheck::None => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyHost { roots, provider }))
            }
        };
        Ok(Self::new(match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                builder.with_client_auth_cert(certificates(certificate)?, private_key(key)?)?
            }
        }))
    }

    /// What rustls makes connections of.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

/// Asks who issued a certificate, and not for whom.
#[derive(Debug)]
struct AnyHost {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::machine::Tls;
    use crate::server::TlsServer;

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            // What the system clears later is no fault of the test.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("heddle-tls-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }

        /// Writes a certificate for a host, and its key; gives their files.
        fn certificate(&self, name: &str, host: &str) -> (PathBuf, PathBuf) {
            let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).expect("a certificate");
            let (certificate, key) = (self.0.join(format!("{name}.pem")), self.0.join(format!("{name}-key.pem")));
            std::fs::write(&certificate, made.cert.pem()).expect("a file");
            std::fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
            (certificate, key)
        }
    }

    /// Runs both ends until one refuses or the client's octets are heard; gives why one refused.
    fn meet(client: &TlsClient, server: &TlsServer, host: &str) -> Result<(), Error> {
        let (mut to_server, mut to_client, mut heard) = (Vec::new(), Vec::new(), Vec::new());
        let mut one = Tls::connect(client, host, &mut to_server)?;
        let mut other = Tls::accept(server)?;
        one.transmit(b"hello", &mut to_server)?;
        while !to_server.is_empty() || !to_client.is_empty() {
            other.receive(&std::mem::take(&mut to_server), &mut heard, &mut to_client)?;
            one.receive(&std::mem::take(&mut to_client), &mut Vec::new(), &mut to_server)?;
        }
        assert_eq!(heard, b"hello");
        Ok(())
    }

    #[test]
    fn whom_no_authority_vouches_for_is_not_talked_to() {
        let folder = Folder::new("trust");
        let (certificate, key) = folder.certificate("server", "localhost");
        let (other, _) = folder.certificate("other", "localhost");
        let server = TlsServer::load(&certificate, &key).expect("they belong together");
        let client = |ca, names| TlsClient::load(ca, None, names).expect("an authority");
        assert_eq!(meet(&client(&certificate, NameCheck::Host), &server, "localhost"), Ok(()));
        assert!(meet(&client(&other, NameCheck::Host), &server, "localhost").is_err(), "issued by somebody else");
        assert!(meet(&client(&certificate, NameCheck::Host), &server, "example.org").is_err(), "for another host");
        assert_eq!(meet(&client(&certificate, NameCheck::None), &server, "example.org"), Ok(()));
        assert!(meet(&client(&other, NameCheck::None), &server, "example.org").is_err(), "whoever issued it");
    }

    #[test]
    fn a_client_shows_its_certificate_to_who_asks() {
        let folder = Folder::new("identity");
        let (certificate, key) = folder.certificate("server", "localhost");
        let (own, own_key) = folder.certificate("client", "client");
        let server = TlsServer::load_for(&certificate, &key, Some(&own)).expect("they belong together");
        let load = |certificate, key| {
            TlsClient::load(&folder.0.join("server.pem"), Some(Identity { certificate, key }), NameCheck::Host)
        };
        let client = load(&own, &own_key).expect("they belong together");
        assert_eq!(meet(&client, &server, "localhost"), Ok(()));
        assert!(load(&own, &key).is_err(), "another's key");
        assert!(TlsClient::load(&own_key, None, NameCheck::Host).is_err(), "a key is no authority");
    }
}
