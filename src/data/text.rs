//! Figures and names as the data tools write them for people: `1,234`, `1 message`, `12.3 MiB`, `"a name"`.
//!
//! Guarantees: nothing of a name that a peer chose reaches a terminal as a control character.

/// A whole number in groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many of something: `1 message`, `2 messages`, `3 batches`.
pub fn counted(number: u64, noun: &str) -> String {
    let ending = match noun {
        _ if number == 1 => "",
        _ if noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{} {noun}{ending}", grouped(number))
}

/// Octets: `100 B`, `1.5 KiB`, `12.3 MiB`.
pub fn bytes(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((unit, scale)) = units.into_iter().find(|(_, scale)| bytes >= *scale) else {
        return format!("{bytes} B");
    };
    let (whole, tenths) = (bytes / scale, bytes % scale * 10 / scale);
    if whole >= 100 || tenths == 0 { format!("{} {unit}", grouped(whole)) } else { format!("{whole}.{tenths} {unit}") }
}

/// A name that somebody else chose, in quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_one_way() {
        assert_eq!((grouped(0), grouped(999), grouped(1_234_567)), ("0".into(), "999".into(), "1,234,567".into()));
        assert_eq!(counted(1, "message"), "1 message");
        assert_eq!(counted(0, "batch"), "0 batches");
        assert_eq!(counted(1200, "message"), "1,200 messages");
        assert_eq!((bytes(0), bytes(1536)), ("0 B".into(), "1.5 KiB".into()));
        assert_eq!((bytes(64 << 20), bytes(5000 << 30)), ("64 MiB".into(), "5,000 GiB".into()));
        assert_eq!(quoted("a\u{1b}[2J\n\"b\""), "\"a\\u{1b}[2J\\n\\\"b\\\"\"");
    }
}
