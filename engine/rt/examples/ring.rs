//! What an executor's ring does for a shard, beside what a shard does without: `docs/decisions/0012-what-glommio-is-for.md`.
//!
//!     cargo run --release -p engine-rt --example ring -- FOLDER
//!
//! Three measurements, with and without the ring in turn, medians over rounds:
//! - `disk`: one synced write of direct I/O at a time, beside a turn that is idle, busy half of the time, or always; by a thread on the
//!   shard's core, as the journal does it, and by the executor's ring, as a task beside the turn;
//! - `sockets`: small messages back and forth, over connections that are ready by turns; by the shard's epoll, and by the executor's sockets;
//! - `reserve`: memory, threads and descriptors of a shard that has an executor, and of one that is a pinned thread.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use engine_rt::{
    Accepted, Access, Existing, Interest, Listener, Readiness, Socket, Sync, Waker, allocate, monotonic_ns, open_file,
    pin_thread, run_soon, thread_cpu_ns, wake_in_time, write_synced,
};
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use glommio::{LocalExecutorBuilder, Placement};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// A turn's work, as of some hundred messages.
const TURN: Duration = Duration::from_micros(30);
const FILE_BYTES: u64 = 64 << 20;
const CORE: usize = 0;
const CLIENT_CORE: usize = 1;

/// How busy the turn is.
#[derive(Clone, Copy, PartialEq)]
enum Load {
    Idle,
    Half,
    Full,
}

/// What a round found: latencies of what was waited for, microseconds, and turns' worth of other work a second.
#[derive(Default)]
struct Found {
    latencies: Vec<f64>,
    turns: u64,
}

impl Found {
    fn at(&mut self, quantile: f64) -> f64 {
        self.latencies.sort_by(f64::total_cmp);
        self.latencies.get((self.latencies.len() as f64 * quantile) as usize).copied().unwrap_or(f64::NAN)
    }
}

fn work() {
    let start = Instant::now();
    while start.elapsed() < TURN {
        std::hint::spin_loop();
    }
}

fn prepare(path: &Path) -> io::Result<()> {
    let file = open_file(path, Access::Direct, Existing::May)?;
    allocate(&file, FILE_BYTES)?;
    let zeros = storage(1 << 20);
    for at in (0..FILE_BYTES).step_by(1 << 20) {
        write_synced(&file, zeros, at, Sync::WithWrite)?;
    }
    Ok(())
}

/// Aligned octets.
fn storage(bytes: usize) -> &'static mut [u8] {
    let extra = 4096;
    let block: &'static mut [u8] = Box::leak(vec![0_u8; bytes + extra].into_boxed_slice());
    let skip = block.as_ptr().align_offset(extra);
    &mut block[skip..skip + bytes]
}

/// A thread on the shard's core writes: orders and answers are queues, and it wakes the shard.
fn disk_by_thread(path: &Path, bytes: usize, load: Load) -> io::Result<Found> {
    let waker = Waker::new()?;
    let mut readiness = Readiness::new(&waker)?;
    let (orders, taken) = flume::bounded::<u64>(64);
    let (done, answers) = flume::unbounded();
    let file = open_file(path, Access::Direct, Existing::Must)?;
    let buffer = storage(bytes);
    let wake = waker.clone();
    let thread = std::thread::spawn(move || -> io::Result<()> {
        pin_thread(CORE)?;
        let _ = run_soon();
        while let Ok(at) = taken.recv() {
            write_synced(&file, buffer, at, Sync::WithWrite)?;
            if done.send(()).is_err() {
                break;
            }
            wake.wake();
        }
        Ok(())
    });
    let shard = std::thread::spawn(move || -> io::Result<Found> {
        pin_thread(CORE)?;
        wake_in_time();
        let (mut found, mut ready, mut at) = (Found::default(), Vec::new(), 0);
        let start = Instant::now();
        let mut since = Instant::now();
        orders.send(0).map_err(io::Error::other)?;
        while start.elapsed() < ROUND {
            if answers.try_recv().is_ok() {
                found.latencies.push(since.elapsed().as_secs_f64() * 1e6);
                at = (at + bytes as u64) % FILE_BYTES;
                since = Instant::now();
                orders.send(at).map_err(io::Error::other)?;
            }
            let wait = match load {
                Load::Idle => None,
                Load::Half => Some(TURN),
                Load::Full => Some(Duration::ZERO),
            };
            if load != Load::Idle {
                work();
                found.turns += 1;
            }
            waker.prepare_sleep();
            if answers.is_empty() {
                readiness.poll(wait, &mut ready)?;
                if !ready.is_empty() {
                    waker.reset();
                }
            }
            waker.awake();
        }
        Ok(found)
    });
    let found = shard.join().map_err(|_| io::Error::other("the shard failed"))?;
    let _ = thread.join();
    found
}

