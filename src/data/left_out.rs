//! What an export leaves out: for programs as JSON, for people in words.
//!
//! Guarantee: nothing is told twice, and of many things the first ones with how many more there are. Not here: how it was found
//! (`plan`, `salvage`).

use std::path::{Path, PathBuf};

use load_model::number::{count, counted};
use serde::Serialize;

use super::answer::{quoted, say};

/// Lines of places, files and queues that are told to people; JSON has all of them.
const TOLD_MAX: usize = 20;

/// A stretch that is lost.
#[derive(Debug, Serialize)]
pub struct LostArea {
    pub shard: u16,
    /// Where it begins: behind the last batch that is whole.
    pub file: PathBuf,
    pub offset: u64,
    /// Where the next whole batch is.
    pub to_file: PathBuf,
    pub to_offset: u64,
    pub batches: u64,
    /// Records in them, each of which may be a message.
    pub records: u64,
}

/// Something that is wrong with a file.
#[derive(Debug, Serialize)]
pub struct WrongFile {
    file: PathBuf,
    what: String,
}

/// A queue that lost something, or may have.
#[derive(Debug, Serialize)]
pub struct LostInQueue {
    pub shard: u16,
    pub queue: String,
    /// Messages that were there at the last checkpoint, and are lost.
    pub lost: u64,
    /// Messages that could be read once and not again, or whose files do not check.
    pub unreadable: u64,
    /// Messages that were written and may have been acknowledged already.
    pub maybe_acknowledged: u64,
    /// The queue's declaration is lost, or there was none: its name is made up.
    pub undeclared: bool,
}

/// What an export leaves out.
#[derive(Debug, Default, Serialize)]
pub struct LeftOut {
    /// Batches that are lost, and records in them that no checkpoint knows of: at most so many messages.
    pub batches: u64,
    pub records_at_most: u64,
    pub areas: Vec<LostArea>,
    pub more_areas: u64,
    pub files: Vec<WrongFile>,
    pub queues: Vec<LostInQueue>,
    /// Shards of whose journals the end is lost, so that nothing tells how much.
    pub shards_without_end: Vec<u16>,
    /// What is told, and takes no message with it.
    pub remarks: Vec<WrongFile>,
}

impl LeftOut {
    /// Whether nothing is, as far as can be known.
    pub fn is_empty(&self) -> bool {
        self.areas.is_empty() && self.files.is_empty() && self.queues.is_empty() && self.shards_without_end.is_empty()
    }

    pub(super) fn file(&mut self, file: &Path, what: impl Into<String>) {
        self.files.push(WrongFile { file: file.to_owned(), what: what.into() });
    }

    pub(super) fn remark(&mut self, file: &Path, what: impl Into<String>) {
        self.remarks.push(WrongFile { file: file.to_owned(), what: what.into() });
    }

    /// Tells it in people's words, on standard error.
    pub fn describe(&self) {
        for WrongFile { file, what } in self.remarks.iter().take(TOLD_MAX) {
            say(&format!("{}: {what}", file.display()));
        }
        more(self.remarks.len(), "remark", 0);
        if self.is_empty() {
            return;
        }
        for WrongFile { file, what } in self.files.iter().take(TOLD_MAX) {
            say(&format!("left out: {}: {what}", file.display()));
        }
        more(self.files.len(), "file", 0);
        for area in self.areas.iter().take(TOLD_MAX) {
            say(&format!("left out: {area}"));
        }
        more(self.areas.len(), "place", self.more_areas);
        for shard in &self.shards_without_end {
            say(&format!("left out: the end of the journal of shard {shard}; how much was there nothing tells"));
        }
        if self.records_at_most > 0 {
            let (records, batches) = (counted(self.records_at_most, "record"), counted(self.batches, "batch"));
            say(&format!(
                "{batches} in all, with {records} that no checkpoint knows of: each may have been a message, an acknowledgement or \
                 something else"
            ));
        }
        for queue in self.queues.iter().take(TOLD_MAX) {
            say(&queue.to_string());
        }
        more(self.queues.len(), "queue", 0);
    }
}

fn more(count: usize, noun: &str, others: u64) {
    let more = count.saturating_sub(TOLD_MAX) as u64 + others;
    if more > 0 {
        say(&format!("and {} more; --json tells all that are known", counted(more, noun)));
    }
}

impl std::fmt::Display for LostArea {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, offset, to_file, to_offset, batches, records, .. } = self;
        let (batches, records) = (counted(*batches, "batch"), counted(*records, "record"));
        let (offset, to_offset) = (count(*offset), count(*to_offset));
        write!(f, "{}, offset {offset} to ", file.display())?;
        match file == to_file {
            true => write!(f, "{to_offset}"),
            false => write!(f, "{}, offset {to_offset}", to_file.display()),
        }?;
        match self.batches {
            0 => write!(f, ": how many batches were there nothing tells"),
            _ => write!(f, ": {batches} with {records}"),
        }
    }
}

impl std::fmt::Display for LostInQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { queue, lost, unreadable, maybe_acknowledged, undeclared, .. } = self;
        write!(f, "queue {}:", quoted(queue))?;
        let mut parts = Vec::new();
        if *undeclared {
            parts.push(
                "its name is made up, as its declaration is lost (or it was one that does not outlive a node)"
                    .to_owned(),
            );
        }
        if *lost > 0 {
            parts.push(format!("{} lost", counted(*lost, "message")));
        }
        if *unreadable > 0 {
            parts.push(format!("{} cannot be read", counted(*unreadable, "message")));
        }
        if *maybe_acknowledged > 0 {
            parts.push(format!(
                "{} of those written may have been acknowledged already, as a record that said so may be lost: \
                 consumers may get them twice",
                count(*maybe_acknowledged)
            ));
        }
        write!(f, " {}", parts.join("; "))
    }
}
