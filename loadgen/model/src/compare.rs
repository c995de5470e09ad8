//! Two sets of runs side by side: each figure's median and spread, its ratio, how well the ratio is known, and whether that is a
//! difference.
//!
//! How it is tested depends on how many runs there are:
//!
//! * From `RUNS_MIN` runs on each side, each run counts as one value: the rank test of Mann and Whitney, and the ratio of Hodges
//!   and Lehmann with its interval (`estimate::rank_test`). This is the test to trust, since it sees what differs from run to run.
//! * Of fewer runs, the seconds within them are drawn in blocks (`estimate::bootstrap`). That sees how a figure varies within a
//!   run, and nothing of what would be different had the server been started anew; the comparison says so. A percentile's interval
//!   is that of its seconds' percentiles, relative to their mean, laid about the ratio of the percentiles of all values, as
//!   percentiles are not averaged.
//! * Figures without a series (the server's CPU, its memory) are not tested then.
//!
//! Runs that are not valid are left out, and that is said first: their figures are not those of what was to be measured. Where that
//! leaves nothing of a side there is no conclusion, and there are no rows that could be read as one.
//!
//! Guarantees: the same results give the same comparison (chance has a fixed seed), and what differs between the sides besides
//! their figures is named. Whether that is allowed, the caller says; by default it is refused.

use serde::{Deserialize, Serialize};

use crate::estimate::bootstrap::{self, Ratio};
use crate::estimate::order::{median, sorted};
use crate::estimate::rank_test;
use crate::figure::{Figure, Statistic, What};
use crate::latency::Metric;
use crate::number::{self, Unit};
use crate::result::{Percentiles, RunResult, Second};

mod alike;

pub use alike::{Difference, Subject};

/// Version of the format of a comparison.
pub const FORMAT: u32 = 2;
/// Runs on each side from which each is one value: of three and three, no arrangement of ranks is rarer than one in ten.
pub const RUNS_MIN: usize = 4;
/// Seed of what is drawn.
const SEED: u64 = 1;
/// A chance below which a difference is called one.
const CHANCE: f64 = 0.05;
/// A ratio within this of 1, with all of its interval, is none that matters.
const SAME: f64 = 0.02;

/// What may differ between what is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differences {
    /// Nothing: machine, scenario and server are the same.
    Refused,
    /// The server: that is what is compared.
    OfServers,
    /// Anything; the comparison names it.
    Allowed,
}

/// Why results are not compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// A side has no runs.
    #[error("there is nothing to compare: each side needs at least one run")]
    Empty,
    /// They are not of the same machine, scenario or server.
    #[error("these runs are not alike: {}; a ratio of them would say nothing about one cause. Allow differences if that is what you want", listed(.0))]
    NotAlike(Vec<Difference>),
}

fn listed(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Two sets of runs side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Version of the format.
    pub format: u32,
    /// The one side, to which the other is compared.
    pub one: Side,
    /// What is compared to it.
    pub other: Side,
    /// Whether figures were compared at all.
    pub conclusion: Conclusion,
    /// Which runs are left out and why, a sentence for each side that has such.
    pub left_out: Vec<String>,
    /// What is not the same on both, besides figures.
    pub differences: Vec<Difference>,
    /// Each figure that both have; empty without a conclusion.
    pub rows: Vec<Row>,
    /// What to know before believing it, a sentence each.
    pub remarks: Vec<String>,
}

/// One side of a comparison: runs of the same load on the same server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The scenario's name.
    pub name: String,
    /// What the server says of itself.
    pub product: String,
    /// How many runs there are.
    pub runs: usize,
    /// How many of them are valid: those that are compared.
    pub valid: usize,
    /// When the first began, milliseconds since 1970.
    pub started_ms: u64,
}

/// Whether a comparison says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Both sides have valid runs, which were compared.
    Compared,
    /// A side has none, so that nothing was compared.
    NoValidRun,
}

/// One figure of both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name, such as `receive.p99`.
    pub figure: String,
    /// What it is counted in.
    pub unit: Unit,
    /// Whether more is better.
    pub better: Better,
    /// Its values on the one side.
    pub one: Values,
    /// Its values on the side that is compared.
    pub other: Values,
    /// The other beside the one; absent where that is 0.
    pub ratio: Option<f64>,
    /// A 95 % interval of the ratio; absent when it was not tested.
    pub interval: Option<(f64, f64)>,
    /// The chance of such a difference if there were none.
    pub chance: Option<f64>,
    /// How that was found.
    pub method: Method,
    /// What it comes to.
    pub change: Change,
}

/// Values of a figure over the runs of a side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// The middle.
    pub median: f64,
    /// The least.
    pub low: f64,
    /// The most.
    pub high: f64,
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// More of it.
    Higher,
    /// Less of it.
    Lower,
}

/// How a difference was tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// By the ranks of runs.
    Ranks,
    /// By blocks of seconds.
    Blocks,
    /// It was not: there is too little of it.
    Untested,
}

