//! What of a connection's output its machine does not know of: what waits below, messages that a router sends in parts, and what two routers
//! say once in front of messages.

use amqp_proto::LinkId;
use engine_home::Slot;

use crate::prefaces::Prefaces;

/// A message that goes to a receiver in parts.
#[derive(Debug)]
pub(crate) struct Leaving {
    pub id: LinkId,
    pub place: Slot,
    pub key: u64,
    /// What the router calls it.
    pub stream: u64,
    /// What was sent of it and not called gone.
    pub octets: u64,
    /// Whether its receiver took its credit back before it began.
    pub is_given_back: bool,
}

/// Links to another router for messages in parts alone (`between`).
#[derive(Debug, Default)]
pub(crate) struct Apart {
    /// That the peer takes.
    pub most: u16,
    /// That it was asked to take.
    pub asked: u16,
}

/// What is on its way out of a connection, and what the peer knows of it.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Octets that wait in layers below.
    pub below: usize,
    /// Messages that go to receivers in parts.
    pub leaving: Vec<Leaving>,
    /// What stands before messages of both ends, if both say it once.
    pub prefaces: Option<Box<Prefaces>>,
    /// Whether both take small messages together, with such numbers.
    pub is_together: bool,
    /// Links for messages in parts, if the peer is a router.
    pub apart: Apart,
}
