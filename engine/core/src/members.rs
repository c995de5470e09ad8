//! Keys of what belongs to something and lives elsewhere: producers of an address, queues of it, producers that a queue lets wait.
//!
//! Guarantees: joining and leaving cost the same however many there are. Whoever leaves is counted and stays listed until more have left
//! than are here; then the list is swept once. It is never longer than twice what lives, and one.
//!
//! Not here: who lives. The keys say so: those of what has gone are stale.

use crate::slab::Key;

/// Keys, some of which may be stale.
#[derive(Debug, Default)]
pub(crate) struct Members {
    listed: Vec<Key>,
    gone: usize,
}

impl Members {
    pub fn insert(&mut self, key: Key) {
        self.listed.push(key);
    }

    /// One of them has gone; `lives` tells it from the others.
    pub fn handle_gone(&mut self, lives: impl Fn(Key) -> bool) {
        self.gone += 1;
        if self.gone > self.len() {
            self.listed.retain(|&key| lives(key));
            self.listed.shrink_to(2 * self.listed.len());
            self.gone = 0;
        }
    }

    /// One that lives belongs here no more.
    pub fn remove(&mut self, key: Key) {
        self.listed.retain(|&other| other != key);
    }

    /// All of them go; the room of the list stays.
    pub fn clear(&mut self) {
        self.listed.clear();
        self.gone = 0;
    }

    /// How many live.
    #[inline]
    pub fn len(&self) -> usize {
        self.listed.len() - self.gone
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, and some that have gone.
    #[inline]
    pub fn listed(&self) -> &[Key] {
        &self.listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::collections::HashSet;

    #[test]
    fn joining_and_leaving_cost_the_same_however_many_there_are() {
        let keys: Vec<Key> = (0..10_000).map(|slot| Key { slot, generation: 0 }).collect();
        let mut members = Members::default();
        let mut living: HashSet<Key> = keys.iter().copied().collect();
        keys.iter().for_each(|&key| members.insert(key));
        let looked = Cell::new(0);
        for key in &keys {
            living.remove(key);
            members.handle_gone(|key| {
                looked.set(looked.get() + 1);
                living.contains(&key)
            });
            assert_eq!(members.len(), living.len());
            assert!(members.listed().len() <= 2 * living.len() + 1);
            assert!(living.iter().next().is_none_or(|living| members.listed().contains(living)));
        }
        assert!(members.listed().is_empty());
        assert!(looked.get() < 3 * keys.len(), "{} looks", looked.get());
    }
}
