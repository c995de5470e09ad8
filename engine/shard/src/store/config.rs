//! What a shard's journal is made of: what it is told, and what follows from that.

use engine_ledger::Whose;

use crate::limits::ALLOWANCE_SEGMENTS;

/// What a shard's journal is made of.
#[derive(Clone, Copy, Debug)]
pub struct StoreConfig {
    /// The shard.
    pub shard: u16,
    /// The data directory's identity.
    pub directory: [u8; 16],
    /// Length of a segment, octets.
    pub segment_bytes: u64,
    /// Segments between two checkpoints: what a replay reads at most, give or take one.
    pub checkpoint_segments: u64,
}

impl StoreConfig {
    /// Octets that the journal may be longer than twice what lives in it.
    pub(super) fn allowance(&self) -> u64 {
        ALLOWANCE_SEGMENTS * self.segment_bytes
    }

    /// Whose checkpoints are.
    pub(super) fn whose(&self) -> Whose {
        let Self { shard, directory, segment_bytes, .. } = *self;
        Whose { shard, directory, segment_bytes, allowance: self.allowance() }
    }
}
