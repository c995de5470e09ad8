//! Passwords, or where they come from.

use std::fmt;
use std::path::PathBuf;

use crate::typed::single;

/// A password, or where it comes from. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The value of a variable of the environment.
    Env(String),
    /// The first line of a file.
    File(PathBuf),
    /// Itself.
    Plain(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(out, "Env({name:?})"),
            Self::File(path) => write!(out, "File({path:?})"),
            Self::Plain(_) => write!(out, "Plain(…)"),
        }
    }
}

/// What stands before what a password is, in a file.
const PREFIXES: [&str; 4] = ["env:", "file:", "pass:", "literal:"];

impl Secret {
    fn of_text(text: String) -> Option<Self> {
        if let Some(name) = text.strip_prefix("env:") {
            return (!name.is_empty()).then(|| Self::Env(name.to_owned()));
        }
        if let Some(path) = text.strip_prefix("file:") {
            return (!path.is_empty() && !path.contains('\0')).then(|| Self::File(path.into()));
        }
        Some(Self::Plain(text.strip_prefix("pass:").map(str::to_owned).unwrap_or(text)))
    }

    fn text(&self) -> String {
        match self {
            Self::Env(name) => format!("env:{name}"),
            Self::File(path) => format!("file:{}", path.to_string_lossy()),
            Self::Plain(text) if PREFIXES.iter().any(|prefix| text.starts_with(prefix)) => format!("pass:{text}"),
            Self::Plain(text) => text.clone(),
        }
    }
}

single!(Secret, Text, "write a name behind env: and a path behind file:", Self::of_text, Self::text);

/// The password of a private key: a `Secret` that may also be written behind `literal:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPassword(pub Secret);

single!(
    KeyPassword,
    Text,
    "write a name behind env: and a path behind file:",
    |text: String| match text.strip_prefix("literal:") {
        Some(plain) => Some(Self(Secret::Plain(plain.to_owned()))),
        None => Secret::of_text(text).map(Self),
    },
    |password: &Self| password.0.text()
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_as_they_are_written_and_not_shown() {
        for (text, secret) in [
            ("env:A", Secret::Env("A".to_owned())),
            ("file:/a", Secret::File("/a".into())),
            ("pass:env:A", Secret::Plain("env:A".to_owned())),
            ("s3cret", Secret::Plain("s3cret".to_owned())),
            ("pass:literal:a", Secret::Plain("literal:a".to_owned())),
        ] {
            let read = Secret::of_text(text.to_owned()).unwrap();
            assert_eq!((&read, read.text().as_str()), (&secret, text));
            assert!(!format!("{read:?}").contains("s3cret"));
        }
        assert_eq!(Secret::of_text("env:".to_owned()), None);
        assert_eq!(Secret::of_text("file:".to_owned()), None);
    }
}
