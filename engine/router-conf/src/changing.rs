//! Sections that come and go while a router runs: each is read, named and checked as one of a file is.
//!
//! Guarantees: what comes is refused by the same code that refuses it in a file, or is there as if it had stood at the file's end; what was
//! refused has changed nothing. Variables of the environment are not put in: whoever manages a router is not to read them.
//!
//! Not here: what a running router does with it, and how many there may be.

use serde_json::{Map, Value as Json};

use crate::assemble::built;
use crate::attributes::Attributes;
use crate::check;
use crate::configuration::Configuration;
use crate::fault::{Faults, Findings, Warnings, shown};
use crate::lex::{Entry, Node, Section};
use crate::limits::GIVEN_OCTETS_MAX;
use crate::names::unnamed;
use crate::normal;
use crate::origin::Origin;
use crate::said::{Said, said};
use crate::schema::{ADDRESS, AUTO_LINK, CONNECTOR, EntityType, LINK_ROUTE, LISTENER, SSL_PROFILE};

/// What faults and warnings name in the place of a file.
const MANAGEMENT: &str = "management";

/// A type of sections that come and go while a router runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Changing {
    /// How messages of addresses are spread.
    Address,
    /// Links that the router makes.
    AutoLink,
    /// Links of clients that go on to containers.
    LinkRoute,
    /// Connections that the router makes.
    Connector,
    /// Ports that connections come in at.
    Listener,
    /// Certificates and rules of TLS.
    SslProfile,
}

/// Why a section is not added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAdded {
    /// Another one of its type has its name.
    NameTaken,
    /// What is wrong with it.
    Faults(Faults),
}

impl Changing {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Address, Self::AutoLink, Self::LinkRoute, Self::Connector, Self::Listener, Self::SslProfile];

    /// The one of a type, if its sections come and go.
    #[must_use]
    pub fn of_type(of: &EntityType) -> Option<Self> {
        Self::ALL.into_iter().find(|changing| changing.of().short == of.short)
    }

    /// Its type.
    #[must_use]
    pub fn of(self) -> &'static EntityType {
        match self {
            Self::Address => &ADDRESS,
            Self::AutoLink => &AUTO_LINK,
            Self::LinkRoute => &LINK_ROUTE,
            Self::Connector => &CONNECTOR,
            Self::Listener => &LISTENER,
            Self::SslProfile => &SSL_PROFILE,
        }
    }
}

impl Configuration {
    /// Adds a section with these attributes, of a number that no other one of its type has or had. One without a name is given one.
    ///
    /// # Errors
    /// When it is not one that could stand in a file beside the others.
    pub fn add(&mut self, changing: Changing, number: u32, given: Map<String, Json>) -> Result<Warnings, NotAdded> {
        let of = changing.of();
        let mut findings = Findings::new(MANAGEMENT);
        let section = section(of, given, &mut findings);
        let mut attributes = Attributes::read(of, section, &mut findings);
        normal::normalise(&mut attributes, &mut findings);
        let name = self.name(changing, number, &attributes)?;
        let origin = Origin { place: findings.place(0), name, number, lines: attributes.lines() };
        let sections = vec![(attributes, origin)];
        match changing {
            Changing::Address => {
                let mut made = built(sections, &mut findings);
                made.iter().for_each(|made| check::check_address(made, &self.addresses, &mut findings));
                add(&mut self.addresses, made.pop().map(|made| made.section), findings)
            }
            Changing::AutoLink => {
                let mut made = built(sections, &mut findings);
                made.iter().for_each(|made| check::check_auto_link(made, self, &mut findings));
                add(&mut self.auto_links, made.pop().map(|made| made.section), findings)
            }
            Changing::LinkRoute => {
                let mut made = built(sections, &mut findings);
                made.iter().for_each(|made| check::check_link_route(made, self, &mut findings));
                add(&mut self.link_routes, made.pop().map(|made| made.section), findings)
            }
            Changing::Connector => {
                let mut made = built(sections, &mut findings);
                made.iter().for_each(|made| check::check_connector(made, self, &mut findings));
                add(&mut self.connectors, made.pop().map(|made| made.section), findings)
            }
            Changing::Listener => {
                let mut made = built(sections, &mut findings);
                made.iter().for_each(|made| check::check_listener(made, self, &mut findings));
                add(&mut self.listeners, made.pop().map(|made| made.section), findings)
            }
            Changing::SslProfile => {
                let mut made = built(sections, &mut findings);
                made.iter().for_each(|made| check::check_ssl_profile(made, &mut findings));
                add(&mut self.ssl_profiles, made.pop().map(|made| made.section), findings)
            }
        }
    }

