//! Metrics in Prometheus' text format, version 0.0.4: each declared once, with its type and what it says; units are in names.

use std::fmt::Write as _;

use super::process::Process;
use crate::snapshot::{Connection, Journal, Lane, Queue, RefusedLogins, Shard, Snapshot};
use crate::space::Disk;

/// A metric: name, type, what it says, and its value of each thing that has one.
struct Metric<T: 'static, V: 'static = u64>(&'static str, &'static str, &'static str, fn(&T) -> V);

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

const LIMITS: [Metric<Snapshot>; 1] = [Metric(
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

const LANES: [Metric<Lane>; 4] = [
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

/// Metrics of the process: names and meanings are those of Prometheus' own clients, so that their dashboards and alerts fit.
const PROCESS: [Metric<Process, f64>; 7] = [
    Metric("process_cpu_seconds_total", "counter", "Time on cores, of user and system, seconds.", |p| p.cpu_seconds),
    Metric("process_resident_memory_bytes", "gauge", "Memory that is resident.", |p| p.resident_bytes as f64),
    Metric("process_virtual_memory_bytes", "gauge", "Memory that is mapped.", |p| p.virtual_bytes as f64),
    Metric("process_open_fds", "gauge", "Descriptors that are open.", |p| p.open_descriptors as f64),
    Metric("process_max_fds", "gauge", "Descriptors that may be open.", |p| p.descriptors_max as f64),
    Metric("process_threads", "gauge", "Threads.", |p| p.threads as f64),
    Metric("process_start_time_seconds", "gauge", "Start of the process, seconds since 1970.", |p| p.started_seconds),
];

const UPTIME: [Metric<Snapshot, f64>; 1] =
    [Metric("heddle_uptime_seconds", "gauge", "Time since the node's start.", |s| s.uptime_ms as f64 / 1000.0)];

const BUILD: [Metric<Snapshot>; 1] = [Metric("heddle_build_info", "gauge", "1, with what was built as labels.", |_| 1)];

const LOGINS: [Metric<RefusedLogins>; 1] =
    [Metric("heddle_logins_refused_total", "counter", "Logins that were refused.", |r| r.count)];

/// All metrics of a node.
pub fn metrics(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    write_metrics(&mut text, &PROCESS, &[(String::new(), &snapshot.process)]);
    write_metrics(&mut text, &UPTIME, &[(String::new(), snapshot)]);
    write_metrics(&mut text, &BUILD, &[(format!("version=\"{}\"", escape(&snapshot.version)), snapshot)]);
    let login = |r: &RefusedLogins| format!("mechanism=\"{}\",reason=\"{}\"", escape(&r.mechanism), escape(&r.reason));
    write_metrics(&mut text, &LOGINS, &snapshot.logins_refused.iter().map(|r| (login(r), r)).collect::<Vec<_>>());
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
    write_metrics(text, &LIMITS, &[(String::new(), snapshot)]);
    let journals = snapshot.shards.iter().filter_map(|s| Some((shard(s), s.journal.as_ref()?)));
    write_metrics(text, &JOURNALS, &journals.collect::<Vec<_>>());
    let disk = |d: &Disk| format!("path=\"{}\"", escape(&d.path));
    write_metrics(text, &DISKS, &snapshot.disk.iter().map(|d| (disk(d), d)).collect::<Vec<_>>());
}

fn write_metrics<T, V: std::fmt::Display>(text: &mut String, metrics: &[Metric<T, V>], things: &[(String, &T)]) {
    for Metric(name, kind, help, value) in metrics {
        // Writing to a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, thing) in things {
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            let _ = writeln!(text, "{name}{labels} {}", value(thing));
        }
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
