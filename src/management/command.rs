//! `heddle queue`: queues of a running broker, and what is done with their messages.
//!
//! Guarantees: nothing is done to all messages of a queue unless that is said (`--all`, or `purge`); what takes long says how far it is, and ends at
//! any time: what was done by then stays done.

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};
use engine_management::{Answer, MANAGEMENT_TYPE, QUEUE, Request};
use engine_message::value::{Map, Value};
use load_model::shown as text_of_others;
use serde_json::{Map as Object, Value as Json, json};

use super::client::{Broker, Client};
use super::declaring_command::{DeclaredQueue, Deleted};
use super::shown;
use super::suspending_command::{Resumed, Suspended};
use crate::table::{Kind, Table};

/// What to do with queues of a running broker.
#[derive(Subcommand)]
pub enum QueueCommand {
    /// List queues by address::name, one a line.
    #[command(after_help = "Example:\n  heddle queue list orders.")]
    List(Listed),
    /// Show queues with their figures.
    #[command(
        after_help = "Examples:\n  heddle queue stat\n  heddle queue stat orders. --json\n  heddle queue stat --latencies"
    )]
    Stat {
        #[command(flatten)]
        listed: Listed,
        /// How long messages take from stage to stage, instead: half of them, 99 of a hundred, and the longest.
        #[arg(long)]
        latencies: bool,
    },
    /// Declare a queue: it stays when nobody uses it, and over restarts.
    #[command(
        after_help = "Examples:\n  heddle queue create orders\n  heddle queue create audit --address orders --multicast"
    )]
    Create(DeclaredQueue),
    /// Change a queue that was declared so.
    #[command(after_help = "Example:\n  heddle queue update orders --anycast")]
    Update(DeclaredQueue),
    /// Delete a queue.
    #[command(after_help = "Example:\n  heddle queue delete orders --force")]
    Delete(Deleted),
    /// Have a queue take messages and give none to consumers.
    #[command(after_help = "Examples:\n  heddle queue pause orders\n  heddle queue pause orders::eu --keep")]
    Pause(Suspended),
    /// Have a paused queue give messages again.
    #[command(after_help = "Example:\n  heddle queue resume orders")]
    Resume(Resumed),
    /// Show messages of a queue, and leave them there.
    #[command(
        after_help = "Examples:\n  heddle queue browse orders\n  heddle queue browse dead --filter \"colour = 'red'\" \
                            --count 10 --json"
    )]
    Browse {
        #[command(flatten)]
        broker: Broker,
        /// The queue, or address::queue.
        queue: String,
        /// Only messages for which this selector is true.
        #[arg(long, value_name = "SELECTOR")]
        filter: Option<String>,
        /// Show no more than so many.
        #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
        count: u64,
        /// As JSON, one message a line.
        #[arg(long)]
        json: bool,
    },
    /// Remove all messages of a queue that no consumer holds.
    #[command(after_help = "Example:\n  heddle queue purge orders")]
    Purge {
        #[command(flatten)]
        broker: Broker,
        /// The queue, or address::queue.
        queue: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove messages of a queue.
    #[command(after_help = "Example:\n  heddle queue remove orders --filter \"JMSPriority < 2\"")]
    Remove(Work),
    /// Move messages to another address.
    #[command(name = "move", after_help = "Example:\n  heddle queue move orders --to archive --filter \"year < 2020\"")]
    Move(WorkTo),
    /// Copy messages to another address.
    #[command(after_help = "Example:\n  heddle queue copy orders --to test --all --count 10")]
    Copy(WorkTo),
    /// Move messages back to where they came from first: those of a dead-letter queue to the queues whose consumers rejected them.
    #[command(after_help = "Example:\n  heddle queue retry dead --all")]
    Retry(Work),
    /// Let messages expire, whatever their time to live.
    #[command(after_help = "Example:\n  heddle queue expire orders --id order-7")]
    Expire(Work),
    /// Move messages to the dead-letter address of the queue's address.
    #[command(after_help = "Example:\n  heddle queue dead-letter orders --id order-7")]
    DeadLetter(Work),
}

