//! The load itself, on one thread and one core: as fast as windows allow, or paced by a clock.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use engine_rt::{Interest, Readiness, Socket, Waker};
use hdrhistogram::Histogram;

use crate::message::{Kept, message};
use crate::peer::{Peer, Settle, Work, append_transfer};
use crate::wire;

const SCRATCH: usize = 256 * 1024 + (1 << 20);
/// Share of a run that is not counted, while queues and caches fill.
const WARM_UP: f64 = 0.2;
/// How long a sender may be without credit at first.
const CREDIT_PATIENCE: Duration = Duration::from_secs(20);

/// A closed-loop load.
#[derive(Clone, Debug)]
pub struct Load {
    /// The queues, each with a producer and a consumer of its own.
    pub addresses: Vec<String>,
    /// Where connections are to live, if not with their queue.
    pub home: Option<String>,
    /// Octets of a message's body.
    pub size: usize,
    /// Deliveries on the way for each pair, and credit of each consumer.
    pub window: u32,
    /// How deliveries are settled.
    pub settle: Settle,
    /// Whether messages are durable.
    pub kept: Kept,
    /// How long it runs.
    pub seconds: f64,
}

/// The addresses of `pairs` queues.
pub fn queues(pairs: usize) -> Vec<String> {
    (0..pairs).map(|pair| format!("perf.{pair}")).collect()
}

/// Runs pairs as fast as windows allow; gives messages received a second.
///
/// # Errors
/// When the broker breaks a connection, or no message comes through.
pub fn pairs(to: SocketAddr, load: &Load) -> io::Result<f64> {
    pairs_over((to, to), load)
}

/// The same with producers at the first of two servers, and consumers at the second.
///
/// # Errors
/// As `pairs`.
pub fn pairs_over((to, from): (SocketAddr, SocketAddr), load: &Load) -> io::Result<f64> {
    let waker = Waker::new()?;
    let mut readiness = Readiness::new(&waker)?;
    let mut peers = Vec::new();
    for address in &load.addresses {
        let consumer = Work::Consumer { received: 0, credit: 0, window: load.window, open: None };
        let producer = Work::Producer { credit: 0, sent: 0, settled: 0, window: load.window };
        for (server, work) in [(from, consumer), (to, producer)] {
            let peer = Peer::connect(server, load.home.as_deref(), address, load.settle, work)?;
            readiness.add(peer.fd(), peers.len() as u64, Interest::Read)?;
            peers.push((peer, false));
        }
    }
    let payload = message(load.size, load.kept);
    let mut scratch = vec![0; SCRATCH];
    let mut ready = Vec::new();
    let (mut count, mut counted_from) = (0_u64, None);
    // From the first message on: in a network senders have credit some time after somebody receives.
    let (begun, mut start) = (Instant::now(), None);
    loop {
        readiness.poll(Some(Duration::from_millis(100)), &mut ready)?;
        for event in &ready {
            let Some((peer, blocked)) = peers.get_mut(usize::try_from(event.token).unwrap_or(usize::MAX)) else {
                continue;
            };
            if event.readable() {
                peer.read(&mut scratch, |_| count += 1)?;
            }
            peer.pump(&payload)?;
            if peer.is_blocked() != *blocked {
                *blocked = peer.is_blocked();
                readiness.modify(
                    peer.fd(),
                    event.token,
                    if *blocked { Interest::ReadWrite } else { Interest::Read },
                )?;
            }
        }
        if count == 0 {
            if begun.elapsed() > CREDIT_PATIENCE {
                return Err(io::Error::other("no message came through"));
            }
            continue;
        }
        let elapsed = start.get_or_insert_with(Instant::now).elapsed().as_secs_f64();
        match counted_from {
            None if elapsed >= load.seconds * WARM_UP => counted_from = Some((Instant::now(), count)),
            Some((from, before)) if elapsed >= load.seconds => {
                return Ok((count - before) as f64 / from.elapsed().as_secs_f64());
            }
            _ => {}
        }
    }
}

