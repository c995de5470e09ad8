//! The words of a configuration file: sections, their entries and where they stand, without what they mean.
//!
//! Guarantees:
//! 1. The cost is linear in the file's size, for any content; maps are at most `DEPTH_MAX` deep.
//! 2. A line that is not understood is a fault, and what comes behind it is read.
//! 3. Names of sections and of their attributes are in camel case: `sasl-mechanisms` is `saslMechanisms`.
//!
//! Not here: which sections and attributes there are.

mod environment;
mod json;
mod line;
mod lines;

pub(crate) use environment::protected;
pub(crate) use line::folded;

use crate::fault::Findings;
use crate::limits::{FILE_OCTETS_MAX, SECTIONS_MAX};

/// What the environment says of a variable.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A section as it stands there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Section {
    /// In camel case, a prefix included.
    pub name: String,
    /// Where it begins.
    pub line: u32,
    pub entries: Vec<Entry>,
}

/// A name with what it is given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// In camel case; within maps as it is written.
    pub key: String,
    pub line: u32,
    pub node: Node,
}

/// What a name is given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// Text without a type.
    Text(String),
    /// A value of JSON that is no object.
    Json(serde_json::Value),
    /// Names with what they are given, in their order.
    Map(Vec<Entry>),
}

/// The sections of a file, as JSON if its name ends in `.json`.
pub(crate) fn sections(name: &str, text: &str, environment: Environment<'_>, findings: &mut Findings) -> Vec<Section> {
    if text.len() > FILE_OCTETS_MAX {
        findings.fault(0, || {
            let wrong = format!("the file has {} octets, and {FILE_OCTETS_MAX} are read at most", text.len());
            (wrong, "leave out what is not needed, or split the router's work between several".to_owned())
        });
        return Vec::new();
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        findings.fault(0, || {
            let advice = "write at least a router section: `router {`, its attributes, and `}`, each on a line";
            ("the file is empty".to_owned(), advice.to_owned())
        });
        return Vec::new();
    }
    let mut sections = Sections::default();
    if name.ends_with(".json") {
        json::read_file(text, environment, findings, &mut sections);
    } else {
        lines::read_file(text, environment, findings, &mut sections);
    }
    sections.read
}

/// The sections read so far, bounded.
#[derive(Default)]
struct Sections {
    read: Vec<Section>,
    is_over: bool,
}

impl Sections {
    fn add(&mut self, section: Section, findings: &mut Findings) {
        if self.read.len() < SECTIONS_MAX {
            self.read.push(section);
        } else if !self.is_over {
            self.is_over = true;
            findings.fault(section.line, || {
                let wrong = format!("there are more than {SECTIONS_MAX} sections");
                (wrong, "those from here on are not read: leave out what is not needed".to_owned())
            });
        }
    }
}
