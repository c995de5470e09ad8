//! The HTTP listener, resolved: where it listens, and whom it answers.

use std::net::SocketAddr;

use engine_catalogue::Area as _;
use node_shell::transport::TlsServer;

use super::super::files;
use super::super::settings::Http;
use super::{Resolving, Table};

/// Where the HTTP listener listens, and whom it answers.
#[derive(Clone)]
pub struct HttpListener {
    /// Its addresses; with port 0 the first one's port is the others' as well.
    pub addresses: Vec<SocketAddr>,
    /// Certificate, key and what client certificates are checked by.
    pub tls: Option<TlsServer>,
    /// The tokens of which a request has to bring one; none: it need not.
    pub tokens: Vec<String>,
    /// Whether a client has to have shown a certificate.
    pub client_certificate: ClientCertificate,
    /// The name that it listens on.
    pub host: Option<String>,
}

/// Whether a client has to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// It has.
    Needed,
    /// Anybody may ask, with or without one.
    NotNeeded,
}

impl Resolving<'_> {
    pub(super) fn web(&mut self) -> Option<HttpListener> {
        let http = &self.config.http;
        if !http.enabled {
            return None;
        }
        let table = Table { area: Http::NAME, index: 0, prefix: "http." };
        if http.client_ca.is_some() && http.certificate.is_none() && http.key.is_none() {
            let text = "http.client_ca is set, and clients show certificates in TLS only: set http.certificate and http.key too";
            self.fault(Http::NAME, 0, "client_ca", text.to_owned());
        }
        let tls = self.tls(table, (http.certificate.as_deref(), http.key.as_deref()), http.client_ca.as_deref());
        let tokens = match http.token_file.as_deref().map(files::read_tokens) {
            Some(Ok(tokens)) => tokens,
            Some(Err(wrong)) => {
                self.fault(Http::NAME, 0, "token_file", format!("http.token_file: {wrong}"));
                Vec::new()
            }
            None => Vec::new(),
        };
        let addresses = self.addresses(Http::NAME, 0, &http.address);
        let remote = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback());
        if let Some(remote) = remote {
            if !http.allow_remote {
                let text = format!(
                    "http.address is \"{}\": {remote} is not a loopback address, so that other machines could read names of queues, \
                     peers and users there; to allow that set http.allow_remote = true, and http.token_file or http.client_ca to \
                     say who may",
                    http.address
                );
                self.fault(Http::NAME, 0, "address", text);
            } else if http.token_file.is_none() && http.client_ca.is_none() {
                self.warnings.push(format!(
                    "http.address is {remote}: whoever reaches it reads names of queues, peers and users, as neither \
                     http.token_file nor http.client_ca is set"
                ));
            } else if !tokens.is_empty() && tls.is_none() {
                self.warnings.push(format!(
                    "http.address is {remote}: tokens cross the network in clear, as http.certificate is not set"
                ));
            }
        }
        self.take("the HTTP listener", &self.origins.place(Http::NAME, 0, "address"), &addresses);
        let needed = http.client_ca.is_some();
        let client_certificate = if needed { ClientCertificate::Needed } else { ClientCertificate::NotNeeded };
        let host = http.address.name().map(str::to_owned);
        Some(HttpListener { addresses, tls, tokens, client_certificate, host })
    }
}