/// Sends the same frames through a bare relay; gives messages received a second.
///
/// # Errors
/// When the relay breaks a connection.
pub fn through_relay(to: SocketAddr, load: &Load) -> io::Result<f64> {
    let waker = Waker::new()?;
    let mut readiness = Readiness::new(&waker)?;
    let producer = wire::connect(to)?;
    let consumer = wire::connect(to)?;
    readiness.add(producer.as_raw_fd(), 0, Interest::Write)?;
    readiness.add(consumer.as_raw_fd(), 1, Interest::Read)?;
    let payload = message(load.size, load.kept);
    let mut block = Vec::new();
    let mut id = 1 << 24;
    while block.len() < 128 * 1024 {
        append_transfer(&mut block, id, load.settle, &payload);
        id += 1;
    }
    let frame_bytes = block.len() as f64 / f64::from(id - (1 << 24));
    let (mut scratch, mut ready, mut written) = (vec![0; SCRATCH], Vec::new(), 0);
    let (mut bytes, mut counted_from) = (0_u64, None);
    let start = Instant::now();
    loop {
        readiness.poll(Some(Duration::from_millis(100)), &mut ready)?;
        for event in &ready {
            if event.token == 0 {
                while let Some(count) = producer.write(&[IoSlice::new(&block[written..])])? {
                    written = (written + count) % block.len();
                    if written != 0 {
                        break;
                    }
                }
            } else if let Some(count) = consumer.read(&mut [IoSliceMut::new(&mut scratch)])? {
                bytes += count as u64;
            }
        }
        let elapsed = start.elapsed().as_secs_f64();
        match counted_from {
            None if elapsed >= load.seconds * WARM_UP => counted_from = Some((Instant::now(), bytes)),
            Some((from, before)) if elapsed >= load.seconds => {
                return Ok((bytes - before) as f64 / frame_bytes / from.elapsed().as_secs_f64());
            }
            _ => {}
        }
    }
}

/// What is paced: a broker's queue, or a bare echo.
pub enum Paced {
    /// Through a queue.
    Queue {
        address: String,
        /// Where connections are to live, if not with their queue.
        home: Option<String>,
    },
    /// To the peer and back.
    Echo,
}

/// Sends `rate` messages a second to the first of two servers by the clock, receives them from the second, and measures each from the moment
/// it was due, nanoseconds.
///
/// # Errors
/// When a connection breaks.
pub fn paced(to: (SocketAddr, SocketAddr), what: &Paced, rate: u64, seconds: f64) -> io::Result<Histogram<u64>> {
    let clock = Instant::now();
    let mut histogram =
        Histogram::new_with_max(60_000_000_000, 3).map_err(|error| io::Error::other(error.to_string()))?;
    let interval = 1_000_000_000 / rate;
    let total = (seconds * rate as f64) as u64;
    let mut line = Line::open(to, what)?;
    while !line.is_open() {
        if clock.elapsed() > CREDIT_PATIENCE {
            return Err(io::Error::other("the sender got no credit"));
        }
        line.receive(|_| {})?;
    }
    let begin = u64::try_from(clock.elapsed().as_nanos()).unwrap_or(0) + 200_000_000;
    let (mut sent, mut received) = (0, 0);
    let warm = total / 10;
    while received < total {
        let now = u64::try_from(clock.elapsed().as_nanos()).unwrap_or(0);
        while sent < total && now >= begin + sent * interval && line.send(sent)? {
            sent += 1;
        }
        line.receive(|number| {
            received += 1;
            let now = u64::try_from(clock.elapsed().as_nanos()).unwrap_or(0);
            if number >= warm {
                histogram.saturating_record(now.saturating_sub(begin + number * interval));
            }
        })?;
        if now > begin + total * interval + 5_000_000_000 {
            return Err(io::Error::other(format!("{received} of {total} messages came back")));
        }
    }
    Ok(histogram)
}

/// The connection or two that paced messages take; polled without sleeping, so that the load adds no wake-up of its own.
enum Line {
    Queue { producer: Box<Peer>, consumer: Box<Peer>, payload: Vec<u8>, scratch: Vec<u8> },
    Echo { socket: Socket, scratch: Vec<u8>, partial: Vec<u8> },
}

impl Line {
    fn open((to, from): (SocketAddr, SocketAddr), what: &Paced) -> io::Result<Self> {
        let scratch = vec![0; SCRATCH];
        match what {
            Paced::Echo => Ok(Self::Echo { socket: wire::connect(to)?, scratch, partial: Vec::new() }),
            Paced::Queue { address, home } => {
                let consumer = Work::Consumer { received: 0, credit: 0, window: 1000, open: None };
                let producer = Work::Producer { credit: 0, sent: 0, settled: 0, window: 1000 };
                let consumer = Box::new(Peer::connect(from, home.as_deref(), address, Settle::Unsettled, consumer)?);
                let producer = Box::new(Peer::connect(to, home.as_deref(), address, Settle::Unsettled, producer)?);
                Ok(Self::Queue { producer, consumer, payload: message(100, Kept::Volatile), scratch })
            }
        }
    }

    /// Whether its sender has had credit.
    fn is_open(&self) -> bool {
        match self {
            Self::Queue { producer, .. } => producer.sendable() > 0,
            Self::Echo { .. } => true,
        }
    }

