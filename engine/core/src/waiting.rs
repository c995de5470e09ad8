//! Queues that let producers wait until the shard has room, in the order in which they began to.
//!
//! It guarantees nothing of its own: that a queue is here once is `withheld`'s business, when one is looked at again `credit`'s.

use std::collections::VecDeque;

use engine_catalogue::WhenFull;

use crate::slab::Key;

/// Queues that let producers wait until the shard has room, each once, by what their settings say: while the disk is full there is room
/// for those that refuse, and none for the others.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    hold: VecDeque<Key>,
    refuse: VecDeque<Key>,
}

impl Waiting {
    /// Those whose settings say that.
    pub fn of(&mut self, when_full: WhenFull) -> &mut VecDeque<Key> {
        match when_full {
            WhenFull::Hold => &mut self.hold,
            WhenFull::Refuse => &mut self.refuse,
        }
    }

    /// Whether there are any whose settings say that.
    pub fn is_any(&self, when_full: WhenFull) -> bool {
        match when_full {
            WhenFull::Hold => !self.hold.is_empty(),
            WhenFull::Refuse => !self.refuse.is_empty(),
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Key> {
        self.hold.iter().chain(&self.refuse)
    }
}
