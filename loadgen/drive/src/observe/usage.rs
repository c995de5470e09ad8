//! What a server took in the measured time, from looks at it: totals are read at the edges of the window, between two looks in
//! proportion.

use load_model::result::{RunResult, Usage};

use super::process::Totals;
use super::state::Told;

/// What was seen of a server; times are milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// Whether the server is on this machine.
    pub local: bool,
    /// Where the figures come from.
    pub source: String,
    /// Its configuration, as far as it tells.
    pub configuration: String,
    /// The device and file system of its data.
    pub device: String,
    /// How many cores it may use.
    pub cores: Option<u32>,
    /// Cores that both it and the load ran on.
    pub shared_cores: Vec<usize>,
    /// Why something is missing, a sentence each.
    pub remarks: Vec<String>,
    pub(super) processes: Vec<(f64, Totals)>,
    pub(super) told: Vec<(f64, Told)>,
}

impl Observation {
    /// Writes what was seen into a result: the server's usage in the measured time, and its processor time and memory for each second.
    pub fn fill(&self, result: &mut RunResult) {
        let began_ms = result.started_ms as f64;
        let start_ms = began_ms + result.warm_up_s * 1000.0;
        result.server.usage = self.usage(start_ms, result);
        result.server.local = self.local;
        result.server.device.clone_from(&self.device);
        result.server.cores = self.cores;
        result.server.shared_cores.clone_from(&self.shared_cores);
        result.server.configuration.clone_from(&self.configuration);
        for second in &mut result.timeline {
            let from_ms = began_ms + second.at_s * 1000.0;
            let to_ms = from_ms + second.length_s * 1000.0;
            second.server_cpu = self.cpu(from_ms, to_ms);
            second.server_memory = self.memory(to_ms);
        }
    }

    fn usage(&self, start_ms: f64, result: &RunResult) -> Option<Usage> {
        let end_ms = start_ms + result.measured_s * 1000.0;
        let counts = &result.total.counts;
        let cpu_cores = self.cpu(start_ms, end_ms);
        let syncs = growth(&self.told, start_ms, end_ms, |told| told.syncs.map(|syncs| syncs as f64));
        let written =
            growth(&self.processes, start_ms, end_ms, |totals| totals.written_bytes.map(|bytes| bytes as f64));
        let written = written
            .or_else(|| growth(&self.told, start_ms, end_ms, |told| told.written_bytes.map(|bytes| bytes as f64)));
        if cpu_cores.is_none() && syncs.is_none() && written.is_none() {
            return None;
        }
        let messages =
            [counts.received, counts.accepted, counts.sent].into_iter().find(|&count| count > 0).unwrap_or(0);
        let for_each = |total: f64, count: u64| (count > 0).then(|| total / count as f64);
        let accepted = if counts.accepted > 0 { counts.accepted } else { counts.sent };
        // Bodies are counted when they are sent; of those accepted the share is the same.
        let accepted_bytes = for_each(counts.sent_bytes as f64, counts.sent).map(|mean| mean * accepted as f64);
        let cpu_us = cpu_cores.unwrap_or(0.0) * result.measured_s * 1e6;
        Some(Usage {
            source: self.source.clone(),
            cpu_cores: cpu_cores.unwrap_or(0.0),
            cpu_us_per_message: for_each(cpu_us, messages).unwrap_or(0.0),
            memory_bytes: self.memory(end_ms).unwrap_or(0),
            memory_peak_bytes: self.memory_peak(),
            syncs: syncs.map(|syncs| syncs.round() as u64),
            messages_per_sync: syncs.filter(|&syncs| syncs >= 1.0).map(|syncs| accepted as f64 / syncs),
            written_per_byte: written
                .zip(accepted_bytes.filter(|&bytes| bytes > 0.0))
                .map(|(written, bytes)| written / bytes),
            written_per_message: written.and_then(|written| for_each(written, accepted)),
        })
    }

    /// Cores in use between two moments.
    fn cpu(&self, from_ms: f64, to_ms: f64) -> Option<f64> {
        let seen = growth(&self.processes, from_ms, to_ms, |totals| Some(totals.cpu_s));
        let seconds = seen.or_else(|| growth(&self.told, from_ms, to_ms, |told| told.cpu_s))?;
        (to_ms > from_ms).then(|| seconds * 1000.0 / (to_ms - from_ms))
    }

    fn memory(&self, at_ms: f64) -> Option<u64> {
        let seen = value_at(&self.processes, at_ms, |totals| Some(totals.memory_bytes as f64));
        let bytes = seen.or_else(|| value_at(&self.told, at_ms, |told| told.memory_bytes.map(|bytes| bytes as f64)))?;
        Some(bytes as u64)
    }

    /// The most that the server had in this run. What the system calls its peak may be of an earlier one: it counts if it grew.
    fn memory_peak(&self) -> u64 {
        let seen = self.processes.iter().map(|(_, totals)| totals.memory_bytes).max();
        let told = self.told.iter().filter_map(|(_, told)| told.memory_bytes).max();
        let most = seen.or(told).unwrap_or(0);
        match (self.processes.first(), self.processes.last()) {
            // The system notes a peak later than what is in use: what was seen in use may be more than it.
            (Some((_, first)), Some((_, last))) if last.memory_peak_bytes > first.memory_peak_bytes => {
                most.max(last.memory_peak_bytes)
            }
            _ => most,
        }
    }
}

