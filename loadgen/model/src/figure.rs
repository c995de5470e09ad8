//! The figures of a result by name: what thresholds, comparisons and sweeps speak of.
//!
//! A figure is a latency (`p99.9`, `accept.mean`) or one of `NAMED`; both may be those of one group (`orders.p99`). Every name is
//! declared here, once.

use std::fmt;

use crate::interval::Counts;
use crate::latency::{Latencies, Metric};
use crate::number::Unit;
use crate::result::{RunResult, Usage};
use crate::scenario::Scenario;

/// Of which latencies: the value that stands for all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// So great a share is not larger.
    Quantile(f64),
    /// Sum over number.
    Mean,
    /// The least.
    Min,
    /// The most.
    Max,
}

/// A figure as it is asked for: of which group, and what of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The group; absent for all together.
    pub group: Option<String>,
    /// A latency or a named figure.
    pub what: What,
}

/// What a figure says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// A latency; without a metric, that of the end of a message (`outcome`).
    Latency(Option<Metric>, Statistic),
    /// A figure that `NAMED` declares.
    Named(&'static Named),
}

/// A figure that is no latency.
#[derive(Debug)]
pub struct Named {
    /// What thresholds and comparisons call it.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    of: Of,
}

/// Where a figure comes from.
#[derive(Debug)]
enum Of {
    /// The result as a whole.
    Run(fn(&RunResult) -> Option<f64>),
    /// The counts of a group or of all, for each second.
    PerSecond(fn(&Counts) -> u64),
    /// The counts of a group or of all.
    Count(fn(&Counts) -> u64),
    /// The rate at which messages come to their end, of a group or of all.
    Ended,
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

const fn named(name: &'static str, title: &'static str, unit: Unit, of: Of) -> Named {
    Named { name, title, unit, of }
}

/// All figures that are no latencies.
pub static NAMED: [Named; 25] = [
    named("rate", "messages that came to their end, a second", Unit::Rate, Of::Ended),
    named("offered", "messages due, a second", Unit::Rate, Of::PerSecond(|counts| counts.due)),
    named("sent", "messages sent, a second", Unit::Rate, Of::PerSecond(|counts| counts.sent)),
    named("accepted", "messages accepted, a second", Unit::Rate, Of::PerSecond(|counts| counts.accepted)),
    named("received", "messages received, a second", Unit::Rate, Of::PerSecond(|counts| counts.received)),
    named("lost", "messages accepted that never came", Unit::Count, Of::Run(lost)),
    named(
        "duplicates",
        "messages that came more than once",
        Unit::Count,
        Of::Run(|run| Some(run.audit.duplicates as f64)),
    ),
    named("reordered", "messages out of order", Unit::Count, Of::Run(|run| Some(run.audit.reordered as f64))),
    named("corrupt", "messages that were not whole", Unit::Count, Of::Run(|run| Some(run.audit.corrupt as f64))),
    named("foreign", "messages of somebody else", Unit::Count, Of::Run(|run| Some(run.audit.foreign as f64))),
    named("in_doubt", "messages in doubt", Unit::Count, Of::Run(|run| Some(run.audit.in_doubt as f64))),
    named("failed", "deliveries that consumers gave back as failed", Unit::Count, Of::Count(|counts| counts.failed)),
    named("refused", "messages refused", Unit::Count, Of::Count(|counts| counts.refused)),
    named("broken", "connections that broke", Unit::Count, Of::Count(|counts| counts.broken)),
    named("rolled_back", "transactions that failed", Unit::Count, Of::Count(|counts| counts.transactions.rolled_back)),
    named(
        "cpu_us",
        "the server's CPU for a message, µs",
        Unit::Plain,
        Of::Run(|run| used(run, |usage| Some(usage.cpu_us_per_message))),
    ),
    named("cpu_cores", "the server's CPU, cores", Unit::Plain, Of::Run(|run| used(run, |usage| Some(usage.cpu_cores)))),
    named(
        "memory",
        "the server's memory",
        Unit::Octets,
        Of::Run(|run| used(run, |usage| Some(usage.memory_bytes as f64))),
    ),
    named(
        "memory_peak",
        "the server's largest memory",
        Unit::Octets,
        Of::Run(|run| used(run, |usage| Some(usage.memory_peak_bytes as f64))),
    ),
    named(
        "syncs",
        "syncs of the journal",
        Unit::Count,
        Of::Run(|run| used(run, |usage| usage.syncs.map(|syncs| syncs as f64))),
    ),
    named(
        "messages_per_sync",
        "messages for each sync",
        Unit::Plain,
        Of::Run(|run| used(run, |usage| usage.messages_per_sync)),
    ),
    named(
        "written_per_byte",
        "octets written for each of a body",
        Unit::Plain,
        Of::Run(|run| used(run, |usage| usage.written_per_byte)),
    ),
    named(
        "written_per_message",
        "octets written for each message",
        Unit::Octets,
        Of::Run(|run| used(run, |usage| usage.written_per_message)),
    ),
    named(
        "generator_cpu",
        "the generator's busiest thread, 0 to 1",
        Unit::Plain,
        Of::Run(|run| Some(run.generator.busiest_cpu)),
    ),
    named(
        "generator_share",
        "the generator's busiest share, 0 to 1",
        Unit::Plain,
        Of::Run(|run| Some(run.generator.busiest_share)),
    ),
];

/// Messages that were lost; not known where they were not all looked for, or nobody received, and none is known.
fn lost(run: &RunResult) -> Option<f64> {
    let is_heard = run.scenario.groups.iter().any(|group| group.producers > 0 && group.consumers > 0);
    let is_known = run.audit.lost > 0 || is_heard && !run.audit.incomplete;
    is_known.then_some(run.audit.lost as f64)
}

fn used(run: &RunResult, of: impl Fn(&Usage) -> Option<f64>) -> Option<f64> {
    run.server.usage.as_ref().and_then(of)
}

/// Why a figure is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FigureError {
    /// There is none of this name.
    #[error(
        "there is no figure {name:?}: write a percentile such as p99.9, mean, min or max, also behind one of {}, or one of {}",
        metrics(),
        names()
    )]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// There is no such group.
    #[error("there is no group {group:?}: this scenario has {}", groups.join(", "))]
    Group {
        /// What was asked for.
        group: String,
        /// Which ones there are.
        groups: Vec<String>,
    },
    /// It is not known for each group.
    #[error("{name} is known of the whole run only: write it without {group:?}")]
    WholeRun {
        /// The figure.
        name: &'static str,
        /// The group it was asked of.
        group: String,
    },
}

