//! What receivers and senders say of deliveries, and what their loss says.
//!
//! What one receiver says is what its sender hears, word for word. Of several receivers all are waited for, and the state that counts
//! most is told: rejected, accepted, modified, released, with what the first of them said with it. A receiver that settles without a
//! state counts as one that is lost. The first terminal state of a copy counts.

use super::action::Action;
use super::deliveries::{Awaiting, Copy, Stage};
use super::keys::{CopyKey, DeliveryKey};
use super::line::Row;
use super::links::{InLink, OutLink};
use super::machine::Settlement;
use super::runs::{RunKey, Taken};
use super::state::{Settling, State};

impl<M: Clone> Settlement<M> {
    /// A receiver says what it does with a copy. What is not known any more is passed over: its word crossed another one.
    pub fn handle_outcome(&mut self, copy: CopyKey, state: Option<State>, settling: Settling) {
        let copy = self.apart(copy);
        let Some(delivery) = self.deliveries.get(copy.delivery) else { return };
        let Some(known) = delivery.copies.get(copy.index as usize).copied() else { return };
        if !matches!(known.stage, Stage::Sent | Stage::Decided) {
            return;
        }
        if delivery.sender.is_some() {
            self.decide(copy, state, settling);
        } else if settling == Settling::Settled {
            self.end(copy);
        } else if state.is_some_and(|state| state.is_terminal()) {
            // Its sender is gone, so that the router itself says the last word.
            self.tell_receiver(known.link, copy, None, Settling::Settled);
            self.end(copy);
        }
    }

    /// A sender says something of its delivery: with its last word nobody waits for an outcome any more.
    pub fn handle_sender(&mut self, delivery: DeliveryKey, state: Option<State>, settling: Settling) {
        let delivery = self.alone(delivery);
        let Some(known) = self.deliveries.get_mut(delivery) else { return };
        let (copies, at) = (known.copies.clone(), known.at);
        let sender = if settling == Settling::Settled { known.sender.take() } else { None };
        // First of all: what is dropped below moves the places of others.
        sender.into_iter().for_each(|sender| self.release(sender.link, at));
        for (index, known) in (0..).zip(copies) {
            let copy = CopyKey { delivery, index };
            match known.stage {
                Stage::Sent | Stage::Decided => {
                    self.tell_receiver(known.link, copy, state.clone(), settling);
                    // One that is sent in parts goes on to its end.
                    if settling == Settling::Settled && !self.streams.is_open(copy) {
                        self.end(copy);
                    }
                }
                Stage::Waiting if settling == Settling::Settled => self.forsake(copy, &known),
                Stage::Waiting | Stage::Done => {}
            }
        }
    }

    /// A sender aborts a delivery: what was sent of it is aborted, and nobody is told of the rest.
    /// Gives who waits for its outcome, and by which number.
    pub fn handle_abort(&mut self, delivery: DeliveryKey) -> Option<(InLink, u32)> {
        let delivery = self.alone(delivery);
        let known = self.deliveries.get_mut(delivery)?;
        self.totals.aborted += 1;
        let (copies, sender, at) = (known.copies.clone(), known.sender.take(), known.at);
        for (index, known) in (0..).zip(copies) {
            let copy = CopyKey { delivery, index };
            match known.stage {
                // One that is sent in parts is aborted with its end.
                Stage::Sent if !self.streams.is_open(copy) => {
                    let copy = CopyKey { delivery: self.deliveries.known_as(delivery), index };
                    self.actions.push_back(Action::Abort { link: known.link, copy });
                }
                Stage::Waiting => self.take_waiting(copy, &known),
                Stage::Sent | Stage::Decided | Stage::Done => {}
            }
            self.end(copy);
        }
        let Awaiting { link, number, .. } = sender?;
        self.release(link, at);
        Some((link, number))
    }

    /// A receiver's link is gone: what it was not sent is released, what it was sent has failed.
    pub fn handle_out_lost(&mut self, link: OutLink) {
        let Some(receiver) = self.outs.remove(link.0) else { return };
        for row in [Row::Awaited, Row::Unawaited] {
            receiver.line.iter(row).for_each(|copy| self.lose(copy, State::Released));
        }
        self.fail_runs(receiver.runs.runs);
        for copy in receiver.sent {
            self.lose(copy, State::failed());
        }
    }

