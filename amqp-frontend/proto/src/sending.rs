//! Messages on their way out: what a host gives to be sent, and what of it waits on its link.
//!
//! Guarantees: what waits leaves in its order, a message's parts with nothing between them; what a delivery says beside the usual is kept
//! as it was given.
//! Not here: which frames that makes (`transfers`), and when there is room for them (`session`).

use std::collections::VecDeque;

use amqp_codec::performative::{DeliveryState, ReceiverSettleMode, TAG_BYTES_MAX, Transfer};
use bytes::Bytes;

use crate::flag::Settled;
use crate::limits::TRANSACTION_ID_BYTES_MAX;

/// A message to send; it is written at once, or kept when something is in its way.
#[derive(Clone, Copy, Debug)]
pub struct Send<'a> {
    /// The host's name for the delivery, given back with its outcome.
    pub key: u64,
    /// Whether to send it settled.
    pub settled: Settled,
    /// Version and format of the message.
    pub format: u32,
    /// Sections to put before the body: the header, as it is for this delivery, and what a router writes. Copied if it has to wait.
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
    /// Two octets that its tag is to have behind its four own ones: what whoever sends it and its receiver have agreed on.
    pub mark: Option<u16>,
    /// What it begins with, of any length.
    pub front: &'a [u8],
    /// What follows.
    pub body: Body<'a>,
}

/// Several small messages of one link, to send in one frame at once or not at all: their receiver has agreed to that (`amqp_codec`, `Bundle`).
#[derive(Clone, Copy, Debug)]
pub struct SendTogether<'a, B> {
    /// Of each the host's name for the delivery, given back with its outcome, and how long its body is.
    pub messages: &'a [(u64, u16)],
    /// As in `SendNow`.
    pub mark: u16,
    /// What each of them begins with.
    pub front: &'a [u8],
    /// Their bodies, one behind the other, in as many pieces as they lie in.
    pub bodies: B,
}

/// What a message has behind its front.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// Octets that may be referred to until they leave.
    Shared(&'a Bytes),
    /// Octets that are copied.
    Copied(&'a [u8]),
}

impl Body<'_> {
    /// Octets.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Shared(body) => body.len(),
            Self::Copied(body) => body.len(),
        }
    }
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

    /// The host's name for it.
    pub fn key(&self) -> u64 {
        self.key
    }

    /// Whether a delivery begins with it of which the host is to be told what becomes.
    pub fn may_be_taken_back(&self) -> bool {
        self.part.begins() && self.settled == Settled::No
    }

    pub fn as_send(&self) -> Send<'_> {
        let Self { key, settled, format, ref prefix, ref body, part, .. } = *self;
        Send { key, settled, format, prefix: prefix.as_bytes(), body, part }
    }
}

/// Sections before a body: an encoded header section by value, which has at most 25 octets. What routers write before messages is longer.
#[derive(Debug)]
enum Prefix {
    Short { len: u8, octets: [u8; Self::SHORT_MAX] },
    Long(Box<[u8]>),
}

impl Prefix {
    const SHORT_MAX: usize = 30;

    /// Keeps a copy.
    fn new(prefix: &[u8]) -> Self {
        let mut octets = [0; Self::SHORT_MAX];
        match octets.get_mut(..prefix.len()) {
            Some(place) => {
                place.copy_from_slice(prefix);
                Self::Short { len: prefix.len() as u8, octets }
            }
            None => Self::Long(prefix.into()),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, octets } => octets.get(..usize::from(*len)).unwrap_or_default(),
            Self::Long(octets) => octets,
        }
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

/// What the deliveries of a link say beside the usual.
#[derive(Debug)]
pub(crate) enum Manner {
    /// Which transaction they belong to.
    Enlisted(Bytes),
    /// Their keys, as their tags.
    TaggedByKey,
}

/// What a link has to send.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    /// Whether the link stands in its session's queue of those with something to send.
    pub queued: bool,
    pub next_tag: u32,
    pub backlog: VecDeque<Waiting>,
    /// Those of them that go on with a message, and use no credit.
    following: usize,
    /// Whether the host has nothing more for a drain, which is answered when what waits has left.
    pub drained: bool,
    pub under: Option<Under>,
    /// What deliveries say beside the usual, if they do.
    pub manner: Option<Manner>,
}

impl Sending {
    /// Deliveries that wait, but for the one under way, which has its credit.
    pub fn unbegun(&self) -> usize {
        let is_under_way = self.under.is_some() && self.backlog.front().is_some_and(|waiting| waiting.part.begins());
        self.backlog.len().saturating_sub(self.following + usize::from(is_under_way))
    }

    /// Puts a message, or a part of one, behind what waits.
    pub fn push(&mut self, waiting: Waiting) {
        self.following += usize::from(!waiting.part.begins());
        self.backlog.push_back(waiting);
    }

    /// Takes out what waits longest.
    pub fn pop(&mut self) {
        if let Some(waiting) = self.backlog.pop_front() {
            self.following -= usize::from(!waiting.part.begins());
        }
    }

    /// Takes out what came last.
    pub fn pop_last(&mut self) -> Option<Waiting> {
        let waiting = self.backlog.pop_back()?;
        self.following -= usize::from(!waiting.part.begins());
        Some(waiting)
    }

    /// Nothing waits, and nothing is under way.
    pub fn clear(&mut self) {
        (self.backlog, self.following, self.under, self.queued) = (VecDeque::new(), 0, None, false);
    }

    /// Octets of what waits that were not sent. Looks at all of it.
    pub fn waiting_octets(&self) -> u64 {
        let waiting: usize =
            self.backlog.iter().map(|waiting| waiting.prefix.as_bytes().len() + waiting.body.len()).sum();
        let sent = self.under.filter(|_| !self.backlog.is_empty()).map_or(0, |under| under.sent);
        waiting.saturating_sub(sent) as u64
    }

    /// Takes out what waits of the delivery whose parts came last; gives whether the rest of it is to be given up, as its beginning
    /// left already.
    pub fn abort(&mut self) -> bool {
        let begun = self.take_last();
        self.following = self.backlog.iter().filter(|waiting| !waiting.part.begins()).count();
        begun
    }

    fn take_last(&mut self) -> bool {
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
