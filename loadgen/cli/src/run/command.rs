//! The command itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use load_drive::observe::{Endpoint, Find};
use load_model::scenario::Scenario;

use super::output::{Keep, Output, Print};
use super::screen::Live;
use super::stop::stop_at_signal;
use crate::exit::{CommandError, Exit};
use crate::load::{Floor, From, Load, Look};
use crate::options::{self, ScenarioOptions};
use crate::program::Program;
use crate::terminal::print;

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
    pub fn execute(self, program: Program) -> Result<Exit, CommandError> {
        let scenario = self.scenario.resolve().map_err(CommandError::usage)?;
        if self.output.dry_run {
            print(&toml::to_string(&scenario).map_err(CommandError::failed)?).map_err(CommandError::failed)?;
            return Ok(Exit::Fine);
        }
        let load = self.surroundings.load(scenario, program).map_err(CommandError::usage)?;
        // Signals come first: threads that are started later inherit what is blocked.
        let stop = stop_at_signal().map_err(CommandError::failed)?;
        let result = self.output.output().perform(&load, &stop)?;
        Ok(Exit::of(&result))
    }
}

impl SurroundingOptions {
    /// The run that a scenario comes to.
    ///
    /// # Errors
    /// When the secret cannot be read.
    pub fn load(&self, scenario: Scenario, program: Program) -> Result<Load, String> {
        let token = options::secret(self.token.as_deref(), self.token_file.as_deref())?;
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
        let look = Look { processes, http: self.server_http.clone() };
        Ok(Load { scenario, from, look, floor, program })
    }
}

impl OutputOptions {
    /// Whether the scenario is to be printed, and nothing done.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Where that is.
    pub fn output(self) -> Output {
        let keep = match self.output {
            _ if self.no_files => Keep::Nothing,
            Some(folder) => Keep::Folder(folder),
            None => Keep::Named,
        };
        let print = if self.json { Print::Json } else { Print::Text };
        Output { keep, print, prometheus: self.prometheus, live: self.live }
    }
}
