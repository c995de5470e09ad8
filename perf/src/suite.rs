//! The comparison suite: the same scenarios against Heddle and its peers in one sitting, with the same generator.
//!
//! Every subject starts anew on the broker's core, the generator (`heddle-load`, a program of its own) has the load's core. First the
//! maximum is found, in a closed loop; then latencies, in an open loop at shares of the middle of the maxima of its rounds so far.
//! What was measured is kept as it comes, so that a suite that was ended goes on where it stopped.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use load_model::scenario::{Arrivals, Scenario};

use crate::server::beside;

mod figures;
mod generator;
mod record;
mod subject;
mod table;
mod visit;

use generator::{Generator, Run};
use record::{Figures, Key, Outcome, Record, Records};
use subject::{HEDDLE, Running, Subject};
use visit::{Load, Visit};

/// How the suite is run.
#[derive(Args)]
pub struct Options {
    /// Whom to measure; ratios are those of the first one to each of the others.
    #[arg(long, value_delimiter = ',', default_value = "heddle,artemis,rabbitmq,qdrouterd")]
    peers: Vec<String>,
    /// Where `perf/peers/NAME.sh FOLDER/NAME` made each peer, on the disk to be measured; Heddle's data goes there, too.
    #[arg(long, required_unless_present = "table")]
    folder: Option<PathBuf>,
    /// Heddle's program [default: beside this one].
    #[arg(long)]
    broker: Option<PathBuf>,
    /// The load generator [default: heddle-load beside this program].
    #[arg(long)]
    load: Option<PathBuf>,
    /// Scenario files.
    #[arg(long, default_value = "perf/scenarios")]
    scenarios: PathBuf,
    /// Only scenarios whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Shares of its own maximum at which each one's latency is measured, hundredths; 0: none.
    #[arg(long, value_delimiter = ',', default_value = "10,50,80")]
    shares: Vec<u8>,
    /// How often everything is measured [default: 5].
    #[arg(long)]
    rounds: Option<u32>,
    /// Measured time of each run [default: 5].
    #[arg(long)]
    seconds: Option<f64>,
    /// One round of two seconds: whether everything works, not how well.
    #[arg(long)]
    quick: bool,
    /// Where records and results go; one that has some is gone on with.
    #[arg(long, default_value = "perf/results/suite")]
    output: PathBuf,
    /// Prints the tables of a folder's records, and measures nothing.
    #[arg(long, value_name = "FOLDER")]
    table: Option<PathBuf>,
    /// The core of who is measured; the load has `--load-core`.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// The load's core.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
}

/// Set by a signal. It reached the generator and Heddle, too, so that the run under way is not to be believed.
static ENDING: AtomicBool = AtomicBool::new(false);
/// What is not counted at the beginning of each run, seconds: until windows are full and connections have their buffers.
const WARM_UP_SECONDS: f64 = 1.0;

/// Everything that is to be measured, and with what.
struct Suite {
    scenarios: Vec<(PathBuf, Scenario)>,
    subjects: Vec<Subject>,
    loads: Vec<Load>,
    generator: Generator,
    records: Records,
    output: PathBuf,
    core: usize,
}

/// Measures what is not measured yet, and prints the tables.
///
/// # Errors
/// When a program is missing or does not start, or a record cannot be written.
pub fn run(options: &Options) -> io::Result<()> {
    if let Some(folder) = &options.table {
        print!("{}", table::render(&Records::open(folder)?, &options.peers));
        return Ok(());
    }
    engine_rt::on_termination(|_| {
        ENDING.store(true, Ordering::Relaxed);
        eprintln!("ending; the same command goes on from there");
    })?;
    let Some(folder) = &options.folder else { return Err(io::Error::other("--folder says where the peers are")) };
    let mut suite = Suite::new(options, folder)?;
    suite.measure(options.rounds.unwrap_or(if options.quick { 1 } else { 5 }))?;
    print!("{}", table::render(&suite.records, &options.peers));
    Ok(())
}

