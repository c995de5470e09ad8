//! Names of sections: those that they are given, and those that qdrouterd makes for the others.
//!
//! Guarantee: within a type no two are the same; what would be is a fault.

use std::collections::BTreeMap;

use crate::attributes::Attributes;
use crate::fault::{Findings, shown};
use crate::origin::Origin;
use crate::schema::{Count, EntityType};

/// All names by type, those of sections with faults too.
#[derive(Default)]
pub(crate) struct Names {
    by_type: BTreeMap<&'static str, BTreeMap<String, u32>>,
}

impl Names {
    /// Where the sections of a type stand and what they are called, in their order.
    pub fn of_sections(
        &mut self,
        of: &'static EntityType,
        sections: &[Attributes],
        findings: &mut Findings,
    ) -> Vec<Origin> {
        let names = self.by_type.entry(of.section).or_default();
        let origin = |(number, attributes): (u32, &Attributes)| {
            let name = attributes.text("name").map_or_else(|| unnamed(attributes, number), str::to_owned);
            // A second one of what there is one of is a fault by itself.
            if let Some(&before) = names.get(&name).filter(|_| of.count == Count::Several) {
                findings.fault(attributes.line_of("name"), || same(attributes, &name, before));
            } else {
                names.insert(name.clone(), attributes.line);
            }
            Origin { place: findings.place(attributes.line), name, number, lines: attributes.lines() }
        };
        (0..).zip(sections).map(origin).collect()
    }

    /// Whether there is a section of a type with a name.
    pub fn has(&self, of: &EntityType, name: &str) -> bool {
        self.by_type.get(of.section).is_some_and(|names| names.contains_key(name))
    }

    /// The names of a type, sorted.
    pub fn of(&self, of: &EntityType) -> impl Iterator<Item = &str> {
        self.by_type.get(of.section).into_iter().flat_map(|names| names.keys().map(String::as_str))
    }
}

/// The name of a section without one that has this number.
pub(crate) fn unnamed(attributes: &Attributes, number: u32) -> String {
    let text = |name, preset: &str| attributes.text(name).unwrap_or(preset).to_owned();
    let section = attributes.of.section;
    match section {
        "router" => text("id", section),
        "policy" => section.to_owned(),
        "listener" => of_endpoint(section, &text("host", ""), &text("port", "amqp")),
        "connector" => of_endpoint(section, &text("host", "127.0.0.1"), &text("port", "amqp")),
        "log" => format!("{section}/{}", text("module", "")),
        "vhost" => format!("{section}/{}", text("hostname", "")),
        _ => format!("{section}/{number}"),
    }
}

fn of_endpoint(section: &str, host: &str, port: &str) -> String {
    format!("{section}/{host}:{port}")
}

fn same(attributes: &Attributes, name: &str, before: u32) -> (String, String) {
    let section = attributes.of.section;
    if section == "listener" && attributes.given("name").is_none() {
        let address = name.strip_prefix("listener/").unwrap_or(name);
        let wrong = format!("the listener of line {before} has {} too", shown(address));
        return (wrong, "give this one another port or host, or leave one out".to_owned());
    }
    let wrong = format!("the {section} of line {before} is called {} too", shown(name));
    let advice = match section {
        "log" => "write all attributes of a module in one section",
        "vhost" => "write all groups of a host name in one section",
        "connector" if attributes.given("name").is_none() => "give each a name of its own, or leave one out",
        _ => "give each a name of its own",
    };
    (wrong, advice.to_owned())
}
