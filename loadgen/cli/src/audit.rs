//! `heddle load audit`: a server under load is killed at random moments and started again, and held to what it accepted.
//!
//! The load is one of `run`, in an open loop that counts latencies through the outages; the kills come from a thread beside it. The crash audit
//! of the journal (`heddle-perf audit`) asks more of Heddle, such as that nothing comes back whose acknowledgement was confirmed; this
//! one works with any server.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use load_drive::observe::Find;
use load_model::collect::{Phase, View};
use load_model::outage::{KILLS_MAX, Lives};
use load_model::result::RunResult;
use load_model::scenario::{ConnectionSpec, Group, Scenario, WarmUp};
use load_model::units::{Rate, Span};

use crate::exit::{CommandError, Exit};
use crate::load::{Beside, Floor, From, Load, Look};
use crate::options::ScenarioOptions;
use crate::program::Program;
use crate::run::{OutputOptions, stop_at_signal};
use crate::terminal::{print, say};

mod keeper;
mod server;
mod words;

use keeper::{Keeper, Kept, Plan};
use server::Server;

/// Where nothing else is said: enough queues for several journals, and a rate that a small machine holds with room to catch up.
const QUEUES: u32 = 4;
const RATE: Rate = Rate(5000.0);
/// Warm-up: a server that is killed is never steady.
const WARM_UP: Span = Span(2_000_000_000);
/// What was under way at the last kill, and what waited since, comes in this time.
const DRAIN: Span = Span(30_000_000_000);
/// Longest wait of a client before it tries again: of the outage that is measured it should be little.
const BACK_OFF: Span = Span(50_000_000);
/// The load lasts until the last kill; what a scenario without an end is.
const DURATION: Span = Span(7 * 86_400 * 1_000_000_000);

/// Options of `audit`.
#[derive(Args, Debug)]
pub struct AuditCommand {
    #[command(flatten)]
    scenario: ScenarioOptions,
    #[command(flatten)]
    audit: AuditOptions,
    #[command(flatten)]
    output: OutputOptions,
}

/// The server, and how it is killed.
#[derive(Args, Debug)]
#[command(next_help_heading = "Kills")]
struct AuditOptions {
    /// Command that starts the server, in the foreground, at the address of --server; split into words as by a shell, without one
    /// [default: this program, as a broker on a free port].
    #[arg(long, value_name = "COMMAND")]
    start: Option<String>,
    /// How often the server is killed.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(KILLS_MAX)))]
    kills: u32,
    /// How long it lives in the mean, from when it answers to when it is killed.
    #[arg(long, value_name = "TIME", default_value = "2s")]
    every: Span,
    /// How long it is left down before it is started again.
    #[arg(long, value_name = "TIME", default_value = "0s")]
    outage: Span,
    /// Folder for the data and the output of the server; it is not removed [default: a temporary one, kept if something is wrong].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl AuditCommand {
    /// Loads, kills, and reports.
    ///
    /// # Errors
    /// When options are wrong, or the server does not start, or does not come back.
    pub fn execute(self, program: Program) -> Result<Exit, CommandError> {
        let has_server = self.scenario.has_server();
        let has_duration = self.scenario.has_duration();
        let mut scenario = self.scenario.or_queues(QUEUES).resolve_from(base()).map_err(CommandError::usage)?;
        if !has_duration && scenario.count == 0 {
            scenario.duration = DURATION;
        }
        if scenario.warm_up == WarmUp::Auto {
            scenario.warm_up = WarmUp::Fixed(WARM_UP);
        }
        (scenario.connection.reconnect, scenario.connection.back_off) = (true, BACK_OFF);
        let folder = Folder::new(self.audit.data_dir.as_deref());
        let words = self.audit.words(program, has_server, &mut scenario, &folder)?;
        if self.output.is_dry_run() {
            print(&toml::to_string(&scenario).map_err(CommandError::failed)?).map_err(CommandError::failed)?;
            return Ok(Exit::Fine);
        }
        // Signals come first: threads that are started later inherit what is blocked.
        let stop = stop_at_signal().map_err(CommandError::failed)?;
        folder.create().map_err(|error| {
            CommandError::Failed(format!("cannot write to {}: {error} (choose --data-dir)", folder.path.display()))
        })?;
        let plan = Plan {
            kills: self.audit.kills,
            lives: Lives::new(scenario.seed, self.audit.every.0),
            outage: Duration::from_nanos(self.audit.outage.0),
        };
        let url = scenario.every_server().first().copied().unwrap_or_default().to_owned();
        let server = Server::new(words, &url, folder.path.join("server.log")).map_err(CommandError::usage)?;
        // The server's process changes with each kill: what one of them took says nothing of a message.
        let look = Look { processes: Find::Given(Vec::new()), http: None };
        let load = Load { scenario, from: From::Here, look, floor: Floor::Off, program };
        let done = perform(server, plan, &load, self.output, &stop);
        let is_fine = matches!(done, Ok(Exit::Fine | Exit::Required | Exit::Invalid));
        folder.finish(is_fine);
        done
    }
}

