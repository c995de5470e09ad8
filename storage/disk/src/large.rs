//! Large messages: a file each, written and read in parts.
//!
//! Guarantees: the file of a durable message is on stable storage, with its name, before it is told as finished; its checksum goes
//! over all of its octets. Nothing here knows which files are needed: whoever starts removes the others.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;

use engine_rt::{Existing, Waker, open_file};
use storage_journal::Buffer;
use storage_journal::format::padded;

use crate::directory::sync_directory;
use crate::files::LargeFiles;

/// Orders that wait; each stream has fewer on the way, so that a sender waits only when there are many streams.
const ORDERS: usize = 256;

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
pub struct Large {
    writes: flume::Sender<LargeOrder>,
    reads: flume::Sender<LargeOrder>,
    done: flume::Receiver<LargeDone>,
    next: u64,
}

impl Large {
    /// Starts the threads. `first` is the first id that no file ever had.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(files: LargeFiles, first: u64, waker: Waker) -> io::Result<Self> {
        fs::create_dir_all(&files.path)?;
        let (done, answers) = flume::unbounded();
        let (writes, to_write) = flume::bounded(ORDERS);
        let (reads, to_read) = flume::bounded(ORDERS);
        let mut writer = Writer { files: files.clone(), open: HashMap::new() };
        start("large-write", to_write, done.clone(), waker.clone(), move |order| writer.handle(order))?;
        start("large-read", to_read, done, waker, move |order| read(&files, &order))?;
        Ok(Self { writes, reads, done: answers, next: first })
    }

    /// An id for a new file.
    pub fn take_id(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
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
    open: HashMap<u64, File>,
}

impl Writer {
    fn handle(&mut self, order: LargeOrder) -> Option<LargeDone> {
        match order {
            LargeOrder::Append { id, offset, mut buffer } => {
                let length = buffer.len();
                buffer.resize(padded(length));
                let written = self.file(id).and_then(|file| file.write_all_at(buffer.bytes(), offset));
                Some(match written {
                    Ok(()) => LargeDone::Appended { id },
                    Err(error) => LargeDone::NotWritten { id, error },
                })
            }
            LargeOrder::Finish { id, keep } => {
                let file = self.open.remove(&id);
                let synced = match keep {
                    Keep::ForNow => Ok(()),
                    Keep::Durably => file
                        .map_or(Ok(()), |file| file.sync_data())
                        .and_then(|()| sync_directory(&self.files.path).map_err(io::Error::other)),
                };
                Some(match synced {
                    Ok(()) => LargeDone::Finished { id },
                    Err(error) => LargeDone::NotWritten { id, error },
                })
            }
            LargeOrder::Remove { id } => {
                self.open.remove(&id);
                // It may never have been made.
                let _ = fs::remove_file(self.files.file(id));
                None
            }
            LargeOrder::Read { .. } => None,
        }
    }

    fn file(&mut self, id: u64) -> io::Result<&File> {
        match self.open.entry(id) {
            std::collections::hash_map::Entry::Occupied(file) => Ok(file.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                Ok(place.insert(open_file(&self.files.file(id), self.files.access, Existing::May)?))
            }
        }
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
        let mut large = Large::start(files.clone(), 7, Waker::new().unwrap()).unwrap();
        let (id, other) = (large.take_id(), large.take_id());
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
}
