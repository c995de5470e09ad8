//! What a load costs without a server: the same messages at the same times to a bare TCP echo in this process, and
//! back.
//!
//! A latency of a server is to be read beside this one: below it no server can be, and what is above it is the
//! server's. The echo has a thread of its own, on another core where there is one, which knows nothing of messages: it
//! writes the octets that it reads.
//!
//! Not in it: what AMQP costs at the generator, since the octets are counted and not decoded.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::thread::JoinHandle;
use std::time::Duration;

use engine_rt::{Interest, Readiness, Socket, Waker, monotonic_ns, pin_thread};
use load_model::arrivals::Schedule;
use load_model::latency::{Latencies, Metric};
use load_model::number;
use load_model::result::{Floor, percentiles};
use load_model::scenario::{Arrivals, Scenario, WarmUp};
use load_model::sizes::Sizes;
use load_model::units::Span;

/// How long it is measured, at most, nanoseconds: 3 s have 3,000 messages for p99.9 at 1,000 a second.
const LENGTH_NS: u64 = 3_000_000_000;
/// How much of that is not counted, nanoseconds: connections and caches are cold.
const WARM_UP_NS: u64 = 200_000_000;
/// How long the last messages may take, nanoseconds; those that take longer count as back then.
const DRAIN_NS: u64 = 1_000_000_000;
/// Octets of a transfer and its sections around a body.
const AROUND_BYTES: u64 = 48;
/// Messages under way, at most: the rest waits, and counts as late from when it was due.
const UNDER_WAY_MAX: usize = 1 << 20;
/// Octets of one segment of a write, and segments of one write.
const SEGMENT_BYTES: usize = 64 * 1024;
const SEGMENTS: usize = 16;
/// How long before a message is due its sender no longer sleeps, nanoseconds: what the system's timers are late by, and
/// more.
const SPIN_NS: u64 = 150_000;

/// Why there is no floor.
#[derive(Debug, thiserror::Error)]
#[error("the generator's own floor cannot be measured, {doing}: {reason}")]
pub struct FloorError {
    doing: &'static str,
    reason: io::Error,
}

/// Says what failed.
fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> FloorError {
    move |reason| FloorError { doing, reason }
}

/// Measures the floor of a scenario, on two of `cores` if there are two; takes at most 4 s. `None` where nothing is
/// sent.
///
/// # Errors
/// When there is no loopback, or no thread.
pub fn measure(scenario: &Scenario, cores: &[usize]) -> Result<Option<Floor>, FloorError> {
    let mut remarks = Vec::new();
    let Some(load) = Load::new(scenario, &mut remarks) else { return Ok(None) };
    let core = cores.first().copied();
    let echo_core = cores.get(1).copied().or(core);
    let placing = if core == echo_core { Placing::OneCore } else { Placing::TwoCores };
    if placing == Placing::OneCore {
        remarks.push("sender and echo had to share a core, so that each waited for the other".to_owned());
    }
    let (address, echo) = start_echo(echo_core).map_err(failed("starting the echo"))?;
    let run = move || -> io::Result<(Latencies, usize)> {
        core.map_or(Ok(()), pin_thread)?;
        Run::new(load, address, placing)?.run()
    };
    let sender =
        std::thread::Builder::new().name("floor".to_owned()).spawn(run).map_err(failed("starting the sender"))?;
    let (latencies, late) = joined(sender).map_err(failed("sending"))?;
    if late > 0 {
        let seconds = DRAIN_NS / 1_000_000_000;
        remarks.push(format!(
            "{} not back {seconds} s after the last was due: a loopback does not carry this load",
            number::counted(late as u64, "message") + number::agreeing(late as u64, " was", " were")
        ));
    }
    // The sender hung up, so that the echo has nothing more to read.
    joined(echo).map_err(failed("echoing"))?;
    let count = latencies.get(Metric::Receive).map_or(0, |receive| receive.len());
    let seconds = (LENGTH_NS - WARM_UP_NS) as f64 / 1e9;
    Ok(Some(Floor { rate: count as f64 / seconds, percentiles: percentiles(&latencies), latencies, remarks }))
}

fn joined<T>(thread: JoinHandle<io::Result<T>>) -> io::Result<T> {
    thread.join().map_err(|_| io::Error::other("its thread panicked"))?
}

/// Accepts one connection and writes back what comes on it.
fn start_echo(core: Option<usize>) -> io::Result<(SocketAddr, JoinHandle<io::Result<()>>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let run = move || -> io::Result<()> {
        core.map_or(Ok(()), pin_thread)?;
        let (mut socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        let mut buffer = vec![0; SEGMENT_BYTES * SEGMENTS];
        loop {
            let count = socket.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            socket.write_all(buffer.get(..count).unwrap_or_default())?;
        }
    };
    Ok((address, std::thread::Builder::new().name("echo".to_owned()).spawn(run)?))
}

/// Whether the sender may wait awake, without keeping the echo from its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placing {
    OneCore,
    TwoCores,
}

