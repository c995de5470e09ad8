//! The `heddle` program: its commands, and what they print.

mod amqp;
mod boot;
mod catalogue;
mod config;
mod connectors;
mod data;
mod demo;
mod figures;
mod holding;
mod http;
mod listeners;
mod log;
mod management;
mod node;
mod qdrouterd;
mod reload;
mod resolver;
mod routing;
mod space;
mod status;
mod table;
mod user;
mod users;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use config::{Config, Format, Given};
use load_model::shown;
use qdrouterd::Qdrouterd;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// A message broker for AMQP 1.0: one executor per core.
#[derive(Parser)]
#[command(name = "heddle", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the broker, or a router.
    #[command(after_help = "Examples:\n  heddle run\n  heddle run --listen 127.0.0.1:5672 --cores 0-3\n  heddle run \
                            --config heddle.toml\n  heddle run --router /etc/qpid-dispatch/qdrouterd.conf")]
    Run(Run),
    /// Start a router by the command line of qdrouterd, as the program does when it is called by that name (a link to it).
    Qdrouterd(qdrouterd::Qdrouterd),
    /// Look at a configuration without starting.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at or change a users file.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Look at queues of a running broker, and at their messages; move, remove, retry them.
    #[command(
        subcommand,
        after_help = "Examples:\n  heddle queue stat\n  heddle queue browse dead\n  heddle queue retry dead --all\n  heddle queue \
                      move orders --to archive --filter \"year < 2020\" --url amqp://broker:5672 --user admin"
    )]
    Queue(management::QueueCommand),
    /// Look at addresses of a running broker; declare them, and change their settings.
    #[command(
        subcommand,
        after_help = "Examples:\n  heddle address list\n  heddle address create orders --set max_messages=1000\n  heddle address show \
                      orders"
    )]
    Address(management::AddressCommand),
    /// Look at or change a data directory that no broker runs on.
    #[command(
        subcommand,
        after_help = "Examples:\n  heddle data check\n  heddle data stat --data-dir /var/lib/heddle --json\n  \
                                        heddle data export --output messages.jsonl\n  heddle data import --input \
                                        messages.jsonl --data-dir new"
    )]
    Data(data::DataCommand),
    /// Load any AMQP 1.0 peer: make a load, compare, look for the limit, plan.
    #[command(
        subcommand,
        after_help = "Examples:\n  heddle load run --rate 10000 --duration 30s\n  heddle load run orders.toml --require \
                            'p99.9<2ms'\n  heddle load worker --listen 127.0.0.1:7000"
    )]
    Load(load_cli::LoadCommand),
    /// See it at work: a node in this process, a load of durable and other messages, and its report. Nothing is left but the report.
    #[command(after_help = "Example:\n  heddle demo")]
    Demo(demo::Demo),
    /// Show shards, connections, links and queues of a running broker.
    #[command(after_help = "Examples:\n  heddle status\n  heddle status --watch\n  heddle status --queues orders.\n  \
                            heddle status --http broker:8161 --token-file token")]
    Status {
        #[command(flatten)]
        source: http::Source,
        /// Show it anew every second.
        #[arg(long)]
        watch: bool,
        /// List all queues, or those whose names begin with PREFIX.
        #[arg(long, value_name = "PREFIX", num_args = 0..=1, default_missing_value = "", conflicts_with = "watch")]
        queues: Option<String>,
    },
}

impl Command {
    /// Whether it is done when nobody reads its output any more. What serves or loads others goes on: it has more to do than to print.
    fn ends_with_pipe(&self) -> bool {
        !matches!(self, Self::Run(_) | Self::Qdrouterd(_) | Self::Demo(_) | Self::Load(_) | Self::Data(_))
    }
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    options: config::Options,
    /// File to write the real addresses to, as JSON, once the broker serves.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say what `run` could not start with, if anything; nothing is changed.
    #[command(after_help = "Example:\n  heddle config check --config heddle.toml")]
    Check {
        #[command(flatten)]
        options: config::Options,
    },
    /// Print the effective values and where each comes from.
    #[command(
        after_help = "Examples:\n  heddle config print > heddle.toml\n  heddle config print --config heddle.toml --json"
    )]
    Print {
        #[command(flatten)]
        options: config::Options,
        /// As JSON, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Make a configuration of Heddle's own of one of qdrouterd, as `run --router` runs it: say what of it is not run, and print it.
    #[command(after_help = "Example:\n  heddle config convert /etc/qpid-dispatch/qdrouterd.conf > heddle.toml")]
    Convert {
        /// The file of qdrouterd.
        file: PathBuf,
        /// Users file that the configuration is to name; mechanisms follow from whether there is one.
        #[arg(long, value_name = "FILE")]
        users: Option<PathBuf>,
    },
    /// Read a configuration of qdrouterd, of any of its versions: say what is wrong or doubtful, and print it in today's spelling.
    /// `run --router` runs it, as far as it is run.
    #[command(
        after_help = "Examples:\n  heddle config router /etc/qpid-dispatch/qdrouterd.conf\n  heddle config router old.conf > new.conf"
    )]
    Router(config::RouterFile),
}

