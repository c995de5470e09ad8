//! A run with all who watch it: the screen, metrics, files, and the summary behind it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use load_model::collect::View;
use load_model::result::RunResult;

use super::files::Files;
use super::metrics::Metrics;
use super::screen::{Live, Screen};
use crate::exit::CommandError;
use crate::load::{Beside, Load};
use crate::terminal::{paper_of, print, say};

/// Where files go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Here; made if it is not there.
    Folder(PathBuf),
    /// To a folder with the name of the moment.
    Named,
    /// Nowhere.
    Nothing,
}

/// What goes to the standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// The summary.
    Text,
    /// The result as JSON; the summary goes to the error output.
    Json,
}

/// Where a run is shown and written.
#[derive(Clone, Debug)]
pub struct Output {
    /// Where files go.
    pub keep: Keep,
    /// What goes to the standard output.
    pub print: Print,
    /// Where metrics are shown meanwhile.
    pub prometheus: Option<SocketAddr>,
    /// Whether the live view is drawn.
    pub live: Live,
}

impl Output {
    /// Does a run, shows it, writes it and prints its summary.
    ///
    /// # Errors
    /// When it cannot be run, or not be written.
    pub fn perform(&self, load: &Load, stop: &AtomicBool) -> Result<RunResult, CommandError> {
        self.perform_beside(load, stop, &mut Beside { on_view: &mut |_| {}, on_found: &mut |_| {} })
    }

    /// The same with somebody beside it who knows more of the run than its workers.
    ///
    /// # Errors
    /// When it cannot be run, or not be written.
    pub fn perform_beside(
        &self,
        load: &Load,
        stop: &AtomicBool,
        beside: &mut Beside<'_>,
    ) -> Result<RunResult, CommandError> {
        // A mistake leaves no folder behind.
        load.check()?;
        let mut watched = Watched::new(self, load).map_err(CommandError::failed)?;
        let Beside { on_view, on_found } = beside;
        let mut show = |view: &View| {
            on_view(view);
            watched.show(view);
        };
        let performed = load.perform_beside(stop, &mut Beside { on_view: &mut show, on_found: &mut **on_found });
        watched.screen.finish();
        let result = performed?;
        let files = watched.write(&result);
        // The figures are printed even where they cannot be written.
        self.print_summary(&result, files.as_deref().unwrap_or_default()).map_err(CommandError::failed)?;
        files.map_err(|error| CommandError::Failed(format!("the results could not be written: {error}")))?;
        Ok(result)
    }

    fn print_summary(&self, result: &RunResult, files: &[String]) -> io::Result<()> {
        match self.print {
            Print::Text => print(&load_report::text::summary(result, files, paper_of(&io::stdout()))),
            Print::Json => {
                say(&load_report::text::summary(result, files, paper_of(&io::stderr())));
                print(&load_report::json::run(result))
            }
        }
    }
}

/// All who watch a run.
struct Watched {
    screen: Screen,
    files: Option<Files>,
    metrics: Option<Metrics>,
    problem: Option<io::Error>,
}

impl Watched {
    fn new(output: &Output, load: &Load) -> io::Result<Self> {
        let named = |what: &str, error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
        let files = match &output.keep {
            Keep::Folder(folder) => Some(Files::create(Some(folder))),
            Keep::Named => Some(Files::create(None)),
            Keep::Nothing => None,
        };
        let files = files.transpose();
        let files = files.map_err(|error| named("cannot write the results (choose --output, or --no-files)", error))?;
        let metrics = output.prometheus.map(Metrics::serve).transpose();
        let metrics = metrics.map_err(|error| named("cannot listen for --prometheus", error))?;
        if let Some(metrics) = &metrics {
            say(&format!("metrics at http://{}/metrics", metrics.address()));
        }
        Ok(Self { screen: Screen::new(&load.scenario, output.live), files, metrics, problem: None })
    }

    fn show(&mut self, view: &View) {
        if let Some(metrics) = &self.metrics {
            metrics.update(view);
        }
        self.screen.show(view);
        // A full disk must not end a run; it is told behind it.
        if let (Some(files), None) = (&mut self.files, &self.problem) {
            self.problem = files.write_view(view).err();
        }
    }

    fn write(self, result: &RunResult) -> io::Result<Vec<String>> {
        match (self.files, self.problem) {
            (_, Some(problem)) => Err(problem),
            (Some(files), None) => files.finish(result),
            (None, None) => Ok(Vec::new()),
        }
    }
}
