//! Whom the HTTP listener answers.
//!
//! Probes (`/livez`, `/readyz`) say nothing of peers and are for everybody. What tells of peers, queues and users asks for what the
//! configuration names: a token, a client's certificate, or both. A listener that asks for neither, and that other machines do not reach,
//! answers only requests that name it by an address, as `localhost`, or by the name of its configuration: a page in a browser of this
//! machine, whose own name was made to mean 127.0.0.1, cannot read it.

use std::net::{IpAddr, SocketAddr};

use subtle::ConstantTimeEq as _;

use crate::config::{ClientCertificate, HttpListener};

/// What a request has to bring.
pub struct Access {
    tokens: Vec<String>,
    client_certificate: ClientCertificate,
    hosts: Hosts,
}

/// Which names a request may call the listener by.
enum Hosts {
    /// Every one.
    Any,
    /// Addresses, `localhost`, and the name that it listens on.
    Local(Option<String>),
}

/// What a client showed of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A certificate that was checked.
    Certificate,
    /// None.
    Nothing,
}

/// Whether a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Allowed,
    /// It brings no token, or a wrong one.
    NoToken,
    /// The client showed no certificate.
    NoCertificate,
    /// It names a host that the listener is not.
    ForeignHost,
}

impl Access {
    /// As the configuration says.
    pub fn new(http: &HttpListener) -> Self {
        let local = http.addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
        let asks = !http.tokens.is_empty() || http.client_certificate == ClientCertificate::Needed;
        Self {
            tokens: http.tokens.clone(),
            client_certificate: http.client_certificate,
            hosts: if local && !asks { Hosts::Local(http.host.clone()) } else { Hosts::Any },
        }
    }

    /// Whether a request that tells of peers is answered.
    pub fn judge(&self, host: Option<&str>, authorization: Option<&str>, shown: Shown) -> Verdict {
        if !self.is_our_host(host) {
            return Verdict::ForeignHost;
        }
        if self.client_certificate == ClientCertificate::Needed && shown == Shown::Nothing {
            return Verdict::NoCertificate;
        }
        if self.tokens.is_empty() || authorization.and_then(bearer).is_some_and(|token| self.has(token)) {
            return Verdict::Allowed;
        }
        Verdict::NoToken
    }

    /// Compares with every token in a time that does not depend on what is in them.
    fn has(&self, token: &str) -> bool {
        let same = self.tokens.iter().map(|known| known.as_bytes().ct_eq(token.as_bytes()));
        bool::from(same.fold(subtle::Choice::from(0), |found, same| found | same))
    }

    fn is_our_host(&self, host: Option<&str>) -> bool {
        let (Hosts::Local(name), Some(host)) = (&self.hosts, host) else { return true };
        if host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok() {
            return true;
        }
        if host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|ip| ip.parse::<IpAddr>().is_ok())
        {
            return true;
        }
        let named = host.rsplit_once(':').map_or(host, |(named, _)| named);
        let named = named.strip_suffix('.').unwrap_or(named);
        named.eq_ignore_ascii_case("localhost") || name.as_deref().is_some_and(|name| named.eq_ignore_ascii_case(name))
    }
}

/// The token of an `Authorization` header.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(address: &str, tokens: &[&str], client_certificate: ClientCertificate) -> Access {
        Access::new(&HttpListener {
            addresses: vec![address.parse().unwrap()],
            tls: None,
            tokens: tokens.iter().map(|&token| token.to_owned()).collect(),
            client_certificate,
            host: Some("broker.example".to_owned()),
        })
    }

    #[test]
    fn a_page_of_another_name_cannot_read_a_local_listener() {
        let local = access("127.0.0.1:8161", &[], ClientCertificate::NotNeeded);
        let judged = |host| local.judge(host, None, Shown::Nothing);
        for host in
            ["127.0.0.1:8161", "[::1]:8161", "[::1]", "localhost", "LOCALHOST:1", "broker.example:8161", "10.0.0.1"]
        {
            assert_eq!(judged(Some(host)), Verdict::Allowed, "{host}");
        }
        assert_eq!(judged(None), Verdict::Allowed, "a browser always names it");
        for host in ["evil.example", "evil.example:8161", "localhost.evil.example", "", "127.0.0.1.evil.example:8161"] {
            assert_eq!(judged(Some(host)), Verdict::ForeignHost, "{host}");
        }
        let remote = access("10.0.0.1:8161", &[], ClientCertificate::NotNeeded);
        assert_eq!(remote.judge(Some("metrics.svc"), None, Shown::Nothing), Verdict::Allowed);
    }

    #[test]
    fn tokens_and_certificates_are_asked_for() {
        let tokens = access("10.0.0.1:1", &["0123456789abcdef", "second-token-of-two"], ClientCertificate::NotNeeded);
        let judged = |authorization| tokens.judge(Some("x"), authorization, Shown::Nothing);
        for right in ["Bearer 0123456789abcdef", "bearer second-token-of-two", " Bearer  0123456789abcdef "] {
            assert_eq!(judged(Some(right.trim_end())), Verdict::Allowed, "{right}");
        }
        for wrong in ["", "Bearer", "Bearer ", "Basic 0123456789abcdef", "0123456789abcdef", "Bearer 0123456789abcde"] {
            assert_eq!(judged(Some(wrong)), Verdict::NoToken, "{wrong}");
        }
        assert_eq!(judged(None), Verdict::NoToken);
        let both = access("10.0.0.1:1", &["0123456789abcdef"], ClientCertificate::Needed);
        let right = Some("Bearer 0123456789abcdef");
        assert_eq!(both.judge(None, right, Shown::Nothing), Verdict::NoCertificate);
        assert_eq!(both.judge(None, None, Shown::Certificate), Verdict::NoToken);
        assert_eq!(both.judge(None, right, Shown::Certificate), Verdict::Allowed);
    }
}
