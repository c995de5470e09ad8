//! How large the bodies of one producer are.
//!
//! Guarantee: the sizes follow from the scenario's seed and the producer's number alone, and are within `BODY_MIN` and what the
//! distribution has as its most.

use crate::chance::{Chance, Purpose};
use crate::scenario::{BODY_MIN, Size};

/// The 99th percentile of the standard normal distribution.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// The sizes of one producer's bodies, one after the other.
#[derive(Clone, Debug)]
pub struct Sizes {
    shape: Shape,
    chance: Chance,
}

#[derive(Clone, Debug)]
enum Shape {
    Fixed(usize),
    Uniform {
        min: u64,
        span: u64,
    },
    LogNormal {
        log_median: f64,
        deviation: f64,
        max: f64,
    },
    /// Each size with the share of all that it and those before it have.
    Mix(Vec<(f64, usize)>),
}

fn octets(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Sizes {
    /// The sizes of a producer's bodies.
    pub fn new(size: &Size, seed: u64, group: u32, producer: u32) -> Self {
        let shape = match size {
            Size::Fixed(bytes) => Shape::Fixed(octets(bytes.0)),
            Size::Uniform { min, max } => Shape::Uniform { min: min.0, span: max.0.saturating_sub(min.0) + 1 },
            Size::LogNormal { median, p99, max } => {
                let log_median = (median.0 as f64).ln();
                let deviation = ((p99.0 as f64).ln() - log_median) / NORMAL_P99;
                Shape::LogNormal { log_median, deviation, max: max.0 as f64 }
            }
            Size::Mix(sizes) => {
                let total: f64 = sizes.iter().map(|one| one.weight).sum();
                let mut sum = 0.0;
                let part = |one: &crate::scenario::Weighted| {
                    sum += one.weight / total;
                    (sum, octets(one.size.0))
                };
                Shape::Mix(sizes.iter().map(part).collect())
            }
        };
        Self { shape, chance: Chance::new(seed, Purpose::Sizes, group, producer) }
    }

    /// Octets of the next body.
    #[inline]
    pub fn next_bytes(&mut self) -> usize {
        match &self.shape {
            Shape::Fixed(bytes) => *bytes,
            Shape::Uniform { min, span } => {
                // The high half of a product: as even as 64 bits can be.
                let above = (u128::from(self.chance.next_bits()) * u128::from(*span)) >> 64;
                octets(min + u64::try_from(above).unwrap_or(0))
            }
            Shape::LogNormal { log_median, deviation, max } => {
                let bytes = (log_median + deviation * self.chance.next_normal()).exp();
                octets(bytes.clamp(BODY_MIN as f64, *max) as u64)
            }
            Shape::Mix(sizes) => {
                let share = self.chance.next_share();
                let found = sizes.iter().find(|(until, _)| share <= *until).or(sizes.last());
                found.map_or(octets(BODY_MIN), |(_, bytes)| *bytes)
            }
        }
    }
}

/// The largest body that a distribution gives, octets.
pub fn largest(size: &Size) -> usize {
    octets(match size {
        Size::Fixed(bytes) => bytes.0,
        Size::Uniform { max, .. } | Size::LogNormal { max, .. } => max.0,
        Size::Mix(sizes) => sizes.iter().map(|one| one.size.0).max().unwrap_or(BODY_MIN),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Weighted;
    use crate::units::Bytes;

    fn draw(size: &Size) -> Vec<usize> {
        let mut sizes = Sizes::new(size, 5, 1, 2);
        let mut drawn: Vec<usize> = (0..100_000).map(|_| sizes.next_bytes()).collect();
        let mut again = Sizes::new(size, 5, 1, 2);
        assert!(drawn.iter().all(|&bytes| bytes == again.next_bytes()), "the same each time");
        assert!(drawn.iter().all(|&bytes| (BODY_MIN as usize..=largest(size)).contains(&bytes)));
        drawn.sort_unstable();
        drawn
    }

    #[test]
    fn distributions_are_what_they_say() {
        assert!(draw(&Size::Fixed(Bytes(100))).iter().all(|&bytes| bytes == 100));
        let uniform = draw(&Size::Uniform { min: Bytes(100), max: Bytes(299) });
        assert_eq!((uniform[0], uniform[99_999]), (100, 299));
        assert!((uniform.iter().sum::<usize>() as f64 / 100_000.0 - 199.5).abs() < 1.0);
        let normal = draw(&Size::LogNormal { median: Bytes(1000), p99: Bytes(8000), max: Bytes(50_000) });
        assert!(normal[50_000].abs_diff(1000) < 20, "{}", normal[50_000]);
        assert!(normal[99_000].abs_diff(8000) < 500, "{}", normal[99_000]);
        let weighted = |size, weight| Weighted { size: Bytes(size), weight };
        let mix = draw(&Size::Mix(vec![weighted(100, 9.0), weighted(1024, 1.0)]));
        let small = mix.iter().filter(|&&bytes| bytes == 100).count();
        assert!(small.abs_diff(90_000) < 500, "{small}");
        assert!(mix.iter().all(|bytes| [100, 1024].contains(bytes)));
    }
}
