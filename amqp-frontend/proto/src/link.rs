//! One link of a session, at either end.

use std::collections::VecDeque;

use amqp_codec::performative::{DeliveryState, ReceiverSettleMode, Role, SenderSettleMode, TAG_BYTES_MAX, Transfer};
use bytes::{Bytes, BytesMut};

use crate::limits::TRANSACTION_ID_BYTES_MAX;

/// Where a link is between attach and detach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The peer attached; the host has not answered.
    Asked,
    /// We attached; the peer has not answered.
    Attaching,
    /// Both attached.
    Attached,
    /// We detached and discard what comes until the peer does.
    Detaching,
}

/// A message to send; it is written at once, or kept when something is in its way.
#[derive(Clone, Copy, Debug)]
pub struct Send<'a> {
    /// The host's name for the delivery, given back with its outcome.
    pub key: u64,
    /// Whether to send it settled.
    pub settled: Settled,
    /// Version and format of the message.
    pub format: u32,
    /// Sections to put before the body: the header, as it is for this delivery; at most 30 octets.
    pub prefix: &'a [u8],
    /// Everything else, or a part of it.
    pub body: &'a Bytes,
    /// How much of the message this is.
    pub part: Part,
}

/// A message of one frame, to send at once or not at all.
#[derive(Clone, Copy, Debug)]
pub struct SendNow<'a> {
    /// The host's name for the delivery, given back with its outcome.
    pub key: u64,
    /// Whether to send it settled.
    pub settled: Settled,
    /// What it begins with, of any length.
    pub front: &'a [u8],
    /// What follows.
    pub body: &'a Bytes,
}

/// How much of a message is sent at once. The parts of one are sent one after the other, with nothing else on their link between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// Its beginning.
    First,
    /// What follows a part, with more behind it.
    Middle,
    /// Its end.
    Last,
    /// Nothing more of it: it is given up. What was not sent of it never is, and its outcome is told nobody.
    Aborted,
}

impl Part {
    /// Whether the message goes on behind it.
    pub(crate) fn goes_on(self) -> bool {
        matches!(self, Self::First | Self::Middle)
    }

    /// Whether a delivery begins with it.
    pub(crate) fn begins(self) -> bool {
        matches!(self, Self::Whole | Self::First)
    }
}

/// What a delivery's first transfer says beside the usual: what a host preserves that passes deliveries on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Particulars<'a> {
    /// The tag, at most 32 octets, of no other unsettled delivery of the link; `None`: one is made.
    pub tag: Option<&'a [u8]>,
    /// The state at the sender; for a delivery of a transaction, that.
    pub state: Option<DeliveryState<'a>>,
    /// Settle mode for this delivery.
    pub rcv_settle_mode: Option<ReceiverSettleMode>,
    /// Whether this goes on with a delivery from before the link was attached anew.
    pub resume: bool,
    /// Whether the disposition may wait to be sent with others.
    pub batchable: bool,
}

impl<'a> From<&Transfer<'a>> for Particulars<'a> {
    /// Those of a delivery that came.
    fn from(transfer: &Transfer<'a>) -> Self {
        Self {
            tag: transfer.delivery_tag,
            state: transfer.state.clone(),
            rcv_settle_mode: transfer.rcv_settle_mode,
            resume: transfer.resume,
            batchable: transfer.batchable,
        }
    }
}

/// Particulars of a delivery that waits.
#[derive(Debug)]
pub(crate) struct Kept {
    tag: Option<Box<[u8]>>,
    /// As encoded.
    state: Option<Box<[u8]>>,
    rcv_settle_mode: Option<ReceiverSettleMode>,
    resume: bool,
    batchable: bool,
}

impl Kept {
    /// Keeps a copy; the tag is not longer than tags are.
    pub fn new(particulars: &Particulars<'_>) -> Self {
        let Particulars { tag, ref state, rcv_settle_mode, resume, batchable } = *particulars;
        assert!(tag.is_none_or(|tag| tag.len() <= TAG_BYTES_MAX), "a delivery tag has at most 32 octets");
        let encoded = state.as_ref().map(|state| {
            let mut encoded = Vec::new();
            state.encode(&mut encoded);
            encoded.into_boxed_slice()
        });
        Self { tag: tag.map(Into::into), state: encoded, rcv_settle_mode, resume, batchable }
    }

