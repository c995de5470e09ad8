//! The way of a message from address to address, as lines that people read: when it left which queue, and why.
//!
//! Guarantees: the first hop and the last ones are there, at most `HOPS_TOLD_MAX` lines of at most `WAY_BYTES_MAX` octets together; of
//! those between that had no room the number is told. What others wrote (addresses, descriptions) ends no line.
//!
//! Not here: what programs read of the last hop (`hop`).

use std::collections::VecDeque;
use std::fmt::Write as _;

use time::UtcDateTime;

/// Lines of a way. Whatever moves on of itself has moved no more often (`HOPS_MAX`); what people move back and forth has.
const HOPS_TOLD_MAX: usize = 16;
/// Octets of a way, beside all else that a hop writes into a message's annotations.
const WAY_BYTES_MAX: usize = 4096;
/// Octets of one line, so that the first and the last one have room.
const LINE_BYTES_MAX: usize = 1024;

/// Stands before and behind the number of hops that are left out.
const LEFT_OUT: (&str, &str) = ("... ", " hops left out");

const _: () = assert!(2 * LINE_BYTES_MAX + 64 < WAY_BYTES_MAX);

/// How a message left a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hop<'a> {
    /// When, milliseconds since the epoch.
    pub wall_ms: u64,
    pub address: &'a str,
    pub queue: &'a str,
    pub reason: &'a str,
    /// Deliveries that had failed by then.
    pub failed: u32,
    /// What its consumer said: a condition and a description.
    pub error: Option<(&'a str, &'a str)>,
}

impl Hop<'_> {
    fn line(&self) -> String {
        let mut line = utc(self.wall_ms);
        // Writing to a string does not fail.
        let _ = write!(line, " {}", self.address);
        if self.queue != self.address {
            let _ = write!(line, "::{}", self.queue);
        }
        let _ = write!(line, " {}", self.reason);
        let _ = match self.failed {
            0 => Ok(()),
            1 => write!(line, " after 1 failed delivery"),
            failed => write!(line, " after {failed} failed deliveries"),
        };
        if let Some((condition, description)) = self.error {
            let said = [condition, description].into_iter().filter(|said| !said.is_empty());
            said.for_each(|said| line.extend([": ", said]));
        }
        cut(&line).replace(char::is_control, " ")
    }
}

/// A way with a further hop. What is no way, as it is too long for one, is none.
pub(crate) fn lengthened(way: &str, hop: &Hop<'_>) -> String {
    let way = if way.len() > WAY_BYTES_MAX { "" } else { way };
    let mut between: VecDeque<&str> = way.lines().filter(|line| !line.is_empty()).map(cut).collect();
    let (first, last) = (between.pop_front(), hop.line());
    let mut left_out = 0_u32;
    if let Some(known) = between.front().and_then(|line| read_left_out(line)) {
        left_out = known;
        between.pop_front();
    }
    // With room for the line that counts.
    let ends = first.map_or(0, str::len) + last.len() + 64;
    let mut bytes = ends + between.iter().map(|line| line.len() + 1).sum::<usize>();
    while (between.len() + 2 > HOPS_TOLD_MAX || bytes > WAY_BYTES_MAX)
        && let Some(line) = between.pop_front()
    {
        bytes -= line.len() + 1;
        left_out = left_out.saturating_add(1);
    }
    let note = (left_out > 0).then(|| format!("{}{left_out}{}", LEFT_OUT.0, LEFT_OUT.1));
    let lines = first.into_iter().chain(note.as_deref()).chain(between).chain([last.as_str()]);
    lines.collect::<Vec<_>>().join("\n")
}

fn read_left_out(line: &str) -> Option<u32> {
    line.strip_prefix(LEFT_OUT.0)?.strip_suffix(LEFT_OUT.1)?.parse().ok()
}

/// As much of a text as a line may be, in whole characters.
fn cut(text: &str) -> &str {
    let end = (0..=LINE_BYTES_MAX.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// A time as RFC 3339 has it; that knows no year with more than four digits, whose last second stands for what is later.
fn utc(wall_ms: u64) -> String {
    let second = i64::try_from(wall_ms / 1000).unwrap_or(i64::MAX);
    let at = UtcDateTime::from_unix_timestamp(second).unwrap_or(UtcDateTime::MAX);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.as_hms();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", wall_ms % 1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hop(wall_ms: u64) -> Hop<'static> {
        Hop { wall_ms, address: "a", queue: "a", reason: "expired", failed: 0, error: None }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (ms, told) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(utc(ms), told);
        }
        assert!(utc(u64::MAX).ends_with('Z'), "no time is too late");
    }

    #[test]
    fn a_line_says_when_where_why_and_what_was_said() {
        let error = Some(("shop:no", "it is\nclosed"));
        let rejected = Hop { queue: "q", reason: "rejected", failed: 2, error, ..hop(0) };
        let way = lengthened("", &rejected);
        assert_eq!(way, "1970-01-01T00:00:00.000Z a::q rejected after 2 failed deliveries: shop:no: it is closed");
        assert_eq!(lengthened(&way, &hop(1)), format!("{way}\n1970-01-01T00:00:00.001Z a expired"));
    }

    #[test]
    fn the_first_hop_and_the_last_ones_stay() {
        let way = (0..40).fold(String::new(), |way, n| lengthened(&way, &hop(n)));
        let lines: Vec<&str> = way.lines().collect();
        assert_eq!(lines.len(), HOPS_TOLD_MAX + 1);
        assert!(lines[0].contains(".000Z") && lines[16].contains(".039Z") && lines[2].contains(".025Z"), "{way}");
        assert_eq!(lines[1], "... 24 hops left out");
    }

    proptest! {
        #[test]
        fn a_way_is_bounded_whatever_it_was_and_ends_with_the_last_hop(
            before in "(?s).{0,3000}", address in "(?s).{0,2000}", hops in 1_usize..30,
        ) {
            let last = Hop { address: &address, ..hop(7) };
            let way = (0..hops).fold(before, |way, _| lengthened(&way, &last));
            prop_assert!(way.len() <= WAY_BYTES_MAX && way.lines().count() <= HOPS_TOLD_MAX + 1);
            let line = last.line();
            prop_assert!(way.ends_with(&line) && !line.contains(char::is_control));
        }
    }
}
