//! Strings as numbers and booleans, for selectors that ask for it (`convert_string_expressions:`): clients of protocols without types
//! send all their properties as strings.

use crate::operand::Operand;
use crate::text::Text;

/// Whether strings are converted where the other side is a number or a boolean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// As in JMS: they are not.
    None,
    /// A string that is no number is NULL in arithmetic, and unlike every number elsewhere.
    Strings,
}

/// A value where a number is meant: a string becomes one, if that is asked for and it is one.
#[inline]
pub(crate) fn to_number(value: Operand<'_>, conversion: Conversion) -> Operand<'_> {
    match (value, conversion) {
        (Operand::Text(text), Conversion::Strings) => parse(&text),
        _ => value,
    }
}

fn parse<'a>(text: &Text<'_>) -> Operand<'a> {
    text.read(|prefix, body| match (prefix, body.parse()) {
        ("", Ok(exact)) => Operand::Exact(exact),
        ("", Err(_)) => match body.parse::<f64>() {
            Ok(value) if value.is_finite() => Operand::Approximate(value),
            _ => Operand::Opaque,
        },
        _ => Operand::Opaque,
    })
}

/// A string where a boolean is meant: `true` in any case of its letters is true, everything else false, as in Java.
pub(crate) fn to_boolean(text: &Text<'_>, conversion: Conversion) -> Option<bool> {
    (conversion == Conversion::Strings)
        .then(|| text.read(|prefix, body| prefix.is_empty() && body.eq_ignore_ascii_case("true")))
}
