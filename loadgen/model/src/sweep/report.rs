//! What a sweep found: one file, for people, charts and plans.

use serde::{Deserialize, Serialize};

use super::{Point, Purpose, SweepSpec};
use crate::number;
use crate::result::{Machine, RunResult, Server};
use crate::scenario::Scenario;

/// Version of this format; a reader refuses others.
pub const FORMAT: u32 = 1;

/// What a sweep found: its points, the knee, and the highest rate that holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SweepResult {
    /// Version of the format.
    pub format: u32,
    /// Version of the generator.
    pub version: String,
    /// When it began, milliseconds since 1970.
    pub started_ms: u64,
    /// What was done at each rate, without passwords.
    pub scenario: Scenario,
    /// Where the load came from.
    pub machine: Machine,
    /// Whom it went to.
    pub server: Server,
    /// Cores that the server could use; absent when the caller did not say. Plans need it.
    pub server_cores: Option<u32>,
    /// What had to hold.
    pub service_level: Vec<String>,
    /// Every run, in order of rate; invalid ones are marked.
    pub points: Vec<Point>,
    /// What a closed loop reached, messages a second.
    pub probed: f64,
    /// The highest rate that holds; absent when none does.
    pub limit: Option<Limit>,
    /// Where the p99 bends, of the points that kept up (Kneedle).
    pub knee: Option<Turn>,
    /// Where rate for each unit of mean latency is largest.
    pub power: Option<Turn>,
    /// Why it ended.
    pub ended: String,
    /// What to know before believing it, a sentence each.
    pub remarks: Vec<String>,
}

/// The highest rate that holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// It, messages a second.
    pub rate: f64,
    /// The lowest rate that does not hold; absent when none was found.
    pub fails_at: Option<f64>,
}

/// A point where the curve turns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Messages a second.
    pub rate: f64,
    /// The latency there, microseconds.
    pub latency_us: f64,
}

/// What was found, for the report.
pub(super) struct Found {
    pub(super) limit: Option<Limit>,
    pub(super) knee: Option<Turn>,
    pub(super) power: Option<Turn>,
    pub(super) ended: String,
    pub(super) probed: f64,
}

pub(super) fn result(spec: &SweepSpec, first: Option<&RunResult>, points: Vec<Point>, found: Found) -> SweepResult {
    SweepResult {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_ms: first.map_or(0, |run| run.started_ms),
        scenario: spec.scenario.without_credentials(),
        machine: first.map(|run| run.machine.clone()).unwrap_or_default(),
        server: first.map(|run| Server { usage: None, ..run.server.clone() }).unwrap_or_default(),
        server_cores: None,
        service_level: spec.service_level.clone(),
        remarks: remarks(&points),
        points,
        probed: found.probed,
        limit: found.limit,
        knee: found.knee,
        power: found.power,
        ended: found.ended,
    }
}

fn remarks(points: &[Point]) -> Vec<String> {
    let mut remarks = Vec::new();
    let invalid = points.iter().filter(|point| !point.is_valid).count() as u64;
    if invalid > 0 {
        remarks.push(format!(
            "{invalid} of {} {} not valid; {} in the list and in nothing else.",
            number::counted(points.len() as u64, "run"),
            number::agreeing(invalid, "is", "are"),
            number::agreeing(invalid, "it is", "they are")
        ));
    }
    let again = points.iter().filter(|point| point.offer.purpose == Purpose::Again && point.holds).count() as u64;
    if again > 0 {
        remarks.push(format!(
            "{} failed once and held when {} tried again: the limit is not sharp on this machine.",
            number::counted(again, "rate"),
            number::agreeing(again, "it was", "they were")
        ));
    }
    let busy = points.iter().any(|point| point.is_valid && point.offer.rate.is_none() && point.generator_share > 0.9);
    if busy {
        remarks.push("In the closed loop the generator was nearly at its limit: the server may do more.".to_owned());
    }
    remarks
}
