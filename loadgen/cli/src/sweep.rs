//! `heddle load sweep`: run after run at different rates, for the curve of latency over throughput, and the highest rate that holds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use load_model::number;
use load_model::result::RunResult;
use load_model::scenario::WarmUp;
use load_model::sweep::{Offer, Sweep, SweepResult, SweepSpec};
use load_model::units::{Rate, Span};
use load_report::text::Paper;

use crate::exit::{CommandError, Exit};
use crate::load::{Floor, Load};
use crate::options::ScenarioOptions;
use crate::program::Program;
use crate::run::{Live, Screen, SurroundingOptions, folder_of, stop_at_signal};
use crate::terminal::{paper_of, print, say};

/// Warm-up of each run where the scenario leaves it to be found: forty times a minute would be most of a sweep.
const WARM_UP: Span = Span(3_000_000_000);

/// Options of `sweep`.
#[derive(Args, Debug)]
pub struct SweepCommand {
    #[command(flatten)]
    scenario: ScenarioOptions,
    #[command(flatten)]
    surroundings: SurroundingOptions,
    #[command(flatten)]
    sweep: SweepOptions,
}

/// What is looked for, and where it goes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Sweep")]
struct SweepOptions {
    /// What has to hold at a rate, such as p99.9<2ms; may be given again. Without it a rate has to be kept up, no more.
    #[arg(long = "slo", value_name = "EXPR")]
    service_level: Vec<String>,
    /// How long each rate is measured [default: --duration, or 10s].
    #[arg(long, value_name = "TIME")]
    step_duration: Option<Span>,
    /// How close the highest rate that holds is found, as a share of it.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    precision: f64,
    /// Offer nothing above this rate.
    #[arg(long, value_name = "RATE")]
    max_rate: Option<Rate>,
    /// Cores that the server may use, for plans [default: those of a Heddle, or of the server's process].
    #[arg(long, value_name = "N")]
    server_cores: Option<u32>,
    /// Folder for sweep.html, sweep.json, sweep.csv and the result of each run [default: load-results/<time>].
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print the sweep as JSON to the standard output; text goes to the error output.
    #[arg(long)]
    json: bool,
    /// When the live view is drawn.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    live: Live,
}

impl SweepCommand {
    /// Sweeps and reports.
    ///
    /// # Errors
    /// When options are wrong, or a run cannot be done.
    pub fn execute(self, program: Program) -> Result<Exit, CommandError> {
        let mut scenario = self.scenario.resolve().map_err(CommandError::usage)?;
        let default = if self.scenario.has_duration() { scenario.duration } else { Span::seconds(10.0) };
        scenario.duration = self.sweep.step_duration.unwrap_or(default);
        if scenario.warm_up == WarmUp::Auto {
            scenario.warm_up = WarmUp::Fixed(WARM_UP);
        }
        if !(0.001..=0.5).contains(&self.sweep.precision) {
            return Err(CommandError::Usage("--precision is a share from 0.001 to 0.5".to_owned()));
        }
        let spec = SweepSpec {
            scenario: scenario.clone(),
            service_level: self.sweep.service_level.clone(),
            precision: self.sweep.precision,
            rate_max: self.sweep.max_rate.map(|rate| rate.0),
        };
        let mut sweep = Sweep::new(spec).map_err(CommandError::usage)?;
        let load = self.surroundings.load(scenario, program).map_err(CommandError::usage)?;
        // A mistake leaves no folder behind.
        load.check()?;
        let stop = stop_at_signal().map_err(CommandError::failed)?;
        let folder = folder_of(self.sweep.output.as_deref());
        fs::create_dir_all(folder.join("runs")).map_err(|error| cannot_write(&folder, &error))?;
        let done = self.sweep.run_all(&mut sweep, &Load { floor: Floor::Off, ..load }, &stop, &folder);
        // What is known is written, whatever ended it.
        let mut result = sweep.result();
        let runs = done.as_ref().map_or(Runs::default(), Clone::clone);
        result.server_cores = self.sweep.server_cores.or(runs.server_cores);
        self.sweep.report(&result, &folder).map_err(|error| cannot_write(&folder, &error))?;
        done?;
        Ok(runs.exit(&result))
    }
}

