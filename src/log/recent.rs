//! The last lines of the log, for whoever asks over management, and how many there were.
//!
//! Guarantees: `LINES_MAX` lines are kept, the newest ones; each is as it was written, without its time. What is not logged is not here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::Line;
use tracing_subscriber::fmt::format::Writer;

/// Lines that are kept, as many as qdrouterd keeps: some hundred kilobytes. Older ones go.
pub const LINES_MAX: usize = 1000;

/// Parts of the program by the targets of their lines, in words of qdrouterd: what is logged elsewhere is told as of `DEFAULT`.
pub(super) const MODULES: [(&str, &str); 3] =
    [("heddle::program", "ROUTER"), ("heddle::net", "SERVER"), ("heddle::storage", "CONTAINER")];

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Which part of the program, in words of qdrouterd.
    pub module: &'static str,
    /// How grave it is.
    pub level: Level,
    /// The line without its time.
    pub text: String,
    /// The source's name.
    pub file: Option<&'static str>,
    /// The line in it.
    pub line: Option<u32>,
    /// Seconds since 1970.
    pub at: u64,
}

/// How many lines there were of one part and level.
type Count = (&'static str, Level, u64);

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Logged>,
    counts: Vec<Count>,
}

/// The last lines of the log.
#[derive(Clone, Debug, Default)]
pub struct Recent(Arc<Mutex<Kept>>);

impl Recent {
    /// The last lines, the oldest of them first; all that are kept if `most` is not given.
    pub fn lines(&self, most: Option<usize>) -> Vec<Logged> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = kept.lines.len().saturating_sub(most.unwrap_or(LINES_MAX));
        kept.lines.iter().skip(passed).cloned().collect()
    }

    /// How many lines there were so far of a part of the program.
    pub fn count(&self, module: &str, level: Level) -> u64 {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = kept.counts.iter().find(|(known, of, _)| *known == module && *of == level);
        count.map_or(0, |(_, _, count)| *count)
    }

    fn add(&self, logged: Logged) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (module, level) = (logged.module, logged.level);
        match kept.counts.iter_mut().find(|(known, of, _)| *known == module && *of == level) {
            Some((_, _, count)) => *count += 1,
            None => kept.counts.push((module, level, 1)),
        }
        if kept.lines.len() >= LINES_MAX {
            kept.lines.pop_front();
        }
        kept.lines.push_back(logged);
    }
}

impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut text = String::new();
        let mut line = Line { writer: Writer::new(&mut text), is_first: true, written: Ok(()) };
        event.record(&mut line);
        let module =
            MODULES.iter().find(|(target, _)| *target == metadata.target()).map_or("DEFAULT", |(_, name)| name);
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (level, file) = (*metadata.level(), metadata.file());
        self.add(Logged { module, level, text, file, line: metadata.line(), at });
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_all_are_counted() {
        let recent = Recent::default();
        let subscriber = tracing_subscriber::registry().with(recent.clone());
        tracing::subscriber::with_default(subscriber, || {
            (0..LINES_MAX + 5).for_each(|number| tracing::info!(target: "heddle::net", number, "a line"));
            tracing::warn!(target: "other", "another");
        });
        let lines = recent.lines(None);
        assert_eq!((lines.len(), lines[0].text.as_str()), (LINES_MAX, "a line number=6"));
        let last = recent.lines(Some(1)).pop().unwrap();
        assert_eq!((last.module, last.level, last.text.as_str()), ("DEFAULT", Level::WARN, "another"));
        assert!(last.line.is_some() && last.at > 0);
        assert_eq!(recent.count("SERVER", Level::INFO), LINES_MAX as u64 + 5);
        assert_eq!(recent.count("SERVER", Level::WARN), 0);
    }
}
