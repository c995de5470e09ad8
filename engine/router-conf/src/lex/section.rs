//! Sections as they stand in a file: names, and what they are given.

use crate::fault::Findings;
use crate::limits::SECTIONS_MAX;

/// What the environment says of a variable.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

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

/// The sections read so far, bounded.
#[derive(Default)]
pub(super) struct Sections {
    pub read: Vec<Section>,
    is_over: bool,
}

impl Sections {
    pub fn add(&mut self, section: Section, findings: &mut Findings) {
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
