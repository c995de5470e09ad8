//! What applications of JMS ask of a broker beside sending and receiving: selectors, priorities, message groups, and messages that fail.
//!
//! Guarantees: what `Jms::check` lets pass contradicts neither itself nor its group; each value is printed as it would be written.
//! Not here: which message has which of them (`marks`).

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Group, Pattern, Settle};
use crate::chance::{Chance, Purpose};

/// Octets of a selector, at most: what Heddle takes.
const SELECTOR_BYTES_MAX: usize = 64 << 10;
/// Message groups of an address, at most: each has its place in the ledger, and there may be ten priorities in it.
const MESSAGE_GROUPS_MAX: u32 = 1_000_000;
/// Messages until priorities begin anew, at most: the list of them is kept.
const CYCLE_MAX: u32 = 1000;
/// How often a message may fail: brokers take what failed ten times away, to a dead-letter address.
const FAILURES_MAX: u32 = 9;

/// What applications of JMS ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jms {
    /// The condition that each consumer asks for; empty: none. `{}` stands for the consumer's number, which messages carry as the
    /// property `consumer`: each message is then for one consumer of its address, in turn.
    pub selector: String,
    /// Priorities of messages, taken in turn.
    pub priorities: Priorities,
    /// Message groups of each address, taken in turn; 0: none.
    pub message_groups: u32,
    /// Which messages consumers give back as failed.
    pub fail: Fail,
}

/// Priorities of messages, taken in turn: `0-9`, or `4x8,9` (eight of 4, one of 9); empty: all are normal, and say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Priorities(Vec<(u8, u32)>);

/// Messages that consumers give back as failed: `5%`, or `5%x3`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(into = "String")]
pub struct Fail {
    /// Share of the messages, 0 to 1.
    pub share: f64,
    /// How often each of them fails.
    pub times: u32,
}

impl Default for Fail {
    fn default() -> Self {
        Self { share: 0.0, times: 1 }
    }
}

/// Why a text is none of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JmsError {
    /// It is no list of priorities.
    #[error(
        "{0:?} is no list of priorities: write 0-9, or 4x8,9 for eight messages of priority 4 and one of 9, of at most 1000 in all"
    )]
    Priorities(String),
    /// It is no share of messages.
    #[error("{0:?} is no share of messages that fail: write 5%, or 5%x3 for three times each, at most 9")]
    Fail(String),
}

impl Jms {
    /// Says what is wrong with it in a group: the key, and what would be right.
    ///
    /// # Errors
    /// The first thing that is.
    pub(super) fn check(&self, group: &Group) -> Result<(), (&'static str, String)> {
        let wrong = |key, problem: &str| Err((key, problem.to_owned()));
        if *self == Self::default() {
            return Ok(());
        }
        if group.pattern == Pattern::RequestReply {
            return wrong(
                "pattern",
                "requests have no selector, priorities, message_groups or fail: use queues or topics",
            );
        }
        if self.selector.len() > SELECTOR_BYTES_MAX {
            return wrong("selector", &format!("at most {SELECTOR_BYTES_MAX} octets"));
        }
        if !self.selector.is_empty() && group.consumers == 0 {
            return wrong("selector", "consumers ask for it, and there are none");
        }
        if self.message_groups > MESSAGE_GROUPS_MAX {
            return wrong("message_groups", &format!("at most {MESSAGE_GROUPS_MAX}"));
        }
        if self.message_groups > 0 && group.pattern == Pattern::Topic {
            return wrong("message_groups", "a topic gives each consumer everything: message groups are for queues");
        }
        if self.message_groups > 0 && self.is_dealt() {
            return wrong(
                "message_groups",
                "a selector with {} deals messages out to consumers, which the messages of a group must not be: leave one of them out",
            );
        }
        if self.fail.share > 0.0 && group.consumers == 0 {
            return wrong("fail", "consumers give messages back, and there are none");
        }
        if self.fail.share > 0.0 && group.settle == Settle::Presettled {
            return wrong("fail", "what is sent settled cannot be given back: settle = \"unsettled\" or \"second\"");
        }
        Ok(())
    }

