//! One link endpoint of a session: our half of a link, whichever end of it we are.
//!
//! Guarantees: credit is counted in serial numbers (part 2.6.7); what is taken back of what waits is what has no credit, the last first.
//! Not here: who attaches and detaches it (`asking`, `attaching`), and what its frames are (`delivery`, `transfers`).

use amqp_codec::performative::{ReceiverSettleMode, Role, SenderSettleMode};
use bytes::BytesMut;

use crate::flag::{Closing, Drain, Settled};
use crate::sending::Sending;
use crate::state::DeliveryOutcome;

/// Where a link is between attach and detach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The peer attached; the host has not answered.
    Asked,
    /// We attached; the peer has not answered.
    Attaching,
    /// Both attached.
    Attached,
    /// The same, but one end has more unsettled than its attach named: only what was unsettled before comes, until the link is attached
    /// anew (part 2.7.3).
    Incomplete,
    /// We detached and discard what comes until the peer does.
    Detaching,
    /// The peer detached, so; the host has not answered, and may still say what became of deliveries that came.
    Leaving(Closing),
}

/// Who answers a peer's detach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answers {
    /// The machine, at once.
    #[default]
    AtOnce,
    /// The host, when the link has ended there, too.
    Host,
}

/// Until when the host hears what the peer says of deliveries of a link that we detach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hears {
    /// Until then: whatever it says behind that is for nobody.
    #[default]
    UntilDetach,
    /// Until the peer has detached, too, which the host is told of.
    UntilAnswer,
}

/// A delivery that is being received in several frames.
#[derive(Debug)]
pub(crate) struct Partial {
    pub delivery: u32,
    pub format: u32,
    pub settled: Settled,
    /// Whether it is nothing for the host, and left out.
    pub ignored: bool,
    /// Its first transfer, until the host is given it: less than a frame.
    pub head: Box<[u8]>,
    /// What the host was not given yet.
    pub bytes: BytesMut,
    /// Octets that it was given in parts; `None`: it was not told of the delivery yet.
    pub given: Option<u64>,
    /// What the host decided on meanwhile: the peer has been told so, and waits for the last word.
    pub decided: Option<DeliveryOutcome>,
}

/// When the two ends of a link settle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Modes {
    pub sender: SenderSettleMode,
    pub receiver: ReceiverSettleMode,
}

/// What was unsettled before a link was attached, as our attach says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resumes {
    /// Nothing.
    Nothing,
    /// What it names.
    Named,
    /// What it names, and more.
    Incomplete,
}

/// What the host of a link does itself, which is the machine's on others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ByHost {
    /// Credit that was taken back, which deliveries may have used that are under way still.
    pub recalled: u32,
    /// Whether each frame of a message is told of when it comes.
    pub in_frames: bool,
    /// Who answers the peer's detach.
    pub answers: Answers,
    /// Until when it hears of deliveries.
    pub hears: Hears,
}

/// One link endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub generation: u16,
    pub phase: Phase,
    /// Ours.
    pub role: Role,
    pub remote_handle: Option<u32>,
    pub modes: Modes,
    /// Deliveries started, a serial number.
    pub delivery_count: u32,
    /// How many more may start.
    pub credit: u32,
    /// Whether that is to be used up now: by us, or by the peer that we asked.
    pub drain: Drain,
    /// Whether a flow with this link's state is to be sent.
    pub flow_due: bool,
    pub sending: Sending,
    pub partial: Option<Box<Partial>>,
    /// Whether our attach named unsettled deliveries from before, which the peer may resume.
    pub resumes: Resumes,
    /// Largest message that the receiving end takes, octets.
    pub max_message_size: u64,
    pub name: Box<str>,
    pub by_host: ByHost,
}

/// What a sender's flow says of the credit that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Nothing new.
    AsKnown,
    /// It was asked to use it up, and has.
    Drained,
    /// It has used up some although it is not asked to any more: the credit that it is to have is to be said again.
    Ahead,
}

impl Endpoint {
    pub fn new(name: &str, role: Role, phase: Phase, generation: u16) -> Self {
        Self {
            generation,
            phase,
            role,
            remote_handle: None,
            modes: Modes::default(),
            delivery_count: 0,
            credit: 0,
            drain: Drain::No,
            flow_due: false,
            sending: Sending::default(),
            partial: None,
            resumes: Resumes::Nothing,
            max_message_size: u64::MAX,
            name: name.into(),
            by_host: ByHost::default(),
        }
    }

    /// Takes the credit of a delivery that comes; gives whether there was any, or some that was taken back when it may have been sent.
    pub fn use_credit(&mut self) -> bool {
        let used = if self.credit > 0 { &mut self.credit } else { &mut self.by_host.recalled };
        let Some(left) = used.checked_sub(1) else { return false };
        *used = left;
        self.delivery_count = self.delivery_count.wrapping_add(1);
        true
    }

    /// Has the sender have so much credit, more or less than before.
    pub fn set_credit(&mut self, credit: u32) {
        let recalled = self.credit.saturating_sub(credit);
        self.by_host.recalled = self.by_host.recalled.saturating_add(recalled);
        self.credit = credit;
    }

    /// Both ends have attached it.
    pub fn attached(&mut self) {
        let incomplete = self.role == Role::Receiver && self.resumes == Resumes::Incomplete;
        self.phase = if incomplete { Phase::Incomplete } else { Phase::Attached };
    }

