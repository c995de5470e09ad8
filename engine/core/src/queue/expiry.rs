//! The messages of a queue by the time from which they may be dropped, and what its owner knows of that.
//!
//! Guarantees: nothing is given that is not due.
//!
//! Not here: what is dropped (`expiring`).

use crate::agenda::Agenda;
use crate::slab::Key;

/// When messages may be dropped.
#[derive(Debug, Default)]
pub(crate) struct Expiries {
    /// Messages in memory.
    agenda: Agenda,
    /// The time for which the owner's agenda names the queue.
    noted_ms: Option<u64>,
}

impl Expiries {
    /// Notes from when on a message may be dropped; `living` gives that of all that there are, of which there are `count`.
    pub fn insert<I: Iterator<Item = (u64, Key)>>(
        &mut self,
        at: u64,
        entry: Key,
        count: usize,
        living: impl FnOnce() -> I,
    ) {
        self.agenda.insert(at, entry);
        if self.agenda.is_crowded(count) {
            self.agenda = Agenda::of(living());
        }
    }

    /// Whether something may be dropped.
    #[inline]
    pub fn is_due(&self, wall_ms: u64) -> bool {
        self.agenda.is_due(wall_ms)
    }

    /// From when on something may be dropped.
    #[inline]
    pub fn first(&self) -> Option<u64> {
        self.agenda.earliest()
    }

    /// Takes out the first message if it may be dropped. A consumer may hold it, or it may have left.
    pub fn take_due(&mut self, wall_ms: u64) -> Option<Key> {
        self.agenda.take_due(wall_ms).map(|(_, entry)| entry)
    }

    /// The owner is to look at the queue at that time; gives whether its agenda has to be told.
    pub fn note(&mut self, at: u64) -> bool {
        let is_new = self.noted_ms.is_none_or(|noted| at < noted);
        if is_new {
            self.noted_ms = Some(at);
        }
        is_new
    }

    /// The time that the owner's agenda has to name.
    pub fn noted(&self) -> Option<u64> {
        self.noted_ms
    }

    /// The agenda named the queue for that time; gives whether it does not any more. It may have been told of an earlier one.
    pub fn take_noted(&mut self, at: u64) -> bool {
        self.noted_ms.take_if(|noted| *noted == at).is_some()
    }
}
