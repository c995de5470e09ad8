//! What is wrong with a configuration: each fault with its place, all of them at once.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::bounds::FAULTS_MAX;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// As it was named.
    pub file: Arc<PathBuf>,
    /// The line, from 1.
    pub line: usize,
    /// The character in it, from 1, if that is known.
    pub column: Option<usize>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// It stands there in a file.
    File(Place),
    /// An option of the command.
    Option(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(out, "default"),
            Self::File(Place { file, line, .. }) => write!(out, "{}:{line}", file.display()),
            Self::Option(name) => write!(out, "option {name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    origin: Origin,
    text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => write!(out, "{}", self.text),
            Origin::File(Place { file, line, column: Some(column) }) => {
                write!(out, "{}:{line}:{column}: {}", file.display(), self.text)
            }
            Origin::File(Place { file, line, column: None }) => {
                write!(out, "{}:{line}: {}", file.display(), self.text)
            }
            Origin::Option(name) => write!(out, "{name}: {}", self.text),
        }
    }
}

/// Everything that is wrong, in the order of its places; what is too much is counted.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    told: Vec<Fault>,
    more: usize,
}

impl Faults {
    pub fn add(&mut self, origin: Origin, text: impl Into<String>) {
        if self.is_full() {
            self.more += 1;
        } else {
            self.told.push(Fault { origin, text: text.into() });
        }
    }

    /// Whether further ones are only counted, so that nobody needs to find words for them.
    pub fn is_full(&self) -> bool {
        self.told.len() >= FAULTS_MAX
    }

    /// What is wrong, without places, as far as it is told.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.told.iter().map(|fault| fault.text.as_str())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.told.len() + self.more
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// The thing, if nothing is wrong.
    pub fn or<T>(mut self, thing: T) -> Result<T, Self> {
        if self.is_empty() {
            return Ok(thing);
        }
        self.told.sort_by(|one, other| one.origin.cmp(&other.origin));
        Err(self)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_in_the_order_of_their_places_and_bounded() {
        let file = Arc::new(PathBuf::from("a.toml"));
        let place = |line| Origin::File(Place { file: Arc::clone(&file), line, column: Some(3) });
        let mut faults = Faults::default();
        faults.add(place(12), "second");
        faults.add(Origin::Option("--cores"), "third");
        faults.add(place(2), "first");
        let text = faults.clone().or(()).expect_err("there are faults").to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "the configuration has 3 errors:");
        assert_eq!(lines[1..], ["  a.toml:2:3: first", "  a.toml:12:3: second", "  --cores: third"]);
        (0..1000).for_each(|line| faults.add(place(line), "x"));
        let text = faults.to_string();
        assert!(text.lines().count() == FAULTS_MAX + 2 && text.contains("1003 errors") && text.ends_with("953 more"));
    }
}
