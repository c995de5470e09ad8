//! Attributes that are told and not set, in the form of the table of what can be configured.

use engine_router_conf::schema::{Access, Attribute, Kind, Presence, Standing};

const fn told(name: &'static str, kind: Kind, about: &'static str) -> Attribute {
    Attribute {
        name,
        kind,
        presence: Presence::Optional,
        access: Access::Told,
        standing: Standing::Current,
        former: &[],
        former_words: &[],
        about,
    }
}

/// A number from 0 on.
pub(super) const fn number(name: &'static str, about: &'static str) -> Attribute {
    told(name, Kind::Integer { least: 0, most: Kind::MOST }, about)
}

pub(super) const fn text(name: &'static str, about: &'static str) -> Attribute {
    told(name, Kind::Text, about)
}

pub(super) const fn switch(name: &'static str, about: &'static str) -> Attribute {
    told(name, Kind::Switch, about)
}

pub(super) const fn word(name: &'static str, words: &'static [&'static str], about: &'static str) -> Attribute {
    told(name, Kind::Word(words), about)
}

pub(super) const fn map(name: &'static str, about: &'static str) -> Attribute {
    told(name, Kind::Map, about)
}

pub(super) const fn list(name: &'static str, about: &'static str) -> Attribute {
    told(name, Kind::List, about)
}

/// The same, which may be changed.
pub(super) const fn updated(mut attribute: Attribute) -> Attribute {
    attribute.access = Access::Update;
    attribute
}
