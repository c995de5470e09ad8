//! The file system under the data directory: how much of it is free, and whether durable messages find room there.
//!
//! Whether the disk is full is what the shards say, who ask for segments; here is what they are told against, for people.

use std::path::PathBuf;

use crate::config::Config;

/// Segments that a shard has ready at once: the one that is written and those made ahead.
const SEGMENTS_READY: u64 = 1 + engine_shard::limits::SEGMENTS_AHEAD;

/// Where data is kept, and what is to stay free there.
#[derive(Clone, Debug)]
pub struct Space {
    path: PathBuf,
    min_free_bytes: u64,
    segment_bytes: u64,
    shards: u64,
}

/// The file system, as it is now.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The data directory.
    pub path: String,
    /// Bytes that are free for this process.
    pub free_bytes: u64,
    /// What the file system has in all, used or not.
    pub total_bytes: u64,
    /// Bytes that are to stay free (`storage.min_free_mib`).
    pub min_free_bytes: u64,
    /// Whether a shard has no room for durable messages now.
    pub full: bool,
}

impl Space {
    /// The file system of a configuration's data directory, which is there.
    pub fn new(config: &Config, segment_bytes: u64, shards: usize) -> Self {
        let (path, min_free_bytes) = (config.node.data_dir.clone(), config.storage.min_free_mib << 20);
        Self { path, min_free_bytes, segment_bytes, shards: shards as u64 }
    }

    /// What is free now; `None` when the system does not say.
    pub fn look(&self) -> Option<Disk> {
        let (free_bytes, total_bytes) = engine_rt::free_bytes(&self.path).ok()?;
        let path = self.path.display().to_string();
        Some(Disk { path, free_bytes, total_bytes, min_free_bytes: self.min_free_bytes, full: false })
    }

    /// Says at the start what will be missed later: a file system that can never take what the settings ask for, or cannot now. The node
    /// starts all the same: what is there already is served, and messages that are not durable need no disk.
    pub fn warn_at_start(&self) {
        let Some(disk) = self.look() else { return };
        let Some(warning) = self.warning(&disk) else { return };
        tracing::warn!(target: "heddle::storage", path = disk.path, free_mib = disk.free_bytes >> 20,
            total_mib = disk.total_bytes >> 20, min_free_mib = self.min_free_bytes >> 20,
            segment_mib = self.segment_bytes >> 20, shards = self.shards, "{warning}");
    }

    fn warning(&self, disk: &Disk) -> Option<String> {
        let needed = self.shards * SEGMENTS_READY * self.segment_bytes;
        let least = disk.total_bytes.saturating_sub(needed) >> 20;
        let way_out = if least > 0 {
            format!("set storage.min_free_mib below {least}, or use a larger volume")
        } else {
            "use a larger volume, fewer shards (--cores) or, in a new data directory, a smaller storage.segment_mib"
                .to_owned()
        };
        if disk.total_bytes < self.min_free_bytes.saturating_add(self.segment_bytes) {
            return Some(format!(
                "the volume is too small: with these settings no durable message is ever taken ({way_out})"
            ));
        }
        if disk.total_bytes < self.min_free_bytes.saturating_add(needed) {
            return Some(format!(
                "the volume is small: it counts as full before all shards have their first segments ({way_out})"
            ));
        }
        let full = disk.free_bytes < self.min_free_bytes.saturating_add(self.segment_bytes);
        full.then(|| {
            "the disk has less free than storage.min_free_mib and a segment: durable messages find room only in segments that \
             are there already"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_that_cannot_work_are_told_from_those_that_are_full() {
        let space = Space { path: PathBuf::new(), min_free_bytes: 1024 << 20, segment_bytes: 64 << 20, shards: 2 };
        let warning = |total: u64, free: u64| {
            let (free_bytes, total_bytes) = (free << 20, total << 20);
            space.warning(&Disk { path: String::new(), free_bytes, total_bytes, min_free_bytes: 0, full: false })
        };
        let never = warning(1000, 1000).expect("it is smaller than what is to stay free");
        assert!(never.contains("ever taken") && never.contains("min_free_mib below 616"), "{never}");
        let tiny = warning(200, 200).expect("it is smaller than the segments");
        assert!(tiny.contains("larger volume") && tiny.contains("segment_mib"), "{tiny}");
        assert!(warning(1200, 1200).is_some_and(|told| told.contains("the volume is small")));
        assert!(warning(100_000, 1000).is_some_and(|told| told.contains("less free")));
        assert_eq!(warning(100_000, 50_000), None);
    }
}
