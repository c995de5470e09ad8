//! What a connection tells its host, and the keys in it.

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Open};
use bytes::Bytes;
use engine_message::Symbol;

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
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Plain { user, .. } => write!(f, "Plain {{ user: {user:?} }}"),
        }
    }
}

/// The end of a delivery, as its receiver decides (part 3.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Processed.
    #[default]
    Accepted,
    /// Invalid.
    Rejected(Option<Box<(Symbol, String)>>),
    /// Not processed.
    Released,
    /// Not processed, and changed.
    Modified(Box<Modified>),
    /// A coordinator's answer to `declare`: the transaction's identifier (part 4.5.7).
    Declared(Bytes),
}

/// How a delivery was changed (part 3.4.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modified {
    /// Count the attempt.
    pub delivery_failed: bool,
    /// Do not send it to this link again.
    pub undeliverable_here: bool,
    /// Message annotations to merge, an encoded map.
    pub annotations: Option<Bytes>,
}

/// The bytes of a whole message.
#[derive(Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Of one frame, in the input.
    Borrowed(&'a [u8]),
    /// Of several frames, put together.
    Owned(Bytes),
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

/// What happened.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// The peer wants TLS: the host puts it in, then gives what follows. The header was answered.
    Tls,
    /// The peer authenticates: answer with `authenticated`.
    Authenticate(Credentials),
    /// The peer opens: answer with `accept_open` or `refuse_open`. As a client: it answered.
    Opened(Box<Open>),
    /// A session began. The machine answered.
    Begun(SessionId),
    /// The peer attaches a link: answer with `accept_attach` or `refuse_attach`, at once or later; when `is_waiting` said that input
    /// waits for it, go on with that. As a client: it answered.
    Attached(LinkId, Box<Attach>),
    /// A whole message came.
    Delivery {
        /// The link.
        link: LinkId,
        /// The delivery's number, to settle it by.
        delivery: u32,
        /// Whether the sender settled it.
        settled: bool,
        /// Version and format.
        format: u32,
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
        settled: bool,
        /// Version and format.
        format: u32,
        /// Which part.
        stage: Stage,
        /// Its octets.
        payload: Payload<'a>,
    },
    /// The peer gave credit on a link that sends.
    Credit {
        /// The link.
        link: LinkId,
        /// How many deliveries may still start.
        credit: u32,
        /// Whether to use them up now: answer with `drained` when there is nothing left to send.
        drain: bool,
    },
    /// The peer decided on deliveries that were sent: `next_settled` names each, all of them before there is more input.
    /// `None`: settled without a decision.
    Settled(Option<Outcome>),
    /// As a client: the sender settled deliveries that were decided on and not settled (receiver settle mode second).
    Confirmed {
        /// The session.
        session: SessionId,
        /// The first delivery.
        first: u32,
        /// The last one; not before the first, in serial numbers, unless the peer errs.
        last: u32,
    },
    /// As a client: the sender has nothing more, all credit is used up.
    Drained(LinkId),
    /// A link ended, by the peer or by an error; it is answered.
    Detached {
        /// The link.
        link: LinkId,
        /// Whether it is closed, rather than suspended.
        closed: bool,
        /// Why.
        error: Option<Box<AmqpError>>,
    },
    /// A session ended with all its links; it is answered.
    Ended(SessionId, Option<Box<AmqpError>>),
    /// The connection ended with everything in it; it is answered.
    Closed(Option<Box<AmqpError>>),
}

// Events are returned through several calls for every message.
const _: () = assert!(size_of::<Event<'_>>() <= 64);
