//! Deliveries that nearly all are: one receiver, which has credit when they come, and says one word, which is the last.
//!
//! Guarantee: what these do is what `handle_delivery` and `handle_outcome` would do, with their actions carried out. They give what is to be
//! done in place of actions, and their host keeps what was sent all the while. What is not so simple they leave as it was.

use super::deliveries::{CopyKey, DeliveryKey, Single};
use super::links::{InLink, OutKind, OutLink};
use super::machine::Settlement;
use super::state::{Settling, State};

/// How a delivery goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// Its outcome is waited for.
    Unsettled(CopyKey),
    /// Nobody waits to hear of it.
    Settled,
}

impl Passed {
    /// What its receiver is sent, if its outcome is waited for.
    #[inline]
    #[must_use]
    pub fn copy(self) -> Option<CopyKey> {
        match self {
            Self::Unsettled(copy) => Some(copy),
            Self::Settled => None,
        }
    }

    /// Its delivery, likewise.
    #[inline]
    #[must_use]
    pub fn delivery(self) -> Option<DeliveryKey> {
        self.copy().map(|copy| copy.delivery)
    }
}

impl<M: Clone> Settlement<M> {
    /// A delivery comes, by its number with its sender, for this one receiver, and is to be sent to it now; nothing if it cannot be, which
    /// `handle_delivery` takes.
    #[inline(always)]
    pub fn pass(&mut self, link: InLink, number: u32, settling: Settling, receiver: OutLink) -> Option<Passed> {
        let sender = self.ins.get_mut(link.0).filter(|sender| sender.credit > 0)?;
        let out = self.outs.get_mut(receiver.0).filter(|out| out.credit > 0)?;
        let passed = match settling {
            Settling::Settled => Passed::Settled,
            // What counts as accepted once it is sent has two words to be said.
            Settling::Unsettled if out.kind == OutKind::Settled => return None,
            Settling::Unsettled => {
                let from = ((link, number), sender.unsettled.len());
                let delivery = self.deliveries.add_sent(from, (receiver, out.sent.len()))?;
                let copy = CopyKey { delivery, index: 0 };
                sender.unsettled.push(delivery);
                out.sent.push(copy);
                Passed::Unsettled(copy)
            }
        };
        sender.credit -= 1;
        out.credit -= 1;
        if sender.fill() {
            self.credited.push_back(link);
        }
        Some(passed)
    }

    /// A receiver says its last word of a copy: gives who is to be told the same, and of which of its deliveries; nothing if there is more
    /// to be done, which `handle_outcome` does.
    #[inline]
    pub fn pass_back(&mut self, copy: CopyKey, state: &State) -> Option<(InLink, u32)> {
        if !self.streams.is_empty() && self.streams.has(copy.delivery) {
            return None;
        }
        let Single { sender, at, receiver, sent_at } = self.deliveries.take_single(copy.delivery)?;
        self.totals.count(state);
        self.forget_sent(receiver, sent_at);
        self.release(sender.0, at);
        Some(sender)
    }
}
