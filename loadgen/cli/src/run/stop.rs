//! Ctrl-C: the first one ends the load, which is reported then; a later one ends the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use engine_rt::Termination;

/// Status of a process that was interrupted twice.
const EXIT_INTERRUPTED: i32 = 130;

/// What becomes true with the first SIGINT, SIGTERM or SIGHUP. Call it before any thread is started.
///
/// # Errors
/// When signals cannot be waited for.
pub fn stop_at_signal() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    engine_rt::on_termination(move |wish| match wish {
        Termination::Orderly(_) => told.store(true, Ordering::Relaxed),
        Termination::AtOnce(_) => std::process::exit(EXIT_INTERRUPTED),
    })?;
    Ok(stop)
}
