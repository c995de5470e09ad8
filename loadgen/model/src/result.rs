//! What a run found: one file that says everything, for people, programs, comparisons and plans.
//!
//! Guarantees: a result names the scenario, the machine and the server that it belongs to; percentiles come from histograms of all
//! values; a run that says nothing about its server is marked so (`Verdict`).

use serde::{Deserialize, Serialize};

use crate::interval::{Counts, Resumed};
use crate::latency::Latencies;
use crate::scenario::Scenario;

/// Version of this format; a reader refuses others.
pub const FORMAT: u32 = 1;

/// A run: what was done, where, with what outcome, and whether that says something.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    /// Version of the format.
    pub format: u32,
    /// Version of the generator.
    pub version: String,
    /// When it began, milliseconds since 1970.
    pub started_ms: u64,
    /// What was done, without passwords.
    pub scenario: Scenario,
    /// Where the load came from.
    pub machine: Machine,
    /// Whom it went to.
    pub server: Server,
    /// Length of the warm-up, seconds.
    pub warm_up_s: f64,
    /// Whether the load was steady when the warm-up ended.
    #[serde(default)]
    pub steadiness: Steadiness,
    /// What was measured behind it, seconds.
    pub measured_s: f64,
    /// Someone ended it before its time.
    #[serde(default)]
    pub interrupted: bool,
    /// What kind of statement a demonstration is, a sentence; empty of a run that is to measure something.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub demonstration: String,
    /// All groups together, in the measured time.
    pub total: Figures,
    /// Each group, in the measured time, in the order of the scenario.
    pub groups: Vec<Figures>,
    /// All groups together, second by second, warm-up included.
    pub timeline: Vec<Second>,
    /// Whether every message came, once, in order, whole: over the whole run.
    pub audit: Audit,
    /// The generator's own cost.
    pub generator: Generator,
    /// What its messages cost without a server; absent when it was not measured.
    pub floor: Option<Floor>,
    /// Whether the figures say something about the server.
    pub verdict: Verdict,
    /// What was required, and whether it holds.
    pub requirements: Vec<Requirement>,
    /// Workers on other machines; empty when there was one process.
    #[serde(default)]
    pub workers: Vec<WorkerFacts>,
    /// When messages passed again after connections had broken.
    #[serde(default, skip_serializing_if = "Resumed::is_empty")]
    pub resumed: Resumed,
    /// What kills of the server did; empty when it was not killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Outage>,
    /// What ended the run before its time; absent when it came to its end, or somebody interrupted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_off: Option<CutOff>,
}

/// What ended a run before its time. What is in its result is what was seen until then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CutOff {
    /// Who ended it.
    pub by: Side,
    /// When, seconds of the run; absent when it had not begun.
    pub at_s: Option<f64>,
    /// Why, for people.
    pub why: String,
}

/// What a kill did. Seconds; absent is what did not happen before the next kill, or before the run was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outage {
    /// When the server was killed, seconds of the run.
    pub at_s: f64,
    /// From the kill until it answered again, the time for which it was left down included.
    pub answering_s: Option<f64>,
    /// From the kill until a message was accepted again.
    pub accepted_s: Option<f64>,
    /// From the kill until a message was received again.
    pub received_s: Option<f64>,
    /// The largest latency of the load in the seconds from the kill to the next one, microseconds. A second that two kills share counts for
    /// both: it may say too much, never too little.
    pub longest_us: Option<f64>,
}

/// Who ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The server went away, or was not to be reached.
    Server,
    /// The generator could not go on.
    Generator,
}

/// Whether the load was steady when the warm-up ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Steadiness {
    /// The scenario said how long the warm-up is.
    #[default]
    NotLookedFor,
    /// It was.
    Reached,
    /// It was not, and the longest warm-up was over.
    NotReached,
}

/// Counts and latencies of a group, or of all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// The group's name; `total` for all.
    pub name: String,
    /// What happened.
    pub counts: Counts,
    /// Latencies, as histograms.
    pub latencies: Latencies,
    /// Percentiles for people who read the file; made of the histograms.
    pub percentiles: Vec<Percentiles>,
}

/// Percentiles of one metric, microseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Percentiles {
    /// Name of the metric.
    pub metric: String,
    /// How many values.
    pub count: u64,
    /// Sum over number.
    pub mean: f64,
    /// Least.
    pub min: f64,
    /// Half are smaller.
    pub p50: f64,
    /// 90 of 100 are smaller.
    pub p90: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p99_9: f64,
    /// 9,999 of 10,000.
    pub p99_99: f64,
    /// Most.
    pub max: f64,
}

