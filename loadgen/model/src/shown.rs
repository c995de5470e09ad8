//! Text of others, as it may be shown: on a terminal, in a log, on a page. Names, descriptions and errors are what a stranger chose, and
//! whoever reads them must not obey them.
//!
//! Guarantees:
//! 1. What is shown is one line of characters that have a shape. Control characters, escape sequences, line ends, marks that turn the
//!    direction of writing and whatever else cannot be seen are written as escapes: `\n`, `\u{1b}`, `\u{202e}`.
//! 2. It has as many columns as asked at most; what is shorter than it was ends with `…`.
//! 3. `name`: two that differ look different, unless both are shortened. `sentence`: what was shown once may be shown again, and stays.
//!
//! It does not make text fit for a format with rules of its own: JSON, HTML and Prometheus escape by those.

use std::fmt;

/// Columns of a name at most: more than a name has that people gave, and two or three lines of a terminal.
pub const NAME_COLUMNS: usize = 200;
/// Columns of a sentence at most: an error may quote names, and a peer's description is as long as a frame.
pub const SENTENCE_COLUMNS: usize = 1000;
/// Stands for what was left out.
const MARK: char = '…';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Sentence,
}

/// A text that can be shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    text: &'a str,
    kind: Kind,
    columns_max: usize,
}

/// A name as it is shown: a backslash of it is doubled, and a space at either end is written as an escape.
pub fn name(text: &str) -> Shown<'_> {
    Shown { text, kind: Kind::Name, columns_max: NAME_COLUMNS }
}

/// A sentence as it is shown, which may hold names that were made fit already.
pub fn sentence(text: &str) -> Shown<'_> {
    Shown { text, kind: Kind::Sentence, columns_max: SENTENCE_COLUMNS }
}

/// Several lines of our own, in each of which text of others may be: line ends stay, and nothing is shortened.
pub fn lines(text: &str) -> String {
    let whole = |line| sentence(line).at_most(usize::MAX).to_string();
    text.split('\n').map(whole).collect::<Vec<_>>().join("\n")
}

/// Columns that a text has on a terminal, if it is one that can be shown.
pub fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

impl Shown<'_> {
    /// The same with so many columns at most.
    pub fn at_most(self, columns_max: usize) -> Self {
        Self { columns_max, ..self }
    }

    fn render(&self) -> String {
        let mut shown = String::new();
        // Where the mark goes if the text turns out to be too long.
        let (mut used, mut cut) = (0, 0);
        let mut rest = self.text.chars();
        let mut is_first = true;
        while let Some(c) = rest.next() {
            let is_edge = is_first || rest.as_str().is_empty();
            let before = shown.len();
            self.put(c, is_first, is_edge, &mut shown);
            used += columns(shown.get(before..).unwrap_or_default());
            if used > self.columns_max {
                shown.truncate(cut);
                shown.extend((self.columns_max > 0).then_some(MARK));
                return shown;
            }
            if used < self.columns_max {
                cut = shown.len();
            }
            is_first = false;
        }
        shown
    }

    /// Adds one character of the text.
    fn put(&self, c: char, is_first: bool, is_edge: bool, shown: &mut String) {
        match c {
            '\\' if self.kind == Kind::Name => shown.push_str("\\\\"),
            ' ' if self.kind == Kind::Name && is_edge => shown.push_str("\\u{20}"),
            ' '..='~' => shown.push(c),
            // A mark that combines would combine with what stands before the text.
            _ if is_first => shown.extend(c.escape_debug()),
            // Of a text, other than of a character, marks that combine stay: many languages are written with them.
            _ => shown.extend(String::from_iter(['a', c]).escape_debug().skip(1)),
        }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render())
    }
}

/// Columns of a character: two of the scripts and pictures that terminals draw wide, roughly, and one of all others.
fn width(c: char) -> usize {
    let is_wide = matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}');
    if is_wide { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_seen_is_written() {
        for (text, shown) in [
            ("orders", "orders"),
            ("café", "café"),
            ("cafe\u{301}", "cafe\u{301}"),
            ("\u{301}x", "\\u{301}x"),
            ("e\u{1b}[31mvil\u{7}", "e\\u{1b}[31mvil\\u{7}"),
            ("l\n2030 INFO forged", "l\\n2030 INFO forged"),
            ("\u{202e}123", "\\u{202e}123"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("q\"1'", "q\"1'"),
            ("a\\n", "a\\\\n"),
            (" t ", "\\u{20}t\\u{20}"),
            ("x\u{85}\u{9b}2J", "x\\u{85}\\u{9b}2J"),
        ] {
            assert_eq!(name(text).to_string(), shown, "{text:?}");
        }
        assert_eq!(sentence("it \"is\" \\n at\nan end ").to_string(), "it \"is\" \\n at\\nan end ");
        assert_eq!(lines("one\u{1b}\ntwo"), "one\\u{1b}\ntwo");
    }

    #[test]
    fn what_is_long_is_shortened_with_a_mark() {
        assert_eq!(name("abcdef").at_most(6).to_string(), "abcdef");
        assert_eq!(name("abcdefg").at_most(6).to_string(), "abcde…");
        assert_eq!(name("ab\n\n").at_most(5).to_string(), "ab\\n…");
        assert_eq!(name("😀😀😀").at_most(5).to_string(), "😀😀…");
        assert_eq!(name("a").at_most(0).to_string(), "");
    }

    proptest! {
        #[test]
        fn nothing_of_others_steers_a_terminal(text in "(\\PC|\\pC|[\\\\ \u{1b}\u{202e}]){0,60}", columns_max in 0..80_usize) {
            for shown in [name(&text), sentence(&text)] {
                let shown = shown.at_most(columns_max).to_string();
                prop_assert!(columns(&shown) <= columns_max);
                prop_assert!(!shown.chars().any(|c| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')), "{shown:?}");
            }
        }

        #[test]
        fn names_that_differ_look_different(one in "[ab\\\\ nu{}20\n\t]{0,6}", other in "[ab\\\\ nu{}20\n\t]{0,6}") {
            prop_assert_eq!(one == other, name(&one).to_string() == name(&other).to_string(), "{:?} {:?}", one, other);
        }

        #[test]
        fn what_was_shown_stays_as_it_is(text in "(\\PC|\\pC){0,60}") {
            for shown in [name(&text).to_string(), sentence(&text).to_string()] {
                prop_assert_eq!(sentence(&shown).to_string(), shown);
            }
        }
    }
}
