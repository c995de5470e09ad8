//! `heddle demo`: a node in this process on data of its own, a load of two kinds of messages, the live view, and the report.
//!
//! Nothing has to be installed or configured, and nothing is left behind but the report: the data is removed, ports are those that
//! the system gives, on this machine only.
//!
//! It shows, and does not measure: broker and load are one process beside whatever else the machine does. Its load is one that the cores
//! it finds carry easily, and where there are two, one of them is the load's alone; the report says what kind of statement it is, what
//! disturbed it, and which commands measure. What does not depend on speed is asked of it all the same: a message that is lost fails it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use load_cli::{Beside, Floor, From, Keep, Live, Load, Look, Output, Print, Program, print};
use load_drive::observe::Find;
use load_model::number;
use load_model::result::RunResult;
use load_model::scenario::{Arrivals, Group, Pattern, Scenario, Settle, Size, WarmUp};
use load_model::units::{Bytes, Rate, Span};

use crate::boot::Running;
use crate::config::{Config, Given, Listener};

/// Warm-up: connections, queues and the first segments of the journal are made in it.
const WARM_UP: Span = Span(3_000_000_000);
/// Size of a journal's file, MiB: a few of them are made at once, and a demonstration fills one.
const SEGMENT_MIB: u64 = 8;
/// Left free on the file system of temporary files, MiB; they are often smaller than disks.
const MIN_FREE_MIB: u64 = 64;
/// Shards at most: a demonstration leaves cores to whoever watches it.
const SHARDS_MAX: usize = 2;

/// How names of a node's threads begin; the others of this process are the load's.
const NODE_THREADS: [&str; 7] = ["shard-", "journal-", "prepare-", "read-", "large-", "verify-", "http"];

/// Options of `demo`.
#[derive(Args)]
pub struct Demo {
    /// How long is measured.
    #[arg(long, value_name = "TIME", default_value = "15s")]
    duration: Span,
    /// When the live view is drawn.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    live: Live,
}

impl Demo {
    /// Shows it.
    ///
    /// # Errors
    /// When the node does not start, or the load fails.
    pub fn execute(self) -> crate::Result<()> {
        // Before the node's threads are started, so that signals come here.
        let stop = load_cli::stop_at_signal()?;
        let folder = Folder::create()?;
        let cores = Cores::share(&engine_rt::allowed_cores());
        let config = Given::from(configuration(&folder.data(), &cores.node)).resolve()?;
        let node = Running::start(&config, Arc::new(AtomicBool::new(false)), None)?;
        let shown = self.show(&node, &folder, &cores, &stop);
        node.stop()?;
        let result = shown?;
        print(&next(&folder.path, &cores))?;
        if result.verdict.faults.is_empty() { Ok(()) } else { Err(result.verdict.faults.join(" ").into()) }
    }

    fn show(&self, node: &Running, folder: &Folder, cores: &Cores, stop: &AtomicBool) -> crate::Result<RunResult> {
        let address = *node.addresses().first().ok_or("the node listens nowhere")?;
        let http = node.http().map(|http| format!("http://{http}/state").parse()).transpose()?;
        let load = Load {
            scenario: scenario(address, self.duration, cores),
            from: From::Here,
            look: Look { processes: Find::Threads(&NODE_THREADS), http },
            floor: Floor::Measured,
            program: Program::Broker,
        };
        let keep = Keep::Folder(folder.path.clone());
        let output = Output { keep, print: Print::Text, prometheus: None, live: self.live };
        let on_found = &mut |result: &mut RunResult| result.demonstration = cores.statement();
        Ok(output.perform_beside(&load, stop, &mut Beside { on_view: &mut |_| {}, on_found })?)
    }
}

/// Cores for the node, and for the load, as lists: apart where there are two.
#[derive(Debug, PartialEq, Eq)]
struct Cores {
    node: String,
    load: String,
    /// How many there are to choose from.
    allowed: usize,
}

impl Cores {
    fn share(allowed: &[usize]) -> Self {
        let list = |cores: &[usize]| cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let shards = (allowed.len() / 2).clamp(1, SHARDS_MAX);
        let (node, rest) = allowed.split_at(shards.min(allowed.len()));
        let load = rest.last().or(node.last()).copied();
        Self { node: list(node), load: list(load.as_slice()), allowed: allowed.len() }
    }

    /// Orders and quotes a second that these cores carry with room to spare, in a debug build, too; what one sees in them does not
    /// depend on how many there are.
    fn rates(&self) -> (Rate, Rate) {
        match self.allowed {
            0 | 1 => (Rate(200.0), Rate(1000.0)),
            2 | 3 => (Rate(500.0), Rate(2500.0)),
            _ => (Rate(1000.0), Rate(5000.0)),
        }
    }

