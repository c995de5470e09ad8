//! Declaring settings: a structure and the table of its settings from one text, so that no setting stands in two places.
//!
//! `area!` declares a table of settings, `choice!` a type of few words. Whoever declares has `engine_catalogue::setting` at hand through
//! the macros themselves.

use crate::setting::{Setting, Value};

/// A table of settings: of a configuration file, or of what the catalogue keeps.
pub trait Area: Default {
    /// Its name.
    const NAME: &'static str;
    /// What can be set in it.
    const SETTINGS: &'static [Setting];
    /// Sets the one of a name.
    ///
    /// # Errors
    /// What is wrong with the value.
    fn put(&mut self, name: &str, value: Value) -> Result<(), String>;
    /// All values, in the order of the settings.
    fn values(&self) -> Vec<Value>;
}

/// Declares a table: a structure, and the settings that it is read from and printed by.
#[macro_export]
macro_rules! area {
    ($(#[doc = $about:literal])+ $area:ident = $table:literal {
        $( $(#[doc = $help:literal])+ $name:ident: $type:ty = $default:expr $(=> $rule:ident($($argument:expr),+))*; )+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $area { $( $(#[doc = $help])+ pub $name: $type, )+ }

        impl Default for $area {
            fn default() -> Self {
                Self { $( $name: $default, )+ }
            }
        }

        impl $crate::Area for $area {
            const NAME: &'static str = $table;
            const SETTINGS: &'static [$crate::setting::Setting] = &[ $(
                $crate::setting::Setting::of::<$type>(stringify!($name), concat!($($help),+))$(.$rule($($argument),+))*
            ),+ ];

            fn put(&mut self, name: &str, value: $crate::setting::Value) -> Result<(), String> {
                match name {
                    $( stringify!($name) => self.$name = $crate::setting::Typed::from_value(value)?, )+
                    _ => return Err("it is no setting".to_owned()),
                }
                Ok(())
            }

            fn values(&self) -> Vec<$crate::setting::Value> {
                vec![ $( $crate::setting::Typed::to_value(&self.$name) ),+ ]
            }
        }
    };
}

/// Declares a choice between words.
#[macro_export]
macro_rules! choice {
    ($(#[doc = $about:literal])+ $choice:ident { $( $(#[doc = $help:literal])+ $variant:ident = $word:literal, )+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $choice { $( $(#[doc = $help])+ $variant, )+ }

        impl $crate::setting::Word for $choice {
            const EXPECTED: $crate::setting::Expected = $crate::setting::Expected::OneOf(&[ $( $word ),+ ]);

            fn from_word(text: &str) -> Result<Self, String> {
                match text {
                    $( $word => Ok(Self::$variant), )+
                    _ => Err(String::new()),
                }
            }

            fn word(&self) -> String {
                match self { $( Self::$variant => $word, )+ }.to_owned()
            }
        }
    };
}
