//! What a message of JMS carries, and whom it is for: follows from its number alone, so that whoever receives it knows it, too.
//!
//! A message's number is read as digits: the last one says for which consumer it is, the next one its priority, the
//! rest its message group. So each combination comes in its turn, and none of the three goes with another.
//!
//! Guarantees: the numbers of the messages for one consumer are told apart by their `turn`, which has no gaps, so that a ledger of them is
//! as small as one of all messages; messages of one `strand` keep their order, whatever overtakes them.

use serde::{Deserialize, Serialize};

use crate::scenario::Group;

/// Priorities that there are.
const PRIORITIES: usize = 10;

/// What messages to one address carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    address: u64,
    addresses: u64,
    /// Consumers that messages are dealt out to; 0: each is for whoever comes.
    consumers: u64,
    /// Of messages in turn; empty: they have none.
    priorities: Vec<u8>,
    /// Message groups; 0: none.
    groups: u64,
    /// Whether one consumer gets all that a place gets.
    is_alone: bool,
}

/// Which messages of a producer come to a place: every `of`th one from `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Over how many places the messages of an address are dealt out.
    pub of: u32,
    /// Which of them it is, from 0.
    pub first: u32,
}

impl Lane {
    /// All messages.
    pub const ALL: Self = Self { of: 1, first: 0 };

    /// The place in the lane of a message that is in it.
    #[inline]
    pub fn turn(self, sequence: u64) -> Option<u64> {
        if self.of <= 1 {
            return Some(sequence);
        }
        let of = u64::from(self.of);
        (sequence % of == u64::from(self.first)).then_some(sequence / of)
    }

    /// The number of the message at a place in the lane.
    pub fn sequence(self, turn: u64) -> u64 {
        turn * u64::from(self.of.max(1)) + u64::from(self.first)
    }

    /// How many of the first `count` messages are in the lane.
    pub fn count(self, count: u64) -> u64 {
        count.saturating_sub(self.first.into()).div_ceil(self.of.max(1).into())
    }
}

impl Marks {
    /// Of messages to an address of a group; `None` if they carry nothing.
    pub fn of(group: &Group, address: u32) -> Option<Self> {
        let (priorities, groups) = (group.jms.priorities.cycle(), group.jms.message_groups.into());
        let is_dealt = group.jms.is_dealt();
        (is_dealt || !priorities.is_empty() || groups > 0).then(|| Self {
            address: address.into(),
            addresses: group.addresses.max(1).into(),
            consumers: if is_dealt { group.consumers_of(address).max(1).into() } else { 0 },
            priorities,
            groups,
            is_alone: group.is_alone(address),
        })
    }

    /// The number of the consumer that a message is for; `None` if it is for whoever comes.
    #[inline]
    pub fn consumer(&self, sequence: u64) -> Option<u64> {
        Some(self.address + sequence.checked_rem(self.consumers)? * self.addresses)
    }

    /// The priority of a message; `None` if it says nothing of it.
    #[inline]
    pub fn priority(&self, sequence: u64) -> Option<u8> {
        let place = self.turn(sequence).checked_rem(self.priorities.len() as u64)?;
        self.priorities.get(usize::try_from(place).ok()?).copied()
    }

    /// The number of the message group of a message; `None` if it is in none.
    #[inline]
    pub fn group(&self, sequence: u64) -> Option<u64> {
        (self.turn(sequence) / self.priorities.len().max(1) as u64).checked_rem(self.groups)
    }

    /// Which of the strands of its producer at its place a message belongs to: what has one priority (and one message group, where several
    /// consumers share the place).
    #[inline]
    pub fn strand(&self, sequence: u64) -> usize {
        let group = self.group(sequence).filter(|_| !self.is_alone).unwrap_or(0);
        let group = usize::try_from(group).unwrap_or(usize::MAX);
        match self.priority(sequence) {
            Some(priority) => group.saturating_mul(PRIORITIES).saturating_add(priority.into()),
            None => group,
        }
    }

    #[inline]
    fn turn(&self, sequence: u64) -> u64 {
        sequence / self.consumers.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Jms, Pattern};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_message_is_in_one_lane_and_lanes_have_no_gaps(of in 1..20_u32, count in 0..500_u64) {
            let lanes: Vec<Lane> = (0..of).map(|first| Lane { of, first }).collect();
            prop_assert_eq!(lanes.iter().map(|lane| lane.count(count)).sum::<u64>(), count);
            let mut turns = vec![0; of as usize];
            for sequence in 0..count {
                let here: Vec<&Lane> = lanes.iter().filter(|lane| lane.turn(sequence).is_some()).collect();
                let [lane] = here.as_slice() else { panic!("{sequence} is in {here:?}") };
                let next = &mut turns[lane.first as usize];
                prop_assert_eq!((lane.turn(sequence), lane.sequence(*next)), (Some(*next), sequence));
                *next += 1;
            }
        }
    }

    #[test]
    fn consumers_priorities_and_groups_do_not_go_with_each_other() {
        let jms = Jms { selector: "consumer = {}".to_owned(), ..Jms::default() };
        let jms = Jms { priorities: "4,9".parse().expect("two"), ..jms };
        let group = Group { consumers: 4, addresses: 2, pattern: Pattern::Topic, jms, ..Group::default() };
        let marks = Marks::of(&group, 1).expect("marks");
        let seen: Vec<_> = (0..5).map(|sequence| (marks.consumer(sequence), marks.priority(sequence))).collect();
        let expected = [(1, 4), (3, 4), (1, 9), (3, 9), (1, 4)];
        assert_eq!(seen, expected.map(|(consumer, priority)| (Some(consumer), Some(priority))));
        assert_eq!((marks.group(3), marks.strand(3)), (None, 9));
        // What a consumer's place has in its lane is what is marked for it.
        for sequence in 0..40 {
            for consumer in [1, 3] {
                assert_eq!(
                    group.lane(consumer).turn(sequence).is_some(),
                    marks.consumer(sequence) == Some(consumer.into())
                );
            }
        }
    }

    #[test]
    fn strands_are_what_keeps_its_order() {
        let jms = Jms { message_groups: 3, priorities: "4,9".parse().expect("two"), ..Jms::default() };
        let shared = Group { consumers: 2, jms: jms.clone(), ..Group::default() };
        let marks = Marks::of(&shared, 0).expect("marks");
        let groups: Vec<_> = (0..7).filter_map(|sequence| marks.group(sequence)).collect();
        assert_eq!(groups, [0, 0, 1, 1, 2, 2, 0]);
        assert_eq!([0, 1, 2, 6, 7].map(|sequence| marks.strand(sequence)), [4, 9, 14, 4, 9]);
        let alone = Marks::of(&Group { consumers: 1, ..shared }, 0).expect("marks");
        assert_eq!(
            [0, 1, 2, 6, 7].map(|sequence| alone.strand(sequence)),
            [4, 9, 4, 4, 9],
            "groups share one consumer"
        );
        assert_eq!(Marks::of(&Group::default(), 0), None);
    }
}
