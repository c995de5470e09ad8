//! `heddle data print`: every record with its place, as a sentence or as JSON.
//!
//! It goes on behind what is damaged, and says where that is; `check` says whether anything is.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};

use engine_core::Origin;
use engine_core::command::RoutingType;
use engine_core::fact::{Declared, Purpose};
use engine_ledger::{Attributes, Meaning, Nested, Properties, declaration, in_queues};
use serde_json::{Value, json};
use storage_disk::read_segments;
use storage_journal::{Batch, Gap, LOCAL, Piece, Place, Record, Salvage};

use super::answer::{Outcome, Result, quoted};
use super::place::{self, Where};
use super::stopped::Stopped;
use load_model::number::{count, counted, octets};

/// Names of a shard's queues, by their numbers.
pub(super) type Names = HashMap<u64, String>;

/// Prints every record.
///
/// # Errors
/// When it is no data directory, or batches are missing.
pub fn print(place: &Where) -> Result<Outcome> {
    let directory = place::open(&place.data_dir)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if !place.json {
        writeln!(out, "{}", head())?;
    }
    let mut missing = 0;
    for shard in 0..directory.shards() {
        let files = directory.journal(shard);
        let (mut salvage, mut names) = (Salvage::new(directory.id()), Names::new());
        let printed = read_segments(&files, &files.numbers()?, |part| {
            let mut written = Ok(());
            salvage.handle_part(part, |piece| {
                match &piece {
                    Piece::Record(_, record) => note_name(record, &mut names),
                    _ => missing += 1,
                }
                if written.is_ok() {
                    let line =
                        if place.json { as_json(shard, &piece).to_string() } else { as_text(shard, &piece, &names) };
                    written = writeln!(out, "{line}");
                }
            });
            written.map_err(Stopped::Taking)
        });
        match printed {
            Ok(()) => {}
            Err(Stopped::Read(error)) => return Err(error.into()),
            Err(Stopped::Taking(error)) => return Err(error.into()),
        }
    }
    out.flush()?;
    match missing {
        0 => Ok(Outcome::Everything),
        _ => Err(format!(
            "the journal is damaged ({} above). `heddle data check` tells more, `heddle data export --damaged` saves what \
             can be read",
            counted(missing, "place")
        )
        .into()),
    }
}

/// What stands over the lines.
pub(super) fn head() -> String {
    format!("{:>5} {:<16} {:>11} {:>12}  record", "shard", "segment", "offset", "number")
}

/// Remembers the name of a queue that a record declares.
pub(super) fn note_name(record: &Record<'_>, names: &mut Names) {
    names.extend(declared(record).map(|found| (found.queue, found.name)));
}

/// A record as a line for people.
pub(super) fn record_text(shard: u16, place: Place, record: &Record<'_>, names: &Names) -> String {
    line(shard, place, &numbered(record.number), &told(record, names))
}

fn line(shard: u16, place: Place, number: &str, text: &str) -> String {
    let offset = count(place.offset);
    format!("{shard:>5} {:016x} {offset:>11} {number:>12}  {text}", place.segment)
}

fn as_text(shard: u16, piece: &Piece<'_>, names: &Names) -> String {
    match piece {
        Piece::Record(Batch { place, .. }, record) => record_text(shard, *place, record, names),
        Piece::Gap(gap @ Gap { from, batches, .. }) => {
            let records = counted(gap.records(), "record");
            let text = match batches {
                0 => "MISSING: how much was here nothing tells".to_owned(),
                _ => format!("MISSING: {} with {records}", counted(*batches, "batch")),
            };
            line(shard, *from, "", &text)
        }
        Piece::Unknown(fault) => {
            let place = Place { segment: fault.segment, offset: fault.offset };
            line(shard, place, "", &format!("UNKNOWN: {fault}"))
        }
        Piece::Stray(place) => line(shard, *place, "", "OUT OF ORDER: a batch older than what comes before it"),
    }
}

/// The queue that a record declares.
fn declared(record: &Record<'_>) -> Option<Declared> {
    match Meaning::decode(record) {
        Ok(Some(Meaning::Declared { queue, attributes } | Meaning::DeclaredAgain { queue, attributes })) => {
            declaration(queue, attributes).ok()
        }
        _ => None,
    }
}

/// A number, and whether it is this node's own affair.
fn numbered(number: u64) -> String {
    if number & LOCAL == 0 { count(number) } else { format!("local {}", count(number & !LOCAL)) }
}