/// One second of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Second {
    /// Its start, seconds of the run.
    pub at_s: f64,
    /// Its length, seconds.
    pub length_s: f64,
    /// Whether it belongs to the measured time.
    pub measured: bool,
    /// What happened.
    pub counts: Counts,
    /// Percentiles of the metrics that have values.
    pub percentiles: Vec<Percentiles>,
    /// Processor time of the server for each second, cores; absent when it is not known.
    pub server_cpu: Option<f64>,
    /// Memory of the server, octets; absent when it is not known.
    pub server_memory: Option<u64>,
}

/// What became of the messages of a whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Messages that were accepted (or, presettled, sent) and that no consumer had in the end.
    pub lost: u64,
    /// Messages that a place had more than once.
    pub duplicates: u64,
    /// Messages that came again behind a connection that broke, or a server that was killed: they may, and are no fault.
    #[serde(default)]
    pub again: u64,
    /// Messages that came after a later one of the same producer, where one consumer has a queue for itself.
    pub reordered: u64,
    /// Messages whose octets are not those that were sent.
    pub corrupt: u64,
    /// Messages that nobody of this run sent.
    pub foreign: u64,
    /// Messages that came to a consumer whose selector they are not for.
    #[serde(default)]
    pub misplaced: u64,
    /// How often a message group went to another consumer.
    #[serde(default)]
    pub moved: u64,
    /// Messages of which the sender does not know what became of them: they may come or not.
    pub in_doubt: u64,
    /// How many of those the server did not answer though their connection held; the others' broke.
    #[serde(default)]
    pub unanswered: u64,
    /// Messages that were at the addresses before the run, and were taken away before it began.
    #[serde(default)]
    pub leftovers: u64,
    /// Why messages were not looked for: no consumers, or a topic that they joined later; empty when they were.
    pub not_checked: String,
    /// Whether that is for want of something: what a scenario without consumers does not look for it does not want to be looked for.
    #[serde(default)]
    pub incomplete: bool,
    /// The first few faults, for people.
    pub examples: Vec<String>,
}

/// What the generator itself took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Generator {
    /// Threads that loaded.
    pub threads: u32,
    /// Processor time for each second of each thread, 0 to 1; the largest.
    pub busiest_cpu: f64,
    /// Share of the measured time in which the busiest thread had something to do, 0 to 1.
    pub busiest_share: f64,
    /// Processor time for each message sent or received, nanoseconds.
    pub cpu_ns_per_message: f64,
}

/// The messages of the load, each once and at its time, against a loopback echo in the generator's own process: what of a latency is
/// the generator and the system. Nothing is distributed or kept in it, and it is not AMQP.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Floor {
    /// Messages a second.
    pub rate: f64,
    /// Latencies from due to echoed (`receive`), and the generator's lateness (`lag`).
    pub percentiles: Vec<Percentiles>,
    /// The same as histograms.
    pub latencies: Latencies,
    /// In what it differs from the load, a sentence each.
    #[serde(default)]
    pub remarks: Vec<String>,
}

/// Whether the figures say something about the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// They do, under the load that was asked for.
    pub valid: bool,
    /// What they say.
    #[serde(default)]
    pub standing: Standing,
    /// Why they do not, or what else to know, a sentence each.
    pub reasons: Vec<String>,
    /// What does not make it invalid.
    pub remarks: Vec<String>,
    /// Messages that were lost, came twice, out of order or not whole where they must not; these fail a run, valid or not.
    #[serde(default)]
    pub faults: Vec<String>,
}

/// What the figures of a run say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Rates and latencies of the server under the load that was asked for.
    #[default]
    Load,
    /// The same of the measured time as a whole, and of no other: it was not steady.
    Stretch,
    /// Rates; latencies are those of a closed loop.
    Closed,
    /// Rates; the server did less than was offered, so that latencies are those of what gathered.
    Backlog,
    /// Not valid. How much the server takes: it held the producers back, so that the rate asked for was not offered.
    Taken,
    /// Not valid. Rates, and that latencies are not above these: the generator was late by itself.
    Late,
    /// Not valid. That the server does at least so much: the generator did not offer the rate asked for.
    AtLeast,
    /// Not valid. What was seen until the run was cut off.
    CutOff,
    /// Not valid as the proof that was wanted: whether anything was lost is not known.
    Unproven,
    /// Not valid. That the server gave no credit at all: nothing was sent.
    NoCredit,
    /// Not valid. Nothing: too little was measured.
    Nothing,
}

