//! Durable messages of 1 KiB: Heddle, Artemis and the bare device in turn, on one core and one file system.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;

use crate::compare::{environment, median};
use crate::cores::{Cores, on_core};
use crate::load::{self, Accepted, Load, Pace, Reader};
use crate::message::Kept;
use crate::peer::Settle;
use crate::server::{Server, cpu_seconds, folder, journal, start_heddle};

mod device;

use device::Device;

/// Octets of a body.
const SIZE: usize = 1024;
/// Deliveries on the way, of each pair.
const WINDOW: u32 = 8000;

/// Turns that loads take which are compared with each other, in each round.
const TURNS: usize = 4;

/// How often Artemis is started until it stands a round.
const ATTEMPTS: usize = 4;

/// How it is run.
#[derive(Args)]
pub struct Options {
    /// The broker's program.
    #[arg(long)]
    broker: PathBuf,
    /// An instance that `perf/peers/artemis.sh` made; without it Artemis is left out.
    #[arg(long)]
    artemis: Option<PathBuf>,
    /// Where that instance listens.
    #[arg(long, default_value = "127.0.0.1:5673")]
    artemis_address: SocketAddr,
    /// Where data goes: on the file system to be measured.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Rounds, each with every load in turn; the table has their medians.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each load.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    #[command(flatten)]
    cores: Cores,
}

/// A column of figures, one for each round.
struct Figure {
    name: &'static str,
    unit: &'static str,
    values: Vec<f64>,
}

/// All figures in the order in which they came first.
#[derive(Default)]
struct Report(Vec<Figure>);

impl Report {
    fn add(&mut self, name: &'static str, unit: &'static str, value: f64) {
        match self.0.iter_mut().find(|figure| figure.name == name) {
            Some(figure) => figure.values.push(value),
            None => self.0.push(Figure { name, unit, values: vec![value] }),
        }
    }

    fn print(mut self) {
        println!("{:<58} {:>12} {:>25}", "", "median", "spread");
        for Figure { name, unit, values } in &mut self.0 {
            let middle = median(values);
            let spread = format!("{:.2} .. {:.2}", values[0], values[values.len() - 1]);
            println!("{name:<58} {middle:>12.2} {spread:>25} {unit}");
        }
    }
}

/// Runs all rounds and prints medians.
///
/// # Errors
/// When a process does not start, a connection breaks or the disk fails.
pub fn run(options: &Options) -> io::Result<()> {
    environment();
    let folder = options.folder.clone().map_or_else(folder, Ok)?;
    std::fs::create_dir_all(&folder)?;
    let device = Device::new(&folder)?;
    println!("device: {:?}", device.sync);
    let mut report = Report::default();
    for round in 1..=options.rounds {
        let rate = on_core(options.cores.core, || device.rate(Duration::from_secs(2)))?;
        let block = on_core(options.cores.core, || device.write(4096, Duration::from_secs(1)))?;
        report.add("device: synced 1 MiB writes, one after the other", "MB/s", rate / 1e6);
        report.add("device: 4 KiB write and sync, p50", "us", us(&block, 0.5));
        let artemis =
            options.artemis.as_ref().map(|instance| artemis_again(options, instance, &mut report)).transpose()?;
        let rate = heddle(options, &folder, &device, &mut report, us(&block, 0.5))?;
        report.add("Heddle's bodies / the device's rate", "", rate * SIZE as f64 / (device_rate(&report) * 1e6));
        if let Some(artemis) = artemis {
            report.add("Heddle / Artemis, as fast as windows allow", "x", rate / artemis);
        }
        eprintln!("round {round} of {} done", options.rounds);
    }
    report.print();
    std::fs::remove_file(folder.join("device"))
}

fn device_rate(report: &Report) -> f64 {
    report.0[0].values.last().copied().unwrap_or(f64::NAN)
}

fn us(latencies: &Histogram<u64>, quantile: f64) -> f64 {
    latencies.value_at_quantile(quantile) as f64 / 1000.0
}

fn pairs(options: &Options, to: SocketAddr, (pairs, queues): (usize, usize), seconds: f64) -> io::Result<f64> {
    let window = WINDOW / pairs as u32;
    let addresses = load::queues(queues).into_iter().cycle().take(pairs).collect();
    let (settle, kept) = (Settle::Unsettled, Kept::Durable);
    let load = Load { addresses, home: None, size: SIZE, window, settle, kept, seconds };
    options.cores.load(|| load::pairs(to, &load))
}

fn accepted(options: &Options, to: SocketAddr, pace: Pace, reader: Reader) -> io::Result<Histogram<u64>> {
    let address = format!("perf.{pace:?}.{reader:?}");
    let accepted = Accepted { address, size: SIZE, pace, reader, seconds: options.seconds };
    options.cores.load(|| load::accepted(to, &accepted))
}

/// Sixteen pairs on a queue each, beside one pair, and beside as many on one queue. They take turns, as the machine's speed changes
/// within seconds by more than what is looked for.
fn many(options: &Options, to: SocketAddr, report: &mut Report) -> io::Result<()> {
    for _ in 0..TURNS {
        let load = |many| pairs(options, to, many, options.seconds / TURNS as f64);
        let (one, sixteen, shared) = (load((1, 1))?, load((16, 16))?, load((16, 1))?);
        report.add("Heddle: sixteen queues, a pair each", "messages/s", sixteen);
        report.add("Heddle: sixteen queues and pairs / one", "x", sixteen / one);
        report.add("Heddle: sixteen queues / one queue, sixteen pairs both", "x", sixteen / shared);
    }
    Ok(())
}

