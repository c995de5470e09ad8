//! `heddle data cut`: the end of one shard's journal is taken back, to an earlier number or to before a damage.
//!
//! Guarantees:
//! 1. Nothing is changed without `--apply`; what would be kept and what would go is told with and without it.
//! 2. What is left is read as a node would read it, before anything is changed and again afterwards: a cut that would leave what no node
//!    starts on is refused. So is one behind which something is gone that was freed, or a file of a large message.
//! 3. A crash leaves the old journal or the new one (`storage_journal::Cut`).
//!
//! Not here: what is damaged before the end. `export --damaged` saves what can be read behind it.

use std::collections::BTreeMap;

use engine_core::Restored;
use engine_shard::store::{self, Recovery, Store};
use serde::Serialize;
use storage_disk::{DataDirectory, DirectoryError, JournalFiles, Sync, read_segments};
use storage_journal::{Cut, CutSearch, CutTail, Fault, Keep, Manifest, ManifestFound, NoCut, SegmentFound};

use super::answer::{Channel, Outcome, Progress, Result, quoted, tell};
use super::copy::disk_config;
use super::large::check_length;
use super::place::{self, Where, shard_of};
use super::recover::{owned, recover, store_config};
use super::stopped::Stopped;
use load_model::number::{count, counted, octets};

/// Queues that are told one by one; JSON has all of them.
const TOLD_MAX: usize = 20;

/// What to cut.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Of which shard; needed if there is more than one.
    pub shard: Option<u16>,
    /// What is to be kept.
    pub keep: Keep,
    /// Whether it is done.
    pub mode: Mode,
}

/// Whether a cut is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is told only.
    Look,
    /// It is made.
    Apply,
}

/// A journal, and what is known of it.
struct Journal<'a> {
    directory: &'a DataDirectory,
    shard: u16,
    files: JournalFiles,
    manifest: ManifestFound,
    segments: Vec<SegmentFound>,
}

/// What becomes of a queue.
#[derive(Debug, Serialize)]
struct QueueChange {
    queue: String,
    /// Messages in it now; `None`: a damage does not let that be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<u64>,
    /// Messages in it behind the cut.
    then: u64,
}

/// Cuts, or tells what would be cut.
///
/// # Errors
/// When nothing can be cut there, with why and what to do.
pub fn cut(place: &Where, wish: Wish) -> Result<Outcome> {
    let directory = place::open(&place.data_dir)?;
    let shard = shard_of(&directory, wish.shard)?;
    let journal = Journal::open(&directory, shard)?;
    let cut = journal.find(wish.keep)?;
    let steps = cut.steps(&journal.manifest).map_err(|refused| journal.told(refused, wish.keep))?;
    let then = journal.preview(&cut)?;
    let now = recover(disk_config(&directory, shard, Sync::AfterWrite, 0), journal.files.clone(), |_, _| {});
    let now = now.ok().map(|now| now.into_parts().1);
    let changes = changes(now.as_deref(), &then);
    if wish.mode == Mode::Apply {
        journal.files.cut(directory.owner(shard), &steps)?;
        recover(disk_config(&directory, shard, Sync::AfterWrite, 0), journal.files.clone(), |_, _| {})?;
    }
    report(place, &wish, shard, &cut, &changes)?;
    Ok(Outcome::Everything)
}

impl<'a> Journal<'a> {
    fn open(directory: &'a DataDirectory, shard: u16) -> Result<Self> {
        let files = directory.journal(shard);
        let found = files.manifest()?.and_then(|found| owned(found, directory.owner(shard)));
        let manifest = found.map_err(|what| {
            let path = files.manifest_path();
            format!("{}: {what}. Without it nobody knows what may be cut: `heddle data export --damaged` saves what can be read", path.display())
        })?;
        let mut segments = files.segments()?;
        segments.retain(|found| found.number >= manifest.manifest.first);
        Ok(Self { directory, shard, files, manifest, segments })
    }

    /// The place of the cut.
    fn find(&self, keep: Keep) -> Result<Cut> {
        let numbers: Vec<u64> = self.segments.iter().map(|found| found.number).collect();
        let mut search = CutSearch::new(self.directory.owner(self.shard), keep);
        let mut progress = Progress::new("looking");
        let mut read = 0;
        read_segments(&self.files, &numbers, |part| {
            progress.tell(|| format!("segment {} of {}", count(read + 1), count(numbers.len() as u64)));
            search.handle_part(part);
            read += u64::from(part.is_last());
            Ok::<_, DirectoryError>(())
        })?;
        drop(progress);
        let cut = search.finish().map_err(|why| self.told(why, keep))?;
        let Manifest { batch, .. } = self.manifest.manifest;
        let is_whole = || self.manifest.manifest.faults(&self.directory.owner(self.shard), &self.segments).is_empty();
        if keep == Keep::Whole && cut.tail.batches == 0 && cut.batch >= batch && is_whole() {
            return Err(self.told(NoCut::Nothing, keep).into());
        }
        Ok(cut)
    }

