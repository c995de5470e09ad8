//! What of a server is looked at: its processes, and its HTTP listener.

use std::net::SocketAddr;

use super::find::{Find, Found, find, listeners};
use super::http::Endpoint;
use super::process;

/// Where Heddle tells of itself unless it is told otherwise.
const HEDDLE_HTTP: &str = "127.0.0.1:8161";

/// What is looked at while a run goes on.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// The server's processes.
    pub found: Found,
    /// Where it may be asked, in the order to try.
    pub endpoints: Vec<Endpoint>,
    /// The command line of a Heddle; of others it may hold secrets, and is not kept.
    pub command: String,
    /// Cores that the load runs on; empty where it is not on this machine.
    pub load_cores: Vec<usize>,
}

impl Targets {
    /// Looks for a server, which may have several addresses. `http` is where it was said to tell of itself; without that a Heddle of this
    /// machine is asked.
    pub fn of(addresses: &[SocketAddr], how: &Find, http: Option<&Endpoint>) -> Self {
        let found = addresses.iter().map(|&address| find(address, how)).reduce(Found::and).unwrap_or_default();
        let heddle = found.pids.iter().copied().find(|&pid| process::name(pid) == "heddle");
        let own = heddle.and_then(http_of);
        let endpoints = http.or(own.as_ref()).map(Endpoint::candidates).unwrap_or_default();
        let command = heddle.map(|pid| process::arguments(pid).join(" ")).unwrap_or_default();
        Self { found, endpoints, command, load_cores: Vec::new() }
    }

    /// The same beside a load that runs on these cores of this machine.
    pub fn beside(self, load_cores: &[usize]) -> Self {
        Self { load_cores: load_cores.to_vec(), ..self }
    }

    /// Names of the processes, for people.
    pub(super) fn source(&self) -> String {
        let named = self.found.pids.iter().map(|&pid| match process::name(pid) {
            name if name.is_empty() => pid.to_string(),
            name => format!("{pid} ({name})"),
        });
        let named: Vec<String> = named.collect();
        if !self.found.threads.is_empty() {
            return "threads of this process".to_owned();
        }
        match named.as_slice() {
            [] => String::new(),
            [one] => format!("process {one}"),
            several => format!("processes {}", several.join(", ")),
        }
    }
}

/// The HTTP listener of a Heddle, by its command line. Only if this very process listens there: another node's figures would be
/// taken for its own.
fn http_of(pid: u32) -> Option<Endpoint> {
    let arguments = process::arguments(pid);
    let mut given = arguments.iter().skip_while(|argument| *argument != "--http").skip(1);
    let joined = arguments.iter().find_map(|argument| argument.strip_prefix("--http="));
    let address = joined.or(given.next().map(String::as_str)).unwrap_or(HEDDLE_HTTP);
    let port = address.rsplit_once(':')?.1.parse().ok()?;
    listeners(port).contains(&pid).then(|| address.parse().ok()).flatten()
}
