//! Why a queue exists, and what follows from that.
//!
//! Not here: who makes queues, and lets them go (`attach`, `declared`, `collecting` of the owner).

use engine_catalogue::AddressSettings;

use crate::bounds::Bounds;
use crate::command::Lifetime;
use crate::wildcard::Keeps;

/// Why a queue exists, and with that when it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Made on demand: goes with its last message and link.
    Auto,
    /// The subscription of one link: goes with it.
    Volatile,
    /// A subscription that outlives its links: goes when one is closed.
    Durable,
    /// The catalogue declares it: stays. When it is no longer declared it is what it was before.
    Declared(Before),
    /// The queue of a dynamic node.
    Dynamic(Lifetime),
    /// A divert's, for one of its targets: stays while that is declared, and then until it is empty.
    Divert,
    /// It leads to the subscriptions of a pattern, on another shard, and stays while there are some.
    Wildcard(Keeps),
    /// What its address keeps for subscriptions that come later: stays while the address does.
    Retained,
    /// It was deleted, and belongs to no address any more: it goes with its last message that is on its way elsewhere.
    Ending,
}

/// What a declared queue is when nobody declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    OnDemand,
    Subscription,
}

impl Kind {
    /// What it is when nobody declares it.
    pub fn before(self) -> Before {
        match self {
            Self::Declared(before) => before,
            Self::Durable => Before::Subscription,
            Self::Auto | Self::Volatile | Self::Dynamic(_) | Self::Ending => Before::OnDemand,
            Self::Divert | Self::Wildcard(_) | Self::Retained => Before::OnDemand,
        }
    }

    /// Whether durable messages of such a queue are kept on disk.
    pub fn is_lasting(self) -> bool {
        matches!(
            self,
            Self::Auto
                | Self::Durable
                | Self::Declared(_)
                | Self::Divert
                | Self::Retained
                | Self::Wildcard(Keeps::Durable)
        )
    }

    /// Whether durable messages of it are, or may be from some time on.
    pub fn may_last(self) -> bool {
        self.is_lasting() || matches!(self, Self::Wildcard(_))
    }

    /// The bounds of such a queue of an address with these settings.
    pub fn bounds(self, settings: &AddressSettings) -> Bounds {
        match self {
            Self::Retained => Bounds::of_retained(settings),
            Self::Divert | Self::Wildcard(_) => Bounds::of_divert(settings),
            _ => Bounds::new(settings),
        }
    }

    /// Whether the settings of its address say how its messages are given.
    pub fn is_given_by_settings(self) -> bool {
        !matches!(self, Self::Wildcard(_) | Self::Retained)
    }

    /// Whether it is none of those that links have to do with.
    pub fn is_beside(self) -> bool {
        self.leads() || self == Self::Retained
    }

    /// Whether all that is in it goes to another address.
    pub fn leads(self) -> bool {
        matches!(self, Self::Divert | Self::Wildcard(_))
    }

    /// Whether a queue may go when messages or links of its address do: others go when a link of their own says so.
    pub fn is_on_demand(self) -> bool {
        matches!(self, Self::Auto | Self::Dynamic(_))
    }
}
