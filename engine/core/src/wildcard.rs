//! Patterns that somebody subscribes to: what shards tell each other of them, and how what leads to them is called.
//!
//! Guarantees: peers can neither make nor name what leads there (`attach`, `nodes`).
//!
//! Not here: what a shard knows (`patterns`), and what it does (`spreading`, `wider`).

use engine_catalogue::Pattern;

use crate::fact::INTERNAL;

/// How names of the queues begin that lead to subscriptions on another shard.
pub(crate) const WILDCARD_PREFIX: &str = "$wildcard::";

/// What the names of their addresses have behind that of all internal ones.
const ADDRESS_PREFIX: &str = "wildcard.";

/// What of the subscriptions of a pattern outlives the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Some of them, with their durable messages.
    Durable,
    /// None.
    Nothing,
}

/// What one shard tells another of a pattern. Steps of one shard to another arrive in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternStep {
    /// The shard that tells.
    pub from: u16,
    /// The pattern, which is the name of an address.
    pub pattern: Box<str>,
    /// What is told.
    pub what: Subscribing,
}

/// What a step says of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscribing {
    /// Of its owner: somebody subscribes. Answered by `Known`.
    Subscribed {
        /// What outlives the node.
        keeps: Keeps,
        /// Named again in the answer.
        round: u64,
    },
    /// To its owner: what is sent to any address here that matches is led there from now on.
    Known {
        /// Of the step that this answers.
        round: u64,
    },
    /// Of its owner: nobody subscribes any more.
    Unsubscribed,
}

/// Whether subscriptions to an address of this name are to all addresses that match it.
pub(crate) fn is_wildcard(name: &str) -> bool {
    // Nearly no name has one of these.
    name.bytes().any(|octet| matches!(octet, b'*' | b'#')) && !name.starts_with('$') && Pattern::is_meant(name)
}

/// The address on a shard whose queue leads to the subscriptions of a pattern.
pub(crate) fn leading_address(shard: u16, pattern: &str) -> String {
    format!("{INTERNAL}{ADDRESS_PREFIX}{shard}.{pattern}")
}

/// The name of that queue.
pub(crate) fn leading_queue(pattern: &str) -> String {
    format!("{WILDCARD_PREFIX}{pattern}")
}

/// The pattern that a queue of this name leads to.
pub(crate) fn pattern_of_queue(name: &str) -> Option<&str> {
    name.strip_prefix(WILDCARD_PREFIX)
}

/// The address whose settings hold for one of this name: what leads to the subscriptions of a pattern has those of the pattern.
pub(crate) fn settings_name(address: &str) -> &str {
    let led = address.strip_prefix(INTERNAL).and_then(|rest| rest.strip_prefix(ADDRESS_PREFIX));
    led.and_then(|rest| rest.split_once('.')).map_or(address, |(_, pattern)| pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_their_pattern_and_back() {
        let address = leading_address(12, "news.*.eu.#");
        assert_eq!(address, "$heddle.wildcard.12.news.*.eu.#");
        assert_eq!(settings_name(&address), "news.*.eu.#");
        assert_eq!(pattern_of_queue(&leading_queue("news.#")), Some("news.#"));
        for other in ["news.#", "$heddle.transactions", "$heddle.wildcard"] {
            assert_eq!((settings_name(other), pattern_of_queue(other)), (other, None));
        }
    }

    #[test]
    fn a_name_is_a_wildcard_where_a_whole_word_is() {
        for (name, is) in [("a.*", true), ("#", true), ("a", false), ("a*", false), ("$x.#", false), ("a.b#.c", false)]
        {
            assert_eq!(is_wildcard(name), is, "{name}");
        }
    }
}
