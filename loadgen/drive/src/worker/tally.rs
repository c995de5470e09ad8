//! What one group did since the last interval.

use amqp_proto::DeliveryOutcome;
use load_model::interval::Counts;
use load_model::latency::{Latencies, Metric};

/// Counts and latencies of a group.
#[derive(Default)]
pub(crate) struct Tally {
    /// What happened.
    pub counts: Counts,
    /// What began before and ends behind it is not measured (`Order::Measure`).
    pub measure_from_ns: u64,
    latencies: Latencies,
    /// The value that each metric had last, and how often in a row: what comes in one read has one time, so that a histogram is asked
    /// once for many.
    last: [(u64, u64); Metric::ALL.len()],
}

impl Tally {
    /// Notes what took from one time of the run until now. On another machine the clock may be behind, by what is told with the result.
    #[inline]
    pub fn record(&mut self, metric: Metric, since_ns: u64, now_ns: u64) {
        if since_ns < self.measure_from_ns && now_ns >= self.measure_from_ns {
            return;
        }
        let ns = now_ns.saturating_sub(since_ns);
        let Some(last) = self.last.get_mut(metric as usize) else { return };
        if last.0 == ns {
            last.1 += 1;
            return;
        }
        let (before, count) = std::mem::replace(last, (ns, 1));
        if count > 0 {
            self.latencies.record_n(metric, before, count);
        }
    }

    /// Counts a message that came back; one of a transaction that failed has no outcome of its own.
    pub fn refuse(&mut self, outcome: Option<&DeliveryOutcome>) {
        let counts = &mut self.counts;
        counts.refused += 1;
        match outcome {
            Some(DeliveryOutcome::Rejected(_)) => counts.returned.rejected += 1,
            Some(DeliveryOutcome::Released) => counts.returned.released += 1,
            Some(DeliveryOutcome::Modified(_)) => counts.returned.modified += 1,
            Some(DeliveryOutcome::Accepted | DeliveryOutcome::Declared(_)) | None => {}
        }
    }

    /// Takes everything out.
    pub fn take(&mut self) -> (Counts, Latencies) {
        for (metric, last) in Metric::ALL.into_iter().map(|metric| (metric, metric as usize)) {
            let (ns, count) = self.last.get_mut(last).map(std::mem::take).unwrap_or_default();
            if count > 0 {
                self.latencies.record_n(metric, ns, count);
            }
        }
        (std::mem::take(&mut self.counts), std::mem::take(&mut self.latencies))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_noted_twice_or_forgotten() {
        let mut tally = Tally::default();
        let values = [5, 5, 0, 0, 7, 5, 5, 5];
        values.iter().for_each(|&ns| tally.record(Metric::Lag, 100, 100 + ns));
        tally.record(Metric::Accept, 100, 100);
        let (_, latencies) = tally.take();
        let lag = latencies.get(Metric::Lag).expect("values");
        assert_eq!((lag.len(), lag.count_at(5), lag.count_at(7), lag.count_at(1)), (8, 5, 1, 2));
        assert_eq!(latencies.get(Metric::Accept).map(|histogram| histogram.len()), Some(1));
        assert!(tally.take().1.get(Metric::Lag).is_none());
    }

    #[test]
    fn what_began_in_the_warm_up_is_not_measured_behind_it() {
        let mut tally = Tally { measure_from_ns: 1000, ..Tally::default() };
        for (since_ns, now_ns) in [(900, 999), (900, 1000), (900, 5000), (1000, 1000), (1000, 1300)] {
            tally.record(Metric::Accept, since_ns, now_ns);
        }
        let (_, latencies) = tally.take();
        let accept = latencies.get(Metric::Accept).expect("values");
        assert_eq!((accept.len(), accept.count_at(99), accept.count_at(1), accept.count_at(300)), (3, 1, 1, 1));
    }
}
