//! The universal scalability law: how throughput follows from the number of cores (or of anything that works side by side).
//!
//! X(N) = g N / (1 + a (N - 1) + b N (N - 1)), with g the throughput of one, a the share of work that waits for others (contention)
//! and b what each pair costs (coherency). From Gunther, "Guerrilla Capacity Planning" (2007); all three are fitted by least
//! squares, as the R package `usl` does since version 2.
//!
//! Guarantees: a and b are not below 0; with fewer than `POINTS_MIN` numbers nothing is fitted, and the error says what to measure.

use serde::{Deserialize, Serialize};

use crate::estimate::least_squares::{Fit, Observation, fit, propagated};
use crate::estimate::student::within_95;

/// Different numbers at least: three parameters, and as many again to see whether the law holds (Gunther 2007, 5.5).
pub const POINTS_MIN: usize = 6;

/// Throughput at a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// How many work side by side.
    pub number: f64,
    /// What they do together, a second.
    pub throughput: f64,
}

/// The law as fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usl {
    /// Throughput of one.
    pub gamma: f64,
    /// Contention.
    pub alpha: f64,
    /// Coherency.
    pub beta: f64,
    /// Standard errors of the three, in this order.
    pub errors: [f64; 3],
    /// Covariance of the three.
    pub covariance: [[f64; 3]; 3],
    /// Standard error of a residual.
    pub residual: f64,
    /// Points more than parameters.
    pub degrees: usize,
    /// Share of the variance that the law explains.
    pub r_squared: f64,
    /// The largest number that was measured: what is beyond is extrapolated.
    pub measured_to: f64,
}

/// Why no law was fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum UslError {
    /// There are too few numbers.
    #[error("the scalability law needs throughput at {POINTS_MIN} different numbers of cores, and here are {found}: measure {}", missing(*.found, *.most))]
    TooFew {
        /// How many different ones there are.
        found: usize,
        /// The largest of them.
        most: f64,
    },
    /// They fix no curve.
    #[error("no scalability law fits these points: look whether the same was measured at each number of cores")]
    NoFit,
}

fn missing(found: usize, most: f64) -> String {
    let numbers = (1_u32..).map(f64::from).filter(|number| *number > most).take(POINTS_MIN - found.min(POINTS_MIN - 1));
    let more = numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    format!("also at {more}, or at numbers between")
}

fn law(number: f64, [gamma, alpha, beta]: &[f64; 3]) -> (f64, [f64; 3]) {
    let (contention, coherency) = (number - 1.0, number * (number - 1.0));
    let divisor = 1.0 + alpha * contention + beta * coherency;
    let throughput = gamma * number / divisor;
    (throughput, [number / divisor, -throughput * contention / divisor, -throughput * coherency / divisor])
}

impl Usl {
    /// Fits the law.
    ///
    /// # Errors
    /// When there are too few points, or they fix no curve.
    pub fn fit(points: &[Measured]) -> Result<Self, UslError> {
        let mut numbers: Vec<f64> = points.iter().map(|point| point.number).collect();
        numbers.sort_by(f64::total_cmp);
        numbers.dedup();
        let most = numbers.last().copied().unwrap_or(0.0);
        if numbers.len() < POINTS_MIN {
            return Err(UslError::TooFew { found: numbers.len(), most });
        }
        let observations: Vec<_> =
            points.iter().map(|point| Observation { x: point.number, y: point.throughput, weight: 1.0 }).collect();
        let for_one = points.iter().map(|point| point.throughput / point.number).fold(0.0, f64::max);
        let found = fit(&observations, [for_one, 0.01, 0.0001], [0.0; 3], law).ok_or(UslError::NoFit)?;
        Ok(Self::of(&found, points, most))
    }

    fn of(found: &Fit<3>, points: &[Measured], measured_to: f64) -> Self {
        let [gamma, alpha, beta] = found.parameters;
        let mean = points.iter().map(|point| point.throughput).sum::<f64>() / points.len() as f64;
        let variance: f64 = points.iter().map(|point| (point.throughput - mean).powi(2)).sum();
        let left = found.residual.powi(2) * found.degrees as f64;
        Self {
            gamma,
            alpha,
            beta,
            errors: [found.error(&[1.0, 0.0, 0.0]), found.error(&[0.0, 1.0, 0.0]), found.error(&[0.0, 0.0, 1.0])],
            covariance: found.covariance,
            residual: found.residual,
            degrees: found.degrees,
            r_squared: if variance > 0.0 { 1.0 - left / variance } else { 1.0 },
            measured_to,
        }
    }

