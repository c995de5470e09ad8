//! Addresses that users of a group may send to, or receive from: names or patterns, one of which allows. None allow nothing.

use engine_router::matching::{Pattern, Tree};

use crate::limits::ENTRIES_MAX;
use crate::name::Name;
use crate::pattern::UserPattern;

/// Addresses that are allowed.
#[derive(Clone, Debug)]
pub enum Addresses {
    /// One of these names.
    Names(Box<[Name]>),
    /// One of these patterns.
    Patterns {
        /// Those that are for all users alike, found by their words: messages ask, too.
        all: Tree<()>,
        /// Those in which the user stands.
        users: Box<[UserPattern]>,
    },
}

impl Default for Addresses {
    fn default() -> Self {
        Self::Names(Box::default())
    }
}

impl Addresses {
    /// Those of names.
    ///
    /// # Errors
    /// Which entry is none, why, and what to do.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        read(names, Name::new).map(|names| Self::Names(names.into()))
    }

    /// Those of patterns.
    ///
    /// # Errors
    /// As `of_names`.
    pub fn of_patterns<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let (mut all, mut users): (Vec<Pattern>, Vec<UserPattern>) = (Vec::new(), Vec::new());
        for pattern in read(patterns, UserPattern::new)? {
            match pattern {
                UserPattern::All(pattern) => all.push(pattern),
                pattern => users.push(pattern),
            }
        }
        Ok(Self::Patterns { all: all.into_iter().map(|pattern| (pattern, ())).collect(), users: users.into() })
    }

    /// Whether they allow an address to a user.
    #[must_use]
    pub fn allow(&self, user: &str, address: &str) -> bool {
        match self {
            Self::Names(names) => names.iter().any(|name| name.allows(user, address)),
            Self::Patterns { all, users } => {
                let is_for_all = || !address.is_empty() && all.best(address).is_some();
                is_for_all() || users.iter().any(|pattern| pattern.allows(user, address))
            }
        }
    }
}

/// Reads entries of a list.
fn read<'a, T>(
    texts: impl IntoIterator<Item = &'a str>,
    of: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut texts = texts.into_iter();
    let read = texts.by_ref().take(ENTRIES_MAX).map(|text| of(text).map_err(|wrong| format!("{text:?}: {wrong}")));
    let read = read.collect::<Result<_, _>>()?;
    match texts.next() {
        None => Ok(read),
        Some(_) => Err(format!("there are more than {ENTRIES_MAX}: write patterns, or names with a star")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_them_allows_and_none_allow_nothing() {
        let names = Addresses::of_names(["a", "b*", "c.${user}"]).expect("names");
        let patterns = Addresses::of_patterns(["a", "b.#", "c.${user}"]).expect("patterns");
        for (address, by_name, by_pattern) in [
            ("a", true, true),
            ("bx", true, false),
            ("b/x", true, true),
            ("c.u", true, true),
            ("c/u", false, true),
            ("c.v", false, false),
            ("", false, false),
        ] {
            assert_eq!(names.allow("u", address), by_name, "{address}");
            assert_eq!(patterns.allow("u", address), by_pattern, "{address}");
        }
        assert!(!Addresses::default().allow("u", "a"));
        assert!(!Addresses::of_patterns(["#"]).expect("a pattern").allow("u", ""), "no address is none");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_entry() {
        let wrong = Addresses::of_patterns(["a", "x${user}"]).expect_err("it is no pattern");
        assert!(wrong.starts_with("\"x${user}\": "), "{wrong}");
        let many = vec!["a"; ENTRIES_MAX + 1];
        assert!(Addresses::of_names(many.iter().copied()).expect_err("too many").contains("more than"));
        assert!(Addresses::of_names(many[1..].iter().copied()).is_ok());
    }
}