    /// Removes the section of a number; gives whether there is such a one.
    pub fn remove(&mut self, changing: Changing, number: u32) -> bool {
        fn remove<T>(sections: &mut Vec<T>, number: u32, origin: impl Fn(&T) -> &Origin) -> bool {
            let place = sections.iter().position(|section| origin(section).number == number);
            place.map(|place| sections.remove(place)).is_some()
        }
        match changing {
            Changing::Address => remove(&mut self.addresses, number, |section| &section.origin),
            Changing::AutoLink => remove(&mut self.auto_links, number, |section| &section.origin),
            Changing::LinkRoute => remove(&mut self.link_routes, number, |section| &section.origin),
            Changing::Connector => remove(&mut self.connectors, number, |section| &section.origin),
            Changing::Listener => remove(&mut self.listeners, number, |section| &section.origin),
            Changing::SslProfile => remove(&mut self.ssl_profiles, number, |section| &section.origin),
        }
    }

    /// Where the sections of a type stand, and what they are called.
    pub fn origins(&self, changing: Changing) -> Box<dyn Iterator<Item = &Origin> + '_> {
        match changing {
            Changing::Address => Box::new(self.addresses.iter().map(|section| &section.origin)),
            Changing::AutoLink => Box::new(self.auto_links.iter().map(|section| &section.origin)),
            Changing::LinkRoute => Box::new(self.link_routes.iter().map(|section| &section.origin)),
            Changing::Connector => Box::new(self.connectors.iter().map(|section| &section.origin)),
            Changing::Listener => Box::new(self.listeners.iter().map(|section| &section.origin)),
            Changing::SslProfile => Box::new(self.ssl_profiles.iter().map(|section| &section.origin)),
        }
    }

    /// What the last section of a type says, if there is one: the one that was added last.
    #[must_use]
    pub fn said_last(&self, changing: Changing) -> Option<Said<'_>> {
        let of = changing.of();
        match changing {
            Changing::Address => self.addresses.last().map(|section| said(of, &section.origin, section)),
            Changing::AutoLink => self.auto_links.last().map(|section| said(of, &section.origin, section)),
            Changing::LinkRoute => self.link_routes.last().map(|section| said(of, &section.origin, section)),
            Changing::Connector => self.connectors.last().map(|section| said(of, &section.origin, section)),
            Changing::Listener => self.listeners.last().map(|section| said(of, &section.origin, section)),
            Changing::SslProfile => self.ssl_profiles.last().map(|section| said(of, &section.origin, section)),
        }
    }

    /// What goes by the profile of a name: what each is called.
    pub fn users_of_profile(&self, name: &str) -> impl Iterator<Item = &str> {
        let listeners = self.listeners.iter().map(|section| (&section.origin, &section.ssl_profile));
        let connectors = self.connectors.iter().map(|section| (&section.origin, &section.ssl_profile));
        let users = listeners.chain(connectors).filter(move |(_, profile)| profile.as_deref() == Some(name));
        users.map(|(origin, _)| origin.name.as_str())
    }

    /// The name that a section is given, or that is made for it: the first from its number on that nobody has, if it goes by numbers.
    fn name(&self, changing: Changing, number: u32, attributes: &Attributes) -> Result<String, NotAdded> {
        let is_taken = |name: &String| self.origins(changing).any(|origin| origin.name == *name);
        match attributes.text("name").map(str::to_owned) {
            Some(name) if is_taken(&name) => Err(NotAdded::NameTaken),
            Some(name) => Ok(name),
            None => {
                let name = unnamed(attributes, number);
                let has_number = unnamed(attributes, number ^ 1) != name;
                let taken = if has_number { self.origins(changing).count() } else { 0 };
                let others = (number..=u32::MAX).skip(1).take(taken);
                let mut names = std::iter::once(name).chain(others.map(|number| unnamed(attributes, number)));
                names.find(|name| !is_taken(name)).ok_or(NotAdded::NameTaken)
            }
        }
    }
}