/// The executor's ring writes, as a task beside the turn, which lets it go on after each piece of work.
fn disk_by_ring(path: &Path, bytes: usize, load: Load) -> io::Result<Found> {
    let path = path.to_owned();
    let run = move || async move {
        let mut options = glommio::io::OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_DSYNC);
        let file = Rc::new(options.dma_open(&path).await?);
        let found = Rc::new(RefCell::new(Found::default()));
        let over = Rc::new(Cell::new(false));
        let (writer, ended) = (Rc::clone(&found), Rc::clone(&over));
        let writes = glommio::spawn_local(async move {
            let mut at = 0;
            while !ended.get() {
                let mut buffer = file.alloc_dma_buffer(bytes);
                buffer.as_bytes_mut().fill(0);
                let since = Instant::now();
                file.write_at(buffer, at).await?;
                writer.borrow_mut().latencies.push(since.elapsed().as_secs_f64() * 1e6);
                at = (at + bytes as u64) % FILE_BYTES;
            }
            Ok::<(), glommio::GlommioError<()>>(())
        });
        let start = Instant::now();
        while start.elapsed() < ROUND {
            match load {
                Load::Idle => glommio::timer::sleep(ROUND).await,
                Load::Half => {
                    work();
                    found.borrow_mut().turns += 1;
                    glommio::timer::sleep(TURN).await;
                }
                Load::Full => {
                    work();
                    found.borrow_mut().turns += 1;
                    glommio::executor().yield_now().await;
                }
            }
        }
        over.set(true);
        writes.await?;
        Ok::<Found, glommio::GlommioError<()>>(std::mem::take(&mut *found.borrow_mut()))
    };
    let spawned = LocalExecutorBuilder::new(Placement::Fixed(CORE)).spawn(run).map_err(io::Error::from)?;
    spawned.join().map_err(io::Error::from)?.map_err(io::Error::from)
}

/// Messages back and forth on `connections`, each at the other's answer; gives round trips.
fn client(to: SocketAddr, connections: usize) -> io::Result<Found> {
    let clients: io::Result<Vec<TcpStream>> = (0..connections).map(|_| TcpStream::connect(to)).collect();
    let mut clients = clients?;
    clients.iter().try_for_each(|client| client.set_nodelay(true))?;
    let mut found = Found::default();
    let start = Instant::now();
    let mut block = [7_u8; 100];
    while start.elapsed() < ROUND {
        let since = Instant::now();
        for client in &mut clients {
            client.write_all(&block)?;
        }
        for client in &mut clients {
            client.read_exact(&mut block)?;
        }
        found.latencies.push(since.elapsed().as_secs_f64() * 1e6);
        found.turns += connections as u64;
    }
    Ok(found)
}

/// A server's processor time, while clients go back and forth.
fn sockets(connections: usize, server: fn(usize) -> io::Result<(SocketAddr, Served)>) -> io::Result<(Found, f64)> {
    let (address, served) = server(connections)?;
    let client = std::thread::spawn(move || {
        pin_thread(CLIENT_CORE)?;
        client(address, connections)
    });
    let found = client.join().map_err(|_| io::Error::other("the client failed"))??;
    let cpu_ns = served.join().map_err(|_| io::Error::other("the server failed"))??;
    let each = cpu_ns as f64 / found.turns as f64;
    Ok((found, each))
}

