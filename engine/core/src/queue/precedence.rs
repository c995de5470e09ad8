//! Which consumers are before others: those of a higher priority, or the one of an exclusive queue.
//!
//! Guarantees:
//! 1. Consumers are asked by priority, the highest first, and take turns among those of one priority.
//! 2. Of an exclusive queue one consumer is served for as long as it lives, whoever comes. The next one is the first of those that wait: by
//!    priority, and of one priority by when they came.
//! 3. A queue has this room only while it is exclusive or a consumer of it asks for a priority: others are asked nothing more.
//!
//! There are as many priorities as consumers at most: their number is bounded by that of links.
//!
//! Not here: whether a consumer has credit (`consumer`), and which messages are for whom (`picking`).

use std::collections::BTreeMap;
use std::ops::Bound;

use super::round::Round;
use crate::slab::Key;

/// Who is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Service {
    /// Everybody.
    #[default]
    Shared,
    /// One consumer, if there is one already.
    Exclusive(Option<Key>),
}

/// How far a search for a consumer has come.
#[derive(Debug, Default)]
pub(crate) struct Search {
    priority: Option<i32>,
    /// How many of that priority it has seen.
    pub seen: usize,
}

/// The consumers of a queue by priority.
#[derive(Debug, Default)]
pub(crate) struct Precedence {
    rounds: BTreeMap<i32, Round>,
    service: Service,
}

impl Precedence {
    /// One of those that took turns so far, none of which asked for a priority.
    pub fn of(round: Round) -> Self {
        let rounds = if round.living() > 0 { BTreeMap::from([(0, round)]) } else { BTreeMap::new() };
        Self { rounds, service: Service::Shared }
    }

    /// From now on one consumer is served.
    pub fn begin_exclusive(&mut self) {
        if self.service == Service::Shared {
            self.service = Service::Exclusive(None);
        }
    }

    /// From now on everybody is.
    pub fn end_exclusive(&mut self) {
        self.service = Service::Shared;
    }

    pub fn insert(&mut self, end: Key, priority: i32) {
        self.rounds.entry(priority).or_default().insert(end);
    }

    /// One of a priority has gone; `lives` tells it from the others.
    pub fn handle_gone(&mut self, priority: i32, lives: impl Fn(Key) -> bool) {
        if let Service::Exclusive(sole) = &mut self.service {
            *sole = sole.filter(|&end| lives(end));
        }
        let Some(round) = self.rounds.get_mut(&priority) else { return };
        round.handle_gone(lives);
        if round.living() == 0 {
            self.rounds.remove(&priority);
        }
    }

    /// If nobody is before others any more: they take turns again.
    pub fn end(&mut self) -> Option<Round> {
        let is_plain = self.service == Service::Shared && self.rounds.keys().all(|&priority| priority == 0);
        is_plain.then(|| self.rounds.remove(&0).unwrap_or_default())
    }

    /// The one consumer of an exclusive queue; `None` if it is not exclusive, `Some(None)` if it has no consumer.
    pub fn sole(&mut self, lives: impl Fn(Key) -> bool) -> Option<Option<Key>> {
        let Service::Exclusive(sole) = &mut self.service else { return None };
        if sole.is_none() {
            *sole = self.rounds.values_mut().rev().find_map(|round| round.first_living(&lives));
        }
        Some(*sole)
    }

    /// The next consumer by priority and in turn; `None` when all were seen. It may have gone.
    pub fn next(&mut self, search: &mut Search) -> Option<Key> {
        loop {
            if let Some(round) = search.priority.and_then(|priority| self.rounds.get_mut(&priority))
                && search.seen < round.len()
            {
                search.seen += 1;
                return round.next();
            }
            let below = search.priority.map_or(Bound::Unbounded, Bound::Excluded);
            let (&priority, _) = self.rounds.range((Bound::Unbounded, below)).next_back()?;
            *search = Search { priority: Some(priority), seen: 0 };
        }
    }

    /// Takes all consumers out.
    pub fn take_all(&mut self) -> Vec<Key> {
        if let Service::Exclusive(sole) = &mut self.service {
            *sole = None;
        }
        std::mem::take(&mut self.rounds)
            .into_values()
            .rev()
            .flat_map(|round| round.listed().collect::<Vec<_>>())
            .collect()
    }

    /// All of them, and some that have gone.
    pub fn listed(&self) -> impl Iterator<Item = Key> {
        self.rounds.values().flat_map(Round::listed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(slot: u32) -> Key {
        Key { slot, generation: 0 }
    }

    fn all(precedence: &mut Precedence) -> Vec<u32> {
        let mut search = Search::default();
        std::iter::from_fn(|| precedence.next(&mut search)).map(|end| end.slot).collect()
    }

    #[test]
    fn the_highest_is_asked_first_and_equals_take_turns() {
        let mut precedence = Precedence::default();
        for (slot, priority) in [(0, 0), (1, i32::MAX), (2, i32::MIN), (3, 0), (4, i32::MAX)] {
            precedence.insert(key(slot), priority);
        }
        assert_eq!(all(&mut precedence), [1, 4, 0, 3, 2]);
        assert_eq!(precedence.next(&mut Search::default()), Some(key(1)));
        assert_eq!(all(&mut precedence), [4, 1, 0, 3, 2], "the first of a priority had its turn, and the others none");
    }

    proptest! {
        /// Of an exclusive queue one is served as long as it lives, and then the first by priority and arrival, whoever comes and goes.
        #[test]
        fn one_consumer_stays_as_long_as_it_lives(deeds in proptest::collection::vec((any::<u8>(), -2..3_i32), 1..80)) {
            let mut precedence = Precedence::default();
            precedence.begin_exclusive();
            let (mut living, mut sole): (Vec<(u32, i32)>, Option<u32>) = (Vec::new(), None);
            for (number, (deed, priority)) in (0..).zip(deeds) {
                if deed % 3 > 0 || living.is_empty() {
                    precedence.insert(key(number), priority);
                    living.push((number, priority));
                } else {
                    let (gone, priority) = living.remove(usize::from(deed / 3) % living.len());
                    precedence.handle_gone(priority, |end| living.iter().any(|one| one.0 == end.slot));
                    sole = sole.filter(|&sole| sole != gone);
                }
                // The one that came first is the last of equals here.
                let first = living.iter().rev().max_by_key(|one| one.1).map(|one| one.0);
                sole = sole.or(first);
                let lives = |end: Key| living.iter().any(|one| one.0 == end.slot);
                prop_assert_eq!(precedence.sole(lives), Some(sole.map(key)));
                let listed: Vec<u32> = precedence.listed().filter(|&end| lives(end)).map(|end| end.slot).collect();
                prop_assert_eq!(listed.len(), living.len());
            }
        }
    }
}
