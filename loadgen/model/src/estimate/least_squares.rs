//! Curves through points: non-linear least squares by the method of Levenberg (1944) and Marquardt (1963), with a lower bound for
//! each parameter.
//!
//! For a handful of parameters and some tens of points; a linear model is the simplest case. Confidence comes from the covariance
//! at the solution, which takes the model as right and the errors as even: it says how well the points fix the parameters, not
//! whether the model is true.

/// Steps at most; from a sensible start it takes ten.
const STEPS_MAX: usize = 500;
/// An improvement below this share of the error is none.
const TOLERANCE: f64 = 1e-12;
/// Damping beyond which no step helps.
const DAMPING_MAX: f64 = 1e20;

/// A point: where it is, what was found there, and how much it counts.
#[derive(Clone, Copy, Debug)]
pub struct Observation<X> {
    /// Where; as many numbers as the model wants.
    pub x: X,
    /// What was found.
    pub y: f64,
    /// How much it counts: the inverse of its variance, up to a factor.
    pub weight: f64,
}

/// The parameters that fit best.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit<const P: usize> {
    /// They.
    pub parameters: [f64; P],
    /// Their covariance; of parameters at their bound as of those that are free.
    pub covariance: [[f64; P]; P],
    /// Covariance if weights are the inverse of variances, not only in proportion to it.
    pub of_known_errors: [[f64; P]; P],
    /// Standard error of a residual of weight 1; 0 if there are no more points than parameters.
    pub residual: f64,
    /// Points more than parameters.
    pub degrees: usize,
}

/// Fits a model, which gives its value and the derivative for each parameter; `None` with fewer points than parameters, or when the
/// points do not fix them.
pub fn fit<X: Copy, const P: usize>(
    points: &[Observation<X>],
    start: [f64; P],
    least: [f64; P],
    model: impl Fn(X, &[f64; P]) -> (f64, [f64; P]),
) -> Option<Fit<P>> {
    let degrees = points.len().checked_sub(P)?;
    let mut now = start;
    let mut error = error_of(points, &now, &model);
    let mut damping = 1e-3;
    for _ in 0..STEPS_MAX {
        let (normal, slope) = normal_equations(points, &now, &model);
        let step = step(normal, slope, &std::array::from_fn(|at| now[at] <= least[at] && slope[at] <= 0.0), damping)?;
        let mut next = now;
        for at in 0..P {
            next[at] = (now[at] + step[at]).max(least[at]);
        }
        let next_error = error_of(points, &next, &model);
        if next_error <= error {
            let is_done = error - next_error <= TOLERANCE * error;
            (now, error, damping) = (next, next_error, (damping / 10.0).max(1e-12));
            if is_done {
                break;
            }
        } else {
            damping *= 10.0;
            if damping > DAMPING_MAX {
                break;
            }
        }
    }
    if !error.is_finite() {
        return None;
    }
    let (normal, _) = normal_equations(points, &now, &model);
    let variance = if degrees > 0 { error / degrees as f64 } else { 0.0 };
    let of_known_errors = inverse(normal)?;
    let mut covariance = of_known_errors;
    covariance.iter_mut().flatten().for_each(|value| *value *= variance);
    Some(Fit { parameters: now, covariance, of_known_errors, residual: variance.sqrt(), degrees })
}

impl<const P: usize> Fit<P> {
    /// Standard error of a value whose derivative for each parameter is `gradient` (the delta method).
    pub fn error(&self, gradient: &[f64; P]) -> f64 {
        propagated(&self.covariance, gradient)
    }
}

/// Standard error of a value that depends on parameters of a covariance by a gradient.
pub fn propagated<const P: usize>(covariance: &[[f64; P]; P], gradient: &[f64; P]) -> f64 {
    let mut variance = 0.0;
    for (row, one) in covariance.iter().zip(gradient) {
        for (value, other) in row.iter().zip(gradient) {
            variance += one * value * other;
        }
    }
    variance.max(0.0).sqrt()
}

fn error_of<X: Copy, const P: usize>(
    points: &[Observation<X>],
    parameters: &[f64; P],
    model: &impl Fn(X, &[f64; P]) -> (f64, [f64; P]),
) -> f64 {
    points.iter().map(|point| point.weight * (point.y - model(point.x, parameters).0).powi(2)).sum()
}

fn normal_equations<X: Copy, const P: usize>(
    points: &[Observation<X>],
    parameters: &[f64; P],
    model: &impl Fn(X, &[f64; P]) -> (f64, [f64; P]),
) -> ([[f64; P]; P], [f64; P]) {
    let (mut normal, mut slope) = ([[0.0; P]; P], [0.0; P]);
    for point in points {
        let (value, gradient) = model(point.x, parameters);
        for at in 0..P {
            slope[at] += point.weight * gradient[at] * (point.y - value);
            for other in 0..P {
                normal[at][other] += point.weight * gradient[at] * gradient[other];
            }
        }
    }
    (normal, slope)
}

