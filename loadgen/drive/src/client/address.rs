//! Where a server is, and who we are there: `amqp://user:password@host:port`.

use std::net::{SocketAddr, ToSocketAddrs};

use amqp_proto::Credentials;
use load_model::scenario::ConnectionSpec;

const PORT: u16 = 5672;
const PORT_TLS: u16 = 5671;

/// Where to connect to.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Its name, as it was written: for TLS and `open`.
    pub host: String,
    /// Its first address.
    pub address: SocketAddr,
    /// Whether TLS comes first.
    pub is_tls: bool,
    /// Who we are.
    pub credentials: Credentials,
}

impl Server {
    /// Reads a URL and looks its name up. Credentials in it come before those of all connections.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn resolve(url: &str, spec: &ConnectionSpec) -> Result<Self, String> {
        let parts = Parts::read(url).ok_or_else(|| {
            // It may have a password in it.
            "a server's URL is amqp://[user:password@]host[:port], or amqps://…; percent-encode what is special"
                .to_owned()
        })?;
        let shown = format!("{}:{}", parts.host, parts.port);
        let addresses = (parts.host.as_str(), parts.port).to_socket_addrs();
        let mut addresses = addresses.map_err(|error| format!("{shown} cannot be looked up: {error}"))?;
        let address = addresses.next().ok_or_else(|| format!("{shown} has no address"))?;
        let given = Some((spec.user.clone(), spec.password.clone())).filter(|(user, _)| !user.is_empty());
        let credentials = match parts.user.or(given) {
            Some((user, password)) => Credentials::Plain { user, password },
            None => Credentials::Anonymous,
        };
        Ok(Self { host: parts.host, address, is_tls: parts.is_tls, credentials })
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    is_tls: bool,
    user: Option<(String, String)>,
    host: String,
    port: u16,
}

impl Parts {
    fn read(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("amqp", url));
        let is_tls = match scheme {
            "amqp" => false,
            "amqps" => true,
            _ => return None,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => {
                let (user, password) = user.split_once(':').unwrap_or((user, ""));
                (Some((decode(user)?, decode(password)?)), place)
            }
            None => (None, rest),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let port = match port {
            Some(port) => port.parse().ok()?,
            None if is_tls => PORT_TLS,
            None => PORT,
        };
        let bare = !host.is_empty() && !host.contains(['/', '?', '#', ' ']);
        bare.then(|| Self { is_tls, user, host: host.to_owned(), port })
    }
}

/// Takes percent-encoding back.
fn decode(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, tail)) = rest.split_first() {
        if octet == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            octets.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = tail;
        } else {
            octets.push(octet);
            rest = tail;
        }
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let parts = |url: &str| Parts::read(url).map(|parts| (parts.is_tls, parts.user, parts.host, parts.port));
        let user = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for (url, expected) in [
            ("amqp://localhost", (false, None, "localhost", 5672)),
            ("amqps://broker.example/", (true, None, "broker.example", 5671)),
            ("127.0.0.1:5673", (false, None, "127.0.0.1", 5673)),
            ("amqp://[::1]:99", (false, None, "::1", 99)),
            ("amqp://me:p%40ss:w@h:1", (false, user("me", "p@ss:w"), "h", 1)),
            ("amqp://me@h", (false, user("me", ""), "h", 5672)),
        ] {
            let expected = (expected.0, expected.1, expected.2.to_owned(), expected.3);
            assert_eq!(parts(url), Some(expected), "{url}");
        }
        for wrong in ["http://h", "amqp://", "amqp://h:port", "amqp://h/queue", "amqp://a%zz@h", "amqp://:1"] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn credentials_of_the_url_come_first_and_are_not_told() {
        let spec =
            ConnectionSpec { user: "all".to_owned(), password: "secret".to_owned(), ..ConnectionSpec::default() };
        let plain = |user: &str| Credentials::Plain { user: user.to_owned(), password: "secret".to_owned() };
        let of = |url: &str, spec: &ConnectionSpec| Server::resolve(url, spec).expect("it is one").credentials;
        assert_eq!(of("amqp://127.0.0.1", &spec), plain("all"));
        assert_eq!(of("amqp://me:secret@127.0.0.1", &spec), plain("me"));
        assert_eq!(of("amqp://127.0.0.1", &ConnectionSpec::default()), Credentials::Anonymous);
        let error = Server::resolve("amqp://me:secret@h h", &spec).expect_err("no host");
        assert!(!error.contains("secret"), "{error}");
    }
}
