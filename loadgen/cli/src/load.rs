//! One run from its scenario to its result: workers here or elsewhere, what is seen of the server meanwhile, the verdict.
//!
//! Commands that make load (`run`, `sweep`, and the demonstration of the root program) all make it through `Load`.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

use load_drive::observe::{self, Endpoint, Find, Observation, Observer, Targets};
use load_drive::remote::{Remote, RemoteError, refuse_one_way};
use load_drive::{RunError, floor};
use load_model::collect::View;
use load_model::require::RequireError;
use load_model::result::RunResult;
use load_model::scenario::Scenario;
use load_model::server_url::ServerUrl;
use load_model::worker::Share;

use crate::cores;
use crate::exit::CommandError;
use crate::program::Program;

/// Where the load comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// Threads of this process.
    Here,
    /// Processes that listen at these addresses, and the secret that they want.
    Machines {
        /// Host and port of each.
        addresses: Vec<String>,
        /// Empty: none.
        token: String,
    },
}

/// What is looked at while a run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// How the server's processes are found.
    pub processes: Find,
    /// Where the server tells of itself, if that was said.
    pub http: Option<Endpoint>,
}

/// Whether the generator's own floor is measured behind the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// It is, for a few seconds.
    Measured,
    /// It is not.
    Off,
}

/// A run to be done.
#[derive(Clone, Debug)]
pub struct Load {
    /// What is to be done.
    pub scenario: Scenario,
    /// Where from.
    pub from: From,
    /// What is looked at meanwhile.
    pub look: Look,
    /// Whether the floor is measured, too.
    pub floor: Floor,
    /// Whose threads make it.
    pub program: Program,
}

/// Who stands beside a run.
pub struct Beside<'a> {
    /// Is called whenever there is something to show.
    pub on_view: &'a mut dyn FnMut(&View),
    /// Is called once with what the workers found, before it is judged.
    pub on_found: &'a mut dyn FnMut(&mut RunResult),
}

/// Why a run was not done.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The cores cannot be used.
    #[error("{0}")]
    Cores(String),
    /// A requirement is none.
    #[error("requirement {0}")]
    Require(#[from] RequireError),
    /// Workers elsewhere cannot be used.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The run could not go on.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A server's URL is none, or its name has no address.
    #[error("--server: {0}")]
    Server(String),
}

/// What is wrong with what was asked for has another status than what went wrong in doing it.
impl std::convert::From<LoadError> for CommandError {
    fn from(error: LoadError) -> Self {
        match &error {
            LoadError::Cores(_)
            | LoadError::Require(_)
            | LoadError::Server(_)
            | LoadError::Run(RunError::Scenario(_))
            | LoadError::Remote(RemoteError::Number(_) | RemoteError::Address { .. }) => Self::usage(error),
            LoadError::Remote(_) | LoadError::Run(_) => Self::failed(error),
        }
    }
}

