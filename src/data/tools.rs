//! `heddle data`: what is in a data directory, whether it is whole, and how to get it out and in.
//!
//! Read-only but for `import` and `compact`. Progress goes to standard error, results to standard output.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal as _, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use clap::{Args, Subcommand};
use engine_core::command::RoutingType;
use engine_core::fact::{Declared, Purpose};
use engine_core::message::{Header, Message};
use engine_shard::limits::CHECKPOINT_SEGMENTS;
use engine_shard::store::{Extract, Recovery, StoreConfig};
use serde::{Deserialize, Serialize};
use storage_disk::{DataDirectory, JournalFiles, Sync};
use storage_journal::Replay;

use super::copy::{Target, copy_journals, extract, new_journals};
use super::open::identity;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Length of new segments, octets.
const SEGMENT_BYTES: u64 = 64 << 20;
/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(200);

/// Where the data is.
#[derive(Args)]
pub struct Where {
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "./heddle-data")]
    data_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What to do with a data directory.
#[derive(Subcommand)]
pub enum DataCommand {
    /// Read everything, and say with file and offset what is damaged.
    Check(Where),
    /// Count queues, messages and bytes.
    Stat(Where),
    /// Print every record with its place.
    Print(Where),
    /// Write all queues and messages to a file, one JSON object a line.
    Export {
        #[command(flatten)]
        place: Where,
        /// The file; `-` for standard output.
        #[arg(long, value_name = "FILE", default_value = "-")]
        output: String,
        /// Take what can be read of a damaged journal.
        #[arg(long)]
        damaged: bool,
    },
    /// Put what `export` wrote into a new data directory.
    Import {
        #[command(flatten)]
        place: Where,
        /// The file; `-` for standard input.
        #[arg(long, value_name = "FILE", default_value = "-")]
        input: String,
        /// For how many shards.
        #[arg(long, default_value_t = 1)]
        shards: u16,
    },
    /// Write the journals again, with nothing in them that is not needed.
    Compact(Where),
}

/// Does it.
///
/// # Errors
/// When it cannot be done, or the data is damaged.
pub fn run(command: DataCommand) -> Result<()> {
    match command {
        DataCommand::Check(place) => check(&place),
        DataCommand::Stat(place) => stat(&place),
        DataCommand::Print(place) => print(&place),
        DataCommand::Export { place, output, damaged } => export(&place, &output, damaged),
        DataCommand::Import { place, input, shards } => import(&place, &input, shards),
        DataCommand::Compact(place) => compact(&place),
    }
}

/// A line on the terminal that changes while something goes on.
struct Progress {
    what: &'static str,
    last: Instant,
}

impl Progress {
    fn new(what: &'static str) -> Self {
        Self { what, last: Instant::now() }
    }

