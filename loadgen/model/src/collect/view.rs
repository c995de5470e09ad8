//! A run as it is to be shown while it goes on: plain values for terminals, metrics and interval logs.

use serde::Serialize;

use crate::interval::Counts;
use crate::latency::Latencies;
use crate::result::{Percentiles, Second};
use crate::worker::Tries;

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Workers attach their links.
    Connecting,
    /// Load goes on and is not counted.
    WarmUp,
    /// Load goes on and is counted.
    Measuring,
    /// Nothing more is sent; what is under way comes in.
    Draining,
}

/// A run as it is to be shown: after each second, and when its phase changes.
#[derive(Clone, Debug)]
pub struct View {
    /// What it is doing.
    pub phase: Phase,
    /// Workers whose links are attached.
    pub ready: u32,
    /// All of them.
    pub workers: u32,
    /// Time of the run that is complete, nanoseconds.
    pub elapsed_ns: u64,
    /// Of that, what lies behind the warm-up, nanoseconds.
    pub measured_ns: u64,
    /// When the warm-up ended; absent as long as it goes on.
    pub warm_up_end_ns: Option<u64>,
    /// When the load ends; absent as long as that is not known.
    pub stop_at_ns: Option<u64>,
    /// What a worker does whose connections are down.
    pub tries: Option<Tries>,
    /// The newest complete second, all groups together; absent when only the phase changed.
    pub second: Option<Second>,
    /// Its latencies, for interval logs.
    pub latencies: Latencies,
    /// Each group in that second.
    pub groups: Vec<GroupView>,
    /// Counts of the measured time so far.
    pub counts: Counts,
    /// Percentiles of the measured time so far.
    pub percentiles: Vec<Percentiles>,
}

/// A group in a second.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// The scenario's name of it.
    pub name: String,
    /// What happened.
    pub counts: Counts,
    /// Percentiles of the metrics that have values.
    pub percentiles: Vec<Percentiles>,
}