    /// What a node would find behind the cut.
    fn preview(&self, cut: &Cut) -> Result<Vec<Restored>> {
        let refused = |what: String| {
            format!(
                "behind that cut no node could start: {what}. Nothing was changed. `heddle data export --damaged` saves what can be read"
            )
        };
        let last = cut.place.segment;
        let manifest = Manifest { first: self.manifest.manifest.first, last, batch: cut.batch };
        let kept: Vec<SegmentFound> = self.segments.iter().filter(|found| found.number <= last).copied().collect();
        let mut recovery = Recovery::new(store_config(self.directory.owner(self.shard)));
        let numbers = recovery
            .handle_manifest(manifest, &kept)
            .map_err(|faults| refused(faults.first().map_or_else(String::new, Fault::to_string)))?;
        let read = read_segments(&self.files, &numbers, |part| {
            part.before(cut.place).map_or(Ok(()), |part| recovery.handle_part(&part)).map_err(Stopped::Taking)
        });
        match read {
            Ok(()) => {}
            Err(Stopped::Read(error)) => return Err(error.into()),
            Err(Stopped::Taking(fault)) => return Err(refused(fault.to_string()).into()),
        }
        if let Some(fault) = recovery.losses().first() {
            return Err(refused(fault.to_string()).into());
        }
        let store::Recovered { store, restored, .. } = recovery.finish();
        self.check_files(&store).map_err(refused)?;
        Ok(restored)
    }

    /// A large message that left in the tail comes back without its file.
    fn check_files(&self, store: &Store) -> std::result::Result<(), String> {
        let files = self.directory.large();
        store.files().try_for_each(|large| {
            check_length(&files, &large).map_err(|what| format!("{}: {what}", files.file(large.id).display()))
        })
    }

    /// Why nothing is cut, and what to do.
    fn told(&self, why: NoCut, keep: Keep) -> String {
        let shard = self.shard;
        match why {
            NoCut::Nothing if keep == Keep::Whole => {
                format!("nothing of the journal of shard {shard} is damaged: there is nothing to cut")
            }
            NoCut::Nothing => format!("the journal of shard {shard} ends with that number: there is nothing to cut"),
            NoCut::Before { last } => {
                format!(
                    "the journal of shard {shard} ends with number {} already: there is nothing to cut",
                    count(last)
                )
            }
            NoCut::Within { before, behind } => format!(
                "a journal is cut between two batches, and that number lies within one: name {before} or {behind} with --behind"
            ),
            NoCut::Damaged { place, last } => format!(
                "the journal of shard {shard} is damaged before that number, behind number {}, in segment {} at offset {}: --damaged cuts there",
                count(last),
                place.segment,
                count(place.offset)
            ),
            NoCut::Firm { batch } => format!(
                "segments were freed that would be needed again: the journal of shard {shard} can only be cut behind batch {}, or later. \
                 `heddle data print` shows what is there, and a backup has what was there before",
                count(batch)
            ),
        }
    }
}

/// The queues whose messages become more or fewer.
fn changes(now: Option<&[Restored]>, then: &[Restored]) -> Vec<QueueChange> {
    let mut queues: BTreeMap<u64, QueueChange> = BTreeMap::new();
    for found in then {
        let (queue, is_known) = (found.declared.name.clone(), now.is_some());
        queues.insert(found.declared.queue, QueueChange { queue, now: is_known.then_some(0), then: found.messages });
    }
    for found in now.unwrap_or_default() {
        let queue = || QueueChange { queue: found.declared.name.clone(), now: None, then: 0 };
        queues.entry(found.declared.queue).or_insert_with(queue).now = Some(found.messages);
    }
    queues.into_values().filter(|change| change.now != Some(change.then)).collect()
}

fn report(place: &Where, wish: &Wish, shard: u16, cut: &Cut, changes: &[QueueChange]) -> Result<()> {
    let CutTail { batches, records, bytes } = cut.tail;
    let is_done = wish.mode == Mode::Apply;
    let number = cut.reach.shared.saturating_sub(1);
    let result = serde_json::json!({
        "shard": shard, "applied": is_done, "number": number, "batch": cut.batch, "segment": cut.place.segment,
        "offset": cut.place.offset, "cut": { "batches": batches, "records": records, "bytes": bytes }, "queues": changes,
    });
    let mut lines = vec![format!(
        "shard {shard} {} with number {}, in segment {} at offset {}: {} with {} ({}) {} behind it",
        if is_done { "ends now" } else { "would end" },
        count(number),
        cut.place.segment,
        count(cut.place.offset),
        counted(batches, "batch"),
        counted(records, "record"),
        octets(bytes),
        if is_done { "went" } else { "would go" }
    )];
    let told = changes.iter().take(TOLD_MAX);
    lines.extend(told.map(|QueueChange { queue, now, then }| match now {
        Some(now) => format!("queue {}: {} instead of {}", quoted(queue), counted(*then, "message"), count(*now)),
        None => format!("queue {}: {}", quoted(queue), counted(*then, "message")),
    }));
    if changes.len() > TOLD_MAX {
        let more = counted((changes.len() - TOLD_MAX) as u64, "queue");
        lines.push(format!("and {more} more; --json tells all of them"));
    }
    if !is_done {
        lines.push(
            "nothing was changed: copy the data directory, as what goes is gone for good, then add --apply".to_owned(),
        );
    }
    tell(place, Channel::Output, &result, &lines.join("\n"))?;
    Ok(())
}
