//! Copies on their way to receivers: what is sent at once, what waits, and what goes when there is no room for it.

use super::action::Action;
use super::deliveries::Delivery;
use super::keys::CopyKey;
use super::line::Row;
use super::links::{OutKind, OutLink};
use super::machine::Settlement;
use super::state::{Settling, State};

impl<M: Clone> Settlement<M> {
    /// Sends a copy, or puts it behind what waits for its receiver.
    pub(super) fn put(&mut self, link: OutLink, copy: CopyKey) {
        let Some(receiver) = self.outs.get_mut(link.0) else { return };
        if receiver.credit > 0 {
            receiver.credit -= 1;
            return self.give(link, copy);
        }
        let Some(row) = self.deliveries.get(copy.delivery).map(Delivery::row) else { return };
        let number = receiver.line.push(row, copy);
        self.deliveries.set_number(copy, number);
        self.trim(link);
        if row == Row::Awaited && self.octets() > self.bound.octets_max {
            if let Some(receiver) = self.outs.get_mut(link.0) {
                receiver.line.remove(number);
            }
            self.totals.refused += 1;
            self.lose(copy, State::Released);
        }
    }

    /// Drops the oldest copies that wait and that nobody waits for, as long as there are too many.
    pub(super) fn trim(&mut self, link: OutLink) {
        loop {
            let octets = self.octets();
            let Some(receiver) = self.outs.get_mut(link.0) else { return };
            let is_long = receiver.line.len() > receiver.capacity as usize;
            if !is_long && octets <= self.bound.octets_max / 2 {
                return;
            }
            let Some(copy) = receiver.line.pop_unawaited() else { return };
            self.totals.dropped_late += 1;
            self.lose(copy, State::Released);
        }
    }

    /// Sends what a receiver may be sent.
    pub(super) fn advance(&mut self, link: OutLink) {
        while let Some(receiver) = self.outs.get_mut(link.0).filter(|receiver| receiver.credit > 0) {
            let Some(copy) = receiver.line.pop() else { return };
            receiver.credit -= 1;
            self.give(link, copy);
        }
    }

    /// Sends a copy that its receiver had credit for.
    fn give(&mut self, link: OutLink, copy: CopyKey) {
        if !self.streams.is_empty() && self.streams.has(copy.delivery) {
            return self.give_beginning(link, copy);
        }
        let Some(receiver) = self.outs.get_mut(link.0) else { return };
        let is_waited_for = self.deliveries.get(copy.delivery).is_some_and(|delivery| delivery.sender.is_some());
        if is_waited_for && receiver.kind != OutKind::Settled {
            let content = self.deliveries.give(copy, receiver.sent.len());
            receiver.sent.push(copy);
            if let Some(content) = content {
                self.actions.push_back(Action::Send { link, copy, settling: Settling::Unsettled, content });
            }
            return;
        }
        self.send(link, copy, Settling::Settled);
        match is_waited_for {
            true => self.decide(copy, Some(State::Accepted), Settling::Settled),
            false => self.end(copy),
        }
    }

    pub(super) fn send(&mut self, link: OutLink, copy: CopyKey, settling: Settling) {
        if let Some(content) = self.deliveries.content(copy) {
            self.actions.push_back(Action::Send { link, copy, settling, content });
        }
    }
}
