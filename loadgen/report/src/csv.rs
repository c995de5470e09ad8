//! Figures for spreadsheets and plotting programs: the seconds of a run, its percentile curve, the runs of a sweep.
//!
//! Guarantees: one line of names, then a line for each second or step; latencies are in microseconds, points are decimal points; a figure
//! that is not known is an empty field.

use load_model::latency::{Latencies, Metric};
use load_model::result::{Percentiles, RunResult, Second};
use load_model::sweep::SweepResult;

use crate::curve;
use crate::explain;

/// Names of the columns of one metric in the timeline.
const PERCENTILES: [&str; 6] = ["p50_us", "p90_us", "p99_us", "p99.9_us", "p99.99_us", "max_us"];

/// All seconds of a run, warm-up included, with the metrics that the run has.
pub fn timeline(result: &RunResult) -> String {
    let metrics: Vec<Metric> = Metric::ALL.into_iter().filter(|metric| seen(result, *metric)).collect();
    let mut names: Vec<String> = [
        "at_s",
        "length_s",
        "measured",
        "due",
        "sent",
        "accepted",
        "refused",
        "received",
        "replies",
        "sent_bytes",
        "received_bytes",
        "blocked_ns",
        "server_cpu_cores",
        "server_memory_bytes",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend(metrics.iter().flat_map(|metric| PERCENTILES.map(|column| format!("{}_{column}", metric.name()))));
    let mut text = names.join(",");
    text.push('\n');
    for second in &result.timeline {
        text.push_str(&row(second, &metrics).join(","));
        text.push('\n');
    }
    text
}

fn seen(result: &RunResult, metric: Metric) -> bool {
    result.timeline.iter().any(|second| explain::in_second(second, metric).is_some())
}

fn row(second: &Second, metrics: &[Metric]) -> Vec<String> {
    let counts = &second.counts;
    let mut fields = vec![second.at_s.to_string(), second.length_s.to_string(), u8::from(second.measured).to_string()];
    let numbers = [
        counts.due,
        counts.sent,
        counts.accepted,
        counts.refused,
        counts.received,
        counts.replies,
        counts.sent_bytes,
        counts.received_bytes,
        counts.blocked_ns,
    ];
    fields.extend(numbers.map(|number| number.to_string()));
    fields.push(second.server_cpu.map(|cores| format!("{cores:.4}")).unwrap_or_default());
    fields.push(second.server_memory.map(|bytes| bytes.to_string()).unwrap_or_default());
    for metric in metrics {
        fields.extend(latencies(explain::in_second(second, *metric)));
    }
    fields
}

/// The runs of a sweep, with the latencies that it is about; an empty `rate` is that of a closed loop.
pub fn sweep(result: &SweepResult) -> String {
    let mut text = "rate,offered,achieved,valid,keeps_up,holds,".to_owned()
        + &PERCENTILES.join(",")
        + ",server_cpu_us,generator_share\n";
    for point in explain::in_order(result) {
        let rate = point.rate().map(|rate| format!("{rate:.3}")).unwrap_or_default();
        let flags = [point.is_valid, point.keeps_up, point.holds].map(|flag| u8::from(flag).to_string());
        let mut fields = vec![rate, format!("{:.3}", point.offered), format!("{:.3}", point.achieved)];
        fields.extend(flags);
        fields.extend(latencies(explain::outcome_of(result, point)));
        fields.push(point.usage.as_ref().map(|usage| format!("{:.3}", usage.cpu_us_per_message)).unwrap_or_default());
        fields.push(format!("{:.4}", point.generator_share));
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

fn latencies(percentiles: Option<&Percentiles>) -> [String; 6] {
    match percentiles {
        Some(of) => [of.p50, of.p90, of.p99, of.p99_9, of.p99_99, of.max].map(|us| format!("{us:.3}")),
        None => PERCENTILES.map(|_| String::new()),
    }
}

/// The percentile curve of each metric: `metric,quantile,one_in,latency_us`, where one message in `one_in` took longer.
pub fn percentiles(latencies: &Latencies) -> String {
    let mut text = "metric,quantile,one_in,latency_us\n".to_owned();
    for metric in Metric::ALL {
        for point in latencies.get(metric).map(curve::percentiles).unwrap_or_default() {
            let (quantile, us) = (1.0 - 1.0 / point.one_in, point.us);
            text.push_str(&format!("{},{quantile:.9},{:.3},{us:.3}\n", metric.name(), point.one_in));
        }
    }
    text
}
