//! Starts a double and stops it.

use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use engine_rt::{Listener, Waker, pin_thread};

use super::behaviour::Behaviour;
use super::relay::Tally;
use super::server::Server;

/// What a double is to be.
#[derive(Clone, Copy, Debug)]
pub struct DoubleSpec {
    /// Where it listens; with port 0 the system chooses.
    pub listen: SocketAddr,
    /// The core that it keeps to; `None`: as the system likes.
    pub core: Option<usize>,
    /// What it does.
    pub behaviour: Behaviour,
}

impl DoubleSpec {
    /// On this machine only, on a port that the system chooses.
    pub fn local(behaviour: Behaviour) -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), core: None, behaviour }
    }
}

/// A double that runs, until this is dropped.
#[derive(Debug)]
pub struct Double {
    address: SocketAddr,
    waker: Waker,
    stop: flume::Sender<()>,
    thread: Option<JoinHandle<io::Result<Tally>>>,
}

impl Double {
    /// Starts one; it accepts connections when this returns.
    ///
    /// # Errors
    /// When the address is taken, or the system has no more threads or descriptors.
    pub fn start(spec: DoubleSpec) -> io::Result<Self> {
        let listener = Listener::bind(spec.listen)?;
        let address = listener.local_addr()?;
        let waker = Waker::new()?;
        // One word is all that is ever said.
        let (stop, stopped) = flume::bounded(1);
        let server = Server::new(spec.behaviour, listener, waker.clone(), stopped)?;
        let run = move || {
            if let Some(core) = spec.core {
                pin_thread(core)?;
            }
            server.run()
        };
        let thread = std::thread::Builder::new().name("double".to_owned()).spawn(run)?;
        Ok(Self { address, waker, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As the server of a scenario.
    pub fn url(&self) -> String {
        format!("amqp://{}", self.address)
    }

    /// Ends it; gives what it did.
    ///
    /// # Errors
    /// When the system failed it.
    pub fn stop(mut self) -> io::Result<Tally> {
        self.end()
    }

    fn end(&mut self) -> io::Result<Tally> {
        let Some(thread) = self.thread.take() else { return Ok(Tally::default()) };
        // A thread that ended already hears nothing; joining it tells why.
        let _ = self.stop.try_send(());
        self.waker.wake();
        thread.join().map_err(|_| io::Error::other("the double panicked"))?
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        // Whoever wants to know how it ended calls `stop`.
        let _ = self.end();
    }
}
