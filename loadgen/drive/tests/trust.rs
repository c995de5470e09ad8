//! Whether the generator is to be believed: it is run against servers whose delays and faults are known, and has to
//! find those.
//!
//! Reported times may be off by 2 % of the truth, and by what the machine adds besides. How much that is an observer
//! measures at the same time: a thread that only sleeps and notes how late it wakes up: some 0.1 ms, next to nothing
//! beside latencies of hundreds of milliseconds. What it misses a second measurement has not again (`ATTEMPTS`): a
//! wrong generator is wrong each time. Nobody can be on time without a core: a machine that makes these threads wait
//! for one, all the time, fails the tests and is named as the reason.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use load_drive::double::{Behaviour, Distribution, Double, DoubleSpec, Losses, Tally};
use load_drive::{run, start_local};
use load_model::arrivals::Schedule;
use load_model::latency::Metric;
use load_model::result::{Audit, RunResult};
use load_model::scenario::{Arrivals, Group, Pattern, Scenario, Size, WarmUp};
use load_model::units::{Bytes, Rate, Span};
use load_model::worker::Share;

/// How often a measurement may be disturbed by what else the machine does.
const ATTEMPTS: u32 = 4;
/// What reported percentiles may be off by.
const OFF_MAX: f64 = 0.02;
const SECOND_NS: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

/// What a measurement found.
struct Measured {
    result: RunResult,
    /// What the double did.
    tally: Tally,
    /// How late a thread woke up at the same time, nanoseconds.
    late: Histogram<u64>,
    /// For how long threads of this process waited for a core, in parts of the time.
    waited: f64,
}

impl Measured {
    /// Holds a reported time against the truth, nanoseconds.
    fn check(&self, what: &str, q: f64, found_ns: u64, truth_ns: u64) -> Result<(), String> {
        // A message wakes three threads on its way: who sends it, the double, who receives it.
        let machine_ns = 3 * self.late.value_at_quantile(q);
        let allowed_ns = (truth_ns as f64 * OFF_MAX) as u64 + machine_ns;
        check(found_ns.abs_diff(truth_ns) <= allowed_ns, || {
            let waited = self.waited * 100.0;
            format!(
                "{what}: {found_ns} ns at {q} in place of {truth_ns}, with {machine_ns} for the machine; \
                 threads waited {waited:.1} % of the time for a core"
            )
        })
    }
}

/// Notes how late a thread wakes up, until `done`, and for how long all threads waited for a core.
fn observe(done: &AtomicBool) -> (Histogram<u64>, f64) {
    let mut late = load_model::latency::histogram();
    let (began, nap) = (Instant::now(), Duration::from_millis(1));
    let before = waited_ns(&mut HashMap::new());
    let mut waited = HashMap::new();
    while !done.load(Ordering::Relaxed) {
        for _ in 0..100 {
            let before = Instant::now();
            std::thread::sleep(nap);
            late.saturating_record(u64::try_from((before.elapsed() - nap).as_nanos()).unwrap_or(u64::MAX).max(1));
        }
        // Threads that end take their figures with them: the last ones are kept.
        waited_ns(&mut waited);
    }
    let waited = waited_ns(&mut waited).saturating_sub(before);
    (late, waited as f64 / began.elapsed().as_nanos() as f64)
}

/// How long threads of this process were ready and had no core, nanoseconds; those that ended are remembered.
fn waited_ns(threads: &mut HashMap<String, u64>) -> u64 {
    for thread in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        if let Some(waited) = text.split_whitespace().nth(1).and_then(|field| field.parse().ok()) {
            threads.insert(thread.file_name().to_string_lossy().into_owned(), waited);
        }
    }
    threads.values().sum()
}

/// Runs a group against a double, by one worker.
fn measure(behaviour: Behaviour, warm_up_s: f64, duration_s: f64, group: Group) -> Measured {
    let done = Arc::new(AtomicBool::new(false));
    let observer = std::thread::spawn({
        let done = Arc::clone(&done);
        move || observe(&done)
    });
    let double = Double::start(DoubleSpec::local(behaviour)).expect("loopback has a port");
    let scenario = Scenario {
        servers: vec![double.url()],
        warm_up: WarmUp::Fixed(Span::seconds(warm_up_s)),
        duration: Span::seconds(duration_s),
        groups: vec![group],
        ..Scenario::default()
    };
    let workers = start_local(&scenario, &[Share { worker: 0, workers: 1 }], &[]).expect("a thread can be made");
    let result = run(&scenario, &workers, &AtomicBool::new(false), &mut |_| {}).expect("the double serves");
    let tally = double.stop().expect("it ran");
    done.store(true, Ordering::Relaxed);
    let (late, waited) = observer.join().expect("it only sleeps");
    Measured { result, tally, late, waited }
}

