//! The segments of a journal from the disk, for whoever takes all of them: by several threads, ahead of what is looked at.
//!
//! Guarantees:
//! 1. Parts come in their order: which thread reads which part follows from its place alone, and they are waited for in turn.
//! 2. Memory is [`READERS`] times [`BUFFERS`] times [`PART_BYTES`] at most, however long the journal and its segments are: a buffer
//!    is read into again when its part was taken, so that the system does not have to clear pages either.
//! 3. No thread outlives the call.
//!
//! What is read is not looked at here: whether it is whole is the journal's to say.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use engine_rt::{Existing, open_file};
use flume::{Receiver, Sender};
use storage_journal::format::padded;
use storage_journal::{Buffer, SegmentPart};

use crate::directory::{DirectoryError, system};
use crate::files::JournalFiles;

/// Threads that read one journal: a device gives more when it is asked for more than one thing at a time, and what one reads is
/// looked at while others wait.
const READERS: usize = 4;
/// Buffers of each: one is read into while the other one waits to be looked at.
const BUFFERS: usize = 2;
/// Octets of a part: a batch that reaches over its end is copied, so that it is several times as long as most batches.
const PART_BYTES: usize = 4 << 20;

/// A part that is to be read.
#[derive(Clone, Copy)]
struct Planned {
    segment: u64,
    segment_bytes: u64,
    offset: u64,
    bytes: usize,
}

type Read = Result<Buffer, DirectoryError>;

/// Gives all of some segments to `take`, in the order of `numbers`.
///
/// # Errors
/// What `take` said, or why something cannot be read; what comes before that was given.
pub fn read_segments<E: From<DirectoryError>>(
    files: &JournalFiles,
    numbers: &[u64],
    mut take: impl FnMut(&SegmentPart<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let plan = plan(files, numbers)?;
    let readers = READERS.min(plan.len());
    std::thread::scope(|scope| {
        let lanes: Vec<(Receiver<Read>, Sender<Buffer>)> = (0..readers)
            .map(|first| {
                let (sender, parts) = flume::bounded(BUFFERS);
                let (taken, free) = flume::bounded(BUFFERS);
                let own = plan.iter().skip(first).step_by(readers);
                scope.spawn(move || read_parts(files, own, &free, &sender));
                (parts, taken)
            })
            .collect();
        for (planned, (parts, taken)) in plan.iter().zip(lanes.iter().cycle()) {
            let buffer = parts.recv().expect("a thread reads all of its parts, or says why not")?;
            let Planned { segment, segment_bytes, offset, bytes } = *planned;
            take(&SegmentPart { segment, segment_bytes, offset, bytes: &buffer.bytes()[..bytes] })?;
            // Its thread may have read the last of its parts.
            let _ = taken.send(buffer);
        }
        Ok(())
    })
}

/// The parts of all segments. One without any octets has a part as well: that it is empty is to be heard of.
fn plan(files: &JournalFiles, numbers: &[u64]) -> Result<Vec<Planned>, DirectoryError> {
    let mut plan = Vec::new();
    for &segment in numbers {
        let path = files.segment(segment);
        let segment_bytes = std::fs::metadata(&path).map_err(system("read", &path))?.len();
        let mut offset = 0;
        loop {
            let left = usize::try_from(segment_bytes - offset).unwrap_or(usize::MAX);
            let bytes = left.min(PART_BYTES);
            plan.push(Planned { segment, segment_bytes, offset, bytes });
            offset += bytes as u64;
            if offset >= segment_bytes {
                break;
            }
        }
    }
    Ok(plan)
}

/// Reads parts into buffers that come back, until there are no more or nobody wants them.
fn read_parts<'a>(
    files: &JournalFiles,
    plan: impl Iterator<Item = &'a Planned>,
    free: &Receiver<Buffer>,
    sender: &Sender<Read>,
) {
    let mut open: Option<(u64, File)> = None;
    for (index, planned) in plan.enumerate() {
        let buffer = if index < BUFFERS { Some(Buffer::with_capacity(PART_BYTES)) } else { free.recv().ok() };
        let Some(buffer) = buffer else { return };
        let path = files.segment(planned.segment);
        let read = read_part(files, planned, &mut open, buffer).map_err(system("read", &path));
        let failed = read.is_err();
        if sender.send(read).is_err() || failed {
            return;
        }
    }
}

