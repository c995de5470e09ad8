//! Latencies of a run: a histogram for each metric, exact to three digits, from a nanosecond to an hour.
//!
//! Guarantees: merging histograms gives the histogram of all values together, so that percentiles are never averaged; what is
//! written is read back bucket by bucket (HdrHistogram V2, base64).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

/// Longest latency that is told from longer ones, nanoseconds: an hour.
pub const LATENCY_MAX_NS: u64 = 3_600_000_000_000;
/// Digits that are exact.
const DIGITS: u8 = 3;

/// How many metrics there are.
const METRICS: usize = 7;

/// What is measured; all in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// From when a message was due to when the server accepted it.
    Accept,
    /// From when a message was due to when a consumer had it.
    Receive,
    /// From when a message was due to when a consumer took it that had been given back as failed before.
    Again,
    /// From a consumer's outcome to the server's confirmation (settle mode second), or from a discharge to its acceptance.
    Settle,
    /// From when a request was due to when its reply came.
    Round,
    /// From when a message was really sent to when it was accepted: what a closed loop would report.
    Service,
    /// From when a message was due to when it was handed to its link, if nothing but the generator held it up: its own error.
    Lag,
}

impl Metric {
    /// All of them, in the order of reports.
    pub const ALL: [Self; METRICS] =
        [Self::Accept, Self::Receive, Self::Again, Self::Round, Self::Settle, Self::Service, Self::Lag];

    /// Its name in options, results and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Receive => "receive",
            Self::Again => "again",
            Self::Settle => "settle",
            Self::Round => "round",
            Self::Service => "service",
            Self::Lag => "lag",
        }
    }

    /// What it is, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Accept => "due to accepted",
            Self::Receive => "due to received",
            Self::Again => "due to received, what had failed before",
            Self::Settle => "outcome to confirmed",
            Self::Round => "request due to reply",
            Self::Service => "sent to accepted (hides waiting)",
            Self::Lag => "the generator's own lateness",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Accept => 0,
            Self::Receive => 1,
            Self::Settle => 2,
            Self::Round => 3,
            Self::Service => 4,
            Self::Lag => 5,
            Self::Again => 6,
        }
    }
}

/// An empty histogram of latencies.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, DIGITS).expect("the bounds are right")
}

/// A histogram for each metric that has values.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    histograms: [Option<Box<Histogram<u64>>>; METRICS],
}

impl Latencies {
    /// Notes a latency, nanoseconds; one above the longest counts as the longest.
    #[inline]
    pub fn record(&mut self, metric: Metric, ns: u64) {
        self.of_mut(metric).saturating_record(ns.max(1));
    }

    /// Notes a latency of several at once.
    pub fn record_n(&mut self, metric: Metric, ns: u64, count: u64) {
        self.of_mut(metric).saturating_record_n(ns.max(1), count);
    }

    #[inline]
    fn of_mut(&mut self, metric: Metric) -> &mut Histogram<u64> {
        let [accept, receive, settle, round, service, lag, again] = &mut self.histograms;
        let slot = match metric {
            Metric::Accept => accept,
            Metric::Receive => receive,
            Metric::Settle => settle,
            Metric::Round => round,
            Metric::Service => service,
            Metric::Lag => lag,
            Metric::Again => again,
        };
        slot.get_or_insert_with(|| Box::new(histogram()))
    }

    /// The values of a metric, if there are any.
    pub fn get(&self, metric: Metric) -> Option<&Histogram<u64>> {
        self.histograms.get(metric.index())?.as_deref().filter(|histogram| !histogram.is_empty())
    }

    /// Adds all values of `other`.
    pub fn merge(&mut self, other: &Self) {
        for metric in Metric::ALL {
            if let Some(theirs) = other.get(metric) {
                self.of_mut(metric).add(theirs).expect("all have the same bounds");
            }
        }
    }

    /// Forgets the values of one metric.
    pub fn remove(&mut self, metric: Metric) {
        if let Some(slot) = self.histograms.get_mut(metric.index()) {
            *slot = None;
        }
    }

    /// Forgets all values, and keeps the memory.
    pub fn clear(&mut self) {
        self.histograms.iter_mut().flatten().for_each(|histogram| histogram.reset());
    }
}

impl Serialize for Latencies {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = Metric::ALL.into_iter().filter_map(|metric| Some((metric, encode(self.get(metric)?))));
        serializer.collect_map(written)
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut latencies = Self::default();
        for (metric, text) in BTreeMap::<Metric, String>::deserialize(deserializer)? {
            let read = decode(&text).ok_or_else(|| serde::de::Error::custom("no histogram of format V2"))?;
            latencies.of_mut(metric).add(&read).map_err(|_| serde::de::Error::custom("values beyond an hour"))?;
        }
        Ok(latencies)
    }
}

/// A histogram as text: HdrHistogram V2 with deflate, base64; what interval logs have, too.
pub fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).expect("a vector takes everything");
    STANDARD.encode(bytes)
}

/// The histogram of a text.
pub fn decode(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_and_written_histograms_keep_every_value() {
        let (mut one, mut other) = (Latencies::default(), Latencies::default());
        for ns in 1..2000_u64 {
            one.record(Metric::Accept, ns * 1000);
            other.record(Metric::Accept, ns * 3000);
        }
        other.record(Metric::Lag, u64::MAX);
        one.merge(&other);
        let text = serde_json::to_string(&one).expect("it prints");
        let read: Latencies = serde_json::from_str(&text).expect("it is read");
        for metric in [Metric::Accept, Metric::Lag] {
            assert_eq!(read.get(metric), one.get(metric));
        }
        assert_eq!(read.get(Metric::Accept).map(Histogram::len), Some(3998));
        assert!(read.get(Metric::Round).is_none());
        assert!(serde_json::from_str::<Latencies>("{\"accept\":\"bm8=\"}").is_err());
        one.remove(Metric::Lag);
        assert!(one.get(Metric::Lag).is_none() && one.get(Metric::Accept).is_some());
        one.clear();
        assert!(one.get(Metric::Accept).is_none());
    }
}