    /// Sends message `number` if it can be sent.
    fn send(&mut self, number: u64) -> io::Result<bool> {
        match self {
            Self::Queue { producer, payload, .. } => {
                if producer.sendable() == 0 {
                    return Ok(false);
                }
                let at = payload.len() - 8;
                payload[at..].copy_from_slice(&number.to_be_bytes());
                producer.send(payload);
                producer.flush()?;
                Ok(true)
            }
            Self::Echo { socket, .. } => {
                let mut block = [b'x'; 134];
                block[126..].copy_from_slice(&number.to_be_bytes());
                Ok(socket.write(&[IoSlice::new(&block)])?.is_some())
            }
        }
    }

    fn receive(&mut self, mut on_message: impl FnMut(u64)) -> io::Result<()> {
        let number = |bytes: &[u8]| bytes.last_chunk().map_or(0, |last| u64::from_be_bytes(*last));
        match self {
            Self::Queue { producer, consumer, scratch, .. } => {
                consumer.read(scratch, |payload| on_message(number(payload)))?;
                consumer.flush()?;
                producer.read(scratch, |_| {})?;
                producer.flush()
            }
            Self::Echo { socket, scratch, partial } => {
                if let Some(count) = socket.read(&mut [IoSliceMut::new(scratch)])? {
                    partial.extend_from_slice(&scratch[..count]);
                }
                let whole = partial.len() / 134 * 134;
                partial[..whole].chunks(134).for_each(|block| on_message(number(block)));
                partial.drain(..whole);
                Ok(())
            }
        }
    }
}

/// When messages are sent whose acceptance is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Each when the one before was accepted.
    OneAtATime,
    /// So many a second, by the clock.
    Rate(u64),
}

/// Whether somebody takes them from the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Nobody.
    None,
    /// A consumer that accepts each.
    One,
}

/// A load whose acceptances are measured.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The queue.
    pub address: String,
    /// Octets of a message's body.
    pub size: usize,
    /// When messages are sent.
    pub pace: Pace,
    /// Whether they are taken.
    pub reader: Reader,
    /// How long it runs.
    pub seconds: f64,
}

/// Sends durable messages and measures each from the moment it was due to its acceptance, nanoseconds.
///
/// # Errors
/// When a connection breaks.
pub fn accepted(to: SocketAddr, load: &Accepted) -> io::Result<Histogram<u64>> {
    let mut histogram = Histogram::new_with_max(60_000_000_000, 3).map_err(io::Error::other)?;
    let work = Work::Producer { credit: 0, sent: 0, settled: 0, window: u32::MAX };
    let mut producer = Peer::connect(to, None, &load.address, Settle::Unsettled, work)?;
    let work = Work::Consumer { received: 0, credit: 0, window: 8000, open: None };
    let mut consumer = match load.reader {
        Reader::None => None,
        Reader::One => Some(Peer::connect(to, None, &load.address, Settle::Unsettled, work)?),
    };
    let payload = message(load.size, Kept::Durable);
    let mut scratch = vec![0; SCRATCH];
    let mut due = std::collections::VecDeque::new();
    let clock = Instant::now();
    let now = || u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let (begin, until) = (200_000_000, 200_000_000 + (load.seconds * 1e9) as u64);
    let warm = begin + (until - begin) / 10;
    let (mut sent, mut accepted) = (0_u64, 0_u64);
    while now() < until || !due.is_empty() {
        let time = now();
        loop {
            let at = match load.pace {
                Pace::OneAtATime if due.is_empty() => time,
                Pace::OneAtATime => break,
                Pace::Rate(rate) => {
                    begin + u64::try_from(u128::from(sent) * 1_000_000_000 / u128::from(rate)).unwrap_or(u64::MAX)
                }
            };
            if at < begin || at > time || at >= until || producer.sendable() == 0 || producer.is_full() {
                break;
            }
            producer.send(&payload);
            due.push_back(at);
            sent += 1;
        }
        producer.flush()?;
        producer.read(&mut scratch, |_| {})?;
        if let Work::Producer { settled, .. } = producer.work {
            let time = now();
            while (accepted as u32) != settled {
                accepted += 1;
                if let Some(at) = due.pop_front().filter(|&at| at >= warm) {
                    histogram.saturating_record(time - at);
                }
            }
        }
        if let Some(consumer) = &mut consumer {
            consumer.read(&mut scratch, |_| {})?;
            consumer.flush()?;
        }
        if now() > until + 10_000_000_000 {
            return Err(io::Error::other(format!("{} messages were not accepted", due.len())));
        }
    }
    Ok(histogram)
}
