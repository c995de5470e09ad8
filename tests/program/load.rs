//! `heddle load` and `heddle demo`, beside a real broker.

use std::path::Path;

use tempfile::TempDir;

use crate::broker::{Broker, heddle, run, text};

#[test]
fn a_load_on_a_broker_finds_every_message_and_what_the_broker_took() {
    let broker = Broker::start("[[listeners]]\naddress = \"127.0.0.1:0\"\n[storage]\nsegment_mib = 2\n");
    let url = format!("amqp://{}", broker.addresses[0]);
    let http = format!("http://{}/state", broker.http);
    let line = [
        "load",
        "run",
        "--server",
        &url,
        "--rate",
        "500",
        "--duration",
        "2s",
        "--warm-up",
        "1s",
        "--durable",
        "--size",
        "200",
        "--floor",
        "off",
        "--no-files",
        "--json",
        "--server-http",
        &http,
        "--require",
        "lost=0",
    ];
    let output = run(&line);
    let result: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    // On a machine that does other things as well the generator may be late, which makes it invalid, and nothing else.
    let valid = result["verdict"]["valid"] == true;
    assert_eq!(output.status.code(), Some(if valid { 0 } else { 4 }), "{}", result["verdict"]);
    assert_eq!(result["audit"]["lost"], 0);
    assert!(result["total"]["counts"]["received"].as_u64().is_some_and(|received| received > 0));
    let usage = &result["server"]["usage"];
    assert!(
        usage["source"].as_str().is_some_and(|source| source.contains("(heddle)") && source.contains(&http)),
        "{usage}"
    );
    assert!(usage["syncs"].as_u64().is_some_and(|syncs| syncs > 0), "{usage}");
    assert_eq!(result["server"]["local"], true);
}

#[test]
fn a_broker_that_is_killed_under_load_loses_nothing_that_it_accepted() {
    let folder = TempDir::new().expect("a folder");
    let line = [
        "load",
        "audit",
        "--kills",
        "3",
        "--every",
        "500ms",
        "--rate",
        "200",
        "--size",
        "200",
        "--warm-up",
        "1s",
        "--no-files",
        "--json",
    ];
    let output = heddle().args(line).env("TMPDIR", folder.path()).output().expect("it runs");
    let result: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    // On a machine that does other things as well the generator may be late, which makes it invalid, and nothing else.
    let valid = result["verdict"]["valid"] == true;
    assert_eq!(output.status.code(), Some(if valid { 0 } else { 4 }), "{}", text(&output));
    assert_eq!((&result["audit"]["lost"], &result["audit"]["not_checked"]), (&0.into(), &"".into()));
    let outages = result["outages"].as_array().expect("outages");
    assert_eq!(outages.len(), 3);
    assert!(outages.iter().all(|outage| outage["answering_s"].as_f64().is_some_and(|s| s > 0.0)), "{outages:?}");
    // Whether the others had the time is chance; behind the last one there is enough.
    let last = &outages[2];
    assert!(last["accepted_s"].is_f64() && last["received_s"].is_f64() && last["longest_us"].is_f64(), "{last}");
    let left = std::fs::read_dir(folder.path()).expect("entries").count();
    assert_eq!(left, 0, "data is removed");
}

#[test]
fn mistakes_in_a_load_have_a_status_of_their_own() {
    let output = run(&["load", "run", "--require", "speed>3", "--no-files"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("there is no figure"), "{}", text(&output));
    // The second client is in another program: before anything is connected, and with what to say there.
    for command in ["run", "sweep"] {
        let output = run(&["load", command, "--client", "fe2o3"]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("heddle-load run") && text(&output).contains("--path loadgen/program"));
    }
    let help = run(&["load", "run", "--help"]);
    assert!(text(&help).contains("heddle load run --rate 10000") && text(&help).contains("Exit status:"));
}

#[test]
fn the_demonstration_leaves_nothing_but_its_report_and_can_be_repeated() {
    let folder = TempDir::new().expect("a folder");
    let output = heddle().args(["demo", "--duration", "2s"]).env("TMPDIR", folder.path()).output().expect("it runs");
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("entries").flatten().map(|entry| entry.path()).collect();
    let [report] = left.as_slice() else { panic!("{left:?}") };
    assert!(report.join("report.html").exists() && report.join("result.json").exists());
    assert!(!report.join("data").exists(), "data is removed");
    assert!(said.contains(&Path::new(report).join("report.html").display().to_string()), "{said}");
    assert!(said.contains("A demonstration, not a benchmark: broker and load share"), "{said}");
    // However busy the machine is: a demonstration says what it is, and not that it says nothing.
    assert!(!said.contains("Not valid") && said.contains("heddle load run"), "{said}");

    let scenario = report.join("scenario.toml");
    assert!(said.contains(&format!("heddle load run {} --server ", scenario.display())), "{said}");
    let broker = Broker::start("[[listeners]]\naddress = \"127.0.0.1:0\"\n[storage]\nsegment_mib = 2\n");
    let server = format!("amqp://{}", broker.addresses[0]);
    let line = ["load", "run", scenario.to_str().expect("text"), "--server", &server, "--no-files", "--floor", "off"];
    let output = run(&line);
    // Whether it is valid depends on what else the machine does; that all messages came again does not.
    assert!(matches!(output.status.code(), Some(0 | 4)), "{}", text(&output));
    assert!(text(&output).contains("audit       every message came, once, in order, whole"), "{}", text(&output));
}

#[test]
fn a_reader_of_the_demonstration_that_has_seen_enough_is_no_error() {
    let folder = TempDir::new().expect("a folder");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut demo = heddle();
    demo.args(["demo", "--duration", "1s", "--live", "never"]).env("TMPDIR", folder.path());
    let output = demo.stdout(writer).stderr(std::process::Stdio::piped()).output().expect("it runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output));
}