    /// What they add to a transfer in which there is room for a tag that is made and for the longest transaction, octets, at most.
    pub fn bytes(&self) -> usize {
        let tag = self.tag.as_ref().map_or(0, |tag| tag.len().saturating_sub(size_of::<u32>()));
        let state = self.state.as_ref().map_or(0, |state| state.len().saturating_sub(TRANSACTION_ID_BYTES_MAX));
        let says_more = self.rcv_settle_mode.is_some() || self.resume || self.batchable;
        // Two for the settle mode, one for each flag.
        tag + state + if says_more { 5 } else { 0 }
    }

    /// Adds them to a transfer.
    pub fn fill<'a>(&'a self, transfer: &mut Transfer<'a>) {
        transfer.delivery_tag = self.tag.as_deref().or(transfer.delivery_tag);
        // What is encoded already goes out as it is.
        transfer.state = self.state.as_deref().map(DeliveryState::Unknown).or(transfer.state.take());
        transfer.rcv_settle_mode = self.rcv_settle_mode;
        (transfer.resume, transfer.batchable) = (self.resume, self.batchable);
    }
}

/// A message that waits for credit, window or room.
#[derive(Debug)]
pub(crate) struct Waiting {
    key: u64,
    settled: Settled,
    format: u32,
    prefix: Prefix,
    body: Bytes,
    pub part: Part,
    pub kept: Option<Box<Kept>>,
}

impl Waiting {
    pub fn new(send: &Send<'_>, kept: Option<Box<Kept>>) -> Self {
        let Send { key, settled, format, prefix, body, part } = *send;
        Self { key, settled, format, prefix: Prefix::new(prefix), body: body.clone(), part, kept }
    }

    pub fn as_send(&self) -> Send<'_> {
        let Self { key, settled, format, ref prefix, ref body, part, .. } = *self;
        Send { key, settled, format, prefix: prefix.as_bytes(), body, part }
    }
}

/// Whether a delivery is settled by being sent, or by what is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is.
    Yes,
    /// It is not: something more is to be said of it.
    No,
}

impl Settled {
    /// As the field of a frame says.
    #[inline]
    #[must_use]
    pub fn of(field: bool) -> Self {
        if field { Self::Yes } else { Self::No }
    }

    /// Whether it is.
    #[inline]
    #[must_use]
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }
}

/// A few octets by value: an encoded header section has at most 25.
#[derive(Clone, Copy, Debug, Default)]
struct Prefix {
    len: u8,
    bytes: [u8; 30],
}

impl Prefix {
    /// Keeps a copy of `bytes`, at most 30.
    fn new(bytes: &[u8]) -> Self {
        let mut prefix = Self { len: 0, bytes: [0; 30] };
        prefix.len = u8::try_from(bytes.len()).expect("a header section is short");
        prefix.bytes.get_mut(..bytes.len()).expect("a header section is short").copy_from_slice(bytes);
        prefix
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A delivery that is being sent in several frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Under {
    pub delivery: u32,
    /// How much of prefix and body of its part is sent, octets.
    pub sent: usize,
    /// Whether a frame of it was sent.
    pub begun: bool,
}

/// A delivery that is being received in several frames.
#[derive(Debug)]
pub(crate) struct Partial {
    pub delivery: u32,
    pub format: u32,
    pub settled: bool,
    /// Whether it is nothing for the host, and left out.
    pub ignored: bool,
    /// Its first transfer, until the host is given it: less than a frame.
    pub head: Box<[u8]>,
    /// What the host was not given yet.
    pub bytes: BytesMut,
    /// Octets that it was given in parts.
    pub given: u64,
}

/// When the two ends of a link settle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Modes {
    pub sender: SenderSettleMode,
    pub receiver: ReceiverSettleMode,
}

/// What a link has to send.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Whether the link stands in its session's queue of those with something to send.
    pub queued: bool,
    pub next_tag: u32,
    pub backlog: VecDeque<Waiting>,
    /// Whether the host has nothing more for a drain, which is answered when what waits has left.
    pub drained: bool,
    pub under: Option<Under>,
    /// The transaction that what is sent belongs to.
    pub transaction: Option<Bytes>,
}

/// One link.
#[derive(Debug)]
pub(crate) struct Link {
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
    pub drain: bool,
    /// Whether a flow with this link's state is to be sent.
    pub flow_due: bool,
    pub outgoing: Outgoing,
    pub partial: Option<Box<Partial>>,
    /// Whether our attach named unsettled deliveries from before, which the peer may resume.
    pub resumes: bool,
    /// Largest message that the receiving end takes, octets.
    pub max_message_size: u64,
    pub name: Box<str>,
}

impl Link {
    pub fn new(name: &str, role: Role, phase: Phase, generation: u16) -> Self {
        Self {
            generation,
            phase,
            role,
            remote_handle: None,
            modes: Modes::default(),
            delivery_count: 0,
            credit: 0,
            drain: false,
            flow_due: false,
            outgoing: Outgoing::default(),
            partial: None,
            resumes: false,
            max_message_size: u64::MAX,
            name: name.into(),
        }
    }

