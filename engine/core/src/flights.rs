//! Messages that are on their way to other addresses, and the queues that have more.
//!
//! Guarantees: no more are under way than may be (`FORWARDS_MAX`, `FORWARD_BYTES`); each is named by a number that no other one has
//! meanwhile.
//!
//! Not here: which message of a queue is next (`queue::departures`), and what becomes of it (`forwarding`).

use std::collections::{BTreeMap, VecDeque};

use crate::limits::{FORWARD_BYTES, FORWARDS_MAX};
use crate::slab::Key;

/// A message that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flight {
    /// The queue that it leaves.
    pub queue: Key,
    /// Its number there; `None` for a copy, which leaves nothing.
    pub sequence: Option<u64>,
    /// Size of the copy, octets.
    pub bytes: u64,
}

/// All of them, of one shard.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    /// Queues that have something to forward, in turn.
    queues: VecDeque<Key>,
    under_way: BTreeMap<u32, Flight>,
    bytes: u64,
    last: u32,
    /// Messages that were to go elsewhere, and went with their queue.
    dropped: u64,
}

impl Flights {
    /// Whether another one may begin, and a queue may have one.
    #[inline]
    pub fn may_begin(&self) -> bool {
        !self.queues.is_empty() && self.has_room()
    }

    /// Whether another one may begin.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.under_way.len() < FORWARDS_MAX && self.bytes < FORWARD_BYTES
    }

    /// A queue may have something to forward.
    pub fn list(&mut self, queue: Key) {
        self.queues.push_back(queue);
    }

    /// The queue whose turn it is.
    pub fn first(&self) -> Option<Key> {
        self.queues.front().copied()
    }

    /// It is the next queue's turn.
    pub fn pass(&mut self) {
        self.queues.rotate_left(1);
    }

    /// The first queue has nothing to forward.
    pub fn unlist(&mut self) {
        self.queues.pop_front();
    }

    /// A message is under way; gives the number that names it.
    pub fn begin(&mut self, flight: Flight) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.bytes += flight.bytes;
        self.under_way.insert(self.last, flight);
        self.last
    }

    /// It is not any more.
    pub fn end(&mut self, number: u32) -> Option<Flight> {
        let flight = self.under_way.remove(&number)?;
        self.bytes -= flight.bytes;
        Some(flight)
    }

    /// A queue has another key.
    pub fn rename(&mut self, queue: Key, other: Key) {
        let flights = self.under_way.values_mut().map(|flight| &mut flight.queue);
        flights.chain(&mut self.queues).filter(|key| **key == queue).for_each(|key| *key = other);
    }

    /// A queue goes, and with it so many messages that were to go elsewhere. What comes of those that are under way is of no interest.
    pub fn end_all(&mut self, queue: Key, messages: usize) {
        self.dropped += messages as u64;
        self.rename(queue, Key::NOWHERE);
    }

    /// How many did.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Queues that are listed.
    pub fn listed(&self) -> impl Iterator<Item = Key> {
        self.queues.iter().copied()
    }

    /// What is under way.
    pub fn under_way(&self) -> impl Iterator<Item = &Flight> {
        self.under_way.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slot: u32) -> Key {
        Key { slot, generation: 0 }
    }

    #[test]
    fn no_more_are_under_way_than_may_be() {
        let mut flights = Flights::default();
        assert!(!flights.may_begin(), "nobody has something");
        flights.list(key(1));
        let small = Flight { queue: key(1), sequence: Some(0), bytes: 1 };
        let numbers: Vec<u32> = (0..FORWARDS_MAX).map(|_| flights.begin(small)).collect();
        assert!(!flights.may_begin());
        assert_eq!((flights.end(numbers[0]), flights.end(numbers[0])), (Some(small), None));
        assert!(flights.may_begin());
        flights.begin(Flight { bytes: FORWARD_BYTES, ..small });
        flights.end(numbers[1]);
        assert!(!flights.may_begin(), "they are large");
        flights.rename(key(1), key(2));
        assert!(flights.listed().chain(flights.under_way().map(|flight| flight.queue)).all(|queue| queue == key(2)));
    }
}
