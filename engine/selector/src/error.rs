//! Why a text is no selector, for whoever wrote it.
//!
//! Guarantees: the sentence is at most about 200 characters long, whatever the text, and has no control characters.

use std::fmt;

use crate::limits::{DEPTH_MAX, NODES_MAX, SEGMENT_CHARS_MAX, TEXT_OCTETS_MAX};

/// Characters of a text that an error shows.
const SHOWN_CHARS_MAX: usize = 24;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorError {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Which character, from 1.
    pub position: usize,
}

/// The kinds of [`SelectorError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Something else has to stand here.
    Unexpected {
        /// What could stand here.
        expected: &'static str,
        /// The start of what does.
        found: String,
    },
    /// An operator does not take what stands beside it.
    Operand {
        /// What has to stand there.
        expected: &'static str,
        /// Who asks for it.
        operator: &'static str,
    },
    /// A string or a quoted name has no end.
    Unclosed,
    /// A number that neither 64 bits nor a double hold, or whose digits are none of its base.
    Number,
    /// ESCAPE is followed by a string of another length than one character.
    Escape,
    /// XPATH and XQUERY would read bodies.
    XPath,
    /// The text is longer than [`TEXT_OCTETS_MAX`].
    TooLong,
    /// Deeper than [`DEPTH_MAX`].
    TooDeep,
    /// More than [`NODES_MAX`].
    TooManyNodes,
    /// More than [`SEGMENT_CHARS_MAX`].
    PatternTooLong,
}

/// The start of what stands at the start of `text`, as errors show it.
pub(crate) fn shown(text: &str) -> String {
    if text.is_empty() {
        return "the end".to_owned();
    }
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(SHOWN_CHARS_MAX).filter(|c| !c.is_control()).collect();
    let more = if chars.next().is_some() { "..." } else { "" };
    format!("{start}{more}")
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::Unexpected { expected, found } => write!(f, "{expected} is expected, found: {found}")?,
            ErrorKind::Operand { expected, operator } => write!(f, "{operator} needs {expected}")?,
            ErrorKind::Unclosed => write!(f, "a quote is opened and not closed")?,
            ErrorKind::Number => write!(f, "the number is not well-formed or too large")?,
            ErrorKind::Escape => write!(f, "ESCAPE takes a string of one character")?,
            ErrorKind::XPath => write!(f, "XPATH and XQUERY are not supported: selectors do not read bodies")?,
            ErrorKind::TooLong => write!(f, "the selector is longer than {TEXT_OCTETS_MAX} octets")?,
            ErrorKind::TooDeep => write!(f, "the selector is nested deeper than {DEPTH_MAX} levels")?,
            ErrorKind::TooManyNodes => write!(f, "the selector has more than {NODES_MAX} values and operators")?,
            ErrorKind::PatternTooLong => {
                write!(f, "a pattern has more than {SEGMENT_CHARS_MAX} characters between two %")?;
            }
        }
        write!(f, " (at character {})", self.position)
    }
}

impl std::error::Error for SelectorError {}
