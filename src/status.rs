//! `heddle status`: what a person wants to see of a running broker.

use std::io::{self, Write as _};
use std::time::Duration;

use crate::http::Source;
use crate::snapshot::Snapshot;

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
        out.write_all(render(&snapshot, before.as_ref()).as_bytes())?;
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
