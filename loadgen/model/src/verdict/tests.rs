use super::*;
use crate::interval::Returned;
use crate::result::{CutOff, Floor, Outage, Side, Standing, Steadiness};
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

/// A second in which the server took half of what was due, and held the rest back.
fn held_back(run: &mut RunResult) {
    let half = run.total.counts.due / 2;
    for figures in run.groups.iter_mut().chain([&mut run.total]) {
        figures.counts.sent = half;
        figures.counts.blocked_ns = 9_000_000_000;
    }
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
fn a_rate_that_was_not_offered_is_not_valid_whoever_was_the_limit() {
    let overloaded = Sample { offered: 150_000.0, ..Sample::default() }.run();
    assert_eq!((overloaded.verdict.valid, overloaded.verdict.standing), (false, Standing::Taken));
    assert!(overloaded.verdict.is_of_server(), "a search for the server's limit can go by it");
    for what in
        ["was not offered", "500,000 messages were not", "no answer to the 2,000 messages under way", "90", "--rate"]
    {
        assert!(told(&overloaded.verdict.reasons, what), "{what}: {:?}", overloaded.verdict);
    }
    assert!(told(&overloaded.verdict.remarks, "overloaded"));
    let line = overloaded.headline();
    assert!(line.starts_with("Not valid at ") && line.contains("what holds is that it does"), "{line}");
    let run = judged(|run| run.groups[0].counts.sent = run.groups[0].counts.due * 95 / 100);
    assert_eq!((run.verdict.valid, run.verdict.standing), (false, Standing::AtLeast));
    assert!(told(&run.verdict.reasons, "the generator was the limit"), "{:?}", run.verdict);
    assert!(told(&run.verdict.reasons, "`heddle run --cores 0` and `heddle load run --cores 1`"), "{:?}", run.verdict);
    assert!(!run.verdict.is_of_server() && run.headline().contains("does at least"), "{}", run.headline());
}

#[test]
fn a_group_that_never_had_credit_is_told_with_who_gives_none_and_why() {
    let nothing_sent = |run: &mut RunResult| {
        for figures in run.groups.iter_mut().chain([&mut run.total]) {
            (figures.counts.sent, figures.counts.received, figures.counts.accepted) = (0, 0, 0);
            figures.counts.blocked_ns = 9_900_000_000;
        }
    };
    for (arrivals, consumers, advice) in [
        (Arrivals::Constant, 0, "(--consumers)"),
        (Arrivals::Closed, 0, "(--consumers)"),
        (Arrivals::Closed, 1, "--consumers-at"),
    ] {
        let run = judged(|run| {
            nothing_sent(run);
            (run.scenario.groups[0].arrivals, run.scenario.groups[0].consumers) = (arrivals, consumers);
            if arrivals == Arrivals::Closed {
                (run.groups[0].counts.due, run.total.counts.due) = (0, 0);
            }
        });
        assert_eq!((run.verdict.valid, run.verdict.standing), (false, Standing::NoCredit), "{:?}", run.verdict);
        assert_eq!(run.headline(), "Not valid: nothing was sent, the server gave no credit");
        let [reason] = run.verdict.reasons.as_slice() else { panic!("{:?}", run.verdict) };
        assert!(reason.starts_with("Nothing was sent to load (group main) in 10 s: "), "{reason}");
        assert!(reason.contains(advice) && !told(&run.verdict.remarks, "overloaded"), "{:?}", run.verdict);
    }
    // Beside one that sends it makes the run invalid, too.
    let beside = judged(|run| {
        let (mut starved, mut figures) = (run.scenario.groups[0].clone(), run.groups[0].clone());
        (starved.name, starved.arrivals) = ("starved".to_owned(), Arrivals::Closed);
        (figures.counts.due, figures.counts.sent, figures.counts.received) = (0, 0, 0);
        run.scenario.groups.push(starved);
        run.groups.push(figures);
    });
    assert_eq!((beside.verdict.valid, beside.verdict.standing), (false, Standing::Taken));
    assert!(told(&beside.verdict.reasons, "(group starved)"), "{:?}", beside.verdict);
    // A connection that broke is another reason, and of a count all may have been sent before.
    for change in
        [|run: &mut RunResult| run.timeline[3].counts.broken = 1, |run: &mut RunResult| run.scenario.count = 9]
    {
        let run = judged(|run| {
            nothing_sent(run);
            change(run);
        });
        assert_eq!(run.verdict.standing, Standing::Taken, "{:?}", run.verdict);
    }
}

#[test]
fn one_group_that_was_not_offered_is_not_hidden_by_the_others() {
    let run = judged(|run| {
        let mut small = run.scenario.groups[0].clone();
        small.name = "small".to_owned();
        let mut figures = run.groups[0].clone();
        (figures.counts.due, figures.counts.sent) = (100, 40);
        run.scenario.groups.push(small);
        run.groups.push(figures);
        run.total.counts.due += 100;
        run.total.counts.sent += 40;
    });
    assert!(!run.verdict.valid && told(&run.verdict.reasons, "due of group small"), "{:?}", run.verdict);
}

#[test]
fn what_was_offered_and_not_done_is_a_valid_rate_and_no_latency() {
    let run = judged(|run| {
        for figures in run.groups.iter_mut().chain([&mut run.total]) {
            figures.counts.received = figures.counts.due / 2;
        }
    });
    assert_eq!((run.verdict.valid, run.verdict.standing), (true, Standing::Backlog));
    assert!(run.headline().starts_with("Valid as a rate, not as latencies: the server did"), "{}", run.headline());
    assert!(told(&run.verdict.remarks, "overloaded"), "{:?}", run.verdict);
}

#[test]
fn what_is_not_steady_is_not_valid_as_a_steady_state() {
    let run = judged(|run| run.steadiness = Steadiness::NotReached);
    assert!(run.verdict.valid && run.verdict.standing == Standing::Stretch);
    assert_eq!(run.headline(), "Valid for these 10 s as a whole, not as a steady state");
}

#[test]
fn a_run_that_is_cut_off_says_by_whom_and_when() {
    for (by, at_s, measured_s, told_of, line) in [
        (
            Side::Server,
            Some(4.2),
            3.0,
            "went away 4.2 s into the run (reset)",
            "the server went away 4.2 s into the run",
        ),
        (
            Side::Server,
            None,
            0.0,
            "could not be reached, and nothing was sent: reset",
            "Not valid: the server could not be reached",
        ),
        (Side::Generator, Some(4.2), 3.0, "could not go on 4.2 s into the run: reset", "the generator could not go on"),
        (Side::Generator, None, 0.0, "could not begin: reset", "the generator could not begin"),
    ] {
        let run = judged(|run| {
            run.cut_off = Some(CutOff { by, at_s, why: "reset".to_owned() });
            run.measured_s = measured_s;
        });
        assert_eq!((run.verdict.valid, run.conclusion()), (false, Conclusion::CutOff));
        assert!(told(&run.verdict.reasons[..1], told_of), "{:?}", run.verdict);
        assert!(
            run.verdict.reasons.len() == 1 && run.headline().contains(line),
            "{:?} {}",
            run.verdict,
            run.headline()
        );
    }
}

#[test]
fn what_was_not_looked_for_is_not_taken_for_nothing_lost() {
    let unknown = |ignore_losses, incomplete| {
        judged(|run| {
            run.scenario.require = Vec::new();
            run.scenario.ignore_losses = ignore_losses;
            (run.audit.not_checked, run.audit.incomplete) = ("nobody looked".to_owned(), incomplete);
        })
    };
    let run = unknown(false, true);
    assert!(run.verdict.valid && run.conclusion() == Conclusion::Unproven);
    assert!(run.headline().ends_with("but whether anything was lost is not known"), "{}", run.headline());
    assert!(told(&run.verdict.remarks, "Whether anything was lost is not known: nobody looked."));
    assert_eq!(unknown(true, true).conclusion(), Conclusion::Valid, "that was asked for");
    let unheard = unknown(false, false);
    assert_eq!(unheard.conclusion(), Conclusion::Valid, "so was a load without consumers");
    assert!(unheard.headline().ends_with("losses were not looked for"), "{}", unheard.headline());
    let required = judged(|run| {
        run.scenario.require = vec!["lost=0".to_owned()];
        (run.audit.not_checked, run.audit.incomplete) = ("nobody looked".to_owned(), true);
    });
    assert_eq!(required.conclusion(), Conclusion::NotHeld, "what was not looked for is not known to be 0");
}

#[test]
fn the_line_says_what_the_conclusion_is() {
    let required = |text: &str| judged(|run| run.scenario.require = vec![text.to_owned()]);
    assert_eq!(required("rate>1").headline(), "Valid, and all that was required holds");
    assert_eq!(required("rate>1M").headline(), "Valid, but not all that was required holds");
    let lost = judged(|run| run.audit.lost = 1);
    assert_eq!(
        (lost.conclusion(), lost.headline().as_str()),
        (Conclusion::Faulty, "Failed: not every message came, once, in order, whole")
    );
    let both = judged(|run| {
        run.audit.lost = 1;
        held_back(run);
    });
    assert!(
        both.headline().starts_with("Failed: ") && both.headline().contains(". Not valid at "),
        "{}",
        both.headline()
    );
    let old = {
        let mut run = Sample::default().run();
        run.verdict.valid = false;
        run
    };
    assert_eq!(old.headline(), "Not valid: these figures say nothing about the server");
}

#[test]
fn a_server_on_the_load_s_cores_is_said_with_what_to_type() {
    let run = judged(|run| run.server.shared_cores = vec![0, 1]);
    assert!(told(&run.verdict.remarks, "The server ran on cores 0-1 beside the load"), "{:?}", run.verdict);
    assert!(told(&run.verdict.remarks, "`heddle run --cores 0` and `heddle load run --cores 1`"), "{:?}", run.verdict);
}

#[test]
fn a_busy_generator_is_the_bottleneck_of_a_closed_loop_and_of_an_open_one_that_falls_behind() {
    let closed = Sample { offered: 0.0, idle: 0.02, ..Sample::default() }.run();
    assert!(told(&closed.verdict.reasons, "the bottleneck"), "{:?}", closed.verdict);
    let free = Sample { offered: 0.0, idle: 0.3, ..Sample::default() }.run();
    assert!(free.verdict.valid && told(&free.verdict.remarks, "closed loop"), "{:?}", free.verdict);
    assert!(free.headline().starts_with("Valid as a rate"), "{}", free.headline());
    assert!(closed.headline().contains("Not valid as the server's limit"), "{}", closed.headline());
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
    assert!(run.verdict.valid && told(&run.verdict.remarks, "7 messages of nobody in this run"));
    let out_of_order = judged(|run| run.audit.reordered = 2);
    assert!(told(&out_of_order.verdict.faults, "2 messages behind a later one"));
    let broken = judged(|run| {
        run.audit.reordered = 2;
        run.timeline[3].counts.broken = 1;
    });
    assert!(broken.verdict.faults.is_empty() && told(&broken.verdict.remarks, "2 messages behind a later one"));
}

#[test]
fn what_helps_to_read_a_run_is_remarked() {
    let run = judged(|run| {
        let latencies = run.total.latencies.clone();
        run.floor = Some(Floor { latencies, ..Floor::default() });
        run.steadiness = Steadiness::NotReached;
        run.machine.governor = "powersave".to_owned();
        run.total.counts.refused = 9;
        run.total.counts.returned = Returned { rejected: 1, released: 4, modified: 2 };
        for (at, second) in run.timeline.iter_mut().enumerate() {
            second.counts.received = 10_000 - 300 * at as u64;
            second.counts.accepted = 0;
        }
    });
    for what in [
        "not the server",
        "not steady when",
        "`powersave`",
        "9 messages refused by the server: 1 rejected (",
        ", 4 released (",
        ", 2 modified (",
        ", 2 without an outcome of their own",
        "The rate fell by",
    ] {
        assert!(told(&run.verdict.remarks, what), "{what}: {:?}", run.verdict.remarks);
    }
    assert!(told(
        &Sample { seconds: 3, ..Sample::default() }.run().verdict.remarks,
        "Latencies are of only 3,000 values"
    ));
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
        ["killed 3 times", "500", "behind 1 of them", "5 messages again", "7 messages in doubt: their connection broke"]
    {
        assert!(told(&run.verdict.remarks, told_of), "{told_of}: {:?}", run.verdict);
    }
    for change in [|run: &mut RunResult| run.audit.reordered = 1, |run: &mut RunResult| run.audit.foreign = 1] {
        assert_eq!(kills(change).verdict.faults.len(), 1);
    }
}
