//! What there may be much of, and what each of it costs: idle queues, subscriptions of a topic, links, a long backlog that is looked at,
//! messages that a queue has to look at.
//!
//! Every row starts a broker of its own with one shard. Costs are processor time of the broker's threads, which other programs on the machine
//! disturb less than they do rates; what is compared takes turns, and the median counts. Each row ends within `SECONDS_MAX`, and says so when
//! that cut it short.
//!
//! Not here: instructions, which a virtual machine without counters cannot tell; `benches/` has those of the plain road.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::compare::environment;
use crate::cores::Cores;
use crate::figure::{Figure, Report};
use crate::server::{Server, beside, folder, start_heddle_with};

mod browse;
mod kinds;
mod links;
mod queues;
mod topic;

/// How long a row may take, beside what is filled in or opened before.
const SECONDS_MAX: Duration = Duration::from_secs(120);
/// Links of one connection: of one session of Heddle, by default.
const LINKS_EACH: usize = 1000;

/// A part of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    /// Idle queues: memory each, and what the plain road loses by them.
    Queues,
    /// A topic with many subscriptions.
    Topic,
    /// Attach and detach of many links.
    Links,
    /// A backlog that is browsed while it is consumed.
    Browse,
    /// Messages of groups, for later, and last values of keys beside plain ones, and a topic whose subscriptions have selectors.
    Kinds,
}

/// What is measured.
#[derive(Args)]
pub struct Options {
    /// The broker's program [default: beside this one].
    #[arg(long)]
    broker: Option<PathBuf>,
    /// Only these rows [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    rows: Vec<Row>,
    /// Idle queues.
    #[arg(long, default_value_t = 100_000)]
    queues: usize,
    /// Subscriptions of a topic.
    #[arg(long, default_value_t = 10_000)]
    subscriptions: usize,
    /// Links that are attached and detached.
    #[arg(long, default_value_t = 100_000)]
    links: usize,
    /// Messages that are browsed while they are consumed, of 100 B.
    #[arg(long, default_value_t = 5_000_000)]
    backlog: u64,
    /// The budget for messages in memory meanwhile, MiB.
    #[arg(long, default_value_t = 256)]
    memory_mib: u64,
    /// Messages of each kind, of 100 B.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// The budget for messages in memory meanwhile, MiB.
    #[arg(long, default_value_t = 1024)]
    kinds_memory_mib: u64,
    /// For how much later messages are that are for later, seconds: more than it takes to send them.
    #[arg(long, default_value_t = 20.0)]
    later_seconds: f64,
    /// Subscriptions that choose by selectors.
    #[arg(long, default_value_t = 1000)]
    selectors: u64,
    /// Rounds of what is compared.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    #[command(flatten)]
    cores: Cores,
    /// File for the figures, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Options {
    /// Starts a broker whose files are in a folder of that name; `limits` are lines of that part of its configuration.
    fn start(&self, name: &str, limits: &str) -> io::Result<Server> {
        let folder = folder()?.join(name);
        std::fs::create_dir_all(&folder)?;
        let node = self.cores.node();
        start_heddle_with(&beside(self.broker.as_ref(), "heddle")?, &folder, &node, &format!("[limits]\n{limits}\n"))
    }
}

/// Measures, prints a table, and writes the figures.
///
/// # Errors
/// When a broker does not start, or breaks a connection.
pub fn run(options: &Options) -> io::Result<()> {
    engine_rt::raise_open_files();
    environment();
    println!("{}", Figure::columns());
    let mut report = Report::default();
    for row in Row::value_variants().iter().filter(|row| options.rows.is_empty() || options.rows.contains(row)) {
        let figures = match row {
            Row::Queues => queues::measure(options)?,
            Row::Topic => topic::measure(options)?,
            Row::Links => links::measure(options)?,
            Row::Browse => browse::measure(options)?,
            Row::Kinds => kinds::measure(options)?,
        };
        report.add(figures);
    }
    std::fs::remove_dir_all(folder()?)?;
    options.json.as_ref().map_or(Ok(()), |file| std::fs::write(file, report.to_json()?))
}
