//! The read-only HTTP listener, on an ordinary thread: `/metrics`, `/state`, `/livez`, `/readyz`.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tiny_http::{Header, Method, Request, Response, Server};

use crate::snapshot::{Connection, Journal, Node, Queue, Shard, Snapshot, State};
use crate::space::Disk;

/// The listener at work.
pub struct Listening {
    server: Arc<Server>,
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Listening {
    /// The address that it is bound to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers what it is about to answer, and ends.
    pub fn stop(self) {
        self.server.unblock();
        // It does not panic, and nothing depends on it if it does.
        let _ = self.thread.join();
    }
}

/// Starts the listener.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(address: SocketAddr, node: Arc<Node>) -> io::Result<Listening> {
    let server = Server::http(address).map_err(|error| match error.downcast::<io::Error>() {
        Ok(error) => *error,
        Err(error) => io::Error::other(error.to_string()),
    })?;
    let address = server.server_addr().to_ip().unwrap_or(address);
    let server = Arc::new(server);
    let serving = Arc::clone(&server);
    let answer = move || {
        for request in serving.incoming_requests() {
            respond(request, &node);
        }
    };
    let thread = std::thread::Builder::new().name("http".to_owned()).spawn(answer)?;
    Ok(Listening { server, address, thread })
}

fn respond(request: Request, node: &Node) {
    let (path, query) = request.url().split_once('?').unwrap_or((request.url(), ""));
    let (status, kind, body) = match (request.method(), path) {
        (Method::Get | Method::Head, "/livez") => (200, "text/plain", "alive\n".to_owned()),
        (Method::Get | Method::Head, path @ ("/readyz" | "/state" | "/metrics")) => match (path, node.snapshot()) {
            (_, None) => (503, "text/plain", "a shard does not answer\n".to_owned()),
            ("/readyz", Some(snapshot)) => {
                let (status, text) = readiness(&snapshot, query);
                (status, "text/plain", text)
            }
            ("/metrics", Some(snapshot)) => (200, "text/plain; version=0.0.4", metrics(&snapshot)),
            (_, Some(snapshot)) => {
                (200, "application/json", serde_json::to_string_pretty(&snapshot).unwrap_or_default() + "\n")
            }
        },
        (Method::Get | Method::Head, _) => {
            (404, "text/plain", "there is /metrics, /state, /livez and /readyz\n".to_owned())
        }
        _ => (405, "text/plain", "this listener only answers GET\n".to_owned()),
    };
    let kind = Header::from_bytes("Content-Type", kind).expect("these are valid header fields");
    // A client that went away needs no answer.
    let _ = request.respond(Response::from_string(body).with_status_code(status).with_header(kind));
}

/// Whether the node serves. A full disk does not make it unready, as that would keep those away who make room, its consumers: `?durable`
/// asks whether durable messages are taken, too.
fn readiness(snapshot: &Snapshot, query: &str) -> (u16, String) {
    if snapshot.state != State::Ready {
        return (503, "stopping\n".to_owned());
    }
    let Some(disk) = snapshot.disk.as_ref().filter(|disk| disk.full) else { return (200, "ready\n".to_owned()) };
    let mib = |bytes: u64| bytes >> 20;
    let status = if query.split('&').any(|asked| asked == "durable") { 503 } else { 200 };
    let text = format!(
        "ready, but the disk is full and no durable messages are taken: {} has {} MiB free, storage.min_free_mib is {}\n",
        disk.path,
        mib(disk.free_bytes),
        mib(disk.min_free_bytes)
    );
    (status, text)
}

/// A metric: name, type, what it says, and its value of each thing that has one.
struct Metric<T: 'static>(&'static str, &'static str, &'static str, fn(&T) -> u64);

const SHARDS: [Metric<Shard>; 4] = [
    Metric("heddle_shard_turns_total", "counter", "Turns of a shard.", |s| s.turns),
    Metric("heddle_shard_memory_bytes", "gauge", "Size of queued messages with overhead.", |s| s.memory_bytes),
    Metric(
        "heddle_connections_refused_total",
        "counter",
        "Connections refused at limits.connections or for want of descriptors.",
        |s| s.refused_connections,
    ),
    Metric("heddle_connections_moved_total", "counter", "Connections sent to the shard of their first link.", |s| {
        s.moved_connections
    }),
];

const ACCEPTS: [Metric<Shard>; 1] = [Metric(
    "heddle_accept_failures_total",
    "counter",
    "Times that no connection could be accepted, for want of descriptors or memory.",
    |s| s.accept_failures,
)];

/// The node's own, without labels of their own but the node's name.
const NODE: [Metric<Snapshot>; 1] = [Metric(
    "heddle_connections_max",
    "gauge",
    "Connections that limits.connections and the limit on open files allow.",
    |n| n.connections_max,
)];

const JOURNALS: [Metric<Journal>; 11] = [
    Metric("heddle_journal_segments", "gauge", "Segments of a journal.", |j| j.segments),
    Metric("heddle_journal_bytes", "gauge", "Length of all segments.", |j| j.journal_bytes),
    Metric("heddle_journal_live_bytes", "gauge", "Size of the messages in them that are needed.", |j| j.live_bytes),
    Metric("heddle_journal_pending_bytes", "gauge", "Bytes that wait to be written.", |j| j.pending_bytes),
    Metric("heddle_journal_written_bytes_total", "counter", "Bytes written.", |j| j.written_bytes),
    Metric("heddle_journal_read_bytes_total", "counter", "Bytes read back.", |j| j.read_bytes),
    Metric("heddle_journal_syncs_total", "counter", "Batches written and synced.", |j| j.syncs),
    Metric("heddle_journal_rewritten_total", "counter", "Messages written again to make room.", |j| j.rewritten),
    Metric("heddle_journal_recalled_total", "counter", "Messages read again that came back from consumers.", |j| {
        j.recalled
    }),
    Metric("heddle_journal_disk_full", "gauge", "Whether the disk is full: 1, or 0.", |j| u64::from(j.full)),
    Metric("heddle_journal_disk_full_total", "counter", "Times that the disk became full.", |j| j.full_times),
];

