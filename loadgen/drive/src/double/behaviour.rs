//! What a double does with messages, as plain data and as people write it.
//!
//! `sink`, `relay`, `stall:2s,1s`, `delay:lognormal:5ms,50ms`, `lossy:lose=1000,reorder=500`.

use std::fmt;
use std::str::FromStr;

use load_model::units::Span;

use super::distribution::Distribution;
use super::fault::Losses;

/// What a double does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Behaviour {
    /// Accepts everything at once and forgets it; consumers get nothing.
    Sink,
    /// Gives what comes to an address to its consumers in turn, to all of them where it is a topic.
    Relay,
    /// A relay that neither reads nor writes for a while.
    Stall {
        /// When that begins, after the first message came.
        at: Span,
        /// How long it lasts.
        length: Span,
    },
    /// A relay that holds each message, and its acceptance, for a time of its own. Messages overtake each other, as
    /// they do in every server that works on several at once.
    Delay {
        /// How long.
        distribution: Distribution,
        /// Where the sequence of delays begins.
        seed: u64,
    },
    /// A relay that does what no server may.
    Lossy(Losses),
}

/// Why a behaviour was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no behaviour: write sink, relay, stall:2s,1s, delay:fixed:10ms, delay:uniform:1ms,20ms, delay:exponential:5ms, \
     delay:lognormal:5ms,50ms, delay:bimodal:1ms,50ms,100 or lossy:lose=1000,duplicate=1000,reorder=1000,corrupt=1000"
)]
pub struct BehaviourError(String);

impl FromStr for Behaviour {
    type Err = BehaviourError;

    fn from_str(text: &str) -> Result<Self, BehaviourError> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let parsed = match kind {
            "sink" if rest.is_empty() => Some(Self::Sink),
            "relay" if rest.is_empty() => Some(Self::Relay),
            "stall" => rest
                .split_once(',')
                .and_then(|(at, length)| Some(Self::Stall { at: at.parse().ok()?, length: length.parse().ok()? })),
            "delay" => Distribution::parse(rest).map(|distribution| Self::Delay { distribution, seed: 1 }),
            "lossy" => Losses::parse(rest).map(Self::Lossy),
            _ => None,
        };
        parsed.ok_or_else(|| BehaviourError(text.to_owned()))
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sink => f.write_str("sink"),
            Self::Relay => f.write_str("relay"),
            Self::Stall { at, length } => write!(f, "stall:{at},{length}"),
            Self::Delay { distribution, .. } => write!(f, "delay:{distribution}"),
            Self::Lossy(losses) => write!(f, "lossy:{losses}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood_and_printed_so_that_it_is_understood_again() {
        for text in [
            "sink",
            "relay",
            "stall:2s,1s",
            "delay:fixed:10ms",
            "delay:uniform:1ms,20ms",
            "delay:exponential:5ms",
            "delay:lognormal:5ms,50ms",
            "delay:bimodal:1ms,50ms,100",
            "lossy:lose=1000,duplicate=500,reorder=300,corrupt=20",
        ] {
            let behaviour: Behaviour = text.parse().expect(text);
            assert_eq!(behaviour.to_string(), text);
        }
        for text in ["", "sunk", "sink:1", "stall:2s", "delay:fixed", "delay:uniform:9ms,1ms", "lossy:lose=0", "lossy:"]
        {
            let error = text.parse::<Behaviour>().expect_err(text);
            assert!(error.to_string().contains("write sink"), "{error}");
        }
    }
}