fn main() -> ExitCode {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let command = match Qdrouterd::of_name(&arguments) {
        Some(Ok(router)) => Command::Qdrouterd(router),
        Some(Err(error)) => {
            // Whoever closed the output does not want to know. qdrouterd says 1 of what it does not understand.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
        None => Arguments::parse_from(arguments).command,
    };
    if command.ends_with_pipe() {
        engine_rt::end_with_pipe();
    }
    let result = match command {
        // Its exit statuses say more than whether it worked.
        Command::Load(command) => return command.execute(load_cli::Program::Broker),
        Command::Data(command) => return command.execute(),
        Command::Demo(demo) => demo.execute(),
        Command::Run(run) => start(run),
        Command::Qdrouterd(router) => match router.run() {
            Ok(Some(run)) => start(run),
            Ok(None) => Ok(()),
            Err(why) => Err(why.into()),
        },
        Command::Config(ConfigCommand::Check { options }) => check(&options),
        Command::Config(ConfigCommand::Print { options, json }) => print(&options, json),
        Command::Config(ConfigCommand::Convert { file, users }) => {
            print(&config::Options { router: Some(file), users, ..config::Options::default() }, false)
        }
        Command::Config(ConfigCommand::Router(file)) => file.execute(),
        Command::User(command) => command.execute(),
        Command::Queue(command) => command.execute(),
        Command::Address(command) => command.execute(),
        Command::Status { source, queues: Some(prefix), .. } => {
            status::list_queues(&source, &prefix).map_err(Into::into)
        }
        Command::Status { source, watch, queues: None } => status::show(&source, watch).map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever closed the error output does not want to know.
            let _ = writeln!(io::stderr(), "heddle: {}", shown::lines(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn start(run: Run) -> Result<()> {
    let (given, faults) = Given::read_all(&run.options);
    let resolved = given.resolve_beside(faults)?;
    if let Some(file) = &run.ready_file {
        config::check_folder(file).map_err(|wrong| format!("--ready-file: {wrong}"))?;
    }
    let live = start_logging(&resolved.config)?;
    let reread = || {
        let (given, faults) = Given::read_all(&run.options);
        given.resolve_beside(faults)
    };
    Ok(boot::run(&resolved, run.ready_file.as_deref(), &reread, live)?)
}

/// Starts the log.
fn start_logging(config: &Config) -> Result<log::Live> {
    let (levels, filter) = log::Levels::new(&config.log.level)?;
    let live = log::Live { recent: log::Recent::default(), levels };
    // A log that nobody reads any more ends nothing: without this the library would say so where it cannot be said, and panic.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    let subscriber = tracing_subscriber::registry().with(filter).with(live.recent.clone());
    match config.log.format {
        Format::Text => {
            subscriber.with(lines.with_ansi(io::stderr().is_terminal()).fmt_fields(log::Fields)).init();
        }
        Format::Json => subscriber.with(lines.json()).init(),
    }
    Ok(live)
}

fn check(options: &config::Options) -> Result<()> {
    let (given, faults) = Given::read_all(options);
    let resolved = given.resolve_beside(faults)?;
    let taken = resolved.try_bind(&given.origins)?;
    engine_rt::preflight()?;
    boot::connections_max(&resolved.config, resolved.cores.len())?;
    for warning in resolved.warnings.iter().chain(&taken) {
        eprintln!("warning: {}", shown::sentence(&warning.to_string()));
    }
    match options.config.as_ref().or(options.router.as_ref()) {
        Some(path) => println!("{}: nothing is wrong with it", path.display()),
        None => println!("nothing is wrong with it"),
    }
    Ok(())
}

/// Prints a configuration that, read again, means the same.
fn print(options: &config::Options, json: bool) -> Result<()> {
    let given = Given::read(options)?;
    for warning in &given.warnings {
        eprintln!("warning: {}", shown::sentence(warning));
    }
    print!("{}", if json { given.to_json() } else { given.to_toml() });
    Ok(())
}
