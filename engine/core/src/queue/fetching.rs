//! When a queue wants to have in memory what is in the journal only.
//!
//! Guarantees: the journal is asked for each message once before it came, and for no more than is to be in memory.
//!
//! Not here: what is in the journal only (`paging`), and how the journal reads.

use std::num::NonZeroU64;

use super::Queue;
use super::entry::Held;
use super::paging::{Doomed, Recalled, Wish};
use super::stock::Left;
use crate::agenda::Now;
use crate::limits::DEPARTING_MAX;
use crate::message::Message;

impl Queue {
    /// A message is put behind all others that is in the journal only; gives whether the queue has something to ask for by it.
    pub fn push_paged(&mut self, size: u64, now_ns: u64) -> bool {
        // The number that it gets when it was read.
        let sequence = self.order.upcoming_sequence() + self.behind.messages();
        if self.stock.moments.watches(sequence) {
            self.stock.moments.note_arrived(sequence, now_ns);
        }
        self.behind.push(size);
        self.stock.count_enqueued();
        self.behind.messages() == 1 || !self.consumers.browsers().is_empty()
    }

    /// The journal has so many messages of it behind all others.
    pub fn restore_paged(&mut self, messages: u64, bytes: u64) {
        self.behind.restore(messages, bytes);
    }

    /// The first message of those behind is in memory. What leaves by it does so for good.
    pub fn handle_fetched(&mut self, name: u64, message: Message, now: Now) -> Left {
        let doomed = self.behind.pop(message.size());
        let sequence = self.order.upcoming_sequence();
        self.append(message, NonZeroU64::new(name), now);
        if doomed == Doomed::Yes {
            return self.drop_last();
        }
        let mut left = self.shed_scheduled(sequence);
        if self.order.names_all() {
            left = left.and(self.shed_named());
        }
        left.and(self.trim())
    }

    /// Gives whether the journal has to be asked for what comes next: less than `below` octets wait in memory. It is asked then.
    #[inline]
    pub fn wants_fetch(&mut self, below: impl FnOnce() -> u64) -> bool {
        let may_name = !self.order.names_all() || self.order.may_name();
        // What is read through leaves memory at once.
        let has_room = || self.reads_through() || self.order.bytes() < below();
        let wants = self.behind.may_fetch() && self.departing() < DEPARTING_MAX && may_name && has_room();
        if wants {
            self.behind.begin_fetch();
        }
        wants
    }

    /// All that was asked for came.
    pub fn handle_fetch_done(&mut self) {
        self.behind.end_fetch();
    }

    /// Whether something is on its way to or from the disk, so that a queue that has nothing to give now will have.
    pub fn will_give(&self) -> bool {
        self.is_blocked() || self.behind.messages() > 0 || self.away.recalling() != Wish::No
    }

    /// Whether something is being read, or waits for the journal.
    pub fn is_reading(&self) -> bool {
        self.is_blocked() || self.behind.is_fetching() || self.away.recalling() != Wish::No
    }

    /// What is to be read of what came back, about `bytes` octets of it; nothing if nothing is wanted.
    pub fn recall(&mut self, bytes: u64) -> Vec<Recalled> {
        let Wish::Wanted(from) = self.away.recalling() else { return Vec::new() };
        let average = self.away.average();
        let away = self.order.next_from(from).filter_map(|(sequence, held)| match held {
            Held::Away(stub) => Some(Recalled { name: stub.stored.get(), sequence }),
            Held::Here(_) => None,
        });
        let count = usize::try_from(bytes / average).unwrap_or(usize::MAX).max(1);
        let messages: Vec<Recalled> = away.take(count).collect();
        self.away.begin_recall(messages.len());
        messages
    }

    /// Whether messages that came back are wanted, and nobody was asked for them.
    #[inline]
    pub fn wants_recall(&self) -> bool {
        matches!(self.away.recalling(), Wish::Wanted(_))
    }

    /// Asserts what must hold between any two commands.
    pub(super) fn check_paging(&self) {
        assert_eq!(self.stubs().count() as u64, self.away.messages(), "what is away is counted");
        assert!(self.away.messages() > 0 || self.away.bytes() == 0);
        assert!(self.behind.messages() > 0 || self.behind.bytes() == 0);
        let waits = self.order.returned_from(0).any(|(_, held)| held.stub().is_some());
        assert!(waits || self.away.recalling() == Wish::No, "what comes was asked for");
    }
}
