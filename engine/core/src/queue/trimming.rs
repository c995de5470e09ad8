//! Messages that leave because their queue is to keep its newest ones only, or none.
//!
//! Guarantees:
//! 1. What leaves is the oldest that waits, whatever its priority; what consumers hold stays, and counts again when it comes back. Where the messages are does not
//!    matter: those in memory leave at once, those in the journal only when they were read, before anybody gets one of them.
//! 2. A queue that was emptied gives nothing that it had, also to a consumer that comes while some of it is still read.
//!
//! Not here: what a queue does not take (`admission`), and that the journal is asked (`trimming` of the owner).

use super::Queue;
use super::entry::Held;
use super::paging::Wish;
use super::stock::{Left, Why};
use crate::bounds::Gets;
use crate::limits::TRIM_MAX;

impl Queue {
    /// Whether what is sent to it is put into it.
    #[inline]
    pub fn gets(&self) -> bool {
        match self.bounds.gets {
            Gets::Always => true,
            Gets::WhileConsumed => self.consumers.takers() > 0,
            Gets::WhileAttached => !self.consumers.is_empty(),
            Gets::Never => false,
        }
    }

    /// Whether it is to have no messages.
    pub fn is_to_be_empty(&self) -> bool {
        matches!(self.bounds.gets, Gets::WhileConsumed | Gets::WhileAttached) && !self.gets()
    }

    /// A consumer was found to be slow.
    pub fn count_slow(&mut self) {
        self.stock.count_slow();
    }

    /// A message was accepted and is not put in.
    pub fn count_dropped(&mut self) {
        self.stock.count_dropped();
    }

    /// Whether messages are to leave, at once or when they were read.
    #[inline]
    pub fn has_excess(&self) -> bool {
        self.order.depth() + self.behind.messages() > self.bounds.ring
            || self.behind.doomed() > 0
            || self.order.bytes() > self.bounds.ring_bytes
            || self.order.has_replaced()
            || self.reads_through()
    }

    /// Lets the oldest waiting messages leave beyond those that the queue keeps: as far as they are in memory, and `TRIM_MAX` at most.
    pub fn trim(&mut self) -> Left {
        let mut left = self.drop_replaced();
        for _ in 0..TRIM_MAX {
            let waiting = self.order.depth() + self.behind.messages();
            if waiting <= self.bounds.ring && self.order.bytes() <= self.bounds.ring_bytes {
                break;
            }
            let Some(gone) = self.drop_first() else { break };
            left = left.and(gone);
        }
        left
    }

    /// Lets all that waits leave: what is in memory now, the rest when it was read. What a consumer gave back and is being read stays until
    /// then, and leaves if the queue is still to be empty.
    pub fn purge(&mut self) -> Left {
        let mut left = Left::default();
        while let Some(gone) = self.drop_first() {
            left = left.and(gone);
        }
        self.behind.doom();
        left.and(self.drop_replaced())
    }

    /// The message that was appended last leaves.
    #[cold]
    pub(super) fn drop_last(&mut self) -> Left {
        let last = self.order.upcoming_sequence().saturating_sub(1);
        let entry = match self.order.returned(last) {
            Some(Held::Here(entry)) => Some(entry),
            _ => self.order.from(last, &self.entries).map(|(_, entry)| entry),
        };
        entry.map_or_else(Left::default, |entry| self.drop_waiting(entry, Why::Dropped))
    }

    /// The oldest message that waits leaves; none if there is none in memory, or it is being read.
    fn drop_first(&mut self) -> Option<Left> {
        let returned = self.order.returned_from(0).next();
        let (sequence, held) = match (returned, self.order.oldest(&self.entries)) {
            (Some((sequence, held)), oldest) if oldest.is_none_or(|(other, _)| sequence < other) => (sequence, held),
            (_, Some((sequence, entry))) => (sequence, Held::Here(entry)),
            (_, None) => return None,
        };
        match held {
            Held::Here(entry) => Some(self.drop_waiting(entry, Why::Dropped)),
            Held::Away(_) if self.away.recalling() != Wish::No => None,
            Held::Away(_) => {
                self.order.take_returned(sequence, 0);
                Some(self.leave(sequence, held, Why::Dropped))
            }
        }
    }
}
