//! Which file of a damaged data directory is what: by what they say themselves, whatever became of their names.
//!
//! Guarantees: nothing is changed; a file serves once; what cannot be told is told to whoever asked (`LeftOut`). Not here: what is in
//! the segments.

use std::collections::BTreeMap;
use std::path::Path;

use storage_disk::Described;
use storage_disk::salvaging::{FoundCheckpoint, FoundSegment, find, read_manifest};
use storage_journal::Manifest;

use super::answer::Result;
use super::left_out::LeftOut;

/// The files of one shard, under what they say that they are.
#[derive(Default)]
pub(super) struct ShardFiles {
    pub segments: BTreeMap<u64, FoundSegment>,
    /// What must be there, if anybody says so.
    pub manifest: Option<Manifest>,
    /// Newest first.
    pub checkpoints: Vec<FoundCheckpoint>,
}

/// What there is to read.
pub(super) struct Plan {
    pub identity: [u8; 16],
    pub segment_bytes: u64,
    pub shards: BTreeMap<u16, ShardFiles>,
}

/// Finds out which file is what.
pub(super) fn plan(path: &Path, left_out: &mut LeftOut) -> Result<Plan> {
    let (segments, checkpoints) = find(path)?;
    let described = Described::read(path);
    if let Err(error) = &described {
        left_out.remark(&path.join("directory.json"), format!("{error}; segments say whose they are"));
    }
    let described = described.ok();
    let identity = identity(&segments, described).ok_or_else(|| {
        format!(
            "nothing in {} can be read: no segment has a header that is whole, and directory.json is missing",
            path.display()
        )
    })?;
    if described.is_some_and(|described| described.id != identity) {
        let what = "it is of another data directory than all segments: it was written later, or comes from elsewhere";
        left_out.remark(&path.join("directory.json"), what);
    }
    let mut shards: BTreeMap<u16, ShardFiles> = BTreeMap::new();
    let described = described.filter(|described| described.id == identity);
    for shard in 0..described.map_or(0, |described| described.shards) {
        shards.entry(shard).or_default();
    }
    let lengths = segments.iter().filter_map(|found| Some(found.header.as_ref().ok()?.bytes));
    let segment_bytes = described.map(|described| described.segment_bytes).or(lengths.max()).unwrap_or(0);
    assign(segments, identity, &mut shards, left_out);
    for found in checkpoints {
        shards.entry(found.shard).or_default().checkpoints.push(found);
    }
    for (shard, files) in &mut shards {
        files.checkpoints.sort_by_key(|found| std::cmp::Reverse(found.segment));
        let folder = path.join(format!("journal-{shard}"));
        if !folder.is_dir() {
            left_out.file(&folder, "no segment of this shard's journal is there");
            continue;
        }
        files.manifest = manifest(&folder, (identity, *shard), left_out);
        // What was freed may still be there; nothing in it is needed.
        let first = files.manifest.map_or(0, |manifest| manifest.first);
        files.segments.retain(|&number, _| number >= first);
    }
    Ok(Plan { identity, segment_bytes, shards })
}

/// Whose the segments are: what directory.json says, if any segment agrees, or else what most of them say.
fn identity(segments: &[FoundSegment], described: Option<Described>) -> Option<[u8; 16]> {
    let mut counts: BTreeMap<[u8; 16], usize> = BTreeMap::new();
    for header in segments.iter().filter_map(|found| found.header.as_ref().ok()) {
        *counts.entry(header.directory).or_default() += 1;
    }
    let own = described.map(|described| described.id);
    let most = counts.iter().max_by_key(|(_, count)| **count).map(|(id, _)| *id);
    own.filter(|own| counts.is_empty() || counts.contains_key(own)).or(most)
}

/// What must be there of a shard's journal.
fn manifest(folder: &Path, (identity, shard): ([u8; 16], u16), left_out: &mut LeftOut) -> Option<Manifest> {
    let file = folder.join("manifest");
    let found = read_manifest(&file).and_then(|found| {
        let ours = (found.owner.directory, found.owner.shard) == (identity, shard);
        if ours { Ok(found) } else { Err("the manifest is another journal's".to_owned()) }
    });
    match found {
        Ok(found) => {
            if let Some(damage) = found.damage {
                left_out.remark(&file, format!("{damage}; the other half of it is used"));
            }
            Some(found.manifest)
        }
        Err(what) => {
            left_out.file(
                &file,
                format!("{what}: what was lost before and behind the segments that are there is not known"),
            );
            None
        }
    }
}

/// Gives each file to the shard and the number that it is of.
fn assign(
    segments: Vec<FoundSegment>,
    identity: [u8; 16],
    shards: &mut BTreeMap<u16, ShardFiles>,
    left_out: &mut LeftOut,
) {
    // Files whose headers and names agree first, then those whose headers say more than their names, then those with names alone.
    let rank = |found: &FoundSegment| match &found.header {
        Ok(header) if (header.shard, header.segment) == (found.shard, found.number) => 0,
        // A crash took the new name of a file that serves again, or somebody moved it.
        Ok(header) if header.shard != found.shard || header.segment > found.number => 1,
        // It was renamed to serve again, and has no header yet; or somebody moved it.
        Ok(_) => 2,
        Err(_) => 3,
    };
    let mut ranked: Vec<(i32, FoundSegment)> = segments.into_iter().map(|found| (rank(&found), found)).collect();
    ranked.sort_by_key(|(rank, found)| (*rank, found.shard, found.number));
    for (rank, found) in ranked {
        let named = (found.shard, found.number);
        let said = match &found.header {
            Ok(header) if header.directory != identity => {
                left_out.file(&found.path, "this segment is of another data directory");
                continue;
            }
            Ok(header) => (header.shard, header.segment),
            Err(_) => named,
        };
        let is_free = |shards: &BTreeMap<u16, ShardFiles>, (shard, number): (u16, u64)| {
            shards.get(&shard).is_none_or(|files| !files.segments.contains_key(&number))
        };
        // A lower number in a header is an old one, unless another file says that it is what this one is named after.
        let place = if rank == 2 && is_free(shards, named) { named } else { said };
        if !is_free(shards, place) {
            let what =
                format!("this says that it is segment {:016x} of shard {}, and so does another file", place.1, place.0);
            left_out.file(&found.path, what);
            continue;
        }
        if place != named {
            let what =
                format!("by its header this is segment {:016x} of shard {}, and it was read as that", place.1, place.0);
            left_out.remark(&found.path, what);
        }
        shards.entry(place.0).or_default().segments.insert(place.1, found);
    }
}
