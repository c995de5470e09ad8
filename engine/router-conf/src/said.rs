//! What a configuration says beyond what holds anyway: for whoever can do some of it, and has to tell about the rest.
//!
//! Guarantee: each attribute that is not as it is where nobody sets it is there once, and each section, also one that says nothing more;
//! of secrets the name only.

use crate::configuration::Configuration;
use crate::origin::Origin;
use crate::print::values;
use crate::schema::{
    ADDRESS, AUTH_SERVICE_PLUGIN, AUTO_LINK, CONNECTOR, EntityType, Kind, LINK_ROUTE, LISTENER, LOG, POLICY, ROUTER,
    SSL_PROFILE, VHOST,
};
use crate::typed::Part;

/// A section, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// Its type, as files have it.
    pub section: &'static str,
    /// Where it stands, and what it is called.
    pub origin: &'a Origin,
    /// Attributes that are not as they are where nobody sets them, with their values as text.
    pub attributes: Vec<(&'static str, String)>,
}

impl Configuration {
    /// All sections, in the order in which they are printed.
    #[must_use]
    pub fn said(&self) -> Vec<Said<'_>> {
        let mut all =
            vec![said(&ROUTER, &self.router.origin, &self.router), said(&POLICY, &self.policy.origin, &self.policy)];
        all.extend(self.logs.iter().map(|section| said(&LOG, &section.origin, section)));
        all.extend(self.ssl_profiles.iter().map(|section| said(&SSL_PROFILE, &section.origin, section)));
        all.extend(
            self.auth_service_plugins.iter().map(|section| said(&AUTH_SERVICE_PLUGIN, &section.origin, section)),
        );
        all.extend(self.listeners.iter().map(|section| said(&LISTENER, &section.origin, section)));
        all.extend(self.connectors.iter().map(|section| said(&CONNECTOR, &section.origin, section)));
        all.extend(self.addresses.iter().map(|section| said(&ADDRESS, &section.origin, section)));
        all.extend(self.link_routes.iter().map(|section| said(&LINK_ROUTE, &section.origin, section)));
        all.extend(self.auto_links.iter().map(|section| said(&AUTO_LINK, &section.origin, section)));
        all.extend(self.vhosts.iter().map(|section| said(&VHOST, &section.origin, section)));
        all
    }
}

/// What a section says.
pub(crate) fn said<'a, T: Part>(of: &'static EntityType, origin: &'a Origin, section: &T) -> Said<'a> {
    let attributes = values(of, section).into_iter().map(|(name, value)| {
        let kind = of.attribute(name).map_or(Kind::Text, |attribute| attribute.kind);
        (name, if kind == Kind::Secret { String::new() } else { value.text(kind) })
    });
    Said { section: of.section, origin, attributes: attributes.collect() }
}

#[cfg(test)]
mod tests {
    use crate::read;

    #[test]
    fn what_is_not_as_it_is_anyway_is_there_once() {
        let text = "router {\n  id: A\n  workerThreads: 4\n}\nlistener {\n  port: 5672\n  linkCapacity: 10\n}\nconnector {\n  \
                    saslPassword: pass:hush\n}\n";
        let configuration = read("r.conf", text, |_| None).configuration.expect("it is right");
        let said = configuration.said();
        let shown = |section: &str| {
            let of = said.iter().filter(|said| said.section == section);
            of.map(|said| (said.origin.place.line, said.attributes.clone())).collect::<Vec<_>>()
        };
        let own = |pairs: &[(&'static str, &str)]| {
            pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(shown("router"), [(1, own(&[("id", "A")]))], "four threads are what holds anyway");
        assert_eq!(shown("listener"), [(5, own(&[("port", "5672"), ("linkCapacity", "10")]))]);
        assert_eq!(shown("connector"), [(9, own(&[("saslPassword", "")]))]);
        assert_eq!(shown("vhost"), []);
    }
}
