//! What of a connection's output its machine does not know of: what waits below, and messages that a router sends in parts.

use amqp_proto::LinkId;
use engine_home::Slot;

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

/// What is on its way out of a connection.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Octets that wait in layers below.
    pub below: usize,
    /// Messages that go to receivers in parts.
    pub leaving: Vec<Leaving>,
}
