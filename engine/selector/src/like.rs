//! Patterns of LIKE: `_` stands for one character, `%` for any number of them.
//!
//! Guarantees: a match looks at each character of a string once (and once more for what a pattern starts or ends with); there is no
//! backtracking. What stands between two `%` is searched with one bit for each of its characters (the shift-and algorithm), leftmost
//! first, which is enough: what comes behind has the most room then.

use crate::error::ErrorKind;
use crate::limits::SEGMENT_CHARS_MAX;

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// What stands before the first `%`: all of it, if there is none.
    first: Box<[Unit]>,
    /// What stands between two of them.
    between: Box<[Segment]>,
    /// What stands behind the last one.
    last: Option<Box<[Unit]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Any,
    One(char),
    /// Any number of characters; only while a pattern is read.
    Many,
}

/// What is searched: bit `n` is its character `n`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    /// Where each character stands, in the order of characters.
    masks: Box<[(char, u128)]>,
    /// Where any may stand.
    any: u128,
    /// The last one.
    end: u128,
}

impl Pattern {
    /// Reads a pattern. An escape character makes the next one an ordinary one, if that is `_`, `%` or itself; before others it is one.
    ///
    /// # Errors
    /// `PatternTooLong`.
    pub(crate) fn new(text: &str, escape: Option<char>) -> Result<Self, ErrorKind> {
        let mut units = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let is_meant = |next: &char| matches!(next, '_' | '%') || Some(*next) == escape;
            units.push(match c {
                _ if Some(c) == escape => Unit::One(chars.next_if(is_meant).unwrap_or(c)),
                '_' => Unit::Any,
                '%' => Unit::Many,
                _ => Unit::One(c),
            });
        }
        let mut parts = units.split(|unit| *unit == Unit::Many);
        let first = parts.next().unwrap_or_default().into();
        let last = parts.next_back().map(Into::into);
        let between = parts.filter(|part| !part.is_empty()).map(Segment::new).collect::<Result<_, _>>()?;
        Ok(Self { first, between, last })
    }

    pub(crate) fn matches(&self, mut chars: impl DoubleEndedIterator<Item = char>) -> bool {
        let fits = |unit: &Unit, c: Option<char>| match unit {
            Unit::One(one) => c == Some(*one),
            Unit::Any | Unit::Many => c.is_some(),
        };
        if !self.first.iter().all(|unit| fits(unit, chars.next())) {
            return false;
        }
        let Some(last) = &self.last else { return chars.next().is_none() };
        last.iter().rev().all(|unit| fits(unit, chars.next_back()))
            && self.between.iter().all(|segment| segment.is_found(&mut chars))
    }
}

impl Segment {
    fn new(units: &[Unit]) -> Result<Self, ErrorKind> {
        if units.len() > SEGMENT_CHARS_MAX {
            return Err(ErrorKind::PatternTooLong);
        }
        let (mut masks, mut any, mut end) = (Vec::<(char, u128)>::new(), 0, 0);
        for (index, unit) in units.iter().enumerate() {
            end = 1 << index;
            match unit {
                Unit::One(c) => match masks.binary_search_by_key(c, |&(known, _)| known) {
                    Ok(at) => masks.get_mut(at).into_iter().for_each(|(_, mask)| *mask |= end),
                    Err(at) => masks.insert(at, (*c, end)),
                },
                Unit::Any | Unit::Many => any |= end,
            }
        }
        Ok(Self { masks: masks.into(), any, end })
    }

    /// Reads `chars` to behind the first place where the segment stands.
    fn is_found(&self, chars: &mut impl Iterator<Item = char>) -> bool {
        // Bit `n`: the characters up to here end with the first `n + 1` of the segment.
        let mut state = 0_u128;
        chars.any(|c| {
            let known = self.masks.binary_search_by_key(&c, |&(known, _)| known).ok();
            let mask = known.and_then(|at| self.masks.get(at)).map_or(0, |&(_, mask)| mask);
            state = ((state << 1) | 1) & (mask | self.any);
            state & self.end != 0
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_like(text: &str, pattern: &str, escape: Option<char>) -> bool {
        Pattern::new(pattern, escape).expect("short enough").matches(text.chars())
    }

    /// By the definition: tries every length for each `%`.
    fn naive(text: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|from| naive(&text[from..], rest)),
            Some((c, rest)) => {
                text.split_first().is_some_and(|(first, others)| (*c == '_' || first == c) && naive(others, rest))
            }
        }
    }

    #[test]
    fn escapes_count_before_what_they_can_escape() {
        for (text, pattern, escape, expected) in [
            ("a_b", r"a\_b", Some('\\'), true),
            ("axb", r"a\_b", Some('\\'), false),
            ("a%", "a!%", Some('!'), true),
            ("a!", "a!!", Some('!'), true),
            ("a!b", "a!b", Some('!'), true),
            ("a!", "a!", Some('!'), true),
            ("_x", "%_", Some('%'), false),
            ("_", "%_", Some('%'), true),
            ("äöü", "ä_ü", None, true),
        ] {
            assert_eq!(is_like(text, pattern, escape), expected, "{text} LIKE {pattern} ESCAPE {escape:?}");
        }
    }

    #[test]
    fn segments_are_bounded_and_what_is_anchored_is_not() {
        let long = "x".repeat(SEGMENT_CHARS_MAX + 1);
        assert_eq!(Pattern::new(&format!("%{long}%"), None), Err(ErrorKind::PatternTooLong));
        assert!(is_like(&long, &long, None) && is_like(&long, &format!("{long}%"), None));
        let longest = "x".repeat(SEGMENT_CHARS_MAX);
        assert!(is_like(&long, &format!("%{longest}%"), None));
        assert!(!is_like(&longest, &format!("%{longest}%_"), None));
    }

    #[test]
    fn what_makes_backtracking_slow_is_fast() {
        let (text, pattern) = ("a".repeat(200_000), "%a_".repeat(40) + "%b%");
        assert!(!is_like(&text, &pattern, None));
    }

    proptest! {
        #[test]
        fn matches_are_those_of_the_definition(text in "[abc]{0,10}", pattern in "[ab_%]{0,7}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(is_like(&text, &pattern, None), naive(&chars(&text), &chars(&pattern)));
        }
    }
}
