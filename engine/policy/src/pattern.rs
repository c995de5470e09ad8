//! One entry of `sourcePattern` or `targetPattern`: a pattern of addresses as routers have them, whose first or last word may be the
//! connection's user.
//!
//! A user's name may have dots and slashes itself, as mail addresses have. It is one word here, and is looked for at the address' end
//! before that is divided.

use engine_router::limits::{PATTERN_OCTETS_MAX, PATTERN_WORDS_MAX};
use engine_router::matching::Pattern;

use crate::name::{USER, divide};

/// What divides words.
const DIVIDERS: [char; 2] = ['.', '/'];

/// A pattern of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserPattern {
    /// For all users alike.
    All(Pattern),
    /// The user; nothing else.
    User,
    /// The user, then words of a pattern.
    UserFirst(Pattern),
    /// Words of a pattern, then the user.
    UserLast(Pattern),
}

impl UserPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn new(text: &str) -> Result<Self, String> {
        let read = |text: &str| {
            let too_long = || format!("a pattern has 1 to {PATTERN_WORDS_MAX} words and {PATTERN_OCTETS_MAX} octets");
            Pattern::new(text).ok_or_else(too_long)
        };
        let only_word = || format!("{USER} has to be a word of its own: write a dot or a slash beside it");
        match divide(text)? {
            (_, None) => read(text).map(Self::All),
            ("", Some("")) => Ok(Self::User),
            ("", Some(behind)) if behind.starts_with(DIVIDERS) => read(behind).map(Self::UserFirst),
            (before, Some("")) if before.ends_with(DIVIDERS) => read(before).map(Self::UserLast),
            ("", Some(_)) | (_, Some("")) => Err(only_word()),
            (_, Some(_)) => {
                Err(format!("{USER} is neither the first word nor the last one: patterns take it there only"))
            }
        }
    }

    /// Whether it allows an address to a user. An empty address is no address; whoever has no name is no user.
    #[must_use]
    pub fn allows(&self, user: &str, address: &str) -> bool {
        if address.is_empty() {
            return false;
        }
        match self {
            Self::All(pattern) => pattern.matches(address),
            _ if user.is_empty() => false,
            Self::User => address == user,
            Self::UserFirst(pattern) => match address.strip_prefix(user) {
                // A pattern such as `#` stands for no word, too.
                Some("") => matches_nothing(pattern),
                Some(left) => left.strip_prefix(DIVIDERS).is_some_and(|left| matches_words(pattern, left)),
                None => false,
            },
            Self::UserLast(pattern) => match address.strip_suffix(user) {
                Some("") => matches_nothing(pattern),
                Some(left) => left.strip_suffix(DIVIDERS).is_some_and(|left| matches_words(pattern, left)),
                None => false,
            },
        }
    }
}

/// Whether a pattern stands for no word at all.
fn matches_nothing(pattern: &Pattern) -> bool {
    // No text has no words: an empty one has an empty word, which `*` stands for, too.
    Pattern::new("#").is_some_and(|any| *pattern == any)
}

/// Whether a pattern matches what is beside the user. Dividers that follow each other there have an empty word between them.
fn matches_words(pattern: &Pattern, words: &str) -> bool {
    if words.is_empty() { matches_nothing(pattern) } else { pattern.matches(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_the_first_word_or_the_last_one() {
        for (text, user, allowed, denied) in [
            ("a.*", "u", &["a.b", "a/b"][..], &["a", "a.b.c", ""][..]),
            ("#", "u", &["a", "a.b"], &[""]),
            ("${user}", "u", &["u"], &["ux", "u.x", "${user}", ""]),
            ("${user}.#", "u", &["u", "u.a", "u/a.b", "u."], &["ux", "ux.a", "a.u"]),
            ("${user}/*", "u", &["u.a", "u/a"], &["u", "u.", "u.a.b"]),
            ("#.${user}", "u", &["u", "a.u", "a/b/u"], &["au", "a.bu", "u.a"]),
            ("tmp.*.${user}", "u", &["tmp.1.u"], &["tmp.u", "tmp.1.v", "tmp.1.2.u"]),
            ("${user}.*", "me@a.org", &["me@a.org.x"], &["me@a.org", "me@a.org.x.y", "me@a"]),
            ("${user}.#", "", &[], &["", ".a", "a"]),
        ] {
            let pattern = UserPattern::new(text).expect(text);
            allowed.iter().for_each(|address| assert!(pattern.allows(user, address), "{text} {address}"));
            denied.iter().for_each(|address| assert!(!pattern.allows(user, address), "{text} {address}"));
        }
    }

    #[test]
    fn what_could_never_match_is_no_pattern() {
        for (text, told) in [
            ("a.${user}.b", "neither the first word nor the last"),
            ("x${user}", "a word of its own"),
            ("${user}x", "a word of its own"),
            ("${user}.${user}", "once"),
            ("", "0 octets"),
            ("./", "words"),
        ] {
            assert!(UserPattern::new(text).expect_err(text).contains(told), "{text}");
        }
    }
}