fn told(record: &Record<'_>, names: &Names) -> String {
    match Meaning::decode(record) {
        Ok(Some(meaning)) => sentence(&meaning, names),
        Ok(None) => format!("a record of kind {}, which may be skipped", record.header.kind),
        Err(what) => format!("UNKNOWN: {what}"),
    }
}

fn of_queue(queue: &str, attributes: Attributes<'_>) -> String {
    match declaration(0, attributes) {
        Ok(Declared { address, routing, purpose, .. }) => {
            format!("{queue} made: address {}, {}, {}", quoted(&address), routing_name(routing), purpose_name(purpose))
        }
        Err(what) => format!("{queue} made: {what}"),
    }
}

fn sentence(meaning: &Meaning<'_>, names: &Names) -> String {
    let queue = |queue: &u64| match names.get(queue) {
        Some(name) => format!("queue {queue} {}", quoted(name)),
        None => format!("queue {queue}"),
    };
    match meaning {
        Meaning::Message { properties, queues, attributes, body } => {
            let queues: Vec<String> = queues.iter().map(|number| queue(&number)).collect();
            format!("message into {}: {}{}", queues.join(", "), described(properties, body), lines(*attributes))
        }
        Meaning::Moved { properties, places, attributes, body } => {
            let numbers: Vec<u64> = places.iter().collect();
            let places = numbers.chunks_exact(3).map(|place| format!("{} of {}", numbered(place[1]), queue(&place[0])));
            format!(
                "message written again, as {}: {}{}",
                places.collect::<Vec<_>>().join(", "),
                described(properties, body),
                lines(*attributes)
            )
        }
        Meaning::Acknowledged { queue: whose, first, last } if first == last => {
            format!("message {} left {}", count(*first), queue(whose))
        }
        Meaning::Acknowledged { queue: whose, first, last } => {
            format!("messages {} to {} left {}", count(*first), count(*last), queue(whose))
        }
        Meaning::Failed { queue: whose, message, count: failures } => {
            let failures = counted((*failures).into(), "failure");
            format!("a delivery of message {} of {} failed: {failures} so far", count(*message), queue(whose))
        }
        Meaning::Declared { queue: whose, attributes } => of_queue(&queue(whose), *attributes),
        Meaning::DeclaredAgain { queue: whose, attributes } => {
            format!("written again: {}", of_queue(&queue(whose), *attributes))
        }
        Meaning::Deleted { queue: whose } => format!("{} deleted", queue(whose)),
        Meaning::TransactionPart { coordinator, transaction, records } => {
            let records = counted(records.count.into(), "record");
            format!("{records} of transaction {transaction} of coordinator {coordinator}")
        }
        Meaning::TransactionCommitted { coordinator, transaction } => {
            format!("transaction {transaction} of coordinator {coordinator} committed")
        }
        Meaning::TransactionAborted { coordinator, transaction } => {
            format!("transaction {transaction} of coordinator {coordinator} aborted")
        }
    }
}

/// The lines that a message is in, where they are not those of its priority.
fn lines(attributes: Attributes<'_>) -> String {
    let mut text = String::new();
    let read = in_queues(attributes, |found| {
        if let Ok(Some(line)) = found.line() {
            text += &format!(", in line {line} of queue {}", found.queue);
        }
    });
    match read {
        Ok(()) => text,
        Err(what) => format!("{text}, UNKNOWN: {what}"),
    }
}

fn described(properties: &Properties, body: &[u8]) -> String {
    let Properties { durable, large, scheduled, grouped, priority, format, expires_ms, delivery_count } = properties;
    let mut parts = vec![if *large { "in a file".to_owned() } else { octets(body.len() as u64) }];
    parts.push(format!("priority {priority}"));
    if !durable {
        parts.push("not durable".to_owned());
    }
    if *scheduled {
        parts.push("not before the time in its annotations".to_owned());
    }
    if *grouped {
        parts.push("of a group".to_owned());
    }
    if *format != 0 {
        parts.push(format!("message format {format}"));
    }
    if *expires_ms != 0 {
        parts.push(format!("expires {expires_ms} ms after 1970 began"));
    }
    if *delivery_count != 0 {
        parts.push(format!("delivery count {delivery_count}"));
    }
    parts.join(", ")
}

fn routing_name(routing: RoutingType) -> &'static str {
    match routing {
        RoutingType::Anycast => "anycast",
        RoutingType::Multicast => "multicast",
    }
}

fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::OnDemand => "on demand",
        Purpose::Subscription => "durable subscription",
    }
}

/// A record as an object for programs.
pub(super) fn record_json(shard: u16, place: Place, record: &Record<'_>) -> Value {
    json!({
        "shard": shard, "segment": place.segment, "offset": place.offset, "local": record.number & LOCAL != 0,
        "number": record.number & !LOCAL, "record": fields(record),
    })
}

