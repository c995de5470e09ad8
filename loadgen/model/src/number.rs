//! Figures as people read them: the one way in which this program writes numbers and units, in text, on pages and in errors.
//!
//! A number, a blank, a unit: `12.3 MiB`, `46.0 µs`, `1.20 s`, `100 %`, `20,000 /s`, `1.49 M/s`; digits in groups of three with
//! commas; `1 message` and `2 messages` (`counted`). Three digits say something and are printed; what people count is exact.
//!
//! Guarantees: what is not known (not finite) prints as a dash, never as a figure; what is there never prints as nothing (a share
//! of 0.0002 is `below 0.1 %`, and a size has the unit that fits it); nothing from outside reaches a terminal with its control
//! characters (`plain`). Not here: what people write and programs read (`units`), and figures for programs, which are not rounded.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::UtcDateTime;

use crate::shown;

/// What stands for a figure that is not known.
pub const UNKNOWN: &str = "–";

/// A number with three digits that say something: `1.23`, `12.3`, `123`, `1,230`.
pub fn digits(value: f64) -> String {
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let size = value.abs();
    // The limits are where rounding would show a fourth digit: 9.996 is 10.0, not 10.00.
    match size {
        0.0 => "0".to_owned(),
        // What is next to nothing is not nothing: it has two digits, however far behind the point they are.
        _ if size < 0.01 => trimmed(format!("{value:.*}", decimals(size))),
        _ if size < 0.0995 => trimmed(format!("{value:.3}")),
        _ if size < 9.995 => format!("{value:.2}"),
        _ if size < 99.95 => format!("{value:.1}"),
        _ => grouped(&format!("{value:.0}")),
    }
}

/// Places behind the point at which a small number has two digits; a double has no more than the most.
fn decimals(size: f64) -> usize {
    const DECIMALS_MAX: usize = 17;
    ((1.0 - size.log10().floor()) as usize).min(DECIMALS_MAX)
}

/// A number as an axis shows it: `digits` without zeros at its end.
pub fn short(value: f64) -> String {
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
pub fn count(count: u64) -> String {
    grouped(&count.to_string())
}

/// How many of what, by its name for one: `1 message`, `2 messages`, `0 replies`.
pub fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{} {}", grouped(&count.to_string()), several(noun)),
    }
}

/// The word that goes with so many: `is` with one, `are` with others.
pub fn agreeing<'a>(count: u64, with_one: &'a str, with_others: &'a str) -> &'a str {
    if count == 1 { with_one } else { with_others }
}

/// A noun in the plural, by the rules that the nouns of this program follow.
fn several(noun: &str) -> String {
    let is_vowel = |letter: Option<char>| letter.is_some_and(|letter| "aeiou".contains(letter));
    match noun.strip_suffix('y') {
        Some(stem) if !is_vowel(stem.chars().next_back()) => format!("{stem}ies"),
        _ if ["s", "x", "ch", "sh"].into_iter().any(|ending| noun.ends_with(ending)) => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

/// The part of a latency's unit: how many microseconds it has, and its name.
pub fn latency_unit(us: f64) -> (f64, &'static str) {
    match us.abs() {
        size if size < 0.9995 => (1e-3, "ns"),
        size if size < 999.5 => (1.0, "µs"),
        size if size < 999_500.0 => (1e3, "ms"),
        _ => (1e6, "s"),
    }
}

/// A latency of so many microseconds: `850 ns`, `12.3 µs`, `1.20 ms`, `3.00 s`.
pub fn latency(us: f64) -> String {
    match us {
        _ if !us.is_finite() => UNKNOWN.to_owned(),
        0.0 => "0 µs".to_owned(),
        _ => {
            let (scale, unit) = latency_unit(us);
            format!("{} {unit}", digits(us / scale))
        }
    }
}

/// A length of time: `850 ns`, `12.3 ms`, `30 s`, `2 min 5 s`, `1 h 3 min`.
pub fn duration(duration: Duration) -> String {
    seconds(duration.as_secs_f64())
}

/// A length of time, seconds: `20 ms`, `30 s`, `2 min 5 s`, `1 h 3 min`, `3 d 4 h`.
pub fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return UNKNOWN.to_owned();
    }
    // Shorter ones have a digit behind the point; from a minute on nobody asks for it.
    const TENTHS_BELOW: f64 = 59.95;
    let whole = seconds.round() as u64;
    let two = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{} {unit}", count(large)),
        _ => format!("{} {unit} {small} {small_unit}", count(large)),
    };
    match whole {
        _ if seconds == 0.0 => "0 s".to_owned(),
        _ if seconds < 0.9995 => {
            let (scale, unit) = latency_unit(seconds * 1e6);
            format!("{} {unit}", short(seconds * 1e6 / scale))
        }
        _ if seconds < TENTHS_BELOW => format!("{} s", trimmed(format!("{seconds:.1}"))),
        0..3600 => two(whole / 60, "min", whole % 60, "s"),
        3600..86_400 => two(whole / 3600, "h", whole % 3600 / 60, "min"),
        _ => two(whole / 86_400, "d", whole % 86_400 / 3600, "h"),
    }
}

