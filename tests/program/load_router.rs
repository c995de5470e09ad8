//! `heddle load` through one router and through two: a slow consumer holds up its own producer and nobody else; who has no credit is told why.
//!
//! The scenario is the one that `docs/load.md` shows; how long it takes and the rate of its quick group are those of a test.

use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::broker::{Broker, run, text, wait_for};
use crate::large::resident_mib;
use crate::peer::{Peer, connect};
use crate::router_network::places;

const SCENARIO: &str = "perf/scenarios/router/slow-consumer.toml";
/// Messages a second that the slow consumer takes at most: it holds each for 10 ms, and has credit for one.
const PACE: f64 = 100.0;
/// Unsettled deliveries of a link, by default: the credit that a sender has.
const CAPACITY: u64 = 250;
/// What a router may need for the credit of two senders, with room for what its threads and allocators keep. A producer that nobody held
/// up would have sent ten times as much.
const GROWTH_MIB: u64 = 48;

/// Routers that messages go through: producers are at the first, consumers at the last.
struct Way(Vec<Broker>);

impl Way {
    fn of(routers: usize, shards: u16) -> Self {
        let [at] = places();
        let listener = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
        let router = "[router]\nenabled = true\nhello_ms = 100\nadvertise_flux_ms = 400\n";
        let near = format!("[[listeners]]\naddress = \"{at}\"\nrole = \"inter-router\"\n");
        let far = format!(
            "[[connectors]]\nname = \"near\"\nrole = \"inter-router\"\nendpoints = [\"{at}\"]\nretry_min_ms = 100\nretry_max_ms = 200\n"
        );
        let started = [("near", near), ("far", far)].into_iter().take(routers).map(|(name, network)| {
            let config = format!("{listener}{network}{router}");
            Broker::start_named(TempDir::new().expect("a folder"), (shards, name), &config)
        });
        let way = Self(started.collect());
        let client = |broker: &Broker| {
            let mut peer = Peer::new(connect(broker.addresses[0]));
            peer.open();
            peer
        };
        // A sender has credit when its router knows of a receiver: the network is whole.
        let mut receiver = client(&way.0[way.0.len() - 1]);
        receiver.attach_receiver("whole", 1);
        client(&way.0[0]).attach_sender("whole");
        way
    }

    fn url(&self, router: usize) -> String {
        format!("amqp://{}", self.0[router].addresses[0])
    }

    /// Runs a load whose producers are at the first router and whose consumers are at the last, and reads its result.
    fn load(&self, line: &[&str]) -> (Output, Value) {
        let (near, far) = (self.url(0), self.url(self.0.len() - 1));
        let ends = ["--server", &near, "--consumers-at", &far];
        let output = run(&[&["load", "run"], line, &ends, &["--floor", "off", "--no-files", "--json"]].concat());
        let result = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
        (output, result)
    }
}

fn count(figures: &Value, name: &str) -> u64 {
    figures["counts"][name].as_u64().unwrap_or_else(|| panic!("{name} of {figures}"))
}

/// The median from due to received, microseconds.
fn median_us(figures: &Value) -> f64 {
    let mut percentiles = figures["percentiles"].as_array().expect("a list").iter();
    let received = percentiles.find(|percentiles| percentiles["metric"] == "receive").expect("messages came");
    received["p50"].as_f64().expect("a number")
}

