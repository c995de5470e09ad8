//! What the listener tells of a node that is always the same, octet by octet: `/metrics`, `/state`, and what `status` makes of it.

use engine_core::command::RoutingType;
use engine_core::{DuplicateTotals, Latencies, QueueView, Room, Totals};
use engine_figures::Spread;
use engine_home::{Passage, TransactionTotals};
use engine_router::settlement;
use engine_routing::RouterTotals;
use engine_shard::LaneView;
use engine_shard::store::{DiskTotals, StoreTotals};
use node_shell::{ConnectionView, ConnectorView, LinkView, RefusedLogins, ShardCounts, ShardView};

use super::Process;
use super::metrics::{Metrics, Top};
use super::state::State;
use crate::node::{Health, List, NodeView, Row, ShardOn};
use crate::space::Disk;
use crate::status;

fn shard(index: u16) -> ShardOn {
    let n = u64::from(index);
    let journal = StoreTotals {
        batches: 300 + n,
        written_bytes: 7_340_032,
        body_bytes: 1_048_576,
        read_bytes: 4096,
        rewritten: 12,
        recalled: 3,
        checkpoints: 2,
        journal_bytes: 134_217_728,
        live_bytes: 524_288,
        pending_bytes: 65_536,
        written: 4_711,
        durable: 4_700,
        segments: 2,
        disk: DiskTotals { ready_bytes: 100_663_296, full: true, full_times: 1 },
    };
    let deliveries = settlement::Totals {
        accepted: 1001,
        rejected: 2,
        released: 3,
        modified: 4,
        aborted: 12,
        dropped: 5,
        dropped_late: 6,
        refused: 11,
    };
    let router = RouterTotals { senders: 7, receivers: 8, under_way: 9, octets: 10_000, deliveries };
    let view = ShardView {
        shard: index,
        turns: 1000 + n,
        refused_connections: 4,
        accept_failures: 5,
        logins: RefusedLogins::default(),
        moved_connections: 6,
        memory_bytes: 1_234_567,
        room: Room::Little,
        // One shard has none, so that what is absent is seen.
        journal: (index == 0).then_some(journal),
        router: (index == 1).then_some(router),
        passage: Passage::default(),
        counts: ShardCounts {
            connections: 1,
            links: 1,
            queues: 1500,
            ended_queues: 2,
            forwards_dropped: 1,
            transactions: TransactionTotals { open: 3, bytes: 4096, committing: 1, failed: 2 },
            duplicates: DuplicateTotals { ids: 5, bytes: 700, dropped: 4 },
        },
        catalogue_version: 3,
        lanes: vec![LaneView { peer: 1 - index, depth: 7, waiting: 8, sent: 9, overflowed: 10 }],
        connectors: vec![connector(index)],
    };
    ShardOn { core: usize::from(index) + 2, view }
}

/// A connector that is open, or one that is not.
fn connector(index: u16) -> ConnectorView {
    let is_open = index == 0;
    ConnectorView {
        name: if is_open { "headquarters" } else { "branch-2" }.to_owned(),
        state: if is_open { "open" } else { "waiting" },
        endpoint: format!("broker-{index}.example.org:5671"),
        container: is_open.then(|| "node-b".to_owned()),
        error: (!is_open).then(|| "192.0.2.7:5671: Connection refused (os error 111)".to_owned()),
        since_ms: 12_345,
        attempts: 7 + u64::from(index),
        opens: 3,
    }
}

fn node() -> NodeView {
    NodeView {
        container_id: "node-a".to_owned(),
        uptime_ms: 93_500,
        health: Health::DiskFull,
        connections_max: 19_908,
        disk: Some(Disk {
            path: "/var/lib/heddle \"x\"".to_owned(),
            free_bytes: 1 << 29,
            total_bytes: 1 << 38,
            min_free_bytes: 1 << 30,
            full: true,
        }),
        process: Process {
            cpu_seconds: 1.25,
            resident_bytes: 25_165_824,
            virtual_bytes: 1_073_741_824,
            open_descriptors: 40,
            descriptors_max: 20_000,
            threads: 28,
            started_seconds: 1_790_000_000.5,
        },
        logins: RefusedLogins::default(),
        shards: vec![shard(0), shard(1)],
    }
}