const DISKS: [Metric<Disk>; 4] = [
    Metric("heddle_disk_free_bytes", "gauge", "Free bytes of the file system of node.data_dir.", |d| d.free_bytes),
    Metric("heddle_disk_total_bytes", "gauge", "All its bytes.", |d| d.total_bytes),
    Metric("heddle_disk_min_free_bytes", "gauge", "Bytes that stay free: storage.min_free_mib.", |d| d.min_free_bytes),
    Metric("heddle_disk_full", "gauge", "Whether a shard takes no durable messages for want of room: 1, or 0.", |d| {
        u64::from(d.full)
    }),
];

const LANES: [Metric<crate::snapshot::Lane>; 4] = [
    Metric("heddle_lane_depth", "gauge", "Messages in a lane.", |l| l.depth as u64),
    Metric("heddle_lane_waiting", "gauge", "Messages waiting for room in a lane.", |l| l.waiting as u64),
    Metric("heddle_lane_sent_total", "counter", "Messages sent through a lane.", |l| l.sent),
    Metric("heddle_lane_overflowed_total", "counter", "Messages that found a lane full.", |l| l.overflowed),
];

const QUEUES: [Metric<Queue>; 9] = [
    Metric("heddle_queue_messages", "gauge", "Messages in a queue, held ones too.", |q| q.messages),
    Metric("heddle_queue_bytes", "gauge", "Their size with overhead.", |q| q.bytes),
    Metric("heddle_queue_acquired", "gauge", "Messages that consumers hold.", |q| q.acquired),
    Metric("heddle_queue_producers", "gauge", "Links that send to the queue's address.", |q| q.producers),
    Metric("heddle_queue_consumers", "gauge", "Links that receive from the queue.", |q| q.consumers),
    Metric("heddle_queue_enqueued_total", "counter", "Messages put into a queue.", |q| q.enqueued),
    Metric("heddle_queue_acknowledged_total", "counter", "Messages accepted by consumers.", |q| q.acknowledged),
    Metric("heddle_queue_expired_total", "counter", "Messages that outlived their time to live.", |q| q.expired),
    Metric("heddle_queue_rejected_total", "counter", "Messages rejected by consumers.", |q| q.rejected),
];

const CONNECTIONS: [Metric<Connection>; 5] = [
    Metric("heddle_connection_messages_in_total", "counter", "Messages from a connection.", |c| c.messages_in),
    Metric("heddle_connection_messages_out_total", "counter", "Messages to a connection.", |c| c.messages_out),
    Metric("heddle_connection_bytes_in_total", "counter", "Bytes from a connection.", |c| c.bytes_in),
    Metric("heddle_connection_bytes_out_total", "counter", "Bytes to a connection.", |c| c.bytes_out),
    Metric("heddle_connection_waiting_bytes", "gauge", "Bytes that a connection has not read.", |c| c.waiting as u64),
];

fn metrics(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    let shard = |s: &Shard| format!("shard=\"{}\",core=\"{}\"", s.shard, s.core);
    write_metrics(&mut text, &SHARDS, &snapshot.shards.iter().map(|s| (shard(s), s)).collect::<Vec<_>>());
    write_storage(&mut text, snapshot);
    let lanes = snapshot.shards.iter().flat_map(|shard| {
        shard.lanes.iter().map(|lane| (format!("from=\"{}\",to=\"{}\"", shard.shard, lane.peer), lane))
    });
    write_metrics(&mut text, &LANES, &lanes.collect::<Vec<_>>());
    let queue =
        |q: &Queue| format!("shard=\"{}\",address=\"{}\",queue=\"{}\"", q.shard, escape(&q.address), escape(&q.name));
    write_metrics(&mut text, &QUEUES, &snapshot.queues.iter().map(|q| (queue(q), q)).collect::<Vec<_>>());
    let connection =
        |c: &Connection| format!("shard=\"{}\",peer=\"{}\",container=\"{}\"", c.shard, c.peer, escape(&c.container));
    let connections = snapshot.connections.iter().map(|c| (connection(c), c));
    write_metrics(&mut text, &CONNECTIONS, &connections.collect::<Vec<_>>());
    text
}

/// What becomes short: descriptors and disk.
fn write_storage(text: &mut String, snapshot: &Snapshot) {
    let shard = |s: &Shard| format!("shard=\"{}\",core=\"{}\"", s.shard, s.core);
    write_metrics(text, &ACCEPTS, &snapshot.shards.iter().map(|s| (shard(s), s)).collect::<Vec<_>>());
    write_metrics(text, &NODE, &[(format!("container=\"{}\"", escape(&snapshot.container_id)), snapshot)]);
    let journals = snapshot.shards.iter().filter_map(|s| Some((shard(s), s.journal.as_ref()?)));
    write_metrics(text, &JOURNALS, &journals.collect::<Vec<_>>());
    let disk = |d: &Disk| format!("path=\"{}\"", escape(&d.path));
    write_metrics(text, &DISKS, &snapshot.disk.iter().map(|d| (disk(d), d)).collect::<Vec<_>>());
}

fn write_metrics<T>(text: &mut String, metrics: &[Metric<T>], things: &[(String, &T)]) {
    for Metric(name, kind, help, value) in metrics {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, thing) in things {
            let _ = writeln!(text, "{name}{{{labels}}} {}", value(thing));
        }
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
