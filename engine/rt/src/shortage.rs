//! Errors that say that something is used up, of the process or of the system, and what to do about each.

use std::io;

/// Whether an error says that something is used up for now: descriptors, or memory of the kernel.
pub fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS))
}

/// What to do about something that is used up, to stand behind the error; empty for others.
pub fn shortage_advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => {
            " (the limit on processes and threads: ulimit -u, TasksMax= in systemd, docker run --pids-limit)"
        }
        Some(libc::EMFILE) => {
            " (the limit on open files: ulimit -n, LimitNOFILE= in systemd, docker run --ulimit nofile=65536)"
        }
        Some(libc::ENFILE) => " (the system's limit on open files: sysctl fs.file-max)",
        Some(libc::ENOMEM | libc::ENOBUFS) => " (memory: of the machine or the container, ulimit -v and ulimit -l)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_up_has_a_way_out() {
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS] {
            let error = io::Error::from_raw_os_error(code);
            assert!(is_shortage(&error) && !shortage_advice(&error).is_empty(), "{error}");
        }
        let threads = io::Error::from_raw_os_error(libc::EAGAIN);
        assert!(!is_shortage(&threads) && shortage_advice(&threads).contains("ulimit -u"));
        assert_eq!(shortage_advice(&io::Error::from_raw_os_error(libc::EIO)), "");
    }
}
