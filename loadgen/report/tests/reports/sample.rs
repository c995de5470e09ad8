//! A run that never was: two minutes at 20,000 messages a second with a stall of the server in the middle, the same each time.

use std::sync::OnceLock;

use load_model::compare::{Comparison, Differences, compare};
use load_model::interval::{Counts, Resumed};
use load_model::latency::{Latencies, Metric};
use load_model::plan::{Model, Plan, Wanted};
use load_model::result::{
    Audit, FORMAT, Figures, Floor, Generator, Machine, Requirement, RunResult, Second, Server, Standing, Steadiness,
    Usage, Verdict, percentiles,
};
use load_model::scenario::{Group, Pattern, Scenario};
use load_model::sweep::{Limit, Offer, Point, Purpose, SweepResult, Turn};
use load_model::units::{Rate, Span};

const WARM_UP_S: u64 = 8;
const MEASURED_S: u64 = 120;
const STALL_S: u64 = 71;
/// Values recorded for each second and group: enough for smooth curves, few enough for quick tests.
const VALUES: u64 = 1000;

/// Numbers that look like chance (xorshift64*).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Between 0 and 1, neither of them.
    pub fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        (bits as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Log-normal, nanoseconds.
    pub fn around(&mut self, median_us: f64, spread: f64) -> u64 {
        let normal = (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        (median_us * 1000.0 * (spread * normal).exp()) as u64
    }
}

fn second_of(chance: &mut Chance, at_s: u64, slow: f64) -> (Counts, Latencies) {
    let mut latencies = Latencies::default();
    for value in 0..VALUES {
        // What is due while the server stalls waits for its end: all of a second's messages, evenly.
        let waited = if at_s == STALL_S { (VALUES - value) * 1_000_000_000 / VALUES } else { 0 };
        let cold = 1.0 + 2.0 * (-(at_s as f64) / 3.0).exp();
        let hiccup = if chance.unit() < 0.002 { chance.around(2500.0, 0.5) } else { 0 };
        let service = chance.around(92.0 * slow * cold, 0.28) + hiccup;
        latencies.record_n(Metric::Accept, service + waited, 10);
        latencies.record_n(Metric::Receive, service + waited + chance.around(31.0, 0.3), 10);
        latencies.record_n(Metric::Service, service, 10);
        latencies.record_n(Metric::Lag, chance.around(4.0, 0.6), 10);
    }
    let sent = VALUES * 10;
    let counts = Counts {
        due: sent,
        sent,
        accepted: sent,
        received: sent,
        sent_bytes: sent * 1024,
        received_bytes: sent * 1024,
        blocked_ns: if at_s == STALL_S { 940_000_000 } else { 1_200_000 },
        cpu_ns: 210_000_000,
        idle_ns: 720_000_000,
        ..Counts::default()
    };
    (counts, latencies)
}

fn scenario() -> Scenario {
    let orders = Group { name: "orders".to_owned(), durable: true, address: "orders".to_owned(), ..Group::default() };
    let quotes = Group {
        name: "quotes".to_owned(),
        pattern: Pattern::Topic,
        address: "quotes".to_owned(),
        producers: 4,
        consumers: 4,
        addresses: 4,
        rate: Rate(10_000.0),
        ..Group::default()
    };
    Scenario {
        name: "orders and quotes".to_owned(),
        description: "Durable orders beside quotes that may be lost: what a trading desk sends on a quiet morning."
            .to_owned(),
        duration: Span::seconds(MEASURED_S as f64),
        groups: vec![orders, quotes],
        require: vec!["p99.9<2ms".to_owned(), "lost=0".to_owned()],
        ..Scenario::default()
    }
}

fn floor(chance: &mut Chance) -> Floor {
    let mut latencies = Latencies::default();
    for _ in 0..200_000 {
        latencies.record(Metric::Receive, chance.around(21.0, 0.22));
        latencies.record(Metric::Lag, chance.around(3.5, 0.5));
    }
    Floor {
        rate: 20_000.0,
        percentiles: percentiles(&latencies),
        latencies,
        remarks: vec!["The floor has one queue, the load four topics.".to_owned()],
    }
}

/// The run; made once, because it takes a while.
pub fn run() -> RunResult {
    static RUN: OnceLock<RunResult> = OnceLock::new();
    RUN.get_or_init(|| run_of(MEASURED_S, 1)).clone()
}

/// The run with a warm-up of 8 s and so many seconds measured, by another chance.
pub fn run_of(measured_s: u64, seed: u64) -> RunResult {
    run_at(measured_s, seed, 1.0)
}

/// The same of a server that takes so many times as long.
pub fn run_at(measured_s: u64, seed: u64, slowness: f64) -> RunResult {
    let mut chance = Chance::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut figures = ["orders", "quotes", "total"].map(|name| Figures { name: name.to_owned(), ..Figures::default() });
    let mut timeline = Vec::new();
    for at_s in 0..WARM_UP_S + measured_s {
        let mut whole = (Counts::default(), Latencies::default());
        let [orders, quotes, total] = &mut figures;
        for (figures, slow) in [(orders, 3.4 * slowness), (quotes, slowness)] {
            let (counts, latencies) = second_of(&mut chance, at_s, slow);
            whole.0.add(&counts);
            whole.1.merge(&latencies);
            if at_s >= WARM_UP_S {
                figures.counts.add(&counts);
                figures.latencies.merge(&latencies);
            }
        }
        if at_s >= WARM_UP_S {
            total.counts.add(&whole.0);
            total.latencies.merge(&whole.1);
        }
        timeline.push(Second {
            at_s: at_s as f64,
            length_s: 1.0,
            measured: at_s >= WARM_UP_S,
            counts: whole.0,
            percentiles: percentiles(&whole.1),
            server_cpu: Some(if at_s == STALL_S { 0.02 } else { 0.41 + 0.03 * chance.unit() }),
            server_memory: Some(44_000_000 + at_s * 20_000),
        });
    }
    for one in &mut figures {
        one.percentiles = percentiles(&one.latencies);
    }
    let [orders, quotes, total] = figures;
    RunResult {
        format: FORMAT,
        version: "0.1.0".to_owned(),
        started_ms: 1_795_652_999_000,
        scenario: scenario(),
        machine: machine(),
        server: server(),
        warm_up_s: WARM_UP_S as f64,
        measured_s: measured_s as f64,
        steadiness: Steadiness::Reached,
        interrupted: false,
        demonstration: String::new(),
        total,
        groups: vec![orders, quotes],
        timeline,
        audit: Audit::default(),
        generator: Generator { threads: 2, busiest_cpu: 0.31, busiest_share: 0.28, cpu_ns_per_message: 1240.0 },
        floor: Some(floor(&mut chance)),
        verdict: Verdict {
            valid: true,
            standing: Standing::Load,
            reasons: Vec::new(),
            faults: Vec::new(),
            remarks: vec!["The measured time has one second in which the server took nothing.".to_owned()],
        },
        requirements: requirements(),
        workers: Vec::new(),
        resumed: Resumed::default(),
        outages: Vec::new(),
        cut_off: None,
    }
}

fn requirements() -> Vec<Requirement> {
    let requirement =
        |text: &str, found: &str, holds| Requirement { text: text.to_owned(), found: found.to_owned(), holds };
    vec![requirement("p99.9<2ms", "p99.9 of receive is 880 ms", false), requirement("lost=0", "0 lost", true)]
}

fn machine() -> Machine {
    Machine {
        host: "loom".to_owned(),
        processor: "Example Processor 3.1 GHz".to_owned(),
        cores: vec![2, 3],
        cores_online: 8,
        memory_bytes: 16 << 30,
        kernel: "Linux 6.12.4".to_owned(),
        congestion_control: "bbr".to_owned(),
        governor: "performance".to_owned(),
        virtualization: String::new(),
    }
}

fn server() -> Server {
    Server {
        product: "Heddle 0.1.0".to_owned(),
        container: "node-1".to_owned(),
        local: true,
        usage: Some(Usage {
            source: "process 4711".to_owned(),
            cpu_cores: 0.43,
            cpu_us_per_message: 21.4,
            memory_bytes: 46_500_000,
            memory_peak_bytes: 51_200_000,
            syncs: Some(96_400),
            messages_per_sync: Some(12.4),
            written_per_byte: Some(1.21),
            written_per_message: Some(1240.0),
        }),
        device: "nvme0n1, ext4".to_owned(),
        configuration: "[node]\nname = \"node-1\"\ncores = [0]\n".to_owned(),
        ..Server::default()
    }
}

/// Two servers with so many runs each, of which the second is a tenth faster.
pub fn comparison(runs: u64) -> Comparison {
    let of = |product: &str, seed: u64, slowness: f64| {
        let runs = (seed..seed + runs).map(|seed| {
            let mut run = run_at(10, seed, slowness * (0.99 + 0.005 * (seed % 5) as f64));
            run.server.product = product.to_owned();
            if let Some(usage) = run.server.usage.as_mut() {
                usage.cpu_us_per_message *= slowness;
            }
            run
        });
        runs.collect::<Vec<_>>()
    };
    let sides = (of("Heddle 0.1.0", 11, 1.0), of("Heddle 0.2.0", 21, 0.9));
    compare(&sides.0, &sides.1, Differences::OfServers).expect("they are alike but for the server")
}

/// Two servers with two runs each; of the second those at `invalid` are not valid.
pub fn comparison_of_invalid(invalid: &[usize]) -> Comparison {
    let of = |product: &str, seed: u64| {
        let mut runs = [run_at(6, seed, 1.0), run_at(6, seed + 1, 1.0)];
        runs.iter_mut().for_each(|run| run.server.product = product.to_owned());
        runs
    };
    let (one, mut other) = (of("Heddle 0.1.0", 11), of("Heddle 0.2.0", 21));
    for (_, run) in other.iter_mut().enumerate().filter(|(at, _)| invalid.contains(at)) {
        run.verdict.valid = false;
        run.verdict.reasons = vec!["It was late.".to_owned()];
    }
    compare(&one, &other, Differences::OfServers).expect("they are alike but for the server")
}

/// A sweep over a server that does 90,000 messages a second at most.
pub fn sweep() -> SweepResult {
    const MOST: f64 = 90_000.0;
    let mut chance = Chance::new(77);
    let mut point = |share: f64, purpose, is_valid| {
        let offered = MOST * share;
        let mut latencies = Latencies::default();
        // Waiting grows as the server has less and less time in which it has nothing to do.
        let waiting = 60.0 * share / (1.03 - share.min(1.0));
        for _ in 0..4000 {
            latencies.record_n(Metric::Receive, chance.around(95.0 + waiting, 0.25 + 0.2 * share), 100);
        }
        let achieved = offered.min(MOST * 0.985);
        let of_all = percentiles(&latencies);
        let p99_9_us = of_all.first().map_or(0.0, |of| of.p99_9);
        let holds = is_valid && (p99_9_us < 1000.0 || purpose == Purpose::Probe);
        let why = format!("p99.9<1ms does not hold: {}.", load_report::number::latency(p99_9_us));
        let why = if holds { Vec::new() } else { vec![why] };
        let usage = Usage { cpu_us_per_message: 8.0 + 9.0 * (1.0 - share).max(0.0), ..Usage::default() };
        Point {
            offer: Offer { rate: Some(offered), purpose },
            offered,
            achieved,
            body_bytes: 1024.0,
            measured_s: 10.0,
            is_valid,
            keeps_up: share <= 1.0,
            holds,
            why,
            percentiles: of_all,
            latencies,
            usage: Some(usage),
            generator_share: 0.55 * share,
        }
    };
    let mut points: Vec<Point> = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.86, 0.9, 0.95, 1.0, 1.1]
        .map(|share| point(share, Purpose::Curve, true))
        .into();
    points.push(Point { offer: Offer { rate: None, purpose: Purpose::Probe }, ..point(1.0, Purpose::Probe, true) });
    points.push(point(1.25, Purpose::Search, false));
    SweepResult {
        format: load_model::sweep::FORMAT,
        version: "0.1.0".to_owned(),
        started_ms: 1_795_652_999_000,
        scenario: Scenario {
            name: "one queue, 1 KiB".to_owned(),
            groups: vec![Group::default()],
            ..Scenario::default()
        },
        machine: machine(),
        server: server(),
        server_cores: Some(1),
        service_level: vec!["p99.9<1ms".to_owned()],
        points,
        probed: MOST,
        limit: Some(Limit { rate: MOST * 0.8, fails_at: Some(MOST * 0.86) }),
        knee: Some(Turn { rate: MOST * 0.7, latency_us: 541.0 }),
        power: Some(Turn { rate: MOST * 0.6, latency_us: 232.0 }),
        ended: "the highest rate that holds is known to within 5 %".to_owned(),
        remarks: vec!["1 of 15 runs is not valid; it is in the list and in nothing else.".to_owned()],
    }
}

/// A plan from the sweep and one of small messages.
pub fn plan() -> Plan {
    let mut small = sweep();
    for point in &mut small.points {
        point.body_bytes = 100.0;
        (point.offered, point.achieved) = (point.offered * 1.6, point.achieved * 1.6);
    }
    let sweeps = [sweep(), small];
    let wanted = Wanted {
        rate: 150_000.0,
        body_bytes: 1024.0,
        service_level: vec!["p99.9<1ms".to_owned()],
        nodes: 3,
        retention_s: 3600.0,
    };
    Model::of(&sweeps).expect("they are of one kind").plan(&wanted).expect("that can be planned")
}
