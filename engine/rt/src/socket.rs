//! Sockets of a shard: raw descriptors that never block, read and written by plain calls when the readiness source says so.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use socket2::{Domain, Protocol, SockAddr, Type};

use crate::CongestionControl;

/// Connections that the kernel keeps for a listener until they are accepted.
const BACKLOG: i32 = 1024;

/// A listening socket; every shard has one for each address, and the kernel spreads connections over them.
#[derive(Debug)]
pub struct Listener {
    socket: socket2::Socket,
}

impl Listener {
    /// Binds `address` and listens, together with others that do so in this process.
    ///
    /// # Errors
    /// When the address is taken by another process, or not ours.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::from(address))?;
        socket.listen(BACKLOG)?;
        Ok(Self { socket })
    }

    /// Whether another process has this address: `SO_REUSEPORT` alone would share it with a second broker of ours.
    ///
    /// # Errors
    /// The error of binding it alone.
    pub fn probe(address: SocketAddr) -> io::Result<()> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&SockAddr::from(address))?;
        socket.listen(1)
    }

    /// Whether this process could have the address, without listening on it.
    ///
    /// # Errors
    /// The error of binding it alone.
    pub fn try_bind(address: SocketAddr) -> io::Result<()> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.bind(&SockAddr::from(address))
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// The next connection.
    pub fn accept(&self) -> Accepted {
        let (socket, _) = match self.socket.accept() {
            Ok(accepted) => accepted,
            Err(error) => return refused(error),
        };
        // A socket that takes neither is broken already.
        match socket.set_nonblocking(true).and_then(|()| socket.set_tcp_nodelay(true)) {
            Ok(()) => Accepted::Connection(Socket { socket }),
            Err(_) => Accepted::Broken,
        }
    }
}

/// What a listener gives.
#[derive(Debug)]
pub enum Accepted {
    /// A connection, non-blocking, with delays off.
    Connection(Socket),
    /// One that broke before it was taken; the next one may be there.
    Broken,
    /// There is none now.
    Nothing,
    /// It waits, and cannot be taken: something of the process or the system is used up, most likely descriptors.
    Short(io::Error),
}

/// What a failed accept means: some errors are the connection's own, and told to whoever accepts (accept(2)).
fn refused(error: io::Error) -> Accepted {
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EINTR) => Accepted::Nothing,
        Some(
            libc::ECONNABORTED
            | libc::ENETDOWN
            | libc::EPROTO
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::ENONET
            | libc::EHOSTUNREACH
            | libc::EOPNOTSUPP
            | libc::ENETUNREACH
            | libc::ETIMEDOUT,
        ) => Accepted::Broken,
        _ => Accepted::Short(error),
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), WouldBlock | Interrupted | ConnectionAborted)
}

/// A connected socket.
#[derive(Debug)]
pub struct Socket {
    socket: socket2::Socket,
}

impl Socket {
    /// Connects, waiting until it is done.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.connect(&SockAddr::from(address))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        Ok(Self { socket })
    }

    /// Two that are connected with each other, within this process.
    ///
    /// # Errors
    /// When the system has no descriptors for them.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = socket2::Socket::pair(Domain::UNIX, Type::STREAM, None)?;
        one.set_nonblocking(true)?;
        other.set_nonblocking(true)?;
        Ok((Self { socket: one }, Self { socket: other }))
    }

    /// Begins to connect, without waiting: the socket becomes writable when it is done, and `connected` says how it went.
    ///
    /// # Errors
    /// When the system refuses at once.
    pub fn start_connect(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&SockAddr::from(address)) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Ok(Self { socket })
    }

    /// Whether a connection that was begun stands, once the socket is writable.
    ///
    /// # Errors
    /// Why it does not.
    pub fn connected(&self) -> io::Result<()> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        let Some(peer) = self.peer_addr() else {
            return if self.socket.peer_addr()?.is_unix() { Ok(()) } else { Err(io::ErrorKind::NotConnected.into()) };
        };
        // A port of this machine on which nobody listens may be given to the very socket that tries to reach it, which
        // then is connected to itself (RFC 9293, 3.5: both ends may begin).
        if self.socket.local_addr()?.as_socket() == Some(peer) {
            return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
        }
        Ok(())
    }

    /// Reads into `buffers` one after the other: `None` when there is nothing yet, 0 at the end.
    ///
    /// # Errors
    /// When the connection is broken.
    #[inline]
    pub fn read(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<Option<usize>> {
        // SAFETY: an IoSliceMut has the layout of an iovec (std guarantees it), and the buffers live for the call.
        let count = unsafe {
            libc::readv(
                self.socket.as_raw_fd(),
                buffers.as_mut_ptr().cast(),
                i32::try_from(buffers.len()).unwrap_or(i32::MAX),
            )
        };
        outcome(count)
    }

    /// Writes `slices` one after the other: `None` when the socket takes nothing now.
    ///
    /// # Errors
    /// When the connection is broken.
    #[inline]
    pub fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        // SAFETY: an all-zero msghdr is valid; an IoSlice has the layout of an iovec, and the slices live for the call.
        let count = unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = slices.as_ptr().cast_mut().cast();
            message.msg_iovlen = slices.len();
            libc::sendmsg(self.socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
        };
        outcome(count)
    }

    /// Says that nothing more will be written.
    pub fn shutdown_write(&self) {
        // A socket that is broken already needs no goodbye.
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    /// Gives a connected socket its congestion control.
    ///
    /// # Errors
    /// When the system has none of that name, or not for this user.
    pub fn set_congestion_control(&self, control: &CongestionControl) -> io::Result<()> {
        control.give(&self.socket)
    }

    /// The peer's address.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok()?.as_socket()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn outcome(count: isize) -> io::Result<Option<usize>> {
    if let Ok(count) = usize::try_from(count) {
        return Ok(Some(count));
    }
    let error = io::Error::last_os_error();
    if is_passing(&error) { Ok(None) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Interest, Readiness, Waker};

    /// What became of a connection that was begun.
    fn outcome_of(address: SocketAddr) -> io::Result<()> {
        let socket = Socket::start_connect(address)?;
        let waker = Waker::new()?;
        let mut readiness = Readiness::new(&waker)?;
        readiness.add(socket.as_raw_fd(), 1, Interest::Write)?;
        let mut ready = Vec::new();
        while !ready.iter().any(|event: &crate::Ready| event.writable()) {
            readiness.poll(None, &mut ready)?;
        }
        socket.connected()
    }

    #[test]
    fn a_failed_accept_is_the_connections_or_a_shortage() {
        let told = |code: i32| refused(io::Error::from_raw_os_error(code));
        assert!(matches!(told(libc::EAGAIN), Accepted::Nothing));
        assert!(matches!(told(libc::ECONNABORTED), Accepted::Broken));
        assert!(matches!(told(libc::EPROTO), Accepted::Broken));
        for short in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS] {
            assert!(matches!(told(short), Accepted::Short(_)));
        }
    }

    #[test]
    fn a_connection_that_is_begun_stands_or_is_refused() {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = listener.local_addr().expect("it has one");
        assert!(outcome_of(address).is_ok());
        drop(listener);
        let refused = outcome_of(address).expect_err("nobody listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn whoever_reaches_itself_is_refused() {
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
        let own = socket.local_addr().expect("it has one");
        socket.connect(&own).expect("TCP lets a socket meet itself");
        let refused = Socket { socket }.connected().expect_err("nobody else is there");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
