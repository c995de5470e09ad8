//! Figures as people read them: three digits, a unit, and a thin idea of size.
//!
//! Guarantees: what is not known (not finite) prints as a dash, never as a figure; nothing from outside reaches a terminal
//! with its control characters (`plain`).

use load_model::figure::Unit;
use load_model::shown;

/// What stands for a figure that is not known.
pub(crate) const UNKNOWN: &str = "–";

/// A number with three digits that say something: `1.23`, `12.3`, `123`, `1,230`.
pub(crate) fn digits(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let size = value.abs();
    // The limits are where rounding would show a fourth digit: 9.996 is 10.0, not 10.00.
    match size {
        0.0 => "0".to_owned(),
        _ if size < 0.0995 => trimmed(format!("{value:.3}")),
        _ if size < 9.995 => format!("{value:.2}"),
        _ if size < 99.95 => format!("{value:.1}"),
        _ => grouped(&format!("{value:.0}")),
    }
}

/// A number as an axis shows it: `digits` without zeros at its end.
pub(crate) fn short(value: f64) -> String {
    trimmed(digits(value))
}

fn trimmed(text: String) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn grouped(whole: &str) -> String {
    let digits = whole.trim_start_matches('-');
    let mut text = String::with_capacity(whole.len() + whole.len() / 3);
    if whole.len() > digits.len() {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many: `1,234,567`.
pub(crate) fn count(count: u64) -> String {
    grouped(&count.to_string())
}

/// The part of a latency's unit: how many microseconds it has, and its name.
pub(crate) fn latency_unit(us: f64) -> (f64, &'static str) {
    match us.abs() {
        size if size < 0.9995 => (1e-3, "ns"),
        size if size < 999.5 => (1.0, "µs"),
        size if size < 999_500.0 => (1e3, "ms"),
        _ => (1e6, "s"),
    }
}

/// A latency of so many microseconds: `850 ns`, `12.3 µs`, `1.20 ms`, `3.00 s`.
pub(crate) fn latency(us: f64) -> String {
    if us == 0.0 || !us.is_finite() {
        return digits(us);
    }
    let (scale, unit) = latency_unit(us);
    format!("{} {unit}", digits(us / scale))
}

/// Messages a second: `9,998`, `1.24 M`.
pub(crate) fn rate(rate: f64) -> String {
    if rate.abs() >= 999_500.0 { format!("{} M", digits(rate / 1e6)) } else { digits(rate) }
}

/// A rate as an axis shows it: `500`, `20k`, `1.5M`.
pub(crate) fn rate_short(rate: f64) -> String {
    match rate.abs() {
        size if size >= 1e6 => format!("{}M", short(rate / 1e6)),
        size if size >= 1e3 => format!("{}k", short(rate / 1e3)),
        _ => short(rate),
    }
}

/// Octets: `512 B`, `1.50 KiB`, `45.2 MiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    let units = [("GiB", f64::from(1 << 30)), ("MiB", f64::from(1 << 20)), ("KiB", 1024.0)];
    match units.into_iter().find(|(_, scale)| bytes >= *scale) {
        Some((unit, scale)) => format!("{} {unit}", digits(bytes / scale)),
        None => format!("{} B", short(bytes)),
    }
}

/// A figure in its unit.
pub(crate) fn in_unit(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Latency => latency(value),
        Unit::Rate => format!("{} /s", rate(value)),
        Unit::Octets => bytes(value),
        Unit::Count | Unit::Plain => digits(value),
    }
}

/// Octets as an axis shows them: `0`, `32 MiB`.
pub(crate) fn bytes_short(size: f64) -> String {
    let text = bytes(size);
    match text.split_once(' ') {
        Some(("0", _)) => "0".to_owned(),
        Some((figure, unit)) => format!("{} {unit}", trimmed(figure.to_owned())),
        None => text,
    }
}

/// A share of 1 as percent: `12.3 %`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        _ if !percent.is_finite() => UNKNOWN.to_owned(),
        _ if percent > 0.0 && percent < 0.1 => "below 0.1 %".to_owned(),
        _ => format!("{} %", trimmed(format!("{percent:.1}"))),
    }
}

/// A length of time, seconds: `30 s`, `2 min 5 s`, `1 h 3 min`.
pub(crate) fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return UNKNOWN.to_owned();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{} s", trimmed(format!("{seconds:.1}"))),
        60..3600 if whole.is_multiple_of(60) => format!("{} min", whole / 60),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A time of a run: `12 s`, `2:30`, `1:02:30`.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0 => "0".to_owned(),
        _ if seconds < 60.0 => format!("{} s", short(seconds)),
        60..3600 => format!("{}:{:02}", whole / 60, whole % 60),
        _ => format!("{}:{:02}:{:02}", whole / 3600, whole % 3600 / 60, whole % 60),
    }
}

/// A quantile as percent, with all nines that it has: `50 %`, `99.99 %`.
pub(crate) fn quantile(nines: u32) -> String {
    match nines {
        0 => "0 %".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        _ => format!("99.{} %", "9".repeat(nines as usize - 2)),
    }
}

/// A date and time of day in UTC, from milliseconds since 1970: `2026-11-26 00:50:12 UTC`.
pub(crate) fn date(ms: u64) -> String {
    let (days, second) = (ms / 86_400_000, ms / 1000 % 86_400);
    // Days are counted from 1 March of year 0, so that the day which leap years add is a year's last, and the same 400 years of
    // 146,097 days repeat for ever; 1970 began 719,468 days after it.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
}

/// A sentence, perhaps with text of others in it, as a terminal may show it.
pub(crate) fn plain(text: &str) -> String {
    shown::sentence(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        for (us, text) in [
            (0.0, "0"),
            (0.85, "850 ns"),
            (1.0, "1.00 µs"),
            (12.34, "12.3 µs"),
            (999.6, "1.00 ms"),
            (1234.0, "1.23 ms"),
            (99_960.0, "100 ms"),
            (3_000_000.0, "3.00 s"),
            (3_600_000_000.0, "3,600 s"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(latency(us), text, "{us}");
        }
        assert_eq!(rate(9998.4), "9,998");
        assert_eq!(rate(1_240_000.0), "1.24 M");
        assert_eq!(rate_short(20_000.0), "20k");
        assert_eq!(bytes(1536.0), "1.50 KiB");
        assert_eq!(bytes(100.0), "100 B");
        assert_eq!(percent(0.123), "12.3 %");
        assert_eq!(percent(0.000_2), "below 0.1 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(seconds(125.0), "2 min 5 s");
        assert_eq!(seconds(30.0), "30 s");
        assert_eq!(seconds(3780.0), "1 h 3 min");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(quantile(5), "99.999 %");
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_827_696_000, "2000-02-29 12:34:56 UTC"),
            (951_868_800_000, "2000-03-01 00:00:00 UTC"),
            (1_795_652_999_000, "2026-11-26 00:29:59 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(date(ms), text);
        }
    }

    #[test]
    fn text_of_others_cannot_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
    }
}
