//! `heddle data`: what is in a data directory, whether it is whole, and how to get it out and in.
//!
//! Read-only but for `import` and `compact`. Progress goes to standard error if that is a terminal, results to standard output. A
//! reader of standard output that has enough ends a command quietly.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use engine_catalogue::Placement;
use engine_core::message::Large;
use engine_shard::limits::CHECKPOINT_SEGMENTS;
use engine_shard::store::StoreConfig;
use storage_disk::large::read_part;
use storage_disk::{DataDirectory, LargeFiles, Sync};
use storage_journal::Buffer;

use super::check;
use super::copy::{Target, copy_journals};
use super::export::{Extent, export};
use super::import::{ImportTarget, import};
use super::output::Existing;
use super::place;
use super::print::print;
use super::stat::stat;
use crate::catalogue;
use load_model::number::{counted, octets};
use load_model::shown;

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
    #[command(after_help = "Examples:\n  heddle data check\n  heddle data check --data-dir /var/lib/heddle --json")]
    Check(Where),
    /// Count queues, messages and octets.
    #[command(after_help = "Examples:\n  heddle data stat\n  heddle data stat --data-dir /var/lib/heddle --json")]
    Stat(Where),
    /// Print every record with its place.
    #[command(after_help = "Examples:\n  heddle data print | head\n  heddle data print --json | grep queue_declared")]
    Print(Where),
    /// Write all queues and messages to a file, one JSON object a line.
    #[command(
        after_help = "Examples:\n  heddle data export --output messages.jsonl\n  heddle data export --damaged --output \
                            saved.jsonl\n\nExit status: 0 everything was exported; 3 what can be read was exported, and what is \
                            left out is told\n(--damaged); 1 nothing was exported; 2 wrong options."
    )]
    Export {
        #[command(flatten)]
        place: Where,
        /// The file; `-` for standard output.
        #[arg(long, value_name = "FILE", default_value = "-")]
        output: String,
        /// Take what can be read of a damaged journal, and tell what is left out.
        #[arg(long)]
        damaged: bool,
        /// Replace the file if it is there.
        #[arg(long)]
        force: bool,
    },
    /// Put what `export` wrote into a new data directory.
    #[command(after_help = "Example:\n  heddle data import --input messages.jsonl --data-dir new --shards 4")]
    Import {
        #[command(flatten)]
        place: Where,
        /// The file; `-` for standard input.
        #[arg(long, value_name = "FILE", default_value = "-")]
        input: String,
        /// For how many shards.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        shards: u16,
        /// Size of a segment of the journal, MiB: 2 to 1024. A message of one frame has to fit into one.
        #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(2..=1024))]
        segment_mib: u64,
    },
    /// Write the journals again, with nothing in them that is not needed.
    #[command(after_help = "Example:\n  heddle data compact --data-dir /var/lib/heddle")]
    Compact(Where),
}

/// How a command ended that did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As it should.
    Everything,
    /// Something was left out, and was told.
    WithLosses,
}

/// Exit status of an export that left something out.
const WITH_LOSSES: u8 = 3;
/// Exit status of a command whose reader had enough: that of a process that a broken pipe ended.
const PIPE_CLOSED: u8 = 141;

impl DataCommand {
    /// Does it, and says why not.
    pub fn execute(self) -> ExitCode {
        match self.run() {
            Ok(Outcome::Everything) => ExitCode::SUCCESS,
            Ok(Outcome::WithLosses) => ExitCode::from(WITH_LOSSES),
            Err(error) if is_closed_pipe(error.as_ref()) => ExitCode::from(PIPE_CLOSED),
            Err(error) => {
                say(&format!("heddle: {error}"));
                ExitCode::FAILURE
            }
        }
    }

    fn run(self) -> Result<Outcome> {
        match self {
            Self::Check(place) => check::check(&place).map(|()| Outcome::Everything),
            Self::Stat(place) => stat(&place),
            Self::Print(place) => print(&place),
            Self::Export { place, output, damaged, force } => {
                let extent = if damaged { Extent::Readable } else { Extent::Everything };
                export(&place, &output, extent, if force { Existing::Replace } else { Existing::Keep })
            }
            Self::Import { place, input, shards, segment_mib } => {
                import(&place, &input, ImportTarget { shards, segment_mib })
            }
            Self::Compact(place) => compact(&place),
        }
    }
}

fn is_closed_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(cause) = error {
        if cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return true;
        }
        error = cause.source();
    }
    false
}

/// A name that somebody else chose, in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", shown::name(name))
}

/// A line on standard error, as a terminal may show it.
pub(super) fn say(text: &str) {
    // Nobody is left to be told that it cannot be written.
    let _ = writeln!(io::stderr(), "{}", shown::lines(text));
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

fn compact(place: &Where) -> Result<Outcome> {
    let mut directory = place::open(&place.data_dir)?;
    let before = size(&place.data_dir)?;
    let catalogue = catalogue::read(Placement::new(directory.shards()), directory.path())?;
    let target = Target { catalogue: &catalogue, sync: Sync::AfterWrite, min_free_bytes: 0 };
    let mut progress = Progress::new("compacting");
    let messages = copy_journals(&mut directory, &target, |messages| {
        progress.tell(|| counted(messages, "message"));
    })?;
    drop(progress);
    let after = size(&place.data_dir)?;
    let result = serde_json::json!({ "messages": messages, "bytes_before": before, "bytes_after": after });
    let (before, after) = (octets(before), octets(after));
    let text = format!("{} written again: {after} on disk, {before} before", counted(messages, "message"));
    tell(place, Channel::Output, &result, &text)?;
    Ok(Outcome::Everything)
}

/// Octets of all files in a folder and those in it.
pub(super) fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += if found.is_dir() { size(&entry.path())? } else { found.len() };
    }
    Ok(bytes)
}

/// Where a result goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// Standard output.
    Output,
    /// Standard error, as standard output has the messages.
    Error,
}

impl Channel {
    /// The one that messages do not take.
    pub(super) fn beside(output: &str) -> Self {
        if output == "-" { Self::Error } else { Self::Output }
    }
}

/// Tells what was done.
pub(super) fn tell(place: &Where, channel: Channel, result: &serde_json::Value, text: &str) -> io::Result<()> {
    let text = if place.json { format!("{result:#}") } else { text.to_owned() };
    match channel {
        Channel::Output => writeln!(io::stdout(), "{text}"),
        Channel::Error => {
            say(&text);
            Ok(())
        }
    }
}
