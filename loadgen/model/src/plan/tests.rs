use super::*;
use crate::result::RunResult;
use crate::sample::Sample;
use crate::sweep::{Sweep, SweepSpec};

/// A server whose messages take 2 us and 1 ns for an octet of one core, with contention of 0.05.
fn capacity(cores: u32, size: u64) -> f64 {
    let cores = f64::from(cores);
    1e9 * cores / ((2000.0 + size as f64) * (1.0 + 0.05 * (cores - 1.0)))
}

/// A sweep of it; the generator does no more than `generator`.
fn sweep(cores: u32, size: u64, generator: f64) -> SweepResult {
    let most = capacity(cores, size);
    let sample = Sample { size, durable: true, seconds: 4, ..Sample::default() };
    let spec = SweepSpec { scenario: sample.scenario(), service_level: Vec::new(), precision: 0.05, rate_max: None };
    let mut sweep = Sweep::new(spec).expect("there is no service level to be misunderstood");
    while let Some(offer) = sweep.poll_rate() {
        let rate = offer.rate.unwrap_or(most).min(generator);
        let share = (rate / most).min(0.99);
        let is_busy = offer.rate.unwrap_or(most) >= generator;
        let run = Sample {
            offered: offer.rate.unwrap_or(0.0),
            capacity: most.min(generator),
            median_us: 50.0 / (1.0 - share),
            idle: if is_busy { 0.01 } else { 0.5 },
            // Below the most a turn costs more than it does when many messages share it.
            cpu_us: f64::from(cores) * 1e6 / most + 3.0 / (1.0 + rate / f64::from(cores) / 30_000.0),
            ..sample.clone()
        };
        let run: RunResult = run.run();
        sweep.handle_result(offer, &run);
    }
    SweepResult { server_cores: Some(cores), ..sweep.result() }
}

fn wanted(rate: f64, body_bytes: f64) -> Wanted {
    Wanted { rate, body_bytes, service_level: vec!["p99<1ms".to_owned()], nodes: 1, retention_s: 3600.0 }
}

#[test]
fn small_loads_on_one_core_predict_larger_ones_within_15_percent() {
    let sweeps = [sweep(1, 100, 1e9), sweep(1, 400, 1e9)];
    let model = Model::of(&sweeps).expect("they are of one kind");
    let (bound, truth) = (model.capacity(1.0, 1024.0), capacity(1, 1024));
    assert!((bound.value / truth - 1.0).abs() < 0.15 && bound.low < truth && truth < bound.high, "{bound:?} {truth}");
    let (bound, truth) = (model.capacity(2.0, 100.0), capacity(2, 100));
    assert!((bound.value / truth - 1.0).abs() < 0.15 && bound.low < truth && truth < bound.high, "{bound:?} {truth}");
}

#[test]
fn a_server_that_the_generator_cannot_fill_is_estimated_by_its_processor_time() {
    let sweeps = [sweep(1, 100, 200_000.0), sweep(1, 400, 200_000.0)];
    let model = Model::of(&sweeps).expect("they are of one kind");
    assert!(model.most.iter().all(|most| !most.is_reached));
    let (bound, truth) = (model.capacity(1.0, 100.0), capacity(1, 100));
    assert!((bound.value / truth - 1.0).abs() < 0.2 && bound.low < truth && truth < bound.high, "{bound:?} {truth}");
    let plan = model.plan(&wanted(100_000.0, 100.0)).expect("it is a load");
    assert!(plan.extrapolated.iter().any(|what| what.contains("2 of 2 sweeps did not reach the most")), "{plan:?}");
}

