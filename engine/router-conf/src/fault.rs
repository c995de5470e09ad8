//! What is wrong with a configuration and what is doubtful in it: each with its place, all at once.
//!
//! Guarantees: at most `FAULTS_MAX` faults and `WARNINGS_MAX` warnings are kept, in the order of their lines; the others are counted.
//! Values of secrets are in none of them.

use std::fmt;
use std::sync::Arc;

use crate::limits::{FAULTS_MAX, SHOWN_MAX, WARNINGS_MAX};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// As the caller named it.
    pub file: Arc<str>,
    /// From 1; 0 is the file as a whole, and what stands in none.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}", self.file),
            line => write!(out, "{}:{line}", self.file),
        }
    }
}

/// One thing that is wrong. Shown as `FILE:LINE: WRONG: ADVICE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub wrong: String,
    /// What to do about it.
    pub advice: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}: {}", self.place, self.wrong, self.advice)
    }
}

/// Everything that is wrong with a file; there is at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    told: Vec<Fault>,
    more: usize,
}

impl Faults {
    /// Those that are told, in the order of their lines; at most `FAULTS_MAX`.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.told.iter()
    }

    /// How many there are, those that are not told included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.told.len() + self.more
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count() {
            1 => write!(out, "the configuration has 1 error:")?,
            count => write!(out, "the configuration has {count} errors:")?,
        }
        for fault in &self.told {
            write!(out, "\n  {fault}")?;
        }
        if self.more > 0 {
            write!(out, "\n  … and {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Why something is doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// It has another name today. It works.
    Deprecated,
    /// It is read and does nothing, here or anywhere.
    Ignored,
    /// It works, and probably not as it was meant.
    Questionable,
}

/// One thing that is doubtful. Shown as `FILE:LINE: TEXT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// Why.
    pub doubt: Doubt,
    /// A sentence; for deprecated attributes the one that qdrouterd logs.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.text)
    }
}

/// Everything that is doubtful in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    told: Vec<Warning>,
    more: usize,
}

impl Warnings {
    /// Those that are told, in the order of their lines; at most `WARNINGS_MAX`.
    pub fn iter(&self) -> impl Iterator<Item = &Warning> {
        self.told.iter()
    }

    /// How many there are, those that are not told included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.told.len() + self.more
    }
}

/// What was found in a file so far.
pub(crate) struct Findings {
    file: Arc<str>,
    faults: Vec<Fault>,
    faults_more: usize,
    warnings: Warnings,
}

impl Findings {
    pub fn new(file: &str) -> Self {
        Self { file: Arc::from(file), faults: Vec::new(), faults_more: 0, warnings: Warnings::default() }
    }

    pub fn place(&self, line: u32) -> Place {
        Place { file: Arc::clone(&self.file), line }
    }

    /// Adds a fault: what is wrong, and what to do. Words are looked for only if it is told.
    pub fn fault(&mut self, line: u32, words: impl FnOnce() -> (String, String)) {
        if self.faults.len() >= FAULTS_MAX {
            self.faults_more += 1;
            return;
        }
        let (wrong, advice) = words();
        self.faults.push(Fault { place: self.place(line), wrong, advice });
    }

    pub fn warn(&mut self, line: u32, doubt: Doubt, text: impl FnOnce() -> String) {
        if self.warnings.told.len() >= WARNINGS_MAX {
            self.warnings.more += 1;
            return;
        }
        let place = self.place(line);
        self.warnings.told.push(Warning { place, doubt, text: text() });
    }

    /// How many faults there are so far.
    pub fn faults_count(&self) -> usize {
        self.faults.len() + self.faults_more
    }

    /// The thing, if nothing is wrong, and what is doubtful.
    pub fn conclude<T>(mut self, thing: T) -> (Result<T, Faults>, Warnings) {
        self.warnings.told.sort_by_key(|warning| warning.place.line);
        self.faults.sort_by_key(|fault| fault.place.line);
        let result = match self.faults.is_empty() {
            true => Ok(thing),
            false => Err(Faults { told: self.faults, more: self.faults_more }),
        };
        (result, self.warnings)
    }
}

/// What a file says, as it is repeated in a fault: short, on one line, in quotation marks.
pub(crate) fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        start.push('…');
    }
    format!("'{start}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_in_the_order_of_their_lines_and_bounded() {
        let mut findings = Findings::new("a.conf");
        for line in (1..=1000).rev() {
            findings.fault(line, || ("x".to_owned(), "y".to_owned()));
            findings.warn(line, Doubt::Ignored, || "z".to_owned());
        }
        let (faults, warnings) = findings.conclude(());
        let faults = faults.unwrap_err();
        assert_eq!((faults.count(), faults.iter().count()), (1000, FAULTS_MAX));
        assert_eq!((warnings.count(), warnings.iter().count()), (1000, WARNINGS_MAX));
        let text = faults.to_string();
        assert!(text.starts_with("the configuration has 1000 errors:\n  a.conf:951: x: y\n"), "{text}");
        assert!(text.ends_with("\n  … and 950 more"), "{text}");
        assert_eq!(warnings.iter().next().unwrap().to_string(), "a.conf:951: z");
    }

    #[test]
    fn what_is_shown_is_short() {
        assert_eq!(shown("a\tb"), "'a b'");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), SHOWN_MAX + 3);
    }
}
