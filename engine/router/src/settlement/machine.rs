//! Deliveries through a router: from a sender's link to those of its receivers, and what becomes of them back to the sender.
//!
//! Guarantees:
//! 1. A router owns no message: `accepted` is a receiver's word. A delivery that was sent unsettled gets one terminal state and one last
//!    word, if its sender waits for them.
//! 2. A sender has no more credit than its capacity, none before somebody can be reached, and with unsettled deliveries together no more
//!    than that. A receiver is sent what its credit allows, in the order in which it came.
//! 3. Copies that nobody waits to hear of (sent settled, or by a sender that is gone) and that a receiver does not keep up with are dropped
//!    above its capacity, the oldest first, and counted. Nothing else is lost.
//! 4. What has ended leaves nothing behind.
//! 5. What waits takes no more than the bound: above half of it nothing stays that nobody waits for, above all of it what would have to
//!    wait is released. What receivers have credit for passes.
//!
//! Its host chooses the receivers (`forward`), and keeps the message: a copy's key says which. It polls actions after each input.
//!
//! Not here: what nearly all deliveries do (`single.rs`), when copies are sent (`sending.rs`), also in parts (`streaming.rs`); what outcomes do (`outcomes.rs`); links that are routed as a whole, which need no settlement of
//! their own.

use std::collections::VecDeque;

use super::action::{Action, Totals};
use super::deliveries::{Deliveries, Stage};
use super::keys::{CopyKey, DeliveryKey};
use super::line::Row;
use super::links::{In, InKind, InLink, Out, OutKind, OutLink, Standing};
use super::state::{Settling, State};
use super::streams::{Beginning, Streams};
use super::table::Table;

/// A sender sent without credit: its link is to end (`amqp:link:transfer-limit-exceeded`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overrun;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bound<M> {
    /// Octets, of all deliveries that are under way.
    pub octets_max: u64,
    /// The size of what was sent.
    pub octets: fn(&M) -> u64,
}

/// Deliveries through a router, or through one shard of it.
#[derive(Debug)]
pub struct Settlement<M = ()> {
    pub(super) ins: Table<In>,
    pub(super) outs: Table<Out>,
    pub(super) deliveries: Deliveries<M>,
    pub(super) streams: Streams,
    pub(super) actions: VecDeque<Action<M>>,
    pub(super) totals: Totals,
    /// Links with credit that is to be said.
    pub(super) credited: VecDeque<InLink>,
    pub(super) bound: Bound<M>,
}

impl<M> Default for Settlement<M> {
    /// One without a bound, for what is nothing.
    fn default() -> Self {
        Self::new(Bound { octets_max: u64::MAX, octets: |_| 0 })
    }
}

impl<M> Settlement<M> {
    /// One without links.
    #[must_use]
    pub fn new(bound: Bound<M>) -> Self {
        Self {
            ins: Table::default(),
            outs: Table::default(),
            deliveries: Deliveries::default(),
            streams: Streams::default(),
            actions: VecDeque::new(),
            totals: Totals::default(),
            credited: VecDeque::new(),
            bound,
        }
    }
}

impl<M: Clone> Settlement<M> {
    /// A sender's link is there; it has no credit yet.
    pub fn handle_in(&mut self, link: InLink, kind: InKind, capacity: u32) {
        self.ins.insert(link.0, In::new(kind, capacity));
    }

    /// A receiver's link is there.
    pub fn handle_out(&mut self, link: OutLink, kind: OutKind, capacity: u32) {
        self.outs.insert(link.0, Out::new(kind, capacity));
    }

    /// Somebody can be reached who takes what a link brings: its sender gets what it may have.
    pub fn handle_reached(&mut self, link: InLink) {
        if let Some(sender) = self.ins.get_mut(link.0) {
            sender.is_reached = true;
        }
        self.fill(link);
    }

    /// Nobody can be reached any more. Credit that is given stays, until something comes that nobody takes.
    pub fn handle_unreached(&mut self, link: InLink) {
        if let Some(sender) = self.ins.get_mut(link.0) {
            sender.is_reached = false;
        }
    }

    /// A sender gave its credit back.
    pub fn handle_drained(&mut self, link: InLink) {
        if let Some(sender) = self.ins.get_mut(link.0) {
            (sender.credit, sender.unsaid) = (0, 0);
        }
        self.fill(link);
    }

    /// A delivery comes, by its number with its sender, for these receivers: each once, and none if nobody can be reached.
    ///
    /// # Errors
    /// When the sender has no credit for it.
    pub fn handle_delivery(
        &mut self,
        link: InLink,
        number: u32,
        settling: Settling,
        receivers: &[OutLink],
        content: M,
    ) -> Result<Option<DeliveryKey>, Overrun> {
        self.enter((link, number, settling), receivers, content, None)
    }