fn metrics() -> String {
    Metric::ALL.map(Metric::name).join(", ")
}

fn names() -> String {
    NAMED.iter().map(|named| named.name).collect::<Vec<_>>().join(", ")
}

impl Figure {
    /// The figure of a name, in results of a scenario.
    ///
    /// # Errors
    /// When there is none of this name; the valid ones.
    pub fn parse(text: &str, scenario: &Scenario) -> Result<Self, FigureError> {
        let unknown = || FigureError::Unknown { name: text.to_owned() };
        let (before, last) = split_last(text.trim());
        if let Some(named) = NAMED.iter().find(|named| named.name == last) {
            let group = before.map(|name| group_of(name, scenario)).transpose()?;
            return match (&named.of, group) {
                (Of::Run(_), Some(group)) => Err(FigureError::WholeRun { name: named.name, group }),
                (_, group) => Ok(Self { group, what: What::Named(named) }),
            };
        }
        let statistic = statistic_of(last).ok_or_else(unknown)?;
        let Some(before) = before else {
            return Ok(Self { group: None, what: What::Latency(None, statistic) });
        };
        let (group, metric) = match before.rsplit_once('.') {
            _ if metric_of(before).is_some() => (None, metric_of(before)),
            Some((group, metric)) if metric_of(metric).is_some() => (Some(group), metric_of(metric)),
            _ => (Some(before), None),
        };
        let group = group.map(|name| group_of(name, scenario)).transpose()?;
        Ok(Self { group, what: What::Latency(metric, statistic) })
    }

    /// What its value is counted in.
    pub fn unit(&self) -> Unit {
        match self.what {
            What::Latency(..) => Unit::Latency,
            What::Named(named) => named.unit,
        }
    }

    /// Its value in a result, if it is known there.
    pub fn value(&self, run: &RunResult) -> Option<f64> {
        match self.what {
            What::Latency(_, statistic) => Some(statistic.of(self.latencies(run)?.get(self.metric(run)?)?)),
            What::Named(named) => self.named(run, named),
        }
    }