/// Messages a second without their unit, for a column whose title has it: `9,998`, `1.24 M`.
pub fn rate(rate: f64) -> String {
    if rate.abs() >= 999_500.0 { format!("{} M", digits(rate / 1e6)) } else { digits(rate) }
}

/// So many a second: `9,998 /s`, `1.24 M/s`.
pub fn per_second(rate: f64) -> String {
    match rate.abs() {
        _ if !rate.is_finite() => UNKNOWN.to_owned(),
        size if size >= 999_500.0 => format!("{} M/s", digits(rate / 1e6)),
        _ => format!("{} /s", digits(rate)),
    }
}

/// A rate as an axis shows it: `500`, `20k`, `1.5M`.
pub fn rate_short(rate: f64) -> String {
    match rate.abs() {
        size if size >= 1e6 => format!("{}M", short(rate / 1e6)),
        size if size >= 1e3 => format!("{}k", short(rate / 1e3)),
        _ => short(rate),
    }
}

/// Octets that were counted: `512 B`, `1.50 KiB`, `45.2 MiB`.
pub fn octets(count: u64) -> String {
    bytes(count as f64)
}

/// Octets, which a mean may have parts of: `512 B`, `1.50 KiB`, `45.2 MiB`.
pub fn bytes(bytes: f64) -> String {
    let units = [("TiB", f64::from(1 << 20).powi(2)), ("GiB", f64::from(1 << 30)), ("MiB", f64::from(1 << 20))];
    let mut units = units.into_iter().chain([("KiB", 1024.0)]);
    // What would round to a whole of the next unit is one.
    match units.find(|(_, scale)| bytes >= *scale * 0.9995) {
        _ if !bytes.is_finite() => UNKNOWN.to_owned(),
        Some((unit, scale)) => format!("{} {unit}", digits(bytes / scale)),
        None => format!("{} B", short(bytes)),
    }
}

/// What a figure's value is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Microseconds, of a latency.
    Latency,
    /// Messages a second.
    Rate,
    /// A number of something.
    Count,
    /// Octets; printed in units of 1,024.
    Octets,
    /// A number that has no unit, or one that its name says.
    Plain,
}

impl Unit {
    /// A value as people read it.
    pub fn print(self, value: f64) -> String {
        match self {
            Self::Latency => latency(value),
            Self::Rate => per_second(value),
            Self::Octets => bytes(value),
            // What was counted is exact; the middle of two counts may be a half.
            Self::Count if value.fract() == 0.0 => grouped(&format!("{value:.0}")),
            Self::Count | Self::Plain => digits(value),
        }
    }
}

/// Octets as an axis shows them: `0`, `32 MiB`.
pub fn bytes_short(size: f64) -> String {
    let text = bytes(size);
    match text.split_once(' ') {
        Some(("0", _)) => "0".to_owned(),
        Some((figure, unit)) => format!("{} {unit}", trimmed(figure.to_owned())),
        None => text,
    }
}

/// A share of 1 as percent: `12.3 %`. None of it and all of it are said of these alone.
pub fn percent(share: f64) -> String {
    // A sum of shares misses 1 by less.
    const ALL: f64 = 1.0 - 1e-9;
    let percent = share * 100.0;
    match percent {
        _ if !percent.is_finite() => UNKNOWN.to_owned(),
        _ if percent > 0.0 && percent < 0.1 => "below 0.1 %".to_owned(),
        _ if percent >= 99.95 && share < ALL => "above 99.9 %".to_owned(),
        _ => format!("{} %", trimmed(format!("{percent:.1}"))),
    }
}

/// A time of a run: `12 s`, `2:30`, `1:02:30`.
pub fn clock(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        _ if seconds <= 0.0 => "0".to_owned(),
        0..60 => format!("{} s", short(seconds)),
        60..3600 => format!("{}:{:02}", whole / 60, whole % 60),
        _ => format!("{}:{:02}:{:02}", whole / 3600, whole % 3600 / 60, whole % 60),
    }
}