    /// A sender's link is gone: its deliveries go on as if they had been sent settled, and nobody hears what becomes of them. Those that are
    /// not whole are aborted.
    pub fn handle_in_lost(&mut self, link: InLink) {
        for key in self.streams.of_link(link) {
            self.handle_abort(key);
        }
        let runs = self.ins.get(link.0).map(|sender| sender.runs.runs.clone()).unwrap_or_default();
        self.leave_runs(runs);
        let Some(sender) = self.ins.remove(link.0) else { return };
        // First of all: what is dropped below may be another one of them, whose sender is not to be told.
        for key in &sender.unsettled {
            if let Some(delivery) = self.deliveries.get_mut(*key) {
                delivery.sender = None;
            }
        }
        for key in sender.unsettled {
            let Some(delivery) = self.deliveries.get(key) else { continue };
            for (index, copy) in (0..).zip(delivery.copies.clone()) {
                match copy.stage {
                    Stage::Decided => {
                        let copy_key = CopyKey { delivery: key, index };
                        self.tell_receiver(copy.link, copy_key, None, Settling::Settled);
                        self.end(copy_key);
                    }
                    Stage::Waiting | Stage::Sent => self.forsake(CopyKey { delivery: key, index }, &copy),
                    Stage::Done => {}
                }
            }
        }
    }

    /// A sender is gone of which whoever brought its delivery here has said so, who still is to hear what becomes of that.
    pub fn handle_left(&mut self, delivery: DeliveryKey) {
        let delivery = self.alone(delivery);
        let Some(known) = self.deliveries.get_mut(delivery).filter(|known| known.row() == Row::Awaited) else { return };
        known.sender.iter_mut().for_each(|sender| sender.is_left = true);
        let copies = (0..).zip(known.copies.clone());
        copies.for_each(|(index, copy)| self.forsake(CopyKey { delivery, index }, &copy));
    }

    /// Nobody waits for a copy any more.
    fn forsake(&mut self, key: CopyKey, copy: &Copy) {
        match copy.stage {
            Stage::Waiting => {
                if let (Some(receiver), Some(number)) = (self.outs.get_mut(copy.link.0), self.deliveries.number(key)) {
                    receiver.line.forsake(number);
                }
                self.trim(copy.link);
            }
            Stage::Sent => {
                let name = self.deliveries.name(key);
                self.actions.extend(name.map(|name| Action::Left { link: copy.link, name }));
            }
            Stage::Decided | Stage::Done => {}
        }
    }

    /// Takes in what a receiver decided, or said with its last word, of a copy whose sender waits for it.
    pub(super) fn decide(&mut self, copy: CopyKey, state: Option<State>, settling: Settling) {
        let Some(known) = self.deliveries.copy(copy) else { return };
        let Some(delivery) = self.deliveries.get_mut(copy.delivery) else { return };
        let state = if delivery.is_single() { state } else { state.map(State::of_several) };
        if known.stage != Stage::Decided {
            if delivery.is_single() {
                // Word for word, also what decides nothing.
                *delivery.heaviest_mut() = state.clone();
                delivery.is_told = settling == Settling::Unsettled && state.as_ref().is_some_and(State::is_terminal);
                if settling == Settling::Unsettled {
                    self.tell(copy.delivery, state.clone(), settling);
                }
            } else if let Some(state) = state.clone().filter(State::is_terminal) {
                delivery.weigh(state);
            } else if settling == Settling::Settled {
                delivery.weigh(State::failed());
            }
        }
        if settling == Settling::Settled {
            self.finish(copy);
        } else if state.as_ref().is_some_and(State::is_terminal) {
            self.deliveries.set_stage(copy, Stage::Decided);
            self.tell_decided(copy.delivery);
        }
    }

    /// A copy has its receiver's last word; its sender hears it with that of all others.
    fn finish(&mut self, copy: CopyKey) {
        let Some(known) = self.deliveries.copy(copy) else { return };
        self.take_sent(&known);
        self.deliveries.set_stage(copy, Stage::Done);
        if !self.streams.is_empty() {
            self.close(copy);
        }
        self.tell_decided(copy.delivery);
    }

