//! The commands: what is fetched is printed, once or every second.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use super::render::{render, render_queues};
use super::state::{State, list};
use crate::http::Source;

/// Prints the state of the broker at `http`, once or every second.
///
/// # Errors
/// When it does not answer.
pub fn show(http: &Source, watch: bool) -> io::Result<()> {
    let mut before = None;
    loop {
        let state = State::fetch(http)?;
        let mut out = io::stdout().lock();
        if watch {
            // Home, then clear to the end: less flicker than clearing first.
            write!(out, "\x1b[H\x1b[J")?;
        }
        out.write_all(render(&state, before.as_ref(), columns()).as_bytes())?;
        out.flush()?;
        if !watch {
            return Ok(());
        }
        before = Some(state);
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Prints the queues whose names begin so, in the order of their names.
///
/// # Errors
/// When the broker does not answer.
pub fn list_queues(http: &Source, prefix: &str) -> io::Result<()> {
    let queues = list(http, prefix)?;
    let mut out = io::stdout().lock();
    out.write_all(render_queues(&queues, columns()).as_bytes())?;
    out.flush()
}

/// Columns of the terminal: what `COLUMNS` says, or the terminal itself; as many as it takes where there is none.
pub fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let of_terminal = || {
        let size = io::stdout().is_terminal().then(|| rustix::termios::tcgetwinsize(io::stdout()))?.ok()?;
        Some(size.ws_col.into())
    };
    told.or_else(of_terminal).filter(|&columns| columns > 0).unwrap_or(usize::MAX)
}