    /// Takes the credit of a flow from the receiver (part 2.6.7): what it gave, less what is under way to it.
    pub fn take_credit(&mut self, delivery_count: Option<u32>, link_credit: u32) {
        let limit = delivery_count.unwrap_or(self.delivery_count).wrapping_add(link_credit);
        let credit = limit.wrapping_sub(self.delivery_count);
        // A receiver that took credit back may be behind what was sent meanwhile: then there is none.
        self.credit = if credit.cast_signed() < 0 { 0 } else { credit };
    }

    /// Whether nothing that waits can use credit any more, and none of it is under way.
    pub fn has_used_credit(&self) -> bool {
        self.outgoing.backlog.is_empty() || (self.credit == 0 && self.outgoing.under.is_none())
    }

    /// Takes a sender's flow on a link that we drain; gives whether all credit is used up (part 2.6.7).
    pub fn take_drained(&mut self, delivery_count: Option<u32>) -> bool {
        let used = delivery_count.map(|count| count.wrapping_sub(self.delivery_count));
        let done = self.drain && used.is_some_and(|used| used >= self.credit && used.cast_signed() >= 0);
        if done {
            self.delivery_count = delivery_count.unwrap_or(self.delivery_count);
            (self.credit, self.drain) = (0, false);
        }
        done
    }

    /// Takes out the last message that waits for credit that is not there, if `may` says so of its key.
    pub fn take_back(&mut self, may: impl FnOnce(u64) -> bool) -> Option<u64> {
        let waiting = self.outgoing.unbegun();
        let allowed = usize::try_from(self.credit).unwrap_or(usize::MAX);
        let last = self.outgoing.backlog.back().filter(|_| waiting > allowed)?;
        let back = last.part.begins() && last.settled == Settled::No && may(last.key);
        if back { self.outgoing.backlog.pop_back().map(|taken| taken.key) } else { None }
    }

    /// Credit that the host has not used yet.
    pub fn credit_free(&self) -> u32 {
        // Of what is sent in parts none may wait.
        let waiting = self.outgoing.unbegun();
        self.credit.saturating_sub(u32::try_from(waiting).unwrap_or(u32::MAX))
    }
}

impl Outgoing {
    /// What waits, but for a delivery under way, which has its credit.
    fn unbegun(&self) -> usize {
        self.backlog.len().saturating_sub(usize::from(self.under.is_some()))
    }

    /// Takes out what waits of the delivery whose parts came last; gives whether the rest of it is to be given up, as its beginning
    /// left already.
    pub fn abort(&mut self) -> bool {
        match self.backlog.iter().rposition(|waiting| waiting.part.begins()) {
            Some(place) if place > 0 || self.under.is_none() => {
                let ends = self.backlog.back().is_none_or(|waiting| !waiting.part.goes_on());
                if !ends {
                    self.backlog.truncate(place);
                }
                false
            }
            _ => {
                self.backlog.clear();
                self.under.is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(key: u64, settled: Settled, part: Part) -> Waiting {
        Waiting::new(&Send { key, settled, format: 0, prefix: &[], body: &Bytes::new(), part }, None)
    }

    #[test]
    fn what_waits_without_credit_is_taken_back_and_nothing_else() {
        let mut link = Link::new("link", Role::Sender, Phase::Attached, 0);
        link.outgoing.backlog.extend((0..4).map(|key| waiting(key, Settled::No, Part::Whole)));
        link.outgoing.under = Some(Under { delivery: 0, sent: 1, begun: true });
        link.take_credit(Some(0), 1);
        assert_eq!(link.take_back(|key| key != 3), None, "its keeper says no");
        let taken: Vec<u64> = std::iter::from_fn(|| link.take_back(|_| true)).collect();
        assert_eq!(taken, [3, 2], "one is under way, and one has credit");
        link.take_credit(Some(0), 0);
        link.outgoing.backlog.push_back(waiting(4, Settled::Yes, Part::Whole));
        assert_eq!(link.take_back(|_| true), None, "nobody keeps what is sent settled");
        link.outgoing.backlog.pop_back();
        link.outgoing.backlog.push_back(waiting(5, Settled::No, Part::Middle));
        assert_eq!(link.take_back(|_| true), None, "the middle of a message");
        link.outgoing.backlog.pop_back();
        assert_eq!(link.take_back(|_| true), Some(1));
        assert_eq!(link.take_back(|_| true), None);
    }
}
