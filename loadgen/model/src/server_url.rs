//! Where a server is, and who we are there: `amqp://user:password@host:port`.
//!
//! Guarantees: whoever reads a server's URL reads it by this; nothing of a URL that is none is told, as it may have a password in it.
//! What it does not do: look names up.

const PORT: u16 = 5672;
const PORT_TLS: u16 = 5671;

/// A server's URL, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// Whether TLS comes first.
    pub is_tls: bool,
    /// User and password, if it has them.
    pub user: Option<(String, String)>,
    /// Host, without the brackets of an IPv6 address.
    pub host: String,
    /// 5672, or 5671 with TLS, unless it is given.
    pub port: u16,
}

/// What a server's URL has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a server's URL is amqp://[user:password@]host[:port], or amqps://…; percent-encode what is special in user and password"
)]
pub struct ServerUrlError;

impl ServerUrl {
    /// Reads one; without a scheme it is `amqp`.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(url: &str) -> Result<Self, ServerUrlError> {
        Self::read(url).ok_or(ServerUrlError)
    }

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
        let user = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for (url, (is_tls, user, host, port)) in [
            ("amqp://localhost", (false, None, "localhost", 5672)),
            ("amqps://broker.example/", (true, None, "broker.example", 5671)),
            ("127.0.0.1:5673", (false, None, "127.0.0.1", 5673)),
            ("amqp://[::1]:99", (false, None, "::1", 99)),
            ("amqp://me:p%40ss:w@h:1", (false, user("me", "p@ss:w"), "h", 1)),
            ("amqp://me@h", (false, user("me", ""), "h", 5672)),
        ] {
            let expected = ServerUrl { is_tls, user, host: host.to_owned(), port };
            assert_eq!(ServerUrl::parse(url), Ok(expected), "{url}");
        }
        for wrong in ["http://h", "amqp://", "amqp://h:port", "amqp://h/queue", "amqp://a%zz@h", "amqp://:1", ""] {
            assert_eq!(ServerUrl::parse(wrong), Err(ServerUrlError), "{wrong}");
        }
    }
}
