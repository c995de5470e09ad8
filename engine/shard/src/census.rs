//! How many links each shard has, as all of them see it: what says whether one has room for those of another.
//!
//! Guarantee: a count is its shard's as of its last turn, and nobody waits for it. Stores are relaxed: nothing else is read by what they
//! say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Links that a shard may have more than another one, and get one of it nevertheless.
const SLACK: usize = 8;
/// The same as a share of what the other one has: work of half a dozen links on either side says little.
const SLACK_SHARE: usize = 4;

/// A shard's count, on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Count(AtomicUsize);

/// The counts of all shards; each has one of the same.
#[derive(Clone, Debug)]
pub(crate) struct Census(Arc<[Count]>);

impl Census {
    pub fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| Count::default()).collect())
    }

    /// A shard has so many.
    pub fn note(&self, shard: u16, links: usize) {
        if let Some(count) = self.0.get(usize::from(shard)) {
            count.0.store(links, Ordering::Relaxed);
        }
    }

    /// Whether a shard may get a link of one that has so many: it has not many more itself.
    pub fn has_room(&self, shard: u16, links: usize) -> bool {
        let there = self.0.get(usize::from(shard)).map(|count| count.0.load(Ordering::Relaxed));
        there.is_some_and(|there| there <= links + links / SLACK_SHARE + SLACK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_much_more_gets_none() {
        let census = Census::new(2);
        let other = census.clone();
        assert!(census.has_room(1, 0) && !census.has_room(2, 0), "there are two");
        other.note(1, SLACK);
        assert!(census.has_room(1, 0));
        other.note(1, SLACK + 1);
        assert!(!census.has_room(1, 0) && census.has_room(1, 1));
        other.note(1, 133);
        assert!(census.has_room(1, 100) && !census.has_room(1, 99), "a quarter more, and some");
    }
}
