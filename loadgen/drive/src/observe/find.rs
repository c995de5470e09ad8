//! Which process a server is: the one that listens at its address, if that is on this machine.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use super::process;

/// Processes that may share a port and are looked at together.
const PROCESSES_MAX: usize = 64;
/// State of a listening socket in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// How the server's processes are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Find {
    /// Those that listen at its address.
    ByPort,
    /// These.
    Given(Vec<u32>),
    /// It runs in this very process: threads whose names begin so are its own, the others the load's.
    Threads(&'static [&'static str]),
}

/// Where a server was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Whether its address is one of this machine.
    pub local: bool,
    /// Its processes.
    pub pids: Vec<u32>,
    /// Beginnings of names of its threads; empty: all threads of its processes are its own.
    pub threads: &'static [&'static str],
    /// Why there are none, for people; empty when there are.
    pub missing: String,
}

impl Found {
    /// Two of a server's addresses together: it is all here or not, and its processes are all known or not.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.local &= other.local;
        self.pids.extend(other.pids);
        self.pids.sort_unstable();
        self.pids.dedup();
        if self.missing.is_empty() {
            self.missing = other.missing;
        }
        if !self.missing.is_empty() {
            self.pids.clear();
        }
        self
    }
}

/// Looks for the processes of the server at `address`.
pub fn find(address: SocketAddr, how: &Find) -> Found {
    let local = is_local(address.ip());
    match how {
        Find::Given(pids) => {
            let gone = pids.iter().find(|&&pid| process::totals(pid).is_none());
            let missing = gone.map(|pid| format!("there is no process {pid} to look at")).unwrap_or_default();
            let pids = if gone.is_none() { pids.clone() } else { Vec::new() };
            Found { local, pids, threads: &[], missing }
        }
        Find::Threads(threads) => Found { local, pids: vec![std::process::id()], threads, missing: String::new() },
        Find::ByPort if !local => {
            Found { local, missing: "the server is on another machine".to_owned(), ..Found::default() }
        }
        Find::ByPort => {
            let pids = listeners(address.port());
            let missing = if pids.is_empty() {
                "the server's process is not to be seen from here: say --server-pid, or run as its user"
            } else if pids.contains(&std::process::id()) {
                // What it takes and what the load takes are one figure.
                "the server runs in this very process"
            } else {
                return Found { local, pids, ..Found::default() };
            };
            Found { local, missing: missing.to_owned(), ..Found::default() }
        }
    }
}

/// An address is of this machine if a socket can be bound to it.
fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

/// Processes that listen on a TCP port, lowest number first.
pub fn listeners(port: u16) -> Vec<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let sockets: Vec<String> = tables.iter().flat_map(|table| inodes(table, port)).collect();
    if sockets.is_empty() {
        return Vec::new();
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |pid: &u32| {
        process::descriptors(*pid)
            .any(|(_, target)| target.to_str().is_some_and(|target| sockets.iter().any(|s| s == target)))
    };
    let mut found: Vec<u32> = pids.filter(holds).take(PROCESSES_MAX).collect();
    found.sort_unstable();
    found
}

/// Sockets of a table that listen on a port, as links of descriptors name them.
fn inodes(table: &str, port: u16) -> impl Iterator<Item = String> {
    let wanted = format!(":{port:04X}");
    table.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, state) = (fields.next()?, fields.nth(1)?);
        let inode = fields.nth(5)?;
        (local.ends_with(&wanted) && state == LISTENING).then(|| format!("socket:[{inode}]"))
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn listening_sockets_of_a_port_are_told_from_others() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1628 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 60802 1 0 100\n   \
                     1: 0100007F:1628 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 60803 1 0 100\n   \
                     2: 0100007F:1629 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 60804 1 0 100\n";
        assert_eq!(inodes(table, 5672).collect::<Vec<_>>(), ["socket:[60802]"]);
    }

    #[test]
    fn a_listener_of_this_process_is_found_by_its_port() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("bound");
        assert_eq!(listeners(address.port()), [std::process::id()]);
        let found = find(address, &Find::ByPort);
        assert!(found.local && found.pids.is_empty() && found.missing.contains("this very process"), "{found:?}");
        drop(listener);
        assert!(find(address, &Find::ByPort).missing.contains("--server-pid"));
    }

    #[test]
    fn what_is_not_here_is_said() {
        let elsewhere = find("192.0.2.1:5672".parse().expect("an address"), &Find::ByPort);
        assert!(!elsewhere.local && elsewhere.missing.contains("another machine"));
        let here = "127.0.0.1:5672".parse().expect("an address");
        assert_eq!(
            find(here, &Find::Given(vec![u32::MAX])).missing,
            format!("there is no process {} to look at", u32::MAX)
        );
        let given = find(here, &Find::Given(vec![std::process::id()]));
        assert_eq!(given.pids, [std::process::id()]);
        assert_eq!(given.clone().and(given.clone()), given);
        let both = given.and(find(here, &Find::Given(vec![u32::MAX])));
        assert!(both.pids.is_empty() && !both.missing.is_empty(), "a part of a server is not the server: {both:?}");
    }
}
