//! What sections mean together: names that have to be there, roles that a mode has, attributes that exclude each other.
//!
//! Guarantee: each rule is looked at by itself, so that what one finds keeps no other from being told. Sections that are wrong by themselves
//! are left out; their names count as there.

mod addresses;
mod connections;
mod router;
mod security;

use crate::configuration::Configuration;
use crate::fault::Findings;
use crate::sections::{Address, AutoLink, Connector, LinkRoute, Listener, SslProfile};
use crate::whole::{Built, Whole};

/// What is wrong and doubtful about an address that comes to others.
pub(crate) fn check_address(address: &Built<Address>, others: &[Address], findings: &mut Findings) {
    if !addresses::check_address(address, findings) {
        return;
    }
    let tokens = address.section.matched.tokens();
    if let Some(before) = others.iter().find(|other| other.matched.tokens() == tokens) {
        findings.fault(address.attributes.line, || addresses::same(&before.origin));
    }
}

/// What is wrong and doubtful about a link that comes to a configuration.
pub(crate) fn check_auto_link(link: &Built<AutoLink>, configuration: &Configuration, findings: &mut Findings) {
    addresses::check_auto_link(link, &addresses::Ends::of_configuration(configuration), findings);
}

/// What is wrong and doubtful about a route of links that comes to a configuration.
pub(crate) fn check_link_route(route: &Built<LinkRoute>, configuration: &Configuration, findings: &mut Findings) {
    addresses::check_link_route(route, &addresses::Ends::of_configuration(configuration), findings);
}

/// What is wrong and doubtful about a connector that comes to a configuration.
pub(crate) fn check_connector(connector: &Built<Connector>, configuration: &Configuration, findings: &mut Findings) {
    connections::check_connector(connector, &connections::Beside::of_configuration(configuration), findings);
}

/// What is wrong and doubtful about a listener that comes to a configuration.
pub(crate) fn check_listener(listener: &Built<Listener>, configuration: &Configuration, findings: &mut Findings) {
    connections::check_listener(listener, &connections::Beside::of_configuration(configuration), findings);
}

/// What is wrong and doubtful about a profile that comes to a configuration.
pub(crate) fn check_ssl_profile(profile: &Built<SslProfile>, findings: &mut Findings) {
    security::check_profile(profile, findings);
}

/// Tells everything that is wrong or doubtful.
pub(crate) fn check(whole: &Whole, findings: &mut Findings) {
    router::check(whole, findings);
    connections::check(whole, findings);
    addresses::check(whole, findings);
    security::check(whole, findings);
}
