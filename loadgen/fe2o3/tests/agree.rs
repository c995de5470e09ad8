//! Our client and fe2o3-amqp measure the same, at a load that both can do.
//!
//! Both are held against the truth, within 5 %: our own is within 2 % (see the trust tests of `load-drive`), the other
//! one is slower. Latencies are hundreds of milliseconds, so that this is 10 ms and more; where the machine was busy
//! for longer than that the measurement is done again.

use std::sync::atomic::AtomicBool;

use load_drive::double::{Behaviour, Distribution, Double, DoubleSpec};
use load_drive::{RunError, Workers, run};
use load_model::latency::Metric;
use load_model::result::{Audit, RunResult};
use load_model::scenario::{Arrivals, Group, Scenario, Size, WarmUp};
use load_model::units::{Bytes, Rate, Span};
use load_model::worker::Share;

/// What either client may be off by.
const OFF_MAX: f64 = 0.05;
/// How often the machine may disturb a measurement: it did four times in a row.
const ATTEMPTS: u32 = 8;
const MS: u64 = 1_000_000;
const DELAYS: Distribution = Distribution::LogNormal { median: Span(200 * MS), p99: Span(800 * MS) };

type Start = fn(&Scenario, &[Share], &[usize]) -> Result<Workers, RunError>;

fn measure(start: Start) -> RunResult {
    let behaviour = Behaviour::Delay { distribution: DELAYS, seed: 1 };
    let double = Double::start(DoubleSpec::local(behaviour)).expect("loopback has a port");
    // In bursts, so that threads sleep most of the time and a busy machine has no reason to make them wait.
    let (arrivals, size) = (Arrivals::Burst { messages: 50 }, Size::Fixed(Bytes(100)));
    let group = Group { arrivals, size, rate: Rate(1000.0), consumers: 2, ..Group::default() };
    let scenario = Scenario {
        servers: vec![double.url()],
        warm_up: WarmUp::Fixed(Span::seconds(1.0)),
        duration: Span::seconds(3.0),
        groups: vec![group],
        ..Scenario::default()
    };
    let workers = start(&scenario, &[Share { worker: 0, workers: 1 }], &[]).expect("a thread can be made");
    run(&scenario, &workers, &AtomicBool::new(false), &mut |_| {}).expect("the double serves")
}

fn attempt(name: &str, start: Start) -> Result<(), String> {
    let result = measure(start);
    if result.audit != Audit::default() {
        return Err(format!("{name}: {:?}", result.audit));
    }
    for metric in [Metric::Accept, Metric::Receive] {
        let histogram = result.total.latencies.get(metric).ok_or("nothing was measured")?;
        if histogram.len() != 3000 {
            return Err(format!("{name}: {} messages were measured", histogram.len()));
        }
        for q in [0.5, 0.9, 0.99] {
            let (found_ns, truth_ns) = (histogram.value_at_quantile(q), DELAYS.quantile(q));
            if (found_ns as f64 / truth_ns as f64 - 1.0).abs() > OFF_MAX {
                return Err(format!("{name}, {metric:?}: {found_ns} ns at {q} in place of {truth_ns}"));
            }
        }
    }
    Ok(())
}

#[test]
fn both_clients_find_the_same_delays() {
    let clients: [(&str, Start); 2] = [("heddle", load_drive::start_local), ("fe2o3", load_fe2o3::start)];
    for (name, start) in clients {
        let mut why = Vec::new();
        while let Err(reason) = attempt(name, start) {
            why.push(reason);
            assert!(why.len() < ATTEMPTS as usize, "{}", why.join("\n"));
        }
    }
}