impl Standing {
    /// Whether it is that of a valid run.
    pub fn is_valid(self) -> bool {
        matches!(self, Self::Load | Self::Stretch | Self::Closed | Self::Backlog)
    }
}

impl Verdict {
    /// Whether the server set the rates, be it that it held the load back: what a search for its limits can go by.
    pub fn is_of_server(&self) -> bool {
        self.valid || self.standing == Standing::Taken
    }
}

/// Something that had to hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requirement {
    /// As it was written, such as `p99.9<2ms`.
    pub text: String,
    /// What was found, for people.
    pub found: String,
    /// Whether it holds.
    pub holds: bool,
}

/// Where a load came from; what is empty or 0 is not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name.
    pub host: String,
    /// Model of the processor.
    pub processor: String,
    /// Cores that the process may use.
    pub cores: Vec<usize>,
    /// All cores of the machine.
    pub cores_online: usize,
    /// Memory, octets.
    pub memory_bytes: u64,
    /// System and version.
    pub kernel: String,
    /// Congestion control of TCP.
    pub congestion_control: String,
    /// How the processor's frequency is governed; empty when that is not to be seen.
    pub governor: String,
    /// Whether it is a virtual machine, and under what.
    pub virtualization: String,
}

/// Whom the load went to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Server {
    /// What it says of itself in `open`: product and version; empty when it says nothing.
    pub product: String,
    /// Its container id.
    pub container: String,
    /// Whether it runs on this machine.
    pub local: bool,
    /// What it took; absent when it is neither local nor exposes metrics.
    pub usage: Option<Usage>,
    /// The device and the file system of its data, when they are known.
    pub device: String,
    /// Its configuration, when it tells.
    pub configuration: String,
    /// How many cores it may use; absent when that is not known.
    #[serde(default)]
    pub cores: Option<u32>,
    /// Whether it was a part of the generator's own process, and ended with it.
    #[serde(default)]
    pub is_within: bool,
    /// Cores of this machine on which both it and the load ran.
    #[serde(default)]
    pub shared_cores: Vec<usize>,
}

/// What a server took in the measured time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Where this comes from: `process 123` or `http://127.0.0.1:8161/state`.
    pub source: String,
    /// Processor time for each second, cores.
    pub cpu_cores: f64,
    /// Processor time for each message received (or accepted, where nobody receives), microseconds.
    pub cpu_us_per_message: f64,
    /// Memory at the end, octets.
    pub memory_bytes: u64,
    /// The most that it had.
    pub memory_peak_bytes: u64,
    /// Syncs of its journal; absent when they are not known.
    pub syncs: Option<u64>,
    /// Messages accepted for each sync.
    pub messages_per_sync: Option<f64>,
    /// Octets written to its disk for each octet of body accepted; absent when they are not known.
    pub written_per_byte: Option<f64>,
    /// Octets written to its disk for each message accepted.
    pub written_per_message: Option<f64>,
}

/// A worker on a machine of its own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WorkerFacts {
    /// Where it was reached.
    pub address: String,
    /// Where it ran.
    pub machine: Machine,
    /// Its clock less the coordinator's, nanoseconds.
    pub clock_offset_ns: i64,
    /// How far the offset may be wrong, nanoseconds.
    pub clock_bound_ns: u64,
}

impl Audit {
    /// Of a run that did not begin.
    pub fn nothing_sent() -> Self {
        Self { not_checked: "nothing was sent".to_owned(), incomplete: true, ..Self::default() }
    }
}

impl Figures {
    /// Percentiles of a metric.
    pub fn of(&self, metric: crate::latency::Metric) -> Option<&Percentiles> {
        self.percentiles.iter().find(|percentiles| percentiles.metric == metric.name())
    }
}

/// Percentiles of every metric that has values.
pub fn percentiles(latencies: &Latencies) -> Vec<Percentiles> {
    let us = |ns: u64| ns as f64 / 1000.0;
    let metrics = crate::latency::Metric::ALL.into_iter();
    let with_values = metrics.filter_map(|metric| Some((metric, latencies.get(metric)?)));
    with_values
        .map(|(metric, histogram)| Percentiles {
            metric: metric.name().to_owned(),
            count: histogram.len(),
            mean: histogram.mean() / 1000.0,
            min: us(histogram.min()),
            p50: us(histogram.value_at_quantile(0.5)),
            p90: us(histogram.value_at_quantile(0.9)),
            p99: us(histogram.value_at_quantile(0.99)),
            p99_9: us(histogram.value_at_quantile(0.999)),
            p99_99: us(histogram.value_at_quantile(0.9999)),
            max: us(histogram.max()),
        })
        .collect()
}
