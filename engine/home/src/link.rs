//! One link, at its connection's side.

use engine_core::command::Outcome;
use engine_core::key::EndKey;

use crate::arena::Arena;
use crate::incoming::Incoming;
use crate::outgoing::Outgoing;
use crate::slots::Slot;
use crate::taking::Taking;

/// What a link's binding calls it; means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalId(pub u64);

/// One link.
pub struct Link {
    /// The connection; `None` once it is gone while the owner's answer is still to come.
    pub(crate) conn: Option<Slot>,
    pub(crate) id: LocalId,
    /// The shard that owns its address.
    pub(crate) owner: u16,
    /// The owner's half; `None` until the owner has answered.
    pub(crate) end: Option<EndKey>,
    pub(crate) address: String,
    pub(crate) kind: Kind,
    /// What becomes of a delivery that its peer settles without saying.
    pub(crate) default_outcome: Outcome,
    /// What it has under way in parts.
    pub(crate) stream: Option<Box<Stream>>,
}

/// What a link does.
pub(crate) enum Kind {
    /// Takes messages for one address.
    Producer(Arena),
    /// Gives messages of one queue.
    Consumer(Taking),
    /// Takes messages that each name their address.
    Relay {
        arena: Arena,
        /// Messages since credit was given.
        used: u32,
    },
}

/// What a link has under way in parts.
pub(crate) enum Stream {
    /// From its peer to a file.
    In(Incoming),
    /// From its peer, and of no use any more: the rest is left out.
    Refused,
    /// From files to its peer.
    Out(Outgoing),
}

impl Link {
    /// What it does, in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Producer(_) => "producer",
            Kind::Consumer(_) => "consumer",
            Kind::Relay { .. } => "relay",
        }
    }

    /// Its address; empty for a relay.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The shard that owns its address.
    #[must_use]
    pub fn owner(&self) -> u16 {
        self.owner
    }

    /// For a consumer the credit that no message has used.
    #[must_use]
    pub fn credit(&self) -> Option<u32> {
        match self.kind {
            Kind::Consumer(taking) => Some(taking.wanted),
            Kind::Producer(_) | Kind::Relay { .. } => None,
        }
    }

    /// Messages that its consumer was given and that wait here, behind a large one or to be read from their file.
    pub(crate) fn unsent(&self) -> u32 {
        match self.stream.as_deref() {
            Some(Stream::Out(outgoing)) => outgoing.unsent(),
            _ => 0,
        }
    }
}
