//! The `heddle` program. Today it only knows its own name and version; the broker's commands follow.

use clap::Parser;

/// The command line.
#[derive(Parser)]
#[command(name = "heddle", version, about)]
struct Arguments {}

fn main() {
    let Arguments {} = Arguments::parse();
}
