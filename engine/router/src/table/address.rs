//! An address of the table, and a consumer.

use crate::network::LinkId;
use crate::set::RouterSet;
use crate::treatment::Treatment;

/// A consumer of this node, by a number that its host gives it: small, and given again when the consumer is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId(pub u32);

/// Where a consumer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the program: management, a queue of this node.
    Inside,
    /// On the connection of a client or a container.
    Client,
    /// On the connection of an edge router, which is not given what it sent.
    Edge(LinkId),
}

/// A consumer of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Which.
    pub id: ConsumerId,
    /// Where.
    pub place: Place,
    /// Deliveries without an outcome from which on it counts as busy.
    pub capacity: u32,
}

/// An address that somebody wants messages of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A number of its own as long as it is there.
    pub number: u32,
    /// How its messages are spread.
    pub treatment: Treatment,
    /// Consumers of this node, in the order in which they came.
    pub local: Vec<Consumer>,
    /// Other routers that have consumers.
    pub routers: RouterSet,
}

impl Address {
    /// Whether somebody has consumers of it.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.local.is_empty() || !self.routers.is_empty()
    }
}
