//! Finds out which way of bringing a write to stable storage is the fastest on this device.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use engine_rt::{Access, Existing, Sync, open_file, write_synced};
use storage_journal::Buffer;

/// Writes of each kind.
const ROUNDS: usize = 12;
/// Size of a write, octets: a batch of a moderate load.
const WRITE_BYTES: usize = 16 << 10;
/// Different places that are written.
const PLACES: usize = 16;

/// What was found.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// The way to go.
    pub sync: Sync,
    /// The median of a write with `RWF_DSYNC`; `None` when the file system does not have it.
    pub with_write: Option<Duration>,
    /// The median of a write and an `fdatasync`.
    pub after_write: Duration,
}

/// Writes a small file in `folder` in each way.
///
/// # Errors
/// When the system refuses.
pub fn probe(folder: &Path, access: Access) -> io::Result<Probe> {
    let path = folder.join("probe");
    let measure = || -> io::Result<Probe> {
        let file = open_file(&path, access, Existing::May)?;
        let mut block = Buffer::with_capacity(WRITE_BYTES);
        block.resize(WRITE_BYTES);
        for place in 0..PLACES {
            write_synced(&file, block.bytes(), (place * WRITE_BYTES) as u64, Sync::AfterWrite)?;
        }
        let median = |sync: Sync| -> io::Result<Duration> {
            let mut times = Vec::with_capacity(ROUNDS);
            for round in 0..ROUNDS {
                let start = Instant::now();
                write_synced(&file, block.bytes(), (round % PLACES * WRITE_BYTES) as u64, sync)?;
                times.push(start.elapsed());
            }
            times.sort_unstable();
            Ok(times[ROUNDS / 2])
        };
        let with_write = match median(Sync::WithWrite) {
            Ok(time) => Some(time),
            Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => None,
            Err(error) => return Err(error),
        };
        let after_write = median(Sync::AfterWrite)?;
        let faster = with_write.is_some_and(|time| time <= after_write);
        let sync = if faster { Sync::WithWrite } else { Sync::AfterWrite };
        Ok(Probe { sync, with_write, after_write })
    };
    let found = measure();
    fs::remove_file(&path)?;
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let found = probe(folder.path(), Access::Buffered).unwrap();
        assert!(found.after_write > Duration::ZERO);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
