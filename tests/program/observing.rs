//! What the HTTP listener tells.

use crate::broker::{Broker, wait_for};
use crate::peer::{Peer, connect};

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
