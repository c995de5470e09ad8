//! Whether a run's figures say something about its server, what exactly, and what else to know before believing them.
//!
//! Three kinds of findings, each a sentence that says what to do: *reasons* make a run invalid (`reasons`), *faults* are messages that
//! were lost, came twice, out of order or not whole (the figures are right, the server is not), *remarks* are for reading (`remarks`).
//! `Standing` says which statement the figures still are, and `headline` says it in a line.
//!
//! A run is valid when its figures are those of the load that was asked for. An open loop at more than a server does is valid as long as
//! the load was offered: what gathers in the server is what was found, and its latencies are said to be none. Where the server held
//! producers back the load was another one, and the run is not valid as a measure of the rate that was asked for.

use crate::latency::{Latencies, Metric};
use crate::require;
use crate::result::{RunResult, Second, Standing, Verdict};
use crate::scenario::Arrivals;
use crate::steady::drift;

mod cores;
mod headline;
mod reasons;
mod remarks;
mod words;

pub use headline::Conclusion;
pub(crate) use words::counted;

/// Lateness that is taken whatever the latencies are, microseconds.
const LAG_US: f64 = 1000.0;
/// Share of a load's p99 that lateness may have.
const LAG_SHARE: f64 = 0.1;
/// Share of the messages due that may be unsent when the measured time is over.
const BEHIND: f64 = 0.01;

impl RunResult {
    /// Fills in the verdict and the requirements. Called once all else is known; called again it says the same.
    pub fn judge(&mut self) {
        let mut verdict = Verdict::default();
        let judged = Judged::of(self);
        let found = judged.reasons();
        let standing = found.iter().map(|(standing, _)| *standing).next();
        verdict.reasons.extend(found.into_iter().map(|(_, reason)| reason));
        judged.audit(&mut verdict);
        if judged.run.measured_s > 0.0 {
            judged.load(&mut verdict.remarks);
            verdict.remarks.extend(judged.unsteady());
            judged.accuracy(&mut verdict.remarks);
        }
        verdict.remarks.extend(judged.kills());
        judged.surroundings(&mut verdict.remarks);
        verdict.standing = standing.unwrap_or_else(|| judged.standing());
        verdict.valid = verdict.standing.is_valid();
        self.requirements = require::check(self);
        self.verdict = verdict;
    }
}

/// A result and what is looked at more than once.
struct Judged<'a> {
    run: &'a RunResult,
    /// The p99 of the load's own latency, microseconds.
    p99_us: Option<f64>,
    /// The p99 of the generator's lateness, microseconds.
    lag_us: f64,
    /// Whether every group is a closed loop.
    is_closed: bool,
    /// Whether its server was killed.
    is_killed: bool,
}

impl<'a> Judged<'a> {
    fn of(run: &'a RunResult) -> Self {
        let p99 = |latencies: &Latencies, metric| Some(latencies.get(metric)?.value_at_quantile(0.99) as f64 / 1e3);
        let groups = &run.scenario.groups;
        Self {
            run,
            p99_us: p99(&run.total.latencies, run.scenario.outcome()),
            lag_us: p99(&run.total.latencies, Metric::Lag).unwrap_or(0.0),
            is_closed: groups
                .iter()
                .filter(|group| group.producers > 0)
                .all(|group| group.arrivals == Arrivals::Closed),
            is_killed: !run.outages.is_empty(),
        }
    }

    /// What the figures of a valid run say.
    fn standing(&self) -> Standing {
        if self.has_backlog() {
            Standing::Backlog
        } else if !self.unsteady().is_empty() {
            Standing::Stretch
        } else if self.is_closed && self.run.total.counts.sent > 0 {
            Standing::Closed
        } else {
            Standing::Load
        }
    }

    /// Whether the server did less than it was offered. One that is killed is to catch up later.
    fn has_backlog(&self) -> bool {
        !self.is_closed && !self.is_killed && (self.run.is_behind() || self.run.has_growing_backlog())
    }

    /// A series of the measured seconds.
    fn series(&self, of: impl Fn(&Second) -> Option<f64>) -> Vec<f64> {
        self.run.timeline.iter().filter(|second| second.measured).filter_map(of).collect()
    }

    fn lag_grows(&self) -> bool {
        drift(&self.series(|second| of_metric(second, Metric::Lag, |percentiles| percentiles.p99)))
            .is_some_and(|drift| drift > 1.0)
    }
}

fn of_metric(second: &Second, metric: Metric, of: fn(&crate::result::Percentiles) -> f64) -> Option<f64> {
    second.percentiles.iter().find(|percentiles| percentiles.metric == metric.name()).map(of)
}

#[cfg(test)]
mod tests;