type Served = std::thread::JoinHandle<io::Result<u64>>;

fn sockets_by_epoll(connections: usize) -> io::Result<(SocketAddr, Served)> {
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr()?;
    let served = std::thread::spawn(move || {
        pin_thread(CORE)?;
        let waker = Waker::new()?;
        let mut readiness = Readiness::new(&waker)?;
        readiness.add(listener.as_raw_fd(), u64::MAX - 1, Interest::Read)?;
        let mut peers: Vec<Socket> = Vec::new();
        let (mut ready, mut block, mut gone) = (Vec::new(), vec![0; 4096], 0);
        let before = thread_cpu_ns();
        while gone < connections {
            readiness.poll(None, &mut ready)?;
            for event in &ready {
                if event.token == u64::MAX - 1 {
                    while let Accepted::Connection(socket) = listener.accept() {
                        readiness.add(socket.as_raw_fd(), peers.len() as u64, Interest::Read)?;
                        peers.push(socket);
                    }
                    continue;
                }
                let Some(peer) = peers.get(event.token as usize) else { continue };
                match peer.read(&mut [IoSliceMut::new(&mut block)]) {
                    Ok(Some(0)) | Err(_) => {
                        gone += 1;
                        readiness.remove(peer.as_raw_fd())?;
                    }
                    Ok(Some(count)) => {
                        let _ = peer.write(&[IoSlice::new(&block[..count])]);
                    }
                    Ok(None) => {}
                }
            }
        }
        Ok(thread_cpu_ns() - before)
    });
    Ok((address, served))
}

fn sockets_by_ring(connections: usize) -> io::Result<(SocketAddr, Served)> {
    let (tell, told) = flume::bounded(1);
    let served = std::thread::spawn(move || {
        let run = move || async move {
            let listener = glommio::net::TcpListener::bind("127.0.0.1:0")?;
            let _ = tell.send(listener.local_addr()?);
            let before = thread_cpu_ns();
            let mut tasks = Vec::new();
            for _ in 0..connections {
                let mut stream = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                tasks.push(glommio::spawn_local(async move {
                    let mut block = vec![0; 4096];
                    while let Ok(count) = stream.read(&mut block).await {
                        if count == 0 || stream.write_all(&block[..count]).await.is_err() {
                            break;
                        }
                    }
                }));
            }
            for task in tasks {
                task.await;
            }
            Ok::<u64, glommio::GlommioError<()>>(thread_cpu_ns() - before)
        };
        let spawned = LocalExecutorBuilder::new(Placement::Fixed(CORE)).spawn(run).map_err(io::Error::from)?;
        spawned.join().map_err(io::Error::from)?.map_err(io::Error::from)
    });
    let address = told.recv().map_err(io::Error::other)?;
    Ok((address, served))
}

