//! Values of a scenario file that have several forms: read one by one, so that a mistake is answered with the forms that there are.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Arrivals, Size, WarmUp, Weighted};
use crate::units::{Bytes, Rate, Span};

const SIZES: &str = "a size: \"1KiB\", { min, max }, { median, p99, max } or [{ size, weight }, …]";
const ARRIVALS: &str = "arrivals: { kind = \"constant\" }, \"poisson\", \"closed\", { kind = \"burst\", messages = 50 } or { kind = \"ramp\", from = \
                        \"1k\" }";

impl<'de> Deserialize<'de> for WarmUp {
    fn deserialize<D: Deserializer<'de>>(written: D) -> Result<Self, D::Error> {
        written.deserialize_any(OfWarmUp)
    }
}

struct OfWarmUp;

impl Visitor<'_> for OfWarmUp {
    type Value = WarmUp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a warm-up: \"auto\", or a time such as \"5s\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WarmUp, E> {
        if text == "auto" {
            return Ok(WarmUp::Auto);
        }
        text.parse::<Span>().map(WarmUp::Fixed).map_err(|error| E::custom(format_args!("{error}, or auto")))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<WarmUp, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<WarmUp, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<WarmUp, E> {
        self.visit_str(&seconds.to_string())
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(written: D) -> Result<Self, D::Error> {
        written.deserialize_any(OfSize)
    }
}

struct OfSize;

/// A size as a table: which keys there are says which kind it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SizeTable {
    min: Option<Bytes>,
    median: Option<Bytes>,
    p99: Option<Bytes>,
    max: Option<Bytes>,
}

impl<'de> Visitor<'de> for OfSize {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SIZES)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
        text.parse().map(Size::Fixed).map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, octets: f64) -> Result<Size, E> {
        self.visit_str(&octets.to_string())
    }

    fn visit_i64<E: de::Error>(self, octets: i64) -> Result<Size, E> {
        self.visit_str(&octets.to_string())
    }

    fn visit_u64<E: de::Error>(self, octets: u64) -> Result<Size, E> {
        self.visit_str(&octets.to_string())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sizes: A) -> Result<Size, A::Error> {
        Vec::<Weighted>::deserialize(SeqAccessDeserializer::new(sizes)).map(Size::Mix)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Size, A::Error> {
        match SizeTable::deserialize(MapAccessDeserializer::new(table))? {
            SizeTable { min: Some(min), max: Some(max), median: None, p99: None } => Ok(Size::Uniform { min, max }),
            SizeTable { median: Some(median), p99: Some(p99), max: Some(max), min: None } => {
                Ok(Size::LogNormal { median, p99, max })
            }
            _ => Err(de::Error::custom(format_args!("these keys together are no size: write {SIZES}"))),
        }
    }
}

impl<'de> Deserialize<'de> for Arrivals {
    fn deserialize<D: Deserializer<'de>>(written: D) -> Result<Self, D::Error> {
        written.deserialize_any(OfArrivals)
    }
}

struct OfArrivals;

/// The long form: what a kind needs beside its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArrivalsTable {
    kind: String,
    messages: Option<u32>,
    from: Option<Rate>,
}

impl<'de> Visitor<'de> for OfArrivals {
    type Value = Arrivals;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ARRIVALS)
    }

    fn visit_str<E: de::Error>(self, kind: &str) -> Result<Arrivals, E> {
        arrivals(&ArrivalsTable { kind: kind.to_owned(), messages: None, from: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Arrivals, A::Error> {
        arrivals(&ArrivalsTable::deserialize(MapAccessDeserializer::new(table))?)
    }
}

fn arrivals<E: de::Error>(table: &ArrivalsTable) -> Result<Arrivals, E> {
    match (table.kind.as_str(), table.messages, table.from) {
        ("constant", None, None) => Ok(Arrivals::Constant),
        ("poisson", None, None) => Ok(Arrivals::Poisson),
        ("closed", None, None) => Ok(Arrivals::Closed),
        ("burst", Some(messages), None) => Ok(Arrivals::Burst { messages }),
        ("ramp", None, Some(from)) => Ok(Arrivals::Ramp { from }),
        (kind, ..) => Err(E::custom(format_args!("{kind:?} with these keys is none of the {ARRIVALS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scenario;

    #[test]
    fn a_value_of_another_form_is_answered_with_the_forms_that_there_are() {
        for (text, told) in [
            ("duration = true", "a length of time: write 250us"),
            ("duration = \"long\"", "\"long\" is no length of time"),
            ("duration = [1]", "a length of time: write 250us"),
            ("warm_up = \"soon\"", "or auto"),
            ("warm_up = []", "a warm-up: \"auto\", or a time"),
            ("[[group]]\nsize = true", "a size: \"1KiB\", { min, max }"),
            ("[[group]]\nsize = \"big\"", "\"big\" is no size"),
            ("[[group]]\nsize = { min = 100 }", "these keys together are no size"),
            ("[[group]]\nsize = { least = 100 }", "unknown field `least`"),
            ("[[group]]\nsize = [{ size = 100 }]", "missing field `weight`"),
            ("[[group]]\nrate = {}", "a rate: write 500, 10k"),
            ("[[group]]\narrivals = 5", "arrivals: { kind = \"constant\" }"),
            ("[[group]]\narrivals = \"often\"", "\"often\" with these keys is none of the arrivals"),
            ("[[group]]\narrivals = { kind = \"burst\" }", "\"burst\" with these keys is none of the arrivals"),
        ] {
            let error = Scenario::parse(text).expect_err(text).to_string();
            assert!(error.contains(told), "{text}: {error}");
            assert!(!error.contains("variant") && !error.contains("enum"), "{text}: {error}");
        }
        let short = Scenario::parse("warm_up = 2\n[[group]]\narrivals = \"poisson\"\nsize = 100").expect("it is one");
        assert_eq!(short.groups[0].arrivals, super::Arrivals::Poisson);
    }
}
