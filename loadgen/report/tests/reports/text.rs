//! Reports that are plain text.

use load_model::compare::Comparison;
use load_model::latency::Metric;
use load_model::plan::Plan;
use load_model::result::{RunResult, Standing, WorkerFacts};
use load_model::sweep::SweepResult;
use load_report::text::{Colour, Paper};
use load_report::{csv, json, text};

use crate::{golden, sample};

#[test]
fn the_summary_says_what_was_found() {
    let files = ["result.json".to_owned(), "report.html".to_owned()];
    golden::check("summary.txt", &text::summary(&sample::run(), &files, Paper::PLAIN));
}

#[test]
fn the_summary_of_an_invalid_run_says_why_and_what_was_lost() {
    let mut run = sample::run_of(5, 2);
    run.floor = None;
    run.server.usage = None;
    run.verdict.valid = false;
    run.verdict.reasons = vec!["The generator was 3 ms late at p99: give it more cores.".to_owned()];
    run.verdict.standing = Standing::Late;
    run.verdict.faults = vec!["3 messages were accepted and never came: they are lost.".to_owned()];
    run.audit.lost = 3;
    run.audit.in_doubt = 12;
    run.audit.examples = vec!["producer 0 of orders: message 17".to_owned()];
    run.workers = vec![WorkerFacts {
        address: "10.0.0.7:7700".to_owned(),
        machine: run.machine.clone(),
        clock_offset_ns: -1_250_000,
        clock_bound_ns: 18_000,
    }];
    golden::check("summary-invalid.txt", &text::summary(&run, &[], Paper::PLAIN));
}

#[test]
fn colours_change_nothing_but_colours_and_peers_cannot_make_them() {
    let mut run = sample::run_of(5, 2);
    run.server.product = "\u{1b}[31mEvil\u{7}".to_owned();
    let plain = text::summary(&run, &[], Paper::PLAIN);
    assert!(!plain.contains('\u{1b}') && !plain.contains('\u{7}'));
    let mut coloured = text::summary(&run, &[], Paper { colour: Colour::Ansi, ..Paper::PLAIN });
    for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m"] {
        assert!(coloured.contains(code), "{code:?} is used");
        coloured = coloured.replace(code, "");
    }
    assert_eq!(coloured, plain);
}

#[test]
fn tables_for_other_programs() {
    let run = sample::run_of(3, 3);
    golden::check("timeline.csv", &csv::timeline(&run));
    golden::check("percentiles.csv", &csv::percentiles(&run.total.latencies));
}

#[test]
fn json_is_read_back_with_every_value() {
    let run = sample::run_of(3, 3);
    let read: RunResult = serde_json::from_str(&json::run(&run)).expect("it is read");
    for metric in Metric::ALL {
        assert!(read.total.latencies.get(metric) == run.total.latencies.get(metric), "{}", metric.name());
    }
    assert_eq!((read.total.counts, read.audit, read.scenario), (run.total.counts, run.audit, run.scenario));
    assert_eq!(read.timeline.len(), run.timeline.len());
    let sweep: SweepResult = serde_json::from_str(&json::sweep(&sample::sweep())).expect("it is read");
    assert_eq!((sweep.points.len(), sweep.limit), (sample::sweep().points.len(), sample::sweep().limit));
    let comparison: Comparison = serde_json::from_str(&json::comparison(&sample::comparison(1))).expect("it is read");
    assert_eq!(comparison.rows.len(), sample::comparison(1).rows.len());
}

#[test]
fn two_sets_of_runs_side_by_side() {
    golden::check("comparison.txt", &text::comparison(&sample::comparison(4), Paper::PLAIN));
}

#[test]
fn a_sweep_run_by_run() {
    golden::check("sweep.txt", &text::sweep(&sample::sweep(), Paper::PLAIN));
    golden::check("sweep.csv", &csv::sweep(&sample::sweep()));
}

#[test]
fn a_plan_says_what_it_takes_and_what_it_rests_on() {
    let mut plan = sample::plan();
    let text = text::plan(&plan, Paper::PLAIN);
    let first: Vec<&str> = text.lines().take(2).collect();
    let cores = plan.answer.as_ref().expect("there is an answer").cores_per_node;
    assert!(first[0] == "150,000 messages a second of 1 KiB, p99.9<1ms, on 3 nodes", "{first:?}");
    assert!(first[1].starts_with(&format!("It takes {cores} core")), "{first:?}");
    for part in [
        "cores of each node",
        "headroom, one node lost",
        "latency to be expected",
        "measured    1 core, 1 KiB: ",
        "assumed ",
    ] {
        assert!(text.contains(part), "{part:?} is in\n{text}");
    }
    plan.answer = None;
    plan.remarks = vec!["\u{1b}[2JNothing helps.".to_owned()];
    let text = text::plan(&plan, Paper::PLAIN);
    assert!(
        text.contains("No number of cores does it") && text.contains("note        \\u{1b}[2JNothing helps."),
        "{text}"
    );
    let read: Plan = serde_json::from_str(&json::plan(&plan)).expect("it is read");
    assert_eq!(read.measured.len(), plan.measured.len());
}