fn queue(name: &str, routing: RoutingType, messages: u64) -> Row<QueueView> {
    let totals = Totals {
        enqueued: messages + 100,
        acknowledged: 90,
        expired: 6,
        rejected: 4,
        exhausted: 1,
        forwarded: 3,
        turned_back: 2,
        dropped: 1,
        slow: 2,
    };
    let spread = Spread {
        count: 90,
        sum_ns: 250_000_000,
        p50_ns: 1_500_000,
        p99_ns: 12_000_000,
        max_ns: 40_000_000,
        within: [0, 0, 1, 40, 60, 80, 90, 90, 90, 90, 90, 90],
    };
    // Nothing of a queue that had no durable messages.
    let latencies = Latencies { durable: None, dispatch: Some(spread), settle: Some(spread) };
    let view = QueueView {
        address: name.split("::").next().unwrap_or_default().to_owned(),
        name: name.to_owned(),
        routing,
        messages,
        bytes: messages * 400,
        paged: 1,
        acquired: 2,
        forwarding: 1,
        delayed: 0,
        groups: 3,
        paused: false,
        producers: 3,
        consumers: 4,
        totals,
        latencies,
    };
    Row { shard: 0, view }
}

fn queues() -> Vec<Row<QueueView>> {
    vec![
        queue("orders", RoutingType::Anycast, 1_234_567),
        queue("a \"quoted\\ name\nof two lines", RoutingType::Anycast, 0),
        queue("quotes::subscription.of.somebody.with.a.name.that.is.longer.than.a.line", RoutingType::Multicast, 10),
    ]
}

fn connection() -> Row<ConnectionView> {
    let view = ConnectionView {
        peer: "192.0.2.1:54321".to_owned(),
        container: "client \u{1b}[31m".to_owned(),
        user: "guest".to_owned(),
        open: true,
        links: 2,
        messages_in: 1000,
        messages_out: 2000,
        bytes_in: 100_000,
        bytes_out: 200_000,
        waiting: 2048,
    };
    Row { shard: 1, view }
}

fn state() -> State {
    let link = |kind, credit| LinkView { kind, address: "orders".to_owned(), owner: Some(0), credit };
    let links = [link("producer", None), link("consumer", Some(50))].map(|view| Row { shard: 1, view });
    State {
        node: Some(node()),
        connections: Some(List { rows: vec![connection()], next: None }),
        links: Some(List { rows: links.into(), next: None }),
        queues: Some(List { rows: queues(), next: "0.4000".parse().ok() }),
    }
}

/// Compares with the file; with `HEDDLE_GOLDEN` set it is written anew, to be looked at.
fn compare(name: &str, text: &str) {
    let path = format!("{}/src/http/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("HEDDLE_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("the file can be written");
    }
    let kept = std::fs::read_to_string(&path).expect("the file is there");
    assert!(kept == text, "{name} is another now; HEDDLE_GOLDEN=1 writes it:\n{text}");
}

#[test]
fn metrics_are_those_of_the_file() {
    let rank = |queue: &QueueView| (queue.messages, 0);
    let mut metrics = Metrics { node: node(), queues: Top::new(2, rank), connections: Top::new(1, |_| (0, 0)) };
    queues().into_iter().for_each(|row| metrics.queues.add(row));
    metrics.connections.add(connection());
    compare("metrics.txt", &metrics.into_text());
}

#[test]
fn the_state_is_that_of_the_file() {
    compare("state.json", &state().to_json());
    let part = State { queues: Some(List { rows: Vec::new(), next: None }), ..State::default() };
    assert_eq!(part.to_json(), "{\n  \"queues\": [],\n  \"next\": {}\n}\n");
}

#[test]
fn what_status_prints_is_that_of_the_file() {
    let text = status::of_text(&state().to_json(), 80);
    compare("status.txt", &text);
    for columns in [40, 80, 200] {
        let text = status::of_text(&state().to_json(), columns);
        for line in text.lines() {
            assert!(load_model::shown::columns(line) <= columns, "{columns}: {line}");
            assert!(!line.contains(char::is_control), "{line}");
        }
    }
}
