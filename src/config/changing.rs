//! Sections that come to a router while it runs, made into what it goes by: on the way that those of its file go.
//!
//! Not here: reading them (`engine_router_conf`), and telling the router (`management::router`).

use engine_router::RouterId;
use engine_router::auto_links::AutoLink;
use engine_router::matching::Pattern;
use engine_router::table::Rule;
use engine_router_conf::sections;
use engine_routing::LinkRoute;

use super::resolve::routing;
use super::routed::{self, peers};
use super::settings::Role;

/// What an address says, beside the rules that there are.
///
/// # Errors
/// When it says nothing that can be, or they say something for the same addresses.
pub fn rule<'a>(
    address: &sections::Address,
    others: impl Iterator<Item = &'a (Pattern, Rule)>,
) -> Result<(Pattern, Rule), String> {
    routing::rule(&routed::route(address), others)
}

/// What an autoLink says, beside the links that there are. `ends` are connectors and listeners by name.
///
/// # Errors
/// When it says nothing that can be, or one of them is the same.
pub fn auto_link<'a>(
    link: &sections::AutoLink,
    router: (&RouterId, &[(String, Role)]),
    others: impl Iterator<Item = &'a AutoLink>,
) -> Result<AutoLink, String> {
    routing::auto_link(&peers::auto_link(link), router, others).map_err(|(_, wrong)| wrong)
}

/// What a linkRoute says, beside the routes that there are. `ends` are connectors and listeners by name.
///
/// # Errors
/// When it says nothing that can be, or one of them is the same.
pub fn link_route<'a>(
    route: &sections::LinkRoute,
    ends: &[(String, Role)],
    others: impl Iterator<Item = &'a LinkRoute>,
) -> Result<LinkRoute, String> {
    let made = routing::link_routes(&peers::link_route(route), ends, others).map_err(|(_, wrong)| wrong)?;
    let [made] = <[LinkRoute; 1]>::try_from(made).map_err(|_| "a linkRoute is for one direction".to_owned())?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    use engine_router_conf::Changing;
    use engine_router_conf::schema::Access;

    use super::*;

    /// What has to be refused in a file is not among what can be set of what comes while a router runs.
    #[test]
    fn all_that_can_be_said_is_done_or_warned_about() {
        for of in Changing::ALL.map(Changing::of) {
            for attribute in of.own.iter().filter(|attribute| attribute.access != Access::Told) {
                let (section, name) = (of.section, attribute.name);
                assert!(
                    routed::is_done(section, name) || routed::no_effect(section, name).is_some(),
                    "{section}.{name}"
                );
            }
        }
    }
}
