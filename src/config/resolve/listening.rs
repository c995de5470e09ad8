//! Addresses to listen on: names are looked up, and no two listeners get in each other's way.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};

use super::super::endpoint::Endpoint;
use super::super::fault::{Faults, Origin};
use super::super::origins::Origins;
use super::super::settings::Config;
use super::Resolved;

/// Addresses of a name at most; a name of more is refused.
const ADDRESSES_MAX: usize = 16;

/// A configuration on its way to what a node starts with.
pub struct Resolving<'a> {
    pub(super) config: &'a Config,
    pub(super) origins: &'a Origins,
    pub(super) faults: Faults,
    pub(super) warnings: Vec<String>,
    /// Addresses that listeners have, with what those are called.
    pub(super) taken: Vec<(String, SocketAddr)>,
}

impl Resolving<'_> {
    pub(super) fn fault(&mut self, area: &'static str, index: usize, setting: &'static str, text: String) {
        self.faults.add(self.origins.place(area, index, setting), self.origins.words.say(&text));
    }

    /// The same of a thing that has a name, which is told as it stands.
    pub(super) fn fault_of(
        &mut self,
        (area, index): (&'static str, usize),
        setting: &'static str,
        of: &str,
        text: &str,
    ) {
        let text = format!("{of}: {}", self.origins.words.say(text));
        self.faults.add(self.origins.place(area, index, setting), text);
    }

    pub(super) fn warn_about(&mut self, of: &str, text: &str) {
        self.warnings.push(format!("{of}: {}", self.origins.words.say(text)));
    }

    /// The addresses of an endpoint that this machine can have.
    pub(super) fn addresses(&mut self, area: &'static str, index: usize, endpoint: &Endpoint) -> Vec<SocketAddr> {
        let mut addresses = match endpoint.resolve() {
            Ok(addresses) => addresses,
            Err(wrong) => {
                self.fault(area, index, "address", format!("{area}.address is \"{endpoint}\": {wrong}"));
                return Vec::new();
            }
        };
        // /etc/hosts often has ::1 for localhost where there is no IPv6: the name then means what is left.
        if endpoint.name().is_some() && addresses.iter().any(SocketAddr::is_ipv4) && !has_ipv6() {
            addresses.retain(SocketAddr::is_ipv4);
        }
        if addresses.len() > ADDRESSES_MAX {
            let count = addresses.len();
            let text =
                format!("{area}.address is \"{endpoint}\": the name has {count} addresses, more than {ADDRESSES_MAX}");
            self.fault(area, index, "address", text);
        }
        addresses
    }

    /// Takes addresses for a listener.
    pub(super) fn take(&mut self, name: &str, origin: &Origin, addresses: &[SocketAddr]) {
        let before = self.taken.len();
        for &address in addresses {
            let other = self.taken.iter().take(before).find(|(_, taken)| overlap(*taken, address));
            if let Some((other, taken)) = other {
                let same = if *taken == address {
                    "the same address".to_owned()
                } else {
                    format!("{taken}, which includes it")
                };
                let same = if includes(address, *taken) && *taken != address {
                    format!("{taken}, which is part of it")
                } else {
                    same
                };
                let text = format!("{name}: {other} has {same}; choose another port, or leave one of them out");
                self.faults.add(origin.clone(), text);
            }
            self.taken.push((name.to_owned(), address));
        }
    }
}

/// Whether there is IPv6 at all.
fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// Whether two sockets cannot both listen.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() != 0 && one.port() == other.port() && (includes(one, other) || includes(other, one))
}

/// Whether a socket that listens on the first address gets connections to the second.
fn includes(wide: SocketAddr, narrow: SocketAddr) -> bool {
    match (wide.ip(), narrow.ip()) {
        // One of IPv6 takes connections of both.
        (IpAddr::V6(wide), _) if wide.is_unspecified() => true,
        (IpAddr::V4(wide), IpAddr::V4(_)) if wide.is_unspecified() => true,
        (wide, narrow) => wide.to_canonical() == narrow.to_canonical(),
    }
}

impl Resolved {
    /// Tries to bind every address, without listening on it.
    ///
    /// # Errors
    /// Addresses that this machine or this user cannot have. That another program has one passes, so it is only a warning.
    pub fn try_bind(&self, origins: &Origins) -> Result<Vec<String>, Faults> {
        let (mut faults, mut warnings) = (Faults::default(), Vec::new());
        let listeners = self.listeners.iter().enumerate();
        let listeners = listeners.map(|(index, listener)| ("listeners", index, &listener.addresses));
        let http = self.http.iter().map(|http| ("http", 0, &http.addresses));
        for (area, index, addresses) in listeners.chain(http) {
            for &address in addresses {
                let Err(error) = engine_rt::Listener::try_bind(address) else { continue };
                let text = format!("cannot listen on {address}: {error}{}", crate::boot::advice(&error));
                if error.kind() == std::io::ErrorKind::AddrInUse {
                    warnings.push(text);
                } else {
                    faults.add(origins.place(area, index, "address"), text);
                }
            }
        }
        faults.or(warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_get_in_each_others_way_overlap() {
        for (one, other, wanted) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("[::]:1", "[::1]:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::]:1", "0.0.0.0:1", true),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("[::1]:1", "127.0.0.1:1", false),
        ] {
            let (one, other): (SocketAddr, SocketAddr) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!((overlap(one, other), overlap(other, one)), (wanted, wanted), "{one} {other}");
        }
    }
}
