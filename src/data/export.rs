//! `heddle data export`: queues and messages out of a data directory, as lines of JSON.
//!
//! Guarantees: without `--damaged` everything is written or nothing; with it everything that checks is written, and what is left
//! out is told. The file is there whole or not at all (`output.rs`).

use load_model::number::counted;
use storage_disk::{DataDirectory, DirectoryError};

use super::answer::{Channel, Outcome, Progress, Result, tell};
use engine_core::fact::IDS;

use super::copy::{extract, ordinary_queues};
use super::large::check_file;
use super::lines::Writer;
use super::output::{Existing, Output};
use super::place::{self, Where};
use super::recover::StorageError;
use super::salvage;

/// What of a data directory is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it, or nothing.
    Everything,
    /// What can be read.
    Readable,
}

/// Writes all queues and messages.
///
/// # Errors
/// When the data is damaged, unless only what can be read is wanted; when nothing can be read, or the output cannot be written.
pub fn export(place: &Where, output: &str, extent: Extent, existing: Existing) -> Result<Outcome> {
    match extent {
        Extent::Everything => everything(place, output, existing),
        Extent::Readable => readable(place, output, existing),
    }
}

fn everything(place: &Where, output: &str, existing: Existing) -> Result<Outcome> {
    let directory = place::open(&place.data_dir)?;
    let mut out = Writer::begin(Output::begin(output, existing)?)?;
    let mut progress = Progress::new("exporting");
    for shard in 0..directory.shards() {
        let (source, files) = extract(&directory, shard, |segment, of| {
            progress.tell(|| format!("shard {shard}: read {segment} of {}", counted(of, "segment")));
        })?;
        let queues = ordinary_queues(&source, &files, directory.shards())?;
        // Ids of messages that came before are this node's affair.
        for queue in queues.filter(|queue| queue.declared.address != IDS) {
            out.queue(&queue.declared)?;
            for part in source.parts(queue.declared.queue) {
                let buffer = files.read_part(part.place, part.bytes)?;
                let found = source.extracted(&part, buffer.bytes());
                if found.len() != part.messages {
                    return Err(StorageError::unread(&files, part.place).into());
                }
                for found in found {
                    if let Some(large) = found.message.large() {
                        let large_files = directory.large();
                        check_file(&large_files, &large).map_err(|what| {
                            format!(
                                "{}: {what}; `heddle data export --damaged` leaves that message out",
                                large_files.file(large.id).display()
                            )
                        })?;
                    }
                    out.message(&directory.large(), &found)?;
                }
                progress.tell(|| counted(out.messages, "message"));
            }
        }
    }
    drop(progress);
    let (queues, messages) = (out.queues, out.messages);
    out.end()?.finish()?;
    let result = serde_json::json!({ "complete": true, "queues": queues, "messages": messages });
    let text = format!("exported {} of {}", counted(messages, "message"), counted(queues, "queue"));
    tell(place, Channel::beside(output), &result, &text)?;
    Ok(Outcome::Everything)
}

fn readable(place: &Where, output: &str, existing: Existing) -> Result<Outcome> {
    match DataDirectory::look(&place.data_dir) {
        Ok(()) | Err(DirectoryError::Undescribed { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let mut out = Writer::begin(Output::begin(output, existing)?)?;
    let left_out = salvage::run(&place.data_dir, &mut out)?;
    let (queues, messages) = (out.queues, out.messages);
    out.end()?.finish()?;
    let outcome = if left_out.is_empty() { Outcome::Everything } else { Outcome::WithLosses };
    let written = format!("exported {} of {}", counted(messages, "message"), counted(queues, "queue"));
    let result = serde_json::json!({
        "complete": outcome == Outcome::Everything, "queues": queues, "messages": messages, "left_out": left_out,
    });
    left_out.describe();
    let text = match outcome {
        Outcome::Everything => format!("{written}; nothing is left out"),
        Outcome::WithLosses => format!("{written}, with losses: see above"),
    };
    tell(place, Channel::beside(output), &result, &text)?;
    Ok(outcome)
}
