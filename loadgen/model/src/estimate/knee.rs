//! Where a curve bends: the knee of Kneedle (Satopää, Albrecht, Irwin, Raghavan 2011), and the point of most power (Kleinrock
//! 1979).
//!
//! Both are of a curve that rises ever more steeply, such as latency over rate. Kneedle takes the point that is farthest below the
//! line from the first to the last point, both axes scaled to 1. Power is rate for each unit of latency: more rate beyond its
//! maximum costs more latency than it is worth.

/// Points at least: of fewer the farthest one is any.
const POINTS_MIN: usize = 5;
/// How far below the line, of 1, a knee has to be: a straight line has none, and neither has its noise.
const DEPTH_MIN: f64 = 0.1;

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// What grows, such as a rate.
    pub x: f64,
    /// What it costs, such as a latency.
    pub y: f64,
}

/// The place of the knee among points in order of x.
pub fn knee(points: &[Point]) -> Option<usize> {
    let (first, last) = (points.first()?, points.last()?);
    let highest = points.iter().map(|point| point.y).fold(f64::MIN, f64::max);
    let lowest = points.iter().map(|point| point.y).fold(f64::MAX, f64::min);
    if points.len() < POINTS_MIN || last.x <= first.x || highest <= lowest {
        return None;
    }
    let depth = |point: &Point| (point.x - first.x) / (last.x - first.x) - (point.y - lowest) / (highest - lowest);
    let (place, deepest) = points.iter().map(depth).enumerate().max_by(|one, other| one.1.total_cmp(&other.1))?;
    (deepest >= DEPTH_MIN).then_some(place)
}

/// The place of the point with the most power.
pub fn most_power(points: &[Point]) -> Option<usize> {
    let powers =
        points.iter().enumerate().filter(|(_, point)| point.y > 0.0).map(|(place, point)| (place, point.x / point.y));
    powers.max_by(|one, other| one.1.total_cmp(&other.1)).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(y: impl Fn(f64) -> f64) -> Vec<Point> {
        (1..20).map(|at| f64::from(at) / 20.0).map(|x| Point { x, y: y(x) }).collect()
    }

    /// The waiting time of a queue with one server, 1 / (1 - x), has its most power at half of its capacity (Kleinrock 1979).
    #[test]
    fn a_queue_has_its_most_power_at_half_its_capacity() {
        let queue = curve(|x| 1.0 / (1.0 - x));
        assert!((queue[most_power(&queue).expect("there are points")].x - 0.5).abs() < 1e-9);
    }

    /// By hand: scaled, the farthest point of 1 / (1 - x) between 0.05 and 0.95 is where its slope is
    /// that of the line, 1 / (1 - x)^2 = 18.947 / 0.9, at x = 0.782.
    #[test]
    fn a_queue_bends_where_its_slope_is_that_of_the_line() {
        let queue = curve(|x| 1.0 / (1.0 - x));
        assert!((queue[knee(&queue).expect("it bends")].x - 0.782).abs() < 0.03);
    }

    #[test]
    fn a_line_and_a_few_points_have_no_knee() {
        assert_eq!(knee(&curve(|x| 3.0 + 2.0 * x)), None);
        assert_eq!(knee(&curve(|_| 3.0)), None);
        assert_eq!(knee(&curve(|x| 1.0 / (1.0 - x))[..4]), None);
        assert_eq!(most_power(&[]), None);
    }
}
