//! What is told of times: how long messages take from stage to stage, and when they left which queue.

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::broker::{Broker, run, text, wait_for};
use crate::peer::{Durable, opened};

const DEAD: &str =
    "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nmatch = \"orders.#\"\ndead_letter_address = \"dead\"\n";

fn start(shards: u16) -> Broker {
    Broker::start_with(TempDir::new().expect("a folder"), shards, DEAD)
}

/// What a command for queues prints.
fn queue(broker: &Broker, arguments: &[&str]) -> String {
    let url = format!("amqp://{}", broker.addresses[0]);
    let output = run(&[&["queue"], arguments, &["--url", &url]].concat());
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

#[test]
fn how_long_each_stage_took_is_told() {
    for shards in [1, 3] {
        let broker = start(shards);
        let mut peer = opened(&broker);
        peer.attach_sender("orders.slow");
        peer.send_accepted(Durable::Yes, [b"one".to_vec()]);
        let mut consumer = opened(&broker);
        consumer.attach_receiver("orders.slow", 1);
        consumer.receive();
        let told = wait_for("two stages", || {
            broker.queue("orders.slow").filter(|queue| queue["dispatch_latency"]["count"] == 1)
        });
        assert_eq!((&told["durable_latency"]["count"], &told["settle_latency"]), (&1.into(), &Json::Null));
        consumer.accept(0, 0);
        let told = wait_for("the third one", || {
            broker.queue("orders.slow").filter(|queue| queue["settle_latency"]["count"] == 1)
        });
        for stage in ["durable_latency", "dispatch_latency", "settle_latency"] {
            let [p50, p99, max] = ["p50_us", "p99_us", "max_us"].map(|key| told[stage][key].as_u64().expect("a time"));
            assert!(p50 == p99 && p99 == max && max < 60_000_000, "{stage}: of one message: {told}");
        }
        let metrics = broker.http("GET /metrics?queues=orders.").1;
        let line = |begin: &str| metrics.lines().find(|line| line.starts_with(begin) && line.contains("orders.slow"));
        for stage in ["durable", "dispatch", "settle"] {
            let count = line(&format!("heddle_queue_{stage}_seconds_count{{"));
            assert!(count.is_some_and(|line| line.ends_with(" 1")), "{stage}: {metrics}");
            assert!(line(&format!("heddle_queue_{stage}_seconds_bucket{{")).is_some(), "{stage}: {metrics}");
        }
        let table = queue(&broker, &["stat", "orders.slow", "--latencies"]);
        assert!(table.contains("orders.slow") && table.contains("p99"), "{table}");
        let row = table.lines().find(|line| line.starts_with("orders.slow")).expect("its row");
        assert!(!row.contains('–'), "each time is known: {table}");
    }
}

#[test]
fn the_whole_way_to_the_dead_letters_is_told() {
    for shards in [1, 3] {
        let broker = start(shards);
        let mut peer = opened(&broker);
        peer.attach_sender("orders.bad");
        peer.send_accepted(Durable::Yes, [b"bad".to_vec()]);
        for round in 0..2 {
            let mut consumer = opened(&broker);
            consumer.attach_receiver("orders.bad", 1);
            let (delivery, _) = consumer.receive();
            consumer.reject(delivery, delivery, &format!("no, for the {round}. time"));
            wait_for("it to be dead", || broker.queue("dead").filter(|queue| queue["messages"] == 1));
            consumer.close();
            if round == 0 {
                queue(&broker, &["retry", "dead", "--all"]);
                wait_for("it to be back", || broker.queue("orders.bad").filter(|queue| queue["messages"] == 1));
            }
        }
        let shown = queue(&broker, &["browse", "dead"]);
        let hops: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        assert_eq!(hops.len(), 3, "{shown}");
        for (hop, said) in hops.iter().zip([
            " orders.bad rejected: shop:closed: no, for the 0. time",
            " dead retried",
            " orders.bad rejected: shop:closed: no, for the 1. time",
        ]) {
            let (time, rest) = hop.split_at(24);
            assert!(time.starts_with("20") && time.ends_with('Z') && rest == said, "{shown}");
        }
        let json = queue(&broker, &["browse", "dead", "--json"]);
        let message: Json = serde_json::from_str(json.lines().next().expect("a message")).expect("JSON");
        assert_eq!(message["annotations"]["x-opt-MOVE-WAY"].as_str().map(|way| way.lines().count()), Some(3));
    }
}