/// Which queues are shown.
#[derive(Args)]
pub struct Listed {
    #[command(flatten)]
    broker: Broker,
    /// Only queues whose names begin so.
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Which messages of a queue something is done with.
#[derive(Args)]
pub struct Work {
    #[command(flatten)]
    broker: Broker,
    /// The queue, or address::queue.
    queue: String,
    #[command(flatten)]
    which: Which,
    /// With no more than so many.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// The same, and where they go.
#[derive(Args)]
pub struct WorkTo {
    #[command(flatten)]
    work: Work,
    /// Where they go: an address, or address::queue.
    #[arg(long, value_name = "ADDRESS")]
    to: String,
}

/// Which messages: one of these has to be said.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// The message with this message-id, a text.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Those for which this selector is true.
    #[arg(long, value_name = "SELECTOR")]
    filter: Option<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

/// Work, as it is asked for.
struct Asked<'a> {
    operation: &'a str,
    /// What was done with messages, as a participle.
    did: &'a str,
    queue: &'a str,
    filter: Option<String>,
    to: Option<&'a str>,
    most: Option<u64>,
    json: bool,
}

impl Which {
    fn selector(&self) -> Option<String> {
        let quoted = |id: &String| format!("JMSMessageID = '{}'", id.replace('\'', "''"));
        self.id.as_ref().map(quoted).or_else(|| self.filter.clone())
    }
}

impl QueueCommand {
    /// Does it.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub fn execute(self) -> crate::Result<()> {
        let plain = |work: &Work, operation, did| work.execute(operation, did, None);
        match self {
            Self::List(listed) => listed.list(),
            Self::Stat { listed, latencies: false } => listed.stat(),
            Self::Stat { listed, latencies: true } => listed.latencies(),
            Self::Create(declared) => declared.execute("CREATE"),
            Self::Update(declared) => declared.execute("UPDATE"),
            Self::Delete(deleted) => deleted.execute(),
            Self::Pause(suspended) => suspended.execute(("PAUSE", QUEUE), "is paused"),
            Self::Resume(resumed) => resumed.execute(("RESUME", QUEUE), "goes on"),
            Self::Browse { broker, queue, filter, count, json } => {
                browse(&mut broker.connect()?, &queue, filter.as_deref(), count, json)
            }
            Self::Purge { broker, queue, json } => {
                let (operation, did) = ("REMOVE", "removed");
                let asked = Asked { operation, did, queue: &queue, filter: None, to: None, most: None, json };
                asked.execute(&mut broker.connect()?)
            }
            Self::Remove(work) => plain(&work, "REMOVE", "removed"),
            Self::Move(WorkTo { work, to }) => work.execute("MOVE", "moved", Some(&to)),
            Self::Copy(WorkTo { work, to }) => work.execute("COPY", "copied", Some(&to)),
            Self::Retry(work) => plain(&work, "RETRY", "sent back"),
            Self::Expire(work) => plain(&work, "EXPIRE", "expired"),
            Self::DeadLetter(work) => plain(&work, "DEAD-LETTER", "sent to the dead letters"),
        }
    }
}

impl Work {
    fn execute(&self, operation: &str, did: &str, to: Option<&str>) -> crate::Result<()> {
        let (filter, most) = (self.which.selector(), self.count);
        let asked = Asked { operation, did, queue: &self.queue, filter, to, most, json: self.json };
        asked.execute(&mut self.broker.connect()?)
    }
}

pub fn entry(key: &str, value: Value) -> (Value, Value) {
    (Value::String(key.to_owned()), value)
}

/// An answer's body, if the request was done.
pub fn done(answer: Answer) -> crate::Result<Map> {
    match answer {
        answer if !answer.is_good() => Err(answer.description.into()),
        Answer { body: Value::Map(map), .. } => Ok(map),
        _ => Err("the broker's answer is none to this request: is it of another version?".into()),
    }
}

fn number(map: &Map, key: &str) -> u64 {
    match map.get(key) {
        Some(Value::Ulong(number)) => *number,
        _ => 0,
    }
}

