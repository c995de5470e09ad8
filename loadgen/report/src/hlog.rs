//! Interval logs in HdrHistogram's text format (`.hlog`, version 1.3): a histogram for each second and metric.
//!
//! A line for each metric that has values in a second, tagged with the metric's name; values are nanoseconds, the column of the
//! largest value is milliseconds, as HistogramLogAnalyzer and the plotters of HdrHistogram expect.
//!
//! Guarantees: lines come out in the order in which seconds go in; a second without values has no line. Not here: adding up the
//! intervals of several workers (`load_model::collect`), and files.

use load_model::latency::{Latencies, Metric, encode};

/// Nanoseconds of a millisecond, the unit of the third column.
const NS_PER_MS: f64 = 1e6;

/// The head of a log; `started_ms` are milliseconds since 1970.
pub fn head(version: &str, started_ms: u64) -> String {
    let seconds = started_ms as f64 / 1000.0;
    // A line's first column counts from the base time, so that each second can be placed on the calendar.
    format!(
        "#[Logged with heddle load {version}]\n\
         #[Histogram log format version 1.3]\n\
         #[StartTime: {seconds:.3} (seconds since epoch)]\n\
         #[BaseTime: {seconds:.3} (seconds since epoch)]\n\
         \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
    )
}

/// The lines of one interval, which began `start_ns` nanoseconds into the run and took `length_ns`.
pub fn interval(start_ns: u64, length_ns: u64, latencies: &Latencies) -> String {
    let mut lines = String::new();
    for metric in Metric::ALL {
        if let Some(histogram) = latencies.get(metric) {
            lines.push_str(&format!(
                "Tag={},{:.3},{:.3},{:.6},{}\n",
                metric.name(),
                start_ns as f64 / 1e9,
                length_ns as f64 / 1e9,
                histogram.max() as f64 / NS_PER_MS,
                encode(histogram)
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use load_model::latency::decode;

    use super::*;

    #[test]
    fn another_reader_of_the_format_finds_every_value() {
        let (mut one, mut other) = (Latencies::default(), Latencies::default());
        (1..1000).for_each(|us| one.record(Metric::Receive, us * 1000));
        one.record(Metric::Lag, 700);
        other.record(Metric::Receive, 2_500_000);
        let log = [
            head("0.1.0", 1_795_652_999_250),
            interval(0, 1_000_000_000, &one),
            interval(1_000_000_000, 250_000_000, &other),
        ];
        let log = log.concat();
        let entries: Vec<_> = IntervalLogIterator::new(log.as_bytes()).map(|entry| entry.expect("it is one")).collect();
        let [LogEntry::StartTime(start), LogEntry::BaseTime(base), rest @ ..] = entries.as_slice() else {
            panic!("no times: {entries:?}");
        };
        assert_eq!((start, base.as_secs_f64()), (base, 1_795_652_999.25));
        let read: Vec<_> = rest
            .iter()
            .filter_map(|entry| if let LogEntry::Interval(interval) = entry { Some(interval) } else { None })
            .collect();
        let tags: Vec<_> = read.iter().map(|interval| interval.tag().map(|tag| tag.as_str().to_owned())).collect();
        assert_eq!(tags, ["receive", "lag", "receive"].map(|tag| Some(tag.to_owned())));
        assert_eq!(decode(read[0].encoded_histogram()).as_ref(), one.get(Metric::Receive));
        assert_eq!(decode(read[2].encoded_histogram()).as_ref(), other.get(Metric::Receive));
        assert_eq!((read[2].start_timestamp().as_secs(), read[2].duration().as_millis()), (1, 250));
        assert!((read[2].max() - 2.5).abs() < 0.01, "{}", read[2].max());
    }
}
