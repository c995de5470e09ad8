//! `heddle data check`: whether everything that a data directory must have is there, and is what was written.
//!
//! Guarantees: everything is read, messages that a checkpoint spares a start as well; each damage is told with its
//! file, and where in it as far as that is known; nothing is changed. A journal that is damaged is read up to the
//! damage; the other journals all the same.

use std::io::{self, Write as _};
use std::path::PathBuf;

use engine_shard::store::Recovery;
use load_model::number::counted;
use serde::Serialize;
use storage_disk::{DataDirectory, JournalFiles, read_segments};
use storage_journal::{Fault, FaultKind, Manifest, SegmentFound};

use super::answer::{Progress, Result};
use super::large::{check_file, check_length};
use super::place::Where;
use super::recover::{owned, store_config};
use super::stopped::Stopped;

/// Something that is not as it was written.
#[derive(Serialize)]
struct Damage {
    shard: u16,
    file: PathBuf,
    /// Where in the file, octets; `None`: it is all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    what: String,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    damages: Vec<Damage>,
    segments: u64,
    messages: u64,
    /// Journals whose last batch a crash cut off.
    torn: u32,
}

/// Checks a data directory.
///
/// # Errors
/// When something is damaged, or there is nothing to check.
pub(super) fn check(place: &Where) -> Result<()> {
    let directory = DataDirectory::open_existing(&place.data_dir)?;
    let mut found = Found::default();
    let mut progress = Progress::new("checking");
    for shard in 0..directory.shards() {
        found.check_journal(&directory, shard, &mut progress)?;
    }
    drop(progress);
    found.tell(place)?;
    if found.damages.is_empty() {
        return Ok(());
    }
    let advice = "nothing was changed. `heddle data export --damaged` saves what can be read";
    Err(format!("the data directory {} is damaged; {advice}", directory.path().display()).into())
}

impl Found {
    fn check_journal(&mut self, directory: &DataDirectory, shard: u16, progress: &mut Progress) -> Result<()> {
        let files = directory.journal(shard);
        self.check_checkpoints(directory, shard, &files)?;
        let segments = files.segments()?;
        let manifest = self.check_manifest(directory, shard, &files, &segments)?;
        let mut recovery = Recovery::new(store_config(directory.owner(shard)));
        let numbers = match recovery.handle_manifest(manifest, &segments) {
            Ok(numbers) => numbers,
            Err(faults) => {
                self.damages.extend(faults.iter().map(|fault| damage(shard, &files, fault)));
                return Ok(());
            }
        };
        let mut read = 0;
        let taken = read_segments(&files, &numbers, |part| {
            progress.tell(|| format!("shard {shard}, segment {} of {}", read + 1, numbers.len()));
            recovery.handle_part(part)?;
            read += u64::from(part.is_last());
            Ok(())
        });
        self.segments += read;
        self.messages += recovery.messages();
        match taken {
            Ok(()) => {}
            Err(Stopped::Read(error)) => return Err(error.into()),
            Err(Stopped::Taking(fault)) => {
                self.damages.push(damage(shard, &files, &fault));
                return Ok(());
            }
        }
        self.torn += u32::from(recovery.ended().is_some_and(|ended| ended.torn));
        self.damages.extend(recovery.losses().iter().map(|fault| damage(shard, &files, fault)));
        let store = recovery.finish().store;
        let files = directory.large();
        for large in store.files() {
            progress.tell(|| format!("shard {shard}, large message {:016x}", large.id));
            if let Err(what) = check_length(&files, &large).and_then(|()| check_file(&files, &large)) {
                self.damages.push(Damage { shard, file: files.file(large.id), offset: None, what });
            }
        }
        Ok(())
    }

    fn check_checkpoints(&mut self, directory: &DataDirectory, shard: u16, files: &JournalFiles) -> Result<()> {
        for segment in files.checkpoints()? {
            let read = files.read_checkpoint(segment)?;
            if let Err(what) = Recovery::resume(store_config(directory.owner(shard)), segment, &read) {
                let (file, what) = (files.checkpoint(segment), what.to_owned());
                self.damages.push(Damage { shard, file, offset: None, what });
            }
        }
        Ok(())
    }

    /// What must be there; if nobody can say that, no more than what is there.
    fn check_manifest(
        &mut self,
        directory: &DataDirectory,
        shard: u16,
        files: &JournalFiles,
        segments: &[SegmentFound],
    ) -> Result<Manifest> {
        let found = files.manifest()?.and_then(|found| owned(found, directory.owner(shard)));
        let (manifest, what) = match found {
            Ok(found) => (found.manifest, found.damage),
            Err(what) => {
                let mut begun = segments.iter().filter(|found| found.header.is_ok()).map(|found| found.number);
                let first = begun.next().unwrap_or(1);
                (Manifest { first, last: begun.next_back().unwrap_or(first), batch: 0 }, Some(what))
            }
        };
        let file = files.manifest_path();
        self.damages.extend(what.map(|what| Damage { shard, file, offset: None, what: what.to_owned() }));
        Ok(manifest)
    }

    fn tell(&self, place: &Where) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let Self { damages, segments, messages, torn } = self;
        if place.json {
            let result = serde_json::json!({
                "whole": damages.is_empty(), "segments": segments, "messages": messages, "cut_off_by_a_crash": torn,
                "damages": damages,
            });
            return writeln!(out, "{result:#}");
        }
        for Damage { shard, file, offset, what } in damages {
            let at = offset.map_or_else(String::new, |offset| format!(" at offset {offset}"));
            writeln!(out, "shard {shard}: {}{at}: {what}", file.display())?;
        }
        let counts = [(*segments, "segment"), (*messages, "message"), (damages.len() as u64, "damage")];
        writeln!(out, "{}", counts.map(|(count, what)| counted(count, what)).join(", "))?;
        if *torn > 0 {
            let shards = counted(u64::from(*torn), "shard");
            writeln!(out, "a crash cut off the last batch of {shards}; it was never acknowledged")?;
        }
        Ok(())
    }
}

/// A fault of a journal with the file that it is in.
fn damage(shard: u16, files: &JournalFiles, fault: &Fault) -> Damage {
    let Fault { segment, offset, kind } = fault;
    let file = match kind {
        FaultKind::Manifest(_) => files.manifest_path(),
        _ => files.segment(*segment),
    };
    let (offset, what) = match kind {
        FaultKind::Missing { .. } => (None, fault.to_string()),
        FaultKind::Manifest(_) | FaultKind::Length { .. } | FaultKind::Misnamed { .. } | FaultKind::Foreign => {
            (None, kind.to_string())
        }
        _ => (Some(*offset), kind.to_string()),
    };
    Damage { shard, file, offset, what }
}
