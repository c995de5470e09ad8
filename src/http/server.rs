//! Sockets and threads of the HTTP listener: one request a connection, each on a thread of its own.
//!
//! 1. No more than `CONNECTIONS_MAX` connections at once. Where there are as many, the one that has waited longest for its request to be
//!    whole makes room for a new one, so that peers who say nothing keep nobody out.
//! 2. A connection has `HEAD_TIME` for its request and `ANSWER_TIME` to read the answer, whatever it does meanwhile.
//! 3. They count as connections of the node, so that the descriptors which storage needs are never theirs.
//! 4. One answer that shards are asked for is made at a time; probes wait for none.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::access::{Access, Shown};
use super::answer::{Answer, Body, asks_shards, respond};
use super::request;
use crate::config::HttpListener;
use crate::node::Node;

/// Connections at once: scrapes, probes and people that look at it are a handful. What happens beyond them is said above.
const CONNECTIONS_MAX: usize = 32;
/// Threads at once: connections that made room for others end within moments; beyond this new ones are closed.
const THREADS_MAX: usize = 2 * CONNECTIONS_MAX;
/// Connections when AMQP has taken all that the limit on open files leaves: probes are answered also then. They are among the descriptors
/// that are kept back for the node (`engine_rt::connections_allowed`).
const KEPT_BACK: usize = 4;
/// What a connection has for TLS and its request; it is then answered with 408.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// What it has to read its answer; it is then closed.
const ANSWER_TIME: Duration = Duration::from_secs(20);
/// What a peer may send behind its request and is read, so that its system does not throw the answer away, bytes.
const REST_MAX: u64 = 64 * 1024;
/// How long that is waited for.
const REST_TIME: Duration = Duration::from_millis(500);
/// How long accepting rests when the process has no descriptor left.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// The listener, bound.
pub struct Bound {
    listeners: Vec<Arc<TcpListener>>,
    access: Access,
    tls: Option<Arc<ServerConfig>>,
}

/// The listener at work.
pub struct Listening {
    addresses: Vec<SocketAddr>,
    listeners: Vec<Arc<TcpListener>>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    node: Arc<Node>,
    access: Access,
    tls: Option<Arc<ServerConfig>>,
    stopping: AtomicBool,
    threads: AtomicUsize,
    /// Connections whose request is not whole, the oldest first, and how many have one.
    peers: Mutex<Peers>,
    answering: Mutex<()>,
}

#[derive(Default)]
struct Peers {
    waiting: Vec<(u64, Arc<TcpStream>)>,
    answered: usize,
    next: u64,
}

impl Bound {
    /// Binds every address.
    ///
    /// # Errors
    /// The first that cannot be bound.
    pub fn bind(http: &HttpListener) -> Result<Self, (SocketAddr, io::Error)> {
        let mut listeners = Vec::new();
        let mut port = 0;
        for &(mut address) in &http.addresses {
            if address.port() == 0 {
                address.set_port(port);
            }
            let bound = TcpListener::bind(address).map_err(|error| (address, error))?;
            port = bound.local_addr().map_err(|error| (address, error))?.port();
            listeners.push(Arc::new(bound));
        }
        let tls = http.tls.as_ref().map(node_shell::transport::TlsServer::config);
        Ok(Self { listeners, access: Access::new(http), tls })
    }

    /// Starts to answer.
    ///
    /// # Errors
    /// When the system has no more threads or descriptors.
    pub fn serve(self, node: Arc<Node>) -> io::Result<Listening> {
        let shared = Arc::new(Shared {
            node,
            access: self.access,
            tls: self.tls,
            stopping: AtomicBool::new(false),
            threads: AtomicUsize::new(0),
            peers: Mutex::default(),
            answering: Mutex::default(),
        });
        let (mut addresses, mut threads) = (Vec::new(), Vec::new());
        for listener in &self.listeners {
            addresses.push(listener.local_addr()?);
            let (listener, shared) = (Arc::clone(listener), Arc::clone(&shared));
            let accept = move || shared.accept(&listener);
            threads.push(std::thread::Builder::new().name("http".to_owned()).spawn(accept)?);
        }
        Ok(Listening { addresses, listeners: self.listeners, shared, threads })
    }
}

