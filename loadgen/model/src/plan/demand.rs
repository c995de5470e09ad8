//! What a load takes besides processors: disk, memory, network, connections.
//!
//! Each is a rate of something that was measured for each message. Where nothing was measured, nothing is said.

use super::{Bound, Swept, Wanted};
use crate::estimate::order::median;
use crate::latency::Metric;
use crate::sweep::Point;

/// Share of a sweep's largest rate from which its points are like a loaded server: a batch that holds few messages writes more for
/// each.
const LOADED: f64 = 0.3;

/// What a loaded server writes for each message, octets: between the sizes that were measured a line, beyond them as many for each
/// octet of a body.
pub(super) fn written_per_message(swept: &[Swept<'_>], body_bytes: f64) -> Option<Bound> {
    let mut sizes: Vec<(f64, Bound)> =
        swept.iter().filter_map(|swept| Some((swept.body_bytes, written(swept)?))).collect();
    sizes.sort_by(|one, other| one.0.total_cmp(&other.0));
    let above = sizes.partition_point(|(size, _)| *size < body_bytes);
    let (low, high) = (above.checked_sub(1).and_then(|at| sizes.get(at)), sizes.get(above));
    match (low, high) {
        (Some((below, at_below)), Some((beyond, at_beyond))) => {
            let share = (body_bytes - below) / (beyond - below);
            let between = |of: fn(&Bound) -> f64| of(at_below) + share * (of(at_beyond) - of(at_below));
            Some(Bound { value: between(|at| at.value), low: between(|at| at.low), high: between(|at| at.high) })
        }
        // Who does not write bodies does not write larger ones.
        (Some((size, at)), None) | (None, Some((size, at))) if at.high < size / 2.0 => {
            Some(at.times((body_bytes / size).max(1.0)))
        }
        // What is written besides the body is the same for a larger one, and for a smaller.
        (Some((size, at)), None) | (None, Some((size, at))) => {
            let more = body_bytes - size;
            let least = |value: f64| (value + more).max(body_bytes);
            let most = at.high * (body_bytes / size).max(1.0);
            Some(Bound { value: least(at.value), low: least(at.low), high: most.max(least(at.high)) })
        }
        (None, None) => None,
    }
}

fn written(swept: &Swept<'_>) -> Option<Bound> {
    spread(&of_loaded(swept, |point| point.usage.as_ref()?.written_per_message))
}

/// Syncs a second of one core, at most: a device that does fewer makes batches larger.
pub(super) fn syncs_per_core(swept: &[Swept<'_>]) -> Option<f64> {
    let of_point = |swept: &Swept<'_>, point: &Point| {
        Some(point.usage.as_ref()?.syncs? as f64 / point.measured_s.max(1.0) / swept.cores)
    };
    let all = swept.iter().flat_map(|swept| swept.sweep.points.iter().filter_map(move |point| of_point(swept, point)));
    all.max_by(f64::total_cmp)
}

/// Memory of the server for each core, octets: the most that it had.
pub(super) fn memory_per_core(swept: &[Swept<'_>]) -> Option<f64> {
    let of_point =
        |swept: &Swept<'_>, point: &Point| Some(point.usage.as_ref()?.memory_peak_bytes as f64 / swept.cores);
    let all = swept.iter().flat_map(|swept| swept.sweep.points.iter().filter_map(move |point| of_point(swept, point)));
    all.filter(|bytes| *bytes > 0.0).max_by(f64::total_cmp)
}

/// Connections at least: by Little's law one producer has no more than its window on the way, for as long as a message takes to be
/// accepted.
pub(super) fn connections(swept: &Swept<'_>, wanted: &Wanted, utilisation: f64, most: f64) -> Option<f64> {
    let groups = &swept.sweep.scenario.groups;
    let window = groups.iter().map(|group| f64::from(group.window)).fold(f64::INFINITY, f64::min);
    let curve = |metric| super::latency::Curve::of(swept, most, metric, crate::figure::Statistic::Mean);
    let at = |metric| {
        curve(metric).at(utilisation).or_else(|| curve(metric).points.last().map(|point| Bound::exact(point.1)))
    };
    let mean_us = at(Metric::Accept).or_else(|| at(swept.sweep.scenario.outcome()))?.value;
    Some((wanted.rate * mean_us / 1e6 / window).ceil().max(1.0))
}

/// Values of the points at which the server had something to do.
fn of_loaded(swept: &Swept<'_>, of: impl Fn(&Point) -> Option<f64>) -> Vec<f64> {
    let largest = swept.sweep.points.iter().map(|point| point.achieved).fold(0.0, f64::max);
    let loaded = swept.sweep.points.iter().filter(|point| point.achieved >= LOADED * largest);
    loaded.filter_map(of).collect()
}

fn spread(values: &[f64]) -> Option<Bound> {
    let value = median(values.iter().copied())?;
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    Some(Bound { value, low, high: values.iter().copied().fold(0.0, f64::max) })
}
