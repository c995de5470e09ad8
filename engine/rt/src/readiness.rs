//! Which sockets of a shard are ready: one epoll, level-triggered, polled by the turn.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use crate::waker::Waker;

/// Token of the shard's own waker.
pub const WAKER_TOKEN: u64 = u64::MAX;
/// Sockets that one poll tells of, at most; the others are told next time, since readiness is level-triggered.
const READY_MAX: usize = 256;

/// What to hear of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Nothing but its end.
    None,
    /// That it can be read.
    Read,
    /// That it can be written.
    Write,
    /// Both.
    ReadWrite,
}

impl Interest {
    fn bits(self) -> u32 {
        let [read, write] = [libc::EPOLLIN, libc::EPOLLOUT].map(i32::cast_unsigned);
        match self {
            Self::None => 0,
            Self::Read => read,
            Self::Write => write,
            Self::ReadWrite => read | write,
        }
    }
}

/// A socket that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// What it was added with.
    pub token: u64,
    bits: u32,
}

impl Ready {
    /// Whether reading gives data, the end, or an error.
    pub fn readable(self) -> bool {
        self.bits & (libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLERR).cast_unsigned() != 0
    }

    /// Whether writing takes data or gives an error.
    pub fn writable(self) -> bool {
        self.bits & (libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR).cast_unsigned() != 0
    }

    /// Whether the socket is dead in both directions.
    pub fn dead(self) -> bool {
        self.bits & (libc::EPOLLHUP | libc::EPOLLERR).cast_unsigned() != 0
    }
}

/// The readiness source of one shard.
pub struct Readiness {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Readiness {
    /// A source that listens to `waker`, too.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn new(waker: &Waker) -> io::Result<Self> {
        // SAFETY: no pointers; a non-negative result is a descriptor that nobody else owns.
        let epoll = unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let source = Self { epoll, events: Vec::with_capacity(READY_MAX) };
        source.add(waker.fd(), WAKER_TOKEN, Interest::Read)?;
        Ok(source)
    }

    fn control(&self, operation: i32, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest.bits(), u64: token };
        // SAFETY: the event lives for the call.
        let result = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &raw mut event) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Adds a socket.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn add(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest)
    }

    /// Changes what to hear of a socket.
    ///
    /// # Errors
    /// When it was not added.
    pub fn modify(&self, fd: RawFd, token: u64, interest: Interest) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest)
    }

    /// Removes a socket.
    ///
    /// # Errors
    /// When it was not added.
    pub fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, Interest::None)
    }

    /// Waits for at most `timeout` (`None`: for ever) until a socket is ready; fills `ready`.
    ///
    /// # Errors
    /// When the system refuses; an interruption is none.
    pub fn poll(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let timespec = timeout.map(|timeout| libc::timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        let timespec = timespec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the buffer has room for READY_MAX events, of which the kernel fills the first `count`.
        let count = unsafe {
            let buffer = self.events.as_mut_ptr();
            let max = i32::try_from(READY_MAX).unwrap_or(i32::MAX);
            let count = libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                buffer,
                max,
                timespec,
                std::ptr::null::<libc::sigset_t>(),
                8_usize,
            );
            self.events.set_len(usize::try_from(count).unwrap_or(0));
            count
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        ready.extend(self.events.iter().map(|event| Ready { token: event.u64, bits: event.events }));
        Ok(())
    }
}
