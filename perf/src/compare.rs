//! The comparison: broker and yardstick take turns, each round gives a ratio, the median counts.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use clap::Args;
use hdrhistogram::Histogram;

use crate::cores::Cores;
use crate::load::{self, Load, Paced};
use crate::message::Kept;
use crate::peer::Settle;
use crate::server::{self, Server, cpu_seconds, folder, start};
use crate::wire;

mod shards;

/// How a comparison is run.
#[derive(Args)]
pub struct Options {
    /// The broker's program.
    #[arg(long)]
    broker: PathBuf,
    /// Rounds of each case.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each run.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// What the program is: a broker, or a router that keeps nothing, with a link capacity of 10,000.
    #[arg(long = "as", value_enum, default_value = "broker")]
    what: What,
    #[command(flatten)]
    cores: Cores,
}

/// What is compared with the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Messages go through queues.
    Broker,
    /// Messages are routed.
    Router,
}

/// What makes a node a router.
pub const ROUTER: &str = "[storage]\nenabled = false\n[router]\nenabled = true\nlink_capacity = 10000\n";

/// How the broker is set up.
struct Setup {
    cores: String,
    shards: u16,
    spin_us: u64,
}

impl Setup {
    fn on(core: usize) -> Self {
        Self { cores: core.to_string(), shards: 1, spin_us: 0 }
    }
}

fn start_broker(options: &Options, setup: &Setup) -> io::Result<Server> {
    let Setup { cores, shards, spin_us } = setup;
    let node = format!("cores = \"{cores}\"\nshards = {shards}\nspin_us = {spin_us}");
    let tables = if options.what == What::Router { ROUTER } else { "" };
    server::start_heddle_with(&options.broker, &folder()?, &node, tables)
}

/// Starts a bare relay on a core, or with `--echo` a bare echo.
///
/// # Errors
/// When it does not start.
pub fn start_yardstick(core: usize, echo: &[&str]) -> io::Result<Server> {
    let ready = folder()?.join("relay");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--congestion-control", &wire::chosen().to_string()]);
    command.arg("relay").arg("--core").arg(core.to_string()).arg("--ready-file").arg(&ready).args(echo);
    start(command, &ready, |text| text.parse().ok())
}

/// The middle one; sorts them.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Runs all cases and prints a line for each.
///
/// # Errors
/// When a process does not start or a connection breaks.
pub fn run(options: &Options) -> io::Result<()> {
    environment();
    let load = |pairs, size, window, settle| Load {
        addresses: load::queues(pairs),
        home: None,
        size,
        window,
        settle,
        kept: Kept::Volatile,
        seconds: options.seconds,
    };
    let cases = [
        ("100 B unsettled, 1 pair", load(1, 100, 2000, Settle::Unsettled), 0.3),
        ("100 B unsettled, 1 pair, window 8000", load(1, 100, 8000, Settle::Unsettled), 0.3),
        ("100 B presettled, 1 pair", load(1, 100, 2000, Settle::Presettled), 0.4),
        ("1 KiB unsettled, 1 pair", load(1, 1024, 2000, Settle::Unsettled), 0.7),
        ("100 B unsettled, 50 pairs, window 32", load(50, 100, 32, Settle::Unsettled), 0.0),
    ];
    println!(
        "{:<38} {:>12} {:>12} {:>8} {:>15} {:>8} {:>8} {:>12}",
        "case", "relay/s", "broker/s", "ratio", "spread", "target", "ns/msg", "load's core"
    );
    for (name, load, target) in cases.into_iter().filter(|(name, ..)| name.contains(&options.only)) {
        let (mut relays, mut brokers, mut ratios, mut costs, mut shares) = (vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..options.rounds {
            let relay = start_yardstick(options.cores.core, &[])?;
            let relayed = options.cores.load(|| load::through_relay(relay.address, &load))?;
            drop(relay);
            let broker = start_broker(options, &Setup::on(options.cores.core))?;
            let before = (cpu_seconds(broker.child.id()), cpu_seconds(std::process::id()), Instant::now());
            let rate = options.cores.load(|| load::pairs(broker.address, &load))?;
            let cpu = cpu_seconds(broker.child.id()) - before.0;
            shares.push((cpu_seconds(std::process::id()) - before.1) / before.2.elapsed().as_secs_f64());
            relays.push(relayed);
            brokers.push(rate);
            ratios.push(rate / relayed);
            costs.push(cpu / (rate * load.seconds) * 1e9);
        }
        let ratio = median(&mut ratios);
        let spread = format!("{:.2} .. {:.2}", ratios[0], ratios[ratios.len() - 1]);
        let goal = if target > 0.0 { format!("{target}") } else { "1 M/s".to_owned() };
        println!(
            "{name:<38} {:>12.0} {:>12.0} {ratio:>8.2} {spread:>15} {goal:>8} {:>8.0} {:>10.0} %",
            median(&mut relays),
            median(&mut brokers),
            median(&mut costs),
            median(&mut shares) * 100.0
        );
    }
    for (name, spin) in [("10,000/s", 0), ("10,000/s, spinning 1 ms", 1000)] {
        if name.contains(&options.only) {
            pace(options, name, spin)?;
        }
    }
    if options.what == What::Router {
        // Nobody owns an address: the cases below choose by that which shards there are between two links.
        return std::fs::remove_dir_all(folder()?);
    }
    if "forwarded".contains(&options.only) {
        shards::forwarded(options)?;
    }
    if "two shards".contains(&options.only) {
        shards::two(options)?;
    }
    std::fs::remove_dir_all(folder()?)
}

fn pace(options: &Options, name: &str, spin_us: u64) -> io::Result<()> {
    println!("{name}, µs:");
    for _ in 0..options.rounds {
        let echo = start_yardstick(options.cores.core, &["--echo"])?;
        let (bare, echo_cpu) = paced(options, &echo, &Paced::Echo)?;
        drop(echo);
        let broker = start_broker(options, &Setup { spin_us, ..Setup::on(options.cores.core) })?;
        let what = Paced::Queue { address: "perf.paced".to_owned(), home: None };
        let (queue, cpu) = paced(options, &broker, &what)?;
        println!("  echo   {}  cpu {:.0} %", percentiles(&bare), echo_cpu * 100.0);
        println!("  broker {}  cpu {:.0} %", percentiles(&queue), cpu * 100.0);
    }
    Ok(())
}

/// Sends 10,000 messages a second; gives their latencies, and the server's share of its core.
fn paced(options: &Options, server: &Server, what: &Paced) -> io::Result<(Histogram<u64>, f64)> {
    let (before, start) = (cpu_seconds(server.child.id()), Instant::now());
    let latencies =
        options.cores.load(|| load::paced((server.address, server.address), what, 10_000, options.seconds))?;
    Ok((latencies, (cpu_seconds(server.child.id()) - before) / start.elapsed().as_secs_f64()))
}

/// The usual percentiles, microseconds.
pub fn percentiles(histogram: &Histogram<u64>) -> String {
    let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    format!(
        "p50 {:>7.1}  p90 {:>7.1}  p99 {:>7.1}  p99.9 {:>8.1}  max {:>9.1}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        histogram.max() as f64 / 1000.0
    )
}

/// Says what the machine is.
pub fn environment() {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    println!(
        "{}; Linux {}; {}; load {}",
        model.trim_start_matches(['\t', ' ', ':']),
        read("/proc/sys/kernel/osrelease"),
        read("/proc/sys/net/ipv4/tcp_congestion_control"),
        read("/proc/loadavg")
    );
}
