//! What a connection tells its host, and the keys in it.

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Open, Performative, Transfer, decode};
use bytes::Bytes;

use crate::flag::{Closing, Drain, Settled};
use crate::state::{DeliveryOutcome, State};

/// Names a session of a connection: its local channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(pub u16);

/// Names a link of a connection; goes stale with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkId {
    /// The session's local channel.
    pub session: u16,
    /// Distinguishes successive users of a handle.
    pub generation: u16,
    /// The link's local handle.
    pub handle: u32,
}

/// Who wants in, and with what proof.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular (RFC 4505).
    Anonymous,
    /// A name and a password (RFC 4616).
    Plain {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// Whoever the layer below says that it is, by a certificate of TLS (RFC 4422, appendix A). Only an end that
    /// connects has these: a listener does not offer the mechanism.
    External,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::External => f.write_str("External"),
            Self::Plain { user, .. } => write!(f, "Plain {{ user: {user:?} }}"),
        }
    }
}

/// The bytes of a whole message.
#[derive(Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Of one frame, in the input.
    Borrowed(&'a [u8]),
    /// Of several frames, put together.
    Owned(Bytes),
}

/// The first transfer of a delivery, as it came: what it says beside what the machine has read of it. A host that passes a delivery on
/// passes its tag and its state on; all others never look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head<'a> {
    /// In the input.
    Borrowed(&'a [u8]),
    /// Kept until the message was whole.
    Owned(Box<[u8]>),
}

impl Head<'_> {
    /// The encoded performative.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }

    /// The performative: the delivery's tag and state, and whether it is resumed or its outcome may wait.
    pub fn transfer(&self) -> Transfer<'_> {
        read_head(self.as_bytes())
    }
}

/// The transfer that `head` is.
pub(crate) fn read_head(head: &[u8]) -> Transfer<'_> {
    match decode(head) {
        Ok((Performative::Transfer(transfer), _)) => transfer,
        other => unreachable!("it was a transfer when it came: {other:?}"),
    }
}

/// Where a part of a message belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// At the start.
    First,
    /// Behind the parts before.
    Next,
    /// There, and the message is whole.
    Last,
    /// Nowhere: the sender gave the message up.
    Aborted,
}

/// Deliveries of a session that follow each other, `first..=last` in serial numbers (RFC 1982).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deliveries {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
}

impl Deliveries {
    /// A single one.
    #[must_use]
    pub fn one(delivery: u32) -> Self {
        Self { first: delivery, last: delivery }
    }
}

/// A receiver's word on deliveries that were sent to it which is no outcome by itself: how far they came, or what becomes of them
/// within a transaction.
#[derive(Debug, PartialEq)]
pub struct Update {
    /// What it says.
    pub state: State,
    /// Whether it settled them with that; if not, they stay unsettled until either end settles them.
    pub settled: Settled,
    /// Where `next_updated` goes on; behind `last` when it named all.
    pub(crate) next: u32,
    pub(crate) last: u32,
    pub(crate) session: u16,
}

/// A sender's word on deliveries that came from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmation {
    /// The session.
    pub session: SessionId,
    /// The deliveries; in order unless the peer errs.
    pub deliveries: Deliveries,
    /// Whether it settled them: those that were decided on are done with, those that were not it no longer waits for.
    pub settled: Settled,
    /// The state that it has them in, if it says.
    pub state: Option<Box<State>>,
}

/// What happened.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// The peer wants TLS: the host puts it in, then gives what follows. The header was answered.
    Tls,
    /// The peer authenticates: answer with `authenticated`.
    Authenticate(Credentials),
    /// The peer opens: answer with `accept_open` or `refuse_open`.
    OpenAsked(Box<Open>),
    /// The peer answered our open: the connection is open.
    Opened(Box<Open>),
    /// A session began, as one end asked; the machine answered for ours.
    Begun(SessionId),
    /// The peer attaches a link: answer with `accept_attach` or `refuse_attach`, at once or later; when `is_waiting` said that input
    /// waits for it, go on with that.
    AttachAsked(LinkId, Box<Attach>),
    /// The peer answered our attach. Without the terminus at its end it refuses, and `Detached` follows (part 2.6.3).
    Attached(LinkId, Box<Attach>),
    /// A whole message came.
    Delivery {
        /// The link.
        link: LinkId,
        /// The delivery's number, to settle it by.
        delivery: u32,
        /// Whether the sender settled it.
        settled: Settled,
        /// Version and format.
        format: u32,
        /// Its first transfer.
        head: Head<'a>,
        /// The message.
        payload: Payload<'a>,
    },
    /// A part of a message that is larger than `Config::stream_above`.
    Part {
        /// The link.
        link: LinkId,
        /// The delivery's number, to settle it by.
        delivery: u32,
        /// Whether the sender settled it.
        settled: Settled,
        /// Version and format.
        format: u32,
        /// Which part.
        stage: Stage,
        /// The delivery's first transfer, with its first part.
        head: Option<Head<'a>>,
        /// Its octets.
        payload: Payload<'a>,
    },
    /// A delivery came of which nothing else is told: its sender gave it up before, or it resumes one that our attach did not name
    /// (part 2.6.13). Its credit is used up.
    Ignored {
        /// The link.
        link: LinkId,
        /// The delivery's number; there is nothing to settle.
        delivery: u32,
    },
    /// The peer gave credit on a link that sends.
    Credit {
        /// The link.
        link: LinkId,
        /// How many deliveries may still start.
        credit: u32,
        /// Whether to use them up now: answer with `drained` when there is nothing left to send.
        drain: Drain,
    },
    /// The receiver decided on deliveries that were sent: `next_settled` names each, all of them before there is more input.
    /// `None`: settled without a decision.
    Settled(Option<DeliveryOutcome>),
    /// The receiver told a state of deliveries that were sent: `next_updated` names each, all of them before there is more input.
    Updated(Box<Update>),
    /// The sender settled deliveries that came, or told a state of them.
    Confirmed(Confirmation),
    /// The sender has nothing more, all credit is used up.
    Drained(LinkId),
    /// A link ended, by the peer or by an error; it is answered, or is to be (`Connection::answer_later`), or this is the peer's answer
    /// (`Connection::detach_and_hear`).
    Detached {
        /// The link.
        link: LinkId,
        /// Whether it is closed, rather than suspended.
        closing: Closing,
        /// Why.
        error: Option<Box<AmqpError>>,
    },
    /// A session ended with all its links; it is answered.
    Ended(SessionId, Option<Box<AmqpError>>),
    /// The connection ended with everything in it; it is answered.
    Closed(Option<Box<AmqpError>>),
}

// Events are returned through several calls for every message that is not plain.
const _: () = assert!(size_of::<Event<'_>>() <= 80);
