//! Groups of a vhost: sections within its section.

use std::collections::BTreeMap;

use crate::attributes::Attributes;
use crate::fault::{Doubt, Findings, shown};
use crate::lex::{Entry, Node, Section, folded};
use crate::normal;
use crate::origin::Origin;
use crate::schema::GROUP;
use crate::sections::Vhost;
use crate::typed::{Part as _, Taking};
use crate::value::Value;
use crate::whole::Built;

/// Reads the groups of a vhost, and tells what is wrong with them by themselves and together.
pub(crate) fn take(vhost: &mut Built<Vhost>, findings: &mut Findings) {
    let Some(given) = vhost.attributes.given("groups") else { return };
    let Value::Groups(entries) = given.value.clone() else { return };
    let mut lines: BTreeMap<String, u32> = BTreeMap::new();
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for (number, entry) in (0..).zip(entries) {
        let (name, line) = (entry.key.clone(), entry.line);
        if let Some(before) = lines.insert(name.clone(), line) {
            findings.fault(line, || {
                let wrong = format!("there is a second group {}; the first stands in line {before}", shown(&name));
                (wrong, "write all settings in one".to_owned())
            });
        }
        let Some(attributes) = settings(entry, findings) else { continue };
        check_addresses(&attributes, &name, findings);
        let origin = Origin { place: findings.place(line), name, number, lines: attributes.lines() };
        check_users(&attributes, &origin.name, &mut owners, findings);
        if attributes.is_faulty {
            continue;
        }
        let group = crate::sections::Group::take(&mut Taking { attributes: &attributes, origin: &origin, findings });
        vhost.section.groups.extend(group);
    }
}

/// Whether a vhost has a group of a name, with faults or without.
pub(crate) fn has(vhost: &Built<Vhost>, name: &str) -> bool {
    match vhost.attributes.given("groups").map(|given| &given.value) {
        Some(Value::Groups(entries)) => entries.iter().any(|entry| entry.key == name),
        _ => false,
    }
}

fn settings(entry: Entry, findings: &mut Findings) -> Option<Attributes> {
    let Node::Map(mut entries) = entry.node else {
        findings.fault(entry.line, || {
            let advice = "write a map of its settings: `name: {`, each on a line, and `}`";
            (format!("the group {} is no map", shown(&entry.key)), advice.to_owned())
        });
        return None;
    };
    for setting in &mut entries {
        setting.key = folded(&setting.key);
    }
    let section = Section { name: GROUP.section.to_owned(), line: entry.line, entries };
    let mut attributes = Attributes::read(GROUP, section, findings);
    normal::normalise(&mut attributes, findings);
    if attributes.given("name").is_some() {
        findings.warn(attributes.line_of("name"), Doubt::Ignored, || {
            format!("'name' of group {} is ignored: a group is called as its map is", shown(&entry.key))
        });
    }
    Some(attributes)
}

/// Addresses are given as names or as patterns.
fn check_addresses(attributes: &Attributes, group: &str, findings: &mut Findings) {
    for (names, patterns) in [("sources", "sourcePattern"), ("targets", "targetPattern")] {
        if attributes.given(names).is_some() && attributes.given(patterns).is_some() {
            findings.fault(attributes.line_of(patterns), || {
                let wrong = format!("the group {} has '{names}' and '{patterns}'", shown(group));
                (wrong, format!("write one of both; '{patterns}' can say all that '{names}' can"))
            });
        }
    }
}

/// A user is in one group.
fn check_users(attributes: &Attributes, group: &str, owners: &mut BTreeMap<String, String>, findings: &mut Findings) {
    let Some(Value::List(users)) = attributes.given("users").map(|given| &given.value) else { return };
    for user in users {
        match owners.get(user) {
            Some(other) if other != group => findings.fault(attributes.line_of("users"), || {
                let wrong = format!("the user {} is in the groups {} and {}", shown(user), shown(other), shown(group));
                (wrong, "leave the user in one".to_owned())
            }),
            _ => {
                owners.insert(user.clone(), group.to_owned());
            }
        }
    }
}
