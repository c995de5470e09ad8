//! The types of entities that there are: those that can be configured, those that come and go by themselves, and those that others are of.
//!
//! Guarantee: what is told of a type, given for a query, or done stands here, or in `engine_router_conf::schema`.

mod attribute;
mod stats;
mod traffic;

use engine_management::MANAGEMENT_TYPE;
use engine_router_conf::schema::{self, EntityType, Operation, PREFIX, Standing};

use crate::writes;

pub use stats::{ALLOCATOR, LOG_STATS, MANAGEMENT, VHOST_STATS};
pub use traffic::{ADDRESS, CONNECTION, CONNECTION_LINK_ROUTE, LINK, NODE};

/// What can only be looked at, in the order in which it is told.
const RUNNING: [&EntityType; 9] =
    [&MANAGEMENT, &LOG_STATS, &LINK, &ADDRESS, &NODE, &CONNECTION, &ALLOCATOR, &VHOST_STATS, &CONNECTION_LINK_ROUTE];

/// Operations of management itself, beside READ.
pub const NODE_OPERATIONS: [&str; 9] = [
    "QUERY",
    "GET-TYPES",
    "GET-ANNOTATIONS",
    "GET-OPERATIONS",
    "GET-ATTRIBUTES",
    "GET-MGMT-NODES",
    "GET-SCHEMA",
    "GET-JSON-SCHEMA",
    "GET-LOG",
];

/// What types are of that are no types of entities by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// All.
    Entity,
    /// Those that a file has sections of.
    Configuration,
    /// The others.
    Operational,
    /// Management, as its specification has it.
    Management,
}

impl Base {
    /// All, those that others are of first.
    pub const ALL: [Self; 4] = [Self::Entity, Self::Configuration, Self::Operational, Self::Management];

    /// Its name, without what stands before all names.
    #[must_use]
    pub fn short(self) -> &'static str {
        match self {
            Self::Entity => "entity",
            Self::Configuration => "configurationEntity",
            Self::Operational => "operationalEntity",
            Self::Management => MANAGEMENT_TYPE,
        }
    }

    /// Its whole name.
    #[must_use]
    pub fn name(self) -> String {
        if self == Self::Management { MANAGEMENT_TYPE.to_owned() } else { format!("{PREFIX}{}", self.short()) }
    }

    /// What it is of, from the nearest on.
    #[must_use]
    pub fn parents(self) -> &'static [Self] {
        match self {
            Self::Entity => &[],
            Self::Configuration | Self::Operational => &[Self::Entity],
            Self::Management => &[Self::Operational, Self::Entity],
        }
    }
}

/// A type that a request names.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// Of entities.
    Of(&'static EntityType),
    /// Of types.
    Base(Base),
}

/// All types of entities.
pub fn all() -> impl Iterator<Item = &'static EntityType> {
    configured().chain(RUNNING)
}

/// Those that a file has sections of: of those for older files none, and the settings of a group, which are within a vhost.
fn configured() -> impl Iterator<Item = &'static EntityType> {
    let is_told = |of: &&'static EntityType| match of.standing {
        Standing::Current => true,
        // Tools ask for them: there are none.
        Standing::Refused(_) => of.short.starts_with("router.config."),
        Standing::Deprecated(_) | Standing::Ignored(_) => false,
    };
    schema::TYPES.iter().copied().filter(is_told).chain([schema::GROUP])
}

/// The type of a name, whole or without what stands before all names.
#[must_use]
pub fn find(name: &str) -> Option<Type> {
    let short = name.strip_prefix(PREFIX).unwrap_or(name);
    let base = Base::ALL.into_iter().find(|base| base.short() == short).map(Type::Base);
    base.or_else(|| all().find(|of| of.short == short).map(Type::Of))
}

/// What a type is of, from the nearest on.
#[must_use]
pub fn parents(of: &EntityType) -> &'static [Base] {
    if of.short == MANAGEMENT.short {
        &[Base::Management, Base::Operational, Base::Entity]
    } else if RUNNING.iter().any(|running| running.short == of.short) {
        &[Base::Operational, Base::Entity]
    } else {
        &[Base::Configuration, Base::Entity]
    }
}

/// Whether entities of a type are of a named one.
#[must_use]
pub fn is_of(of: &EntityType, named: Type) -> bool {
    match named {
        Type::Of(other) => other.short == of.short,
        Type::Base(base) => parents(of).contains(&base),
    }
}

/// The name of an operation.
#[must_use]
pub fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Read => "READ",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
    }
}

/// The operations of a type that are done here.
#[must_use]
pub fn operations(of: &EntityType) -> Vec<&'static str> {
    let done = of.operations.iter().filter(|one| writes::reason(of, **one).is_none());
    let own: Vec<&str> = done.map(|one| operation(*one)).collect();
    let all = if of.short == MANAGEMENT.short { &NODE_OPERATIONS[..] } else { &[] };
    own.into_iter().chain(all.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_means_one_type_and_every_attribute_stands_there_once() {
        let mut names = BTreeSet::new();
        for of in all() {
            assert!(names.insert(of.short), "{} stands there twice", of.short);
            assert!(matches!(find(&of.fully_qualified()), Some(Type::Of(found)) if found.short == of.short));
            let mut attributes = BTreeSet::new();
            for attribute in of.attributes() {
                assert!(attributes.insert(attribute.name), "{}.{} stands there twice", of.short, attribute.name);
                assert!(!attribute.about.is_empty() && !attribute.about.ends_with('.'), "{}", attribute.name);
            }
        }
        for base in Base::ALL {
            assert!(names.insert(base.short()));
            assert!(matches!(find(&base.name()), Some(Type::Base(found)) if found == base));
        }
        assert!(
            find("org.apache.qpid.dispatch.address").is_none(),
            "tools make short names of sections whole themselves"
        );
    }

    #[test]
    fn all_types_that_tools_ask_for_are_there() {
        for short in [
            "router",
            "connection",
            "router.link",
            "router.node",
            "router.address",
            "router.config.address",
            "router.config.autoLink",
            "router.config.linkRoute",
            "allocator",
            "policy",
            "vhost",
            "vhostStats",
            "listener",
            "connector",
            "log",
            "logStats",
            "sslProfile",
            "authServicePlugin",
            "router.config.exchange",
            "router.config.binding",
            "vhostUserGroupSettings",
        ] {
            assert!(find(short).is_some(), "{short}");
        }
    }
}
