//! Figures in the sentences of a verdict.

use crate::figure::Unit;

/// A latency of so many microseconds.
pub(crate) fn time(us: f64) -> String {
    Unit::Latency.print(us)
}

/// Messages a second.
pub(crate) fn rate(rate: f64) -> String {
    Unit::Rate.print(rate)
}

/// A share of 1.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// So many of something: `1 message`, `2,000 messages`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    let ending = if count == 1 { "" } else { "s" };
    format!("{text} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_thousands_are_grouped() {
        assert_eq!(counted(1, "message"), "1 message");
        assert_eq!(counted(0, "message"), "0 messages");
        assert_eq!(counted(1_234_567, "message"), "1,234,567 messages");
    }
}
