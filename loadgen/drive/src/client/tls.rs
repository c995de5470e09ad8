//! TLS by rustls, as a machine without a socket: the side that connects.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use load_model::scenario::ConnectionSpec;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Whom we trust, loaded once for all connections.
#[derive(Clone)]
pub(crate) struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Loads the authorities that a scenario names, or those of the system.
    ///
    /// # Errors
    /// When there are none, for people.
    pub fn load(spec: &ConnectionSpec) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let config = if spec.tls_insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        } else {
            builder.with_root_certificates(roots(&spec.tls_ca)?)
        };
        Ok(Self(Arc::new(config.with_no_client_auth())))
    }
}

fn roots(file: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if file.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err("this system has no authorities for TLS: name a PEM file with --tls-ca".to_owned());
        }
        return Ok(roots);
    }
    let wrong = |error: &dyn std::fmt::Display| format!("--tls-ca {file}: {error}");
    let authorities = CertificateDer::pem_file_iter(Path::new(file)).map_err(|error| wrong(&error))?;
    for authority in authorities {
        roots.add(authority.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() { Err(wrong(&"there is no CERTIFICATE block in it")) } else { Ok(roots) }
}

/// Trusts any certificate, but has its signatures checked: what `tls_insecure` asks for.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// One connection's TLS.
pub(crate) struct Tls {
    connection: ClientConnection,
}

impl Tls {
    /// A connection to a host, whose hello is put into `raw_out`.
    ///
    /// # Errors
    /// When the host's name cannot be one of a certificate.
    pub fn connect(client: &TlsClient, host: &str, raw_out: &mut Vec<u8>) -> Result<Self, rustls::Error> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| rustls::Error::General(format!("{host} cannot be a certificate's name")))?;
        let mut connection = ClientConnection::new(Arc::clone(&client.0), name)?;
        // What is written here is moved to the connection's output at once, which has a bound of its own.
        connection.set_buffer_limit(None);
        let mut tls = Self { connection };
        tls.drain_output(raw_out);
        Ok(tls)
    }

    /// Takes what came; appends what was in it to `plain`, and what is to be answered to `raw_out`. Gives whether the peer ended.
    ///
    /// # Errors
    /// When it is no TLS, or the certificate is not trusted.
    pub fn receive(
        &mut self,
        mut raw: &[u8],
        plain: &mut Vec<u8>,
        raw_out: &mut Vec<u8>,
    ) -> Result<bool, rustls::Error> {
        let mut has_ended = false;
        while !raw.is_empty() {
            let taken =
                self.connection.read_tls(&mut raw).map_err(|error| rustls::Error::General(error.to_string()))?;
            let processed = self.connection.process_new_packets();
            self.drain_output(raw_out);
            let records = processed?;
            let start = plain.len();
            plain.resize(start + records.plaintext_bytes_to_read(), 0);
            let read = self.connection.reader().read(plain.get_mut(start..).unwrap_or_default()).unwrap_or(0);
            plain.truncate(start + read);
            has_ended |= records.peer_has_closed();
            if taken == 0 {
                break;
            }
        }
        Ok(has_ended)
    }

    /// Appends what `plain` is on the wire to `raw_out`; before the handshake is done it is kept.
    ///
    /// # Errors
    /// When the connection takes no more.
    pub fn transmit(&mut self, plain: &[u8], raw_out: &mut Vec<u8>) -> Result<(), rustls::Error> {
        // Without a buffer limit the writer takes everything.
        let written = self.connection.writer().write_all(plain);
        written.map_err(|_| rustls::Error::General("the TLS connection takes no more data".to_owned()))?;
        self.drain_output(raw_out);
        Ok(())
    }

    /// Says goodbye.
    pub fn close(&mut self, raw_out: &mut Vec<u8>) {
        self.connection.send_close_notify();
        self.drain_output(raw_out);
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
    use super::*;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection};

    /// A server with a certificate for `localhost`, and the certificate in PEM.
    fn server() -> (ServerConnection, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key))
            .expect("they belong together");
        (ServerConnection::new(Arc::new(config)).expect("a server"), made.cert.pem())
    }

    /// Says hello and echoes; gives what came back, or why nothing did.
    fn echo(spec: &ConnectionSpec, host: &str, server: &mut ServerConnection) -> Result<Vec<u8>, String> {
        let client = TlsClient::load(spec)?;
        let (mut to_server, mut plain) = (Vec::new(), Vec::new());
        let mut tls = Tls::connect(&client, host, &mut to_server).map_err(|error| error.to_string())?;
        tls.transmit(b"hello", &mut to_server).map_err(|error| error.to_string())?;
        for _ in 0..10 {
            let mut raw = to_server.as_slice();
            while !raw.is_empty() {
                server.read_tls(&mut raw).expect("memory");
                server.process_new_packets().map_err(|error| error.to_string())?;
            }
            to_server.clear();
            let mut heard = [0; 100];
            if let Ok(count) = server.reader().read(&mut heard) {
                server.writer().write_all(&heard[..count]).expect("memory");
            }
            let mut to_client = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut to_client).expect("memory");
            }
            tls.receive(&to_client, &mut plain, &mut to_server).map_err(|error| error.to_string())?;
        }
        Ok(plain)
    }

    #[test]
    fn a_certificate_is_trusted_if_it_is_named_or_if_any_is() {
        let (mut one, pem) = server();
        let file = std::env::temp_dir().join(format!("heddle-load-{}.pem", std::process::id()));
        std::fs::write(&file, pem).expect("a file");
        let named = ConnectionSpec { tls_ca: file.display().to_string(), ..ConnectionSpec::default() };
        assert_eq!(echo(&named, "localhost", &mut one), Ok(b"hello".to_vec()));
        let error = echo(&named, "elsewhere", &mut server().0).expect_err("another name");
        assert!(error.contains("certificate"), "{error}");
        let error = echo(&named, "localhost", &mut server().0).expect_err("another certificate");
        assert!(error.contains("certificate"), "{error}");
        let any = ConnectionSpec { tls_insecure: true, ..ConnectionSpec::default() };
        assert_eq!(echo(&any, "localhost", &mut server().0), Ok(b"hello".to_vec()));
        std::fs::remove_file(&file).expect("it was there");
        assert!(TlsClient::load(&named).is_err(), "there is no such file");
    }
}