/// When messages are due and how large they are: all producers of the open loops of a scenario, or, where all loops are
/// closed, one producer that sends the next message when the last one is back.
struct Load {
    producers: Vec<(Option<Schedule>, Sizes)>,
    due: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Load {
    fn new(scenario: &Scenario, remarks: &mut Vec<String>) -> Option<Self> {
        let mut scenario = scenario.clone();
        scenario.warm_up = WarmUp::Fixed(Span(0));
        for group in &mut scenario.groups {
            if let Arrivals::Ramp { .. } = group.arrivals {
                group.arrivals = Arrivals::Constant;
                remarks.push(format!("{} ramps; its floor has the last rate throughout", group.name));
            }
        }
        let mut load = Self { producers: Vec::new(), due: BinaryHeap::new() };
        let sending: Vec<_> = scenario.groups.iter().enumerate().filter(|(_, group)| group.producers > 0).collect();
        for &(index, group) in &sending {
            for producer in 0..group.producers {
                let index = index as u32;
                let Some(schedule) = Schedule::new(&scenario, index, producer) else { break };
                load.due.push(Reverse((schedule.due_ns(), load.producers.len())));
                load.producers.push((Some(schedule), Sizes::new(&group.size, scenario.seed, index, producer)));
            }
        }
        let closed = sending.iter().find(|(_, group)| group.arrivals == Arrivals::Closed);
        if let Some(&(index, group)) = closed {
            if load.producers.is_empty() {
                load.due.push(Reverse((0, 0)));
                load.producers.push((None, Sizes::new(&group.size, scenario.seed, index as u32, 0)));
                remarks.push("the load is a closed loop; its floor has one message under way at a time".to_owned());
            } else {
                remarks.push("closed loops of the load are not part of its floor".to_owned());
            }
        }
        (!load.producers.is_empty()).then_some(load)
    }

    /// When the next message is due.
    fn next_ns(&self) -> Option<u64> {
        let Reverse((due_ns, _)) = self.due.peek()?;
        (*due_ns < LENGTH_NS).then_some(*due_ns)
    }

    /// Octets of the next message, which is sent.
    fn take(&mut self) -> u64 {
        let Some(Reverse((_, producer))) = self.due.pop() else { return 0 };
        let Some((schedule, sizes)) = self.producers.get_mut(producer) else { return 0 };
        if let Some(schedule) = schedule {
            schedule.advance();
            self.due.push(Reverse((schedule.due_ns(), producer)));
        }
        sizes.next_bytes() as u64 + AROUND_BYTES
    }

    /// A message is back: a closed loop has the next one.
    fn echoed(&mut self, now_ns: u64) {
        if let [(None, _)] = self.producers.as_slice() {
            self.due.push(Reverse((now_ns, 0)));
        }
    }
}

/// The sender.
struct Run {
    load: Load,
    socket: Socket,
    readiness: Readiness,
    placing: Placing,
    filler: Vec<u8>,
    buffer: Vec<u8>,
    /// When each message under way was due, and which octet of all is behind its last.
    under_way: VecDeque<(u64, u64)>,
    taken_bytes: u64,
    written_bytes: u64,
    echoed_bytes: u64,
    latencies: Latencies,
}

impl Run {
    fn new(load: Load, address: SocketAddr, placing: Placing) -> io::Result<Self> {
        let socket = Socket::connect(address)?;
        let readiness = Readiness::new(&Waker::new()?)?;
        readiness.add(socket.as_raw_fd(), 0, Interest::Read)?;
        Ok(Self {
            load,
            socket,
            readiness,
            placing,
            filler: vec![0x5a; SEGMENT_BYTES],
            buffer: vec![0; SEGMENT_BYTES * SEGMENTS],
            under_way: VecDeque::new(),
            taken_bytes: 0,
            written_bytes: 0,
            echoed_bytes: 0,
            latencies: Latencies::default(),
        })
    }

    /// Gives latencies, and how many messages did not come back in time.
    fn run(mut self) -> io::Result<(Latencies, usize)> {
        let origin_ns = monotonic_ns();
        let mut ready = Vec::new();
        let mut interest = Interest::Read;
        loop {
            let now_ns = monotonic_ns() - origin_ns;
            self.take(now_ns);
            self.write()?;
            self.read(origin_ns)?;
            let now_ns = monotonic_ns() - origin_ns;
            let Some(timeout) = self.timeout(now_ns) else { break };
            let wanted = if self.written_bytes < self.taken_bytes { Interest::ReadWrite } else { Interest::Read };
            if std::mem::replace(&mut interest, wanted) != wanted {
                self.readiness.modify(self.socket.as_raw_fd(), 0, wanted)?;
            }
            self.readiness.poll(Some(timeout), &mut ready)?;
        }
        let late = std::mem::take(&mut self.under_way);
        late.iter().for_each(|&(due_ns, _)| self.record(Metric::Receive, due_ns, LENGTH_NS + DRAIN_NS));
        Ok((self.latencies, late.len()))
    }

