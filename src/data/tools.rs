//! `heddle data`: what is in a data directory, whether it is whole, and how to get it out and in.
//!
//! Read-only but for `import` and `compact`. Progress goes to standard error if that is a terminal, results to standard output. A
//! reader of standard output that has enough ends a command quietly.

use std::io;
use std::process::ExitCode;

use clap::Subcommand;

use super::answer::{Outcome, Result, say};
use super::check::check;
use super::compact::compact;
use super::export::{Extent, export};
use super::import::{ImportTarget, import};
use super::output::Existing;
use super::place::Where;
use super::print::print;
use super::stat::stat;

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
            Self::Check(place) => check(&place).map(|()| Outcome::Everything),
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
