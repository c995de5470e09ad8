//! The deliveries of one producer that are on their way, by sequence.
//!
//! Sequences follow each other, so that this is a ring: its place is the difference to the oldest. Finding one costs no search; one that
//! is settled before those before it keeps its place until they are.

use std::collections::VecDeque;

/// A place whose delivery is settled.
const SETTLED: u64 = u64::MAX;

/// When a delivery was due, and when it was sent, nanoseconds of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// When it was due.
    pub due_ns: u64,
    /// When it was sent.
    pub sent_ns: u64,
}

/// What is on its way.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    oldest: u64,
    ring: VecDeque<Times>,
    count: usize,
}

impl Flight {
    /// How many there are.
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds the delivery after the last one.
    #[inline]
    pub fn add(&mut self, sequence: u64, times: Times) {
        if self.ring.is_empty() {
            self.oldest = sequence;
        }
        debug_assert_eq!(self.oldest + self.ring.len() as u64, sequence);
        self.ring.push_back(times);
        self.count += 1;
    }

    /// Takes one out; `None` if it is not on its way.
    #[inline]
    pub fn settle(&mut self, sequence: u64) -> Option<Times> {
        let place = usize::try_from(sequence.checked_sub(self.oldest)?).ok()?;
        let times = self.ring.get_mut(place).filter(|times| times.sent_ns != SETTLED)?;
        let taken = *times;
        times.sent_ns = SETTLED;
        self.count -= 1;
        while self.ring.front().is_some_and(|times| times.sent_ns == SETTLED) {
            self.ring.pop_front();
            self.oldest += 1;
        }
        Some(taken)
    }

    /// Takes all out, and gives their sequences.
    pub fn take_all(&mut self) -> impl Iterator<Item = u64> + use<> {
        let (oldest, ring) = (self.oldest, std::mem::take(&mut self.ring));
        self.count = 0;
        (oldest..).zip(ring).filter(|(_, times)| times.sent_ns != SETTLED).map(|(sequence, _)| sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_settled_once_in_any_order() {
        let mut flight = Flight::default();
        let times = |ns| Times { due_ns: ns, sent_ns: ns + 1 };
        (7..12).for_each(|sequence| flight.add(sequence, times(sequence)));
        assert_eq!(flight.settle(9), Some(times(9)));
        assert_eq!((flight.settle(9), flight.settle(6), flight.settle(12)), (None, None, None));
        assert_eq!(flight.settle(7), Some(times(7)));
        assert_eq!(flight.count(), 3);
        flight.add(12, times(12));
        assert_eq!(flight.take_all().collect::<Vec<_>>(), [8, 10, 11, 12]);
        flight.add(20, times(20));
        assert_eq!((flight.settle(20), flight.count()), (Some(times(20)), 0));
    }
}
