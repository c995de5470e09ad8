//! `heddle data`: what is in a data directory, whether it is whole, and how to get it out and in.
//!
//! Read-only but for `import` and `compact`. Progress goes to standard error, results to standard output.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use engine_core::message::Large;
use engine_shard::limits::CHECKPOINT_SEGMENTS;
use engine_shard::store::StoreConfig;
use load_model::shown;
use serde::Serialize;
use storage_disk::large::read_part;
use storage_disk::{DataDirectory, LargeFiles, Sync, read_segments};
use storage_journal::{Buffer, Place, Replay};

use super::check;
use super::copy::{Target, copy_journals, extract};
use super::portable::{Extent, export, import};

pub(super) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Octets of a large message that are read at once.
pub(super) const FILE_PART: usize = 1 << 20;
/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(200);

/// Where the data is.
#[derive(Args)]
pub struct Where {
    /// The data directory.
    #[arg(long, value_name = "DIR", default_value = "./heddle-data")]
    pub(super) data_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
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
        DataCommand::Check(place) => check::check(&place),
        DataCommand::Stat(place) => stat(&place),
        DataCommand::Print(place) => print(&place),
        DataCommand::Export { place, output, damaged } => {
            export(&place, &output, if damaged { Extent::Readable } else { Extent::Everything })
        }
        DataCommand::Import { place, input, shards } => import(&place, &input, shards),
        DataCommand::Compact(place) => compact(&place),
    }
}

/// A line on the terminal that changes while something goes on.
pub(super) struct Progress {
    what: &'static str,
    last: Instant,
}

impl Progress {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, last: Instant::now() }
    }

    pub(super) fn tell(&mut self, text: impl FnOnce() -> String) {
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

pub(super) fn config(directory: &DataDirectory, shard: u16) -> StoreConfig {
    StoreConfig {
        shard,
        directory: directory.id(),
        segment_bytes: directory.segment_bytes(),
        checkpoint_segments: CHECKPOINT_SEGMENTS,
    }
}

/// Gives the parts of a large message.
pub(super) fn file_parts<'a>(files: &'a LargeFiles, large: &'a Large) -> impl Iterator<Item = io::Result<Buffer>> + 'a {
    (0..large.bytes).step_by(FILE_PART).map(move |offset| {
        let bytes = (large.bytes - offset).min(FILE_PART as u64);
        read_part(files, large.id, offset, usize::try_from(bytes).map_err(io::Error::other)?)
    })
}

/// Compares a large message with its checksum.
pub(super) fn check_file(files: &LargeFiles, large: &Large) -> std::result::Result<(), String> {
    let mut checksum = 0;
    for part in file_parts(files, large) {
        let part = part.map_err(|error| format!("the file of a large message cannot be read: {error}"))?;
        checksum = crc32c::crc32c_append(checksum, part.bytes());
    }
    if checksum == large.checksum { Ok(()) } else { Err("the checksum of a large message does not match".to_owned()) }
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
        println!(
            "{:>5} {:>12} {:>12}  {}",
            queue.shard,
            queue.messages,
            queue.body_bytes >> 20,
            shown::name(&queue.queue)
        );
    }
    Ok(())
}

fn print(place: &Where) -> Result<()> {
    let directory = DataDirectory::open_existing(&place.data_dir)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for shard in 0..directory.shards() {
        let files = directory.journal(shard);
        let mut replay = Replay::new(shard, directory.id());
        read_segments(&files, &files.numbers()?, |part| -> Result<()> {
            let mut failed = Ok(());
            let taken = replay.handle_part(part, |sequence, batch, record| {
                let Place { segment, offset } = batch.place;
                let line = if place.json {
                    serde_json::json!({ "shard": shard, "segment": segment, "offset": offset, "sequence": sequence,
                        "record": short(&format!("{record:?}")) })
                    .to_string()
                } else {
                    format!("{shard} {segment:016x} {offset:>10} {sequence:>12} {}", short(&format!("{record:?}")))
                };
                if failed.is_ok() {
                    failed = writeln!(out, "{line}");
                }
            });
            failed?;
            Ok(taken.map_err(|fault| format!("{}: {fault}", files.segment(fault.segment).display()))?)
        })?;
    }
    Ok(out.flush()?)
}

/// A text for people, without the whole of a body.
fn short(text: &str) -> String {
    if text.len() <= 200 { text.to_owned() } else { format!("{}…", text.chars().take(200).collect::<String>()) }
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

/// Tells what was done.
pub(super) fn report(place: &Where, result: &serde_json::Value, to_stdout: bool) {
    let text = if place.json {
        format!("{result:#}")
    } else {
        let fields = result.as_object().into_iter().flatten();
        fields.map(|(name, value)| format!("{} {value}", name.replace('_', " "))).collect::<Vec<_>>().join(", ")
    };
    if to_stdout { println!("{text}") } else { eprintln!("{text}") }
}
