//! The tail of a journal is cut off on the disk, step by step (`storage_journal::CutStep`).
//!
//! Guarantees: each step is on stable storage before the next one begins. What a crash cuts off is done to its end when the directory is
//! taken again, before anything is read (`finish_cut`).
//!
//! No node runs on the journal meanwhile. Not here: where to cut, and whether that may be.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;

use engine_rt::{Existing, Sync, open_file};
use storage_journal::format::BLOCK;
use storage_journal::{Buffer, CutStep, ManifestFound, Owner, Place};

use crate::directory::{DirectoryError, sync_directory, system};
use crate::files::JournalFiles;
use crate::manifest::ManifestFile;

/// Octets that are zeroed at once.
const ZERO_BYTES: usize = 256 << 10;

impl JournalFiles {
    /// Carries out the steps of a cut.
    ///
    /// # Errors
    /// When the system refuses: what is left to do is done when the directory is taken again, if the cut was decided.
    pub fn cut(&self, owner: Owner, steps: &[CutStep]) -> Result<(), DirectoryError> {
        let path = self.manifest_path();
        let mut manifest = ManifestFile::open(self, owner, Sync::AfterWrite).map_err(system("open", &path))?;
        steps.iter().try_for_each(|step| self.carry_out(&mut manifest, *step))
    }

    /// Ends a cut that a crash left in the middle.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn finish_cut(&self, owner: Owner) -> Result<(), DirectoryError> {
        // What is wrong with a manifest is told by whoever reads the journal.
        let ours = |found: &ManifestFound| found.owner == owner;
        let Some(steps) = self.manifest()?.ok().filter(ours).and_then(|found| found.unfinished_cut()) else {
            return Ok(());
        };
        tracing::info!(target: "heddle::storage", shard = owner.shard, path = %self.path.display(),
            "the journal's tail was cut, and that was not ended: it is ended now");
        self.cut(owner, &steps)
    }

    fn carry_out(&self, manifest: &mut ManifestFile, step: CutStep) -> Result<(), DirectoryError> {
        let path = self.manifest_path();
        match step {
            CutStep::RemoveCheckpoints { last } => {
                let behind = self.checkpoints()?.into_iter().filter(|&segment| segment > last);
                for path in behind.map(|segment| self.checkpoint(segment)) {
                    fs::remove_file(&path).map_err(system("remove", &path))?;
                }
                sync_directory(&self.path)
            }
            CutStep::Decide(said, tail) => manifest.write(said, tail).map_err(system("write", &path)),
            CutStep::Erase(from) => self.erase(from),
            CutStep::RemoveSegments { last } => {
                for path in
                    self.numbers()?.into_iter().filter(|&number| number > last).map(|number| self.segment(number))
                {
                    fs::remove_file(&path).map_err(system("remove", &path))?;
                }
                sync_directory(&self.path)
            }
            CutStep::Settle(said, tail) => {
                (0..2).try_for_each(|_| manifest.write(said, tail)).map_err(system("write", &path))
            }
        }
    }

    /// Zeros from a place to the end of its segment. What is last goes first, so that even without a manifest there is never a gap.
    fn erase(&self, from: Place) -> Result<(), DirectoryError> {
        let path = self.segment(from.segment);
        let erase = || -> io::Result<()> {
            let file = open_file(&path, self.access, Existing::Must)?;
            let zeros = Buffer::zeroed(ZERO_BYTES);
            let mut end = file.metadata()?.len().next_multiple_of(BLOCK as u64);
            while end > from.offset {
                let bytes = (end - from.offset).min(ZERO_BYTES as u64);
                end -= bytes;
                let part = usize::try_from(bytes).map_err(io::Error::other)?;
                file.write_all_at(&zeros.bytes()[..part], end)?;
            }
            file.sync_all()
        };
        erase().map_err(system("write", &path))
    }
}

