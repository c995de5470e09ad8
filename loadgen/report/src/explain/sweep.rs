//! What a sweep found, in sentences; the same in the terminal and on the page.

use load_model::result::Percentiles;
use load_model::sweep::{Limit, Point, SweepResult};

use crate::number;

/// Share by which what was offered may miss what was asked, and is not told.
const MISSED: f64 = 0.01;

/// Up to which rate a sweep's service level holds, in one line.
pub(crate) fn limit(result: &SweepResult) -> String {
    let level = if result.service_level.is_empty() { "The rate".to_owned() } else { result.service_level.join(", ") };
    match result.limit {
        Some(limit) => format!("{level} holds up to {} messages a second", number::rate(limit.rate)),
        None => format!("{level} holds at no rate that was tried"),
    }
}

/// What is known of rates above the highest that holds.
pub(crate) fn beyond(result: &SweepResult, limit: Limit) -> String {
    let is_higher = |point: &&Point| point.rate().is_some_and(|rate| rate > limit.rate);
    match (limit.fails_at, result.points.iter().any(|point| is_higher(&point))) {
        (Some(rate), _) => format!("fails at {}", number::per_second(rate)),
        (None, true) => "no run at a higher rate is valid".to_owned(),
        (None, false) => "no higher rate was tried".to_owned(),
    }
}

/// The latencies of a point that its sweep is about.
pub(crate) fn outcome_of<'a>(result: &SweepResult, point: &'a Point) -> Option<&'a Percentiles> {
    let outcome = result.scenario.outcome().name();
    point.percentiles.iter().find(|percentiles| percentiles.metric == outcome)
}

/// All runs in order of the rate that was asked, whatever came of it; closed loops, which have none, first.
pub(crate) fn in_order(result: &SweepResult) -> Vec<&Point> {
    let mut points: Vec<&Point> = result.points.iter().collect();
    let asked = |point: &Point| point.rate().unwrap_or(f64::NEG_INFINITY);
    points.sort_by(|one, other| asked(one).total_cmp(&asked(other)));
    points
}

/// Whether a run holds, in a word, and whether that is good.
pub(crate) fn standing(point: &Point) -> (&'static str, bool) {
    match (point.is_valid, point.holds) {
        (false, _) => ("not valid", false),
        (true, false) => ("no", false),
        (true, true) => ("yes", true),
    }
}

/// Why a run does not hold, or is not valid, a sentence each; of one that did not offer what was asked, that first.
pub(crate) fn why_not(point: &Point) -> Vec<String> {
    let missed = point.rate().filter(|asked| (point.offered - asked).abs() > MISSED * asked);
    let missed = missed.map(|asked| {
        format!("{} of the {} asked were offered.", number::per_second(point.offered), number::per_second(asked))
    });
    missed.into_iter().chain(point.why.iter().cloned()).collect()
}
