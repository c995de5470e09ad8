//! Outages: when to kill a server under load, and what that did to those who used it.
//!
//! Guarantees: the same seed is the same gaps between kills; an outage takes from the result only what belongs to the time from its own kill
//! to the next one.
//!
//! What it does not do: kill, or read a clock. Kills are told by the wall clock, as the start of a run is, to the millisecond.

use crate::chance::{Chance, Purpose};
use crate::interval::Resumed;
use crate::result::{Outage, RunResult, Second};

/// Kills of one run: each takes seconds, so that more of them take hours, and their table nobody reads.
pub const KILLS_MAX: u32 = 10_000;
/// Longest life between two kills, in means: an exponential distribution has no end, and whoever waits wants to know when to give up.
const GAP_MAX: f64 = 5.0;

/// How long a server lives until it is killed, life after life.
///
/// Lives have an exponential distribution, cut off at five means: whatever the server is doing, it is as likely to be killed in it.
#[derive(Clone, Debug)]
pub struct Lives {
    chance: Chance,
    mean_ns: f64,
}

impl Lives {
    /// Of a mean length, nanoseconds.
    pub fn new(seed: u64, mean_ns: u64) -> Self {
        Self { chance: Chance::new(seed, Purpose::Kills, 0, 0), mean_ns: mean_ns as f64 }
    }

    /// The length of the next one, nanoseconds.
    pub fn next_ns(&mut self) -> u64 {
        (self.mean_ns * (-self.chance.next_share().ln()).min(GAP_MAX)) as u64
    }
}

/// A kill, by the wall clock: milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// When the server was killed.
    pub at_ms: u64,
    /// When it answered again; absent when it did not.
    pub back_ms: Option<u64>,
}

impl RunResult {
    /// Takes the kills of its server. A message whose outcome the server had not written down comes again behind a kill, whatever credit
    /// there was: that is counted, and is no fault. The verdict is to be made behind this.
    pub fn add_kills(&mut self, kills: &[Kill]) {
        self.outages = outages(kills, self);
        if !kills.is_empty() {
            self.audit.again += std::mem::take(&mut self.audit.duplicates);
        }
    }
}

/// What kills did to a run, in their order.
fn outages(kills: &[Kill], result: &RunResult) -> Vec<Outage> {
    let at_s = |ms: u64| (ms as f64 - result.started_ms as f64) / 1e3;
    let starts = kills.iter().map(|kill| at_s(kill.at_ms));
    let ends = starts.clone().skip(1).chain([f64::INFINITY]);
    let metric = result.scenario.outcome().name();
    let Resumed { accepted_ns, received_ns } = &result.resumed;
    let spans = kills.iter().zip(starts.zip(ends));
    spans
        .map(|(kill, (from_s, to_s))| Outage {
            at_s: from_s,
            answering_s: kill.back_ms.map(|back_ms| at_s(back_ms) - from_s),
            accepted_s: first_within(accepted_ns, from_s, to_s),
            received_s: first_within(received_ns, from_s, to_s),
            longest_us: longest_within(&result.timeline, metric, from_s, to_s),
        })
        .collect()
}

/// From a time to the first of others behind it and before its end, all in seconds but the others.
fn first_within(times_ns: &[u64], from_s: f64, to_s: f64) -> Option<f64> {
    let within = times_ns.iter().map(|ns| *ns as f64 / 1e9).filter(|at_s| (from_s..to_s).contains(at_s));
    within.map(|at_s| at_s - from_s).reduce(f64::min)
}

fn longest_within(timeline: &[Second], metric: &str, from_s: f64, to_s: f64) -> Option<f64> {
    let within = timeline.iter().filter(|row| row.at_s < to_s && row.at_s + row.length_s > from_s);
    let percentiles = within.flat_map(|row| &row.percentiles).filter(|percentiles| percentiles.metric == metric);
    percentiles.map(|percentiles| percentiles.max).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    #[test]
    fn lives_are_repeated_have_their_mean_and_an_end() {
        let lives = |seed| {
            let mut lives = Lives::new(seed, 1_000_000);
            (0..20_000).map(|_| lives.next_ns()).collect::<Vec<_>>()
        };
        let first = lives(1);
        assert_eq!(first, lives(1));
        assert_ne!(first, lives(2));
        let mean = first.iter().sum::<u64>() as f64 / first.len() as f64;
        // What the cut takes away is e^-5 of the mean.
        assert!((mean / 1e6 - (1.0 - (-GAP_MAX).exp())).abs() < 0.03, "{mean}");
        assert_eq!(first.iter().max(), Some(&5_000_000));
        assert!(first.iter().any(|ns| *ns < 10_000), "some are killed as soon as they live");
    }

    #[test]
    fn an_outage_has_what_happened_before_the_next_kill() {
        let mut result = Sample { seconds: 6, ..Sample::default() }.unjudged();
        result.started_ms = 10_000;
        let began_s = result.timeline[0].at_s;
        for (row, max) in result.timeline.iter_mut().zip([1.0, 700.0, 2.0, 900.0, 3.0, 4.0]) {
            row.percentiles.iter_mut().for_each(|percentiles| percentiles.max = max);
        }
        let ms = |s: f64| ((began_s + s) * 1e3) as u64 + 10_000;
        let ns = |s: f64| ((began_s + s) * 1e9) as u64;
        result.resumed =
            Resumed { accepted_ns: vec![ns(1.75), ns(1.5), ns(4.5)], received_ns: vec![ns(0.25), ns(2.25)] };
        let kills = [
            Kill { at_ms: ms(1.0), back_ms: Some(ms(1.25)) },
            Kill { at_ms: ms(2.0), back_ms: Some(ms(2.125)) },
            Kill { at_ms: ms(4.0), back_ms: None },
        ];
        (result.audit.duplicates, result.audit.again) = (3, 4);
        result.add_kills(&[]);
        assert!(result.outages.is_empty() && result.audit.duplicates == 3, "without kills nothing changes");
        result.add_kills(&kills);
        assert_eq!((result.audit.duplicates, result.audit.again), (0, 7));
        let outages = result.outages;
        let of = |answering_s, accepted_s, received_s, longest_us| (answering_s, accepted_s, received_s, longest_us);
        let found: Vec<_> = outages
            .iter()
            .map(|outage| of(outage.answering_s, outage.accepted_s, outage.received_s, outage.longest_us))
            .collect();
        let expected = [
            of(Some(0.25), Some(0.5), None, Some(700.0)),
            of(Some(0.125), None, Some(0.25), Some(900.0)),
            of(None, Some(0.5), None, Some(4.0)),
        ];
        assert_eq!(found, expected);
        assert_eq!(outages[1].at_s, began_s + 2.0);
    }
}
