//! Who waits until something is durable.
//!
//! Guarantees: whoever waits is told in the order of the numbers that they wait for, and not before these are durable.

use std::collections::VecDeque;

use crate::command::DetachMode;
use crate::event::Event;
use crate::key::LinkKey;
use crate::slab::Key;

/// What waits until a number is durable.
#[derive(Debug)]
pub(crate) enum Waiting {
    Accept { number: u64, end: Key, deliveries: (u32, u32) },
    Tell { number: u64, link: LinkKey, event: Event },
    Detach { number: u64, end: Key, mode: DetachMode },
}

impl Waiting {
    fn number(&self) -> u64 {
        match self {
            Self::Accept { number, .. } | Self::Tell { number, .. } | Self::Detach { number, .. } => *number,
        }
    }
}

/// What waits, and how far the journal came.
#[derive(Debug, Default)]
pub(crate) struct Awaiting {
    /// The last number on stable storage.
    durable: u64,
    waiting: VecDeque<Waiting>,
    /// Queues whose first message waits.
    blocked: Vec<Key>,
}

impl Awaiting {
    /// The last number on stable storage.
    #[inline]
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Everything up to `number` is on stable storage.
    pub fn handle_durable(&mut self, number: u64) {
        self.durable = number;
    }

    /// Accepts a delivery once `number` is durable. All that the journal was not `told` of becomes durable at once, and
    /// what came before does so earlier.
    #[inline]
    pub fn accept(&mut self, number: u64, end: Key, delivery: u32, told: u64) {
        if let Some(Waiting::Accept { number: last, end: same, deliveries: (_, to), .. }) = self.waiting.back_mut()
            && *same == end
            && *last > told
            && to.wrapping_add(1) == delivery
        {
            (*last, *to) = (number, delivery);
            return;
        }
        self.waiting.push_back(Waiting::Accept { number, end, deliveries: (delivery, delivery) });
    }

    /// Tells a link something once `number` is durable, the last number so far: whatever was told before is durable by
    /// then.
    pub fn tell(&mut self, number: u64, link: LinkKey, event: Event) {
        self.waiting.push_back(Waiting::Tell { number, link, event });
    }

    /// Ends a link once `number` is durable, the last number so far.
    pub fn detach(&mut self, number: u64, end: Key, mode: DetachMode) {
        self.waiting.push_back(Waiting::Detach { number, end, mode });
    }

    /// Whether a link is still to be told something. Looks at all that waits.
    pub fn is_for(&self, end: Key, link: LinkKey) -> bool {
        self.waiting.iter().any(|waiting| match waiting {
            Waiting::Accept { end: other, .. } => *other == end,
            Waiting::Tell { link: other, .. } => *other == link,
            Waiting::Detach { .. } => false,
        })
    }

    /// A queue's first message waits.
    #[inline]
    pub fn note_blocked(&mut self, queue: Key) {
        self.blocked.push(queue);
    }

    /// The next of those who need wait no more.
    pub fn poll(&mut self) -> Option<Waiting> {
        let durable = self.durable;
        self.waiting.pop_front_if(|waiting| waiting.number() <= durable)
    }

    /// Queues whose first message waited until the journal went on.
    pub fn take_blocked(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.blocked)
    }

    /// Whether anybody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.blocked.is_empty()
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        assert!(self.waiting.iter().map(Waiting::number).is_sorted(), "what waits is in the order of its numbers");
    }
}
