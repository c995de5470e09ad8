//! The bare device: what a journal that did nothing but write and sync would reach.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use engine_rt::{Access, Existing, Sync, open_file, write_synced};
use hdrhistogram::Histogram;
use storage_disk::probe;
use storage_journal::Buffer;

/// Length of the file, octets: zeroed before, like the segments of a journal.
const FILE_BYTES: usize = 256 << 20;
/// Largest batch of a journal, octets.
const BATCH_BYTES: usize = 1 << 20;

/// A file that is written over and over, in the way that a probe found the fastest.
pub struct Device {
    file: std::fs::File,
    /// The way.
    pub sync: Sync,
}

impl Device {
    /// Makes the file.
    ///
    /// # Errors
    /// When the file system has no direct I/O, or no room.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let sync = probe(folder, Access::Direct)?.sync;
        let file = open_file(&folder.join("device"), Access::Direct, Existing::May)?;
        let zeros = Buffer::zeroed(BATCH_BYTES);
        for at in (0..FILE_BYTES).step_by(BATCH_BYTES) {
            write_synced(&file, zeros.bytes(), at as u64, Sync::AfterWrite)?;
        }
        Ok(Self { file, sync })
    }

    /// Writes one batch after the other; gives the latencies of each, nanoseconds.
    ///
    /// # Errors
    /// When a write fails.
    pub fn write(&self, bytes: usize, time: Duration) -> io::Result<Histogram<u64>> {
        let mut latencies = Histogram::new_with_max(60_000_000_000, 3).map_err(io::Error::other)?;
        let buffer = Buffer::zeroed(bytes.next_multiple_of(4096).min(FILE_BYTES));
        let places = FILE_BYTES / buffer.len();
        let start = Instant::now();
        for place in (0..places).cycle() {
            let begin = Instant::now();
            write_synced(&self.file, buffer.bytes(), (place * buffer.len()) as u64, self.sync)?;
            latencies.saturating_record(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX));
            if start.elapsed() >= time {
                break;
            }
        }
        Ok(latencies)
    }

    /// Writes messages of `bytes` octets that are due at `rate` a second, in each batch all that were due when the one before was
    /// stable; gives the time from when each was due until it was stable, nanoseconds. This is what a stall of the device, or of
    /// the core, does to whoever comes meanwhile: `write` counts it once.
    ///
    /// # Errors
    /// When a write fails.
    pub fn commit(&self, rate: u64, bytes: usize, time: Duration) -> io::Result<Histogram<u64>> {
        let mut latencies = Histogram::new_with_max(60_000_000_000, 3).map_err(io::Error::other)?;
        let buffer = Buffer::zeroed(BATCH_BYTES);
        let (most, start) = ((BATCH_BYTES / bytes) as u64, Instant::now());
        let now = || u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let due = |message: u64| message * 1_000_000_000 / rate;
        let (mut stable, mut place) = (0, 0);
        while start.elapsed() < time {
            let come = (now() * rate / 1_000_000_000).min(stable + most);
            if come == stable {
                std::hint::spin_loop();
                continue;
            }
            let length = ((come - stable) as usize * bytes).next_multiple_of(4096).min(BATCH_BYTES);
            if place + length > FILE_BYTES {
                place = 0;
            }
            write_synced(&self.file, &buffer.bytes()[..length], place as u64, self.sync)?;
            place += length;
            let at = now();
            (stable..come).for_each(|message| latencies.saturating_record(at.saturating_sub(due(message))));
            stable = come;
        }
        Ok(latencies)
    }

    /// Octets a second in full batches.
    ///
    /// # Errors
    /// When a write fails.
    pub fn rate(&self, time: Duration) -> io::Result<f64> {
        let latencies = self.write(BATCH_BYTES, time)?;
        Ok(BATCH_BYTES as f64 / (latencies.mean() / 1e9))
    }
}