fn status(line: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines().find_map(|found| found.strip_prefix(line)?.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn private_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    value("Private_Dirty:").unwrap_or(0) + value("Private_Clean:").unwrap_or(0)
}

/// Starts shards that do nothing, and tells what each of them has.
fn reserve(name: &str, start: &dyn Fn(flume::Receiver<()>) -> io::Result<()>) -> io::Result<()> {
    const SHARDS: u64 = 16;
    let look = || {
        let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        [private_kib(), status("VmLck:"), status("VmPin:"), status("Threads:"), descriptors, status("VmSize:")]
    };
    let (release, held) = flume::bounded::<()>(1);
    start(held.clone())?;
    std::thread::sleep(Duration::from_millis(300));
    let before = look();
    for _ in 0..SHARDS {
        start(held.clone())?;
    }
    std::thread::sleep(Duration::from_millis(500));
    let after = look();
    let each: Vec<f64> =
        before.iter().zip(after).map(|(&before, after)| after.saturating_sub(before) as f64 / SHARDS as f64).collect();
    println!(
        "reserve  {name:<28} private {:.1} KiB, locked {:.1} KiB, pinned {:.1} KiB, {:.1} threads, {:.1} descriptors, {:.0} KiB of addresses",
        each[0], each[1], each[2], each[3], each[4], each[5]
    );
    drop(release);
    std::thread::sleep(Duration::from_millis(300));
    Ok(())
}

fn executor(ring_depth: usize, held: flume::Receiver<()>) -> io::Result<()> {
    let builder = LocalExecutorBuilder::new(Placement::Fixed(CORE)).io_memory(64 << 10).ring_depth(ring_depth);
    let run = move || async move {
        let _ = held.recv();
    };
    builder.spawn(run).map(drop).map_err(io::Error::from)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

type Disk = fn(&Path, usize, Load) -> io::Result<Found>;
type Server = fn(usize) -> io::Result<(SocketAddr, Served)>;

fn main() -> io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let path = Path::new(&folder).join(format!("ring-{}", monotonic_ns()));
    reserve("a pinned thread", &|held| {
        let run = move || {
            let _ = pin_thread(CORE);
            let _ = held.recv();
        };
        std::thread::Builder::new().spawn(run).map(drop)
    })?;
    for depth in [128, 8, 4, 2] {
        reserve(&format!("an executor, depth {depth}"), &|held| executor(depth, held))?;
    }
    prepare(&path)?;
    let ways: [(&str, Disk); 2] = [("thread", disk_by_thread), ("ring", disk_by_ring)];
    for (bytes, load, name) in [
        (4096, Load::Idle, "idle"),
        (4096, Load::Half, "half busy"),
        (4096, Load::Full, "busy"),
        (256 << 10, Load::Idle, "idle"),
        (256 << 10, Load::Full, "busy"),
    ] {
        let mut all: [Vec<[f64; 4]>; 2] = [const { Vec::new() }; 2];
        for _ in 0..ROUNDS {
            for (place, (_, way)) in ways.iter().enumerate() {
                let mut found = way(&path, bytes, load)?;
                let rate = found.latencies.len() as f64 / ROUND.as_secs_f64();
                all[place].push([found.at(0.5), found.at(0.99), rate, found.turns as f64 / ROUND.as_secs_f64()]);
            }
        }
        for ((way, _), rounds) in ways.iter().zip(&all) {
            let of = |figure: usize| median(&mut rounds.iter().map(|round| round[figure]).collect::<Vec<_>>());
            println!(
                "disk     {bytes:>7} B, turn {name:<10} by {way:<7} p50 {:>8.1} us  p99 {:>9.1} us  {:>7.0} writes/s  {:>7.0} turns/s",
                of(0),
                of(1),
                of(2),
                of(3)
            );
        }
    }
    std::fs::remove_file(&path)?;
    let ways: [(&str, Server); 2] = [("epoll", sockets_by_epoll), ("ring", sockets_by_ring)];
    for connections in [1, 50] {
        let mut all: [Vec<[f64; 4]>; 2] = [const { Vec::new() }; 2];
        for _ in 0..ROUNDS {
            for (place, &(_, way)) in ways.iter().enumerate() {
                let (mut found, cpu) = sockets(connections, way)?;
                all[place].push([found.at(0.5), found.at(0.99), found.turns as f64 / ROUND.as_secs_f64(), cpu]);
            }
        }
        for ((way, _), rounds) in ways.iter().zip(&all) {
            let of = |figure: usize| median(&mut rounds.iter().map(|round| round[figure]).collect::<Vec<_>>());
            println!(
                "sockets  {connections:>2} connections         by {way:<7} p50 {:>8.1} us  p99 {:>9.1} us  {:>7.0} messages/s  {:>6.0} ns of the server each",
                of(0),
                of(1),
                of(2),
                of(3)
            );
        }
    }
    Ok(())
}
