//! From sections of a file to a configuration: each section by its type, former ones replaced, named, made into types, and checked.

use crate::attributes::{Attributes, type_of};
use crate::check;
use crate::configuration::Configuration;
use crate::fault::{Doubt, Findings};
use crate::lex::{Node, Section};
use crate::origin::Origin;
use crate::schema::{
    ADDRESS, AUTH_SERVICE_PLUGIN, AUTO_LINK, CONNECTOR, Count, EntityType, FORMER_MODULES, LINK_ROUTE, LISTENER, LOG,
    POLICY, ROUTER, SSL_PROFILE, VHOST,
};
use crate::sheets::Sheets;
use crate::typed::{Part, Taking};
use crate::whole::{Built, Whole};
use crate::{former, groups, names, normal};

/// The configuration that sections make, if nothing is wrong with them.
pub(crate) fn configuration(sections: Vec<Section>, findings: &mut Findings) -> Option<Configuration> {
    let mut sheets = Sheets::default();
    for section in sections {
        if is_of_former_module(&section) {
            findings.warn(section.line, Doubt::Ignored, || {
                "Entity 'log' is ignored: its module is of another version".to_owned()
            });
            continue;
        }
        if let Some(of) = type_of(&section, findings) {
            sheets.add(Attributes::read(of, section, findings));
        }
    }
    check_counts(&sheets, findings);
    former::replace(&mut sheets, findings);
    for only in [&ROUTER, &POLICY] {
        if sheets.of(only).is_empty() {
            sheets.add(Attributes::new(only, 0));
        }
    }
    for attributes in sheets.all_mut() {
        normal::normalise(attributes, findings);
    }
    let mut whole = whole(sheets, findings);
    for vhost in &mut whole.vhosts {
        groups::take(vhost, findings);
    }
    check::check(&whole, findings);
    whole.finished()
}

fn is_of_former_module(section: &Section) -> bool {
    let is_former = |node: &Node| matches!(node, Node::Text(module) if FORMER_MODULES.contains(&module.as_str()));
    section.name == LOG.section && section.entries.iter().any(|entry| entry.key == "module" && is_former(&entry.node))
}

/// Second sections of what there is one of are faults.
fn check_counts(sheets: &Sheets, findings: &mut Findings) {
    for sections in sheets.by_type() {
        let Some((first, others)) = sections.split_first().filter(|(first, _)| first.of.count == Count::One) else {
            continue;
        };
        for other in others {
            findings.fault(other.line, || {
                let wrong = format!("there is a second {}; the first stands in line {}", first.of.section, first.line);
                (wrong, "write all attributes in one".to_owned())
            });
        }
    }
}

fn whole(mut sheets: Sheets, findings: &mut Findings) -> Whole {
    let mut names = names::Names::default();
    let mut sections = |of: &'static EntityType, findings: &mut Findings| {
        let sections = sheets.remove(of);
        let origins = names.of_sections(of, &sections, findings);
        sections.into_iter().zip(origins).collect::<Vec<_>>()
    };
    // The order of the faults' words is that of their lines; the order here means nothing.
    Whole {
        router: built(sections(&ROUTER, findings), findings).into_iter().next(),
        listeners: built(sections(&LISTENER, findings), findings),
        connectors: built(sections(&CONNECTOR, findings), findings),
        addresses: built(sections(&ADDRESS, findings), findings),
        link_routes: built(sections(&LINK_ROUTE, findings), findings),
        auto_links: built(sections(&AUTO_LINK, findings), findings),
        logs: built(sections(&LOG, findings), findings),
        ssl_profiles: built(sections(&SSL_PROFILE, findings), findings),
        auth_service_plugins: built(sections(&AUTH_SERVICE_PLUGIN, findings), findings),
        policy: built(sections(&POLICY, findings), findings).into_iter().next(),
        vhosts: built(sections(&VHOST, findings), findings),
        names,
    }
}

/// Sections as types; those with faults are left out.
pub(crate) fn built<T: Part>(sections: Vec<(Attributes, Origin)>, findings: &mut Findings) -> Vec<Built<T>> {
    let build = |(attributes, origin): (Attributes, Origin)| {
        if attributes.is_faulty {
            return None;
        }
        let section = T::take(&mut Taking { attributes: &attributes, origin: &origin, findings })?;
        Some(Built { section, attributes })
    };
    sections.into_iter().filter_map(build).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Access, GROUP, Standing};

    /// Attributes that are made into others, or that are sections by themselves.
    const OTHERS: [&str; 2] = ["authService", "groups"];

    fn put<T: Part>(part: &T) -> Vec<&'static str> {
        let mut out = Vec::new();
        part.put(&mut out);
        out.into_iter().map(|(name, _)| name).collect()
    }

    /// Every attribute that is taken has a field, and every field an attribute.
    #[test]
    fn the_table_and_the_types_are_of_the_same_attributes() {
        let text = "listener {\n}\nconnector {\n}\naddress {\n prefix: a\n}\nlinkRoute {\n prefix: a\n direction: in\n}\n\
                    autoLink {\n address: a\n direction: in\n}\nlog {\n module: AGENT\n}\nsslProfile {\n}\n\
                    authServicePlugin {\n host: a\n}\nvhost {\n hostname: a\n groups: {\n b: {\n }\n }\n}\n";
        let read = crate::read("a.conf", text, |_| None).configuration.expect("it is right");
        let fields = [
            (&ROUTER, put(&read.router)),
            (&POLICY, put(&read.policy)),
            (&LISTENER, put(&read.listeners[0])),
            (&CONNECTOR, put(&read.connectors[0])),
            (&ADDRESS, put(&read.addresses[0])),
            (&LINK_ROUTE, put(&read.link_routes[0])),
            (&AUTO_LINK, put(&read.auto_links[0])),
            (&LOG, put(&read.logs[0])),
            (&SSL_PROFILE, put(&read.ssl_profiles[0])),
            (&AUTH_SERVICE_PLUGIN, put(&read.auth_service_plugins[0])),
            (&VHOST, put(&read.vhosts[0])),
            (GROUP, put(&read.vhosts[0].groups[0])),
        ];
        for (of, mut fields) in fields {
            let is_taken = |standing| matches!(standing, Standing::Current | Standing::Deprecated(_));
            let taken = of.own.iter().filter(|one| one.access != Access::Told && is_taken(one.standing));
            let mut names: Vec<&str> = taken.map(|one| one.name).filter(|name| !OTHERS.contains(name)).collect();
            names.sort_unstable();
            fields.sort_unstable();
            assert_eq!(fields, names, "{}", of.section);
        }
    }
}
