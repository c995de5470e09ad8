//! The command itself.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};
use load_drive::observe::{Endpoint, Find};
use load_model::collect::View;
use load_model::result::RunResult;

use super::files::Files;
use super::metrics::Metrics;
use super::screen::{Live, Screen, of_terminal};
use crate::exit::{CommandError, Exit};
use crate::load::{Floor, From, Load, LoadError, Look};
use crate::options::ScenarioOptions;

/// Status of a process that was interrupted twice.
const EXIT_INTERRUPTED: i32 = 130;

/// Options of `run`.
#[derive(Args, Debug)]
pub struct RunCommand {
    #[command(flatten)]
    scenario: ScenarioOptions,
    #[command(flatten)]
    surroundings: SurroundingOptions,
    #[command(flatten)]
    output: OutputOptions,
}

/// What else there is to a run: workers, and what is looked at.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Workers and observation")]
pub struct SurroundingOptions {
    /// Load from these processes (`heddle load worker`), and not from this one; clocks are compared.
    #[arg(long, value_name = "HOST:PORT,...", value_delimiter = ',')]
    workers: Vec<String>,
    /// The secret of the workers; others on this machine can see it, unlike that of --token-file.
    #[arg(long, value_name = "TEXT", conflicts_with = "token_file")]
    token: Option<String>,
    /// File whose first line is the secret of the workers.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Process of the server to look at; may be given again [default: what listens at the server's port on this machine].
    #[arg(long = "server-pid", value_name = "PID")]
    server_pids: Vec<u32>,
    /// Where the server tells of itself: Heddle's /state, or metrics for Prometheus [default: a Heddle of this machine].
    #[arg(long, value_name = "URL")]
    server_http: Option<Endpoint>,
    /// Whether the generator's own floor is measured for some seconds behind the run.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    floor: FloorOption,
}

/// Whether the floor is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FloorOption {
    /// If the load comes from this process.
    Auto,
    /// Never.
    Off,
}

/// Where things are shown and written.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputOptions {
    /// Folder for result.json, report.html, tables and histograms [default: load-results/<time>].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write no files.
    #[arg(long, conflicts_with = "output")]
    no_files: bool,
    /// Print the result as JSON to the standard output; text goes to the error output.
    #[arg(long)]
    json: bool,
    /// Show metrics for Prometheus at http://ADDR/metrics while it runs; a port alone is one of this machine only.
    #[arg(long, value_name = "[HOST:]PORT", value_parser = metrics_address)]
    prometheus: Option<SocketAddr>,
    /// When the live view is drawn.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    live: Live,
    /// Print the scenario that file and options come to, and end.
    #[arg(long)]
    dry_run: bool,
}

fn metrics_address(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<u16>() {
        Ok(port) => Ok(SocketAddr::from(([127, 0, 0, 1], port))),
        Err(_) => text.parse().map_err(|_| "write a port, or an address such as 127.0.0.1:9200".to_owned()),
    }
}

impl RunCommand {
    /// Does the run and reports on it.
    ///
    /// # Errors
    /// When options are wrong, or it cannot be run.
    pub fn execute(self) -> Result<Exit, CommandError> {
        let scenario = self.scenario.resolve().map_err(CommandError::usage)?;
        if self.output.dry_run {
            print!("{}", toml::to_string(&scenario).map_err(CommandError::failed)?);
            return Ok(Exit::Fine);
        }
        let load = self.surroundings.load(scenario).map_err(CommandError::usage)?;
        // Signals come first: threads that are started later inherit what is blocked.
        let stop = stop_at_signal().map_err(CommandError::failed)?;
        let mut watched = Watched::new(&self.output, &load).map_err(CommandError::failed)?;
        let performed = load.perform(&stop, &mut |view| watched.show(view));
        let result = match performed {
            Ok(result) => result,
            Err(error @ (LoadError::Cores(_) | LoadError::Require(_) | LoadError::Server { .. })) => {
                return Err(CommandError::usage(error));
            }
            Err(error) => return Err(CommandError::failed(error)),
        };
        let files = watched.finish(&result).map_err(CommandError::failed)?;
        self.output.print(&result, &files).map_err(CommandError::failed)?;
        Ok(Exit::of(&result))
    }
}

impl SurroundingOptions {
    /// The run that a scenario comes to.
    ///
    /// # Errors
    /// When the secret cannot be read.
    pub fn load(&self, scenario: load_model::scenario::Scenario) -> Result<Load, String> {
        let token = crate::options::secret(self.token.as_deref(), self.token_file.as_deref())?;
        let from = if self.workers.is_empty() {
            From::Here
        } else {
            From::Machines { addresses: self.workers.clone(), token }
        };
        let processes = if self.server_pids.is_empty() { Find::ByPort } else { Find::Given(self.server_pids.clone()) };
        let floor = match self.floor {
            FloorOption::Auto if from == From::Here => Floor::Measured,
            FloorOption::Auto | FloorOption::Off => Floor::Off,
        };
        Ok(Load { scenario, from, look: Look { processes, http: self.server_http.clone() }, floor })
    }
}

impl OutputOptions {
    fn print(&self, result: &RunResult, files: &[String]) -> io::Result<()> {
        if self.json {
            let summary = load_report::text::summary(result, files, of_terminal(io::stderr().is_terminal()));
            io::stderr().write_all(summary.as_bytes())?;
            return io::stdout().write_all(load_report::json::run(result).as_bytes());
        }
        let summary = load_report::text::summary(result, files, of_terminal(io::stdout().is_terminal()));
        io::stdout().write_all(summary.as_bytes())
    }
}

/// All who watch a run.
struct Watched {
    screen: Option<Screen>,
    files: Option<Files>,
    metrics: Option<Metrics>,
    problem: Option<io::Error>,
}

impl Watched {
    fn new(options: &OutputOptions, load: &Load) -> io::Result<Self> {
        let named = |what: &str, error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
        let files = if options.no_files {
            None
        } else {
            let created = Files::create(options.output.as_deref());
            Some(created.map_err(|error| named("cannot write the results (choose --output, or --no-files)", error))?)
        };
        let metrics = options.prometheus.map(Metrics::serve).transpose();
        let metrics = metrics.map_err(|error| named("cannot listen for --prometheus", error))?;
        if let Some(metrics) = &metrics {
            eprintln!("metrics at http://{}/metrics", metrics.address());
        }
        Ok(Self { screen: Some(Screen::new(&load.scenario, options.live)), files, metrics, problem: None })
    }

    fn show(&mut self, view: &View) {
        if let Some(screen) = &mut self.screen {
            screen.show(view);
        }
        if let Some(metrics) = &self.metrics {
            metrics.update(view);
        }
        // A full disk must not end a run; it is told when the rest cannot be written either.
        if let (Some(files), None) = (&mut self.files, &self.problem) {
            self.problem = files.write_view(view).err();
        }
    }

    fn finish(mut self, result: &RunResult) -> io::Result<Vec<String>> {
        if let Some(screen) = self.screen.take() {
            screen.finish();
        }
        match (self.files, self.problem) {
            (_, Some(problem)) => Err(problem),
            (Some(files), None) => files.finish(result),
            (None, None) => Ok(Vec::new()),
        }
    }
}

/// The first signal ends the load, which is reported then; the second ends the process.
fn stop_at_signal() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    engine_rt::on_termination(move |count| {
        if count > 1 {
            std::process::exit(EXIT_INTERRUPTED);
        }
        told.store(true, Ordering::Relaxed);
    })?;
    Ok(stop)
}
