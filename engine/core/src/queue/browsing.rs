//! What a cursor finds at its place in a queue.
//!
//! Guarantees: it finds every message that waits, in the order in which they came, whatever their priority and whether it is in memory or not; nothing is taken away, and the queue keeps
//! no more in memory for it than what is read again at once of what came back.
//!
//! Not here: how what is in the journal only comes to a cursor (`cursor`).

use super::entry::Held;
use super::stock::Left;
use super::{Front, Queue};
use crate::fact::LOCAL;
use crate::slab::Key;

/// What comes next in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A message in memory.
    Here { entry: Key, sequence: u64 },
    /// The message that is in the journal only, behind `skip` others of its line that are there.
    Behind { sequence: u64, skip: u64 },
    /// One that came back and is read again.
    Coming,
    /// Nothing yet.
    End,
}

impl Queue {
    /// The first waiting message whose sequence number is `from` or more.
    pub fn browse(&mut self, from: u64) -> Found {
        let returned = self.order.returned_from(from).next();
        let here = self.order.from(from, &self.entries);
        match (returned, here) {
            (Some((returned, _)), Some((sequence, entry))) if sequence < returned => {
                return Found::Here { entry, sequence };
            }
            (Some((sequence, Held::Here(entry))), _) | (None, Some((sequence, entry))) => {
                return Found::Here { entry, sequence };
            }
            (Some((sequence, Held::Away(_))), _) => {
                self.away.want(sequence);
                return Found::Coming;
            }
            (None, None) => {}
        }
        // What is behind gets the next numbers when it is read, in its order.
        let next = self.order.upcoming_sequence();
        let sequence = from.max(next);
        let skip = sequence - next;
        if skip < self.behind.messages() { Found::Behind { sequence, skip } } else { Found::End }
    }

    /// Whether a message waits until the journal has it on stable storage, which begins behind `durable`; the queue is looked at again then.
    pub fn blocks(&mut self, entry: Key, durable: u64) -> bool {
        let stored = self.entries.get(entry).and_then(|found| found.stored);
        let waits = stored.is_some_and(|stored| stored.get() > durable && stored.get() & LOCAL == 0);
        if waits {
            self.turn.front = Front::Blocked;
        }
        waits
    }

    /// Takes a message out of memory again that came back and was read for a cursor, if the journal has all of it.
    pub fn shed_returned(&mut self, sequence: u64) -> Left {
        let Some(Held::Here(entry)) = self.order.returned(sequence) else { return Left::default() };
        let Some((stub, left)) = self.put_away(sequence, entry) else { return Left::default() };
        self.order.take_returned(sequence, left.bytes);
        self.order.put_back(stub.priority, (sequence, Held::Away(stub)), 0, &self.entries);
        left
    }
}
