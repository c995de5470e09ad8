//! `heddle data stat`: queues, messages and octets in a data directory.

use std::io::{self, Write as _};

use serde::Serialize;

use super::answer::{Outcome, Progress, Result, quoted};
use super::copy::extract;
use super::place::{self, Where, size};
use load_model::number::{count, counted, octets};

#[derive(Serialize)]
struct QueueStat {
    shard: u16,
    address: String,
    queue: String,
    messages: u64,
    /// By the average of the last messages.
    body_bytes: u64,
}

/// Counts what is there.
///
/// # Errors
/// When it is no data directory, or the journal is damaged.
pub fn stat(place: &Where) -> Result<Outcome> {
    let directory = place::open(&place.data_dir)?;
    let (mut queues, mut journal, mut live, mut large) = (Vec::new(), 0, 0, (0_u64, 0));
    let mut progress = Progress::new("reading");
    for shard in 0..directory.shards() {
        let (source, files) = extract(&directory, shard, |segment, of| {
            progress.tell(|| format!("shard {shard}: segment {segment} of {of}"));
        })?;
        // As they are on disk: the journal counts one that it will write to next.
        journal += size(files.path())?;
        live += source.live_bytes();
        large.0 += source.large().len() as u64;
        large.1 += source.large().iter().map(|large| large.bytes).sum::<u64>();
        queues.extend(source.queues().iter().map(|queue| QueueStat {
            shard,
            address: queue.declared.address.clone(),
            queue: queue.declared.name.clone(),
            messages: queue.messages,
            body_bytes: queue.bytes,
        }));
    }
    drop(progress);
    queues.sort_by(|one, other| one.queue.cmp(&other.queue));
    let messages: u64 = queues.iter().map(|queue| queue.messages).sum();
    let (shards, mut out) = (directory.shards(), io::stdout().lock());
    if place.json {
        let result = serde_json::json!({
            "shards": shards, "journal_bytes": journal, "live_bytes": live, "messages": messages,
            "large_messages": large.0, "large_bytes": large.1, "queues": queues,
        });
        writeln!(out, "{result:#}")?;
        return Ok(Outcome::Everything);
    }
    writeln!(
        out,
        "{} in {} on {}: {} of journals, {} of messages in them",
        counted(messages, "message"),
        counted(queues.len() as u64, "queue"),
        counted(shards.into(), "shard"),
        octets(journal),
        octets(live)
    )?;
    if large.0 > 0 {
        writeln!(out, "{} of them large, in files of {}", count(large.0), octets(large.1))?;
    }
    if !queues.is_empty() {
        writeln!(out, "\n{:>5} {:>14} {:>12}  queue", "shard", "messages", "about")?;
    }
    for QueueStat { shard, queue, messages, body_bytes, .. } in queues {
        let about = octets(body_bytes);
        writeln!(out, "{shard:>5} {:>14} {about:>12}  {}", count(messages), quoted(&queue))?;
    }
    Ok(Outcome::Everything)
}