    /// Takes a delivery, or the beginning of one. Part of both callers, so that what is whole is not asked for more.
    #[inline(always)]
    pub(super) fn enter(
        &mut self,
        (link, number, settling): (InLink, u32, Settling),
        receivers: &[OutLink],
        content: M,
        beginning: Option<Beginning>,
    ) -> Result<Option<DeliveryKey>, Overrun> {
        let sender = self.ins.get_mut(link.0).ok_or(Overrun)?;
        sender.credit = sender.credit.checked_sub(1).ok_or(Overrun)?;
        let waiting = (settling == Settling::Unsettled).then_some((link, number));
        let known = receivers.iter().all(|receiver| self.outs.get(receiver.0).is_some()) && !receivers.is_empty();
        let octets = (self.bound.octets)(&content);
        let Some(key) = known.then(|| self.deliveries.add(waiting, receivers, (content, octets))).flatten() else {
            self.refuse(link, number, settling);
            return Ok(None);
        };
        if settling == Settling::Unsettled {
            self.deliveries.set_place(key, sender.unsettled.len());
            sender.unsettled.push(key);
        }
        self.fill(link);
        beginning.into_iter().for_each(|beginning| self.begin(key, link, beginning, receivers.len()));
        for (index, receiver) in (0..).zip(receivers) {
            self.put(*receiver, CopyKey { delivery: key, index });
        }
        Ok(Some(key))
    }

    /// A receiver may be sent so many, from now on.
    pub fn handle_credit(&mut self, link: OutLink, credit: u32) {
        if let Some(receiver) = self.outs.get_mut(link.0) {
            match &mut receiver.carried {
                Some(carried) => carried.credit = credit,
                None => receiver.credit = credit,
            }
        }
        self.advance(link);
    }

    /// A receiver wants what there is for so many, and its credit used up then.
    pub fn handle_drain(&mut self, link: OutLink, credit: u32) {
        self.handle_credit(link, credit);
        if let Some(receiver) = self.outs.get_mut(link.0) {
            receiver.is_draining = true;
        }
        self.answer_drain(link);
    }

    /// Uses up the credit that a receiver wants used up. As long as a message goes out in parts, what waits behind it may have it.
    pub(super) fn answer_drain(&mut self, link: OutLink) {
        if let Some(receiver) = self.outs.get_mut(link.0)
            && receiver.is_draining
            && receiver.carried.is_none()
        {
            receiver.is_draining = false;
            let unused = std::mem::take(&mut receiver.credit);
            self.actions.push_back(Action::Drained { link, unused });
        }
    }

    /// The next thing to be done.
    pub fn poll_action(&mut self) -> Option<Action<M>> {
        // Credit last, and what came together in one.
        self.poll_deed().or_else(|| {
            let link = self.credited.pop_front()?;
            let sender = self.ins.get_mut(link.0)?;
            sender.is_noted = false;
            Some(Action::Credit { link, more: std::mem::take(&mut sender.unsaid) })
        })
    }

    /// The same without credit, which waits for `poll_credit`.
    pub fn poll_deed(&mut self) -> Option<Action<M>> {
        // Looked at first: a deed is large, and moved once.
        if self.actions.is_empty() && !self.streams.freed.is_empty() {
            self.go_on();
        }
        self.actions.pop_front()
    }

    /// Credit that is due: of a sender that knows of no more than half of what it may have. What others may have more is told when they
    /// have used some, so that a link takes one word for many deliveries.
    pub fn poll_credit(&mut self) -> Option<(InLink, u32)> {
        loop {
            let link = self.credited.pop_front()?;
            let Some(sender) = self.ins.get_mut(link.0) else { continue };
            sender.is_noted = false;
            if sender.credit.saturating_sub(sender.unsaid) <= sender.capacity / 2 {
                return Some((link, std::mem::take(&mut sender.unsaid)));
            }
        }
    }

    /// What became of deliveries, in sum.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// A settled copy that was sent went nowhere, as its receiver's host does not keep up.
    pub fn note_dropped_late(&mut self) {
        self.totals.dropped_late += 1;
    }

    /// A copy that was sent came back, as its receiver's host has no memory for it.
    pub fn note_refused(&mut self) {
        self.totals.refused += 1;
    }

    /// Octets of what is under way, at most.
    #[must_use]
    pub fn octets_max(&self) -> u64 {
        self.bound.octets_max
    }

    /// A settled delivery went nowhere before it came here.
    pub fn note_dropped(&mut self) {
        self.totals.dropped += 1;
    }

    /// A delivery that did not come here has a state all the same, which its sender is told.
    pub fn note_told(&mut self, state: &State) {
        self.totals.count(state, 1);
    }

