//! Results to test with: what a server that is described in a few numbers would give.

use crate::chance::{Chance, Purpose};
use crate::collect::Collector;
use crate::interval::{Counts, Interval};
use crate::latency::{Latencies, Metric};
use crate::ledger::Ledger;
use crate::result::{RunResult, Usage};
use crate::scenario::{Arrivals, Group, Scenario, WarmUp};
use crate::units::{Bytes, Rate, Span};
use crate::worker::Told;

/// A run of one group of one producer and one consumer.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Messages due, a second; 0: a closed loop that sends what the server does.
    pub offered: f64,
    /// What the server does at most.
    pub capacity: f64,
    /// Median latency, microseconds, and how the logarithm of latencies is spread.
    pub median_us: f64,
    pub spread: f64,
    /// Seconds measured.
    pub seconds: u64,
    /// Noise of rates and of medians from second to second, a share.
    pub noise: f64,
    pub lag_us: u64,
    /// Share of the time in which the generator's thread has nothing to do.
    pub idle: f64,
    pub size: u64,
    pub durable: bool,
    pub seed: u64,
    /// What the server takes for a message, microseconds.
    pub cpu_us: f64,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            offered: 10_000.0,
            capacity: 100_000.0,
            median_us: 200.0,
            spread: 0.5,
            seconds: 10,
            noise: 0.0,
            lag_us: 5,
            idle: 0.6,
            size: 100,
            durable: false,
            seed: 1,
            cpu_us: 10.0,
        }
    }
}

/// Latencies of each second: enough for a p99, and few enough for a test.
const VALUES: u64 = 1000;

impl Sample {
    pub fn scenario(&self) -> Scenario {
        let arrivals = if self.offered == 0.0 { Arrivals::Closed } else { Arrivals::Constant };
        let size = crate::scenario::Size::Fixed(Bytes(self.size));
        let group = Group { arrivals, rate: Rate(self.offered), size, durable: self.durable, ..Group::default() };
        let duration = Span::seconds(self.seconds as f64);
        Scenario { groups: vec![group], duration, warm_up: WarmUp::Fixed(Span(0)), ..Scenario::default() }
    }

    /// The result, judged.
    pub fn run(&self) -> RunResult {
        let mut run = self.unjudged();
        run.judge();
        run
    }

    pub fn unjudged(&self) -> RunResult {
        let mut collector = Collector::new(&self.scenario(), 1);
        let mut chance = Chance::new(self.seed, Purpose::Sizes, 0, 0);
        for at in 0..self.seconds {
            collector.handle(Told::Interval(self.interval(at, &mut chance))).expect("in order");
        }
        collector.handle(Told::Done { worker: 0, ledger: Ledger::default() }).expect("once");
        let mut run = collector.finish();
        let rate = run.rate();
        run.server.product = "Heddle 0.1.0".to_owned();
        run.server.local = true;
        run.machine.host = "here".to_owned();
        run.machine.cores_online = 2;
        run.machine.cores = vec![0, 1];
        run.server.usage = Some(Usage {
            source: "process 1".to_owned(),
            cpu_cores: self.cpu_us * rate / 1e6,
            cpu_us_per_message: self.cpu_us,
            memory_bytes: 50 << 20,
            memory_peak_bytes: 60 << 20,
            syncs: self.durable.then_some(1000),
            messages_per_sync: self.durable.then_some(rate * self.seconds as f64 / 1000.0),
            written_per_byte: self.durable.then_some(1.2),
            written_per_message: self.durable.then_some(1.2 * self.size as f64),
        });
        run
    }

    fn interval(&self, at: u64, chance: &mut Chance) -> Interval {
        let offered = if self.offered == 0.0 { self.capacity } else { self.offered };
        let done = offered.min(self.capacity) * (1.0 + self.noise * chance.next_normal());
        let median_us = self.median_us * (1.0 + self.noise * chance.next_normal());
        let mut latencies = Latencies::default();
        for _ in 0..VALUES {
            let us = median_us * (self.spread * chance.next_normal()).exp();
            latencies.record(Metric::Receive, (us * 1000.0) as u64);
            latencies.record(Metric::Accept, (us * 700.0) as u64);
            latencies.record(Metric::Lag, self.lag_us * 1000);
        }
        let is_overloaded = offered > self.capacity;
        let counts = Counts {
            due: if self.offered == 0.0 { done as u64 } else { offered as u64 },
            sent: done as u64,
            accepted: done as u64,
            received: done as u64,
            sent_bytes: done as u64 * self.size,
            received_bytes: done as u64 * self.size,
            blocked_ns: if is_overloaded { 900_000_000 } else { 0 },
            cpu_ns: ((1.0 - self.idle) * 1e9) as u64,
            idle_ns: (self.idle * 1e9) as u64,
            ..Counts::default()
        };
        let start_ns = at * 1_000_000_000;
        Interval {
            worker: 0,
            group: 0,
            start_ns,
            end_ns: start_ns + 1_000_000_000,
            counts,
            latencies,
            over_ns: None,
            resumed: None,
        }
    }
}
