//! What can be read of a damaged data directory, and what cannot: `heddle data export --damaged`.
//!
//! Guarantees:
//! 1. Nothing in the directory is changed.
//! 2. Files serve under what their headers say, so that segments that were renamed, or went into another shard's folder, are read
//!    as what they are; without directory.json the segments say whose they are.
//! 3. What is left out is told with file and offset, as far as anything that is left says that it was there.
//!
//! One shard is read at a time; what is known of it is a few octets for each run of messages (`engine_shard::store::Salvage`).

use std::collections::HashMap;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use engine_core::fact::INTERNAL;
use engine_shard::store::{Extract, Losses, LostTail, Salvage};
use load_model::number::{count, counted};
use storage_disk::salvaging::{read_area, read_segment};
use storage_disk::{DirectoryLock, LargeFiles};
use storage_journal::format::BLOCK;
use storage_journal::{End, Owner, Place};

use super::answer::{Progress, Result};
use super::large::check_file;
use super::left_out::{LeftOut, LostArea, LostInQueue};
use super::lines::Writer;
use super::plan::{Plan, ShardFiles, plan};
use super::recover::store_config;

/// Exports what can be read; gives what cannot.
///
/// # Errors
/// When nothing can be read, or the output cannot be written.
pub fn run(path: &Path, out: &mut Writer<impl Write>) -> Result<LeftOut> {
    let _lock = DirectoryLock::take(path)?;
    let mut left_out = LeftOut::default();
    let plan = plan(path, &mut left_out)?;
    let mut progress = Progress::new("exporting");
    let large = LargeFiles::of(path);
    let mut any = false;
    for (&shard, files) in &plan.shards {
        let (source, losses) = read(&plan, shard, files, &mut left_out, &mut progress);
        any |= losses.end.is_some();
        add(&mut left_out, shard, files, &losses);
        write(shard, files, &source, &large, out, &mut left_out, &mut progress)?;
    }
    drop(progress);
    if !any {
        left_out.describe();
        return Err(format!(
            "nothing in {} can be read: there is no segment with a batch that is whole",
            path.display()
        )
        .into());
    }
    Ok(left_out)
}

/// Reads the segments of a shard.
fn read(
    plan: &Plan,
    shard: u16,
    files: &ShardFiles,
    left_out: &mut LeftOut,
    progress: &mut Progress,
) -> (Extract, Losses) {
    let (directory, segment_bytes) = (plan.identity, plan.segment_bytes);
    let mut salvage = Salvage::new(store_config(Owner { shard, directory, segment_bytes }));
    for found in &files.checkpoints {
        let read = std::fs::read(&found.path).map_err(|error| format!("it cannot be read: {error}"));
        match read.and_then(|bytes| salvage.handle_checkpoint(&bytes).map_err(str::to_owned)) {
            Ok(()) => break,
            Err(what) => left_out.remark(&found.path, format!("{what}; an older one or the segments are read instead")),
        }
    }
    if let Some(manifest) = files.manifest {
        salvage.handle_manifest(manifest);
    }
    let mut unread: Vec<(u64, Range<u64>)> = Vec::new();
    for (index, (&number, found)) in files.segments.iter().enumerate() {
        let all = files.segments.len() as u64;
        progress.tell(|| format!("shard {shard}: segment {} of {}", count(index as u64 + 1), count(all)));
        if let Err(what) = &found.header
            && found.bytes >= BLOCK as u64
            && !what.contains("no header")
        {
            left_out.remark(&found.path, format!("{what}; it was read as what its name says"));
        }
        let expected = found.header.as_ref().map_or(segment_bytes, |header| header.bytes);
        if found.bytes < expected {
            let (is, should) = (count(found.bytes), count(expected));
            left_out.remark(&found.path, format!("the file was cut short: it has {is} octets instead of {should}"));
            unread.push((number, found.bytes..expected));
        }
        let read = read_segment(&found.path, number, |part| {
            // What was cut off counts no more, though a crash left it there.
            let kept = match files.cut {
                Some(place) => part.before(place),
                None => Some(*part),
            };
            kept.iter().for_each(|part| salvage.handle_part(part));
        });
        match read {
            Ok(areas) => {
                for area in areas {
                    let what = format!("the device does not give offset {} to {}", count(area.start), count(area.end));
                    left_out.remark(&found.path, what);
                    unread.push((number, area));
                }
            }
            Err(error) => {
                left_out.remark(&found.path, error.to_string());
                unread.push((number, 0..expected));
            }
        }
    }
    let end = salvage.end().map(|End { place, .. }| place);
    let begins = Place { segment: 0, offset: 0 };
    // What cannot be read behind the last batch may have been batches; before it, their numbers tell.
    let reaches_beyond = |(segment, area): &(u64, Range<u64>)| {
        let Place { segment: last, offset } = end.unwrap_or(begins);
        if *segment == last { area.end > offset } else { *segment > last && area.start <= BLOCK as u64 }
    };
    if unread.iter().any(reaches_beyond) || (files.segments.is_empty() && !files.checkpoints.is_empty()) {
        salvage.handle_tail_lost();
    }
    salvage.finish()
}