    /// Octets of what is under way.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.deliveries.octets() + self.streams.octets()
    }

    /// What a sender has unsettled.
    #[must_use]
    pub fn unsettled(&self, link: InLink) -> usize {
        self.ins.get(link.0).map_or(0, In::unsettled)
    }

    /// Has a copy that was sent be called by a name when nobody waits for it any more (`Action::Left`).
    pub fn name(&mut self, copy: CopyKey, name: u32) {
        let copy = self.apart(copy);
        self.deliveries.set_name(copy, name);
    }

    /// How many more a receiver may be sent.
    #[must_use]
    pub fn credit(&self, link: OutLink) -> u32 {
        self.outs.get(link.0).map_or(0, Out::unused)
    }

    /// What a receiver has to do: copies that wait for its credit, and those that it has not settled.
    #[must_use]
    pub fn load(&self, link: OutLink) -> u32 {
        let load = self.outs.get(link.0).map_or(0, |receiver| receiver.line.len() + receiver.sent());
        u32::try_from(load).unwrap_or(u32::MAX)
    }

    /// Whether nothing waits for a receiver, and no message goes out to it in parts.
    #[must_use]
    pub fn is_idle(&self, link: OutLink) -> bool {
        self.outs.get(link.0).is_some_and(|receiver| receiver.line.len() == 0 && receiver.carried.is_none())
    }

    /// How a sender's link stands; `None` if it is gone.
    #[must_use]
    pub fn standing_in(&self, link: InLink) -> Option<Standing> {
        let sender = self.ins.get(link.0)?;
        Some(Standing { capacity: sender.capacity, credit: sender.credit, waiting: 0, unsettled: sender.unsettled() })
    }

    /// How a receiver's link stands; `None` if it is gone.
    #[must_use]
    pub fn standing_out(&self, link: OutLink) -> Option<Standing> {
        let receiver = self.outs.get(link.0)?;
        let (waiting, unsettled) = (receiver.line.len(), receiver.sent());
        Some(Standing { capacity: receiver.capacity, credit: receiver.unused(), waiting, unsettled })
    }

    /// Whether a copy waits, or was sent and has no last word.
    #[must_use]
    pub fn is_under_way(&self, copy: CopyKey) -> bool {
        let CopyKey { delivery, index } = copy;
        let known = CopyKey { delivery: self.deliveries.runs.called(delivery), index };
        self.deliveries.runs.has(delivery) || self.deliveries.copy(known).is_some_and(|copy| copy.stage != Stage::Done)
    }

    /// Deliveries that are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.deliveries.count()
    }

    /// Asserts what must hold between two inputs.
    pub fn check(&self) {
        for (_, sender) in self.ins.iter() {
            let used = if sender.kind == InKind::Endpoint { sender.unsettled() } else { 0 };
            assert!(sender.credit as usize + used <= sender.capacity as usize, "a sender has its capacity at most");
            assert!(
                sender.unsettled.iter().all(|key| self.deliveries.get(*key).is_some()),
                "what is unsettled is there"
            );
        }
        let mut copies = 0;
        for (link, receiver) in self.outs.iter() {
            assert!(receiver.credit == 0 || receiver.line.len() == 0, "what may be sent was sent");
            for row in [Row::Awaited, Row::Unawaited] {
                let is_there = |key: CopyKey| self.deliveries.get(key.delivery).is_some_and(|known| known.row() == row);
                assert!(receiver.line.iter(row).all(is_there), "a copy waits with those that it belongs to");
            }
            let unawaited = receiver.line.iter(Row::Unawaited).count();
            assert!(unawaited <= receiver.capacity as usize, "what nobody waits for is its capacity at most");
            for key in receiver.line.iter(Row::Awaited).chain(receiver.line.iter(Row::Unawaited)) {
                assert!(
                    self.deliveries.copy(key).is_some_and(|copy| copy.link.0 == link),
                    "a copy is where it was put"
                );
            }
            for key in &receiver.sent {
                assert!(self.deliveries.copy(*key).is_some_and(|copy| copy.link.0 == link), "so is one that was sent");
            }
            copies += receiver.line.len() + receiver.sent();
        }
        self.deliveries.check(|link| self.ins.get(link.0).is_some());
        self.streams.check(|key| Some(self.deliveries.get(key)?.copies.len()));
        self.check_carried();
        self.check_runs();
        assert!(self.deliveries.count() <= copies, "a delivery has a copy that is under way");
    }

    /// Asserts that a link is kept for the one message in parts that it carries.
    fn check_carried(&self) {
        for (link, receiver) in self.outs.iter() {
            let open = receiver.sent.iter().filter(|copy| self.streams.is_open(**copy)).count();
            let is_freed = self.streams.freed.contains(&OutLink(link));
            match receiver.kind {
                OutKind::Lane => assert!(receiver.carried.is_none(), "a lane carries any number of messages"),
                OutKind::Deciding | OutKind::Settled => {
                    assert!(open <= 1, "a link carries one message in parts at a time");
                    assert!(receiver.carried.is_some() == (open == 1 || is_freed), "and nothing else meanwhile");
                }
            }
        }
    }

    /// Gives a sender what it may have.
    pub(super) fn fill(&mut self, link: InLink) {
        if self.ins.get_mut(link.0).is_some_and(In::fill) {
            self.credited.push_back(link);
        }
    }

    /// A delivery that goes nowhere: nobody is there, or no room.
    fn refuse(&mut self, link: InLink, number: u32, settling: Settling) {
        match settling {
            Settling::Settled => self.totals.dropped += 1,
            Settling::Unsettled => {
                self.totals.released += 1;
                self.actions.push_back(Action::Release { link, number });
            }
        }
        let is_reached = self.ins.get(link.0).is_some_and(|sender| sender.is_reached);
        if !is_reached {
            self.actions.push_back(Action::Drain { link });
        }
        self.fill(link);
    }
}
