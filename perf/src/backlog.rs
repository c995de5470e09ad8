//! A queue that grows while nobody reads it, and is read to its end afterwards.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Args;
use engine_rt::{Interest, Readiness, Waker};

use crate::message::{Kept, message};
use crate::peer::{Peer, Settle, Work};

const SCRATCH: usize = 256 * 1024 + (1 << 20);
/// Rates are told for each tenth.
const PARTS: u64 = 10;
/// The queue, where nothing else is said.
pub const ADDRESS: &str = "perf.backlog";
/// Deliveries on the way, and credit.
const WINDOW: u32 = 8000;
/// Octets of a body.
const SIZE: usize = 1024;

/// The queue that grows, and who makes it.
#[derive(Args, Clone)]
pub struct Backlog {
    /// The broker.
    pub to: SocketAddr,
    /// How many messages.
    #[arg(long, default_value_t = 1_000_000)]
    pub count: u64,
    /// The queue.
    #[arg(long, default_value = ADDRESS)]
    pub address: String,
    /// Deliveries on the way, or credit.
    #[arg(long, default_value_t = WINDOW)]
    pub window: u32,
    /// Whose memory to tell of.
    #[arg(long)]
    pub pid: Option<u32>,
    /// The core that the load runs on.
    #[arg(long, default_value_t = 1)]
    pub core: usize,
}

impl Backlog {
    /// So many messages, of the usual queue.
    pub fn new(to: SocketAddr, count: u64, core: usize) -> Self {
        Self { to, count, address: ADDRESS.to_owned(), window: WINDOW, pid: None, core }
    }
}

/// What to send.
#[derive(Args)]
pub struct Fill {
    #[command(flatten)]
    pub backlog: Backlog,
    /// Bytes of a body, at least 8.
    #[arg(long, default_value_t = SIZE)]
    pub size: usize,
}

impl Fill {
    /// So many messages of 1 KiB.
    pub fn new(to: SocketAddr, count: u64, core: usize) -> Self {
        Self { backlog: Backlog::new(to, count, core), size: SIZE }
    }
}

/// What to read.
#[derive(Args)]
pub struct Drain {
    #[command(flatten)]
    pub backlog: Backlog,
    /// The number of the first one.
    #[arg(long, default_value_t = 0)]
    pub first: u64,
}

/// Tells the rate of each tenth, and how much memory the broker has.
struct Progress {
    total: u64,
    part: u64,
    since: Instant,
    pid: Option<u32>,
}

impl Progress {
    fn new(total: u64, pid: Option<u32>) -> Self {
        Self { total, part: 0, since: Instant::now(), pid }
    }

    fn tell(&mut self, count: u64) {
        while count >= (self.part + 1) * self.total / PARTS && self.part < PARTS {
            self.part += 1;
            let messages = self.total as f64 / PARTS as f64;
            let rate = messages / self.since.elapsed().as_secs_f64();
            self.since = Instant::now();
            let memory =
                self.pid.map_or(String::new(), |pid| format!("{:>8} MiB resident", resident_mib(pid, "VmRSS:")));
            println!("{:>12} messages {rate:>10.0}/s {memory}", self.part * self.total / PARTS);
        }
    }
}

/// Memory of a process, MiB: a line of its status.
pub fn resident_mib(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|text| text.strip_prefix(line)?.split_whitespace().next()?.parse().ok());
    kib.map_or(0, |kib: u64| kib / 1024)
}

/// Sends, and waits until everything is accepted.
///
/// # Errors
/// When the connection breaks or a message is not accepted.
pub fn fill(options: &Fill) -> io::Result<()> {
    let backlog = &options.backlog;
    engine_rt::pin_thread(backlog.core)?;
    let waker = Waker::new()?;
    let mut readiness = Readiness::new(&waker)?;
    let work = Work::Producer { credit: 0, sent: 0, settled: 0, window: backlog.window };
    let mut peer = Peer::connect(backlog.to, None, &backlog.address, Settle::Unsettled, work)?;
    readiness.add(peer.fd(), 0, Interest::ReadWrite)?;
    let mut payload = message(options.size.max(8), Kept::Durable);
    let (mut scratch, mut ready) = (vec![0; SCRATCH], Vec::new());
    let (mut sent, mut blocked) = (0, true);
    let mut progress = Progress::new(backlog.count, backlog.pid);
    let start = Instant::now();
    loop {
        peer.read(&mut scratch, |_| {})?;
        let settled = match peer.work {
            Work::Producer { settled, .. } => u64::from(settled),
            Work::Consumer { .. } => 0,
        };
        progress.tell(settled);
        if settled >= backlog.count {
            break;
        }
        while sent < backlog.count && !peer.is_full() && peer.sendable() > 0 {
            let at = payload.len() - 8;
            payload[at..].copy_from_slice(&sent.to_be_bytes());
            peer.send(&payload);
            sent += 1;
        }
        peer.flush()?;
        if std::mem::replace(&mut blocked, peer.is_blocked()) != peer.is_blocked() {
            readiness.modify(peer.fd(), 0, if blocked { Interest::ReadWrite } else { Interest::Read })?;
        }
        if blocked || sent == backlog.count || peer.sendable() == 0 {
            readiness.poll(Some(Duration::from_millis(100)), &mut ready)?;
        }
    }
    println!("{:.0} messages/s", backlog.count as f64 / start.elapsed().as_secs_f64());
    Ok(())
}

/// Reads, and checks that messages come in their order.
///
/// # Errors
/// When the connection breaks, or the order does.
pub fn drain(options: &Drain) -> io::Result<()> {
    let backlog = &options.backlog;
    engine_rt::pin_thread(backlog.core)?;
    let waker = Waker::new()?;
    let mut readiness = Readiness::new(&waker)?;
    let start = Instant::now();
    let work = Work::Consumer { received: 0, credit: 0, window: backlog.window, open: None };
    let mut peer = Peer::connect(backlog.to, None, &backlog.address, Settle::Unsettled, work)?;
    readiness.add(peer.fd(), 0, Interest::Read)?;
    let (mut scratch, mut ready) = (vec![0; SCRATCH], Vec::new());
    let mut progress = Progress::new(backlog.count, backlog.pid);
    let (mut received, mut wrong, mut first) = (0, 0_u64, None);
    while received < backlog.count {
        readiness.poll(Some(Duration::from_millis(100)), &mut ready)?;
        peer.read(&mut scratch, |payload| {
            let number = payload.last_chunk().map_or(0, |last| u64::from_be_bytes(*last));
            wrong += u64::from(number != options.first + received);
            received += 1;
        })?;
        if received > 0 && first.is_none() {
            first = Some(start.elapsed());
        }
        peer.flush()?;
        progress.tell(received);
    }
    println!("first message after {:?}", first.unwrap_or_default());
    println!("{:.0} messages/s", received as f64 / start.elapsed().as_secs_f64());
    if wrong > 0 {
        return Err(io::Error::other(format!("{wrong} messages were not where they belong")));
    }
    // The last acknowledgements reach the broker before the connection goes.
    std::thread::sleep(Duration::from_millis(100));
    Ok(())
}
