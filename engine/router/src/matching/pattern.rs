//! Patterns of addresses as routers have them: words divided by dots or slashes, of which `*` stands for one word and `#` for any words.
//!
//! Guarantees:
//! 1. Patterns have a total order by how much they say, word by word from the left: a word of its own says more than `*`, that more than
//!    the end, and that more than `#`. No two different patterns are alike.
//! 2. Patterns that mean the same are the same: dividers at either end count nothing, `#.*` is `*.#`, and `#.#` is `#`.
//!
//! These are not the patterns of the catalogue, which divides by dots only and orders otherwise: a network has to agree on them.

use std::cmp::Ordering;

use crate::limits::{PATTERN_OCTETS_MAX, PATTERN_WORDS_MAX};

/// A word of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Word {
    /// Any words, none included.
    Any,
    /// One word, whichever.
    One,
    /// This word.
    Literal(Box<str>),
}

/// A pattern of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Box<[Word]>);

/// The words of an address.
pub(super) fn words(address: &str) -> impl Iterator<Item = &str> {
    address.trim_matches(['.', '/']).split(['.', '/'])
}

impl Pattern {
    /// Reads a pattern; `None` if it has no word, or too many.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let word = |word: &str| match word {
            "#" => Word::Any,
            "*" => Word::One,
            _ => Word::Literal(word.into()),
        };
        let read: Vec<Word> = words(text).take(PATTERN_WORDS_MAX + 1).map(word).collect();
        let is_pattern = text.len() <= PATTERN_OCTETS_MAX && read.len() <= PATTERN_WORDS_MAX;
        let is_named = !text.trim_matches(['.', '/']).is_empty();
        (is_pattern && is_named).then(|| Self(settle(read)))
    }

    /// The pattern of a prefix: itself, and all that has more words.
    #[must_use]
    pub fn of_prefix(prefix: &str) -> Option<Self> {
        Self::new(&format!("{}/#", prefix.trim_end_matches(['.', '/'])))
    }

    pub(super) fn words(&self) -> &[Word] {
        &self.0
    }

    /// Whether it matches an address; the measure of what the tree finds. The work is the product of both numbers of words at most.
    #[must_use]
    pub fn matches(&self, address: &str) -> bool {
        let words: Vec<&str> = words(address).collect();
        // Whether the pattern so far matches the first words, by how many words those are.
        let mut matched = vec![false; words.len() + 1];
        matched.iter_mut().take(1).for_each(|none| *none = true);
        for part in &self.0 {
            let mut next = vec![false; words.len() + 1];
            let mut has_matched = false;
            let before = std::iter::once((false, "")).chain(matched.iter().copied().zip(words.iter().copied()));
            for ((next, (before, word)), here) in next.iter_mut().zip(before).zip(&matched) {
                has_matched |= *here;
                *next = match part {
                    Word::Any => has_matched,
                    Word::One => before,
                    Word::Literal(literal) => before && **literal == *word,
                };
            }
            matched = next;
        }
        matched.last() == Some(&true)
    }
}

/// Has `*` stand before `#` and `#` stand once, where they follow each other.
fn settle(words: Vec<Word>) -> Box<[Word]> {
    let mut settled: Vec<Word> = Vec::with_capacity(words.len());
    for word in words {
        match (settled.last(), &word) {
            (Some(Word::Any), Word::Any) => {}
            (Some(Word::Any), Word::One) => settled.insert(settled.len() - 1, word),
            _ => settled.push(word),
        }
    }
    settled.into()
}

impl Ord for Pattern {
    fn cmp(&self, other: &Self) -> Ordering {
        // The end says more than `#` and less than all else.
        let kind = |word: Option<&Word>| match word {
            Some(Word::Any) => 0_u8,
            None => 1,
            Some(Word::One) => 2,
            Some(Word::Literal(_)) => 3,
        };
        let longest = self.0.len().max(other.0.len());
        let kinds = (0..longest).map(|at| kind(self.0.get(at)).cmp(&kind(other.0.get(at))));
        let text = |word: &Word| match word {
            Word::Literal(text) => text.clone(),
            Word::Any | Word::One => Box::default(),
        };
        kinds.fold(Ordering::Equal, Ordering::then).then_with(|| self.0.iter().map(text).cmp(other.0.iter().map(text)))
    }
}

impl PartialOrd for Pattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).expect(text)
    }

    #[test]
    fn words_match_as_other_routers_have_them() {
        for (text, matched, others) in [
            ("closest/#", &["closest", "closest/a", "closest.a.b", "/closest."][..], &["closestx", ""][..]),
            ("a.*", &["a.b", "a/b"], &["a", "a.b.c"]),
            ("#", &["", "a", "a.b"], &[]),
            ("*", &["a", ""], &["a.b"]),
            ("a.#.z", &["a.z", "a.b/z"], &["a", "z.a"]),
            ("a/b", &["a.b", "/a/b/"], &["a", "a.b.c", "A.b"]),
        ] {
            matched.iter().for_each(|address| assert!(pattern(text).matches(address), "{text} {address}"));
            others.iter().for_each(|address| assert!(!pattern(text).matches(address), "{text} {address}"));
        }
        assert_eq!(Pattern::of_prefix("closest."), Pattern::new("closest/#"));
    }

    #[test]
    fn the_one_that_says_more_is_the_greater_one() {
        let order = ["#", "#.a", "*.#", "*", "*.a", "a.#", "a.#.b", "a", "a.*", "a.b.#", "a.b"];
        for pair in order.windows(2) {
            assert!(pattern(pair[0]) < pattern(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        assert_eq!(pattern("#.*.#.a"), pattern("/*.#/a."));
        assert_eq!(pattern("#.#"), pattern("#"));
        let deep = vec!["a"; PATTERN_WORDS_MAX + 1].join(".");
        for none in ["", "./", &deep, &"a".repeat(PATTERN_OCTETS_MAX + 1)] {
            assert_eq!(Pattern::new(none), None, "{none}");
        }
    }
}