/// What is to be remembered of all runs.
#[derive(Clone, Debug, Default)]
struct Runs {
    server_cores: Option<u32>,
    is_faulty: bool,
    is_cut_off: bool,
}

impl Runs {
    fn exit(&self, result: &SweepResult) -> Exit {
        if self.is_faulty {
            Exit::Faulty
        } else if self.is_cut_off {
            Exit::CutOff
        } else if result.limit.is_none() {
            Exit::Required
        } else {
            Exit::Fine
        }
    }
}

impl SweepOptions {
    fn run_all(&self, sweep: &mut Sweep, load: &Load, stop: &AtomicBool, folder: &Path) -> Result<Runs, CommandError> {
        let mut runs = Runs::default();
        while let Some(offer) = sweep.poll_rate() {
            let load = Load { scenario: sweep.scenario(offer), ..load.clone() };
            let mut screen = Screen::new(&load.scenario, self.live);
            let performed = load.perform(stop, &mut |view| screen.show(view));
            screen.finish();
            let result = performed.inspect_err(|error| sweep.end(&error.to_string()))?;
            if result.cut_off.is_some() {
                sweep.end(result.verdict.reasons.first().map_or("its server was gone", String::as_str));
                runs.is_cut_off = true;
            }
            if stop.load(Ordering::Relaxed) {
                sweep.end("it was interrupted");
                break;
            }
            let (done, all) = sweep.progress();
            let path = folder.join("runs").join(format!("{done:02}.json"));
            fs::write(&path, load_report::json::run(&result)).map_err(|error| cannot_write(&path, &error))?;
            say(&format!("{} of about {all}: {}", done + 1, describe(offer, &result)));
            runs.is_faulty |= Exit::of(&result) == Exit::Faulty;
            runs.server_cores = runs.server_cores.or(result.server.cores);
            if runs.is_cut_off {
                break;
            }
            sweep.handle_result(offer, &result);
        }
        Ok(runs)
    }

    fn report(&self, result: &SweepResult, folder: &Path) -> io::Result<()> {
        if self.json {
            say(&report(folder, result, paper_of(&io::stderr()))?);
            print(&load_report::json::sweep(result))
        } else {
            print(&report(folder, result, paper_of(&io::stdout()))?)
        }
    }
}

/// Writes the reports of a sweep into a folder; gives the summary.
///
/// # Errors
/// When something cannot be written.
pub fn report(folder: &Path, result: &SweepResult, paper: Paper) -> io::Result<String> {
    let mut text = load_report::text::sweep(result, paper);
    for (name, written) in [
        ("sweep.html", load_report::html::sweep(result)),
        ("sweep.json", load_report::json::sweep(result)),
        ("sweep.csv", load_report::csv::sweep(result)),
    ] {
        let path = folder.join(name);
        fs::write(&path, written)?;
        text.push_str(&format!("written     {}\n", path.display()));
    }
    Ok(text)
}

/// One run of a sweep in a line.
fn describe(offer: Offer, result: &RunResult) -> String {
    let asked = offer.rate.map_or("closed loop".to_owned(), |rate| format!("{} asked", number::per_second(rate)));
    let outcome = result.total.of(result.scenario.outcome());
    let latency = outcome.map_or(String::new(), |found| {
        format!(", p50 {}, p99 {}", number::latency(found.p50), number::latency(found.p99))
    });
    let invalid = if result.verdict.valid { "" } else { ", not valid" };
    format!("{asked}, {} done{latency}{invalid}", number::per_second(result.rate()))
}

fn cannot_write(path: &Path, error: &io::Error) -> CommandError {
    CommandError::Failed(format!("cannot write to {}: {error} (choose --output)", path.display()))
}
