//! How a line of the log is written as text: the message, then each field as `name=value`.
//!
//! Guarantees: whatever a value holds, a line of the log is one line, steers no terminal, and is no longer than people read
//! (`load_model::shown`): no place that logs has to think of it. A value with a space, a quote or an equals sign in it stands in quotes,
//! so that a name cannot look like fields of ours.
//!
//! The format for programs (`log.format = "json"`) escapes by the rules of JSON instead.

mod levels;
mod recent;

use std::fmt::{self, Debug};

use load_model::shown;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

pub use levels::Levels;
pub use recent::{Logged, Recent};

/// The log while the program runs: what management tells of it, and changes.
#[derive(Clone, Debug)]
pub struct Live {
    /// Its last lines.
    pub recent: Recent,
    /// What it lets through.
    pub levels: Levels,
}

/// Writes message and fields.
#[derive(Clone, Copy, Debug)]
pub struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_first: true, written: Ok(()) };
        fields.record(&mut line);
        line.written
    }
}

/// A line as it grows.
struct Line<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    written: fmt::Result,
}

impl Line<'_> {
    fn put(&mut self, name: &str, value: &str) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.writer.write_char(' ')?;
        }
        if name == "message" {
            return write!(self.writer, "{}", shown::sentence(value));
        }
        let shown = shown::name(value).at_most(shown::SENTENCE_COLUMNS).to_string();
        if shown.is_empty() || shown.contains([' ', '"', '=']) {
            write!(self.writer, "{name}=\"{}\"", shown.replace('"', "\\\""))
        } else {
            write!(self.writer, "{name}={shown}")
        }
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.written.is_ok() {
            self.written = self.put(field.name(), value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // What libraries add to their own lines says where in their source those are.
        if !field.name().starts_with("log.") {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is logged meanwhile.
    fn logged(log: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Kept(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Kept {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .fmt_fields(Fields)
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_is_one_line_however_it_is_logged() {
        let evil = "l\n2030-01-01 INFO forged\u{1b}[2K \"x\"";
        let error = io::Error::other(evil);
        let text =
            logged(|| tracing::info!(plain = "orders", number = 7, evil, shown = %evil, %error, none = "", "a {evil}"));
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let quoted = "\"l\\n2030-01-01 INFO forged\\u{1b}[2K \\\"x\\\"\"";
        let fields = format!(" plain=orders number=7 evil={quoted} shown={quoted} error={quoted} none=\"\"\n");
        assert!(text.starts_with(" INFO a l\\n2030") && text.ends_with(&fields), "{text}");
    }

    #[test]
    fn a_long_value_is_shortened() {
        let text = logged(|| tracing::info!(name = "z".repeat(100_000), "long"));
        assert!(text.len() < 1100 && text.trim_end().ends_with('…'), "{text}");
    }
}