#[test]
fn a_plan_says_what_a_load_takes_and_what_it_rests_on() {
    let sweeps = [sweep(1, 100, 1e9), sweep(1, 400, 1e9), sweep(2, 100, 1e9)];
    let model = Model::of(&sweeps).expect("they are of one kind");
    let wanted = Wanted { nodes: 3, ..wanted(1_000_000.0, 1024.0) };
    let plan = model.plan(&wanted).expect("it is a load");
    let answer = plan.answer.clone().expect("there are cores for it");
    assert!(
        answer.cores_least <= answer.cores_estimated && answer.cores_estimated <= answer.cores_per_node,
        "{answer:?}"
    );
    // p99 is 3.2 times the median of 50 us / (1 - u): 1 ms at u = 0.84, which is above what is planned for.
    assert!((answer.utilisation.value - 0.8).abs() < 0.02, "{answer:?}");
    // 500,000 a second of each of two nodes, of 330,000 from each core at first: two and some cores without contention.
    assert!((2..=4).contains(&answer.cores_estimated) && answer.cores == 3 * answer.cores_per_node, "{answer:?}");
    assert!(answer.headroom_one_lost.is_some_and(|room| room >= 1.0) && answer.headroom > 1.5, "{answer:?}");
    let written = answer.written_bytes_per_s.expect("it was measured");
    assert!(written.low >= 1024.0 * 1e6 * 0.999 && written.high < 1.3 * 1024.0 * 1e6, "{written:?}");
    assert!(answer.disk_bytes.is_some_and(|bytes| (bytes.value / (written.value * 3600.0) - 1.0).abs() < 1e-9));
    assert!(answer.memory_bytes.is_some_and(|bytes| bytes >= f64::from(60 << 20)) && answer.syncs_per_s.is_some());
    assert_eq!(answer.network_bytes_per_s, 2.0 * 1024.0 * 1e6);
    assert_eq!(answer.connections, Some(1.0), "a window of 2000 is more than is ever on the way");
    assert!(
        plan.extrapolated.iter().any(|what| what.contains("Bodies of 1.00 KiB are beyond")),
        "{:?}",
        plan.extrapolated
    );
    assert!(
        plan.over_cores.windows(2).all(|pair| pair[0].rate.value < pair[1].rate.value) && plan.over_size.len() == 41
    );
    assert!((plan.contention - 0.05).abs() < 0.03 && plan.usl.is_none());
    let text = serde_json::to_string(&plan).expect("it prints");
    let read: Plan = serde_json::from_str(&text).expect("it is read");
    assert_eq!(read.answer.map(|answer| answer.cores_per_node), Some(answer.cores_per_node));
}

#[test]
fn a_service_level_limits_utilisation_and_one_that_never_holds_has_no_answer() {
    let sweeps = [sweep(1, 100, 1e9)];
    let model = Model::of(&sweeps).expect("it is one");
    let strict =
        Wanted { service_level: vec!["p99<320us".to_owned(), "lost=0".to_owned()], ..wanted(200_000.0, 100.0) };
    let plan = model.plan(&strict).expect("it is a load");
    let answer = plan.answer.expect("there are cores for it");
    assert!((answer.utilisation.value - 0.5).abs() < 0.05, "{answer:?}");
    assert!(plan.remarks.iter().any(|remark| remark.starts_with("lost=0 is no latency")));
    assert!(
        plan.assumed.iter().any(|what| what.starts_with("Only one size"))
            && plan.assumed.iter().any(|what| what.starts_with("Only one number"))
    );
    let never = Wanted { service_level: vec!["p99<1us".to_owned()], ..wanted(1000.0, 100.0) };
    let plan = model.plan(&never).expect("it is a load");
    assert!(
        plan.answer.is_none() && plan.remarks.iter().any(|remark| remark.contains("More cores do not help")),
        "{:?}",
        plan.remarks
    );
}

#[test]
fn what_cannot_be_planned_says_why() {
    let one = sweep(1, 100, 1e9);
    assert_eq!(Model::of(&[]).expect_err("nothing"), PlanError::Empty);
    let without_cores = SweepResult { server_cores: None, ..one.clone() };
    assert!(Model::of(&[without_cores]).expect_err("no cores").to_string().contains("--server-cores"));
    let mut other = one.clone();
    other.server.product = "Artemis".to_owned();
    assert!(matches!(Model::of(&[one.clone(), other]), Err(PlanError::NotAlike { what: "server", .. })));
    let sweeps = [one];
    let model = Model::of(&sweeps).expect("it is one");
    for wrong in [wanted(0.0, 100.0), wanted(1.0, f64::NAN), Wanted { nodes: 0, ..wanted(1.0, 100.0) }] {
        assert!(matches!(model.plan(&wrong), Err(PlanError::Wanted { .. })));
    }
    let unknown = Wanted { service_level: vec!["speed<1".to_owned()], ..wanted(1.0, 100.0) };
    assert!(matches!(model.plan(&unknown), Err(PlanError::ServiceLevel(_))));
}

#[test]
fn what_is_not_stored_takes_no_disk() {
    let mut sweeps = [sweep(1, 100, 1e9), sweep(1, 400, 1e9)];
    for point in sweeps.iter_mut().flat_map(|sweep| &mut sweep.points) {
        if let Some(usage) = &mut point.usage {
            (usage.written_per_message, usage.written_per_byte) = (Some(0.0), Some(0.0));
        }
    }
    let plan =
        Model::of(&sweeps).expect("they are of one kind").plan(&wanted(100_000.0, 1024.0)).expect("it is a load");
    let answer = plan.answer.expect("it can be done");
    assert_eq!(answer.disk_bytes.map(|bytes| bytes.high), Some(0.0));
}
