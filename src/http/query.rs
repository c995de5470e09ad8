//! What a question asks for behind its path: which list of `/state` and which part of it; which series of `/metrics`; whether readiness
//! means durable messages, too.
//!
//! Guarantees: what is not known here is told, not passed over, so that nobody takes all queues for those of a prefix that was misspelt.

use crate::node::{Cursor, Part};

/// Things of a list when a question does not say.
const MOST: usize = 1000;
/// Things of a list at most: a few megabytes of text. Whoever wants more goes on.
const MOST_MAX: usize = 10_000;

/// What of the state is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum StateOf {
    /// The node, and the first part of each list.
    Node(Part),
    Queues(Part),
    Connections(Part),
    Links(Part),
}

/// Which series are asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Series {
    /// How names of queues begin that have some.
    pub queues: String,
    /// How names of containers begin that have some.
    pub connections: String,
    /// How many queues, and how many connections, at most.
    pub most: usize,
}

/// Reads the query of `/state`.
///
/// # Errors
/// What is wrong with it, for people.
pub fn state(query: &str) -> Result<StateOf, String> {
    let mut list: Option<(String, String)> = None;
    let (mut after, mut most) = (Cursor::default(), MOST);
    for (name, value) in pairs(query) {
        match name.as_str() {
            "queues" | "connections" | "links" if list.is_none() => list = Some((name, value)),
            "queues" | "connections" | "links" => return Err("one list is given at a time".to_owned()),
            "after" => after = value.parse()?,
            "most" => most = read_most(&value)?,
            _ => {
                return Err(unknown(&name, "queues, connections or links (each with how names begin), after and most"));
            }
        }
    }
    let part = |prefix| Part { prefix, after, most };
    match list {
        Some((name, prefix)) if name == "queues" => Ok(StateOf::Queues(part(prefix))),
        Some((name, prefix)) if name == "connections" => Ok(StateOf::Connections(part(prefix))),
        Some((_, prefix)) => Ok(StateOf::Links(part(prefix))),
        None if after == Cursor::default() => Ok(StateOf::Node(part(String::new()))),
        None => Err("after goes with the list that it goes on in: queues, connections or links".to_owned()),
    }
}

/// Reads the query of `/metrics`.
///
/// # Errors
/// What is wrong with it, for people.
pub fn series(query: &str) -> Result<Series, String> {
    let mut series = Series { queues: String::new(), connections: String::new(), most: MOST };
    for (name, value) in pairs(query) {
        match name.as_str() {
            "queues" => series.queues = value,
            "connections" => series.connections = value,
            "most" => series.most = read_most(&value)?,
            _ => return Err(unknown(&name, "queues and connections (each with how names begin), and most")),
        }
    }
    Ok(series)
}

/// Whether readiness means durable messages, too.
pub fn asks_for_durable(query: &str) -> bool {
    pairs(query).any(|(name, _)| name == "durable")
}

fn read_most(value: &str) -> Result<usize, String> {
    let most = value.parse().ok().filter(|most| (0..=MOST_MAX).contains(most));
    most.ok_or_else(|| format!("most is a number up to {MOST_MAX}"))
}

fn unknown(name: &str, known: &str) -> String {
    format!("{:?} is not known: there is {known}", name.chars().take(40).collect::<String>())
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// The text behind percent signs; what is none stays as it is.
fn decode(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, behind)) = rest.split_first() {
        let digit = |at: usize| (*behind.get(at)? as char).to_digit(16);
        match (octet, digit(0).zip(digit(1))) {
            (b'%', Some((high, low))) => {
                // Two digits of sixteen are an octet.
                octets.push((high * 16 + low) as u8);
                rest = behind.get(2..).unwrap_or_default();
                continue;
            }
            (b'+', _) => octets.push(b' '),
            _ => octets.push(octet),
        }
        rest = behind;
    }
    String::from_utf8_lossy(&octets).into_owned()
}

/// The text with percent signs for what has a meaning of its own in a query.
pub fn encode(text: &str) -> String {
    let keep = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
    text.bytes().map(|octet| if keep(octet) { (octet as char).to_string() } else { format!("%{octet:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(prefix: &str, after: &str, most: usize) -> Part {
        Part { prefix: prefix.to_owned(), after: after.parse().unwrap(), most }
    }

    #[test]
    fn lists_are_asked_for_by_part() {
        for (query, wanted) in [
            ("", StateOf::Node(part("", "0.0", 1000))),
            ("most=0", StateOf::Node(part("", "0.0", 0))),
            ("queues", StateOf::Queues(part("", "0.0", 1000))),
            ("queues=orders.&after=1.4000&most=20", StateOf::Queues(part("orders.", "1.4000", 20))),
            ("most=7&&connections=a%26b%3D%c3%a9+c", StateOf::Connections(part("a&b=é c", "0.0", 7))),
            ("links=%zz%", StateOf::Links(part("%zz%", "0.0", 1000))),
        ] {
            assert_eq!(state(query), Ok(wanted), "{query}");
        }
        for (query, said) in [
            ("queue=a", "not known"),
            ("queues&links", "one list"),
            ("queues&most=-1", "most"),
            ("queues&most=10001", "most"),
            ("queues&after=7", "next"),
            ("after=1.1", "goes with"),
        ] {
            assert!(state(query).unwrap_err().contains(said), "{query}");
        }
    }

    #[test]
    fn series_are_asked_for_by_prefix() {
        let wanted = Series { queues: "orders.".to_owned(), connections: String::new(), most: 5 };
        assert_eq!(series("queues=orders.&most=5"), Ok(wanted));
        assert_eq!(series("").unwrap().most, MOST);
        assert!(series("links=a").is_err());
        assert!(asks_for_durable("verbose&durable") && !asks_for_durable("verbose=durable"));
    }

    #[test]
    fn what_is_encoded_is_read_again() {
        for text in ["", "orders.#", "a&b=c%d+e f", "é\n\"\\"] {
            let query = format!("queues={}", encode(text));
            assert!(query.bytes().all(|octet| octet.is_ascii_graphic()), "{query}");
            assert_eq!(state(&query), Ok(StateOf::Queues(part(text, "0.0", 1000))));
        }
    }
}