impl Asked<'_> {
    fn execute(&self, client: &mut Client) -> crate::Result<()> {
        let (mut looked, mut done_with, mut cursor) = (0, 0, None);
        let mut queue = self.queue.to_owned();
        loop {
            let mut request = Request::new(self.operation, QUEUE, Some(&queue));
            let texts = [("filter", self.filter.as_deref()), ("to", self.to), ("cursor", cursor.as_deref())];
            let texts = texts.into_iter().filter_map(|(key, text)| Some(entry(key, Value::String(text?.to_owned()))));
            request.body.0.extend(texts);
            if let Some(most) = self.most {
                request.body.0.push(entry("most", Value::Ulong(most.saturating_sub(done_with))));
            }
            let body = done(client.ask(&request)?)?;
            looked += number(&body, "looked");
            done_with += number(&body, "done");
            let text = |key| body.get(key).and_then(Value::as_text).map(str::to_owned);
            queue = text("queue").unwrap_or(queue);
            cursor = text("cursor");
            if cursor.is_none() {
                return self.tell(&queue, looked, done_with, number(&body, "came-back"));
            }
            if io::stderr().is_terminal() {
                eprint!("\r{done_with} messages of {looked} {} so far ", self.did);
            }
        }
    }

    fn tell(&self, queue: &str, looked: u64, done_with: u64, came_back: u64) -> crate::Result<()> {
        if io::stderr().is_terminal() {
            eprint!("\r");
        }
        if self.json {
            let told = json!({ "queue": queue, "looked": looked, "done": done_with, "came_back": came_back });
            writeln!(io::stdout(), "{told}")?;
        } else {
            let did = self.did;
            let line = format!("{queue}: {done_with} of {looked} messages {did}");
            writeln!(io::stdout(), "{}", text_of_others::sentence(&line))?;
        }
        match (came_back, self.to) {
            (0, _) => Ok(()),
            (_, to) => Err(format!(
                "{came_back} messages were refused where they were to go ({}), and stay in the queue: that address is full, or may not be made",
                to.unwrap_or("where they came from")
            )
            .into()),
        }
    }
}

/// All things of a type whose names begin so, as objects.
pub fn fetch(client: &mut Client, kind: &str, prefix: &str) -> crate::Result<Vec<Object<String, Json>>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let mut request = Request::new("QUERY", MANAGEMENT_TYPE, Some("self"));
        request.properties.0.push(entry("entityType", Value::String(kind.to_owned())));
        request.body.0.push(entry("prefix", Value::String(prefix.to_owned())));
        request.body.0.extend(after.map(|after| entry("after", Value::String(after))));
        let body = done(client.ask(&request)?)?;
        all.extend(rows(&body));
        after = body.get("next").and_then(Value::as_text).map(str::to_owned);
        if after.is_none() {
            return Ok(all);
        }
    }
}

impl Listed {
    /// All queues, as objects.
    fn fetch(&self) -> crate::Result<Vec<Object<String, Json>>> {
        let mut client = self.broker.connect()?;
        let mut all = fetch(&mut client, QUEUE, &self.prefix)?;
        // The queue of our own answers is there only because we ask.
        all.retain(|queue| client.answers() != Some(text(queue, "address")));
        all.sort_by_cached_key(full_name);
        Ok(all)
    }