/// The scenarios of a folder, non-durable ones first, small ones first.
fn scenarios(folder: &Path, only: &str) -> io::Result<Vec<(PathBuf, Scenario)>> {
    let of_folder = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| of_folder(&error))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let of_file = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
        let scenario = Scenario::parse(&std::fs::read_to_string(&path)?).map_err(|error| of_file(&error))?;
        if scenario.groups.len() != 1 || scenario.groups.iter().any(|group| group.arrivals != Arrivals::Closed) {
            return Err(of_file(&"the suite wants one group with arrivals = { kind = \"closed\" }"));
        }
        if scenario.name.contains(only) {
            found.push((path, scenario));
        }
    }
    if found.is_empty() {
        return Err(of_folder(&format!("no scenario's name contains {only:?}")));
    }
    found.sort_by_key(|(_, scenario)| table::order(&scenario.name));
    Ok(found)
}

impl Suite {
    fn new(options: &Options, folder: &Path) -> io::Result<Self> {
        let subject = |name: &String| match name.as_str() {
            HEDDLE => Subject::heddle(&beside(options.broker.as_ref(), "heddle")?, folder),
            name => Subject::peer(name, folder),
        };
        let shares = options.shares.iter().filter(|share| **share > 0);
        Ok(Self {
            scenarios: scenarios(&options.scenarios, &options.only)?,
            subjects: options.peers.iter().map(subject).collect::<io::Result<_>>()?,
            loads: [Load::Maximum].into_iter().chain(shares.map(|share| Load::Share(*share))).collect(),
            generator: Generator {
                program: beside(options.load.as_ref(), "heddle-load")?,
                core: options.load_core,
                seconds: options.seconds.unwrap_or(if options.quick { 2.0 } else { 5.0 }),
                warm_up_seconds: WARM_UP_SECONDS,
            },
            records: Records::open(&options.output)?,
            output: options.output.clone(),
            core: options.core,
        })
    }

    fn key(&self, visit: Visit, load: Load) -> Key {
        Key {
            scenario: self.scenarios[visit.scenario].1.name.clone(),
            load,
            subject: self.subjects[visit.subject].name.clone(),
            round: visit.round,
        }
    }

    /// What of a visit is not measured yet.
    fn missing(&self, visit: Visit) -> Vec<Load> {
        if self.subjects[visit.subject].address(&self.scenarios[visit.scenario].1).is_none() {
            return Vec::new();
        }
        let is_missing = |load: &Load| !self.records.has(&self.key(visit, *load));
        self.loads.iter().copied().filter(is_missing).collect()
    }