    /// Whether each message is for one consumer of its address.
    pub fn is_dealt(&self) -> bool {
        self.selector.contains("{}")
    }
}

impl Group {
    /// The selector that a consumer asks for, by its number in the group; `None` if it asks for none.
    pub fn selector_of(&self, consumer: u32) -> Option<String> {
        let selector = &self.jms.selector;
        (!selector.is_empty()).then(|| selector.replace("{}", &consumer.to_string()))
    }
}

impl Priorities {
    /// Each message's, until they begin anew; none if messages have none.
    pub fn cycle(&self) -> Vec<u8> {
        self.0.iter().flat_map(|&(priority, count)| std::iter::repeat_n(priority, count as usize)).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut priorities = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (which, count) = part.split_once('x').unwrap_or((part, "1"));
            let (first, last) = which.split_once('-').unwrap_or((which, which));
            let (first, last): (u8, u8) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            let count: u32 = count.trim().parse().ok()?;
            if first > last || last > 9 || count == 0 || count > CYCLE_MAX {
                return None;
            }
            priorities.extend((first..=last).map(|priority| (priority, count)));
        }
        // Each count is bounded and a text is not: what follows is a sum of as many as were written.
        let all: u64 = priorities.iter().map(|&(_, count)| u64::from(count)).sum();
        (all <= u64::from(CYCLE_MAX)).then_some(Self(priorities))
    }
}

impl FromStr for Priorities {
    type Err = JmsError;

    fn from_str(text: &str) -> Result<Self, JmsError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        Self::parse(text).ok_or_else(|| JmsError::Priorities(text.to_owned()))
    }
}

impl fmt::Display for Priorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, &(priority, count)) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            match count {
                1 => write!(f, "{comma}{priority}")?,
                count => write!(f, "{comma}{priority}x{count}")?,
            }
        }
        Ok(())
    }
}

impl Fail {
    /// Whether a message (of a group and a producer, by its sequence) that failed so often before is to fail again: the same ones in each
    /// run of a seed, whoever receives them.
    pub fn is_due(&self, seed: u64, (group, producer, sequence): (u32, u32, u64), failures: u32) -> bool {
        if self.share <= 0.0 || failures >= self.times {
            return false;
        }
        let mut chance = Chance::new(seed ^ sequence, Purpose::Failures, group, producer);
        chance.next_share() <= self.share
    }

    fn parse(text: &str) -> Option<Self> {
        let (share, times) = text.split_once('x').unwrap_or((text, "1"));
        let percent: f64 = share.trim().strip_suffix('%')?.trim().parse().ok()?;
        let times: u32 = times.trim().parse().ok()?;
        let holds = (0.0..=100.0).contains(&percent) && (1..=FAILURES_MAX).contains(&times);
        holds.then_some(Self { share: percent / 100.0, times })
    }
}

impl FromStr for Fail {
    type Err = JmsError;

    fn from_str(text: &str) -> Result<Self, JmsError> {
        Self::parse(text).ok_or_else(|| JmsError::Fail(text.to_owned()))
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Six digits behind the point are more than any run has messages for, and hide what dividing by 100 did.
        write!(f, "{}%", (self.share * 1e8).round() / 1e6)?;
        if self.times == 1 { Ok(()) } else { write!(f, "x{}", self.times) }
    }
}

/// Reads a value that is text in a file; a number may be written without quotes.
struct OfText<T> {
    expected: &'static str,
    found: std::marker::PhantomData<T>,
}

impl<T: FromStr<Err = JmsError>> Visitor<'_> for OfText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

