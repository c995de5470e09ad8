//! A scenario of a file, of options, or of both: options win.

use std::io;
use std::path::PathBuf;

use clap::Args;
use load_model::scenario::{Group, Scenario, ScenarioError, WarmUp};
use load_model::units::Span;

use super::connection::ConnectionOptions;
use super::traffic::{TrafficOptions, set};
use super::written;

/// What load to make.
#[derive(Args, Clone, Debug, Default)]
pub struct ScenarioOptions {
    /// A scenario file; without one the options make up one group.
    #[arg(value_name = "SCENARIO.toml")]
    file: Option<PathBuf>,
    /// How long is measured, behind the warm-up [default: 30s].
    #[arg(long, value_name = "TIME")]
    duration: Option<Span>,
    /// What is not counted at the beginning: auto (until rates and latencies are steady), or a time [default: auto].
    #[arg(long, value_name = "TIME", value_parser = written::warm_up)]
    warm_up: Option<WarmUp>,
    /// End when so many messages were sent in all, if that is before --duration; without one, however long it takes.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// How long messages under way may take to come after the last one was sent [default: 10s].
    #[arg(long, value_name = "TIME")]
    drain: Option<Span>,
    /// Where chance begins: the same seed is the same load [default: 1].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The run's name in reports.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// What has to hold, such as p99.9<2ms, lost=0 or orders.accept.p50<300us; may be given again.
    #[arg(long, value_name = "EXPR")]
    require: Vec<String>,
    /// Be content with a run in which losses could not be looked for; its status is 6 otherwise.
    #[arg(long)]
    ignore_losses: bool,
    #[command(flatten)]
    traffic: TrafficOptions,
    #[command(flatten)]
    connection: ConnectionOptions,
}

/// Why options and file are no scenario.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// As it was named.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file, or what options made of it, is no scenario.
    #[error("{origin}: {error}")]
    Scenario {
        /// The file's name, or `options`.
        origin: String,
        /// What is wrong.
        error: ScenarioError,
    },
    /// Options change a group, and it is not said which.
    #[error("the scenario has several groups: say with --group which one to change: {names}")]
    WhichGroup {
        /// The groups there are.
        names: String,
    },
    /// There is no such group.
    #[error("the scenario has no group {name:?}, but {names}")]
    NoGroup {
        /// What was asked for.
        name: String,
        /// The groups there are.
        names: String,
    },
    /// The password file cannot be read.
    #[error("{0}")]
    Password(String),
}

impl ScenarioOptions {
    /// The scenario that they come to.
    ///
    /// # Errors
    /// What is wrong with the file or the options.
    pub fn resolve(&self) -> Result<Scenario, ResolveError> {
        self.resolve_from(Scenario { groups: vec![Group::default()], ..Scenario::default() })
    }