/// Artemis 2.44 now and then loses track of a message that it delivered (AMQ229027) and ends the connection: then it is measured anew.
fn artemis_again(options: &Options, instance: &Path, report: &mut Report) -> io::Result<f64> {
    for attempt in 1..ATTEMPTS {
        let mut figures = Report::default();
        match artemis(options, instance, &mut figures) {
            Ok(rate) => {
                figures.0.into_iter().for_each(|figure| report.add(figure.name, figure.unit, figure.values[0]));
                return Ok(rate);
            }
            Err(error) => eprintln!("Artemis, attempt {attempt}: {error}"),
        }
    }
    artemis(options, instance, report)
}

/// Gives the rate with one queue.
fn artemis(options: &Options, instance: &Path, report: &mut Report) -> io::Result<f64> {
    let server = start_artemis(options, instance)?;
    // The first loads are for its compiler.
    for _ in 0..2 {
        pairs(options, server.address, (1, 1), options.seconds)?;
    }
    let rate = pairs(options, server.address, (1, 1), options.seconds)?;
    report.add("Artemis: one queue", "messages/s", rate);
    let sixteen = pairs(options, server.address, (16, 16), options.seconds)?;
    report.add("Artemis: sixteen queues", "messages/s", sixteen);
    let one = accepted(options, server.address, Pace::OneAtATime, Reader::None)?;
    report.add("Artemis: one at a time, sent to accepted, p50", "us", us(&one, 0.5));
    report.add("Artemis: one at a time, sent to accepted, p99", "us", us(&one, 0.99));
    Ok(rate)
}

fn start_artemis(options: &Options, instance: &Path) -> io::Result<Server> {
    for left in ["data", "log"] {
        // There is nothing yet before its first start.
        let _ = std::fs::remove_dir_all(instance.join(left));
    }
    let mut command = Command::new("taskset");
    command.arg("-c").arg(options.cores.core.to_string()).arg(instance.join("bin/artemis")).arg("run");
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let server = Server { child, address: options.artemis_address };
    let until = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(options.artemis_address).is_err() {
        if Instant::now() > until {
            return Err(io::Error::other("Artemis does not listen"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(server)
}

/// Gives the rate with one queue.
fn heddle(options: &Options, folder: &Path, device: &Device, report: &mut Report, block_us: f64) -> io::Result<f64> {
    let node = options.cores.node();
    let data = folder.join("data");
    let start = || -> io::Result<Server> {
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        start_heddle(&options.broker, folder, &node)
    };
    let server = start()?;
    let (before, cpu) = (journal(folder)?, cpu_seconds(server.child.id()));
    let rate = pairs(options, server.address, (1, 1), options.seconds)?;
    let (after, cpu) = (journal(folder)?, cpu_seconds(server.child.id()) - cpu);
    let done = |name: &str| after[name].as_f64().unwrap_or(f64::NAN) - before[name].as_f64().unwrap_or(f64::NAN);
    let messages = done("body_bytes") / SIZE as f64;
    report.add("Heddle: one queue", "messages/s", rate);
    report.add("Heddle: one queue, processor time", "us/message", cpu / messages * 1e6);
    report.add("Heddle: one queue, messages to a sync", "", messages / done("syncs"));
    report.add("Heddle: one queue, written for each byte of body", "", done("written_bytes") / done("body_bytes"));
    drop(server);

    let server = start()?;
    many(options, server.address, report)?;
    drop(server);

    let server = start()?;
    let one = accepted(options, server.address, Pace::OneAtATime, Reader::None)?;
    report.add("Heddle: one at a time, sent to accepted, p50", "us", us(&one, 0.5));
    report.add("Heddle: one at a time, sent to accepted, p99", "us", us(&one, 0.99));
    report.add("Heddle: one at a time, beyond the device's 4 KiB, p50", "us", us(&one, 0.5) - block_us);
    let read = accepted(options, server.address, Pace::OneAtATime, Reader::One)?;
    report.add("Heddle: one at a time with a consumer that accepts, p50", "us", us(&read, 0.5));
    let pace = Pace::Rate(rate as u64 / 2);
    // What was not read above lies in the way: it is written again and again.
    let beside = accepted(options, server.address, pace, Reader::One)?;
    report.add("Heddle: half load beside a backlog, p50", "us", us(&beside, 0.5));
    report.add("Heddle: half load beside a backlog, p99", "us", us(&beside, 0.99));
    drop(server);

    let server = start()?;
    // The first segments are made, the next ones serve again.
    accepted(options, server.address, pace, Reader::One)?;
    let before = journal(folder)?;
    let half = accepted(options, server.address, pace, Reader::One)?;
    let after = journal(folder)?;
    let done = |name: &str| after[name].as_f64().unwrap_or(f64::NAN) - before[name].as_f64().unwrap_or(f64::NAN);
    let batch = done("written_bytes") / done("syncs");
    drop(server);
    let own = on_core(options.cores.core, || device.write(batch as usize, Duration::from_secs(2)))?;
    let bare =
        on_core(options.cores.core, || device.commit(rate as u64 / 2, SIZE, Duration::from_secs_f64(options.seconds)))?;
    report.add("Heddle: half load, sent to accepted, p50", "us", us(&half, 0.5));
    report.add("Heddle: half load, sent to accepted, p99", "us", us(&half, 0.99));
    report.add("Heddle: half load, octets of a batch", "KiB", batch / 1024.0);
    report.add("device: batches of that size, p99", "us", us(&own, 0.99));
    report.add("device: the same messages in batches, p50", "us", us(&bare, 0.5));
    report.add("device: the same messages in batches, p99", "us", us(&bare, 0.99));
    report.add(
        "Heddle: half load, p99 - (2 x device's p99 + 1 ms)",
        "us",
        us(&half, 0.99) - 2.0 * us(&own, 0.99) - 1e3,
    );
    Ok(rate)
}