    /// Throughput at a number.
    pub fn at(&self, number: f64) -> f64 {
        law(number, &[self.gamma, self.alpha, self.beta]).0
    }

    /// Its 95 % interval: of the curve, and of a single measurement's error about it.
    pub fn interval(&self, number: f64) -> (f64, f64) {
        let (throughput, gradient) = law(number, &[self.gamma, self.alpha, self.beta]);
        let width = within_95(self.degrees) * propagated(&self.covariance, &gradient).hypot(self.residual);
        ((throughput - width).max(0.0), throughput + width)
    }

    /// The number with the most throughput; absent if more is always more.
    pub fn peak(&self) -> Option<f64> {
        (self.beta > 0.0 && self.alpha < 1.0).then(|| ((1.0 - self.alpha) / self.beta).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(points: &[(f64, f64)]) -> Vec<Measured> {
        points.iter().map(|&(number, throughput)| Measured { number, throughput }).collect()
    }

    /// The SDM benchmark on a SPARCcenter 2000, from Gunther's book; the R package `usl` 2.0 prints for it (method nlxb) alpha
    /// 0.0277285, beta 0.0001044, gamma 89.9952, standard errors 0.0091217, 0.0000199 and 14.2135, and a residual standard error of
    /// 82.8 on 4 degrees of freedom.
    #[test]
    fn the_published_data_have_their_published_parameters() {
        let points = [
            (1.0, 64.9),
            (18.0, 995.9),
            (36.0, 1652.4),
            (72.0, 1853.2),
            (108.0, 1828.9),
            (144.0, 1775.0),
            (216.0, 1702.2),
        ];
        let usl = Usl::fit(&measured(&points)).expect("enough points");
        for (found, published) in [
            (usl.alpha, 0.027_728_5),
            (usl.beta, 0.000_104_4),
            (usl.gamma, 89.995_2),
            (usl.errors[0], 14.213_5),
            (usl.errors[1], 0.009_121_7),
            (usl.errors[2], 0.000_019_9),
            (usl.residual, 82.8),
        ] {
            assert!((found / published - 1.0).abs() < 0.004, "{found} and {published}");
        }
        assert_eq!(usl.degrees, 4);
        assert!((usl.peak().expect("it falls") - 96.5).abs() < 0.5, "{:?}", usl.peak());
        assert!((usl.r_squared - 0.99).abs() < 0.005, "{}", usl.r_squared);
    }

    #[test]
    fn points_of_a_law_give_that_law() {
        let truth = Usl { gamma: 1e6, alpha: 0.03, beta: 0.002, ..of_nothing() };
        let points: Vec<_> = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0].map(|number| (number, truth.at(number))).to_vec();
        let usl = Usl::fit(&measured(&points)).expect("enough points");
        assert!((usl.alpha - 0.03).abs() < 1e-6 && (usl.beta - 0.002).abs() < 1e-7, "{usl:?}");
        let (low, high) = usl.interval(64.0);
        assert!(low <= truth.at(64.0) * (1.0 + 1e-6) && high >= truth.at(64.0) * (1.0 - 1e-6));
    }

    #[test]
    fn a_linear_system_has_neither_contention_nor_peak() {
        let points: Vec<_> = (1..=8).map(f64::from).map(|number| (number, 5e5 * number)).collect();
        let usl = Usl::fit(&measured(&points)).expect("enough points");
        assert!(usl.alpha < 1e-6 && usl.beta < 1e-6, "{usl:?}");
    }

    #[test]
    fn too_few_points_are_refused_with_what_to_measure() {
        let error = Usl::fit(&measured(&[(1.0, 1.0), (2.0, 1.9), (2.0, 1.8)])).expect_err("two are too few");
        assert_eq!(error, UslError::TooFew { found: 2, most: 2.0 });
        assert!(error.to_string().ends_with("measure also at 3, 4, 5, 6, or at numbers between"), "{error}");
        assert!(Usl::fit(&[]).is_err());
    }

    fn of_nothing() -> Usl {
        let covariance = [[0.0; 3]; 3];
        Usl {
            gamma: 0.0,
            alpha: 0.0,
            beta: 0.0,
            errors: [0.0; 3],
            covariance,
            residual: 0.0,
            degrees: 0,
            r_squared: 1.0,
            measured_to: 1.0,
        }
    }
}