    /// Takes what is due.
    fn take(&mut self, now_ns: u64) {
        while let Some(due_ns) = self.load.next_ns().filter(|&due_ns| due_ns <= now_ns) {
            if self.under_way.len() >= UNDER_WAY_MAX {
                return;
            }
            self.taken_bytes += self.load.take();
            self.under_way.push_back((due_ns, self.taken_bytes));
            self.record(Metric::Lag, due_ns, now_ns);
        }
    }

    fn record(&mut self, metric: Metric, due_ns: u64, at_ns: u64) {
        if due_ns >= WARM_UP_NS {
            self.latencies.record(metric, at_ns.saturating_sub(due_ns));
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while self.written_bytes < self.taken_bytes {
            let mut left = usize::try_from(self.taken_bytes - self.written_bytes).unwrap_or(usize::MAX);
            let mut slices = [IoSlice::new(&[]); SEGMENTS];
            for slice in &mut slices {
                let bytes = left.min(self.filler.len());
                left -= bytes;
                *slice = IoSlice::new(self.filler.get(..bytes).unwrap_or_default());
            }
            let Some(count) = self.socket.write(&slices)? else { return Ok(()) };
            self.written_bytes += count as u64;
        }
        Ok(())
    }

    fn read(&mut self, origin_ns: u64) -> io::Result<()> {
        let Some(count) = self.socket.read(&mut [IoSliceMut::new(&mut self.buffer)])? else { return Ok(()) };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.echoed_bytes += count as u64;
        let now_ns = monotonic_ns() - origin_ns;
        while let Some((due_ns, _)) = self.under_way.pop_front_if(|(_, end)| *end <= self.echoed_bytes) {
            self.record(Metric::Receive, due_ns, now_ns);
            self.load.echoed(now_ns);
        }
        Ok(())
    }

    /// How long to wait for something to do; `None` at the end.
    fn timeout(&self, now_ns: u64) -> Option<Duration> {
        let until_ns = match self.load.next_ns() {
            _ if now_ns >= LENGTH_NS + DRAIN_NS => return None,
            Some(due_ns) if self.placing == Placing::TwoCores => due_ns.saturating_sub(SPIN_NS),
            Some(due_ns) => due_ns,
            None if self.under_way.is_empty() => return None,
            None => LENGTH_NS + DRAIN_NS,
        };
        Some(Duration::from_nanos(until_ns.saturating_sub(now_ns)))
    }
}

#[cfg(test)]
mod tests {
    use load_model::scenario::Group;
    use load_model::units::Rate;

    use super::*;

    fn floor(arrivals: Arrivals) -> Floor {
        let group = Group { arrivals, rate: Rate(2000.0), ..Group::default() };
        let scenario = Scenario { groups: vec![group], ..Scenario::default() };
        measure(&scenario, &engine_rt::allowed_cores()).expect("there is a loopback").expect("something is sent")
    }

    #[test]
    fn a_floor_has_the_rate_of_the_load_and_counts_from_when_messages_were_due() {
        let floor = floor(Arrivals::Poisson);
        // 5,600 messages of a Poisson process: 4 standard deviations are 300.
        assert!((floor.rate - 2000.0).abs() < 120.0, "{}", floor.rate);
        let [receive, lag] =
            [Metric::Receive, Metric::Lag].map(|metric| floor.latencies.get(metric).expect("it has some"));
        assert_eq!(receive.len(), lag.len());
        assert!(receive.value_at_quantile(0.5) >= lag.value_at_quantile(0.5), "a message is sent before it is back");
        assert!(receive.value_at_quantile(0.5) < 5_000_000, "a loopback's median is below 5 ms on the busiest machine");
    }

    #[test]
    fn the_floor_of_a_closed_loop_is_a_round_trip() {
        let floor = floor(Arrivals::Closed);
        assert!(floor.remarks.iter().any(|remark| remark.contains("one message under way")));
        let receive = floor.latencies.get(Metric::Receive).expect("it has some");
        assert!(receive.len() > 1000, "round trips follow each other");
    }

    #[test]
    fn who_sends_nothing_has_no_floor() {
        let scenario = Scenario { groups: vec![Group { producers: 0, ..Group::default() }], ..Scenario::default() };
        assert!(measure(&scenario, &[]).expect("nothing failed").is_none());
    }
}
