//! `heddle-load`: the load generator on its own, against any AMQP 1.0 peer.

use std::process::ExitCode;

use clap::Parser;
use load_cli::{LoadCommand, Program};

/// A load generator for AMQP 1.0: open loop, latencies from when messages were due, and a verdict on itself.
#[derive(Parser)]
#[command(name = "heddle-load", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: LoadCommand,
}

fn main() -> ExitCode {
    Arguments::parse().command.execute(Program::Generator)
}