/// What a ratio comes to, for the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is better, and that is no chance.
    Better,
    /// It is worse, and that is no chance.
    Worse,
    /// There is none that matters.
    Same,
    /// The runs do not tell.
    Unclear,
}

/// Figures without a metric that are compared, and which way they are better.
const PLAIN: [(&str, Better); 6] = [
    ("rate", Better::Higher),
    ("cpu_us", Better::Lower),
    ("memory_peak", Better::Lower),
    ("messages_per_sync", Better::Higher),
    ("written_per_byte", Better::Lower),
    ("written_per_message", Better::Lower),
];

/// Latencies that are compared, and what of each.
const METRICS: [Metric; 5] = [Metric::Receive, Metric::Round, Metric::Accept, Metric::Settle, Metric::Service];
const STATISTICS: [&str; 7] = ["p50", "p90", "p99", "p99.9", "p99.99", "mean", "max"];

/// Compares the valid runs of `other` with those of `one`.
///
/// # Errors
/// When a side is empty, or they are not alike and that is not allowed.
pub fn compare(one: &[RunResult], other: &[RunResult], allowed: Differences) -> Result<Comparison, CompareError> {
    let sides = [("A", one), ("B", other)];
    let left_out = sides.into_iter().filter_map(|(name, runs)| left_out(name, runs)).collect();
    let valid = [one, other].map(|runs| runs.iter().filter(|run| run.verdict.valid).collect::<Vec<_>>());
    let conclusion =
        if valid.iter().all(|runs| !runs.is_empty()) { Conclusion::Compared } else { Conclusion::NoValidRun };
    let all = [one, other].map(|runs| runs.iter().collect::<Vec<_>>());
    // What is left out need not be alike; where nothing else is there, it is what the sides are.
    let [one, other] = match conclusion {
        Conclusion::Compared => &valid,
        Conclusion::NoValidRun => &all,
    };
    let (Some(first), Some(second)) = (one.first(), other.first()) else { return Err(CompareError::Empty) };
    let differences = alike::differences(one, other);
    let is_refused = |difference: &Difference| match allowed {
        Differences::Refused => true,
        Differences::OfServers => difference.subject != Subject::Server,
        Differences::Allowed => false,
    };
    let refused: Vec<Difference> = differences.iter().filter(|difference| is_refused(difference)).cloned().collect();
    if !refused.is_empty() {
        return Err(CompareError::NotAlike(refused));
    }
    let of_metric =
        |metric: Metric| STATISTICS.map(|statistic| (format!("{}.{statistic}", metric.name()), Better::Lower));
    let plain = PLAIN.map(|(name, better)| (name.to_owned(), better));
    let figures = plain.into_iter().chain(METRICS.into_iter().flat_map(of_metric));
    let (rows, remarks) = match conclusion {
        Conclusion::NoValidRun => (Vec::new(), Vec::new()),
        Conclusion::Compared => {
            (figures.filter_map(|(name, better)| row(&name, better, one, other)).collect(), remarks(one, other))
        }
    };
    let side = |first: &RunResult, [runs, valid]: [usize; 2]| Side {
        name: first.scenario.name.clone(),
        product: first.server.product.clone(),
        runs,
        valid,
        started_ms: first.started_ms,
    };
    let [of_one, of_other] = [0, 1].map(|at: usize| [all[at].len(), valid[at].len()]);
    Ok(Comparison {
        format: FORMAT,
        one: side(first, of_one),
        other: side(second, of_other),
        conclusion,
        left_out,
        differences,
        remarks,
        rows,
    })
}

/// Which runs of a side are not compared, and why the first of them is not valid.
fn left_out(side: &str, runs: &[RunResult]) -> Option<String> {
    let invalid: Vec<_> = runs.iter().filter(|run| !run.verdict.valid).collect();
    let reason = invalid.iter().find_map(|run| run.verdict.reasons.first()).map_or("", String::as_str);
    let count = |runs: usize| number::counted(runs as u64, "run");
    let told = match (invalid.len(), runs.len()) {
        (0, _) => return None,
        (1, 1) => format!("The run of {side} is not valid."),
        (invalid, all) if invalid == all => format!("None of the {} of {side} is valid.", count(all)),
        (invalid, all) => {
            let are = number::agreeing(invalid as u64, "is", "are");
            format!("{invalid} of the {} of {side} {are} not valid, and left out.", count(all))
        }
    };
    Some(if reason.is_empty() { told } else { format!("{told} {reason}") })
}

/// One figure, if both sides know it.
fn row(name: &str, better: Better, one: &[&RunResult], other: &[&RunResult]) -> Option<Row> {
    let figure = Figure::parse(name, &one.first()?.scenario).ok()?;
    let of = |runs: &[&RunResult]| runs.iter().filter_map(|run| figure.value(run)).collect::<Vec<f64>>();
    let (of_one, of_other) = (of(one), of(other));
    let (values_one, values_other) = (values(&of_one)?, values(&of_other)?);
    let has_ratio = values_one.median > 0.0 && values_other.median > 0.0;
    let ratio = has_ratio.then(|| values_other.median / values_one.median);
    let tested = ratio.and_then(|ratio| {
        if of_one.len().min(of_other.len()) >= RUNS_MIN {
            by_ranks(&of_one, &of_other).map(|found| (Method::Ranks, found))
        } else {
            by_blocks(&figure, ratio, one, other).map(|found| (Method::Blocks, found))
        }
    });
    let found = tested.map(|(_, found)| found);
    Some(Row {
        figure: name.to_owned(),
        unit: figure.unit(),
        better,
        one: values_one,
        other: values_other,
        ratio,
        interval: found.map(|found| (found.low, found.high)),
        chance: found.map(|found| found.chance),
        method: tested.map_or(Method::Untested, |(method, _)| method),
        change: found.map_or(Change::Unclear, |found| change(found, better)),
    })
}

