//! An address as routers' tables and their messages to each other have it: a letter for its class, for mobile ones a phase, and a name.
//!
//! Guarantees: a key has a class that is known, a phase if its class has one, and a name; it has at most `KEY_OCTETS_MAX` octets.
//!
//! Not here: which key the text of an address means on a router (`address/text.rs`).

use std::fmt;
use std::sync::Arc;

use super::phase::Phase;
use crate::limits::KEY_OCTETS_MAX;

/// What kind of thing an address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Something of this router: `L`.
    Local,
    /// Something of every router: `T`.
    Topological,
    /// A router: `R`.
    Router,
    /// An area; there is one, so that these lead nowhere: `A`.
    Area,
    /// An edge router behind this one: `H`.
    Edge,
    /// What clients send to and receive from, wherever they are: `M`.
    Mobile,
    /// Links of senders to addresses with a prefix: `C`.
    PrefixIn,
    /// Links of receivers to addresses with a prefix: `D`.
    PrefixOut,
    /// Links of senders to addresses of a pattern: `E`.
    PatternIn,
    /// Links of receivers to addresses of a pattern: `F`.
    PatternOut,
}

impl Class {
    /// All, with their letters.
    const LETTERS: [(Self, char); 10] = [
        (Self::Local, 'L'),
        (Self::Topological, 'T'),
        (Self::Router, 'R'),
        (Self::Area, 'A'),
        (Self::Edge, 'H'),
        (Self::Mobile, 'M'),
        (Self::PrefixIn, 'C'),
        (Self::PrefixOut, 'D'),
        (Self::PatternIn, 'E'),
        (Self::PatternOut, 'F'),
    ];

    /// The class of a letter.
    #[must_use]
    pub fn of_letter(letter: char) -> Option<Self> {
        Self::LETTERS.iter().find(|(_, known)| *known == letter).map(|(class, _)| *class)
    }

    /// Its letter.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Local => 'L',
            Self::Topological => 'T',
            Self::Router => 'R',
            Self::Area => 'A',
            Self::Edge => 'H',
            Self::Mobile => 'M',
            Self::PrefixIn => 'C',
            Self::PrefixOut => 'D',
            Self::PatternIn => 'E',
            Self::PatternOut => 'F',
        }
    }

    /// Whether routers tell each other of addresses of this class.
    #[must_use]
    pub fn is_announced(self) -> bool {
        !matches!(self, Self::Local | Self::Topological | Self::Router | Self::Area)
    }

    /// Whether it names links and not messages.
    #[must_use]
    pub fn is_of_links(self) -> bool {
        matches!(self, Self::PrefixIn | Self::PrefixOut | Self::PatternIn | Self::PatternOut)
    }
}

/// An address in a table; copies share their text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Reads what another router wrote; `None` if it is no key, or too long.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut letters = text.chars();
        let class = Class::of_letter(letters.next()?)?;
        if class == Class::Mobile {
            Phase::of_letter(letters.next()?)?;
        }
        let is_key = !letters.as_str().is_empty() && text.len() <= KEY_OCTETS_MAX;
        is_key.then(|| Self(text.into()))
    }

    /// The key of a mobile address; `None` if it has no name, or too long a one.
    #[must_use]
    pub fn mobile(phase: Phase, name: &str) -> Option<Self> {
        Self::read(&format!("M{}{name}", phase.letter()))
    }

    /// The key of another class; `None` if it has no name, too long a one, or is mobile and needs a phase.
    #[must_use]
    pub fn of_class(class: Class, name: &str) -> Option<Self> {
        (class != Class::Mobile).then(|| Self::read(&format!("{}{name}", class.letter()))).flatten()
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its class.
    #[must_use]
    pub fn class(&self) -> Class {
        self.0.chars().next().and_then(Class::of_letter).unwrap_or(Class::Mobile)
    }

    /// Its phase, if it is mobile.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        (self.class() == Class::Mobile).then(|| self.0.chars().nth(1).and_then(Phase::of_letter)).flatten()
    }

    /// What stands behind class and phase.
    #[must_use]
    pub fn name(&self) -> &str {
        let before = if self.class() == Class::Mobile { 2 } else { 1 };
        self.0.get(before..).unwrap_or_default()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_has_a_class_a_phase_and_a_name() {
        let key = Key::read("M0closest.x").expect("a key");
        assert_eq!((key.class(), key.phase(), key.name()), (Class::Mobile, Phase::number(0), "closest.x"));
        let fallback = Key::mobile(Phase::FALLBACK, "a").expect("a key");
        assert_eq!((fallback.as_str(), fallback.phase()), ("MFa", Some(Phase::FALLBACK)));
        let route = Key::of_class(Class::PatternOut, "orders.#").expect("a key");
        assert_eq!((route.as_str(), route.phase(), route.name()), ("Forders.#", None, "orders.#"));
        let long = format!("M0{}", "a".repeat(KEY_OCTETS_MAX - 1));
        for none in ["", "M", "M0", "MXa", "Xa", "L", "ä", &long] {
            assert_eq!(Key::read(none), None, "{none}");
        }
        assert_eq!(Key::of_class(Class::Mobile, "0a"), None);
    }

    #[test]
    fn letters_and_classes_are_one_to_one() {
        for (class, letter) in Class::LETTERS {
            assert_eq!((class.letter(), Class::of_letter(letter)), (letter, Some(class)));
        }
        let announced: String =
            Class::LETTERS.iter().filter(|(class, _)| class.is_announced()).map(|(_, letter)| letter).collect();
        assert_eq!(announced, "HMCDEF");
    }

    proptest! {
        #[test]
        fn any_text_is_a_key_or_none(text in "\\PC{0,8}") {
            if let Some(key) = Key::read(&text) {
                let phase = key.phase().map(|phase| phase.letter().to_string()).unwrap_or_default();
                prop_assert_eq!(format!("{}{phase}{}", key.class().letter(), key.name()), text);
            }
        }
    }
}
