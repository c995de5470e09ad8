//! Symbols: ASCII names out of a constrained domain (part 1.6.21).

use std::borrow::Cow;
use std::fmt;

/// A symbol; one known at compile time costs nothing to make or clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(Cow<'static, str>);

impl Symbol {
    /// The symbol's characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A symbol that came from elsewhere; characters that are not ASCII become question marks.
    pub fn new(text: &str) -> Self {
        if text.is_ascii() {
            return Self(Cow::Owned(text.to_owned()));
        }
        Self(Cow::Owned(text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()))
    }
}

impl From<&'static str> for Symbol {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl PartialEq<str> for Symbol {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Symbol {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
