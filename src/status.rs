//! `heddle status`: what a person wants to see of a running broker, in the columns that the terminal has.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use load_model::number::{UNKNOWN, count, counted, octets, seconds};
use load_model::shown;

use crate::http::Source;
use crate::snapshot::{Connection, Journal, Link, Queue, Shard, Snapshot};
use crate::table::{Kind, Table};

/// Rows of each table; beyond them a line says how many more there are.
const ROWS_MAX: usize = 20;

/// Prints the state of the broker at `http`, once or every second.
///
/// # Errors
/// When it does not answer.
pub fn show(http: &Source, watch: bool) -> io::Result<()> {
    let mut before = None;
    loop {
        let snapshot = fetch(http)?;
        let mut out = io::stdout().lock();
        if watch {
            // Home, then clear to the end: less flicker than clearing first.
            write!(out, "\x1b[H\x1b[J")?;
        }
        out.write_all(render(&snapshot, before.as_ref(), columns()).as_bytes())?;
        out.flush()?;
        if !watch {
            return Ok(());
        }
        before = Some(snapshot);
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn fetch(http: &Source) -> io::Result<Snapshot> {
    let body = http.get("/state")?;
    serde_json::from_str(&body).map_err(|error| io::Error::other(format!("{http} is no Heddle broker: {error}")))
}

/// Columns of the terminal: what `COLUMNS` says, or the terminal itself; as many as it takes where there is none.
fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let of_terminal = || {
        let size = io::stdout().is_terminal().then(|| rustix::termios::tcgetwinsize(io::stdout()))?.ok()?;
        Some(size.ws_col.into())
    };
    told.or_else(of_terminal).filter(|&columns| columns > 0).unwrap_or(usize::MAX)
}

fn render(now: &Snapshot, before: Option<&Snapshot>, columns: usize) -> String {
    let title = format!(
        "{} · heddle {} · up {} · {}, {}, {}",
        shown::name(&now.container_id).at_most(30),
        shown::name(&now.version),
        seconds((now.uptime_ms / 1000) as f64),
        counted(now.connections.len() as u64, "connection"),
        counted(now.links.len() as u64, "link"),
        counted(now.queues.len() as u64, "queue"),
    );
    let title = shown::sentence(&title).at_most(columns).to_string();
    let mut queues: Vec<_> = now.queues.iter().collect();
    queues.sort_by_key(|queue| std::cmp::Reverse((queue.enqueued, queue.messages)));
    let old = |queue: &Queue| {
        before.and_then(|before| {
            before.queues.iter().find(|old| (&old.address, &old.name) == (&queue.address, &queue.name))
        })
    };
    let queues = part(queues.iter(), QUEUES, columns, |queue| queue_row(queue, old(queue)));
    let journals: Vec<_> = now.shards.iter().filter_map(|shard| Some((shard, shard.journal.as_ref()?))).collect();
    let parts = [
        part(now.shards.iter(), SHARDS, columns, |shard| shard_row(shard, now)),
        part(journals.into_iter(), JOURNALS, columns, journal_row),
        disk_line(now, columns),
        queues,
        part(now.connections.iter(), CONNECTIONS, columns, connection_row),
        part(now.links.iter(), LINKS, columns, link_row),
    ];
    std::iter::once(title + "\n").chain(parts).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A table of the first of some things, and how many more there are; nothing if there are none.
fn part<T, const COLUMNS: usize>(
    things: impl ExactSizeIterator<Item = T>,
    head: [(&'static str, Kind); COLUMNS],
    columns: usize,
    row: impl Fn(T) -> [String; COLUMNS],
) -> String {
    let all = things.len();
    if all == 0 {
        return String::new();
    }
    let mut text = Table { head, rows: things.take(ROWS_MAX).map(row).collect() }.render(columns);
    if all > ROWS_MAX {
        text += &format!("… and {} more\n", count(all as u64 - ROWS_MAX as u64));
    }
    text
}

const SHARDS: [(&str, Kind); 6] = [
    ("shard", Kind::Figure),
    ("core", Kind::Figure),
    ("connections", Kind::Figure),
    ("queues", Kind::Figure),
    ("memory", Kind::Figure),
    ("in lanes", Kind::Figure),
];

fn shard_row(shard: &Shard, now: &Snapshot) -> [String; 6] {
    let queues = now.queues.iter().filter(|queue| queue.shard == shard.shard).count();
    let connections = now.connections.iter().filter(|connection| connection.shard == shard.shard).count();
    let waiting: usize = shard.lanes.iter().map(|lane| lane.depth + lane.waiting).sum();
    [
        shard.shard.to_string(),
        shard.core.to_string(),
        count(connections as u64),
        count(queues as u64),
        octets(shard.memory_bytes),
        count(waiting as u64),
    ]
}

const JOURNALS: [(&str, Kind); 7] = [
    ("journal", Kind::Figure),
    ("segments", Kind::Figure),
    ("length", Kind::Figure),
    ("needed", Kind::Figure),
    ("waiting", Kind::Figure),
    ("disk", Kind::Word),
    ("times full", Kind::Figure),
];

fn journal_row((shard, journal): (&Shard, &Journal)) -> [String; 7] {
    [
        shard.shard.to_string(),
        count(journal.segments),
        octets(journal.journal_bytes),
        octets(journal.live_bytes),
        octets(journal.pending_bytes),
        if journal.full { "full" } else { "has room" }.to_owned(),
        count(journal.full_times),
    ]
}

/// What of the disk is free; nothing without one.
fn disk_line(now: &Snapshot, columns: usize) -> String {
    let Some(disk) = &now.disk else { return String::new() };
    let full = if disk.full { "the disk is full, no durable messages are taken: " } else { "" };
    let (free, all, kept) = (octets(disk.free_bytes), octets(disk.total_bytes), octets(disk.min_free_bytes));
    let line = format!("disk: {full}{free} of {all} free, {kept} are to stay free, at {}", disk.path);
    format!("{}\n", shown::sentence(&line).at_most(columns))
}

const QUEUES: [(&str, Kind); 9] = [
    ("queue", Kind::Name),
    ("routing", Kind::Word),
    ("messages", Kind::Figure),
    ("size", Kind::Figure),
    ("held", Kind::Figure),
    ("producers", Kind::Figure),
    ("consumers", Kind::Figure),
    ("in/s", Kind::Figure),
    ("out/s", Kind::Figure),
];

/// Rates are what came since the last look, a second ago.
fn queue_row(queue: &Queue, old: Option<&Queue>) -> [String; 9] {
    let rate = |total: fn(&Queue) -> u64| {
        old.map_or_else(|| UNKNOWN.to_owned(), |old| count(total(queue).saturating_sub(total(old))))
    };
    [
        queue.name.clone(),
        queue.routing.clone(),
        count(queue.messages),
        octets(queue.bytes),
        count(queue.acquired),
        count(queue.producers),
        count(queue.consumers),
        rate(|queue| queue.enqueued),
        rate(|queue| queue.acknowledged),
    ]
}

const CONNECTIONS: [(&str, Kind); 8] = [
    ("connection", Kind::Name),
    ("container", Kind::Name),
    ("user", Kind::Name),
    ("shard", Kind::Figure),
    ("links", Kind::Figure),
    ("in", Kind::Figure),
    ("out", Kind::Figure),
    ("unread", Kind::Figure),
];

fn connection_row(connection: &Connection) -> [String; 8] {
    [
        connection.peer.clone(),
        connection.container.clone(),
        connection.user.clone(),
        connection.shard.to_string(),
        count(connection.links as u64),
        count(connection.messages_in),
        count(connection.messages_out),
        octets(connection.waiting as u64),
    ]
}

const LINKS: [(&str, Kind); 5] = [
    ("link", Kind::Word),
    ("address", Kind::Name),
    ("home", Kind::Figure),
    ("owner", Kind::Figure),
    ("credit", Kind::Figure),
];

fn link_row(link: &Link) -> [String; 5] {
    let credit = link.credit.map_or_else(|| UNKNOWN.to_owned(), |credit| count(credit.into()));
    [link.kind.clone(), link.address.clone(), link.shard.to_string(), link.owner.to_string(), credit]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_end() {
        let text = part(0..25, [("a", Kind::Figure)], 80, |n: i32| [n.to_string()]);
        assert!(text.starts_with(" a\n 0\n 1\n") && text.ends_with("19\n… and 5 more\n"), "{text}");
        assert_eq!(part(0..0, [("a", Kind::Figure)], 80, |n: i32| [n.to_string()]), "");
    }
}
