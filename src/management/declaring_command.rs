//! `heddle address`, and how `heddle queue` declares and deletes queues.

use std::io::{self, Write as _};

use clap::{Args, Subcommand};
use engine_management::{ADDRESS, QUEUE, Request};
use engine_message::value::{Map, Value};
use load_model::shown as text_of_others;
use serde_json::{Value as Json, json};

use super::client::Broker;
use super::command::{done, entry, fetch};
use super::shown;
use super::suspending_command::{Resumed, Suspended};
use crate::table::{Kind, Table};

/// What to do with addresses of a running broker.
#[derive(Subcommand)]
pub enum AddressCommand {
    /// List addresses: those that are declared, and those that have queues.
    #[command(after_help = "Example:\n  heddle address list orders.")]
    List {
        #[command(flatten)]
        broker: Broker,
        /// Only addresses whose names begin so.
        #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
        prefix: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the settings that hold for an address, and where each comes from.
    #[command(after_help = "Example:\n  heddle address show orders")]
    Show {
        #[command(flatten)]
        broker: Broker,
        /// The address.
        address: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Declare an address: it stays when nobody uses it, and over restarts.
    #[command(after_help = "Example:\n  heddle address create prices --multicast --set max_messages=1000")]
    Create(Declared),
    /// Change settings of an address that was declared so.
    #[command(after_help = "Example:\n  heddle address update prices --set max_messages=2000")]
    Update(Declared),
    /// Have all queues of an address, also those that come, take messages and give none to consumers.
    #[command(after_help = "Examples:\n  heddle address pause orders\n  heddle address pause orders --keep")]
    Pause(Suspended),
    /// Have the queues of a paused address give messages again.
    #[command(after_help = "Example:\n  heddle address resume orders")]
    Resume(Resumed),
    /// Give the producers of an address no more credit, so that it can be emptied.
    #[command(after_help = "Example:\n  heddle address block orders")]
    Block(Suspended),
    /// Let producers send to a blocked address again.
    #[command(after_help = "Example:\n  heddle address unblock orders")]
    Unblock(Resumed),
    /// Take back what was declared of an address. The queue of its own name goes with it; others are to be deleted before.
    #[command(after_help = "Example:\n  heddle address delete prices")]
    Delete {
        #[command(flatten)]
        broker: Broker,
        /// The address.
        address: String,
        /// With the messages of its own queue, and whoever consumes.
        #[arg(long)]
        force: bool,
    },
}

/// An address, and what is said of it.
#[derive(Args)]
pub struct Declared {
    #[command(flatten)]
    broker: Broker,
    /// The address.
    address: String,
    #[command(flatten)]
    routing: Routing,
    /// A setting of addresses (docs/configuration.md), as in max_messages=1000; without a value it is what holds for all. May be given again.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

/// How messages are handed out.
#[derive(Args)]
#[group(multiple = false)]
pub struct Routing {
    /// Each message to one queue.
    #[arg(long)]
    anycast: bool,
    /// Each message to all queues.
    #[arg(long)]
    multicast: bool,
}

/// A queue, and what is said of it.
#[derive(Args)]
pub struct DeclaredQueue {
    #[command(flatten)]
    broker: Broker,
    /// The queue, or address::queue.
    queue: String,
    /// Its address, if that has another name.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    #[command(flatten)]
    routing: Routing,
}

/// A queue that is to be deleted.
#[derive(Args)]
pub struct Deleted {
    #[command(flatten)]
    broker: Broker,
    /// The queue, or address::queue.
    queue: String,
    /// With its messages, and whoever consumes.
    #[arg(long)]
    force: bool,
}

impl Routing {
    fn word(&self) -> Option<Value> {
        let word = match self {
            Self { anycast: true, .. } => "anycast",
            Self { multicast: true, .. } => "multicast",
            Self { .. } => return None,
        };
        Some(Value::String(word.to_owned()))
    }
}

fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}", text_of_others::sentence(text))
}

impl DeclaredQueue {
    /// Declares it, or changes it.
    pub fn execute(&self, operation: &str) -> crate::Result<()> {
        let name = match &self.address {
            Some(address) => format!("{address}::{}", self.queue),
            None => self.queue.clone(),
        };
        let mut request = Request::new(operation, QUEUE, Some(&name));
        request.body.0.extend(self.routing.word().map(|word| entry("routing", word)));
        let body = done(self.broker.connect()?.ask(&request)?)?;
        let name = body.get("name").and_then(Value::as_text).unwrap_or(&name);
        say(&format!("the queue {name} is declared"))?;
        Ok(())
    }
}

impl Deleted {
    /// Deletes it.
    pub fn execute(&self) -> crate::Result<()> {
        let name = delete(&self.broker, QUEUE, &self.queue, self.force)?;
        say(&format!("the queue {name} is deleted"))?;
        Ok(())
    }
}

/// Deletes a thing, as long as that takes; gives its whole name.
fn delete(broker: &Broker, kind: &str, name: &str, force: bool) -> crate::Result<String> {
    let mut client = broker.connect()?;
    let (mut name, mut cursor) = (name.to_owned(), None);
    loop {
        let mut request = Request::new("DELETE", kind, Some(&name));
        request.body.0.push(entry("force", Value::Boolean(force)));
        request.body.0.extend(cursor.map(|cursor| entry("cursor", Value::String(cursor))));
        let body = done(client.ask(&request)?)?;
        if kind == QUEUE {
            name = body.get("queue").and_then(Value::as_text).map_or(name, str::to_owned);
        }
        cursor = body.get("cursor").and_then(Value::as_text).map(str::to_owned);
        if cursor.is_none() {
            return Ok(name);
        }
    }
}

impl Declared {
    fn execute(&self, operation: &str) -> crate::Result<()> {
        let mut request = Request::new(operation, ADDRESS, Some(&self.address));
        request.body.0.extend(self.routing.word().map(|word| entry("routing", word)));
        for set in &self.set {
            let (name, value) = set.split_once('=').ok_or_else(|| format!("--set {set:?}: it is NAME=VALUE"))?;
            let value = if value.is_empty() { Value::Null } else { Value::String(value.to_owned()) };
            request.body.0.push(entry(name, value));
        }
        done(self.broker.connect()?.ask(&request)?)?;
        say(&format!("the address {} is declared", self.address))?;
        Ok(())
    }
}

impl AddressCommand {
    /// Does it.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub fn execute(self) -> crate::Result<()> {
        match self {
            Self::List { broker, prefix, json } => list(&broker, &prefix, json),
            Self::Show { broker, address, json } => show(&broker, &address, json),
            Self::Create(declared) => declared.execute("CREATE"),
            Self::Update(declared) => declared.execute("UPDATE"),
            Self::Pause(suspended) => suspended.execute(("PAUSE", ADDRESS), "is paused"),
            Self::Resume(resumed) => resumed.execute(("RESUME", ADDRESS), "goes on"),
            Self::Block(suspended) => suspended.execute(("BLOCK", ADDRESS), "is blocked"),
            Self::Unblock(resumed) => resumed.execute(("UNBLOCK", ADDRESS), "is open"),
            Self::Delete { broker, address, force } => {
                delete(&broker, ADDRESS, &address, force)?;
                say(&format!("the address {address} is not declared any more"))?;
                Ok(())
            }
        }
    }
}