/// A quantile as percent, with all nines that it has: `50 %`, `99.99 %`.
pub fn quantile(nines: u32) -> String {
    match nines {
        0 => "0 %".to_owned(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        _ => format!("99.{} %", "9".repeat(nines as usize - 2)),
    }
}

/// Units that stand behind a number.
const UNITS: [&str; 17] =
    ["ns", "µs", "ms", "s", "min", "h", "d", "B", "KiB", "MiB", "GiB", "TiB", "%", "/s", "M/s", "M", "×"];

/// Whether a word is the unit of the number before it, from which no line may part it.
pub fn is_unit_of(number: &str, word: &str) -> bool {
    let word = word.trim_end_matches(|letter: char| ".,;:)".contains(letter));
    number.ends_with(|letter: char| letter.is_ascii_digit()) && UNITS.contains(&word)
}

/// A moment of milliseconds since 1970; the last second of the year 9999 stands for what is later.
fn moment(ms: u64) -> UtcDateTime {
    let second = i64::try_from(ms / 1000).unwrap_or(i64::MAX);
    UtcDateTime::from_unix_timestamp(second).unwrap_or(UtcDateTime::MAX)
}

/// A date in UTC, from milliseconds since 1970: `2026-11-26`.
pub fn day(ms: u64) -> String {
    let at = moment(ms);
    format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day())
}

/// A date and time of day in UTC, from milliseconds since 1970: `2026-11-26 00:50:12 UTC`.
pub fn date(ms: u64) -> String {
    let (hour, minute, second) = moment(ms).as_hms();
    format!("{} {hour:02}:{minute:02}:{second:02} UTC", day(ms))
}

/// A sentence, perhaps with text of others in it, as a terminal may show it.
pub fn plain(text: &str) -> String {
    shown::sentence(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        for (us, text) in [
            (0.0, "0 µs"),
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
    fn what_is_there_is_not_printed_as_nothing_nor_what_is_missing_as_all() {
        assert_eq!([0.000_42, 0.009_96, 0.012, 1e-9].map(digits), ["0.00042", "0.01", "0.012", "0.000000001"]);
        assert_eq!([0.0, 0.999_6, 1.0, 1.007].map(percent), ["0 %", "above 99.9 %", "100 %", "100.7 %"]);
        assert_eq!([0, 700_000, 1_048_575].map(octets), ["0 B", "684 KiB", "1.00 MiB"]);
        assert_eq!([0.0, 0.02, 0.000_5, 59.94].map(seconds), ["0 s", "20 ms", "500 µs", "59.9 s"]);
        assert_eq!([59.97, 3600.0, 3599.7, 93_784.0].map(seconds), ["1 min", "1 h", "1 h", "1 d 2 h"]);
        assert_eq!(duration(Duration::from_millis(1500)), "1.5 s");
        let unknown = [digits, latency, seconds, rate, per_second, bytes, bytes_short, percent].map(|of| of(f64::NAN));
        assert_eq!(unknown, [UNKNOWN; 8]);
        assert_eq!(clock(0.4), "0.4 s");
    }

    #[test]
    fn a_unit_stands_behind_a_blank() {
        assert_eq!([9998.4, 1_490_000.0, 0.5].map(per_second), ["9,998 /s", "1.49 M/s", "0.50 /s"]);
        assert_eq!([2.0, 12_345.0, 2.5].map(|value| Unit::Count.print(value)), ["2", "12,345", "2.50"]);
        let units = [Unit::Latency, Unit::Rate, Unit::Octets, Unit::Count, Unit::Plain];
        assert_eq!(units.map(|unit| unit.print(1234.5)), ["1.23 ms", "1,234 /s", "1.21 KiB", "1,234", "1,234"]);
    }

    #[test]
    fn a_unit_is_known_behind_its_number() {
        assert!(
            [("(12.3", "µs,"), ("20,000", "/s"), ("1.49", "M/s."), ("100", "%:")].iter().all(|(n, u)| is_unit_of(n, u))
        );
        assert!(![("for", "s"), ("12", "messages"), ("12,", "ms")].iter().any(|(n, u)| is_unit_of(n, u)));
    }

    #[test]
    fn one_is_singular_and_all_others_are_plural() {
        for (count, noun, text) in [
            (1, "message", "1 message"),
            (0, "message", "0 messages"),
            (2500, "message", "2,500 messages"),
            (2, "reply", "2 replies"),
            (2, "day", "2 days"),
            (3, "batch", "3 batches"),
            (3, "address", "3 addresses"),
        ] {
            assert_eq!(counted(count, noun), text);
        }
        assert_eq!([1, 2].map(|count| agreeing(count, "is", "are")), ["is", "are"]);
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
    fn days_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_795_651_199, "2026-11-25"),
            (1_795_651_200, "2026-11-26"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(day(seconds * 1000), text);
        }
    }

    #[test]
    fn text_of_others_cannot_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
    }
}
