//! What was measured: one JSON line for each run, in a file that is only appended to.
//!
//! Guarantees: a run that is in the file is not measured again; a line that was cut off by the end of a session counts as never
//! written; a line names its subject, configuration and machine, so that tables need nothing else.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use load_model::interval::Counts;
use load_model::result::{Audit, Generator, Machine, Percentiles, RunResult, Usage, Verdict};
use serde::{Deserialize, Serialize};

use super::figures::median;
use super::visit::Load;

/// The file's name.
const FILE: &str = "records.jsonl";

/// Which run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Name of the scenario.
    pub scenario: String,
    /// How hard.
    pub load: Load,
    /// Name of the subject.
    pub subject: String,
    /// Which round, from 1.
    pub round: u32,
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Which one.
    #[serde(flatten)]
    pub key: Key,
    /// Whether messages were durable.
    pub durable: bool,
    /// The subject's version.
    pub version: String,
    /// The subject's configuration, for people.
    pub configuration: String,
    /// What was found.
    pub outcome: Outcome,
}

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The figures.
    Measured(Box<Figures>),
    /// There are none, and why.
    Failed(String),
}

/// The figures of a run, without its histograms and seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// When it began, milliseconds since 1970.
    pub started_ms: u64,
    /// Where load and subject ran.
    pub machine: Machine,
    /// The device and file system of the subject's data, as far as they are known.
    pub device: String,
    /// Messages a second that were asked for; absent in a closed loop.
    pub asked: Option<f64>,
    /// Messages a second that consumers had.
    pub rate: f64,
    /// What was measured, seconds.
    pub measured_s: f64,
    /// What happened.
    pub counts: Counts,
    /// Percentiles, microseconds.
    pub percentiles: Vec<Percentiles>,
    /// What it cost the subject, as far as that is known.
    pub usage: Option<Usage>,
    /// What it cost the generator.
    pub generator: Generator,
    /// Whether it says something about the subject.
    pub verdict: Verdict,
    /// What became of the messages.
    pub audit: Audit,
}

impl Figures {
    /// What is kept of a result.
    pub fn of(result: &RunResult, asked: Option<f64>) -> Self {
        Self {
            started_ms: result.started_ms,
            machine: result.machine.clone(),
            device: result.server.device.clone(),
            asked,
            rate: result.total.counts.received as f64 / result.measured_s.max(f64::MIN_POSITIVE),
            measured_s: result.measured_s,
            counts: result.total.counts,
            percentiles: result.total.percentiles.clone(),
            usage: result.server.usage.clone(),
            generator: result.generator.clone(),
            verdict: result.verdict.clone(),
            audit: result.audit.clone(),
        }
    }

    /// Percentiles of a metric.
    pub fn latency(&self, metric: &str) -> Option<&Percentiles> {
        self.percentiles.iter().find(|percentiles| percentiles.metric == metric)
    }
}

/// All runs of a folder.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    all: BTreeMap<Key, Record>,
}

impl Records {
    /// Those that a folder has, if any.
    ///
    /// # Errors
    /// When a line, other than a last one without an end, is no record.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let (lines, torn) = text.split_at(whole);
        if !torn.is_empty() {
            OpenOptions::new().write(true).open(&path)?.set_len(lines.len() as u64)?;
        }
        let mut all = BTreeMap::new();
        for (number, line) in lines.lines().enumerate() {
            let record: Record = serde_json::from_str(line)
                .map_err(|error| io::Error::other(format!("{}:{}: {error}", path.display(), number + 1)))?;
            all.insert(record.key.clone(), record);
        }
        Ok(Self { path, all })
    }

    /// Whether a run was measured; one that failed is tried again.
    pub fn has(&self, key: &Key) -> bool {
        matches!(self.all.get(key), Some(Record { outcome: Outcome::Measured(_), .. }))
    }

    /// Adds a run; a second one of the same key replaces the first.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, record: Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(&record)?;
        line.push(b'\n');
        OpenOptions::new().create(true).append(true).open(&self.path)?.write_all(&line)?;
        self.all.insert(record.key.clone(), record);
        Ok(())
    }

    /// All of them, by scenario, load, subject and round.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.all.values()
    }

    /// The middle of the maxima that a subject reached in a scenario so far.
    pub fn maximum(&self, scenario: &str, subject: &str) -> Option<f64> {
        let is_meant = |key: &Key| key.scenario == scenario && key.subject == subject && key.load == Load::Maximum;
        let rates = self.iter().filter(|record| is_meant(&record.key)).filter_map(Record::figures);
        median(rates.map(|figures| figures.rate).collect())
    }
}

impl Record {
    /// Its figures, if there are any.
    pub fn figures(&self) -> Option<&Figures> {
        match &self.outcome {
            Outcome::Measured(figures) => Some(figures),
            Outcome::Failed(_) => None,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A run of which only its rate is of interest.
    pub fn measured(scenario: &str, load: Load, subject: &str, round: u32, rate: f64) -> Record {
        let figures = Figures {
            started_ms: 1_795_651_200_000,
            machine: Machine::default(),
            device: String::new(),
            asked: (load != Load::Maximum).then_some(rate),
            rate,
            measured_s: 5.0,
            counts: Counts::default(),
            percentiles: Vec::new(),
            usage: None,
            generator: Generator::default(),
            verdict: Verdict { valid: true, ..Verdict::default() },
            audit: Audit::default(),
        };
        Record {
            key: Key { scenario: scenario.to_owned(), load, subject: subject.to_owned(), round },
            durable: scenario.starts_with("durable"),
            version: "1".to_owned(),
            configuration: String::new(),
            outcome: Outcome::Measured(Box::new(figures)),
        }
    }

    #[test]
    fn what_was_measured_is_found_again_and_a_torn_line_is_not() {
        let folder = std::env::temp_dir().join(format!("heddle-perf-records-{}", std::process::id()));
        let mut records = Records::open(&folder).expect("an empty one");
        for (round, rate) in [(1, 100.0), (2, 300.0), (3, 110.0)] {
            records.add(measured("a", Load::Maximum, "heddle", round, rate)).expect("written");
        }
        let failed = Record {
            outcome: Outcome::Failed("it ended".to_owned()),
            ..measured("a", Load::Share(50), "heddle", 1, 0.0)
        };
        records.add(failed.clone()).expect("written");
        let path = folder.join(FILE);
        let mut text = fs::read_to_string(&path).expect("a file");
        text.push_str("{\"scenario\":\"a\",\"lo");
        fs::write(&path, text).expect("torn");
        let mut again = Records::open(&folder).expect("the same");
        assert_eq!(again.iter().count(), 4);
        assert_eq!(again.maximum("a", "heddle"), Some(110.0));
        assert_eq!(again.maximum("b", "heddle"), None);
        assert!(again.has(&measured("a", Load::Maximum, "heddle", 2, 0.0).key));
        assert!(!again.has(&failed.key), "a failure is tried again");
        again.add(measured("a", Load::Share(50), "heddle", 1, 50.0)).expect("written behind what is whole");
        assert!(Records::open(&folder).expect("the same").has(&failed.key));
        fs::write(&path, "{}\n").expect("damaged");
        assert!(Records::open(&folder).expect_err("no record").to_string().contains("records.jsonl:1"));
        fs::remove_dir_all(folder).expect("it is ours");
    }
}
