//! Where the small messages of one incoming link are copied to.
//!
//! A message read from a socket lies in the shard's receive buffer, which the next read overwrites. What is kept is
//! copied here, back to back, into chunks that are shared by reference counts and used again once every message in
//! them is gone.
//!
//! Guarantees:
//! 1. In the steady state (messages leave about as fast as they come) `copy` allocates nothing, on a link that is fast enough to
//!    keep its chunks (3).
//! 2. A chunk holds messages of one link only, and a message larger than `LARGE_MIN` has an allocation of its own, so a
//!    message that stays behind pins at most one chunk of its own link's making.
//! 3. What a link keeps for reuse it uses: whoever is idle or slow holds nothing after `sweep`, whatever burst there was before.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::limits::TURNOVERS_MIN;

/// Size of a link's first chunk, bytes: small, as most links carry little.
const CHUNK_MIN: usize = LARGE_MIN;
/// Size that chunks stop growing at, bytes. Larger ones no longer lower the cost of a message and leave the caches.
const CHUNK_MAX: usize = 256 * 1024;
/// From this size on a message gets an allocation of its own, bytes: the allocation is then cheap beside the copy.
const LARGE_MIN: usize = 8 * 1024;
/// Used-up chunks that are kept for reuse.
const RETIRED_MAX: usize = 8;

/// Chunks of one incoming link.
#[derive(Debug, Default)]
pub struct Arena {
    open: BytesMut,
    chunk_bytes: usize,
    retired: VecDeque<BytesMut>,
    /// Octets since the last sweep.
    copied: usize,
}

impl Arena {
    /// A copy of `bytes` that shares its chunk with its neighbours.
    #[inline]
    pub fn copy(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() >= LARGE_MIN {
            return Bytes::copy_from_slice(bytes);
        }
        if self.open.capacity() - self.open.len() < bytes.len() {
            self.next_chunk();
        }
        self.copied += bytes.len();
        self.open.extend_from_slice(bytes);
        self.open.split().freeze()
    }

    /// Opens a chunk: of those used up that nobody refers to any more the latest, which the core's cache still has most of;
    /// else a new one, twice as large as the last, so that a link whose messages stay longer soon has chunks enough to go round.
    #[cold]
    fn next_chunk(&mut self) {
        if self.chunk_bytes > 0 {
            self.retired.push_back(std::mem::take(&mut self.open));
        }
        let free = self.retired.iter_mut().rposition(|chunk| chunk.try_reclaim(LARGE_MIN));
        if let Some(chunk) = free.and_then(|free| self.retired.remove(free)) {
            self.open = chunk;
            return;
        }
        if self.retired.len() > RETIRED_MAX {
            self.retired.pop_front();
        }
        self.chunk_bytes = (self.chunk_bytes * 2).clamp(CHUNK_MIN, CHUNK_MAX);
        self.open = BytesMut::with_capacity(self.chunk_bytes);
    }

    /// Gives all chunks back when they were not worth it since the last call. Call it some times a second.
    pub fn sweep(&mut self) {
        if std::mem::take(&mut self.copied) < self.kept_bytes() * TURNOVERS_MIN {
            *self = Self::default();
        }
    }

    /// Octets that the arena itself keeps for reuse, whoever else refers to them.
    fn kept_bytes(&self) -> usize {
        (self.retired.len() + 1) * self.chunk_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_what_went_in() {
        let mut arena = Arena::default();
        let kept: Vec<Bytes> = (0..2_000_u32).map(|n| arena.copy(&vec![n as u8; n as usize % 700])).collect();
        for (n, bytes) in kept.iter().enumerate() {
            assert_eq!(bytes.len(), n % 700);
            assert!(bytes.iter().all(|&byte| byte == n as u8));
        }
    }

    #[test]
    fn chunks_come_back_once_their_messages_are_gone() {
        let mut arena = Arena::default();
        let mut queue = VecDeque::new();
        let mut places = std::collections::BTreeSet::new();
        for round in 0..100_000_u32 {
            queue.push_back(arena.copy(&[7; 100]));
            if queue.len() > 64 {
                queue.pop_front();
            }
            if round > 50_000 {
                places.insert(queue.back().expect("just pushed").as_ptr() as usize / 4096);
            }
        }
        assert!(places.len() < 64, "the same few chunks serve again, not {} pages", places.len());
    }

    #[test]
    fn who_is_idle_or_slow_keeps_nothing() {
        let mut arena = Arena::default();
        let burst: Vec<Bytes> = (0..10_000).map(|_| arena.copy(&[1; 1000])).collect();
        assert!(arena.kept_bytes() > CHUNK_MAX);
        drop(burst);
        arena.sweep();
        assert!(arena.kept_bytes() > CHUNK_MAX, "it was used");
        drop(arena.copy(&[1; 100]));
        arena.sweep();
        assert_eq!(arena.kept_bytes(), 0, "a message now and then needs no chunks of a burst");
    }

    #[test]
    fn who_is_fast_keeps_chunks() {
        let mut arena = Arena::default();
        for _ in 0..100 {
            (0..1000).for_each(|_| drop(arena.copy(&[1; 100])));
            arena.sweep();
            assert!(arena.kept_bytes() > 0);
        }
    }
}
