//! The program `heddle-load` from outside: what it says, what it writes, how it ends; against doubles whose faults are known.
//!
//! Whether a run on a machine that does other things as well is valid cannot be promised, so that tests hold what the result says
//! against the status: the two must agree.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use load_drive::double::{Behaviour, Double, DoubleSpec};
use load_model::result::RunResult;
use load_model::verdict::Conclusion;
use tempfile::TempDir;

fn heddle_load(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heddle-load"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    heddle_load(arguments).output().expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn double(behaviour: &str) -> Double {
    let behaviour: Behaviour = behaviour.parse().expect("a behaviour");
    Double::start(DoubleSpec::local(behaviour)).expect("it starts")
}

/// A short run against a double; gives its status and its result.
fn load(double: &Double, more: &[&str]) -> (i32, RunResult) {
    let url = double.url();
    let base = [
        "run",
        "--server",
        &url,
        "--rate",
        "500",
        "--warm-up",
        "1s",
        "--duration",
        "2s",
        "--drain",
        "2s",
        "--floor",
        "off",
        "--json",
    ];
    let output = run(&[&base, more].concat());
    let result = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    (output.status.code().expect("it ends by itself"), result)
}

/// What a status has to be by the result.
fn expected(result: &RunResult) -> i32 {
    match result.conclusion() {
        Conclusion::Faulty => 5,
        Conclusion::CutOff => 1,
        Conclusion::Invalid => 4,
        Conclusion::NotHeld => 3,
        Conclusion::Unproven => 6,
        Conclusion::Held | Conclusion::Valid | Conclusion::Demonstration => 0,
    }
}