fn as_json(shard: u16, piece: &Piece<'_>) -> Value {
    match piece {
        Piece::Record(Batch { place, .. }, record) => record_json(shard, *place, record),
        Piece::Gap(gap @ Gap { from, to, batches, .. }) => json!({
            "shard": shard, "segment": from.segment, "offset": from.offset, "missing": {
                "batches": batches, "records": gap.records(),
                "to_segment": to.segment, "to_offset": to.offset,
            },
        }),
        Piece::Unknown(fault) => json!({
            "shard": shard, "segment": fault.segment, "offset": fault.offset, "unknown": fault.to_string(),
        }),
        Piece::Stray(place) => json!({
            "shard": shard, "segment": place.segment, "offset": place.offset, "out_of_order": true,
        }),
    }
}

fn fields(record: &Record<'_>) -> Value {
    match Meaning::decode(record) {
        Ok(Some(meaning)) => meant(&meaning),
        Ok(None) => json!({ "kind": record.header.kind, "skipped": true }),
        Err(what) => json!({ "kind": record.header.kind, "unknown": what }),
    }
}

fn declared_fields(kind: &str, queue: u64, attributes: Attributes<'_>) -> Value {
    match declaration(queue, attributes) {
        Ok(Declared { address, name, routing, purpose, selector, no_local, .. }) => json!({
            "kind": kind, "queue": queue, "address": address, "name": name,
            "routing": routing_name(routing), "purpose": purpose_name(purpose), "selector": selector,
            "no_local": no_local.map(Origin::number),
        }),
        Err(what) => json!({ "kind": kind, "queue": queue, "unknown": what }),
    }
}

fn meant(meaning: &Meaning<'_>) -> Value {
    match meaning {
        Meaning::Message { properties, queues, attributes, body } => json!({
            "kind": "message", "queues": queues.iter().collect::<Vec<u64>>(), "lines": line_fields(*attributes),
            "properties": of_message(properties), "body_bytes": body.len(),
        }),
        Meaning::Moved { properties, places, attributes, body } => {
            let numbers: Vec<u64> = places.iter().collect();
            let places = numbers
                .chunks_exact(3)
                .map(|place| json!({ "queue": place[0], "message": place[1] & !LOCAL, "failures": place[2] }));
            json!({
                "kind": "moved", "places": places.collect::<Vec<_>>(), "lines": line_fields(*attributes),
                "properties": of_message(properties), "body_bytes": body.len(),
            })
        }
        Meaning::Acknowledged { queue, first, last } => {
            json!({ "kind": "acknowledged", "queue": queue, "first": first, "last": last })
        }
        Meaning::Failed { queue, message, count } => {
            json!({ "kind": "failed", "queue": queue, "message": message, "failures": count })
        }
        Meaning::Declared { queue, attributes } => declared_fields("queue_declared", *queue, *attributes),
        Meaning::DeclaredAgain { queue, attributes } => declared_fields("queue_declared_again", *queue, *attributes),
        Meaning::Deleted { queue } => json!({ "kind": "queue_deleted", "queue": queue }),
        Meaning::TransactionPart { coordinator, transaction, records: Nested { count: records, .. } } => json!({
            "kind": "transaction_part", "coordinator": coordinator, "transaction": transaction, "records": records,
        }),
        Meaning::TransactionCommitted { coordinator, transaction } => {
            json!({ "kind": "transaction_committed", "coordinator": coordinator, "transaction": transaction })
        }
        Meaning::TransactionAborted { coordinator, transaction } => {
            json!({ "kind": "transaction_aborted", "coordinator": coordinator, "transaction": transaction })
        }
    }
}

/// As in `lines`.
fn line_fields(attributes: Attributes<'_>) -> Value {
    let mut found: Vec<Value> = Vec::new();
    let read = in_queues(attributes, |said| {
        if let Ok(Some(line)) = said.line() {
            found.push(json!({ "queue": said.queue, "line": line }));
        }
    });
    match read {
        Ok(()) => found.into(),
        Err(what) => json!({ "unknown": what }),
    }
}

fn of_message(properties: &Properties) -> Value {
    let Properties { durable, large, scheduled, grouped, priority, format, expires_ms, delivery_count } = properties;
    json!({
        "durable": durable, "large": large, "scheduled": scheduled, "grouped": grouped, "priority": priority, "format": format, "expires_ms": expires_ms,
        "delivery_count": delivery_count,
    })
}
