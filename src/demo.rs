//! `heddle demo`: a node in this process on data of its own, a load of two kinds of messages, the live view, and the report.
//!
//! Nothing has to be installed or configured, and nothing is left behind but the report: the data is removed, ports are those that
//! the system gives, on this machine only.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use load_cli::{Floor, From, Keep, Live, Load, Look, Output, Print};
use load_drive::observe::Find;
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
        let (node_cores, load_cores) = share(&engine_rt::allowed_cores());
        let config = Given::from(configuration(&folder.data(), &node_cores)).resolve()?;
        let node = Running::start(&config, Arc::new(AtomicBool::new(false)))?;
        let shown = self.show(&node, &folder, &load_cores, &stop);
        node.stop()?;
        shown?;
        println!("\nOpen {} in a browser for the charts.", folder.path.join("report.html").display());
        println!(
            "Next: `heddle run` starts a node of your own, and `heddle load run --rate 10000 --duration 30s` loads it."
        );
        Ok(())
    }

    fn show(&self, node: &Running, folder: &Folder, cores: &str, stop: &AtomicBool) -> crate::Result<()> {
        let address = *node.addresses().first().ok_or("the node listens nowhere")?;
        let http = node.http().map(|http| format!("http://{http}/state").parse()).transpose()?;
        let load = Load {
            scenario: scenario(address, self.duration, cores),
            from: From::Here,
            look: Look { processes: Find::Threads(&NODE_THREADS), http },
            floor: Floor::Measured,
        };
        let keep = Keep::Folder(folder.path.clone());
        let output = Output { keep, print: Print::Text, prometheus: None, live: self.live };
        output.perform(&load, stop)?;
        Ok(())
    }
}

/// Cores for the node, and for the load: apart where there are two.
fn share(allowed: &[usize]) -> (String, String) {
    let list = |cores: &[usize]| cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let shards = (allowed.len() / 2).clamp(1, SHARDS_MAX);
    let (node, rest) = allowed.split_at(shards.min(allowed.len()));
    let load = rest.last().or(node.last()).copied();
    (list(node), list(load.as_slice()))
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
fn scenario(address: SocketAddr, duration: Span, cores: &str) -> Scenario {
    let orders = Group {
        name: "orders".to_owned(),
        address: "orders".to_owned(),
        arrivals: Arrivals::Poisson,
        rate: Rate(1000.0),
        size: Size::LogNormal { median: Bytes(400), p99: Bytes(4096), max: Bytes(65_536) },
        durable: true,
        ..Group::default()
    };
    let quotes = Group {
        name: "quotes".to_owned(),
        address: "quotes".to_owned(),
        pattern: Pattern::Topic,
        consumers: 4,
        rate: Rate(5000.0),
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
        cores: cores.to_owned(),
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