impl Load {
    /// Whether what it names is there: requirements, cores, servers. Told before anything is done.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), LoadError> {
        load_model::require::thresholds(&self.scenario)?;
        self.cores()?;
        match &self.from {
            // The workers look names up, and have the authorities for TLS, themselves.
            From::Machines { .. } => self.targets().map(drop),
            From::Here => {
                self.program.check(&self.scenario)?;
                Ok(load_drive::check(&self.scenario)?)
            }
        }
    }

    /// Does the run. `stop` ends it sooner; `on_view` is called whenever there is something to show.
    ///
    /// # Errors
    /// When it cannot begin.
    pub fn perform(&self, stop: &AtomicBool, on_view: &mut dyn FnMut(&View)) -> Result<RunResult, LoadError> {
        self.perform_beside(stop, &mut Beside { on_view, on_found: &mut |_| {} })
    }

    /// The same with somebody beside it who knows more of the run than its workers.
    ///
    /// # Errors
    /// When it cannot begin.
    pub fn perform_beside(&self, stop: &AtomicBool, beside: &mut Beside<'_>) -> Result<RunResult, LoadError> {
        self.check()?;
        let on_view = &mut *beside.on_view;
        // With thousands of connections the soft limit on open files is what one meets first.
        engine_rt::raise_open_files();
        let cores = self.cores()?;
        let targets = self.targets()?;
        let (mut result, one_way, observer) = match &self.from {
            From::Here => {
                let workers = cores::threads(&self.scenario, &cores);
                let used = cores.get(..workers as usize).unwrap_or(&cores);
                let observer = Observer::start(targets.beside(used));
                let shares: Vec<Share> = (0..workers).map(|worker| Share { worker, workers }).collect();
                let workers = (self.program.start())(&self.scenario, &shares, &cores)?;
                (load_drive::run(&self.scenario, &workers, stop, on_view)?, None, observer)
            }
            From::Machines { addresses, token } => {
                let observer = Observer::start(targets);
                let (remote, workers) = Remote::connect(addresses, token, &self.scenario, engine_rt::monotonic_ns)?;
                let mut result = load_drive::run(&self.scenario, &workers, stop, on_view)?;
                result.workers = remote.finish();
                let refused = refuse_one_way(&mut result);
                (result, refused, observer)
            }
        };
        (beside.on_found)(&mut result);
        let seen = observer.map(Observer::finish).unwrap_or_default();
        seen.fill(&mut result);
        result.server.is_within = matches!(self.look.processes, Find::Threads(_));
        result.machine = observe::machine();
        let no_floor = self.measure_floor(&mut result, &cores);
        result.judge();
        remark(&mut result, &seen, [one_way, no_floor]);
        Ok(result)
    }

    fn cores(&self) -> Result<Vec<usize>, LoadError> {
        cores::of_list(&self.scenario.cores, &engine_rt::allowed_cores()).map_err(LoadError::Cores)
    }

    /// Measures the floor, unless somebody waits for the end; gives why there is none. Its echo is where the server was: on a core that
    /// the load does not have, if there is one.
    fn measure_floor(&self, result: &mut RunResult, cores: &[usize]) -> Option<String> {
        if self.floor == Floor::Off || result.interrupted || result.cut_off.is_some() {
            return None;
        }
        let others = engine_rt::allowed_cores().into_iter().filter(|core| !cores.contains(core));
        let echo = others.chain(cores.iter().skip(1).copied()).next();
        let cores: Vec<usize> = cores.first().copied().into_iter().chain(echo).collect();
        match floor::measure(&self.scenario, &cores) {
            Ok(floor) => result.floor = floor,
            Err(error) => return Some(error.to_string()),
        }
        None
    }

    fn targets(&self) -> Result<Targets, LoadError> {
        let addresses = self.scenario.every_server().into_iter().map(address_of).collect::<Result<Vec<_>, _>>()?;
        Ok(Targets::of(&addresses, &self.look.processes, self.look.http.as_ref()))
    }
}

/// Adds what is to be known besides the verdict.
fn remark(result: &mut RunResult, seen: &Observation, others: [Option<String>; 2]) {
    let remarks = &mut result.verdict.remarks;
    if result.server.usage.is_none() {
        remarks.extend(seen.remarks.iter().map(|remark| format!("What the server took is not known: {remark}.")));
    }
    remarks.extend(others.into_iter().flatten().map(|remark| sentence(&remark)));
}

/// A remark as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(chars).chain(['.']).collect()
}

/// The address of a server's URL.
///
/// # Errors
/// When it is none, or its name has none.
pub fn address_of(url: &str) -> Result<SocketAddr, LoadError> {
    let read = ServerUrl::parse(url).map_err(|error| LoadError::Server(error.to_string()))?;
    load_drive::look_up(&read).map_err(LoadError::Server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_address_of_its_host_and_port() {
        for (url, address) in [
            ("amqp://127.0.0.1", "127.0.0.1:5672"),
            ("amqps://127.0.0.1", "127.0.0.1:5671"),
            ("amqp://guest:p%40ss@127.0.0.1:9/", "127.0.0.1:9"),
            ("amqp://[::1]:7", "[::1]:7"),
            ("127.0.0.1:8", "127.0.0.1:8"),
        ] {
            assert_eq!(address_of(url).expect(url).to_string(), address);
        }
        for url in ["amqp://guest:secret@nowhere.invalid", "http://guest:secret@127.0.0.1"] {
            let error = address_of(url).expect_err("there is no such host").to_string();
            assert!(error.starts_with("--server: ") && !error.contains("secret"), "{error}");
        }
    }
}
