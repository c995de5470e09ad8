//! Messages that pass through a router in parts: what it tells the homes of their links.
//!
//! Guarantee: between the parts of a message its link is told of no other one. Queues know nothing of this: what is too large for them is
//! in a file.

use bytes::Bytes;

use crate::message::Message;

/// What a router tells a link of a message in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Streamed {
    /// To a consumer: a message begins, and is not whole. Uses up one credit.
    Begins {
        /// For `Command::Settle`; `KEY_NONE` if the consumer has nothing to settle.
        key: u64,
        /// What its parts are called when they were passed on.
        stream: u64,
        /// The octets that its first part counts.
        octets: u64,
        /// Its first part.
        message: Box<Message>,
    },
    /// To a consumer: its message goes on.
    Part {
        /// Behind what came before.
        bytes: Bytes,
        /// What they count.
        octets: u64,
        /// Whether that is all.
        following: Following,
    },
    /// To a consumer: its message does not go on.
    Aborted,
    /// To a producer: how far a receiver of its delivery has come (part 3.4.1).
    Received {
        /// The delivery.
        delivery: u32,
        /// The section that it has come to.
        section: u32,
        /// How far in that, octets.
        offset: u64,
    },
    /// To a producer: so many octets of what it brought are gone.
    Taken {
        /// As they were counted when they came.
        octets: u64,
    },
}

/// Whether a message goes on behind a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// More is to come.
    More,
    /// It ends with it.
    End,
}
