//! One link, at its connection's side: what it is, and what it has under way.
//!
//! It knows its own state and no other link's; what follows for its owner, its peer or the disk its methods give back, or order from
//! `Files`.

use engine_core::Origin;
use engine_core::command::{Outcome, RoutingType};
use engine_core::key::EndKey;
use engine_core::through::Half;

use crate::arena::Arena;
use crate::files::Files;
use crate::incoming::Incoming;
use crate::kept::{Ahead, Through};
use crate::limits::RELAY_WINDOW;
use crate::outgoing::Outgoing;
use crate::passed::{Passed, Watched};
use crate::slots::Slot;
use crate::taking::Taking;

/// What a link's binding calls it; means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalId(pub u64);

/// One link.
pub struct Link {
    /// The connection; `None` once it is gone while the owner's answer is still to come.
    pub(crate) conn: Option<Slot>,
    /// The connection that detached it, and waits for the owner's answer, or for the other half's end.
    pub(crate) left: Option<Slot>,
    pub(crate) id: LocalId,
    /// The shard that owns its address.
    pub(crate) owner: u16,
    /// The owner's half; `None` until the owner has answered.
    pub(crate) end: Option<EndKey>,
    pub(crate) address: String,
    pub(crate) kind: Kind,
    /// The routing that it asks for all of its messages, whatever they say.
    pub(crate) routing: Option<RoutingType>,
    /// The container that its messages are from.
    pub(crate) origin: Origin,
    /// What becomes of a delivery that its peer settles without saying.
    pub(crate) default_outcome: Outcome,
    /// What it has under way in parts.
    pub(crate) stream: Option<Box<Stream>>,
    /// What of its messages in parts a router keeps.
    pub(crate) ahead: Ahead,
    /// What whoever looks sees of it.
    pub(crate) seen: Seen,
}

/// What whoever looks sees of a link.
#[derive(Default)]
pub(crate) struct Seen {
    /// Its name, as its peer chose it.
    pub name: Box<str>,
    /// Its place among the links of its shard.
    pub place: Slot,
    /// What passed it.
    pub passed: Passed,
    /// What it was like when it was looked at last.
    pub watched: Watched,
}

/// What a link does.
pub(crate) enum Kind {
    /// Takes messages for one address.
    Producer(Arena),
    /// The same, on a link that outlives its connection: each message goes with its tag.
    Lasting(Arena),
    /// Gives messages of one queue.
    Consumer(Taking),
    /// Takes messages that each name their address.
    Relay {
        arena: Arena,
        /// Messages since credit was given.
        used: u32,
    },
    /// Begins and ends transactions.
    Coordinator,
    /// Takes requests to whoever manages the node.
    Management,
    /// Is one half of a link that passes through whole.
    Half(Half),
}

/// What a link has under way in parts.
pub(crate) enum Stream {
    /// From its peer to a file.
    In(Incoming),
    /// From its peer, and of no use any more: the rest is left out.
    Refused,
    /// From files to its peer.
    Out(Outgoing),
    /// From its peer to a router.
    Through(Through),
}

impl Stream {
    /// Whether it sends a delivery again that nobody else is to have.
    pub(crate) fn sends_again(&self, key: u64) -> bool {
        matches!(self, Self::Out(outgoing) if outgoing.is_again(key))
    }
}

impl Link {
    /// Whether its peer receives.
    pub(crate) fn receives(&self) -> bool {
        matches!(self.kind, Kind::Consumer(_) | Kind::Half(Half::Receiver))
    }

    /// What it does, in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Producer(_) | Kind::Lasting(_) => "producer",
            Kind::Consumer(_) => "consumer",
            Kind::Relay { .. } => "relay",
            Kind::Coordinator => "coordinator",
            Kind::Management => "management",
            Kind::Half(_) => "through",
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

    /// Its name, as its peer chose it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.seen.name
    }

    /// Its place among the links of its shard.
    #[must_use]
    pub fn place(&self) -> Slot {
        self.seen.place
    }

    /// The connection, and the owner's half; `None` where there is none.
    #[must_use]
    pub fn ends(&self) -> (Option<Slot>, Option<EndKey>) {
        (self.conn, self.end)
    }

    /// How long it has had no credit, as far as it was looked at, nanoseconds.
    #[must_use]
    pub fn dry_ns(&self, now_ns: u64) -> u64 {
        self.seen.watched.dry_ns(now_ns)
    }

    /// What passed it.
    #[must_use]
    pub fn passed(&self) -> Passed {
        self.seen.passed
    }

    /// For a consumer the credit that no message has used.
    #[must_use]
    pub fn credit(&self) -> Option<u32> {
        match self.kind {
            Kind::Consumer(taking) => Some(taking.wanted),
            Kind::Producer(_)
            | Kind::Lasting(_)
            | Kind::Relay { .. }
            | Kind::Coordinator
            | Kind::Management
            | Kind::Half(_) => None,
        }
    }

    /// Whether its peer receives.
    #[must_use]
    pub fn is_consumer(&self) -> bool {
        self.receives()
    }

    /// Counts a message of a relay; gives the credit that is due.
    pub(crate) fn use_relay(&mut self) -> u32 {
        let Kind::Relay { used, .. } = &mut self.kind else { return 0 };
        *used += 1;
        if *used >= RELAY_WINDOW / 2 { std::mem::take(used) } else { 0 }
    }

    /// The credit that is due for a message that no owner hears of.
    pub(crate) fn refused_credit(&mut self) -> u32 {
        match self.kind {
            Kind::Relay { .. } => self.use_relay(),
            _ => 1,
        }
    }

    /// Messages that its consumer was given and that wait here, behind a large one or to be read from their file.
    pub(crate) fn unsent(&self) -> u32 {
        match self.stream.as_deref() {
            Some(Stream::Out(outgoing)) => outgoing.unsent(),
            _ => 0,
        }
    }

    /// The message that comes in parts.
    pub(crate) fn incoming(&mut self) -> Option<&mut Incoming> {
        match self.stream.as_deref_mut() {
            Some(Stream::In(incoming)) => Some(incoming),
            _ => None,
        }
    }

    /// The messages that leave in parts.
    pub(crate) fn outgoing(&mut self) -> Option<&mut Outgoing> {
        match self.stream.as_deref_mut() {
            Some(Stream::Out(outgoing)) => Some(outgoing),
            _ => None,
        }
    }

    /// Takes out the message that comes in parts.
    pub(crate) fn take_incoming(&mut self) -> Option<Incoming> {
        match *self.stream.take_if(|stream| matches!(**stream, Stream::In(_)))? {
            Stream::In(incoming) => Some(incoming),
            Stream::Refused | Stream::Out(_) | Stream::Through(_) => None,
        }
    }

    /// What it had under way in parts goes.
    pub(crate) fn end_stream(&mut self, files: &mut Files) {
        if let Some(Stream::In(incoming)) = self.stream.take().as_deref() {
            files.give_up(incoming.id());
        }
    }
}
