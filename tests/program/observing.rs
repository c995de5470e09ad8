//! What the HTTP listener tells.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::broker::{Broker, run, text, wait_for};
use crate::peer::{Durable, Peer, connect, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"";

#[test]
fn probes_and_unknown_paths() {
    let broker = Broker::start(LISTENER);
    assert!(broker.http("GET /livez").0.contains("200"));
    assert!(broker.http("GET /readyz").0.contains("200"));
    assert!(broker.http("GET /nothing").0.contains("404"));
    assert!(broker.http("POST /state").0.contains("405"), "it is read-only");
}

#[test]
fn state_and_metrics_tell_of_a_message() {
    let broker = Broker::start(LISTENER);
    let mut peer = Peer::new(connect(broker.addresses[0]));
    assert!(!peer.open().is_empty(), "the broker has a name");
    peer.round_trip("observed");
    let state = wait_for("the message in the state", || {
        let state = broker.state();
        let queue = state["queues"].as_array()?.iter().find(|queue| queue["name"] == "observed")?.clone();
        (queue["enqueued"] == 1).then_some((state, queue))
    });
    let (state, queue) = state;
    assert_eq!((&queue["messages"], &queue["acquired"]), (&1.into(), &1.into()), "delivered, not settled");
    assert_eq!(state["connections"][0]["container"], "test");
    assert_eq!(state["links"].as_array().map(Vec::len), Some(2));
    let owner = &state["links"][0]["owner"];
    assert_eq!(&state["connections"][0]["shard"], owner, "the connection lives with its queue");
    let metrics = broker.http("GET /metrics").1;
    assert!(
        metrics.lines().any(|line| line.starts_with("heddle_queue_enqueued_total{") && line.ends_with(" 1")),
        "{metrics}"
    );
}

#[test]
fn a_long_list_is_told_part_by_part() {
    let broker = Broker::start(LISTENER);
    let names: BTreeSet<String> = (0..25).map(|n| format!("part & {n}")).chain(["other".to_owned()]).collect();
    let attached = |name: &String| {
        let mut peer = opened(&broker);
        peer.attach_sender(name);
        peer
    };
    let _peers: Vec<_> = names.iter().map(attached).collect();
    wait_for("all queues", || (broker.state()["queues"].as_array()?.len() == names.len()).then_some(()));
    let name = |queue: &Value| queue["name"].as_str().expect("a name").to_owned();
    let (mut told, mut after) = (Vec::new(), String::new());
    loop {
        let (status, body) = broker.http(&format!("GET /state?queues=part%20%26&most=4{after}"));
        assert!(status.contains("200"), "{status} {body}");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        assert!(answer["shards"].is_null() && answer["links"].is_null(), "{answer}");
        let queues = answer["queues"].as_array().expect("queues");
        assert!(queues.len() <= 4);
        told.extend(queues.iter().map(name));
        let Some(next) = answer["next"]["queues"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(told.len(), 25, "each once: {told:?}");
    assert_eq!(
        told.into_iter().collect::<BTreeSet<_>>(),
        names.iter().filter(|name| *name != "other").cloned().collect()
    );
    let counted = |of: &str| -> u64 {
        broker.state()["shards"].as_array().into_iter().flatten().filter_map(|shard| shard[of].as_u64()).sum()
    };
    assert_eq!((counted("queue_count"), counted("link_count"), counted("connection_count")), (26, 26, 26));
    let links: Value = serde_json::from_str(&broker.http("GET /state?links=other").1).expect("JSON");
    assert_eq!(links["links"].as_array().map(Vec::len), Some(1), "{links}");
    let none: Value = serde_json::from_str(&broker.http("GET /state?connections=nobody").1).expect("JSON");
    assert_eq!(none["connections"].as_array().map(Vec::len), Some(0), "{none}");
    for wrong in ["/state?queue=a", "/state?queues&after=x", "/state?queues&most=10001", "/metrics?links=a"] {
        let (status, said) = broker.http(&format!("GET {wrong}"));
        assert!(status.contains("400") && said.len() > 10, "{wrong}: {status} {said}");
    }
    let http = broker.http.to_string();
    let listed = run(&["status", "--http", &http, "--queues", "part &"]);
    let listed = text(&listed);
    assert!(listed.lines().count() == 26 && !listed.contains("other"), "{listed}");
    assert_eq!(text(&run(&["status", "--http", &http, "--queues"])).lines().count(), 27);
}

#[test]
fn a_journal_has_segments_when_something_was_stored() {
    let broker = Broker::start_with(tempfile::TempDir::new().expect("a folder"), 1, LISTENER);
    let journal = || broker.state()["shards"][0]["journal"].clone();
    let told = journal();
    assert_eq!((&told["segments"], &told["journal_bytes"]), (&0.into(), &0.into()), "no file was made yet");
    let mut peer = opened(&broker);
    peer.attach_sender("stored");
    peer.send_message(0, Durable::Yes, b"x");
    assert_eq!(peer.outcome(), (0, 0, None));
    let told = journal();
    assert_eq!(told["segments"], 1, "{told}");
    assert_eq!(told["journal_bytes"].as_u64(), Some(64 << 20), "{told}");
}
