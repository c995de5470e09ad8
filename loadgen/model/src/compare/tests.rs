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

/// Runs of which those at `invalid` were sent by a generator that was late.
fn some_late(runs: &[RunResult], invalid: &[usize]) -> Vec<RunResult> {
    let mut runs = runs.to_vec();
    for (at, run) in runs.iter_mut().enumerate().filter(|(at, _)| invalid.contains(at)) {
        // What such a run says of the server must not count, however good it looks.
        *run = Sample { lag_us: 5000, ..noisy(10.0, 1000 + at as u64) }.run();
    }
    runs
}

#[test]
fn runs_that_are_not_valid_are_left_out_and_that_is_said_first() {
    let (one, other) = (runs(4, &noisy(200.0, 1)), runs(4, &noisy(150.0, 7)));
    let (late_one, late_other) = (some_late(&one, &[1, 3]), some_late(&other, &[0]));
    let comparison = compare(&late_one, &late_other, Differences::Refused).expect("they are alike");
    let of_valid =
        compare(&[one[0].clone(), one[2].clone()], &other[1..], Differences::Refused).expect("they are alike");
    assert_eq!(comparison.rows, of_valid.rows, "as if the others had never been");
    assert_eq!(comparison.conclusion, Conclusion::Compared);
    assert_eq!(
        (comparison.one.runs, comparison.one.valid, comparison.other.runs, comparison.other.valid),
        (4, 2, 4, 3)
    );
    let [first, second] = comparison.left_out.as_slice() else { panic!("{:?}", comparison.left_out) };
    assert!(first.starts_with("2 of the 4 runs of A are not valid, and left out. The generator was late"), "{first}");
    assert!(second.starts_with("1 of the 4 runs of B is not valid, and left out. "), "{second}");
    assert!(of_valid.left_out.is_empty());
}

#[test]
fn without_a_valid_run_on_both_sides_there_is_no_conclusion() {
    let (one, other) = (runs(2, &noisy(200.0, 1)), runs(2, &noisy(150.0, 7)));
    let cases: [(&[usize], &[usize], &[&str]); 3] = [
        (&[], &[0, 1], &["None of the 2 runs of B is valid. "]),
        (&[0, 1], &[1], &["None of the 2 runs of A is valid. ", "1 of the 2 runs of B is not valid"]),
        (&[0, 1], &[0, 1], &["None of the 2 runs of A is valid. ", "None of the 2 runs of B is valid. "]),
    ];
    for (late_one, late_other, told) in cases {
        let sides = (some_late(&one, late_one), some_late(&other, late_other));
        let comparison = compare(&sides.0, &sides.1, Differences::Refused).expect("they are alike");
        assert_eq!(comparison.conclusion, Conclusion::NoValidRun);
        assert!(comparison.rows.is_empty() && comparison.remarks.is_empty(), "nothing reads as a conclusion");
        assert_eq!(comparison.left_out.len(), told.len());
        for (sentence, told) in comparison.left_out.iter().zip(told) {
            assert!(sentence.starts_with(told), "{sentence}");
        }
    }
    let alone = compare(&one[..1], &some_late(&other, &[0])[..1], Differences::Refused).expect("they are alike");
    assert!(alone.left_out[0].starts_with("The run of B is not valid. "), "{:?}", alone.left_out);
}
