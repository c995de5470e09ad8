//! The comparison: broker and yardstick take turns, each round gives a ratio, the median counts.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;

use crate::load::{self, Load, Paced};
use crate::peer::{Kept, Settle};

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
    /// The broker's core; the load runs on `--load-core`.
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// The load's core.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
}

/// A process that is ended when it is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(mut command: Command, ready: &Path, parse: fn(&str) -> Option<SocketAddr>) -> io::Result<Server> {
    // A file of an earlier run would be believed.
    let _ = std::fs::remove_file(ready);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(address) = std::fs::read_to_string(ready).ok().and_then(|text| parse(&text)) {
            return Ok(Server { child, address });
        }
        if child.try_wait()?.is_some() || Instant::now() > until {
            return Err(io::Error::other(format!("{command:?} did not start")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn folder() -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("heddle-perf-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

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
    let folder = folder()?;
    let (config, ready) = (folder.join("heddle.toml"), folder.join("broker.json"));
    let text = format!(
        "[node]\ncores = \"{}\"\nshards = {}\nspin_us = {}\ndata_dir = \"{}\"\n[http]\naddress = \"127.0.0.1:0\"\n[log]\n\
         level = \"warn\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\nmax_frame_size = 262144\n",
        setup.cores,
        setup.shards,
        setup.spin_us,
        folder.join("data").display()
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new(&options.broker);
    command.arg("run").arg("--config").arg(&config).arg("--ready-file").arg(&ready);
    start(command, &ready, |text| {
        let ready: serde_json::Value = serde_json::from_str(text).ok()?;
        ready["listeners"][0]["address"].as_str()?.parse().ok()
    })
}

fn start_yardstick(options: &Options, echo: &[&str]) -> io::Result<Server> {
    let ready = folder()?.join("relay");
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("relay").arg("--core").arg(options.core.to_string()).arg("--ready-file").arg(&ready).args(echo);
    start(command, &ready, |text| text.parse().ok())
}

/// Runs a load on a thread of its own that stays on one core: children of a pinned thread would be pinned, too.
fn on_core<T: Send>(core: usize, run: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let pinned = || engine_rt::pin_thread(core).and_then(|()| run());
    std::thread::scope(|scope| scope.spawn(pinned).join()).unwrap_or_else(|_| Err(io::Error::other("the load failed")))
}

/// Processor time of a process, seconds.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn median(values: &mut [f64]) -> f64 {
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
            let relay = start_yardstick(options, &[])?;
            let relayed = on_core(options.load_core, || load::through_relay(relay.address, &load))?;
            drop(relay);
            let broker = start_broker(options, &Setup::on(options.core))?;
            let before = (cpu_seconds(broker.child.id()), cpu_seconds(std::process::id()), Instant::now());
            let rate = on_core(options.load_core, || load::pairs(broker.address, &load))?;
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
    if "forwarded".contains(&options.only) {
        shards::forwarded(options)?;
    }
    if "two shards".contains(&options.only) {
        shards::two(options)?;
    }
    std::fs::remove_dir_all(folder()?)
}

fn pace(options: &Options, name: &str, spin_us: u64) -> io::Result<()> {
    println!("{name}, us:");
    for _ in 0..options.rounds {
        let echo = start_yardstick(options, &["--echo"])?;
        let bare = on_core(options.load_core, || load::paced(echo.address, &Paced::Echo, 10_000, options.seconds))?;
        drop(echo);
        let broker = start_broker(options, &Setup { spin_us, ..Setup::on(options.core) })?;
        let (before, start) = (cpu_seconds(broker.child.id()), Instant::now());
        let what = Paced::Queue { address: "perf.paced".to_owned(), home: None };
        let queue = on_core(options.load_core, || load::paced(broker.address, &what, 10_000, options.seconds))?;
        let cpu = (cpu_seconds(broker.child.id()) - before) / start.elapsed().as_secs_f64();
        println!("  echo   {}", percentiles(&bare));
        println!("  broker {}  cpu {:.0} %", percentiles(&queue), cpu * 100.0);
    }
    Ok(())
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

fn environment() {
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
