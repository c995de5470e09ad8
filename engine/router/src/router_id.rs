//! The name of a router: container-id of its connections, and word of its addresses.
//!
//! Guarantees: an id is no longer than `ID_OCTETS_MAX`, and has no white space, no control characters and no `/`, so that it can stand in
//! an address and in a line of a log. Ids are ordered by their octets, which decides between paths of equal cost (`paths`).

use std::fmt;
use std::sync::Arc;

use crate::limits::ID_OCTETS_MAX;

/// The name of a router; copies share their text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(Arc<str>);

impl RouterId {
    /// The id of this text; `None` for a text that names no router.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_barred = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '/';
        let is_id = !text.is_empty() && text.len() <= ID_OCTETS_MAX && !text.contains(is_barred);
        is_id.then(|| Self(text.into()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_stand_in_an_address_and_in_a_line() {
        let longest = "r".repeat(ID_OCTETS_MAX);
        for good in ["A", "router.example.org", "Interior_x+1", longest.as_str()] {
            assert_eq!(RouterId::new(good).expect(good).as_str(), good);
        }
        let too_long = "r".repeat(ID_OCTETS_MAX + 1);
        for bad in ["", "a b", "a\tb", "a\u{7f}", "a/b", too_long.as_str()] {
            assert_eq!(RouterId::new(bad), None, "{bad:?}");
        }
        assert!(RouterId::new("a") > RouterId::new("B"), "by octets, as other routers order them");
    }
}
