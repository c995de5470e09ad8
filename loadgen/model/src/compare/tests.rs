use super::*;
use crate::sample::Sample;

fn runs(count: u64, sample: &Sample) -> Vec<RunResult> {
    (0..count).map(|at| Sample { seed: sample.seed + 100 * at, ..sample.clone() }.run()).collect()
}

fn of<'a>(comparison: &'a Comparison, figure: &str) -> &'a Row {
    comparison.rows.iter().find(|row| row.figure == figure).expect("both sides have it")
}

fn noisy(median_us: f64, seed: u64) -> Sample {
    Sample { median_us, seed, noise: 0.02, seconds: 12, ..Sample::default() }
}

#[test]
fn runs_are_compared_by_their_ranks_when_there_are_enough() {
    let sides = (runs(5, &noisy(200.0, 1)), runs(5, &noisy(150.0, 7)));
    let comparison = compare(&sides.0, &sides.1, Differences::Refused).expect("they are alike");
    let row = of(&comparison, "receive.p99");
    assert_eq!((row.method, row.change), (Method::Ranks, Change::Better), "{row:?}");
    assert!((row.ratio.expect("one is not 0") - 0.75).abs() < 0.02, "{row:?}");
    assert!(row.interval.is_some_and(|(low, high)| low < 0.76 && high > 0.74 && high < 0.8), "{row:?}");
    assert!((row.chance.expect("it is tested") - 2.0 / 252.0).abs() < 1e-9, "all of one side are below: {row:?}");
    assert_eq!(of(&comparison, "rate").change, Change::Same);
    assert_eq!(of(&comparison, "cpu_us").change, Change::Same, "the server took the same in every run");
    let back = compare(&sides.1, &sides.0, Differences::Refused).expect("they are alike");
    assert_eq!(of(&back, "receive.p99").change, Change::Worse);
    assert_eq!((comparison.one.runs, comparison.other.runs), (5, 5));
}

#[test]
fn single_runs_are_compared_by_their_seconds_and_that_is_said() {
    let (one, other) = (noisy(200.0, 1).run(), noisy(170.0, 2).run());
    let comparison = compare(&[one], &[other], Differences::Refused).expect("they are alike");
    let row = of(&comparison, "receive.p99");
    assert_eq!((row.method, row.change), (Method::Blocks, Change::Better), "{row:?}");
    assert!(row.interval.is_some_and(|(low, high)| low < 0.85 && high > 0.85), "{row:?}");
    assert_eq!(of(&comparison, "receive.max").method, Method::Untested);
    assert_eq!(of(&comparison, "cpu_us").change, Change::Unclear);
    assert!(comparison.remarks.iter().any(|remark| remark.contains("fewer than 4 runs")));
    let same =
        compare(&[noisy(200.0, 1).run()], &[noisy(200.0, 9).run()], Differences::Refused).expect("they are alike");
    for row in &same.rows {
        assert!(matches!(row.change, Change::Same | Change::Unclear), "{row:?}");
    }
}

#[test]
fn the_same_runs_give_the_same_comparison_which_is_read_as_it_was_written() {
    let sides = (runs(2, &noisy(200.0, 1)), runs(1, &noisy(150.0, 7)));
    let comparison = compare(&sides.0, &sides.1, Differences::Refused).expect("they are alike");
    assert_eq!(compare(&sides.0, &sides.1, Differences::Refused).as_ref(), Ok(&comparison));
    let text = serde_json::to_string(&comparison).expect("it prints");
    assert_eq!(serde_json::from_str::<Comparison>(&text).expect("it is read").one, comparison.one);
}

#[test]
fn what_is_not_alike_is_refused_by_name_and_allowed_by_word() {
    let one = Sample::default().run();
    let mut other = Sample { size: 1024, ..Sample::default() }.run();
    other.machine.kernel = "6.12".to_owned();
    other.machine.memory_bytes = one.machine.memory_bytes / 1000;
    other.server.product = "Artemis 2.40".to_owned();
    other.scenario.servers = vec!["amqp://elsewhere".to_owned()];
    other.scenario.seed = u64::MAX;
    let sides = (std::slice::from_ref(&one), std::slice::from_ref(&other));
    let error = compare(sides.0, sides.1, Differences::Refused).expect_err("they are not alike");
    let CompareError::NotAlike(differences) = &error else { panic!("{error}") };
    let names: Vec<_> = differences.iter().map(|difference| difference.name.as_str()).collect();
    assert_eq!(names, ["kernel", "group.0.size", "product"]);
    let told = error.to_string();
    assert!(told.contains("scenario, group.0.size: 100B and 1KiB"), "{told}");
    assert!(told.contains("machine, kernel: nothing and 6.12"), "{told}");
    let comparison = compare(sides.0, sides.1, Differences::Allowed).expect("it is allowed");
    assert_eq!(comparison.differences.len(), 3);
    other = one.clone();
    other.server.product = "Artemis 2.40".to_owned();
    assert!(compare(std::slice::from_ref(&one), std::slice::from_ref(&other), Differences::OfServers).is_ok());
    assert!(compare(&[one.clone(), other], &[one], Differences::Refused).is_err(), "a side is alike in itself");
    assert_eq!(compare(&[], &[], Differences::Allowed), Err(CompareError::Empty));
}

#[test]
fn invalid_runs_are_named() {
    let late = Sample { lag_us: 5000, ..Sample::default() }.run();
    let comparison = compare(&[Sample::default().run()], &[late], Differences::Refused).expect("they are alike");
    assert!(comparison.remarks.iter().any(|remark| remark.starts_with("1 of 1 runs of the second side are invalid")));
}
