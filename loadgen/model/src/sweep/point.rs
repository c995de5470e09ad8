//! One run of a sweep: what was offered, what came of it, and whether it holds.

use serde::{Deserialize, Serialize};

use super::is_latency;
use crate::latency::Latencies;
use crate::number;
use crate::require::Threshold;
use crate::result::{Percentiles, RunResult, Usage, percentiles};

/// What is to be run next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// Messages a second; absent: a closed loop.
    pub rate: Option<f64>,
    /// What for.
    pub purpose: Purpose,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// A first idea of the most that the server does.
    Probe,
    /// A point of the curve.
    Curve,
    /// To find the highest rate that holds.
    Search,
    /// To see whether a failure was chance.
    Again,
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// What was to be offered.
    pub offer: Offer,
    /// Messages a second that were asked for; in a closed loop, that were sent.
    pub offered: f64,
    /// Messages that came to their end, a second.
    pub achieved: f64,
    /// Octets of a body, on average.
    pub body_bytes: f64,
    /// Measured seconds.
    pub measured_s: f64,
    /// Whether its figures say something about the server, be it that it did not take what was asked for.
    pub is_valid: bool,
    /// Whether the server kept up with what was offered.
    pub keeps_up: bool,
    /// Whether it kept up, nothing was lost, and the service level held.
    pub holds: bool,
    /// Why it does not hold, or is not valid, a sentence each.
    pub why: Vec<String>,
    /// Percentiles of all latencies.
    pub percentiles: Vec<Percentiles>,
    /// What they were made of, as histograms.
    pub latencies: Latencies,
    /// What the server took.
    pub usage: Option<Usage>,
    /// Share of the time in which the generator's busiest thread had something to do.
    pub generator_share: f64,
}

impl Point {
    pub(super) fn of(offer: Offer, run: &RunResult, thresholds: &[Threshold]) -> Self {
        let counts = &run.total.counts;
        let mut why = run.verdict.reasons.clone();
        why.extend(run.verdict.faults.iter().cloned());
        let is_open = offer.rate.is_some();
        let is_of_server = run.verdict.is_of_server();
        let keeps_up = !is_open || !(run.is_behind() || run.has_growing_backlog());
        if run.is_behind() && is_open {
            let [done, offered] = [run.rate(), run.offered()].map(number::per_second);
            why.push(format!("It did {done} of the {offered} offered."));
        } else if !keeps_up {
            why.push("A backlog grew from second to second.".to_owned());
        }
        let is_proven = !run.audit.incomplete || run.scenario.ignore_losses;
        if is_open && !is_proven {
            why.push(format!("Whether anything was lost is not known: {}.", run.audit.not_checked));
        }
        // A closed loop's latencies are those of a server that nobody hurries.
        let asked = thresholds.iter().filter(|threshold| is_open || !is_latency(&threshold.figure));
        let failed = asked.map(|threshold| threshold.check(run)).filter(|requirement| !requirement.holds);
        let before = why.len();
        why.extend(failed.map(|requirement| format!("{} does not hold: {}.", requirement.text, requirement.found)));
        let meets_level = why.len() == before;
        Self {
            offer,
            offered: offer.rate.unwrap_or_else(|| run.offered()),
            achieved: run.rate(),
            body_bytes: counts.sent_bytes as f64 / counts.sent.max(1) as f64,
            measured_s: run.measured_s,
            is_valid: is_of_server,
            keeps_up,
            holds: run.verdict.valid && run.verdict.faults.is_empty() && is_proven && keeps_up && meets_level,
            why,
            percentiles: percentiles(&run.total.latencies),
            latencies: run.total.latencies.clone(),
            usage: run.server.usage.clone(),
            generator_share: run.generator.busiest_share,
        }
    }

    /// The rate that was to be offered, of an open loop.
    pub fn rate(&self) -> Option<f64> {
        self.offer.rate
    }
}