macro_rules! text {
    ($name:ident, $expected:literal) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(written: D) -> Result<Self, D::Error> {
                written.deserialize_any(OfText { expected: $expected, found: std::marker::PhantomData })
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

text!(Priorities, "priorities: \"0-9\", or \"4x8,9\"");
text!(Fail, "messages that fail: \"5%\", or \"5%x3\"");

#[cfg(test)]
mod tests {
    use super::super::Scenario;
    use super::*;

    #[test]
    fn values_are_printed_as_they_are_written() {
        for text in ["", "0,1,2", "4x8,9", "9x1000"] {
            assert_eq!(text.parse::<Priorities>().expect(text).to_string(), text);
        }
        assert_eq!("0-9".parse::<Priorities>().expect("all").cycle(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!("2-3x2, 9".parse::<Priorities>().expect("some").cycle(), [2, 2, 3, 3, 9]);
        for text in ["0%", "5%", "0.1%", "100%x9", "33.3%x2"] {
            assert_eq!(text.parse::<Fail>().expect(text).to_string(), text);
        }
        for text in ["10", "9-0", "4x0", "4x1001", "high", "0-9,", "4x600,5x600", "-"] {
            assert!(text.parse::<Priorities>().is_err(), "{text}");
        }
        for text in ["5", "101%", "-1%", "5%x0", "5%x10", "often", "%"] {
            assert!(text.parse::<Fail>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_says_them_beside_the_other_keys_of_its_group() {
        let text = "[[group]]\nselector = \"consumer = {}\"\npriorities = \"0-9\"\nfail = \"5%x3\"\nhold = \"1ms\"\n\
                    [[group]]\nname = \"b\"\nmessage_groups = 100\npriorities = 9\narrivals = \"poisson\"\n";
        let scenario = Scenario::parse(text).expect("it is one");
        assert_eq!(scenario.groups[0].selector_of(7).as_deref(), Some("consumer = 7"));
        assert_eq!(scenario.groups[0].jms.fail, Fail { share: 0.05, times: 3 });
        assert_eq!((scenario.groups[1].jms.message_groups, scenario.groups[1].selector_of(0)), (100, None));
        let printed = toml::to_string(&scenario).expect("it prints");
        assert_eq!(Scenario::parse(&printed).expect("it is read again"), scenario);
        let json = serde_json::to_string(&scenario).expect("it prints");
        assert_eq!(serde_json::from_str::<Scenario>(&json).expect("it is read again"), scenario);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (text, told) in [
            ("selector = \"a = 1\"\nconsumers = 0", "selector: consumers ask for it, and there are none"),
            ("selector = \"consumer = {}\"\npattern = \"request-reply\"", "requests have no selector"),
            ("message_groups = 10\npattern = \"topic\"", "message groups are for queues"),
            ("message_groups = 10\nselector = \"consumer = {}\"", "leave one of them out"),
            ("message_groups = 1000001", "message_groups: at most 1000000"),
            ("fail = \"5%\"\nsettle = \"presettled\"", "what is sent settled cannot be given back"),
            ("fail = \"5%\"\nconsumers = 0", "fail: consumers give messages back"),
            ("fail = 5", "\"5\" is no share of messages that fail: write 5%"),
            ("fail = true", "messages that fail: \"5%\""),
            ("priorities = \"0-10\"", "\"0-10\" is no list of priorities: write 0-9"),
            ("priority = 9", "unknown field `priority`"),
        ] {
            let error = Scenario::parse(&format!("[[group]]\n{text}")).expect_err(text).to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn the_same_messages_fail_so_often_as_was_asked() {
        let fail = Fail { share: 0.2, times: 3 };
        let of = |sequence| (0, 3, sequence);
        let due: Vec<u64> = (0..10_000).filter(|&sequence| fail.is_due(5, of(sequence), 0)).collect();
        assert!((1800..2200).contains(&due.len()), "{}", due.len());
        assert!(due.iter().all(|&sequence| fail.is_due(5, of(sequence), 2) && !fail.is_due(5, of(sequence), 3)));
        assert!(due.iter().any(|&sequence| !fail.is_due(6, of(sequence), 0)), "another seed, other messages");
        assert!(!Fail::default().is_due(5, of(0), 0));
        assert!((0..100).all(|sequence| Fail { share: 1.0, times: 1 }.is_due(5, of(sequence), 0)));
    }
}
