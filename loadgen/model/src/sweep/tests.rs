use super::*;
use crate::sample::Sample;

fn spec(service_level: &[&str]) -> SweepSpec {
    SweepSpec {
        scenario: Sample::default().scenario(),
        service_level: service_level.iter().map(|text| (*text).to_owned()).collect(),
        precision: 0.05,
        rate_max: None,
    }
}

/// A server with so much capacity whose latency is that of a queue: twice as much at half the load.
fn served(capacity: f64, offer: Offer) -> Sample {
    let share = offer.rate.map_or(0.9, |rate| (rate / capacity).min(0.995));
    let offered = offer.rate.unwrap_or(0.0);
    Sample { offered, capacity, median_us: 100.0 / (1.0 - share), seconds: 4, ..Sample::default() }
}

/// Sweeps until it ends.
fn sweep(spec: SweepSpec, server: impl Fn(Offer, usize) -> Sample) -> SweepResult {
    let mut sweep = Sweep::new(spec).expect("the service level is understood");
    let mut runs = 0;
    while let Some(offer) = sweep.poll_rate() {
        let (done, all) = sweep.progress();
        assert!(done == runs && all > done && all <= RUNS_MAX, "{done} of {all}");
        let mut run = server(offer, runs).unjudged();
        let scenario = sweep.scenario(offer);
        assert_eq!(scenario.groups[0].arrivals == Arrivals::Closed, offer.rate.is_none());
        run.scenario = scenario;
        run.judge();
        sweep.handle_result(offer, &run);
        runs += 1;
    }
    assert!(runs <= RUNS_MAX, "{runs}");
    sweep.result()
}

#[test]
fn the_highest_rate_that_is_kept_up_is_found() {
    let found = sweep(spec(&[]), |offer, _| served(80_000.0, offer));
    let limit = found.limit.expect("some rates hold");
    assert!(limit.rate > 74_000.0 && limit.rate <= 81_000.0, "{limit:?}");
    assert!(limit.fails_at.is_some_and(|rate| rate > 80_000.0 && rate / limit.rate <= 1.0501), "{limit:?}");
    assert!(found.ended.contains("within 5 %"), "{}", found.ended);
    let power = found.power.expect("there are points");
    assert!((power.rate - 40_000.0).abs() < 8_500.0, "most power is at half of the capacity: {power:?}");
    assert!(found.knee.is_some_and(|knee| knee.rate > 40_000.0 && knee.rate < 80_000.0), "{:?}", found.knee);
    assert!(found.points.is_sorted_by(|one, other| one.offered <= other.offered));
}

#[test]
fn the_highest_rate_that_holds_a_service_level_is_found() {
    // The sample's p99 is 3.2 times its median: below 1 ms to a share of 0.68.
    let found = sweep(spec(&["p99<1ms"]), |offer, _| served(80_000.0, offer));
    let limit = found.limit.expect("some rates hold");
    assert!((0.62..0.72).contains(&(limit.rate / 80_000.0)), "{limit:?}");
    let failed = found.points.iter().find(|point| Some(point.offered) >= limit.fails_at).expect("some fail");
    assert!(
        failed.keeps_up && failed.why.iter().any(|why| why.starts_with("p99<1ms does not hold: 1.")),
        "{:?}",
        failed.why
    );
}

#[test]
fn a_probe_that_says_too_little_is_gone_beyond_and_one_that_says_too_much_is_undercut() {
    let with_probe = |probed: f64| {
        move |offer: Offer, _| {
            let capacity = if offer.rate.is_none() { probed } else { 80_000.0 };
            Sample { capacity, ..served(80_000.0, offer) }
        }
    };
    for probed in [20_000.0, 5_000_000.0] {
        let limit = sweep(spec(&[]), with_probe(probed)).limit.expect("some rates hold");
        assert!(limit.rate > 74_000.0 && limit.rate <= 81_000.0, "{limit:?}");
    }
    let nothing = sweep(spec(&["max<1us"]), |offer, _| served(80_000.0, offer));
    assert!(nothing.limit.is_none() && nothing.ended.contains("no rate holds"), "{}", nothing.ended);
}

#[test]
fn one_odd_run_is_tried_again_and_two_are_a_limit() {
    // The third rate of the curve fails, once or twice.
    let odd = |times: usize| {
        move |offer: Offer, run: usize| {
            let third = offer.rate.is_some_and(|rate| (rate - 24_000.0).abs() < 1.0);
            let fails = third && (run == 3 || times == 2);
            Sample { capacity: if fails { 10_000.0 } else { 80_000.0 }, ..served(80_000.0, offer) }
        }
    };
    let once = sweep(spec(&[]), odd(1));
    assert!(once.limit.is_some_and(|limit| limit.rate > 74_000.0), "{:?}", once.limit);
    assert!(once.remarks.iter().any(|remark| remark.contains(" failed once and held when it was tried again")));
    let twice = sweep(spec(&[]), odd(2));
    assert!(twice.limit.is_some_and(|limit| limit.rate < 24_000.0), "{:?}", twice.limit);
}

#[test]
fn runs_in_which_the_generator_was_the_limit_are_kept_and_not_used() {
    let found = sweep(spec(&[]), |offer, _| {
        let is_late = offer.rate.is_some_and(|rate| rate > 50_000.0);
        Sample { lag_us: if is_late { 20_000 } else { 5 }, ..served(80_000.0, offer) }
    });
    assert!(found.limit.is_some_and(|limit| limit.rate < 50_000.0 && limit.fails_at.is_none()), "{:?}", found.limit);
    assert!(found.ended.contains("the generator was the limit"), "{}", found.ended);
    assert!(found.points.iter().any(|point| !point.is_valid && !point.holds));
    assert!(found.remarks.iter().any(|remark| remark.contains("not valid; ")));
}

#[test]
fn a_bound_is_not_gone_beyond_and_an_end_is_an_end() {
    let bounded = SweepSpec { rate_max: Some(30_000.0), ..spec(&[]) };
    let found = sweep(bounded, |offer, _| served(80_000.0, offer));
    assert!(found.points.iter().filter_map(Point::rate).all(|rate| rate <= 30_000.0));
    assert!(found.limit.is_some_and(|limit| limit.rate > 28_000.0 && limit.fails_at.is_none()), "{:?}", found.limit);
    let mut ended = Sweep::new(spec(&[])).expect("it is understood");
    ended.end("interrupted");
    assert!(ended.poll_rate().is_none() && ended.result().ended == "interrupted");
    assert!(Sweep::new(spec(&["p99"])).is_err());
}

#[test]
fn groups_keep_their_shares_and_a_sweep_is_read_as_it_was_written() {
    let mut scenario = Sample::default().scenario();
    let mut second = scenario.groups[0].clone();
    (second.name, second.rate, second.arrivals) = ("second".to_owned(), Rate(30_000.0), Arrivals::Poisson);
    scenario.groups.push(second);
    let offered = offered(&scenario, Offer { rate: Some(1000.0), purpose: Purpose::Curve });
    assert_eq!(offered.groups.iter().map(|group| group.rate.0).collect::<Vec<_>>(), [250.0, 750.0]);
    assert_eq!(offered.groups[1].arrivals, Arrivals::Poisson);
    let found = sweep(SweepSpec { precision: 0.5, ..spec(&[]) }, |offer, _| served(80_000.0, offer));
    let read: SweepResult =
        serde_json::from_str(&serde_json::to_string(&found).expect("it prints")).expect("it is read");
    assert_eq!((read.limit, read.points.len(), read.format), (found.limit, found.points.len(), FORMAT));
}
