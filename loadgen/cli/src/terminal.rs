//! What commands print: to a standard output that may be a pipe, and to an error output that may be closed.
//!
//! Guarantees: a reader that has seen enough, as `head` has, ends nothing and is no error; what is said beside a run never ends it.

use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::os::fd::AsFd;

use load_report::text::{Colour, Paper, fitted};

/// Prints to the standard output. That its reader is gone is no error: it has what it wanted.
///
/// # Errors
/// When it cannot be written for another reason, such as a full disk.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

/// Says something on the error output, a line or several. Whoever read it may be gone, which is no reason to end.
pub fn say(text: &str) {
    let _ = io::stderr().write_all(format!("{}\n", text.trim_end_matches('\n')).as_bytes());
}

/// Says a sentence, broken between words where a terminal ends.
pub fn say_sentence(text: &str) {
    say(&fitted(text, paper_of(&io::stderr())));
}

/// What is printed on: the width and the colours of a terminal, or lines without end.
pub fn paper_of(out: &(impl IsTerminal + AsFd)) -> Paper {
    let is_terminal = out.is_terminal();
    let size = if is_terminal { rustix::termios::tcgetwinsize(out).ok() } else { None };
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    // Colours where a terminal is, unless its user wants none (<https://no-color.org>).
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Paper { colour: if is_terminal && !is_unwanted { Colour::Ansi } else { Colour::Plain }, columns }
}
