//! A histogram of times, of a few hundred octets.
//!
//! Guarantees: counting costs the same whatever the time; a quantile is at most half too long, and never too short, for times of 4 µs to 73
//! minutes.
//!
//! Not here: which times are counted (`moments`).

use engine_figures::{SPREAD_BOUNDS_NS, Spread};

/// Times below 2^12 ns (4 µs) share one bucket: a turn is longer.
const FIRST_EXPONENT: u32 = 12;
/// One for what is shorter than all, and two to each power of two up to 2^42 ns (73 minutes); the last has what is longer, too.
const BUCKETS: usize = 61;

/// How many took how long.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: [u64; BUCKETS],
    sum_ns: u64,
    max_ns: u64,
}

const _: () = assert!(size_of::<Histogram>() <= 512, "three of them to each busy queue");

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], sum_ns: 0, max_ns: 0 }
    }
}

/// The bucket of a time.
fn bucket(ns: u64) -> usize {
    let Some(exponent) = ns.checked_ilog2().filter(|exponent| *exponent >= FIRST_EXPONENT) else { return 0 };
    let half = (ns >> (exponent - 1)) & 1;
    (2 * (exponent - FIRST_EXPONENT) as usize + half as usize + 1).min(BUCKETS - 1)
}

/// The time that is longer than all in a bucket, nanoseconds.
fn end(bucket: usize) -> u64 {
    let halves = bucket as u64;
    let octave = 1 << (u64::from(FIRST_EXPONENT) + halves / 2);
    if halves.is_multiple_of(2) { octave } else { octave + octave / 2 }
}

impl Histogram {
    /// Counts something that took so long, and that stands for so many.
    pub fn count(&mut self, ns: u64, weight: u64) {
        if let Some(count) = self.counts.get_mut(bucket(ns)) {
            *count += weight;
        }
        self.sum_ns = self.sum_ns.saturating_add(ns.saturating_mul(weight));
        self.max_ns = self.max_ns.max(ns);
    }

    /// What it tells; nothing as long as nothing was counted.
    pub fn spread(&self) -> Option<Spread> {
        let count = self.counts.iter().sum();
        if count == 0 {
            return None;
        }
        let mut spread = Spread { count, sum_ns: self.sum_ns, max_ns: self.max_ns, ..Spread::default() };
        let (mut below, mut bounds) = (0, SPREAD_BOUNDS_NS.iter().zip(&mut spread.within).peekable());
        for (bucket, of_bucket) in self.counts.iter().enumerate() {
            below += of_bucket;
            let end = if bucket == BUCKETS - 1 { u64::MAX } else { end(bucket) };
            if let Some((_, within)) = bounds.next_if(|(bound, _)| **bound == end) {
                *within = below;
            }
            for (quantile, percent) in [(&mut spread.p50_ns, 50), (&mut spread.p99_ns, 99)] {
                if *quantile == 0 && u128::from(below) * 100 >= u128::from(count) * percent {
                    *quantile = end.min(self.max_ns).max(1);
                }
            }
        }
        Some(spread)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_that_are_told_are_ends_of_buckets() {
        let ends: Vec<u64> = (0..BUCKETS - 1).map(end).collect();
        assert!(ends.is_sorted() && SPREAD_BOUNDS_NS.iter().all(|bound| ends.contains(bound)));
        assert_eq!(Histogram::default().spread(), None);
    }

    proptest! {
        #[test]
        fn a_time_is_in_its_bucket(ns in any::<u64>()) {
            let found = bucket(ns);
            prop_assert!(found == BUCKETS - 1 || ns < end(found));
            prop_assert!(found == 0 || end(found - 1) <= ns);
        }

        #[test]
        fn quantiles_are_those_of_all_times_and_at_most_half_too_long(
            times in prop::collection::vec((1_u64..1 << 42, 1_u64..100), 1..200),
        ) {
            let mut histogram = Histogram::default();
            times.iter().for_each(|&(ns, weight)| histogram.count(ns, weight));
            let spread = histogram.spread().expect("something was counted");
            let mut all: Vec<u64> =
                times.iter().flat_map(|&(ns, weight)| std::iter::repeat_n(ns, weight as usize)).collect();
            all.sort_unstable();
            prop_assert_eq!((spread.count, spread.max_ns), (all.len() as u64, *all.last().expect("some")));
            prop_assert_eq!(spread.sum_ns, all.iter().sum::<u64>());
            for (told, percent) in [(spread.p50_ns, 50), (spread.p99_ns, 99)] {
                let exact = all[(all.len() * percent).div_ceil(100) - 1];
                prop_assert!(exact <= told && told <= (exact + exact / 2).max(1 << FIRST_EXPONENT), "{exact} {told}");
            }
            for (bound, within) in SPREAD_BOUNDS_NS.iter().zip(spread.within) {
                prop_assert_eq!(within, all.iter().filter(|ns| *ns < bound).count() as u64);
            }
        }
    }
}
