//! Messages that begin to leave before they are whole: their parts on their way to receivers.
//!
//! Guarantees: a receiver's link carries nothing between the parts of one message; the slowest receiver sets the pace, and whoever brings a
//! message hears of each of its octets once that it is gone (`Action::Taken`). A copy that begins is sent to its end or aborted, once, also
//! if its receiver's link is gone. A message whose sender does not stop, when memory is used up, is given up.
//!
//! Two copied messages may come in another order at each of two receivers, if they come through two parts of the router. Each receiver has
//! begun with one then, and the other's waits behind that. If it held its sender up, both would wait for each other without end. So a copy
//! that waits behind a message of which its receiver has all that came holds nobody up (`Pace::OfOpen`), if what it is a copy of is in
//! somebody's way: another copy has begun, or it came over a link between routers or their parts. It is kept, as memory allows.
//!
//! Not here: which parts there are (`streams`).

use bytes::Bytes;

use super::action::Action;
use super::deliveries::Stage;
use super::keys::{CopyKey, DeliveryKey};
use super::links::{Carried, InKind, InLink, OutKind, OutLink};
use super::machine::{Overrun, Settlement};
use super::state::{Settling, State};
use super::streams::{Beginning, Following, Kept, Pace, Sent, part_octets};
use crate::limits::STREAM_OCTETS;

impl<M: Clone> Settlement<M> {
    /// A delivery begins to come, as `handle_delivery` takes one; its other parts follow (`handle_part`, `handle_stream_aborted`).
    ///
    /// # Errors
    /// When the sender has no credit for it.
    pub fn handle_beginning(
        &mut self,
        link: InLink,
        number: u32,
        settling: Settling,
        receivers: &[OutLink],
        (beginning, content): (Beginning, M),
    ) -> Result<Option<DeliveryKey>, Overrun> {
        self.enter((link, number, settling), receivers, content, Some(beginning))
    }

    /// A part of a delivery comes, behind those before.
    pub fn handle_part(&mut self, link: InLink, stream: u64, bytes: Bytes, following: Following) -> Kept {
        let Some(key) = self.streams.of_source((link, stream)) else { return Kept::Nothing };
        if bytes.is_empty() && following == Following::More {
            return Kept::Nothing;
        }
        let octets = part_octets(bytes.len());
        self.streams.push(key, bytes, following);
        self.pump(key);
        if self.streams.octets_of(key) > STREAM_OCTETS && self.octets() > self.bound.octets_max {
            self.give_up(key);
        }
        Kept::Octets(octets)
    }

    /// Copies that were begun and are not sent to their end.
    #[must_use]
    pub fn open_copies(&self) -> usize {
        self.streams.open_copies()
    }

    /// The delivery whose parts a link brings by that number, if it is not whole and somebody is to have it.
    #[must_use]
    pub fn of_stream(&self, link: InLink, stream: u64) -> Option<DeliveryKey> {
        self.streams.of_source((link, stream))
    }

    /// A sender aborts a delivery that is not whole; gives who waits for its outcome, and by which number, and hears none.
    pub fn handle_stream_aborted(&mut self, link: InLink, stream: u64) -> Option<(InLink, u32)> {
        let key = self.streams.of_source((link, stream))?;
        self.handle_abort(key)
    }

    /// Whoever takes a copy has passed on so many octets of it.
    pub fn handle_taken(&mut self, copy: CopyKey, octets: u64) {
        self.streams.pass(copy, octets);
        self.pump(copy.delivery);
        if self.streams.is_starving(copy) {
            self.streams.copied().into_iter().for_each(|key| self.trim_parts(key));
        }
    }

    /// Notes a delivery that is not whole: what follows is for all its copies.
    pub(super) fn begin(&mut self, key: DeliveryKey, link: InLink, beginning: Beginning, copies: usize) {
        self.streams.begin(key, link, beginning, copies);
    }

    /// Sends the first part of a copy that its receiver had credit for. Its link carries nothing else until the message ends.
    pub(super) fn give_beginning(&mut self, link: OutLink, copy: CopyKey) {
        let Some(receiver) = self.outs.get_mut(link.0) else { return };
        let is_waited_for = self.deliveries.get(copy.delivery).is_some_and(|delivery| delivery.sender.is_some());
        let settling = match receiver.kind {
            OutKind::Deciding | OutKind::Lane if is_waited_for => Settling::Unsettled,
            _ => Settling::Settled,
        };
        if receiver.kind != OutKind::Lane {
            receiver.carried = Some(Carried { copy, credit: std::mem::take(&mut receiver.credit) });
        }
        self.deliveries.set_copy_place(copy, receiver.sent.len());
        receiver.sent.push(copy);
        self.send(link, copy, settling);
        self.deliveries.set_stage(copy, Stage::Sent);
        self.streams.open(copy, settling);
        self.pump(copy.delivery);
    }

