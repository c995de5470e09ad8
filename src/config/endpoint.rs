//! Where to listen or to connect: a host, by address or by name, and a port.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use engine_catalogue::setting::{Expected, Word};

/// Longest name of a host, bytes (RFC 1035).
const NAME_MAX: usize = 253;

/// A host and a port, as they are typed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { host: Host::Address(address.ip()), port: address.port() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(ip) => write!(out, "{}", SocketAddr::new(*ip, self.port)),
            Host::Name(name) => write!(out, "{name}:{}", self.port),
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        if text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) {
            return Err(format!("an IPv6 address stands in brackets before its port, as in [{text}]:5672"));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(format!("the port is missing, as in {text}:5672"));
        };
        let port = port.parse().map_err(|_| format!("{port:?} is no port: it is a number from 0 to 65535"))?;
        if host.parse::<IpAddr>().is_ok() {
            return Err("the address of IPv6 stands in brackets before its port, as in [::1]:5672".to_owned());
        }
        is_name(host)?;
        Ok(Self { host: Host::Name(host.to_owned()), port })
    }
}

fn is_name(host: &str) -> Result<(), String> {
    let label = |label: &str| {
        let letters = label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_');
        !label.is_empty() && label.len() <= 63 && letters
    };
    let named = host.strip_suffix('.').unwrap_or(host);
    if named.len() > NAME_MAX || !named.split('.').all(label) {
        return Err(format!("{host:?} is neither an address nor the name of a host"));
    }
    // A number and dots is a cut or wrong address, and no name: what it would mean to a resolver surprises.
    if named.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.') {
        return Err(format!("{host:?} is no address: one of IPv4 has four numbers from 0 to 255"));
    }
    Ok(())
}

impl Word for Endpoint {
    const EXPECTED: Expected = Expected::Described(
        "an address or name and a port, such as \"0.0.0.0:5672\", \"[::1]:5672\" or \"localhost:5672\"",
    );

    fn from_word(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn word(&self) -> String {
        self.to_string()
    }
}

impl Endpoint {
    /// The host's name, where it is not an address.
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Name(name) => Some(name),
            Host::Address(_) => None,
        }
    }

    /// The host's address, where it is not a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Address(ip) => Some(ip),
            Host::Name(_) => None,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The addresses that are meant, each once. A name is looked up, which may take seconds.
    ///
    /// # Errors
    /// When the name has no address, with advice.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, String> {
        let name = match &self.host {
            Host::Address(ip) => return Ok(vec![SocketAddr::new(*ip, self.port)]),
            Host::Name(name) => name,
        };
        let found = (name.as_str(), self.port).to_socket_addrs().map(|found| {
            let mut addresses: Vec<SocketAddr> = found.collect();
            addresses.sort();
            addresses.dedup();
            addresses
        });
        match found {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            found => {
                let why =
                    found.err().map_or_else(|| "it has no address".to_owned(), |error: io::Error| error.to_string());
                Err(format!("the name {name} cannot be resolved ({why}): write an address, or mend DNS or /etc/hosts"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_read_and_written_alike() {
        for text in ["0.0.0.0:5672", "[::1]:0", "localhost:5672", "broker-1.example.org:5671", "a_b:1"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_neither_says_why() {
        for (text, said) in [
            ("localhost", "port is missing"),
            ("5672", "port is missing"),
            ("", "port is missing"),
            (":5672", "neither"),
            ("localhost:70000", "0 to 65535"),
            ("localhost:amqp", "0 to 65535"),
            ("::1", "brackets"),
            ("::1:5672", "brackets"),
            ("127.0.0:5672", "four numbers"),
            ("300.0.0.1:5672", "four numbers"),
            ("http://localhost:1", "neither"),
            ("a b:1", "neither"),
            ("-\u{1b}[2J:1", "neither"),
        ] {
            let error = text.parse::<Endpoint>().expect_err(text);
            assert!(error.contains(said) && !error.contains('\u{1b}'), "{text}: {error}");
        }
    }

    #[test]
    fn names_are_resolved() {
        let found = "localhost:5672".parse::<Endpoint>().unwrap().resolve().unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 5672), "{found:?}");
        let error = "no-such-host.invalid:5672".parse::<Endpoint>().unwrap().resolve().unwrap_err();
        assert!(error.contains("no-such-host.invalid") && error.contains("/etc/hosts"), "{error}");
    }
}
