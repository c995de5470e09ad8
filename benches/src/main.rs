//! Counts what a message costs: allocations by a counting allocator, instructions under valgrind's callgrind.

use std::process::{Command, ExitCode};

use clap::Parser;
use heddle_benches::counting::{Counting, allocations};
use heddle_benches::road::{BATCH, Road};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CASES: [(&str, usize, bool); 4] = [
    ("100 B unsettled", 100, false),
    ("100 B presettled", 100, true),
    ("1 KiB unsettled", 1024, false),
    ("4 KiB unsettled", 4096, false),
];
const WARM_UP_TURNS: u32 = 200;

/// Instructions and allocations of a message on its road without sockets.
///
///     cargo run --release -p heddle-benches
#[derive(Parser)]
struct Arguments {
    /// Runs one case for so many turns and says nothing: what is counted.
    #[arg(long, num_args = 2, value_names = ["CASE", "TURNS"], hide = true)]
    run: Option<Vec<u32>>,
}

fn main() -> ExitCode {
    if let Some([case, turns]) = Arguments::parse().run.as_deref() {
        let (_, size, settled) = CASES[*case as usize];
        let mut road = Road::new(size, settled);
        road.turns(*turns);
        return ExitCode::SUCCESS;
    }
    println!("{:<20} {:>14} {:>22}", "case", "instructions", "allocations per 1000");
    for (index, (name, size, settled)) in CASES.into_iter().enumerate() {
        let mut road = Road::new(size, settled);
        road.turns(WARM_UP_TURNS);
        let turns = 1000;
        let count = allocations(|| road.turns(turns));
        let per_thousand = count as f64 * 1000.0 / f64::from(turns * BATCH);
        let instructions = match (collected(index, 200), collected(index, 400)) {
            (Some(less), Some(more)) => format!("{:.0}", (more - less) as f64 / f64::from(200 * BATCH)),
            _ => "no valgrind".to_owned(),
        };
        println!("{name:<20} {instructions:>14} {per_thousand:>22.2}");
    }
    ExitCode::SUCCESS
}

/// Instructions of a run, `None` where valgrind is missing.
fn collected(case: usize, turns: u32) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().ok()?)
        .args(["--run", &case.to_string(), &turns.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}
