//! A shard's thread: started by glommio, on one core, for one future that is the shard's turn and never waits for the executor.
//!
//! Taken from glommio: the placement of the thread, its name, and that a shard which cannot start is an error of its own. Not taken: its rings.
//! A turn waits in one place for sockets, for its waker and until its next deadline, which is `Readiness`; disks are written by threads on
//! the shard's core. Decision 0012 has what was measured, and what the unused rings cost (`examples/ring.rs` measures it anew).
//!
//! Guarantees: a shard has started when it said so itself; one that ended before (no ring, a core that is forbidden, no memory, or by its
//! own word) is an error with the reason. Nobody waits for a shard's end longer than they want to.

use std::io;
use std::time::Instant;

use glommio::{LocalExecutorBuilder, Placement};

/// Memory that an executor registers with the kernel in each of its three rings, octets: as little as it takes.
const IO_MEMORY: usize = 64 << 10;
/// Entries of each ring: twice what the executor's own start takes, which panics with one (`a_shard_runs_with_rings_this_small`).
const RING_DEPTH: usize = 4;

/// The cores that this process may run on.
pub fn allowed_cores() -> Vec<usize> {
    // SAFETY: an all-zero set is valid, and lives for the calls.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) != 0 {
            return vec![0];
        }
        (0..libc::CPU_SETSIZE as usize).filter(|&core| libc::CPU_ISSET(core, &set)).collect()
    }
}

/// Keeps the calling thread on one core.
///
/// # Errors
/// When the process may not use it.
pub fn pin_thread(core: usize) -> io::Result<()> {
    // SAFETY: an all-zero set is valid, and lives for the call; CPU_SET is given an index within it.
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core.min(libc::CPU_SETSIZE as usize - 1), &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Shortest slice that the scheduler gives, nanoseconds.
const SLICE_NS: u64 = 100_000;

/// Asks the scheduler to let the calling thread run soon after it wakes, for as short as there is: for threads that sleep most
/// of the time, on a core that another thread would fill. A thread whose slice is shorter is due earlier (Linux 6.12 and newer; older
/// ones take the wish and do nothing).
///
/// # Errors
/// When the system does not know the call.
pub fn run_soon() -> io::Result<()> {
    // SAFETY: an all-zero structure is valid, says its size, and lives for the call; the thread is the calling one.
    let result = unsafe {
        let mut wish: libc::sched_attr = std::mem::zeroed();
        wish.size = u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(0);
        wish.sched_policy = libc::SCHED_OTHER.cast_unsigned();
        wish.sched_runtime = SLICE_NS;
        libc::syscall(libc::SYS_sched_setattr, 0, &raw const wish, 0)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the calling thread's waits end when they are over, rather than up to 50 microseconds later, as the kernel does by default.
pub fn wake_in_time() {
    // SAFETY: no pointers; an older kernel refuses, and the thread wakes as it did before.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0) };
}

/// What a shard says of its start, once.
pub struct Starting(flume::Sender<io::Result<()>>);

impl Starting {
    /// It serves, or it cannot, which ends the start.
    pub fn tell(self, outcome: io::Result<()>) {
        // Whoever started it waits for this, unless the process ends.
        let _ = self.0.try_send(outcome);
    }
}

/// A shard's thread.
pub struct ShardThread {
    handle: glommio::ExecutorJoinHandle<()>,
    told: flume::Receiver<io::Result<()>>,
    /// Hears of the end of what runs, in that nobody can send any more.
    ended: flume::Receiver<()>,
}

impl ShardThread {
    /// Waits until the shard serves.
    ///
    /// # Errors
    /// Why it does not.
    pub fn started(self) -> io::Result<Self> {
        match self.told.recv() {
            Ok(Ok(())) => Ok(self),
            Ok(Err(error)) => Err(error),
            // It ended without a word: its executor knows why.
            Err(_) => match self.handle.join() {
                Err(error) => Err(error.into()),
                Ok(()) => Err(io::Error::other("it ended while it started")),
            },
        }
    }

    /// Waits for the shard's end.
    ///
    /// # Errors
    /// When its executor failed, or it goes on after `until` (`TimedOut`).
    pub fn join(self, until: Instant) -> io::Result<()> {
        match self.ended.recv_deadline(until) {
            Err(flume::RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
            Ok(()) | Err(flume::RecvTimeoutError::Disconnected) => self.handle.join().map_err(Into::into),
        }
    }
}

/// Starts shard `index` on `core`; several may share one. What it runs tells when it serves.
///
/// # Errors
/// When the thread cannot be made, or there is no such core.
pub fn spawn_shard<F, R>(index: usize, core: usize, run: F) -> io::Result<ShardThread>
where
    F: FnOnce(Starting) -> R + Send + 'static,
    R: Future<Output = ()> + 'static,
{
    let (tell, told) = flume::bounded(1);
    let (end, ended) = flume::bounded::<()>(1);
    let handle = LocalExecutorBuilder::new(Placement::Fixed(core))
        .name(&format!("shard-{index}"))
        .io_memory(IO_MEMORY)
        .ring_depth(RING_DEPTH)
        .spawn(move || {
            let running = run(Starting(tell));
            async move {
                running.await;
                drop(end);
            }
        })?;
    Ok(ShardThread { handle, told, ended })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_start_ends_with_the_reason_of_a_shard_that_cannot() {
        let core = allowed_cores()[0];
        let fails = spawn_shard(0, core, |starting| async move { starting.tell(Err(io::Error::other("no listener"))) });
        let error = fails.and_then(ShardThread::started).err().expect("it cannot").to_string();
        assert_eq!(error, "no listener");
        let vanishes = spawn_shard(1, core, |starting| async move { drop(starting) });
        assert!(vanishes.and_then(ShardThread::started).is_err(), "one that says nothing has not started");
        // A core that no machine has: refused at once, or by the thread.
        let nowhere = spawn_shard(2, 100_000, |starting| async move { starting.tell(Ok(())) });
        assert!(nowhere.and_then(ShardThread::started).is_err());
    }

    #[test]
    fn a_shard_runs_with_rings_this_small() {
        let core = allowed_cores()[0];
        let shards = (0..4).map(|index| {
            let shard = spawn_shard(index, core, |starting| async move { starting.tell(Ok(())) });
            shard.and_then(ShardThread::started).expect("it serves")
        });
        for shard in shards.collect::<Vec<_>>() {
            shard.join(Instant::now() + Duration::from_secs(30)).expect("it ends");
        }
    }

    #[test]
    fn nobody_waits_for_ever_for_a_shard_that_hangs() {
        let core = allowed_cores()[0];
        let (release, hang) = flume::bounded::<()>(1);
        let shard = spawn_shard(0, core, |starting| async move {
            starting.tell(Ok(()));
            let _ = hang.recv();
        });
        let shard = shard.and_then(ShardThread::started).expect("it serves");
        let error = shard.join(Instant::now() + Duration::from_millis(20)).expect_err("it hangs");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(release);
        let ends = spawn_shard(1, core, |starting| async move { starting.tell(Ok(())) });
        let ends = ends.and_then(ShardThread::started).expect("it serves");
        ends.join(Instant::now() + Duration::from_secs(30)).expect("it ends");
    }
}
