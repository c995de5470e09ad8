//! Delays of a known distribution.
//!
//! Guarantee: any ten thousands of delays in a row have the quantiles of the distribution itself, not those of a sample
//! of it: the numbers that they are made of are spread evenly (a sequence of the golden ratio's multiples), not thrown.
//! A test can so hold reported percentiles against the truth, where as many independent draws would be off by more than
//! the test allows.

use std::fmt;

use load_model::units::Span;

/// 2^64 divided by the golden ratio, made odd: the step that spreads its multiples most evenly over all 64-bit numbers.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// The normal quantile of 0.99.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Fixed(Span),
    /// All between with equal chance.
    Uniform {
        /// The least.
        min: Span,
        /// The most.
        max: Span,
    },
    /// Short ones are frequent, long ones rare.
    Exponential {
        /// Of all; the median is 0.69 of it.
        mean: Span,
    },
    /// As times of real servers tend to be.
    LogNormal {
        /// Half are shorter.
        median: Span,
        /// One in a hundred is longer.
        p99: Span,
    },
    /// Two times and nothing between.
    Bimodal {
        /// Of most.
        usual: Span,
        /// Of one in `one_in`.
        rare: Span,
        /// How rare.
        one_in: u32,
    },
}

impl Distribution {
    /// What the share `q` (0 to 1, both excluded) is not above, nanoseconds.
    pub fn quantile(&self, q: f64) -> u64 {
        let ns = match *self {
            Self::Fixed(span) => span.0 as f64,
            Self::Uniform { min, max } => min.0 as f64 + (max.0 - min.0) as f64 * q,
            Self::Exponential { mean } => -(mean.0 as f64) * (-q).ln_1p(),
            Self::LogNormal { median, p99 } => {
                let sigma = (p99.0 as f64 / median.0 as f64).ln() / NORMAL_P99;
                median.0 as f64 * (sigma * normal_quantile(q)).exp()
            }
            Self::Bimodal { usual, rare, one_in } => {
                if q > 1.0 - 1.0 / f64::from(one_in) {
                    rare.0 as f64
                } else {
                    usual.0 as f64
                }
            }
        };
        ns.round() as u64
    }

    /// Reads `fixed:10ms` and the like.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let fields: Vec<&str> = rest.split(',').collect();
        let span = |text: &str| text.parse::<Span>().ok().filter(|span| span.0 > 0);
        match (kind, fields.as_slice()) {
            ("fixed", [length]) => Some(Self::Fixed(span(length)?)),
            ("uniform", [min, max]) => {
                let (min, max) = (span(min)?, span(max)?);
                (min < max).then_some(Self::Uniform { min, max })
            }
            ("exponential", [mean]) => Some(Self::Exponential { mean: span(mean)? }),
            ("lognormal", [median, p99]) => {
                let (median, p99) = (span(median)?, span(p99)?);
                (median < p99).then_some(Self::LogNormal { median, p99 })
            }
            ("bimodal", [usual, rare, one_in]) => {
                let one_in = one_in.parse().ok().filter(|&one_in| one_in > 1)?;
                Some(Self::Bimodal { usual: span(usual)?, rare: span(rare)?, one_in })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "fixed:{length}"),
            Self::Uniform { min, max } => write!(f, "uniform:{min},{max}"),
            Self::Exponential { mean } => write!(f, "exponential:{mean}"),
            Self::LogNormal { median, p99 } => write!(f, "lognormal:{median},{p99}"),
            Self::Bimodal { usual, rare, one_in } => write!(f, "bimodal:{usual},{rare},{one_in}"),
        }
    }
}

/// A sequence of delays.
#[derive(Clone, Debug)]
pub(super) struct Delays {
    distribution: Distribution,
    place: u64,
}

impl Delays {
    /// The sequence of a seed.
    pub fn new(distribution: Distribution, seed: u64) -> Self {
        // Neighbouring seeds begin far from each other, and not where the other's sequence goes.
        Self { distribution, place: (seed ^ (seed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93) }
    }

    /// The next one, nanoseconds.
    pub fn draw(&mut self) -> u64 {
        self.place = self.place.wrapping_add(GOLDEN);
        // 53 bits and a half: never 0, never 1.
        let q = ((self.place >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        self.distribution.quantile(q)
    }
}

/// What a normal variable is below with chance `q`: Newton's method from a close guess (Tukey's lambda), to more digits
/// than delays have.
fn normal_quantile(q: f64) -> f64 {
    let mut x = (q.powf(0.135) - (1.0 - q).powf(0.135)) / 0.1975;
    for _ in 0..4 {
        let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        // Halley's correction keeps the step from going far where the density is small.
        let step = (normal_share(x) - q) / density;
        x -= step / (1.0 + 0.5 * x * step);
    }
    x
}

/// The chance that a normal variable is below `x`, by the series around 0: exact to 1e-12 for |x| < 6, which is all
/// that one in a billion needs.
fn normal_share(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while (term / sum).abs() > 1e-17 {
        n += 2.0;
        term *= x * x / n;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn quantiles_are_those_of_textbooks() {
        for (q, z) in [(0.5, 0.0), (0.9, 1.281_551_6), (0.99, NORMAL_P99), (0.999, 3.090_232_3), (1e-6, -4.753_424_3)] {
            assert!((normal_quantile(q) - z).abs() < 1e-6, "{q}");
        }
        let lognormal = Distribution::LogNormal { median: Span(5 * MS), p99: Span(50 * MS) };
        assert_eq!(lognormal.quantile(0.5), 5 * MS);
        assert_eq!(lognormal.quantile(0.99), 50 * MS);
        let exponential = Distribution::Exponential { mean: Span(MS) };
        assert_eq!(exponential.quantile(0.5), 693_147);
        let bimodal = Distribution::Bimodal { usual: Span(MS), rare: Span(9 * MS), one_in: 50 };
        assert_eq!((bimodal.quantile(0.97), bimodal.quantile(0.99)), (MS, 9 * MS));
        assert_eq!(Distribution::Uniform { min: Span(MS), max: Span(3 * MS) }.quantile(0.25), MS * 3 / 2);
    }

    /// Wherever one looks into the sequence, 50,000 delays have the distribution's quantiles within 1 %: independent
    /// draws have a standard error of 2 % at p99.9.
    #[test]
    fn ten_thousands_of_delays_have_the_quantiles_of_the_distribution() {
        for seed in [0, 1, 2, 77] {
            let distribution = Distribution::Exponential { mean: Span(10 * MS) };
            let mut delays = Delays::new(distribution, seed);
            for _ in 0..10 {
                let mut drawn: Vec<u64> = (0..50_000).map(|_| delays.draw()).collect();
                drawn.sort_unstable();
                for q in [0.5, 0.9, 0.99, 0.999] {
                    let (found, truth) = (drawn[(50_000.0 * q) as usize] as f64, distribution.quantile(q) as f64);
                    let off = (found / truth - 1.0).abs();
                    assert!(off < 0.01, "seed {seed}, q {q}: {found} beside {truth}");
                }
            }
        }
    }
}
