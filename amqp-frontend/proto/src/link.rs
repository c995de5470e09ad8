//! One link of a session, at either end.

use std::collections::VecDeque;

use amqp_codec::performative::{ReceiverSettleMode, Role, SenderSettleMode};
use bytes::{Bytes, BytesMut};

/// Where a link is between attach and detach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
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

/// A message that waits for credit, window or room.
#[derive(Debug)]
pub(crate) struct Waiting {
    key: u64,
    settled: Settled,
    format: u32,
    prefix: Prefix,
    body: Bytes,
    pub part: Part,
}

impl Waiting {
    pub fn new(send: &Send<'_>) -> Self {
        let Send { key, settled, format, prefix, body, part } = *send;
        Self { key, settled, format, prefix: Prefix::new(prefix), body: body.clone(), part }
    }

    pub fn as_send(&self) -> Send<'_> {
        let Self { key, settled, format, ref prefix, ref body, part } = *self;
        Send { key, settled, format, prefix: prefix.as_bytes(), body, part }
    }
}

/// Whether a delivery is settled by being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is.
    Yes,
    /// The receiver says what becomes of it.
    No,
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
    /// What the host was not given yet.
    pub bytes: BytesMut,
    /// Octets that it was given in parts.
    pub given: u64,
}

/// One link.
#[derive(Debug)]
pub(crate) struct Link {
    pub generation: u16,
    pub state: State,
    /// Ours.
    pub role: Role,
    pub remote_handle: Option<u32>,
    pub snd_settle_mode: SenderSettleMode,
    pub rcv_settle_mode: ReceiverSettleMode,
    /// Deliveries started, a serial number.
    pub delivery_count: u32,
    /// How many more may start.
    pub credit: u32,
    pub drain: bool,
    /// Whether the host has nothing more for a drain, which is answered when what waits has left.
    pub drained: bool,
    /// Whether a flow with this link's state is to be sent.
    pub flow_due: bool,
    /// Whether the link stands in its session's queue of those with something to send.
    pub queued: bool,
    pub next_tag: u32,
    pub backlog: VecDeque<Waiting>,
    pub under: Option<Under>,
    pub partial: Option<Box<Partial>>,
    /// The transaction that what is sent belongs to.
    pub transaction: Option<Bytes>,
    /// Largest message that the receiving end takes, octets.
    pub max_message_size: u64,
    pub name: Box<str>,
}

impl Link {
    pub fn new(name: &str, role: Role, state: State, generation: u16) -> Self {
        Self {
            generation,
            state,
            role,
            remote_handle: None,
            snd_settle_mode: SenderSettleMode::Mixed,
            rcv_settle_mode: ReceiverSettleMode::First,
            delivery_count: 0,
            credit: 0,
            drain: false,
            drained: false,
            flow_due: false,
            queued: false,
            next_tag: 0,
            backlog: VecDeque::new(),
            under: None,
            partial: None,
            transaction: None,
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
        let waiting = self.backlog.len() - usize::from(self.under.is_some()).min(self.backlog.len());
        let allowed = usize::try_from(self.credit).unwrap_or(usize::MAX);
        let last = self.backlog.back().filter(|_| waiting > allowed)?;
        let back = last.part.begins() && last.settled == Settled::No && may(last.key);
        if back { self.backlog.pop_back().map(|taken| taken.key) } else { None }
    }

    /// Credit that the host has not used yet.
    pub fn credit_free(&self) -> u32 {
        // What is under way has its credit; of one that is sent in parts none may wait.
        let waiting = self.backlog.len().saturating_sub(usize::from(self.under.is_some()));
        self.credit.saturating_sub(u32::try_from(waiting).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(key: u64, settled: Settled, part: Part) -> Waiting {
        Waiting::new(&Send { key, settled, format: 0, prefix: &[], body: &Bytes::new(), part })
    }

    #[test]
    fn what_waits_without_credit_is_taken_back_and_nothing_else() {
        let mut link = Link::new("link", Role::Sender, State::Attached, 0);
        link.backlog.extend((0..4).map(|key| waiting(key, Settled::No, Part::Whole)));
        link.under = Some(Under { delivery: 0, sent: 1, begun: true });
        link.take_credit(Some(0), 1);
        assert_eq!(link.take_back(|key| key != 3), None, "its keeper says no");
        let taken: Vec<u64> = std::iter::from_fn(|| link.take_back(|_| true)).collect();
        assert_eq!(taken, [3, 2], "one is under way, and one has credit");
        link.take_credit(Some(0), 0);
        link.backlog.push_back(waiting(4, Settled::Yes, Part::Whole));
        assert_eq!(link.take_back(|_| true), None, "nobody keeps what is sent settled");
        link.backlog.pop_back();
        link.backlog.push_back(waiting(5, Settled::No, Part::Middle));
        assert_eq!(link.take_back(|_| true), None, "the middle of a message");
        link.backlog.pop_back();
        assert_eq!(link.take_back(|_| true), Some(1));
        assert_eq!(link.take_back(|_| true), None);
    }
}