fn values(of_runs: &[f64]) -> Option<Values> {
    let sorted = sorted(of_runs.iter().copied());
    Some(Values { median: median(sorted.iter().copied())?, low: *sorted.first()?, high: *sorted.last()? })
}

fn by_ranks(one: &[f64], other: &[f64]) -> Option<Ratio> {
    // Ratios are differences of logarithms; a 0 has none.
    let logarithms = |values: &[f64]| values.iter().map(|value| value.max(f64::MIN_POSITIVE).ln()).collect::<Vec<_>>();
    let (shift, low, high) = rank_test::shift(&logarithms(one), &logarithms(other))?;
    Some(Ratio { ratio: shift.exp(), low: low.exp(), high: high.exp(), chance: rank_test::mann_whitney(one, other)? })
}

fn by_blocks(figure: &Figure, ratio: f64, one: &[&RunResult], other: &[&RunResult]) -> Option<Ratio> {
    let parts = |runs: &[&RunResult]| {
        runs.iter().map(|run| series(figure, run)).filter(|part| !part.is_empty()).collect::<Vec<_>>()
    };
    let found = bootstrap::ratio_of_means(&parts(one), &parts(other), SEED)?;
    Some(Ratio {
        ratio,
        low: ratio * found.low / found.ratio,
        high: ratio * found.high / found.ratio,
        chance: found.chance,
    })
}

/// A figure in each measured second of a run.
fn series(figure: &Figure, run: &RunResult) -> Vec<f64> {
    let measured = run.timeline.iter().filter(|second| second.measured && second.length_s > 0.0);
    measured.filter_map(|second| in_second(figure, run, second)).collect()
}

fn in_second(figure: &Figure, run: &RunResult, second: &Second) -> Option<f64> {
    match figure.what {
        What::Named(named) if named.name == "rate" => {
            let counts = &second.counts;
            let ended = match run.scenario.outcome() {
                Metric::Receive => counts.received,
                Metric::Round => counts.replies,
                _ => counts.accepted,
            };
            Some(ended as f64 / second.length_s)
        }
        What::Latency(Some(metric), statistic) => {
            let percentiles = second.percentiles.iter().find(|percentiles| percentiles.metric == metric.name())?;
            of_percentiles(percentiles, statistic)
        }
        What::Named(_) | What::Latency(None, _) => None,
    }
}

fn of_percentiles(percentiles: &Percentiles, statistic: Statistic) -> Option<f64> {
    match statistic {
        Statistic::Mean => Some(percentiles.mean),
        Statistic::Quantile(0.5) => Some(percentiles.p50),
        Statistic::Quantile(0.9) => Some(percentiles.p90),
        Statistic::Quantile(0.99) => Some(percentiles.p99),
        Statistic::Quantile(quantile) if (quantile - 0.999).abs() < 1e-9 => Some(percentiles.p99_9),
        // The largest of a run is one value, and one value has no spread; so has next to the largest.
        Statistic::Quantile(_) | Statistic::Min | Statistic::Max => None,
    }
}

fn change(found: Ratio, better: Better) -> Change {
    if found.low >= 1.0 / (1.0 + SAME) && found.high <= 1.0 + SAME {
        return Change::Same;
    }
    let is_more = found.low > 1.0;
    if found.chance >= CHANCE || (!is_more && found.high >= 1.0) {
        return Change::Unclear;
    }
    if is_more == (better == Better::Higher) { Change::Better } else { Change::Worse }
}

fn remarks(one: &[&RunResult], other: &[&RunResult]) -> Vec<String> {
    let mut remarks = Vec::new();
    for (side, runs) in [("A", one), ("B", other)] {
        let faulty = runs.iter().filter(|run| !run.verdict.faults.is_empty()).count();
        if faulty > 0 {
            let all = number::counted(runs.len() as u64, "run");
            remarks.push(format!(
                "In {faulty} of the {all} of {side} messages were lost, or came twice, out of order or damaged."
            ));
        }
    }
    if one.len().min(other.len()) < RUNS_MIN {
        remarks.push(format!(
            "With fewer than {RUNS_MIN} runs on each side, what differs from run to run is not in the intervals: repeat both sides, in turns, before you believe a small difference."
        ));
    }
    remarks.push("Of twenty figures tested one differs by chance: look for what agrees with itself.".to_owned());
    remarks
}

#[cfg(test)]
mod tests;
