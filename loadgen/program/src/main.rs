//! `heddle-load`: the load generator on its own, against any AMQP 1.0 peer.
//!
//! It has the commands of `heddle load`, and the second client, which the broker's program does not have: a broker does not link tokio.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use load_cli::{LoadCommand, Program};
use load_drive::{RunError, Workers};
use load_model::scenario::{Client, Scenario};
use load_model::worker::Share;

/// A load generator for AMQP 1.0: open loop, latencies from when messages were due, and a verdict on itself.
#[derive(Parser)]
#[command(name = "heddle-load", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: LoadCommand,
}

/// Starts threads of the client that a scenario asks for.
///
/// # Errors
/// When they cannot be made, or the client cannot do what the scenario asks for.
fn start(scenario: &Scenario, shares: &[Share], cores: &[usize]) -> Result<Workers, RunError> {
    match scenario.client {
        Client::Heddle => load_drive::start_local(scenario, shares, cores),
        Client::Fe2o3 => load_fe2o3::start(scenario, shares, cores),
    }
}

fn main() -> ExitCode {
    Arguments::parse().command.execute(Program::Generator(start))
}
