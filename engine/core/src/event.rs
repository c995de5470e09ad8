//! What the owner of an address tells the home of a link. Flat and small; rare payloads are boxed.

use bytes::Bytes;
use engine_catalogue::Owner;

use crate::command::{Command, Outcome, RoutingType};
use crate::key::EndKey;
use crate::message::Message;
use crate::origin::Origin;
use crate::resumption::Tag;
use crate::slab::Key;
use crate::small::Lying;
use crate::step::Step;
use crate::stream::Streamed;
use crate::through::Said;
use crate::wildcard::PatternStep;

pub use crate::refusal::Refusal;

/// What a link got attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedInfo {
    /// The selector that a subscription has.
    pub selector: Option<Box<str>>,
    /// The container whose messages a subscription leaves out.
    pub no_local: Option<Origin>,
    /// The address; for a dynamic node its generated name.
    pub address: String,
    /// The queue that a consumer reads, or that a producer named with `address::queue`.
    pub queue: Option<String>,
    /// How the address, or the named queue, is routed.
    pub routing: RoutingType,
    /// Whether the link begins where it asked to.
    pub started: bool,
    /// Set for a link that outlives its connection: deliveries from before that are known here, those of a peer that sends with their
    /// outcomes, those of one that receives without: it is sent them again.
    pub unsettled: Option<Vec<(Tag, Option<Outcome>)>>,
}

/// Who owns an address, told to whoever asked somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The owner.
    pub owner: Owner,
    /// What was asked: to attach, to take a relay's message, or to admit a connection.
    pub command: Command,
}

/// One notice from an owner to the home of the link that it is addressed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The link stands. Credit follows separately.
    Attached {
        /// Names the owner's end in later commands.
        end: EndKey,
        /// What it is attached to.
        info: Box<AttachedInfo>,
    },
    /// The connection may be opened.
    Admitted {
        /// The shard that keeps its claim.
        owner: u16,
        /// Names the claim in later commands.
        claim: EndKey,
    },
    /// The attach is refused, or the connection; there is no end.
    Refused {
        /// Why.
        refusal: Box<Refusal>,
    },
    /// A message for whoever manages the node came over a link from another router.
    Request {
        /// The message.
        message: Message,
    },
    /// A message for a consumer. Uses up one credit.
    Deliver {
        /// For `Command::Settle`; `KEY_NONE` if the consumer has nothing to settle.
        key: u64,
        /// The message; its header tells of earlier deliveries.
        message: Message,
    },
    /// The same of one that the router passes on with sections of its own before it.
    Relayed {
        /// As in `Deliver`.
        key: u64,
        /// The message.
        message: Message,
        /// What stands before its sections: its place among what came with the event.
        preface: u32,
    },
    /// The same of a small one that the router passes on.
    Passed {
        /// As in `Deliver`.
        key: u64,
        /// The message.
        message: Lying,
        /// What stands before its sections, if anything does, as in `Relayed`.
        preface: Option<u32>,
    },
    /// A producer's deliveries `first..=last` (serial numbers) have this outcome.
    Settled {
        /// The first delivery.
        first: u32,
        /// The last one; may equal `first`.
        last: u32,
        /// For all of them.
        outcome: Outcome,
    },
    /// A relay's message was refused, and its sender cannot be told by an outcome: the link is to end.
    Undelivered {
        /// Why.
        refusal: Box<Refusal>,
        /// The delivery's tag.
        tag: Bytes,
    },
    /// A consumer's outcome is on stable storage, as far as it has to be.
    Confirmed {
        /// As in `Command::Settle`.
        delivery: u32,
    },
    /// A producer may send that many more messages.
    Credit {
        /// Additional credit.
        credit: u32,
    },
    /// All that was ready has been sent and the rest of the credit is gone.
    Drained {
        /// Credit taken back.
        unused: u32,
    },
    /// The answer to `Command::Revoke`. What is missing was used by messages that were on their way before.
    Revoked {
        /// Credit that was wanted back.
        asked: u32,
        /// Credit that the consumer no longer has.
        taken: u32,
    },
    /// The address that a command named is another owner's: nothing was done. Whoever asked asks that one. Or a connection is to be
    /// admitted that another one is in the way of: whoever has that asks again, behind what it has said itself.
    Moved(Box<Moved>),
    /// The other half of a link that passes through tells of what its peer said; or a connection is to have one.
    Through(Box<Said>),
    /// A connection to another router is to have one more link for messages in parts (`Carries::Parts`).
    LinkWanted,
    /// Another shard, or this one, tells of a transaction that both are about.
    Step(Box<Step>),
    /// Another shard tells of a pattern that somebody subscribes to.
    Pattern(Box<PatternStep>),
    /// A router tells of a message in parts.
    Streamed(Streamed),
    /// A consumer takes less than the settings of its queue want; if its link is to end, `Detached` follows.
    Slow {
        /// What it did, for whoever runs the node.
        text: Box<str>,
    },
    /// The link has ended as `Command::Detach` said; its end is gone, and nothing more is told of it.
    Ended,
    /// The owner ended the link; its end is gone.
    Detached {
        /// Why.
        refusal: Box<Refusal>,
    },
}

/// A message that was just given to a consumer; it stays where it is, and [`crate::Core::message`] shows it.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// For `Command::Settle`; `KEY_NONE` if the consumer has nothing to settle.
    pub key: u64,
    pub(crate) queue: Key,
    pub(crate) entry: Key,
}

/// The key of a delivery that nobody settles: presettled or browsed.
pub const KEY_NONE: u64 = u64::MAX;

const _: () = assert!(size_of::<Event>() <= 72);
