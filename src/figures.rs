//! Tables of the figures that the program itself has: of the node, its process, its disk, refused logins, and what is left out of metrics.
//! Those of shards, queues, connections, links, lanes and journals are beside their owners.

use engine_figures::{Figure, Figures, Label, Unit, Value};

use crate::http::Process;
use crate::node::{Health, NodeView};
use crate::space::Disk;

/// Heddle's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Logins that were refused for one reason.
pub struct RefusedLogin {
    /// Of SASL, by its registered name.
    pub mechanism: &'static str,
    /// A word for it, the same in metrics and logs.
    pub reason: &'static str,
    /// Since the start.
    pub count: u64,
}

/// Things of one kind that have no series in this answer.
pub struct LeftOut {
    /// The kind.
    pub of: &'static str,
    /// Beyond those that there was room for.
    pub count: u64,
}

type NodeLabel = Label<NodeView>;
type NodeFigure = Figure<NodeView>;
type ProcessFigure = Figure<Process>;
type DiskLabel = Label<Disk>;
type DiskFigure = Figure<Disk>;
type LoginLabel = Label<RefusedLogin>;
type LoginFigure = Figure<RefusedLogin>;
type LeftOutLabel = Label<LeftOut>;
type LeftOutFigure = Figure<LeftOut>;

/// What is told of the node.
pub const NODE: Figures<NodeView> = Figures {
    thing: "node",
    labels: &[
        NodeLabel::new("version", |_| Value::Text(VERSION)).unlabelled(),
        NodeLabel::new("container_id", |node| Value::Text(&node.container_id)).unlabelled(),
        NodeLabel::new("state", |node| {
            Value::Text(match node.health {
                Health::Ready | Health::DiskFull => "ready",
                Health::Starting => "starting",
                Health::Stopping => "stopping",
                Health::Hung { .. } => "hung",
            })
        })
        .unlabelled(),
    ],
    figures: &[
        NodeFigure::gauge("uptime_ms", "Time since the node's start.", Unit::Milliseconds, |node| {
            Value::Count(node.uptime_ms)
        })
        .metric("heddle_uptime_seconds")
        .artemis("uptimeMillis"),
        NodeFigure::gauge(
            "connections_max",
            "Connections that limits.connections and the limit on open files allow.",
            Unit::Count,
            |node| Value::Count(node.connections_max),
        )
        .metric("heddle_connections_max"),
    ],
};

/// What was built: for metrics, which have text in labels only.
pub const BUILD: Figures<NodeView> = Figures {
    thing: "build",
    labels: &[NodeLabel::new("version", |_| Value::Text(VERSION))],
    figures: &[NodeFigure::gauge("info", "1, with what was built as labels.", Unit::Count, |_| Value::Count(1))
        .metric("heddle_build_info")],
};

/// What the system says of the process: metrics have the names of Prometheus' own clients, so that their dashboards and alerts fit.
pub const PROCESS: Figures<Process> = Figures {
    thing: "process",
    labels: &[],
    figures: &[
        ProcessFigure::counter("cpu_seconds", "Time on cores, of user and system.", Unit::Seconds, |process| {
            Value::Number(process.cpu_seconds)
        })
        .metric("process_cpu_seconds_total"),
        ProcessFigure::gauge("resident_bytes", "Memory that is resident.", Unit::Bytes, |process| {
            Value::Count(process.resident_bytes)
        })
        .metric("process_resident_memory_bytes"),
        ProcessFigure::gauge("virtual_bytes", "Memory that is mapped.", Unit::Bytes, |process| {
            Value::Count(process.virtual_bytes)
        })
        .metric("process_virtual_memory_bytes"),
        ProcessFigure::gauge("open_descriptors", "Descriptors that are open.", Unit::Count, |process| {
            Value::Count(process.open_descriptors)
        })
        .metric("process_open_fds"),
        ProcessFigure::gauge("descriptors_max", "Descriptors that may be open.", Unit::Count, |process| {
            Value::Count(process.descriptors_max)
        })
        .metric("process_max_fds"),
        ProcessFigure::gauge("threads", "Threads of the process.", Unit::Count, |process| {
            Value::Count(process.threads)
        })
        .metric("process_threads"),
        ProcessFigure::gauge(
            "started_seconds",
            "Start of the process, seconds since 1970.",
            Unit::Seconds,
            |process| Value::Number(process.started_seconds),
        )
        .metric("process_start_time_seconds"),
    ],
};

/// What is told of the file system of the data.
pub const DISK: Figures<Disk> = Figures {
    thing: "disk",
    labels: &[DiskLabel::new("path", |disk| Value::Text(&disk.path))],
    figures: &[
        DiskFigure::gauge("free_bytes", "Free octets of the file system of node.data_dir.", Unit::Bytes, |disk| {
            Value::Count(disk.free_bytes)
        })
        .metric("heddle_disk_free_bytes"),
        DiskFigure::gauge("total_bytes", "Octets of the file system of node.data_dir.", Unit::Bytes, |disk| {
            Value::Count(disk.total_bytes)
        })
        .metric("heddle_disk_total_bytes"),
        DiskFigure::gauge("min_free_bytes", "Octets that stay free: storage.min_free_mib.", Unit::Bytes, |disk| {
            Value::Count(disk.min_free_bytes)
        })
        .metric("heddle_disk_min_free_bytes"),
        DiskFigure::gauge("full", "Whether a shard takes no durable messages for want of room.", Unit::Flag, |disk| {
            Value::Flag(disk.full)
        })
        .metric("heddle_disk_full"),
    ],
};

/// What is told of refused logins.
pub const LOGINS: Figures<RefusedLogin> = Figures {
    thing: "login",
    labels: &[
        LoginLabel::new("mechanism", |login| Value::Text(login.mechanism)),
        LoginLabel::new("reason", |login| Value::Text(login.reason)),
    ],
    figures: &[LoginFigure::counter("count", "Logins that were refused.", Unit::Count, |login| {
        Value::Count(login.count)
    })
    .metric("heddle_logins_refused_total")],
};

/// What is told of things that have no series.
pub const LEFT_OUT: Figures<LeftOut> = Figures {
    thing: "series",
    labels: &[LeftOutLabel::new("of", |left| Value::Text(left.of))],
    figures: &[LeftOutFigure::gauge(
        "left_out",
        "Things that have no series in this answer, as there are more than it has room for.",
        Unit::Count,
        |left| Value::Count(left.count),
    )
    .metric("heddle_series_left_out")],
};

/// The refused logins of a node, by mechanism and reason.
pub fn refused_logins(node: &NodeView) -> Vec<RefusedLogin> {
    node.logins.iter().map(|(mechanism, reason, count)| RefusedLogin { mechanism, reason, count }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_program_keep_the_rules() {
        NODE.check();
        BUILD.check();
        PROCESS.check();
        DISK.check();
        LOGINS.check();
        LEFT_OUT.check();
    }
}
