//! Counts what a message costs: allocations by a counting allocator, instructions and copies under valgrind.

use std::process::{Command, ExitCode};

use clap::Parser;
use heddle_benches::counting::{Counting, allocations};
use heddle_benches::hops::Hops;
use heddle_benches::lanes::Lanes;
use heddle_benches::road::{Road, Sent, batch};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The road of a case.
#[derive(Clone, Copy)]
enum Way {
    /// One node.
    One(Sent),
    /// Two routers.
    Two,
    /// Two shards of a router.
    Across,
}

const CASES: [(&str, usize, Way); 10] = [
    ("100 B unsettled", 100, Way::One(Sent::Unsettled)),
    ("100 B presettled", 100, Way::One(Sent::Presettled)),
    ("1 KiB unsettled", 1024, Way::One(Sent::Unsettled)),
    ("4 KiB unsettled", 4096, Way::One(Sent::Unsettled)),
    ("1 KiB durable", 1024, Way::One(Sent::Durable)),
    ("100 B routed", 100, Way::One(Sent::Routed)),
    ("100 B routed presettled", 100, Way::One(Sent::RoutedPresettled)),
    ("100 B over two routers", 100, Way::Two),
    ("1 KiB over two routers", 1024, Way::Two),
    ("100 B over two shards", 100, Way::Across),
];
const WARM_UP_TURNS: u32 = 200;
/// Turns of the two runs whose difference is what turns cost, without what starting costs.
const FEW_TURNS: u32 = 200;
const MORE_TURNS: u32 = 400;

/// Instructions, allocations and copies of a message on its road without sockets.
///
///     cargo run --release -p heddle-benches
#[derive(Parser)]
struct Arguments {
    /// Prints a JSON object for each case; what valgrind would have counted is null where it is missing.
    #[arg(long)]
    json: bool,
    /// Runs one case for so many turns and says nothing: what is counted.
    #[arg(long, num_args = 2, value_names = ["CASE", "TURNS"], hide = true)]
    run: Option<Vec<u32>>,
}

/// A road that is built.
enum Running {
    One(Box<Road>),
    Two(Box<Hops>),
    Across(Box<Lanes>),
}

impl Running {
    fn new(size: usize, way: Way) -> Self {
        match way {
            Way::One(sent) => Self::One(Box::new(Road::new(size, sent))),
            Way::Two => Self::Two(Box::new(Hops::new(size))),
            Way::Across => Self::Across(Box::new(Lanes::new(size))),
        }
    }

    fn turns(&mut self, turns: u32) {
        match self {
            Self::One(road) => road.turns(turns),
            Self::Two(hops) => hops.turns(turns),
            Self::Across(lanes) => lanes.turns(turns),
        }
    }

    fn batch(&self) -> u32 {
        match self {
            Self::One(road) => road.batch(),
            Self::Two(hops) => hops.batch(),
            Self::Across(lanes) => lanes.batch(),
        }
    }
}

/// What a message costs.
struct Cost {
    allocations: f64,
    instructions: Option<f64>,
    /// Calls of `memcpy` and its like, and what they moved. Copies that the compiler wrote out are not among them.
    copies: Option<f64>,
    copied_bytes: Option<f64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some([case, turns]) = arguments.run.as_deref() {
        let (_, size, way) = CASES[*case as usize];
        Running::new(size, way).turns(*turns);
        return ExitCode::SUCCESS;
    }
    if !arguments.json {
        println!(
            "{:<24} {:>14} {:>22} {:>8} {:>14}",
            "case", "instructions", "allocations per 1000", "copies", "octets copied"
        );
    }
    for (index, (name, size, way)) in CASES.into_iter().enumerate() {
        let cost = Cost::measure(index, Running::new(size, way));
        if arguments.json { cost.print_json(name) } else { cost.print(name) }
    }
    ExitCode::SUCCESS
}

impl Cost {
    fn measure(case: usize, mut road: Running) -> Self {
        road.turns(WARM_UP_TURNS);
        let turns = 1000;
        let count = allocations(|| road.turns(turns));
        let (instructions, [copied_bytes, copies]) = (collected(case), copied(case));
        Self { allocations: count as f64 / f64::from(turns * road.batch()), instructions, copies, copied_bytes }
    }

    fn print(&self, name: &str) {
        let counted = |count: Option<f64>, digits: usize| {
            count.map_or("no valgrind".to_owned(), |count| format!("{count:.digits$}"))
        };
        println!(
            "{name:<24} {:>14} {:>22.2} {:>8} {:>14}",
            counted(self.instructions, 0),
            self.allocations * 1000.0,
            counted(self.copies, 2),
            counted(self.copied_bytes, 0)
        );
    }

    fn print_json(&self, name: &str) {
        let counted = |count: Option<f64>| count.map_or("null".to_owned(), |count| count.to_string());
        println!(
            r#"{{"case":"{name}","instructions":{},"allocations":{},"copies":{},"copied_bytes":{}}}"#,
            counted(self.instructions),
            self.allocations,
            counted(self.copies),
            counted(self.copied_bytes)
        );
    }
}

/// Instructions of a message.
fn collected(case: usize) -> Option<f64> {
    let [count] = each(case, &["--tool=callgrind", "--callgrind-out-file=/dev/null"], |text| {
        let line = text.lines().find(|line| line.contains("Collected :"))?;
        Some([line.rsplit(' ').next()?.parse().ok()?])
    });
    count
}

/// Octets copied of a message, and in how many pieces.
fn copied(case: usize) -> [Option<f64>; 2] {
    each(case, &["--tool=dhat", "--mode=copy", "--dhat-out-file=/dev/null"], |text| {
        let (_, total) = text.lines().find_map(|line| line.split_once("Total:"))?;
        let mut words = total.split_whitespace();
        let mut next_number = || words.find_map(|word| word.replace(',', "").parse().ok());
        Some([next_number()?, next_number()?])
    })
}

/// What valgrind counts for each message; nothing where it is missing.
fn each<const N: usize>(case: usize, tool: &[&str], read: fn(&str) -> Option<[u64; N]>) -> [Option<f64>; N] {
    let run = |turns: u32| {
        let mut command = Command::new("valgrind");
        command.args(tool).arg(std::env::current_exe().ok()?).args(["--run", &case.to_string(), &turns.to_string()]);
        read(&String::from_utf8_lossy(&command.output().ok()?.stderr))
    };
    let (Some(few), Some(more)) = (run(FEW_TURNS), run(MORE_TURNS)) else { return [None; N] };
    let messages = f64::from((MORE_TURNS - FEW_TURNS) * batch(CASES[case].1));
    std::array::from_fn(|index| Some(more[index].saturating_sub(few[index]) as f64 / messages))
}