    /// What kind of statement the report is.
    fn statement(&self) -> String {
        let shared = match self.allowed {
            0 | 1 => "the only core of this machine; one takes two cores or more".to_owned(),
            _ => format!(
                "{}; for one, run `heddle run --cores {}` and `heddle load run --cores {}`",
                number::counted(self.allowed as u64, "core"),
                self.node,
                self.load
            ),
        };
        format!("A demonstration, not a benchmark: broker and load share {shared}")
    }
}

/// What to do next, for people.
fn next(folder: &Path, cores: &Cores) -> String {
    let [report, scenario] = ["report.html", "scenario.toml"].map(|name| folder.join(name).display().to_string());
    format!(
        "\nOpen {report} in a browser for the charts.\n\
         To repeat it with a broker that stays, in two terminals:\n  \
         heddle run --cores {}\n  \
         heddle load run {scenario} --server amqp://127.0.0.1:5672\n",
        cores.node
    )
}

fn configuration(data: &Path, cores: &str) -> Config {
    let mut config = Config::default();
    let here = SocketAddr::from(([127, 0, 0, 1], 0));
    config.node.data_dir = data.to_path_buf();
    cores.clone_into(&mut config.node.cores);
    config.listeners = vec![Listener { address: here.into(), ..Listener::default() }];
    config.http.address = here.into();
    config.storage.segment_mib = SEGMENT_MIB;
    config.storage.min_free_mib = MIN_FREE_MIB;
    config
}

/// Orders that must not get lost, and quotes of which only the newest count: what the two cost is what one comes to see.
fn scenario(address: SocketAddr, duration: Span, cores: &Cores) -> Scenario {
    let (of_orders, of_quotes) = cores.rates();
    let orders = Group {
        name: "orders".to_owned(),
        address: "orders".to_owned(),
        arrivals: Arrivals::Poisson,
        rate: of_orders,
        size: Size::LogNormal { median: Bytes(400), p99: Bytes(4096), max: Bytes(65_536) },
        durable: true,
        ..Group::default()
    };
    let quotes = Group {
        name: "quotes".to_owned(),
        address: "quotes".to_owned(),
        pattern: Pattern::Topic,
        consumers: 4,
        rate: of_quotes,
        size: Size::Fixed(Bytes(100)),
        settle: Settle::Presettled,
        ..Group::default()
    };
    Scenario {
        name: "demonstration".to_owned(),
        description: "durable orders on a queue, beside quotes on a topic with four subscribers".to_owned(),
        servers: vec![format!("amqp://{address}")],
        duration,
        warm_up: WarmUp::Fixed(WARM_UP),
        cores: cores.load.clone(),
        groups: vec![orders, quotes],
        require: vec!["lost=0".to_owned()],
        ..Scenario::default()
    }
}

/// A folder for the report, with one for the data in it, which goes when the demonstration is over; without a report it goes as a whole.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn create() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("heddle-demo-{}", std::process::id()));
        let folder = Self { path };
        std::fs::create_dir_all(folder.data())?;
        Ok(folder)
    }

    fn data(&self) -> PathBuf {
        self.path.join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the system's place for temporary files.
        let _ = std::fs::remove_dir_all(self.data());
        if !self.path.join("report.html").exists() {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_has_a_core_for_itself_where_there_are_two_and_a_rate_that_fits() {
        for (allowed, node, load, orders) in [
            (&[3][..], "3", "3", 200.0),
            (&[0, 1], "0", "1", 500.0),
            (&[0, 1, 2], "0", "2", 500.0),
            (&[0, 1, 2, 3, 4, 5, 6, 7], "0,1", "7", 1000.0),
        ] {
            let cores = Cores::share(allowed);
            assert_eq!((cores.node.as_str(), cores.load.as_str()), (node, load));
            let scenario = scenario(SocketAddr::from(([127, 0, 0, 1], 5672)), Span(1), &cores);
            assert_eq!((scenario.groups[0].rate, scenario.cores.as_str()), (Rate(orders), load));
        }
    }

    #[test]
    fn it_says_what_kind_of_statement_it_is() {
        assert_eq!(
            Cores::share(&[0, 1]).statement(),
            "A demonstration, not a benchmark: broker and load share 2 cores; for one, run `heddle run --cores 0` and \
             `heddle load run --cores 1`"
        );
        assert!(
            Cores::share(&[0])
                .statement()
                .ends_with("share the only core of this machine; one takes two cores or more")
        );
    }
}
