//! One entry of `sources` or `targets`: a name of addresses, in which `${user}` stands for the connection's user, and a star at the end for
//! any rest.
//!
//! Guarantee: a user's own name is taken as it is; no star in it stands for anything.

use crate::limits::TEXT_OCTETS_MAX;

/// What stands for the user.
pub(crate) const USER: &str = "${user}";

/// A name of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    before: Box<str>,
    /// What follows the user; `None`: the name has none.
    behind: Option<Box<str>>,
    rest: Rest,
}

/// What may follow a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    /// Anything: the name ended with a star.
    Any,
    Nothing,
}

/// Divides a text at the user that it names, if it names one.
///
/// # Errors
/// When it is empty, too long, or names the user several times.
pub(crate) fn divide(text: &str) -> Result<(&str, Option<&str>), String> {
    if text.is_empty() || text.len() > TEXT_OCTETS_MAX {
        return Err(format!("it has {} octets: 1 to {TEXT_OCTETS_MAX} are taken", text.len()));
    }
    match text.split_once(USER) {
        None => Ok((text, None)),
        Some((_, behind)) if behind.contains(USER) => Err(format!("it has {USER} several times: write it once")),
        Some((before, behind)) => Ok((before, Some(behind))),
    }
}

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn new(text: &str) -> Result<Self, String> {
        let (before, behind) = divide(text)?;
        let last = behind.unwrap_or(before);
        let (last, rest) = match last.strip_suffix('*') {
            Some(last) => (last, Rest::Any),
            None => (last, Rest::Nothing),
        };
        Ok(match behind {
            Some(_) => Self { before: before.into(), behind: Some(last.into()), rest },
            None => Self { before: last.into(), behind: None, rest },
        })
    }

    /// Whether it allows an address to a user. An empty address is no address.
    #[must_use]
    pub fn allows(&self, user: &str, address: &str) -> bool {
        let Some(left) = address.strip_prefix(&*self.before) else { return false };
        let left = match &self.behind {
            None => Some(left),
            Some(behind) => left.strip_prefix(user).and_then(|left| left.strip_prefix(&**behind)),
        };
        let fits = match self.rest {
            Rest::Any => left.is_some(),
            Rest::Nothing => left == Some(""),
        };
        fits && !address.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_or_end_with_a_star_and_may_have_the_user() {
        for (text, user, allowed, denied) in [
            ("a", "u", &["a"][..], &["", "ab", "A", "a*"][..]),
            ("a*", "u", &["a", "ab", "a.b", "a*"], &["", "b"]),
            ("*", "u", &["a", "*"], &[""]),
            ("a*b", "u", &["a*b"], &["ab", "axb", "a*"]),
            ("tmp-${user}", "u", &["tmp-u"], &["tmp-", "tmp-ux", "tmp-${user}", "tmp-v"]),
            ("${user}-tmp", "u", &["u-tmp"], &["-tmp", "v-tmp"]),
            ("a.${user}.b", "u", &["a.u.b"], &["a..b", "a.u.bc"]),
            ("a.${user}.b*", "u", &["a.u.b", "a.u.bc"], &["a.v.bc"]),
            ("${user}*", "u", &["u", "u.x", "ux"], &["v"]),
            ("${user}", "u*", &["u*"], &["u", "ux"]),
            ("tmp-${user}", "", &["tmp-"], &["tmp-u"]),
            ("*${user}", "u", &["*u"], &["au"]),
        ] {
            let name = Name::new(text).expect(text);
            allowed.iter().for_each(|address| assert!(name.allows(user, address), "{text} {address}"));
            denied.iter().for_each(|address| assert!(!name.allows(user, address), "{text} {address}"));
        }
        for (text, told) in [("", "0 octets"), ("${user}${user}", "once"), (&"a".repeat(2049), "2049")] {
            assert!(Name::new(text).expect_err(text).contains(told), "{text}");
        }
    }
}
