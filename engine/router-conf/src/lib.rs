//! The configuration of a router in the form that qdrouterd has it, its spellings from 0.4 to 1.19 included.
//!
//! Guarantees:
//! 1. Whatever a file holds: it is read or refused, at a cost that is linear in its size, within `limits`.
//! 2. Everything that is wrong is told at once, each with its line and what to do about it; so is what is doubtful.
//! 3. What can be configured stands in one table (`schema`), which management can tell from.
//! 4. A configuration that is printed and read again is the same.
//!
//! Not here: reading files, looking up hosts, ports, passwords and certificates, and running anything. Relative paths stay as they are.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod assemble;
mod attributes;
mod changing;
mod check;
mod configuration;
mod fault;
mod former;
mod groups;
mod lex;
pub mod limits;
mod names;
mod normal;
mod origin;
mod print;
mod said;
pub mod schema;
pub mod sections;
mod sheets;
mod similar;
mod told;
mod typed;
mod value;
mod whole;
pub mod words;

pub use changing::{Changing, NotAdded};
pub use configuration::Configuration;
pub use fault::{Doubt, Fault, Faults, Place, Warning, Warnings};
pub use origin::Origin;
pub use print::Secrets;
pub use said::Said;
pub use told::{Entity, Told};

/// What became of a file.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What it says, or all that is wrong with it.
    pub configuration: Result<Configuration, Faults>,
    /// What is doubtful, whether or not something is wrong.
    pub warnings: Warnings,
}

/// Reads the text of a file. If its name ends in `.json`, it is a list of pairs of JSON; else it is of qdrouterd's own form.
///
/// `environment` says what a variable of the environment is set to: it is asked for each `${NAME}` in a value, and for nothing else.
/// What is larger than `limits` is refused. The cost is linear in the text.
///
/// ```
/// use engine_router_conf::{Secrets, read};
///
/// let reading = read("qdrouterd.conf", "listener {\n    addr: ${HOST}\n}\n", |_| Some("::1".to_owned()));
/// let warning = reading.warnings.iter().next().map(ToString::to_string);
/// let text = "qdrouterd.conf:2: Attribute 'addr' of entity 'listener' has been deprecated. Use 'host' instead";
/// assert_eq!(warning.as_deref(), Some(text));
/// let configuration = reading.configuration?;
/// assert_eq!(configuration.listeners[0].origin.name, "listener/::1:amqp");
/// assert!(configuration.to_text(Secrets::Hidden).contains("listener {\n    host: ::1\n}\n"));
/// # Ok::<(), engine_router_conf::Faults>(())
/// ```
#[must_use]
pub fn read(name: &str, text: &str, environment: impl Fn(&str) -> Option<String>) -> Reading {
    let mut findings = fault::Findings::new(name);
    let sections = lex::sections(name, text, &environment, &mut findings);
    let configuration = assemble::configuration(sections, &mut findings);
    let (configuration, warnings) = findings.conclude(configuration);
    let configuration = configuration.map(|configuration| configuration.expect("what is missing is a fault"));
    Reading { configuration, warnings }
}
