//! Producers that a queue lets wait for credit, and who looks at them again.
//!
//! Guarantees: the owner's agenda and its list of queues that wait for the shard name a queue at most once each.
//!
//! Not here: why they wait (`credit`).

use crate::members::Members;
use crate::slab::Key;

/// Whether the owner's list of queues whose producers wait for the shard, rather than for the queue, names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ForShard {
    #[default]
    No,
    Listed,
}

/// The producers that wait for one queue.
#[derive(Debug, Default)]
pub(crate) struct Withheld {
    producers: Members,
    /// The time for which the owner's agenda names the queue, nanoseconds.
    noted_ns: Option<u64>,
    for_shard: ForShard,
}

impl Withheld {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    pub fn insert(&mut self, producer: Key) {
        self.producers.insert(producer);
    }

    /// A producer that waits has gone; `lives` tells it from the others.
    pub fn handle_gone(&mut self, lives: impl Fn(Key) -> bool) {
        self.producers.handle_gone(lives);
    }

    /// Those that wait, and some that have gone.
    pub fn listed(&self) -> &[Key] {
        self.producers.listed()
    }

    /// Takes all of them.
    pub fn take(&mut self) -> Members {
        std::mem::take(&mut self.producers)
    }

    /// Gives the room of a list back that was worked off: a producer may have to wait once in every window.
    pub fn reuse(&mut self, mut worked_off: Members) {
        if self.producers.listed().is_empty() {
            worked_off.clear();
            self.producers = worked_off;
        }
    }

    /// The queue is to be looked at at that time; gives whether the agenda has to be told.
    pub fn note_until(&mut self, at_ns: u64) -> bool {
        let is_new = self.noted_ns.is_none();
        self.noted_ns = self.noted_ns.or(Some(at_ns));
        is_new
    }

    /// The agenda does not name the queue any more.
    pub fn handle_due(&mut self) {
        self.noted_ns = None;
    }

    /// The queue is to be looked at when the shard has room; gives whether its list has to be told.
    pub fn note_for_shard(&mut self) -> bool {
        std::mem::replace(&mut self.for_shard, ForShard::Listed) == ForShard::No
    }

    /// That list does not name the queue any more.
    pub fn handle_room(&mut self) {
        self.for_shard = ForShard::No;
    }

    /// Whether somebody will look at the queue again without being asked.
    pub fn is_noted(&self) -> bool {
        self.noted_ns.is_some() || self.for_shard == ForShard::Listed
    }

    /// Whether the owner's list names it.
    pub fn waits_for_shard(&self) -> bool {
        self.for_shard == ForShard::Listed
    }
}
