//! Whether one set of values tends to be larger than another: the rank test of Mann and Whitney (1947), and the shift of Hodges and
//! Lehmann (1963).
//!
//! Nothing is assumed of the values' distribution. Below `EXACT_MAX` values the test is exact, ties included: it counts in how many
//! ways the ranks could have fallen. Above it the normal approximation with the correction for ties is as good.

use super::order::{quantile, sorted};
use super::trend::NORMAL_95;

/// Values of both sets together up to which all ways are counted: some millions of additions.
const EXACT_MAX: usize = 60;

/// The chance that two sets of one kind would differ in their ranks at least as much as these do, to either side.
pub fn mann_whitney(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let ranks = doubled_ranks(one, other);
    let sum: usize = ranks.iter().take(one.len()).sum();
    if ranks.len() > EXACT_MAX {
        return Some(by_normal(&ranks, one.len(), sum));
    }
    let ways = ways(&ranks, one.len());
    let all: f64 = ways.iter().sum();
    let (below, above) = (ways.iter().take(sum + 1).sum::<f64>(), ways.iter().skip(sum).sum::<f64>());
    Some((2.0 * below.min(above) / all).min(1.0))
}

/// By how much `other` is above `one`: the median of all differences, and an interval that covers the truth in at least 95 of 100
/// cases; the whole range where there are too few values for that.
pub fn shift(one: &[f64], other: &[f64]) -> Option<(f64, f64, f64)> {
    let differences = sorted(one.iter().flat_map(|value| other.iter().map(move |larger| larger - value)));
    let outside = outside(one.len(), other.len());
    let (low, high) = (differences.get(outside)?, differences.get(differences.len().checked_sub(outside + 1)?)?);
    Some((quantile(&differences, 0.5)?, *low, *high))
}

/// How many differences are left out at each end of a 95 % interval.
fn outside(one: usize, other: usize) -> usize {
    let pairs = one * other;
    if one + other > EXACT_MAX {
        let spread = (pairs as f64 * (one + other + 1) as f64 / 12.0).sqrt();
        return (pairs as f64 / 2.0 - NORMAL_95 * spread - 1.0).floor().max(0.0) as usize;
    }
    let ranks: Vec<usize> = (1..=one + other).map(|rank| 2 * rank).collect();
    let ways = ways(&ranks, one);
    let all: f64 = ways.iter().sum();
    // The smallest sum of ranks has all of `one` in front; each rank more is one pair more.
    let smallest = one * (one + 1);
    let mut share = 0.0;
    let shares = ways.iter().skip(smallest).step_by(2).map(|count| {
        share += count / all;
        share
    });
    // The interval from the k-th smallest to the k-th largest difference misses the truth when fewer than k pairs are the other way
    // round, on either side.
    shares.take_while(|share| *share <= 0.025).count().saturating_sub(1)
}

/// Twice the rank of each value among all, first of `one`: equal values share the mean of their ranks, which may be a half.
fn doubled_ranks(one: &[f64], other: &[f64]) -> Vec<usize> {
    let all = sorted(one.iter().chain(other).copied());
    let rank = |value: &f64| {
        let before = all.partition_point(|any| any.total_cmp(value).is_lt());
        let until = all.partition_point(|any| any.total_cmp(value).is_le());
        before + until + 1
    };
    one.iter().chain(other).map(rank).collect()
}

/// In how many ways `chosen` of the ranks add up to each sum.
fn ways(ranks: &[usize], chosen: usize) -> Vec<f64> {
    let most: usize = ranks.iter().sum();
    let mut ways = vec![vec![0.0; most + 1]; chosen + 1];
    if let Some(first) = ways.first_mut().and_then(|none| none.first_mut()) {
        *first = 1.0;
    }
    for &rank in ranks {
        // From many to few, so that no rank is chosen twice.
        for count in (1..=chosen).rev() {
            if let [fewer, more, ..] = ways.get_mut(count - 1..).unwrap_or_default() {
                for (to, from) in more.iter_mut().skip(rank).zip(fewer.iter()) {
                    *to += from;
                }
            }
        }
    }
    ways.pop().unwrap_or_default()
}

