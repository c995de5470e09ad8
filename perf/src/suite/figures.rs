//! Medians, spreads, and numbers as people read them.

/// The middle one of several, `None` of none.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The middle one with the least and the most, written by `print`.
pub fn spread(values: Vec<f64>, print: fn(f64) -> String) -> Option<String> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    let most = values.iter().copied().max_by(f64::total_cmp)?;
    let middle = median(values)?;
    let (least, middle, most) = (print(least), print(middle), print(most));
    Some(if least == most { middle } else { format!("{middle} ({least} to {most})") })
}

/// Three digits that count, with the first unit that is not too large; the last is 1.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let (scale, unit) =
        units.iter().copied().find(|(scale, _)| value >= *scale).or(units.last().copied()).unwrap_or((1.0, ""));
    let value = value / scale;
    let text = if value >= 100.0 || (value - value.round()).abs() < 1e-9 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    };
    if unit.is_empty() { text } else { format!("{text} {unit}") }
}

/// Messages a second: `7.62 M`, `148 k`, `950`.
pub fn rate(value: f64) -> String {
    scaled(value, &[(1e6, "M"), (1e3, "k"), (1.0, "")])
}

/// A time that is given in microseconds: `57 µs`, `1.17 ms`, `2.10 s`.
pub fn time(us: f64) -> String {
    scaled(us, &[(1e6, "s"), (1e3, "ms"), (1.0, "µs")])
}

/// How many times one is another.
pub fn ratio(value: f64) -> String {
    scaled(value, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        for (value, text) in [(7_620_000.0, "7.62 M"), (148_321.0, "148 k"), (14_832.0, "14.8 k"), (950.0, "950")] {
            assert_eq!(rate(value), text);
        }
        for (value, text) in
            [(57.0, "57 µs"), (30.26, "30.3 µs"), (1173.0, "1.17 ms"), (2_100_000.0, "2.10 s"), (0.5, "0.50 µs")]
        {
            assert_eq!(time(value), text);
        }
        assert_eq!(spread(vec![3.0, 1.0, 2.0], ratio).as_deref(), Some("2 (1 to 3)"));
        assert_eq!(spread(vec![2.0], ratio).as_deref(), Some("2"));
        assert_eq!(spread(vec![], ratio), None);
    }
}
