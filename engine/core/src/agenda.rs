//! What is due when: keys by time, the earliest first.
//!
//! Guarantees: what is due is given in the order of its time, each entry once. Keys that have gone stale stay until their time; whoever
//! keeps an agenda makes it anew when it is crowded with them (`is_crowded`), so that it never costs more than what lives.
//!
//! Not here: what the keys name, and whether they are stale.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::slab::Key;

/// Entries that may be stale whatever lives.
const STALE_MIN: usize = 64;

/// Keys by time.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(u64, Key)>>,
}

impl Agenda {
    /// An agenda of what lives.
    pub fn of(living: impl Iterator<Item = (u64, Key)>) -> Self {
        Self { heap: living.map(Reverse).collect() }
    }

    pub fn insert(&mut self, at: u64, key: Key) {
        self.heap.push(Reverse((at, key)));
    }

    /// The time of its first entry.
    #[inline]
    pub fn earliest(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Whether something is due by `now`.
    #[inline]
    pub fn is_due(&self, now: u64) -> bool {
        self.earliest().is_some_and(|at| at <= now)
    }

    /// Takes out the first entry if it is due by `now`.
    pub fn take_due(&mut self, now: u64) -> Option<(u64, Key)> {
        if self.is_due(now) { self.heap.pop().map(|Reverse(entry)| entry) } else { None }
    }

    /// Whether more than half of it is stale when so many of what it may name live.
    #[inline]
    pub fn is_crowded(&self, living: usize) -> bool {
        self.heap.len() > 2 * living + STALE_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_its_order_and_once() {
        let key = |slot| Key { slot, generation: 0 };
        let mut agenda = Agenda::of([(30, key(0)), (10, key(1))].into_iter());
        agenda.insert(20, key(2));
        assert_eq!((agenda.earliest(), agenda.is_due(9)), (Some(10), false));
        let due: Vec<_> = std::iter::from_fn(|| agenda.take_due(25)).collect();
        assert_eq!(due, [(10, key(1)), (20, key(2))]);
        assert_eq!(agenda.earliest(), Some(30));
    }
}
