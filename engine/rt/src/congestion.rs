//! Which congestion control a connection has: the system's, one that is named, or none that paces where no network is between its ends.
//!
//! BBR spreads what is written over time, by a timer of each connection. Between two programs of one machine that spares nothing, and every
//! message pays for the timers and for more and smaller pieces: through a router, one of 1 KiB takes about 1.3 times the processor time.

use std::fmt;
use std::io;

use socket2::{Domain, Protocol, Socket, Type};

/// Beginning of the names of those that pace (`net/ipv4/tcp_bbr.c`).
const PACING: &[u8] = b"bbr";
/// What every kernel has, lets everybody have, and does not pace.
const UNPACED: &[u8] = b"reno";
/// A name has so many octets at most (`TCP_CA_NAME_MAX`, with the zero behind it).
const NAME_MAX: usize = 15;

/// Which congestion control connections have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CongestionControl {
    /// The system's; one that does not pace between ends on this machine.
    #[default]
    Auto,
    /// The system's.
    System,
    /// That of this name (tcp(7), `TCP_CONGESTION`).
    Named(Box<str>),
}

impl CongestionControl {
    /// What `text` says: `auto`, `system`, or a name of 1 to 15 letters, digits and signs of - and _.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
        match text {
            "auto" => Some(Self::Auto),
            "system" => Some(Self::System),
            name if (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(fits) => Some(Self::Named(name.into())),
            _ => None,
        }
    }

    /// Whether connections of this process can have it.
    ///
    /// # Errors
    /// What the system says: it has none of that name, or not for this user.
    pub fn probe(&self) -> io::Result<()> {
        let Self::Named(name) = self else { return Ok(()) };
        Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?.set_tcp_congestion(name.as_bytes())
    }

    /// Gives it to a connected socket. One that is none of TCP has none.
    ///
    /// # Errors
    /// As of `probe`.
    pub(crate) fn give(&self, socket: &Socket) -> io::Result<()> {
        match self {
            Self::Auto if is_within(socket) && socket.tcp_congestion()?.starts_with(PACING) => {
                socket.set_tcp_congestion(UNPACED)
            }
            Self::Named(name) if !socket.local_addr()?.is_unix() => socket.set_tcp_congestion(name.as_bytes()),
            Self::Auto | Self::System | Self::Named(_) => Ok(()),
        }
    }
}

impl fmt::Display for CongestionControl {
    /// As `parse` reads it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Auto => "auto",
            Self::System => "system",
            Self::Named(name) => name,
        })
    }
}

/// Whether both ends of a connection of TCP are on this machine: its peer has an address that is the machine's own.
fn is_within(socket: &Socket) -> bool {
    let ip = |address: io::Result<socket2::SockAddr>| Some(address.ok()?.as_socket()?.ip().to_canonical());
    ip(socket.peer_addr()).is_some_and(|peer| peer.is_loopback() || ip(socket.local_addr()) == Some(peer))
}

/// What connections may have, by name, for an error that says what to do instead; empty when the system does not tell.
#[must_use]
pub fn congestion_controls() -> String {
    let listed = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_allowed_congestion_control").unwrap_or_default();
    listed.split_whitespace().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::{Accepted, Listener};

    #[test]
    fn names_are_the_systems_or_one_of_two() {
        assert_eq!(CongestionControl::parse("auto"), Some(CongestionControl::Auto));
        assert_eq!(CongestionControl::parse("system"), Some(CongestionControl::System));
        assert_eq!(CongestionControl::parse("tcp_new-1"), Some(CongestionControl::Named("tcp_new-1".into())));
        for text in ["auto", "system", "tcp_new-1"] {
            assert_eq!(CongestionControl::parse(text).map(|control| control.to_string()).as_deref(), Some(text));
        }
        for wrong in ["", "a b", "cubic\0", "a-name-of-sixteen"] {
            assert_eq!(CongestionControl::parse(wrong), None, "{wrong:?}");
        }
        assert!(CongestionControl::Named("no-such".into()).probe().is_err());
        assert!(CongestionControl::Named("reno".into()).probe().is_ok());
    }

    /// What a connection within this machine has that was given this, where the system's is `before`.
    fn given(control: &CongestionControl, before: &[u8]) -> Vec<u8> {
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
        socket.connect(&listener.local_addr().expect("it has one").into()).expect("it listens");
        assert!(matches!(listener.accept(), Accepted::Connection(_)));
        socket.set_tcp_congestion(before).expect("the test knows that it is there");
        control.give(&socket).expect("it can have that");
        let name = socket.tcp_congestion().expect("it has one");
        name.split(|&octet| octet == 0).next().unwrap_or_default().to_vec()
    }

    #[test]
    fn what_paces_is_left_out_within_the_machine_alone() {
        assert_eq!(given(&CongestionControl::Auto, b"reno"), b"reno");
        assert_eq!(given(&CongestionControl::Named("reno".into()), b"reno"), b"reno");
        // Where the kernel has one that paces for this user, as the machines have that this was measured on.
        if CongestionControl::Named("bbr".into()).probe().is_ok() {
            assert_eq!(given(&CongestionControl::Auto, b"bbr"), b"reno");
            assert_eq!(given(&CongestionControl::System, b"bbr"), b"bbr");
            assert_eq!(given(&CongestionControl::Named("bbr".into()), b"reno"), b"bbr");
        }
        if CongestionControl::Named("cubic".into()).probe().is_ok() {
            assert_eq!(given(&CongestionControl::Auto, b"cubic"), b"cubic");
        }
    }

    #[test]
    fn a_pair_within_the_process_has_none() {
        let (one, _other) = crate::Socket::pair().expect("descriptors");
        for control in ["auto", "system", "reno"] {
            let control = CongestionControl::parse(control).expect("a name");
            one.set_congestion_control(&control).expect("nothing to do");
        }
    }
}
