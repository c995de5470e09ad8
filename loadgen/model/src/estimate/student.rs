//! Student's distribution, as far as 95 % intervals need it.

/// Of so many degrees of freedom 95 of 100 values are within this many standard errors; the first thirty are those of every table.
const WITHIN_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// Standard errors to either side of an estimate that make its 95 % interval; infinite without a degree of freedom.
pub fn within_95(degrees: usize) -> f64 {
    match degrees.checked_sub(1) {
        None => f64::INFINITY,
        // The first term of the expansion about the normal distribution is right to three digits from here on.
        Some(place) => WITHIN_95.get(place).copied().unwrap_or(1.959_964 + 2.372 / degrees as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_between_and_beyond_the_table_are_those_of_larger_tables() {
        for (degrees, value) in [(1, 12.706), (4, 2.776), (30, 2.042), (40, 2.021), (60, 2.000), (120, 1.980)] {
            assert!((within_95(degrees) - value).abs() < 2e-3, "{degrees}");
        }
        assert_eq!(within_95(0), f64::INFINITY);
    }
}
