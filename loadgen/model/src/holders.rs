//! Which consumer had each message group last: a group is one consumer's at a time, as long as that one stays.
//!
//! Guarantee: four octets for each group that came, of the ledger's budget. Not here: whether the order in a group held (`ledger`).

use serde::{Deserialize, Serialize};

use crate::sequences::Budget;

/// No consumer had it.
const NOBODY: u32 = u32::MAX;

/// The consumers of message groups at one place, as one worker saw them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holders {
    /// By the number of the group.
    last: Vec<u32>,
    moves: u64,
}

impl Holders {
    /// A message of a group came to a consumer; gives whether there was memory to note it.
    #[inline]
    pub fn note(&mut self, group: u64, consumer: u32, budget: &mut Budget) -> bool {
        let Ok(place) = usize::try_from(group) else { return false };
        let missing = (place + 1).saturating_sub(self.last.len());
        if missing > 0 {
            if !budget.take(missing as u64 * 4) {
                return false;
            }
            self.last.resize(place + 1, NOBODY);
        }
        let Some(last) = self.last.get_mut(place) else { return false };
        self.moves += u64::from(*last != consumer && *last != NOBODY);
        *last = consumer;
        true
    }

    /// How often groups went to another consumer, as several workers saw the same place: what each of them saw, and once for each worker
    /// beside the first that had one of a group's consumers.
    pub fn moves(all: &[&Self]) -> u64 {
        let groups = all.iter().map(|holders| holders.last.len()).max().unwrap_or(0);
        let has = |holders: &Self, group| holders.last.get(group).is_some_and(|last| *last != NOBODY);
        let workers_of = |group| all.iter().filter(|holders| has(holders, group)).count() as u64;
        let between: u64 = (0..groups).map(|group| workers_of(group).saturating_sub(1)).sum();
        all.iter().map(|holders| holders.moves).sum::<u64>() + between
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_moves_when_another_consumer_has_it() {
        let mut budget = Budget { left_bytes: 32 };
        let (mut one, mut other) = (Holders::default(), Holders::default());
        for (group, consumer) in [(0, 5), (1, 6), (0, 5), (1, 5), (1, 6)] {
            assert!(one.note(group, consumer, &mut budget));
        }
        assert_eq!((one.moves, budget.left_bytes), (2, 24));
        assert!(other.note(1, 9, &mut budget) && other.note(2, 9, &mut budget));
        assert_eq!(Holders::moves(&[&one, &other]), 3, "group 1 was at two workers");
        assert!(!one.note(100, 5, &mut budget), "no memory");
        assert_eq!(Holders::moves(&[]), 0);
    }
}