/// How much a total grew between two moments; `None` when it was not seen, or began anew.
fn growth<T>(samples: &[(f64, T)], from_ms: f64, to_ms: f64, of: fn(&T) -> Option<f64>) -> Option<f64> {
    let grown = value_at(samples, to_ms, of)? - value_at(samples, from_ms, of)?;
    (samples.len() > 1 && grown >= 0.0).then_some(grown)
}

/// A value at a moment: between two looks in proportion, outside of all that of the nearest.
fn value_at<T>(samples: &[(f64, T)], at_ms: f64, of: fn(&T) -> Option<f64>) -> Option<f64> {
    let after = samples.partition_point(|(ms, _)| *ms < at_ms);
    let before = after.checked_sub(1).and_then(|index| samples.get(index));
    match (before, samples.get(after)) {
        (Some((from_ms, from)), Some((to_ms, to))) => {
            let share = (at_ms - from_ms) / (to_ms - from_ms);
            Some(of(from)? + (of(to)? - of(from)?) * share)
        }
        (Some((_, only)), None) | (None, Some((_, only))) => of(only),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use load_model::result::{Audit, Generator, Machine, Server, Verdict};

    use super::*;

    fn result() -> RunResult {
        let second = |at_s: f64| {
            serde_json::json!({ "at_s": at_s, "length_s": 1.0, "measured": true, "counts": {}, "percentiles": [],
                                "server_cpu": null, "server_memory": null })
        };
        let figures = serde_json::json!({ "name": "total", "counts": {}, "latencies": {}, "percentiles": [] });
        let result = serde_json::json!({
            "format": 1, "version": "", "started_ms": 1000, "scenario": {}, "machine": Machine::default(), "server": Server::default(),
            "warm_up_s": 0.5, "measured_s": 2.0, "interrupted": false, "total": figures, "groups": [],
            "timeline": [second(0.0), second(1.0)], "audit": Audit::default(),
            "generator": Generator::default(), "floor": null,
            "verdict": Verdict::default(), "requirements": []
        });
        serde_json::from_value(result).expect("a result")
    }

    fn totals(cpu_s: f64, memory_bytes: u64, memory_peak_bytes: u64, written_bytes: u64) -> Totals {
        Totals { cpu_s, memory_bytes, memory_peak_bytes, written_bytes: Some(written_bytes) }
    }

    fn observation() -> Observation {
        Observation {
            processes: vec![
                (1000.0, totals(10.0, 100, 500, 0)),
                (2000.0, totals(10.5, 200, 500, 10_000)),
                (4000.0, totals(12.5, 300, 500, 50_000)),
            ],
            told: vec![
                (1000.0, Told { syncs: Some(5), ..Told::default() }),
                (4000.0, Told { syncs: Some(35), ..Told::default() }),
            ],
            source: "process 1".to_owned(),
            ..Observation::default()
        }
    }

    #[test]
    fn totals_are_read_at_the_edges_of_the_measured_time() {
        let mut result = result();
        (result.total.counts.received, result.total.counts.accepted) = (1000, 2000);
        (result.total.counts.sent, result.total.counts.sent_bytes) = (4000, 40_000);
        observation().fill(&mut result);
        let usage = result.server.usage.expect("it was seen");
        // From 1500 to 3500 ms: processor time 10.25 to 12.0 s, written 5,000 to 40,000 octets, syncs 10 to 30.
        assert!((usage.cpu_cores - 0.875).abs() < 1e-9, "{usage:?}");
        assert!((usage.cpu_us_per_message - 1750.0).abs() < 1e-6, "{usage:?}");
        assert_eq!((usage.syncs, usage.messages_per_sync), (Some(20), Some(100.0)));
        assert_eq!((usage.written_per_message, usage.written_per_byte), (Some(17.5), Some(1.75)));
        assert_eq!((usage.memory_bytes, usage.memory_peak_bytes), (275, 300));
        let second = &result.timeline[1];
        assert_eq!((second.server_cpu, second.server_memory), (Some(1.0), Some(250)));
    }

    #[test]
    fn a_peak_counts_if_it_was_reached_in_this_run() {
        let mut seen = observation();
        assert_eq!(seen.memory_peak(), 300);
        seen.processes[2].1.memory_peak_bytes = 900;
        assert_eq!(seen.memory_peak(), 900);
        seen.processes[1].1.memory_bytes = 1000;
        assert_eq!(seen.memory_peak(), 1000, "no peak is below what was seen");
    }

    #[test]
    fn what_was_not_seen_is_absent() {
        let mut result = result();
        Observation::default().fill(&mut result);
        assert!(result.server.usage.is_none() && result.timeline[0].server_cpu.is_none());
        // A server that was started anew counts from 0 again.
        let mut seen = observation();
        seen.processes[2].1.cpu_s = 0.1;
        assert_eq!(seen.cpu(1000.0, 4000.0), None);
        seen.processes.truncate(1);
        assert_eq!(seen.cpu(1000.0, 4000.0), None);
    }
}
