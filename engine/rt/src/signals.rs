//! Signals of a process: SIGTERM, SIGINT and SIGHUP, and SIGUSR1, as calls on ordinary threads, and what the end of a pipe does.
//!
//! Guarantees: what reaches a process several times within a moment (a terminal and a wrapper both pass on a Ctrl-C; SIGTERM and SIGINT
//! of one shutdown) is told once. SIGHUP, the terminal that goes, is like SIGTERM, unless whoever started the process had it ignored
//! (`nohup`).

use std::io;

use crate::clock::monotonic_ns;

/// Signals within this time of the first one are the same wish, nanoseconds: a wrapper passes one on within a few milliseconds, and nobody
/// presses two keys again so fast who has read what the first did.
const SAME_WISH_NS: u64 = 250_000_000;

/// What the sender of a signal wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// To end in order, because of this signal.
    Orderly(&'static str),
    /// To end at once: it is not the first time.
    AtOnce(&'static str),
}

/// What signals mean, one after the other.
#[derive(Debug, Default)]
struct Wishes {
    first_ns: Option<u64>,
}

impl Wishes {
    /// What a signal means; `None` when it repeats what was told.
    fn handle(&mut self, signal: &'static str, now_ns: u64) -> Option<Termination> {
        match self.first_ns {
            None => {
                self.first_ns = Some(now_ns);
                Some(Termination::Orderly(signal))
            }
            Some(first_ns) if now_ns.saturating_sub(first_ns) < SAME_WISH_NS => None,
            Some(_) => Some(Termination::AtOnce(signal)),
        }
    }
}

fn name(signal: i32) -> &'static str {
    match signal {
        libc::SIGINT => "SIGINT",
        libc::SIGHUP => "SIGHUP",
        _ => "SIGTERM",
    }
}

/// Calls `on_signal` for each wish to end. Call it before any other thread is started, so that they inherit the mask and the
/// signals come here.
///
/// # Errors
/// When the thread cannot be started.
pub fn on_termination(mut on_signal: impl FnMut(Termination) + Send + 'static) -> io::Result<()> {
    // SAFETY: all-zero actions and sets are valid; the set is made an empty one by sigemptyset before it is used; all live for the calls.
    let set = unsafe {
        let mut hangup: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &raw mut hangup);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGTERM);
        libc::sigaddset(&raw mut set, libc::SIGINT);
        if hangup.sa_sigaction != libc::SIG_IGN {
            libc::sigaddset(&raw mut set, libc::SIGHUP);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        set
    };
    let wait = move || {
        let mut wishes = Wishes::default();
        loop {
            let mut signal = 0;
            // SAFETY: set and signal live for the call.
            if unsafe { libc::sigwait(&raw const set, &raw mut signal) } == 0
                && let Some(wish) = wishes.handle(name(signal), monotonic_ns())
            {
                on_signal(wish);
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop)
}

/// Calls `on_signal` for each SIGUSR1, by which an operator asks that what was read at the start be read again. Call it before any other
/// thread is started. Its own takes no other signal, so that those that are to end the process come where they are waited for.
///
/// # Errors
/// When the thread cannot be started.
pub fn on_reread(mut on_signal: impl FnMut() + Send + 'static) -> io::Result<()> {
    // SAFETY: all-zero sets are valid, and are made what they are to be before they are used; all live for the calls.
    let (set, after) = unsafe {
        let (mut all, mut set, mut after): (libc::sigset_t, libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGUSR1);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut after);
        libc::sigaddset(&raw mut after, libc::SIGUSR1);
        (set, after)
    };
    let wait = move || {
        loop {
            let mut signal = 0;
            // SAFETY: set and signal live for the call.
            if unsafe { libc::sigwait(&raw const set, &raw mut signal) } == 0 {
                on_signal();
            }
        }
    };
    // The thread inherits the mask that blocks everything; the caller gets its own back.
    let spawned = std::thread::Builder::new().name("rereading".to_owned()).spawn(wait);
    // SAFETY: the set is the caller's mask of before, with one signal more.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const after, std::ptr::null_mut()) };
    spawned.map(drop)
}

/// Lets the system end the process when it writes to a pipe whose reader has gone, as other commands of a shell do: for commands whose
/// output is what they are for (`heddle status | head`), and not for a process that serves, which would end with its log's reader.
pub fn end_with_pipe() {
    // SAFETY: the default action is set before there are other threads, and replaces that of the standard library, which is to ignore.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_of_one_moment_are_one_wish() {
        let mut wishes = Wishes::default();
        assert_eq!(wishes.handle("SIGINT", 1_000), Some(Termination::Orderly("SIGINT")));
        assert_eq!(wishes.handle("SIGTERM", 2_000_000), None, "a wrapper passed it on");
        assert_eq!(wishes.handle("SIGINT", SAME_WISH_NS), None);
        // The moment is the first signal's: whoever repeats it for ever is heard.
        assert_eq!(wishes.handle("SIGINT", 1_000 + SAME_WISH_NS), Some(Termination::AtOnce("SIGINT")));
    }
}