    fn tell(&mut self, text: impl FnOnce() -> String) {
        if io::stderr().is_terminal() && self.last.elapsed() > PROGRESS {
            self.last = Instant::now();
            eprint!("\r{}: {}\x1b[K", self.what, text());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}

#[derive(Serialize)]
struct Damage {
    shard: u16,
    file: PathBuf,
    offset: u64,
    what: String,
}

fn config(directory: &DataDirectory, shard: u16) -> StoreConfig {
    StoreConfig {
        shard,
        directory: directory.id(),
        segment_bytes: directory.segment_bytes(),
        checkpoint_segments: CHECKPOINT_SEGMENTS,
    }
}

fn check(place: &Where) -> Result<()> {
    let directory = DataDirectory::open_existing(&place.data_dir)?;
    let (mut damages, mut messages, mut segments, mut torn) = (Vec::new(), 0, 0, 0);
    let mut progress = Progress::new("checking");
    for shard in 0..directory.shards() {
        let files = directory.journal(shard);
        for checkpoint in files.checkpoints()? {
            if let Err(what) = Recovery::resume(config(&directory, shard), &files.read_checkpoint(checkpoint)?) {
                let file = files.path().join(format!("{checkpoint:016x}.checkpoint"));
                damages.push(Damage { shard, file, offset: 0, what: what.to_owned() });
            }
        }
        let mut recovery = Recovery::new(config(&directory, shard));
        let numbers = files.numbers()?;
        if let Err(fault) = recovery.handle_numbers(&numbers) {
            let file = files.segment(fault.segment);
            damages.push(Damage { shard, file, offset: 0, what: "this segment is missing".into() });
            continue;
        }
        for (index, &number) in numbers.iter().enumerate() {
            progress.tell(|| format!("shard {shard}, segment {} of {}", index + 1, numbers.len()));
            if let Err(fault) = recovery.handle_segment(number, files.read(number)?.bytes()) {
                let file = files.segment(fault.segment);
                damages.push(Damage { shard, file, offset: fault.offset, what: fault.to_string() });
                break;
            }
            segments += 1;
        }
        torn += u32::from(recovery.ended().is_some_and(|ended| ended.torn));
        messages += recovery.messages();
    }
    drop(progress);
    if place.json {
        let result = serde_json::json!({
            "whole": damages.is_empty(), "segments": segments, "messages": messages, "cut_off_by_a_crash": torn,
            "damages": damages,
        });
        println!("{result:#}");
    } else {
        for Damage { shard, file, offset, what } in &damages {
            println!("shard {shard}: {} at offset {offset}: {what}", file.display());
        }
        println!("{segments} segments, {messages} messages, {} damages", damages.len());
        if torn > 0 {
            println!("a crash cut off the last batch of {torn} shards; it was never acknowledged");
        }
    }
    if damages.is_empty() { Ok(()) } else { Err("the journal is damaged; nothing was changed".into()) }
}

#[derive(Serialize)]
struct QueueStat {
    shard: u16,
    address: String,
    queue: String,
    messages: u64,
    body_bytes: u64,
}

fn stat(place: &Where) -> Result<()> {
    let directory = DataDirectory::open_existing(&place.data_dir)?;
    let (mut queues, mut journal, mut live) = (Vec::new(), 0, 0);
    for shard in 0..directory.shards() {
        let (source, _) = extract(&directory, shard)?;
        let (bytes, needed) = source.bytes();
        (journal, live) = (journal + bytes, live + needed);
        queues.extend(source.queues().iter().map(|queue| QueueStat {
            shard,
            address: queue.declared.address.clone(),
            queue: queue.declared.name.clone(),
            messages: queue.messages,
            body_bytes: queue.bytes,
        }));
    }
    queues.sort_by(|one, other| one.queue.cmp(&other.queue));
    if place.json {
        let shards = directory.shards();
        println!(
            "{:#}",
            serde_json::json!({ "shards": shards, "journal_bytes": journal, "live_bytes": live, "queues": queues })
        );
        return Ok(());
    }
    println!(
        "{} shards, {} MiB of segments, {} MiB of messages in them\n",
        directory.shards(),
        journal >> 20,
        live >> 20
    );
    println!("{:>5} {:>12} {:>12}  queue", "shard", "messages", "MiB");
    for queue in queues {
        println!("{:>5} {:>12} {:>12}  {}", queue.shard, queue.messages, queue.body_bytes >> 20, queue.queue);
    }
    Ok(())
}

fn print(place: &Where) -> Result<()> {
    let directory = DataDirectory::open_existing(&place.data_dir)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for shard in 0..directory.shards() {
        let files = directory.journal(shard);
        let mut replay = Replay::new(shard, directory.id());
        for number in files.numbers()? {
            let mut failed = Ok(());
            let taken = replay.handle_segment(number, files.read(number)?.bytes(), |sequence, batch, record| {
                let offset = batch.place.offset;
                let line = if place.json {
                    serde_json::json!({ "shard": shard, "segment": number, "offset": offset, "sequence": sequence,
                        "record": short(&format!("{record:?}")) })
                    .to_string()
                } else {
                    format!("{shard} {number:016x} {offset:>10} {sequence:>12} {}", short(&format!("{record:?}")))
                };
                if failed.is_ok() {
                    failed = writeln!(out, "{line}");
                }
            });
            failed?;
            taken.map_err(|fault| format!("{}: {fault}", files.segment(fault.segment).display()))?;
        }
    }
    Ok(out.flush()?)
}

/// A text for people, without the whole of a body.
fn short(text: &str) -> String {
    if text.len() <= 200 { text.to_owned() } else { format!("{}…", text.chars().take(200).collect::<String>()) }
}

/// A line of an export.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first one.
    Heddle { export: u32 },
    /// A queue; messages that follow are in it.
    Queue { address: String, name: String, multicast: bool, subscription: bool },
    /// A message of the last queue.
    Message {
        priority: u8,
        format: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_ms: Option<NonZeroU64>,
        delivery_count: u32,
        body: String,
    },
}

/// Version of the lines.
const EXPORT: u32 = 1;

fn export(place: &Where, output: &str, damaged: bool) -> Result<()> {
    let directory = DataDirectory::open_existing(&place.data_dir)?;
    let out: Box<dyn Write> =
        if output == "-" { Box::new(io::stdout().lock()) } else { Box::new(File::create(output)?) };
    let mut out = BufWriter::new(out);
    writeln!(out, "{}", serde_json::to_string(&Line::Heddle { export: EXPORT })?)?;
    let mut progress = Progress::new("exporting");
    let (mut queues, mut messages) = (0, 0_u64);
    for shard in 0..directory.shards() {
        let (source, files) = if damaged { salvage(&directory, shard)? } else { extract(&directory, shard)? };
        for queue in source.queues() {
            queues += 1;
            let Declared { routing, purpose, address, name, .. } = &queue.declared;
            let line = Line::Queue {
                address: address.clone(),
                name: name.clone(),
                multicast: *routing == RoutingType::Multicast,
                subscription: *purpose == Purpose::Subscription,
            };
            writeln!(out, "{}", serde_json::to_string(&line)?)?;
            for part in source.parts(queue.declared.queue) {
                let buffer = files.read_part(part.place, part.bytes)?;
                let found = source
                    .messages(&part, buffer.bytes())
                    .map_err(|fault| format!("{}: {fault}", files.segment(part.place.segment).display()))?;
                for (_, message) in found {
                    messages += 1;
                    let line = Line::Message {
                        priority: message.header.priority,
                        format: message.format,
                        expires_ms: message.expires_wall_ms,
                        delivery_count: message.header.delivery_count,
                        body: BASE64_STANDARD.encode(&message.body),
                    };
                    writeln!(out, "{}", serde_json::to_string(&line)?)?;
                }
                progress.tell(|| format!("{messages} messages"));
            }
        }
    }
    drop(progress);
    out.flush()?;
    report(place, &serde_json::json!({ "queues": queues, "messages": messages }), output != "-");
    Ok(())
}

/// What can be read of a journal.
fn salvage(directory: &DataDirectory, shard: u16) -> Result<(Extract, JournalFiles)> {
    let files = directory.journal(shard);
    let mut recovery = Recovery::new(config(directory, shard));
    for number in files.numbers()? {
        recovery.salvage_segment(number, files.read(number)?.bytes());
    }
    let (store, restored, _, _) = recovery.finish();
    Ok((Extract::new(store, restored), files))
}

fn import(place: &Where, input: &str, shards: u16) -> Result<()> {
    if place.data_dir.join("directory.json").exists() {
        return Err(format!("{} is a data directory: import makes a new one", place.data_dir.display()).into());
    }
    let mut directory = DataDirectory::open(&place.data_dir, shards.max(1), SEGMENT_BYTES, identity())?;
    let target = Target { shards: shards.max(1), sync: Sync::AfterWrite, min_free_bytes: 0 };
    let mut journals = new_journals(&directory, &target)?;
    let placement = engine_shard::placement::Placement::new(target.shards);
    let source: Box<dyn BufRead> =
        if input == "-" { Box::new(io::stdin().lock()) } else { Box::new(BufReader::new(File::open(input)?)) };
    let mut progress = Progress::new("importing");
    let (mut current, mut queues, mut messages) = (None, 0, 0_u64);
    for (index, line) in source.lines().enumerate() {
        let fail = |error: &dyn std::fmt::Display| format!("line {}: {error}", index + 1);
        match serde_json::from_str(&line?).map_err(|error| fail(&error))? {
            Line::Heddle { export: EXPORT } if index == 0 => {}
            Line::Heddle { export } => return Err(fail(&format!("version {export} of exports is not known")).into()),
            _ if index == 0 => return Err("this is no export of heddle data".into()),
            Line::Queue { address, name, multicast, subscription } => {
                queues += 1;
                let owner = usize::from(placement.owner(&address));
                let declared = Declared {
                    queue: 0,
                    routing: if multicast { RoutingType::Multicast } else { RoutingType::Anycast },
                    purpose: if subscription { Purpose::Subscription } else { Purpose::OnDemand },
                    address,
                    name,
                };
                current = journals.get_mut(owner).map(|journal| (owner, journal.queue(&declared)));
            }
            Line::Message { priority, format, expires_ms, delivery_count, body } => {
                let body = BASE64_STANDARD.decode(body).map_err(|error| fail(&error))?;
                let (owner, queue) = current.ok_or_else(|| fail(&"a message without a queue"))?;
                let header = Header { durable: true, priority, first_acquirer: false, delivery_count };
                let message = Message { header, format, body: Bytes::from(body), expires_wall_ms: expires_ms };
                if let Some(journal) = journals.get_mut(owner) {
                    journal.message(queue, message)?;
                }
                messages += 1;
                progress.tell(|| format!("{messages} messages"));
            }
        }
    }
    drop(progress);
    for journal in journals {
        journal.finish()?;
    }
    directory.replace_journals(target.shards)?;
    report(place, &serde_json::json!({ "queues": queues, "messages": messages }), true);
    Ok(())
}

fn compact(place: &Where) -> Result<()> {
    let mut directory = DataDirectory::open_existing(&place.data_dir)?;
    let before = size(&place.data_dir)?;
    let target = Target { shards: directory.shards(), sync: Sync::AfterWrite, min_free_bytes: 0 };
    let messages = copy_journals(&mut directory, &target)?;
    let after = size(&place.data_dir)?;
    report(place, &serde_json::json!({ "messages": messages, "bytes_before": before, "bytes_after": after }), true);
    Ok(())
}

/// Octets of all files in a folder and those in it.
fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += if found.is_dir() { size(&entry.path())? } else { found.len() };
    }
    Ok(bytes)
}

fn report(place: &Where, result: &serde_json::Value, to_stdout: bool) {
    let text = if place.json {
        format!("{result:#}")
    } else {
        let fields = result.as_object().into_iter().flatten();
        fields.map(|(name, value)| format!("{} {value}", name.replace('_', " "))).collect::<Vec<_>>().join(", ")
    };
    if to_stdout { println!("{text}") } else { eprintln!("{text}") }
}
