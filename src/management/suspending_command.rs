//! How `heddle queue` and `heddle address` have something stand still for a while, and go on.

use std::io::{self, Write as _};

use clap::Args;
use engine_management::Request;
use engine_message::value::Value;
use load_model::shown as text_of_others;

use super::client::Broker;
use super::command::{done, entry};

/// What is to stand still.
#[derive(Args)]
pub struct Suspended {
    #[command(flatten)]
    broker: Broker,
    /// Its name; of a queue its name alone, or address::queue.
    name: String,
    /// Over restarts, too: else it ends with the node.
    #[arg(long)]
    keep: bool,
}

/// What is to go on.
#[derive(Args)]
pub struct Resumed {
    #[command(flatten)]
    broker: Broker,
    /// Its name; of a queue its name alone, or address::queue.
    name: String,
}

fn ask(broker: &Broker, (operation, kind): (&str, &str), name: &str, keep: bool, did: &str) -> crate::Result<()> {
    let mut request = Request::new(operation, kind, Some(name));
    request.body.0.push(entry("keep", Value::Boolean(keep)));
    let body = done(broker.connect()?.ask(&request)?)?;
    let name = body.get("name").and_then(Value::as_text).unwrap_or(name);
    writeln!(io::stdout(), "{}", text_of_others::sentence(&format!("the {kind} {name} {did}")))?;
    Ok(())
}

impl Suspended {
    /// Has it stand still.
    pub fn execute(&self, what: (&str, &str), did: &str) -> crate::Result<()> {
        let until = if self.keep { "" } else { " until the node ends" };
        ask(&self.broker, what, &self.name, self.keep, &format!("{did}{until}"))
    }
}

impl Resumed {
    /// Has it go on.
    pub fn execute(&self, what: (&str, &str), did: &str) -> crate::Result<()> {
        ask(&self.broker, what, &self.name, false, did)
    }
}
