//! Processes that this one starts and that must not outlive it.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Makes a command start a process that the system kills when the thread that started it ends, however that comes about, and that has a process
/// group of its own: a signal of the terminal does not reach it. What that process starts in turn is not bound.
pub fn bind_to_thread(command: &mut Command) -> &mut Command {
    let parent = std::process::id();
    let bind = move || {
        // SAFETY: prctl with PR_SET_PDEATHSIG and getppid take no pointers and are async-signal-safe system calls.
        let (bound, parent_now) =
            unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong), libc::getppid()) };
        if bound != 0 {
            return Err(io::Error::last_os_error());
        }
        // Whoever started it may have ended before it was bound.
        let is_orphan = u32::try_from(parent_now) != Ok(parent);
        if is_orphan { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    };
    // SAFETY: between fork and exec `bind` makes system calls only; it neither allocates nor takes locks (an error of a kind or of a
    // number has no memory of its own).
    unsafe { command.process_group(0).pre_exec(bind) }
}
