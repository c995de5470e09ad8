use super::*;
use crate::outage::Outage;
use crate::result::Floor;
use crate::sample::Sample;

fn told(found: &[String], what: &str) -> bool {
    found.iter().any(|sentence| sentence.contains(what))
}

fn judged(change: impl FnOnce(&mut RunResult)) -> RunResult {
    let mut run = Sample::default().unjudged();
    change(&mut run);
    run.judge();
    run
}

#[test]
fn a_run_without_findings_is_valid_and_says_so_each_time() {
    let mut run = Sample { seconds: 20, ..Sample::default() }.run();
    assert_eq!(run.verdict, Verdict { valid: true, ..Verdict::default() });
    run.judge();
    assert_eq!(run.verdict, Verdict { valid: true, ..Verdict::default() });
}

#[test]
fn a_late_generator_makes_a_run_invalid_and_a_somewhat_late_one_is_remarked() {
    let late = Sample { lag_us: 1500, ..Sample::default() }.run();
    assert!(!late.verdict.valid && told(&late.verdict.reasons, "late by itself"), "{:?}", late.verdict);
    let slow_server = Sample { lag_us: 1500, median_us: 20_000.0, ..Sample::default() }.run();
    assert!(slow_server.verdict.valid, "a tenth of the p99 is taken: {:?}", slow_server.verdict);
    let somewhat = Sample { lag_us: 300, ..Sample::default() }.run();
    assert!(somewhat.verdict.valid && told(&somewhat.verdict.remarks, "own lateness"), "{:?}", somewhat.verdict);
}

#[test]
fn unsent_messages_are_the_generator_s_fault_unless_the_server_held_them_back() {
    let overloaded = Sample { offered: 150_000.0, ..Sample::default() }.run();
    assert!(overloaded.verdict.valid, "{:?}", overloaded.verdict);
    assert!(told(&overloaded.verdict.remarks, "100,000 /s of 150,000 /s offered (producers were held back for 90 %"));
    assert!(told(&overloaded.verdict.remarks, "overloaded"));
    let run = judged(|run| run.total.counts.sent = run.total.counts.due * 95 / 100);
    assert!(!run.verdict.valid && told(&run.verdict.reasons, "did not send what it should"), "{:?}", run.verdict);
}

#[test]
fn a_busy_generator_is_the_bottleneck_of_a_closed_loop_and_of_an_open_one_that_falls_behind() {
    let closed = Sample { offered: 0.0, idle: 0.02, ..Sample::default() }.run();
    assert!(told(&closed.verdict.reasons, "the bottleneck"), "{:?}", closed.verdict);
    let free = Sample { offered: 0.0, idle: 0.3, ..Sample::default() }.run();
    assert!(free.verdict.valid && told(&free.verdict.remarks, "closed loop"), "{:?}", free.verdict);
    let busy = Sample { idle: 0.02, ..Sample::default() };
    assert!(busy.run().verdict.valid, "it is in time");
    let behind = Sample { capacity: 9000.0, ..busy };
    assert!(told(&behind.run().verdict.reasons, "it fell behind"));
}

#[test]
fn next_to_nothing_measured_is_invalid() {
    let run = judged(|run| run.measured_s = 0.4);
    assert!(told(&run.verdict.reasons, "Only 0.40 s were measured") && run.verdict.reasons.len() == 1);
    let run = judged(|run| (run.measured_s, run.interrupted) = (0.0, true));
    assert!(told(&run.verdict.reasons, "interrupted in its warm-up") && !run.verdict.valid);
}

#[test]
fn faults_are_told_whether_the_run_is_valid_or_not() {
    let run = judged(|run| (run.audit.lost, run.audit.corrupt, run.audit.duplicates, run.audit.foreign) = (3, 1, 2, 7));
    assert_eq!(run.verdict.faults.len(), 3, "{:?}", run.verdict);
    assert!(run.verdict.valid && told(&run.verdict.remarks, "7 messages that came are not of this run"));
    let out_of_order = judged(|run| run.audit.reordered = 2);
    assert!(told(&out_of_order.verdict.faults, "2 messages came after a later one"));
    let broken = judged(|run| {
        run.audit.reordered = 2;
        run.timeline[3].counts.broken = 1;
    });
    assert!(broken.verdict.faults.is_empty() && told(&broken.verdict.remarks, "2 messages came after a later one"));
}

#[test]
fn what_helps_to_read_a_run_is_remarked() {
    let run = judged(|run| {
        let latencies = run.total.latencies.clone();
        run.floor = Some(Floor { latencies, ..Floor::default() });
        run.steadiness = Steadiness::NotReached;
        run.machine.governor = "powersave".to_owned();
        run.total.counts.refused = 4;
        for (at, second) in run.timeline.iter_mut().enumerate() {
            second.counts.received = 10_000 - 300 * at as u64;
            second.counts.accepted = 0;
        }
    });
    for what in ["not the server", "not steady when", "`powersave`", "4 messages were rejected", "The rate fell by"] {
        assert!(told(&run.verdict.remarks, what), "{what}: {:?}", run.verdict.remarks);
    }
    assert!(told(&Sample { seconds: 3, ..Sample::default() }.run().verdict.remarks, "There are only 3000 latencies"));
}

#[test]
fn a_killed_server_may_give_messages_again_but_neither_out_of_order_nor_those_of_nobody() {
    let kills = |change: fn(&mut RunResult)| {
        judged(|run| {
            let outage = |accepted_s| Outage { accepted_s, ..Outage::default() };
            run.outages = vec![outage(Some(0.25)), outage(None), outage(Some(0.5))];
            run.timeline[0].counts.broken = 2;
            change(run);
        })
    };
    let run = kills(|run| (run.audit.again, run.audit.in_doubt) = (5, 7));
    assert!(run.verdict.valid && run.verdict.faults.is_empty(), "{:?}", run.verdict);
    for told_of in
        ["killed 3 times", "500 ms at most", "behind 1 of them", "5 messages came again", "7 messages are in doubt"]
    {
        assert!(told(&run.verdict.remarks, told_of), "{told_of}: {:?}", run.verdict);
    }
    for change in [|run: &mut RunResult| run.audit.reordered = 1, |run: &mut RunResult| run.audit.foreign = 1] {
        assert_eq!(kills(change).verdict.faults.len(), 1);
    }
}
