//! Links that receive from a queue, and whose turn it is.
//!
//! Guarantees: consumers take turns, each once a round; one that comes waits for all others. Coming and going cost the same however many
//! there are: one that has gone keeps its place in the round until it is met there, or until more have gone than are left.
//!
//! Not here: whether a consumer has credit, and which messages it may have.

use std::collections::VecDeque;

use super::picking::Picking;
use crate::command::Mode;
use crate::members::Members;
use crate::slab::Key;

/// The links of one queue.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    /// Those that take messages, the next one to be served first.
    round: VecDeque<Key>,
    /// How many of them have gone.
    gone: usize,
    browsers: Members,
    last_credit_ns: u64,
    /// Which messages are for whom; only where that is not whoever is next.
    pub picking: Option<Box<Picking>>,
}

impl Consumers {
    pub fn insert(&mut self, mode: Mode, end: Key) {
        match mode {
            Mode::Consume => self.round.push_back(end),
            Mode::Browse => self.browsers.insert(end),
        }
    }

    /// One of them has gone; `lives` tells it from the others.
    pub fn handle_gone(&mut self, mode: Mode, lives: impl Fn(Key) -> bool) {
        if mode == Mode::Browse {
            return self.browsers.handle_gone(lives);
        }
        if let Some(picking) = &mut self.picking {
            picking.handle_gone(&lives);
        }
        self.gone += 1;
        if self.gone > self.takers() {
            self.round.retain(|&end| lives(end));
            self.gone = 0;
        }
    }

    /// Consumers that take messages.
    #[inline]
    pub fn takers(&self) -> usize {
        self.round.len() - self.gone
    }

    /// All links.
    pub fn len(&self) -> usize {
        self.takers() + self.browsers.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// After how many calls of `next` everybody had a turn.
    #[inline]
    pub fn round(&self) -> usize {
        self.round.len()
    }

    /// Whose turn it is now; the next call gives the next one. It may have gone.
    #[inline]
    pub fn next(&mut self) -> Option<Key> {
        let end = *self.round.front()?;
        if self.round.len() > 1 {
            self.round.rotate_left(1);
        }
        Some(end)
    }

    /// Takes all consumers out that take messages.
    pub fn take_all(&mut self) -> VecDeque<Key> {
        self.gone = 0;
        std::mem::take(&mut self.round)
    }

    /// Those that look only, and some that have gone.
    #[inline]
    pub fn browsers(&self) -> &[Key] {
        self.browsers.listed()
    }

    /// All of them, and some that have gone.
    pub fn listed(&self) -> impl Iterator<Item = Key> {
        self.round.iter().chain(self.browsers.listed()).copied()
    }

    /// A consumer gave credit.
    #[inline]
    pub fn handle_credit(&mut self, now_ns: u64) {
        self.last_credit_ns = now_ns;
    }

    /// Until when they count as taking, nanoseconds, if they do for `recent_ns` after they gave credit; `None` when they do not.
    #[inline]
    pub fn take_until(&self, now_ns: u64, recent_ns: u64) -> Option<u64> {
        let until = self.last_credit_ns.saturating_add(recent_ns);
        (self.takers() > 0 && now_ns < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_each_round_whoever_goes() {
        let keys: Vec<Key> = (0..5).map(|slot| Key { slot, generation: 0 }).collect();
        let mut consumers = Consumers::default();
        keys.iter().for_each(|&end| consumers.insert(Mode::Consume, end));
        let round = |consumers: &mut Consumers, living: &[usize]| {
            let ends: Vec<Key> = (0..consumers.round()).filter_map(|_| consumers.next()).collect();
            ends.iter().filter_map(|end| living.iter().copied().find(|&key| keys[key] == *end)).collect::<Vec<_>>()
        };
        assert_eq!(round(&mut consumers, &[0, 1, 2, 3, 4]), [0, 1, 2, 3, 4]);
        consumers.next();
        consumers.handle_gone(Mode::Consume, |_| unreachable!("most are left"));
        consumers.handle_gone(Mode::Consume, |_| unreachable!("most are left"));
        assert_eq!((consumers.takers(), round(&mut consumers, &[0, 2, 3])), (3, vec![2, 3, 0]));
        consumers.handle_gone(Mode::Consume, |end| [keys[0], keys[3]].contains(&end));
        assert_eq!((consumers.takers(), consumers.round()), (2, 2));
        assert_eq!(round(&mut consumers, &[0, 3]), [3, 0]);
    }

    #[test]
    fn credit_counts_for_a_while() {
        let mut consumers = Consumers::default();
        consumers.handle_credit(100);
        assert_eq!(consumers.take_until(100, 10), None, "nobody is there");
        consumers.insert(Mode::Consume, Key { slot: 0, generation: 0 });
        assert_eq!((consumers.take_until(109, 10), consumers.take_until(110, 10)), (Some(110), None));
    }
}
