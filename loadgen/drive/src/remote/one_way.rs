//! Latencies from one machine to another, and whether their clocks support them.

use load_model::latency::Metric;
use load_model::number;
use load_model::result::RunResult;

/// Share of the median that the clocks' bound may be: an error that moves a median by more than a tenth changes conclusions.
const BOUND_SHARE: f64 = 0.1;

/// Takes latencies from due to received out of a result, if its workers' clocks are known too badly for them; gives the reason. With
/// one machine both ends have the same clock, and there is nothing to refuse.
///
/// A message may have gone between the two machines whose clocks are known worst, so that both bounds count, and the group that is
/// fastest is the one that an error changes most.
pub fn refuse_one_way(result: &mut RunResult) -> Option<String> {
    let mut bounds: Vec<u64> = result.workers.iter().map(|worker| worker.clock_bound_ns).collect();
    bounds.sort_unstable();
    let (Some(worst), Some(second)) = (bounds.pop(), bounds.pop()) else { return None };
    let bound_us = worst.saturating_add(second) as f64 / 1000.0;
    let groups = result.groups.iter().filter_map(|group| group.of(Metric::Receive));
    let median_us = groups.map(|percentiles| percentiles.p50).min_by(f64::total_cmp)?;
    if bound_us <= median_us * BOUND_SHARE {
        return None;
    }
    for figures in result.groups.iter_mut().chain([&mut result.total]) {
        figures.latencies.remove(Metric::Receive);
        figures.percentiles.retain(|percentiles| percentiles.metric != Metric::Receive.name());
    }
    for second in &mut result.timeline {
        second.percentiles.retain(|percentiles| percentiles.metric != Metric::Receive.name());
    }
    let known = if worst == u64::MAX {
        "could not be read again behind the run".to_owned()
    } else {
        format!(
            "are known to within {}, which is more than a tenth of their median of {}",
            number::latency(bound_us),
            number::latency(median_us)
        )
    };
    Some(format!(
        "latencies from due to received are left out: the workers' clocks {known}; have both ends of a queue on one machine, or bring \
         the machines closer together"
    ))
}

#[cfg(test)]
mod tests {
    use load_model::collect::Collector;
    use load_model::result::{WorkerFacts, percentiles};
    use load_model::scenario::{Group, Scenario};

    use super::*;

    /// A result with a median of 1 ms from due to received, by workers with these bounds.
    fn result(bounds_ns: &[u64]) -> RunResult {
        let scenario = Scenario { groups: vec![Group::default()], ..Scenario::default() };
        let mut result = Collector::new(&scenario, 2).finish();
        for figures in result.groups.iter_mut().chain([&mut result.total]) {
            figures.latencies.record(Metric::Receive, 1_000_000);
            figures.latencies.record(Metric::Accept, 800_000);
            figures.percentiles = percentiles(&figures.latencies);
        }
        let facts = |&clock_bound_ns: &u64| WorkerFacts { clock_bound_ns, ..WorkerFacts::default() };
        result.workers = bounds_ns.iter().map(facts).collect();
        result
    }

    #[test]
    fn clocks_that_are_known_well_enough_support_one_way_latencies() {
        for bounds in [&[][..], &[u64::MAX], &[60_000, 40_000], &[1000, 2000, 50_000, 50_000]] {
            let mut result = result(bounds);
            assert_eq!(refuse_one_way(&mut result), None, "{bounds:?}");
            assert!(result.total.of(Metric::Receive).is_some());
        }
    }

    #[test]
    fn others_do_not_and_only_those_are_taken_out() {
        for bounds in [&[60_000, 41_000][..], &[u64::MAX, 0], &[1000, 90_000, 20_000]] {
            let mut result = result(bounds);
            let why = refuse_one_way(&mut result).expect("they are too far off");
            assert!(why.contains("left out") && !why.contains(" us"), "{why}");
            for figures in [&result.total, &result.groups[0]] {
                assert!(figures.of(Metric::Receive).is_none() && figures.latencies.get(Metric::Receive).is_none());
                assert!(figures.of(Metric::Accept).is_some() && figures.latencies.get(Metric::Accept).is_some());
            }
        }
    }
}
