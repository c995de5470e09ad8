//! Consumers that take a queue's messages and settle none: what each of them costs the broker's memory, and whether all come
//! again, in order, when the consumers are gone.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Args;
use engine_rt::{Interest, Readiness, Waker};
use load_model::number;

use crate::backlog::{Backlog, Drain, drain};
use crate::idle::memory_kib;
use crate::peer::{Peer, Settle, Work};

const SCRATCH: usize = 256 * 1024 + (1 << 20);
/// Longer than a broker takes for the next message while it has any.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a broker needs to notice that connections ended, and to give their memory back.
const SETTLED: Duration = Duration::from_secs(2);

/// What to hold.
#[derive(Args)]
pub struct Options {
    /// The broker.
    to: SocketAddr,
    /// How many messages; all that `fill` sent.
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// How many connections hold them: a session of Heddle has at most 262,144 unsettled.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// The queue.
    #[arg(long, default_value = "perf.backlog")]
    address: String,
    /// Credit given at a time.
    #[arg(long, default_value_t = 8000)]
    window: u32,
    /// The broker's process, to read its memory of.
    #[arg(long)]
    pid: u32,
    /// The core that the load runs on.
    #[arg(long, default_value_t = 1)]
    core: usize,
}

/// Holds everything, tells of the broker's memory, and reads everything again.
///
/// # Errors
/// When a connection breaks, messages do not come, or their order is wrong when they come again.
pub fn run(options: &Options) -> io::Result<()> {
    engine_rt::pin_thread(options.core)?;
    let waker = Waker::new()?;
    let mut readiness = Readiness::new(&waker)?;
    let before = memory_kib(options.pid);
    let mut peers = Vec::new();
    for number in 0..options.connections {
        let work = Work::Consumer { received: 0, credit: 0, window: options.window, open: None };
        let peer = Peer::connect(options.to, None, &options.address, Settle::Held, work)?;
        readiness.add(peer.fd(), u64::try_from(number).map_err(io::Error::other)?, Interest::Read)?;
        peers.push(peer);
    }
    let (mut scratch, mut ready) = (vec![0; SCRATCH], Vec::new());
    let (mut held, start, mut last) = (0, Instant::now(), Instant::now());
    let mut halfway = None;
    while held < options.count {
        readiness.poll(Some(Duration::from_millis(100)), &mut ready)?;
        let had = held;
        for peer in &mut peers {
            peer.read(&mut scratch, |_| held += 1)?;
            peer.flush()?;
        }
        if held >= options.count / 2 && halfway.is_none() {
            halfway = Some((held, memory_kib(options.pid)));
        }
        if held > had {
            last = Instant::now();
        } else if last.elapsed() > PATIENCE {
            let text = format!("{held} of {} messages came: more connections may hold more", options.count);
            return Err(io::Error::other(text));
        }
    }
    let rate = number::per_second(held as f64 / start.elapsed().as_secs_f64());
    println!("{} held, {rate}", number::counted(held, "message"));
    let after = memory_kib(options.pid);
    println!("{before} KiB of private memory before, {after} KiB with all of them held");
    let (count, memory) = halfway.unwrap_or((0, before));
    // The first ones stay in memory as far as it is plenty; what each further one costs is what grows without end.
    let each = (after as f64 - memory as f64) * 1024.0 / (held - count) as f64;
    println!("{each:.1} octets for each of the second half");
    drop(peers);
    std::thread::sleep(SETTLED);
    println!("{} KiB when all came back and wait", memory_kib(options.pid));
    let backlog = Backlog::new(options.to, options.count, options.core);
    drain(&Drain { backlog: Backlog { address: options.address.clone(), ..backlog }, first: 0 })?;
    std::thread::sleep(SETTLED);
    println!("{} KiB when all were read again", memory_kib(options.pid));
    Ok(())
}
