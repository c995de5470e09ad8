//! What the system has to allow before a shard can run, said before anything else starts.

use std::io;

/// Memory that an executor registers with the kernel in each of its three rings, octets.
pub(crate) const IO_MEMORY: usize = 512 * 1024;
/// What one executor needs of the limit on locked memory, octets: its registered memory three times, and its rings.
const LOCKED_PER_SHARD: u64 = 4 * 512 * 1024;
/// Oldest kernel: 5.11 has the epoll call with nanoseconds, and no longer counts rings as locked memory.
const KERNEL_MIN: (u32, u32) = (5, 11);

/// Why no shard can run here, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The kernel is too old.
    #[error("Linux {found} is too old: Heddle needs {}.{} or newer", KERNEL_MIN.0, KERNEL_MIN.1)]
    Kernel {
        /// What is running.
        found: String,
    },
    /// io_uring is switched off.
    #[error(
        "io_uring is forbidden here ({0}): a container's seccomp profile or the setting kernel.io_uring_disabled \
         forbids it. Run the container with a profile that allows io_uring_setup, io_uring_enter and \
         io_uring_register (docker: --security-opt seccomp=FILE or unconfined), or set kernel.io_uring_disabled=0"
    )]
    Forbidden(io::Error),
    /// io_uring does not exist.
    #[error("this kernel has no io_uring ({0}): it was built without CONFIG_IO_URING")]
    Missing(io::Error),
    /// Too little memory may be locked.
    #[error(
        "the limit on locked memory is {found} bytes, and {shards} shards need {needed}: raise it (ulimit -l, \
         LimitMEMLOCK= in systemd, docker --ulimit memlock=-1), or run fewer shards with --cores"
    )]
    Memlock {
        /// The limit.
        found: u64,
        /// What is needed.
        needed: u64,
        /// For so many shards.
        shards: usize,
    },
}

/// Checks kernel, io_uring and limits for `shards` shards, and raises the limit on open files as far as it goes.
///
/// # Errors
/// What is missing, with what to do about it.
pub fn preflight(shards: usize) -> Result<(), PreflightError> {
    let found = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned();
    let mut numbers = found.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    if let (Some(major), Some(minor)) = (numbers.next(), numbers.next())
        && (major, minor) < KERNEL_MIN
    {
        return Err(PreflightError::Kernel { found });
    }
    probe_io_uring()?;
    raise_open_files();
    let found = raise(libc::RLIMIT_MEMLOCK);
    let needed = LOCKED_PER_SHARD * shards as u64;
    // SAFETY: no arguments, no memory.
    let root = unsafe { libc::geteuid() } == 0;
    if found < needed && !root {
        return Err(PreflightError::Memlock { found, needed, shards });
    }
    Ok(())
}

fn probe_io_uring() -> Result<(), PreflightError> {
    let mut parameters = [0_u8; 120];
    // SAFETY: io_uring_params has 120 octets; zero asks for nothing special.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 2, parameters.as_mut_ptr()) };
    if fd < 0 {
        let error = io::Error::last_os_error();
        return Err(match error.raw_os_error() {
            Some(libc::ENOSYS) => PreflightError::Missing(error),
            _ => PreflightError::Forbidden(error),
        });
    }
    // SAFETY: the descriptor was just made and is used nowhere else.
    unsafe { libc::close(i32::try_from(fd).unwrap_or(-1)) };
    Ok(())
}

/// Raises the limit on open files as far as it goes, and gives it.
pub fn raise_open_files() -> u64 {
    raise(libc::RLIMIT_NOFILE)
}

/// Raises a soft limit to the hard one and gives what it is then.
fn raise(resource: libc::__rlimit_resource_t) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure lives for both calls.
    unsafe {
        if libc::getrlimit(resource, &raw mut limit) != 0 {
            return 0;
        }
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        if libc::setrlimit(resource, &raw const raised) == 0 { raised.rlim_cur } else { limit.rlim_cur }
    }
}