    fn list(&self) -> crate::Result<()> {
        let all = self.fetch()?;
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", json!(all.iter().map(full_name).collect::<Vec<_>>()))?;
        } else {
            for queue in &all {
                writeln!(out, "{}", text_of_others::sentence(&full_name(queue)))?;
            }
        }
        Ok(())
    }

    fn stat(&self) -> crate::Result<()> {
        let figures = [
            ("messages", "messages"),
            ("acquired", "held"),
            ("delayed", "delayed"),
            ("consumers", "consumers"),
            ("is_paused", "paused"),
            ("enqueued", "added"),
            ("acknowledged", "acked"),
            ("expired", "expired"),
            ("rejected", "rejected"),
        ];
        self.table(&figures.map(|(_, title)| title), |queue| {
            figures.map(|(key, _)| queue.get(key).map_or_else(String::new, Json::to_string)).into()
        })
    }

    fn latencies(&self) -> crate::Result<()> {
        let stages = ["durable_latency", "dispatch_latency", "settle_latency"];
        let titles = ["durable p50", "p99", "max", "dispatched p50", "p99", "max", "settled p50", "p99", "max"];
        self.table(&titles, |queue| {
            let times = stages.map(|stage| ["p50_us", "p99_us", "max_us"].map(|key| queue.get(stage)?.get(key)));
            times.as_flattened().iter().map(|us| crate::status::microseconds(*us)).collect()
        })
    }

    /// Prints queues, each with its names and further cells under these titles.
    fn table(
        &self,
        titles: &[&'static str],
        cells: impl Fn(&Object<String, Json>) -> Vec<String>,
    ) -> crate::Result<()> {
        let all = self.fetch()?;
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", json!(all))?;
            return Ok(());
        }
        let named = [("queue", Kind::Name), ("address", Kind::Name), ("routing", Kind::Word)];
        let head = named.into_iter().chain(titles.iter().map(|&title| (title, Kind::Figure))).collect();
        let rows = all.iter().map(|queue| {
            let names = ["name", "address", "routing"].map(|key| text(queue, key).to_owned());
            names.into_iter().chain(cells(queue)).collect()
        });
        let table = Table { head, rows: rows.collect() };
        out.write_all(table.render(crate::status::columns()).as_bytes())?;
        Ok(())
    }
}

fn text<'a>(queue: &'a Object<String, Json>, key: &str) -> &'a str {
    queue.get(key).and_then(Json::as_str).unwrap_or_default()
}

fn full_name(queue: &Object<String, Json>) -> String {
    format!("{}::{}", text(queue, "address"), text(queue, "name"))
}

/// The rows of an answer to QUERY, as objects.
fn rows(body: &Map) -> Vec<Object<String, Json>> {
    let (Some(Value::List(names)), Some(Value::List(results))) = (body.get("attributeNames"), body.get("results"))
    else {
        return Vec::new();
    };
    let names: Vec<&str> = names.iter().filter_map(Value::as_text).collect();
    let row = |row: &Value| {
        let Value::List(columns) = row else { return Object::new() };
        names.iter().zip(columns).map(|(name, value)| ((*name).to_owned(), shown::to_json(value))).collect()
    };
    results.iter().map(row).collect()
}

fn browse(client: &mut Client, queue: &str, filter: Option<&str>, count: u64, json: bool) -> crate::Result<()> {
    if count == 0 {
        return Ok(());
    }
    // A link to a queue that is not there would make it.
    let found = done(client.ask(&Request::new("READ", QUEUE, Some(queue)))?)?;
    let part = |key| found.get(key).and_then(Value::as_text).unwrap_or_default().to_owned();
    let queue = format!("{}::{}", part("address"), part("name"));
    let mut out = io::stdout().lock();
    let mut shown_so_far = 0;
    client.browse(&queue, filter, |message| {
        shown_so_far += 1;
        let told = shown::describe(message);
        if json {
            writeln!(out, "{told}")?;
        } else {
            let id = &told["properties"]["message-id"];
            let flags = if told["durable"] == json!(true) { "durable" } else { "not durable" };
            let (priority, failed, bytes) = (&told["priority"], &told["delivery-count"], &told["bytes"]);
            let line = format!(
                "{shown_so_far}: id {id}, {flags}, priority {priority}, failed {failed}, {bytes} bytes, {}",
                told["body"]
            );
            writeln!(out, "{}", text_of_others::sentence(&line))?;
            for hop in told["annotations"]["x-opt-MOVE-WAY"].as_str().unwrap_or_default().lines() {
                writeln!(out, "    {}", text_of_others::sentence(hop))?;
            }
        }
        Ok(shown_so_far < count)
    })?;
    Ok(())
}
