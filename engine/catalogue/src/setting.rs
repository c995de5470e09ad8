//! What a setting is: its name, the values that it takes, and what it is for. Settings are declared by `area!` and `choice!`
//! (`declare`), each in one place; reading, checking, printing, defaults, the table of the documentation and the catalogue's log
//! are made of them.
//!
//! Not here: what several settings mean together, and where values come from.

use std::path::PathBuf;

use crate::limits::{LIST_MAX, TEXT_MAX};

/// A value as a file holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// It is not set, and nothing else stands for it.
    Absent,
    /// Yes or no.
    Switch(bool),
    /// A number from 0 on.
    Whole(u64),
    /// Text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
}

/// What a value looks like in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `true` or `false`
    Switch,
    /// `5672`
    Whole,
    /// `"text"`
    Text,
    /// `["text", "text"]`
    List,
}

/// Which texts a setting takes.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Those that are meant by this.
    Described(&'static str),
}

/// A type that is written as text.
pub trait Word: Sized {
    /// Which texts it is made of.
    const EXPECTED: Expected;
    /// Reads it; an error says what is wrong with it, and is empty where that says nothing beyond what is expected.
    fn from_word(text: &str) -> Result<Self, String>;
    /// Writes it.
    fn word(&self) -> String;
}

/// A type that a setting can have.
pub trait Typed: Sized {
    /// How it is written.
    const SHAPE: Shape;
    /// Which texts it takes.
    const EXPECTED: Expected = Expected::Described("");
    /// Largest number.
    const MAX: u64 = u64::MAX;
    /// What it is made of a value that has the shape and lies within the bounds.
    fn from_value(value: Value) -> Result<Self, String>;
    /// The value that it is made of.
    fn to_value(&self) -> Value;
}

impl Word for String {
    const EXPECTED: Expected = Expected::Described("text");

    fn from_word(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn word(&self) -> String {
        self.clone()
    }
}

impl Word for PathBuf {
    const EXPECTED: Expected = Expected::Described("a path");

    fn from_word(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('\0') { Err("no file has this path".to_owned()) } else { Ok(text.into()) }
    }

    fn word(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

impl<T: Word> Typed for T {
    const SHAPE: Shape = Shape::Text;
    const EXPECTED: Expected = T::EXPECTED;

    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::Text(text) => T::from_word(&text),
            _ => Err(String::new()),
        }
    }

    fn to_value(&self) -> Value {
        Value::Text(self.word())
    }
}

impl<T: Word> Typed for Vec<T> {
    const SHAPE: Shape = Shape::List;
    const EXPECTED: Expected = T::EXPECTED;

    fn from_value(value: Value) -> Result<Self, String> {
        let Value::List(items) = value else { return Err(String::new()) };
        let read = |item: &String| {
            T::from_word(item).map_err(|wrong| {
                if wrong.is_empty() { format!("{item:?} is none of them") } else { format!("{item:?}: {wrong}") }
            })
        };
        items.iter().map(read).collect()
    }

    fn to_value(&self) -> Value {
        Value::List(self.iter().map(Word::word).collect())
    }
}

impl Typed for bool {
    const SHAPE: Shape = Shape::Switch;

    fn from_value(value: Value) -> Result<Self, String> {
        if let Value::Switch(on) = value { Ok(on) } else { Err(String::new()) }
    }

    fn to_value(&self) -> Value {
        Value::Switch(*self)
    }
}

impl<T: Typed> Typed for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const EXPECTED: Expected = T::EXPECTED;
    const MAX: u64 = T::MAX;

    fn from_value(value: Value) -> Result<Self, String> {
        if value == Value::Absent { Ok(None) } else { T::from_value(value).map(Some) }
    }

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Absent, Typed::to_value)
    }
}

/// Whole numbers of a width.
macro_rules! whole {
    ($($number:ident)+) => { $(
        impl Typed for $number {
            const SHAPE: Shape = Shape::Whole;
            const MAX: u64 = $number::MAX as u64;

            fn from_value(value: Value) -> Result<Self, String> {
                match value {
                    Value::Whole(number) => Self::try_from(number).map_err(|_| String::new()),
                    _ => Err(String::new()),
                }
            }

            fn to_value(&self) -> Value {
                Value::Whole(u64::from(*self))
            }
        }
    )+ };
}

whole!(u8 u16 u32 u64);

