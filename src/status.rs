//! `heddle status`: what a person wants to see of a running broker.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::snapshot::Snapshot;

/// Rows of each table; beyond them a line says how many more there are.
const ROWS_MAX: usize = 20;

/// Prints the state of the broker at `http`, once or every second.
///
/// # Errors
/// When it does not answer.
pub fn show(http: SocketAddr, watch: bool) -> io::Result<()> {
    let mut before = None;
    loop {
        let snapshot = fetch(http)?;
        let mut out = io::stdout().lock();
        if watch {
            // Home, then clear to the end: less flicker than clearing first.
            write!(out, "\x1b[H\x1b[J")?;
        }
        out.write_all(render(&snapshot, before.as_ref()).as_bytes())?;
        out.flush()?;
        if !watch {
            return Ok(());
        }
        before = Some(snapshot);
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn fetch(http: SocketAddr) -> io::Result<Snapshot> {
    let unreachable = |error: io::Error| {
        let text = format!("no broker answers at {http} ({error}): is it running, and is http.address this one?");
        io::Error::new(error.kind(), text)
    };
    let mut stream = TcpStream::connect_timeout(&http, Duration::from_secs(2)).map_err(unreachable)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /state HTTP/1.0\r\nHost: {http}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    if !head.starts_with("HTTP/1.0 200") && !head.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(format!("the broker at {http} answered: {}", body.trim())));
    }
    serde_json::from_str(body).map_err(|error| io::Error::other(format!("{http} is no Heddle broker: {error}")))
}

fn render(now: &Snapshot, before: Option<&Snapshot>) -> String {
    let mut text = format!(
        "{} · heddle {} · up {} s · {} connections, {} links, {} queues\n\n",
        now.container_id,
        now.version,
        now.uptime_ms / 1000,
        now.connections.len(),
        now.links.len(),
        now.queues.len()
    );
    let shards = now.shards.iter().map(|shard| {
        let queues = now.queues.iter().filter(|queue| queue.shard == shard.shard);
        let connections = now.connections.iter().filter(|connection| connection.shard == shard.shard);
        let waiting: usize = shard.lanes.iter().map(|lane| lane.depth + lane.waiting).sum();
        let cells = [connections.count().to_string(), queues.count().to_string(), size(shard.memory_bytes)];
        [vec![shard.shard.to_string(), shard.core.to_string()], cells.to_vec(), vec![waiting.to_string()]].concat()
    });
    table(&mut text, &["shard", "core", "connections", "queues", "memory", "in lanes"], shards.collect());

    storage(&mut text, now);

    let mut queues: Vec<_> = now.queues.iter().collect();
    queues.sort_by_key(|queue| std::cmp::Reverse((queue.enqueued, queue.messages)));
    let queues = queues.into_iter().map(|queue| {
        let old = before.and_then(|before| before.queues.iter().find(|old| old.name == queue.name));
        let rate = |new: u64, old: Option<u64>| old.map_or("-".to_owned(), |old| new.saturating_sub(old).to_string());
        vec![
            queue.name.clone(),
            queue.routing.clone(),
            queue.messages.to_string(),
            size(queue.bytes),
            queue.acquired.to_string(),
            queue.producers.to_string(),
            queue.consumers.to_string(),
            rate(queue.enqueued, old.map(|old| old.enqueued)),
            rate(queue.acknowledged, old.map(|old| old.acknowledged)),
        ]
    });
    let head = ["queue", "routing", "messages", "size", "held", "producers", "consumers", "in/s", "out/s"];
    table(&mut text, &head, queues.collect());

    let connections = now.connections.iter().map(|connection| {
        vec![
            connection.peer.clone(),
            connection.container.clone(),
            connection.user.clone(),
            connection.shard.to_string(),
            connection.links.to_string(),
            connection.messages_in.to_string(),
            connection.messages_out.to_string(),
            size(connection.waiting as u64),
        ]
    });
    let head = ["connection", "container", "user", "shard", "links", "in", "out", "unread"];
    table(&mut text, &head, connections.collect());

    let links = now.links.iter().map(|link| {
        let credit = link.credit.map_or("-".to_owned(), |credit| credit.to_string());
        vec![link.kind.clone(), link.address.clone(), link.shard.to_string(), link.owner.to_string(), credit]
    });
    table(&mut text, &["link", "address", "home", "owner", "credit"], links.collect());
    text
}

/// What is on disk, and what of it is free.
fn storage(text: &mut String, now: &Snapshot) {
    let Some(disk) = &now.disk else { return };
    let journals = now.shards.iter().filter_map(|shard| Some((shard, shard.journal.as_ref()?)));
    let journals = journals.map(|(shard, journal)| {
        let full = if journal.full { "full" } else { "has room" };
        let cells = [journal.segments.to_string(), size(journal.journal_bytes), size(journal.live_bytes)];
        let rest = vec![size(journal.pending_bytes), full.to_owned(), journal.full_times.to_string()];
        [vec![shard.shard.to_string()], cells.to_vec(), rest].concat()
    });
    table(text, &["journal", "segments", "length", "needed", "waiting", "disk", "times full"], journals.collect());
    let full = if disk.full { ": the disk is full, no durable messages are taken" } else { "" };
    let (free, all, kept) = (size(disk.free_bytes), size(disk.total_bytes), size(disk.min_free_bytes));
    text.push_str(&format!("disk: {free} of {all} free at {}, {kept} are to stay free{full}\n\n", disk.path));
}

/// Adds a table whose columns are as wide as they need to be.
fn table(text: &mut String, head: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let more = rows.len().saturating_sub(ROWS_MAX);
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows.into_iter().take(ROWS_MAX)).collect();
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    if more > 0 {
        text.push_str(&format!("… and {more} more\n"));
    }
    text.push('\n');
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up_and_end() {
        let mut text = String::new();
        table(&mut text, &["a", "long"], (0..25).map(|n| vec!["x".repeat(n % 4 + 1), n.to_string()]).collect());
        assert!(text.starts_with("a     long\nx     0\nxx    1\n"), "{text}");
        assert!(text.contains("… and 5 more"));
        assert_eq!(size(2048), "2 KiB");
    }
}
