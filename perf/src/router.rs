//! Routers: one, and two in a row with the senders at the first and the receivers at the second.
//!
//! What a message costs beside the bare relay and echo of the same run; links that come and go while memory is watched; what connections and
//! addresses cost each. Every row starts routers of its own, with a link capacity of 10,000, on the routers' core, and the load on its own;
//! what is compared takes turns, and the median counts.
//!
//! Not here: frames of the relay (`load`), and what the words of routers to each other cost (the program's, as it says them).

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::compare::environment;
use crate::cores::Cores;
use crate::figure::{Figure, Report};
use crate::server::folder;

mod addresses;
mod churn;
mod connections;
mod latency;
mod nodes;
mod rates;
mod shards;

/// A part of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    /// Messages a second over one router and over two, beside the bare relay.
    Rates,
    /// Latency at 10,000 messages a second over one router and over two, beside the bare echo.
    Latency,
    /// Sixteen pairs on one shard and on two.
    Shards,
    /// Links attached and detached at a rate: memory over time.
    Churn,
    /// Many client connections: memory each.
    Connections,
    /// Many addresses: memory each, and how long it takes until one, and all, are in force at another router.
    Addresses,
}

/// What is measured.
#[derive(Args)]
pub struct Options {
    /// The router's program [default: beside this one].
    #[arg(long)]
    broker: Option<PathBuf>,
    /// Only these rows [default: all].
    #[arg(long, value_enum, value_delimiter = ',')]
    rows: Vec<Row>,
    /// Rounds of what is compared.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Messages that the pair of `rates` has on the way at most. Between routers' clients that is from end to end; a queue has as many on each
    /// side of it.
    #[arg(long, default_value_t = 2000)]
    window: u32,
    /// Links attached, and detached, in a second.
    #[arg(long, default_value_t = 1000)]
    churn_rate: u32,
    /// For so many seconds.
    #[arg(long, default_value_t = 600)]
    churn_seconds: u64,
    /// Client connections, with a session and two links each; each takes a descriptor of this program and one of the router.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Addresses, with a receiver each, a thousand on a connection.
    #[arg(long, default_value_t = 1_000_000)]
    addresses: usize,
    #[command(flatten)]
    cores: Cores,
    /// File for the figures, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Measures, prints a table, and writes the figures.
///
/// # Errors
/// When a router does not start, or breaks a connection.
pub fn run(options: &Options) -> io::Result<()> {
    engine_rt::raise_open_files();
    environment();
    println!("{}", Figure::columns());
    let mut report = Report::default();
    for row in Row::value_variants().iter().filter(|row| options.rows.is_empty() || options.rows.contains(row)) {
        let figures = match row {
            Row::Rates => rates::measure(options)?,
            Row::Latency => latency::measure(options)?,
            Row::Shards => shards::measure(options)?,
            Row::Churn => churn::measure(options)?,
            Row::Connections => connections::measure(options)?,
            Row::Addresses => addresses::measure(options)?,
        };
        report.add(figures);
    }
    std::fs::remove_dir_all(folder()?)?;
    options.json.as_ref().map_or(Ok(()), |file| std::fs::write(file, report.to_json()?))
}