    /// Sends what there is to those who take it.
    fn pump(&mut self, key: DeliveryKey) {
        let copies = self.deliveries.get(key).map_or(0, |delivery| delivery.copies.len() as u32);
        for index in 0..copies {
            let copy = CopyKey { delivery: key, index };
            let Some(known) = self.deliveries.copy(copy) else { continue };
            while let Some(Sent { bytes, following, settling }) = self.streams.next(copy) {
                self.actions.push_back(Action::SendPart { link: known.link, copy, bytes, following });
                if following == Following::End {
                    self.handle_sent(known.link, copy, settling);
                }
            }
        }
        self.trim_parts(key);
    }

    /// All of a copy was sent.
    fn handle_sent(&mut self, link: OutLink, copy: CopyKey, sent: Settling) {
        self.streams.freed.push(link);
        let kind = self.outs.get(link.0).map(|receiver| receiver.kind);
        let is_waited_for = self.deliveries.get(copy.delivery).is_some_and(|delivery| delivery.sender.is_some());
        match (is_waited_for, kind) {
            (true, Some(OutKind::Settled)) => self.decide(copy, Some(State::Accepted), Settling::Settled),
            (true, _) => {}
            (false, _) => {
                if sent == Settling::Unsettled {
                    // Its sender settled it meanwhile: the receiver need not decide.
                    let (state, settling) = (None, Settling::Settled);
                    self.actions.push_back(Action::TellReceiver { link, copy, state, settling });
                }
                self.end(copy);
            }
        }
    }

    /// A copy is over: what follows of its message is not for it.
    pub(super) fn close(&mut self, copy: CopyKey) {
        let Some(known) = self.deliveries.copy(copy) else { return };
        if self.streams.close(copy) {
            self.actions.push_back(Action::Abort { link: known.link, copy });
            self.streams.freed.push(known.link);
        }
        self.trim_parts(copy.delivery);
    }

    /// Tells whoever brings a message what of it is gone.
    fn trim_parts(&mut self, key: DeliveryKey) {
        let pace = self.pace(key);
        if let Some(((link, stream), octets)) = self.streams.trim(key, pace) {
            self.actions.push_back(Action::Taken { link, stream, octets });
        }
    }

    /// Whose pace a message's sender is held to.
    fn pace(&self, key: DeliveryKey) -> Pace {
        let Some(source) = self.streams.waiting_of_copied(key) else { return Pace::OfAll };
        let is_of_router = self.ins.get(source.0).is_some_and(|sender| sender.kind == InKind::Router);
        let is_in_the_way = is_of_router || self.streams.has_open(key);
        let Some(delivery) = self.deliveries.get(key).filter(|_| is_in_the_way) else { return Pace::OfAll };
        let mut waiting = delivery.copies.iter().filter(|copy| copy.stage == Stage::Waiting);
        let is_behind_starving = |link: OutLink| {
            let carried = self.outs.get(link.0).and_then(|receiver| receiver.carried);
            carried.is_some_and(|carried| self.streams.is_starving(carried.copy))
        };
        if waiting.all(|copy| is_behind_starving(copy.link)) { Pace::OfOpen } else { Pace::OfAll }
    }

    /// A delivery is gone, with its parts.
    pub(super) fn forget_parts(&mut self, key: DeliveryKey) {
        if let Some(((link, stream), octets)) = self.streams.remove(key) {
            self.actions.push_back(Action::Taken { link, stream, octets });
        }
    }

    /// A message takes more than it may while memory is used up: its copies are lost.
    fn give_up(&mut self, key: DeliveryKey) {
        self.totals.refused += 1;
        let copies = self.deliveries.get(key).map(|delivery| delivery.copies.clone()).unwrap_or_default();
        for (index, known) in (0..).zip(copies) {
            let copy = CopyKey { delivery: key, index };
            match known.stage {
                Stage::Waiting => {
                    self.take_waiting(copy, &known);
                    self.lose(copy, State::Released);
                }
                Stage::Sent | Stage::Decided => self.lose(copy, State::failed()),
                Stage::Done => {}
            }
        }
    }

    /// Goes on with links whose message in parts has ended.
    pub(super) fn go_on(&mut self) {
        while let Some(link) = self.streams.freed.pop() {
            if let Some(receiver) = self.outs.get_mut(link.0)
                && let Some(carried) = receiver.carried.take()
            {
                receiver.credit = carried.credit;
                self.advance(link);
                self.answer_drain(link);
            }
        }
    }
}
