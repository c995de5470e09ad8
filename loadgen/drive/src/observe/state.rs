//! What a server tells of itself over HTTP: Heddle's `/state`, or the common metrics of a Prometheus text.

use std::collections::BTreeSet;

use serde::Deserialize;

/// Totals that a server told at one moment; what it does not tell is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Told {
    /// Processor time, seconds.
    pub cpu_s: Option<f64>,
    /// Memory in use, octets.
    pub memory_bytes: Option<u64>,
    /// Syncs of its journal.
    pub syncs: Option<u64>,
    /// Octets written to its journal.
    pub written_bytes: Option<u64>,
}

/// What an answer says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Totals.
    pub told: Told,
    /// The configuration, as far as it is told.
    pub configuration: String,
    /// Cores that the server uses.
    pub cores: Option<u32>,
}

/// The part of Heddle's state that is of use here; the rest may change.
#[derive(Deserialize)]
struct State {
    version: String,
    shards: Vec<Shard>,
}

#[derive(Deserialize)]
struct Shard {
    core: usize,
    journal: Option<Journal>,
}

#[derive(Deserialize)]
struct Journal {
    syncs: u64,
    written_bytes: u64,
}

/// Reads an answer; `None` when it says nothing that is known here.
pub fn read(body: &str) -> Option<Answer> {
    if let Ok(state) = serde_json::from_str::<State>(body) {
        return Some(of_state(&state));
    }
    let told = Told {
        cpu_s: metric(body, "process_cpu_seconds_total"),
        memory_bytes: metric(body, "process_resident_memory_bytes").map(|bytes| bytes as u64),
        ..Told::default()
    };
    (told != Told::default()).then(|| Answer { told, ..Answer::default() })
}

fn of_state(state: &State) -> Answer {
    let journals = || state.shards.iter().filter_map(|shard| shard.journal.as_ref());
    let is_stored = journals().next().is_some();
    let total = |of: fn(&Journal) -> u64| is_stored.then(|| journals().map(of).sum());
    let told = Told {
        syncs: total(|journal| journal.syncs),
        written_bytes: total(|journal| journal.written_bytes),
        ..Told::default()
    };
    // In a test several shards may share a core.
    let cores: BTreeSet<usize> = state.shards.iter().map(|shard| shard.core).collect();
    let list = cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let storage = if is_stored { "with a journal" } else { "without a journal" };
    let (shards, on) = match state.shards.len() {
        1 => ("1 shard".to_owned(), "core"),
        several => (format!("{several} shards"), "cores"),
    };
    let configuration = format!("heddle {}, {shards} on {on} {list}, {storage}", state.version);
    Answer { told, configuration, cores: u32::try_from(cores.len()).ok() }
}

/// The sum of a metric over its labels.
fn metric(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labelled) => labelled.rsplit_once('}')?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.split_ascii_whitespace().next()?.parse::<f64>().ok().filter(|value| value.is_finite())
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_gives_the_journals_of_all_shards() {
        let body = r#"{"version":"0.1.0","new":1,"shards":[{"shard":0,"core":0,"journal":{"syncs":3,"written_bytes":100,"body_bytes":9}},
                      {"shard":1,"core":2,"journal":{"syncs":4,"written_bytes":50,"body_bytes":1}}]}"#;
        let Answer { told, configuration, cores } = read(body).expect("a state");
        assert_eq!(told, Told { syncs: Some(7), written_bytes: Some(150), ..Told::default() });
        assert_eq!(configuration, "heddle 0.1.0, 2 shards on cores 0,2, with a journal");
        assert_eq!(cores, Some(2));
        let Answer { told, .. } = read(r#"{"version":"0.1.0","shards":[{"core":0}]}"#).expect("a state");
        assert_eq!(told, Told::default());
    }

    #[test]
    fn a_prometheus_text_gives_what_is_common_to_servers() {
        let body = "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 12.5\nprocess_cpu_seconds_total_more 9\n\
                    process_resident_memory_bytes{node=\"a\"} 1000 1700000000\nprocess_resident_memory_bytes{node=\"b}\"} 24\n";
        let Answer { told, .. } = read(body).expect("metrics");
        assert_eq!(told, Told { cpu_s: Some(12.5), memory_bytes: Some(1024), ..Told::default() });
        assert_eq!(read("other_metric 3\n"), None);
        assert_eq!(read("<html>"), None);
    }
}
