//! What follows from the order of values: medians, quantiles, spread.

/// The values in order.
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// A quantile of values in order, between its neighbours where it falls between two (type 7 of Hyndman and Fan 1996: what R and
/// numpy do).
pub fn quantile(sorted: &[f64], quantile: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = quantile.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

/// The middle value.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    quantile(&sorted(values), 0.5)
}

/// The spread of values about their median as the standard deviation of a normal distribution that has the same median deviation:
/// one value that is far off does not change it.
pub fn spread(values: &[f64]) -> Option<f64> {
    /// A normal distribution's standard deviation for each unit of its median absolute deviation.
    const NORMAL: f64 = 1.4826;
    let middle = median(values.iter().copied())?;
    Some(NORMAL * median(values.iter().map(|value| (value - middle).abs()))?)
}

/// The values as at most so many: medians of neighbours.
pub fn thinned(values: &[f64], most: usize) -> Vec<f64> {
    let to_a_value = values.len().div_ceil(most.max(1)).max(1);
    values.chunks(to_a_value).filter_map(|chunk| median(chunk.iter().copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_r() {
        let values = sorted([4.0, 1.0, 3.0, 2.0]);
        for (at, value) in [(0.0, 1.0), (0.25, 1.75), (0.5, 2.5), (0.9, 3.7), (1.0, 4.0)] {
            assert!((quantile(&values, at).expect("there are values") - value).abs() < 1e-12);
        }
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(median([7.0]), Some(7.0));
    }

    #[test]
    fn one_value_far_off_changes_no_spread() {
        let values = [10.0, 11.0, 9.0, 10.5, 9.5, 10.0, 1e9];
        assert!(spread(&values).expect("there are values") < 1.0);
        assert_eq!(thinned(&values, 3), [10.0, 10.0, 1e9]);
        assert_eq!(thinned(&values, 100), values);
    }
}