fn read_part(
    files: &JournalFiles,
    planned: &Planned,
    open: &mut Option<(u64, File)>,
    mut buffer: Buffer,
) -> io::Result<Buffer> {
    let file = match open.take() {
        Some((segment, file)) if segment == planned.segment => file,
        _ => open_file(&files.segment(planned.segment), files.access, Existing::Must)?,
    };
    // Direct I/O takes whole blocks, also behind the end of a file that was cut off.
    buffer.resize(padded(planned.bytes));
    let mut read = 0;
    while read < planned.bytes {
        match file.read_at(&mut buffer.bytes_mut()[read..], planned.offset + read as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(octets) => read += octets,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    *open = Some((planned.segment, file));
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::DataDirectory;

    /// Segments of these lengths, each octet of which tells its place.
    fn journal(lengths: &[usize]) -> (tempfile::TempDir, JournalFiles, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let files = DataDirectory::open(folder.path(), 1, 1 << 20, [1; 16]).unwrap().journal(0);
        fs::create_dir_all(files.path()).unwrap();
        let mut all = Vec::new();
        for (number, &length) in (1..).zip(lengths) {
            let bytes: Vec<u8> = (0..length).map(|at| (at / 1000 * 7 + at) as u8 ^ number as u8).collect();
            fs::write(files.segment(number), &bytes).unwrap();
            all.extend(bytes);
        }
        (folder, files, all)
    }

    #[test]
    fn parts_come_in_their_order() {
        let lengths = [3 * PART_BYTES + 4096, 0, 100, PART_BYTES, 5 * PART_BYTES - 1, 8192];
        let (_folder, files, all) = journal(&lengths);
        let numbers: Vec<u64> = (1..=lengths.len() as u64).collect();
        let (mut given, mut last) = (Vec::new(), Vec::new());
        read_segments(&files, &numbers, |part| {
            assert_eq!(part.is_first(), last.len() as u64 + 1 == part.segment && part.offset == 0);
            assert_eq!(part.segment_bytes, lengths[part.segment as usize - 1] as u64);
            if part.is_last() {
                last.push(part.segment);
            }
            given.extend_from_slice(part.bytes);
            Ok::<_, DirectoryError>(())
        })
        .unwrap();
        assert!(given == all, "every octet, in its order");
        assert_eq!(last, numbers, "each segment ends once");
    }

    #[test]
    fn what_cannot_be_read_and_who_does_not_go_on_end_it() {
        let (_folder, files, all) = journal(&[9 * PART_BYTES, 9 * PART_BYTES]);
        let mut given = 0;
        let missing = read_segments(&files, &[1, 2, 3], |_| Ok::<_, DirectoryError>(()));
        assert!(matches!(missing, Err(DirectoryError::System { .. })), "there is no third one");
        // A folder has a length, and cannot be read.
        fs::create_dir(files.segment(3)).unwrap();
        let unread = read_segments(&files, &[1, 2, 3], |part| {
            given += part.bytes.len();
            Ok::<_, DirectoryError>(())
        });
        assert!(matches!(unread, Err(DirectoryError::System { .. })));
        assert_eq!(given, all.len(), "what comes before it was given");
        let mut parts = 0;
        let stopped = read_segments(&files, &[1, 2], |_| {
            parts += 1;
            if parts == 3 { Err(DirectoryError::InUse(files.path().to_owned())) } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(DirectoryError::InUse(_))));
        assert_eq!(parts, 3);
    }
}
