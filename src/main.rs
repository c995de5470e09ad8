//! The `heddle` program: its commands, and what they print.

mod boot;
mod config;
mod data;
mod demo;
mod http;
mod snapshot;
mod status;
mod users;

use std::io::{self, BufRead as _, IsTerminal as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use config::{Config, Format, Listener};

/// A message broker for AMQP 1.0: one executor per core.
#[derive(Parser)]
#[command(name = "heddle", version, about, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the broker.
    #[command(after_help = "Examples:\n  heddle run\n  heddle run --listen 127.0.0.1:5672 --cores 0-3\n  heddle run \
                            --config heddle.toml")]
    Run(Run),
    /// Look at a configuration without starting.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Change the users file.
    #[command(subcommand)]
    User(UserCommand),
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
    #[command(after_help = "Examples:\n  heddle status\n  heddle status --watch")]
    Status {
        /// The broker's HTTP address.
        #[arg(long, default_value = "127.0.0.1:8161")]
        http: SocketAddr,
        /// Show it anew every second.
        #[arg(long)]
        watch: bool,
    },
}

#[derive(Args)]
struct Run {
    /// Configuration file; without one the defaults hold.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to keep data.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Cores to use: `all`, or a list such as `0,2-3`.
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,
    /// Number of shards, if not one for each core.
    #[arg(long, value_name = "N")]
    shards: Option<u16>,
    /// Address to listen on, instead of those of the file; may be given again.
    #[arg(long, value_name = "ADDR")]
    listen: Vec<SocketAddr>,
    /// Address of the read-only HTTP listener.
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Log level, or levels by area.
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// File to write the real addresses to, as JSON, once the broker serves.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say what is wrong with a file, if anything.
    Check {
        /// The file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Print the effective values and where each comes from.
    Print {
        /// The file; without one the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add a user, or change a password; it is read from the terminal or standard input.
    #[command(after_help = "Example:\n  echo secret | heddle user add guest --file heddle-users")]
    Add {
        /// The name.
        name: String,
        /// The users file; made if it is not there.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Remove a user.
    Remove {
        /// The name.
        name: String,
        /// The users file.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        // Its exit statuses say more than whether it worked.
        Command::Load(command) => return command.execute(load_cli::Program::Broker),
        Command::Data(command) => return command.execute(),
        Command::Demo(demo) => demo.execute(),
        Command::Run(run) => start(run),
        Command::Config(ConfigCommand::Check { config }) => check(&config),
        Command::Config(ConfigCommand::Print { config }) => print(config.as_deref()),
        Command::User(UserCommand::Add { name, file }) => add_user(&name, &file),
        Command::User(UserCommand::Remove { name, file }) => users::remove(&file, &name).map_err(Into::into),
        Command::Status { http, watch } => status::show(http, watch).map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("heddle: {error}");
            ExitCode::FAILURE
        }
    }
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn load(path: Option<&Path>) -> Result<Config> {
    Ok(path.map(Config::load).transpose()?.unwrap_or_default())
}

fn start(run: Run) -> Result<()> {
    let mut config = load(run.config.as_deref())?;
    if let Some(dir) = run.data_dir {
        config.node.data_dir = dir;
    }
    if let Some(cores) = run.cores {
        config.node.cores = cores;
    }
    if run.shards.is_some() {
        config.node.shards = run.shards;
    }
    if !run.listen.is_empty() {
        let listener = |address| Listener { address, ..Listener::default() };
        config.listeners = run.listen.into_iter().map(listener).collect();
    }
    if let Some(address) = run.http {
        config.http.address = address;
    }
    if let Some(level) = run.log {
        config.log.level = level;
    }
    start_logging(&config)?;
    Ok(boot::run(&config, run.ready_file.as_deref())?)
}

fn start_logging(config: &Config) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.level)
        .map_err(|error| format!("log.level {:?}: {error}", config.log.level))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match config.log.format {
        Format::Text => subscriber.with_ansi(io::stderr().is_terminal()).init(),
        Format::Json => subscriber.json().init(),
    }
    Ok(())
}

fn check(path: &Path) -> Result<()> {
    Config::load(path)?.check()?;
    println!("{}: nothing is wrong with it", path.display());
    Ok(())
}

/// Prints a configuration that, read again, means the same.
fn print(path: Option<&Path>) -> Result<()> {
    let config = load(path)?;
    config.check()?;
    let given: toml::Table = match path {
        Some(path) => std::fs::read_to_string(path)?.parse()?,
        None => toml::Table::new(),
    };
    let mut area = String::new();
    // Of a list of tables: the one that the line belongs to.
    let mut item = 0;
    for line in toml::to_string(&config)?.lines() {
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_matches(['[', ']']);
            item = if name == area { item + 1 } else { 0 };
            name.clone_into(&mut area);
        }
        match line.split_once(" = ") {
            Some((key, _)) => {
                let set = match given.get(&area) {
                    Some(toml::Value::Table(table)) => table.contains_key(key),
                    Some(toml::Value::Array(items)) => items.get(item).is_some_and(|item| item.get(key).is_some()),
                    _ => false,
                };
                println!("{line:<44} # {}", if set { "from the file" } else { "default" });
            }
            None => println!("{line}"),
        }
    }
    Ok(())
}

fn add_user(name: &str, file: &Path) -> Result<()> {
    let mut password = String::new();
    if io::stdin().is_terminal() {
        password = rpassword::prompt_password(format!("Password for {name}: "))?;
        if rpassword::prompt_password("The same again: ")? != password {
            return Err("the two passwords differ".into());
        }
    } else {
        io::stdin().lock().read_line(&mut password)?;
    }
    let password = password.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err("an empty password is none".into());
    }
    users::add(file, name, password)?;
    println!("{name} is in {}", file.display());
    Ok(())
}
