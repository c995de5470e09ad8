//! Ctrl-C: the first one ends the load, which is reported then; the second one ends the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Status of a process that was interrupted twice.
const EXIT_INTERRUPTED: i32 = 130;

/// What becomes true with the first SIGINT or SIGTERM. Call it before any thread is started.
///
/// # Errors
/// When signals cannot be waited for.
pub fn stop_at_signal() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    engine_rt::on_termination(move |count| {
        if count > 1 {
            std::process::exit(EXIT_INTERRUPTED);
        }
        told.store(true, Ordering::Relaxed);
    })?;
    Ok(stop)
}
