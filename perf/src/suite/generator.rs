//! The load generator, as a program of its own: called for each run, and its result read.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use load_model::result::{FORMAT, RunResult};

use super::subject::Running;
use super::visit::Load;

/// How `heddle-load` is called.
pub struct Generator {
    /// `heddle-load`.
    pub program: PathBuf,
    /// The core it runs on.
    pub core: usize,
    /// Measured time of each run, seconds.
    pub seconds: f64,
    /// What is not counted before, seconds.
    pub warm_up_seconds: f64,
}

/// What is to be run: one scenario against one address.
pub struct Run<'a> {
    /// The scenario file, whose arrivals are a closed loop.
    pub scenario: &'a Path,
    /// Whom to load.
    pub to: &'a Running,
    /// The queue, or what the names of several begin with.
    pub address: &'a str,
    /// How hard.
    pub load: Load,
    /// Messages a second of an open loop.
    pub rate: f64,
}

impl Generator {
    /// Loads, and gives what was found; or why nothing was, for people.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn run(&self, run: &Run<'_>) -> io::Result<Result<RunResult, String>> {
        let output = self.command(run, self.seconds).output().map_err(|error| self.cannot(&error))?;
        // A result comes with every exit code but that of a run that could not be done.
        match serde_json::from_slice::<RunResult>(&output.stdout) {
            Ok(result) if result.format == FORMAT => Ok(Ok(result)),
            Ok(result) => Ok(Err(format!("the result has format {}, not {FORMAT}", result.format))),
            Err(error) => {
                let told = String::from_utf8_lossy(&output.stderr);
                let last = told.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
                Ok(Err(format!("{}: {last} ({error})", output.status)))
            }
        }
    }

    /// Loads for so long, without a result: what compiles as it runs is as fast as it gets afterwards.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn warm_up(&self, run: &Run<'_>, seconds: f64) -> io::Result<()> {
        self.command(run, seconds).output().map(drop).map_err(|error| self.cannot(&error))
    }

    fn cannot(&self, error: &io::Error) -> io::Error {
        let program = self.program.display();
        io::Error::other(format!("{program}: {error}; build it with cargo build --release -p load-cli, or say --load"))
    }

    fn command(&self, run: &Run<'_>, seconds: f64) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("run").arg(run.scenario);
        command.args(["--server", &format!("amqp://{}", run.to.address()), "--address", run.address]);
        command.args(["--cores", &self.core.to_string()]);
        command.args(["--duration", &format!("{seconds}s"), "--warm-up", &format!("{}s", self.warm_up_seconds)]);
        if run.load != Load::Maximum {
            command.args(["--arrivals", "poisson", "--rate", &format!("{:.0}", run.rate)]);
        }
        if let Some(state) = &run.to.state {
            command.args(["--server-http", state]);
        }
        command.args(["--json", "--no-files", "--live", "never", "--floor", "off"]);
        command.stdin(Stdio::null());
        command
    }
}