    /// The same, where neither file nor options say anything, from another scenario of one group.
    ///
    /// # Errors
    /// What is wrong with the file or the options.
    pub fn resolve_from(&self, base: Scenario) -> Result<Scenario, ResolveError> {
        let origin = self.file.as_ref().map_or("options".to_owned(), |path| path.display().to_string());
        let of_scenario = |error| ResolveError::Scenario { origin: origin.clone(), error };
        let mut scenario = match &self.file {
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|error| ResolveError::Read { path: path.clone(), error })?;
                Scenario::parse(&text).map_err(of_scenario)?
            }
            None => base,
        };
        if self.traffic.is_given() {
            self.traffic.change(self.group(&mut scenario)?);
        }
        match &self.traffic.group {
            _ if !self.connection.has_ends() => {}
            Some(_) => self.connection.change_ends(self.group(&mut scenario)?),
            None => scenario.groups.iter_mut().for_each(|group| self.connection.change_ends(group)),
        }
        self.connection.change(&mut scenario).map_err(ResolveError::Password)?;
        if self.count.is_some() && self.duration.is_none() && self.file.is_none() {
            // A count alone means that many messages, however long they take; a day is out of the way.
            scenario.duration = Span::seconds(86_400.0);
        }
        set(&mut scenario.duration, self.duration);
        set(&mut scenario.warm_up, self.warm_up);
        set(&mut scenario.count, self.count);
        set(&mut scenario.drain, self.drain);
        set(&mut scenario.seed, self.seed);
        set(&mut scenario.name, self.name.clone());
        scenario.require.extend(self.require.iter().cloned());
        scenario.ignore_losses |= self.ignore_losses;
        scenario.check().map_err(of_scenario)?;
        Ok(scenario)
    }

    /// With so many queues, if it was not said to what messages go.
    pub fn or_queues(mut self, queues: u32) -> Self {
        if self.file.is_none() {
            self.traffic.or_queues(queues);
        }
        self
    }

    /// Whether it was said whom to load.
    pub fn has_server(&self) -> bool {
        self.connection.has_server() || self.file.is_some()
    }

    /// Whether it was said how long to measure.
    pub fn has_duration(&self) -> bool {
        self.duration.is_some() || self.file.is_some()
    }

    fn group<'a>(&self, scenario: &'a mut Scenario) -> Result<&'a mut Group, ResolveError> {
        let names = scenario.groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>().join(", ");
        match &self.traffic.group {
            Some(name) => {
                let found = scenario.groups.iter_mut().find(|group| &group.name == name);
                found.ok_or_else(|| ResolveError::NoGroup { name: name.clone(), names })
            }
            None => match scenario.groups.as_mut_slice() {
                [group] => Ok(group),
                _ => Err(ResolveError::WhichGroup { names }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use load_model::scenario::{Pattern, Settle};
    use load_model::units::Rate;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        options: ScenarioOptions,
    }

    fn resolve(line: &[&str]) -> Result<Scenario, ResolveError> {
        Line::parse_from(["load"].iter().chain(line)).options.resolve()
    }

    #[test]
    fn nothing_given_is_the_default_load() {
        let scenario = resolve(&[]).expect("a scenario");
        assert_eq!(scenario, Scenario { groups: vec![Group::default()], ..Scenario::default() });
    }

    #[test]
    fn options_make_up_a_group() {
        let line = "--rate 20k --duration 5s --warm-up 1s --size 100 --durable --settle second --queues 16 --consumers 32 --user guest \
                    --password secret --server amqp://a --server amqp://b --require lost=0";
        let scenario = resolve(&line.split_whitespace().collect::<Vec<_>>()).expect("a scenario");
        let group = &scenario.groups[0];
        assert_eq!((group.addresses, group.producers, group.consumers), (16, 16, 32));
        assert_eq!((group.rate, group.durable, group.settle), (Rate(20_000.0), true, Settle::Second));
        assert_eq!((scenario.servers.len(), scenario.connection.password.as_str()), (2, "secret"));
        assert_eq!(scenario.require, ["lost=0"]);
        let topic = resolve(&["--topics", "2", "--producers", "1", "--consumers", "8"]).expect("a scenario");
        assert_eq!((topic.groups[0].pattern, topic.groups[0].producers), (Pattern::Topic, 1));
        let counted = resolve(&["--count", "1000"]).expect("a scenario");
        assert_eq!((counted.count, counted.duration), (1000, Span::seconds(86_400.0)));
    }

    #[test]
    fn what_jms_applications_use_has_options() {
        let line = [
            "--topics",
            "1",
            "--consumers",
            "9",
            "--selector",
            "consumer = {}",
            "--priorities",
            "0-9",
            "--fail",
            "5%x3",
        ];
        let scenario = resolve(&line).expect("a scenario");
        let jms = &scenario.groups[0].jms;
        assert_eq!((jms.selector.as_str(), jms.priorities.cycle().len()), ("consumer = {}", 10));
        assert_eq!(jms.fail.to_string(), "5%x3");
        assert_eq!(resolve(&["--message-groups", "7"]).expect("a scenario").groups[0].jms.message_groups, 7);
        let error = resolve(&["--fail", "5%", "--settle", "presettled"]).expect_err("a contradiction").to_string();
        assert!(error.starts_with("options: group \"main\", fail: what is sent settled"), "{error}");
    }

    #[test]
    fn options_win_over_a_file_and_say_which_group_they_mean() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("two.toml");
        let text = "duration = \"9s\"\n[[group]]\nname = \"orders\"\nrate = \"1k\"\n[[group]]\nname = \"quotes\"\n";
        std::fs::write(&path, text).expect("a file");
        let path = path.to_str().expect("text");
        let scenario = resolve(&[path, "--group", "orders", "--rate", "2k", "--seed", "7"]).expect("a scenario");
        assert_eq!((scenario.groups[0].rate, scenario.groups[1].rate), (Rate(2000.0), Rate(10_000.0)));
        assert_eq!((scenario.duration, scenario.seed), (Span::seconds(9.0), 7));
        // Where the ends of groups are is said of all of them, or of one.
        let ends = |line: &[&str]| {
            let groups = resolve(line).expect("a scenario").groups;
            groups.into_iter().map(|group| (group.producers_at, group.consumers_at)).collect::<Vec<_>>()
        };
        let (here, far) = (Vec::<String>::new(), vec!["amqp://far".to_owned()]);
        let both = ends(&[path, "--consumers-at", "amqp://far"]);
        assert_eq!(both, [(here.clone(), far.clone()), (here.clone(), far.clone())]);
        let one = ends(&[path, "--group", "quotes", "--producers-at", "amqp://far"]);
        assert_eq!(one, [(here.clone(), here.clone()), (far, here)]);
        for (line, told) in [
            (&[path, "--rate", "2k"][..], "--group which one to change: orders, quotes"),
            (&[path, "--group", "bids", "--durable"], "no group \"bids\", but orders, quotes"),
            (&[path, "--group", "bids", "--producers-at", "amqp://a"], "no group \"bids\", but orders, quotes"),
            (&[path, "--consumers-at", "a:b"], "group \"orders\", consumers_at (--consumers-at), number 1: a server's"),
            (&["/nowhere/a.toml"], "cannot read /nowhere/a.toml"),
            (&["--size", "10"], "options: group \"main\", size"),
            (&["--password-file", "/nowhere/secret"], "cannot read the secret in /nowhere/secret"),
        ] {
            let error = resolve(line).expect_err(told).to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_password_file_is_read_up_to_its_first_line_end() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("secret");
        std::fs::write(&path, "two words\nand more\n").expect("a file");
        let scenario = resolve(&["--password-file", path.to_str().expect("text")]).expect("a scenario");
        assert_eq!(scenario.connection.password, "two words");
    }
}
