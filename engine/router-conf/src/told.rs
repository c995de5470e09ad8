//! What a configuration says in full, as management tells it: every section with all its attributes, each of its kind.
//!
//! Guarantees: what an attribute is where nobody sets it is told as well; secrets are not told at all. Each part of the router that can log
//! has an entity, whether or not the file has a section for it.

use serde_json::{Map, Value as Json};

use crate::configuration::Configuration;
use crate::origin::Origin;
use crate::schema::{
    ADDRESS, AUTH_SERVICE_PLUGIN, AUTO_LINK, CONNECTOR, EntityType, GROUP, Kind, LINK_ROUTE, LISTENER, LOG, POLICY,
    ROUTER, SSL_PROFILE, VHOST,
};
use crate::sections::Group;
use crate::typed::Part;
use crate::value::Value;
use crate::words::{Module, Word};

/// A value, as management tells it.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Yes or no.
    Switch(bool),
    /// A number.
    Integer(i64),
    /// Text; lists are told as files have them.
    Text(String),
    /// Names with values.
    Map(Map<String, Json>),
}

/// A section, as management tells it.
#[derive(Clone, Debug)]
pub struct Entity {
    /// Its type.
    pub of: &'static EntityType,
    /// What it is called.
    pub name: String,
    /// What management knows it by.
    pub identity: String,
    /// Its attributes that are not absent.
    pub attributes: Vec<(&'static str, Told)>,
}

impl Configuration {
    /// All sections of a type of section.
    #[must_use]
    pub fn entities(&self, of: &'static EntityType) -> Vec<Entity> {
        // Those that the router's own tables number are known by that, as names may be changed by their peers' tools.
        let numbered = |origin: &Origin| (u64::from(origin.number) + 1).to_string();
        let named = |name: &str| format!("{}/{name}", of.section);
        let one = |name: &str, identity, section: &dyn Fn() -> Vec<(&'static str, Told)>| Entity {
            of,
            name: name.to_owned(),
            identity,
            attributes: section(),
        };
        match of.section {
            _ if is(of, &ROUTER) => {
                vec![one(&self.router.origin.name, numbered(&self.router.origin), &|| told(of, &self.router))]
            }
            _ if is(of, &POLICY) => {
                vec![one(&self.policy.origin.name, named("policy"), &|| told(of, &self.policy))]
            }
            _ if is(of, &LISTENER) => {
                self.listeners.iter().map(|it| one(&it.origin.name, it.identity(), &|| told(of, it))).collect()
            }
            _ if is(of, &CONNECTOR) => {
                self.connectors.iter().map(|it| one(&it.origin.name, it.identity(), &|| told(of, it))).collect()
            }
            _ if is(of, &ADDRESS) => {
                self.addresses.iter().map(|it| one(&it.origin.name, numbered(&it.origin), &|| told(of, it))).collect()
            }
            _ if is(of, &LINK_ROUTE) => {
                self.link_routes.iter().map(|it| one(&it.origin.name, numbered(&it.origin), &|| told(of, it))).collect()
            }
            _ if is(of, &AUTO_LINK) => {
                self.auto_links.iter().map(|it| one(&it.origin.name, numbered(&it.origin), &|| told(of, it))).collect()
            }
            _ if is(of, &SSL_PROFILE) => {
                let all = self.ssl_profiles.iter();
                all.map(|it| one(&it.origin.name, named(&it.origin.name), &|| told(of, it))).collect()
            }
            _ if is(of, &AUTH_SERVICE_PLUGIN) => {
                let all = self.auth_service_plugins.iter();
                all.map(|it| one(&it.origin.name, named(&it.origin.name), &|| told(of, it))).collect()
            }
            _ if is(of, &LOG) => Module::ALL.iter().map(|module| self.log(of, *module)).collect(),
            _ if is(of, &VHOST) => {
                let with_groups = |vhost: &crate::sections::Vhost| {
                    let mut attributes = told(of, vhost);
                    let groups = vhost.groups.iter().map(|group| (group.origin.name.clone(), settings(group)));
                    attributes.push(("groups", Told::Map(groups.collect())));
                    attributes
                };
                let all = self.vhosts.iter();
                all.map(|it| one(&it.origin.name, named(&it.bounds.hostname), &|| with_groups(it))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What is said of the log of a part of the router; what nobody says is that of `DEFAULT`, which has presets of its own.
    fn log(&self, of: &'static EntityType, module: Module) -> Entity {
        let name = format!("{}/{}", of.section, module.word());
        let said = self.logs.iter().find(|log| log.module == module);
        let mut attributes = said.map_or_else(
            || vec![("module", Told::Text(module.word().to_owned())), ("enable", Told::Text("default".to_owned()))],
            |log| told(of, log),
        );
        if module == Module::Default && said.is_none() {
            attributes.retain(|(name, _)| *name != "enable");
            attributes.push(("enable", Told::Text("info+".to_owned())));
            attributes.push(("includeTimestamp", Told::Switch(true)));
            attributes.push(("includeSource", Told::Switch(false)));
            attributes.push(("outputFile", Told::Text("stderr".to_owned())));
        }
        let given = said.map_or_else(|| name.clone(), |log| log.origin.name.clone());
        Entity { of, name: given, identity: name, attributes }
    }
}

fn is(of: &EntityType, other: &EntityType) -> bool {
    of.short == other.short
}

fn told<T: Part>(of: &'static EntityType, section: &T) -> Vec<(&'static str, Told)> {
    let mut all = Vec::new();
    section.put(&mut all);
    let kind = |name: &str| of.attribute(name).map_or(Kind::Text, |attribute| attribute.kind);
    let told = all.into_iter().filter_map(|(name, value)| match (kind(name), value?) {
        (Kind::Secret, _) => None,
        (_, Value::Switch(on)) => Some((name, Told::Switch(on))),
        (_, Value::Integer(number)) => Some((name, Told::Integer(number))),
        (_, Value::Map(map)) => Some((name, Told::Map(map))),
        (kind, value) => Some((name, Told::Text(value.text(kind)))),
    });
    told.collect()
}

/// The settings of a group that are not as they are anyway.
fn settings(group: &Group) -> Json {
    let setting = |(name, value): (&'static str, Value)| {
        let kind = GROUP.attribute(name).map_or(Kind::Text, |attribute| attribute.kind);
        let value = match value {
            Value::Switch(on) => Json::Bool(on),
            Value::Integer(number) => Json::Number(number.into()),
            value => Json::String(value.text(kind)),
        };
        (name.to_owned(), value)
    };
    Json::Object(crate::print::values(GROUP, group).into_iter().map(setting).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;

    #[test]
    fn every_section_is_told_in_full_without_its_secrets() {
        let text = "router {\n  id: A\n}\nlistener {\n  host: 0.0.0.0\n  port: 5672\n}\nconnector {\n  name: up\n  saslPassword: \
                    pass:hush\n}\nvhost {\n  hostname: v\n  groups: {\n    g: {\n      users: a,b\n    }\n  }\n}\n";
        let configuration = read("r.conf", text, |_| None).configuration.expect("it is right");
        let only = |of| configuration.entities(of).pop().expect("one");
        let listener = only(&LISTENER);
        assert_eq!(
            (listener.name.as_str(), listener.identity.as_str()),
            ("listener/0.0.0.0:5672", "listener/0.0.0.0:5672")
        );
        assert!(listener.attributes.contains(&("maxFrameSize", Told::Integer(16_384))), "what nobody set is told");
        let connector = only(&CONNECTOR);
        assert_eq!((connector.name.as_str(), connector.identity.as_str()), ("up", "connector/127.0.0.1:amqp:up"));
        assert!(!format!("{connector:?}").contains("hush"));
        let Some((_, Told::Map(groups))) = only(&VHOST).attributes.pop() else { panic!("groups are told") };
        assert_eq!(groups["g"]["users"], "a,b");
    }

    #[test]
    fn each_part_that_logs_is_there() {
        let text = "log {\n  module: SERVER\n  enable: debug+\n}\n";
        let configuration = read("r.conf", text, |_| None).configuration.expect("it is right");
        let logs = configuration.entities(&LOG);
        assert_eq!(logs.len(), Module::ALL.len());
        let enabled = |name: &str| {
            let log = logs.iter().find(|log| log.identity == name).expect(name);
            log.attributes.iter().find(|(name, _)| *name == "enable").map(|(_, told)| told.clone())
        };
        let text = |text: &str| Some(Told::Text(text.to_owned()));
        assert_eq!(enabled("log/SERVER"), text("debug+"));
        assert_eq!((enabled("log/AGENT"), enabled("log/DEFAULT")), (text("default"), text("info+")));
    }
}
