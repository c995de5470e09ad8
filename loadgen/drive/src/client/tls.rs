//! Whom the generator's TLS trusts: the authorities that a scenario names, those of the system, or anybody.

use std::path::Path;
use std::sync::Arc;

use engine_tls::TlsClient;
use load_model::scenario::ConnectionSpec;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Loads the authorities that a scenario names, or those of the system; once for all connections.
///
/// # Errors
/// When there are none, for people.
pub(crate) fn load(spec: &ConnectionSpec) -> Result<TlsClient, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = if spec.tls_insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
    } else {
        builder.with_root_certificates(roots(&spec.tls_ca)?)
    };
    Ok(TlsClient::new(config.with_no_client_auth()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use engine_tls::Tls;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection};
    use std::io::{Read, Write};

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
        let client = load(spec)?;
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
        assert!(load(&named).is_err(), "there is no such file");
    }
}
