//! How long the directory gets under steady traffic beside messages that stay.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;

use crate::backlog::{self, Fill};
use crate::cores::Cores;
use crate::load::{self, Load};
use crate::message::Kept;
use crate::peer::Settle;
use crate::server::{folder, journal, start_heddle};

/// Octets of a body.
const SIZE: usize = 1024;

/// How it is run.
#[derive(Args)]
pub struct Options {
    /// The broker's program.
    #[arg(long)]
    broker: PathBuf,
    /// Messages that stay, of 1 KiB.
    #[arg(long, default_value_t = 60_000)]
    live: u64,
    /// Traffic, in multiples of what stays.
    #[arg(long, default_value_t = 100)]
    times: u64,
    #[command(flatten)]
    cores: Cores,
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        // A segment that is no longer there under this name.
        Err(_) => 0,
    });
    sizes.sum()
}

/// Lets traffic pass by a backlog, and tells how long the directory got.
///
/// # Errors
/// When the broker does not start or breaks a connection.
pub fn run(options: &Options) -> io::Result<()> {
    let folder = folder()?;
    let node = options.cores.node();
    let server = start_heddle(&options.broker, &folder, &node)?;
    let fill = Fill::new(server.address, options.live, options.cores.load_core);
    options.cores.load(|| backlog::fill(&fill))?;
    let live = options.live * SIZE as u64;
    let done = AtomicBool::new(false);
    let (mut longest, mut passed) = (0, 0);
    std::thread::scope(|scope| -> io::Result<()> {
        let watch = scope.spawn(|| {
            let mut longest = 0;
            while !done.load(Ordering::Relaxed) {
                longest = longest.max(size(&folder.join("data")));
                std::thread::sleep(Duration::from_millis(20));
            }
            longest
        });
        while passed < options.times * live {
            let load = Load {
                addresses: load::queues(1),
                home: None,
                size: SIZE,
                window: 8000,
                settle: Settle::Unsettled,
                kept: Kept::Durable,
                seconds: 2.0,
            };
            options.cores.load(|| load::pairs(server.address, &load))?;
            passed = journal(&folder)?["body_bytes"].as_u64().unwrap_or(0).saturating_sub(live);
            eprintln!("{} x passed", passed / live);
        }
        done.store(true, Ordering::Relaxed);
        longest = watch.join().unwrap_or(0);
        Ok(())
    })?;
    let totals = journal(&folder)?;
    let mib = |bytes: u64| bytes >> 20;
    println!("{} MiB stayed, {} MiB passed ({} x)", mib(live), mib(passed), passed / live);
    println!("{} MiB at most, {} MiB more than twice what stayed", mib(longest), mib(longest.saturating_sub(2 * live)));
    println!(
        "{} messages written again, {:.2} octets written for each octet of body",
        totals["rewritten"],
        totals["written_bytes"].as_f64().unwrap_or(0.0) / totals["body_bytes"].as_f64().unwrap_or(1.0)
    );
    drop(server);
    std::fs::remove_dir_all(folder)
}