#[test]
fn every_command_helps_with_examples() {
    for command in ["run", "audit", "sweep", "compare", "plan", "report", "worker", "sink"] {
        let output = run(&[command, "--help"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("Examples:\n  heddle load "), "{command}: {text}");
    }
    assert_eq!(run(&[]).status.code(), Some(2));
}

#[test]
fn mistakes_are_answered_before_anything_is_done() {
    let folder = TempDir::new().expect("a folder");
    let scenario = folder.path().join("scenario.toml");
    std::fs::write(&scenario, "durations = 3\n").expect("a file");
    let scenario = scenario.to_str().expect("text");
    for (line, told) in [
        (&["run", "--rate", "many"][..], "write 500, 10k"),
        (&["run", "--size", "1"], "every message carries 40"),
        (&["run", scenario], "unknown field `durations`"),
        (&["run", "--require", "p99.9<2"], "a time with its unit"),
        (&["run", "--require", "speed>3"], "there is no figure"),
        (&["run", "--cores", "9999"], "core 9999"),
        (&["run", "--server", "amqp://nowhere.invalid"], "nowhere.invalid"),
        (&["run", "--server", "http://127.0.0.1:5672"], "servers (--server), number 1: a server's URL is amqp://"),
        (&["run", "--server", "http://127.0.0.1:5672", "--dry-run"], "a server's URL is amqp://"),
        (&["run", "--server", "amqps://127.0.0.1:1", "--tls-ca", "/nowhere/ca.pem"], "--tls-ca /nowhere/ca.pem"),
        (&["run", "--client", "fe2o3", "--transaction", "5"], "the client fe2o3 does not have this"),
        (&["run", "--workers", "nowhere"], "such as --workers 10.0.0.2:7000"),
        (&["run", "/nowhere/a.toml"], "cannot read /nowhere/a.toml"),
        (&["sweep", "--server", "http://127.0.0.1:5672"], "a server's URL is amqp://"),
        (&["sweep", "--server", "amqp://nowhere.invalid"], "nowhere.invalid"),
        (&["sweep", "--cores", "9999"], "core 9999"),
        (&["sweep", "--require", "speed>3"], "there is no figure"),
        (&["sweep", "--slo", "speed>3"], "there is no figure"),
        (&["audit", "--start", "true", "--server", "http://127.0.0.1:5672"], "a server's URL is amqp://"),
        (&["audit", "--start", "true", "--server", "amqp://nowhere.invalid"], "nowhere.invalid"),
        (&["worker", "--listen", "127.0.0.1:0", "--cores", "9999"], "core 9999"),
        (&["run", "--server-http", "https://a"], "http://127.0.0.1:8161/state"),
        (&["worker", "--listen", "0.0.0.0:0"], "--token-file"),
        (&["compare", "/nowhere/a.json", "/nowhere/b.json"], "there is no result of a run at /nowhere/a.json"),
        (&["report", "/nowhere"], "there is no result of a run at /nowhere"),
        (&["plan", "/nowhere", "--rate", "1k"], "there is no sweep at /nowhere"),
        (&["plan", "/nowhere"], "--rate"),
        (&["sweep", "--precision", "3"], "from 0.001 to 0.5"),
        (&["sink", "--behaviour", "odd"], "write sink, relay"),
        (&["audit"], "say with --start"),
        (&["audit", "--start", "server 'of mine"], "a quote ' is not closed"),
        (&["audit", "--start", "server", "--kills", "0"], "1..=10000"),
    ] {
        let output = run(&[line, if ["run", "audit"].contains(&line[0]) { &["--no-files"] } else { &[] }].concat());
        assert_eq!(output.status.code(), Some(2), "{line:?}: {}", said(&output));
        assert!(said(&output).contains(told), "{line:?}: {}", said(&output));
    }
}

#[test]
fn a_dry_run_prints_what_options_and_file_come_to() {
    let output =
        run(&["run", "--rate", "20k", "--topics", "2", "--consumers", "8", "--password", "secret", "--dry-run"]);
    let text = String::from_utf8(output.stdout).expect("text");
    let scenario = load_model::scenario::Scenario::parse(&text).expect("it is one");
    assert_eq!((scenario.groups[0].addresses, scenario.groups[0].consumers), (2, 8));
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_server_that_is_not_there_is_said_with_its_address() {
    let double = double("sink");
    let url = double.url();
    double.stop().expect("it ends");
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("out");
    let output = run(&["run", "--server", &url, "--json", "--output", out.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains(url.trim_start_matches("amqp://")), "{}", said(&output));
    assert!(said(&output).contains("Not valid: the server could not be reached"), "{}", said(&output));
    let result: RunResult = serde_json::from_slice(&output.stdout).expect("a result");
    assert!(result.cut_off.is_some() && expected(&result) == 1);
    written(&out);
    let swept = run(&["sweep", "--server", &url, "--output", folder.path().join("sweep").to_str().expect("text")]);
    assert_eq!(swept.status.code(), Some(1), "{}", said(&swept));
    assert!(folder.path().join("sweep/sweep.json").exists(), "{}", said(&swept));
}

/// Every file of a run is there, and has something in it.
fn written(out: &Path) {
    for name in ["result.json", "report.html", "timeline.csv", "percentiles.csv", "scenario.toml"] {
        let written = std::fs::read_to_string(out.join(name)).unwrap_or_default();
        assert!(!written.is_empty(), "{name}");
    }
}

#[test]
fn a_server_that_dies_leaves_all_reports_of_what_was_seen() {
    let double = double("relay");
    let folder = TempDir::new().expect("a folder");
    let (url, out) = (double.url(), folder.path().join("out"));
    let line = [
        "run",
        "--server",
        &url,
        "--rate",
        "200",
        "--duration",
        "1h",
        "--warm-up",
        "0s",
        "--json",
        "--output",
        out.to_str().expect("text"),
    ];
    let (mut going, lines, _) = start(heddle_load(&line), "measuring");
    let rest = std::thread::spawn(move || std::io::read_to_string(lines).expect("text"));
    double.stop().expect("it ends");
    let result: RunResult = serde_json::from_reader(going.0.stdout.take().expect("it is piped")).expect("a result");
    assert_eq!(going.0.wait().expect("it ends").code(), Some(1), "{:?}", result.verdict);
    let summary = rest.join().expect("it was read");
    assert!(summary.contains("the server went away"), "{summary}");
    assert!(result.total.counts.received > 0 && result.cut_off.is_some_and(|cut_off| cut_off.at_s.is_some()));
    written(&out);
    assert!(std::fs::read_to_string(out.join("intervals.hlog")).is_ok_and(|log| !log.is_empty()));
}

#[test]
fn a_server_that_is_waited_for_is_said_with_what_is_tried_and_for_how_long() {
    let double = double("sink");
    let url = double.url();
    double.stop().expect("it ends");
    let line = ["run", "--server", &url, "--reconnect", "--no-files"];
    let (_going, _lines, told) = start(heddle_load(&line), "attempt ");
    assert!(told.contains("cannot connect to 127.0.0.1:") && told.contains("gives up in "), "{told}");
}

#[test]
fn a_run_in_which_losses_could_not_be_looked_for_has_a_status_of_its_own() {
    // Nothing comes, and nothing is answered, before the time to drain is over.
    for (option, is_fine) in [(&[][..], false), (&["--ignore-losses"], true)] {
        let (status, result) = load(&double("delay:fixed:20s"), &[&["--no-files"], option].concat());
        assert!(result.audit.incomplete && result.audit.lost == 0, "{:?}", result.audit);
        assert_eq!(status, expected(&result), "{:?}", result.verdict);
        // On a machine that does other things as well it may be invalid besides.
        let wanted = if is_fine { Conclusion::Valid } else { Conclusion::Unproven };
        assert!(
            matches!(result.conclusion(), Conclusion::Invalid) || result.conclusion() == wanted,
            "{:?}",
            result.verdict
        );
    }
}

#[test]
fn a_run_writes_reports_that_can_be_made_anew_and_compared() {
    let double = double("relay");
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("out");
    let (status, result) = load(&double, &["--output", out.to_str().expect("text"), "--require", "lost=0"]);
    assert_eq!(status, expected(&result));
    assert!(result.total.counts.received > 0 && result.audit.lost == 0, "{:?}", result.audit);
    let files = ["result.json", "report.html", "timeline.csv", "percentiles.csv", "intervals.hlog", "scenario.toml"];
    for name in files {
        let written = std::fs::read_to_string(out.join(name)).unwrap_or_default();
        assert!(!written.is_empty(), "{name}");
    }
    let log = std::fs::read_to_string(out.join("intervals.hlog")).expect("text");
    assert!(log.lines().filter(|line| line.starts_with("Tag=receive,")).count() >= 3, "{log}");

    let scenario = out.join("scenario.toml");
    let (status, repeated) = load(&double, &["--no-files", scenario.to_str().expect("text")]);
    assert_eq!((status, &repeated.scenario.groups), (expected(&repeated), &result.scenario.groups));

    let again = folder.path().join("again");
    let (out, again) = (out.to_str().expect("text"), again.to_str().expect("text"));
    let output = run(&["report", out, "--output", again]);
    assert!(output.status.success(), "{}", said(&output));
    let page = |folder: &str| std::fs::read(Path::new(folder).join("report.html")).expect("a page");
    assert!(page(out) == page(again), "the same result is the same page");

    let compared = run(&["compare", out, again, "--json"]);
    // Of a run that is not valid, which is chance here, there is nothing to compare.
    let valid = result.verdict.valid;
    assert_eq!(compared.status.code(), Some(if valid { 0 } else { 4 }), "{}", said(&compared));
    let comparison: load_model::compare::Comparison = serde_json::from_slice(&compared.stdout).expect("a comparison");
    assert!(comparison.differences.is_empty() && comparison.rows.is_empty() != valid);
}

#[test]
fn statuses_say_what_was_found() {
    let (status, result) = load(&double("relay"), &["--no-files", "--require", "rate>100M"]);
    assert_eq!(status, expected(&result));
    assert!(!result.requirements[0].holds);

    let (status, result) = load(&double("lossy:lose=100"), &["--no-files"]);
    assert!(result.audit.lost > 0, "{:?}", result.audit);
    assert_eq!(status, 5, "{:?}", result.verdict);

    // The last duration given counts; of less than a second rates are chance.
    let (status, result) = load(&double("relay"), &["--no-files", "--count", "20"]);
    assert_eq!(status, 4, "{:?}", result.verdict);
}

#[test]
fn a_sweep_leaves_a_curve_that_can_be_reported_anew_and_planned_with() {
    let double = double("relay");
    let folder = TempDir::new().expect("a folder");
    let (url, out) = (double.url(), folder.path().to_str().expect("text"));
    let line = [
        "sweep",
        "--server",
        &url,
        "--warm-up",
        "0s",
        "--step-duration",
        "1s",
        "--max-rate",
        "300",
        "--precision",
        "0.5",
        "--drain",
        "2s",
        "--slo",
        "p50<10s",
        "--server-cores",
        "1",
        "--output",
        out,
    ];
    let output = run(&line);
    // Whether a rate holds, or a run is valid at all, depends on what else the machine does; that there is a result does not.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", said(&output));
    let text = std::fs::read_to_string(folder.path().join("sweep.json")).expect("a sweep");
    let sweep: load_model::sweep::SweepResult = serde_json::from_str(&text).expect("a sweep");
    assert!(!sweep.points.is_empty() && sweep.server_cores == Some(1), "{:?}", sweep.ended);
    assert!(folder.path().join("sweep.html").exists() && folder.path().join("runs/00.json").exists());
    let again = folder.path().join("again");
    let reported = run(&["report", out, "--output", again.to_str().expect("text")]);
    assert!(reported.status.success(), "{}", said(&reported));
    assert_eq!(std::fs::read_to_string(again.join("sweep.json")).expect("a sweep"), text);

    let planned = run(&["plan", out, "--rate", "100", "--json"]);
    match planned.status.code() {
        Some(0 | 3) => {
            let plan: load_model::plan::Plan = serde_json::from_slice(&planned.stdout).expect("a plan");
            assert_eq!(plan.wanted.rate, 100.0);
        }
        _ => assert!(said(&planned).contains("no sweep"), "{}", said(&planned)),
    }
}

/// A program that goes on; it is killed when the test is done with it.
struct Going(Child);

impl Drop for Going {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program and reads its error output up to the first line that has `text` in it; gives that line.
fn start(mut command: Command, text: &str) -> (Going, BufReader<std::process::ChildStderr>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped"));
    let going = Going(child);
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).expect("text") > 0, "it ended before it said {text:?}");
        if line.contains(text) {
            return (going, lines, line);
        }
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn an_interrupted_run_shows_metrics_and_still_reports() {
    let double = double("relay");
    let url = double.url();
    let line = [
        "run",
        "--server",
        &url,
        "--rate",
        "100",
        "--duration",
        "1h",
        "--warm-up",
        "1s",
        "--no-files",
        "--json",
        "--prometheus",
        "0",
    ];
    let (mut going, mut lines, said) = start(heddle_load(&line), "metrics at http://");
    let address = said.trim().trim_start_matches("metrics at http://").trim_end_matches("/metrics");
    let address: SocketAddr = address.parse().expect("an address");
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).expect("text") > 0, "it ended");
        if line.starts_with("measuring") {
            break;
        }
    }
    assert!(get(address, "/metrics").contains("heddle_load_"), "{}", get(address, "/metrics"));
    assert!(get(address, "/other").contains("404"));
    let pid = going.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let mut out = going.0.stdout.take().expect("it is piped");
    // Its error output has to be read, or it would wait to write.
    let rest = std::thread::spawn(move || std::io::read_to_string(lines).expect("text"));
    let result: RunResult = serde_json::from_reader(&mut out).expect("a result");
    assert!(result.interrupted && result.total.counts.received > 0, "{:?}", result.total.counts);
    assert!(going.0.wait().expect("it ends").code().is_some(), "it ends by itself");
    rest.join().expect("it was read");
}

