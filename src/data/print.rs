//! `heddle data print`: every record with its place, as a sentence or as JSON.
//!
//! It goes on behind what is damaged, and says where that is; `check` says whether anything is.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};

use serde_json::{Value, json};
use storage_disk::{DirectoryError, read_segments};
use storage_journal::{Batch, Gap, Piece, Place, Properties, Record, Salvage};

use super::place;
use super::tools::{Outcome, Result, Where, quoted};
use load_model::number::{count, counted, octets};

/// Names of a shard's queues, by their numbers.
type Names = HashMap<u64, String>;

/// Why not all was printed.
enum Stopped {
    Read(DirectoryError),
    Write(io::Error),
}

impl From<DirectoryError> for Stopped {
    fn from(error: DirectoryError) -> Self {
        Self::Read(error)
    }
}

/// Prints every record.
///
/// # Errors
/// When it is no data directory, or batches are missing.
pub fn print(place: &Where) -> Result<Outcome> {
    let directory = place::open(&place.data_dir)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if !place.json {
        writeln!(out, "{:>5} {:<16} {:>11} {:>12}  record", "shard", "segment", "offset", "sequence")?;
    }
    let mut missing = 0;
    for shard in 0..directory.shards() {
        let files = directory.journal(shard);
        let (mut salvage, mut names) = (Salvage::new(directory.id()), Names::new());
        let printed = read_segments(&files, &files.numbers()?, |part| {
            let mut written = Ok(());
            salvage.handle_part(part, |piece| {
                match &piece {
                    Piece::Record(_, _, Record::QueueDeclared { queue, name, .. }) => {
                        names.insert(*queue, (*name).to_owned());
                    }
                    Piece::Record(..) => {}
                    _ => missing += 1,
                }
                if written.is_ok() {
                    let line =
                        if place.json { as_json(shard, &piece).to_string() } else { as_text(shard, &piece, &names) };
                    written = writeln!(out, "{line}");
                }
            });
            written.map_err(Stopped::Write)
        });
        match printed {
            Ok(()) => {}
            Err(Stopped::Read(error)) => return Err(error.into()),
            Err(Stopped::Write(error)) => return Err(error.into()),
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

fn as_text(shard: u16, piece: &Piece<'_>, names: &Names) -> String {
    let (place, sequence, text) = match piece {
        Piece::Record(sequence, Batch { place, .. }, record) => (*place, count(*sequence), sentence(record, names)),
        Piece::Gap(Gap { from, batches, sequences, .. }) => {
            let records = counted(sequences.end - sequences.start, "record");
            let text = match batches {
                0 => "MISSING: how much was here nothing tells".to_owned(),
                _ => format!("MISSING: {} with {records}", counted(*batches, "batch")),
            };
            (*from, String::new(), text)
        }
        Piece::Unknown(fault) => {
            let place = Place { segment: fault.segment, offset: fault.offset };
            (place, String::new(), format!("UNKNOWN: {fault}"))
        }
        Piece::Stray(place) => {
            (*place, String::new(), "OUT OF ORDER: a batch older than what comes before it".to_owned())
        }
    };
    let offset = count(place.offset);
    format!("{shard:>5} {:016x} {offset:>11} {sequence:>12}  {text}", place.segment)
}

fn sentence(record: &Record<'_>, names: &Names) -> String {
    let queue = |queue: &u64| match names.get(queue) {
        Some(name) => format!("queue {queue} {}", quoted(name)),
        None => format!("queue {queue}"),
    };
    match record {
        Record::Message { properties, queues, body } => {
            let queues: Vec<String> = queues.iter().map(|number| queue(&number)).collect();
            format!("message into {}: {}", queues.join(", "), described(properties, body))
        }
        Record::Moved { properties, places, body } => {
            let numbers: Vec<u64> = places.iter().collect();
            let places = numbers.chunks_exact(3).map(|place| format!("{} of {}", count(place[1]), queue(&place[0])));
            format!(
                "message written again, as {}: {}",
                places.collect::<Vec<_>>().join(", "),
                described(properties, body)
            )
        }
        Record::Acknowledged { queue: whose, first, last } if first == last => {
            format!("message {} left {}", count(*first), queue(whose))
        }
        Record::Acknowledged { queue: whose, first, last } => {
            format!("messages {} to {} left {}", count(*first), count(*last), queue(whose))
        }
        Record::Failed { queue: whose, message, count: failures } => {
            let failures = counted((*failures).into(), "failure");
            format!("a delivery of message {} of {} failed: {failures} so far", count(*message), queue(whose))
        }
        Record::QueueDeclared { queue: whose, routing, purpose, address, .. } => {
            format!(
                "{} made: address {}, {}, {}",
                queue(whose),
                quoted(address),
                routing_name(*routing),
                purpose_name(*purpose)
            )
        }
        Record::QueueDeleted { queue: whose } => format!("{} deleted", queue(whose)),
        Record::TransactionPart { coordinator, transaction, records } => {
            let records = counted((*records).into(), "record");
            format!("the next {records} are of transaction {transaction} of shard {coordinator}")
        }
        Record::TransactionCommitted { coordinator, transaction } => {
            format!("transaction {transaction} of shard {coordinator} committed")
        }
        Record::TransactionAborted { coordinator, transaction } => {
            format!("transaction {transaction} of shard {coordinator} aborted")
        }
    }
}

fn described(properties: &Properties, body: &[u8]) -> String {
    let Properties { durable, large, priority, format, expires_ms, delivery_count } = properties;
    let mut parts = vec![if *large { "in a file".to_owned() } else { octets(body.len() as u64) }];
    parts.push(format!("priority {priority}"));
    if !durable {
        parts.push("not durable".to_owned());
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

fn routing_name(routing: u8) -> &'static str {
    match routing {
        0 => "anycast",
        1 => "multicast",
        _ => "unknown routing",
    }
}

fn purpose_name(purpose: u8) -> &'static str {
    match purpose {
        0 => "on demand",
        1 => "durable subscription",
        _ => "unknown purpose",
    }
}

fn as_json(shard: u16, piece: &Piece<'_>) -> Value {
    match piece {
        Piece::Record(sequence, Batch { place, .. }, record) => json!({
            "shard": shard, "segment": place.segment, "offset": place.offset, "sequence": sequence, "record": fields(record),
        }),
        Piece::Gap(Gap { from, to, batches, sequences }) => json!({
            "shard": shard, "segment": from.segment, "offset": from.offset, "missing": {
                "batches": batches, "records": sequences.end - sequences.start,
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
    match record {
        Record::Message { properties, queues, body } => json!({
            "kind": "message", "queues": queues.iter().collect::<Vec<u64>>(),
            "properties": of_message(properties), "body_bytes": body.len(),
        }),
        Record::Moved { properties, places, body } => {
            let numbers: Vec<u64> = places.iter().collect();
            let places = numbers
                .chunks_exact(3)
                .map(|place| json!({ "queue": place[0], "message": place[1], "failures": place[2] }));
            json!({
                "kind": "moved", "places": places.collect::<Vec<_>>(),
                "properties": of_message(properties), "body_bytes": body.len(),
            })
        }
        Record::Acknowledged { queue, first, last } => {
            json!({ "kind": "acknowledged", "queue": queue, "first": first, "last": last })
        }
        Record::Failed { queue, message, count } => {
            json!({ "kind": "failed", "queue": queue, "message": message, "failures": count })
        }
        Record::QueueDeclared { queue, routing, purpose, address, name } => json!({
            "kind": "queue_declared", "queue": queue, "address": address, "name": name,
            "routing": routing_name(*routing), "purpose": purpose_name(*purpose),
        }),
        Record::QueueDeleted { queue } => json!({ "kind": "queue_deleted", "queue": queue }),
        Record::TransactionPart { coordinator, transaction, records } => json!({
            "kind": "transaction_part", "coordinator": coordinator, "transaction": transaction, "records": records,
        }),
        Record::TransactionCommitted { coordinator, transaction } => {
            json!({ "kind": "transaction_committed", "coordinator": coordinator, "transaction": transaction })
        }
        Record::TransactionAborted { coordinator, transaction } => {
            json!({ "kind": "transaction_aborted", "coordinator": coordinator, "transaction": transaction })
        }
    }
}

fn of_message(properties: &Properties) -> Value {
    let Properties { durable, large, priority, format, expires_ms, delivery_count } = properties;
    json!({
        "durable": durable, "large": large, "priority": priority, "format": format, "expires_ms": expires_ms,
        "delivery_count": delivery_count,
    })
}
