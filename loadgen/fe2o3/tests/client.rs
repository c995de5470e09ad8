//! The second client against a relay whose losses are known: it sends what is due, finds what is wrong, and ends.

use std::time::{Duration, Instant};

use engine_rt::monotonic_ns;
use load_drive::Workers;
use load_drive::double::{Double, DoubleSpec, Tally};
use load_model::interval::Counts;
use load_model::latency::{Latencies, Metric};
use load_model::ledger::{Ledger, audit};
use load_model::result::Audit;
use load_model::scenario::{Arrivals, Group, Pattern, Scenario, Settle, Size};
use load_model::units::{Bytes, Rate};
use load_model::worker::{Order, Share, Told};

/// How long a worker may take for anything before a test fails: much longer than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// What workers told of a run.
#[derive(Default)]
struct Found {
    counts: Counts,
    latencies: Latencies,
    audit: Audit,
}

fn next(workers: &Workers) -> Told {
    let told = workers.told.recv_timeout(PATIENCE).expect("a worker says something in time");
    if let Told::Failed { why, .. } = &told {
        panic!("{why}");
    }
    told
}

/// Runs a scenario for so long and puts together what its workers found.
fn run(scenario: &Scenario, count: u32, seconds: f64) -> Found {
    let shares: Vec<Share> = (0..count).map(|worker| Share { worker, workers: count }).collect();
    let workers = load_fe2o3::start(scenario, &shares, &[]).expect("the scenario can be run");
    for _ in 0..count {
        assert!(matches!(next(&workers), Told::Ready { .. }));
    }
    let order = |order: Order| workers.handles.iter().for_each(|worker| worker.orders.send(order).expect("it listens"));
    order(Order::Start { origin_ns: monotonic_ns() + 10_000_000, run: 7 });
    order(Order::Stop { at_ns: (seconds * 1e9) as u64 });
    let mut found = Found::default();
    let mut ledgers = Vec::<Ledger>::new();
    let started = Instant::now();
    while ledgers.len() < count as usize {
        assert!(started.elapsed() < PATIENCE, "it ends");
        match next(&workers) {
            Told::Interval(interval) => {
                found.counts.add(&interval.counts);
                found.latencies.merge(&interval.latencies);
            }
            Told::Done { ledger, .. } => ledgers.push(ledger),
            told => panic!("{told:?}"),
        }
    }
    found.audit = audit(&ledgers, scenario);
    found
}

fn scenario(double: &Double, group: Group) -> Scenario {
    Scenario { servers: vec![double.url()], groups: vec![group], ..Scenario::default() }
}

fn start(behaviour: &str) -> Double {
    Double::start(DoubleSpec::local(behaviour.parse().expect("a behaviour"))).expect("loopback has a port")
}

#[test]
fn what_is_due_is_sent_accepted_and_received() {
    let double = start("relay");
    let size = Size::Uniform { min: Bytes(100), max: Bytes(5000) };
    let group = Group { producers: 3, consumers: 2, rate: Rate(1000.0), durable: true, size, ..Group::default() };
    let found = run(&scenario(&double, group), 2, 1.0);
    let Counts { due, sent, accepted, received, sent_bytes, received_bytes, .. } = found.counts;
    assert_eq!((due, sent, accepted, received), (1000, 1000, 1000, 1000));
    assert_eq!(sent_bytes, received_bytes);
    assert_eq!(found.audit, Audit::default());
    for metric in [Metric::Accept, Metric::Service, Metric::Receive] {
        assert_eq!(found.latencies.get(metric).map(|histogram| histogram.len()), Some(1000), "{metric:?}");
    }
    assert_eq!(double.stop().expect("it ran"), Tally { taken: 1000, given: 1000, ..Tally::default() });
}

#[test]
fn a_topic_is_received_by_all_and_presettled_messages_need_no_outcome() {
    let double = start("relay");
    let group = Group {
        pattern: Pattern::Topic,
        consumers: 3,
        arrivals: Arrivals::Burst { messages: 10 },
        settle: Settle::Presettled,
        rate: Rate(500.0),
        ..Group::default()
    };
    let found = run(&scenario(&double, group), 1, 1.0);
    assert_eq!((found.counts.sent, found.counts.accepted, found.counts.received), (500, 0, 1500));
    assert_eq!(found.audit, Audit::default());
}

#[test]
fn a_closed_loop_sends_as_fast_as_its_window_allows() {
    let double = start("delay:fixed:10ms");
    let group = Group { arrivals: Arrivals::Closed, window: 5, consumers: 2, ..Group::default() };
    let found = run(&scenario(&double, group), 1, 1.0);
    // Five every 10 ms are 500 in a second; a machine that is late makes them fewer.
    assert!((100..=500).contains(&found.counts.sent), "{:?}", found.counts);
    assert_eq!((found.counts.due, found.counts.received), (found.counts.sent, found.counts.sent));
}

#[test]
fn losses_are_found() {
    let double = start("lossy:lose=100,duplicate=30,corrupt=70");
    let group = Group { rate: Rate(2000.0), ..Group::default() };
    let found = run(&scenario(&double, group), 1, 1.0);
    let tally = double.stop().expect("it ran");
    assert!(tally.lost > 0 && tally.duplicated > 0 && tally.corrupted > 0, "{tally:?}");
    assert_eq!(found.audit.duplicates, tally.duplicated);
    assert_eq!(found.audit.corrupt, tally.corrupted);
    assert_eq!(found.audit.lost, tally.lost);
}

#[test]
fn nobody_to_connect_to_is_said() {
    let double = start("sink");
    let scenario = scenario(&double, Group::default());
    double.stop().expect("it ran");
    let workers =
        load_fe2o3::start(&scenario, &[Share { worker: 0, workers: 1 }], &[]).expect("the scenario can be run");
    match workers.told.recv_timeout(PATIENCE).expect("it says something") {
        Told::Lost { worker: 0, at_ns: None, why } => assert!(why.starts_with("cannot connect to 127.0.0.1"), "{why}"),
        told => panic!("{told:?}"),
    }
}
