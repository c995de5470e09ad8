//! Large messages: a file each, written and read in parts.
//!
//! Guarantees: the file of a durable message is on stable storage, with its name, before it is told as finished; its checksum goes
//! over all of its octets. Nothing here knows which files are needed: whoever starts removes the others.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use engine_rt::{Existing, Waker, free_bytes, open_file};
use storage_journal::Buffer;
use storage_journal::format::padded;

use crate::directory::{DirectoryError, sync_directory};
use crate::files::LargeFiles;
use crate::open_files::OpenFiles;

/// Orders that wait; each stream has fewer on the way, so that a sender waits only when there are many streams.
const ORDERS: usize = 256;
/// Files that stay open while they are written; those of more messages at once are opened anew for each part.
const WRITTEN_OPEN: usize = 8;
/// Descriptors that a shard's large messages have at once, at most: files that are written, the folder that is synced, and one that is read.
pub(crate) const LARGE_DESCRIPTORS: usize = WRITTEN_OPEN + 3;

/// Whether a message outlives the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It does.
    Durably,
    /// It ends with the node.
    ForNow,
}

/// Something for the disk to do.
#[derive(Debug)]
pub enum LargeOrder {
    /// Write the next part of a file.
    Append {
        /// The file.
        id: u64,
        /// Where, octets; a multiple of the block.
        offset: u64,
        /// What; whole blocks but for the last part.
        buffer: Buffer,
    },
    /// All parts were given.
    Finish {
        /// The file.
        id: u64,
        /// Whether to bring it to stable storage.
        keep: Keep,
    },
    /// Give a file a further name: another shard has its message, too.
    Link {
        /// The further name.
        id: u64,
        /// The file.
        of: u64,
        /// Whether to bring the name to stable storage.
        keep: Keep,
    },
    /// Read a part.
    Read {
        /// Named in the answer.
        reader: u64,
        /// The file.
        id: u64,
        /// From where, octets; a multiple of the block.
        offset: u64,
        /// How many octets.
        bytes: usize,
    },
    /// The message is no longer needed, or was given up.
    Remove {
        /// The file.
        id: u64,
    },
}

/// What became of an order.
#[derive(Debug)]
pub enum LargeDone {
    /// A part is written.
    Appended {
        /// The file.
        id: u64,
    },
    /// The file is whole.
    Finished {
        /// The file.
        id: u64,
    },
    /// A file has a further name.
    Linked {
        /// The name.
        id: u64,
    },
    /// It could not get one.
    NotLinked {
        /// The name.
        id: u64,
    },
    /// It could not be written.
    NotWritten {
        /// The file.
        id: u64,
        /// Why.
        error: io::Error,
    },
    /// What was read, or why it could not be.
    Read {
        /// As in the order.
        reader: u64,
        /// The octets.
        part: io::Result<Buffer>,
    },
}

/// The threads that carry out a shard's orders for large messages: one writes, one reads.
pub struct LargeDisk {
    writes: flume::Sender<LargeOrder>,
    reads: flume::Sender<LargeOrder>,
    done: flume::Receiver<LargeDone>,
}

impl LargeDisk {
    /// Starts the threads. Of the file system `min_free_bytes` octets are left to others.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(files: LargeFiles, min_free_bytes: u64, waker: Waker) -> io::Result<Self> {
        fs::create_dir_all(&files.path)?;
        let (done, answers) = flume::unbounded();
        let (writes, to_write) = flume::bounded(ORDERS);
        let (reads, to_read) = flume::bounded(ORDERS);
        let mut writer = Writer { files: files.clone(), min_free_bytes, open: OpenFiles::new(WRITTEN_OPEN) };
        start("large-write", to_write, done.clone(), waker.clone(), move |order| writer.handle(order))?;
        start("large-read", to_read, done, waker, move |order| read(&files, &order))?;
        Ok(Self { writes, reads, done: answers })
    }

    /// Gives an order.
    pub fn submit(&self, order: LargeOrder) {
        let to = if matches!(order, LargeOrder::Read { .. }) { &self.reads } else { &self.writes };
        to.send(order).expect("the threads live as long as this");
    }

    /// The next answer.
    pub fn poll_done(&self) -> Option<LargeDone> {
        self.done.try_recv().ok()
    }
}