impl Listening {
    /// The first address that it is bound to.
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }

    /// All addresses that it is bound to.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Takes no more connections. Answers that are under way end with the process at the latest.
    pub fn stop(self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        for listener in &self.listeners {
            // Wakes the thread that accepts, as Linux has it. It does not panic, and nothing depends on it if it does.
            let _ = socket2::SockRef::from(&**listener).shutdown(Shutdown::Both);
        }
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while !self.stopping.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((stream, _)) => self.begin(Arc::new(stream)),
                Err(_) if self.stopping.load(Ordering::Relaxed) => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // Connections wait in the system meanwhile.
                Err(_) => std::thread::sleep(ACCEPT_REST),
            }
        }
    }

    fn begin(self: &Arc<Self>, stream: Arc<TcpStream>) {
        let permit = self.node.connections.take();
        if permit.is_none() && self.threads.load(Ordering::Relaxed) >= KEPT_BACK {
            return;
        }
        let Some(id) = self.admit(&stream) else { return };
        if self.threads.fetch_add(1, Ordering::Relaxed) < THREADS_MAX {
            let shared = Arc::clone(self);
            let serve = move || {
                shared.serve(id, stream);
                drop(permit);
                shared.threads.fetch_sub(1, Ordering::Relaxed);
            };
            if std::thread::Builder::new().name("http-peer".to_owned()).spawn(serve).is_ok() {
                return;
            }
        }
        self.threads.fetch_sub(1, Ordering::Relaxed);
        self.peers().waiting.retain(|(waiting, _)| *waiting != id);
    }

    fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for a connection, and gives its number.
    fn admit(&self, stream: &Arc<TcpStream>) -> Option<u64> {
        let mut peers = self.peers();
        if peers.waiting.len() + peers.answered >= CONNECTIONS_MAX {
            if peers.waiting.is_empty() {
                return None;
            }
            let (_, oldest) = peers.waiting.remove(0);
            // It may be gone.
            let _ = oldest.shutdown(Shutdown::Both);
        }
        let id = peers.next;
        peers.next += 1;
        peers.waiting.push((id, Arc::clone(stream)));
        Some(id)
    }

    /// Whether the connection is still one of those that are served; from now on it makes room for nobody.
    fn keep(&self, id: u64) -> bool {
        let mut peers = self.peers();
        let place = peers.waiting.iter().position(|(waiting, _)| *waiting == id);
        place.map(|place| peers.waiting.remove(place)).inspect(|_| peers.answered += 1).is_some()
    }

    fn serve(&self, id: u64, stream: Arc<TcpStream>) {
        // A machine that answers slowly is better off without a second's wait for a second packet.
        let _ = stream.set_nodelay(true);
        let timed = Timed { stream, until: Instant::now() + HEAD_TIME };
        match self.tls.as_ref().map(|config| ServerConnection::new(Arc::clone(config))) {
            None => self.answer(id, timed),
            Some(Ok(connection)) => self.answer(id, StreamOwned::new(connection, timed)),
            Some(Err(_)) => self.peers().waiting.retain(|(waiting, _)| *waiting != id),
        }
    }

    fn answer(&self, id: u64, mut peer: impl Peer) {
        let request = request::read(&mut peer);
        if !self.keep(id) {
            return;
        }
        peer.socket().until = Instant::now() + ANSWER_TIME;
        let answer = match &request {
            Ok(request) => {
                let one = || self.answering.lock().unwrap_or_else(PoisonError::into_inner);
                let _one = asks_shards(request).then(one);
                Some(respond(request, peer.shown(), &self.access, &self.node))
            }
            Err(fault) => Answer::to_fault(fault),
        };
        let body = if request.is_ok_and(|request| request.method == "HEAD") { Body::Left } else { Body::Sent };
        if let Some(answer) = answer {
            // A client that went away needs no answer.
            let _ = peer.write_all(&answer.to_bytes(body)).and_then(|()| peer.flush());
        }
        peer.say_goodbye();
        finish(peer.socket());
        self.peers().answered -= 1;
    }
}

/// A connection with or without TLS.
trait Peer: Read + Write {
    /// What it showed of itself.
    fn shown(&self) -> Shown;
    /// What lies under it.
    fn socket(&mut self) -> &mut Timed;
    /// Says that nothing follows, in the layer's own way.
    fn say_goodbye(&mut self);
}

impl Peer for Timed {
    fn shown(&self) -> Shown {
        Shown::Nothing
    }

    fn socket(&mut self) -> &mut Timed {
        self
    }

    fn say_goodbye(&mut self) {}
}

impl Peer for StreamOwned<ServerConnection, Timed> {
    fn shown(&self) -> Shown {
        match self.conn.peer_certificates() {
            Some([_, ..]) => Shown::Certificate,
            _ => Shown::Nothing,
        }
    }

    fn socket(&mut self) -> &mut Timed {
        &mut self.sock
    }

    fn say_goodbye(&mut self) {
        self.conn.send_close_notify();
        // It may be gone.
        let _ = self.flush();
    }
}

/// Says that nothing follows, and takes what is under way: a socket that is closed with something unread takes its last words back.
fn finish(socket: &mut Timed) {
    if socket.stream.shutdown(Shutdown::Write).is_ok() {
        socket.until = Instant::now() + REST_TIME;
        let _ = io::copy(&mut socket.take(REST_MAX), &mut io::sink());
    }
}

/// A socket with a time until which everything has to be done.
struct Timed {
    stream: Arc<TcpStream>,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        (&*self.stream).read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        (&*self.stream).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