    /// Tells a sender what all receivers together decided, once they have, and that it is the last word, once it is.
    #[inline]
    fn tell_decided(&mut self, key: DeliveryKey) {
        let Some(delivery) = self.deliveries.get_mut(key) else { return };
        if delivery.is_done() {
            let is_told = delivery.is_told;
            let state = delivery.heaviest_mut().take().filter(|_| !is_told);
            let (sender, at) = (delivery.sender, delivery.at);
            self.tell(key, state, Settling::Settled);
            if !self.streams.is_empty() {
                self.forget_parts(key);
            }
            self.deliveries.remove(key);
            if let Some(sender) = sender {
                self.release(sender.link, at);
            }
        } else if delivery.is_decided() && !delivery.is_told {
            delivery.is_told = true;
            let state = delivery.heaviest_mut().clone();
            self.tell(key, state, Settling::Unsettled);
        }
    }

    fn tell(&mut self, delivery: DeliveryKey, state: Option<State>, settling: Settling) {
        if let Some(sender) = self.deliveries.get(delivery).and_then(|delivery| delivery.sender) {
            self.say((sender.link, sender.number), delivery, state, settling);
        }
    }

    /// The receiver of these runs is gone: senders hear of all that is in them.
    fn fail_runs(&mut self, runs: Vec<RunKey>) {
        for run in runs {
            for key in self.deliveries.runs.keys(run) {
                let Some(Taken { ends, number, emptied }) = self.deliveries.runs.take(key, 1) else { continue };
                self.say((ends.sender, number), key, Some(State::failed()), Settling::Settled);
                self.forget_taken(ends, emptied, 1);
            }
        }
    }

    fn say(&mut self, sender: (InLink, u32), delivery: DeliveryKey, state: Option<State>, settling: Settling) {
        let (link, number) = sender;
        if let Some(state) = &state {
            self.totals.count(state, 1);
        }
        let delivery = self.deliveries.known_as(delivery);
        self.actions.push_back(Action::TellSender { link, delivery, number, state, settling });
    }

    fn tell_receiver(&mut self, link: OutLink, copy: CopyKey, state: Option<State>, settling: Settling) {
        let copy = CopyKey { delivery: self.deliveries.known_as(copy.delivery), index: copy.index };
        self.actions.push_back(Action::TellReceiver { link, copy, state, settling });
    }

    /// A copy is over without a word to its sender; the delivery with the last of them.
    pub(super) fn end(&mut self, copy: CopyKey) {
        let Some(known) = self.deliveries.copy(copy) else { return };
        self.take_sent(&known);
        self.deliveries.set_stage(copy, Stage::Done);
        if !self.streams.is_empty() {
            self.close(copy);
        }
        if self.deliveries.get(copy.delivery).is_some_and(|delivery| delivery.is_done()) {
            if !self.streams.is_empty() {
                self.forget_parts(copy.delivery);
            }
            self.deliveries.remove(copy.delivery);
        }
    }

    pub(super) fn lose(&mut self, copy: CopyKey, state: State) {
        let is_waited_for = self.deliveries.get(copy.delivery).is_some_and(|delivery| delivery.sender.is_some());
        match is_waited_for {
            true => self.decide(copy, Some(state), Settling::Settled),
            false => self.end(copy),
        }
    }

    pub(super) fn take_waiting(&mut self, key: CopyKey, copy: &Copy) {
        if let (Some(receiver), Some(number)) = (self.outs.get_mut(copy.link.0), self.deliveries.number(key)) {
            receiver.line.remove(number);
        }
    }

    /// A copy is over: if it was sent, its link was sent one less.
    fn take_sent(&mut self, copy: &Copy) {
        if matches!(copy.stage, Stage::Sent | Stage::Decided) {
            self.forget_sent(copy.link, copy.at);
        }
    }

    /// A link was sent one less, that of this place. The last one has its place then.
    #[inline]
    pub(super) fn forget_sent(&mut self, link: OutLink, at: u32) {
        let Some(receiver) = self.outs.get_mut(link.0) else { return };
        let at = at as usize;
        receiver.sent.swap_remove(at);
        if let Some(moved) = receiver.sent.get(at) {
            self.deliveries.set_copy_place(*moved, at);
        }
    }

    /// A sender has a delivery less that is unsettled, the one of this place, and credit for another one. The last one has its place then.
    #[inline]
    pub(super) fn release(&mut self, link: InLink, at: u32) {
        let Some(sender) = self.ins.get_mut(link.0) else { return };
        let at = at as usize;
        sender.unsettled.swap_remove(at);
        if let Some(moved) = sender.unsettled.get(at) {
            self.deliveries.set_place(*moved, at);
        }
        if sender.fill() {
            self.credited.push_back(link);
        }
    }
}
