//! The table of what can be configured: types of sections, their attributes, what each takes, and what they were called before.
//!
//! Guarantees: every section and attribute that is read, checked, printed or told by management stands here once. Sources: the management
//! schema of qdrouterd 1.19, and for former names those of 0.4 to 1.18.

mod addresses;
mod attribute;
mod connections;
mod entity_type;
mod former;
mod log;
mod router;
mod security;

pub use attribute::{Access, Attribute, Constant, Kind, Presence, Sense, Spelling, Standing};
pub use entity_type::{Count, ENTITY, EntityType, Operation, PREFIX};

pub(crate) use addresses::{ADDRESS, AUTO_LINK, LINK_ROUTE};
pub(crate) use connections::{CONNECTOR, LISTENER};
pub(crate) use former::{CONTAINER, FIXED_ADDRESS, LINK_ROUTE_PATTERN, WAYPOINT};
pub(crate) use log::{FORMER_MODULES, LOG};
pub(crate) use router::ROUTER;
pub(crate) use security::{AUTH_SERVICE_PLUGIN, POLICY, SSL_PROFILE, VHOST};

/// All types of sections: those of today, then those that are read for older files or refused.
pub const TYPES: &[&EntityType] = &[
    &router::ROUTER,
    &connections::LISTENER,
    &connections::CONNECTOR,
    &log::LOG,
    &addresses::ADDRESS,
    &addresses::LINK_ROUTE,
    &addresses::AUTO_LINK,
    &addresses::EXCHANGE,
    &addresses::BINDING,
    &security::SSL_PROFILE,
    &security::AUTH_SERVICE_PLUGIN,
    &security::POLICY,
    &security::VHOST,
    &former::CONTAINER,
    &former::FIXED_ADDRESS,
    &former::WAYPOINT,
    &former::LINK_ROUTE_PATTERN,
    &former::CONSOLE,
    &former::TCP_LISTENER,
    &former::TCP_CONNECTOR,
    &former::HTTP_LISTENER,
    &former::HTTP_CONNECTOR,
];

/// The settings of a group of users, which stand within a vhost's `groups` and are no section.
pub const GROUP: &EntityType = &security::GROUP;

/// The type of a section: by its name in camel case, by its name in management, whole or short.
#[must_use]
pub fn section(name: &str) -> Option<&'static EntityType> {
    let short = name.strip_prefix(PREFIX).unwrap_or(name);
    TYPES.iter().copied().find(|of| of.short == short || of.section == short)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_means_one_thing() {
        for of in TYPES.iter().chain([&GROUP]) {
            let mut names = BTreeSet::new();
            for attribute in of.attributes() {
                let all = std::iter::once(attribute.name).chain(attribute.former.iter().map(|spelling| spelling.name));
                for name in all {
                    assert!(names.insert(name), "{}.{name} stands there twice", of.section);
                    assert_eq!(of.spelled(name).map(|(found, _)| found.name), Some(attribute.name));
                }
                assert!(!attribute.about.is_empty() && !attribute.about.ends_with('.'), "{}", attribute.name);
            }
        }
    }

    #[test]
    fn presets_are_values_that_are_taken() {
        for attribute in TYPES.iter().flat_map(|of| of.attributes()).chain(GROUP.own) {
            let Presence::Preset(constant) = attribute.presence else { continue };
            match (attribute.kind, constant) {
                (Kind::Switch, Constant::Switch(_)) => {}
                (Kind::Integer { least, most }, Constant::Integer(number)) => assert!((least..=most).contains(&number)),
                (Kind::Word(words), Constant::Text(word)) => assert!(words.contains(&word)),
                (Kind::Text | Kind::Path | Kind::Commas, Constant::Text(_)) => {}
                (kind, constant) => panic!("{}: {kind:?} {constant:?}", attribute.name),
            }
        }
    }

    #[test]
    fn sections_are_found_by_each_name() {
        for name in ["address", "router.config.address", "org.apache.qpid.dispatch.router.config.address"] {
            assert_eq!(section(name).map(|of| of.section), Some("address"), "{name}");
        }
        assert_eq!(
            section("router").map(EntityType::fully_qualified).as_deref(),
            Some("org.apache.qpid.dispatch.router")
        );
        assert!(section("config.address").is_none() && section("").is_none());
    }
}
