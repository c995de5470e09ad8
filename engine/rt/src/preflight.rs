//! What the system has to allow before a shard can run, said before anything else starts.
//!
//! Guarantees: each refusal says what is there, what is needed, and the command or setting that changes it. What can only be found out by
//! doing it (a thread, a ring) is found out by the shard itself, whose start fails then (`executor`).

use std::io;

/// What an executor asks of the limit on locked memory, octets, whoever it runs as. Buffers that it cannot lock beyond that it does
/// without.
const LOCKED_MIN: u64 = 512 << 10;
/// Oldest kernel: 5.11 has the epoll call with nanoseconds, and no longer counts rings as locked memory.
const KERNEL_MIN: (u32, u32) = (5, 11);
/// Descriptors of one shard beside its listeners and its storage: three rings, what wakes them and what wakes the shard, its epoll, and
/// one that a connection has until it is refused.
const SHARD_DESCRIPTORS: u64 = 10;
/// Descriptors of the rest of the node that are not open yet when it starts: the lock of the data directory, four connections of the HTTP
/// listener and one that it refuses, and files that are read for a moment.
const NODE_DESCRIPTORS: u64 = 8;
/// With fewer connections than this a node is of no use to anybody.
const CONNECTIONS_MIN: u64 = 8;

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
    /// A ring could not be made, although it is allowed.
    #[error("cannot make a ring for io_uring ({0}): the system has too little memory or too few descriptors left")]
    Ring(io::Error),
    /// Too little memory may be locked.
    #[error(
        "the limit on locked memory is {} KiB, and a shard needs {} KiB: raise it (ulimit -l {}, LimitMEMLOCK=8M in systemd, \
         docker run --ulimit memlock=8388608)", found >> 10, LOCKED_MIN >> 10, LOCKED_MIN >> 10
    )]
    Memlock {
        /// The limit, octets.
        found: u64,
    },
    /// Too few files may be open.
    #[error(
        "the limit on open files is {found}, and {shards} shards need {needed} for themselves, their storage and {} connections: \
         raise it (ulimit -n 65536, LimitNOFILE=65536 in systemd, docker run --ulimit nofile=65536), or run fewer shards with \
         --cores",
        CONNECTIONS_MIN
    )]
    OpenFiles {
        /// The limit.
        found: u64,
        /// Descriptors of shards and storage, and of as few connections as are worth a start.
        needed: u64,
        /// For so many shards.
        shards: u64,
    },
}

/// Checks kernel, io_uring and the limit on locked memory, and raises that and the one on open files as far as they go.
///
/// # Errors
/// What is missing, with what to do about it.
pub fn preflight() -> Result<(), PreflightError> {
    let found = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned();
    let mut numbers = found.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    if let (Some(major), Some(minor)) = (numbers.next(), numbers.next())
        && (major, minor) < KERNEL_MIN
    {
        return Err(PreflightError::Kernel { found });
    }
    raise_open_files();
    // Before a ring is tried: one that fails for this limit looks like one that fails for want of memory.
    let found = raise(libc::RLIMIT_MEMLOCK);
    if found < LOCKED_MIN {
        return Err(PreflightError::Memlock { found });
    }
    probe_io_uring()
}

/// How many connections a node may have with its limit on open files. `storage` descriptors of each of `shards` shards are kept back for
/// what is on disk, and what is open now stays so (listeners, what the node was started with).
///
/// # Errors
/// When nothing worth mentioning is left for connections.
pub fn connections_allowed(shards: u64, storage: u64) -> Result<u64, PreflightError> {
    allowed_of(raise_open_files(), open_now(), shards, storage)
}

fn allowed_of(limit: u64, open: u64, shards: u64, storage: u64) -> Result<u64, PreflightError> {
    let kept = open + NODE_DESCRIPTORS + shards * (SHARD_DESCRIPTORS + storage);
    match limit.checked_sub(kept).filter(|&left| left >= CONNECTIONS_MIN) {
        Some(left) => Ok(left),
        None => Err(PreflightError::OpenFiles { found: limit, needed: kept + CONNECTIONS_MIN, shards }),
    }
}

/// Descriptors that are open, but for the one that this is read with; without /proc those that every process has.
fn open_now() -> u64 {
    std::fs::read_dir("/proc/self/fd").map_or(3, |entries| (entries.count() as u64).saturating_sub(1))
}

fn probe_io_uring() -> Result<(), PreflightError> {
    let mut parameters = [0_u8; 120];
    // SAFETY: io_uring_params has 120 octets; zero asks for nothing special.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 2, parameters.as_mut_ptr()) };
    if fd < 0 {
        return Err(refusal(io::Error::last_os_error()));
    }
    // SAFETY: the descriptor was just made and is used nowhere else.
    unsafe { libc::close(i32::try_from(fd).unwrap_or(-1)) };
    Ok(())
}

/// Why a ring was refused.
fn refusal(error: io::Error) -> PreflightError {
    match error.raw_os_error() {
        Some(libc::ENOSYS) => PreflightError::Missing(error),
        Some(libc::EPERM | libc::EACCES) => PreflightError::Forbidden(error),
        _ => PreflightError::Ring(error),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_storage_needs_is_kept_back_from_connections() {
        let few = allowed_of(100, 8, 2, 25).expect("there is room for some");
        assert_eq!(few, 100 - 8 - NODE_DESCRIPTORS - 2 * (SHARD_DESCRIPTORS + 25));
        assert!(few >= CONNECTIONS_MIN);
        assert!(allowed_of(1 << 20, 8, 64, 25).is_ok_and(|many| many > 1_000_000));
        let error = allowed_of(64, 8, 2, 25).expect_err("too few").to_string();
        assert!(error.contains("is 64,") && error.contains("need 94 for") && error.contains("ulimit -n"), "{error}");
    }

    #[test]
    fn a_refusal_names_what_refused() {
        let told = |code: i32| refusal(io::Error::from_raw_os_error(code)).to_string();
        assert!(told(libc::EPERM).contains("seccomp") && told(libc::EACCES).contains("seccomp"));
        assert!(told(libc::ENOSYS).contains("CONFIG_IO_URING"));
        for short in [libc::ENOMEM, libc::EMFILE, libc::ENFILE] {
            assert!(!told(short).contains("seccomp"), "{}", told(short));
        }
        let error = PreflightError::Memlock { found: 64 << 10 }.to_string();
        assert!(
            error.contains("is 64 KiB") && error.contains("ulimit -l 512") && error.contains("LimitMEMLOCK="),
            "{error}"
        );
    }
}
