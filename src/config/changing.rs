//! Sections that come to a router while it runs, made into what it goes by: on the way that those of its file go.
//!
//! Not here: reading them (`engine_router_conf`), and telling the router (`management::router`).

use engine_router::RouterId;
use engine_router::auto_links::AutoLink;
use engine_router::matching::Pattern;
use engine_router::table::Rule;
use engine_router_conf::sections::{self, Secret};
use engine_router_conf::{Changing, Configuration};
use engine_routing::LinkRoute;

use super::fault::Faults;
use super::resolve::{ConnectTo, ListenAt, coming, routing};
use super::routed::{self, peers};
use super::settings::{Config, Connector, Listener, Role};

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

/// Looks whether all is done that the section says which was added last; gives what is doubtful about it.
///
/// # Errors
/// What is not done.
pub fn look(configuration: &Configuration, changing: Changing) -> Result<Vec<String>, String> {
    let (mut faults, mut warnings) = (Faults::default(), Vec::new());
    if let Some(said) = configuration.said_last(changing) {
        routed::look(configuration, &said, (&mut faults, &mut warnings));
    }
    faults.or(warnings).map_err(told)
}

/// What the last connector of a configuration says, and what it shows and trusts; with what is doubtful about it. It goes by what else holds
/// for the node (`base`), which has no connectors.
///
/// # Errors
/// When it says nothing that can be. Files and variables of the machine are not read for the password of whoever manages the router.
pub fn connector(
    configuration: &Configuration,
    base: &Config,
) -> Result<((Connector, ConnectTo), Vec<String>), String> {
    let Some(section) = configuration.connectors.last() else { return Err("there is no connector".to_owned()) };
    if matches!(section.sasl_password, Some(Secret::Env(_) | Secret::File(_))) {
        let text = "connector.saslPassword: files and variables of this machine are not read for management: give the password itself \
                    (pass:PASSWORD), or write the connector into the configuration";
        return Err(text.to_owned());
    }
    let mut config = base.clone();
    // What is doubtful about a password that stands in a file is nothing here.
    let laid = routed::lay_connector(section, configuration, &mut config);
    laid.faults.or(()).map_err(told)?;
    let (to, warnings) = coming::connector(&config, &laid.origins).map_err(told)?;
    let connector = config.connectors.pop().ok_or("there is no connector")?;
    Ok(((connector, to), warnings))
}

/// What the last listener of a configuration says, and where it is to listen; with what is doubtful about it. It goes by what else holds for
/// the node (`base`), which has no listeners.
///
/// # Errors
/// When it says nothing that can be.
pub fn listener(configuration: &Configuration, base: &Config) -> Result<((Listener, ListenAt), Vec<String>), String> {
    let Some(section) = configuration.listeners.last() else { return Err("there is no listener".to_owned()) };
    let mut config = base.clone();
    let laid = routed::lay_listener(section, configuration, &mut config);
    laid.faults.or(()).map_err(told)?;
    let (at, mut warnings) = coming::listener(&config, &laid.origins).map_err(told)?;
    warnings.extend(laid.warnings);
    let listener = config.listeners.pop().ok_or("there is no listener")?;
    Ok(((listener, at), warnings))
}

/// Faults in one line; they have no place.
fn told(faults: Faults) -> String {
    faults.texts().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use engine_router_conf::schema::Access;

    use super::*;

    /// What has to be refused in a file is not among what can be set of what comes while a router runs.
    #[test]
    fn all_that_can_be_said_is_done_or_warned_about() {
        for of in [Changing::Address, Changing::AutoLink, Changing::LinkRoute].map(Changing::of) {
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
