//! How fast a journal without checkpoints is read at a start, beside what the bare device reads of the same files.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use engine_rt::{Access, Existing, Interest, Readiness, Waker, open_file};
use storage_journal::Buffer;

use crate::backlog::{self, Fill, resident_mib};
use crate::compare::{environment, median};
use crate::cores::Cores;
use crate::peer::{Peer, Settle, Work};
use crate::server::{folder, start_heddle, start_heddle_telling};

/// Octets that one read of the bare device takes.
const READ_BYTES: usize = 1 << 20;
/// Reads of the bare device that are under way at once: one after the other, and as many as any device is known to gain from.
const DEPTHS: [usize; 2] = [1, 4];
const SCRATCH: usize = 256 * 1024 + (1 << 20);
/// The queue that is filled.
const QUEUE: &str = "perf.backlog";

/// How it is run.
#[derive(Args)]
pub struct Options {
    /// The broker's program.
    #[arg(long)]
    broker: PathBuf,
    /// Durable messages of 1 KiB; none is read before.
    #[arg(long, default_value_t = 10_000_000)]
    count: u64,
    /// Where data goes: on the file system to be measured. A folder with a journal is not filled again, and stays.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Starts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Keep checkpoints, and read only what is behind them.
    #[arg(long)]
    checkpoints: bool,
    #[command(flatten)]
    cores: Cores,
}

/// What one start gave.
struct Start {
    mib: f64,
    seconds: f64,
    first: Duration,
    peak_mib: u64,
}

/// Fills a queue, ends the broker, and starts it without checkpoints.
///
/// # Errors
/// When the broker does not start or breaks a connection, or a file cannot be read.
pub fn run(options: &Options) -> io::Result<()> {
    environment();
    let folder = options.folder.clone().map_or_else(folder, Ok)?;
    std::fs::create_dir_all(&folder)?;
    let (data, node) = (folder.join("data"), options.cores.node());
    let found = data.exists();
    if !found {
        let server = start_heddle(&options.broker, &folder, &node)?;
        let fill = Fill::new(server.address, options.count, options.cores.load_core);
        options.cores.load(|| backlog::fill(&fill))?;
        // What comes now is the end of a process without a word.
        drop(server);
    }
    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let files = segments(&data.join("journal-0"))?;
        let device: Vec<f64> = DEPTHS.iter().map(|&depth| device_rate(&files, depth)).collect::<io::Result<_>>()?;
        let start = start(options, &folder, &node)?;
        let rate = start.mib * (1 << 20) as f64 / start.seconds / 1e9;
        let best = device.iter().copied().fold(0.0, f64::max);
        println!(
            "device {:.2} GB/s with one read at a time, {:.2} with {}; {:.0} MiB replayed in {:.2} s: {rate:.2} GB/s, {:.2} x the \
             device; first message {:.2} s after the start, at most {} MiB resident",
            device[0],
            device[1],
            DEPTHS[1],
            start.mib,
            start.seconds,
            rate / best,
            start.first.as_secs_f64(),
            start.peak_mib
        );
        rates.push(rate);
        ratios.push(rate / best);
    }
    println!("median {:.2} GB/s, {:.2} x the device", median(&mut rates), median(&mut ratios));
    if found { Ok(()) } else { std::fs::remove_dir_all(data) }
}

/// The segments of a journal, in their order.
fn segments(journal: &Path) -> io::Result<Vec<PathBuf>> {
    let paths = std::fs::read_dir(journal)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut segments: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "segment")).collect();
    segments.sort();
    Ok(segments)
}

/// Gigabytes a second of the files, without the page cache, with so many reads under way.
fn device_rate(files: &[PathBuf], depth: usize) -> io::Result<f64> {
    let files: Vec<(File, usize)> = files
        .iter()
        .map(|path| {
            let file = open_file(path, Access::Direct, Existing::Must)?;
            let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
            Ok((file, bytes))
        })
        .collect::<io::Result<_>>()?;
    let parts: Vec<(&File, usize, usize)> = files
        .iter()
        .flat_map(|(file, bytes)| (0..*bytes).step_by(READ_BYTES).map(move |at| (file, at, READ_BYTES.min(bytes - at))))
        .collect();
    let next = AtomicUsize::new(0);
    let read = || -> io::Result<()> {
        let mut buffer = Buffer::zeroed(READ_BYTES);
        while let Some(&(file, at, bytes)) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            file.read_exact_at(&mut buffer.bytes_mut()[..bytes], at as u64)?;
        }
        Ok(())
    };
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..depth).map(|_| scope.spawn(read)).collect();
        readers
            .into_iter()
            .try_for_each(|reader| reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let bytes: usize = parts.iter().map(|(_, _, bytes)| bytes).sum();
    Ok(bytes as f64 / begin.elapsed().as_secs_f64() / 1e9)
}

/// Starts the broker, waits for the first message, and ends it.
fn start(options: &Options, folder: &Path, node: &str) -> io::Result<Start> {
    if !options.checkpoints {
        for entry in std::fs::read_dir(folder.join("data/journal-0"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "checkpoint") {
                std::fs::remove_file(path)?;
            }
        }
    }
    let log = folder.join("broker.log");
    let begin = Instant::now();
    let server = start_heddle_telling(&options.broker, folder, node, &log)?;
    options.cores.load(|| first_message(server.address))?;
    let first = begin.elapsed();
    let peak_mib = resident_mib(server.child.id(), "VmHWM:");
    drop(server);
    let text = std::fs::read_to_string(log)?;
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let told = lines.map(|line| line["fields"].clone()).find(|fields| fields["message"] == "the journal was read");
    let told = told.ok_or_else(|| io::Error::other("the broker did not say that it read a journal"))?;
    let field = |name: &str| told[name].as_f64().unwrap_or(f64::NAN);
    Ok(Start { mib: field("mib"), seconds: field("ms") / 1000.0, first, peak_mib })
}

/// Waits until the queue gives a message, which nobody settles.
fn first_message(to: SocketAddr) -> io::Result<()> {
    let waker = Waker::new()?;
    let mut readiness = Readiness::new(&waker)?;
    let work = Work::Consumer { received: 0, credit: 0, window: 1, open: None };
    let mut peer = Peer::connect(to, None, QUEUE, Settle::Held, work)?;
    readiness.add(peer.fd(), 0, Interest::Read)?;
    let (mut scratch, mut ready, mut received) = (vec![0; SCRATCH], Vec::new(), false);
    let until = Instant::now() + Duration::from_secs(30);
    while !received {
        if Instant::now() > until {
            return Err(io::Error::other("no message came"));
        }
        readiness.poll(Some(Duration::from_millis(100)), &mut ready)?;
        peer.read(&mut scratch, |_| received = true)?;
        peer.flush()?;
    }
    Ok(())
}
