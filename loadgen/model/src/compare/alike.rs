//! What differs between runs besides their figures: the machine, the scenario, the server.
//!
//! What each run has of its own is no difference: names and descriptions, the server's address and container, requirements, the
//! seed.

use std::fmt;

use serde::{Deserialize, Serialize};
use toml::Value;

use crate::result::{Machine, RunResult};
use crate::scenario::{ConnectionSpec, Scenario};

/// Memory that a machine may have more or less between two starts, a share: what its firmware and its kernel take.
const MEMORY_SHARE: u64 = 100;
/// Longest value that is printed whole, characters.
const PRINTED_MAX: usize = 60;

/// Something that is not the same for all runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// What it belongs to.
    pub subject: Subject,
    /// Its name, such as `kernel` or `group.0.size`.
    pub name: String,
    /// What it is on the one side.
    pub one: String,
    /// What it is in a run that differs.
    pub other: String,
}

/// What a difference belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// Where the load comes from.
    Machine,
    /// What is done.
    Scenario,
    /// Whom it is done to.
    Server,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = match self.subject {
            Subject::Machine => "machine",
            Subject::Scenario => "scenario",
            Subject::Server => "server",
        };
        write!(f, "{subject}, {}: {} and {}", self.name, self.one, self.other)
    }
}

/// Takes the name of a value and what it is on either side.
type Found<'a> = dyn FnMut(&str, Option<&Value>, Option<&Value>) + 'a;

/// All that differs from the first run of `one`.
pub(super) fn differences(one: &[&RunResult], other: &[&RunResult]) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    let Some(first) = one.first() else { return found };
    for run in one.iter().skip(1).chain(other) {
        let mut add = |subject, name: &str, one: Option<&Value>, other: Option<&Value>| {
            let is_known = found.iter().any(|known| known.subject == subject && known.name == name);
            if one != other && !is_known {
                found.push(Difference { subject, name: name.to_owned(), one: print(one), other: print(other) });
            }
        };
        let machine = of_machine(&run.machine, &first.machine);
        walk("", Some(&value(&first.machine)), Some(&value(&machine)), &mut |name, one, other| {
            add(Subject::Machine, name, one, other)
        });
        let scenarios = (value(&comparable(&first.scenario)), value(&comparable(&run.scenario)));
        walk("", Some(&scenarios.0), Some(&scenarios.1), &mut |name, one, other| {
            add(Subject::Scenario, name, one, other)
        });
        for (name, one, other) in [
            ("product", &first.server.product, &run.server.product),
            ("device", &first.server.device, &run.server.device),
            ("configuration", &first.server.configuration, &run.server.configuration),
        ] {
            add(Subject::Server, name, Some(&Value::from(one.as_str())), Some(&Value::from(other.as_str())));
        }
        add(Subject::Server, "local", Some(&Value::from(first.server.local)), Some(&Value::from(run.server.local)));
    }
    found
}

fn value(of: &impl Serialize) -> Value {
    // What is in a result was read from a file, or will be written to one.
    Value::try_from(of).unwrap_or_else(|error| Value::from(error.to_string()))
}

/// A machine, with the memory of another if it is about the same.
fn of_machine(machine: &Machine, like: &Machine) -> Machine {
    let mut machine = machine.clone();
    if machine.memory_bytes.abs_diff(like.memory_bytes) <= like.memory_bytes / MEMORY_SHARE {
        machine.memory_bytes = like.memory_bytes;
    }
    machine
}

/// A scenario without what may differ.
fn comparable(scenario: &Scenario) -> Scenario {
    let connection = ConnectionSpec {
        user: String::new(),
        password: String::new(),
        tls_ca: String::new(),
        ..scenario.connection.clone()
    };
    let mut comparable = Scenario {
        name: String::new(),
        description: String::new(),
        seed: 0,
        require: Vec::new(),
        connection,
        ..scenario.clone()
    };
    comparable.change_servers(String::clear);
    comparable
}

/// Calls `found` for each value in which two trees differ; the trees are as deep as a scenario is.
fn walk(name: &str, one: Option<&Value>, other: Option<&Value>, found: &mut Found<'_>) {
    let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    match (one, other) {
        (Some(Value::Table(one)), Some(Value::Table(other))) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                walk(&below(key), one.get(key), other.get(key), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) if one.iter().chain(other).all(Value::is_table) => {
            for place in 0..one.len().max(other.len()) {
                walk(&below(&place.to_string()), one.get(place), other.get(place), found);
            }
        }
        _ if one == other => {}
        _ => found(name, one, other),
    }
}

fn print(value: Option<&Value>) -> String {
    let text = match value {
        None => return "nothing".to_owned(),
        Some(Value::String(text)) if text.is_empty() => return "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    if text.chars().count() <= PRINTED_MAX {
        return text;
    }
    text.chars().take(PRINTED_MAX).chain("...".chars()).collect()
}
