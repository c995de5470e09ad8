//! Where the values stand that a router's file gives, line by line. What a file does not say is a default, whoever's that is.

use engine_router_conf::sections::SslProfile;
use engine_router_conf::{Configuration, Origin, Place};

use super::origins::Origins;
use super::routed;

/// Settings of the router by the attributes that say them.
const OF_ROUTER: &[(&str, &[&str])] = &[
    ("mode", &["mode"]),
    ("hello_ms", &["helloIntervalSeconds"]),
    ("hello_age_ms", &["helloMaxAgeSeconds"]),
    ("advertise_ms", &["raIntervalSeconds"]),
    ("advertise_flux_ms", &["raIntervalFluxSeconds"]),
    ("link_state_age_ms", &["remoteLsMaxAgeSeconds"]),
];

/// Settings of a listener by the attributes that say them, of which the first that stands there is told.
const OF_LISTENERS: &[(&str, &[&str])] = &[
    ("address", &["port", "host", "socketAddressFamily"]),
    ("name", &["name"]),
    ("role", &["role"]),
    ("link_capacity", &["linkCapacity"]),
    ("transport", &["sslProfile", "requireSsl"]),
    ("sasl", &["authenticatePeer"]),
    ("mechanisms", &["saslMechanisms"]),
    ("max_frame_size", &["maxFrameSize"]),
    ("channel_max", &["maxSessions"]),
    ("idle_timeout_ms", &["idleTimeoutSeconds"]),
    ("handshake_timeout_ms", &["initialHandshakeTimeoutSeconds"]),
];

/// The same of the files of its sslProfile.
const OF_PROFILES: &[(&str, &[&str])] = &[("certificate", &["certFile"]), ("key", &["privateKeyFile", "certFile"])];

/// The same of a connector.
const OF_CONNECTORS: &[(&str, &[&str])] = &[
    ("name", &["name"]),
    ("role", &["role"]),
    ("endpoints", &["host", "port"]),
    ("transport", &["sslProfile"]),
    ("verify_hostname", &["verifyHostname"]),
    ("sasl_mechanism", &["saslMechanisms", "saslUsername"]),
    ("sasl_username", &["saslUsername"]),
    ("sasl_password_file", &["saslPassword"]),
    ("sasl_password_env", &["saslPassword"]),
    ("link_capacity", &["linkCapacity"]),
    ("max_frame_size", &["maxFrameSize"]),
    ("channel_max", &["maxSessions"]),
    ("idle_timeout_ms", &["idleTimeoutSeconds"]),
];

/// The same of a route.
const OF_ROUTES: &[(&str, &[&str])] = &[
    ("prefix", &["prefix"]),
    ("pattern", &["pattern"]),
    ("distribution", &["distribution"]),
    ("waypoint", &["waypoint"]),
    ("ingress_phase", &["ingressPhase"]),
    ("egress_phase", &["egressPhase"]),
    ("fallback", &["enableFallback"]),
];

/// The same of a link that the router attaches.
const OF_AUTO_LINKS: &[(&str, &[&str])] = &[
    ("address", &["address"]),
    ("direction", &["direction"]),
    ("connection", &["connection"]),
    ("container", &["containerId"]),
    ("node", &["externalAddress"]),
    ("phase", &["phase"]),
    ("fallback", &["fallback"]),
];

/// The same of a route of links.
const OF_LINK_ROUTES: &[(&str, &[&str])] = &[
    ("prefix", &["prefix"]),
    ("pattern", &["pattern"]),
    ("direction", &["direction"]),
    ("connection", &["connection"]),
    ("container", &["containerId"]),
    ("remove_prefix", &["delExternalPrefix"]),
    ("add_prefix", &["addExternalPrefix"]),
];

/// The place of the first of some attributes that a section has.
fn first(section: &Origin, attributes: &[&str]) -> Option<Place> {
    attributes.iter().find_map(|attribute| section.place_of(attribute))
}

/// Notes where all values stand that a file gives.
pub fn note(configuration: &Configuration, origins: &mut Origins) {
    let mut all = |area: &'static str, index: usize, section: &Origin, table: &[(&'static str, &[&str])]| {
        for (name, attributes) in table {
            if let Some(place) = first(section, attributes) {
                origins.note(area, index, name, routed::origin(&place));
            }
        }
    };
    all("router", 0, &configuration.router.origin, OF_ROUTER);
    for (index, listener) in configuration.listeners.iter().enumerate() {
        all("listeners", index, &listener.origin, OF_LISTENERS);
        all("listeners", index, &configuration.policy.origin, &[("max_message_size", &["maxMessageSize"])]);
        let is_named = |profile: &&SslProfile| listener.ssl_profile.as_ref() == Some(&profile.origin.name);
        if let Some(profile) = configuration.ssl_profiles.iter().find(is_named) {
            all("listeners", index, &profile.origin, OF_PROFILES);
        }
    }
    for (index, address) in configuration.addresses.iter().enumerate() {
        all("routes", index, &address.origin, OF_ROUTES);
    }
    for (index, connector) in configuration.connectors.iter().enumerate() {
        all("connectors", index, &connector.origin, OF_CONNECTORS);
    }
    for (index, link) in configuration.auto_links.iter().enumerate() {
        all("auto_links", index, &link.origin, OF_AUTO_LINKS);
    }
    for (index, route) in configuration.link_routes.iter().enumerate() {
        all("link_routes", index, &route.origin, OF_LINK_ROUTES);
    }
}