fn by_normal(ranks: &[usize], count: usize, sum: usize) -> f64 {
    let (all, one) = (ranks.len() as f64, count as f64);
    let other = all - one;
    let sorted = sorted(ranks.iter().map(|rank| *rank as f64));
    let ties: f64 = sorted.chunk_by(|a, b| a == b).map(|tied| (tied.len() as f64).powi(3) - tied.len() as f64).sum();
    let variance = one * other / 12.0 * ((all + 1.0) - ties / (all * (all - 1.0)));
    let off = (sum as f64 / 2.0 - one * (all + 1.0) / 2.0).abs() - 0.5;
    if variance <= 0.0 { 1.0 } else { (2.0 * above_normal(off.max(0.0) / variance.sqrt())).min(1.0) }
}

/// The chance of a standard normal value above `z`, for z >= 0 (Abramowitz and Stegun 1964, 26.2.17; off by less than 1e-7).
fn above_normal(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let series =
        t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * series
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::{Chance, Purpose};

    /// Permeability of a membrane, Hollander and Wolfe 1973, page 69; R's `wilcox.test` prints its one-sided p as 0.1272.
    #[test]
    fn the_published_example_has_its_published_chance() {
        let term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let early = [1.15, 0.88, 0.90, 0.74, 1.21];
        let chance = mann_whitney(&term, &early).expect("there are values");
        assert!((chance - 2.0 * 0.1272).abs() < 1e-4, "{chance}");
        assert_eq!(mann_whitney(&early, &term), Some(chance));
    }

    #[test]
    fn sets_apart_have_the_least_chance_and_equal_ones_the_largest() {
        let (low, high) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]);
        assert!((mann_whitney(&low, &high).expect("there are values") - 2.0 / 70.0).abs() < 1e-12);
        assert_eq!(mann_whitney(&[1.0; 4], &[1.0; 5]), Some(1.0));
        assert_eq!(mann_whitney(&[], &[1.0]), None);
    }

    #[test]
    fn exact_and_approximate_chances_agree_where_they_meet() {
        let one: Vec<f64> = (0..30).map(|at| f64::from(at * 7 % 31)).collect();
        let other: Vec<f64> = (0..30).map(|at| f64::from(at * 11 % 37) + 4.0).collect();
        let exact = mann_whitney(&one, &other).expect("there are values");
        let ranks = doubled_ranks(&one, &other);
        let near = by_normal(&ranks, one.len(), ranks.iter().take(one.len()).sum());
        assert!((exact - near).abs() < 0.003, "{exact} {near}");
    }

    #[test]
    fn a_shift_is_the_median_difference_with_an_interval_of_ranks() {
        assert_eq!(outside(4, 4), 0);
        assert_eq!(outside(10, 10), 23, "the largest U that the table of Mann and Whitney has below 2.5 %");
        let (shift, low, high) = shift(&[1.0, 2.0, 3.0, 4.0], &[11.0, 12.0, 13.0, 14.0]).expect("there are values");
        assert_eq!((shift, low, high), (10.0, 7.0, 13.0));
    }

    #[test]
    fn an_interval_of_ranks_covers_the_truth_as_often_as_it_says() {
        let mut chance = Chance::new(11, Purpose::Sizes, 0, 0);
        let mut values = |mean: f64| (0..7).map(|_| mean - chance.next_share().ln()).collect::<Vec<f64>>();
        let covers = (0..1000).filter(|_| {
            let (one, other) = (values(1.0), values(1.5));
            shift(&one, &other).is_some_and(|(_, low, high)| (low..=high).contains(&0.5))
        });
        let covered = covers.count();
        assert!((940..=990).contains(&covered), "{covered} of 1000");
    }
}
