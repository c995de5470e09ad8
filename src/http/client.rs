//! The client of a broker's HTTP listener, for `heddle status`.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use load_model::shown;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::config;

/// Largest answer that is read, bytes: a state of hundreds of thousands of connections fits. A larger one is refused.
const ANSWER_MAX: u64 = 1 << 28;
/// How long connecting may take to each address of a name.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How long a broker may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Where a broker answers: an address or name and a port, or a URL of them.
#[derive(Clone, Debug)]
pub struct Endpoint {
    at: config::Endpoint,
    scheme: Scheme,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Http, text),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some((other, _)) => return Err(format!("{other:?} is neither http nor https")),
        };
        let at = rest.strip_suffix('/').unwrap_or(rest);
        if at.contains('/') {
            return Err("it names a host and a port, without a path, as in http://127.0.0.1:8161".to_owned());
        }
        Ok(Self { at: at.parse()?, scheme })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Http => write!(out, "{}", self.at),
            Scheme::Https => write!(out, "https://{}", self.at),
        }
    }
}

/// Where to ask, and what to show.
#[derive(Args, Clone, Debug)]
pub struct Source {
    /// The broker's HTTP address: ADDR, http://ADDR or https://ADDR.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8161")]
    http: Endpoint,
    /// File with the token that the broker asks for (`http.token_file`); the first is taken.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// With https: file with the certificates, PEM, by one of which the broker's was issued.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// With https: file with the certificate to show, PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// With https: file with its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.http.fmt(out)
    }
}

impl Source {
    /// Asks for a path; gives the body of the answer.
    ///
    /// # Errors
    /// When nobody answers there, or the answer is an error.
    pub fn get(&self, path: &str) -> io::Result<String> {
        let token = match &self.token_file {
            Some(file) => {
                config::read_tokens(file).map_err(|wrong| io::Error::other(format!("--token-file: {wrong}")))?
            }
            None => Vec::new(),
        };
        let credentials = token.first().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let host = &self.http.at;
        let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n{credentials}Connection: close\r\n\r\n");
        let stream = self.connect()?;
        let answer = match self.http.scheme {
            Scheme::Http => exchange(stream, &request)?,
            Scheme::Https => exchange(StreamOwned::new(self.tls()?, stream), &request)?,
        };
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        match head.split_whitespace().nth(1) {
            Some("200") => Ok(body.to_owned()),
            Some("401") => Err(self.refused("it asks for a token: name a file that has one with --token-file")),
            Some("403") => Err(self.refused("it asks for a certificate: name one with --certificate and --key")),
            _ if head.starts_with("HTTP/") => {
                Err(io::Error::other(format!("the broker at {self} answered: {}", shown::sentence(body.trim()))))
            }
            _ => Err(io::Error::other(format!("{self} does not speak HTTP: is it http.address of a broker?"))),
        }
    }

    fn refused(&self, why: &str) -> io::Error {
        io::Error::other(format!("the broker at {self} does not tell: {why}"))
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::other("the name has no address");
        for address in self.http.at.resolve().map_err(io::Error::other)? {
            match TcpStream::connect_timeout(&address, CONNECT_TIME) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(SILENCE_MAX))?;
                    stream.set_write_timeout(Some(SILENCE_MAX))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        let text = format!("no broker answers at {self} ({last}): is it running? --http ADDR names its http.address");
        Err(io::Error::new(last.kind(), text))
    }

    fn tls(&self) -> io::Result<ClientConnection> {
        let ca = self.ca.as_deref();
        let ca = ca.ok_or_else(|| {
            io::Error::other("https needs --ca: a file with the certificate that issued the broker's")
        })?;
        let mut roots = RootCertStore::empty();
        for root in certificates(ca)? {
            roots.add(root).map_err(|error| unusable(ca, &error))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(io::Error::other)?.with_root_certificates(roots);
        let config = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| unusable(key, &error))?;
                let chain = certificates(certificate)?;
                config.with_client_auth_cert(chain, private).map_err(|error| unusable(certificate, &error))?
            }
            _ => config.with_no_client_auth(),
        };
        let name = match (self.http.at.name(), self.http.at.address()) {
            (Some(name), _) => ServerName::try_from(name.to_owned()).map_err(io::Error::other)?,
            (None, ip) => ServerName::from(ip.unwrap_or(std::net::Ipv4Addr::LOCALHOST.into())),
        };
        ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)
    }
}

fn unusable(path: &Path, error: &dyn fmt::Display) -> io::Error {
    io::Error::other(format!("{} cannot be used: {error}", path.display()))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    config::read_file(path, 1 << 20).map_err(io::Error::other)
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| unusable(path, &error))?;
    if found.is_empty() { Err(unusable(path, &"there is no certificate in it")) } else { Ok(found) }
}

fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_addresses_or_urls() {
        for (text, shown) in [
            ("127.0.0.1:8161", "127.0.0.1:8161"),
            ("http://broker:8161/", "broker:8161"),
            ("https://broker:8161", "https://broker:8161"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        }
        for (text, said) in [("ftp://a:1", "neither"), ("http://a:1/state", "without a path"), ("a", "port is missing")]
        {
            assert!(text.parse::<Endpoint>().unwrap_err().contains(said), "{text}");
        }
    }
}
