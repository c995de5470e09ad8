//! What the suite runs, and in which order: rounds, in each of them every scenario, for each of those every subject in turn.
//!
//! A visit is one start of a subject: its maximum first, then shares of that. Subjects take turns within a scenario, and another one
//! begins in each round, so that what changes on the machine meanwhile meets them alike.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How hard a subject is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// In a closed loop, as fast as windows allow.
    Maximum,
    /// In an open loop, at so many hundredths of its own maximum.
    Share(u8),
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Maximum => f.write_str("max"),
            Self::Share(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Load {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Maximum);
        }
        let percent = text.strip_suffix('%').and_then(|percent| percent.parse().ok());
        percent.map(Self::Share).ok_or_else(|| format!("{text:?} is no load: write max or 50%"))
    }
}

impl Serialize for Load {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Load {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One start of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Which round, from 1.
    pub round: u32,
    /// The scenario's place.
    pub scenario: usize,
    /// The subject's place.
    pub subject: usize,
}

/// All of them in order.
pub fn visits(rounds: u32, scenarios: usize, subjects: usize) -> Vec<Visit> {
    let of_scenario = |round: u32, scenario: usize| {
        let first = round as usize - 1;
        (0..subjects).map(move |turn| Visit { round, scenario, subject: (first + turn) % subjects })
    };
    (1..=rounds).flat_map(|round| (0..scenarios).flat_map(move |scenario| of_scenario(round, scenario))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_take_turns_and_each_round_begins_with_another() {
        let order = |round| {
            let of_round = visits(3, 2, 3).into_iter().filter(move |visit| visit.round == round);
            of_round.map(|visit| (visit.scenario, visit.subject)).collect::<Vec<_>>()
        };
        assert_eq!(order(1), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
        assert_eq!(order(2), [(0, 1), (0, 2), (0, 0), (1, 1), (1, 2), (1, 0)]);
        assert_eq!(visits(3, 2, 3).len(), 18);
    }

    #[test]
    fn a_load_is_written_so_that_it_is_read_again() {
        for load in [Load::Maximum, Load::Share(10)] {
            assert_eq!(load.to_string().parse(), Ok(load));
        }
        assert!("half".parse::<Load>().is_err());
    }
}
