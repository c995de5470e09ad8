//! Messages that leave a divert's queue for the divert's target.
//!
//! Guarantees: they leave in their order, and no more are on their way at once than asked for; those that moved too often are dropped.
//!
//! Not here: which messages come here (`diverts` of the owner).

use super::Queue;
use super::entry::{Held, Next};
use super::stock::{Left, Why};
use crate::limits::HOPS_MAX;
use crate::slab::Key;

impl Queue {
    /// Takes what waits out of the order, up to `durable` in the journal, until so many are on their way.
    pub fn divert(&mut self, max: usize, durable: u64) -> Left {
        let mut left = Left::default();
        while self.departing() < max
            && let Some(Next { entry, sequence, .. }) = self.pop(Key::NOWHERE, durable)
        {
            let moves = self.entries.get(entry).and_then(|found| found.message.moves());
            let why = if moves.is_some_and(|moves| moves < HOPS_MAX) { Why::Diverted } else { Why::Dropped };
            left = left.and(self.leave(sequence, Held::Here(entry), why));
        }
        left
    }
}
