//! What is logged, and where.

use std::path::PathBuf;

use crate::origin::Origin;
use crate::typed::{Single as _, part, single};
use crate::value::Value;
use crate::words::{Level, Module, Word};

part! {
    /// What a module logs.
    Log {
        /// Where it stands; its name is `log/MODULE` if it has no other.
        origin: Origin = origin,
        /// The part of the router.
        module: Module = "module",
        /// The levels that are logged.
        enable: Enable = "enable",
        /// Whether lines begin with the time; `None`: as module DEFAULT has it.
        include_timestamp: Option<bool> = "includeTimestamp",
        /// Whether they end with the place in the program; `None`: as module DEFAULT has it.
        include_source: Option<bool> = "includeSource",
        /// Where they go; `None`: where those of module DEFAULT go.
        output: Option<Output> = "outputFile",
    }
}

/// Which levels are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enable {
    /// As module DEFAULT has it; of itself, info and above.
    Default,
    /// These.
    Levels(Levels),
}

/// A set of levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels(u8);

impl Levels {
    /// A level and those above it.
    #[must_use]
    pub fn from_level(level: Level) -> Self {
        let above = Level::ALL.iter().filter(|other| **other >= level);
        Self(above.fold(0, |set, level| set | Self::bit(*level)))
    }

    /// Whether a level is logged.
    #[must_use]
    pub fn has(self, level: Level) -> bool {
        self.0 & Self::bit(level) != 0
    }

    fn bit(level: Level) -> u8 {
        match level {
            Level::Trace => 1,
            Level::Debug => 2,
            Level::Info => 4,
            Level::Notice => 8,
            Level::Warning => 16,
            Level::Error => 32,
            Level::Critical => 64,
        }
    }

    fn words(self) -> Vec<String> {
        let from = Level::ALL.iter().find(|level| Self::from_level(**level) == self);
        match from {
            Some(level) => vec![format!("{}+", level.word())],
            None if self.0 == 0 => vec!["none".to_owned()],
            None => Level::ALL.iter().filter(|level| self.has(**level)).map(|level| level.word().to_owned()).collect(),
        }
    }
}

impl Enable {
    /// What a file or management says: levels with commas between.
    ///
    /// # Errors
    /// When it says nothing that there is, with what it takes instead.
    pub fn of_text(text: &str) -> Result<Self, String> {
        let words: Vec<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
        Self::of_single(Value::List(words))
    }

    /// How it is written.
    #[must_use]
    pub fn text(&self) -> String {
        match self.to_single() {
            Value::List(words) => words.join(","),
            _ => String::new(),
        }
    }

    fn of_words(words: &[String]) -> Option<Self> {
        match words {
            [] => return None,
            [word] if word == "default" => return Some(Self::Default),
            [word] if word == "none" => return Some(Self::Levels(Levels::default())),
            _ => {}
        }
        let mut levels = Levels::default();
        for word in words {
            levels.0 |= match word.strip_suffix('+') {
                Some(level) => Levels::from_level(Level::of_word(level)?).0,
                None => Levels::bit(Level::of_word(word)?),
            };
        }
        Some(Self::Levels(levels))
    }
}

single!(
    Enable,
    List,
    "it takes trace, debug, info, notice, warning, error, critical with commas between, each with + for those above it; or none; or default",
    |words: Vec<String>| Self::of_words(&words),
    |enable: &Self| match enable {
        Self::Default => vec!["default".to_owned()],
        Self::Levels(levels) => levels.words(),
    }
);

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// The system's log.
    Syslog,
    /// The end of a file.
    File(PathBuf),
}

single!(
    Output,
    Text,
    "it takes stderr, stdout, syslog, or the path of a file",
    |text: String| match text.as_str() {
        "stderr" => Some(Self::Stderr),
        "stdout" => Some(Self::Stdout),
        "syslog" => Some(Self::Syslog),
        "" => None,
        _ if text.contains('\0') => None,
        _ => Some(Self::File(text.into())),
    },
    |output: &Self| match output {
        Self::Stderr => "stderr".to_owned(),
        Self::Stdout => "stdout".to_owned(),
        Self::Syslog => "syslog".to_owned(),
        Self::File(path) => path.to_string_lossy().into_owned(),
    }
);

/// What a module logs, with what it inherits put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The levels.
    pub levels: Levels,
    /// Whether lines begin with the time.
    pub include_timestamp: bool,
    /// Whether they end with the place in the program.
    pub include_source: bool,
    /// Where they go.
    pub output: Output,
}

impl Resolved {
    /// What a module logs, of all `log` sections.
    #[must_use]
    pub fn of(module: Module, logs: &[Log]) -> Self {
        let section = |module| logs.iter().find(move |log| log.module == module);
        let (own, default) = (section(module), section(Module::Default));
        let chain = || own.into_iter().chain(default);
        let levels = chain().find_map(|log| match log.enable {
            Enable::Levels(levels) => Some(levels),
            Enable::Default => None,
        });
        Self {
            levels: levels.unwrap_or_else(|| Levels::from_level(Level::Info)),
            include_timestamp: chain().find_map(|log| log.include_timestamp).unwrap_or(true),
            include_source: chain().find_map(|log| log.include_source).unwrap_or(false),
            output: chain().find_map(|log| log.output.clone()).unwrap_or(Output::Stderr),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn levels_are_read_and_written() {
        for (text, written) in [
            ("info+", "info+"),
            ("critical", "critical+"),
            ("trace,debug,info,notice,warning,error,critical", "trace+"),
            ("trace,warning+", "trace,warning,error,critical"),
            ("none", "none"),
            ("default", "default"),
        ] {
            let words = text.split(',').map(str::to_owned).collect();
            let enable = Enable::of_single(Value::List(words)).unwrap();
            assert_eq!(enable.to_single().text(crate::schema::Kind::Commas), written, "{text}");
        }
        for text in ["", "inform", "info++", "none,info", "default,info", "INFO"] {
            let words = text.split(',').map(str::to_owned).collect();
            assert!(Enable::of_single(Value::List(words)).is_err(), "{text}");
        }
    }
}
