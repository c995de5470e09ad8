//! Deliveries that nearly all are: one receiver, which has credit when they come, and says one word, which is the last.
//!
//! Guarantee: what these do is what `handle_delivery` and `handle_outcome` would do, with their actions carried out. They give what is to be
//! done in place of actions, and their host keeps what was sent all the while. What is not so simple they leave as it was. Those that come
//! one behind the other are in runs (`runs.rs`); what else is asked of one of them is asked of it `alone`.

use super::deliveries::Single;
use super::keys::{CopyKey, DeliveryKey};
use super::links::{In, InLink, Out, OutKind, OutLink};
use super::machine::Settlement;
use super::runs::{Ends, RunKey, Runs, Taken};
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
        let passed = match (settling, out.kind) {
            (Settling::Settled, _) => Passed::Settled,
            // What counts as accepted once it is sent has two words to be said.
            (Settling::Unsettled, OutKind::Settled) => return None,
            // What goes to another part of the router has a name of its own each.
            (Settling::Unsettled, OutKind::Lane) => {
                let from = ((link, number), sender.unsettled.len());
                let delivery = self.deliveries.add_sent(from, (receiver, out.sent.len()))?;
                let copy = CopyKey { delivery, index: 0 };
                sender.unsettled.push(delivery);
                out.sent.push(copy);
                Passed::Unsettled(copy)
            }
            (Settling::Unsettled, OutKind::Deciding) if self.deliveries.has_room() => {
                let runs = &mut self.deliveries.runs;
                let delivery = match out.run.and_then(|run| runs.extend(run, link, number)) {
                    Some(delivery) => delivery,
                    None => begin_run(runs, (link, number, &mut *sender), (receiver, &mut *out)),
                };
                sender.runs.deliveries += 1;
                out.runs.deliveries += 1;
                Passed::Unsettled(CopyKey { delivery, index: 0 })
            }
            (Settling::Unsettled, OutKind::Deciding) => return None,
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
        match copy.delivery.is_of_run() {
            false => self.pass_back_single(copy.delivery, state),
            true => self.pass_back_run(copy.delivery, 1, state).or_else(|| {
                let called = self.deliveries.runs.called(copy.delivery);
                self.pass_back_single(called, state)
            }),
        }
    }

    /// A receiver says its last word of so many deliveries, this one and those whose keys follow (`DeliveryKey::neighbours`): gives who is to be
    /// told the same, and of which on; nothing, if `pass_back` is to be asked for each.
    #[inline]
    pub fn pass_back_run(&mut self, first: DeliveryKey, count: u32, state: &State) -> Option<(InLink, u32)> {
        let Taken { ends, number, emptied } = self.deliveries.runs.take(first, count)?;
        self.totals.count(state, count);
        self.forget_taken(ends, emptied, count);
        Some((ends.sender, number))
    }

    #[inline]
    fn pass_back_single(&mut self, key: DeliveryKey, state: &State) -> Option<(InLink, u32)> {
        if !self.streams.is_empty() && self.streams.has(key) {
            return None;
        }
        let Single { sender, at, receiver, sent_at } = self.deliveries.take_single(key)?;
        self.totals.count(state, 1);
        self.forget_sent(receiver, sent_at);
        self.release(sender.0, at);
        Some(sender)
    }

    /// So many deliveries were taken out of a run: its ends have as many fewer, and the sender credit for others.
    #[inline]
    pub(super) fn forget_taken(&mut self, ends: Ends, emptied: Option<RunKey>, count: u32) {
        if let Some(out) = self.outs.get_mut(ends.receiver.0) {
            out.runs.deliveries -= count;
        }
        emptied.into_iter().for_each(|run| self.close_run(run));
        let Some(sender) = self.ins.get_mut(ends.sender.0) else { return };
        sender.runs.deliveries -= count;
        if sender.fill() {
            self.credited.push_back(ends.sender);
        }
    }

    /// Nothing is left in a run: it is over, once nothing is under way that has left it.
    fn close_run(&mut self, run: RunKey) {
        let runs = &mut self.deliveries.runs;
        let Some(&mut Ends { sender, receiver, at_sender, at_receiver }) = runs.ends_mut(run) else { return };
        if let Some(sender) = self.ins.get_mut(sender.0) {
            sender.runs.runs.swap_remove(at_sender as usize);
            let moved = sender.runs.runs.get(at_sender as usize).and_then(|moved| runs.ends_mut(*moved));
            moved.into_iter().for_each(|moved| moved.at_sender = at_sender);
        }
        if let Some(out) = self.outs.get_mut(receiver.0) {
            out.runs.runs.swap_remove(at_receiver as usize);
            let moved = out.runs.runs.get(at_receiver as usize).and_then(|moved| runs.ends_mut(*moved));
            moved.into_iter().for_each(|moved| moved.at_receiver = at_receiver);
            out.run.take_if(|last| *last == run);
        }
        runs.close(run);
    }

    /// A delivery of which more is asked than its last word: it leaves its run, if it is in one. Gives what it is called from then on; of
    /// one that is over, what names nothing.
    pub(super) fn alone(&mut self, key: DeliveryKey) -> DeliveryKey {
        if !key.is_of_run() {
            return key;
        }
        let Some(Taken { ends, number, emptied }) = self.deliveries.runs.take(key, 1) else {
            return self.deliveries.runs.called(key);
        };
        let (Some(sender), Some(out)) = (self.ins.get_mut(ends.sender.0), self.outs.get_mut(ends.receiver.0)) else {
            unreachable!("what is in a run has both of its ends")
        };
        let from = ((ends.sender, number), sender.unsettled.len());
        let delivery = self.deliveries.take_from_run(key, from, (ends.receiver, out.sent.len()));
        sender.unsettled.push(delivery);
        out.sent.push(CopyKey { delivery, index: 0 });
        // As many as before are unsettled, so that no credit comes of it.
        self.forget_taken(ends, emptied, 1);
        delivery
    }

    /// The same of a copy.
    pub(super) fn apart(&mut self, copy: CopyKey) -> CopyKey {
        CopyKey { delivery: self.alone(copy.delivery), index: copy.index }
    }

    /// All that is in these runs leaves them.
    pub(super) fn leave_runs(&mut self, runs: Vec<RunKey>) {
        for run in runs {
            for key in self.deliveries.runs.keys(run) {
                self.alone(key);
            }
        }
    }

    /// Asserts what must hold of runs between two inputs.
    pub(super) fn check_runs(&self) {
        let runs = &self.deliveries.runs;
        let count = |of: &[RunKey]| of.iter().map(|run| runs.keys(*run).count() as u32).sum::<u32>();
        let ins: Vec<_> = self.ins.iter().map(|(_, sender)| &sender.runs).collect();
        let outs: Vec<_> = self.outs.iter().map(|(_, out)| &out.runs).collect();
        for (link, sender) in self.ins.iter() {
            let is_its = |(at, run): (u32, &RunKey)| {
                let ends = runs.ends(*run);
                ends.is_some_and(|ends| (ends.sender.0, ends.at_sender) == (link, at)) && runs.keys(*run).count() > 0
            };
            assert!(
                (0..).zip(&sender.runs.runs).all(is_its),
                "a sender's run knows its place, and has something in it"
            );
        }
        for (link, out) in self.outs.iter() {
            let is_its = |(at, run): (u32, &RunKey)| {
                runs.ends(*run).is_some_and(|ends| (ends.receiver.0, ends.at_receiver) == (link, at))
            };
            assert!((0..).zip(&out.runs.runs).all(is_its), "so does a receiver's");
            assert!(out.run.is_none_or(|run| out.runs.runs.contains(&run)), "the last one is one of them");
        }
        for of in [&ins, &outs] {
            assert!(of.iter().all(|of| count(&of.runs) == of.deliveries), "a link has counted what is in its runs");
            let sum: u32 = of.iter().map(|of| of.deliveries).sum();
            assert_eq!(sum as usize, runs.open(), "what is in a run has both of its ends");
        }
    }
}

/// A new run, with its first delivery.
#[inline(never)]
fn begin_run(
    runs: &mut Runs,
    (link, number, sender): (InLink, u32, &mut In),
    (receiver, out): (OutLink, &mut Out),
) -> DeliveryKey {
    let (at_sender, at_receiver) = (sender.runs.runs.len() as u32, out.runs.runs.len() as u32);
    let (run, delivery) = runs.begin(Ends { sender: link, receiver, at_sender, at_receiver }, number);
    sender.runs.runs.push(run);
    out.runs.runs.push(run);
    out.run = Some(run);
    delivery
}