#[test]
fn two_workers_share_a_run() {
    let double = double("relay");
    let worker = || {
        let line = ["worker", "--listen", "127.0.0.1:0", "--threads", "1"];
        // That nobody reads what it says does not end it.
        let (going, _, said) = start(heddle_load(&line), "listens on");
        let address = said.split("listens on ").nth(1).and_then(|rest| rest.split(',').next()).expect("an address");
        (going, address.to_owned())
    };
    let (one, other) = (worker(), worker());
    let workers = format!("{},{}", one.1, other.1);
    let (status, result) = load(&double, &["--no-files", "--workers", &workers]);
    assert_eq!(status, expected(&result), "{:?}", result.verdict);
    assert_eq!(result.workers.len(), 2);
    assert!(result.total.counts.received > 0 && result.audit.lost == 0, "{:?}", result.audit);
    assert!(result.workers.iter().all(|worker| worker.clock_bound_ns < 1_000_000_000), "{:?}", result.workers);
}

/// A port of this machine that nobody listens at.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// An audit of a relay, which keeps nothing; messages wait in it, since its consumers are slow.
fn audit_of_a_relay(address: &str, more: &[&str]) -> Command {
    let start = format!("'{}' sink --behaviour relay --listen {address}", env!("CARGO_BIN_EXE_heddle-load"));
    let url = format!("amqp://{address}");
    let line = [
        "audit",
        "--start",
        &start,
        "--server",
        &url,
        "--queues",
        "1",
        "--rate",
        "200",
        "--credit",
        "1",
        "--hold",
        "50ms",
        "--size",
        "100",
        "--drain",
        "3s",
        "--warm-up",
        "1s",
        "--no-files",
    ];
    heddle_load(&[&line, more].concat())
}

