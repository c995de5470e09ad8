//! SIGTERM and SIGINT, as calls on an ordinary thread.

use std::io;

/// Calls `on_signal` with 1, 2, … for each SIGTERM or SIGINT. Call it before any other thread is started, so that they
/// inherit the mask and the signals come here.
///
/// # Errors
/// When the thread cannot be started.
pub fn on_termination(mut on_signal: impl FnMut(u32) + Send + 'static) -> io::Result<()> {
    // SAFETY: an all-zero set is made a valid one by sigemptyset before it is used, and lives for the calls.
    let set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGTERM);
        libc::sigaddset(&raw mut set, libc::SIGINT);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        set
    };
    let wait = move || {
        let mut count = 0;
        loop {
            let mut signal = 0;
            // SAFETY: set and signal live for the call.
            if unsafe { libc::sigwait(&raw const set, &raw mut signal) } == 0 {
                count += 1;
                on_signal(count);
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop)
}