    /// Takes the credit of a flow from the receiver (part 2.6.7): what it gave, less what is under way to it.
    pub fn take_credit(&mut self, delivery_count: Option<u32>, link_credit: u32) {
        let limit = delivery_count.unwrap_or(self.delivery_count).wrapping_add(link_credit);
        let credit = limit.wrapping_sub(self.delivery_count);
        // A receiver that took credit back may be behind what was sent meanwhile: then there is none.
        self.credit = if credit.cast_signed() < 0 { 0 } else { credit };
    }

    /// Notes what the host decided on if that is a delivery of which more is to come; gives whether it is.
    pub fn decide_partial(&mut self, delivery: u32, outcome: &DeliveryOutcome) -> bool {
        let partial = self.partial.as_mut().filter(|partial| partial.delivery == delivery && !partial.settled.is_yes());
        partial.map(|partial| partial.decided = Some(outcome.clone())).is_some()
    }

    /// Whether the host was told of parts of a message of which more is to come.
    pub fn has_begun(&self) -> bool {
        self.partial.as_ref().is_some_and(|partial| partial.given.is_some())
    }

    /// Takes what was decided on the delivery that ends now, if its sender still waits for the last word.
    pub fn take_decided(&mut self, settled: Option<bool>) -> Option<(u32, DeliveryOutcome)> {
        let partial = self.partial.as_mut()?;
        let decided = partial.decided.take().filter(|_| settled != Some(true))?;
        Some((partial.delivery, decided))
    }

    /// Whether nothing that waits can use credit any more, and none of it is under way.
    pub fn has_used_credit(&self) -> bool {
        self.sending.backlog.is_empty() || (self.credit == 0 && self.sending.under.is_none())
    }

    /// Whether the host has not answered the peer's attach, or its detach.
    pub fn is_asked(&self) -> bool {
        matches!(self.phase, Phase::Asked | Phase::Leaving(_))
    }

    /// Whether the host is to answer the peer's detach.
    pub fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Leaving(_))
    }

    /// Whether one end or the other has detached it.
    pub fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Detaching | Phase::Leaving(_))
    }

    /// Whether its name leads to it: it is there, or was given up before the peer's attach came.
    pub fn has_name(&self) -> bool {
        self.phase != Phase::Detaching || self.remote_handle.is_none()
    }

    /// Takes what a sender's flow says of the credit that it was given (part 2.6.7).
    pub fn take_count(&mut self, delivery_count: Option<u32>) -> Counted {
        let used = delivery_count.map(|count| count.wrapping_sub(self.delivery_count));
        let Some(used) = used.filter(|used| used.cast_signed() >= 0) else { return Counted::AsKnown };
        let counted = match self.drain {
            Drain::Yes if used >= self.credit => {
                (self.credit, self.drain) = (0, Drain::No);
                Counted::Drained
            }
            Drain::No if used > 0 => {
                self.by_host.recalled = self.by_host.recalled.saturating_sub(used);
                Counted::Ahead
            }
            // Nothing was used, or it answers an earlier drain and hears of more credit.
            Drain::Yes | Drain::No => return Counted::AsKnown,
        };
        self.delivery_count = self.delivery_count.wrapping_add(used);
        counted
    }

    /// Takes out the last message that waits for credit that is not there, if `may` says so of its key.
    pub fn take_back(&mut self, may: impl FnOnce(u64) -> bool) -> Option<u64> {
        let waiting = self.sending.unbegun();
        let allowed = usize::try_from(self.credit).unwrap_or(usize::MAX);
        let last = self.sending.backlog.back().filter(|_| waiting > allowed)?;
        let back = last.may_be_taken_back() && may(last.key());
        if back { self.sending.pop_last().map(|taken| taken.key()) } else { None }
    }

    /// Credit that the host has not used yet.
    pub fn credit_free(&self) -> u32 {
        let waiting = self.sending.unbegun();
        self.credit.saturating_sub(u32::try_from(waiting).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    use crate::sending::{Part, Send, Under, Waiting};

    fn waiting(key: u64, settled: Settled, part: Part) -> Waiting {
        Waiting::new(&Send { key, settled, format: 0, prefix: &[], body: &Bytes::new(), part }, None)
    }

    #[test]
    fn what_waits_without_credit_is_taken_back_and_nothing_else() {
        let mut link = Endpoint::new("link", Role::Sender, Phase::Attached, 0);
        (0..4).for_each(|key| link.sending.push(waiting(key, Settled::No, Part::Whole)));
        link.sending.under = Some(Under { delivery: 0, sent: 1, begun: true });
        link.take_credit(Some(0), 1);
        assert_eq!(link.take_back(|key| key != 3), None, "its keeper says no");
        let taken: Vec<u64> = std::iter::from_fn(|| link.take_back(|_| true)).collect();
        assert_eq!(taken, [3, 2], "one is under way, and one has credit");
        link.take_credit(Some(0), 0);
        link.sending.push(waiting(4, Settled::Yes, Part::Whole));
        assert_eq!(link.take_back(|_| true), None, "nobody keeps what is sent settled");
        link.sending.pop_last();
        link.sending.push(waiting(5, Settled::No, Part::Middle));
        assert_eq!(link.take_back(|_| true), None, "the middle of a message");
        link.sending.pop_last();
        assert_eq!(link.take_back(|_| true), Some(1));
        assert_eq!(link.take_back(|_| true), None);
    }
}
