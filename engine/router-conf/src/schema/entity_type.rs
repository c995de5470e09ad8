//! A type of section, which is a type of entity of management.

use super::attribute::{Attribute, Spelling, Standing};

/// Before every type's name in management.
pub const PREFIX: &str = "org.apache.qpid.dispatch.";

/// What may be done with entities of a type at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Making one.
    Create,
    /// Reading one.
    Read,
    /// Changing one.
    Update,
    /// Removing one.
    Delete,
}

/// How many entities of a type there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// Always one: it is there with its defaults if no section says otherwise.
    One,
    /// As many as there are sections.
    Several,
}

/// A type of section, which is a type of entity of management.
#[derive(Debug)]
pub struct EntityType {
    /// Its name in a file.
    pub section: &'static str,
    /// Its name in management, without `PREFIX`.
    pub short: &'static str,
    /// How many there may be.
    pub count: Count,
    /// What may be done at run time.
    pub operations: &'static [Operation],
    /// Whether it is taken.
    pub standing: Standing,
    /// Its attributes, without those of `ENTITY`, in the order of the schema.
    pub own: &'static [Attribute],
    /// What it is.
    pub about: &'static str,
}

impl EntityType {
    /// Its whole name in management.
    #[must_use]
    pub fn fully_qualified(&self) -> String {
        format!("{PREFIX}{}", self.short)
    }

    /// All attributes, those that every type has last.
    pub fn attributes(&self) -> impl Iterator<Item = &'static Attribute> {
        self.own.iter().chain(ENTITY)
    }

    /// The attribute of a name of today.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes().find(|attribute| attribute.name == name)
    }

    /// The attribute that has or had a name, and what was meant by the former name if it is one.
    #[must_use]
    pub fn spelled(&self, name: &str) -> Option<(&'static Attribute, Option<&'static Spelling>)> {
        let former = |attribute: &'static Attribute| {
            let spelling = attribute.former.iter().find(|spelling| spelling.name == name)?;
            Some((attribute, Some(spelling)))
        };
        self.attribute(name).map(|attribute| (attribute, None)).or_else(|| self.attributes().find_map(former))
    }
}

/// Attributes that every type has.
pub const ENTITY: &[Attribute] = &[
    Attribute::text("name", "What the entity is called; unique within its type"),
    Attribute::text("identity", "What management knows the entity by").told(),
    Attribute::text("type", "The type of the entity").told(),
];
