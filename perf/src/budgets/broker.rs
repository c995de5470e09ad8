//! What a message costs a running broker: system calls, octets written, memory of an idle connection.
//!
//! System calls are counted by perf's tracepoint, which hardly slows the broker down: strace would, and with it what a turn finds to
//! do, and so the count. A count and the rate are both of the steady part of one load.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::idle;
use crate::load::{self, Load, Paced};
use crate::message::Kept;
use crate::peer::Settle;
use crate::server::{Server, beside, folder, journal, start_heddle};

use super::Options;
use super::file::{Cost, Measured};

/// How long each load runs, seconds; the middle half is counted.
const SECONDS: f64 = 4.0;
/// Messages a second of the paced case.
const RATE: u64 = 10_000;
/// Enough for the mean of a connection to settle.
const IDLE_CONNECTIONS: usize = 2000;

/// What the broker does.
#[derive(Clone, Copy)]
enum Kind {
    Pairs { pairs: usize, size: usize, window: u32, settle: Settle, kept: Kept },
    Paced,
    Idle,
}

const CASES: [(&str, Kind); 6] = [
    ("broker, 100 B unsettled", pairs(1, 100, 2000, Settle::Unsettled, Kept::Volatile)),
    ("broker, 100 B presettled", pairs(1, 100, 2000, Settle::Presettled, Kept::Volatile)),
    ("broker, 100 B, 50 pairs", pairs(50, 100, 32, Settle::Unsettled, Kept::Volatile)),
    ("broker, 1 KiB durable", pairs(1, 1024, 8000, Settle::Unsettled, Kept::Durable)),
    ("broker, 10,000 a second", Kind::Paced),
    ("broker, idle connection", Kind::Idle),
];

const fn pairs(pairs: usize, size: usize, window: u32, settle: Settle, kept: Kept) -> Kind {
    Kind::Pairs { pairs, size, window, settle, kept }
}

/// Names of the cases that are measured here.
#[cfg(test)]
pub fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, _)| *name)
}

/// Measures some of the cases, each with a broker of its own.
///
/// # Errors
/// When the broker does not start or breaks a connection, perf cannot count, or there is no such case.
pub fn measure(options: &Options, cases: &[&str]) -> io::Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for case in cases {
        let (_, kind) = CASES.iter().find(|(name, _)| name == case).ok_or_else(|| {
            let known: Vec<&str> = CASES.iter().map(|(name, _)| *name).collect();
            io::Error::other(format!("nobody measures {case:?}; there are road's cases, and {}", known.join(", ")))
        })?;
        let folder = folder()?;
        let node = options.cores.node();
        let broker = start_heddle(&beside(options.broker.as_ref(), "heddle")?, &folder, &node)?;
        let costs = of_case(options, *kind, &broker, &folder);
        drop(broker);
        std::fs::remove_dir_all(folder)?;
        measured.extend(costs?.into_iter().map(|(cost, value)| Measured { case: (*case).to_owned(), cost, value }));
    }
    Ok(measured)
}

fn of_case(options: &Options, kind: Kind, broker: &Server, folder: &Path) -> io::Result<Vec<(Cost, f64)>> {
    let to = broker.address;
    match kind {
        Kind::Idle => {
            let each = idle::measure(to, IDLE_CONNECTIONS, broker.child.id())?.bytes_each;
            Ok(vec![(Cost::MemoryBytes, each)])
        }
        Kind::Paced => {
            let what = Paced::Queue { address: "perf.paced".to_owned(), home: None };
            let load = || load::paced((to, to), &what, RATE, SECONDS).map(|_| RATE as f64);
            let (rate, calls) = counted(options, broker, load)?;
            Ok(vec![(Cost::Syscalls, calls / rate)])
        }
        Kind::Pairs { pairs, size, window, settle, kept } => {
            let addresses = load::queues(pairs);
            let load = Load { addresses, home: None, size, window, settle, kept, seconds: SECONDS };
            let (rate, calls) = counted(options, broker, || load::pairs(to, &load))?;
            let mut costs = vec![(Cost::Syscalls, calls / rate)];
            if kept == Kept::Durable {
                let journal = journal(folder)?;
                let done = |name: &str| journal[name].as_f64().unwrap_or(f64::NAN);
                costs.push((Cost::WrittenPerByte, done("written_bytes") / done("body_bytes")));
            }
            Ok(costs)
        }
    }
}

/// Runs a load on its core, and counts the broker's system calls meanwhile: messages a second, and calls a second.
fn counted(
    options: &Options,
    broker: &Server,
    load: impl FnOnce() -> io::Result<f64> + Send,
) -> io::Result<(f64, f64)> {
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| options.cores.load(load));
        std::thread::sleep(Duration::from_secs_f64(SECONDS / 4.0));
        let calls = syscalls(broker.child.id(), SECONDS / 2.0);
        let rate = loading.join().unwrap_or_else(|_| Err(io::Error::other("the load failed")))?;
        Ok((rate, calls?))
    })
}

/// System calls of a process for each second.
fn syscalls(pid: u32, seconds: f64) -> io::Result<f64> {
    const EVENT: &str = "raw_syscalls:sys_enter";
    let mut command = Command::new("perf");
    command.args(["stat", "-x", ";", "-e", EVENT, "-p", &pid.to_string(), "--", "sleep", &seconds.to_string()]);
    let output = command.env("LC_ALL", "C").output().map_err(|error| {
        io::Error::other(format!("perf: {error}; install it (Debian: linux-perf) to count system calls"))
    })?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains(EVENT));
    let count: Option<f64> = line.and_then(|line| line.split(';').next()?.parse().ok());
    let why = || io::Error::other(format!("perf cannot count {EVENT} (it takes root): {}", text.trim()));
    Ok(count.ok_or_else(why)? / seconds)
}
