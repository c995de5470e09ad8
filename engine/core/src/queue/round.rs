//! Consumers that take turns.
//!
//! Guarantees: each has a turn once a round; one that comes waits for all others. Coming and going cost the same however many there are: one
//! that has gone keeps its place in the round until it is met there, or until more have gone than are left.
//!
//! Not here: whether a consumer has credit, and which messages it may have.

use std::collections::VecDeque;

use crate::slab::Key;

/// Consumers, the next one to be served first.
#[derive(Debug, Default)]
pub(crate) struct Round {
    ends: VecDeque<Key>,
    /// How many of them have gone.
    gone: usize,
}

impl Round {
    pub fn insert(&mut self, end: Key) {
        self.ends.push_back(end);
    }

    /// One of them has gone; `lives` tells it from the others.
    pub fn handle_gone(&mut self, lives: impl Fn(Key) -> bool) {
        self.gone += 1;
        if self.gone > self.living() {
            self.ends.retain(|&end| lives(end));
            self.gone = 0;
        }
    }

    /// How many live.
    pub fn living(&self) -> usize {
        self.ends.len() - self.gone
    }

    /// After how many calls of `next` everybody had a turn.
    #[inline]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whose turn it is now; the next call gives the next one. It may have gone.
    #[inline]
    pub fn next(&mut self) -> Option<Key> {
        let end = *self.ends.front()?;
        if self.ends.len() > 1 {
            self.ends.rotate_left(1);
        }
        Some(end)
    }

    /// The first one that lives; those before it are taken out.
    pub fn first_living(&mut self, lives: impl Fn(Key) -> bool) -> Option<Key> {
        while let Some(&end) = self.ends.front() {
            if lives(end) {
                return Some(end);
            }
            self.ends.pop_front();
            self.gone -= 1;
        }
        None
    }

    /// All of them, and some that have gone.
    pub fn listed(&self) -> impl Iterator<Item = Key> {
        self.ends.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_each_round_whoever_goes() {
        let keys: Vec<Key> = (0..5).map(|slot| Key { slot, generation: 0 }).collect();
        let mut consumers = Round::default();
        keys.iter().for_each(|&end| consumers.insert(end));
        let round = |consumers: &mut Round, living: &[usize]| {
            let ends: Vec<Key> = (0..consumers.len()).filter_map(|_| consumers.next()).collect();
            ends.iter().filter_map(|end| living.iter().copied().find(|&key| keys[key] == *end)).collect::<Vec<_>>()
        };
        assert_eq!(round(&mut consumers, &[0, 1, 2, 3, 4]), [0, 1, 2, 3, 4]);
        consumers.next();
        consumers.handle_gone(|_| unreachable!("most are left"));
        consumers.handle_gone(|_| unreachable!("most are left"));
        assert_eq!((consumers.living(), round(&mut consumers, &[0, 2, 3])), (3, vec![2, 3, 0]));
        consumers.handle_gone(|end| [keys[0], keys[3]].contains(&end));
        assert_eq!((consumers.living(), consumers.len()), (2, 2));
        assert_eq!(round(&mut consumers, &[0, 3]), [3, 0]);
    }

    #[test]
    fn those_before_the_first_that_lives_are_taken_out() {
        let keys: Vec<Key> = (0..4).map(|slot| Key { slot, generation: 0 }).collect();
        let mut consumers = Round::default();
        keys.iter().for_each(|&end| consumers.insert(end));
        consumers.handle_gone(|_| unreachable!("most are left"));
        consumers.handle_gone(|_| unreachable!("most are left"));
        assert_eq!(consumers.first_living(|end| end.slot > 1), Some(keys[2]));
        assert_eq!((consumers.living(), consumers.len()), (2, 2));
        assert_eq!(consumers.first_living(|_| true), Some(keys[2]), "it stays the first");
    }
}
