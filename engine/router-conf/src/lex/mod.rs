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
mod section;

pub(crate) use environment::protected;
pub(crate) use line::folded;
pub(crate) use section::{Entry, Node, Section};

use crate::fault::Findings;
use crate::limits::FILE_OCTETS_MAX;

use section::{Environment, Sections};

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