    /// How many values a latency is made of; 0 for other figures and where there are none.
    pub fn values(&self, run: &RunResult) -> u64 {
        let metric = self.metric(run);
        let histogram = metric.and_then(|metric| self.latencies(run)?.get(metric));
        histogram.map_or(0, hdrhistogram::Histogram::len)
    }

    /// Which latency it is in a result.
    fn metric(&self, run: &RunResult) -> Option<Metric> {
        let What::Latency(metric, _) = self.what else { return None };
        let of_group =
            |name: &String| run.scenario.groups.iter().find(|group| group.name == *name).map(|group| group.outcome());
        metric.or_else(|| self.group.as_ref().map_or_else(|| Some(run.scenario.outcome()), of_group))
    }

    fn latencies<'a>(&self, run: &'a RunResult) -> Option<&'a Latencies> {
        let of_group = |name: &String| run.groups.iter().find(|group| group.name == *name);
        Some(&self.group.as_ref().map_or(Some(&run.total), of_group)?.latencies)
    }

    fn named(&self, run: &RunResult, named: &Named) -> Option<f64> {
        let place = |name: &String| run.groups.iter().position(|group| group.name == *name);
        let place = self.group.as_ref().map(place);
        let counts = || match place {
            None => Some(&run.total.counts),
            Some(place) => Some(&run.groups.get(place?)?.counts),
        };
        let per_second = |count: u64| (run.measured_s > 0.0).then(|| count as f64 / run.measured_s);
        match named.of {
            Of::Run(of) => of(run),
            Of::Count(of) => Some(of(counts()?) as f64),
            Of::PerSecond(of) => per_second(of(counts()?)),
            Of::Ended => match place {
                None => Some(run.rate()),
                Some(place) => per_second(run.scenario.groups.get(place?)?.ended(counts()?)),
            },
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(group) = &self.group {
            write!(f, "{group}.")?;
        }
        match self.what {
            What::Latency(Some(metric), statistic) => write!(f, "{}.{statistic}", metric.name()),
            What::Latency(None, statistic) => write!(f, "{statistic}"),
            What::Named(named) => f.write_str(named.name),
        }
    }
}

impl Statistic {
    /// Its value, microseconds.
    pub fn of(self, histogram: &hdrhistogram::Histogram<u64>) -> f64 {
        let ns = match self {
            Self::Quantile(quantile) => histogram.value_at_quantile(quantile) as f64,
            Self::Mean => histogram.mean(),
            Self::Min => histogram.min() as f64,
            Self::Max => histogram.max() as f64,
        };
        ns / 1000.0
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Six digits behind the percent are more than any run has values for.
            Self::Quantile(quantile) => write!(f, "p{}", (quantile * 1e8).round() / 1e6),
            Self::Mean => f.write_str("mean"),
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
        }
    }
}

/// Splits off the last name; the dot of `p99.9` splits nothing.
fn split_last(text: &str) -> (Option<&str>, &str) {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some((before, last)) = text.rsplit_once('.') else { return (None, text) };
    if is_number(last) {
        let start = before.rfind('.').map_or(0, |dot| dot + 1);
        let percentile = text.get(start..).unwrap_or(text);
        return (start.checked_sub(1).and_then(|end| text.get(..end)), percentile);
    }
    (Some(before), last)
}

fn statistic_of(name: &str) -> Option<Statistic> {
    match name {
        "mean" => Some(Statistic::Mean),
        "min" => Some(Statistic::Min),
        "max" => Some(Statistic::Max),
        _ => {
            let digits = name.strip_prefix('p').filter(|digits| digits.starts_with(|c: char| c.is_ascii_digit()))?;
            let percent: f64 = digits.parse().ok()?;
            (0.0..100.0).contains(&percent).then_some(Statistic::Quantile(percent / 100.0))
        }
    }
}

fn metric_of(name: &str) -> Option<Metric> {
    Metric::ALL.into_iter().find(|metric| metric.name() == name)
}

fn group_of(name: &str, scenario: &Scenario) -> Result<String, FigureError> {
    if scenario.groups.iter().any(|group| group.name == name) {
        return Ok(name.to_owned());
    }
    let groups = scenario.groups.iter().map(|group| group.name.clone()).collect();
    Err(FigureError::Group { group: name.to_owned(), groups })
}
