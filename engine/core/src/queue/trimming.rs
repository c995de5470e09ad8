//! Messages that leave because their queue is to keep its newest ones only, or none.
//!
//! Guarantees:
//! 1. What leaves is the oldest that waits; what consumers hold stays, and counts again when it comes back. Where the messages are does not
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

    /// A message was accepted and is not put in.
    pub fn count_dropped(&mut self) {
        self.stock.count_dropped();
    }

    /// Whether messages are to leave, at once or when they were read.
    #[inline]
    pub fn has_excess(&self) -> bool {
        self.order.depth() + self.behind.messages() > self.bounds.ring || self.behind.doomed() > 0
    }

    /// Lets the oldest waiting messages leave beyond those that the queue keeps: as far as they are in memory, and `TRIM_MAX` at most.
    pub fn trim(&mut self) -> Left {
        let mut left = Left::default();
        for _ in 0..TRIM_MAX {
            let waiting = self.order.depth() + self.behind.messages();
            if waiting <= self.bounds.ring {
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
        left
    }

    /// The message that was appended last leaves.
    #[cold]
    pub(super) fn drop_last(&mut self) -> Left {
        match self.order.last() {
            Some(entry) => self.drop_waiting(entry, Why::Dropped),
            None => Left::default(),
        }
    }

    /// The first message that waits leaves; none if there is none in memory, or it is being read.
    fn drop_first(&mut self) -> Option<Left> {
        let first = self.order.returned_from(0).next();
        let (sequence, held) = match first {
            Some((sequence, held @ Held::Here(entry))) => {
                let size = self.entries.get(entry)?.message.size();
                self.order.take_returned(sequence, size);
                (sequence, held)
            }
            Some((_, Held::Away(_))) if self.away.recalling() != Wish::No => return None,
            Some((sequence, held)) => {
                self.order.take_returned(sequence, 0);
                (sequence, held)
            }
            None => {
                let entry = self.order.first()?;
                let found = self.entries.get(entry)?;
                let (sequence, size) = (found.sequence, found.message.size());
                self.order.pop_first(size, &self.entries);
                (sequence, Held::Here(entry))
            }
        };
        Some(self.leave(sequence, held, Why::Dropped))
    }
}
