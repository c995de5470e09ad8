//! A run as it goes on, in Prometheus' text format (0.0.4): what a scrape of the generator gets.
//!
//! Counters are those of the measured time so far, and begin anew when the warm-up ends; gauges and quantiles are those of the newest complete second, of all
//! groups together (`group="total"`) and of each.
//!
//! Guarantees: each metric has one HELP and one TYPE line, in front of its values; labels are escaped; seconds are the unit of every
//! time. Not here: HTTP.

use load_model::collect::{Phase, View};
use load_model::interval::Counts;
use load_model::result::Percentiles;

/// A metric that is made of counts: its name, its help, and its value.
type Counted = (&'static str, &'static str, fn(&Counts) -> f64);

const COUNTERS: [Counted; 11] = [
    ("messages_due_total", "Messages that became due.", |counts| counts.due as f64),
    ("messages_sent_total", "Messages sent.", |counts| counts.sent as f64),
    ("messages_accepted_total", "Messages that the server accepted.", |counts| counts.accepted as f64),
    ("messages_refused_total", "Messages that the server rejected, released or modified.", |counts| {
        counts.refused as f64
    }),
    ("messages_received_total", "Messages that consumers received.", |counts| counts.received as f64),
    ("replies_received_total", "Replies to requests received.", |counts| counts.replies as f64),
    ("sent_bytes_total", "Octets of bodies sent.", |counts| counts.sent_bytes as f64),
    ("received_bytes_total", "Octets of bodies received.", |counts| counts.received_bytes as f64),
    ("connections_made_total", "Connections made.", |counts| counts.connected as f64),
    ("connections_broken_total", "Connections that broke.", |counts| counts.broken as f64),
    (
        "producers_blocked_seconds_total",
        "Time for which producers had a message due and neither credit nor window for it, summed over producers.",
        |counts| counts.blocked_ns as f64 / 1e9,
    ),
];

/// What happened in the newest second; divided by its length.
const RATES: [Counted; 5] = [
    ("due_rate", "Messages that became due in the newest second.", |counts| counts.due as f64),
    ("sent_rate", "Messages sent in the newest second.", |counts| counts.sent as f64),
    ("accepted_rate", "Messages accepted in the newest second.", |counts| counts.accepted as f64),
    ("received_rate", "Messages received in the newest second.", |counts| counts.received as f64),
    ("reply_rate", "Replies received in the newest second.", |counts| counts.replies as f64),
];

/// Phases, by the name of their label.
const PHASES: [(Phase, &str); 4] = [
    (Phase::Connecting, "connecting"),
    (Phase::WarmUp, "warm-up"),
    (Phase::Measuring, "measuring"),
    (Phase::Draining, "draining"),
];

/// The name that all groups together go by.
const TOTAL: &str = "total";

/// What a scrape gets of the newest view; one that only tells of a new phase has no rates and quantiles.
pub fn exposition(view: &View) -> String {
    let mut out = Exposition(String::new());
    out.metric("phase", "gauge", "What the run does; 1 for the phase it is in.");
    for (phase, name) in PHASES {
        out.value("phase", &[("phase", name)], f64::from(u8::from(view.phase == phase)));
    }
    out.single("elapsed_seconds", "Time of the run that is complete.", view.elapsed_ns as f64 / 1e9);
    out.single("measured_seconds", "Time that was measured so far.", view.measured_ns as f64 / 1e9);
    out.single("workers", "Workers that load.", f64::from(view.workers));
    out.single("workers_ready", "Workers whose links are attached.", f64::from(view.ready));
    for (name, help, of) in COUNTERS {
        out.metric(name, "counter", help);
        out.value(name, &[], of(&view.counts));
    }
    if let Some(second) = view.second.as_ref() {
        let groups = view.groups.iter().map(|group| (group.name.as_str(), &group.counts, group.percentiles.as_slice()));
        let all = [(TOTAL, &second.counts, second.percentiles.as_slice())];
        let parts: Vec<_> = all.into_iter().chain(groups).collect();
        for (name, help, of) in RATES {
            out.metric(name, "gauge", help);
            for (group, counts, _) in &parts {
                out.value(name, &[("group", group)], of(counts) / second.length_s);
            }
        }
        out.metric(
            "latency_seconds",
            "summary",
            "Latencies: quantiles of the newest second, sum and count of the measured time.",
        );
        for (group, _, percentiles) in &parts {
            percentiles.iter().for_each(|of| out.quantiles(group, of));
        }
        // Sum and count of a summary only grow: they are those of the measured time.
        for of in &view.percentiles {
            let labels = [("group", TOTAL), ("metric", of.metric.as_str())];
            out.value("latency_seconds_sum", &labels, of.mean * of.count as f64 / 1e6);
            out.value("latency_seconds_count", &labels, of.count as f64);
        }
        for (name, help, value) in [
            ("server_cpu_cores", "Processor time of the server in the newest second.", second.server_cpu),
            ("server_memory_bytes", "Memory of the server.", second.server_memory.map(|bytes| bytes as f64)),
        ] {
            value.into_iter().for_each(|value| out.single(name, help, value));
        }
    }
    out.0
}

struct Exposition(String);

impl Exposition {
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str(&format!("# HELP heddle_load_{name} {help}\n# TYPE heddle_load_{name} {kind}\n"));
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<_> = labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escape(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // A nanosecond is the finest that is measured; what is behind it is the noise of dividing.
        let value = format!("{value:.9}");
        let value = value.trim_end_matches('0').trim_end_matches('.');
        self.0.push_str(&format!("heddle_load_{name}{labels} {value}\n"));
    }

    fn single(&mut self, name: &str, help: &str, value: f64) {
        self.metric(name, "gauge", help);
        self.value(name, &[], value);
    }

    fn quantiles(&mut self, group: &str, of: &Percentiles) {
        let quantiles = [
            ("0.5", of.p50),
            ("0.9", of.p90),
            ("0.99", of.p99),
            ("0.999", of.p99_9),
            ("0.9999", of.p99_99),
            ("1", of.max),
        ];
        for (quantile, us) in quantiles {
            self.value(
                "latency_seconds",
                &[("group", group), ("metric", &of.metric), ("quantile", quantile)],
                us / 1e6,
            );
        }
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
