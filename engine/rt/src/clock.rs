//! Time for shards: monotonic nanoseconds, read once a turn; the wall's milliseconds; what a thread has used of its core.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A monotonic clock; its origin is where it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Default for Clock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock {
    /// Nanoseconds since the origin.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Milliseconds since 1970.
pub fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Nanoseconds of the system's monotonic clock: the same for all processes of a machine.
#[inline]
pub fn monotonic_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Processor time of the calling thread, nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    read(libc::CLOCK_THREAD_CPUTIME_ID)
}

#[inline]
fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure lives for the call.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    // Both clocks begin at 0 and go forward, on every Linux.
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_uses_its_core_and_time_passes() {
        let (start, cpu) = (monotonic_ns(), thread_cpu_ns());
        while thread_cpu_ns() < cpu + 1_000_000 {}
        assert!(monotonic_ns() >= start + 1_000_000 - 1_000, "a thread uses one core at most");
    }
}