#[test]
fn a_slow_consumer_slows_its_producer_and_nobody_else() {
    for (shards, routers) in [(1, 1), (1, 2), (3, 1), (3, 2)] {
        let way = Way::of(routers, shards);
        let resident = || way.0.iter().map(|router| resident_mib(router.process.id())).collect::<Vec<_>>();
        let before = resident();
        let (output, result) = way.load(&[
            SCENARIO,
            "--duration",
            "3s",
            "--warm-up",
            "2s",
            "--drain",
            "30s",
            "--group",
            "quick",
            "--rate",
            "500",
        ]);
        let told = format!("{routers} routers of {shards} shards: {}", text(&output));
        // On a machine that does other things as well the generator may be late, which makes it invalid, and nothing else.
        let is_valid = result["verdict"]["valid"] == true;
        assert_eq!(output.status.code(), Some(if is_valid { 0 } else { 4 }), "{told}");
        for fault in ["lost", "duplicates", "reordered", "corrupt", "foreign", "in_doubt"] {
            assert_eq!(result["audit"][fault], 0, "{fault}, {told}");
        }
        assert_eq!((&result["audit"]["not_checked"], count(&result["total"], "refused")), (&"".into(), 0), "{told}");
        let [quick, slow] = result["groups"].as_array().expect("groups").as_slice() else { panic!("{told}") };
        assert_eq!((&quick["name"], &slow["name"]), (&"quick".into(), &"slow".into()));

        // The slow one takes what its pace is, and its producer, which would send all the time, sends no more than that and its credit.
        let measured_s = result["measured_s"].as_f64().expect("a number");
        let (sent, received) = (count(slow, "sent"), count(slow, "received"));
        assert!(received > 0 && received as f64 <= measured_s * PACE + 1.0, "{received} in {measured_s} s, {told}");
        assert!(sent <= received + CAPACITY, "{sent} were sent, and {received} taken: {told}");
        // The quick one's was not held up: what was due was sent, but for what the end of the time cut off, and waited for nobody.
        let (due, sent) = (count(quick, "due"), count(quick, "sent"));
        assert!(due as f64 > 4.0 * measured_s * PACE && sent + CAPACITY >= due, "{sent} of {due}, {told}");
        assert!(median_us(quick) < median_us(slow) / 4.0, "it waits behind the other: {told}");
        // Nor do routers keep for the slow one more than its credit.
        for (before, after) in before.iter().zip(resident()) {
            assert!(after <= before + GROWTH_MIB, "{before} MiB became {after}: {told}");
        }
        for router in &way.0 {
            wait_for("nothing is under way any more", || (under_way(router) == 0).then_some(()));
        }
    }
}

fn under_way(router: &Broker) -> u64 {
    let state = router.state();
    let shards = state["shards"].as_array().expect("shards").iter();
    shards.map(|shard| shard["router"]["under_way"].as_u64().expect("a figure")).sum()
}

#[test]
fn the_routers_of_the_documents_can_be_started() {
    for name in ["one", "two"] {
        let output = run(&["config", "check", "--config", &format!("perf/routers/{name}.toml")]);
        assert!(output.status.success(), "{}", text(&output));
    }
}

#[test]
fn what_comes_back_is_told_by_its_outcome() {
    let way = Way::of(1, 1);
    let (output, result) = way.load(&["--count", "500", "--rate", "500", "--fail", "20%"]);
    let told = text(&output);
    let (refused, failed) = (count(&result["total"], "refused"), count(&result["total"], "failed"));
    // What a consumer gives back its producer hears of: a router keeps nothing that it could give to another.
    assert!(refused > 0 && refused == failed, "{told}");
    assert_eq!((count(&result["total"], "modified"), count(&result["total"], "rejected")), (refused, 0), "{told}");
    assert_eq!(count(&result["total"], "accepted") + refused, 500, "{told}");
    assert_eq!((&result["audit"]["lost"], &result["audit"]["not_checked"]), (&0.into(), &"".into()), "{told}");
    let remarks = result["verdict"]["remarks"].as_array().expect("a list");
    let remark = format!("{refused} messages refused by the server: {refused} modified (they failed");
    assert!(remarks.iter().any(|told| told.as_str().is_some_and(|told| told.starts_with(&remark))), "{told}");
}

#[test]
fn a_producer_that_no_router_gives_credit_is_told_why() {
    let way = Way::of(1, 1);
    let alone = Way::of(1, 1);
    let near = way.url(0);
    let far = alone.url(0);
    for (line, advice) in [
        (&["--arrivals", "closed", "--consumers", "0"][..], "this group has no consumers (--consumers)"),
        (&["--rate", "100", "--consumers", "0"], "this group has no consumers (--consumers)"),
        (&["--rate", "100", "--consumers-at", &far], "at one of its network (--consumers-at)"),
    ] {
        let rest = ["--server", &near, "--duration", "1s", "--warm-up", "0s", "--floor", "off", "--no-files"];
        let output = run(&[&["load", "run"], line, &rest].concat());
        let told = text(&output);
        assert_eq!(output.status.code(), Some(4), "{told}");
        assert!(told.contains("Not valid: nothing was sent, the server gave no credit"), "{told}");
        assert!(told.contains("Nothing was sent to load (group main)") && told.contains(advice), "{told}");
    }
}
