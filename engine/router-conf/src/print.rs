//! A configuration as a file: in today's spelling, without what the table has anyway.
//!
//! Guarantee: read again it is the same configuration, if secrets are shown. Text that would be read as something else stands in quotation
//! marks, which qdrouterd does not read; all else it does.

use serde_json::{Map, Value as Json};

use crate::attributes::Attributes;
use crate::configuration::Configuration;
use crate::lex::protected;
use crate::names::unnamed;
use crate::origin::Origin;
use crate::schema::{
    ADDRESS, AUTH_SERVICE_PLUGIN, AUTO_LINK, CONNECTOR, EntityType, GROUP, Kind, LINK_ROUTE, LISTENER, LOG, POLICY,
    ROUTER, SSL_PROFILE, VHOST,
};
use crate::sections::{Group, Vhost};
use crate::typed::{Part, preset};
use crate::value::Value;

/// Whether passwords are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// As they are.
    Shown,
    /// Asterisks stand for them. Where they come from is printed.
    Hidden,
}

/// What stands for a password.
const HIDDEN: &str = "pass:********";

impl Configuration {
    /// The configuration as a file of qdrouterd's form. Variables of the environment are put in, a password's too where one was written so;
    /// a password behind `env:` or `file:` stays where it is.
    #[must_use]
    pub fn to_text(&self, secrets: Secrets) -> String {
        let mut printer = Printer { out: String::new(), secrets };
        printer.sections(&ROUTER, std::iter::once((&self.router.origin, &self.router)));
        if self.policy.origin.name != POLICY.section || !values(&POLICY, &self.policy).is_empty() {
            printer.sections(&POLICY, std::iter::once((&self.policy.origin, &self.policy)));
        }
        printer.sections(&LOG, self.logs.iter().map(|section| (&section.origin, section)));
        printer.sections(&SSL_PROFILE, self.ssl_profiles.iter().map(|section| (&section.origin, section)));
        printer
            .sections(&AUTH_SERVICE_PLUGIN, self.auth_service_plugins.iter().map(|section| (&section.origin, section)));
        printer.sections(&LISTENER, self.listeners.iter().map(|section| (&section.origin, section)));
        printer.sections(&CONNECTOR, self.connectors.iter().map(|section| (&section.origin, section)));
        printer.sections(&ADDRESS, self.addresses.iter().map(|section| (&section.origin, section)));
        printer.sections(&LINK_ROUTE, self.link_routes.iter().map(|section| (&section.origin, section)));
        printer.sections(&AUTO_LINK, self.auto_links.iter().map(|section| (&section.origin, section)));
        for (index, vhost) in (0..).zip(&self.vhosts) {
            printer.open(&VHOST, index, &vhost.origin, vhost);
            printer.groups(vhost);
            printer.out.push_str("}\n");
        }
        printer.out
    }
}

struct Printer {
    out: String,
    secrets: Secrets,
}

impl Printer {
    fn sections<'a, T: Part + 'a>(
        &mut self,
        of: &'static EntityType,
        sections: impl Iterator<Item = (&'a Origin, &'a T)>,
    ) {
        for (index, (origin, section)) in (0..).zip(sections) {
            self.open(of, index, origin, section);
            self.out.push_str("}\n");
        }
    }

    /// The first line of a section and its attributes.
    fn open<T: Part>(&mut self, of: &'static EntityType, index: u32, origin: &Origin, section: &T) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out.push_str(of.section);
        self.out.push_str(" {\n");
        let values = values(of, section);
        let mut attributes = Attributes::new(of, 0);
        for (name, value) in &values {
            attributes.set(name, value.clone(), 0);
        }
        if unnamed(&attributes, index) != origin.name {
            self.attribute("name", Kind::Text, &Value::Text(origin.name.clone()));
        }
        for (name, value) in values {
            let kind = of.attribute(name).map_or(Kind::Text, |attribute| attribute.kind);
            self.attribute(name, kind, &value);
        }
    }

    fn attribute(&mut self, name: &str, kind: Kind, value: &Value) {
        let text = match value {
            Value::Map(map) => json(&protected_members(map), 1),
            value if kind == Kind::Secret => self.secret(&value.text(kind)),
            value => quoted(name, &value.text(kind)),
        };
        self.out.push_str(&format!("    {name}: {text}\n"));
    }

    fn secret(&self, text: &str) -> String {
        let is_reference = text.starts_with("env:") || text.starts_with("file:");
        if self.secrets == Secrets::Hidden && !is_reference { HIDDEN.to_owned() } else { quoted("", text) }
    }

    fn groups(&mut self, vhost: &Vhost) {
        if vhost.groups.is_empty() {
            return;
        }
        let member = |group: &Group| {
            let settings =
                values(GROUP, group).into_iter().map(|(name, value)| (name.to_owned(), setting(name, &value)));
            (group.origin.name.clone(), settings.collect())
        };
        // A map would sort its members, and the order of groups is kept.
        let groups: Vec<(String, Json)> = vhost.groups.iter().map(member).collect();
        self.out.push_str("    groups: {\n");
        for (index, (name, settings)) in groups.iter().enumerate() {
            let comma = if index + 1 < groups.len() { "," } else { "" };
            let name = Json::String(name.clone());
            let settings = settings.as_object().map(|settings| json(settings, 2)).unwrap_or_default();
            self.out.push_str(&format!("        {name}: {settings}{comma}\n"));
        }
        self.out.push_str("    }\n");
    }
}

/// The values of a section that the table does not have anyway.
pub(crate) fn values<T: Part>(of: &'static EntityType, section: &T) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    section.put(&mut all);
    let said = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
    said.filter(|(name, value)| preset(of, name).as_ref() != Some(value)).collect()
}

/// A setting of a group in JSON.
fn setting(name: &str, value: &Value) -> Json {
    match value {
        Value::Switch(on) => Json::Bool(*on),
        Value::Integer(number) => Json::Number((*number).into()),
        value => {
            let kind = GROUP.attribute(name).map_or(Kind::Text, |attribute| attribute.kind);
            Json::String(protected(&value.text(kind)))
        }
    }
}

/// The same members, with what would be read as a variable protected. Lists are not looked into when they are read.
fn protected_members(map: &Map<String, Json>) -> Map<String, Json> {
    let member = |(name, value): (&String, &Json)| {
        let value = match value {
            Json::String(text) => Json::String(protected(text)),
            Json::Object(map) => Json::Object(protected_members(map)),
            other => other.clone(),
        };
        (name.clone(), value)
    };
    map.iter().map(member).collect()
}

/// A map in JSON, a member on each line, as deep as its first line stands.
fn json(map: &Map<String, Json>, depth: usize) -> String {
    let blank = "    ".repeat(depth);
    let member = |(name, value): (&String, &Json)| format!("{blank}    {}: {value}", Json::String(name.clone()));
    let members: Vec<String> = map.iter().map(member).collect();
    if members.is_empty() { "{}".to_owned() } else { format!("{{\n{}\n{blank}}}", members.join(",\n")) }
}

/// Text as the value of an attribute: in quotation marks if it would be read as something else.
fn quoted(name: &str, text: &str) -> String {
    let text = protected(text);
    let with_number_sign = ["pattern", "bindingKey", "hostname"].contains(&name);
    let is_cut = if with_number_sign { text.contains(char::is_whitespace) } else { text.contains('#') };
    let is_plain = !text.is_empty()
        && text.trim() == text
        && !text.starts_with(['"', '{'])
        && !text.ends_with(',')
        && !text.contains(char::is_control)
        && !is_cut;
    if is_plain { text } else { Json::String(text).to_string() }
}
