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

/// A date in UTC, of milliseconds since 1970: `2026-11-26`. Days are counted from the first of March, so that a leap day is a year's last.
pub fn date(ms: u64) -> String {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    // 0000-03-01 is 719,468 days before 1970.
    let days = ms / 86_400_000 + 719_468;
    let (era, of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (DAYS_OF_400_YEARS - 1)) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months have 153 days in five, from March on.
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
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

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_795_651_199, "2026-11-25"),
            (1_795_651_200, "2026-11-26"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(seconds * 1000), text);
        }
    }
}
