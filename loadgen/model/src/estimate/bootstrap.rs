//! How well a mean of a series of seconds is known: the stationary bootstrap of Politis and Romano (1994).
//!
//! Seconds of a run follow each other (a full cache, a compaction, a neighbour on the machine last for several), so that they must
//! not be drawn one by one: blocks of neighbours are, of random lengths about a mean that follows from the series' own correlation
//! (Politis and White 2004, as corrected by Patton, Politis and White 2009, for a first-order process).

use super::order::{quantile, sorted};
use crate::chance::{Chance, Purpose};

/// Series that are drawn: a 2.5 % tail of them is fifty.
const DRAWS: usize = 2000;
/// Values at least: blocks of fewer are all the same.
pub const VALUES_MIN: usize = 10;
/// Correlation beyond which a series is a trend, which no block can hold.
const CORRELATION_MAX: f64 = 0.95;

/// The ratio of two means, and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The mean of the other series beside that of the one.
    pub ratio: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The chance of a ratio at least as far from 1 if there were no difference.
    pub chance: f64,
}

/// The ratio of the means of two series of positive values. Each may have several parts (runs), and no block goes over the end of
/// one.
pub fn ratio_of_means(one: &[Vec<f64>], other: &[Vec<f64>], seed: u64) -> Option<Ratio> {
    let (mean_one, mean_other) = (mean_of(one)?, mean_of(other)?);
    if mean_one <= 0.0 || mean_other <= 0.0 {
        return None;
    }
    let mut chance = Chance::new(seed, Purpose::Resampling, 0, 0);
    let ratio = (mean_other / mean_one).ln();
    let lengths = [one, other].map(|parts| parts.iter().map(|part| block_length(part)).collect::<Vec<_>>());
    let draws = sorted((0..DRAWS).map(|_| {
        let [of_one, of_other] = &lengths;
        (draw(other, of_other, &mut chance) / draw(one, of_one, &mut chance)).ln()
    }));
    // What lies beyond no difference, if the draws scatter about none as they do about what was found.
    let beyond = draws.iter().filter(|draw| (**draw - ratio).abs() >= ratio.abs()).count();
    Some(Ratio {
        ratio: ratio.exp(),
        low: quantile(&draws, 0.025)?.exp(),
        high: quantile(&draws, 0.975)?.exp(),
        chance: (beyond + 1) as f64 / (DRAWS + 1) as f64,
    })
}

fn mean_of(parts: &[Vec<f64>]) -> Option<f64> {
    let count: usize = parts.iter().map(Vec::len).sum();
    (count >= VALUES_MIN).then(|| parts.iter().flatten().sum::<f64>() / count as f64)
}

/// The mean of a series that is drawn of blocks of this one.
fn draw(parts: &[Vec<f64>], lengths: &[f64], chance: &mut Chance) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for (part, length) in parts.iter().zip(lengths) {
        let mut place = chance.next_below(part.len());
        for _ in 0..part.len() {
            sum += part.get(place).copied().unwrap_or_default();
            // The series is a ring, so that its ends are drawn as often as its middle.
            place = if chance.next_share() <= 1.0 / length {
                chance.next_below(part.len())
            } else {
                (place + 1) % part.len()
            };
        }
        count += part.len();
    }
    sum / count.max(1) as f64
}

/// The mean length of blocks that is best for a series.
fn block_length(values: &[f64]) -> f64 {
    let correlation = correlation(values).clamp(0.0, CORRELATION_MAX);
    let count = values.len() as f64;
    let best = (2.0 * correlation / (1.0 - correlation * correlation)).powf(2.0 / 3.0) * count.cbrt();
    best.clamp(1.0, (count / 3.0).max(1.0))
}

/// How much each value is like the one before.
fn correlation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let variance: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let together: f64 = values.iter().zip(values.iter().skip(1)).map(|(a, b)| (a - mean) * (b - mean)).sum();
    if variance > 0.0 { together / variance } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A series about 100 in which each value keeps a share of the one before.
    fn series(chance: &mut Chance, kept: f64, mean: f64) -> Vec<f64> {
        let mut now = 0.0;
        let next = |_| {
            now = kept * now + chance.next_normal();
            mean + now
        };
        (0..60).map(next).collect()
    }

    /// In how many of a hundred pairs of series the true ratio is in the interval.
    fn covered(kept: f64) -> usize {
        let covers = |seed| {
            let mut chance = Chance::new(seed, Purpose::Sizes, 0, 0);
            let (one, other) = (series(&mut chance, kept, 100.0), series(&mut chance, kept, 103.0));
            let ratio = ratio_of_means(&[one], &[other], seed).expect("enough values");
            (ratio.low..=ratio.high).contains(&1.03)
        };
        (0..100).filter(|seed| covers(*seed)).count()
    }

    #[test]
    fn intervals_cover_the_truth_about_as_often_as_they_say() {
        let (independent, alike) = (covered(0.0), covered(0.6));
        assert!(independent >= 90, "{independent} of 100; of a thousand it was 947");
        // Blocks of so short a series cannot hold all of its correlation; drawn one by one, its values would cover 67 in 100.
        assert!(alike >= 78, "{alike} of 100; of a thousand it was 825");
    }

    #[test]
    fn a_difference_is_told_from_none() {
        let mut chance = Chance::new(5, Purpose::Sizes, 0, 0);
        let (one, other) = (series(&mut chance, 0.3, 100.0), series(&mut chance, 0.3, 110.0));
        let found = ratio_of_means(std::slice::from_ref(&one), &[other], 1).expect("enough values");
        assert!((found.ratio - 1.1).abs() < 0.02 && found.low > 1.05 && found.chance < 0.002, "{found:?}");
        let same = ratio_of_means(std::slice::from_ref(&one), std::slice::from_ref(&one), 1).expect("enough values");
        assert!(same.ratio == 1.0 && same.chance > 0.9, "{same:?}");
        assert_eq!(ratio_of_means(std::slice::from_ref(&one), &[vec![1.0; 5]], 1), None);
        assert_eq!(ratio_of_means(&[one], &[vec![0.0; 50]], 1), None);
    }
}