fn start(
    name: &str,
    orders: flume::Receiver<LargeOrder>,
    done: flume::Sender<LargeDone>,
    waker: Waker,
    mut work: impl FnMut(LargeOrder) -> Option<LargeDone> + Send + 'static,
) -> io::Result<()> {
    let run = move || {
        for order in orders {
            // A shard that does not take it has ended.
            if work(order).is_some_and(|answer| done.send(answer).is_err()) {
                return;
            }
            waker.wake();
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    Ok(())
}

struct Writer {
    files: LargeFiles,
    min_free_bytes: u64,
    open: OpenFiles,
}

impl Writer {
    fn handle(&mut self, order: LargeOrder) -> Option<LargeDone> {
        match order {
            LargeOrder::Append { id, offset, mut buffer } => {
                let length = buffer.len();
                buffer.resize(padded(length));
                let written = self
                    .look_for_room(buffer.len())
                    .and_then(|()| self.file(id, Existing::May)?.write_all_at(buffer.bytes(), offset));
                Some(match written {
                    Ok(()) => LargeDone::Appended { id },
                    Err(error) => LargeDone::NotWritten { id, error },
                })
            }
            LargeOrder::Finish { id, keep } => {
                let synced = match keep {
                    Keep::ForNow => Ok(()),
                    Keep::Durably => self.file(id, Existing::Must).and_then(|file| {
                        file.sync_data()?;
                        sync_directory(&self.files.path).map_err(DirectoryError::into_cause)
                    }),
                };
                self.open.forget(id);
                Some(match synced {
                    Ok(()) => LargeDone::Finished { id },
                    Err(error) => LargeDone::NotWritten { id, error },
                })
            }
            LargeOrder::Link { id, of, keep } => Some(match self.link(id, of, keep) {
                Ok(()) => LargeDone::Linked { id },
                Err(error) => {
                    let file = self.files.file(of);
                    tracing::warn!(target: "heddle::storage", file = %file.display(), %error,
                        "a large message that is to go to another address stays, as its file gets no further name");
                    LargeDone::NotLinked { id }
                }
            }),
            LargeOrder::Remove { id } => {
                self.open.forget(id);
                // It may never have been made.
                let _ = fs::remove_file(self.files.file(id));
                None
            }
            LargeOrder::Read { .. } => None,
        }
    }

    fn link(&self, id: u64, of: u64, keep: Keep) -> io::Result<()> {
        fs::hard_link(self.files.file(of), self.files.file(id))?;
        match keep {
            Keep::ForNow => Ok(()),
            Keep::Durably => sync_directory(&self.files.path).map_err(DirectoryError::into_cause),
        }
    }

    /// Whether a part leaves as much to others as it should.
    fn look_for_room(&self, bytes: usize) -> io::Result<()> {
        let (free, _) = free_bytes(&self.files.path)?;
        let full = free < self.min_free_bytes.saturating_add(bytes as u64);
        if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn file(&mut self, id: u64, existing: Existing) -> io::Result<Arc<File>> {
        if let Some(file) = self.open.find(id) {
            return Ok(file);
        }
        let file = open_file(&self.files.file(id), self.files.access, existing)?;
        Ok(self.open.keep(id, file))
    }
}

fn read(files: &LargeFiles, order: &LargeOrder) -> Option<LargeDone> {
    let LargeOrder::Read { reader, id, offset, bytes } = *order else { return None };
    let part = read_part(files, id, offset, bytes);
    Some(LargeDone::Read { reader, part })
}

/// Reads a part of a file.
///
/// # Errors
/// When the system refuses, or the file is shorter.
pub fn read_part(files: &LargeFiles, id: u64, offset: u64, bytes: usize) -> io::Result<Buffer> {
    let file = open_file(&files.file(id), files.access, Existing::Must)?;
    let mut buffer = Buffer::zeroed(padded(bytes));
    file.read_exact_at(buffer.bytes_mut(), offset)?;
    buffer.resize(bytes);
    Ok(buffer)
}

/// Deletes the files of messages that nobody needs; gives the first id that no file has, of those that a shard makes.
///
/// # Errors
/// When the system refuses.
pub fn sweep(files: &LargeFiles, needed: impl Fn(u64) -> bool) -> io::Result<u64> {
    let mut last = 0;
    let entries = match fs::read_dir(&files.path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(1),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let Some(id) = id_of(&path) else { continue };
        if needed(id) {
            last = last.max(id & LargeFiles::COUNTER);
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(last + 1)
}

fn id_of(path: &Path) -> Option<u64> {
    let name: PathBuf = path.file_name()?.into();
    let name = name.to_str()?.strip_suffix(".large")?;
    u64::from_str_radix(name, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_rt::Access;

    #[test]
    fn a_file_is_written_read_and_swept() {
        let folder = tempfile::tempdir().unwrap();
        let files = LargeFiles { path: folder.path().join("large"), access: Access::Buffered };
        let large = LargeDisk::start(files.clone(), 0, Waker::new().unwrap()).unwrap();
        let (id, other) = (7, 8);
        let wait = || large.done.recv().unwrap();
        let mut buffer = Buffer::with_capacity(8192);
        buffer.extend(&[b'x'; 5000]);
        for id in [id, other] {
            let mut copy = Buffer::with_capacity(8192);
            copy.extend(buffer.bytes());
            large.writes.send(LargeOrder::Append { id, offset: 0, buffer: copy }).unwrap();
            assert!(matches!(wait(), LargeDone::Appended { .. }));
        }
        large.writes.send(LargeOrder::Finish { id, keep: Keep::Durably }).unwrap();
        assert!(matches!(wait(), LargeDone::Finished { id: 7 }));
        assert_eq!(read_part(&files, id, 4096, 904).unwrap().bytes(), [b'x'; 904]);
        assert!(read_part(&files, id, 8192, 1).is_err(), "it is shorter");
        assert_eq!(sweep(&files, |needed| needed == id).unwrap(), 8, "the other one was never finished");
        assert_eq!(fs::read_dir(&files.path).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_two_names_stays_until_both_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let files = LargeFiles { path: folder.path().join("large"), access: Access::Buffered };
        let large = LargeDisk::start(files.clone(), 0, Waker::new().unwrap()).unwrap();
        let mut buffer = Buffer::with_capacity(4096);
        buffer.extend(&[b'x'; 4096]);
        large.submit(LargeOrder::Append { id: 1, offset: 0, buffer });
        assert!(matches!(large.done.recv().unwrap(), LargeDone::Appended { .. }));
        for (id, of) in [(2, 1), (3, 9)] {
            large.submit(LargeOrder::Link { id, of, keep: Keep::Durably });
        }
        assert!(matches!(large.done.recv().unwrap(), LargeDone::Linked { id: 2 }));
        assert!(matches!(large.done.recv().unwrap(), LargeDone::NotLinked { id: 3 }), "there is none");
        large.submit(LargeOrder::Remove { id: 1 });
        large.submit(LargeOrder::Finish { id: 2, keep: Keep::ForNow });
        assert!(matches!(large.done.recv().unwrap(), LargeDone::Finished { id: 2 }));
        assert!(!files.file(1).exists());
        assert_eq!(read_part(&files, 2, 0, 4096).unwrap().bytes(), [b'x'; 4096]);
    }

    #[test]
    fn more_files_at_once_than_stay_open_are_whole_and_a_full_disk_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let files = LargeFiles { path: folder.path().join("large"), access: Access::Buffered };
        let large = LargeDisk::start(files.clone(), 0, Waker::new().unwrap()).unwrap();
        let ids: Vec<u64> = (1..=3 * WRITTEN_OPEN as u64).collect();
        let part = |octet| {
            let mut buffer = Buffer::with_capacity(4096);
            buffer.extend(&[octet; 4096]);
            buffer
        };
        for round in 0..3_u8 {
            for &id in &ids {
                large.submit(LargeOrder::Append { id, offset: u64::from(round) * 4096, buffer: part(round) });
                assert!(matches!(large.done.recv().unwrap(), LargeDone::Appended { .. }));
            }
        }
        for &id in &ids {
            large.submit(LargeOrder::Finish { id, keep: Keep::Durably });
            assert!(matches!(large.done.recv().unwrap(), LargeDone::Finished { .. }));
            let whole = read_part(&files, id, 0, 3 * 4096).unwrap();
            assert!(
                (0..3_u8).all(|round| whole.bytes()[usize::from(round) * 4096..][..4096].iter().all(|&at| at == round))
            );
        }
        let full = LargeDisk::start(files, u64::MAX / 2, Waker::new().unwrap()).unwrap();
        full.submit(LargeOrder::Append { id: 100, offset: 0, buffer: part(1) });
        let refused = full.done.recv().unwrap();
        assert!(matches!(refused, LargeDone::NotWritten { error, .. } if error.kind() == io::ErrorKind::StorageFull));
    }
}
