//! One glommio executor for each shard, on a thread of its own that stays on one core.

use std::io;

use glommio::{LocalExecutorBuilder, Placement};

use crate::preflight::IO_MEMORY;

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

/// A running shard.
pub struct ShardThread {
    handle: glommio::ExecutorJoinHandle<()>,
}

impl ShardThread {
    /// Waits for the shard's end.
    ///
    /// # Errors
    /// When the executor could not run.
    pub fn join(self) -> io::Result<()> {
        self.handle.join().map_err(|error| io::Error::other(error.to_string()))
    }
}

/// Starts shard `index` on `core`; several may share one.
///
/// # Errors
/// When the thread or its rings cannot be made.
pub fn spawn_shard<F, R>(index: usize, core: usize, run: F) -> io::Result<ShardThread>
where
    F: FnOnce() -> R + Send + 'static,
    R: Future<Output = ()> + 'static,
{
    let handle = LocalExecutorBuilder::new(Placement::Fixed(core))
        .name(&format!("shard-{index}"))
        .io_memory(IO_MEMORY)
        .ring_depth(128)
        .spawn(run)
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(ShardThread { handle })
}
