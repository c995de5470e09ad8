//! What the program prints, and to whom: results are made here, so that nothing is loaded.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use load_model::collect::Collector;
use load_model::result::RunResult;
use load_model::scenario::{Group, Scenario};
use load_model::sweep::{Sweep, SweepSpec};
use tempfile::TempDir;

fn scenario() -> Scenario {
    Scenario { groups: vec![Group::default()], ..Scenario::default() }
}

/// A result that is valid, or is not.
fn result(reason: Option<&str>) -> RunResult {
    let mut result = Collector::new(&scenario(), 1).finish();
    (result.measured_s, result.total.counts.received) = (10.0, 100_000);
    result.groups[0].counts.received = 100_000;
    result.verdict.valid = reason.is_none();
    result.verdict.reasons = reason.map(str::to_owned).into_iter().collect();
    result
}

fn written(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
    std::fs::write(&path, text).expect("a file");
    path
}

fn heddle_load(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heddle-load"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Two folders with two results each, of which those of `other` are not valid where a reason is given.
fn sides(folder: &TempDir, reasons: [Option<&str>; 2]) -> [String; 2] {
    for name in ["one/a.json", "one/b.json"] {
        written(folder, name, &load_report::json::run(&result(None)));
    }
    for (name, reason) in ["other/a.json", "other/b.json"].into_iter().zip(reasons) {
        written(folder, name, &load_report::json::run(&result(reason)));
    }
    ["one", "other"].map(|name| text(&folder.path().join(name)).to_owned())
}

fn said(output: &Output) -> (String, String) {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_comparison_leaves_out_what_is_not_valid_and_its_status_says_when_nothing_is_left() {
    let folder = TempDir::new().expect("a folder");
    let late = Some("The generator was late.");
    for (reasons, status, told) in [
        ([None, None], 0, "No figure differs by more than chance"),
        ([late, None], 0, "left out: 1 of the 2 runs of B is not valid, and left out. The generator was late."),
        ([late, late], 4, "No verdict: B has no valid run, and nothing was compared"),
    ] {
        let [one, other] = sides(&folder, reasons);
        let page = folder.path().join("page.html");
        let output = heddle_load(&["compare", &one, &other, "--html", text(&page)]).output().expect("it runs");
        let (out, error) = said(&output);
        assert_eq!(output.status.code(), Some(status), "{out}{error}");
        assert!(out.contains(told), "{out}{error}");
        let page = std::fs::read_to_string(&page).expect("a page");
        assert_eq!(page.contains("No verdict: B has no valid run"), status == 4);
        let output = heddle_load(&["compare", &one, &other, "--json"]).output().expect("it runs");
        let comparison: load_model::compare::Comparison = serde_json::from_slice(&output.stdout).expect("a comparison");
        assert_eq!((output.status.code(), comparison.rows.is_empty()), (Some(status), status == 4));
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = TempDir::new().expect("a folder");
    let [one, other] = sides(&folder, [None, None]);
    let spec = SweepSpec { scenario: scenario(), service_level: Vec::new(), precision: 0.05, rate_max: None };
    let sweep = Sweep::new(spec).expect("it asks for nothing").result();
    let sweep = written(&folder, "sweep/sweep.json", &load_report::json::sweep(&sweep));
    let run = written(&folder, "run/result.json", &load_report::json::run(&result(None)));
    for arguments in [
        &["compare", &one, &other][..],
        &["compare", &one, &other, "--json"],
        &["report", text(&run)],
        &["report", text(&sweep)],
        &["run", "--dry-run"],
        &["audit", "--start", "server", "--dry-run"],
        &["sweep", "--help"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = heddle_load(arguments).stdout(writer).stderr(Stdio::piped()).output().expect("it runs");
        assert_eq!((output.status.code(), said(&output).1.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn an_error_that_nobody_reads_has_its_status_all_the_same() {
    for (arguments, status) in
        [(&["compare", "/nowhere/a", "/nowhere/b"][..], 2), (&["sink", "--listen", "192.0.2.1:1"], 1)]
    {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = heddle_load(arguments).stdout(Stdio::null()).stderr(writer).status().expect("it runs");
        assert_eq!(ended.code(), Some(status), "{arguments:?}");
    }
}