    fn measure(&mut self, rounds: u32) -> io::Result<()> {
        for subject in &self.subjects {
            let keeps = self.scenarios.iter().all(|(_, scenario)| subject.address(scenario).is_some());
            let skipped = if keeps { "" } else { "; keeps nothing: durable scenarios are skipped" };
            eprintln!("{} {}: {}{skipped}", subject.name, subject.version, subject.configuration);
        }
        let mut left = visit::visits(rounds, self.scenarios.len(), self.subjects.len());
        left.retain(|visit| !self.missing(*visit).is_empty());
        let (total, start) = (left.len(), Instant::now());
        for (done, visit) in left.into_iter().enumerate() {
            let (scenario, subject) = (&self.scenarios[visit.scenario].1.name, &self.subjects[visit.subject].name);
            let left = match done {
                0 => String::new(),
                _ => {
                    let each = start.elapsed().as_secs_f64() / done as f64;
                    format!(", {:.0} min left", each * (total - done) as f64 / 60.0)
                }
            };
            eprintln!("[{}/{total}] round {} of {rounds}: {scenario}, {subject}{left}", done + 1, visit.round);
            self.visit(visit)?;
            if ENDING.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// Starts a subject and measures what is missing of it.
    fn visit(&mut self, visit: Visit) -> io::Result<()> {
        let missing = self.missing(visit);
        let subject = &self.subjects[visit.subject];
        let running = subject.start(self.core)?;
        if subject.warm_up_seconds > 0.0 {
            let run = self.request(visit, Load::Maximum, 0.0, &running);
            self.generator.warm_up(&run, subject.warm_up_seconds)?;
        }
        for load in missing {
            let outcome = self.outcome(visit, load, &running)?;
            if ENDING.load(Ordering::Relaxed) {
                break;
            }
            match &outcome {
                Outcome::Measured(found) => {
                    let reasons = found.verdict.reasons.join(" ");
                    eprintln!("    {load:>4}: {}/s {reasons}", figures::rate(found.rate));
                }
                Outcome::Failed(why) => eprintln!("    {load:>4}: {why}"),
            }
            let (scenario, subject) = (&self.scenarios[visit.scenario].1, &self.subjects[visit.subject]);
            self.records.add(Record {
                key: self.key(visit, load),
                durable: subject::is_durable(scenario),
                version: subject.version.clone(),
                configuration: subject.configuration.clone(),
                outcome,
            })?;
        }
        Ok(())
    }

    fn request<'a>(&'a self, visit: Visit, load: Load, rate: f64, to: &'a Running) -> Run<'a> {
        let (path, scenario) = &self.scenarios[visit.scenario];
        let address = self.subjects[visit.subject].address(scenario).expect("visits have something missing");
        Run { scenario: path, to, address, load, rate }
    }

    fn outcome(&self, visit: Visit, load: Load, running: &Running) -> io::Result<Outcome> {
        let key = self.key(visit, load);
        let asked = match load {
            Load::Maximum => None,
            Load::Share(percent) => match self.records.maximum(&key.scenario, &key.subject) {
                Some(maximum) => Some(maximum * f64::from(percent) / 100.0),
                None => return Ok(Outcome::Failed("there is no maximum to take a share of".to_owned())),
            },
        };
        let run = self.request(visit, load, asked.unwrap_or(0.0), running);
        match self.generator.run(&run)? {
            Ok(result) => {
                let name = format!("{}-{}-{}-{}.json", key.scenario, key.load, key.subject, key.round);
                let runs = self.output.join("runs");
                std::fs::create_dir_all(&runs)?;
                std::fs::write(runs.join(name.replace('%', "")), serde_json::to_vec(&result)?)?;
                Ok(Outcome::Measured(Box::new(Figures::of(&result, asked))))
            }
            Err(why) => Ok(Outcome::Failed(why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenarios_of_this_folder_are_a_set_that_the_suite_takes() {
        let found = scenarios(Path::new("scenarios"), "").expect("all of them");
        let names: Vec<&str> = found.iter().map(|(_, scenario)| scenario.name.as_str()).collect();
        assert_eq!(names[..4], ["volatile-100B", "volatile-100B-16q", "volatile-1KiB", "volatile-1KiB-16q"]);
        assert_eq!(names.len(), 12);
        for (path, scenario) in &found {
            assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), Some(scenario.name.as_str()));
            assert_eq!(subject::is_durable(scenario), scenario.name.starts_with("durable"));
            let group = &scenario.groups[0];
            assert_eq!(group.addresses, if scenario.name.ends_with("-16q") { 16 } else { 1 });
            assert_eq!((group.producers, group.consumers), (group.addresses, group.addresses));
        }
        assert!(scenarios(Path::new("scenarios"), "nothing").is_err());
    }

    #[test]
    fn what_jms_applications_use_is_a_set_of_its_own() {
        let found = scenarios(Path::new("scenarios/jms"), "").expect("all of them");
        assert_eq!(found.len(), 8);
        for (path, scenario) in &found {
            assert_eq!(path.file_stem().and_then(|stem| stem.to_str()), Some(scenario.name.as_str()));
            let (group, name) = (&scenario.groups[0], scenario.name.as_str());
            let asked = [
                (group.transaction > 0, "transaction"),
                (group.jms.is_dealt(), "selectors"),
                (group.jms.fail.share > 0.0, "redelivery"),
                (group.jms.message_groups > 0, "groups"),
                (!group.jms.priorities.cycle().is_empty(), "priorities"),
            ];
            for (is_asked, kind) in asked {
                assert_eq!(is_asked, name.starts_with(kind), "{name}");
            }
        }
    }
}
