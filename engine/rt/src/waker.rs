//! Wakes a shard that sleeps, from any thread.
//!
//! Guarantees: a wake between `prepare_sleep` and the sleep itself is not lost; waking a shard that is awake costs one
//! atomic operation and no system call; many wakes before a sleep cost one write.
//!
//! Whoever hands something to a shard first publishes it and then calls `wake`; the shard first calls `prepare_sleep`
//! and then looks once more for something to do. Both sides have a sequentially consistent operation between their two
//! steps, so that at least one of them sees the other's first step.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

#[derive(Debug)]
struct Shared {
    asleep: AtomicBool,
    event: OwnedFd,
}

/// A handle to wake one shard with.
#[derive(Clone, Debug)]
pub struct Waker(Arc<Shared>);

impl Waker {
    /// A waker of a shard that is awake.
    ///
    /// # Errors
    /// When the system has no more descriptors.
    pub fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointers; a non-negative result is a descriptor that nobody else owns.
        let event = unsafe {
            let fd = libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Self(Arc::new(Shared { asleep: AtomicBool::new(false), event })))
    }

    /// Wakes the shard if it sleeps or is about to.
    #[inline]
    pub fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.0.asleep.load(Ordering::Relaxed) && self.0.asleep.swap(false, Ordering::SeqCst) {
            let one = 1_u64.to_ne_bytes();
            // SAFETY: the buffer has the eight octets that an eventfd takes. A full counter wakes just as well.
            unsafe { libc::write(self.0.event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        }
    }

    /// The shard is about to sleep; it looks for work once more after this.
    #[inline]
    pub fn prepare_sleep(&self) {
        self.0.asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The shard is awake.
    #[inline]
    pub fn awake(&self) {
        self.0.asleep.store(false, Ordering::Relaxed);
    }

    /// Whether the shard is awake, or was woken.
    pub fn is_awake(&self) -> bool {
        !self.0.asleep.load(Ordering::Relaxed)
    }

    /// Takes back what `wake` wrote.
    pub fn reset(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: the buffer has the eight octets that an eventfd gives.
        unsafe { libc::read(self.0.event.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    /// The descriptor that becomes readable.
    pub fn fd(&self) -> RawFd {
        self.0.event.as_raw_fd()
    }
}
