//! The threads that look up names for connectors: the system's resolver blocks, so that no shard asks it.
//!
//! Guarantees: a question that nobody waits for any more is not asked; an answer that its shard has no room for is
//! lost, and the connector gives up in its own time; a resolver that hangs holds up other names, and no shard. The
//! threads end with the shards that ask them, and are not waited for.

use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};

use engine_rt::monotonic_ns;
use node_shell::{Post, Resolve};

/// Names that wait to be looked up; more are told so, and come again.
const QUEUE: usize = 256;
/// Threads that look up names: one that hangs leaves the others.
const THREADS: usize = 2;

/// Starts the threads, none where there are no names.
///
/// # Errors
/// When the system has no more of them.
pub fn start(names: usize) -> io::Result<flume::Sender<Resolve>> {
    let (sender, receiver) = flume::bounded::<Resolve>(QUEUE);
    for index in 0..THREADS.min(names) {
        let receiver = receiver.clone();
        let serve = move || {
            while let Ok(Resolve { name, port, until_ns, connector, attempt, reply }) = receiver.recv() {
                if monotonic_ns() < until_ns {
                    let found = look_up(&name, port);
                    // A shard that does not take it is stopping, or has too much to do.
                    let _ = reply.send(Post::Resolved { connector, attempt, found });
                }
            }
        };
        std::thread::Builder::new().name(format!("resolve-{index}")).spawn(serve)?;
    }
    Ok(sender)
}

/// The addresses of a name, in the order in which the system wants them to be tried (RFC 6724), each once.
fn look_up(name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let mut seen = HashSet::new();
    match (name, port).to_socket_addrs() {
        Ok(found) => Ok(found.filter(|address| seen.insert(*address)).collect()),
        Err(error) => {
            Err(format!("the name cannot be looked up ({error}): mend DNS or /etc/hosts, or write an address"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_or_it_is_said_why_not() {
        let found = look_up("localhost", 5672).unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 5672), "{found:?}");
        assert_eq!(found.len(), found.iter().collect::<HashSet<_>>().len());
        assert!(look_up("no-such-host.invalid", 1).unwrap_err().contains("/etc/hosts"));
    }
}
