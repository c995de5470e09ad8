//! Sections as types beside the attributes that they were made of: what the checks look at, and what becomes the configuration.

use crate::attributes::Attributes;
use crate::configuration::Configuration;
use crate::names::Names;
use crate::sections::{
    Address, AuthServicePlugin, AutoLink, Connector, LinkRoute, Listener, Log, Policy, Router, SslProfile, Vhost,
};

/// A section as a type, with the attributes that it was made of and where they stand.
pub(crate) struct Built<T> {
    pub section: T,
    pub attributes: Attributes,
}

/// All sections as types; those with faults are left out.
pub(crate) struct Whole {
    pub router: Option<Built<Router>>,
    pub listeners: Vec<Built<Listener>>,
    pub connectors: Vec<Built<Connector>>,
    pub addresses: Vec<Built<Address>>,
    pub link_routes: Vec<Built<LinkRoute>>,
    pub auto_links: Vec<Built<AutoLink>>,
    pub logs: Vec<Built<Log>>,
    pub ssl_profiles: Vec<Built<SslProfile>>,
    pub auth_service_plugins: Vec<Built<AuthServicePlugin>>,
    pub policy: Option<Built<Policy>>,
    pub vhosts: Vec<Built<Vhost>>,
    pub names: Names,
}

impl Whole {
    /// The configuration, if the sections are there of which there is always one.
    pub fn finished(self) -> Option<Configuration> {
        fn sections<T>(built: Vec<Built<T>>) -> Vec<T> {
            built.into_iter().map(|built| built.section).collect()
        }
        Some(Configuration {
            router: self.router?.section,
            listeners: sections(self.listeners),
            connectors: sections(self.connectors),
            addresses: sections(self.addresses),
            link_routes: sections(self.link_routes),
            auto_links: sections(self.auto_links),
            logs: sections(self.logs),
            ssl_profiles: sections(self.ssl_profiles),
            auth_service_plugins: sections(self.auth_service_plugins),
            policy: self.policy?.section,
            vhosts: sections(self.vhosts),
        })
    }
}