#[test]
fn a_killed_server_that_keeps_nothing_has_lost_what_it_accepted() {
    let address = free_address();
    let output = audit_of_a_relay(&address, &["--kills", "2", "--every", "500ms", "--json"]).output().expect("it runs");
    let result: RunResult = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    assert!(result.audit.lost > 0, "{:?}", result.audit);
    assert_eq!(output.status.code(), Some(5), "{:?}", result.verdict);
    assert_eq!(result.outages.len(), 2);
    assert!(result.outages.iter().all(|outage| outage.answering_s.is_some()), "{:?}", result.outages);
    let last = result.outages.last().expect("there are two");
    assert!(last.accepted_s.is_some() && last.accepted_s >= last.answering_s, "{last:?}");
    assert!(!result.interrupted, "all kills were done");
    assert!(
        said(&output).contains("2 kills: ") && said(&output).contains("data and output are in"),
        "{}",
        said(&output)
    );
    let folder = said(&output)
        .lines()
        .find_map(|line| line.strip_prefix("the server's data and output are in ").map(str::to_owned));
    std::fs::remove_dir_all(folder.expect("it is said")).expect("it was kept");
    assert!(TcpStream::connect(&address).is_err(), "the server is gone");
}

#[test]
fn a_server_that_does_not_start_or_stay_is_said_with_its_last_words() {
    let folder = TempDir::new().expect("a folder");
    let url = format!("amqp://{}", free_address());
    for (start, told) in [
        ("sh -c 'echo no disk; exit 3'", &["ended by itself (exit status: 3)", "  no disk"][..]),
        ("/nowhere/server", &["cannot start \"/nowhere/server\""]),
    ] {
        let data = folder.path().to_str().expect("text");
        let output = run(&["audit", "--start", start, "--server", &url, "--data-dir", data, "--no-files"]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(told.iter().all(|told| said(&output).contains(told)), "{}", said(&output));
    }
    let double = double("sink");
    let output = run(&["audit", "--start", "true", "--server", &double.url(), "--no-files"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("something listens at"), "{}", said(&output));
}

#[test]
fn a_server_that_is_audited_does_not_outlive_the_audit() {
    let address = free_address();
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().to_str().expect("text");
    let audit = audit_of_a_relay(&address, &["--every", "1h", "--data-dir", data]);
    // Messages flow: the server is there.
    let (mut going, lines, _) = start(audit, "measuring");
    assert!(TcpStream::connect(&address).is_ok());
    going.0.kill().expect("it is killed");
    going.0.wait().expect("it ends");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while TcpStream::connect(&address).is_ok() {
        assert!(std::time::Instant::now() < until, "the server lives on");
        std::thread::yield_now();
    }
    drop(lines);
}
