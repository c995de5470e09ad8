//! What a message may cost: measured, held against `perf/budgets.toml`, and told where it is too much.
//!
//! Only what hardly depends on the machine has a budget: instructions, allocations and copies on a message's road without sockets
//! (`benches/`), and of a broker under load its system calls, what its journal writes, and the memory of an idle connection. Rates
//! and latencies do not; they are the suite's.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

mod broker;
mod file;

use crate::cores::Cores;
use file::{Budgets, Cost, Measured};

/// How it is checked.
#[derive(Args)]
pub struct Options {
    /// The budgets.
    #[arg(long, default_value = "perf/budgets.toml")]
    file: PathBuf,
    /// The broker's program [default: beside this one].
    #[arg(long)]
    broker: Option<PathBuf>,
    /// The program of `benches/` [default: beside this one].
    #[arg(long)]
    benches: Option<PathBuf>,
    /// Only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    #[command(flatten)]
    cores: Cores,
}

/// Measures what has a budget, and prints all of it.
///
/// # Errors
/// When something costs more than it may, or cannot be measured.
pub fn run(options: &Options) -> io::Result<()> {
    let of_file = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", options.file.display()));
    let text = std::fs::read_to_string(&options.file).map_err(|error| of_file(&error))?;
    let budgets = Budgets::parse(&text, &options.only).map_err(|error| of_file(&error))?;
    let mut measured = Vec::new();
    if budgets.cases().any(|case| case.starts_with(ROAD)) {
        measured.extend(road(options)?);
    }
    let cases: Vec<&str> = budgets.cases().filter(|case| !case.starts_with(ROAD)).collect();
    measured.extend(broker::measure(options, &cases)?);
    let report = budgets.check(&measured);
    print!("{}", report.text);
    if report.faults.is_empty() { Ok(()) } else { Err(io::Error::other(report.faults.join("; "))) }
}

/// What cases of the road begin with.
const ROAD: &str = "road, ";

/// Asks the benchmarks' program.
fn road(options: &Options) -> io::Result<Vec<Measured>> {
    let program = crate::server::beside(options.benches.as_ref(), "heddle-benches")?;
    let output = Command::new(&program).arg("--json").output().map_err(|error| {
        let program = program.display();
        io::Error::other(format!("{program}: {error}; build it with cargo build --release -p heddle-benches"))
    })?;
    let mut measured = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let found: serde_json::Value = serde_json::from_str(line)?;
        let case = format!("{ROAD}{}", found["case"].as_str().unwrap_or_default());
        for (cost, name) in [
            (Cost::Instructions, "instructions"),
            (Cost::Allocations, "allocations"),
            (Cost::Copies, "copies"),
            (Cost::CopiedBytes, "copied_bytes"),
        ] {
            // What is null was not measured: valgrind is missing.
            measured.extend(found[name].as_f64().map(|value| Measured { case: case.clone(), cost, value }));
        }
    }
    Ok(measured)
}