/// The damped step; parameters that are held at their bound do not move, and the others go where they would without them.
fn step<const P: usize>(
    mut normal: [[f64; P]; P],
    mut slope: [f64; P],
    is_held: &[bool; P],
    damping: f64,
) -> Option<[f64; P]> {
    for at in 0..P {
        for other in 0..P {
            if at != other && (is_held[at] || is_held[other]) {
                normal[at][other] = 0.0;
            }
        }
        // Marquardt's scaling: parameters of any size are damped alike. One that nothing depends on stays where it is.
        normal[at][at] = if normal[at][at] > 0.0 { normal[at][at] * (1.0 + damping) } else { 1.0 };
        if is_held[at] {
            slope[at] = 0.0;
        }
    }
    solve(normal, slope)
}

/// Solves a system of equations by elimination with pivots; `None` if it has no one solution.
fn solve<const P: usize>(mut matrix: [[f64; P]; P], mut right: [f64; P]) -> Option<[f64; P]> {
    for at in 0..P {
        let pivot = (at..P).max_by(|one, other| matrix[*one][at].abs().total_cmp(&matrix[*other][at].abs()))?;
        matrix.swap(at, pivot);
        right.swap(at, pivot);
        if matrix[at][at].abs() < f64::MIN_POSITIVE || !matrix[at][at].is_finite() {
            return None;
        }
        for below in at + 1..P {
            let factor = matrix[below][at] / matrix[at][at];
            let above = matrix[at];
            for (value, from) in matrix[below].iter_mut().zip(above) {
                *value -= factor * from;
            }
            right[below] -= factor * right[at];
        }
    }
    let mut solution = [0.0; P];
    for at in (0..P).rev() {
        let known: f64 = (at + 1..P).map(|column| matrix[at][column] * solution[column]).sum();
        solution[at] = (right[at] - known) / matrix[at][at];
    }
    Some(solution)
}

/// The inverse of a symmetric matrix, scaled to a diagonal of ones first: parameters may differ by many orders of magnitude.
fn inverse<const P: usize>(matrix: [[f64; P]; P]) -> Option<[[f64; P]; P]> {
    let mut scale = [1.0; P];
    for at in 0..P {
        if matrix[at][at] <= 0.0 {
            return None;
        }
        scale[at] = matrix[at][at].sqrt();
    }
    let mut scaled = matrix;
    for (at, row) in scaled.iter_mut().enumerate() {
        for (other, value) in row.iter_mut().enumerate() {
            *value /= scale[at] * scale[other];
        }
    }
    let mut inverse = [[0.0; P]; P];
    for column in 0..P {
        let mut unit = [0.0; P];
        unit[column] = 1.0;
        let solution = solve(scaled, unit)?;
        for at in 0..P {
            inverse[at][column] = solution[at] / (scale[at] * scale[column]);
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(of: &[(f64, f64)]) -> Vec<Observation<f64>> {
        of.iter().map(|&(x, y)| Observation { x, y, weight: 1.0 }).collect()
    }

    /// Anscombe's first set (1973): y = 3.0001 + 0.5001 x, standard errors 1.1247 and 0.1179, residual 1.2366.
    #[test]
    fn a_line_through_anscombe_s_points_has_its_published_errors() {
        let x = [10.0, 8.0, 13.0, 9.0, 11.0, 14.0, 6.0, 4.0, 12.0, 7.0, 5.0];
        let y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
        let line = |x: f64, [a, b]: &[f64; 2]| (a + b * x, [1.0, x]);
        let all: Vec<_> = x.into_iter().zip(y).collect();
        let found = fit(&points(&all), [0.0, 0.0], [f64::MIN; 2], line).expect("enough points");
        for (value, published) in found.parameters.iter().zip([3.0001, 0.5001]) {
            assert!((value - published).abs() < 1e-4, "{found:?}");
        }
        assert!((found.error(&[1.0, 0.0]) - 1.1247).abs() < 1e-4 && (found.error(&[0.0, 1.0]) - 0.1179).abs() < 1e-4);
        assert!((found.residual - 1.2366).abs() < 1e-3 && found.degrees == 9);
    }

    #[test]
    fn a_parameter_stays_above_its_bound() {
        let line = |x: f64, [a, b]: &[f64; 2]| (a + b * x, [1.0, x]);
        let falling = points(&[(0.0, 4.0), (1.0, 3.0), (2.0, 2.0)]);
        let found = fit(&falling, [1.0, 1.0], [0.0, 0.0], line).expect("enough points");
        assert!(found.parameters[1] == 0.0 && (found.parameters[0] - 3.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn points_that_do_not_fix_the_parameters_give_nothing() {
        let line = |x: f64, [a, b]: &[f64; 2]| (a + b * x, [1.0, x]);
        assert_eq!(fit(&points(&[(1.0, 1.0)]), [0.0, 0.0], [0.0; 2], line), None);
        assert_eq!(fit(&points(&[(1.0, 1.0), (1.0, 1.1), (1.0, 0.9)]), [0.5, 0.5], [0.0; 2], line), None);
    }
}