#[cfg(test)]
mod tests {
    use storage_journal::format::SegmentHeader;
    use storage_journal::{
        CutSearch, Keep, Manifest, ManifestTail, Part, Position, RecordHeader, SegmentPart, Unknown, Writer,
    };

    use super::*;
    use crate::DataDirectory;

    const SEGMENT: usize = 8 * BLOCK;
    const KEPT: u64 = 9;

    /// A directory with a journal of one record a batch, seven batches a segment; as many checkpoints; and its steps to be cut.
    fn written(folder: &std::path::Path) -> (Owner, Vec<CutStep>) {
        let data = DataDirectory::open(folder, 1, SEGMENT as u64, [5; 16]).unwrap();
        let (files, owner) = (data.journal(0), data.owner(0));
        let mut writer = Writer::new(data.id(), SEGMENT, Position::START);
        let mut segments = Vec::new();
        for number in 1..=3 {
            let header = SegmentHeader { shard: 0, segment: number, directory: data.id(), bytes: SEGMENT as u64 };
            let mut bytes = header.encode();
            while bytes.len() < SEGMENT {
                let header = RecordHeader { part: Part::Shared, kind: 1, unknown: Unknown::Refuse, numbers: 1 };
                writer.append(header, &[b"hello"]).unwrap();
                bytes.extend_from_slice(writer.seal().unwrap().buffer.bytes());
            }
            writer.roll();
            fs::write(files.segment(number), &bytes).unwrap();
            fs::write(files.checkpoint(number), "none").unwrap();
            segments.push(bytes);
        }
        let mut manifest = ManifestFile::open(&files, owner, Sync::AfterWrite).unwrap();
        manifest.write(Manifest { first: 1, last: 3, batch: 21 }, ManifestTail::default()).unwrap();
        let mut search = CutSearch::new(owner, Keep::Through(KEPT));
        (1..).zip(&segments).for_each(|(number, bytes)| search.handle_part(&SegmentPart::whole(number, bytes)));
        let steps = search.finish().unwrap().steps(&files.manifest().unwrap().unwrap()).unwrap();
        (owner, steps.to_vec())
    }

    #[test]
    fn whichever_step_is_the_last_one_the_directory_has_the_old_tail_or_the_new_one() {
        for done in 0..=5 {
            let folder = tempfile::tempdir().unwrap();
            let (owner, steps) = written(folder.path());
            let data = DataDirectory::open_existing(folder.path()).unwrap();
            data.journal(0).cut(owner, &steps[..done]).unwrap();
            drop(data);
            let data = DataDirectory::open_existing(folder.path()).unwrap();
            let files = data.journal(0);
            let found = files.manifest().unwrap().unwrap();
            assert_eq!((found.tail.cut, found.damage), (None, None));
            let is_new = done > 1;
            let (last, batch) = if is_new { (2, KEPT) } else { (3, 21) };
            assert_eq!(found.manifest, Manifest { first: 1, last, batch }, "{done} steps");
            assert_eq!(files.numbers().unwrap(), (1..=last).collect::<Vec<_>>());
            let checkpoints = if done > 0 { vec![2, 1] } else { vec![3, 2, 1] };
            assert_eq!(files.checkpoints().unwrap(), checkpoints);
            // Both of its blocks say so: whichever is damaged later.
            if is_new {
                let blocks = fs::read(files.manifest_path()).unwrap();
                for other in [&blocks[..BLOCK], &blocks[BLOCK..]] {
                    let mut damaged = vec![0; BLOCK];
                    damaged.extend_from_slice(other);
                    let found = Manifest::read(&damaged).unwrap();
                    assert_eq!((found.manifest.batch, found.tail.cut), (KEPT, None));
                }
            }
            let segment = fs::read(files.segment(2)).unwrap();
            assert_eq!(segment.len(), SEGMENT);
            let end = 3 * BLOCK;
            assert_eq!(segment[end..].iter().all(|&octet| octet == 0), is_new, "{done} steps");
            assert!(segment[BLOCK..end].starts_with(b"HBAT"));
        }
    }
}
