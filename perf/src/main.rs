//! `heddle-perf`: loads a broker and a bare relay of the same bytes side by side. See `perf/README.md`.

mod audit;
mod backlog;
mod budgets;
mod client;
mod compare;
mod cores;
mod durable;
mod figure;
mod hold;
mod idle;
mod large;
mod load;
mod message;
mod peer;
mod relay;
mod replay;
mod router;
mod scale;
mod server;
mod space;
mod suite;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use engine_rt::{CongestionControl, Listener};
use load_model::number;

use load::{Accepted, Load, Pace, Paced, Reader};
use message::Kept;
use peer::Settle;
use relay::Mode;

/// Loads a broker and a bare relay side by side.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Congestion control of the load's connections, and of those of the bare relay and echo: "system", one by name, or "auto": the system's,
    /// but none that paces ("bbr") within this machine, as Heddle has it.
    #[arg(long, global = true, value_name = "NAME", default_value = "system", value_parser = wire::parse)]
    congestion_control: CongestionControl,
}

#[derive(Subcommand)]
enum Command {
    /// All cases, broker and relay in turn, with ratios and targets.
    Compare(compare::Options),
    /// Durable messages: Heddle, Artemis and the bare device in turn.
    Durable(durable::Options),
    /// The scenario set against Heddle and its peers, with the load generator.
    Suite(suite::Options),
    /// What a message costs, held against the budgets of a file.
    Budgets(budgets::Options),
    /// What there may be much of, and what each costs: queues, subscriptions, links, a backlog that is browsed.
    Scale(scale::Options),
    /// A router, and two in a row: rates and latencies beside the bare relay and echo, links that come and go, many connections and addresses.
    Router(router::Options),
    /// One closed-loop load.
    Pairs {
        /// The broker.
        to: SocketAddr,
        /// Producers and consumers.
        #[arg(long, default_value_t = 1)]
        pairs: usize,
        /// Bytes of a body.
        #[arg(long, default_value_t = 100)]
        size: usize,
        /// Deliveries on the way for each pair.
        #[arg(long, default_value_t = 2000)]
        window: u32,
        /// Send settled.
        #[arg(long)]
        presettled: bool,
        /// Send durable messages.
        #[arg(long)]
        durable: bool,
        /// How long.
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// The core that the load runs on.
        #[arg(long, default_value_t = 1)]
        core: usize,
    },
    /// One open-loop load.
    Paced {
        /// The broker.
        to: SocketAddr,
        /// Messages a second.
        #[arg(long, default_value_t = 10_000)]
        rate: u64,
        /// How long.
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// The queue; its name decides which shard owns it.
        #[arg(long, default_value = "perf.paced")]
        address: String,
        /// The core that the load runs on.
        #[arg(long, default_value_t = 1)]
        core: usize,
    },
    /// Durable messages, each measured from the moment it was due to its acceptance.
    Accepted {
        /// The broker.
        to: SocketAddr,
        /// Messages a second; without it each is sent when the one before was accepted.
        #[arg(long)]
        rate: Option<u64>,
        /// Bytes of a body.
        #[arg(long, default_value_t = 1024)]
        size: usize,
        /// Leave them in the queue.
        #[arg(long)]
        unread: bool,
        /// How long.
        #[arg(long, default_value_t = 5.0)]
        seconds: f64,
        /// The queue.
        #[arg(long, default_value = "perf.accepted")]
        address: String,
        /// The core that the load runs on.
        #[arg(long, default_value_t = 1)]
        core: usize,
    },
    /// Sends durable messages to a queue that nobody reads, and tells the rate as it goes.
    Fill(backlog::Fill),
    /// Reads a queue to its end, and checks the order of what `fill` sent.
    Drain(backlog::Drain),
    /// Takes what `fill` sent and settles nothing, tells what that costs the broker, and reads all of it again.
    Hold(hold::Options),
    /// One large message through a broker.
    Large(large::Options),
    /// How fast a journal without checkpoints is read at a start, beside the bare device.
    Replay(replay::Options),
    /// How long the directory gets under steady traffic beside messages that stay.
    Space(space::Options),
    /// Kills a broker again and again under load, and checks that it kept its promises.
    Audit(audit::Options),
    /// Many connections with a session and two links each, and what they cost the broker.
    Idle {
        /// The broker.
        to: SocketAddr,
        /// Connections; each costs the load a descriptor.
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
        /// The broker's process, to read its memory of.
        #[arg(long)]
        pid: u32,
    },
    /// The bare relay, as a process of its own.
    #[command(hide = true)]
    Relay {
        #[arg(long)]
        core: usize,
        #[arg(long)]
        ready_file: PathBuf,
        #[arg(long)]
        echo: bool,
    },
}

fn main() -> ExitCode {
    let Arguments { command, congestion_control } = Arguments::parse();
    wire::choose(congestion_control);
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("heddle-perf: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> io::Result<()> {
    match command {
        Command::Compare(options) => compare::run(&options),
        Command::Durable(options) => durable::run(&options),
        Command::Suite(options) => suite::run(&options),
        Command::Budgets(options) => budgets::run(&options),
        Command::Scale(options) => scale::run(&options),
        Command::Router(options) => router::run(&options),
        Command::Pairs { to, pairs, size, window, presettled, durable, seconds, core } => {
            engine_rt::pin_thread(core)?;
            let settle = if presettled { Settle::Presettled } else { Settle::Unsettled };
            let kept = if durable { Kept::Durable } else { Kept::Volatile };
            let load = Load { addresses: load::queues(pairs), home: None, size, window, settle, kept, seconds };
            println!("{}", number::per_second(load::pairs(to, &load)?));
            Ok(())
        }
        Command::Paced { to, rate, seconds, address, core } => {
            engine_rt::pin_thread(core)?;
            let histogram = load::paced((to, to), &Paced::Queue { address, home: None }, rate, seconds)?;
            println!("µs: {}", compare::percentiles(&histogram));
            Ok(())
        }
        Command::Accepted { to, rate, size, unread, seconds, address, core } => {
            engine_rt::pin_thread(core)?;
            let pace = rate.map_or(Pace::OneAtATime, Pace::Rate);
            let reader = if unread { Reader::None } else { Reader::One };
            let histogram = load::accepted(to, &Accepted { address, size, pace, reader, seconds })?;
            println!("µs: {}", compare::percentiles(&histogram));
            Ok(())
        }
        Command::Large(options) => large::run(&options),
        Command::Replay(options) => replay::run(&options),
        Command::Space(options) => space::run(&options),
        Command::Audit(options) => audit::run(&options),
        Command::Fill(options) => backlog::fill(&options),
        Command::Drain(options) => backlog::drain(&options),
        Command::Hold(options) => hold::run(&options),
        Command::Idle { to, connections, pid } => idle::run(to, connections, pid),
        Command::Relay { core, ready_file, echo } => {
            engine_rt::pin_thread(core)?;
            let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            let next = ready_file.with_extension("new");
            std::fs::write(&next, listener.local_addr()?.to_string())?;
            std::fs::rename(next, ready_file)?;
            relay::serve(&listener, if echo { Mode::Echo } else { Mode::Relay })
        }
    }
}