/// The section that stands for what is given; values that are too long are faults.
fn section(of: &EntityType, given: Map<String, Json>, findings: &mut Findings) -> Section {
    let entry = |(key, value): (String, Json)| {
        if value.as_str().is_some_and(|text| text.len() > GIVEN_OCTETS_MAX) {
            findings.fault(0, || {
                let wrong = format!("{} of {} has more than {GIVEN_OCTETS_MAX} octets", shown(&key), of.section);
                (wrong, "write a shorter one".to_owned())
            });
            return None;
        }
        let node = match value {
            Json::String(text) => Node::Text(text),
            other => Node::Json(other),
        };
        Some(Entry { key, line: 0, node })
    };
    Section { name: of.section.to_owned(), line: 0, entries: given.into_iter().filter_map(entry).collect() }
}

fn add<T>(sections: &mut Vec<T>, section: Option<T>, findings: Findings) -> Result<Warnings, NotAdded> {
    let (section, warnings) = findings.conclude(section);
    sections.extend(section.map_err(NotAdded::Faults)?);
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;

    fn given(json: Json) -> Map<String, Json> {
        json.as_object().cloned().expect("an object")
    }

    fn configuration() -> Configuration {
        let text = "connector {\n name: broker\n port: 5673\n role: route-container\n}\naddress {\n prefix: a\n}\n";
        read("r.conf", text, |_| None).configuration.expect("it is right")
    }

    fn wrong(refused: Result<Warnings, NotAdded>) -> String {
        match refused {
            Err(NotAdded::Faults(faults)) => {
                faults.iter().map(|fault| format!("{}: {}", fault.wrong, fault.advice)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_comes_is_there_as_if_the_file_had_it() {
        let mut configuration = configuration();
        let address =
            serde_json::json!({"pattern": "b.*", "distribution": "closest", "waypoint": "yes", "priority": null});
        configuration.add(Changing::Address, 1, given(address)).expect("it is right");
        let link = serde_json::json!({"name": "l", "addr": "b.c", "dir": "in", "connection": "broker", "phase": "2"});
        let warnings = configuration.add(Changing::AutoLink, 0, given(link)).expect("it is right");
        assert_eq!(warnings.count(), 2, "former names: {warnings:?}");
        let text = "connector {\n name: broker\n port: 5673\n role: route-container\n}\naddress {\n prefix: a\n}\naddress {\n pattern: b.*\n \
                    distribution: closest\n waypoint: yes\n}\nautoLink {\n name: l\n address: b.c\n direction: in\n connection: broker\n phase: 2\n}\n";
        assert_eq!(configuration, read("r.conf", text, |_| None).configuration.expect("it is right"));
        // Numbers are nobody's again, and names are made that nobody has.
        assert!(configuration.remove(Changing::Address, 0) && !configuration.remove(Changing::Address, 0));
        let named = given(serde_json::json!({"prefix": "d", "name": "address/3"}));
        configuration.add(Changing::Address, 2, named).expect("it is right");
        configuration.add(Changing::Address, 3, given(serde_json::json!({"prefix": "e"}))).expect("it is right");
        let names: Vec<&str> = configuration.origins(Changing::Address).map(|origin| origin.name.as_str()).collect();
        assert_eq!(names, ["address/1", "address/3", "address/4"]);
        let identities: Vec<String> =
            configuration.entities(&ADDRESS).into_iter().map(|entity| entity.identity).collect();
        assert_eq!(identities, ["2", "3", "4"]);
    }

    #[test]
    fn what_no_file_could_have_is_refused_and_changes_nothing() {
        let mut changed = configuration();
        for (changing, json, told) in [
            (Changing::Address, serde_json::json!({}), "neither 'prefix' nor 'pattern'"),
            (Changing::Address, serde_json::json!({"prefix": "a"}), "is for the same addresses"),
            (Changing::Address, serde_json::json!({"pattern": "a/#"}), "is for the same addresses"),
            (Changing::Address, serde_json::json!({"prefix": "b", "distribution": "nearest"}), "it takes multicast"),
            (Changing::Address, serde_json::json!({"prefix": "b", "nosuch": 1}), "Unknown attribute 'nosuch'"),
            (
                Changing::Address,
                serde_json::json!({"prefix": "b", "egressPhase": 10}),
                "'egressPhase' of address is '10'",
            ),
            (Changing::Address, serde_json::json!({"prefix": "b".repeat(GIVEN_OCTETS_MAX + 1)}), "octets"),
            (Changing::Address, serde_json::json!({"prefix": ["b"]}), "'prefix' of address is"),
            (Changing::AutoLink, serde_json::json!({"address": "b"}), "autoLink has no 'direction'"),
            (
                Changing::AutoLink,
                serde_json::json!({"address": "b", "direction": "in", "connection": "broker", "containerId": "c"}),
                "'connection' and 'containerId'",
            ),
            (Changing::LinkRoute, serde_json::json!({"direction": "in"}), "neither 'prefix' nor 'pattern'"),
            (Changing::LinkRoute, serde_json::json!({"prefix": "b"}), "linkRoute has no 'direction'"),
            (Changing::LinkRoute, serde_json::json!({"prefix": "b", "direction": "both"}), "'direction' of linkRoute"),
            (
                Changing::LinkRoute,
                serde_json::json!({"prefix": "b", "direction": "out", "connection": "broker", "containerId": "c"}),
                "'connection' and 'containerId'",
            ),
        ] {
            let wrong = wrong(changed.add(changing, 9, given(json)));
            assert!(wrong.contains(told), "{wrong}");
        }
        let taken = given(serde_json::json!({"name": "address/0", "prefix": "b"}));
        assert_eq!(changed.add(Changing::Address, 9, taken), Err(NotAdded::NameTaken));
        assert_eq!(changed, configuration());
    }

    #[test]
    fn connectors_and_listeners_come_as_a_file_has_them_and_go() {
        let mut changed = configuration();
        let unnamed = serde_json::json!({"host": "10.0.0.1", "port": "5674"});
        let number = |configuration: &Configuration| {
            configuration.connectors.iter().map(|connector| connector.origin.number).collect::<Vec<_>>()
        };
        for (changing, kind) in [(Changing::Connector, "connector"), (Changing::Listener, "listener")] {
            changed.add(changing, 1, given(unnamed.clone())).expect("it is right");
            let said = changed.said_last(changing).expect("it was added");
            assert_eq!((said.section, &said.origin.name), (kind, &format!("{kind}/10.0.0.1:5674")));
            assert_eq!(said.attributes.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["host", "port"]);
            // Its name goes by no number: there is no other one for a second such.
            assert_eq!(changed.add(changing, 2, given(unnamed.clone())), Err(NotAdded::NameTaken));
            let named = serde_json::json!({"host": "10.0.0.1", "port": "5674", "name": "second"});
            changed.add(changing, 2, given(named)).expect("it has a name of its own");
        }
        assert_eq!(number(&changed), [0, 1, 2]);
        assert!(changed.remove(Changing::Connector, 1) && !changed.remove(Changing::Connector, 1));
        assert_eq!(number(&changed), [0, 2]);
        for (changing, json, told) in [
            (Changing::Connector, serde_json::json!({"name": "second"}), None),
            (Changing::Connector, serde_json::json!({"name": "c", "port": "0"}), Some("where nothing listens")),
            (Changing::Connector, serde_json::json!({"name": "c", "port": "x!"}), Some("'port' of connector")),
            (
                Changing::Connector,
                serde_json::json!({"name": "c", "sslProfile": "p"}),
                Some("there is no such sslProfile"),
            ),
            (
                Changing::Connector,
                serde_json::json!({"name": "c", "role": "inter-router"}),
                Some("the router's mode is"),
            ),
            (Changing::Connector, serde_json::json!({"name": "c", "role": "edge"}), Some("the router's mode is")),
            (
                Changing::Listener,
                serde_json::json!({"name": "l", "role": "inter-router"}),
                Some("the router's mode is"),
            ),
            (Changing::Listener, serde_json::json!({"name": "l", "requireSsl": true}), Some("no 'sslProfile'")),
            (
                Changing::Listener,
                serde_json::json!({"name": "l", "saslPlugin": "p"}),
                Some("no such authServicePlugin"),
            ),
            (Changing::Listener, serde_json::json!({"name": "l", "role": "any"}), Some("'role' of listener")),
        ] {
            let before = changed.clone();
            match (changed.add(changing, 9, given(json)), told) {
                (Err(NotAdded::NameTaken), None) => {}
                (refused, Some(told)) => {
                    let wrong = wrong(refused);
                    assert!(wrong.contains(told), "{wrong}");
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(changed, before);
        }
    }

    #[test]
    fn variables_are_not_put_in() {
        let mut configuration = configuration();
        let address = given(serde_json::json!({"prefix": "${HOME}"}));
        configuration.add(Changing::Address, 1, address).expect("it is right");
        assert_eq!(configuration.addresses[1].matched.prefix.as_deref(), Some("${HOME}"));
    }
}
