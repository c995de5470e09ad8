//! JSON with the lines that its values stand on: the variant of the file, and maps within the other form.
//!
//! Each object is read one level at a time, and what is within stays text until it is looked at: so a value's line is known by where its
//! text lies in the whole.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::environment::expanded;
use super::line::{folded, too_long};
use super::section::{Entry, Environment, Node, Section, Sections};
use crate::fault::Findings;
use crate::limits::DEPTH_MAX;

/// The members of an object in their order.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// A text of JSON within a file.
pub(super) struct Source<'a> {
    text: &'a str,
    /// Where its lines start.
    starts: Vec<usize>,
    /// The line of the file that it begins on.
    first_line: u32,
    environment: Environment<'a>,
}

impl<'a> Source<'a> {
    pub fn new(text: &'a str, first_line: u32, environment: Environment<'a>) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        Self { text, starts, first_line, environment }
    }

    /// The line of a part of the text.
    fn line(&self, part: &str) -> u32 {
        // A part is a slice of the whole; where it begins is the difference of the addresses.
        let at = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let before = self.starts.partition_point(|&start| start <= at);
        self.first_line.saturating_add(u32::try_from(before).unwrap_or(u32::MAX))
    }

    fn fault(&self, part: &str, error: &serde_json::Error, findings: &mut Findings) {
        let within = u32::try_from(error.line().saturating_sub(1)).unwrap_or(0);
        findings.fault(self.line(part).saturating_add(within), || {
            let text = error.to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            let advice = "mend it: names and texts in quotation marks, commas between members and behind none";
            (format!("this is no JSON ({text})"), advice.to_owned())
        });
    }

    /// The whole text as an object's members.
    pub fn object(&self, depth: usize, findings: &mut Findings) -> Option<Vec<Entry>> {
        self.members(self.text, depth, findings)
    }

    fn members(&self, part: &str, depth: usize, findings: &mut Findings) -> Option<Vec<Entry>> {
        if depth > DEPTH_MAX {
            findings.fault(self.line(part), || {
                (format!("maps are more than {DEPTH_MAX} deep"), "no attribute has so many: leave some out".to_owned())
            });
            return None;
        }
        let members = match serde_json::from_str::<Members<'_>>(part) {
            Ok(Members(members)) => members,
            Err(error) => {
                self.fault(part, &error, findings);
                return None;
            }
        };
        let entries = members.into_iter().filter_map(|(key, raw)| {
            let node = self.node(raw.get(), depth, findings)?;
            Some(Entry { key, line: self.line(raw.get()), node })
        });
        Some(entries.collect())
    }

    fn node(&self, part: &str, depth: usize, findings: &mut Findings) -> Option<Node> {
        if part.starts_with('{') {
            return self.members(part, depth + 1, findings).map(Node::Map);
        }
        match serde_json::from_str(part) {
            Ok(Value::String(text)) => match expanded(text, self.environment) {
                Ok(text) if too_long(&text, self.line(part), findings) => None,
                Ok(text) => Some(Node::Text(text)),
                Err((wrong, advice)) => {
                    findings.fault(self.line(part), || (wrong, advice));
                    None
                }
            },
            Ok(value) => Some(Node::Json(value)),
            Err(error) => {
                self.fault(part, &error, findings);
                None
            }
        }
    }

    /// A pair of a section's name and its attributes.
    fn section(&self, part: &str, findings: &mut Findings) -> Option<Section> {
        let line = self.line(part);
        let (name, attributes) = match serde_json::from_str::<(String, &RawValue)>(part) {
            Ok(pair) => pair,
            Err(_) => {
                findings.fault(line, || {
                    let advice = r#"write a list of two: ["listener", {"port": "amqp"}]"#;
                    ("this is no pair of a section's name and its attributes".to_owned(), advice.to_owned())
                });
                return None;
            }
        };
        if !attributes.get().starts_with('{') {
            findings.fault(line, || {
                let advice = format!(r#"write an object: ["{name}", {{"attribute": "value"}}]"#);
                ("the attributes of a section are an object".to_owned(), advice)
            });
            return None;
        }
        let mut entries = self.members(attributes.get(), 1, findings)?;
        for entry in &mut entries {
            entry.key = folded(&entry.key);
        }
        Some(Section { name: folded(&name), line, entries })
    }
}

/// Reads a list of pairs; lines that begin with `#` say nothing.
pub(super) fn read_file(text: &str, environment: Environment<'_>, findings: &mut Findings, sections: &mut Sections) {
    let lines = text.split('\n').map(|line| if line.trim_start().starts_with('#') { "" } else { line });
    let text = lines.collect::<Vec<_>>().join("\n");
    let source = Source::new(&text, 1, environment);
    match serde_json::from_str::<Vec<&RawValue>>(&text) {
        Ok(pairs) => {
            for pair in pairs {
                if let Some(section) = source.section(pair.get(), findings) {
                    sections.add(section, findings);
                }
            }
        }
        Err(error) => source.fault(&text, &error, findings),
    }
}
