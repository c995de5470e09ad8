//! Whether a series rises or falls: the slope of Theil (1950) and Sen (1968).
//!
//! It is the median of the slopes of all pairs, so that nearly a third of the values may be anything. Its interval is Sen's, from
//! the variance of Kendall's statistic. It takes values as independent; of values that follow each other the interval is too
//! narrow, which is why those who ask for steadiness (`steady`) also have a tolerance.

use super::order::{median, sorted, thinned};

/// Values at most; more are thinned, as pairs grow with the square.
const VALUES_MAX: usize = 200;
/// Values at least: of three no slope is told from none.
const VALUES_MIN: usize = 4;
/// Of a normal distribution, 95 of 100 are within so many standard deviations.
pub const NORMAL_95: f64 = 1.959_964;

/// A slope, for each step of the series that it was asked of, and its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// The estimate.
    pub slope: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Slope {
    /// Of values at equal distances.
    pub fn of(values: &[f64]) -> Option<Self> {
        let thin = thinned(values, VALUES_MAX);
        let count = thin.len();
        if count < VALUES_MIN {
            return None;
        }
        let step = values.len().div_ceil(VALUES_MAX).max(1) as f64;
        let later = |at: usize| thin.iter().enumerate().skip(at + 1);
        let of_pairs = |(at, value): (usize, &f64)| {
            let value = *value;
            later(at).map(move |(place, other)| (other - value) / ((place - at) as f64 * step)).collect::<Vec<_>>()
        };
        let slopes = sorted(thin.iter().enumerate().flat_map(of_pairs));
        let (pairs, count) = (slopes.len() as f64, count as f64);
        let width = NORMAL_95 * (count * (count - 1.0) * (2.0 * count + 5.0) / 18.0).sqrt();
        // Counted from 1, the ends are the values at (pairs - width) / 2 and (pairs + width) / 2 + 1; rounded outwards.
        let low = ((pairs - width) / 2.0).floor().max(1.0) as usize;
        let high = ((pairs + width) / 2.0 + 1.0).ceil().min(pairs) as usize;
        let slope = median(slopes.iter().copied())?;
        Some(Self { slope, low: *slopes.get(low - 1)?, high: *slopes.get(high - 1)? })
    }

    /// Whether it may be none.
    pub fn may_be_flat(&self) -> bool {
        self.low <= 0.0 && self.high >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_tilt_a_line() {
        let mut values: Vec<f64> = (0..20).map(|at| 5.0 + 2.0 * f64::from(at)).collect();
        values[3] = 1e6;
        values[11] = -1e6;
        values[17] = 1e6;
        let slope = Slope::of(&values).expect("enough values");
        assert!((slope.slope - 2.0).abs() < 1e-9 && !slope.may_be_flat(), "{slope:?}");
        assert!(slope.low <= 2.0 && slope.high >= 2.0, "{slope:?}");
    }

    /// By hand: the slopes of the ten pairs of 1, 3, 2, 5, 4 in order are -1, -1, 1/3, 1/2, 3/4, 1, 1, 4/3, 2, 3.
    #[test]
    fn a_small_series_has_the_slope_of_its_pairs() {
        let slope = Slope::of(&[1.0, 3.0, 2.0, 5.0, 4.0]).expect("enough values");
        assert_eq!(slope.slope, 0.875);
        assert!(slope.may_be_flat(), "of five values that is no trend: {slope:?}");
        assert_eq!(Slope::of(&[1.0, 2.0, 3.0]), None);
    }

    #[test]
    fn a_long_series_keeps_its_slope_when_it_is_thinned() {
        let values: Vec<f64> = (0..5000).map(|at| 0.25 * f64::from(at)).collect();
        assert!((Slope::of(&values).expect("enough values").slope - 0.25).abs() < 1e-3);
    }
}
