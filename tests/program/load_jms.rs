//! `heddle load` with what JMS applications use: selectors, priorities, message groups and messages that fail, beside a real broker.

use serde_json::Value;
use tempfile::TempDir;

use crate::broker::{Broker, run, text};

/// Loads a broker of so many shards with some options; gives the result.
fn load(shards: u16, options: &[&str]) -> Value {
    let folder = TempDir::new().expect("a folder");
    let broker = Broker::start_with(folder, shards, "[[listeners]]\naddress = \"127.0.0.1:0\"\n");
    let url = format!("amqp://{}", broker.addresses[0]);
    let line = ["load", "run", "--server", &url, "--size", "100", "--count", "4000", "--rate", "2000"];
    let more = ["--warm-up", "0s", "--drain", "30s", "--threads", "2", "--floor", "off", "--no-files", "--json"];
    let line: Vec<&str> = line.into_iter().chain(more).chain(options.iter().copied()).collect();
    let output = run(&line);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    // On a machine that does other things as well the generator may be late, which makes it invalid, and nothing else.
    let valid = result["verdict"]["valid"] == true;
    assert_eq!(output.status.code(), Some(if valid { 0 } else { 4 }), "{options:?}: {}", result["verdict"]);
    let audit = &result["audit"];
    for fault in ["lost", "duplicates", "reordered", "corrupt", "misplaced", "foreign", "moved"] {
        assert_eq!(audit[fault], 0, "{options:?}, {shards} shards: {audit}");
    }
    assert_eq!(audit["not_checked"], "", "{options:?}: {audit}");
    result
}

/// A count of the whole run.
fn counted(result: &Value, what: &str) -> u64 {
    let seconds = result["timeline"].as_array().expect("seconds");
    seconds.iter().map(|second| second["counts"][what].as_u64().expect("a count")).sum()
}

/// How many latencies there are of a metric.
fn latencies(result: &Value, metric: &str) -> u64 {
    let percentiles = result["total"]["percentiles"].as_array().expect("percentiles");
    let found = percentiles.iter().find(|percentiles| percentiles["metric"] == metric);
    found.map_or(0, |percentiles| percentiles["count"].as_u64().expect("a count"))
}

#[test]
fn each_consumer_gets_what_its_selector_is_for() {
    for shards in [1, 3] {
        for kind in ["--topics", "--queues"] {
            let dealt =
                [kind, "1", "--consumers", "200", "--links", "50", "--producers", "2", "--selector", "consumer = {}"];
            let result = load(shards, &dealt);
            assert_eq!((counted(&result, "sent"), counted(&result, "received")), (4000, 4000), "{kind}");
            assert!(counted(&result, "connected") <= 8, "50 links on a connection");
        }
        // One that is true for all of them is evaluated, and each subscription gets everything.
        let all = ["--topics", "1", "--consumers", "3", "--priorities", "0-9", "--selector", "JMSPriority >= 0"];
        assert_eq!(counted(&load(shards, &all), "received"), 12_000);
    }
}

#[test]
fn groups_and_priorities_keep_their_order() {
    for shards in [1, 3] {
        let groups = ["--consumers", "4", "--producers", "2", "--message-groups", "50", "--credit", "10"];
        assert_eq!(counted(&load(shards, &groups), "received"), 4000);
        let priorities = ["--priorities", "0-3,4x5,9", "--credit", "5", "--hold", "100us"];
        assert_eq!(counted(&load(shards, &priorities), "received"), 4000);
    }
}

#[test]
fn messages_that_fail_come_again_and_their_latencies_are_told_apart() {
    for shards in [1, 3] {
        for settle in ["unsettled", "second"] {
            let result = load(shards, &["--fail", "25%x3", "--consumers", "2", "--settle", settle]);
            let failed = counted(&result, "failed");
            assert!(failed.is_multiple_of(3) && (2400..3600).contains(&failed), "{failed}");
            assert_eq!(counted(&result, "received"), 4000);
            assert_eq!((latencies(&result, "again"), latencies(&result, "receive")), (failed / 3, 4000 - failed / 3));
        }
    }
}

#[test]
fn what_contradicts_itself_is_told_before_anything_is_connected() {
    for (options, told) in [
        (&["--fail", "5"][..], "write 5%, or 5%x3"),
        (&["--priorities", "11"], "write 0-9, or 4x8,9"),
        (&["--fail", "5%", "--settle", "presettled"], "what is sent settled cannot be given back"),
        (&["--message-groups", "5", "--topics", "1"], "message groups are for queues"),
    ] {
        let line: Vec<&str> = ["load", "run", "--no-files"].iter().chain(options).copied().collect();
        let output = run(&line);
        assert!(output.status.code() == Some(2) && text(&output).contains(told), "{options:?}: {}", text(&output));
    }
}
