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
    /// Those that drop, too.
    refuse: VecDeque<Key>,
}

impl Waiting {
    /// Those whose settings say that.
    pub fn of(&mut self, when_full: WhenFull) -> &mut VecDeque<Key> {
        match when_full {
            WhenFull::Hold => &mut self.hold,
            WhenFull::Refuse | WhenFull::Drop => &mut self.refuse,
        }
    }

    /// Whether there are any whose settings say that.
    pub fn is_any(&self, when_full: WhenFull) -> bool {
        match when_full {
            WhenFull::Hold => !self.hold.is_empty(),
            WhenFull::Refuse | WhenFull::Drop => !self.refuse.is_empty(),
        }
    }

    /// Settings changed: each is listed by what its own say now. Those of which nothing is known any more have gone.
    pub fn sort(&mut self, when_full: impl Fn(Key) -> Option<WhenFull>) {
        let listed: Vec<Key> = self.hold.drain(..).chain(self.refuse.drain(..)).collect();
        for key in listed {
            if let Some(when_full) = when_full(key) {
                self.of(when_full).push_back(key);
            }
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Key> {
        self.hold.iter().chain(&self.refuse)
    }
}