/// Adds what a shard lost.
fn add(left_out: &mut LeftOut, shard: u16, files: &ShardFiles, losses: &Losses) {
    let folder = files.segments.values().next().and_then(|found| found.path.parent()).map(Path::to_owned);
    let folder = folder.unwrap_or_else(|| PathBuf::from(format!("journal-{shard}")));
    let file = |segment: u64| match files.segments.get(&segment) {
        Some(found) => found.path.clone(),
        None => folder.join(format!("{segment:016x}.segment")),
    };
    left_out.batches += losses.batches;
    left_out.records_at_most += losses.unknown;
    left_out.more_areas += losses.more_gaps;
    left_out.areas.extend(losses.gaps.iter().map(|gap| LostArea {
        shard,
        file: file(gap.from.segment),
        offset: gap.from.offset,
        to_file: file(gap.to.segment),
        to_offset: gap.to.offset,
        batches: gap.batches,
        records: gap.records(),
    }));
    for &(first, last) in &losses.segments {
        let what = match last - first {
            0 => "this segment is missing".to_owned(),
            more => format!("this segment is missing, and {} behind it", counted(more, "segment")),
        };
        left_out.file(&file(first), what);
    }
    for fault in &losses.records {
        left_out.file(&file(fault.segment), fault.to_string());
    }
    for place in &losses.strays {
        let what =
            format!("the batch at offset {} is older than what comes before it, and was left out", count(place.offset));
        left_out.file(&file(place.segment), what);
    }
    match (losses.tail, losses.end) {
        (LostTail::Lost, _) => left_out.shards_without_end.push(shard),
        (LostTail::Torn, Some(End { torn: Some(place), .. })) => left_out.remark(
            &file(place.segment),
            format!(
                "the batch at offset {} is not whole, and nothing follows it: a crash cut it off (then nobody was told that it is \
                 kept), or it was damaged later",
                count(place.offset)
            ),
        ),
        _ => {}
    }
    left_out.queues.extend(losses.queues.iter().map(|loss| LostInQueue {
        shard,
        queue: loss.name.clone(),
        lost: loss.missing,
        unreadable: 0,
        maybe_acknowledged: loss.doubtful,
        undeclared: loss.undeclared,
    }));
}

/// Writes the messages of a shard.
fn write(
    shard: u16,
    files: &ShardFiles,
    source: &Extract,
    large: &LargeFiles,
    out: &mut Writer<impl Write>,
    left_out: &mut LeftOut,
    progress: &mut Progress,
) -> Result<()> {
    let mut unreadable: HashMap<&str, u64> = HashMap::new();
    // What was decided over several shards and not done here cannot be told from what was.
    for queue in source.queues().iter().filter(|queue| !queue.declared.address.starts_with(INTERNAL)) {
        out.queue(&queue.declared)?;
        let mut missed = 0;
        for part in source.parts(queue.declared.queue) {
            let Some(file) = files.segments.get(&part.place.segment) else { continue };
            let found = match read_area(&file.path, part.place.offset, part.bytes) {
                Ok(buffer) => source.extracted(&part, buffer.bytes()),
                Err(error) => {
                    left_out.remark(&file.path, error.to_string());
                    Vec::new()
                }
            };
            missed += (part.messages - found.len()) as u64;
            for found in found {
                match found.message.large().map(|message| (message.id, check_file(large, &message))) {
                    Some((id, Err(what))) => {
                        missed += 1;
                        left_out.file(&large.file(id), what);
                    }
                    _ => out.message(large, &found)?,
                }
            }
            progress.tell(|| counted(out.messages, "message"));
        }
        if missed > 0 {
            unreadable.insert(&queue.declared.name, missed);
        }
    }
    for loss in left_out.queues.iter_mut().filter(|loss| loss.shard == shard) {
        loss.unreadable = unreadable.remove(loss.queue.as_str()).unwrap_or(0);
    }
    left_out.queues.extend(unreadable.into_iter().map(|(queue, unreadable)| LostInQueue {
        shard,
        queue: queue.to_owned(),
        lost: 0,
        unreadable,
        maybe_acknowledged: 0,
        undeclared: false,
    }));
    Ok(())
}
