//! Where messages go that leave an address for good: an address, or a queue of one, whose name may have that of the address in it.
//!
//! Guarantees: nothing leads to where it comes from, nor on from where what a destination names arrives: `dead.{address}` leads from
//! `orders` to `dead.orders`, and from there nowhere. A name that would be too long is cut: addresses of so long names share it.
//!
//! Not here: which messages go there, and how (`engine-core`).

use crate::limits::NAME_MAX;
use crate::name::{QUALIFIER, base, check_destination};

/// What stands for the name of the address that a message leaves.
const ORIGIN: &str = "{address}";

/// Whether messages can be sent there: nowhere, to an address, or to a queue of it.
pub(crate) fn check(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    check_destination(text)?;
    if text.starts_with(ORIGIN) {
        // Names of the node's own begin otherwise than others, and messages leave these, too.
        return Err(format!("a name begins with a word of its own: write it before `{ORIGIN}`, as in dead.{ORIGIN}"));
    }
    let rest = text.split_once(ORIGIN).map_or("", |(_, rest)| rest);
    if rest.contains(ORIGIN) { Err(format!("`{ORIGIN}` stands there twice: write it once")) } else { Ok(()) }
}

/// Whether an address is one that a destination names.
pub(crate) fn leads_to(destination: &str, address: &str) -> bool {
    match base(destination).split_once(ORIGIN) {
        Some((before, behind)) => {
            address.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind)).is_some_and(|rest| !rest.is_empty())
        }
        None => base(destination) == address,
    }
}

/// Where messages go from an address; nowhere if the destination is empty, or messages have come there by it.
#[must_use]
pub fn lead_from(destination: &str, address: &str) -> Option<Box<str>> {
    if destination.is_empty() || leads_to(destination, address) {
        return None;
    }
    let Some((before, behind)) = destination.split_once(ORIGIN) else { return Some(destination.into()) };
    // The name that it is in has this beside it; what is divided by `::` is two names.
    let own =
        destination.split(QUALIFIER).find(|name| name.contains(ORIGIN)).map_or(0, |name| name.len() - ORIGIN.len());
    let room = NAME_MAX.saturating_sub(own);
    let fits = (0..=room.min(address.len())).rev().find(|&at| address.is_char_boundary(at)).unwrap_or(0);
    let address = address.get(..fits).unwrap_or_default();
    Some(format!("{before}{address}{behind}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_address_in_it_and_leads_on_from_nowhere() {
        for (destination, address, to) in [
            ("dead", "a", Some("dead")),
            ("dead::q", "a", Some("dead::q")),
            ("dead", "dead", None),
            ("dead::q", "dead", None),
            ("", "a", None),
            ("dead.{address}", "a.b", Some("dead.a.b")),
            ("dead.{address}", "dead.a.b", None),
            ("dead.{address}", "dead", Some("dead.dead")),
            ("dead.{address}.x", "a", Some("dead.a.x")),
            ("dead.{address}.x", "dead.a.x", None),
            ("dead.{address}.x", "dead.x", Some("dead.dead.x.x")),
            ("DLQ::DLQ.{address}", "a", Some("DLQ::DLQ.a")),
            ("DLQ::DLQ.{address}", "DLQ.a", Some("DLQ::DLQ.DLQ.a")),
            ("DLQ::DLQ.{address}", "DLQ", None),
            ("dead.{address}::all", "a", Some("dead.a::all")),
            ("dead.{address}::all", "dead.a", None),
        ] {
            assert_eq!(lead_from(destination, address).as_deref(), to, "{destination} {address}");
        }
    }

    #[test]
    fn names_that_are_too_long_are_cut() {
        for address in ["a".repeat(NAME_MAX), "ä".repeat(NAME_MAX / 2), format!("x{}", "ä".repeat(NAME_MAX / 2 - 1))]
        {
            for destination in ["dead.{address}", "a.b::dead.{address}.late", "dead.{address}::all"] {
                let to = lead_from(destination, &address).expect("it leads there");
                assert_eq!(check(&to), Ok(()), "{destination}");
                let longest = to.split("::").map(str::len).max().unwrap_or_default();
                assert!((NAME_MAX - 1..=NAME_MAX).contains(&longest), "{longest}");
            }
        }
    }

    #[test]
    fn what_leads_nowhere_is_refused_with_advice() {
        for (text, said) in [
            ("{address}", "begins with a word"),
            ("{address}.dead", "begins with a word"),
            ("a.{address}::b.{address}", "twice"),
            ("$dead", "begin with `$`"),
            ("a::", "1 to 2048"),
        ] {
            let error = check(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
        for text in ["", "dead", "dead::q", "dead.{address}", "DLQ::DLQ.{address}"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }
}