/// The load where neither a file nor options say what it is.
fn base() -> Scenario {
    Scenario {
        name: "audit".to_owned(),
        description: "a server that is killed under load".to_owned(),
        drain: DRAIN,
        connection: ConnectionSpec { reconnect: true, ..ConnectionSpec::default() },
        groups: vec![Group { rate: RATE, durable: true, address: "audit".to_owned(), ..Group::default() }],
        ..Scenario::default()
    }
}

impl AuditOptions {
    /// The words of the command that starts the server; the scenario gets the address of our own broker.
    fn words(
        &self,
        program: Program,
        has_server: bool,
        scenario: &mut Scenario,
        folder: &Folder,
    ) -> Result<Vec<String>, CommandError> {
        match (&self.start, program) {
            (Some(line), _) => words::split(line).map_err(CommandError::Usage),
            (None, Program::Generator(_)) => Err(CommandError::Usage(
                "say with --start which command starts the server, and with --server where it listens".to_owned(),
            )),
            (None, Program::Broker) if has_server => Err(CommandError::Usage(
                "the server of --server, or of the file, is to be killed: say with --start which command starts it"
                    .to_owned(),
            )),
            (None, Program::Broker) => {
                let address = free_address().map_err(CommandError::failed)?.to_string();
                scenario.servers = vec![format!("amqp://{address}")];
                let program = std::env::current_exe().map_err(CommandError::failed)?.display().to_string();
                let data = folder.path.join("data").display().to_string();
                let words = [&program, "run", "--listen", &address, "--http", "127.0.0.1:0", "--data-dir", &data];
                Ok(words.map(str::to_owned).into())
            }
        }
    }
}

/// An address of this machine that nobody listens at.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// Loads the server while it is killed.
fn perform(
    server: Server,
    plan: Plan,
    load: &Load,
    output: OutputOptions,
    stop: &Arc<AtomicBool>,
) -> Result<Exit, CommandError> {
    let mut keeper = Keeper::start(server, plan, stop)?;
    let begin = keeper.begin();
    let mut kept = Kept::default();
    let performed = output.output().perform_beside(
        load,
        stop,
        &mut Beside {
            on_view: &mut |view: &View| {
                if view.phase == Phase::Measuring {
                    begin.store(true, Ordering::Relaxed);
                }
            },
            on_found: &mut |result: &mut RunResult| {
                kept = keeper.finish();
                result.add_kills(&kept.kills);
                // The keeper ends the load by the same flag as a signal does.
                result.interrupted &= !kept.is_complete;
                if result.scenario.duration == DURATION {
                    result.scenario.duration = Span::seconds(result.measured_s);
                }
            },
        },
    );
    if performed.is_err() {
        kept = keeper.finish();
    }
    // That the server is gone is why everything else failed.
    match kept.failed {
        Some(error) => Err(CommandError::failed(error)),
        None => performed.map(|result| Exit::of(&result)),
    }
}

/// Where the server's data and output are.
struct Folder {
    path: PathBuf,
    is_temporary: bool,
}

impl Folder {
    fn new(given: Option<&Path>) -> Self {
        let temporary = || std::env::temp_dir().join(format!("heddle-audit-{}", std::process::id()));
        Self { path: given.map_or_else(temporary, Path::to_path_buf), is_temporary: given.is_none() }
    }

    fn create(&self) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.path)
    }

    /// Removes it if all is well and nobody asked for it; else says where it is.
    fn finish(&self, is_fine: bool) {
        if self.is_temporary && is_fine {
            // What cannot be removed is in the system's place for temporary files.
            let _ = std::fs::remove_dir_all(&self.path);
        } else {
            say(&format!("the server's data and output are in {}", self.path.display()));
        }
    }
}