/// A rule for a text; an error says what is wrong, and is empty where there is nothing to add to what is allowed.
type Check = fn(&str) -> Result<(), String>;

/// A setting, apart from its default.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key.
    pub name: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// How it is written.
    pub shape: Shape,
    /// What is told of its default instead of the value: it depends on the machine, or nothing is set.
    pub default_told: Option<&'static str>,
    /// Its number in the catalogue's log, which is never used again for another; 0 when it is not kept there.
    pub number: u16,
    /// What Artemis calls it; empty when Artemis has no such setting.
    pub artemis: &'static str,
    expected: Expected,
    /// Smallest and largest number, and their unit.
    range: (u64, u64, &'static str),
    /// What a text has to be beyond its type.
    check: Option<Check>,
}

impl Setting {
    /// A setting of a type, without bounds of its own.
    pub const fn of<T: Typed>(name: &'static str, help: &'static str) -> Self {
        let (expected, range) = (T::EXPECTED, (0, T::MAX, ""));
        let (number, artemis) = (0, "");
        Self { name, help, shape: T::SHAPE, default_told: None, number, artemis, expected, range, check: None }
    }

    /// With a default that depends on the machine.
    pub const fn told(self, told: &'static str) -> Self {
        Self { default_told: Some(told), ..self }
    }

    /// With bounds and a unit.
    pub const fn range(self, min: u64, max: u64, unit: &'static str) -> Self {
        Self { range: (min, max, unit), ..self }
    }

    /// Kept in the catalogue's log, by this number.
    pub const fn kept(self, number: u16) -> Self {
        Self { number, ..self }
    }

    /// Known to Artemis by this name.
    pub const fn artemis(self, artemis: &'static str) -> Self {
        Self { artemis, ..self }
    }

    /// With a rule for its text.
    pub const fn check(self, expected: &'static str, check: Check) -> Self {
        Self { expected: Expected::Described(expected), check: Some(check), ..self }
    }

    /// Whether it takes the value, which has its shape; an error says what is wrong, and is empty where there is nothing to add to what
    /// is allowed.
    pub fn admit(&self, value: &Value) -> Result<(), String> {
        match value {
            Value::Whole(number) => {
                if (self.range.0..=self.range.1).contains(number) {
                    Ok(())
                } else {
                    Err(String::new())
                }
            }
            Value::Text(text) => self.admit_text(text),
            Value::List(items) if items.len() > LIST_MAX => Err(format!("it has {} items", items.len())),
            Value::List(items) => items.iter().try_for_each(|item| self.admit_text(item)),
            Value::Absent | Value::Switch(_) => Ok(()),
        }
    }

    fn admit_text(&self, text: &str) -> Result<(), String> {
        if text.len() > TEXT_MAX {
            return Err(format!("it is longer than {} bytes", counted(TEXT_MAX as u64)));
        }
        self.check.map_or(Ok(()), |check| check(text))
    }

    /// The values that it takes, for people.
    pub fn allowed(&self) -> String {
        let texts = match self.expected {
            Expected::OneOf(words) => words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", "),
            Expected::Described(description) => description.to_owned(),
        };
        let (min, max, unit) = self.range;
        match self.shape {
            Shape::Switch => "true or false".to_owned(),
            Shape::Whole => format!("{} to {} {unit}", counted(min), counted(max)).trim_end().to_owned(),
            Shape::Text if matches!(self.expected, Expected::OneOf(_)) => format!("one of {texts}"),
            Shape::Text => texts,
            Shape::List if matches!(self.expected, Expected::OneOf(_)) => format!("a list of {texts}"),
            Shape::List => "a list of texts, such as [\"a\", \"b\"]".to_owned(),
        }
    }
}

/// A number with a comma before every three digits.
fn counted(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept_and_told() {
        let setting = Setting::of::<u32>("spin", "").range(5, 1000, "µs");
        assert_eq!(setting.allowed(), "5 to 1,000 µs");
        assert!(setting.admit(&Value::Whole(5)).is_ok() && setting.admit(&Value::Whole(1000)).is_ok());
        assert!(setting.admit(&Value::Whole(4)).is_err() && setting.admit(&Value::Whole(1001)).is_err());
        assert_eq!(Setting::of::<u16>("port", "").allowed(), "0 to 65,535");
        assert_eq!(Setting::of::<Option<PathBuf>>("file", "").allowed(), "a path");
    }
}
