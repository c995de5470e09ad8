//! The commands.

use std::process::ExitCode;

use clap::Subcommand;

use crate::audit::AuditCommand;
use crate::compare::CompareCommand;
use crate::exit::HELP;
use crate::plan::PlanCommand;
use crate::program::Program;
use crate::report::ReportCommand;
use crate::run::RunCommand;
use crate::sink::SinkCommand;
use crate::sweep::SweepCommand;
use crate::terminal::say_sentence;
use crate::worker::WorkerCommand;

const RUN_EXAMPLES: &str = "Examples:\n  heddle load run --rate 10000 --duration 30s\n  heddle load run --rate 50k --arrivals poisson --size 100 --queues 16 \
                            --durable --require 'p99.9<2ms' --require lost=0\n  heddle load run --arrivals closed --duration 10s --cores 1\n  heddle load \
                            run orders.toml --server amqps://broker:5671 --user guest --password-file secret\n  heddle load run --topics 1 \
                            --consumers 1000 --links 250 --selector 'consumer = {}'\n  heddle load run --consumers 4 --message-groups 1000\n  \
                            heddle load run --priorities 0-9 --fail 5%x3\n  heddle load run --server amqp://router1 --consumers-at amqp://router2\n  \
                            heddle load run --arrivals closed --credit 1 --hold 10ms   (a consumer of 100 messages a second)\n  heddle load run --rate 10000 --workers 10.0.0.2:7000,10.0.0.3:7000 --token secret";

/// The load generator: loads any AMQP 1.0 peer, and says what that found.
#[derive(Subcommand, Debug)]
pub enum LoadCommand {
    /// Make a load and report on it.
    #[command(after_help = format!("{RUN_EXAMPLES}\n\n{HELP}"))]
    Run(Box<RunCommand>),
    /// Kill a server at random moments while it is under load, start it again, and prove that nothing it accepted is lost.
    #[command(
        after_help = "Examples:\n  heddle load audit\n  heddle load audit --kills 100 --every 1s --outage 500ms --rate 20k\n  heddle load audit \
                            --start '/opt/artemis/bin/artemis run' --server amqp://guest:guest@127.0.0.1:5672\n\nThe server has to stay in the \
                            foreground and keep its data and port; a script should `exec` it, so that it cannot outlive the audit. Exit status: \
                            0 nothing is lost, 1 the server did not come back, 4 there is no proof, 5 messages are lost, corrupt, out of order or of \
                            nobody in this run; others as of `run`."
    )]
    Audit(Box<AuditCommand>),
    /// Put two sets of results side by side, with how well the difference is known.
    #[command(
        after_help = "Examples:\n  heddle load compare before/ after/\n  heddle load compare a/1.json,a/2.json b/1.json,b/2.json --html \
                            page.html\n  heddle load compare artemis/ heddle/ --servers\n\nFrom four results on each side on runs are compared by their \
                            ranks, else by blocks of their seconds. Results of different machines, loads or servers are refused unless it is \
                            said that they may differ."
    )]
    Compare(CompareCommand),
    /// Find the curve of latency over throughput, its knee, and the highest rate that holds a service level.
    #[command(
        after_help = "Examples:\n  heddle load sweep --slo 'p99.9<2ms' --size 100\n  heddle load sweep orders.toml --slo 'p99<5ms' --step-duration \
                            20s --output sweep-2-cores --server-cores 2\n\nExit status: 0 a rate holds, 1 the server could not be reached or went away, 3 no \
                            rate holds, 5 messages were lost; others as of `run`."
    )]
    Sweep(Box<SweepCommand>),
    /// Say from sweeps what a wanted load takes: cores, disk, memory, and what is left when a node is lost.
    #[command(
        after_help = "Examples:\n  heddle load plan sweep-1-core/ sweep-2-cores/ --rate 500k --size 400 --slo 'p99.9<2ms'\n  heddle load plan \
                            sweep/sweep.json --rate 2M --size 1KiB --nodes 3 --retention 24h --html plan.html\n\nFrom sweeps at three numbers of \
                            cores on the scalability law is fitted; with fewer its terms are taken for granted, which the plan says. Exit \
                            status: 0 there is an answer, 3 no number of cores does it."
    )]
    Plan(PlanCommand),
    /// Write the reports of a result anew.
    #[command(
        after_help = "Examples:\n  heddle load report load-results/2026-01-02T03-04-05Z/result.json\n  heddle load report result.json --output \
                            folder"
    )]
    Report(ReportCommand),
    /// Do the share of a run that a coordinator on another machine gives.
    #[command(
        after_help = "Examples:\n  heddle load worker --listen 127.0.0.1:7000\n  heddle load worker --listen 10.0.0.2:7000 --token-file secret \
                            --cores 1-3\n\nWhoever can connect and knows the token can make load from this machine, and nothing is encrypted: listen \
                            inside a network that you trust, or behind a tunnel."
    )]
    Worker(WorkerCommand),
    /// Be a server whose speed, delays and faults are known, to measure the generator by.
    #[command(
        after_help = "Examples:\n  heddle load sink --listen 127.0.0.1:5672 --core 0\n  heddle load sink --behaviour relay\n  heddle load sink \
                            --behaviour stall:2s,1s\n  heddle load sink --behaviour delay:lognormal:5ms,50ms\n  heddle load sink --behaviour \
                            lossy:lose=1000,duplicate=1000"
    )]
    Sink(SinkCommand),
}

impl LoadCommand {
    /// Does it, and says on the error output why not, if it cannot.
    pub fn execute(self, program: Program) -> ExitCode {
        let done = match self {
            Self::Run(command) => command.execute(program),
            Self::Audit(command) => command.execute(program),
            Self::Compare(command) => command.execute(),
            Self::Sweep(command) => command.execute(program),
            Self::Plan(command) => command.execute(),
            Self::Report(command) => command.execute(),
            Self::Worker(command) => command.execute(program),
            Self::Sink(command) => command.execute(),
        };
        match done {
            Ok(exit) => exit.into(),
            Err(error) => {
                say_sentence(&format!("heddle load: {}", load_model::shown::lines(&error.to_string())));
                error.code()
            }
        }
    }
}