/// Does `attempt` until it is content, which it says by `Ok`.
fn attempts(mut attempt: impl FnMut() -> Result<(), String>) {
    let mut why = Vec::new();
    for _ in 0..ATTEMPTS {
        match attempt() {
            Ok(()) => return,
            Err(reason) => why.push(reason),
        }
    }
    panic!("{}", why.join("\n"));
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// The stall begins a second into the measured time, and lasts a second.
const STALL: Behaviour = Behaviour::Stall { at: Span(2 * SECOND_NS), length: Span(SECOND_NS) };

/// How long it may take to work off what a stall of a second left, nanoseconds: 1,000 small messages in a build that is
/// not optimised.
const CATCH_UP_NS: u64 = 20 * MS;

#[test]
fn a_stall_is_seen_by_all_messages_that_were_due_in_it() {
    let rate = 1000.0;
    attempts(|| {
        let size = Size::Fixed(Bytes(100));
        // A window that is full a tenth into the stall: what cannot be sent waits all the same.
        let group = Group { rate: Rate(rate), size, window: 100, ..Group::default() };
        let measured = measure(STALL, 1.0, 4.0, group);
        let result = &measured.result;
        check(result.audit == Audit::default(), || format!("{:?}", result.audit))?;
        for metric in [Metric::Accept, Metric::Receive] {
            let histogram = result.total.latencies.get(metric).ok_or("nothing was measured")?;
            check(histogram.len() == 4000, || format!("{} messages were measured", histogram.len()))?;
            // Messages came evenly, so that latencies in the stall are even from 0 to 1 s: as many as were due before
            // its last 100 ms took more than 100 ms, and so on. Of 4,000 messages the 4 slowest were due in its first 4
            // ms: p99.9.
            for share in [0.1, 0.25, 0.5, 0.9, 0.996] {
                let q = 1.0 - (1.0 - share) * rate / 4000.0;
                let waited_ns = (share * 1e9) as u64;
                let found_ns = histogram.value_at_quantile(q);
                let at_least_ns = found_ns.clamp(waited_ns, waited_ns + CATCH_UP_NS);
                measured.check(&format!("{metric:?}"), q, found_ns, at_least_ns)?;
            }
        }
        Ok(())
    });
}

#[test]
fn a_closed_loop_hides_the_stall() {
    attempts(|| {
        let group = Group { arrivals: Arrivals::Closed, window: 1, ..Group::default() };
        let Measured { result, .. } = measure(STALL, 1.0, 4.0, group);
        let histogram = result.total.latencies.get(Metric::Accept).ok_or("nothing was measured")?;
        check(histogram.len() > 2000, || format!("only {} round trips in 3 s: too few to tell", histogram.len()))?;
        let found = histogram.count_between(SECOND_NS / 2, u64::MAX);
        check(found == 1, || format!("{found} messages met the stall; one was under way"))?;
        let p99_9 = histogram.value_at_quantile(0.999);
        check(p99_9 < SECOND_NS / 10, || format!("p99.9 of {p99_9} ns shows it"))
    });
}

/// Runs against delays of a distribution, and holds what was reported against it.
fn percentiles_are_those_of(distribution: Distribution) {
    attempts(|| {
        // 20,000 messages, whose delays with this seed have quantiles within 0.1 % of the distribution's. In bursts, so
        // that threads sleep most of the time. Order is nothing that delays keep: two consumers share the queue.
        let arrivals = Arrivals::Burst { messages: 40 };
        let size = Size::Fixed(Bytes(100));
        let group = Group { arrivals, size, rate: Rate(4000.0), consumers: 2, window: 20_000, ..Group::default() };
        let measured = measure(Behaviour::Delay { distribution, seed: 6 }, 1.0, 5.0, group);
        let result = &measured.result;
        check(result.audit == Audit::default(), || format!("{:?}", result.audit))?;
        for metric in [Metric::Accept, Metric::Receive] {
            let histogram = result.total.latencies.get(metric).ok_or("nothing was measured")?;
            for q in [0.5, 0.9, 0.99, 0.999] {
                let what = format!("{distribution}, {metric:?}");
                measured.check(&what, q, histogram.value_at_quantile(q), distribution.quantile(q))?;
            }
        }
        Ok(())
    });
}

#[test]
fn percentiles_are_those_of_a_fixed_delay() {
    percentiles_are_those_of(Distribution::Fixed(Span(200 * MS)));
}

#[test]
fn percentiles_are_those_of_uniform_delays() {
    percentiles_are_those_of(Distribution::Uniform { min: Span(80 * MS), max: Span(800 * MS) });
}

#[test]
fn percentiles_are_those_of_exponential_delays() {
    percentiles_are_those_of(Distribution::Exponential { mean: Span(200 * MS) });
}

#[test]
fn percentiles_are_those_of_log_normal_delays() {
    percentiles_are_those_of(Distribution::LogNormal { median: Span(200 * MS), p99: Span(800 * MS) });
}

#[test]
fn percentiles_are_those_of_two_kinds_of_delays() {
    percentiles_are_those_of(Distribution::Bimodal { usual: Span(150 * MS), rare: Span(900 * MS), one_in: 50 });
}

#[test]
fn every_fault_is_found_and_counted() {
    let each = |one_in| Losses { lose: one_in, duplicate: one_in + 1, reorder: one_in + 2, corrupt: one_in + 3 };
    let alone = [
        Losses { lose: 100, ..Losses::default() },
        Losses { duplicate: 100, ..Losses::default() },
        Losses { reorder: 100, ..Losses::default() },
        Losses { corrupt: 100, ..Losses::default() },
        each(101),
    ];
    for losses in alone {
        let group = Group { rate: Rate(5000.0), ..Group::default() };
        let Measured { result, tally, .. } = measure(Behaviour::Lossy(losses), 0.0, 1.0, group);
        assert_eq!(tally.taken, 5000, "{losses}");
        let Audit { lost, duplicates, reordered, corrupt, foreign, in_doubt, .. } = result.audit;
        let Tally { lost: forgotten, duplicated, reordered: overtaken, corrupted, .. } = tally;
        assert_eq!((lost, duplicates, reordered, corrupt), (forgotten, duplicated, overtaken, corrupted), "{losses}");
        assert_eq!((foreign, in_doubt), (0, 0), "{losses}");
        assert!(lost + duplicates + reordered + corrupt >= 49, "{losses}: {:?}", result.audit);
    }
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    for pattern in [Pattern::Queue, Pattern::Topic] {
        let size = Size::Uniform { min: Bytes(40), max: Bytes(200_000) };
        let group =
            Group { pattern, addresses: 2, producers: 3, consumers: 4, rate: Rate(2000.0), size, ..Group::default() };
        // Two consumers share each queue; both of a topic get everything.
        let given = if pattern == Pattern::Topic { 4000 } else { 2000 };
        let Measured { result, tally, .. } = measure(Behaviour::Relay, 0.0, 1.0, group);
        assert_eq!(result.audit, Audit::default(), "{pattern:?}");
        assert_eq!((tally.taken, tally.given), (2000, given), "{pattern:?}");
    }
}

/// However messages are due, those that are due in a time are sent in it: the schedule decides, not the server.
#[test]
fn what_is_due_is_sent() {
    let all = [
        Arrivals::Constant,
        Arrivals::Poisson,
        Arrivals::Burst { messages: 100 },
        Arrivals::Ramp { from: Rate(100.0) },
    ];
    for arrivals in all {
        let group = Group { arrivals, rate: Rate(5000.0), producers: 3, ..Group::default() };
        let Measured { result, tally, .. } = measure(Behaviour::Relay, 0.0, 2.0, group);
        let due: usize = (0..3)
            .map(|producer| {
                let schedule = Schedule::new(&result.scenario, 0, producer).expect("it is an open loop");
                std::iter::successors(Some(schedule), |schedule| {
                    let mut next = schedule.clone();
                    next.advance();
                    Some(next)
                })
                .take_while(|schedule| schedule.due_ns() < 2 * SECOND_NS)
                .count()
            })
            .sum();
        let counts = result.total.counts;
        assert_eq!((counts.due, tally.taken), (due as u64, due as u64), "{arrivals:?}");
        if arrivals == Arrivals::Constant {
            assert_eq!(due, 10_000);
        }
    }
}
