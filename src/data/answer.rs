//! How a tool answers: results to standard output, everything else to standard error, as a terminal may show it.
//!
//! Guarantees: nothing that somebody else chose reaches a terminal with its control characters; a result is printed whole, in the
//! form that was asked for; progress is told on terminals only, and leaves nothing behind.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use load_model::shown;

use super::place::Where;

/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(200);

/// What a tool comes to; an error says to its user why it came to nothing.
pub(super) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How a command ended that did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As it should.
    Everything,
    /// Something was left out, and was told.
    WithLosses,
}

/// Where a result goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// Standard output.
    Output,
    /// Standard error, as standard output has the messages.
    Error,
}

impl Channel {
    /// The one that messages do not take.
    pub(super) fn beside(output: &str) -> Self {
        if output == "-" { Self::Error } else { Self::Output }
    }
}

/// Tells what was done.
pub(super) fn tell(place: &Where, channel: Channel, result: &serde_json::Value, text: &str) -> io::Result<()> {
    let text = if place.json { format!("{result:#}") } else { text.to_owned() };
    match channel {
        Channel::Output => writeln!(io::stdout(), "{text}"),
        Channel::Error => {
            say(&text);
            Ok(())
        }
    }
}

/// A name that somebody else chose, in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", shown::name(name))
}

/// A line on standard error, as a terminal may show it.
pub(super) fn say(text: &str) {
    // Nobody is left to be told that it cannot be written.
    let _ = writeln!(io::stderr(), "{}", shown::lines(text));
}

/// A line on the terminal that changes while something goes on.
pub(super) struct Progress {
    what: &'static str,
    last: Instant,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, last: Instant::now() }
    }

    pub(super) fn tell(&mut self, text: impl FnOnce() -> String) {
        if io::stderr().is_terminal() && self.last.elapsed() > PROGRESS {
            self.last = Instant::now();
            eprint!("\r{}: {}\x1b[K", self.what, text());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}
