//! Messages that leave a divert's queue for the divert's target, or one that has what has no route for the dead-letter address.
//!
//! Guarantees: they leave in their order, and no more are on their way at once than asked for; those that moved too often are dropped. What
//! goes to subscribers elsewhere leaves in the same way, and does not count as moved.
//!
//! Not here: which messages come here (`diverts` of the owner).

use super::entry::{Held, Next};
use super::stock::{Left, Why};
use super::{Kind, Queue};
use crate::divert_name::is_unrouted;
use crate::limits::HOPS_MAX;
use crate::slab::Key;

impl Queue {
    /// Takes what waits out of the order, up to `durable` in the journal, until so many are on their way.
    pub fn divert(&mut self, max: usize, durable: u64) -> Left {
        let mut left = Left::default();
        let led = if is_unrouted(&self.identity.name) { Why::Unrouted } else { Why::Diverted };
        while self.departing() < max
            && let Some(Next { entry, sequence, .. }) = self.pop(Key::NOWHERE, durable)
        {
            let goes_on = self.identity.kind != Kind::Divert || self.moves(entry).is_some_and(|moves| moves < HOPS_MAX);
            let why = if goes_on { led.clone() } else { Why::Dropped };
            left = left.and(self.leave(sequence, Held::Here(entry), why));
        }
        left
    }

    /// How often a message moved before; `None` if that cannot be said.
    fn moves(&self, entry: Key) -> Option<u32> {
        self.entries.get(entry)?.message.moves()
    }
}
