//! An address of the table, and a consumer.

use crate::network::LinkId;
use crate::set::RouterSet;
use crate::treatment::Treatment;

/// A consumer of this node, by a number that its host gives it and never gives again: who looks into a table that is behind finds it, or
/// nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId(pub u64);

/// How many of the bits of a `ConsumerId` number the consumers of one shard.
const NUMBER_BITS: u32 = 48;

impl ConsumerId {
    /// The consumer of a number below 2^48 of a shard.
    #[must_use]
    pub fn at(shard: u16, number: u64) -> Self {
        assert!(number < 1 << NUMBER_BITS, "a shard has fewer consumers in its life");
        Self(u64::from(shard) << NUMBER_BITS | number)
    }

    /// The shard that it is on.
    #[must_use]
    pub fn shard(self) -> u16 {
        u16::try_from(self.0 >> NUMBER_BITS).unwrap_or_default()
    }
}

/// Where a consumer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the program: management, a queue of this node.
    Inside,
    /// On the connection of a client or a container.
    Client,
    /// On the connection of an edge router, which is not given what it sent.
    Edge(LinkId),
    /// On the connection of this router, which is at the edge, to the interior: farther than what is here.
    Interior(LinkId),
}

impl Place {
    /// Whether what came over a connection of or to an edge router would go back there.
    #[must_use]
    pub fn is_beyond(self, edge: LinkId) -> bool {
        matches!(self, Self::Edge(link) | Self::Interior(link) if link == edge)
    }
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
    /// Consumers of this node, in no order.
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
