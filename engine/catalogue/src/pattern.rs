//! Patterns of addresses: words divided by dots, of which `*` stands for one word and `#` for any words, none included.
//!
//! Guarantees:
//! 1. Patterns have a total order, by how closely they say what they mean: the more specific one is the greater one, and no two
//!    different patterns are alike.
//! 2. What is taken is bounded (`limits`), and means something: `a*` and `#.#` are refused with what to write instead.
//!
//! Not here: finding the patterns that match an address (`matches`). `Pattern::matches` is for single questions and as the measure of
//! that.

use std::cmp::Ordering;

use crate::limits::{NAME_MAX, WORDS_MAX};
use crate::setting::{Expected, Word};

/// What divides words.
const DIVIDER: char = '.';
/// The word that stands for one word.
const ONE: &str = "*";
/// The word that stands for any words.
const ANY: &str = "#";

/// A word of a pattern. The order is that of how much they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part<'a> {
    /// Any words, none included.
    Any,
    /// One word, whichever.
    One,
    /// This word.
    Literal(&'a str),
}

/// A pattern of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

/// The words of an address.
pub(crate) fn words(address: &str) -> impl Iterator<Item = &str> {
    address.split(DIVIDER)
}

impl Pattern {
    /// The pattern that matches every address.
    #[must_use]
    pub fn all() -> Self {
        Self(ANY.into())
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > NAME_MAX {
            return Err(format!("a match has 1 to {NAME_MAX} bytes"));
        }
        let mut before = "";
        for (index, word) in words(text).enumerate() {
            if index >= WORDS_MAX {
                return Err(format!("a match has at most {WORDS_MAX} words"));
            }
            if word.len() > 1 && (word.contains(ONE) || word.contains(ANY)) {
                return Err(format!(
                    "{word:?} is no word of a match: `*` stands for a whole word and `#` for any words, as in orders.*.new and orders.#"
                ));
            }
            if word == ANY && before == ANY {
                return Err("`#.#` says no more than `#`: write one of them".to_owned());
            }
            before = word;
        }
        Ok(Self(text.into()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text has a word that stands for others, and so is to be a pattern.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        words(text).any(|word| word == ONE || word == ANY)
    }

    /// Whether it says how the addresses begin that it matches.
    #[must_use]
    pub fn has_beginning(&self) -> bool {
        matches!(self.parts().next(), Some(Part::Literal(_)))
    }

    /// Its words.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        words(&self.0).map(|word| match word {
            ANY => Part::Any,
            ONE => Part::One,
            word => Part::Literal(word),
        })
    }

    /// Whether it matches an address. The work is the product of both numbers of words at most.
    #[must_use]
    pub fn matches(&self, address: &str) -> bool {
        let words: Vec<&str> = words(address).collect();
        // Whether the parts so far match the first words, by how many words those are.
        let mut matched = vec![false; words.len() + 1];
        matched[0] = true;
        for part in self.parts() {
            let mut next = vec![false; words.len() + 1];
            for (count, next) in next.iter_mut().enumerate() {
                let before = count.checked_sub(1);
                *next = match part {
                    Part::Any => matched.iter().take(count + 1).any(|matched| *matched),
                    Part::One => before.is_some_and(|before| matched[before]),
                    Part::Literal(literal) => before.is_some_and(|before| matched[before] && words[before] == literal),
                };
            }
            matched = next;
        }
        matched.last() == Some(&true)
    }

    /// How much it says, before its words are looked at one by one: patterns without `#` say how many words there are, those without
    /// `*` say all of them; of those with `#` the one with more other words says more.
    fn rank(&self) -> (u8, usize) {
        let (mut any, mut one, mut fixed) = (false, false, 0);
        for part in self.parts() {
            match part {
                Part::Any => any = true,
                Part::One => (one, fixed) = (true, fixed + 1),
                Part::Literal(_) => fixed += 1,
            }
        }
        match (any, one) {
            (true, _) => (0, fixed),
            // Patterns that match the same address have as many words as it has: nothing follows from their number.
            (false, true) => (1, 0),
            (false, false) => (2, 0),
        }
    }
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        let kinds = |pattern: &Self| {
            let kind = |part: Part<'_>| match part {
                Part::Any => 0_u8,
                Part::One => 1,
                Part::Literal(_) => 2,
            };
            pattern.parts().map(kind).collect::<Vec<_>>()
        };
        let by_rank = self.rank().cmp(&other.rank());
        // From left to right the first word of another kind decides; the text only where nothing else does.
        by_rank.then_with(|| kinds(self).cmp(&kinds(other))).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Word for Pattern {
    const EXPECTED: Expected =
        Expected::Described("words divided by dots, of which `*` stands for one word and `#` for any words");

    fn from_word(text: &str) -> Result<Self, String> {
        Self::new(text)
    }

    fn word(&self) -> String {
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).expect(text)
    }

    #[test]
    fn words_match_as_artemis_has_them() {
        for (text, matched, others) in [
            ("#", &["", "a", "a.b", "..."][..], &[][..]),
            ("a.#", &["a", "a.b", "a.b.c"], &["", "b", "ab", "b.a"]),
            ("#.a", &["a", "b.a", "c.b.a"], &["a.b", "ba"]),
            ("a.*", &["a.b", "a."], &["a", "a.b.c", "b.a"]),
            ("*", &["a", ""], &["a.b"]),
            ("a.*.c.#", &["a.b.c", "a.b.c.d"], &["a.c", "a.b", "a.b.d"]),
            ("a.#.z", &["a.z", "a.b.z", "a.z.z"], &["a", "z", "a.z.b"]),
            ("a.b", &["a.b"], &["a", "a.b.c", "a.B"]),
        ] {
            matched.iter().for_each(|address| assert!(pattern(text).matches(address), "{text} {address}"));
            others.iter().for_each(|address| assert!(!pattern(text).matches(address), "{text} {address}"));
        }
    }

    /// From least to most specific.
    #[test]
    fn the_more_specific_pattern_is_the_greater_one() {
        let order = ["#", "*.#", "a.#", "#.a.b", "a.*.#", "a.b.#", "*.*", "*.b", "a.*", "a.b"];
        for pair in order.windows(2) {
            let (lesser, greater) = (pattern(pair[0]), pattern(pair[1]));
            assert!(lesser < greater, "{lesser:?} {greater:?}");
        }
        // Nothing but their text tells these apart; they still have an order.
        assert!(pattern("#.a.#") < pattern("#.b.#"));
        assert_eq!(pattern("a.#").cmp(&pattern("a.#")), Ordering::Equal);
    }

    #[test]
    fn a_pattern_is_meant_where_a_word_stands_for_others() {
        for (text, is_meant, begins) in
            [("a.b", false, true), ("a.*", true, true), ("#", true, false), ("*.a", true, false)]
        {
            assert_eq!((Pattern::is_meant(text), pattern(text).has_beginning()), (is_meant, begins), "{text}");
        }
        assert!(!Pattern::is_meant("a*.b#") && Pattern::is_meant("a.#.#"));
    }

    #[test]
    fn what_means_nothing_is_refused_with_advice() {
        let deep = vec!["a"; WORDS_MAX + 1].join(".");
        for (text, said) in [
            ("", "1 to 2048"),
            ("orders*", "as in"),
            ("a.##", "whole word"),
            ("a.#.#.b", "one of them"),
            (&deep, "32 words"),
        ] {
            let error = Pattern::new(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(Pattern::new(&"a".repeat(NAME_MAX + 1)).is_err());
        assert!(Pattern::new(&vec!["a"; WORDS_MAX].join(".")).is_ok());
    }
}
