//! A section's attributes by their names of today, each of its kind: what the table makes of what a file says.
//!
//! Guarantee: whatever is not in the table is told of, with the name that was probably meant.

use std::collections::BTreeMap;

use crate::fault::{Doubt, Findings, shown};
use crate::lex::{Entry, Node, Section};
use crate::schema::{Access, Attribute, EntityType, Presence, Sense, Spelling, Standing};
use crate::similar::most_similar;
use crate::value::{Refusal, Value};

/// A value with the line that it stands on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Given {
    pub value: Value,
    pub line: u32,
}

/// The attributes of one section.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    pub of: &'static EntityType,
    /// Where the section begins.
    pub line: u32,
    given: BTreeMap<&'static str, Given>,
    /// Whether something in it is wrong, so that what it lacks says nothing.
    pub is_faulty: bool,
}

impl Attributes {
    /// A section without attributes.
    pub fn new(of: &'static EntityType, line: u32) -> Self {
        Self { of, line, given: BTreeMap::new(), is_faulty: false }
    }

    /// The lines of all that are given.
    pub fn lines(&self) -> Vec<(&'static str, u32)> {
        self.given.iter().map(|(name, given)| (*name, given.line)).collect()
    }

    /// Those of a section as a file has it.
    pub fn read(of: &'static EntityType, section: Section, findings: &mut Findings) -> Self {
        let before = findings.faults_count();
        let mut read = Self::new(of, section.line);
        let mut spelled: BTreeMap<&'static str, (&'static str, u32)> = BTreeMap::new();
        for entry in section.entries {
            let line = entry.line;
            // JSON's way to leave something out.
            if entry.node == Node::Json(serde_json::Value::Null) && of.spelled(&entry.key).is_some() {
                continue;
            }
            let Some((attribute, former)) = of.spelled(&entry.key) else {
                findings.fault(line, || unknown(of, &entry.key));
                continue;
            };
            let name = former.map_or(attribute.name, |spelling| spelling.name);
            match spelled.insert(attribute.name, (name, line)) {
                Some((other, before)) if other != name => findings.fault(line, || {
                    let wrong = format!("'{name}' is '{}', and '{other}' of line {before} is the same", attribute.name);
                    (wrong, format!("write '{}' only", attribute.name))
                }),
                Some((_, before)) => findings.warn(line, Doubt::Questionable, || {
                    format!("'{name}' stands there twice; what line {before} says is ignored")
                }),
                None => {}
            }
            read.take(attribute, former, entry, findings);
        }
        for attribute in of.own.iter().filter(|attribute| attribute.presence == Presence::Required) {
            if !spelled.contains_key(attribute.name) {
                findings.fault(section.line, || missing(of, attribute));
            }
        }
        read.is_faulty = findings.faults_count() > before;
        read
    }

    fn take(
        &mut self,
        attribute: &'static Attribute,
        former: Option<&'static Spelling>,
        entry: Entry,
        findings: &mut Findings,
    ) {
        let (line, of) = (entry.line, self.of);
        if let Some(spelling) = former {
            findings.warn(line, Doubt::Deprecated, || {
                let text = deprecated(of, spelling.name, attribute.name);
                if spelling.sense == Sense::Opposite { format!("{text}; it means the opposite") } else { text }
            });
        }
        if attribute.access == Access::Told {
            findings.warn(line, Doubt::Ignored, || {
                format!("Attribute '{}' of entity '{}' is told by the router and not set", attribute.name, of.section)
            });
            return;
        }
        match attribute.standing {
            Standing::Current => {}
            Standing::Deprecated(instead) => {
                findings.warn(line, Doubt::Deprecated, || deprecated(of, attribute.name, instead));
            }
            Standing::Ignored(why) => findings.warn(line, Doubt::Ignored, || {
                format!("Attribute '{}' of entity '{}' is ignored: {why}", attribute.name, of.section)
            }),
            Standing::Refused(advice) => {
                findings.fault(line, || {
                    let wrong = format!("'{}' of {} is not taken any more", attribute.name, of.section);
                    (wrong, advice.to_owned())
                });
                return;
            }
        }
        let key = entry.key;
        match Value::of_node(attribute, entry.node) {
            Ok(Value::Switch(on)) if former.is_some_and(|spelling| spelling.sense == Sense::Opposite) => {
                self.set(attribute.name, Value::Switch(!on), line);
            }
            Ok(value) => self.set(attribute.name, value, line),
            Err(refusal) => findings.fault(line, || refused(of, &key, attribute, &refusal)),
        }
    }

    pub fn set(&mut self, name: &'static str, value: Value, line: u32) {
        self.given.insert(name, Given { value, line });
    }

    pub fn remove(&mut self, name: &str) {
        self.given.remove(name);
    }

    /// What was given for a name of today.
    pub fn given(&self, name: &str) -> Option<&Given> {
        self.given.get(name)
    }

    /// The text of a name, if it was given one.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.given(name).map(|given| &given.value) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The number of a name, if it was given one.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.given(name).map(|given| &given.value) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// The line of a name's value; where it was given none, that of the section.
    pub fn line_of(&self, name: &str) -> u32 {
        self.given(name).map_or(self.line, |given| given.line)
    }
}

/// The sentence that qdrouterd logs of a former name.
pub(crate) fn deprecated(of: &EntityType, name: &str, instead: &str) -> String {
    format!("Attribute '{name}' of entity '{}' has been deprecated. Use '{instead}' instead", of.section)
}

fn unknown(of: &EntityType, key: &str) -> (String, String) {
    let wrong = format!("Unknown attribute {} for '{}'", shown(key), of.section);
    let names = || of.attributes().filter(|attribute| attribute.access != Access::Told).map(|attribute| attribute.name);
    let advice = match most_similar(key, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
    };
    (wrong, advice)
}

fn missing(of: &EntityType, attribute: &Attribute) -> (String, String) {
    let wrong = format!("{} has no '{}', which is required", of.section, attribute.name);
    (wrong, format!("add `{}: …`; it takes {}", attribute.name, attribute.kind.takes()))
}

fn refused(of: &EntityType, key: &str, attribute: &Attribute, refusal: &Refusal) -> (String, String) {
    let wrong = format!("'{key}' of {} is {}", of.section, refusal.shown);
    let takes = format!("it takes {}", attribute.kind.takes());
    let advice = match refusal.meant {
        Some(meant) => format!("did you mean `{meant}`? {takes}"),
        None => takes,
    };
    (wrong, advice)
}

/// Makes a section's type of its name: a fault if there is none, a warning if it is deprecated or ignored. `None` if it is not to be read.
pub(crate) fn type_of(section: &Section, findings: &mut Findings) -> Option<&'static EntityType> {
    let Some(of) = crate::schema::section(&section.name) else {
        findings.fault(section.line, || {
            let names =
                || crate::schema::TYPES.iter().filter(|of| of.standing == Standing::Current).map(|of| of.section);
            let advice = match most_similar(&section.name, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            };
            (format!("No such entity type {}", shown(&section.name)), advice)
        });
        return None;
    };
    match of.standing {
        Standing::Current => Some(of),
        Standing::Deprecated(instead) => {
            findings.warn(section.line, Doubt::Deprecated, || {
                format!("Entity '{}' has been deprecated. Use '{instead}' instead", of.section)
            });
            Some(of)
        }
        Standing::Ignored(why) => {
            findings.warn(section.line, Doubt::Ignored, || format!("Entity '{}' is ignored: {why}", of.section));
            None
        }
        Standing::Refused(advice) => {
            findings.fault(section.line, || (format!("'{}' is not supported", of.section), advice.to_owned()));
            None
        }
    }
}
