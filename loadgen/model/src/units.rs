//! Quantities as people write them: `30s`, `1KiB`, `10k`.
//!
//! Each type is what a scenario file or an option says, and prints as it would be written.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Why a quantity was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}: {example}")]
pub struct UnitError {
    text: String,
    what: &'static str,
    example: &'static str,
}

/// Splits a number from its unit.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let number: f64 = text.get(..end)?.replace('_', "").parse().ok()?;
    Some((number, text.get(end..)?.trim()))
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($inner:ty), $what:literal, $example:literal, $parse:expr, $print:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize)]
        #[serde(into = "String")]
        pub struct $name(pub $inner);

        impl FromStr for $name {
            type Err = UnitError;

            fn from_str(text: &str) -> Result<Self, UnitError> {
                let parse: fn(f64, &str) -> Option<$inner> = $parse;
                split(text)
                    .and_then(|(number, unit)| parse(number, unit))
                    .map(Self)
                    .ok_or_else(|| UnitError { text: text.to_owned(), what: $what, example: $example })
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(written: D) -> Result<Self, D::Error> {
                written.deserialize_any(Written { what: $what, example: $example, found: PhantomData })
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let print: fn($inner, &mut fmt::Formatter<'_>) -> fmt::Result = $print;
                print(self.0, f)
            }
        }
    };
}

/// Reads a quantity in a file: a number, or text with a unit. Anything else is answered with what is allowed.
struct Written<T> {
    what: &'static str,
    example: &'static str,
    found: PhantomData<T>,
}

impl<T: FromStr<Err = UnitError>> Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}: {}", self.what, self.example)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

quantity!(
    /// A length of time, nanoseconds: `250us`, `10ms`, `30s`, `2m`, `1h`; without a unit seconds.
    Span(u64),
    "length of time",
    "write 250us, 10ms, 30s, 2m or 1h",
    |number, unit| {
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" | "" => 1e9,
            "m" | "min" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        let ns = number * scale;
        (ns.is_finite() && (0.0..1e18).contains(&ns)).then_some(ns.round() as u64)
    },
    |ns, f| {
        for (scale, unit) in [(3_600_000_000_000, "h"), (60_000_000_000, "m"), (1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us")] {
            if ns >= scale && ns % scale == 0 {
                return write!(f, "{}{unit}", ns / scale);
            }
        }
        write!(f, "{ns}ns")
    }
);

quantity!(
    /// A size, octets: `100`, `1KiB`, `64KiB`, `2MB`.
    Bytes(u64),
    "size",
    "write 100, 1KiB, 64KiB or 2MB",
    |number, unit| {
        let scale = match unit {
            "" | "B" => 1.0,
            "k" | "kB" | "KB" => 1e3,
            "M" | "MB" => 1e6,
            "G" | "GB" => 1e9,
            "KiB" | "Ki" => 1024.0,
            "MiB" | "Mi" => 1024.0 * 1024.0,
            "GiB" | "Gi" => 1024.0 * 1024.0 * 1024.0,
            _ => return None,
        };
        let bytes = number * scale;
        (bytes.is_finite() && (0.0..1e15).contains(&bytes)).then_some(bytes.round() as u64)
    },
    |bytes, f| {
        for (scale, unit) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
            if bytes >= scale && bytes % scale == 0 {
                return write!(f, "{}{unit}", bytes / scale);
            }
        }
        write!(f, "{bytes}B")
    }
);

quantity!(
    /// Messages a second: `500`, `10k`, `1.5M`.
    Rate(f64),
    "rate",
    "write 500, 10k or 1.5M, messages a second",
    |number, unit| {
        let scale = match unit.trim_end_matches("/s") {
            "" => 1.0,
            "k" | "K" => 1e3,
            "M" | "m" => 1e6,
            _ => return None,
        };
        let rate = number * scale;
        (rate.is_finite() && (0.0..1e10).contains(&rate)).then_some(rate)
    },
    |rate, f| {
        for (scale, unit) in [(1e6, "M"), (1e3, "k")] {
            if rate >= scale && ((rate / scale * 1e3).round() - rate / scale * 1e3).abs() < 1e-6 {
                return write!(f, "{}{unit}", rate / scale);
            }
        }
        write!(f, "{rate}")
    }
);

impl Span {
    /// Of so many seconds.
    pub fn seconds(seconds: f64) -> Self {
        Self((seconds * 1e9).round() as u64)
    }

    /// As a number of seconds, rounded to what a double has.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood_and_printed_so_that_it_is_understood_again() {
        for (text, ns) in
            [("250us", 250_000), ("10ms", 10_000_000), ("30", 30_000_000_000), ("1.5h", 5_400_000_000_000)]
        {
            let span: Span = text.parse().expect("a span");
            assert_eq!(span, Span(ns));
            assert_eq!(span.to_string().parse(), Ok(span));
        }
        for (text, bytes) in [("100", 100), ("1KiB", 1024), ("64 KiB", 65536), ("2MB", 2_000_000)] {
            let size: Bytes = text.parse().expect("a size");
            assert_eq!(size, Bytes(bytes));
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        for (text, rate) in
            [("500", 500.0), ("10k", 10_000.0), ("1.5M", 1_500_000.0), ("10_000", 10_000.0), ("20k/s", 20_000.0)]
        {
            let parsed: Rate = text.parse().expect("a rate");
            assert_eq!(parsed, Rate(rate));
            assert_eq!(parsed.to_string().parse(), Ok(parsed));
        }
        for text in ["", "s", "1 day", "-3s", "1e400"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!(
            "ten".parse::<Rate>().expect_err("no number").to_string(),
            "\"ten\" is no rate: write 500, 10k or 1.5M, messages a second"
        );
    }
}