fn list(broker: &Broker, prefix: &str, json: bool) -> crate::Result<()> {
    let all = fetch(&mut broker.connect()?, ADDRESS, prefix)?;
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", json!(all))?;
        return Ok(());
    }
    let head = vec![
        ("address", Kind::Name),
        ("declared by", Kind::Word),
        ("queues", Kind::Figure),
        ("messages", Kind::Figure),
    ];
    let cell = |value: Option<&Json>| match value {
        Some(Json::String(text)) => text.clone(),
        Some(Json::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let row = |one: &serde_json::Map<String, Json>| {
        ["name", "declared", "queues", "messages"].map(|key| cell(one.get(key))).to_vec()
    };
    let table = Table { head, rows: all.iter().map(row).collect() };
    out.write_all(table.render(crate::status::columns()).as_bytes())?;
    Ok(())
}

fn show(broker: &Broker, address: &str, json: bool) -> crate::Result<()> {
    let Map(entries) = done(broker.connect()?.ask(&Request::new("READ", ADDRESS, Some(address)))?)?;
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", shown::to_json(&Value::Map(Map(entries))))?;
        return Ok(());
    }
    let head = vec![("setting", Kind::Word), ("value", Kind::Name), ("from", Kind::Name)];
    let row = |(key, value): &(Value, Value)| {
        let Value::List(told) = value else { return None };
        let [value, from] = told.as_slice() else { return None };
        let value = match value {
            Value::Null => "-".to_owned(),
            value => value.as_text().map_or_else(|| shown::to_json(value).to_string(), str::to_owned),
        };
        Some(vec![key.as_text()?.to_owned(), value, from.as_text()?.to_owned()])
    };
    let table = Table { head, rows: entries.iter().filter_map(row).collect() };
    out.write_all(table.render(crate::status::columns()).as_bytes())?;
    Ok(())
}
