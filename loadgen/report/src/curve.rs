//! Curves that are drawn of a histogram: its percentiles, and its distribution.
//!
//! Guarantee: the points of a curve are a few hundred at most, however many values there are: steps of equal size on a
//! logarithmic axis, which is how both are shown.

use hdrhistogram::Histogram;

/// Points for each factor of ten of `one_in`.
const STEPS_PER_DECADE: u32 = 24;
/// Bins for each factor of ten of latency; three exact digits would allow far more, which the eye would not.
const BINS_PER_DECADE: f64 = 24.0;

/// A point of a percentile curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Percentile {
    /// One value in so many is larger; the quantile is `1 - 1 / one_in`.
    pub(crate) one_in: f64,
    /// The latency, microseconds.
    pub(crate) us: f64,
}

/// A bin of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bin {
    /// Where it begins, microseconds; it ends where one factor of `10^(1/24)` is added.
    pub(crate) from_us: f64,
    /// Where it ends.
    pub(crate) to_us: f64,
    /// The share of all values in it, 0 to 1.
    pub(crate) share: f64,
}

/// Percentiles up to the last value that the histogram can tell from its largest.
pub(crate) fn percentiles(histogram: &Histogram<u64>) -> Vec<Percentile> {
    let values = histogram.len() as f64;
    let steps = (values.log10() * f64::from(STEPS_PER_DECADE)).floor() as u32;
    let at = |one_in: f64| Percentile { one_in, us: histogram.value_at_quantile(1.0 - 1.0 / one_in) as f64 / 1000.0 };
    let mut points: Vec<_> =
        (0..=steps).map(|step| at(10_f64.powf(f64::from(step) / f64::from(STEPS_PER_DECADE)))).collect();
    points.push(Percentile { one_in: values, us: histogram.max() as f64 / 1000.0 });
    points
}

/// The share of values in bins of equal width on a logarithmic axis, from the first that has any to the last.
pub(crate) fn distribution(histogram: &Histogram<u64>) -> Vec<Bin> {
    let bin_of = |ns: u64| ((ns.max(1) as f64).log10() * BINS_PER_DECADE).floor() as i32;
    let edge_us = |bin: i32| 10_f64.powf(f64::from(bin) / BINS_PER_DECADE) / 1000.0;
    let (first, last) = (bin_of(histogram.min()), bin_of(histogram.max()));
    let mut shares = vec![0_u64; usize::try_from(last - first).unwrap_or(0) + 1];
    for step in histogram.iter_recorded() {
        let place = usize::try_from(bin_of(step.value_iterated_to()) - first).unwrap_or(0);
        if let Some(share) = shares.get_mut(place) {
            *share += step.count_since_last_iteration();
        }
    }
    let all = histogram.len() as f64;
    let bins = (first..=last).zip(shares);
    bins.map(|(bin, count)| Bin { from_us: edge_us(bin), to_us: edge_us(bin + 1), share: count as f64 / all }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use load_model::latency::histogram;

    #[test]
    fn percentiles_end_at_the_largest_value_and_never_fall() {
        let mut values = histogram();
        (1..=10_000_u64).for_each(|us| values.record(us * 1000).expect("within bounds"));
        let points = percentiles(&values);
        assert!(points.is_sorted_by(|one, other| one.us <= other.us && one.one_in <= other.one_in));
        let last = points.last().expect("there are points");
        assert!((last.us - 10_000.0).abs() < 10.0 && last.one_in == 10_000.0, "{last:?}");
        let p99 = points.iter().find(|point| (point.one_in - 100.0).abs() < 1e-6).expect("decades are steps");
        assert!((p99.us - 9900.0).abs() < 10.0, "{p99:?}");
    }

    #[test]
    fn a_distribution_has_all_values_once() {
        let mut values = histogram();
        for ns in [1, 50, 900, 1000, 70_000, 3_000_000, 3_000_000] {
            values.record(ns).expect("within bounds");
        }
        let bins = distribution(&values);
        assert!((bins.iter().map(|bin| bin.share).sum::<f64>() - 1.0).abs() < 1e-9);
        let largest = bins.last().expect("there are bins");
        assert!(largest.from_us <= 3000.0 && 3000.0 < largest.to_us && largest.share == 2.0 / 7.0, "{largest:?}");
        assert!(bins.windows(2).all(|pair| matches!(pair, [one, next] if one.to_us == next.from_us)));
    }
}
