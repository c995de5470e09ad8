//! From attributes to types and back: a structure says of each field which attribute it is, and is read and printed by that.

use crate::attributes::Attributes;
use crate::fault::{Findings, shown};
use crate::origin::Origin;
use crate::schema::{EntityType, Presence};
use crate::value::Value;
use crate::words::Word;

/// What an attribute can be made into.
pub(crate) trait Typed: Sized {
    /// Of a value, or of none.
    ///
    /// # Errors
    /// What it takes instead.
    fn of_value(value: Option<Value>) -> Result<Self, String>;
    /// The value that it is made of; none if it is absent.
    fn to_value(&self) -> Option<Value>;
}

/// What is made of one value.
pub(crate) trait Single: Sized {
    /// See `Typed::of_value`.
    fn of_single(value: Value) -> Result<Self, String>;
    /// See `Typed::to_value`.
    fn to_single(&self) -> Value;
}

impl<T: Single> Typed for T {
    fn of_value(value: Option<Value>) -> Result<Self, String> {
        value.ok_or_else(|| "it takes a value".to_owned()).and_then(Self::of_single)
    }

    fn to_value(&self) -> Option<Value> {
        Some(self.to_single())
    }
}

impl<T: Single> Typed for Option<T> {
    fn of_value(value: Option<Value>) -> Result<Self, String> {
        value.map(T::of_single).transpose()
    }

    fn to_value(&self) -> Option<Value> {
        self.as_ref().map(T::to_single)
    }
}

macro_rules! single {
    ($type:ty, $variant:ident, $takes:literal, $read:expr, $written:expr) => {
        impl $crate::typed::Single for $type {
            fn of_single(value: $crate::value::Value) -> Result<Self, String> {
                match value {
                    $crate::value::Value::$variant(inner) => ($read)(inner).ok_or_else(|| $takes.to_owned()),
                    _ => Err($takes.to_owned()),
                }
            }

            fn to_single(&self) -> $crate::value::Value {
                $crate::value::Value::$variant(($written)(self))
            }
        }
    };
}
pub(crate) use single;

single!(bool, Switch, "it takes yes or no", Some, |on: &bool| *on);
single!(String, Text, "it takes text", Some, Clone::clone);
single!(Vec<String>, List, "it takes a list", Some, Clone::clone);
single!(u8, Integer, "it takes a small number", |number: i64| u8::try_from(number).ok(), |number: &u8| i64::from(
    *number
));
single!(u32, Integer, "it takes a number from 0 on", |number: i64| u32::try_from(number).ok(), |number: &u32| {
    i64::from(*number)
});
single!(
    std::path::PathBuf,
    Text,
    "it takes a path",
    |text: String| (!text.contains('\0')).then(|| text.into()),
    |path: &std::path::PathBuf| path.to_string_lossy().into_owned()
);
single!(serde_json::Map<String, serde_json::Value>, Map, "it takes a map", Some, Clone::clone);

macro_rules! single_words {
    ($($type:ty),+) => { $(
        single!($type, Text, "it takes another word", |word: String| Word::of_word(&word), |word: &$type| word.word().to_owned());
    )+ };
}

single_words!(
    crate::words::Mode,
    crate::words::Role,
    crate::words::Distribution,
    crate::words::LinkDistribution,
    crate::words::Direction,
    crate::words::StripAnnotations,
    crate::words::AddressFamily,
    crate::words::Module
);

/// Attributes on their way into types.
pub(crate) struct Taking<'a> {
    pub attributes: &'a Attributes,
    pub origin: &'a Origin,
    pub findings: &'a mut Findings,
}

impl Taking<'_> {
    /// The value of an attribute, or what the table has for it. `None` if it cannot be, which is a fault.
    pub fn take<T: Typed>(&mut self, name: &str) -> Option<T> {
        let given = self.attributes.given(name);
        let of = self.attributes.of;
        let value = given.map(|given| given.value.clone()).or_else(|| preset(of, name));
        let is_secret = of.attribute(name).is_some_and(|attribute| attribute.kind == crate::schema::Kind::Secret);
        match T::of_value(value) {
            Ok(read) => Some(read),
            Err(takes) => {
                self.findings.fault(self.attributes.line_of(name), || {
                    let kind = of.attribute(name).map(|attribute| attribute.kind);
                    let text = given.zip(kind).map(|(given, kind)| given.value.text(kind)).unwrap_or_default();
                    let is = if is_secret { "not taken".to_owned() } else { shown(&text) };
                    (format!("'{name}' of {} is {is}", of.section), takes)
                });
                None
            }
        }
    }
}

/// What the table has for an attribute that is absent.
pub(crate) fn preset(of: &EntityType, name: &str) -> Option<Value> {
    let attribute = of.attribute(name)?;
    match attribute.presence {
        Presence::Preset(constant) => Some(Value::of_constant(constant, attribute.kind)),
        Presence::Required | Presence::Optional => None,
    }
}

/// Several attributes that are read and printed together.
pub(crate) trait Part: Sized {
    /// Of attributes; all that is wrong is told. `None` if something is.
    fn take(from: &mut Taking<'_>) -> Option<Self>;
    /// Adds the values of its attributes.
    fn put(&self, out: &mut Vec<(&'static str, Option<Value>)>);
}

macro_rules! part {
    ($(#[$about:meta])+ $name:ident { $( $(#[$help:meta])+ $field:ident: $type:ty = $source:tt, )+ }) => {
        $(#[$about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $( $(#[$help])+ pub $field: $type, )+ }

        impl $crate::typed::Part for $name {
            fn take(from: &mut $crate::typed::Taking<'_>) -> Option<Self> {
                $( let $field = $crate::typed::take_field!(from, $type, $source); )+
                Some(Self { $( $field: $field? ),+ })
            }

            fn put(&self, out: &mut Vec<(&'static str, Option<$crate::value::Value>)>) {
                $( $crate::typed::put_field!(out, &self.$field, $source); )+
            }
        }
    };
}
pub(crate) use part;

macro_rules! take_field {
    ($from:ident, $type:ty, origin) => {
        Some($from.origin.clone())
    };
    ($from:ident, $type:ty, part) => {
        <$type as $crate::typed::Part>::take($from)
    };
    ($from:ident, $type:ty, $name:literal) => {
        $from.take::<$type>($name)
    };
}
pub(crate) use take_field;

macro_rules! put_field {
    ($out:ident, $field:expr, origin) => {};
    ($out:ident, $field:expr, part) => {
        $crate::typed::Part::put($field, $out)
    };
    ($out:ident, $field:expr, $name:literal) => {
        $out.push(($name, $crate::typed::Typed::to_value($field)))
    };
}
pub(crate) use put_field;
