//! Latency at a load: what was measured at the same utilisation.
//!
//! Queues of one kind wait for as many service times at the same share of their most, whatever that is: what a server of another
//! size needs for a latency is the utilisation at which it was measured. Between points the logarithm of the latency is a line;
//! beyond the most that was measured nothing is said.

use super::{Bound, Swept};
use crate::figure::{Statistic, What};
use crate::latency::Metric;
use crate::require::Threshold;

/// Utilisation that is planned for without a service level, and beyond which nothing is planned: what is left takes a compaction, a
/// reconnect, a burst.
pub(super) const UTILISATION_MAX: f64 = 0.8;

/// Latencies over utilisation.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    /// In order of utilisation; latencies in microseconds.
    pub(super) points: Vec<(f64, f64)>,
}

/// Up to which utilisation something holds: the last one measured that holds, and the first that does not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    pub(super) bound: Bound,
    /// Whether more was measured and did not hold.
    pub(super) is_limited: bool,
}

impl Curve {
    /// Of the open loops of a sweep that kept up, in a server whose most is `most`.
    pub(super) fn of(swept: &Swept<'_>, most: f64, metric: Metric, statistic: Statistic) -> Self {
        let kept = swept.sweep.points.iter().filter(|point| point.is_valid && point.keeps_up && point.rate().is_some());
        let place =
            |point: &crate::sweep::Point| Some((point.achieved / most, statistic.of(point.latencies.get(metric)?)));
        let mut points: Vec<_> = kept.filter_map(place).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        Self { points }
    }

    /// The latency at a utilisation, with those of the points about it as bounds.
    pub(super) fn at(&self, utilisation: f64) -> Option<Bound> {
        let above = self.points.partition_point(|(place, _)| *place < utilisation);
        let (low, high) = (self.points.get(above.checked_sub(1)?)?, self.points.get(above)?);
        let share = (utilisation - low.0) / (high.0 - low.0).max(f64::MIN_POSITIVE);
        let value = (low.1.ln() + share * (high.1.ln() - low.1.ln())).exp();
        Some(Bound { value, low: low.1.min(high.1), high: low.1.max(high.1) })
    }

    /// Up to which utilisation the latency is at most `most_us`; `None` if at none. A single point above it among those that hold
    /// does not count: it is the chance of one run.
    pub(super) fn share_below(&self, most_us: f64) -> Option<Share> {
        let holds: Vec<bool> = self.points.iter().map(|point| point.1 <= most_us).collect();
        let is_end = |at: usize| {
            let next = |further: usize| holds.get(at + further).copied().unwrap_or(false);
            !next(0) && !next(1)
        };
        let end = (0..holds.len()).find(|at| is_end(*at)).unwrap_or(holds.len());
        let last = holds.iter().take(end).rposition(|holds| *holds)?;
        let low = self.points.get(last)?;
        let Some(high) = self.points.get(last + 1) else {
            return Some(Share { bound: Bound { value: low.0, low: low.0, high: low.0 }, is_limited: false });
        };
        let share = (most_us.ln() - low.1.ln()) / (high.1.ln() - low.1.ln());
        let value = low.0 + share.clamp(0.0, 1.0) * (high.0 - low.0);
        Some(Share { bound: Bound { value, low: low.0, high: high.0 }, is_limited: true })
    }
}

/// Which latency a threshold speaks of.
pub(super) fn of_threshold(threshold: &Threshold, outcome: Metric) -> Option<(Metric, Statistic)> {
    match threshold.figure.what {
        What::Latency(metric, statistic) => Some((metric.unwrap_or(outcome), statistic)),
        What::Named(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Curve {
        Curve { points: (1..10).map(|at| f64::from(at) / 10.0).map(|share| (share, 100.0 / (1.0 - share))).collect() }
    }

    #[test]
    fn latencies_are_those_at_the_same_utilisation() {
        let bound = queue().at(0.55).expect("it was measured about there");
        assert!((bound.value - 222.0).abs() < 2.0 && bound.low == 200.0 && bound.high == 250.0, "{bound:?}");
        assert_eq!(queue().at(0.95), None, "nothing is said beyond what was measured");
        let share = queue().share_below(300.0).expect("some hold");
        assert!((share.bound.value - 0.665).abs() < 0.01 && share.is_limited, "{share:?}");
        assert_eq!(queue().share_below(50.0), None);
        let all = queue().share_below(5000.0).expect("all hold");
        assert!(all.bound.value == 0.9 && !all.is_limited, "{all:?}");
    }

    #[test]
    fn one_odd_point_is_no_limit() {
        let mut curve = queue();
        curve.points[1].1 = 9000.0;
        assert!((curve.share_below(300.0).expect("some hold").bound.value - 0.665).abs() < 0.01);
        curve.points[0].1 = 9000.0;
        assert_eq!(curve.share_below(300.0), None, "two are");
    }
}
